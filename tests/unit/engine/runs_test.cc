// Runs: manual triggers, cancel, timeouts, limits, schedules and versions (semantics.md 1, 2, 12).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/support/engine_harness.h"

namespace nightmill {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

Instant At(std::string_view text) { return *ParseInstant(text); }

// A DAG "d" with two independent tasks a, b, one child c of both, and these fields of the DAG.
std::string Three(const std::string& fields) {
  return fmt::format(R"({{"format": 1, "dag_id": "d", {}"tasks": [
    {{"id": "a", "type": "exec", "argv": ["true"], "retries": 1, "retry_delay": "1h"}},
    {{"id": "b", "type": "exec", "argv": ["true"]}},
    {{"id": "c", "type": "exec", "argv": ["true"], "depends_on": ["a", "b"]}}]}})",
                     fields);
}

std::string One(const std::string& fields, const std::string& argv = "true") {
  return fmt::format(R"({{"format": 1, "dag_id": "d", {}"tasks": [
    {{"id": "a", "type": "exec", "argv": ["{}"]}}]}})",
                     fields, argv);
}

// Two tasks, the second one runs whatever became of the first.
std::string AndThen(const std::string& fields) {
  return fmt::format(R"({{"format": 1, "dag_id": "d", {}"tasks": [
    {{"id": "a", "type": "exec", "argv": ["true"]}},
    {{"id": "b", "type": "exec", "argv": ["true"], "depends_on": ["a"],
      "trigger_rule": "all_done"}}]}})",
                     fields);
}

std::string Daily(const std::string& catchup, const std::string& more = "") {
  return One(fmt::format(R"("schedule": {{"cron": "@daily", "start_date": "2026-01-01",
    "catchup": "{}"{}}}, )",
                         catchup, more));
}

struct RunsTest : testing::Test {
  // A worker, this DAG and a run of it.
  std::string Begin(const std::string& dag) {
    h.WorkerUp();
    h.Load(dag);
    return h.Trigger("d");
  }
  // A worker and this DAG, of which one run at a time may be active: r1 runs, r2 waits.
  void BeginTwo(const std::string& dag) {
    h.WorkerUp();
    h.Load(dag);
    h.Trigger("d", {.run_id = "r1"});
    h.Trigger("d", {.run_id = "r2", .logical_date = At("2026-01-02T00:00:00Z")});
  }

  EngineHarness h;
};

TEST_F(RunsTest, CancelKillsWhatRunsAndSkipsTheRest) {
  const std::string run = Begin(Three(""));
  h.Start("a");
  h.TakeStarts();
  h.Cancel("d", run);
  EXPECT_EQ(h.TakeKills(), (Names{"a", "b"}));
  EXPECT_EQ(h.States(), "a=running b=queued c=skipped");
  EXPECT_EQ(h.Headline("a"), "terminating");
  EXPECT_EQ(h.Row("c").skip_reason, "cancelled");
  EXPECT_EQ(h.RunStateOf(), "running");
  h.Finish("a", outcome::Killed{});
  h.Finish("b", outcome::Killed{});
  EXPECT_EQ(h.States(), "a=failed b=failed c=skipped");
  EXPECT_EQ(h.RunStateOf(), "failed");
  EXPECT_EQ(h.Run().reason, RunReason::kCancelled);
  EXPECT_EQ(h.db.attempts.at(AttemptId{1}).kill_reason, "cancelled");
  const std::string note = R"({"kind":"killed","message":"the run was cancelled"})";
  EXPECT_EQ(h.Row("a").failure, note);
  EXPECT_EQ(h.db.attempts.at(AttemptId{1}).failure, note);
  h.ExpectQuiet();
}

