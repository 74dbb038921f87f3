// The groups of one partition: keys found by open addressing, and one row of state bytes per group
// whose layout only the aggregate's plan knows. Keys are 8 bytes (a single number) or a reference
// to interned key bytes with their hash; bytes are compared, groups never rest on a hash.
// One thread. The caller makes room first (Reserve); rows move then, and only then.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "operators/columnar/budget.h"
#include "operators/columnar/hash_index.h"
#include "operators/columnar/key_hash.h"

namespace nightmill {

// Bytes of a composite or text key, stored once per thread: a uint32 length, then the bytes.
using StoredText = const char*;
inline std::string_view TextOf(StoredText stored) {
  std::uint32_t size;
  std::memcpy(&size, stored, sizeof size);
  return {stored + sizeof size, size};
}

// Distinct texts of one thread, each stored once; pointers stay valid. Grows with distinct values.
class TextStore {
 public:
  struct Found {
    std::uint64_t hash;  // HashKeyBytes
    StoredText text;
  };
  explicit TextStore(MemoryBudget& budget) : hold_(budget) {}
  OpResult<Found> Intern(std::string_view text);
  std::int64_t bytes() const { return hold_.held(); }

 private:
  OpResult<StoredText> Store(std::string_view text);
  OpStatus Grow();

  std::vector<Found> slots_;  // text == nullptr: empty
  std::size_t size_ = 0;
  std::vector<std::unique_ptr<char[]>> pages_;
  std::size_t page_left_ = 0;
  char* page_at_ = nullptr;
  BudgetHold hold_;
};

class GroupTable {
 public:
  // `row_bytes` (a multiple of 8) is the size of a row; a new one is a copy of `initial`.
  GroupTable(std::size_t row_bytes, std::vector<std::uint64_t> initial);

  std::size_t size() const { return size_; }
  std::uint8_t* row(std::uint32_t group) { return rows_.get() + group * row_bytes_; }
  const std::uint8_t* row(std::uint32_t group) const { return rows_.get() + group * row_bytes_; }
  std::size_t row_bytes() const { return row_bytes_; }

  std::int64_t bytes() const;
  std::int64_t BytesFor(std::size_t extra) const;
  void Reserve(std::size_t extra);

  void Prefetch(std::uint32_t hash) const { index_.Prefetch(hash); }
  // The group whose row begins with this 8-byte key.
  std::uint32_t FindOrAdd(std::uint32_t hash, std::uint64_t key) {
    return FindOrAdd(hash, key, [key](std::uint64_t have) { return have == key; });
  }
  // The group whose row begins with this hash and reference (16 bytes).
  std::uint32_t FindOrAdd(const TextStore::Found& key) {
    return FindOrAdd(TableHash(key.hash), key, [&key](const TextStore::Found& have) {
      return have.hash == key.hash &&
             (have.text == key.text || TextOf(have.text) == TextOf(key.text));
    });
  }
  // A group that no key finds: the null key of a table with 8-byte keys.
  std::uint32_t AddUnkeyed();

 private:
  template <class Key, class Same>
  std::uint32_t FindOrAdd(std::uint32_t hash, const Key& key, Same&& same) {
    const auto next = static_cast<std::uint32_t>(size_);
    const std::uint32_t group = index_.FindOrNote(hash, next, [&](std::uint32_t at) {
      Key have;
      std::memcpy(&have, row(at), sizeof have);
      return same(have);
    });
    if (group == next) {
      AddUnkeyed();
      std::memcpy(row(group), &key, sizeof key);
    }
    return group;
  }

  std::size_t row_bytes_;
  std::vector<std::uint64_t> initial_;
  HashIndex<10> index_;
  std::unique_ptr<std::uint8_t[]> rows_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace nightmill
