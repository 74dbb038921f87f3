#include "operators/columnar/key_hash.h"

#include "operators/columnar/content_sum.h"

namespace nightmill {
namespace {

std::uint64_t Load64(const char* p) {
  std::uint64_t v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

constexpr std::uint64_t kC1 = 0x87C37B91114253D5ull;
constexpr std::uint64_t kC2 = 0x4CF5AD432745937Full;

std::uint64_t MixLow(std::uint64_t k) { return std::rotl(k * kC1, 31) * kC2; }
std::uint64_t MixHigh(std::uint64_t k) { return std::rotl(k * kC2, 33) * kC1; }

std::uint64_t Finalize(std::uint64_t h) {
  h = (h ^ (h >> 33)) * 0xFF51AFD7ED558CCDull;
  h = (h ^ (h >> 33)) * 0xC4CEB9FE1A85EC53ull;
  return h ^ (h >> 33);
}

}  // namespace

std::uint64_t HashKeyBytes(std::string_view bytes) { return SparkHashBytes(bytes, 0); }

Hash128 Murmur128(std::string_view bytes) {
  std::uint64_t h1 = 0, h2 = 0;
  const char* p = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 16; p += 16, left -= 16) {
    h1 = std::rotl(h1 ^ MixLow(Load64(p)), 27) + h2;
    h1 = h1 * 5 + 0x52DCE729;
    h2 = std::rotl(h2 ^ MixHigh(Load64(p + 8)), 31) + h1;
    h2 = h2 * 5 + 0x38495AB5;
  }
  char tail[16] = {};
  std::memcpy(tail, p, left);
  // Zero words mix to zero, so a short tail needs no case of its own.
  h2 ^= MixHigh(Load64(tail + 8));
  h1 ^= MixLow(Load64(tail));
  h1 ^= bytes.size();
  h2 ^= bytes.size();
  h1 += h2;
  h2 += h1;
  h1 = Finalize(h1);
  h2 = Finalize(h2);
  h1 += h2;
  h2 += h1;
  return {h1, h2};
}

}  // namespace nightmill
