// An encoded row group in memory and how files are put together from such. Included by .cc files of
// operators/columnar only.
#pragma once

#include <arrow/buffer.h>
#include <parquet/metadata.h>
#include <parquet/properties.h>
#include <parquet/schema.h>

#include <memory>
#include <string>
#include <vector>

#include "operators/columnar/budget_pool.h"
#include "operators/columnar/table_writer.h"

namespace nightmill {

class EncodedRowGroup final : public Fragment {
 public:
  explicit EncodedRowGroup(MemoryBudget& budget) : pool(budget) {}

  std::int64_t rows() const override { return content_sum.rows; }
  std::int64_t bytes() const override { return bytes_; }
  void set_bytes(std::int64_t bytes) { bytes_ = bytes; }

  BudgetPool pool;                      // first: `file` is taken from it
  std::shared_ptr<arrow::Buffer> file;  // a whole Parquet file with one row group
  std::shared_ptr<parquet::FileMetaData> metadata;
  std::string hash;  // of the column chunks
  ContentSum content_sum;
  std::vector<ColumnStats> columns;

 private:
  std::int64_t bytes_ = 0;  // of the column chunks
};

// The Parquet schema of ours: flat, every column optional.
std::shared_ptr<parquet::schema::GroupNode> ToParquetSchema(const Schema& schema);
// Base properties of every file; the same for all, so that bytes depend on data and codec alone.
parquet::WriterProperties::Builder BaseProperties(Codec codec);

// Where a column chunk lies in its file: from its dictionary page, if it has one.
struct ChunkRange {
  std::int64_t begin = 0;
  std::int64_t size = 0;
};
ChunkRange RangeOf(const parquet::ColumnChunkMetaData& chunk);

}  // namespace nightmill
