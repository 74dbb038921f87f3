// Trigger rules, branches, short circuits and `when` through the engine (semantics.md 3).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "core/rules/trigger_rule.h"
#include "tests/support/engine_harness.h"

namespace nightmill {
namespace {

// g1 -> p1 -> c <- p2 <- g2: a parent is upstream_failed when its own parent fails.
std::string Diamond(std::string_view rule) {
  return fmt::format(R"({{"format": 1, "dag_id": "d", "tasks": [
    {{"id": "g1", "type": "exec", "argv": ["true"]}},
    {{"id": "g2", "type": "exec", "argv": ["true"]}},
    {{"id": "p1", "type": "exec", "argv": ["true"], "depends_on": ["g1"]}},
    {{"id": "p2", "type": "exec", "argv": ["true"], "depends_on": ["g2"]}},
    {{"id": "c", "type": "exec", "argv": ["true"], "depends_on": ["p1", "p2"],
      "trigger_rule": "{}"}}]}})",
                     rule);
}

constexpr std::array kEnds = {TaskState::kSuccess, TaskState::kFailed, TaskState::kUpstreamFailed,
                              TaskState::kSkipped};

void Count(UpstreamCounts& counts, TaskState state) {
  counts.total += 1;
  if (state == TaskState::kSuccess) counts.success += 1;
  if (state == TaskState::kFailed) counts.failed += 1;
  if (state == TaskState::kUpstreamFailed) counts.upstream_failed += 1;
  if (state == TaskState::kSkipped) counts.skipped += 1;
}

struct RulesTest : testing::Test {
  // Brings parent 1 or 2 into this state.
  void End(const std::string& run, int parent, TaskState state) {
    const std::string g = fmt::format("{}/g{}", run, parent);
    const std::string p = fmt::format("{}/p{}", run, parent);
    if (state == TaskState::kUpstreamFailed) return h.Fail(g);
    h.Finish(g);
    if (state == TaskState::kSuccess) h.Finish(p);
    if (state == TaskState::kFailed) h.Fail(p);
    if (state == TaskState::kSkipped) h.Finish(p, outcome::Skipped{});
  }
  std::string Child(const std::string& run) {
    if (h.Holds(run + "/c")) h.Finish(run + "/c");
    return h.StateOf("c", run);
  }

  EngineHarness h;
};

// The verdict on the final counts decides, whoever of the parents ends first (3.2).
TEST_F(RulesTest, EveryRuleOverEveryPairOfParentsInBothOrders) {
  h.WorkerUp();
  int runs = 0;
  for (const TriggerRuleRow& rule : TriggerRules()) {
    if (!rule.user_settable) continue;
    h.Load(Diamond(rule.word));
    for (const TaskState first : kEnds) {
      for (const TaskState second : kEnds) {
        UpstreamCounts counts;
        Count(counts, first);
        Count(counts, second);
        const Verdict verdict = Evaluate(rule.rule, counts);
        std::string expected = "success";
        if (verdict == Verdict::kSkip) expected = "skipped";
        if (verdict == Verdict::kUpstreamFailed) expected = "upstream_failed";
        for (const int leader : {1, 2}) {
          const std::string run =
              h.Trigger("d", {.run_id = fmt::format("r{}", ++runs), .null_logical_date = true});
          End(run, leader, leader == 1 ? first : second);
          End(run, 3 - leader, leader == 1 ? second : first);
          EXPECT_EQ(Child(run), expected)
              << rule.word << " over " << ToString(first) << ", " << ToString(second);
          EXPECT_NE(h.RunStateOf(run), "running");
        }
      }
    }
  }
  EXPECT_EQ(runs, 12 * 16 * 2);
}

