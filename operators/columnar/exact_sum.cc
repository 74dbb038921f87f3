#include "operators/columnar/exact_sum.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/base/check.h"

namespace nightmill {
namespace {

using Limbs = std::vector<std::uint64_t>;  // a natural number, lowest limb first

std::uint64_t BitsFrom(std::span<const std::uint64_t> limbs, int first) {
  const auto limb = static_cast<std::size_t>(first / 64);
  const int shift = first % 64;
  std::uint64_t v = limb < limbs.size() ? limbs[limb] >> shift : 0;
  if (shift != 0 && limb + 1 < limbs.size()) v |= limbs[limb + 1] << (64 - shift);
  return v;
}

bool AnyBitBelow(std::span<const std::uint64_t> limbs, int end) {
  for (std::size_t i = 0; i < limbs.size(); ++i) {
    const int begin = static_cast<int>(i) * 64;
    if (begin >= end) break;
    const int keep = std::min(64, end - begin);
    const std::uint64_t mask = keep == 64 ? ~0ull : (1ull << keep) - 1;
    if ((limbs[i] & mask) != 0) return true;
  }
  return false;
}

int BitLength(std::span<const std::uint64_t> limbs) {
  for (std::size_t i = limbs.size(); i > 0; --i) {
    if (limbs[i - 1] != 0) return static_cast<int>(i) * 64 - std::countl_zero(limbs[i - 1]);
  }
  return 0;
}

// |two's complement|, without leading zero limbs.
Limbs Magnitude(std::span<const std::uint64_t> limbs, bool* negative) {
  Limbs out(limbs.begin(), limbs.end());
  *negative = !out.empty() && static_cast<std::int64_t>(out.back()) < 0;
  if (*negative) {
    std::uint64_t carry = 1;
    for (std::uint64_t& limb : out) {
      limb = ~limb + carry;
      carry = carry != 0 && limb == 0 ? 1 : 0;
    }
  }
  while (!out.empty() && out.back() == 0) out.pop_back();
  return out;
}

Limbs Multiply(const Limbs& a, const Limbs& b) {
  Limbs out(a.size() + b.size(), 0);
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::uint64_t carry = 0;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const UInt128 t = static_cast<UInt128>(a[i]) * b[j] + out[i + j] + carry;
      out[i + j] = static_cast<std::uint64_t>(t);
      carry = static_cast<std::uint64_t>(t >> 64);
    }
    out[i + b.size()] += carry;
  }
  return out;
}

// a - b, a >= b.
Limbs Subtract(Limbs a, const Limbs& b) {
  std::uint64_t borrow = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const std::uint64_t y = i < b.size() ? b[i] : 0;
    const UInt128 t = static_cast<UInt128>(a[i]) - y - borrow;
    a[i] = static_cast<std::uint64_t>(t);
    borrow = static_cast<std::uint64_t>(t >> 64) != 0 ? 1 : 0;
  }
  CHECK(borrow == 0);
  return a;
}

// a / d in place; returns the remainder.
std::uint64_t Divide(Limbs& a, std::uint64_t d) {
  std::uint64_t rest = 0;
  for (std::size_t i = a.size(); i > 0; --i) {
    const UInt128 t = (static_cast<UInt128>(rest) << 64) | a[i - 1];
    a[i - 1] = static_cast<std::uint64_t>(t / d);
    rest = static_cast<std::uint64_t>(t % d);
  }
  return rest;
}

// mantissa * 2^exponent with a mantissa below 2^53.
struct Decomposed {
  std::uint64_t mantissa;
  int exponent;
  bool negative;
};
Decomposed Decompose(double value) {
  const auto bits = std::bit_cast<std::uint64_t>(value);
  const int exponent = static_cast<int>((bits >> 52) & 0x7FF);
  const std::uint64_t fraction = bits & 0xFFFFFFFFFFFFFull;
  const bool negative = static_cast<std::int64_t>(bits) < 0;
  if (exponent == 0) return {fraction, -1074, negative};
  return {fraction | (1ull << 52), exponent - 1075, negative};
}

// The value as an int128 with lsb 2^-64, if it has neither lower nor too high bits.
bool ToFixed(const Decomposed& d, Int128* out) {
  const int shift = d.exponent - kFixedLsb;
  UInt128 magnitude = d.mantissa;
  if (shift < 0) {
    if (-shift >= 64 || (d.mantissa & ((1ull << -shift) - 1)) != 0) return false;
    magnitude = d.mantissa >> -shift;
  } else {
    if (shift > 72) return false;
    magnitude <<= shift;
  }
  *out = d.negative ? -static_cast<Int128>(magnitude) : static_cast<Int128>(magnitude);
  return true;
}

WideSum& WideOf(SumState& state, WideStore& store) {
  if (state.wide == 0) {
    store.sums.push_back(std::make_unique<WideSum>());
    state.wide = static_cast<std::uint32_t>(store.sums.size());
  }
  return *store.sums[state.wide - 1];
}

