// Limits, pools and order of placement, and the reasons that explain tells (semantics.md 7, 15).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/support/engine_harness.h"

namespace nightmill {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

// Independent exec tasks with these fields: Tasks("", {{"a", ""}, {"b", "\"pool\": \"p\""}}).
std::string Tasks(const std::string& fields,
                  const std::vector<std::pair<std::string, std::string>>& tasks,
                  const std::string& dag_id = "d") {
  std::string list;
  for (const auto& [id, more] : tasks) {
    list += fmt::format(R"({}{{"id": "{}", "type": "exec", "argv": ["true"]{}}})",
                        list.empty() ? "" : ", ", id, more.empty() ? "" : ", " + more);
  }
  return fmt::format(R"({{"format": 1, "dag_id": "{}", {}"tasks": [{}]}})", dag_id, fields, list);
}

struct PlacementTest : testing::Test {
  std::string Trigger(const std::string& id, const std::string& dag = "d") {
    return h.Trigger(dag, {.run_id = id, .null_logical_date = true});
  }
  EngineHarness h;
};

TEST_F(PlacementTest, SlotsOfSeveralPoolsAreTakenTogetherOrNotAtAll) {
  h.WorkerUp();
  h.Pool("p", 2);
  h.Pool("q", 1);
  h.Load(Tasks("", {{"a", R"("pools": [{"name": "p", "slots": 2}, {"name": "q"}])"},
                    {"b", R"("pools": [{"name": "q"}, {"name": "p"}])"},
                    {"c", R"("pool": "p", "pool_slots": 2)"}}));
  Trigger("r");
  EXPECT_EQ(h.TakeStarts(), Names{"a"});
  EXPECT_EQ(h.Headline("b"), "pool_full");
  h.Restart();
  h.Finish("a");
  EXPECT_EQ(h.TakeStarts(), Names{"b"});  // c does not fit beside b
  EXPECT_EQ(h.Headline("c"), "pool_full");
  h.Finish("b");
  EXPECT_EQ(h.TakeStarts(), Names{"c"});
}

TEST_F(PlacementTest, ABlockedTaskHidesNobodyInAnotherPool) {
  h.WorkerUp();
  h.Pool("p", 1);
  h.Load(Tasks("", {{"a", R"("pool": "p", "priority_weight": 9)"},
                    {"b", R"("pool": "p", "priority_weight": 9)"},
                    {"c", ""}}));
  Trigger("r");
  EXPECT_EQ(h.TakeStarts(), (Names{"a", "c"}));
}

TEST_F(PlacementTest, PoolsThatGrantNothingSayWhy) {
  h.WorkerUp();
  h.Pool("closed", 0);
  h.Pool("small", 2);
  h.Load(Tasks("", {{"a", R"("pool": "closed")"},
                    {"b", R"("pool": "small", "pool_slots": 3)"},
                    {"c", R"("pool": "nowhere")"}}));
  Trigger("r");
  EXPECT_EQ(h.Headline("a"), "pool_closed");
  EXPECT_EQ(h.Headline("b"), "pool_too_small");
  EXPECT_EQ(h.Headline("c"), "pool_missing");
  h.CheckExplanations();
  h.Pool("closed", 1);
  EXPECT_EQ(h.TakeStarts(), Names{"a"});
  h.Pool("small", -1);
  EXPECT_EQ(h.TakeStarts(), Names{"b"});
  h.Pool("nowhere", 1);
  EXPECT_EQ(h.TakeStarts(), Names{"c"});
}

TEST_F(PlacementTest, AShrunkPoolKillsNothingAndGrantsNothing) {
  h.WorkerUp();
  h.Pool("p", 2);
  h.Load(Tasks("", {{"a", R"("pool": "p")"}, {"b", R"("pool": "p")"}, {"c", R"("pool": "p")"}}));
  Trigger("r");
  h.TakeStarts();
  h.Pool("p", 1);
  h.ExpectQuiet();
  h.Finish("a");
  h.ExpectQuiet();
  h.Finish("b");
  EXPECT_EQ(h.TakeStarts(), Names{"c"});
}

TEST_F(PlacementTest, SlotsAreHeldUntilTheEndIsProven) {
  h.WorkerUp();
  h.Pool("p", 1);
  h.Load(Tasks("", {{"a", R"("pool": "p")"}}));
  Trigger("r1");
  Trigger("r2");
  h.TakeStarts();
  h.Cancel("d", "r1");
  h.TakeKills();
  h.ExpectQuiet();
  EXPECT_EQ(h.Headline("r2/a"), "pool_full");
  h.Finish("r1/a", outcome::Killed{});
  EXPECT_EQ(h.TakeStarts(), Names{"a"});
}

TEST_F(PlacementTest, EveryLimitSaysItsName) {
  struct Case {
    std::string fields;
    std::string task;
    std::string reason;
  };
  const std::vector<Case> cases = {
      {"", "", "worker_full"},
      {R"("max_active_tasks_per_dag": 1, )", "", "dag_limit"},
      {R"("max_active_tasks": 1, )", "", "run_limit"},
      {"", R"("max_active_tis_per_dag": 1, )", "task_limit"},
      {"", R"("max_active_tis_per_dagrun": 1, )", "task_run_limit"},
      {"", R"("pool": "p", )", "pool_full"},
  };
  for (const Case& c : cases) {
    EngineHarness own;
    own.WorkerUp("w", c.reason == "worker_full" ? 1 : 8);
    own.Pool("p", 1);
    own.Load(fmt::format(R"({{"format": 1, "dag_id": "d", {}"tasks": [
      {{"id": "m", "type": "exec", "argv": ["true"], {}"map": {{"over": [1, 2]}}}}]}})",
                         c.fields, c.task));
    own.Trigger("d");
    EXPECT_EQ(own.TakeStarts(), Names{"m[0]"}) << c.reason;
    EXPECT_EQ(own.Headline("m[1]"), c.reason);
    own.CheckExplanations();
    own.Finish("m[0]");
    EXPECT_EQ(own.TakeStarts(), Names{"m[1]"}) << c.reason;
  }
}