TEST_F(RulesTest, FastRulesDoNotWaitForTheOtherParent) {
  struct Case {
    std::string rule;
    TaskState first;
    std::string child;  // while the other parent still runs
  };
  const std::vector<Case> cases = {
      {"one_success", TaskState::kSuccess, "queued"},
      {"one_failed", TaskState::kFailed, "queued"},
      {"one_failed", TaskState::kUpstreamFailed, "queued"},
      {"one_done", TaskState::kFailed, "queued"},
      {"one_done", TaskState::kSkipped, "none"},
      {"all_failed", TaskState::kSuccess, "skipped"},
      {"all_skipped", TaskState::kFailed, "skipped"},
      {"none_failed", TaskState::kFailed, "upstream_failed"},
      {"none_skipped", TaskState::kSkipped, "skipped"},
      {"all_done_min_one_success", TaskState::kSkipped, "skipped"},
      {"all_success", TaskState::kFailed, "upstream_failed"},
      {"all_success", TaskState::kSkipped, "none"},  // 3.2: a failure may still come
      {"all_done", TaskState::kFailed, "none"},
  };
  h.WorkerUp("w", 64);
  for (const Case& c : cases) {
    h.Load(Diamond(c.rule));
    const std::string run =
        h.Trigger("d", {.run_id = fmt::format("r{}", h.db.runs.size()), .null_logical_date = true});
    End(run, 1, c.first);
    EXPECT_EQ(h.StateOf("c", run), c.child) << c.rule << " " << ToString(c.first);
  }
}

TEST_F(RulesTest, AlwaysStartsAtOnce) {
  h.WorkerUp();
  h.Load(Diamond("always"));
  h.Trigger("d");
  EXPECT_EQ(h.TakeStarts(), (Names{"g1", "g2", "c"}));
}

TEST_F(RulesTest, SkipReachesAsFarAsTheRulesSay) {
  h.WorkerUp();
  h.Load(R"({"format": 1, "dag_id": "d", "tasks": [
    {"id": "a", "type": "exec", "argv": ["true"]},
    {"id": "b", "type": "exec", "argv": ["true"], "depends_on": ["a"]},
    {"id": "c", "type": "exec", "argv": ["true"], "depends_on": ["b"], "trigger_rule": "none_failed"},
    {"id": "e", "type": "exec", "argv": ["true"], "depends_on": ["c"]}]})");
  h.Trigger("d");
  h.Finish("a", outcome::Skipped{});
  EXPECT_EQ(h.States(), "a=skipped b=skipped c=queued e=none");
  EXPECT_EQ(h.Row("b").skip_reason, "rule");
  EXPECT_EQ(h.Row("a").skip_reason, "task");
}

constexpr std::string_view kBranch = R"({"format": 1, "dag_id": "d",
  "params": {"way": {"type": "string", "default": "left"}}, "tasks": [
  {"id": "b", "type": "branch", "cases": [
     {"if": "{{ params.way == 'left' }}", "then": ["l"]},
     {"if": "{{ params.way == 'both' }}", "then": ["l", "r"]}], "else": ["r"]},
  {"id": "l", "type": "exec", "argv": ["true"], "depends_on": ["b"]},
  {"id": "r", "type": "exec", "argv": ["true"], "depends_on": ["b"]},
  {"id": "j", "type": "exec", "argv": ["true"], "depends_on": ["l", "r"],
   "trigger_rule": "none_failed_min_one_success"}]})";

TEST_F(RulesTest, BranchChoosesByTheFirstTrueCase) {
  h.WorkerUp();
  h.Load(kBranch);
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"left", "b=success l=queued r=skipped j=none"},
      {"both", "b=success l=queued r=queued j=none"},
      {"other", "b=success l=skipped r=queued j=none"}};
  for (const auto& [way, states] : cases) {
    h.Trigger(
        "d",
        {.run_id = way, .null_logical_date = true, .conf = fmt::format(R"({{"way": "{}"}})", way)});
    EXPECT_EQ(h.States(way), states);
  }
  EXPECT_EQ(h.Row("r", "left").skip_reason, "branch");
  EXPECT_EQ(h.Row("b", "left").output, R"(["l"])");
  h.Finish("left/l");
  EXPECT_EQ(h.StateOf("j", "left"), "queued");
  h.Finish("left/j");
  EXPECT_EQ(h.RunStateOf("left"), "success");
}

