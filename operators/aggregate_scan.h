// Phase A of `aggregate`: blocks of columns become records, and feed the input checks on the way
// (compute.md 2.4, 2.5). One AggregateScan per thread; texts that records refer to live in it, so
// it outlives the records.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "operators/aggregate_plan.h"
#include "operators/aggregate_slots.h"
#include "operators/columnar/column_scan.h"
#include "operators/columnar/partitioned_aggregate_records.h"

namespace nightmill {

// A row group of an input file.
struct ScanUnit {
  const SourceFile* source = nullptr;
  int row_group = 0;
  std::span<const int> columns = {};  // per input: column of the file, -1 where absent
  const PartitionKey* partition = nullptr;
  std::int64_t number = 0;  // unique in the run
};

struct ScanCounts {
  std::int64_t rows = 0;       // read
  std::int64_t selected = 0;   // in the window, past the filter
  std::int64_t null_keys = 0;  // of those, with a null key column
  std::int64_t truncated_timestamps = 0;
};

class AggregateScan {
 public:
  AggregateScan(const AggregatePlan& plan, MemoryBudget& budget);

  // Adds the rows of a unit to `writer` and `checks`. Errors name file, row group and column.
  OpStatus Scan(const ScanUnit& unit, RecordWriter& writer, CheckState& checks,
                const std::atomic<bool>& cancelled);
  // Looks at the first block of a unit (FitToSample); the plan is not laid out yet.
  OpResult<std::vector<SlotSample>> Sample(const ScanUnit& unit);

  const ScanCounts& counts() const { return counts_; }

 private:
  // What is known once per dictionary of one input.
  struct CodeTable {
    std::int64_t unit = -1;
    std::vector<std::uint64_t> flags;  // predicate and presence bits per code
    std::vector<TextStore::Found> keys;
    std::vector<int> by_row;  // predicates that failed on an entry: judged by row
  };

  OpStatus Open(const ScanUnit& unit);
  OpStatus LoadBlock(const ScanUnit& unit);
  void LoadPartitionValue(const ScanUnit& unit, std::size_t input);
  OpStatus ScanBlock(const ScanUnit& unit, RecordWriter& writer, CheckState& checks);
  OpStatus Select();
  OpStatus SetFlags();
  OpStatus LoadCodeTable(std::size_t input);
  OpStatus ApplyPredicate(const PlanPredicate& predicate);
  OpStatus SelectKeys(const ScanUnit& unit);
  OpStatus LoadKeys();
  OpStatus ComposeKeys();
  void DropRepeats(std::size_t slot);
  std::uint64_t KeyAt(std::size_t row) const;
  SlotSample SampleSlot(std::size_t slot);
  double SampleFresh(std::size_t slot);
  const expr::Batch& Rows(std::span<const int> inputs);
  OpStatus Located(OpStatus status, const ScanUnit& unit) const;

  const AggregatePlan& plan_;
  MemoryBudget& budget_;
  TextStore texts_;
  std::unique_ptr<RowGroupScan> scan_;
  std::vector<int> scan_columns_;  // per input: column of the scan, -1: from the path
  std::vector<ScanColumn> columns_;
  std::vector<CodeTable> tables_;
  std::vector<SlotVector> vectors_;
  std::vector<expr::Vector> loaded_;
  std::vector<bool> is_loaded_;
  expr::Batch batch_;
  std::vector<SlotEncoder> encoders_;
  std::vector<SlotSource> sources_;
  std::vector<std::vector<SideRow>> sides_;
  std::vector<std::unique_ptr<RecentPairs>> recent_;  // per slot, where it is sent once
  std::vector<std::uint64_t> flags_;
  std::vector<std::uint8_t> passed_;    // of a predicate
  std::vector<std::uint8_t> selected_;  // by window and filter
  std::vector<std::uint8_t> kept_;      // and by null_key
  bool select_all_ = true, keep_all_ = true;
  std::vector<std::uint64_t> fixed_keys_;
  std::vector<TextStore::Found> text_keys_;
  SlotSource key_;
  std::int32_t rows_ = 0;       // of the block
  std::int64_t first_row_ = 0;  // of the block, in its row group
  std::vector<std::int32_t> zero_codes_, null_codes_;
  std::vector<std::int32_t> days_;
  std::vector<std::string_view> partition_texts_;
  ScanCounts counts_;
};

}  // namespace nightmill
