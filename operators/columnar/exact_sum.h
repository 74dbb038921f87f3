// Sums of doubles without rounding (compute.md 2.7). A double is a 53-bit integer times a power of
// two; it is added as an integer, so any order, split or merge gives the same bits, and the one
// rounding at the end (to nearest, ties to even) keeps the error within half a unit in the last
// place. Most values fit an int128 with lsb 2^-64 that lives in a group's state; a value with lower
// or higher bits goes to a wide accumulator over all doubles, made for that group when first needed
// (the small superaccumulator of Neal, arXiv:1505.05571). The way taken changes speed, never
// results. Thread rule: values; a state and its WideSums belong to one thread at a time.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "operators/columnar/types.h"

namespace nightmill {

// A fixed-point number in two's complement: kLimbs * 64 bits, lowest bit worth 2^kLsb.
template <int kLimbs, int kLsb>
class WideFixed {
 public:
  static constexpr int kLowestBit = kLsb;

  // Adds +-magnitude * 2^exponent; every bit must lie within the number.
  void Add(UInt128 magnitude, int exponent, bool negative);
  // Adds a signed integer of 64-bit limbs (two's complement, lowest first) * 2^exponent.
  void AddSigned(std::span<const std::uint64_t> limbs, int exponent);

  std::span<const std::uint64_t> limbs() const { return limbs_; }

 private:
  void AddAt(std::size_t limb, std::uint64_t value);
  void SubtractAt(std::size_t limb, std::uint64_t value);

  std::array<std::uint64_t, static_cast<std::size_t>(kLimbs)> limbs_{};
};
// All finite doubles (2^-1074 .. 2^1024) and their squares, with 2^60 and more additions to spare.
using WideSum = WideFixed<35, -1074>;
using WideSquares = WideFixed<69, -2148>;

// What the states of one partition refer to when a value does not fit. Indices stay valid.
struct WideStore {
  std::vector<std::unique_ptr<WideSum>> sums;
  std::vector<std::unique_ptr<WideSquares>> squares;
  std::int64_t bytes() const {
    return static_cast<std::int64_t>(sums.size() * sizeof(WideSum) +
                                     squares.size() * sizeof(WideSquares));
  }
};

// The sum of one group. All zero is the empty sum.
struct SumState {
  std::uint64_t low = 0;  // int128 with lsb 2^-64
  std::int64_t high = 0;
  std::uint64_t count = 0;    // values added
  std::uint32_t wide = 0;     // index + 1 into WideStore::sums; 0: none
  std::uint32_t special = 0;  // kNan, kPlusInf, kMinusInf seen

  Int128 fixed() const {
    return static_cast<Int128>((static_cast<UInt128>(static_cast<std::uint64_t>(high)) << 64) |
                               low);
  }
  void set_fixed(Int128 v) {
    low = static_cast<std::uint64_t>(v);
    high = static_cast<std::int64_t>(v >> 64);
  }
};
inline constexpr std::uint32_t kSawNan = 1, kSawPlusInf = 2, kSawMinusInf = 4;
inline constexpr int kFixedLsb = -64;

// The slow way of AddToSum: any double that the fast way does not take, or whose sum overflows.
void AddToSumSlow(SumState& state, double value, WideStore& store);

inline void AddToSum(SumState& state, double value, WideStore& store) {
  const auto bits = std::bit_cast<std::uint64_t>(value);
  const int exponent = static_cast<int>((bits >> 52) & 0x7FF);
  // value = mantissa * 2^(exponent - 1075); shifted, so that the lowest bit is worth 2^-64.
  const int shift = exponent - 1075 - kFixedLsb;
  if (static_cast<unsigned>(shift) <= 72) [[likely]] {
    const std::uint64_t mantissa = (bits & 0xFFFFFFFFFFFFFull) | (1ull << 52);
    Int128 term = static_cast<Int128>(static_cast<UInt128>(mantissa) << shift);
    if (static_cast<std::int64_t>(bits) < 0) term = -term;
    Int128 sum;
    if (!__builtin_add_overflow(state.fixed(), term, &sum)) [[likely]] {
      state.set_fixed(sum);
      ++state.count;
      return;
    }
  }
  AddToSumSlow(state, value, store);
}

// Adds `value` `times` times at once (the ELSE of a CASE).
void AddRepeated(SumState& state, double value, std::uint64_t times, WideStore& store);

// The sum, rounded once. NaN if a NaN or both infinities were added.
double RoundSum(const SumState& state, const WideStore& store);

// Sum, sum of squares and count of one group, for variance. All zero is empty.
struct MomentState {
  SumState sum;
  std::array<std::uint64_t, 4> squares{};  // int256 with lsb 2^-128, never negative
  std::uint64_t wide = 0;                  // index + 1 into WideStore::squares
};
void AddToMoments(MomentState& state, double value, WideStore& store);
// (sum of squares - sum^2 / n) / (n - ddof), one rounding; NaN if a value was not finite. n > ddof,
// n < 2^32.
double RoundVariance(const MomentState& state, int ddof, const WideStore& store);

// magnitude * 2^lsb_exponent as the nearest double (ties to even); `sticky`: there are lower bits.
double RoundToDouble(std::span<const std::uint64_t> magnitude, int lsb_exponent, bool sticky);

}  // namespace nightmill
