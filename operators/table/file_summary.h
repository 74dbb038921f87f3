// One pass over Parquet files: content_sum and statistics of each, and whatever a visitor makes of
// the rows, on several threads.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "operators/columnar/column_scan.h"
#include "operators/columnar/table_writer.h"
#include "operators/op_result.h"

namespace nightmill {

// The same rows of every column of a schema, read as its types; dies with the call it is handed to.
struct RowBlock {
  std::int64_t rows = 0;
  std::span<const ColumnData> columns;
  int thread = 0;        // in [0, threads)
  std::size_t unit = 0;  // one row group of one file
};
using RowVisitor = std::function<OpStatus(const RowBlock&)>;

struct SummaryRequest {
  std::span<const std::shared_ptr<const SourceFile>> files;
  Schema schema;  // columns a file does not have are null
  int threads = 1;
  MemoryBudget& budget;
  std::function<OpStatus()> check_cancelled;
  RowVisitor visit = {};  // optional; called by the thread that read the block
};

// For each file: rows, row_groups, content_sum and columns under the schema; path and bytes as the
// file has them. The result does not depend on the number of threads.
OpResult<std::vector<DataFile>> SummarizeFiles(const SummaryRequest& request);

// What to read of `source` to get the columns of `schema`; absent ones are null.
OpResult<std::vector<ColumnWant>> WantsOf(const SourceFile& source, const Schema& schema);

// Adds the column hashes of a block to its content_sum.
ContentSum SumOfBlock(const Schema& schema, std::span<const ColumnData> columns, std::int64_t rows,
                      std::vector<std::uint64_t>& scratch);

}  // namespace nightmill
