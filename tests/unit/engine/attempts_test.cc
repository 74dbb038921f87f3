// The life of attempts: dispatch, outcomes, retries, losses, stale reports, workers that come and
// go (semantics.md 1.1 and 6, reliability.md P2-P5).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "core/rules/retry.h"
#include "tests/support/engine_harness.h"

namespace nightmill {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::string_view kChain = R"({"format": 1, "dag_id": "d", "tasks": [
  {"id": "a", "type": "exec", "argv": ["true"]},
  {"id": "b", "type": "exec", "argv": ["true"], "depends_on": ["a"]}]})";

// One task "a" with these fields.
std::string OneTask(const std::string& fields) {
  return fmt::format(R"({{"format": 1, "dag_id": "d", "tasks": [
    {{"id": "a", "type": "exec", "argv": ["true"], {}}}]}})",
                     fields);
}

struct AttemptsTest : testing::Test {
  EngineHarness h;
};

TEST_F(AttemptsTest, ChainRunsOneAfterTheOther) {
  h.WorkerUp();
  h.Load(kChain);
  h.Trigger("d");
  EXPECT_EQ(h.TakeStarts(), Names{"a"});
  EXPECT_EQ(h.States(), "a=queued b=none");
  h.Start("a");
  EXPECT_EQ(h.States(), "a=running b=none");
  h.ExpectQuiet();
  h.Finish("a");
  EXPECT_EQ(h.TakeStarts(), Names{"b"});
  h.Start("b");
  h.Finish("b");
  EXPECT_EQ(h.States(), "a=success b=success");
  EXPECT_EQ(h.RunStateOf(), "success");
  EXPECT_EQ(h.engine().live_runs(), 0u);
  EXPECT_EQ(h.engine().open_attempts(), 0u);
  h.ExpectQuiet();
}

TEST_F(AttemptsTest, ChildIsDispatchedInTheStepThatFinishesItsParent) {
  h.WorkerUp();
  h.Load(kChain);
  h.Trigger("d");
  h.Finish("a");
  bool child = false;
  for (const Change& change : h.last_changes) {
    const auto* row = std::get_if<TaskAttemptRow>(&change);
    child = child || (row != nullptr && row->state == AttemptState::kDispatched);
  }
  EXPECT_TRUE(child);
}

