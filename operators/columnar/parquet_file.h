// What the files of this room share about libparquet: the bridge from InputFile, the translation of
// its exceptions, and how its columns map to ours. Included by .cc files of operators/columnar
// only.
#pragma once

#include <arrow/io/interfaces.h>
#include <arrow/memory_pool.h>
#include <parquet/exception.h>
#include <parquet/metadata.h>
#include <parquet/properties.h>
#include <parquet/schema.h>

#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "operators/columnar/column_scan.h"

namespace nightmill {

// An InputFile as libparquet wants it. Keeps the error of ours behind a failed read, since Arrow's
// Status would lose its code and place. One thread per bridge.
class ArrowInput final : public arrow::io::RandomAccessFile {
 public:
  ArrowInput(std::shared_ptr<const InputFile> file, arrow::MemoryPool* pool)
      : file_(std::move(file)), pool_(pool) {}

  arrow::Status Close() override;
  bool closed() const override { return closed_; }
  arrow::Result<std::int64_t> Tell() const override { return position_; }
  arrow::Status Seek(std::int64_t position) override;
  arrow::Result<std::int64_t> Read(std::int64_t n, void* out) override;
  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(std::int64_t n) override;
  arrow::Result<std::int64_t> GetSize() override { return file_->info().size; }
  using arrow::io::RandomAccessFile::ReadAt;
  arrow::Result<std::int64_t> ReadAt(std::int64_t position, std::int64_t n, void* out) override;
  arrow::Result<std::shared_ptr<arrow::Buffer>> ReadAt(std::int64_t position,
                                                       std::int64_t n) override;

  const std::optional<OperatorError>& error() const { return error_; }

 private:
  std::shared_ptr<const InputFile> file_;
  arrow::MemoryPool* pool_;
  std::int64_t position_ = 0;
  bool closed_ = false;
  std::optional<OperatorError> error_;
};

// The error of ours for an exception of libparquet, Arrow or the allocator.
OperatorError FromParquet(const parquet::ParquetException& e);
OperatorError OutOfMemory(std::string_view what);

// Runs `work` (returning OpStatus or OpResult<T>) so that no library exception leaves it.
template <class F>
auto GuardParquet(F&& work) -> decltype(work()) {
  try {
    return work();
  } catch (const parquet::ParquetException& e) {
    return FromParquet(e);
  } catch (const std::bad_alloc&) {
    return OutOfMemory("the system has no memory left");
  } catch (const std::exception& e) {
    return BadInput(e.what(), "corrupt");
  }
}

inline parquet::ReaderProperties MakeReaderProperties(arrow::MemoryPool* pool) {
  parquet::ReaderProperties properties(pool);
  properties.set_page_checksum_verification(true);
  properties.set_thrift_string_size_limit(64 << 20);
  properties.set_thrift_container_size_limit(4 << 20);
  return properties;
}

// How the values of a leaf become slots.
enum class Convert : std::uint8_t {
  kPlain,       // the stored type is the type of the slot, or widens to it
  kUnsigned32,  // read as int64
  kUnsigned64,  // read as decimal(20,0)
  kMillis,      // timestamp: times 1000
  kNanos,       // timestamp: floor of / 1000
  kInt96,       // timestamp: Julian day and nanoseconds
  kDecimal,     // int32, int64 or big-endian bytes
};

struct ParquetLeaf {
  Field field;
  Convert convert = Convert::kPlain;
  const parquet::ColumnDescriptor* descriptor = nullptr;
};

// The leaves of a file in order; those we cannot read have TypeKind::kUnsupported.
std::vector<ParquetLeaf> DescribeLeaves(const parquet::SchemaDescriptor& schema);

// SourceFile with what OpenRowGroup needs; the only implementation.
class ParquetSource final : public SourceFile {
 public:
  ParquetSource(std::shared_ptr<const InputFile> file,
                std::shared_ptr<parquet::FileMetaData> metadata, std::string footer_hash);

  const FileInfo& info() const override { return file_->info(); }
  const Schema& schema() const override { return schema_; }
  std::int64_t rows() const override { return metadata_->num_rows(); }
  int row_groups() const override { return metadata_->num_row_groups(); }
  std::int64_t row_group_rows(int row_group) const override;
  std::int64_t row_group_bytes(int row_group, std::span<const int> columns) const override;
  std::optional<ColumnStats> Statistics(int row_group, int column) const override;
  const std::string& footer_hash() const override { return footer_hash_; }

  const std::shared_ptr<const InputFile>& file() const { return file_; }
  const std::shared_ptr<parquet::FileMetaData>& metadata() const { return metadata_; }
  const ParquetLeaf& leaf(int column) const { return leaves_[static_cast<std::size_t>(column)]; }

 private:
  std::shared_ptr<const InputFile> file_;
  std::shared_ptr<parquet::FileMetaData> metadata_;
  std::vector<ParquetLeaf> leaves_;
  Schema schema_;
  std::string footer_hash_;
};

}  // namespace nightmill
