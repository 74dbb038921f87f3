#include "operators/columnar/parquet_file.h"

#include <arrow/buffer.h>
#include <arrow/status.h>
#include <arrow/util/config.h>
#include <fmt/format.h>
#include <parquet/statistics.h>

#include <algorithm>

#include "operators/columnar/budget_pool.h"
#include "operators/columnar/parquet_footer.h"
#include "operators/columnar/slot_convert.h"

namespace nightmill {
namespace {

using parquet::LogicalType;

// The type and the conversion of one flat leaf.
ParquetLeaf DescribeInteger(const LogicalType& logical, bool wide) {
  ParquetLeaf leaf;
  leaf.field.type.kind = wide ? TypeKind::kInt64 : TypeKind::kInt32;
  if (logical.is_int()) {
    const auto& integer = static_cast<const parquet::IntLogicalType&>(logical);
    if (!integer.is_signed() && integer.bit_width() == 32) {
      leaf.field.type.kind = TypeKind::kInt64;
      leaf.convert = Convert::kUnsigned32;
    } else if (!integer.is_signed() && integer.bit_width() == 64) {
      leaf.field.type = {TypeKind::kDecimal, 20, 0};
      leaf.convert = Convert::kUnsigned64;
    }
  }
  return leaf;
}

ParquetLeaf DescribeTimestamp(const parquet::TimestampLogicalType& logical) {
  ParquetLeaf leaf;
  leaf.field.type.kind = TypeKind::kTimestamp;
  leaf.field.type.utc = logical.is_adjusted_to_utc();
  switch (logical.time_unit()) {
    case LogicalType::TimeUnit::MILLIS:
      leaf.convert = Convert::kMillis;
      break;
    case LogicalType::TimeUnit::NANOS:
      leaf.convert = Convert::kNanos;
      break;
    default:
      break;
  }
  return leaf;
}

ParquetLeaf DescribeDecimal(const parquet::DecimalLogicalType& logical) {
  ParquetLeaf leaf;
  if (logical.precision() >= 1 && logical.precision() <= 38 && logical.scale() >= 0 &&
      logical.scale() <= logical.precision()) {
    leaf.field.type = {TypeKind::kDecimal, logical.precision(), logical.scale()};
    leaf.convert = Convert::kDecimal;
  }
  return leaf;
}

ParquetLeaf DescribeBytes(const LogicalType& logical) {
  ParquetLeaf leaf;
  if (logical.is_string() || logical.is_enum() || logical.is_JSON()) {
    leaf.field.type.kind = TypeKind::kString;
  } else if (logical.is_none() || logical.is_invalid() || logical.is_BSON() || logical.is_UUID()) {
    leaf.field.type.kind = TypeKind::kBinary;
  }
  return leaf;
}

ParquetLeaf DescribeFlat(const parquet::ColumnDescriptor& column) {
  static const std::shared_ptr<const LogicalType> kNone = LogicalType::None();
  const LogicalType& logical = column.logical_type() ? *column.logical_type() : *kNone;
  if (logical.is_decimal()) {
    return DescribeDecimal(static_cast<const parquet::DecimalLogicalType&>(logical));
  }
  ParquetLeaf leaf;
  switch (column.physical_type()) {
    case parquet::Type::BOOLEAN:
      leaf.field.type.kind = TypeKind::kBool;
      return leaf;
    case parquet::Type::INT32:
      if (logical.is_date()) leaf.field.type.kind = TypeKind::kDate;
      if (logical.is_date() || logical.is_time()) return leaf;
      return DescribeInteger(logical, false);
    case parquet::Type::INT64:
      if (logical.is_timestamp()) {
        return DescribeTimestamp(static_cast<const parquet::TimestampLogicalType&>(logical));
      }
      return logical.is_time() ? leaf : DescribeInteger(logical, true);
    case parquet::Type::INT96:
      leaf.field.type.kind = TypeKind::kTimestamp;
      leaf.convert = Convert::kInt96;
      return leaf;
    case parquet::Type::FLOAT:
      leaf.field.type.kind = TypeKind::kFloat32;
      return leaf;
    case parquet::Type::DOUBLE:
      leaf.field.type.kind = TypeKind::kFloat64;
      return leaf;
    case parquet::Type::BYTE_ARRAY:
    case parquet::Type::FIXED_LEN_BYTE_ARRAY:
      return DescribeBytes(logical);
    default:
      return leaf;
  }
}

std::shared_ptr<parquet::FileMetaData> ParseFooter(const std::string& footer) {
  const auto properties = MakeReaderProperties(arrow::default_memory_pool());
#if ARROW_VERSION_MAJOR >= 26
  const auto length = static_cast<std::int64_t>(footer.size());
  return parquet::FileMetaData::Make(footer.data(), length, properties);
#else
  auto length = static_cast<std::uint32_t>(footer.size());
  return parquet::FileMetaData::Make(footer.data(), &length, properties);
#endif
}

}  // namespace

arrow::Status ArrowInput::Close() {
  closed_ = true;
  return arrow::Status::OK();
}

arrow::Status ArrowInput::Seek(std::int64_t position) {
  position_ = position;
  return arrow::Status::OK();
}

arrow::Result<std::int64_t> ArrowInput::Read(std::int64_t n, void* out) {
  ARROW_ASSIGN_OR_RAISE(const std::int64_t got, ReadAt(position_, n, out));
  position_ += got;
  return got;
}

arrow::Result<std::shared_ptr<arrow::Buffer>> ArrowInput::Read(std::int64_t n) {
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> buffer, ReadAt(position_, n));
  position_ += buffer->size();
  return buffer;
}

