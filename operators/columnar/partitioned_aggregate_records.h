// Phase A of the aggregation: rows packed into records, spread over the partitions of their keys.
// One thread per RecordWriter.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "operators/columnar/budget.h"
#include "operators/columnar/partitioned_aggregate.h"

namespace nightmill {

// Fixed-size records in blocks from an arena. One thread appends.
class RecordArena {
 public:
  explicit RecordArena(MemoryBudget& budget) : hold_(budget) {}
  // `bytes` <= kSlabBytes; nullptr and an error when over budget.
  OpResult<std::uint8_t*> Allocate(std::size_t bytes);
  std::int64_t bytes() const { return hold_.held(); }
  void Clear();

 private:
  struct Free {
    void operator()(std::uint8_t* p) const;
  };
  std::vector<std::unique_ptr<std::uint8_t, Free>> slabs_;
  std::size_t left_ = 0;
  std::uint8_t* at_ = nullptr;
  BudgetHold hold_;
};

struct RecordBlock {
  const std::uint8_t* records;
  std::size_t count;
};
// The records of one partition from one thread. Blocks but the last are full.
class RecordChain {
 public:
  std::uint8_t* at = nullptr;   // where the next record goes
  std::uint8_t* end = nullptr;  // of the current block
  std::uint32_t count = 0;

  OpStatus NewBlock(RecordArena& arena, std::size_t block_bytes, std::size_t record_bytes);
  std::vector<RecordBlock> Blocks(std::size_t record_bytes) const;
  void Clear() { *this = RecordChain(); }

 private:
  std::vector<std::uint8_t*> blocks_;
  std::size_t per_block_ = 0;
};

// A value that travels beside its record.
struct SideRow {
  std::uint32_t row = 0;  // in the block
  PackedKind kind = 0;
  std::uint64_t low = 0, high = 0;
};
// Its flags are those of the record that it names, and its slot's `present`.
struct SideEntry {
  std::uint32_t ordinal;
  PackedKind kind;
  std::uint64_t low, high;
};

// Elements of one slot (or of the key) for the rows of a block: values[i], or values[codes[i]].
struct SlotSource {
  const void* values = nullptr;
  const std::int32_t* codes = nullptr;
};

// One block of rows, ready to be packed.
struct RowBlock {
  std::int32_t rows = 0;
  const std::uint8_t* selected = nullptr;  // nullptr: all
  const std::uint64_t* flags = nullptr;
  SlotSource key;
  std::span<const SlotSource> slots = {};            // unused for sparse slots
  std::span<const std::vector<SideRow>> sides = {};  // per slot, rows ascending
};

// Phase A of one thread.
class RecordWriter {
 public:
  RecordWriter(const Program& program, int partition_bits, MemoryBudget& budget);
  OpStatus Append(const RowBlock& block);
  std::int64_t bytes() const { return arena_.bytes(); }
  const RecordChain& chain(std::size_t partition) const { return chains_[partition]; }
  const RecordChain& side(std::size_t partition, std::size_t slot) const {
    return sides_[partition * program_.slots.size() + slot];
  }
  // Drops all records and their memory.
  void Clear();

 private:
  OpStatus AppendSlice(const RowBlock& block, std::int32_t first, std::int32_t rows);
  void Stage(const RowBlock& block, std::int32_t first, std::int32_t rows);
  template <int kWords>
  OpStatus Scatter(const RowBlock& block, std::int32_t first, std::int32_t rows);
  OpStatus AppendSides(const RowBlock& block, std::int32_t first, std::int32_t rows);

  const Program& program_;
  const int shift_;  // 64 - partition bits
  bool has_sides_ = false;
  RecordArena arena_;
  std::vector<RecordChain> chains_;
  std::vector<RecordChain> sides_;
  std::vector<std::uint8_t> staging_;
  std::vector<std::uint32_t> partitions_;  // of the rows of the slice; ~0: not selected
  std::vector<std::uint32_t> ordinals_;
  std::vector<std::size_t> side_at_;
};

}  // namespace nightmill