TEST_F(RulesTest, BranchThatChoosesNothingSkipsAllItsChildren) {
  h.WorkerUp();
  h.Load(R"({"format": 1, "dag_id": "d", "tasks": [
    {"id": "b", "type": "branch", "cases": [{"if": "{{ 1 == 2 }}", "then": ["l"]}]},
    {"id": "l", "type": "exec", "argv": ["true"], "depends_on": ["b"]},
    {"id": "r", "type": "exec", "argv": ["true"], "depends_on": ["b"], "trigger_rule": "all_done"}
    ]})");
  h.Trigger("d");
  EXPECT_EQ(h.States(), "b=success l=skipped r=skipped");  // whatever their rule
  EXPECT_EQ(h.RunStateOf(), "success");
}

// The weekly compaction of the demo: the report is a child of the branch and of what it may choose.
TEST_F(RulesTest, ChildThatAChosenPathReachesIsNotSkipped) {
  h.WorkerUp();
  const auto dag = [](bool compact) {
    return fmt::format(R"({{"format": 1, "dag_id": "d", "tasks": [
      {{"id": "b", "type": "branch", "cases": [{{"if": "{{{{ 1 == {} }}}}", "then": ["compact"]}}],
       "else": ["report"]}},
      {{"id": "compact", "type": "exec", "argv": ["true"], "depends_on": ["b"]}},
      {{"id": "report", "type": "exec", "argv": ["true"], "depends_on": ["b", "compact"],
       "trigger_rule": "none_failed_min_one_success"}}]}})",
                       compact ? 1 : 2);
  };
  h.Load(dag(true));
  h.Trigger("d", {.run_id = "weekly", .null_logical_date = true});
  EXPECT_EQ(h.States("weekly"), "b=success compact=queued report=none");
  h.Restart();
  // The edge from the branch does not count any more: a skip of compact is a skip of report.
  h.Finish("compact", outcome::Skipped{});
  EXPECT_EQ(h.States("weekly"), "b=success compact=skipped report=skipped");
  h.Load(dag(false));
  h.Trigger("d", {.run_id = "daily", .null_logical_date = true});
  EXPECT_EQ(h.States("daily"), "b=success compact=skipped report=queued");
}

TEST_F(RulesTest, BranchThatCannotBeRenderedFails) {
  h.WorkerUp();
  h.Load(R"({"format": 1, "dag_id": "d", "tasks": [
    {"id": "a", "type": "exec", "argv": ["true"]},
    {"id": "b", "type": "branch", "depends_on": ["a"], "retries": 3,
     "cases": [{"if": "{{ outputs.a.missing }}", "then": ["l"]}]},
    {"id": "l", "type": "exec", "argv": ["true"], "depends_on": ["b"]}]})");
  h.Trigger("d");
  h.Finish("a", outcome::Succeeded{}, R"({"k": 1})");
  EXPECT_EQ(h.States(), "a=success b=failed l=upstream_failed");
  EXPECT_NE(h.Row("b").failure.find("definition"), std::string::npos);
  EXPECT_EQ(h.RunStateOf(), "failed");
}

std::string ShortCircuit(bool ignore) {
  return fmt::format(R"({{"format": 1, "dag_id": "d", "tasks": [
    {{"id": "s", "type": "short_circuit", "condition": "{{{{ 1 == 2 }}}}",
      "ignore_downstream_trigger_rules": {}}},
    {{"id": "x", "type": "exec", "argv": ["true"], "depends_on": ["s"]}},
    {{"id": "y", "type": "exec", "argv": ["true"], "depends_on": ["x"],
      "trigger_rule": "all_done"}},
    {{"id": "z", "type": "exec", "argv": ["true"]}}]}})",
                     ignore);
}

TEST_F(RulesTest, ShortCircuitSkipsAllDescendants) {
  h.WorkerUp();
  h.Load(ShortCircuit(true));
  h.Trigger("d");
  EXPECT_EQ(h.States(), "s=success x=skipped y=skipped z=queued");
  EXPECT_EQ(h.Row("y").skip_reason, "short_circuit");
}

