// Phase C of `aggregate` (compute.md 2.5): groups become rows in the order of (XXH64 of the key,
// key bytes), partition after partition, cut into row groups of kRowGroupRows rows that are
// completed (derived columns), checked and encoded on all threads and written in order. The bytes
// depend on the rows alone.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "operators/aggregate_plan.h"
#include "operators/columnar/budget.h"
#include "operators/columnar/partitioned_aggregate.h"
#include "operators/columnar/table_writer.h"

namespace nightmill {

// Slots (types.h) of one output column, one byte of validity a row.
struct OutputColumn {
  std::vector<std::uint8_t> slots;
  std::vector<std::uint8_t> valid;  // empty: no nulls
};
// Rows of one partition.
struct OutputChunk {
  std::int64_t rows = 0;
  std::vector<OutputColumn> columns;
  std::optional<BudgetHold> hold;
};

// The rows of a folded partition, in order. kBadInput "overflow" for a sum that does not fit.
OpResult<std::unique_ptr<OutputChunk>> EmitPartition(const AggregatePlan& plan,
                                                     const PartitionState& state,
                                                     MemoryBudget& budget);

// Collects chunks of partitions 0, 1, .. and writes them. Thread-safe.
class OutputPipeline {
 public:
  using Produce = std::function<OpResult<std::unique_ptr<OutputChunk>>(std::size_t partition)>;

  OutputPipeline(const AggregatePlan& plan, const WriteOptions& options, TableWriter& writer,
                 MemoryBudget& budget);

  // Produces all partitions and writes all rows on `threads` threads; `check` has one state per
  // thread.
  OpStatus Run(std::size_t partitions, std::vector<CheckState>& check, const Produce& produce);
  std::int64_t rows() const { return total_rows_; }

 private:
  // Rows [first, first + rows) of a chunk.
  struct Piece {
    std::shared_ptr<OutputChunk> chunk;
    std::int64_t first = 0, rows = 0;
  };
  struct RowGroup {
    std::size_t number = 0;
    std::int64_t rows = 0;
    std::vector<Piece> pieces;
  };

  OpStatus Work(std::size_t partitions, CheckState& check, const Produce& produce);
  void Deposit(std::size_t partition, std::unique_ptr<OutputChunk> chunk, std::size_t partitions);
  void Cut(Piece piece);
  OpStatus Encode(RowGroup group, CheckState& check);
  OpStatus Write(std::size_t number, std::unique_ptr<Fragment> fragment);

  const AggregatePlan& plan_;
  const WriteOptions& options_;
  TableWriter& writer_;
  MemoryBudget& budget_;

  std::mutex mutex_;  // guards all below but the writer
  std::condition_variable changed_;
  std::size_t next_partition_ = 0;  // to produce
  std::size_t deposited_ = 0;       // partitions cut so far, in order
  std::map<std::size_t, std::unique_ptr<OutputChunk>> waiting_;
  RowGroup open_;
  std::deque<RowGroup> ready_;
  std::int64_t total_rows_ = 0;
  bool failed_ = false;

  std::mutex writer_mutex_;
  std::map<std::size_t, std::unique_ptr<Fragment>> fragments_;
  std::size_t next_fragment_ = 0;
};

}  // namespace nightmill
