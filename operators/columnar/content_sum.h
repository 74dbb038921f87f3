// An order-free, additive checksum of rows that one line of Spark SQL can repeat (compute.md 4.6):
// (rows, sum of r as int128), r = xxhash64(h_1 xor .. xor h_n), h_i = xxhash64(i, v_i), i from 1,
// where xxhash64 is Spark's: XXH64 chained over its arguments from seed 42; a null keeps the seed;
// bool, int32, date and float32 hash as 4-byte, int64, timestamp, float64 and decimals up to 18
// digits as 8-byte integers, other decimals and text as bytes; -0.0 is 0.0, all NaN are one.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "operators/columnar/types.h"

namespace nightmill {

std::uint64_t SparkHashInt(std::int32_t value, std::uint64_t seed);
std::uint64_t SparkHashLong(std::int64_t value, std::uint64_t seed);
std::uint64_t SparkHashBytes(std::string_view bytes, std::uint64_t seed);  // = XXH64

struct ContentSum {
  std::int64_t rows = 0;
  Int128 sum = 0;

  bool operator==(const ContentSum&) const = default;
  void Add(const ContentSum& other) {
    rows += other.rows;
    sum += other.sum;
  }
};
// "<rows>:<sum>", and back.
std::string ToString(const ContentSum& sum);
std::optional<ContentSum> ParseContentSum(std::string_view text);

// xors h_i of `rows` slots of column number `index` (from 1) into `hashes`.
void AddColumnHashes(const ColumnType& type, int index, const void* slots,
                     const std::uint64_t* valid, std::span<std::uint64_t> hashes);
// The sum over rows whose column hashes have been xored together.
ContentSum SumRowHashes(std::span<const std::uint64_t> hashes);

}  // namespace nightmill
