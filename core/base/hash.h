// Hashes that are part of the product's meaning, not of security: the keyed hash behind jitter
// (semantics.md, Conventions), version identities and fingerprints. SHA-256 is FIPS 180-4.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace nightmill {

class Sha256 {
 public:
  Sha256();
  void Update(std::string_view bytes);
  std::array<std::uint8_t, 32> Finish();

 private:
  void Block(const std::uint8_t* p);

  std::array<std::uint32_t, 8> h_;
  std::array<std::uint8_t, 64> buffer_;
  std::size_t buffered_ = 0;
  std::uint64_t total_ = 0;
};

// 64 lower-case hex digits.
std::string Sha256Hex(std::string_view bytes);

// H(f1, .., fn): the first 8 bytes, big endian, of SHA-256 over the fields joined by byte 0x1F.
std::uint64_t KeyedHash(std::initializer_list<std::string_view> fields);
// (h * n) >> 64 in 128 bits: 0 <= result < n. n = 0 gives 0.
std::uint64_t Scale(std::uint64_t h, std::uint64_t n);

// CRC-32C (Castagnoli), the checksum of spool records and frames.
std::uint32_t Crc32c(std::string_view bytes, std::uint32_t seed = 0);

}  // namespace nightmill
