// Clearing: what runs again, what is only listed, what is refused (semantics.md 11, T16, T17, R7).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <functional>

#include "tests/support/engine_harness.h"

namespace nightmill {
namespace {

using std::chrono::hours;

Instant At(std::string_view text) { return *ParseInstant(text); }

// a, b -> c -> d; a has one retry.
std::string Diamond(const std::string& fields = "", const std::string& argv = "true") {
  return fmt::format(R"({{"format": 1, "dag_id": "d", {}"tasks": [
    {{"id": "a", "type": "exec", "argv": ["{}"], "retries": 1, "retry_delay": "1h"}},
    {{"id": "b", "type": "exec", "argv": ["true"]}},
    {{"id": "c", "type": "exec", "argv": ["true"], "depends_on": ["a", "b"]}},
    {{"id": "d", "type": "exec", "argv": ["true"], "depends_on": ["c"]}}]}})",
                     fields, argv);
}

std::string One(const std::string& fields = "") {
  return fmt::format(R"({{"format": 1, "dag_id": "d", {}"tasks": [
    {{"id": "a", "type": "exec", "argv": ["true"]}}]}})",
                     fields);
}

constexpr std::string_view kMapped = R"({"format": 1, "dag_id": "d", "tasks": [
    {"id": "l", "type": "exec", "argv": ["true"]},
    {"id": "m", "type": "exec", "argv": ["true"], "map": {"over": "{{ outputs.l }}"}},
    {"id": "z", "type": "exec", "argv": ["true"], "depends_on": ["m"]}]})";

using Picks = std::vector<event::ClearTasks::Pick>;

struct Clearing {
  // A clear of these tasks of the newest run, with the selection's other words at "no".
  event::ClearTasks Of(Picks tasks) const {
    event::ClearTasks clear;
    clear.dag_id = "d";
    clear.runs = {h.Run().run};
    clear.tasks = std::move(tasks);
    clear.dry_run = false;
    return clear;
  }
  event::ClearTasks All() const {
    event::ClearTasks clear = Of({});
    clear.tasks.reset();
    return clear;
  }
  // Asks as the daemon does: with the rows of finished runs and the versions that runs have.
  Result<ClearReply> Ask(event::ClearTasks clear) {
    for (const RunKey run : clear.runs) {
      const auto row = h.db.runs.find(run);
      if (row == h.db.runs.end()) continue;
      const auto version = h.db.versions.find({clear.dag_id, row->second.version});
      if (version != h.db.versions.end()) {
        clear.versions[row->second.version] = h.Parse(version->second.source);
      }
      if (IsFinished(row->second.state)) clear.finished.push_back({row->second, h.db.TasksOf(run)});
    }
    const auto reply = h.Ask(std::move(clear));
    if (!reply.ok()) return reply.error();
    return std::get<ClearReply>(*reply);
  }
  // The instances that a clear says it touches: "a=failed c=upstream_failed". The same is said
  // beforehand, and then nothing changes.
  std::string Clear(event::ClearTasks clear) {
    const Database before = h.db;
    event::ClearTasks asked = clear;
    asked.dry_run = true;
    const std::string preview = Listed(Ask(std::move(asked)));
    EXPECT_TRUE(h.last_changes.empty()) << "a preview that writes";
    EXPECT_EQ(h.db.events.size(), before.events.size());
    const std::string done = Listed(Ask(std::move(clear)));
    EXPECT_EQ(preview, done);
    return done;
  }
  static std::string Listed(const Result<ClearReply>& reply) {
    if (!reply.ok()) return reply.error().message;
    std::string text;
    for (const TaskInstanceRow& row : reply->tasks) {
      const std::string index = row.map_index < 0 ? "" : fmt::format("[{}]", row.map_index);
      text += fmt::format("{}{}{}={}", text.empty() ? "" : " ", row.task_id, index,
                          ToString(row.state));
    }
    return text;
  }

  void Begin(std::string_view dag) {
    h.WorkerUp();
    h.Load(dag);
    h.Trigger("d");
  }
  // A run in which b failed for good: a=success b=failed c, d=upstream_failed.
  void FailB(const std::string& fields = "") {
    Begin(Diamond(fields));
    h.Finish("a");
    h.Fail("b");
    h.TakeStarts();
    ASSERT_EQ(h.States(), "a=success b=failed c=upstream_failed d=upstream_failed");
    ASSERT_EQ(h.RunStateOf(), "failed");
  }

