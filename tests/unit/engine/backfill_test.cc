// Backfills: verdicts, order, limits, control, reruns, completion (semantics.md 10).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>
#include <tuple>

#include "tests/support/engine_harness.h"

namespace nightmill {
namespace {

using std::chrono::hours;

Instant At(std::string_view text) { return *ParseInstant(text); }

constexpr std::string_view kDaily = R"({"format": 1, "dag_id": "d", "max_active_runs": 1,
  "schedule": {"cron": "@daily", "start_date": "2026-01-01", "catchup": "none"},
  "tasks": [{"id": "a", "type": "exec", "argv": ["{{ ds }}"]}]})";

std::string BackfillRun(int day) {
  return fmt::format("backfill__2026-01-0{}T00:00:00+00:00", day);
}

// "01:create 02:skip/in_flight" with the day of the month.
std::string Verdicts(const BackfillReply& reply) {
  std::string text;
  for (const BackfillPreviewRow& row : reply.rows) {
    text +=
        fmt::format("{}{}:{}{}", text.empty() ? "" : " ", FormatDate(row.logical_date).substr(8),
                    row.verdict, row.reason.empty() ? "" : "/" + row.reason);
  }
  return text;
}

struct BackfillTest : testing::Test {
  BackfillTest() {
    h.now += hours{1};
    h.WorkerUp();
    h.Load(kDaily);
  }
  std::string SlotStates() const {
    std::string text;
    for (const auto& [key, slot] : h.db.backfill_slots) {
      text += fmt::format("{}{}", text.empty() ? "" : " ", slot.state);
    }
    return text;
  }
  BackfillRow Row() const { return h.db.backfills.rbegin()->second; }
  void Control(event::BackfillAction action) {
    EXPECT_TRUE(h.Ask(event::ControlBackfill{{}, Row().backfill, action}).ok());
  }

  EngineHarness h;
};

TEST_F(BackfillTest, RunsEachSlotAndCompletes) {
  const auto reply = h.Backfill("d", "2026-01-01", "2026-01-03");
  ASSERT_TRUE(reply.ok()) << reply.error().message;
  EXPECT_EQ(Verdicts(*reply), "01:create 02:create 03:create");
  EXPECT_EQ(h.RunIds("d", "running").size(), 3u);  // its own limit, not that of live runs
  EXPECT_EQ(h.Spec(BackfillRun(2) + "/a").argv, Names{"2026-01-02"});
  for (int day = 1; day <= 3; ++day) h.Finish(BackfillRun(day) + "/a");
  EXPECT_EQ(Row().state, BackfillState::kCompleted);
  EXPECT_EQ(Row().outcome, "success");
  EXPECT_EQ(SlotStates(), "done done done");
  EXPECT_EQ(h.Run(BackfillRun(1)).type, RunType::kBackfill);
  EXPECT_EQ(h.Run(BackfillRun(1)).lane, Lane::kBackfill);
  EXPECT_EQ(h.Run(BackfillRun(1)).backfill, Row().backfill);
}

// Tasks that never leave the engine: the rest waits for the next step, so that a pause gets in.
TEST_F(BackfillTest, InstantRunsDoNotHoldTheStep) {
  h.Load(R"({"format": 1, "dag_id": "n",
    "schedule": {"cron": "* * * * *", "start_date": "2026-01-01", "catchup": "none"},
    "tasks": [{"id": "a", "type": "noop"}]})");
  BackfillOptions options;
  options.max_active_runs = 1;
  ASSERT_TRUE(h.Backfill("n", "2026-01-01", "2026-01-01", options).ok());
  const std::size_t first = h.RunIds("n", "success").size();
  EXPECT_GT(first, 0u);
  EXPECT_LT(first, 1000u);
  EXPECT_EQ(h.wake_at(), h.now);
  Control(event::BackfillAction::kPause);
  EXPECT_EQ(Row().state, BackfillState::kPaused);
  EXPECT_LT(h.RunIds("n", "success").size(), 1000u);
  Control(event::BackfillAction::kUnpause);
  while (h.wake_at() == h.now) h.Apply();
  EXPECT_EQ(h.db.backfill_slots.size(), 1440u);
  EXPECT_EQ(Row().outcome, "success");
}