TEST_F(RunsTest, OutcomesThatArriveAfterTheKillOrder) {
  struct Case {
    AttemptOutcome outcome;
    std::string state;
  };
  const std::vector<Case> cases = {
      {outcome::Succeeded{}, "success"}, {outcome::Skipped{}, "skipped"},
      {outcome::Killed{}, "failed"},     {outcome::Failed{"exit", "", 1, 0}, "failed"},
      {outcome::TimedOut{}, "failed"},   {outcome::Lost{"gone"}, "failed"},
  };
  for (const Case& c : cases) {
    EngineHarness own;
    own.WorkerUp();
    own.Load(One(""));
    const std::string run = own.Trigger("d");
    own.Cancel("d", run);
    own.Finish("a", c.outcome);
    EXPECT_EQ(own.StateOf("a"), c.state);
    EXPECT_EQ(own.RunStateOf(), "failed");
    EXPECT_EQ(own.Run().reason, RunReason::kCancelled);
  }
}

TEST_F(RunsTest, CancelOfARunThatWaitsForARetryEndsItAtOnce) {
  const std::string run = Begin(Three(""));
  h.Fail("a");
  h.Finish("b");
  h.TakeStarts();
  h.Cancel("d", run);
  EXPECT_EQ(h.States(), "a=skipped b=success c=skipped");
  EXPECT_EQ(h.RunStateOf(), "failed");
  h.Advance(hours{2});
  h.ExpectQuiet();
}

TEST_F(RunsTest, CancelTwiceOringOfAnEndedRun) {
  const std::string run = Begin(One(""));
  h.Cancel("d", run);
  h.Cancel("d", run);
  EXPECT_EQ(h.TakeKills(), Names{"a"});
  h.Finish("a", outcome::Killed{});
  const auto again = h.Ask(event::CancelRun{{}, "d", run});
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().code, ErrorCode::kConflict);
}

TEST_F(RunsTest, RestartDuringACancelRepeatsTheKillOrder) {
  const std::string run = Begin(Three(""));
  h.Start("a");
  h.Cancel("d", run);
  h.TakeKills();
  h.TakeStarts();
  h.Restart();
  EXPECT_EQ(h.TakeKills(), (Names{"a", "b"}));
  h.Finish("a", outcome::Killed{});
  h.ForgetHeld();
  h.WorkerDown();
  h.WorkerUp();  // b never started
  EXPECT_NE(h.Row("b").failure.find("the run was cancelled"), std::string::npos);
  EXPECT_EQ(h.States(), "a=failed b=failed c=skipped");
  EXPECT_EQ(h.RunStateOf(), "failed");
  EXPECT_EQ(h.Run().reason, RunReason::kCancelled);
  h.ExpectQuiet();
}

TEST_F(RunsTest, CancelOfAQueuedRun) {
  BeginTwo(One(R"("max_active_runs": 1, )"));
  EXPECT_EQ(h.RunStateOf("r2"), "queued");
  h.Cancel("d", "r2");
  EXPECT_EQ(h.RunStateOf("r2"), "failed");
  EXPECT_EQ(h.Run("r2").reason, RunReason::kCancelled);
}

TEST_F(RunsTest, RunTimeoutStopsTheRun) {
  Begin(Three(R"("run_timeout": "30m", )"));
  h.Finish("b");
  h.TakeStarts();
  h.AdvanceToWake();
  EXPECT_EQ(h.TakeKills(), Names{"a"});
  h.Finish("a", outcome::Killed{});
  EXPECT_EQ(h.States(), "a=failed b=success c=skipped");
  EXPECT_EQ(h.Run().reason, RunReason::kRunTimeout);
  EXPECT_NE(h.Row("a").failure.find("run_timeout"), std::string::npos);
  EXPECT_EQ(h.RunStateOf(), "failed");
}

TEST_F(RunsTest, RunTimeoutSurvivesARestart) {
  Begin(Three(R"("run_timeout": "30m", )"));
  h.Advance(minutes{20});
  h.Restart();
  h.Advance(minutes{10});
  EXPECT_EQ(h.TakeKills(), (Names{"a", "b"}));
}

