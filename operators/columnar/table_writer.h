// Typed columns to Parquet files whose bytes depend on rows, schema and options alone, never on
// threads or time (compute.md, rule 4): zstd, row groups of 131,072 rows, integers and timestamps
// DELTA_BINARY_PACKED, strings and doubles by dictionary. Profile and content_sum (compute.md 4.6)
// fall out of writing. Files are named by their content and are not visible to readers until a
// manifest names them.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "operators/columnar/budget.h"
#include "operators/columnar/content_sum.h"
#include "operators/columnar/file_system.h"
#include "operators/columnar/types.h"
#include "operators/op_result.h"

namespace nightmill {

inline constexpr std::int64_t kRowGroupRows = 131'072;

// A borrowed array of slots (types.h), one per row.
struct ColumnData {
  const void* values = nullptr;
  const std::uint64_t* valid = nullptr;  // nullptr: no nulls
};

enum class Codec : std::uint8_t { kNone, kSnappy, kZstd };

struct WriteOptions {
  Codec codec = Codec::kZstd;
  std::int64_t target_bytes = 128'000'000;  // a file is closed before it would grow past this
  std::int64_t max_rows_per_file = 0;       // 0: no limit
  int threads = 1;                          // encoders beside the calling thread's own work
};

// One published or publishable data file.
struct DataFile {
  std::string path;  // absolute in staging, relative to the table in a manifest
  std::int64_t bytes = 0;
  std::int64_t rows = 0;
  int row_groups = 0;
  ContentSum content_sum;
  std::vector<ColumnStats> columns;  // in schema order
};

// What a writer made: files in row order, and the profile over all of them.
struct WrittenTable {
  Schema schema;
  std::vector<DataFile> files;
  std::int64_t rows = 0;
  std::int64_t bytes = 0;
  ContentSum content_sum;
  std::vector<ColumnStats> columns;
};

// A row group, encoded: what any thread may make and the writer puts into place in order.
class Fragment {
 public:
  virtual ~Fragment() = default;
  virtual std::int64_t rows() const = 0;
  virtual std::int64_t bytes() const = 0;
};

// Encodes rows as one row group. Thread-safe and pure: the same rows give the same bytes. `rows` is
// at most kRowGroupRows, and > 0. The fragment's memory is taken from `budget`.
OpResult<std::unique_ptr<Fragment>> EncodeFragment(const Schema& schema,
                                                   const WriteOptions& options,
                                                   std::span<const ColumnData> columns,
                                                   std::int64_t rows, MemoryBudget& budget);

// One output of one attempt. One thread calls it; encoding runs on options.threads threads.
class TableWriter {
 public:
  virtual ~TableWriter() = default;
  // Appends rows; they are copied and cut into row groups of kRowGroupRows rows.
  virtual OpStatus Append(std::span<const ColumnData> columns, std::int64_t rows) = 0;
  // Appends a row group that was encoded elsewhere with the same schema and options. Its borders
  // are the caller's: all but the last should have kRowGroupRows rows. Not to be mixed with Append,
  // and not with max_rows_per_file (kInternal).
  virtual OpStatus AppendFragment(std::unique_ptr<Fragment> fragment) = 0;
  // Ends the last file. Without any row one empty file is written, so that the schema is readable.
  virtual OpResult<WrittenTable> Finish() = 0;
};

// Files appear in `dir` (made if absent) as <content hash>.parquet. `fs`, `budget` outlive the
// writer.
OpResult<std::unique_ptr<TableWriter>> OpenTableWriter(const FileSystem& fs, const std::string& dir,
                                                       const Schema& schema,
                                                       const WriteOptions& options,
                                                       MemoryBudget& budget);

}  // namespace nightmill