WideSquares& WideOf(MomentState& state, WideStore& store) {
  if (state.wide == 0) {
    store.squares.push_back(std::make_unique<WideSquares>());
    state.wide = store.squares.size();
  }
  return *store.squares[state.wide - 1];
}

std::array<std::uint64_t, 2> FixedLimbs(const SumState& state) {
  return {state.low, static_cast<std::uint64_t>(state.high)};
}

bool CountSpecial(SumState& state, double value) {
  if (std::isfinite(value)) return false;
  state.special |= std::isnan(value) ? kSawNan : value > 0 ? kSawPlusInf : kSawMinusInf;
  ++state.count;
  return true;
}

}  // namespace

template <int kLimbs, int kLsb>
void WideFixed<kLimbs, kLsb>::AddAt(std::size_t limb, std::uint64_t value) {
  std::uint64_t carry = value;
  for (; carry != 0 && limb < limbs_.size(); ++limb) {
    carry = __builtin_add_overflow(limbs_[limb], carry, &limbs_[limb]) ? 1 : 0;
  }
}

template <int kLimbs, int kLsb>
void WideFixed<kLimbs, kLsb>::SubtractAt(std::size_t limb, std::uint64_t value) {
  std::uint64_t borrow = value;
  for (; borrow != 0 && limb < limbs_.size(); ++limb) {
    borrow = __builtin_sub_overflow(limbs_[limb], borrow, &limbs_[limb]) ? 1 : 0;
  }
}

template <int kLimbs, int kLsb>
void WideFixed<kLimbs, kLsb>::Add(UInt128 magnitude, int exponent, bool negative) {
  const int first = exponent - kLsb;
  CHECK(first >= 0 && first < kLimbs * 64);
  const auto limb = static_cast<std::size_t>(first / 64);
  const int shift = first % 64;
  // 128 bits shifted by up to 63 cover three limbs.
  const std::uint64_t parts[3] = {
      static_cast<std::uint64_t>(magnitude << shift),
      static_cast<std::uint64_t>((magnitude << shift) >> 64),
      shift == 0 ? 0 : static_cast<std::uint64_t>(magnitude >> (128 - shift))};
  for (std::size_t i = 0; i < 3; ++i) {
    if (parts[i] == 0) continue;
    if (negative) {
      SubtractAt(limb + i, parts[i]);
    } else {
      AddAt(limb + i, parts[i]);
    }
  }
}

template <int kLimbs, int kLsb>
void WideFixed<kLimbs, kLsb>::AddSigned(std::span<const std::uint64_t> limbs, int exponent) {
  bool negative = false;
  const Limbs magnitude = Magnitude(limbs, &negative);
  for (std::size_t i = 0; i < magnitude.size(); ++i) {
    Add(magnitude[i], exponent + static_cast<int>(i) * 64, negative);
  }
}

template class WideFixed<35, -1074>;
template class WideFixed<69, -2148>;

void AddToSumSlow(SumState& state, double value, WideStore& store) {
  if (CountSpecial(state, value)) return;
  ++state.count;
  const Decomposed d = Decompose(value);
  if (d.mantissa == 0) return;
  Int128 term = 0;
  Int128 sum = 0;
  if (ToFixed(d, &term)) {
    if (!__builtin_add_overflow(state.fixed(), term, &sum)) {
      state.set_fixed(sum);
      return;
    }
    WideOf(state, store).AddSigned(FixedLimbs(state), kFixedLsb);
    state.set_fixed(term);
    return;
  }
  WideOf(state, store).Add(d.mantissa, d.exponent, d.negative);
}

void AddRepeated(SumState& state, double value, std::uint64_t times, WideStore& store) {
  if (times == 0) return;
  state.count += times;
  if (!std::isfinite(value)) {
    CountSpecial(state, value);
    --state.count;
    return;
  }
  const Decomposed d = Decompose(value);
  if (d.mantissa == 0) return;
  WideOf(state, store).Add(static_cast<UInt128>(d.mantissa) * times, d.exponent, d.negative);
}

double RoundSum(const SumState& state, const WideStore& store) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  if (state.special != 0) {
    if (state.special == kSawPlusInf) return kInf;
    if (state.special == kSawMinusInf) return -kInf;
    return std::numeric_limits<double>::quiet_NaN();
  }
  // The conversion rounds to nearest even; the scaling is exact, 2^-64 is far from subnormal.
  if (state.wide == 0) return std::ldexp(static_cast<double>(state.fixed()), kFixedLsb);
  WideSum total = *store.sums[state.wide - 1];
  total.AddSigned(FixedLimbs(state), kFixedLsb);
  bool negative = false;
  const Limbs magnitude = Magnitude(total.limbs(), &negative);
  const double rounded = RoundToDouble(magnitude, WideSum::kLowestBit, false);
  return negative && rounded != 0 ? -rounded : rounded;
}