TEST_F(RunsTest, QueuedTimeDoesNotCountForRunTimeout) {
  BeginTwo(One(R"("run_timeout": "30m", "max_active_runs": 1, )"));
  h.Advance(minutes{29});
  h.Finish("r1/a");
  h.Advance(minutes{29});
  EXPECT_EQ(h.RunStateOf("r2"), "running");
  h.Advance(minutes{1});
  EXPECT_EQ(h.Run("r2").reason, RunReason::kRunTimeout);
}

TEST_F(RunsTest, QueueExpiryEndsQueuedRuns) {
  for (const bool restart : {false, true}) {
    EngineHarness own;
    own.Load(One(R"("queue_expiry": "1h", "max_active_runs": 1, )"));
    own.Trigger("d", {.run_id = "r1"});
    own.Trigger("d", {.run_id = "r2", .logical_date = At("2026-01-02T00:00:00Z")});
    own.Advance(minutes{59});
    if (restart) own.Restart();
    EXPECT_EQ(own.RunStateOf("r2"), "queued");
    own.Advance(minutes{1});
    EXPECT_EQ(own.RunStateOf("r2"), "failed") << restart;
    EXPECT_EQ(own.Run("r2").reason, RunReason::kQueueExpired);
    EXPECT_EQ(own.RunStateOf("r1"), "running");
  }
}

TEST_F(RunsTest, FailFastStopsAtTheFirstFinalFailure) {
  Begin(Three(R"("fail_fast": true, )"));
  h.Fail("a");  // retried: not final
  EXPECT_EQ(h.TakeKills(), Names{});
  h.Fail("b");
  EXPECT_EQ(h.States(), "a=skipped b=failed c=skipped");
  EXPECT_EQ(h.RunStateOf(), "failed");
  EXPECT_EQ(h.Run().reason, RunReason::kTaskFailed);
}

TEST_F(RunsTest, FailFastAlsoForTemplatesThatDoNotResolve) {
  h.WorkerUp();
  h.Load(R"({"format": 1, "dag_id": "d", "fail_fast": true, "tasks": [
    {"id": "a", "type": "exec", "argv": ["true"]},
    {"id": "b", "type": "exec", "argv": ["{{ outputs.a.missing }}"], "depends_on": ["a"]},
    {"id": "e", "type": "exec", "argv": ["true"]},
    {"id": "f", "type": "exec", "argv": ["true"], "depends_on": ["e"]}]})");
  h.Trigger("d");
  h.Finish("a", outcome::Succeeded{}, "{}");
  EXPECT_EQ(h.StateOf("b"), "failed");
  EXPECT_EQ(h.TakeKills(), Names{"e"});
  EXPECT_EQ(h.StateOf("f"), "skipped");
}

TEST_F(RunsTest, HiddenFailuresOfAGreenRun) {
  Begin(AndThen(""));
  h.Fail("a");
  h.Finish("b");
  EXPECT_EQ(h.RunStateOf(), "success");
  EXPECT_EQ(h.Run().hidden_failures, 1);
}

TEST_F(RunsTest, FailIfAnyFailed) {
  Begin(AndThen(R"("fail_if_any_failed": true, )"));
  h.Fail("a");
  h.Finish("b");
  EXPECT_EQ(h.RunStateOf(), "failed");
}

TEST_F(RunsTest, MaxActiveRunsStartsTheOldestFirst) {
  h.WorkerUp();
  h.Load(One(R"("max_active_runs": 2, )"));
  for (const char* id : {"r5", "r3", "r4", "r1"}) {
    h.Trigger("d",
              {.run_id = id, .logical_date = At(fmt::format("2026-01-0{}T00:00:00Z", id + 1))});
  }
  EXPECT_EQ(h.RunIds("d", "running"), (Names{"r5", "r3"}));
  EXPECT_EQ(h.engine().ExplainRun("d", "r1", h.now)->reasons.at(0).code, "max_active_runs");
  h.Finish("r5/a");
  EXPECT_EQ(h.RunIds("d", "running"), (Names{"r3", "r1"}));
  h.Finish("r3/a");
  EXPECT_EQ(h.RunIds("d", "running"), (Names{"r4", "r1"}));
}