TEST_F(AttemptsTest, SpecSaysWhatToRun) {
  h.WorkerUp();
  h.Load(OneTask(R"("timeout": "30s", "env": {"DAY": "{{ ds }}"})"));
  h.Trigger("d", {.logical_date = h.now});
  const AttemptSpec spec = h.Spec("a");
  EXPECT_EQ(spec.argv, Names{"true"});
  EXPECT_EQ(spec.timeout, Duration{30'000});
  EXPECT_EQ(spec.try_number, 1);
  EXPECT_EQ(spec.log_path, "/state/logs/0/1.log");
  const std::pair<std::string, std::string> day{"DAY", "2026-01-05"};
  EXPECT_NE(std::find(spec.env.begin(), spec.env.end(), day), spec.env.end());
  const std::pair<std::string, std::string> attempt{"NIGHTMILL_ATTEMPT", "1"};
  EXPECT_NE(std::find(spec.env.begin(), spec.env.end(), attempt), spec.env.end());
}

TEST_F(AttemptsTest, RetryIsDueExactlyAtRetryDelay) {
  h.WorkerUp();
  h.Load(OneTask(R"("retries": 2, "retry_delay": "5m", "retry_backoff": 2)"));
  const std::string run = h.Trigger("d");
  RetryPolicy policy;
  policy.delay = minutes{5};
  policy.backoff = 2;
  for (int n = 1; n <= 2; ++n) {
    EXPECT_EQ(h.TakeStarts(), Names{"a"});
    h.Start("a");
    h.Fail("a");
    const Duration delay = RetryDelay(policy, n, {"d", "a", run, "-1", n, n});
    EXPECT_EQ(h.StateOf("a"), "up_for_retry");
    EXPECT_EQ(h.Row("a").due_at, h.now + delay);
    EXPECT_EQ(h.wake_at(), h.now + delay);
    h.ExpectQuiet();
    h.AdvanceTo(*h.wake_at() - std::chrono::microseconds{1});
    h.ExpectQuiet();
    h.AdvanceToWake();
    EXPECT_EQ(h.Row("a").try_number, n + 1);
  }
  h.Fail("a");
  EXPECT_EQ(h.States(), "a=failed");
  EXPECT_EQ(h.RunStateOf(), "failed");
  EXPECT_EQ(h.Run().reason, RunReason::kTaskFailed);
  EXPECT_EQ(h.Row("a").try_number, 3);
}

TEST_F(AttemptsTest, RetrySucceedsAndTheFailureIsForgotten) {
  h.WorkerUp();
  h.Load(OneTask(R"("retries": 1, "retry_delay": "1s", "retry_jitter": "none")"));
  h.Trigger("d");
  h.Fail("a");
  EXPECT_NE(h.Row("a").failure, "");
  h.Advance(seconds{1});
  h.Finish("a");
  EXPECT_EQ(h.RunStateOf(), "success");
  EXPECT_EQ(h.Row("a").failure, "");
}

TEST_F(AttemptsTest, KindsThatAreNeverRetried) {
  for (const std::string kind : {"no_retry", "definition", "check", "bad_spec", "bad_input"}) {
    EngineHarness own;
    own.WorkerUp();
    own.Load(OneTask(R"("retries": 5)"));
    own.Trigger("d");
    own.Fail("a", kind);
    EXPECT_EQ(own.StateOf("a"), "failed") << kind;
    EXPECT_EQ(own.RunStateOf(), "failed") << kind;
  }
}

TEST_F(AttemptsTest, OutcomesAndWhatTheyBecome) {
  struct Case {
    AttemptOutcome outcome;
    std::string state;
    std::string word;
  };
  const std::vector<Case> cases = {
      {outcome::Succeeded{}, "success", "succeeded"},
      {outcome::Skipped{}, "skipped", "skipped"},
      {outcome::Failed{"exit", "", 1, 0}, "up_for_retry", "failed"},
      {outcome::Failed{"signal", "", -1, 9}, "up_for_retry", "failed"},
      {outcome::TimedOut{}, "up_for_retry", "timed_out"},
      {outcome::Lost{"gone"}, "queued", "lost"},
      {outcome::Killed{}, "queued", "killed"},
  };
  for (const Case& c : cases) {
    EngineHarness own;
    own.WorkerUp();
    own.Load(OneTask(R"("retries": 1)"));
    own.Trigger("d");
    own.Start("a");
    own.Finish("a", c.outcome);
    EXPECT_EQ(own.StateOf("a"), c.state) << c.word;
    EXPECT_EQ(own.db.attempts.at(AttemptId{1}).outcome, c.word);
    EXPECT_EQ(own.db.attempts.at(AttemptId{1}).state, AttemptState::kEnded);
  }
}

TEST_F(AttemptsTest, ResultWithoutAStartStillPassesThroughRunning) {
  h.WorkerUp();
  h.Load(OneTask(R"("retries": 0)"));
  h.Trigger("d");
  h.Finish("a");
  EXPECT_EQ(h.RunStateOf(), "success");
  EXPECT_TRUE(h.Row("a").started_at.has_value());
}

TEST_F(AttemptsTest, ThreeLossesAreFreeTheFourthIsAFailure) {
  h.WorkerUp();
  h.Load(OneTask(R"("retries": 0)"));
  h.Trigger("d");
  const std::vector<Duration> waits = {seconds{0}, seconds{5}, seconds{10}};
  for (const Duration wait : waits) {
    h.Start("a");
    h.Lose("a");
    EXPECT_EQ(h.Row("a").try_number, wait.count() == 0 ? 1 : 0);
    if (wait.count() > 0) {
      EXPECT_EQ(h.StateOf("a"), "scheduled");
      EXPECT_EQ(h.Headline("a"), "lost_backoff");
      EXPECT_EQ(h.wake_at(), h.now + wait);
      h.AdvanceToWake();
    }
    EXPECT_EQ(h.StateOf("a"), "queued");
    EXPECT_EQ(h.Row("a").try_number, 1);
  }
  h.Lose("a");
  EXPECT_EQ(h.StateOf("a"), "failed");
  EXPECT_NE(h.Row("a").failure.find("infrastructure"), std::string::npos);
  EXPECT_EQ(h.RunStateOf(), "failed");
}

TEST_F(AttemptsTest, InfrastructureIsRetriedWithAFreshAllowance) {
  h.WorkerUp();
  h.Load(OneTask(R"("retries": 1, "retry_delay": "1m", "retry_jitter": "none")"));
  h.Trigger("d");
  for (int i = 0; i < 4; ++i) {
    while (!h.Holds("a")) h.AdvanceToWake();
    h.Lose("a");
  }
  EXPECT_EQ(h.StateOf("a"), "up_for_retry");
  h.Advance(minutes{1});
  EXPECT_EQ(h.Row("a").try_number, 2);
  h.Lose("a");
  EXPECT_EQ(h.StateOf("a"), "queued");
  h.Finish("a");
  EXPECT_EQ(h.RunStateOf(), "success");
}

TEST_F(AttemptsTest, StaleReportsChangeNoRow) {
  h.WorkerUp();
  h.Load(kChain);
  h.Trigger("d");
  const AttemptSpec spec = h.Spec("a");
  const AttemptReport good = h.Report("a", outcome::Succeeded{});
  std::vector<Event> stale;
  AttemptReport report = good;
  report.epoch.value += 1;
  stale.emplace_back(event::AttemptFinished{report});
  report = good;
  report.incarnation += 1;
  stale.emplace_back(event::AttemptFinished{report});
  report = good;
  report.id = AttemptId{77};
  stale.emplace_back(event::AttemptFinished{report});
  stale.emplace_back(event::AttemptStarted{AttemptId{77}, spec.epoch, spec.incarnation, h.now});
  stale.emplace_back(event::AttemptStarted{spec.id, Epoch{9}, spec.incarnation, h.now});
  for (const Event& event : stale) {
    h.Apply({event});
    ASSERT_EQ(h.last_changes.size(), 1u);
    const auto* row = std::get_if<EventRow>(&h.last_changes[0]);
    ASSERT_NE(row, nullptr);
    EXPECT_EQ(row->kind, "report.stale");
  }
  h.Apply({event::AttemptFinished{good}});
  EXPECT_EQ(h.States(), "a=success b=queued");
  // The worker did not see our acknowledgement and sends it again.
  for (int i = 0; i < 2; ++i) {
    h.Apply({event::AttemptFinished{good}});
    ASSERT_EQ(h.last_changes.size(), 1u);
  }
  EXPECT_EQ(h.EventsOf("report.stale"), stale.size() + 2);
}

TEST_F(AttemptsTest, ReportDoubledInOneBatchIsAppliedOnce) {
  h.WorkerUp();
  h.Load(OneTask(R"("retries": 3)"));
  h.Trigger("d");
  const AttemptReport report = h.Report("a", outcome::Failed{"exit", "", 1, 0});
  h.Apply({event::AttemptFinished{report}, event::AttemptFinished{report}});
  EXPECT_EQ(h.Row("a").cycle_failures, 1);
  EXPECT_EQ(h.EventsOf("report.stale"), 1u);
}

TEST_F(AttemptsTest, StartToldTwiceChangesNothing) {
  h.WorkerUp();
  h.Load(kChain);
  h.Trigger("d");
  h.Start("a");
  h.Advance(seconds{1});
  h.Start("a");
  EXPECT_TRUE(h.last_changes.empty());
}

TEST_F(AttemptsTest, ReportsOfLostAttemptsAreStale) {
  h.WorkerUp();
  h.Load(kChain);
  h.Trigger("d");
  h.Start("a");
  const AttemptReport late = [&] {
    EngineHarness& own = h;
    AttemptReport report;
    const AttemptSpec spec = own.Spec("a");
    report.id = spec.id;
    report.epoch = spec.epoch;
    report.incarnation = spec.incarnation;
    report.targets = spec.targets;
    return report;
  }();
  h.WorkerDies();
  EXPECT_EQ(h.StateOf("a"), "queued");
  h.Apply({event::AttemptFinished{late}});
  EXPECT_EQ(h.EventsOf("report.stale"), 1u);
  EXPECT_EQ(h.StateOf("a"), "queued");
}

TEST_F(AttemptsTest, AttemptsStayOpenWhileTheirWorkerIsAway) {
  h.WorkerUp();
  h.Load(kChain);
  h.Trigger("d");
  h.Start("a");
  h.WorkerDown();
  EXPECT_EQ(h.StateOf("a"), "running");
  h.Finish("a");  // into the spool
  EXPECT_EQ(h.StateOf("a"), "running");
  EXPECT_EQ(h.Headline("b"), "upstream_pending");
  h.TakeStarts();
  h.WorkerUp();
  EXPECT_EQ(h.StateOf("a"), "success");
  EXPECT_EQ(h.TakeStarts(), Names{"b"});
}

TEST_F(AttemptsTest, WorkerComesBackWithItsAttemptsRunning) {
  h.WorkerUp();
  h.Load(kChain);
  h.Trigger("d");
  h.Start("a");
  h.WorkerDown();
  h.TakeStarts();
  h.WorkerUp();
  EXPECT_EQ(h.StateOf("a"), "running");
  h.ExpectQuiet();
  h.Finish("a");
  EXPECT_EQ(h.TakeStarts(), Names{"b"});
}

TEST_F(AttemptsTest, WhatTheWorkerNeverGotIsSentAgainAndCostsNothing) {
  h.WorkerUp();
  h.Load(OneTask(R"("retries": 0)"));
  h.Trigger("d");
  h.TakeStarts();
  for (int i = 0; i < 10; ++i) {  // more often than losses are forgiven
    h.ForgetHeld();
    h.WorkerDown();
    h.WorkerUp();
    EXPECT_EQ(h.TakeStarts(), Names{"a"});
  }
  EXPECT_EQ(h.Row("a").try_number, 1);
  EXPECT_EQ(h.Row("a").losses, 0);
  h.Finish("a");
  EXPECT_EQ(h.RunStateOf(), "success");
}

TEST_F(AttemptsTest, DeadWorkerLosesItsAttempts) {
  h.WorkerUp("w1", 1);
  h.WorkerUp("w2", 1);
  h.Load(R"({"format": 1, "dag_id": "d", "tasks": [
    {"id": "a", "type": "exec", "argv": ["true"]}, {"id": "b", "type": "exec", "argv": ["true"]}]})");
  h.Trigger("d");
  EXPECT_EQ(h.TakeStarts(), (Names{"a", "b"}));
  h.WorkerDies("w2");
  EXPECT_EQ(h.Row("b").losses, 1);
  EXPECT_EQ(h.Row("a").losses, 0);
  EXPECT_EQ(h.TakeStarts(), Names{"b"});
}