void AddToMoments(MomentState& state, double value, WideStore& store) {
  AddToSum(state.sum, value, store);
  if (!std::isfinite(value)) return;
  const Decomposed d = Decompose(value);
  Int128 fixed = 0;
  if (ToFixed(d, &fixed)) {
    const auto m = static_cast<UInt128>(fixed < 0 ? -fixed : fixed);
    // |fixed| < 2^125, so the doubled middle product does not overflow.
    const auto a = static_cast<std::uint64_t>(m), b = static_cast<std::uint64_t>(m >> 64);
    const UInt128 low = static_cast<UInt128>(a) * a;
    const UInt128 middle = static_cast<UInt128>(a) * b << 1;
    const UInt128 high = static_cast<UInt128>(b) * b;
    std::uint64_t parts[4] = {static_cast<std::uint64_t>(low), 0, 0, 0};
    UInt128 t = (low >> 64) + static_cast<std::uint64_t>(middle);
    parts[1] = static_cast<std::uint64_t>(t);
    t = (t >> 64) + static_cast<std::uint64_t>(high) + (middle >> 64);
    parts[2] = static_cast<std::uint64_t>(t);
    parts[3] = static_cast<std::uint64_t>((t >> 64) + (high >> 64));
    std::uint64_t carry = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      const UInt128 s = static_cast<UInt128>(state.squares[i]) + parts[i] + carry;
      state.squares[i] = static_cast<std::uint64_t>(s);
      carry = static_cast<std::uint64_t>(s >> 64);
    }
    // Before the sign bit is reached the part so far moves to the wide number.
    if (state.squares[3] < (1ull << 62)) return;
    WideOf(state, store).AddSigned(state.squares, 2 * kFixedLsb);
    state.squares = {};
    return;
  }
  WideOf(state, store).Add(static_cast<UInt128>(d.mantissa) * d.mantissa, 2 * d.exponent, false);
}

double RoundVariance(const MomentState& state, int ddof, const WideStore& store) {
  if (state.sum.special != 0) return std::numeric_limits<double>::quiet_NaN();
  const std::uint64_t n = state.sum.count;
  const auto spare = static_cast<std::uint64_t>(ddof);
  CHECK(n > spare && n < (1ull << 32));
  bool negative = false;
  Limbs sum, squares;
  int lsb = 2 * kFixedLsb;
  if (state.sum.wide == 0 && state.wide == 0) {
    sum = Magnitude(FixedLimbs(state.sum), &negative);
    squares.assign(state.squares.begin(), state.squares.end());
  } else {
    WideSum wide_sum = state.sum.wide == 0 ? WideSum{} : *store.sums[state.sum.wide - 1];
    wide_sum.AddSigned(FixedLimbs(state.sum), kFixedLsb);
    sum = Magnitude(wide_sum.limbs(), &negative);
    WideSquares wide = state.wide == 0 ? WideSquares{} : *store.squares[state.wide - 1];
    wide.AddSigned(state.squares, 2 * kFixedLsb);
    squares.assign(wide.limbs().begin(), wide.limbs().end());
    lsb = WideSquares::kLowestBit;
  }
  // (n * squares - sum^2) / (n * (n - ddof)), never negative (Cauchy-Schwarz).
  Limbs scaled = Multiply(squares, {n});
  scaled.resize(std::max(scaled.size(), 2 * sum.size()) + 1, 0);
  Limbs value = Subtract(std::move(scaled), Multiply(sum, sum));
  // Two zero limbs below keep the quotient longer than a double's mantissa.
  value.insert(value.begin(), 2, 0);
  const std::uint64_t rest = Divide(value, n * (n - spare));
  return RoundToDouble(value, lsb - 128, rest != 0);
}

double RoundToDouble(std::span<const std::uint64_t> magnitude, int lsb_exponent, bool sticky) {
  const int length = BitLength(magnitude);
  if (length == 0) return 0.0;
  // The lowest bit a double of this size has: 53 bits, fewer when subnormal.
  const int top = lsb_exponent + length - 1;
  const int lowest = std::max(top - 52, -1074);
  int cut = lowest - lsb_exponent;  // bits to drop
  if (cut <= 0) {
    return std::ldexp(static_cast<double>(BitsFrom(magnitude, 0)), lsb_exponent);
  }
  if (cut > length) return 0.0;
  std::uint64_t mantissa = BitsFrom(magnitude, cut) & ((1ull << 53) - 1);
  const bool half = (BitsFrom(magnitude, cut - 1) & 1) != 0;
  const bool below = sticky || AnyBitBelow(magnitude, cut - 1);
  if (half && (below || (mantissa & 1) != 0)) ++mantissa;
  return std::ldexp(static_cast<double>(mantissa), lowest);
}

}  // namespace nightmill
