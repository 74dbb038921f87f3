// Finds entries of an array by their hash: open addressing with linear probing. The array is the
// caller's; the index knows hashes and positions only, so one of it serves any kind of entry.
// One thread. The caller makes room first (Reserve), so that adding never fails or moves anything.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace nightmill {

// At least kSlots slots for each five entries: 8 keep probes within a cache line, 10 are for
// entries that cost a miss each to compare.
template <std::size_t kSlots>
class HashIndex {
 public:
  std::size_t bytes() const { return slots_.size() * sizeof(std::uint64_t); }
  // Bytes while and after Reserve(entries): old and new slots exist at once.
  std::size_t BytesFor(std::size_t entries) const {
    if (Fits(entries)) return bytes();
    return bytes() + (std::size_t{1} << BitsFor(entries)) * sizeof(std::uint64_t);
  }

  void Reserve(std::size_t entries) {
    if (Fits(entries)) return;
    const int bits = BitsFor(entries);
    std::vector<std::uint64_t> slots(std::size_t{1} << bits, 0);
    const std::size_t mask = slots.size() - 1;
    const int shift = 32 - bits;
    for (const std::uint64_t slot : slots_) {
      if (slot == 0) continue;
      std::size_t at = (slot >> 32) >> shift;
      while (slots[at] != 0) at = (at + 1) & mask;
      slots[at] = slot;
    }
    slots_ = std::move(slots);
    mask_ = mask;
    shift_ = shift;
  }

  void Prefetch(std::uint32_t hash) const { __builtin_prefetch(&slots_[hash >> shift_]); }

  // The position of the entry with this hash for which equal(position) holds. If there is none,
  // notes `next` as the position of a new one and returns it; the caller then adds the entry.
  template <class Equal>
  std::uint32_t FindOrNote(std::uint32_t hash, std::uint32_t next, Equal&& equal) {
    std::size_t at = hash >> shift_;
    while (true) {
      const std::uint64_t slot = slots_[at];
      if (slot == 0) break;
      if (static_cast<std::uint32_t>(slot >> 32) == hash) {
        const auto position = static_cast<std::uint32_t>(slot) - 1;
        if (equal(position)) return position;
      }
      at = (at + 1) & mask_;
    }
    slots_[at] = (std::uint64_t{hash} << 32) | (next + 1);
    return next;
  }

 private:
  static std::size_t Needed(std::size_t entries) { return entries * kSlots / 5; }
  static int BitsFor(std::size_t entries) {
    return std::max(4, static_cast<int>(std::bit_width(Needed(entries))));
  }
  bool Fits(std::size_t entries) const { return Needed(entries) < slots_.size(); }

  std::vector<std::uint64_t> slots_;  // hash in the upper half, position + 1 in the lower; 0: empty
  std::size_t mask_ = 0;
  int shift_ = 31;
};

}  // namespace nightmill