  EngineHarness h;
};

struct ClearTest : testing::Test, Clearing {};

TEST_F(ClearTest, OfAFailedTaskRunsItAndWhatNeverRan) {
  FailB();
  event::ClearTasks clear = Of({{"b", {}}});
  clear.note = "again";
  EXPECT_EQ(Clear(clear), "b=failed c=upstream_failed d=upstream_failed");
  EXPECT_EQ(h.RunStateOf(), "running");
  EXPECT_EQ(h.Run().clear_number, 1);
  EXPECT_EQ(h.Run().note, "again");
  EXPECT_EQ(h.EventsOf("run.cleared"), 1u);
  EXPECT_EQ(h.TakeStarts(), Names{"b"});
  EXPECT_EQ(h.Row("b").try_number, 2);
  EXPECT_EQ(h.Row("b").failure, "");
  h.Finish("b");
  h.Finish("c");
  h.Finish("d");
  EXPECT_EQ(h.States(), "a=success b=success c=success d=success");
  EXPECT_EQ(h.RunStateOf(), "success");
  EXPECT_EQ(h.Row("a").try_number, 1);
}

TEST_F(ClearTest, TheSelection) {
  struct Case {
    std::function<void(event::ClearTasks&)> ask;
    std::string touched;
  };
  const std::string never = "c=upstream_failed d=upstream_failed";
  const std::vector<Case> cases = {
      {[](auto& e) { e.tasks.reset(); }, "a=success b=failed " + never},
      {[](auto& e) { e.tasks.reset(), e.only_failed = true; }, "b=failed " + never},
      {[](auto& e) { e.tasks.reset(), e.only_running = true; }, ""},
      {[](auto& e) { e.tasks = Picks{{"a", {}}}; }, "a=success " + never},
      {[](auto& e) { e.tasks = Picks{{"a", {}}}, e.downstream = true; }, "a=success " + never},
      {[](auto& e) { e.tasks = Picks{{"c", {}}}; }, never},
      {[](auto& e) { e.tasks = Picks{{"d", {}}}; }, "d=upstream_failed"},
      {[](auto& e) { e.tasks = Picks{{"d", {}}}, e.upstream = true; },
       "a=success b=failed " + never},
      {[](auto& e) { e.tasks = Picks{{"a", {}}}, e.only_failed = true; }, ""},
      {[](auto& e) { e.tasks = Picks{{"a", 0}}; }, ""},
      {[](auto& e) { e.tasks = Picks{{"a", -1}}; }, "a=success " + never},
      {[](auto& e) { e.tasks = Picks{{"unknown", {}}}; }, ""},
      {[](auto& e) { e.only_new = true; }, ""},
      {[](auto& e) { e.runs = {RunKey(99)}; }, ""},
  };
  FailB();
  for (std::size_t i = 0; i < cases.size(); ++i) {
    event::ClearTasks clear = Of({});
    clear.dry_run = true;
    cases[i].ask(clear);
    EXPECT_EQ(Listed(Ask(clear)), cases[i].touched) << "case " << i;
  }
  EXPECT_EQ(h.RunStateOf(), "failed");
}

TEST_F(ClearTest, AnEmptySelectionLeavesTheRunAsItIs) {
  FailB();
  EXPECT_EQ(Clear(Of({{"unknown", {}}})), "");
  EXPECT_EQ(h.RunStateOf(), "failed");
  EXPECT_EQ(h.Run().clear_number, 0);
}

TEST_F(ClearTest, OfARunningRunGoesOnInIt) {
  Begin(Diamond());
  h.Finish("a");
  h.Start("b");
  h.TakeStarts();
  EXPECT_EQ(Clear(Of({{"a", {}}})), "a=success");
  EXPECT_EQ(h.TakeStarts(), Names{"a"});
  EXPECT_EQ(h.Row("a").try_number, 2);
  EXPECT_EQ(h.Row("a").max_tries, 3);
  EXPECT_EQ(h.Run().clear_number, 0);
  h.Finish("b");
  EXPECT_EQ(h.States(), "a=queued b=success c=none d=none");  // c waits for the new a
  h.Finish("a");
  EXPECT_EQ(h.TakeStarts(), Names{"c"});
}

