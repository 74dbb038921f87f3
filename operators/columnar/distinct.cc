#include "operators/columnar/distinct.h"

#include <algorithm>

namespace nightmill {
namespace {

constexpr std::size_t kShortBytes = 15;
constexpr std::size_t kUuidBytes = 36;

// 0..15 of a lower-case hex digit, 0xFF otherwise.
constexpr std::array<std::uint8_t, 256> kHexValue = [] {
  std::array<std::uint8_t, 256> table{};
  for (auto& v : table) v = 0xFF;
  for (unsigned i = 0; i < 10; ++i) table['0' + i] = static_cast<std::uint8_t>(i);
  for (unsigned i = 0; i < 6; ++i) table['a' + i] = static_cast<std::uint8_t>(10 + i);
  return table;
}();

// Appends n digits to `value`; bits above 15 of the result tell whether one was no hex digit.
inline unsigned HexDigits(const char* text, std::size_t n, std::uint64_t& value) {
  unsigned bad = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint8_t digit = kHexValue[static_cast<unsigned char>(text[i])];
    bad |= digit;
    value = value << 4 | (digit & 15u);
  }
  return bad;
}

bool PackUuid(const char* t, Packed& packed) {
  if (t[8] != '-' || t[13] != '-' || t[18] != '-' || t[23] != '-') return false;
  std::uint64_t high = 0, low = 0;
  unsigned bad = HexDigits(t, 8, high) | HexDigits(t + 9, 4, high) | HexDigits(t + 14, 4, high);
  bad |= HexDigits(t + 19, 4, low) | HexDigits(t + 24, 12, low);
  packed = {low, high, kPackedUuid};
  return bad <= 15;
}

bool PackHex(std::string_view text, Packed& packed) {
  std::uint64_t high = 0, low = 0;
  unsigned bad = HexDigits(text.data(), 16, low);
  bad |= HexDigits(text.data() + 16, text.size() - 16, high);
  packed = {low, high, kPackedHex + static_cast<PackedKind>(text.size())};
  return bad <= 15;
}

}  // namespace

Packed PackText(std::string_view text) {
  Packed packed;
  if (text.size() <= kShortBytes) {
    char bytes[16] = {};
    std::copy(text.begin(), text.end(), bytes);
    bytes[15] = static_cast<char>(text.size());
    std::memcpy(&packed.low, bytes, 8);
    std::memcpy(&packed.high, bytes + 8, 8);
    return packed;
  }
  if (text.size() == kUuidBytes && PackUuid(text.data(), packed)) return packed;
  if (text.size() <= 32 && PackHex(text, packed)) return packed;
  const Hash128 hash = Murmur128(text);
  return {hash.low, hash.high, kPackedHashed};
}

std::uint8_t SmallDomain::Number(std::string_view text) {
  const std::lock_guard lock(mutex_);
  const auto found = numbers_.find(std::string(text));
  if (found != numbers_.end()) return found->second;
  if (numbers_.size() == kSize) return kOverflow;
  const auto number = static_cast<std::uint8_t>(numbers_.size());
  numbers_.emplace(text, number);
  return number;
}

std::int64_t DistinctSet::bytes() const {
  return static_cast<std::int64_t>(index_.bytes() + entries_.capacity() * sizeof(Entry));
}

std::int64_t DistinctSet::BytesFor(std::size_t extra) const {
  const std::size_t need = entries_.size() + extra;
  std::size_t entries = entries_.capacity();
  if (need > entries) entries += std::max(need, entries * 3 / 2);  // old and new at once
  return static_cast<std::int64_t>(index_.BytesFor(need) + entries * sizeof(Entry));
}

void DistinctSet::Reserve(std::size_t extra) {
  const std::size_t need = entries_.size() + extra;
  if (need > entries_.capacity()) {
    entries_.reserve(std::max(need, entries_.capacity() * 3 / 2));
  }
  index_.Reserve(need);
}

}  // namespace nightmill