TEST_F(PlacementTest, TaskLimitsOverRuns) {
  h.WorkerUp();
  h.Load(Tasks(
      "", {{"a", R"("max_active_tis_per_dag": 1)"}, {"b", R"("max_active_tis_per_dagrun": 1)"}}));
  Trigger("r1");
  Trigger("r2");
  EXPECT_TRUE(h.Holds("r1/a"));
  EXPECT_FALSE(h.Holds("r2/a"));
  EXPECT_TRUE(h.Holds("r1/b"));
  EXPECT_TRUE(h.Holds("r2/b"));
  EXPECT_EQ(h.Headline("r2/a"), "task_limit");
}

TEST_F(PlacementTest, Parallelism) {
  EngineConfig config;
  config.parallelism = 2;
  EngineHarness own(config);
  own.WorkerUp();
  own.Load(Tasks("", {{"a", ""}, {"b", ""}, {"c", ""}}));
  own.Trigger("d");
  EXPECT_EQ(own.TakeStarts(), (Names{"a", "b"}));
  EXPECT_EQ(own.Headline("c"), "parallelism");
  own.Finish("b");
  EXPECT_EQ(own.TakeStarts(), Names{"c"});
}

TEST_F(PlacementTest, HigherPriorityFirstThenTheOlderRunThenTheOrderOfTheFile) {
  h.Load(Tasks("", {{"a", ""}, {"b", R"("priority_weight": 5)"}, {"c", ""}}));
  h.Trigger("d", {.run_id = "late", .logical_date = *ParseInstant("2026-01-04T00:00:00Z")});
  h.Trigger("d", {.run_id = "early", .logical_date = *ParseInstant("2026-01-03T00:00:00Z")});
  h.WorkerUp();
  Names order;
  for (const Command& command : h.TakeCommands(6)) {
    const AttemptSpec& spec = std::get<command::StartAttempt>(command).spec;
    order.push_back(spec.run_id + "/" + spec.targets.at(0).task_id);
  }
  EXPECT_EQ(order, (Names{"early/b", "late/b", "early/a", "early/c", "late/a", "late/c"}));
}

TEST_F(PlacementTest, WeightOfDescendantsCounts) {
  h.Load(R"({"format": 1, "dag_id": "d", "tasks": [
    {"id": "lone", "type": "exec", "argv": ["true"]},
    {"id": "head", "type": "exec", "argv": ["true"]},
    {"id": "x", "type": "exec", "argv": ["true"], "depends_on": ["head"]},
    {"id": "y", "type": "exec", "argv": ["true"], "depends_on": ["x"]}]})");
  h.Trigger("d");
  h.WorkerUp("w", 1);
  EXPECT_EQ(h.TakeStarts(), Names{"head"});
}

