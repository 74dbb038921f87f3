// CSV records, JSON lines and the conversion of their values: the corners of both formats, and the
// place of every error.
#include <gtest/gtest.h>
#include <zlib.h>

#include "tests/unit/operators/operator_harness.h"
#include "operators/columnar/column_builder.h"
#include "operators/columnar/csv_reader.h"
#include "operators/columnar/json_lines.h"

namespace nightmill {
namespace {

using Rows = std::vector<std::vector<std::string>>;

// Hands out a few bytes at a time, so that records span reads.
class Drip final : public TextSource {
 public:
  Drip(std::string text, std::size_t step) : text_(std::move(text)), step_(step) {}
  OpResult<std::size_t> Read(char* out, std::size_t n) override {
    const std::size_t take = std::min({n, step_, text_.size() - at_});
    text_.copy(out, take, at_);
    at_ += take;
    return take;
  }

 private:
  std::string text_;
  std::size_t step_;
  std::size_t at_ = 0;
};

struct CsvResult {
  Rows rows;
  std::vector<std::int64_t> lines;
  std::optional<OperatorError> error;
};

CsvResult ReadCsv(const std::string& text, std::size_t step, char delimiter = ',') {
  CsvReader reader(std::make_unique<Drip>(text, step), delimiter);
  CsvResult result;
  while (true) {
    const auto cells = reader.Next();
    if (!cells.ok()) {
      result.error = cells.error();
      return result;
    }
    if (cells->empty()) return result;
    std::vector<std::string> row;
    for (const CsvCell& cell : *cells) {
      row.push_back((cell.quoted ? "'" : "") + std::string(cell.text));
    }
    result.rows.push_back(row);
    result.lines.push_back(reader.line());
  }
}

TEST(CsvReader, RecordsAndTheirLines) {
  struct Case {
    std::string text;
    Rows rows;
    std::vector<std::int64_t> lines;
  };
  const std::vector<Case> cases{
      {"", {}, {}},
      {"\n\n", {}, {}},
      {"a,b\n1,2\n", {{"a", "b"}, {"1", "2"}}, {1, 2}},
      {"a,b\r\n1,2", {{"a", "b"}, {"1", "2"}}, {1, 2}},
      {"a\n\nb\n", {{"a"}, {"b"}}, {1, 3}},
      {",\n", {{"", ""}}, {1}},
      {"\"\"\n", {{"'"}}, {1}},
      {"\"x\ny\",2\r\n3,4\n", {{"'x\ny", "2"}, {"3", "4"}}, {1, 3}},
      {"\"a\"\"b\"\"\",c\n", {{"'a\"b\"", "c"}}, {1}},
      {"a\"b,c\n", {{"a\"b", "c"}}, {1}},
      {"\"a\"\r\n\"b\"", {{"'a"}, {"'b"}}, {1, 2}},
      {"a,\"b\"", {{"a", "'b"}}, {1}},
      {"1,2,", {{"1", "2", ""}}, {1}},
  };
  for (const Case& c : cases) {
    for (const std::size_t step : {1u, 2u, 3u, 7u, 1000u}) {
      const CsvResult got = ReadCsv(c.text, step);
      EXPECT_FALSE(got.error) << c.text;
      EXPECT_EQ(got.rows, c.rows) << c.text << " step " << step;
      EXPECT_EQ(got.lines, c.lines) << c.text << " step " << step;
    }
  }
  EXPECT_EQ(ReadCsv("a;b\n", 9, ';').rows, (Rows{{"a", "b"}}));
}

TEST(CsvReader, ErrorsNameTheLineTheRecordBeganOn) {
  for (const std::size_t step : {1u, 5u, 1000u}) {
    const CsvResult open = ReadCsv("a\n\"b\nc\nd", step);
    ASSERT_TRUE(open.error);
    EXPECT_EQ(open.error->line, 2);
    EXPECT_EQ(open.error->reason, "corrupt");
    const CsvResult after = ReadCsv("a\n\"b\nc\"\n\"b\"x\n", step);
    ASSERT_TRUE(after.error);
    EXPECT_EQ(after.error->line, 4);
  }
  const CsvResult endless = ReadCsv("\"" + std::string(kMaxRecordBytes + 10, 'x'), 1 << 20);
  ASSERT_TRUE(endless.error);
  EXPECT_EQ(endless.error->reason, "too_large");
}

TEST(TextSource, MarksAndGzip) {
  ScratchDir dir;
  const auto gzip = [](const std::string& text) {
    z_stream z{};
    deflateInit2(&z, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
    std::string out(text.size() + 100, '\0');
    z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    z.avail_in = static_cast<uInt>(text.size());
    z.next_out = reinterpret_cast<Bytef*>(out.data());
    z.avail_out = static_cast<uInt>(out.size());
    deflate(&z, Z_FINISH);
    out.resize(z.total_out);
    deflateEnd(&z);
    return out;
  };
  const auto read = [&dir](const std::string& bytes) -> std::string {
    dir.Write("f", bytes);
    auto source = OpenText(LocalFileSystem(), dir.At("f"));
    if (!source.ok()) return "error " + source.error().reason;
    std::string out;
    char buffer[7];
    while (true) {
      const auto got = (*source)->Read(buffer, sizeof buffer);
      if (!got.ok()) return "error " + got.error().reason;
      if (*got == 0) return out;
      out.append(buffer, *got);
    }
  };
  const std::string text = "hello, this is text that is longer than a buffer";
  EXPECT_EQ(read(""), "");
  EXPECT_EQ(read("\xEF\xBB\xBF" + text), text);
  EXPECT_EQ(read("ab"), "ab");
  EXPECT_EQ(read(gzip("\xEF\xBB\xBF" + text)), text);
  EXPECT_EQ(read(gzip(text) + gzip(text)), text + text);
  EXPECT_EQ(read(gzip(text).substr(0, 30)), "error truncated");
  std::string broken = gzip(text);
  broken[14] = static_cast<char>(broken[14] ^ 0x55);
  EXPECT_EQ(read(broken), "error corrupt");
  EXPECT_EQ(read("\xFF\xFEh"), "error unsupported");
  EXPECT_EQ(read("\x28\xB5\x2F\xFD..."), "error unsupported");
}

// The JSON text of what a builder makes of a text, or what is wrong with it.
std::string Convert(const char* type_word, const std::string& text,
                    const TimeZone& zone = TimeZone::Utc()) {
  const ColumnType type = *ParseColumnType(type_word);
  ColumnBuilder builder(type, zone);
  if (const char* wrong = builder.AppendText(text)) return wrong;
  EXPECT_EQ(builder.rows(), 1);
  return ValueToJson(SlotValue(type, builder.Data().values, 0), type);
}

TEST(ColumnBuilder, TextBecomesExactlyItsTypeOrIsRefused) {
  struct Case {
    const char* type;
    const char* text;
    const char* want;
  };
  constexpr const char* kNotInt = "is not a whole number";
  constexpr const char* kRange = "is out of range";
  const std::vector<Case> cases{
      {"bool", "TRUE", "true"},
      {"bool", "0", "false"},
      {"bool", "yes", "is neither true nor false"},
      {"int32", "-2147483648", "-2147483648"},
      {"int32", "2147483648", kRange},
      {"int64", "9223372036854775807", "9223372036854775807"},
      {"int64", "9223372036854775808", kRange},
      {"int64", "+5", "5"},
      {"int64", "+-5", kNotInt},
      {"int64", "1.0", kNotInt},
      {"int64", " 1", kNotInt},
      {"float64", "1e3", "1000.0"},
      {"float64", "-0.5", "-0.5"},
      {"float64", "nan", "\"NaN\""},
      {"float64", "1e999", kRange},
      {"float64", "0x10", "is not a number"},
      {"float32", "1e39", kRange},
      {"decimal(5,2)", "123.45", "\"123.45\""},
      {"decimal(5,2)", "-.5", "\"-0.50\""},
      {"decimal(5,2)", "1.230", "\"1.23\""},
      {"decimal(5,2)", "1.234", "has more decimal places than its type"},
      {"decimal(5,2)", "1000", kRange},
      {"decimal(5,2)", "1e3", "is not a decimal number"},
      {"string", "0012", "\"0012\""},
      {"string", "\xC3\xA9", "\"\xC3\xA9\""},
      {"string", "\xC3", "is not UTF-8 text"},
      {"string", "\xED\xA0\x80", "is not UTF-8 text"},
      {"binary", "\xC3\x01", "\"c301\""},
      {"date", "2024-02-29", "\"2024-02-29\""},
      {"date", "2023-02-29", "is not a date like 2026-01-31"},
      {"date", "2023-1-1", "is not a date like 2026-01-31"},
      {"timestamp", "2011-05-01T23:00:04.046276Z", "\"2011-05-01T23:00:04.046276Z\""},
      {"timestamp", "2011-05-01 23:00", "\"2011-05-01T23:00:00Z\""},
      {"timestamp", "2011-05-01T23:00:00+02:00", "\"2011-05-01T21:00:00Z\""},
      {"timestamp", "2011-05-01T23:00:00-0130", "\"2011-05-02T00:30:00Z\""},
      {"timestamp", "2011-05-01T23:00:00.1234567Z", "has more than microseconds"},
      {"timestamp", "2011-05-01T23:00:00.1234560Z", "\"2011-05-01T23:00:00.123456Z\""},
      {"timestamp", "2011-05-01T24:00:00Z", "is not a timestamp like 2026-01-31T06:00:00Z"},
      {"timestamp", "2011-05-01", "is not a timestamp like 2026-01-31T06:00:00Z"},
      {"timestamp", "0001-01-01T00:00:00Z", "\"0001-01-01T00:00:00Z\""},
      {"timestamp(local)", "2011-05-01T23:00:00", "\"2011-05-01T23:00:00\""},
      {"timestamp(local)", "2011-05-01T23:00:00Z", "has a time zone, its column has none"},
  };
  for (const Case& c : cases) EXPECT_EQ(Convert(c.type, c.text), c.want) << c.type << " " << c.text;
  const auto madrid = TimeZone::Find("Europe/Madrid");
  ASSERT_TRUE(madrid.ok());
  EXPECT_EQ(Convert("timestamp", "2011-07-01 12:00:00", **madrid), "\"2011-07-01T10:00:00Z\"");
}

TEST(JsonLines, MembersAndErrors) {
  const auto read = [](const std::string& text) -> std::string {
    JsonLinesReader reader(std::make_unique<Drip>(text, 3));
    std::string out;
    while (true) {
      bool end = false;
      const auto members = reader.Next(end);
      if (!members.ok()) {
        return out + "line " + std::to_string(members.error().line) + ": " +
               members.error().message;
      }
      if (end) return out;
      for (const JsonMember& m : *members) {
        out += m.name + "=" + std::to_string(static_cast<int>(m.kind)) + m.text + " ";
      }
      out += "@" + std::to_string(reader.line()) + "; ";
    }
  };
  EXPECT_EQ(read("{\"a\":1,\"b\":\"x\"}\n\n{\"a\":null,\"c\":1.50}"),
            "a=21 b=4x @1; a=0 c=31.50 @3; ");
  EXPECT_EQ(read("{\"a\":{\"b\":[1,{}]},\"c\":true}\r\n"), "a=5 c=1 @1; ");
  EXPECT_EQ(read("{\"a\":18446744073709551615}"), "a=318446744073709551615 @1; ");
  EXPECT_EQ(read("{}\n{\"a\":1,\"a\":2}"), "@1; line 2: it has the key \"a\" twice");
  EXPECT_EQ(read("{\"x\":{\"a\":1,\"a\":2}}"), "line 1: it has the key \"a\" twice");
  EXPECT_EQ(read("[1]"), "line 1: it is an array: a file of JSON Lines has one object a line");
  EXPECT_EQ(read("3"), "line 1: it is not an object");
  EXPECT_NE(read("{\"a\":}").find("line 1: it is not valid JSON"), std::string::npos);
  EXPECT_NE(read("{\"a\":\"\xFF\"}").find("line 1: it is not valid JSON"), std::string::npos);
  std::string deep;
  for (int i = 0; i < 70; ++i) deep += "{\"a\":";
  EXPECT_EQ(read(deep), "line 1: it is nested deeper than 64");
}

}  // namespace
}  // namespace nightmill