TEST_F(BackfillTest, OneFailureMakesTheOutcomeFailed) {
  ASSERT_TRUE(h.Backfill("d", "2026-01-01", "2026-01-02").ok());
  h.Fail(BackfillRun(1) + "/a");
  EXPECT_EQ(Row().state, BackfillState::kActive);
  h.Finish(BackfillRun(2) + "/a");
  EXPECT_EQ(Row().state, BackfillState::kCompleted);
  EXPECT_EQ(Row().outcome, "failed");
}

TEST_F(BackfillTest, OwnLimitAndDirection) {
  ASSERT_TRUE(
      h.Backfill("d", "2026-01-01", "2026-01-03", {.max_active_runs = 1, .run_backwards = true})
          .ok());
  EXPECT_EQ(h.RunIds("d", "running"), Names{BackfillRun(3)});
  h.Finish("a");
  EXPECT_EQ(h.RunIds("d", "running"), Names{BackfillRun(2)});
  h.Restart();
  h.Finish("a");
  EXPECT_EQ(h.RunIds("d", "running"), Names{BackfillRun(1)});
  h.Finish("a");
  EXPECT_EQ(Row().state, BackfillState::kCompleted);
}

TEST_F(BackfillTest, Refusals) {
  const auto code = [&](const std::string& dag, const std::string& from, const std::string& to,
                        const BackfillOptions& options = {}) {
    return h.Backfill(dag, from, to, options).error().code;
  };
  h.Load(R"({"format": 1, "dag_id": "plain", "tasks": [{"id": "a", "type": "noop"}]})");
  EXPECT_EQ(code("nobody", "2026-01-01", "2026-01-02"), ErrorCode::kNotFound);
  EXPECT_EQ(code("plain", "2026-01-01", "2026-01-02"), ErrorCode::kInvalid);
  EXPECT_EQ(code("d", "2026-01-03", "2026-01-02"), ErrorCode::kInvalid);
  EXPECT_EQ(code("d", "yesterday", "2026-01-02"), ErrorCode::kInvalid);
  EXPECT_EQ(code("d", "2027-01-01", "2027-01-02"), ErrorCode::kConflict);
  EXPECT_EQ(code("d", "2026-01-01", "2026-01-02", {.max_active_runs = 0}), ErrorCode::kInvalid);
  EXPECT_EQ(code("d", "2026-01-01", "2026-01-02", {.max_active_runs = 1001}), ErrorCode::kInvalid);
  EXPECT_TRUE(h.db.backfills.empty());
}

TEST_F(BackfillTest, EveryVerdict) {
  h.Trigger("d", {.run_id = "good", .logical_date = At("2026-01-01T00:00:00Z")});
  h.Finish("a");
  h.Trigger("d", {.run_id = "bad", .logical_date = At("2026-01-02T00:00:00Z")});
  h.Fail("a");
  h.Trigger("d", {.run_id = "live", .logical_date = At("2026-01-03T00:00:00Z")});
  ASSERT_TRUE(h.Backfill("d", "2025-12-31", "2025-12-31").ok());
  const auto verdicts = [&](ReprocessBehavior reprocess) {
    const auto reply =
        h.Backfill("d", "2025-12-31", "2026-01-05", {.reprocess = reprocess, .dry_run = true});
    return reply.ok() ? Verdicts(*reply) : reply.error().message;
  };
  EXPECT_EQ(verdicts(ReprocessBehavior::kNone),
            "31:skip/in_flight 01:skip/already_success 02:skip/already_failed 03:skip/in_flight "
            "04:create 05:skip/not_ended");
  EXPECT_EQ(verdicts(ReprocessBehavior::kFailed),
            "31:skip/in_flight 01:skip/already_success 02:rerun 03:skip/in_flight 04:create "
            "05:skip/not_ended");
  EXPECT_EQ(verdicts(ReprocessBehavior::kCompleted),
            "31:skip/in_flight 01:rerun 02:rerun 03:skip/in_flight 04:create 05:skip/not_ended");
  EXPECT_EQ(h.db.backfills.size(), 1u);
}