TEST_F(RulesTest, ShortCircuitMayLeaveTheRestToTheRules) {
  h.WorkerUp();
  h.Load(ShortCircuit(false));
  h.Trigger("d");
  EXPECT_EQ(h.States(), "s=success x=skipped y=queued z=queued");
}

TEST_F(RulesTest, WhenDecidesOncePerCycle) {
  h.WorkerUp();
  h.Load(R"({"format": 1, "dag_id": "d", "params": {"go": {"type": "boolean", "default": true}},
    "tasks": [
    {"id": "a", "type": "exec", "argv": ["true"], "when": "{{ params.go }}", "retries": 1,
     "retry_delay": "1m", "retry_jitter": "none"},
    {"id": "b", "type": "exec", "argv": ["true"], "depends_on": ["a"]}]})");
  h.Trigger("d", {.run_id = "no", .null_logical_date = true, .conf = R"({"go": false})"});
  EXPECT_EQ(h.States("no"), "a=skipped b=skipped");
  EXPECT_EQ(h.Row("a", "no").skip_reason, "when");
  EXPECT_EQ(h.RunStateOf("no"), "success");
  h.Trigger("d", {.run_id = "yes", .null_logical_date = true});
  h.Fail("yes/a");
  h.Advance(std::chrono::minutes{1});
  h.Finish("yes/a");
  EXPECT_EQ(h.States("yes"), "a=success b=queued");
}

TEST_F(RulesTest, OutputsReachTheChild) {
  h.WorkerUp();
  h.Load(R"({"format": 1, "dag_id": "d", "tasks": [
    {"id": "a", "type": "exec", "argv": ["true"]},
    {"id": "b", "type": "exec", "argv": ["{{ outputs.a.name }}", "{{ outputs.a.n + 1 }}"]}]})");
  h.Trigger("d");
  EXPECT_EQ(h.States(), "a=queued b=none");  // the name is an edge
  h.Restart();
  h.Finish("a", outcome::Succeeded{}, R"({"name": "x y", "n": 41})");
  h.Restart();
  EXPECT_EQ(h.Spec("b").argv, (Names{"x y", "42"}));
}

TEST_F(RulesTest, OutputOfASkippedTaskIsUndefined) {
  h.WorkerUp();
  h.Load(R"({"format": 1, "dag_id": "d", "tasks": [
    {"id": "a", "type": "exec", "argv": ["true"]},
    {"id": "b", "type": "exec", "argv": ["{{ outputs.a }}"], "trigger_rule": "all_done"},
    {"id": "c", "type": "exec", "argv": ["{{ outputs.a | default('none') }}"],
     "trigger_rule": "all_done"}]})");
  h.Trigger("d");
  h.Finish("a", outcome::Skipped{});
  EXPECT_EQ(h.StateOf("b"), "failed");
  EXPECT_EQ(h.Spec("c").argv, Names{"none"});
}

TEST_F(RulesTest, ReasonsOfWhatHasNotStarted) {
  h.WorkerUp();
  h.Load(R"({"format": 1, "dag_id": "d", "tasks": [
    {"id": "a", "type": "exec", "argv": ["true"]},
    {"id": "b", "type": "branch", "depends_on": ["a"], "cases": [{"if": "{{ 1 == 1 }}",
     "then": ["l"]}]},
    {"id": "l", "type": "exec", "argv": ["true"], "depends_on": ["b"]},
    {"id": "m", "type": "exec", "argv": ["true"], "depends_on": ["a"], "trigger_rule": "all_done",
     "map": {"over": "{{ outputs.a }}"}}]})");
  h.Trigger("d");
  EXPECT_EQ(h.Headline("l"), "branch_pending");
  EXPECT_EQ(h.Headline("b"), "upstream_pending");
  EXPECT_EQ(h.Headline("m"), "upstream_pending");
  EXPECT_EQ(h.Headline("a"), "starting");
  h.Start("a");
  EXPECT_EQ(h.Headline("a"), "running");
  h.Finish("a", outcome::Succeeded{}, "[1]");
  EXPECT_EQ(h.Headline("a"), "finished");
  h.CheckExplanations();
}

}  // namespace
}  // namespace nightmill
