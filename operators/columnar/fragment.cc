// Encoding one row group (compute.md 2.5, Encodings): integers and times DELTA_BINARY_PACKED, text
// by dictionary unless a sample says that it hardly repeats, doubles by dictionary while that stays
// small.
#include "operators/columnar/fragment.h"

#include <arrow/io/memory.h>
#include <parquet/column_writer.h>
#include <parquet/file_writer.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <type_traits>
#include <unordered_set>

#include "operators/columnar/parquet_file.h"
#include "operators/columnar/parquet_footer.h"
#include "operators/columnar/slot_convert.h"

namespace nightmill {
namespace {

constexpr std::size_t kBatch = 8192;               // rows handed to libparquet at a time
constexpr std::size_t kSample = 8192;              // values looked at before choosing a dictionary
constexpr std::size_t kMaxFloatDictionary = 4096;  // entries: 32 KiB of doubles
constexpr int kMaxDecimalBytes = 16;

using parquet::Encoding;
using parquet::LogicalType;
using parquet::schema::NodePtr;
using parquet::schema::PrimitiveNode;

NodePtr ToNode(const Field& field) {
  const auto make = [&](const std::shared_ptr<const LogicalType>& logical,
                        parquet::Type::type physical, int length = -1) {
    return PrimitiveNode::Make(field.name, parquet::Repetition::OPTIONAL, logical, physical,
                               length);
  };
  switch (field.type.kind) {
    case TypeKind::kBool:
      return make(LogicalType::None(), parquet::Type::BOOLEAN);
    case TypeKind::kInt32:
      return make(LogicalType::Int(32, true), parquet::Type::INT32);
    case TypeKind::kInt64:
      return make(LogicalType::Int(64, true), parquet::Type::INT64);
    case TypeKind::kFloat32:
      return make(LogicalType::None(), parquet::Type::FLOAT);
    case TypeKind::kFloat64:
      return make(LogicalType::None(), parquet::Type::DOUBLE);
    case TypeKind::kDate:
      return make(LogicalType::Date(), parquet::Type::INT32);
    case TypeKind::kTimestamp:
      return make(LogicalType::Timestamp(field.type.utc, LogicalType::TimeUnit::MICROS),
                  parquet::Type::INT64);
    case TypeKind::kDecimal: {
      const auto logical = LogicalType::Decimal(field.type.precision, field.type.scale);
      if (field.type.precision <= 9) return make(logical, parquet::Type::INT32);
      if (field.type.precision <= 18) return make(logical, parquet::Type::INT64);
      return make(logical, parquet::Type::FIXED_LEN_BYTE_ARRAY, kMaxDecimalBytes);
    }
    case TypeKind::kString:
      return make(LogicalType::String(), parquet::Type::BYTE_ARRAY);
    case TypeKind::kBinary:
      return make(LogicalType::None(), parquet::Type::BYTE_ARRAY);
    case TypeKind::kUnsupported:
      break;
  }
  CheckFailed("only writable types are written", __FILE__, __LINE__, {});
}

// Rows of one column from `first` on, with the nulls taken out.
struct Slice {
  const ColumnData& data;
  std::size_t first;
  std::size_t rows;
};

// Copies the valid slots of a slice, each through f, and sets the definition levels.
template <class Slot, class Out, class F>
std::size_t Dense(const Slice& slice, std::int16_t* levels, Out* out, const F& f) {
  const Slot* slots = static_cast<const Slot*>(slice.data.values) + slice.first;
  if (slice.data.valid == nullptr) {
    std::fill_n(levels, slice.rows, std::int16_t{1});
    for (std::size_t i = 0; i < slice.rows; ++i) f(slots[i], out[i]);
    return slice.rows;
  }
  std::size_t n = 0;
  for (std::size_t i = 0; i < slice.rows; ++i) {
    const bool valid = BitIsSet(slice.data.valid, slice.first + i);
    levels[i] = valid ? 1 : 0;
    if (valid) f(slots[i], out[n++]);
  }
  return n;
}

template <class DType, class Slot, class F>
void WriteColumn(parquet::ColumnWriter& writer, const ColumnData& data, std::size_t rows,
                 const F& f) {
  using T = typename DType::c_type;
  auto& typed = static_cast<parquet::TypedColumnWriter<DType>&>(writer);
  std::vector<std::int16_t> levels(kBatch);
  const auto values = std::make_unique<T[]>(kBatch);
  for (std::size_t first = 0; first < rows; first += kBatch) {
    const Slice slice{data, first, std::min(kBatch, rows - first)};
    Dense<Slot>(slice, levels.data(), values.get(), f);
    typed.WriteBatch(static_cast<std::int64_t>(slice.rows), levels.data(), nullptr, values.get());
  }
}

// Decimals of more than 18 digits: 16 bytes, big-endian.
void WriteWideDecimals(parquet::ColumnWriter& writer, const ColumnData& data, std::size_t rows) {
  auto& typed = static_cast<parquet::FixedLenByteArrayWriter&>(writer);
  std::vector<std::int16_t> levels(kBatch);
  std::vector<std::uint8_t> bytes(kBatch * kMaxDecimalBytes);
  std::vector<parquet::FixedLenByteArray> values(kBatch);
  for (std::size_t i = 0; i < kBatch; ++i) values[i].ptr = &bytes[i * kMaxDecimalBytes];
  for (std::size_t first = 0; first < rows; first += kBatch) {
    const Slice slice{data, first, std::min(kBatch, rows - first)};
    Dense<Int128>(slice, levels.data(), values.data(),
                  [](Int128 v, parquet::FixedLenByteArray& out) {
                    auto* p = const_cast<std::uint8_t*>(out.ptr);
                    auto rest = static_cast<UInt128>(v);
                    for (int i = kMaxDecimalBytes; i-- > 0; rest >>= 8) {
                      p[i] = static_cast<std::uint8_t>(rest & 0xFF);
                    }
                  });
    typed.WriteBatch(static_cast<std::int64_t>(slice.rows), levels.data(), nullptr, values.data());
  }
}

void WriteOne(parquet::ColumnWriter& writer, const ColumnType& type, const ColumnData& data,
              std::size_t rows) {
  const auto same = [](auto v, auto& out) { out = v; };
  switch (type.kind) {
    case TypeKind::kBool:
      return WriteColumn<parquet::BooleanType, std::uint8_t>(
          writer, data, rows, [](std::uint8_t v, bool& out) { out = v != 0; });
    case TypeKind::kInt32:
    case TypeKind::kDate:
      return WriteColumn<parquet::Int32Type, std::int32_t>(writer, data, rows, same);
    case TypeKind::kInt64:
    case TypeKind::kTimestamp:
      return WriteColumn<parquet::Int64Type, std::int64_t>(writer, data, rows, same);
    case TypeKind::kFloat32:
      return WriteColumn<parquet::FloatType, float>(writer, data, rows, same);
    case TypeKind::kFloat64:
      return WriteColumn<parquet::DoubleType, double>(writer, data, rows, same);
    case TypeKind::kDecimal:
      if (type.precision <= 9) {
        return WriteColumn<parquet::Int32Type, Int128>(
            writer, data, rows,
            [](Int128 v, std::int32_t& out) { out = static_cast<std::int32_t>(v); });
      }
      if (type.precision <= 18) {
        return WriteColumn<parquet::Int64Type, Int128>(
            writer, data, rows,
            [](Int128 v, std::int64_t& out) { out = static_cast<std::int64_t>(v); });
      }
      return WriteWideDecimals(writer, data, rows);
    case TypeKind::kString:
    case TypeKind::kBinary:
      return WriteColumn<parquet::ByteArrayType, std::string_view>(
          writer, data, rows, [](std::string_view v, parquet::ByteArray& out) {
            out.len = static_cast<std::uint32_t>(v.size());
            out.ptr = reinterpret_cast<const std::uint8_t*>(v.data());
          });
    case TypeKind::kUnsupported:
      break;
  }
  CheckFailed("only writable types are written", __FILE__, __LINE__, {});
}

// Few distinct values among all of them (bits compared, so that -0.0 and NaNs stay what they are).
template <class T, class Bits>
bool FewDistinct(const ColumnData& data, std::size_t rows) {
  std::unordered_set<Bits> seen;
  seen.reserve(kMaxFloatDictionary * 2);
  const T* values = static_cast<const T*>(data.values);
  for (std::size_t i = 0; i < rows; ++i) {
    if (!BitIsSet(data.valid, i)) continue;
    seen.insert(std::bit_cast<Bits>(values[i]));
    if (seen.size() > kMaxFloatDictionary) return false;
  }
  return true;
}

// Text whose first values are nearly all different will not get smaller by a dictionary.
bool TextRepeats(const ColumnData& data, std::size_t rows) {
  std::unordered_set<std::string_view> seen;
  const auto* values = static_cast<const std::string_view*>(data.values);
  std::size_t n = 0;
  for (std::size_t i = 0; i < rows && n < kSample; ++i) {
    if (!BitIsSet(data.valid, i)) continue;
    seen.insert(values[i]);
    ++n;
  }
  return n < 64 || seen.size() * 4 < n * 3;
}

bool UsesDictionary(const ColumnType& type, const ColumnData& data, std::size_t rows) {
  switch (type.kind) {
    case TypeKind::kFloat32:
      return FewDistinct<float, std::uint32_t>(data, rows);
    case TypeKind::kFloat64:
      return FewDistinct<double, std::uint64_t>(data, rows);
    case TypeKind::kString:
    case TypeKind::kBinary:
      return TextRepeats(data, rows);
    default:
      return false;
  }
}

bool IsStoredAsInteger(const ColumnType& type) {
  switch (type.kind) {
    case TypeKind::kInt32:
    case TypeKind::kInt64:
    case TypeKind::kDate:
    case TypeKind::kTimestamp:
      return true;
    case TypeKind::kDecimal:
      return type.precision <= 18;
    default:
      return false;
  }
}

std::shared_ptr<parquet::WriterProperties> ChooseEncodings(const Schema& schema,
                                                           std::span<const ColumnData> columns,
                                                           std::size_t rows, Codec codec,
                                                           arrow::MemoryPool* pool) {
  parquet::WriterProperties::Builder builder = BaseProperties(codec);
  builder.memory_pool(pool);
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const Field& field = schema.fields[i];
    const auto path =
        std::make_shared<parquet::schema::ColumnPath>(std::vector<std::string>{field.name});
    if (UsesDictionary(field.type, columns[i], rows)) builder.enable_dictionary(path);
    if (IsStoredAsInteger(field.type)) builder.encoding(path, Encoding::DELTA_BINARY_PACKED);
  }
  return builder.build();
}

ContentSum SumOf(const Schema& schema, std::span<const ColumnData> columns, std::size_t rows) {
  ContentSum sum;
  std::vector<std::uint64_t> hashes(kBatch);
  for (std::size_t first = 0; first < rows; first += kBatch) {
    const std::size_t n = std::min(kBatch, rows - first);
    const std::span<std::uint64_t> batch(hashes.data(), n);
    std::fill(batch.begin(), batch.end(), 0);
    for (std::size_t c = 0; c < columns.size(); ++c) {
      const ColumnType& type = schema.fields[c].type;
      const auto* slots = static_cast<const char*>(columns[c].values);
      // kBatch is a multiple of 64, so the bitmap of a batch begins at a word.
      const std::uint64_t* valid = columns[c].valid ? columns[c].valid + first / 64 : nullptr;
      AddColumnHashes(type, static_cast<int>(c) + 1, slots + first * SlotBytes(type.kind), valid,
                      batch);
    }
    sum.Add(SumRowHashes(batch));
  }
  return sum;
}

// Statistics, size and hash out of what libparquet has written.
void Describe(EncodedRowGroup& group) {
  const auto chunks = group.metadata->RowGroup(0);
  const std::vector<ParquetLeaf> leaves = DescribeLeaves(*group.metadata->schema());
  std::string hashes;
  std::int64_t bytes = 0;
  for (int i = 0; i < chunks->num_columns(); ++i) {
    const auto chunk = chunks->ColumnChunk(i);
    const ChunkRange range = RangeOf(*chunk);
    bytes += range.size;
    hashes += QuickHash({reinterpret_cast<const char*>(group.file->data()) + range.begin,
                         static_cast<std::size_t>(range.size)});
    ColumnStats stats;
    stats.rows = chunks->num_rows();
    if (const auto written = chunk->is_stats_set() ? chunk->statistics() : nullptr) {
      stats.nulls = written->null_count();
      if (written->HasMinMax()) ConvertMinMax(*written, leaves[static_cast<std::size_t>(i)], stats);
    }
    group.columns.push_back(std::move(stats));
  }
  group.hash = QuickHash(hashes);
  group.set_bytes(bytes);
}

}  // namespace