TEST_F(BackfillTest, ClaimedSlots) {
  ASSERT_TRUE(h.Backfill("d", "2026-01-01", "2026-01-03", {.max_active_runs = 1}).ok());
  const auto other = h.Backfill("d", "2026-01-02", "2026-01-04");
  ASSERT_TRUE(other.ok());
  EXPECT_EQ(Verdicts(*other), "02:skip/claimed 03:skip/claimed 04:create");
  for (const int day : {4, 1, 2, 3}) h.Finish(BackfillRun(day) + "/a");
  for (const auto& [id, row] : h.db.backfills) EXPECT_EQ(row.state, BackfillState::kCompleted);
}

TEST_F(BackfillTest, PreviewEqualsCreation) {
  const auto preview = h.Backfill("d", "2026-01-01", "2026-01-05", {.dry_run = true});
  const auto created = h.Backfill("d", "2026-01-01", "2026-01-05");
  ASSERT_TRUE(preview.ok() && created.ok());
  EXPECT_EQ(Verdicts(*preview), Verdicts(*created));
  EXPECT_EQ(h.RunIds("d", "running").size(), 4u);
}

TEST_F(BackfillTest, PauseAndUnpause) {
  ASSERT_TRUE(h.Backfill("d", "2026-01-01", "2026-01-03", {.max_active_runs = 1}).ok());
  Control(event::BackfillAction::kPause);
  h.Finish("a");
  EXPECT_EQ(h.RunIds("d", "running"), Names{});
  EXPECT_EQ(SlotStates(), "done planned planned");
  h.Restart();
  EXPECT_EQ(h.RunIds("d", "running"), Names{});
  Control(event::BackfillAction::kUnpause);
  h.Finish("a");
  h.Finish("a");
  EXPECT_EQ(Row().state, BackfillState::kCompleted);
}

TEST_F(BackfillTest, PausedWithAllRunsDoneCompletesWhenUnpaused) {
  ASSERT_TRUE(h.Backfill("d", "2026-01-01", "2026-01-01").ok());
  Control(event::BackfillAction::kPause);
  h.Finish("a");
  EXPECT_EQ(Row().state, BackfillState::kPaused);
  Control(event::BackfillAction::kUnpause);
  EXPECT_EQ(Row().state, BackfillState::kCompleted);
}

TEST_F(BackfillTest, CancelLetsRunningRunsEnd) {
  ASSERT_TRUE(h.Backfill("d", "2026-01-01", "2026-01-04", {.max_active_runs = 2}).ok());
  Control(event::BackfillAction::kCancel);
  EXPECT_EQ(SlotStates(), "created created cancelled cancelled");
  EXPECT_EQ(Row().state, BackfillState::kCancelled);
  h.Finish(BackfillRun(1) + "/a");
  h.Finish(BackfillRun(2) + "/a");
  EXPECT_EQ(SlotStates(), "done done cancelled cancelled");
  EXPECT_EQ(h.engine().live_runs(), 0u);
  EXPECT_EQ(h.Ask(event::ControlBackfill{{}, Row().backfill, event::BackfillAction::kUnpause})
                .error()
                .code,
            ErrorCode::kConflict);
}

TEST_F(BackfillTest, CancelEndsQueuedRuns) {
  ASSERT_TRUE(h.Backfill("d", "2026-01-01", "2026-01-02").ok());
  h.Pause("d", true);
  h.Load(R"({"format": 1, "dag_id": "e", "paused_upon_creation": false,
    "schedule": {"cron": "@daily", "start_date": "2026-01-01", "catchup": "none"},
    "tasks": [{"id": "a", "type": "noop"}]})");
  Control(event::BackfillAction::kCancel);
  EXPECT_EQ(Row().state, BackfillState::kCancelled);
}