TEST_F(PlacementTest, AChildCompetesForTheSlotThatItsParentFrees) {
  h.WorkerUp("w", 1);
  h.Load(R"({"format": 1, "dag_id": "d", "tasks": [
    {"id": "a", "type": "exec", "argv": ["true"], "priority_weight": 3},
    {"id": "b", "type": "exec", "argv": ["true"], "depends_on": ["a"], "priority_weight": 3},
    {"id": "c", "type": "exec", "argv": ["true"]}]})");
  h.Trigger("d");
  h.TakeStarts();
  h.Advance(seconds{1});
  h.Finish("a");
  EXPECT_EQ(h.TakeStarts(), Names{"b"});
}

TEST_F(PlacementTest, NoWorker) {
  h.Load(Tasks("", {{"a", ""}}));
  h.Trigger("d");
  EXPECT_EQ(h.Headline("a"), "no_worker");
  h.WorkerUp();
  EXPECT_EQ(h.TakeStarts(), Names{"a"});
}

TEST_F(PlacementTest, WorkIsSpreadOverTheWorkersWithMostFreePlaces) {
  h.WorkerUp("w1", 2);
  h.WorkerUp("w2", 3);
  h.Load(Tasks("", {{"a", ""}, {"b", ""}, {"c", ""}, {"e", ""}, {"f", ""}, {"g", ""}}));
  h.Trigger("d");
  EXPECT_EQ(h.workers.at("w1").held.size(), 2u);
  EXPECT_EQ(h.workers.at("w2").held.size(), 3u);
  h.WorkerDown("w2");
  h.Finish("a");
  EXPECT_TRUE(h.workers.at("w1").connected);
  EXPECT_LE(h.workers.at("w1").held.size(), 2u);
}

TEST_F(PlacementTest, NativeAttemptsTakeTheirThreads) {
  h.WorkerUp("w", 2);
  h.Load(R"({"format": 1, "dag_id": "d", "tasks": [
    {"id": "a", "type": "crunch", "threads": 2}, {"id": "b", "type": "crunch", "threads": 8},
    {"id": "c", "type": "exec", "argv": ["true"]}]})");
  h.Trigger("d");
  EXPECT_EQ(h.TakeStarts(), Names{"a"});
  EXPECT_EQ(h.Spec("a").places, 2);
  EXPECT_EQ(h.Headline("b"), "worker_full");
  h.Finish("a");
  EXPECT_EQ(h.TakeStarts(), Names{"b"});
  EXPECT_EQ(h.Spec("b").places, 2);  // at most all of the worker's
  h.Restart();
  EXPECT_EQ(h.engine().Workers().at(0).used, 2);
  h.Finish("b");
  EXPECT_EQ(h.TakeStarts(), Names{"c"});
}

TEST_F(PlacementTest, ShortAttemptsAreSentAheadOfAFreePlace) {
  EngineConfig config;
  config.prefetch = 2;
  EngineHarness own(config);
  own.WorkerUp("w", 1);
  own.Load(R"({"format": 1, "dag_id": "d", "tasks": [
    {"id": "m", "type": "exec", "argv": ["true"], "map": {"over": [0,1,2,3,4,5,6,7,8,9]}}]})");
  own.Trigger("d");
  EXPECT_EQ(own.TakeStarts().size(), 1u) << "nothing is known about them yet";
  for (int i = 0; i < 2; ++i) {
    own.Start(fmt::format("m[{}]", i));
    own.now += std::chrono::milliseconds{1};
    own.Finish(fmt::format("m[{}]", i));
  }
  EXPECT_EQ(own.workers.at("w").held.size(), 3u);
  own.Start("m[2]");
  own.now += hours{1};
  own.Finish("m[2]");
  EXPECT_LE(own.workers.at("w").held.size(), 3u);
  own.TakeStarts();
  own.Finish("m[3]");
  EXPECT_EQ(own.TakeStarts(), Names{}) << "behind a long one nobody is made to wait";
}

TEST_F(PlacementTest, PoolsTellWhatTheyHold) {
  h.WorkerUp("w", 1);
  h.Pool("p", 3);
  h.Load(R"({"format": 1, "dag_id": "d", "tasks": [
    {"id": "a", "type": "exec", "argv": ["true"], "pool": "p", "pool_slots": 2},
    {"id": "b", "type": "exec", "argv": ["true"], "pool": "p"},
    {"id": "s", "type": "sensor.file", "path": "x", "pool": "p"}]})");
  h.Trigger("d");
  h.Start("a");
  for (const Engine::PoolUse& use : h.engine().Pools()) {
    if (use.pool.name != "p") continue;
    EXPECT_EQ(use.running_slots, 2);
    EXPECT_EQ(use.queued_slots, 0);
    EXPECT_EQ(use.scheduled_slots, 1);
    EXPECT_EQ(use.deferred_slots, 1);
  }
}

}  // namespace
}  // namespace nightmill