std::shared_ptr<parquet::schema::GroupNode> ToParquetSchema(const Schema& schema) {
  parquet::schema::NodeVector nodes;
  for (const Field& field : schema.fields) nodes.push_back(ToNode(field));
  return std::static_pointer_cast<parquet::schema::GroupNode>(
      parquet::schema::GroupNode::Make("schema", parquet::Repetition::REQUIRED, nodes));
}

parquet::WriterProperties::Builder BaseProperties(Codec codec) {
  parquet::WriterProperties::Builder builder;
  builder.version(parquet::ParquetVersion::PARQUET_2_6);
  builder.data_page_version(parquet::ParquetDataPageVersion::V1);
  builder.created_by("nightmill version 1.0.0");
  builder.disable_write_page_index();
  builder.set_size_statistics_level(parquet::SizeStatisticsLevel::None);
  builder.disable_dictionary();
  builder.enable_page_checksum();
  builder.enable_store_decimal_as_integer();
  switch (codec) {
    case Codec::kNone:
      builder.compression(parquet::Compression::UNCOMPRESSED);
      break;
    case Codec::kSnappy:
      builder.compression(parquet::Compression::SNAPPY);
      break;
    case Codec::kZstd:
      builder.compression(parquet::Compression::ZSTD);
      break;
  }
  return builder;
}