TEST_F(BackfillTest, PausedDagHoldsTheBackfill) {
  h.Pause("d", true);
  ASSERT_TRUE(h.Backfill("d", "2026-01-01", "2026-01-02").ok());
  EXPECT_EQ(SlotStates(), "planned planned");
  h.Pause("d", false);
  EXPECT_EQ(SlotStates(), "created created");
}

TEST_F(BackfillTest, RerunClearsTheSameRun) {
  h.Trigger("d", {.run_id = "mine", .logical_date = At("2026-01-02T00:00:00Z")});
  h.Fail("a");
  const RunKey key = h.Run("mine").run;
  ASSERT_TRUE(
      h.Backfill("d", "2026-01-02", "2026-01-02", {.reprocess = ReprocessBehavior::kFailed}).ok());
  ASSERT_EQ(h.TakeLoads().size(), 1u);
  EXPECT_EQ(h.RunStateOf("mine"), "failed");
  h.AnswerLoad();
  EXPECT_EQ(h.RunStateOf("mine"), "running");
  EXPECT_EQ(h.Run("mine").run, key);
  EXPECT_EQ(h.Run("mine").type, RunType::kManual);
  EXPECT_EQ(h.Run("mine").lane, Lane::kBackfill);
  EXPECT_EQ(h.Run("mine").clear_number, 1);
  EXPECT_EQ(SlotStates(), "created");
  h.Finish("a");
  EXPECT_EQ(h.RunStateOf("mine"), "success");
  EXPECT_EQ(h.Run("mine").reason, RunReason::kNone);
  EXPECT_EQ(Row().outcome, "success");
}

TEST_F(BackfillTest, RerunAsksAgainAfterARestart) {
  h.Trigger("d", {.run_id = "mine", .logical_date = At("2026-01-02T00:00:00Z")});
  h.Fail("a");
  ASSERT_TRUE(
      h.Backfill("d", "2026-01-02", "2026-01-02", {.reprocess = ReprocessBehavior::kFailed}).ok());
  h.Restart();
  h.AnswerLoad();
  h.Restart();
  h.Finish("a");
  EXPECT_EQ(Row().state, BackfillState::kCompleted);
}

