// Reading Parquet column by column (compute.md 2.4): libparquet decodes pages, consumers see blocks
// of at most kBlockRows rows. Columns of dictionary pages are delivered as codes on request, so
// strings are never built; the page walk finds them without `encoding_stats` too, and a chunk that
// falls back to plain half-way changes form from block to block. No Arrow type is visible here.
// Errors: kBadInput (corrupt, unsupported), kIo, kOomBudget, kConflict, with file, row group,
// column.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "operators/columnar/budget.h"
#include "operators/columnar/file_system.h"
#include "operators/columnar/types.h"
#include "operators/op_result.h"

namespace nightmill {

inline constexpr std::int32_t kBlockRows = 8192;

enum class Form : std::uint8_t { kCodes, kValues };

// Distinct entries of a dictionary as slots (types.h) of the type asked for. Not proven distinct:
// foreign writers may repeat an entry.
struct DictView {
  const void* values = nullptr;
  std::int32_t size = 0;

  template <class T>
  const T* As() const {
    return static_cast<const T*>(values);
  }
};

// Rows of one column; block k of every column of a scan covers the same rows. All pointers die at
// the next Next() or Skip() of the same column, those of `dict` with the ColumnScan.
struct Block {
  std::int32_t rows = 0;                 // 0: the row group has ended
  const std::uint64_t* valid = nullptr;  // nullptr: no nulls in this block
  Form form = Form::kValues;
  const std::int32_t* codes = nullptr;  // kCodes: 0 <= code <= dict.size; a null has dict.size, so
  DictView dict;                        // look-up tables have one entry more
  const void* values = nullptr;         // kValues: one slot per row

  template <class T>
  const T* As() const {
    return static_cast<const T*>(values);
  }
};

// One column of one row group. One thread.
class ColumnScan {
 public:
  virtual ~ColumnScan() = default;
  // The next min(kBlockRows, rows left) rows.
  virtual OpResult<Block> Next() = 0;
  // Passes over that many rows: a multiple of kBlockRows, or all that are left.
  virtual OpStatus Skip(std::int64_t rows) = 0;
  // The dictionary of this chunk in slots of the type asked for; size 0 before the first block, and
  // for chunks without one. Does not change once it is there.
  virtual DictView dictionary() const = 0;
};

// An opened Parquet file: path, footer and schema, parsed once and shared by all threads.
// Immutable.
class SourceFile {
 public:
  virtual ~SourceFile() = default;
  virtual const FileInfo& info() const = 0;
  // Flat leaves in file order; leaves of lists and the like have kUnsupported. INT96 and ns or ms
  // timestamps appear as timestamp, small and unsigned integers as the smallest type that holds
  // them.
  virtual const Schema& schema() const = 0;
  virtual std::int64_t rows() const = 0;
  virtual int row_groups() const = 0;
  virtual std::int64_t row_group_rows(int row_group) const = 0;
  // Compressed bytes of the named columns (indices into schema()), of all if empty.
  virtual std::int64_t row_group_bytes(int row_group, std::span<const int> columns) const = 0;
  // What the footer claims of a column chunk; nullopt without usable statistics. For pruning and
  // estimates only: never trusted for the absence of nulls.
  virtual std::optional<ColumnStats> Statistics(int row_group, int column) const = 0;
  // Lower-case hex hash of the footer bytes, part of the file's identity.
  virtual const std::string& footer_hash() const = 0;
};

// Opens and checks the footer; its size is tested against the budget first. A text file, an empty
// or a truncated one is kBadInput with reason "not_parquet" or "truncated".
OpResult<std::shared_ptr<const SourceFile>> OpenSource(const FileSystem& fs,
                                                       const std::string& path,
                                                       MemoryBudget& budget);

struct ColumnWant {
  int column = -1;     // index into SourceFile::schema(); -1: absent in this file, all null
  ColumnType as;       // the type of the slots; CanWiden(stored, as) must hold
  bool codes = false;  // the consumer takes kCodes where the file has them
};

// The columns of one row group, opened together. One thread; different row groups of one SourceFile
// may be scanned by different threads at the same time.
class RowGroupScan {
 public:
  virtual ~RowGroupScan() = default;
  virtual std::int64_t rows() const = 0;
  virtual std::size_t columns() const = 0;
  virtual ColumnScan& column(std::size_t i) = 0;
  // Rows whose ns timestamps (or INT96) lost digits so far, over all columns.
  virtual std::int64_t truncated_timestamps() const = 0;
};

// `source` and `budget` outlive the scan.
OpResult<std::unique_ptr<RowGroupScan>> OpenRowGroup(const SourceFile& source, int row_group,
                                                     std::span<const ColumnWant> wants,
                                                     MemoryBudget& budget);

// Index of `column` in the schema of the file, or kBadSpec with reason "missing_column" (file,
// column, hint with the names there are), or kBadInput with reason "unsupported".
OpResult<int> BindColumn(const SourceFile& source, std::string_view column);

}  // namespace nightmill