ChunkRange RangeOf(const parquet::ColumnChunkMetaData& chunk) {
  std::int64_t begin = chunk.data_page_offset();
  if (chunk.has_dictionary_page() && chunk.dictionary_page_offset() > 0) {
    begin = std::min(begin, chunk.dictionary_page_offset());
  }
  return {begin, chunk.total_compressed_size()};
}

OpResult<std::unique_ptr<Fragment>> EncodeFragment(const Schema& schema,
                                                   const WriteOptions& options,
                                                   std::span<const ColumnData> columns,
                                                   std::int64_t rows, MemoryBudget& budget) {
  CHECK(rows > 0 && rows <= kRowGroupRows && columns.size() == schema.fields.size());
  const auto n = static_cast<std::size_t>(rows);
  auto group = std::make_unique<EncodedRowGroup>(budget);
  const OpStatus status = GuardParquet([&]() -> OpStatus {
    auto sink = arrow::io::BufferOutputStream::Create(1 << 16, &group->pool);
    if (!sink.ok()) return OutOfMemory(sink.status().message());
    const auto writer = parquet::ParquetFileWriter::Open(
        *sink, ToParquetSchema(schema),
        ChooseEncodings(schema, columns, n, options.codec, &group->pool));
    parquet::RowGroupWriter* row_group = writer->AppendRowGroup();
    for (std::size_t i = 0; i < columns.size(); ++i) {
      WriteOne(*row_group->NextColumn(), schema.fields[i].type, columns[i], n);
    }
    writer->Close();
    group->metadata = writer->metadata();
    auto buffer = (*sink)->Finish();
    if (!buffer.ok()) return OutOfMemory(buffer.status().message());
    group->file = std::move(buffer).ValueUnsafe();
    Describe(*group);
    return OpOk();
  });
  NM_RETURN_IF_ERROR(status);
  group->content_sum = SumOf(schema, columns, n);
  return std::unique_ptr<Fragment>(std::move(group));
}

}  // namespace nightmill
