#include "core/base/hash.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <set>
#include <string>

#include "core/base/rng.h"

namespace nightmill {
namespace {

TEST(Sha256Test, MatchesTheVectorsOfFips180) {
  EXPECT_EQ(Sha256Hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256Hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(Sha256Hex(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256Test, DoesNotDependOnHowTheInputIsCut) {
  // Lengths around the block size and around the place of the length field.
  for (std::size_t size = 0; size <= 200; ++size) {
    std::string text;
    for (std::size_t i = 0; i < size; ++i) text += static_cast<char>(i * 7);
    const std::string whole = Sha256Hex(text);
    Rng rng(size + 1);
    for (int round = 0; round < 5; ++round) {
      Sha256 sha;
      for (std::size_t at = 0; at < size;) {
        const std::size_t n = std::min<std::size_t>(size - at, 1 + rng.Below(70));
        sha.Update(std::string_view(text).substr(at, n));
        at += n;
      }
      std::string hex;
      for (const std::uint8_t byte : sha.Finish()) {
        constexpr std::string_view kDigits = "0123456789abcdef";
        hex += kDigits[byte >> 4];
        hex += kDigits[byte & 15];
      }
      EXPECT_EQ(hex, whole) << size;
    }
  }
}

// The vectors of semantics: jitter of `daily_orders` and the retries of `process`.
TEST(KeyedHashTest, GivesTheDocumentedDelays) {
  EXPECT_EQ(Scale(KeyedHash({"jitter/1", "daily_orders", "0"}), 60'000), 7'695u);
  EXPECT_EQ(Scale(KeyedHash({"jitter/1", "daily_orders", "0", "2026-03-16T06:00:00Z"}), 60'000),
            24'170u);
  // n = 2, d = 5 min, m = 2: c = 600 s, q = 60 s, delay = c - q + scale(h, 2q + 1).
  const std::array<std::pair<const char*, const char*>, 4> instances = {
      {{"0", "101"}, {"1", "102"}, {"2", "103"}, {"3", "104"}}};
  const std::array<std::uint64_t, 4> delays = {580'707, 659'795, 650'812, 631'234};
  for (std::size_t i = 0; i < instances.size(); ++i) {
    const std::uint64_t h =
        KeyedHash({"retry/1", "daily_orders", "process", "scheduled__2026-03-16T00:00:00+00:00",
                   instances[i].first, "2", instances[i].second});
    EXPECT_EQ(600'000 - 60'000 + Scale(h, 120'001), delays[i]);
  }
}

TEST(KeyedHashTest, KeepsFieldsApart) {
  const std::set<std::uint64_t> hashes = {KeyedHash({"ab", "c"}), KeyedHash({"a", "bc"}),
                                          KeyedHash({"abc"}),     KeyedHash({"abc", ""}),
                                          KeyedHash({"", "abc"}), KeyedHash({""})};
  EXPECT_EQ(hashes.size(), 6u);
  EXPECT_EQ(KeyedHash({"a", "b"}), KeyedHash({"a\x1F"
                                              "b"}));
}

TEST(ScaleTest, StaysBelowItsBound) {
  EXPECT_EQ(Scale(0, 10), 0u);
  EXPECT_EQ(Scale(~0ull, 10), 9u);
  EXPECT_EQ(Scale(~0ull, ~0ull), ~0ull - 1);
  EXPECT_EQ(Scale(1ull << 63, 10), 5u);
  EXPECT_EQ(Scale(~0ull, 0), 0u);
  EXPECT_EQ(Scale(~0ull, 1), 0u);
}

TEST(Crc32cTest, MatchesRfc3720) {
  EXPECT_EQ(Crc32c(""), 0u);
  EXPECT_EQ(Crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(Crc32c(std::string(32, '\xFF')), 0x62A8AB43u);
  std::string ascending;
  for (char c = 0; c < 32; ++c) ascending += c;
  EXPECT_EQ(Crc32c(ascending), 0x46DD794Eu);
}

TEST(Crc32cTest, ContinuesFromASeed) {
  EXPECT_EQ(Crc32c("6789", Crc32c("12345")), Crc32c("123456789"));
}

}  // namespace
}  // namespace nightmill
