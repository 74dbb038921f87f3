// Columns written and read again: every type, nulls, dictionaries, blocks, skips, widening; the
// same bytes for any number of threads; budgets; content sums; statistics.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/base/rng.h"
#include "tests/unit/operators/operator_harness.h"
#include "operators/columnar/column_scan.h"
#include "operators/columnar/row_store.h"
#include "operators/columnar/slot_stats.h"
#include "operators/columnar/table_writer.h"
#include "operators/parallel.h"

namespace nightmill {
namespace {

ColumnType TypeOf(const char* word) { return *ParseColumnType(word); }

// Random columns of every type, with their own memory.
struct Sample {
  Schema schema;
  std::size_t rows;
  std::vector<std::vector<Int128>> slots;
  std::vector<std::vector<std::uint64_t>> valid;
  std::vector<std::string> texts;

  std::vector<ColumnData> Data() const {
    std::vector<ColumnData> out;
    for (std::size_t c = 0; c < slots.size(); ++c) {
      out.push_back({slots[c].data(), valid[c].empty() ? nullptr : valid[c].data()});
    }
    return out;
  }
  Value At(std::size_t column, std::size_t row) const {
    if (!valid[column].empty() && !BitIsSet(valid[column].data(), row)) return std::monostate{};
    return SlotValue(schema.fields[column].type, slots[column].data(), row);
  }
};

void FillSlot(const ColumnType& type, void* slots, std::size_t i, std::uint64_t r,
              const std::vector<std::string>& texts) {
  const auto number = static_cast<std::int64_t>(r);
  switch (type.kind) {
    case TypeKind::kBool:
      static_cast<std::uint8_t*>(slots)[i] = r & 1;
      return;
    case TypeKind::kInt32:
    case TypeKind::kDate:
      static_cast<std::int32_t*>(slots)[i] = static_cast<std::int32_t>(number % 40'000);
      return;
    case TypeKind::kFloat32:
      static_cast<float*>(slots)[i] = static_cast<float>(number % 1000) / 8;
      return;
    case TypeKind::kFloat64:
      static_cast<double*>(slots)[i] = r % 97 == 0 ? std::nan("") : static_cast<double>(number) / 3;
      return;
    case TypeKind::kDecimal: {
      Int128 limit = 1;
      for (int d = 0; d < type.precision; ++d) limit *= 10;
      static_cast<Int128*>(slots)[i] = (Int128{number} * number * (r % 2 == 0 ? 1 : -1)) % limit;
      return;
    }
    case TypeKind::kString:
    case TypeKind::kBinary:
      static_cast<std::string_view*>(slots)[i] = texts[r % texts.size()];
      return;
    default:
      static_cast<std::int64_t*>(slots)[i] = number % 4'000'000'000'000'000;
  }
}

Sample MakeSample(std::size_t rows, std::uint64_t seed, std::size_t distinct_texts) {
  Sample s;
  s.rows = rows;
  Rng rng(seed);
  for (std::size_t i = 0; i < distinct_texts; ++i) {
    s.texts.push_back(std::string(rng.Below(40), 'x') + std::to_string(i));
  }
  int n = 0;
  for (const char* word :
       {"bool", "int32", "int64", "float32", "float64", "decimal(9,2)", "decimal(18,0)",
        "decimal(38,10)", "string", "binary", "date", "timestamp", "timestamp(local)", "string"}) {
    const ColumnType type = TypeOf(word);
    s.schema.fields.push_back({"c" + std::to_string(n), type});
    s.slots.emplace_back(rows * SlotBytes(type.kind) / sizeof(Int128) + 1);
    s.valid.emplace_back();
    if (n % 3 != 2) s.valid.back().resize(rows / 64 + 1);
    for (std::size_t i = 0; i < rows; ++i) {
      FillSlot(type, s.slots.back().data(), i, rng.Next() >> 2, s.texts);
      // Column 4 has whole blocks without and whole blocks with nulls only.
      const bool null = n == 4 ? (i / 9000) % 2 == 1 : rng.Chance(1, 5);
      if (!s.valid.back().empty() && !null) s.valid.back()[i >> 6] |= std::uint64_t{1} << (i & 63);
    }
    ++n;
  }
  return s;
}

WrittenTable WriteSample(const std::string& dir, const Sample& sample, WriteOptions options,
                         std::size_t step) {
  MemoryBudget budget(2'000'000'000);
  auto writer = OpenTableWriter(LocalFileSystem(), dir, sample.schema, options, budget);
  EXPECT_TRUE(writer.ok());
  const auto data = sample.Data();
  for (std::size_t first = 0; first < sample.rows; first += step) {
    const std::size_t n = std::min(step, sample.rows - first);
    std::vector<ColumnData> part;
    for (std::size_t c = 0; c < data.size(); ++c) {
      const std::size_t width = SlotBytes(sample.schema.fields[c].type.kind);
      part.push_back({static_cast<const char*>(data[c].values) + first * width,
                      data[c].valid ? data[c].valid + first / 64 : nullptr});
    }
    EXPECT_TRUE((*writer)->Append(part, static_cast<std::int64_t>(n)).ok());
  }
  auto done = (*writer)->Finish();
  EXPECT_TRUE(done.ok()) << (done.ok() ? "" : ToLine(done.error()));
  return std::move(*done);
}

void ExpectBlock(const Sample& sample, std::size_t column, const Block& block, std::size_t first) {
  const ColumnType& type = sample.schema.fields[column].type;
  for (std::int32_t r = 0; r < block.rows; ++r) {
    const auto at = static_cast<std::size_t>(r);
    Value got;
    if (block.form == Form::kCodes) {
      const std::int32_t code = block.codes[r];
      EXPECT_EQ(code == block.dict.size, !BitIsSet(block.valid, at));
      if (code < block.dict.size) {
        got = SlotValue(type, block.dict.values, static_cast<std::size_t>(code));
      }
    } else if (BitIsSet(block.valid, at)) {
      got = SlotValue(type, block.values, at);
    }
    const Value want = sample.At(column, first + at);
    // NaN is not equal to itself.
    ASSERT_EQ(ValueToJson(got, type), ValueToJson(want, type)) << column << " " << first + at;
  }
}

void ExpectFile(const Sample& sample, const std::string& path, bool codes, std::size_t& row) {
  MemoryBudget budget(1'000'000'000);
  auto source = OpenSource(LocalFileSystem(), path, budget);
  ASSERT_TRUE(source.ok()) << ToLine(source.error());
  ASSERT_EQ((*source)->schema(), sample.schema);
  std::vector<ColumnWant> wants;
  for (std::size_t c = 0; c < sample.schema.fields.size(); ++c) {
    wants.push_back({static_cast<int>(c), sample.schema.fields[c].type, codes});
  }
  for (int g = 0; g < (*source)->row_groups(); ++g) {
    auto scan = OpenRowGroup(**source, g, wants, budget);
    ASSERT_TRUE(scan.ok()) << ToLine(scan.error());
    for (std::int64_t read = 0; read < (*scan)->rows();) {
      std::int32_t rows = 0;
      for (std::size_t c = 0; c < wants.size(); ++c) {
        auto block = (*scan)->column(c).Next();
        ASSERT_TRUE(block.ok()) << ToLine(block.error());
        ExpectBlock(sample, c, *block, row);
        rows = block->rows;
      }
      read += rows;
      row += static_cast<std::size_t>(rows);
    }
  }
  EXPECT_EQ(budget.limit(), 1'000'000'000);
}

TEST(TableWriter, EveryTypeReadsBackAsWritten) {
  ScratchDir dir;
  const Sample sample = MakeSample(20'000, 7, 300);
  const WrittenTable table = WriteSample(dir.At("t"), sample, {}, 64 * 50);
  ASSERT_EQ(table.files.size(), 1u);
  EXPECT_EQ(table.rows, 20'000);
  for (const bool codes : {false, true}) {
    std::size_t row = 0;
    ExpectFile(sample, table.files[0].path, codes, row);
    EXPECT_EQ(row, sample.rows);
  }
}

TEST(TableWriter, BytesDoNotDependOnThreadsOrBatches) {
  ScratchDir dir;
  const Sample sample = MakeSample(300'000, 11, 70'000);
  WriteOptions options;
  options.target_bytes = 8'000'000;
  WriteSample(dir.At("a"), sample, options, 64 * 100);
  options.threads = 4;
  WriteSample(dir.At("b"), sample, options, 64 * 33);
  const auto one = dir.Files("a");
  EXPECT_EQ(one, dir.Files("b"));
  EXPECT_GT(one.size(), 1u);
}

TEST(TableWriter, FilesEndAfterSoManyRows) {
  ScratchDir dir;
  const Sample sample = MakeSample(2'500, 3, 10);
  WriteOptions options;
  options.max_rows_per_file = 1'000;
  const WrittenTable table = WriteSample(dir.At("t"), sample, options, 64 * 7);
  ASSERT_EQ(table.files.size(), 3u);
  std::size_t row = 0;
  ContentSum sum;
  for (const DataFile& file : table.files) {
    ExpectFile(sample, file.path, true, row);
    sum.Add(file.content_sum);
  }
  EXPECT_EQ(row, 2'500u);
  EXPECT_EQ(sum, table.content_sum);
}

TEST(TableWriter, NoRowsGiveOneReadableFile) {
  ScratchDir dir;
  const Sample sample = MakeSample(0, 1, 1);
  const WrittenTable table = WriteSample(dir.At("t"), sample, {}, 64);
  ASSERT_EQ(table.files.size(), 1u);
  std::size_t row = 0;
  ExpectFile(sample, table.files[0].path, false, row);
}

TEST(TableWriter, EqualFilesAreKeptApart) {
  ScratchDir dir;
  Sample sample = MakeSample(64, 5, 4);
  MemoryBudget budget(100'000'000);
  WriteOptions options;
  options.max_rows_per_file = 64;
  auto writer = OpenTableWriter(LocalFileSystem(), dir.At("t"), sample.schema, options, budget);
  ASSERT_TRUE((*writer)->Append(sample.Data(), 64).ok());
  ASSERT_TRUE((*writer)->Append(sample.Data(), 64).ok());
  ASSERT_EQ((*writer)->Finish()->files.size(), 2u);
  EXPECT_EQ(dir.Files("t").size(), 2u);
}

TEST(TableWriter, OverBudgetFailsByName) {
  ScratchDir dir;
  const Sample sample = MakeSample(20'000, 7, 300);
  MemoryBudget budget(1'000'000);
  auto writer = OpenTableWriter(LocalFileSystem(), dir.At("t"), sample.schema, {}, budget);
  const OpStatus status = (*writer)->Append(sample.Data(), 20'000);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, OperatorErrorCode::kOomBudget);
  writer->reset();
  EXPECT_EQ(budget.used(), 0);
  EXPECT_TRUE(dir.Files("t").empty());
}

TEST(ColumnScan, SkipsWholeBlocks) {
  ScratchDir dir;
  const Sample sample = MakeSample(100'000, 9, 50);
  const WrittenTable table = WriteSample(dir.At("t"), sample, {}, 64 * 100);
  MemoryBudget budget(1'000'000'000);
  auto source = OpenSource(LocalFileSystem(), table.files[0].path, budget);
  Rng rng(4);
  for (int c = 0; c < static_cast<int>(sample.schema.fields.size()); ++c) {
    const ColumnWant want{c, sample.schema.fields[static_cast<std::size_t>(c)].type, true};
    auto scan = OpenRowGroup(**source, 0, {&want, 1}, budget);
    std::size_t row = 0;
    while (row < sample.rows) {
      const auto skip = static_cast<std::int64_t>(rng.Below(3)) * kBlockRows;
      ASSERT_TRUE((*scan)->column(0).Skip(skip).ok());
      row = std::min(sample.rows, row + static_cast<std::size_t>(skip));
      auto block = (*scan)->column(0).Next();
      ASSERT_TRUE(block.ok()) << ToLine(block.error());
      ExpectBlock(sample, static_cast<std::size_t>(c), *block, row);
      row += static_cast<std::size_t>(block->rows);
    }
    EXPECT_EQ((*scan)->column(0).Next()->rows, 0);
  }
}

TEST(ColumnScan, WidensAndFillsAbsentColumns) {
  ScratchDir dir;
  const Sample sample = MakeSample(500, 2, 5);
  const WrittenTable table = WriteSample(dir.At("t"), sample, {}, 64);
  MemoryBudget budget(1'000'000'000);
  auto source = OpenSource(LocalFileSystem(), table.files[0].path, budget);
  const std::vector<ColumnWant> wants{{1, TypeOf("int64"), false},
                                      {3, TypeOf("float64"), false},
                                      {5, TypeOf("decimal(20,4)"), false},
                                      {-1, TypeOf("string"), true}};
  auto scan = OpenRowGroup(**source, 0, wants, budget);
  ASSERT_TRUE(scan.ok());
  const Block ints = *(*scan)->column(0).Next();
  const Block decimals = *(*scan)->column(2).Next();
  const Block absent = *(*scan)->column(3).Next();
  for (std::size_t r = 0; r < 500; ++r) {
    EXPECT_FALSE(BitIsSet(absent.valid, r));
    if (BitIsSet(ints.valid, r)) {
      EXPECT_EQ(ints.As<std::int64_t>()[r], std::get<std::int64_t>(sample.At(1, r)));
    }
    EXPECT_EQ(decimals.As<Int128>()[r], std::get<Int128>(sample.At(5, r)) * 100);
  }
  const ColumnWant narrow{2, TypeOf("int32"), false};
  EXPECT_EQ(OpenRowGroup(**source, 0, {&narrow, 1}, budget).error().reason, "type");
}

TEST(ColumnScan, BrokenFilesAreRefusedWithTheirPlace) {
  ScratchDir dir;
  const Sample sample = MakeSample(5'000, 2, 50);
  const WrittenTable table = WriteSample(dir.At("t"), sample, {}, 64 * 20);
  const std::string good = dir.Files("t").begin()->second;
  MemoryBudget budget(100'000'000);
  const auto reason = [&](const std::string& bytes) {
    dir.Write("bad.parquet", bytes);
    const auto source = OpenSource(LocalFileSystem(), dir.At("bad.parquet"), budget);
    EXPECT_FALSE(source.ok());
    EXPECT_EQ(source.error().code, OperatorErrorCode::kBadInput);
    EXPECT_EQ(source.error().file, dir.At("bad.parquet"));
    return source.error().reason;
  };
  EXPECT_EQ(reason(""), "truncated");
  EXPECT_EQ(reason(good.substr(0, 7)), "truncated");
  EXPECT_EQ(reason(good.substr(0, good.size() / 2)), "truncated");
  EXPECT_EQ(reason("a,b\n1,2\n3,4\n5,6\n"), "not_parquet");
  std::string broken_footer = good;
  broken_footer.replace(good.size() - 40, 20, std::string(20, '\xFF'));
  EXPECT_EQ(reason(broken_footer), "corrupt");

  // A flipped byte in any page fails its checksum.
  Rng rng(1);
  for (int i = 0; i < 60; ++i) {
    std::string flipped = good;
    flipped[4 + rng.Below(good.size() - 2'000)] ^= static_cast<char>(1 + rng.Below(255));
    dir.Write("bad.parquet", flipped);
    auto source = OpenSource(LocalFileSystem(), dir.At("bad.parquet"), budget);
    if (!source.ok()) continue;
    std::string failed_column;
    for (int c = 0; c < static_cast<int>(sample.schema.fields.size()); ++c) {
      const ColumnWant want{c, sample.schema.fields[static_cast<std::size_t>(c)].type, true};
      auto scan = OpenRowGroup(**source, 0, {&want, 1}, budget);
      const auto block = scan.ok() ? (*scan)->column(0).Next() : OpResult<Block>(scan.error());
      if (block.ok()) continue;
      EXPECT_EQ(block.error().code, OperatorErrorCode::kBadInput) << ToLine(block.error());
      EXPECT_EQ(block.error().row_group, 0);
      failed_column = block.error().column;
    }
    EXPECT_FALSE(failed_column.empty());
  }
  EXPECT_EQ(budget.used(), 0);
}

TEST(ColumnScan, MissingColumnIsNamedWithTheOnesThereAre) {
  ScratchDir dir;
  const WrittenTable table = WriteSample(dir.At("t"), MakeSample(10, 2, 5), {}, 64);
  MemoryBudget budget(100'000'000);
  auto source = OpenSource(LocalFileSystem(), table.files[0].path, budget);
  const auto bound = BindColumn(**source, "user");
  ASSERT_FALSE(bound.ok());
  EXPECT_EQ(bound.error().code, OperatorErrorCode::kBadSpec);
  EXPECT_EQ(bound.error().reason, "missing_column");
  EXPECT_NE(bound.error().hint.find("c0, c1"), std::string::npos);
}

TEST(ContentSum, HashesAreThoseOfSpark) {
  // SELECT xxhash64('Spark', array(123), 2) in the documentation of Spark SQL.
  const std::uint64_t h = SparkHashInt(2, SparkHashInt(123, SparkHashBytes("Spark", 42)));
  EXPECT_EQ(static_cast<std::int64_t>(h), 5602566077635097486);
  // XXH64 of nothing with seed 0 (xxHash's own test values).
  EXPECT_EQ(SparkHashBytes("", 0), 0xEF46DB3751D8E999ULL);
}

TEST(ContentSum, TextFormReadsBack) {
  ScratchDir dir;
  const Sample sample = MakeSample(3'000, 21, 30);
  const ContentSum whole = WriteSample(dir.At("a"), sample, {}, 64).content_sum;
  EXPECT_EQ(ParseContentSum(ToString(whole)), whole);
  EXPECT_EQ(whole.rows, 3'000);
}

TEST(RowStore, SortsStablyNullsFirst) {
  ScratchDir dir;
  const Sample sample = MakeSample(2'000, 33, 6);
  MemoryBudget budget(100'000'000);
  const ContentSum before = WriteSample(dir.At("a"), sample, {}, 64).content_sum;
  RowStore store(sample.schema, budget);
  ASSERT_TRUE(store.Append(sample.Data(), 2'000).ok());
  const int by[] = {8, 4};
  const auto order = store.Order(by);
  for (std::size_t i = 1; i < order.size(); ++i) {
    const Value a = sample.At(8, order[i - 1]);
    const Value b = sample.At(8, order[i]);
    if (std::holds_alternative<std::monostate>(b)) {
      EXPECT_TRUE(std::holds_alternative<std::monostate>(a));
    } else if (!std::holds_alternative<std::monostate>(a)) {
      EXPECT_LE(std::get<std::string>(a), std::get<std::string>(b));
    }
  }
  auto writer = OpenTableWriter(LocalFileSystem(), dir.At("b"), sample.schema, {}, budget);
  ASSERT_TRUE(store.WriteTo(**writer, order).ok());
  EXPECT_EQ((*writer)->Finish()->content_sum, before);
}

TEST(SlotStats, AgreeWithWhatTheWriterRecords) {
  ScratchDir dir;
  const Sample sample = MakeSample(4'000, 5, 20);
  const WrittenTable table = WriteSample(dir.At("t"), sample, {}, 64);
  for (std::size_t c = 0; c < sample.schema.fields.size(); ++c) {
    const ColumnType& type = sample.schema.fields[c].type;
    ColumnStats stats;
    AddSlotStats(type, sample.Data()[c].values, sample.Data()[c].valid, 4'000, stats);
    EXPECT_EQ(stats.nulls, table.columns[c].nulls);
    EXPECT_EQ(ValueToJson(stats.min, type), ValueToJson(table.columns[c].min, type)) << c;
    EXPECT_EQ(ValueToJson(stats.max, type), ValueToJson(table.columns[c].max, type)) << c;
    EXPECT_EQ(ValueToJson(ValueFromJson(ValueToJson(stats.max, type), type), type),
              ValueToJson(stats.max, type));
  }
}

TEST(Types, WordsAndWidening) {
  for (const char* word : {"bool", "int32", "int64", "float32", "float64", "decimal(38,2)",
                           "string", "binary", "date", "timestamp", "timestamp(local)"}) {
    ASSERT_TRUE(ParseColumnType(word).has_value()) << word;
    EXPECT_EQ(ToString(*ParseColumnType(word)), word);
  }
  for (const char* word : {"", "int", "decimal", "decimal(0,0)", "decimal(39,1)", "decimal(5,6)",
                           "decimal(5,)", "unsupported"}) {
    EXPECT_FALSE(ParseColumnType(word).has_value()) << word;
  }
  EXPECT_EQ(CommonType(TypeOf("int32"), TypeOf("int64")), TypeOf("int64"));
  EXPECT_EQ(CommonType(TypeOf("decimal(9,2)"), TypeOf("decimal(9,4)")), TypeOf("decimal(11,4)"));
  EXPECT_FALSE(CommonType(TypeOf("int64"), TypeOf("float64")).has_value());
  EXPECT_EQ(Int128ToString(*ParseInt128("-170141183460469231731687303715884105728")),
            "-170141183460469231731687303715884105728");
  EXPECT_FALSE(ParseInt128("170141183460469231731687303715884105728").has_value());
}

TEST(ParallelFor, TheLowestUnitsErrorIsReported) {
  for (int threads = 1; threads <= 4; ++threads) {
    const OpStatus status = ParallelFor(100, threads, [](std::size_t unit, int) -> OpStatus {
      if (unit == 40 || unit == 41 || unit == 90) return BadInput(std::to_string(unit));
      return OpOk();
    });
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().message, "40");
  }
}

}  // namespace
}  // namespace nightmill
