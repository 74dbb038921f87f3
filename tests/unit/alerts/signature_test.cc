// Standard Webhooks: the published example, secrets that are none, and no byte that may change.
#include "scheduler/daemon/alerts/signature.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace nightmill {
namespace {

// Example of the specification's libraries.
constexpr const char* kSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
constexpr std::string_view kId = "msg_p5jXN8AQM9LWM0D4loKWxJek";
constexpr std::string_view kTimestamp = "1614265330";
constexpr std::string_view kBody = R"({"test": 2432232314})";
constexpr const char* kSignature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
const Instant kNow = InstantFromMicros(1'614'265'330'000'000);

std::vector<std::string> Keys() {
  Result<std::string> key = DecodeSecret(kSecret);
  CHECK(key.ok());
  return {*key};
}

TEST(Signature, TheExampleOfTheSpecification) {
  EXPECT_EQ(SignatureOf(Keys(), kId, kTimestamp, kBody), kSignature);
  EXPECT_TRUE(VerifySignature(Keys(), {kId, kTimestamp, kSignature, kBody}, kNow).ok());
}

TEST(Signature, TwoSecretsGiveTwoSignaturesAndEitherIsEnough) {
  const std::vector<std::string> both{std::string(32, 'n'), Keys()[0]};
  const std::string header = SignatureOf(both, kId, kTimestamp, kBody);
  EXPECT_TRUE(header.ends_with(std::string(" ") + kSignature)) << header;
  for (const std::string& key : both) {
    EXPECT_TRUE(VerifySignature(std::vector{key}, {kId, kTimestamp, header, kBody}, kNow).ok());
  }
  const std::vector<std::string> other{std::string(32, 'o')};
  EXPECT_FALSE(VerifySignature(other, {kId, kTimestamp, header, kBody}, kNow).ok());
}

TEST(Signature, NoByteMayChange) {
  const std::string fields[] = {std::string(kId), std::string(kTimestamp), kSignature,
                                std::string(kBody)};
  for (std::size_t field = 0; field < 4; ++field) {
    for (std::size_t i = 0; i < fields[field].size(); ++i) {
      for (int bit = 0; bit < 8; ++bit) {
        std::string changed[] = {fields[0], fields[1], fields[2], fields[3]};
        changed[field][i] = static_cast<char>(changed[field][i] ^ (1 << bit));
        const SignedMessage message{changed[0], changed[1], changed[2], changed[3]};
        EXPECT_FALSE(VerifySignature(Keys(), message, kNow).ok()) << field << " " << i;
      }
    }
  }
}

TEST(Signature, OldAndFutureMessagesAreRefused) {
  const SignedMessage message{kId, kTimestamp, kSignature, kBody};
  for (const int seconds : {-300, 300}) {
    EXPECT_TRUE(VerifySignature(Keys(), message, kNow + std::chrono::seconds{seconds}).ok());
    const int late = seconds < 0 ? seconds - 1 : seconds + 1;
    EXPECT_FALSE(VerifySignature(Keys(), message, kNow + std::chrono::seconds{late}).ok());
  }
  for (const std::string_view text :
       {"", "x", "1614265330x", " 1614265330", "99999999999999999999"}) {
    EXPECT_FALSE(VerifySignature(Keys(), {kId, text, kSignature, kBody}, kNow).ok()) << text;
  }
  EXPECT_FALSE(VerifySignature(Keys(), {kId, kTimestamp, "", kBody}, kNow).ok());
}

TEST(Signature, ASecretIs24To64Bytes) {
  const std::string a32(32, 'A');  // 24 bytes
  EXPECT_EQ(DecodeSecret("whsec_" + a32)->size(), 24u);
  EXPECT_EQ(DecodeSecret("whsec_" + a32 + "AA==")->size(), 25u);
  EXPECT_EQ(DecodeSecret("whsec_" + std::string(84, 'A') + "AA==")->size(), 64u);
  for (const std::string& bad :
       {std::string(""), a32, "whsec_" + a32.substr(4),
        "whsec_" + a32 + "AA=", "whsec_" + a32 + "A",
        "whsec_" + std::string(84, 'A') + "AAA=", "whsec_" + a32.substr(1) + "!",
        "whsec_" + a32 + "AB==", "whsec_" + a32.substr(0, 28) + "A===", "WHSEC_" + a32}) {
    const Result<std::string> key = DecodeSecret(bad);
    EXPECT_FALSE(key.ok()) << bad;
    if (!key.ok() && bad.size() > 10) {
      EXPECT_EQ(key.error().message.find(bad.substr(6)), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace nightmill
