// `publish`, `compact` and `expect`: what they let through, what they refuse, and that readers see
// a table change as a whole or not at all.
#include <gtest/gtest.h>
#include <unistd.h>

#include <set>

#include "tests/unit/operators/operator_harness.h"

namespace nightmill {
namespace {

using Json = nlohmann::json;

const Json kSchema = {{"k", "int64"}, {"t", "string"}, {"x", "float64"}};

std::string Csv(int first, int rows) {
  std::string csv = "k,t,x\n";
  for (int i = first; i < first + rows; ++i) {
    csv += std::to_string((i * 7) % 101) + ",t" + std::to_string(i % 3) + "," +
           (i % 10 == 0 ? "" : std::to_string(i) + ".5") + "\n";
  }
  return csv;
}

// A lake of two days in many small files.
void LoadLake(OperatorHarness& h) {
  for (const char* day : {"2011-05-01", "2011-05-02"}) {
    const Json report = h.Load("lake", kSchema, Csv(day[9] - '0', 60),
                               {{"partition", {{"day", day}}}, {"max_rows_per_file", 11}});
    ASSERT_EQ(report.value("outcome", ""), "published") << report;
  }
}

std::multiset<std::string> Content(OperatorHarness& h, const std::string& table) {
  std::multiset<std::string> rows;
  for (const Json& row : h.Rows(table)) rows.insert(row.dump());
  return rows;
}

std::size_t FileCount(OperatorHarness& h, const std::string& table) {
  return TableFiles(LocalFileSystem(), {h.dir.At(table), {}, {}})->size();
}

Json PublishSpec() {
  return {{"type", "publish"},
          {"from", {{"path", "lake"}, {"partition", {{"day", "2011-05-01"}}}}},
          {"to", {{"path", "public"}, {"partition", {{"as_of", "2011-05-01"}}}}}};
}

TEST(Publish, CopiesAPartitionOnce) {
  OperatorHarness h;
  LoadLake(h);
  Json spec = PublishSpec();
  spec["suite"] = {{{"type", "row_count_between"}, {"min", 60}, {"max", 60}}};
  const Json report = h.Report(spec);
  ASSERT_EQ(report.value("outcome", ""), "published") << report;
  EXPECT_EQ(report["partitions"][0]["rows"], 60);
  EXPECT_EQ(FileCount(h, "public"), 6u);
  const auto files = h.dir.Files("public");
  EXPECT_EQ(h.Report(spec)["outcome"], "unchanged");
  EXPECT_EQ(h.dir.Files("public"), files);
  for (const Json& row : h.Rows("public")) EXPECT_EQ(row["as_of"], "2011-05-01");
}

TEST(Publish, RefusesWhatIsNotSoundAndKeepsTheTable) {
  OperatorHarness h;
  LoadLake(h);
  ASSERT_EQ(h.Report(PublishSpec())["outcome"], "published");
  const auto before = h.dir.Files("public");
  const auto expect = [&](const Json& spec, const char* code) {
    const Json report = h.Report(spec);
    ASSERT_TRUE(report.contains("error")) << report;
    EXPECT_EQ(report["error"]["code"], code) << report;
    EXPECT_EQ(h.dir.Files("public"), before);
  };
  Json spec = PublishSpec();
  spec["suite"] = {{{"type", "unique"}, {"col", "t"}}};
  expect(spec, "check");
  spec["suite"] = {{{"type", "unique"}, {"col", "nope"}}};
  expect(spec, "bad_spec");
  spec = PublishSpec();
  spec["from"]["partition"]["day"] = "2011-05-09";
  expect(spec, "io");
  const auto lake = h.dir.Files("lake/data");
  h.dir.Write("torn/a.parquet", lake.begin()->second.substr(0, lake.begin()->second.size() - 9));
  spec["from"] = {{"path", "torn"}};
  expect(spec, "bad_input");
  h.dir.Write("text/a.csv", "k\n1\n");
  spec["from"] = {{"path", "text"}};
  expect(spec, "bad_spec");
}

TEST(Publish, AColumnIsNoPartitionColumn) {
  OperatorHarness h;
  LoadLake(h);
  Json spec = PublishSpec();
  spec["to"]["partition"] = {{"k", "1"}};
  const Json error = h.Report(spec)["error"];
  EXPECT_EQ(error["code"], "bad_spec") << error;
  EXPECT_EQ(error["column"], "k");
  EXPECT_TRUE(h.Rows("public").contains("error"));
}

TEST(Publish, ATableHasOneSetOfPartitionColumns) {
  OperatorHarness h;
  for (const char* layout : {"manifest", "directory"}) {
    const auto load = [&](const Json& partition) {
      return h.Load(layout, {{"k", "int64"}}, "k\n1\n",
                    {{"layout", layout}, {"partition", partition}});
    };
    ASSERT_EQ(load({{"a", "1"}}).value("outcome", ""), "published");
    const auto files = h.dir.Files(layout);
    for (const Json& partition : {Json{{"b", "1"}, {"c", "2"}}, Json{{"a", "1"}, {"b", "2"}},
                                  Json{{"b", "1"}}, Json::object()}) {
      const Json error = load(partition)["error"];
      EXPECT_EQ(error["code"], "bad_spec") << partition << error;
      EXPECT_EQ(error["reason"], "partition_columns");
    }
    EXPECT_EQ(h.dir.Files(layout), files);
    EXPECT_EQ(load({{"a", "2"}}).value("outcome", ""), "published");
  }
  ASSERT_EQ(h.Load("plain", {{"k", "int64"}}, "k\n1\n").value("outcome", ""), "published");
  EXPECT_EQ(h.Load("plain", {{"k", "int64"}}, "k\n1\n",
                   {{"partition", {{"a", "1"}}}})["error"]["message"],
            "the table is partitioned by no column, the output by a");
}

// Releases before this rule wrote such tables.
TEST(Publish, ATableOfSeveralSetsOfPartitionColumnsIsReadable) {
  OperatorHarness h;
  for (const char* a : {"1", "2"}) {
    ASSERT_EQ(h.Load("t", {{"k", "int64"}}, "k\n1\n", {{"partition", {{"a", a}}}})["outcome"],
              "published");
  }
  const std::string root = "t/_nightmill/00000000000000000002.json";
  std::string text = h.dir.Files("t").at("_nightmill/00000000000000000002.json");
  const std::size_t at = text.find("a=2");
  ASSERT_NE(at, std::string::npos);
  h.dir.Write(root, text.replace(at, 3, "b=1/c=2"));
  EXPECT_EQ(h.Rows("t"), Json::parse(R"([{"k": 1, "a": "1", "b": null, "c": null},
                                         {"k": 1, "a": null, "b": "1", "c": "2"}])"));
  const auto head = ReadTableHead(LocalFileSystem(), {h.dir.At("t"), {}, {}}, 10);
  ASSERT_TRUE(head.ok());
  EXPECT_EQ(HeadToText(*head),
            "k  a  b  c\n"
            "1  1\n"
            "1     1  2\n"
            "2 of 2 rows, version 2");
  // Its partitions can be replaced; a third set is refused.
  EXPECT_EQ(h.Load("t", {{"k", "int64"}}, "k\n2\n", {{"partition", {{"b", "1"}, {"c", "2"}}}})
                .value("outcome", ""),
            "published");
  EXPECT_TRUE(
      h.Load("t", {{"k", "int64"}}, "k\n2\n", {{"partition", {{"c", "2"}}}}).contains("error"));
}

TEST(Publish, AnUnwritableTableIsNamed) {
  OperatorHarness h;
  LoadLake(h);
  h.dir.Write("file", "");
  Json spec = PublishSpec();
  spec["to"]["path"] = "file/public";
  const Json error = h.Report(spec)["error"];
  EXPECT_EQ(error["code"], "io") << error;
  EXPECT_NE(error["file"].get<std::string>().find("file/public"), std::string::npos);
}

Json CompactSpec() {
  return {
      {"type", "compact"}, {"in", {{"path", "lake"}, {"partition_by", "day"}}}, {"sort", {"k"}}};
}

TEST(Compact, FewerFilesTheSameRows) {
  OperatorHarness h;
  LoadLake(h);
  const auto rows = Content(h, "lake");
  EXPECT_EQ(FileCount(h, "lake"), 12u);
  const Json report = h.Report(CompactSpec());
  ASSERT_EQ(report.value("outcome", ""), "published") << report;
  EXPECT_EQ(report["files_before"], 12);
  EXPECT_EQ(report["files_after"], 2);
  EXPECT_EQ(FileCount(h, "lake"), 2u);
  EXPECT_EQ(Content(h, "lake"), rows);
  std::int64_t last = -1;
  for (const Json& row : h.Rows("lake")) {
    if (row["day"] != "2011-05-01") break;
    EXPECT_GE(row["k"].get<std::int64_t>(), last);
    last = row["k"];
  }
  const auto files = h.dir.Files("lake");
  EXPECT_EQ(h.Report(CompactSpec())["outcome"], "unchanged");
  EXPECT_EQ(h.dir.Files("lake"), files);
  // The version before is still there for its readers.
  const std::int64_t version = report["version"];
  const auto old = TableFiles(LocalFileSystem(), {h.dir.At("lake"), {}, version - 1});
  ASSERT_TRUE(old.ok());
  EXPECT_EQ(old->size(), 12u);
}

TEST(Compact, AKilledOrFencedAttemptLeavesTheTableAsItWas) {
  OperatorHarness h;
  LoadLake(h);
  const auto rows = Content(h, "lake");
  h.context.leave_to_publish = []() -> Status { ::_exit(9); };
  EXPECT_EXIT((void)h.Run(CompactSpec()), ::testing::ExitedWithCode(9), "");
  EXPECT_EQ(FileCount(h, "lake"), 12u);
  h.context.leave_to_publish = []() -> Status { return Unavailable("fenced"); };
  EXPECT_EQ(h.Report(CompactSpec())["error"]["code"], "cancelled");
  EXPECT_EQ(FileCount(h, "lake"), 12u);
  EXPECT_EQ(Content(h, "lake"), rows);
  h.context.leave_to_publish = [] { return Ok(); };
  EXPECT_EQ(h.Report(CompactSpec())["outcome"], "published");
  EXPECT_EQ(Content(h, "lake"), rows);
}

TEST(Compact, ATableThatIsNoneIsNamed) {
  OperatorHarness h;
  Json spec = CompactSpec();
  EXPECT_EQ(h.Report(spec)["error"]["code"], "io");
  LoadLake(h);
  for (const int least : {1, 1000}) {  // with work to do, and without
    spec["sort"] = {"nope"};
    spec["min_inputs"] = least;
    const Json error = h.Report(spec)["error"];
    EXPECT_EQ(error["code"], "bad_spec") << error;
    EXPECT_EQ(error["column"], "nope");
    EXPECT_EQ(FileCount(h, "lake"), 12u);
  }
}

TEST(Expect, EveryCheckPassesAndFails) {
  OperatorHarness h;
  h.Load("t", {{"k", "int64"}, {"t", "string"}, {"x", "float64"}, {"d", "date"}},
         "k,t,x,d\n1,a,0.5,2011-05-01\n2,b,,2011-05-02\n3,a,nan,2011-05-03\n4,,2,\n");
  struct Case {
    bool passes;
    const char* check;
  };
  const Case cases[] = {
      {true, R"({"type":"row_count_between","min":4,"max":4})"},
      {false, R"({"type":"row_count_between","min":5})"},
      {false, R"({"type":"row_count_between","max":3})"},
      {true, R"({"type":"not_null","col":"k"})"},
      {false, R"({"type":"not_null","col":"t"})"},
      {true, R"({"type":"not_null","col":"t","mostly":0.75})"},
      {false, R"({"type":"not_null","col":"t","mostly":0.76})"},
      {true, R"({"type":"between","col":"k","min":1,"max":4})"},
      {false, R"({"type":"between","col":"k","min":2})"},
      {true, R"({"type":"between","col":"k","min":2,"mostly":0.75})"},
      {false, R"({"type":"between","col":"x","max":10})"},
      {true, R"({"type":"between","col":"d","min":"2011-05-01","max":"2011-05-03"})"},
      {false, R"({"type":"between","col":"d","max":"2011-05-02"})"},
      {true, R"({"type":"in_set","col":"t","values":["a","b"]})"},
      {false, R"({"type":"in_set","col":"t","values":["a"]})"},
      {true, R"({"type":"in_set","col":"k","values":[1,2,3,4]})"},
      {true, R"({"type":"contains","col":"t","values":["b","a"]})"},
      {false, R"({"type":"contains","col":"t","values":["c"]})"},
      {true, R"({"type":"unique","col":"k"})"},
      {false, R"({"type":"unique","col":"t"})"},
      {true, R"({"type":"type","col":"x","is":"float64"})"},
      {false, R"({"type":"type","col":"x","is":"float32"})"},
      {true, R"({"type":"schema","columns":{"k":"int64","t":"string","x":"float64","d":"date"}})"},
      {false, R"({"type":"schema","columns":{"k":"int64"}})"},
  };
  for (const Case& c : cases) {
    Json spec = {{"type", "expect"},
                 {"in", {{"path", "t"}}},
                 {"suite", Json::array({Json::parse(c.check)})}};
    const Json report = h.Report(spec);
    if (c.passes) {
      EXPECT_EQ(report.value("outcome", ""), "checked") << c.check << report;
      continue;
    }
    ASSERT_TRUE(report.contains("error")) << c.check << report;
    EXPECT_EQ(report["error"]["code"], "check") << c.check << report;
    EXPECT_EQ(report["error"]["file"], h.dir.At("t"));
    EXPECT_EQ(report["error"]["hint"], "the report has all checks");
    EXPECT_FALSE(report["error"]["detail"]["results"][0]["success"].get<bool>());
    spec["on_fail"] = "warn";
    EXPECT_EQ(h.Report(spec)["warnings"].size(), 1u) << c.check;
    spec.erase("on_fail");
    spec["suite"][0]["severity"] = "warn";
    EXPECT_EQ(h.Report(spec)["outcome"], "checked") << c.check;
  }
}

TEST(Expect, WhatCannotBeCheckedNeverPasses) {
  OperatorHarness h;
  h.Load("t", {{"k", "int64"}}, "k\n1\n");
  const std::pair<Json, const char*> cases[] = {
      {{{"type", "not_null"}, {"col", "nope"}}, "bad_spec"},
      {{{"type", "unheard_of"}}, "bad_spec"},
      {{{"type", "between"}, {"col", "k"}, {"min", "low"}}, "bad_spec"},
      {{{"type", "not_null"}, {"col", "k"}, {"mostly", 2}}, "bad_spec"},
  };
  for (const auto& [check, code] : cases) {
    const Json report =
        h.Report({{"type", "expect"}, {"in", {{"path", "t"}}}, {"suite", Json::array({check})}});
    ASSERT_TRUE(report.contains("error")) << check << report;
    EXPECT_EQ(report["error"]["code"], code) << check << report;
    if (check.value("col", "") == "nope") {
      EXPECT_EQ(report["error"]["file"], h.dir.At("t"));
    }
  }
  const auto code = [&h](const char* table, const Json& suite) {
    return h.Report({{"type", "expect"}, {"in", {{"path", table}}}, {"suite", suite}})
        .at("error")
        .at("code");
  };
  EXPECT_EQ(code("none", Json::array({{{"type", "unique"}, {"col", "k"}}})), "io");
  EXPECT_EQ(code("t", Json::array()), "bad_spec");
}

TEST(Expect, ResultsDoNotDependOnThreads) {
  OperatorHarness h;
  LoadLake(h);
  Json seen;
  for (const int threads : {1, 2, 4}) {
    h.context.threads = threads;
    const Json report =
        h.Report({{"type", "expect"},
                  {"in", {{"path", "lake"}}},
                  {"suite",
                   {{{"type", "in_set"}, {"col", "k"}, {"values", {1, 2}}, {"mostly", 0.0}},
                    {{"type", "unique"}, {"col", "x"}, {"mostly", 0.0}}}}});
    ASSERT_TRUE(report.contains("checks")) << report;
    if (seen.is_null()) seen = report["checks"];
    EXPECT_EQ(report["checks"], seen);
  }
}

}  // namespace
}  // namespace nightmill