// One run of three lives: m has two items, then one, then is not mapped; gone leaves the DAG.
TEST_F(BackfillTest, TriesGoOnCountingWhenARunIsRunAgain) {
  const auto load = [&](const std::string& m, const std::string& more) {
    h.Load(fmt::format(R"({{"format": 1, "dag_id": "d",
      "schedule": {{"cron": "@daily", "start_date": "2026-01-01", "catchup": "none"}},
      "tasks": [{{"id": "a", "type": "exec", "argv": ["true"], "retries": 1, "retry_delay": "1m"}},
        {{"id": "m", "type": "exec", "argv": ["true"]{}}}{}]}})",
                       m, more));
  };
  const auto again = [&] {
    ASSERT_TRUE(
        h.Backfill("d", "2026-01-02", "2026-01-02", {.reprocess = ReprocessBehavior::kCompleted})
            .ok());
    h.Pause("d", true);
    h.AnswerLoad();
    EXPECT_EQ(h.RunStateOf("mine"), "queued");
    h.Restart();
  };
  load(R"(, "map": {"over": [1, 2]})", R"(, {"id": "gone", "type": "exec", "argv": ["true"]})");
  h.Trigger("d", {.run_id = "mine", .logical_date = At("2026-01-02T00:00:00Z")});
  h.Fail("a");
  h.Advance(std::chrono::minutes{2});
  for (const char* task : {"a", "m[0]", "m[1]", "gone"}) h.Finish(task);
  EXPECT_EQ(h.Row("a").try_number, 2);

  load(R"(, "map": {"over": [1]})", "");
  again();
  EXPECT_EQ(h.StateOf("a"), "none");
  EXPECT_EQ(h.StateOf("m[1]"), "none");
  EXPECT_EQ(h.Row("a").try_number, 2);
  EXPECT_EQ(h.Row("a").output, "");
  h.Pause("d", false);
  h.Restart();
  EXPECT_EQ(h.Spec("a").try_number, 3);
  EXPECT_EQ(h.Row("a").max_tries, 4);
  EXPECT_EQ(h.Spec("m[0]").try_number, 2);
  EXPECT_EQ(h.StateOf("m[1]"), "removed");
  EXPECT_EQ(h.Row("m[1]").try_number, 1);
  EXPECT_EQ(h.StateOf("gone"), "removed");
  for (const char* task : {"a", "m[0]"}) h.Finish(task);
  EXPECT_EQ(h.RunStateOf("mine"), "success");

  load("", "");
  again();
  h.Cancel("d", "mine");
  EXPECT_EQ(h.RunStateOf("mine"), "failed");
  EXPECT_EQ(h.StateOf("a"), "skipped");
  EXPECT_EQ(h.Row("a").skip_reason, "cancelled");
  h.Pause("d", false);
  again();
  h.Pause("d", false);
  EXPECT_EQ(h.Spec("a").try_number, 4);
  EXPECT_EQ(h.Spec("m").try_number, 1);  // an instance that never was
  h.Finish("m");
  h.Finish("a");

  load(R"(, "map": {"over": [1, 2, 3]})", "");
  again();
  h.Pause("d", false);
  EXPECT_EQ(h.StateOf("m"), "removed");  // it had a try
  EXPECT_EQ(h.Spec("m[0]").try_number, 3);
  EXPECT_EQ(h.Spec("m[1]").try_number, 2);
  EXPECT_EQ(h.Spec("m[2]").try_number, 1);
  std::set<std::tuple<std::string, int, int>> tries;
  for (const auto& [id, attempt] : h.db.attempts) {
    const AttemptTarget& target = h.db.targets.at(id).at(0);
    EXPECT_TRUE(tries.insert({target.task_id, target.map_index, attempt.try_number}).second)
        << "a try number given twice: " << target.task_id << " " << attempt.try_number;
  }
}

TEST_F(BackfillTest, OldTimersOfARerunRunDoNothing) {
  // The first life has a run timeout, a queue expiry, a retry and a sensor; the second has none of
  // these tasks.
  h.Load(R"({"format": 1, "dag_id": "d", "run_timeout": "6h", "queue_expiry": "7h",
    "schedule": {"cron": "@daily", "start_date": "2026-01-01", "catchup": "none"},
    "tasks": [
      {"id": "a", "type": "exec", "argv": ["true"]},
      {"id": "b", "type": "exec", "argv": ["true"], "retries": 1, "retry_delay": "5h"},
      {"id": "s", "type": "sensor.file", "path": "x", "poke_interval": "4h",
       "sensor_timeout": "9h"},
      {"id": "m", "type": "exec", "argv": ["true"], "map": {"over": [1, 2, 3]}, "retries": 1,
       "retry_delay": "5h"}]})");
  const std::string run = h.Trigger("d", {.logical_date = At("2026-01-02T00:00:00Z")});
  h.Poke(false);
  h.Fail("b");
  h.Fail("m[2]");
  h.Cancel("d", run);
  while (h.Holds("a")) h.Finish("a", outcome::Killed{});
  h.Finish("m[0]", outcome::Killed{});
  h.Finish("m[1]", outcome::Killed{});
  EXPECT_EQ(h.RunStateOf(run), "failed");
  h.Load(kDaily);
  h.Pause("d", true);
  ASSERT_TRUE(
      h.Backfill("d", "2026-01-02", "2026-01-02", {.reprocess = ReprocessBehavior::kFailed}).ok());
  h.Pause("d", false);
  h.AnswerLoad();
  h.Pause("d", true);
  EXPECT_EQ(h.RunStateOf(run), "running");
  h.Advance(hours{12});
  EXPECT_EQ(h.RunStateOf(run), "running");
  EXPECT_EQ(h.TakeKills(), (Names{"a", "m[0]", "m[1]"}));
  h.Finish("a");
  EXPECT_EQ(h.RunStateOf(run), "success");
}