TEST(Clear, OfARunningTaskEndsItFirst) {
  const std::vector<AttemptOutcome> outcomes = {outcome::Killed{}, outcome::Succeeded{},
                                                outcome::Failed{"exit", "", 1, 0},
                                                outcome::Lost{"gone"}};
  for (const AttemptOutcome& outcome : outcomes) {
    Clearing own;
    own.Begin(Diamond());
    own.h.Start("a");
    own.h.TakeStarts();
    EXPECT_EQ(own.Clear(own.Of({{"a", {}}})), "a=running");
    EXPECT_EQ(own.h.StateOf("a"), "restarting");
    EXPECT_EQ(own.h.TakeKills(), Names{"a"});
    own.h.Restart();  // the order holds over a restart of the daemon
    EXPECT_EQ(own.h.TakeKills(), Names{"a"});
    own.h.TakeStarts();
    own.h.Finish("a", outcome);
    EXPECT_EQ(own.h.TakeStarts(), Names{"a"});
    EXPECT_EQ(own.h.Row("a").try_number, 2);
    EXPECT_EQ(own.h.Row("a").max_tries, 3);
    EXPECT_EQ(own.h.db.attempts.at(AttemptId{1}).kill_reason, "clear");
  }
}

TEST_F(ClearTest, OfATaskThatNeverStartedForgetsItsAttempt) {
  Begin(One());
  h.TakeStarts();
  EXPECT_EQ(Clear(Of({{"a", {}}})), "a=queued");
  EXPECT_EQ(h.TakeKills(), Names{"a"});
  h.ForgetHeld();  // the order to start got lost
  h.WorkerDown();
  h.WorkerUp();
  EXPECT_EQ(h.TakeStarts(), Names{"a"});
  h.Finish("a");
  EXPECT_EQ(h.RunStateOf(), "success");
}

TEST_F(ClearTest, RefusesToKillWhenAskedNotTo) {
  Begin(Diamond());
  event::ClearTasks clear = Of({{"a", {}}});
  clear.prevent_running = true;
  const auto reply = Ask(clear);
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().code, ErrorCode::kConflict);
  EXPECT_EQ(h.StateOf("a"), "queued");
  EXPECT_TRUE(h.TakeKills().empty());
}

TEST_F(ClearTest, OfAWaitingRetryStartsAtOnce) {
  Begin(Diamond());
  h.Fail("a");
  h.TakeStarts();
  ASSERT_EQ(h.StateOf("a"), "up_for_retry");
  EXPECT_EQ(Clear(Of({{"a", {}}})), "a=up_for_retry");
  EXPECT_EQ(h.TakeStarts(), Names{"a"});
  h.Finish("a");
  h.Advance(hours{2});  // the timer of the old retry finds nothing to do
  EXPECT_EQ(h.StateOf("a"), "success");
}

TEST_F(ClearTest, OneRunOfManyAndAllOfThemAtOnce) {
  h.WorkerUp();
  h.Load(One(R"("max_active_runs": 4, )"));
  const std::string r1 = h.Trigger("d", {.run_id = "r1"});
  h.Trigger("d", {.run_id = "r2", .logical_date = At("2026-01-02T00:00:00Z")});
  h.Finish("r1/a");
  h.Fail("r2/a");
  event::ClearTasks both = All();
  both.runs = {h.Run("r1").run, h.Run("r2").run};
  both.only_failed = true;
  EXPECT_EQ(Clear(both), "a=failed");
  EXPECT_EQ(h.RunStateOf("r1"), "success");
  EXPECT_EQ(h.RunStateOf("r2"), "running");
  h.Finish("r2/a");
  both.only_failed = false;
  EXPECT_EQ(Clear(both), "a=success a=success");
  EXPECT_EQ(h.RunIds("d", "running"), (Names{"r1", "r2"}));
}

TEST_F(ClearTest, ARunThatIsBeingStoppedIsRefused) {
  Begin(Diamond());
  h.Cancel("d", h.Run().run_id);
  const auto reply = Ask(All());
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().code, ErrorCode::kConflict);
}

TEST_F(ClearTest, AStopOfTheRunEndsWhatWasToRunAgain) {
  for (const bool well : {true, false}) {
    Clearing own;
    own.Begin(One());
    own.h.Start("a");
    own.Clear(own.Of({{"a", {}}}));
    own.h.Cancel("d", own.h.Run().run_id);
    own.h.Finish("a", well ? AttemptOutcome{outcome::Succeeded{}} : outcome::Killed{});
    EXPECT_EQ(own.h.StateOf("a"), "failed");
    EXPECT_NE(own.h.Row("a").failure.find("the run was cancelled"), std::string::npos);
    EXPECT_EQ(own.h.RunStateOf(), "failed");
  }
}