arrow::Result<std::int64_t> ArrowInput::ReadAt(std::int64_t position, std::int64_t n, void* out) {
  if (position < 0 || n < 0) return arrow::Status::Invalid("a read before the start of the file");
  const std::int64_t take = std::max<std::int64_t>(0, std::min(n, file_->info().size - position));
  const OpStatus status = file_->ReadAt(position, take, out);
  if (!status.ok()) {
    error_ = status.error();
    return arrow::Status::IOError(status.error().message);
  }
  return take;
}

arrow::Result<std::shared_ptr<arrow::Buffer>> ArrowInput::ReadAt(std::int64_t position,
                                                                 std::int64_t n) {
  const std::int64_t take = std::max<std::int64_t>(0, std::min(n, file_->info().size - position));
  ARROW_ASSIGN_OR_RAISE(std::unique_ptr<arrow::Buffer> buffer, arrow::AllocateBuffer(take, pool_));
  ARROW_ASSIGN_OR_RAISE(const std::int64_t got, ReadAt(position, take, buffer->mutable_data()));
  CHECK(got == take);
  return std::shared_ptr<arrow::Buffer>(std::move(buffer));
}

OperatorError FromParquet(const parquet::ParquetException& e) {
  const auto* with_status = dynamic_cast<const parquet::ParquetStatusException*>(&e);
  if (with_status != nullptr && with_status->status().IsOutOfMemory()) {
    return OutOfMemory(with_status->status().message());
  }
  return BadInput(e.what(), "corrupt", "write the file again or leave it out");
}

OperatorError OutOfMemory(std::string_view what) {
  return MakeOpError(OperatorErrorCode::kOomBudget, "memory: " + std::string(what), "memory",
                     "raise \"memory\" or lower \"threads\"");
}

std::vector<ParquetLeaf> DescribeLeaves(const parquet::SchemaDescriptor& schema) {
  std::vector<ParquetLeaf> leaves;
  leaves.reserve(static_cast<std::size_t>(schema.num_columns()));
  for (int i = 0; i < schema.num_columns(); ++i) {
    const parquet::ColumnDescriptor* column = schema.Column(i);
    ParquetLeaf leaf;
    if (column->max_repetition_level() == 0) leaf = DescribeFlat(*column);
    leaf.field.name = column->path()->ToDotString();
    leaf.descriptor = column;
    leaves.push_back(std::move(leaf));
  }
  return leaves;
}

ParquetSource::ParquetSource(std::shared_ptr<const InputFile> file,
                             std::shared_ptr<parquet::FileMetaData> metadata,
                             std::string footer_hash)
    : file_(std::move(file)),
      metadata_(std::move(metadata)),
      leaves_(DescribeLeaves(*metadata_->schema())),
      footer_hash_(std::move(footer_hash)) {
  for (const ParquetLeaf& leaf : leaves_) schema_.fields.push_back(leaf.field);
}

