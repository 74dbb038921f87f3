// Marking runs as a success or a failure, notes, and pools that go (semantics.md 11, R5, R8).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/support/engine_harness.h"

namespace nightmill {
namespace {

using std::chrono::hours;

Instant At(std::string_view text) { return *ParseInstant(text); }

// a, b -> c; c has a pool; a has one retry.
constexpr std::string_view kDag = R"({"format": 1, "dag_id": "d", "max_active_runs": 1, "tasks": [
    {"id": "a", "type": "exec", "argv": ["true"], "retries": 1, "retry_delay": "1h"},
    {"id": "b", "type": "exec", "argv": ["true"]},
    {"id": "c", "type": "exec", "argv": ["true"], "depends_on": ["a", "b"], "pool": "p"}]})";

struct MarkTest : testing::Test {
  MarkTest() {
    h.Pool("p", 2);
    h.WorkerUp();
    h.Load(kDag);
    h.Trigger("d", {.run_id = "r"});
  }
  // Asks as the daemon does: with the rows of a finished run.
  Result<DagRunRow> Mark(std::optional<RunState> state, std::optional<std::string> note = {},
                         const std::string& run_id = "r") {
    event::MarkRun mark;
    mark.dag_id = "d";
    mark.run_id = run_id;
    mark.state = state;
    mark.note = std::move(note);
    for (const auto& [key, row] : h.db.runs) {
      if (row.run_id == run_id && IsFinished(row.state)) {
        mark.finished = event::LoadedRun{row, h.db.TasksOf(key)};
      }
    }
    const auto reply = h.Ask(std::move(mark));
    if (!reply.ok()) return reply.error();
    return std::get<DagRunRow>(*reply);
  }
  ErrorCode Refused(const Result<DagRunRow>& answer) {
    EXPECT_FALSE(answer.ok());
    return answer.ok() ? ErrorCode::kInternal : answer.error().code;
  }
  void FailB() {
    h.Finish("a");
    h.Fail("b");
    h.TakeStarts();
    ASSERT_EQ(h.States(), "a=success b=failed c=upstream_failed");
  }

  EngineHarness h;
};

TEST_F(MarkTest, SuccessEndsWhatRunsAndIsTheEndOfTheRun) {
  h.Start("a");
  h.TakeStarts();
  ASSERT_TRUE(Mark(RunState::kSuccess).ok());
  EXPECT_EQ(h.TakeKills(), (Names{"a", "b"}));
  EXPECT_EQ(h.States(), "a=running b=queued c=success");
  EXPECT_EQ(h.RunStateOf(), "running");
  h.Restart();
  EXPECT_EQ(h.TakeKills(), (Names{"a", "b"}));
  h.TakeStarts();
  h.Finish("a", outcome::Killed{});
  h.ForgetHeld();
  h.WorkerDown();
  h.WorkerUp();  // b never started
  EXPECT_EQ(h.States(), "a=success b=success c=success");
  EXPECT_EQ(h.RunStateOf(), "success");
  EXPECT_EQ(h.Run().reason, RunReason::kMarked);
  h.ExpectQuiet();
}

TEST_F(MarkTest, AGateThatHasFailedOpensOnce) {
  h.Load(R"({"dag_id": "g", "tasks": [
    {"id": "a", "type": "exec", "argv": ["true"]},
    {"id": "gate", "type": "short_circuit", "condition": "{{ true }}", "depends_on": ["a"]},
    {"id": "below", "type": "noop", "depends_on": ["gate"]},
    {"id": "long", "type": "exec", "argv": ["true"]}]})");
  h.Finish("a");
  h.Finish("b");
  h.Finish("c");
  h.Trigger("g", {.run_id = "gr"});
  h.Fail("a");
  ASSERT_EQ(h.StateOf("gate"), "upstream_failed");
  event::MarkRun mark;
  mark.dag_id = "g";
  mark.run_id = "gr";
  mark.state = RunState::kSuccess;
  ASSERT_TRUE(h.Ask(std::move(mark)).ok());
  EXPECT_EQ(h.StateOf("gate"), "success");
  EXPECT_EQ(h.StateOf("below"), "success");
}

TEST_F(MarkTest, SuccessMakesWhatFailedAndWhatWaitsASuccessAtOnce) {
  h.Fail("a");  // waits for its retry
  h.Fail("b");
  h.TakeStarts();
  ASSERT_EQ(h.States(), "a=up_for_retry b=failed c=upstream_failed");
  ASSERT_TRUE(Mark(RunState::kSuccess).ok());
  EXPECT_EQ(h.States(), "a=success b=success c=success");
  EXPECT_EQ(h.RunStateOf(), "success");
  EXPECT_EQ(h.Run().hidden_failures, 0);
  h.Advance(hours{2});
  h.ExpectQuiet();
}

TEST_F(MarkTest, ATaskThatEndsWellAfterTheMarkIsASuccess) {
  h.Finish("b");
  h.Start("a");
  ASSERT_TRUE(Mark(RunState::kSuccess).ok());
  h.Finish("a");
  EXPECT_EQ(h.States(), "a=success b=success c=success");
  EXPECT_EQ(h.RunStateOf(), "success");
}

