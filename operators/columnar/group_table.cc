#include "operators/columnar/group_table.h"

#include <algorithm>

#include "core/base/check.h"

namespace nightmill {
namespace {

constexpr std::size_t kPageBytes = 256u << 10;
constexpr std::size_t kFirstSlots = 1024;

std::int64_t Bytes(std::size_t n) { return static_cast<std::int64_t>(n); }

}  // namespace

OpResult<TextStore::Found> TextStore::Intern(std::string_view text) {
  if (size_ * 2 >= slots_.size()) NM_RETURN_IF_ERROR(Grow());
  const std::uint64_t hash = HashKeyBytes(text);
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = hash & mask;
  for (; slots_[at].text != nullptr; at = (at + 1) & mask) {
    if (slots_[at].hash == hash && TextOf(slots_[at].text) == text) return slots_[at];
  }
  NM_ASSIGN_OR_RETURN(const StoredText stored, Store(text));
  slots_[at] = {hash, stored};
  ++size_;
  return slots_[at];
}

OpResult<StoredText> TextStore::Store(std::string_view text) {
  const auto size = static_cast<std::uint32_t>(text.size());
  const std::size_t need = (sizeof size + text.size() + 7) & ~std::size_t{7};
  if (need > page_left_) {
    const std::size_t page = std::max(need, kPageBytes);
    NM_RETURN_IF_ERROR(hold_.Resize(hold_.held() + Bytes(page), "distinct texts"));
    pages_.push_back(std::make_unique<char[]>(page));
    page_at_ = pages_.back().get();
    page_left_ = page;
  }
  char* const at = page_at_;
  std::memcpy(at, &size, sizeof size);
  std::copy(text.begin(), text.end(), at + sizeof size);
  page_at_ += need;
  page_left_ -= need;
  return StoredText{at};
}

OpStatus TextStore::Grow() {
  const std::size_t grown = std::max(kFirstSlots, slots_.size() * 2);
  const std::size_t added = (grown - slots_.size()) * sizeof(Found);
  NM_RETURN_IF_ERROR(hold_.Resize(hold_.held() + Bytes(added), "distinct texts"));
  std::vector<Found> slots(grown, Found{0, nullptr});
  for (const Found& found : slots_) {
    if (found.text == nullptr) continue;
    std::size_t at = found.hash & (grown - 1);
    while (slots[at].text != nullptr) at = (at + 1) & (grown - 1);
    slots[at] = found;
  }
  slots_ = std::move(slots);
  return OpOk();
}

GroupTable::GroupTable(std::size_t row_bytes, std::vector<std::uint64_t> initial)
    : row_bytes_(row_bytes), initial_(std::move(initial)) {
  CHECK(initial_.size() * sizeof(std::uint64_t) == row_bytes_);
}

std::int64_t GroupTable::bytes() const { return Bytes(index_.bytes() + capacity_ * row_bytes_); }

std::int64_t GroupTable::BytesFor(std::size_t extra) const {
  const std::size_t need = size_ + extra;
  std::size_t rows = capacity_;
  if (need > rows) rows += std::max(need, rows * 3 / 2);  // old and new at once
  return Bytes(index_.BytesFor(need) + rows * row_bytes_);
}

void GroupTable::Reserve(std::size_t extra) {
  const std::size_t need = size_ + extra;
  if (need > capacity_) {
    capacity_ = std::max(need, capacity_ * 3 / 2);
    auto rows = std::make_unique_for_overwrite<std::uint8_t[]>(capacity_ * row_bytes_);
    if (size_ > 0) std::memcpy(rows.get(), rows_.get(), size_ * row_bytes_);
    rows_ = std::move(rows);
  }
  index_.Reserve(need);
}

std::uint32_t GroupTable::AddUnkeyed() {
  std::memcpy(rows_.get() + size_ * row_bytes_, initial_.data(), row_bytes_);
  return static_cast<std::uint32_t>(size_++);
}

}  // namespace nightmill