TEST_F(AttemptsTest, LossesToldByAnotherWorkerAreIgnored) {
  h.WorkerUp("w1");
  h.Load(OneTask(R"("retries": 0)"));
  h.Trigger("d");
  h.Start("a");
  h.Apply({event::WorkerUp{"w2", 0x99, 1, {}, {}, {{AttemptId{1}, "made up"}}}});
  EXPECT_EQ(h.StateOf("a"), "running");
}

TEST_F(AttemptsTest, WorkerThatHoldsWhatNobodyWantsIsToldToEndIt) {
  h.Load(kChain);
  h.Apply({event::WorkerUp{"w", 0x99, 1, {AttemptId{5}}, {}, {}}});
  const std::vector<Command> commands = h.TakeCommands(1);
  const auto* kill = std::get_if<command::KillAttempt>(&commands.at(0));
  ASSERT_NE(kill, nullptr);
  EXPECT_EQ(kill->attempt, AttemptId{5});
}

TEST_F(AttemptsTest, RestartKeepsRunningAttempts) {
  h.WorkerUp();
  h.Load(kChain);
  h.Trigger("d");
  h.Start("a");
  h.Restart();
  EXPECT_EQ(h.StateOf("a"), "running");
  h.ExpectQuiet();
  h.Finish("a");
  EXPECT_EQ(h.TakeStarts(), Names{"b"});
  h.Finish("b");
  EXPECT_EQ(h.RunStateOf(), "success");
}

