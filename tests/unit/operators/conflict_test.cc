// Two writers of one table: who loses a race starts anew from what the winner has published.
#include <gtest/gtest.h>

#include "operators/table/attempt.h"
#include "tests/unit/operators/operator_harness.h"

namespace nightmill {
namespace {

using Json = nlohmann::json;

const Json kSchema = {{"k", "int64"}};

OperatorError Lost() { return MakeOpError(OperatorErrorCode::kConflict, "lost", "publish_race"); }

TEST(RunRounds, EndWithTheFirstResultThatIsNoConflict) {
  OperatorHarness h;
  std::vector<std::string> lines;
  h.context.log = [&lines](std::string_view line) { lines.emplace_back(line); };
  int rounds = 0;
  auto result = RunRounds(h.context, [&]() -> OpResult<std::string> {
    if (++rounds < 3) return Lost();
    return std::string("{}");
  });
  EXPECT_TRUE(result.ok());
  EXPECT_EQ(rounds, 3);
  EXPECT_EQ(lines, std::vector<std::string>(2, "conflict: lost; starts anew"));

  rounds = 0;
  result = RunRounds(h.context, [&]() -> OpResult<std::string> {
    ++rounds;
    return BadInput("broken");
  });
  EXPECT_EQ(result.error().code, OperatorErrorCode::kBadInput);
  EXPECT_EQ(rounds, 1);
}

TEST(RunRounds, AreFewAndEndWhenCancelled) {
  OperatorHarness h;
  int rounds = 0;
  const auto lose = [&]() -> OpResult<std::string> {
    ++rounds;
    return Lost();
  };
  EXPECT_EQ(RunRounds(h.context, lose).error().code, OperatorErrorCode::kConflict);
  EXPECT_EQ(rounds, 5);
  h.cancelled = true;
  EXPECT_EQ(RunRounds(h.context, lose).error().code, OperatorErrorCode::kCancelled);
  EXPECT_EQ(rounds, 6);
}

// Runs `spec` with another writer that gets in right before its commit, once.
Json RunWithRival(OperatorHarness& h, const Json& spec, const std::function<void()>& rival) {
  int asked = 0;
  h.context.leave_to_publish = [&] {
    if (++asked == 1) rival();
    return Ok();
  };
  Json report = h.Report(spec);
  report["asked"] = asked;
  return report;
}

Json ConvertSpecOf(const std::string& csv, const std::string& day) {
  return {{"type", "convert"},
          {"in", {{"path", csv}}},
          {"schema", kSchema},
          {"out", {{"path", "table"}, {"partition", {{"day", day}}}}}};
}

Json Keys(OperatorHarness& h) {
  Json keys = Json::array();
  for (const Json& row : h.Rows("table")) keys.push_back(row.at("k"));
  return keys;
}

TEST(Rivals, OnOtherPartitionsBothStay) {
  OperatorHarness h;
  h.dir.Write("a.csv", "k\n1\n2\n");
  h.dir.Write("b.csv", "k\n3\n");
  OperatorHarness other;
  other.context.data_root = h.dir.path();
  Json rival;
  const Json report = RunWithRival(h, ConvertSpecOf("a.csv", "1"),
                                   [&] { rival = other.Report(ConvertSpecOf("b.csv", "2")); });
  EXPECT_EQ(rival["outcome"], "published") << rival;
  EXPECT_EQ(report["outcome"], "published") << report;
  EXPECT_EQ(report["asked"], 1);
  EXPECT_EQ(Keys(h), Json({1, 2, 3}));
}

TEST(Rivals, OnTheSamePartitionWithTheSameDataAreOne) {
  OperatorHarness h;
  h.dir.Write("a.csv", "k\n1\n2\n");
  OperatorHarness other;
  other.context.data_root = h.dir.path();
  Json rival;
  const Json report = RunWithRival(h, ConvertSpecOf("a.csv", "1"),
                                   [&] { rival = other.Report(ConvertSpecOf("a.csv", "1")); });
  EXPECT_EQ(rival["outcome"], "published") << rival;
  EXPECT_EQ(report["outcome"], "unchanged") << report;
  EXPECT_EQ(report["version"], 1);
  EXPECT_EQ(report["partitions"], rival["partitions"]);
}

// The loser works again on what is there now, as if it had come second.
TEST(Rivals, OnTheSamePartitionWithOtherDataTheLoserStartsAnew) {
  OperatorHarness h;
  h.dir.Write("a.csv", "k\n1\n2\n");
  h.dir.Write("b.csv", "k\n3\n");
  OperatorHarness other;
  other.context.data_root = h.dir.path();
  std::vector<std::string> lines;
  h.context.log = [&lines](std::string_view line) { lines.emplace_back(line); };
  Json rival;
  const Json report = RunWithRival(h, ConvertSpecOf("a.csv", "1"),
                                   [&] { rival = other.Report(ConvertSpecOf("b.csv", "1")); });
  EXPECT_EQ(rival["outcome"], "published") << rival;
  EXPECT_EQ(report["outcome"], "published") << report;
  EXPECT_EQ(report["version"], 2);
  EXPECT_EQ(report["asked"], 2);
  EXPECT_EQ(lines.size(), 1u);
  EXPECT_EQ(Keys(h), Json({1, 2}));
}

TEST(Rivals, WithOtherPartitionColumnsTheLoserIsRefused) {
  OperatorHarness h;
  h.dir.Write("a.csv", "k\n1\n2\n");
  h.dir.Write("b.csv", "k\n3\n");
  OperatorHarness other;
  other.context.data_root = h.dir.path();
  Json rival = ConvertSpecOf("b.csv", "1");
  rival["out"]["partition"] = {{"part", "1"}};
  const Json report =
      RunWithRival(h, ConvertSpecOf("a.csv", "1"), [&] { rival = other.Report(rival); });
  EXPECT_EQ(rival["outcome"], "published") << rival;
  EXPECT_EQ(report["error"]["code"], "bad_spec") << report;
  EXPECT_EQ(report["error"]["reason"], "partition_columns");
  EXPECT_EQ(Keys(h), Json({3}));
}

TEST(Rivals, ACompactionThatLosesItsFilesPlansAnew) {
  OperatorHarness h;
  const auto load = [](OperatorHarness& by, const std::string& csv) {
    return by.Load("table", kSchema, csv,
                   {{"partition", {{"day", "1"}}}, {"max_rows_per_file", 1}});
  };
  ASSERT_EQ(load(h, "k\n1\n2\n3\n")["outcome"], "published");
  OperatorHarness other;
  other.context.data_root = h.dir.path();
  const Json report =
      RunWithRival(h, {{"type", "compact"}, {"in", "table"}, {"min_inputs", 2}}, [&] {
        h.dir.Write("load2.csv", "k\n7\n8\n");
        const Json rival = other.Report(
            {{"type", "convert"},
             {"in", "load2.csv"},
             {"schema", kSchema},
             {"out",
              {{"path", "table"}, {"partition", {{"day", "1"}}}, {"max_rows_per_file", 1}}}});
        ASSERT_EQ(rival["outcome"], "published") << rival;
      });
  EXPECT_EQ(report["outcome"], "published") << report;
  EXPECT_EQ(report["files_before"], 2);
  EXPECT_EQ(report["files_after"], 1);
  EXPECT_EQ(Keys(h), Json({7, 8}));
}

}  // namespace
}  // namespace nightmill