TEST_F(BackfillTest, CancelWhileARunIsBeingLoaded) {
  h.Trigger("d", {.run_id = "mine", .logical_date = At("2026-01-02T00:00:00Z")});
  h.Fail("a");
  ASSERT_TRUE(
      h.Backfill("d", "2026-01-02", "2026-01-02", {.reprocess = ReprocessBehavior::kFailed}).ok());
  Control(event::BackfillAction::kCancel);
  h.AnswerLoad();
  EXPECT_EQ(h.RunStateOf("mine"), "failed");
  EXPECT_EQ(SlotStates(), "cancelled");
}

TEST_F(BackfillTest, PauseWhileARunIsBeingLoaded) {
  h.Trigger("d", {.run_id = "mine", .logical_date = At("2026-01-02T00:00:00Z")});
  h.Fail("a");
  ASSERT_TRUE(
      h.Backfill("d", "2026-01-02", "2026-01-02", {.reprocess = ReprocessBehavior::kFailed}).ok());
  Control(event::BackfillAction::kPause);
  h.AnswerLoad();
  EXPECT_EQ(h.RunStateOf("mine"), "failed");
  Control(event::BackfillAction::kUnpause);
  h.AnswerLoad();
  EXPECT_EQ(h.RunStateOf("mine"), "running");
}

TEST_F(BackfillTest, SlotTakenByALiveRunIsLeftToIt) {
  ASSERT_TRUE(h.Backfill("d", "2026-01-01", "2026-01-03", {.max_active_runs = 1}).ok());
  h.Trigger("d", {.run_id = "mine", .logical_date = At("2026-01-02T00:00:00Z")});
  h.Finish(BackfillRun(1) + "/a");
  h.Finish(BackfillRun(3) + "/a");
  EXPECT_EQ(SlotStates(), "done skipped done");
  EXPECT_EQ(Row().state, BackfillState::kCompleted);
}

TEST_F(BackfillTest, SlotTakenByARunThatHasEndedMeanwhile) {
  for (const bool restart : {false, true}) {
    BackfillTest_SlotTakenByARunThatHasEndedMeanwhile_Test* own = this;
    if (restart) own->h.Restart();
    const std::string first = restart ? "2026-01-03" : "2026-01-01";
    const std::string second = restart ? "2026-01-04" : "2026-01-02";
    ASSERT_TRUE(h.Backfill("d", first, second, {.max_active_runs = 1}).ok());
    h.Trigger("d", {.run_id = "mine" + second, .logical_date = At(second + "T00:00:00Z")});
    h.Finish("mine" + second + "/a");
    if (restart) own->h.Restart();
    h.Finish("a");
    EXPECT_EQ(Row().state, BackfillState::kCompleted);
    EXPECT_EQ(h.RunIds("d", "running"), Names{});
  }
}

TEST_F(BackfillTest, LiveRunsGoBeforeTheBackfill) {
  h.Pool("default_pool", 1);
  ASSERT_TRUE(h.Backfill("d", "2026-01-01", "2026-01-03").ok());
  EXPECT_EQ(h.TakeStarts(), Names{"a"});
  h.Trigger("d", {.run_id = "live"});
  h.Finish(BackfillRun(1) + "/a");
  EXPECT_TRUE(h.Holds("live/a"));
  EXPECT_EQ(h.Headline(BackfillRun(2) + "/a"), "pool_full");
}

}  // namespace
}  // namespace nightmill
