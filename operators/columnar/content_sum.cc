#include "operators/columnar/content_sum.h"

#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>

namespace nightmill {
namespace {

// XXH64 (Yann Collet, github.com/Cyan4973/xxHash, specification doc/xxhash_spec.md).
constexpr std::uint64_t kP1 = 0x9E3779B185EBCA87ULL;
constexpr std::uint64_t kP2 = 0xC2B2AE3D27D4EB4FULL;
constexpr std::uint64_t kP3 = 0x165667B19E3779F9ULL;
constexpr std::uint64_t kP4 = 0x85EBCA77C2B2AE63ULL;
constexpr std::uint64_t kP5 = 0x27D4EB2F165667C5ULL;
constexpr std::uint64_t kSparkSeed = 42;

std::uint64_t Avalanche(std::uint64_t h) {
  h ^= h >> 33;
  h *= kP2;
  h ^= h >> 29;
  h *= kP3;
  return h ^ (h >> 32);
}

std::uint64_t Round(std::uint64_t acc, std::uint64_t input) {
  return std::rotl(acc + input * kP2, 31) * kP1;
}

std::uint64_t MergeRound(std::uint64_t acc, std::uint64_t value) {
  return (acc ^ Round(0, value)) * kP1 + kP4;
}

std::uint64_t Load64(const char* p) {
  std::uint64_t v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

std::uint32_t Load32(const char* p) {
  std::uint32_t v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

std::uint64_t Tail(std::uint64_t h, const char* p, std::size_t n) {
  for (; n >= 8; p += 8, n -= 8) h = std::rotl(h ^ Round(0, Load64(p)), 27) * kP1 + kP4;
  if (n >= 4) {
    h = std::rotl(h ^ (Load32(p) * kP1), 23) * kP2 + kP3;
    p += 4;
    n -= 4;
  }
  for (; n > 0; ++p, --n) {
    h = std::rotl(h ^ (static_cast<unsigned char>(*p) * kP5), 11) * kP1;
  }
  return Avalanche(h);
}

// Java's BigInteger.toByteArray: shortest big-endian two's complement, at least one byte.
std::uint64_t HashBigInteger(Int128 value, std::uint64_t seed) {
  std::array<char, 16> bytes;
  auto rest = static_cast<UInt128>(value);
  for (std::size_t i = bytes.size(); i-- > 0; rest >>= 8) bytes[i] = static_cast<char>(rest & 0xFF);
  const char fill = value < 0 ? '\xFF' : '\0';
  std::size_t first = 0;
  while (first + 1 < bytes.size() && bytes[first] == fill &&
         ((bytes[first + 1] < 0) == (fill != '\0'))) {
    ++first;
  }
  return SparkHashBytes({bytes.data() + first, bytes.size() - first}, seed);
}

std::int32_t FloatBits(float v) {
  if (v == 0.0F) return 0;
  if (std::isnan(v)) return 0x7FC00000;
  return std::bit_cast<std::int32_t>(v);
}

std::int64_t DoubleBits(double v) {
  if (v == 0.0) return 0;
  if (std::isnan(v)) return 0x7FF8000000000000LL;
  return std::bit_cast<std::int64_t>(v);
}

template <class T, class Hash>
void AddHashes(const void* slots, const std::uint64_t* valid, std::span<std::uint64_t> hashes,
               const Hash& hash, std::uint64_t null_hash) {
  const T* values = static_cast<const T*>(slots);
  if (valid == nullptr) {
    for (std::size_t i = 0; i < hashes.size(); ++i) hashes[i] ^= hash(values[i]);
    return;
  }
  for (std::size_t i = 0; i < hashes.size(); ++i) {
    hashes[i] ^= BitIsSet(valid, i) ? hash(values[i]) : null_hash;
  }
}

}  // namespace

std::uint64_t SparkHashInt(std::int32_t value, std::uint64_t seed) {
  const std::uint64_t h = (seed + kP5 + 4) ^ (static_cast<std::uint32_t>(value) * kP1);
  return Avalanche(std::rotl(h, 23) * kP2 + kP3);
}

std::uint64_t SparkHashLong(std::int64_t value, std::uint64_t seed) {
  const std::uint64_t h = (seed + kP5 + 8) ^ Round(0, static_cast<std::uint64_t>(value));
  return Avalanche(std::rotl(h, 27) * kP1 + kP4);
}

std::uint64_t SparkHashBytes(std::string_view bytes, std::uint64_t seed) {
  const char* p = bytes.data();
  std::size_t n = bytes.size();
  std::uint64_t h = seed + kP5;
  if (n >= 32) {
    std::uint64_t v1 = seed + kP1 + kP2;
    std::uint64_t v2 = seed + kP2;
    std::uint64_t v3 = seed;
    std::uint64_t v4 = seed - kP1;
    for (; n >= 32; p += 32, n -= 32) {
      v1 = Round(v1, Load64(p));
      v2 = Round(v2, Load64(p + 8));
      v3 = Round(v3, Load64(p + 16));
      v4 = Round(v4, Load64(p + 24));
    }
    h = std::rotl(v1, 1) + std::rotl(v2, 7) + std::rotl(v3, 12) + std::rotl(v4, 18);
    for (const std::uint64_t v : {v1, v2, v3, v4}) h = MergeRound(h, v);
  }
  return Tail(h + bytes.size(), p, n);
}

std::string ToString(const ContentSum& sum) {
  return std::to_string(sum.rows) + ":" + Int128ToString(sum.sum);
}

std::optional<ContentSum> ParseContentSum(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  ContentSum sum;
  const auto parsed = std::from_chars(text.data(), text.data() + colon, sum.rows);
  const auto total = ParseInt128(text.substr(colon + 1));
  if (parsed.ptr != text.data() + colon || !total) return std::nullopt;
  sum.sum = *total;
  return sum;
}

void AddColumnHashes(const ColumnType& type, int index, const void* slots,
                     const std::uint64_t* valid, std::span<std::uint64_t> hashes) {
  const std::uint64_t seed = SparkHashInt(index, kSparkSeed);
  switch (type.kind) {
    case TypeKind::kBool:
      return AddHashes<std::uint8_t>(
          slots, valid, hashes, [=](std::uint8_t v) { return SparkHashInt(v != 0, seed); }, seed);
    case TypeKind::kInt32:
    case TypeKind::kDate:
      return AddHashes<std::int32_t>(
          slots, valid, hashes, [=](std::int32_t v) { return SparkHashInt(v, seed); }, seed);
    case TypeKind::kInt64:
    case TypeKind::kTimestamp:
      return AddHashes<std::int64_t>(
          slots, valid, hashes, [=](std::int64_t v) { return SparkHashLong(v, seed); }, seed);
    case TypeKind::kFloat32:
      return AddHashes<float>(
          slots, valid, hashes, [=](float v) { return SparkHashInt(FloatBits(v), seed); }, seed);
    case TypeKind::kFloat64:
      return AddHashes<double>(
          slots, valid, hashes, [=](double v) { return SparkHashLong(DoubleBits(v), seed); }, seed);
    case TypeKind::kDecimal:
      if (type.precision <= 18) {
        return AddHashes<Int128>(
            slots, valid, hashes,
            [=](Int128 v) { return SparkHashLong(static_cast<std::int64_t>(v), seed); }, seed);
      }
      return AddHashes<Int128>(
          slots, valid, hashes, [=](Int128 v) { return HashBigInteger(v, seed); }, seed);
    case TypeKind::kString:
    case TypeKind::kBinary:
      return AddHashes<std::string_view>(
          slots, valid, hashes, [=](std::string_view v) { return SparkHashBytes(v, seed); }, seed);
    case TypeKind::kUnsupported:
      CheckFailed("only readable types are hashed", __FILE__, __LINE__, {});
  }
}

ContentSum SumRowHashes(std::span<const std::uint64_t> hashes) {
  ContentSum out;
  for (const std::uint64_t h : hashes) {
    const std::uint64_t r = SparkHashLong(static_cast<std::int64_t>(h), kSparkSeed);
    out.sum += static_cast<std::int64_t>(r);
  }
  out.rows = static_cast<std::int64_t>(hashes.size());
  return out;
}

}  // namespace nightmill
