// Exact distinct counts (compute.md 2.6). Texts are packed into 16 bytes without loss where they
// allow it (short ones, UUIDs, lower-case hex), longer ones are represented by a 128-bit hash.
// Small domains get a number and a bit per group (SmallDomain); everything else goes to a set of
// (group, value) pairs. The three are used side by side for one column, so a 65th value or a day
// outside the window needs no switch: bits and pairs are added up.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "operators/columnar/hash_index.h"
#include "operators/columnar/key_hash.h"

namespace nightmill {

// A value in 16 bytes; two texts are equal exactly if packed and kind are (kHashed: but for a
// 128-bit collision).
using PackedKind = std::uint32_t;
inline constexpr PackedKind kPackedShort = 0;   // at most 15 bytes; the last byte is the length
inline constexpr PackedKind kPackedUuid = 1;    // 8-4-4-4-12 lower-case hex digits
inline constexpr PackedKind kPackedHashed = 2;  // MurmurHash3 x64-128
// kPackedHex + n: n lower-case hex digits, 16 <= n <= 32.
inline constexpr PackedKind kPackedHex = 100;

struct Packed {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  PackedKind kind = kPackedShort;
  bool operator==(const Packed&) const = default;
};
Packed PackText(std::string_view text);

// Texts numbered 0..63 in the order they are first asked for, for all threads of a run. The numbers
// depend on timing, counts of distinct numbers do not.
class SmallDomain {
 public:
  static constexpr std::uint8_t kOverflow = 254;  // the 65th value and later
  static constexpr std::uint8_t kNull = 255;
  static constexpr std::size_t kSize = 64;

  std::uint8_t Number(std::string_view text);

 private:
  std::mutex mutex_;
  std::unordered_map<std::string, std::uint8_t> numbers_;
};

// Pairs of key and value that one thread has sent lately. Events of a session lie close together:
// whoever only counts distinct values needs one of them. Forgets, but never makes up a pair.
class RecentPairs {
 public:
  struct Pair {
    std::uint64_t key = 0, low = 0, high = 0;
    std::uint64_t flags = 0;  // not 0: the conditions that the row meets
    PackedKind kind = 0;
  };
  // True if the pair was noted with at least these flags; notes it otherwise.
  bool Seen(const Pair& pair) {
    const std::uint64_t hash =
        FoldMultiply(pair.low ^ kXxhPrime1, pair.high ^ (pair.key * kXxhPrime5));
    Pair& have = pairs_[hash & (kSize - 1)];
    if (have.key == pair.key && have.low == pair.low && have.high == pair.high &&
        have.kind == pair.kind && (pair.flags & ~have.flags) == 0) {
      return true;
    }
    have = pair;
    return false;
  }

 private:
  static constexpr std::size_t kSize = 8192;  // stays in the L2 cache
  std::vector<Pair> pairs_ = std::vector<Pair>(kSize);
};

// The set of (group, column, value) seen in one partition. One thread. The caller makes room first
// (Reserve), so that adding never fails.
class DistinctSet {
 public:
  // Bytes held once `extra` more pairs fit; what to reserve before Reserve(extra).
  std::int64_t BytesFor(std::size_t extra) const;
  std::int64_t bytes() const;
  void Reserve(std::size_t extra);
  std::size_t size() const { return entries_.size(); }

  static std::uint32_t Hash(std::uint32_t group, std::uint32_t tag, std::uint64_t low,
                            std::uint64_t high) {
    return static_cast<std::uint32_t>(FoldMultiply(low ^ kXxhPrime1 ^ (std::uint64_t{tag} << 32),
                                                   high ^ kXxhPrime2 ^ (group * kXxhPrime5)) >>
                                      16);
  }
  void Prefetch(std::uint32_t hash) const { index_.Prefetch(hash); }
  // True if the pair is new. `hash` is Hash() of the other arguments.
  bool Add(std::uint32_t hash, std::uint32_t group, std::uint32_t tag, std::uint64_t low,
           std::uint64_t high) {
    const auto next = static_cast<std::uint32_t>(entries_.size());
    const std::uint32_t at = index_.FindOrNote(hash, next, [&](std::uint32_t position) {
      const Entry& e = entries_[position];
      return e.low == low && e.high == high && e.group == group && e.tag == tag;
    });
    if (at != next) return false;
    entries_.push_back({low, high, group, tag});
    return true;
  }

 private:
  struct Entry {
    std::uint64_t low, high;
    std::uint32_t group, tag;
  };

  HashIndex<8> index_;
  std::vector<Entry> entries_;
};

}  // namespace nightmill