TEST_F(RunsTest, PausedDagStartsNothingAndRunningRunsFinish) {
  h.WorkerUp();
  h.Load(Three(""));
  h.Trigger("d", {.run_id = "r1"});
  h.Pause("d", true);
  h.Trigger("d", {.run_id = "r2", .logical_date = At("2026-01-02T00:00:00Z")});
  EXPECT_EQ(h.RunStateOf("r2"), "queued");
  EXPECT_EQ(h.engine().ExplainRun("d", "r2", h.now)->reasons.at(0).code, "dag_paused");
  h.Finish("r1/a");
  h.Finish("r1/b");
  h.Finish("r1/c");
  EXPECT_EQ(h.RunStateOf("r1"), "success");
  EXPECT_EQ(h.RunStateOf("r2"), "queued");
  h.Pause("d", false);
  EXPECT_EQ(h.RunStateOf("r2"), "running");
}

TEST_F(RunsTest, TriggerRefusals) {
  h.Load(One(R"("params": {"n": {"type": "integer", "default": 1}}, )"));
  h.Trigger("d", {.run_id = "r1", .logical_date = At("2026-01-02T00:00:00Z")});
  const auto refusal = [&](auto change) {
    event::TriggerRun wanted;
    wanted.dag_id = "d";
    change(wanted);
    return h.Ask(wanted).error().code;
  };
  using Wanted = event::TriggerRun;
  EXPECT_EQ(refusal([](Wanted& w) { w.run_id = "r1"; }), ErrorCode::kConflict);
  EXPECT_EQ(refusal([](Wanted& w) { w.logical_date = At("2026-01-02T00:00:00Z"); }),
            ErrorCode::kConflict);
  EXPECT_EQ(refusal([](Wanted& w) { w.taken_by = "old"; }), ErrorCode::kConflict);
  EXPECT_EQ(refusal([](Wanted& w) { w.conf = R"({"n": "many"})"; }), ErrorCode::kInvalid);
  EXPECT_EQ(refusal([](Wanted& w) { w.dag_id = "e"; }), ErrorCode::kNotFound);
  EXPECT_EQ(refusal([](Wanted& w) { w.run_id = "scheduled__x"; }), ErrorCode::kInvalid);
  EXPECT_EQ(refusal([](Wanted& w) { w.run_id = "a b"; }), ErrorCode::kInvalid);
  EXPECT_EQ(h.db.runs.size(), 1u);
}

TEST_F(RunsTest, ParamsReachTheTask) {
  h.WorkerUp();
  h.Load(R"({"format": 1, "dag_id": "d", "params": {"n": {"type": "integer", "default": 1}},
    "tasks": [{"id": "a", "type": "exec", "argv": ["{{ params.n }}", "{{ dag_run.conf.x }}"]}]})");
  h.Trigger("d", {.conf = R"({"n": 7, "x": "y"})"});
  EXPECT_EQ(h.Spec("a").argv, (Names{"7", "y"}));
}

TEST_F(RunsTest, ManualRunsInOneInstantGetDifferentIds) {
  h.Load(One(""));
  const std::string first = h.Trigger("d", {.null_logical_date = true});
  const std::string second = h.Trigger("d", {.null_logical_date = true});
  EXPECT_EQ(first, "manual__2026-01-05T00:00:00+00:00");
  EXPECT_NE(first, second);
}

TEST_F(RunsTest, ManualRunsInOneInstantGetDifferentDates) {
  h.Load(One(""));
  std::set<Instant> dates;
  for (int i = 0; i < 20; ++i) h.Trigger("d");
  for (const auto& [key, run] : h.db.runs) dates.insert(run.logical_date.value());
  EXPECT_EQ(dates.size(), 20u);
  EXPECT_EQ(*dates.begin(), h.now);
  EXPECT_LE(*dates.rbegin(), h.now + std::chrono::milliseconds{1});
}

