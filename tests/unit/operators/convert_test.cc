// `convert` as a whole: formats, the no-op, bad input of every kind, and that nothing but a
// finished attempt is ever visible.
#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <functional>

#include "tests/unit/operators/operator_harness.h"

namespace nightmill {
namespace {

using Json = nlohmann::json;

const Json kSchema = Json::array({{{"name", "at"}, {"type", "timestamp"}},
                                  {{"name", "user"}, {"type", "string"}},
                                  {{"name", "n"}, {"type", "int64"}},
                                  {{"name", "x"}, {"type", "float64"}}});
constexpr const char* kCsv =
    "at,user,n,x\n"
    "2011-05-01T00:00:01Z,ann,1,0.5\n"
    "2011-05-01T00:00:02Z,\"bob, jr\",,-2\n"
    "2011-05-01T00:00:03Z,,3,\n";
constexpr const char* kJsonLines =
    "{\"at\":\"2011-05-01T00:00:01Z\",\"user\":\"ann\",\"n\":1,\"x\":0.5}\n"
    "{\"x\":-2,\"user\":\"bob, jr\",\"at\":\"2011-05-01T00:00:02Z\"}\n"
    "{\"at\":\"2011-05-01T00:00:03Z\",\"user\":null,\"n\":3,\"x\":null}\n";

std::string Gzip(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(compressBound(text.size()) + 64, '\0');
  std::string in = text;
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

Json Spec(const std::string& input, const std::string& table = "t") {
  return {{"type", "convert"},
          {"in", {{"path", input}}},
          {"schema", kSchema},
          {"out", {{"path", table}, {"partition", {{"day", "2011-05-01"}}}}}};
}

TEST(Convert, EveryFormatGivesTheSameFile) {
  OperatorHarness h;
  h.dir.Write("a.csv", kCsv);
  h.dir.Write("b.csv.gz", Gzip(kCsv));
  h.dir.Write("c.jsonl", kJsonLines);
  h.dir.Write("d.csv", std::string("\xEF\xBB\xBF") + kCsv);
  ASSERT_EQ(h.Report(Spec("a.csv", "a"))["outcome"], "published");
  const auto want = h.dir.Files("a/data");
  ASSERT_EQ(want.size(), 1u);
  for (const char* input : {"b.csv.gz", "c.jsonl", "d.csv"}) {
    const std::string table = "from_" + std::string(input);
    const Json report = h.Report(Spec(input, table));
    ASSERT_EQ(report["outcome"], "published") << report;
    EXPECT_EQ(h.dir.Files(table + "/data"), want) << input;
  }
  // Parquet in, by the manifest and as a plain file.
  ASSERT_EQ(h.Report(Spec("a", "from_table"))["outcome"], "published");
  EXPECT_EQ(h.dir.Files("from_table/data"), want);
  h.dir.Write("plain.parquet", want.begin()->second);
  ASSERT_EQ(h.Report(Spec("plain.parquet", "from_file"))["outcome"], "published");
  EXPECT_EQ(h.dir.Files("from_file/data"), want);
  EXPECT_EQ(h.Rows("a"), Json::parse(R"([
    {"at":"2011-05-01T00:00:01Z","user":"ann","n":1,"x":0.5,"day":"2011-05-01"},
    {"at":"2011-05-01T00:00:02Z","user":"bob, jr","n":null,"x":-2.0,"day":"2011-05-01"},
    {"at":"2011-05-01T00:00:03Z","user":null,"n":3,"x":null,"day":"2011-05-01"}])"));
}

TEST(Convert, UnchangedInputIsNotEvenRead) {
  OperatorHarness h;
  h.dir.Write("a.csv", kCsv);
  const Json first = h.Report(Spec("a.csv"));
  ASSERT_EQ(first["outcome"], "published");
  EXPECT_EQ(first["partitions"][0]["rows"], 3);
  const auto files = h.dir.Files("t");
  Json second = h.Report(Spec("a.csv"));
  EXPECT_EQ(second["outcome"], "unchanged");
  EXPECT_EQ(second["version"], first["version"]);
  EXPECT_EQ(second["partitions"], first["partitions"]);
  EXPECT_EQ(h.dir.Files("t"), files);
  // Threads and memory are not part of what was asked for; a wider column is.
  Json spec = Spec("a.csv");
  spec["threads"] = 1;
  spec["memory"] = "100MB";
  EXPECT_EQ(h.Report(spec)["outcome"], "unchanged");
  h.dir.Write("a.csv", std::string(kCsv) + "2011-05-01T00:00:04Z,eve,4,4\n");
  const Json changed = h.Report(Spec("a.csv"));
  EXPECT_EQ(changed["outcome"], "published");
  EXPECT_EQ(changed["version"], first["version"].get<int>() + 1);
  EXPECT_EQ(h.Rows("t").size(), 4u);
}

TEST(Convert, ThreadsDoNotChangeBytes) {
  OperatorHarness h;
  std::string csv = "at,user,n,x\n";
  for (int i = 0; i < 30'000; ++i) {
    csv += "2011-05-01T00:00:01Z,u" + std::to_string(i % 977) + "," + std::to_string(i * 7919) +
           "," + std::to_string(i) + ".25\n";
  }
  h.dir.Write("a.csv", csv);
  for (const int threads : {1, 2, 4}) {
    h.context.threads = threads;
    Json spec = Spec("a.csv", "t" + std::to_string(threads));
    spec["out"]["max_rows_per_file"] = 7'000;
    ASSERT_EQ(h.Report(spec)["outcome"], "published");
  }
  const auto one = h.dir.Files("t1/data");
  EXPECT_EQ(one.size(), 5u);
  EXPECT_EQ(one, h.dir.Files("t2/data"));
  EXPECT_EQ(one, h.dir.Files("t4/data"));
}

struct BadCase {
  const char* name;
  std::function<Json(OperatorHarness&)> make;
  Json want;  // members that the error must have
};

std::vector<BadCase> BadFiles() {
  const auto csv = [](std::string text) {
    return [text](OperatorHarness& h) {
      h.dir.Write("bad.csv", text);
      return Spec("bad.csv");
    };
  };
  const auto parquet = [](auto damage) {
    return [damage](OperatorHarness& h) {
      h.dir.Write("bad.parquet", damage(h.dir.Files("t/data").begin()->second));
      return Spec("bad.parquet");
    };
  };
  return {
      {"missing column",
       csv("at,user,n\n2011-05-01T00:00:01Z,a,1\n"),
       {{"code", "bad_spec"}, {"reason", "missing_column"}, {"column", "x"}, {"line", 1}}},
      {"row with too few cells",
       csv("at,user,n,x\n2011-05-01T00:00:01Z,a,1,1\nx,y\n"),
       {{"code", "bad_input"}, {"reason", "corrupt"}, {"line", 3}}},
      {"quote without end",
       csv("at,user,n,x\n2011-05-01T00:00:01Z,\"a,1,1\n"),
       {{"code", "bad_input"}, {"line", 2}}},
      {"value of another type",
       csv("at,user,n,x\n2011-05-01T00:00:01Z,\"a\nb\",1,1\n2011-05-01T00:00:01Z,c,1.5,1\n"),
       {{"code", "bad_input"}, {"reason", "value"}, {"column", "n"}, {"line", 4}}},
      {"no header", csv(""), {{"code", "bad_input"}, {"reason", "corrupt"}}},
      {"truncated gzip",
       [](OperatorHarness& h) {
         const std::string gz = Gzip(kCsv);
         h.dir.Write("bad.csv.gz", gz.substr(0, gz.size() - 12));
         return Spec("bad.csv.gz");
       },
       {{"code", "bad_input"}, {"reason", "truncated"}}},
      {"JSON that ends early",
       [](OperatorHarness& h) {
         h.dir.Write("bad.jsonl", std::string(kJsonLines) + "{\"n\":");
         return Spec("bad.jsonl");
       },
       {{"code", "bad_input"}, {"line", 4}}},
      {"truncated Parquet",
       parquet([](const std::string& bytes) { return bytes.substr(0, bytes.size() / 2); }),
       {{"code", "bad_input"}}},
      {"Parquet of zeros",
       parquet([](const std::string& bytes) {
         return "PAR1" + std::string(200, '\0') + bytes.substr(bytes.size() - 600);
       }),
       {{"code", "bad_input"}}},
  };
}

std::vector<BadCase> BadPlaces() {
  return {
      {"absent file",
       [](OperatorHarness&) { return Spec("nowhere.csv"); },
       {{"code", "io"}, {"reason", "not_found"}}},
      {"no file in the folder",
       [](OperatorHarness& h) {
         h.dir.Write("empty/readme.txt", "");
         return Spec("empty");
       },
       {{"code", "bad_input"}, {"reason", "no_files"}}},
      {"output below a file",
       [](OperatorHarness& h) {
         h.dir.Write("a.csv", kCsv);
         h.dir.Write("file", "");
         return Spec("a.csv", "file/t");
       },
       {{"code", "io"}}},
      {"unknown field",
       [](OperatorHarness& h) {
         h.dir.Write("a.csv", kCsv);
         Json spec = Spec("a.csv");
         spec["out"]["colour"] = "red";
         return spec;
       },
       {{"code", "bad_spec"}}},
  };
}

TEST(Convert, BadInputIsNamedAndThePublishedTableStays) {
  std::vector<BadCase> cases = BadFiles();
  for (BadCase& bad : BadPlaces()) cases.push_back(std::move(bad));
  for (const BadCase& bad : cases) {
    SCOPED_TRACE(bad.name);
    OperatorHarness h;
    h.dir.Write("good.csv", kCsv);
    ASSERT_EQ(h.Report(Spec("good.csv"))["outcome"], "published");
    const auto before = h.dir.Files("t");
    const Json spec = bad.make(h);
    const Json report = h.Report(spec);
    ASSERT_TRUE(report.contains("error")) << report;
    const Json& error = report["error"];
    for (const auto& [key, value] : bad.want.items()) {
      EXPECT_EQ(error.value(key, Json()), value) << key << " of " << error;
    }
    if (error["code"] != "bad_spec" || error.contains("line")) {
      EXPECT_TRUE(error.contains("file")) << error;
    }
    EXPECT_FALSE(error["message"].get<std::string>().empty());
    EXPECT_EQ(h.dir.Files("t"), before);
  }
}

TEST(Convert, AFencedOrCancelledAttemptLeavesNothing) {
  OperatorHarness h;
  h.dir.Write("a.csv", kCsv);
  h.context.leave_to_publish = []() -> Status { return Unavailable("fenced"); };
  EXPECT_EQ(h.Report(Spec("a.csv"))["error"]["code"], "cancelled");
  EXPECT_FALSE(std::filesystem::exists(h.dir.At("t/data/day=2011-05-01/x")));
  EXPECT_TRUE(h.Rows("t").contains("error"));
  h.context.leave_to_publish = [] { return Ok(); };
  h.cancelled = true;
  EXPECT_EQ(h.Report(Spec("a.csv", "u"))["error"]["code"], "cancelled");
  EXPECT_FALSE(std::filesystem::exists(h.dir.At("u")));
  h.cancelled = false;
  EXPECT_EQ(h.Report(Spec("a.csv"))["outcome"], "published");
  EXPECT_EQ(h.Rows("t").size(), 3u);
}

// The child of the death test ends the process right before the commit, as kill -9 would.
TEST(Convert, AKilledAttemptIsInvisibleAndInNobodysWay) {
  OperatorHarness h;
  h.dir.Write("a.csv", kCsv);
  ASSERT_EQ(h.Report(Spec("a.csv"))["outcome"], "published");
  h.dir.Write("a.csv", std::string(kCsv) + "2011-05-01T00:00:04Z,eve,4,4\n");
  h.context.leave_to_publish = []() -> Status { ::_exit(9); };
  EXPECT_EXIT((void)h.Run(Spec("a.csv")), ::testing::ExitedWithCode(9), "");
  EXPECT_EQ(h.Rows("t").size(), 3u);
  h.context.leave_to_publish = [] { return Ok(); };
  EXPECT_EQ(h.Report(Spec("a.csv"))["outcome"], "published");
  EXPECT_EQ(h.Rows("t").size(), 4u);
  EXPECT_EQ(h.Report(Spec("a.csv"))["outcome"], "unchanged");
}

TEST(Convert, AnInferredSchemaIsPinned) {
  OperatorHarness h;
  Json spec = Spec("a.csv");
  spec["schema"] = "infer_once";
  h.dir.Write("a.csv", "id,zip,day_of,ok,x\n1,0012,2011-05-01,true,1\n2,99,2011-05-02,false,2.5\n");
  ASSERT_EQ(h.Report(spec)["outcome"], "published");
  EXPECT_EQ(h.Rows("t")[0], Json::parse(R"({"id":1,"zip":"0012","day_of":"2011-05-01","ok":true,
                                             "x":1.0,"day":"2011-05-01"})"));
  h.dir.Write("a.csv", "id,zip,day_of,ok,x\none,1,2011-05-01,true,1\n");
  const Json report = h.Report(spec);
  EXPECT_EQ(report["error"]["code"], "bad_input") << report;
  EXPECT_EQ(report["error"]["column"], "id");
  EXPECT_EQ(report["error"]["line"], 2);
}

TEST(Convert, ColumnsLeftOutAreNamedForEveryFormat) {
  OperatorHarness h;
  h.dir.Write("a.csv", kCsv);
  h.dir.Write("a.jsonl", kJsonLines);
  ASSERT_EQ(h.Report(Spec("a.csv", "whole"))["outcome"], "published");
  h.dir.Write("a.parquet", h.dir.Files("whole/data").begin()->second);
  for (const char* input : {"a.csv", "a.jsonl", "a.parquet"}) {
    Json spec = Spec(input, std::string("of_") + input);
    spec["schema"] = {{"n", "int64"}, {"at", "timestamp"}};
    const Json report = h.Report(spec);
    ASSERT_EQ(report["outcome"], "published") << report;
    ASSERT_EQ(report["warnings"].size(), 1u) << report;
    const std::string warning = report["warnings"][0];
    EXPECT_TRUE(warning.starts_with(std::string(input) + ": not in the schema and left out: "))
        << warning;
    EXPECT_NE(warning.find("\"user\""), std::string::npos);
    EXPECT_NE(warning.find("\"x\""), std::string::npos);
  }
}

TEST(Convert, AMemberThatNoLineHasIsNamed) {
  OperatorHarness h;
  h.dir.Write("in/a.jsonl", "{\"id\":1,\"usr\":\"a\"}\n");
  h.dir.Write("in/b.jsonl", "{\"id\":2,\"usr\":\"b\"}\n");
  Json spec = Spec("in");
  spec["schema"] = {{"id", "int64"}, {"user", "string"}};
  const Json error = h.Report(spec)["error"];
  EXPECT_EQ(error["code"], "bad_spec") << error;
  EXPECT_EQ(error["reason"], "missing_column");
  EXPECT_EQ(error["column"], "user");
  EXPECT_NE(error["hint"].get<std::string>().find("usr"), std::string::npos) << error;
  EXPECT_TRUE(h.Rows("t").contains("error"));
  // One line of one file is enough; a file without lines says nothing.
  h.dir.Write("in/b.jsonl", "{\"id\":2,\"usr\":\"b\"}\n{\"user\":null}\n");
  EXPECT_EQ(h.Report(spec)["outcome"], "published");
  h.dir.Write("empty.jsonl", "");
  spec["in"]["path"] = "empty.jsonl";
  EXPECT_EQ(h.Report(spec)["outcome"], "published");
}

// Of a pinned schema nobody misspelled anything.
TEST(Convert, AMemberOfThePinnedSchemaMayHaveNoValue) {
  OperatorHarness h;
  Json spec = Spec("a.jsonl");
  spec["schema"] = "infer_once";
  h.dir.Write("a.jsonl", "{\"id\":1,\"user\":\"a\"}\n");
  ASSERT_EQ(h.Report(spec)["outcome"], "published");
  h.dir.Write("a.jsonl", "{\"id\":2}\n");
  const Json report = h.Report(spec);
  EXPECT_EQ(report["outcome"], "published") << report;
  EXPECT_EQ(report["warnings"],
            Json({"a.jsonl: no line has a member \"user\", the column is null"}));
}

// Readers take a partition column from the path, so the data's own would be lost.
TEST(Convert, AnInferredColumnIsNoPartitionColumn) {
  OperatorHarness h;
  h.dir.Write("a.csv", "id,day\n1,2024-01-01\n2,2024-01-02\n");
  Json spec = Spec("a.csv");
  spec["schema"] = "infer_once";
  const Json error = h.Report(spec)["error"];
  EXPECT_EQ(error["code"], "bad_spec") << error;
  EXPECT_EQ(error["column"], "day");
  EXPECT_TRUE(h.Rows("t").contains("error"));
  spec["out"]["partition"] = {{"part", "1"}};
  EXPECT_EQ(h.Report(spec)["outcome"], "published");
  EXPECT_EQ(h.Rows("t")[1], Json::parse(R"({"id":2,"day":"2024-01-02","part":"1"})"));
}

}  // namespace
}  // namespace nightmill