TEST_F(AttemptsTest, RestartBetweenCommitAndSendSendsAgain) {
  h.WorkerUp();
  h.Load(kChain);
  h.Trigger("d");
  h.ForgetHeld();
  h.Restart();
  EXPECT_EQ(h.TakeStarts(), Names{"a"});
  EXPECT_EQ(h.Row("a").try_number, 1);
  EXPECT_EQ(h.Row("a").attempt, AttemptId{2});
}

TEST_F(AttemptsTest, ResultsMadeWhileTheDaemonWasDownCount) {
  h.WorkerUp();
  h.Load(kChain);
  h.Trigger("d");
  h.RestartAlone();
  h.Finish("a");
  EXPECT_EQ(h.StateOf("a"), "queued");
  h.ReconnectAll();
  EXPECT_EQ(h.States(), "a=success b=queued");
}

TEST_F(AttemptsTest, RestartKeepsRetriesAndBackoffsDue) {
  h.WorkerUp();
  h.Load(OneTask(R"("retries": 1, "retry_delay": "1h", "retry_jitter": "none")"));
  h.Trigger("d");
  h.Fail("a");
  const Instant due = *h.wake_at();
  h.Restart();
  EXPECT_EQ(h.wake_at(), due);
  h.AdvanceToWake();
  h.Lose("a");
  h.Lose("a");
  EXPECT_EQ(h.StateOf("a"), "scheduled");
  h.Restart();
  EXPECT_EQ(h.StateOf("a"), "scheduled");
  h.AdvanceToWake();
  EXPECT_TRUE(h.Holds("a"));
}