TEST_F(RunsTest, TriggerMayUnpauseAndThenTheScheduleRuns) {
  h.now += hours{1};
  h.WorkerUp();
  h.Load(Daily("latest"), true);
  EXPECT_EQ(h.wake_at(), std::nullopt);
  h.Trigger("d", {.null_logical_date = true, .unpause = true});
  EXPECT_FALSE(h.db.dags.at("d").paused);
  EXPECT_EQ(h.RunIds("d", "running").size(), 2u);  // the manual one and the latest slot
  ASSERT_TRUE(h.wake_at().has_value());
  h.AdvanceToWake();
  EXPECT_EQ(h.RunIds("d", "running").size(), 3u);
  EXPECT_EQ(h.EventsOf("dag.unpaused"), 1u);
}

TEST_F(RunsTest, PinnedVersionAndTheBacklogTakesTheNewest) {
  BeginTwo(One(R"("max_active_runs": 1, )", "old"));
  h.TakeStarts();
  h.Load(One(R"("max_active_runs": 1, )", "new"));
  EXPECT_EQ(h.db.dags.at("d").version, 2);
  h.Lose("r1/a");
  EXPECT_EQ(h.Spec("r1/a").argv, Names{"old"});
  h.Restart();
  h.Lose("r1/a");
  h.AdvanceToWake();
  EXPECT_EQ(h.Spec("r1/a").argv, Names{"old"});
  h.Finish("r1/a");
  EXPECT_EQ(h.Spec("r2/a").argv, Names{"new"});
  EXPECT_EQ(h.Run("r1").version, 1);
  EXPECT_EQ(h.Run("r2").version, 2);
}

TEST_F(RunsTest, EqualTextChangesNothing) {
  h.Load(One(""));
  const auto reply = h.Ask(event::ApplyDag{{}, h.Parse(One("")), true, false, {}});
  EXPECT_FALSE(std::get<DagReply>(*reply).changed);
  EXPECT_TRUE(h.last_changes.empty());
}

// default_pool is there from the start.
TEST(LimitsTest, OneDagOrPoolTooManyIsRefused) {
  EngineConfig config;
  config.max_dags = 2;
  config.max_pools = 2;
  EngineHarness h(config);
  const auto dag = [](const char* id, const char* more = "") {
    return fmt::format(R"({{"dag_id": "{}", {}"tasks": [{{"id": "a", "type": "noop"}}]}})", id,
                       more);
  };
  h.Load(dag("one"));
  h.Load(dag("two"));
  h.Restart();
  const auto third = h.Ask(event::ApplyDag{{}, h.Parse(dag("three")), true, false, {}});
  ASSERT_FALSE(third.ok());
  EXPECT_EQ(third.error().code, ErrorCode::kConflict);
  EXPECT_EQ(third.error().message, "DAG \"three\" is one too many: the maximum is 2");
  EXPECT_FALSE(third.error().hint.empty());
  EXPECT_TRUE(h.last_changes.empty());
  h.Load(dag("two", R"("max_active_runs": 3, )"));  // those that are there go on changing

  h.Pool("p", 1);
  const auto pool = h.Ask(event::PutPool{{}, {"q", 1, "", false}});
  ASSERT_FALSE(pool.ok());
  EXPECT_EQ(pool.error().code, ErrorCode::kConflict);
  EXPECT_EQ(pool.error().message, "pool \"q\" is one too many: the maximum is 2");
  EXPECT_TRUE(h.last_changes.empty());
  h.Pool("p", 5);
  ASSERT_TRUE(h.Ask(event::DeletePool{{}, "p"}).ok());
  h.Pool("q", 1);
}

