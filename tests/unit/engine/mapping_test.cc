// Dynamic mapping (semantics.md 5): shapes, empty maps, limits, outputs, restarts.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/support/engine_harness.h"

namespace nightmill {
namespace {

using std::chrono::minutes;

// m over `map` (the members of the map object), then r over m; a writes what m may use.
std::string Mapped(const std::string& map, const std::string& more = "") {
  return fmt::format(R"({{"format": 1, "dag_id": "d", "tasks": [
    {{"id": "a", "type": "exec", "argv": ["true"]}},
    {{"id": "m", "type": "exec", "argv": ["{{{{ map.item | tojson }}}}"], "depends_on": ["a"],
      {}"map": {{{}}}}},
    {{"id": "r", "type": "exec", "argv": ["{{{{ outputs.m | tojson }}}}"], "depends_on": ["m"],
      "trigger_rule": "all_done"}}]}})",
                     more, map);
}

struct MappingTest : testing::Test {
  MappingTest() { h.WorkerUp(); }
  // Starts a run of Mapped(map) whose task a writes `output`.
  void Run(const std::string& map, const std::string& output = "null",
           const std::string& more = "") {
    h.Load(Mapped(map, more));
    h.Trigger("d", {.null_logical_date = true});
    h.Finish("a", outcome::Succeeded{}, output);
  }
  Names Items() const {
    Names items;
    for (int i = 0; h.Holds(fmt::format("m[{}]", i)); ++i) {
      items.push_back(h.Spec(fmt::format("m[{}]", i)).argv.at(0));
    }
    return items;
  }

  EngineHarness h;
};

TEST_F(MappingTest, Shapes) {
  struct Case {
    std::string map;
    std::string output;
    Names items;
  };
  const std::vector<Case> cases = {
      {R"("over": [1, "x", null])", "null", {"1", R"("x")", "null"}},
      {R"("over": "{{ outputs.a }}")", "[3,2]", {"3", "2"}},
      {R"("over": "{{ outputs.a.list }}")", R"({"list": ["p"]})", {R"("p")"}},
      {R"("over": "{{ outputs.a }}")",
       R"({"k": 1, "l": 2})",
       {R"({"key": "k", "value": 1})", R"({"key": "l", "value": 2})"}},
      {R"("over": {"y": [1, 2], "z": ["a", "b"]})",
       "null",
       {R"({"y": 1, "z": "a"})", R"({"y": 1, "z": "b"})", R"({"y": 2, "z": "a"})",
        R"({"y": 2, "z": "b"})"}},
      {R"("mode": "zip", "over": {"y": [1, 2], "z": "{{ outputs.a }}"})",
       R"(["a", "b"])",
       {R"({"y": 1, "z": "a"})", R"({"y": 2, "z": "b"})"}},
      {R"("mode": "concat", "over": {"y": [1, 2], "z": [3]})", "null", {"1", "2", "3"}},
      {R"("over": "{{ macros.ds_range('2026-01-01', -1, 0) }}")",
       "null",
       {R"("2025-12-31")", R"("2026-01-01")"}},
  };
  for (const Case& c : cases) {
    EngineHarness own;
    own.WorkerUp();
    own.Load(Mapped(c.map));
    own.Trigger("d");
    own.Finish("a", outcome::Succeeded{}, c.output);
    Names items;
    for (int i = 0; own.Holds(fmt::format("m[{}]", i)); ++i) {
      const AttemptSpec spec = own.Spec(fmt::format("m[{}]", i));
      EXPECT_EQ(spec.targets.at(0).map_index, i);
      items.push_back(spec.argv.at(0));
    }
    EXPECT_EQ(items, c.items) << c.map;
    EXPECT_EQ(own.db.TasksOf(own.Run().run).size(), 2 + c.items.size())
        << "the unmapped row is gone";
  }
}

TEST_F(MappingTest, InputsThatGiveNoItemsListFailTheMappedTask) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"("over": "{{ outputs.a }}")", "7"},
      {R"("over": "{{ outputs.a }}")", "null"},
      {R"("over": "{{ outputs.a.missing }}")", "{}"},
      {R"("over": "{{ outputs.a }}", "max_items": 2)", "[1,2,3]"},
      {R"("over": {"y": [1, 2], "z": "{{ outputs.a }}"}, "max_items": 5)", "[1,2,3]"},
      {R"("mode": "zip", "over": {"y": [1, 2], "z": "{{ outputs.a }}"})", "[1]"},
      {R"("over": "{{ outputs.a }}", "on_empty": "fail")", "[]"},
  };
  for (const auto& [map, output] : cases) {
    EngineHarness own;
    own.WorkerUp();
    own.Load(Mapped(map, R"("retries": 2, )"));
    own.Trigger("d");
    own.Finish("a", outcome::Succeeded{}, output);
    EXPECT_EQ(own.StateOf("a"), "success");  // the producer is innocent
    EXPECT_EQ(own.StateOf("m"), "failed") << map << " of " << output;
    EXPECT_NE(own.Row("m").failure.find("definition"), std::string::npos);
    EXPECT_EQ(own.Spec("r").argv.at(0), "[]");
  }
}