TEST_F(ClearTest, TheLastWordCountsOfClearAndMark) {
  const auto mark = [this] {
    event::MarkRun event;
    event.dag_id = "d";
    event.run_id = h.Run().run_id;
    event.state = RunState::kSuccess;
    ASSERT_TRUE(h.Ask(event).ok());
  };
  Begin(One());
  h.Start("a");
  h.TakeStarts();
  Clear(Of({{"a", {}}}));
  mark();
  h.Finish("a", outcome::Killed{});
  EXPECT_EQ(h.StateOf("a"), "success");
  EXPECT_EQ(h.RunStateOf(), "success");
  h.Advance(hours{1});
  h.Trigger("d");
  h.Start("a");
  h.TakeStarts();
  mark();
  Clear(Of({{"a", {}}}));
  h.Finish("a", outcome::Killed{});
  EXPECT_EQ(h.TakeStarts(), Names{"a"});
  h.Fail("a");
  EXPECT_EQ(h.RunStateOf(), "failed");
  EXPECT_EQ(h.Run().reason, RunReason::kTaskFailed);
}

TEST_F(ClearTest, OfAnUnknownDagIsNotFound) {
  Begin(One());
  event::ClearTasks clear = All();
  clear.dag_id = "x";
  const auto reply = Ask(clear);
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().code, ErrorCode::kNotFound);
}

TEST_F(ClearTest, OfARunCancelledInTheQueueRunsItWhole) {
  h.WorkerUp();
  h.Load(One(R"("max_active_runs": 1, )"));
  h.Trigger("d", {.run_id = "r1"});
  h.Trigger("d", {.run_id = "r2", .logical_date = At("2026-01-02T00:00:00Z")});
  h.Cancel("d", "r2");
  h.Finish("a");
  h.TakeStarts();
  ASSERT_EQ(h.RunStateOf("r2"), "failed");
  EXPECT_EQ(Clear(All()), "");
  EXPECT_EQ(h.TakeStarts(), Names{"a"});
  EXPECT_EQ(h.RunStateOf("r2"), "running");
}

TEST_F(ClearTest, AQueuedRunThatWasClearedKeepsItsPlanOverARestart) {
  FailB();
  h.Pause("d", true);
  EXPECT_EQ(Clear(Of({{"b", {}}})), "b=failed c=upstream_failed d=upstream_failed");
  EXPECT_EQ(h.RunStateOf(), "queued");
  h.Load(Diamond("", "false"), true);  // a new version is not for this run
  h.Restart();
  EXPECT_EQ(Clear(Of({{"a", {}}})), "a=success");  // more of it
  h.Restart();
  h.Pause("d", false);
  EXPECT_EQ(h.TakeStarts(), (Names{"a", "b"}));
  EXPECT_EQ(h.Run().version, 1);
  EXPECT_EQ(h.Row("a").try_number, 2);
  h.Finish("a");
  h.Finish("b");
  h.Finish("c");
  h.Finish("d");
  EXPECT_EQ(h.RunStateOf(), "success");
}

TEST_F(ClearTest, AQueuedRunThatWasClearedMayBeCancelledAndClearedAgain) {
  FailB();
  h.Pause("d", true);
  Clear(Of({{"b", {}}}));
  h.Cancel("d", h.Run().run_id);
  EXPECT_EQ(h.States(), "a=success b=skipped c=skipped d=skipped");
  EXPECT_EQ(h.RunStateOf(), "failed");
  EXPECT_EQ(Clear(Of({{"b", {}}})), "b=skipped c=skipped d=skipped");
  h.Pause("d", false);
  EXPECT_EQ(h.TakeStarts(), Names{"b"});
  EXPECT_EQ(h.Row("b").try_number, 2);
}

TEST_F(ClearTest, WithoutItsRunItWaitsUntilThatIsClearedToo) {
  FailB();
  event::ClearTasks clear = Of({{"b", {}}});
  clear.reset_runs = false;
  EXPECT_EQ(Clear(clear), "b=failed c=upstream_failed d=upstream_failed");
  EXPECT_EQ(h.States(), "a=success b=none c=none d=none");
  EXPECT_EQ(h.RunStateOf(), "failed");
  EXPECT_TRUE(h.TakeStarts().empty());
  EXPECT_EQ(Clear(Of({{"b", {}}, {"c", {}}, {"d", {}}})), "b=none c=none d=none");
  EXPECT_EQ(h.TakeStarts(), Names{"b"});
}