TEST_F(RunsTest, LimitsFollowTheNewestVersion) {
  h.WorkerUp();
  h.Load(One(R"("max_active_runs": 1, )"));
  for (int day = 1; day <= 3; ++day) {
    h.Trigger("d", {.run_id = fmt::format("r{}", day),
                    .logical_date = At(fmt::format("2026-01-0{}T00:00:00Z", day))});
  }
  EXPECT_EQ(h.RunIds("d", "running").size(), 1u);
  h.Load(One(R"("max_active_runs": 3, )"));
  EXPECT_EQ(h.RunIds("d", "running").size(), 3u);
}

TEST_F(RunsTest, ConfThatNoLongerFitsEndsTheQueuedRun) {
  h.Load(One(R"("max_active_runs": 1, )"));
  h.WorkerUp();
  h.Trigger("d", {.run_id = "r1"});
  h.Trigger("d",
            {.run_id = "r2", .logical_date = At("2026-01-02T00:00:00Z"), .conf = R"({"n": "x"})"});
  h.Load(One(R"("max_active_runs": 1, "params": {"n": {"type": "integer", "default": 1}}, )"));
  h.Finish("r1/a");
  EXPECT_EQ(h.RunStateOf("r2"), "failed");
  EXPECT_EQ(h.Run("r2").reason, RunReason::kParamsInvalid);
}

TEST_F(RunsTest, CatchupOfANewDag) {
  const std::vector<std::pair<std::string, Names>> cases = {
      {"none", {}},
      {"latest", {"scheduled__2026-01-04T00:00:00+00:00"}},
      {"all",
       {"scheduled__2026-01-01T00:00:00+00:00", "scheduled__2026-01-02T00:00:00+00:00",
        "scheduled__2026-01-03T00:00:00+00:00", "scheduled__2026-01-04T00:00:00+00:00"}}};
  for (const auto& [catchup, runs] : cases) {
    EngineHarness own;
    own.now += hours{15};
    own.Load(Daily(catchup));
    EXPECT_EQ(own.RunIds("d", "running"), runs) << catchup;
    EXPECT_EQ(own.wake_at(), At("2026-01-06T00:00:00Z"));
    own.AdvanceToWake();
    EXPECT_EQ(own.RunIds("d", "running").back(), "scheduled__2026-01-05T00:00:00+00:00");
  }
}

TEST_F(RunsTest, NoSlotIsDecidedTwiceOverRestartsAndNewVersions) {
  h.WorkerUp();
  h.Load(Daily("all"));
  for (int i = 0; i < 6; ++i) {
    h.Restart();
    h.Load(One(fmt::format(R"("description": "{}", "schedule": {{"cron": "@daily",
      "start_date": "2026-01-01", "catchup": "all"}}, )",
                           i)));
    h.AdvanceToWake();
  }
  EXPECT_EQ(h.db.runs.size(), 10u);
}

TEST_F(RunsTest, SlotWhoseDateAManualRunHasGetsNoSecondRun) {
  for (const bool restart : {false, true}) {
    EngineHarness own;
    own.now += hours{1};
    own.WorkerUp();
    own.Load(Daily("latest"));
    own.Finish("a");
    // The slot of Jan 5 is decided tomorrow; its date is taken today, by a run that ends today.
    own.Trigger("d", {.run_id = "mine", .logical_date = At("2026-01-05T00:00:00Z")});
    own.Finish("mine/a");
    if (restart) own.Restart();
    own.AdvanceTo(At("2026-01-06T00:00:00Z"));
    EXPECT_EQ(own.db.runs.size(), 2u);
    EXPECT_EQ(own.db.slots.at({"d", At("2026-01-06T00:00:00Z")}).reason, "in_flight") << restart;
    own.AdvanceTo(At("2026-01-07T00:00:00Z"));
    EXPECT_EQ(own.db.runs.size(), 3u);
  }
}