std::int64_t ParquetSource::row_group_rows(int row_group) const {
  return metadata_->RowGroup(row_group)->num_rows();
}

std::int64_t ParquetSource::row_group_bytes(int row_group, std::span<const int> columns) const {
  const auto group = metadata_->RowGroup(row_group);
  std::int64_t bytes = 0;
  if (columns.empty()) {
    for (int i = 0; i < group->num_columns(); ++i) {
      bytes += group->ColumnChunk(i)->total_compressed_size();
    }
  }
  for (const int i : columns) bytes += group->ColumnChunk(i)->total_compressed_size();
  return bytes;
}

std::optional<ColumnStats> ParquetSource::Statistics(int row_group, int column) const {
  // Whatever is wrong with a claim makes it no claim.
  try {
    const auto group = metadata_->RowGroup(row_group);
    const auto chunk = group->ColumnChunk(column);
    if (!chunk->is_stats_set()) return std::nullopt;
    const std::shared_ptr<parquet::Statistics> claimed = chunk->statistics();
    if (!claimed) return std::nullopt;
    ColumnStats stats;
    stats.rows = group->num_rows();
    stats.nulls = claimed->HasNullCount() ? claimed->null_count() : -1;
    if (claimed->HasMinMax() && leaf(column).field.type.kind != TypeKind::kUnsupported) {
      ConvertMinMax(*claimed, leaf(column), stats);
    }
    return stats;
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

OpResult<std::shared_ptr<const SourceFile>> OpenSource(const FileSystem& fs,
                                                       const std::string& path,
                                                       MemoryBudget& budget) {
  NM_ASSIGN_OR_RETURN(std::shared_ptr<const InputFile> file, fs.Open(path));
  NM_ASSIGN_OR_RETURN(const std::string footer, ReadParquetFooter(*file));
  BudgetHold hold(budget);
  // Parsed thrift takes a few times its serialized size.
  NM_RETURN_IF_ERROR(hold.Resize(static_cast<std::int64_t>(footer.size()) * 4, "a Parquet footer"));
  auto opened = GuardParquet([&]() -> OpResult<std::shared_ptr<const SourceFile>> {
    std::shared_ptr<parquet::FileMetaData> metadata = ParseFooter(footer);
    std::int64_t rows = 0;
    for (int i = 0; i < metadata->num_row_groups(); ++i) {
      const auto group = metadata->RowGroup(i);
      if (group->num_rows() < 0) return BadInput("a row group has a negative row count", "corrupt");
      rows += group->num_rows();
    }
    if (rows != metadata->num_rows()) {
      return BadInput(fmt::format("its footer claims {} rows, its row groups have {}",
                                  metadata->num_rows(), rows),
                      "corrupt");
    }
    return std::shared_ptr<const SourceFile>(
        std::make_shared<ParquetSource>(file, std::move(metadata), QuickHash(footer)));
  });
  if (opened.ok()) return opened;
  OperatorError error = opened.error();
  if (error.file.empty()) error.file = path;
  return error;
}

OpResult<int> BindColumn(const SourceFile& source, std::string_view column) {
  const int index = source.schema().Find(column);
  if (index < 0) {
    std::string names;
    for (const Field& field : source.schema().fields) {
      if (!names.empty()) names += ", ";
      if (names.size() > 300) {
        names += "...";
        break;
      }
      names += field.name;
    }
    OperatorError error = BadSpec(fmt::format("there is no column \"{}\"", column),
                                  "missing_column", "the file has " + names);
    error.file = source.info().path;
    error.column = column;
    return error;
  }
  if (source.schema().fields[static_cast<std::size_t>(index)].type.kind == TypeKind::kUnsupported) {
    OperatorError error =
        BadInput(fmt::format("column \"{}\" has a type that cannot be read", column), "unsupported",
                 "flat columns of the types in the docs can");
    error.file = source.info().path;
    error.column = column;
    return error;
  }
  return index;
}

}  // namespace nightmill