TEST_F(MappingTest, EmptyMaps) {
  for (const auto& [on_empty, state] : std::vector<std::pair<std::string, std::string>>{
           {"skip", "skipped"}, {"success", "success"}}) {
    EngineHarness own;
    own.WorkerUp();
    own.Load(Mapped(fmt::format(R"("over": "{{{{ outputs.a }}}}", "on_empty": "{}")", on_empty)));
    own.Trigger("d");
    own.Finish("a", outcome::Succeeded{}, "[]");
    EXPECT_EQ(own.StateOf("m"), state);
    EXPECT_EQ(own.Row("m").skip_reason, on_empty == "skip" ? "map_empty" : "");
    EXPECT_EQ(own.Spec("r").argv.at(0), "[]");
  }
}

TEST_F(MappingTest, ReduceGetsTheOutputsInOrderWithoutGaps) {
  Run(R"("over": [0, 1, 2, 3])");
  h.Finish("m[3]", outcome::Succeeded{}, "33");
  h.Finish("m[1]", outcome::Skipped{});
  h.Fail("m[2]");
  EXPECT_EQ(h.StateOf("r"), "none");
  h.Restart();
  h.Finish("m[0]", outcome::Succeeded{}, R"({"n":0})");
  EXPECT_EQ(h.Spec("r").argv.at(0), R"([{"n": 0}, 33])");
}

TEST_F(MappingTest, NullOutputsAreLeftOutOfTheNextMap) {
  h.Load(R"({"format": 1, "dag_id": "d", "tasks": [
    {"id": "m", "type": "exec", "argv": ["true"], "map": {"over": [1, 2]}},
    {"id": "n", "type": "exec", "argv": ["{{ map.item }}"], "map": {"over": "{{ outputs.m }}"}}
    ]})");
  h.Trigger("d");
  h.Finish("m[0]", outcome::Succeeded{}, "null");
  EXPECT_EQ(h.StateOf("n"), "none");
  h.Finish("m[1]", outcome::Succeeded{}, R"("x")");
  EXPECT_EQ(h.Spec("n[0]").argv.at(0), "x");
  EXPECT_FALSE(h.Holds("n[1]"));
}

TEST_F(MappingTest, MaxParallel) {
  Run(R"("over": [0, 1, 2, 3, 4], "max_parallel": 2)");
  h.TakeStarts();
  EXPECT_EQ(Items().size(), 2u);
  EXPECT_EQ(h.Headline("m[2]"), "map_parallel");
  h.Finish("m[1]");
  EXPECT_EQ(h.TakeStarts(), Names{"m[2]"});
  h.Restart();
  h.ExpectQuiet();
  h.Finish("m[0]");
  EXPECT_EQ(h.TakeStarts(), Names{"m[3]"});
}

TEST_F(MappingTest, MaxParallelIsPerRun) {
  h.Load(Mapped(R"("over": [0, 1, 2], "max_parallel": 1)"));
  for (const char* run : {"r1", "r2"}) {
    h.Trigger("d", {.run_id = run, .null_logical_date = true});
    h.Finish(std::string(run) + "/a");
  }
  EXPECT_TRUE(h.Holds("r1/m[0]"));
  EXPECT_TRUE(h.Holds("r2/m[0]"));
  EXPECT_FALSE(h.Holds("r1/m[1]"));
}

TEST_F(MappingTest, MaxFailuresSkipsWhatHasNotStarted) {
  Run(R"("over": [0, 1, 2, 3, 4], "max_parallel": 2, "max_failures": 2)");
  h.Fail("m[0]");
  EXPECT_EQ(h.StateOf("m[3]"), "scheduled");
  h.Fail("m[2]");
  EXPECT_EQ(h.States(),
            "a=success m[0]=failed m[1]=queued m[2]=failed m[3]=skipped m[4]=skipped r=none");
  EXPECT_EQ(h.Row("m[4]").skip_reason, "map_stopped");
  h.Finish("m[1]", outcome::Succeeded{}, "1");
  EXPECT_EQ(h.Spec("r").argv.at(0), "[1]");
}