TEST_F(RunsTest, PauseMissesSlotsAndUnpauseCatchesUp) {
  h.now += hours{1};
  h.Load(Daily("latest"));
  h.Pause("d", true);
  h.AdvanceTo(At("2026-01-08T12:00:00Z"));
  EXPECT_EQ(h.db.runs.size(), 1u);
  h.Pause("d", false);
  EXPECT_EQ(h.db.runs.size(), 2u);
  EXPECT_EQ(h.Run().run_id, "scheduled__2026-01-07T00:00:00+00:00");
  EXPECT_EQ(h.db.slots.at({"d", At("2026-01-07T00:00:00Z")}).reason, "catchup_latest");
}

TEST_F(RunsTest, Overlap) {
  struct Case {
    std::string overlap;
    int running;
    int queued;
  };
  // Three slots come while the first run goes on.
  for (const Case& c : {Case{"queue", 1, 3}, Case{"skip", 1, 0}, Case{"buffer_one", 1, 1}}) {
    EngineHarness own;
    own.now += hours{1};
    own.WorkerUp();
    own.Load(One(fmt::format(R"("max_active_runs": 1, "schedule": {{"cron": "@daily",
      "start_date": "2026-01-01", "catchup": "none", "overlap": "{}"}}, )",
                             c.overlap)));
    for (int day = 0; day < 4; ++day) own.AdvanceToWake();
    EXPECT_EQ(own.RunIds("d", "running").size(), static_cast<std::size_t>(c.running)) << c.overlap;
    EXPECT_EQ(own.RunIds("d", "queued").size(), static_cast<std::size_t>(c.queued)) << c.overlap;
  }
}

TEST_F(RunsTest, BufferOneCountsPlacesNotQueues) {
  h.WorkerUp();
  h.Load(Three(R"("max_active_runs": 2, "schedule": {"cron": "@daily",
    "start_date": "2026-01-01", "catchup": "all", "overlap": "buffer_one"}, )"));
  EXPECT_EQ(h.RunIds("d", "running").size(), 2u);
  EXPECT_EQ(h.RunIds("d", "queued").size(), 1u);
}

TEST_F(RunsTest, CancelOtherEndsTheOldest) {
  h.now += hours{1};
  h.WorkerUp();
  h.Load(One(R"("max_active_runs": 1, "schedule": {"cron": "@daily",
    "start_date": "2026-01-01", "catchup": "none", "overlap": "cancel_other"}, )"));
  h.AdvanceToWake();
  h.TakeStarts();
  h.AdvanceToWake();
  EXPECT_EQ(h.TakeKills(), Names{"a"});
  EXPECT_EQ(h.RunIds("d", "queued").size(), 1u);
  h.Finish("a", outcome::Killed{});
  EXPECT_EQ(h.RunIds("d", "running").size(), 1u);
  EXPECT_EQ(h.db.runs.begin()->second.reason, RunReason::kOverlapCancelled);
}

TEST_F(RunsTest, EndDateEndsTheSchedule) {
  h.Load(Daily("latest", R"(, "end_date": "2026-01-06")"));
  h.AdvanceToWake();
  h.AdvanceToWake();
  EXPECT_EQ(h.Run().run_id, "scheduled__2026-01-06T00:00:00+00:00");
  EXPECT_EQ(h.wake_at(), std::nullopt);
}

TEST_F(RunsTest, ManualRunsOfAnUnscheduledDagLeaveNothingBehind) {
  h.WorkerUp();
  // Their timers are due long after the runs have ended.
  h.Load(One(R"("run_timeout": "20h", "queue_expiry": "30h", )"));
  for (int i = 0; i < 20; ++i) {
    h.Trigger("d", {.run_id = fmt::format("r{}", i)});
    h.Finish("a");
    h.Advance(seconds{1});
    EXPECT_EQ(h.engine().live_runs(), 0u);
  }
  EXPECT_EQ(h.wake_at(), std::nullopt);
}

}  // namespace
}  // namespace nightmill
