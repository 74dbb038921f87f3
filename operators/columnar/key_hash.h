// Hashes of keys and values. XXH64 orders and splits groups (compute.md 2.5), so it is part of what
// a table's bytes depend on; MurmurHash3 x64-128 stands for texts too long to be stored whole
// (2.6: chance of any collision among 10^10 values < 1.5e-19). The others only place entries in
// tables that live in memory.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "operators/columnar/types.h"

namespace nightmill {

inline constexpr std::uint64_t kXxhPrime1 = 0x9E3779B185EBCA87ull;
inline constexpr std::uint64_t kXxhPrime2 = 0xC2B2AE3D27D4EB4Full;
inline constexpr std::uint64_t kXxhPrime3 = 0x165667B19E3779F9ull;
inline constexpr std::uint64_t kXxhPrime4 = 0x85EBCA77C2B2AE63ull;
inline constexpr std::uint64_t kXxhPrime5 = 0x27D4EB2F165667C5ull;

// XXH64, seed 0, of the 8 little-endian bytes of `value`: a bijection.
inline std::uint64_t HashKey64(std::uint64_t value) {
  std::uint64_t h = (kXxhPrime5 + 8) ^ (std::rotl(value * kXxhPrime2, 31) * kXxhPrime1);
  h = std::rotl(h, 27) * kXxhPrime1 + kXxhPrime4;
  h = (h ^ (h >> 33)) * kXxhPrime2;
  h = (h ^ (h >> 29)) * kXxhPrime3;
  return h ^ (h >> 32);
}
// XXH64, seed 0.
std::uint64_t HashKeyBytes(std::string_view bytes);

struct Hash128 {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  auto operator<=>(const Hash128&) const = default;
};
// MurmurHash3 x64-128, seed 0 (Appleby, public domain).
Hash128 Murmur128(std::string_view bytes);

// Both halves of a 128-bit product, folded: a fast mix for hash tables.
inline std::uint64_t FoldMultiply(std::uint64_t a, std::uint64_t b) {
  const UInt128 product = static_cast<UInt128>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}
inline std::uint32_t TableHash(std::uint64_t key) {
  return static_cast<std::uint32_t>((key * kXxhPrime1 ^ key >> 32) * kXxhPrime2 >> 32);
}

}  // namespace nightmill