TEST_F(MappingTest, ItemsRetryAndAreLostOneByOne) {
  Run(R"("over": [0, 1, 2])", "null", R"("retries": 1, "retry_delay": "10m", )");
  h.TakeStarts();
  h.Fail("m[0]");
  h.Fail("m[1]");
  EXPECT_NE(h.Row("m[0]").due_at, h.Row("m[1]").due_at) << "siblings do not retry in step";
  h.Lose("m[2]");
  EXPECT_EQ(h.TakeStarts(), Names{"m[2]"});
  h.Advance(minutes{11});
  EXPECT_EQ(h.Row("m[0]").try_number, 2);
  EXPECT_EQ(h.Row("m[1]").try_number, 2);
  EXPECT_EQ(h.Row("m[2]").try_number, 1);
}

TEST_F(MappingTest, ARestartKeepsTheItems) {
  Run(R"("over": "{{ outputs.a }}")", R"(["x", "y"])");
  h.Finish("m[0]");
  h.Restart();
  EXPECT_EQ(h.States(), "a=success m[0]=success m[1]=queued r=none");
  h.Lose("m[1]");
  EXPECT_EQ(h.Spec("m[1]").argv.at(0), R"("y")");
}

// a, r and at most three instances of m are the five that this run may have.
TEST(MappingLimitTest, ARunHasSoManyInstancesAtMost) {
  EngineConfig config;
  config.max_instances = 5;
  EngineHarness h(config);
  h.WorkerUp();
  h.Load(Mapped(R"("over": "{{ outputs.a }}")"));
  const std::string full = h.Trigger("d", {.null_logical_date = true});
  h.Finish("a", outcome::Succeeded{}, "[1,2,3]");
  EXPECT_EQ(h.StateOf("m[2]", full), "queued");
  const std::string over = h.Trigger("d", {.run_id = "over", .null_logical_date = true});
  h.Finish("over/a", outcome::Succeeded{}, "[1,2,3,4]");
  EXPECT_EQ(h.StateOf("m", over), "failed");
  const std::string failure = h.Row("m", over).failure;
  EXPECT_NE(failure.find("the run would have 6 task instances; the maximum is 5"),
            std::string::npos)
      << failure;
  EXPECT_NE(failure.find("definition"), std::string::npos) << failure;
}

// The second map of a run finds the instances of the first counted, also after a restart.
TEST(MappingLimitTest, EveryMapOfTheRunCounts) {
  EngineConfig config;
  config.max_instances = 5;
  EngineHarness h(config);
  h.WorkerUp();
  h.Load(R"({"format": 1, "dag_id": "d", "tasks": [
    {"id": "m", "type": "exec", "argv": ["x"], "map": {"over": [1, 2, 3]}},
    {"id": "n", "type": "exec", "argv": ["x"], "depends_on": ["m"], "map": {"over": [1, 2, 3]}}]})");
  h.Trigger("d");
  h.Restart();
  for (const char* task : {"m[0]", "m[1]", "m[2]"}) h.Finish(task);
  EXPECT_EQ(h.StateOf("n"), "failed");
  EXPECT_EQ(h.RunStateOf(), "failed");
}

TEST_F(MappingTest, MapInputsMustSucceedWhateverTheRule) {
  for (const std::string end : {"fail", "skip"}) {
    EngineHarness own;
    own.WorkerUp();
    own.Load(Mapped(R"("over": "{{ outputs.a }}")", R"("trigger_rule": "all_done", )"));
    own.Trigger("d");
    if (end == "fail") own.Fail("a");
    if (end == "skip") own.Finish("a", outcome::Skipped{});
    EXPECT_EQ(own.StateOf("m"), end == "fail" ? "upstream_failed" : "skipped");
  }
}

TEST_F(MappingTest, MappedSensorsAndNoops) {
  h.Load(R"({"format": 1, "dag_id": "d", "tasks": [
    {"id": "s", "type": "sensor.file", "path": "x{{ map.item }}", "map": {"over": [1, 2]}},
    {"id": "n", "type": "noop", "depends_on": ["s"], "map": {"over": [1, 2, 3]}}]})");
  h.Trigger("d");
  EXPECT_EQ(h.TakePokes().size(), 2u);
  h.Poke(true, "", "x2");
  EXPECT_EQ(h.States(), "s[0]=deferred s[1]=success n=none");
  h.Poke(true, "", "x1");
  EXPECT_EQ(h.States(), "s[0]=success s[1]=success n[0]=success n[1]=success n[2]=success");
  EXPECT_EQ(h.RunStateOf(), "success");
}

}  // namespace
}  // namespace nightmill