TEST_F(MarkTest, FailedStopsTheRun) {
  h.Start("a");
  h.TakeStarts();
  ASSERT_TRUE(Mark(RunState::kFailed).ok());
  EXPECT_EQ(h.TakeKills(), (Names{"a", "b"}));
  EXPECT_EQ(Refused(Mark(RunState::kSuccess)), ErrorCode::kConflict);
  h.Finish("a", outcome::Killed{});
  h.Finish("b", outcome::Killed{});
  EXPECT_EQ(h.States(), "a=failed b=failed c=skipped");
  EXPECT_EQ(h.RunStateOf(), "failed");
  EXPECT_EQ(h.Run().reason, RunReason::kMarked);
}

TEST_F(MarkTest, AQueuedRunFailsAtOnceAndIsNoSuccess) {
  h.Trigger("d", {.run_id = "q", .logical_date = At("2026-01-02T00:00:00Z")});
  EXPECT_EQ(Refused(Mark(RunState::kSuccess, {}, "q")), ErrorCode::kConflict);
  EXPECT_EQ(h.RunStateOf("q"), "queued");
  ASSERT_TRUE(Mark(RunState::kFailed, {}, "q").ok());
  EXPECT_EQ(h.RunStateOf("q"), "failed");
  EXPECT_EQ(h.Run("q").reason, RunReason::kMarked);
}

TEST_F(MarkTest, AFinishedRunIsJudgedAnewWithoutRunningAnything) {
  FailB();
  ASSERT_TRUE(Mark(RunState::kSuccess).ok());
  EXPECT_EQ(h.RunStateOf(), "success");
  EXPECT_EQ(h.Run().reason, RunReason::kMarked);
  EXPECT_EQ(h.States(), "a=success b=success c=success");
  const std::size_t told = h.EventsOf("run.state");
  ASSERT_TRUE(Mark(RunState::kSuccess).ok());  // again: nothing to say
  EXPECT_EQ(h.EventsOf("run.state"), told);
  ASSERT_TRUE(Mark(RunState::kFailed).ok());
  EXPECT_EQ(h.RunStateOf(), "failed");
  EXPECT_EQ(h.States(), "a=success b=success c=success");  // what they did stays true
  EXPECT_EQ(h.EventsOf("run.state"), told + 1);
  EXPECT_TRUE(h.TakeStarts().empty());
}

TEST_F(MarkTest, ANoteAloneChangesNoState) {
  ASSERT_TRUE(Mark({}, "looked at").ok());
  EXPECT_EQ(h.Run().note, "looked at");
  EXPECT_EQ(h.RunStateOf(), "running");
  FailB();
  EXPECT_EQ(Mark({}, "a disk")->note, "a disk");
  EXPECT_EQ(h.Run().note, "a disk");
  EXPECT_EQ(h.RunStateOf(), "failed");
  EXPECT_EQ(h.EventsOf("run.note"), 2u);
  EXPECT_EQ(Refused(Mark({}, "x", "unknown")), ErrorCode::kNotFound);
}

TEST_F(MarkTest, APoolGoesOnceNothingNamesIt) {
  const auto gone = [this](const std::string& name) {
    const auto reply = h.Ask(event::DeletePool{{}, name});
    return reply.ok() ? std::string("gone") : std::string(ToString(reply.error().code));
  };
  EXPECT_EQ(gone("unknown"), "not_found");
  EXPECT_EQ(gone("default_pool"), "conflict");
  EXPECT_EQ(gone("p"), "conflict");
  h.Load(R"({"format": 1, "dag_id": "d", "tasks": [
    {"id": "a", "type": "exec", "argv": ["true"]}]})");
  EXPECT_EQ(gone("p"), "conflict");  // the run goes on with the old version
  h.Finish("a");
  h.Finish("b");
  h.Finish("c");
  EXPECT_EQ(gone("p"), "gone");
  EXPECT_FALSE(h.db.pools.contains("p"));
  EXPECT_EQ(h.EventsOf("pool.deleted"), 1u);
}

TEST_F(MarkTest, AnApplyOverAVersionThatIsNotTheNewestIsRefused) {
  const auto apply = [this](const std::string& argv, std::optional<int> over) {
    event::ApplyDag event;
    event.dag = h.Parse(fmt::format(R"({{"format": 1, "dag_id": "d", "tasks": [
      {{"id": "a", "type": "exec", "argv": ["{}"]}}]}})",
                                    argv));
    event.expected_version = over;
    const auto reply = h.Ask(std::move(event));
    return reply.ok() ? std::string("taken") : std::string(ToString(reply.error().code));
  };
  EXPECT_EQ(apply("one", 0), "precondition_failed");
  EXPECT_EQ(apply("one", 2), "precondition_failed");
  EXPECT_EQ(apply("one", 1), "taken");
  EXPECT_EQ(apply("two", 1), "precondition_failed");
  EXPECT_EQ(apply("two", {}), "taken");
  EXPECT_EQ(h.db.dags.at("d").version, 3);
}

TEST_F(MarkTest, ARunMayBeToldToBeginLater) {
  event::TriggerRun trigger;
  trigger.dag_id = "d";
  trigger.run_id = "later";
  trigger.logical_date = At("2026-01-02T00:00:00Z");
  trigger.run_after = h.now + hours{3};
  ASSERT_TRUE(h.Ask(trigger).ok());
  h.Finish("a");
  h.Finish("b");
  h.Finish("c");
  h.TakeStarts();
  EXPECT_EQ(h.RunStateOf("later"), "queued");
  h.Advance(hours{3});
  EXPECT_EQ(h.RunStateOf("later"), "running");
}

}  // namespace
}  // namespace nightmill
