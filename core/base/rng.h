// The one source of pseudo-random numbers of pure code: seeded, the same on every machine
// (SplitMix64, Steele et al., OOPSLA 2014). Integers only; jitter uses KeyedHash instead.
#pragma once

#include <cstdint>

namespace nightmill {

class Rng {
 public:
  explicit Rng(std::uint64_t seed) : state_(seed) {}

  std::uint64_t Next() {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15ULL);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
  }
  // 0 <= result < bound; bound > 0. The bias is below 2^-32 for bounds used here.
  std::uint64_t Below(std::uint64_t bound) {
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::uint64_t>((Wide{Next()} * bound) >> 64);
  }
  bool Chance(std::uint64_t numerator, std::uint64_t denominator) {
    return Below(denominator) < numerator;
  }

 private:
  std::uint64_t state_;
};

}  // namespace nightmill