TEST_F(AttemptsTest, QueueTimeoutEndsWhatIsNeverStarted) {
  h.Load(OneTask(R"("queue_timeout": "10m", "retries": 3)"));
  h.Trigger("d");
  EXPECT_EQ(h.Headline("a"), "no_worker");
  h.AdvanceToWake();
  EXPECT_EQ(h.StateOf("a"), "failed");
  EXPECT_NE(h.Row("a").failure.find("queue_timeout"), std::string::npos);
  EXPECT_EQ(h.RunStateOf(), "failed");
}

TEST_F(AttemptsTest, QueueTimeoutCountsAnewForARetry) {
  h.WorkerUp();
  h.Load(OneTask(
      R"("queue_timeout": "10m", "retries": 3, "retry_delay": "1h", "retry_jitter": "none")"));
  h.Trigger("d");
  h.Fail("a");
  h.WorkerDown();
  h.Advance(hours{1});
  EXPECT_EQ(h.StateOf("a"), "scheduled");
  h.Advance(minutes{10});
  EXPECT_EQ(h.StateOf("a"), "failed");
}

TEST_F(AttemptsTest, QueueTimeoutSurvivesARestart) {
  h.Load(OneTask(R"("queue_timeout": "10m")"));
  h.Trigger("d");
  h.Advance(minutes{9});
  h.Restart();
  h.Advance(minutes{1});
  EXPECT_EQ(h.StateOf("a"), "failed");
}

TEST_F(AttemptsTest, TotalTimeoutKillsAndIsNotRetried) {
  for (const bool restart : {false, true}) {
    EngineHarness own;
    own.WorkerUp();
    own.Load(OneTask(R"("total_timeout": "10m", "retries": 5, "retry_delay": "1m")"));
    own.Trigger("d");
    own.Advance(minutes{3});
    own.Start("a");  // the clock of the cycle begins here
    own.Advance(minutes{1});
    own.Fail("a");
    own.Advance(minutes{2});
    own.Start("a");
    if (restart) own.Restart();
    own.TakeStarts();
    own.Advance(minutes{6});
    EXPECT_EQ(own.TakeKills(), Names{});
    own.Advance(minutes{1});
    EXPECT_EQ(own.TakeKills(), Names{"a"});
    own.Finish("a", outcome::Killed{});
    EXPECT_EQ(own.StateOf("a"), "failed");
    EXPECT_NE(own.Row("a").failure.find("total_timeout 10m"), std::string::npos);
  }
}

TEST_F(AttemptsTest, RetryBeyondTheTotalTimeoutIsNotWaitedFor) {
  h.WorkerUp();
  h.Load(OneTask(R"("total_timeout": "10m", "retries": 5, "retry_delay": "1h")"));
  h.Trigger("d");
  h.Start("a");
  h.Fail("a");
  EXPECT_EQ(h.StateOf("a"), "failed");
  EXPECT_EQ(h.RunStateOf(), "failed");
}

