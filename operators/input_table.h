// The Parquet files of an input as one table: footers opened in parallel, columns found by name in
// every file and brought to one type, partition values of the path as columns. Shared by the
// operators that scan (aggregate, expect). Immutable after Open; thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "operators/columnar/column_scan.h"
#include "operators/op_result.h"
#include "operators/table/input_files.h"

namespace nightmill {

struct TableColumn {
  std::string name;
  ColumnType type;
  bool partition = false;  // its value stands in the path, one for a whole file
};

// Columns asked for by name, and where each file has them.
struct BoundColumns {
  std::vector<TableColumn> columns;
  std::vector<std::vector<int>> in_file;  // per file, per column: index in the file, -1: absent
};

class InputTable {
 public:
  // `list` outlives the table. kBadInput for a file that is not Parquet.
  static OpResult<InputTable> Open(const FileSystem& fs, const InputList& list,
                                   MemoryBudget& budget, int threads);

  const InputList& list() const { return *list_; }
  const std::vector<std::shared_ptr<const SourceFile>>& sources() const { return sources_; }
  std::int64_t rows() const { return rows_; }

  // A column is missing only if no file has it (kBadSpec "missing_column"); files without it have
  // nulls. Types that cannot be brought together are kBadInput, with the file. Partition columns
  // are text, but for `day_partition`, which is a date.
  OpResult<BoundColumns> Bind(std::span<const std::string> names,
                              std::string_view day_partition) const;
  // All columns of all files in order of first appearance, then those of the path.
  OpResult<Schema> FullSchema() const;

 private:
  bool IsPartition(std::string_view name) const;
  OpResult<ColumnType> TypeOf(const std::string& name, bool* found) const;
  OperatorError Missing(const std::string& name) const;

  const InputList* list_ = nullptr;
  std::vector<std::shared_ptr<const SourceFile>> sources_;
  std::int64_t rows_ = 0;
};

// One row group to scan.
struct TableUnit {
  std::size_t file = 0;
  int row_group = 0;
  std::int64_t rows = 0;
};
// All row groups, largest first: threads end together.
std::vector<TableUnit> UnitsOf(const InputTable& table);

}  // namespace nightmill