TEST_F(ClearTest, WithTheNewestVersionHasItsTasks) {
  FailB();
  h.Load(R"({"format": 1, "dag_id": "d", "tasks": [
    {"id": "a", "type": "exec", "argv": ["true"]},
    {"id": "b", "type": "exec", "argv": ["true"], "depends_on": ["a"]},
    {"id": "n", "type": "exec", "argv": ["true"], "depends_on": ["b"]}]})");
  event::ClearTasks clear = Of({{"b", {}}});
  clear.latest_version = true;
  EXPECT_EQ(Clear(clear), "b=failed");
  EXPECT_EQ(h.Run().version, 2);
  EXPECT_EQ(h.States(), "a=success b=queued n=none");
  EXPECT_EQ(h.StateOf("c"), "removed");
  h.Finish("b");
  h.Finish("n");
  EXPECT_EQ(h.RunStateOf(), "success");
}

TEST_F(ClearTest, OnlyNewRunsWhatTheVersionAdds) {
  Begin(One());
  h.Finish("a");
  h.TakeStarts();
  h.Load(R"({"format": 1, "dag_id": "d", "tasks": [
    {"id": "a", "type": "exec", "argv": ["true"]},
    {"id": "n", "type": "exec", "argv": ["true"], "depends_on": ["a"]}]})");
  event::ClearTasks clear = All();
  clear.only_new = clear.latest_version = true;
  EXPECT_EQ(Clear(clear), "");
  EXPECT_EQ(h.TakeStarts(), Names{"n"});
  EXPECT_EQ(h.Row("a").try_number, 1);
}

TEST_F(ClearTest, ARunningRunKeepsItsVersion) {
  Begin(One());
  h.Load(Diamond());
  event::ClearTasks clear = All();
  clear.latest_version = true;
  const auto reply = Ask(clear);
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().code, ErrorCode::kConflict);
}

TEST_F(ClearTest, AnOldVersionThatTheCallerDoesNotHaveIsRefused) {
  FailB();
  h.Load(One());
  event::ClearTasks clear = Of({{"b", {}}});
  clear.finished.push_back({h.Run(), h.db.TasksOf(h.Run().run)});
  const auto reply = h.Ask(clear);
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().code, ErrorCode::kConflict);
}

TEST_F(ClearTest, OneItemOfAMapRunsAlone) {
  Begin(kMapped);
  h.Finish("l", outcome::Succeeded{}, R"(["x","y"])");
  h.Finish("m[0]");
  h.Fail("m[1]");
  h.TakeStarts();
  ASSERT_EQ(h.States(), "l=success m[0]=success m[1]=failed z=upstream_failed");
  EXPECT_EQ(Clear(Of({{"m", 1}})), "m[1]=failed z=upstream_failed");
  EXPECT_EQ(h.TakeStarts(), Names{"m[1]"});
  EXPECT_EQ(h.Row("m[1]").map_item, "\"y\"");
  h.Finish("m[1]");
  h.Finish("z");
  EXPECT_EQ(h.RunStateOf(), "success");
}

TEST_F(ClearTest, AWholeMapIsExpandedAnew) {
  Begin(kMapped);
  h.Finish("l", outcome::Succeeded{}, R"(["x","y","z"])");
  for (const char* item : {"m[0]", "m[1]", "m[2]"}) h.Finish(item);
  h.Finish("z");
  h.TakeStarts();
  event::ClearTasks clear = Of({{"l", {}}});
  clear.downstream = true;
  EXPECT_EQ(Clear(clear), "l=success m[0]=success m[1]=success m[2]=success z=success");
  EXPECT_EQ(h.TakeStarts(), Names{"l"});
  h.Restart();
  h.Finish("l", outcome::Succeeded{}, R"(["x","y"])");
  EXPECT_EQ(h.TakeStarts(), (Names{"m[0]", "m[1]"}));
  EXPECT_EQ(h.Row("m[0]").try_number, 2);
  EXPECT_EQ(h.StateOf("m[2]"), "removed");
  h.Finish("m[0]");
  h.Finish("m[1]");
  h.Finish("z");
  EXPECT_EQ(h.RunStateOf(), "success");
}

}  // namespace
}  // namespace nightmill