TEST_F(AttemptsTest, TotalTimeoutEndsWhatWaitsForASlot) {
  h.WorkerUp();
  h.Load(OneTask(R"("total_timeout": "10m", "retries": 5, "retry_delay": "1m")"));
  h.Trigger("d");
  h.Start("a");
  h.Fail("a");
  h.WorkerDown();
  h.Advance(minutes{10});
  EXPECT_EQ(h.StateOf("a"), "failed");
}

TEST_F(AttemptsTest, MayPublishOnlyWhileWanted) {
  h.WorkerUp();
  h.Load(OneTask(R"("retries": 0)"));
  const std::string run = h.Trigger("d");
  const AttemptSpec spec = h.Spec("a");
  EXPECT_TRUE(h.engine().MayPublish(spec.id, spec.epoch, spec.incarnation));
  EXPECT_FALSE(h.engine().MayPublish(spec.id, Epoch{9}, spec.incarnation));
  EXPECT_FALSE(h.engine().MayPublish(spec.id, spec.epoch, spec.incarnation + 1));
  EXPECT_FALSE(h.engine().MayPublish(AttemptId{9}, spec.epoch, spec.incarnation));
  h.Cancel("d", run);
  EXPECT_FALSE(h.engine().MayPublish(spec.id, spec.epoch, spec.incarnation));
}

TEST_F(AttemptsTest, StopDispatchHoldsBackAndLetsTheRestGoOn) {
  h.WorkerUp();
  h.Load(kChain);
  h.Trigger("d");
  h.TakeStarts();
  h.Apply({event::StopDispatch{true, "disk full"}});
  h.Finish("a");
  EXPECT_EQ(h.States(), "a=success b=scheduled");
  EXPECT_EQ(h.Headline("b"), "dispatch_stopped");
  h.ExpectQuiet();
  h.Apply({event::StopDispatch{false, ""}});
  EXPECT_EQ(h.TakeStarts(), Names{"b"});
}

// What no process could be started with is an error of the definition, and is not tried again.
TEST_F(AttemptsTest, ValuesThatAreTooLong) {
  struct Case {
    std::string fields;
    std::string message;  // "": it starts
  };
  const std::string script = R"("type": "shell", "run": ": {{ params.long | q }}")";
  for (const Case& c :
       {Case{R"("type": "exec", "argv": ["true"], "env": {"V": "{{ params.long }}"})",
             "env V has 140002 bytes"},
        Case{R"("type": "exec", "argv": ["true", "{{ params.long }}"])", "argv 1 has 140000 bytes"},
        Case{script, "run has 140002 bytes"},
        Case{R"("type": "exec", "argv": ["true"], "env": {"V": "{{ params.short }}"})", ""}}) {
    EngineHarness own;
    own.WorkerUp();
    own.Load(fmt::format(R"({{"format": 1, "dag_id": "d", "params": {{
      "long": {{"default": "{}"}}, "short": {{"default": "{}"}}}},
      "tasks": [{{"id": "a", "retries": 3, {}}}]}})",
                         std::string(140'000, 'x'), std::string(131'069, 'x'), c.fields));
    own.Trigger("d");
    if (c.message.empty()) {
      EXPECT_TRUE(own.Holds("a"));
      continue;
    }
    EXPECT_EQ(own.StateOf("a"), "failed");
    const std::string failure = own.Row("a").failure;
    EXPECT_NE(failure.find(c.message), std::string::npos) << failure;
    EXPECT_NE(failure.find("definition"), std::string::npos) << failure;
    EXPECT_NE(failure.find("pass its name"), std::string::npos) << failure;
  }
}

TEST_F(AttemptsTest, MoreThanAMessageHolds) {
  std::string env;
  for (int i = 0; i < 40; ++i) {
    env += fmt::format(R"({}"V{}": "{{{{ params.long }}}}")", i == 0 ? "" : ", ", i);
  }
  h.WorkerUp();
  h.Load(fmt::format(R"({{"format": 1, "dag_id": "d", "params": {{
    "long": {{"default": "{}"}}}},
    "tasks": [{{"id": "a", "type": "exec", "argv": ["true"], "env": {{{}}}}}]}})",
                     std::string(120'000, 'x'), env));
  h.Trigger("d");
  EXPECT_EQ(h.StateOf("a"), "failed");
  EXPECT_NE(h.Row("a").failure.find("a worker takes"), std::string::npos) << h.Row("a").failure;
}

}  // namespace
}  // namespace nightmill
