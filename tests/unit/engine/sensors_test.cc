// Sensors: deferred, without a slot, poked on a clock (semantics.md 8).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/support/engine_harness.h"

namespace nightmill {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

std::string Sensor(const std::string& fields = "", const std::string& dag_fields = "") {
  return fmt::format(R"({{"format": 1, "dag_id": "d", {}"tasks": [
    {{"id": "s", "type": "sensor.file", "path": "in/{{{{ run_id }}}}.csv",
      "poke_interval": "1m", "sensor_timeout": "10m"{}}},
    {{"id": "a", "type": "exec", "argv": ["{{{{ outputs.s.path }}}}"], "depends_on": ["s"]}}]}})",
                     dag_fields, fields);
}

struct SensorsTest : testing::Test {
  SensorsTest() { h.WorkerUp("w", 1); }
  void Run(const std::string& dag) {
    h.Load(dag);
    h.Trigger("d", {.run_id = "r", .null_logical_date = true});
  }
  EngineHarness h;
};

TEST_F(SensorsTest, WaitsWithoutASlotAndGoesOnWhenMet) {
  Run(Sensor());
  EXPECT_EQ(h.TakePokes(), Names{"sensor.file"});
  EXPECT_EQ(h.StateOf("s"), "deferred");
  EXPECT_EQ(h.Headline("s"), "deferred_poke");
  EXPECT_EQ(
      h.engine().ExplainTask("d", "r", "s", -1, h.now)->reasons.at(0).message,
      R"(sensor.file {"min_bytes":1,"path":"in/r.csv","settle":"0s"}: checked 0 times, not met)");
  EXPECT_EQ(h.engine().Workers().at(0).used, 0);
  EXPECT_EQ(h.workers.at("w").pokes.begin()->second.spec,
            R"({"min_bytes":1,"path":"in/r.csv","settle":"0s"})");
  EXPECT_EQ(h.workers.at("w").pokes.begin()->second.data_root, "/data");
  h.Poke(false);
  EXPECT_EQ(h.Row("s").pokes, 1);
  h.ExpectQuiet();
  h.AdvanceToWake();
  EXPECT_EQ(h.TakePokes(), Names{"sensor.file"});
  h.Poke(true);
  EXPECT_EQ(h.States(), "s=success a=queued");
  EXPECT_EQ(h.Spec("a").argv, Names{"p"});
}

TEST_F(SensorsTest, PokesComeWithinTenPercentOfTheInterval) {
  Run(Sensor());
  for (int k = 1; k <= 5; ++k) {
    h.Poke(false);
    const Duration wait = std::chrono::duration_cast<Duration>(*h.Row("s").due_at - h.now);
    EXPECT_GE(wait, seconds{54});
    EXPECT_LE(wait, seconds{66});
    h.AdvanceToWake();
  }
}

TEST_F(SensorsTest, BackoffUpToACap) {
  Run(Sensor(R"(, "poke_backoff": 2, "max_poke_interval": "3m")"));
  for (const int expected : {60, 120, 180, 180}) {
    h.Poke(false);
    const auto wait = std::chrono::duration_cast<seconds>(*h.Row("s").due_at - h.now).count();
    EXPECT_NEAR(static_cast<double>(wait), expected, expected / 10.0 + 1);
    if (*h.Row("s").due_at > *h.Row("s").deferred_since + minutes{10}) break;
    h.AdvanceToWake();
  }
}

TEST_F(SensorsTest, TimesOutFromTheFirstPoke) {
  Run(Sensor(R"(, "retries": 3)"));
  h.Poke(false);
  h.AdvanceTo(*h.Row("s").deferred_since + minutes{10} - seconds{1});
  EXPECT_EQ(h.StateOf("s"), "deferred");
  h.Advance(seconds{1});
  EXPECT_EQ(h.States(), "s=failed a=upstream_failed");  // not retried
  EXPECT_NE(h.Row("s").failure.find("sensor_timeout 10m"), std::string::npos);
  EXPECT_EQ(h.RunStateOf(), "failed");
}

TEST_F(SensorsTest, SoftFailSkips) {
  Run(Sensor(R"(, "soft_fail": true)"));
  h.Advance(minutes{10});
  EXPECT_EQ(h.States(), "s=skipped a=skipped");
  EXPECT_EQ(h.RunStateOf(), "success");
}

TEST_F(SensorsTest, MetAtTheInstantOfTheTimeoutIsMet) {
  Run(Sensor());
  h.now = *h.Row("s").deferred_since + minutes{10};
  h.Poke(true);
  EXPECT_EQ(h.StateOf("s"), "success");
}

TEST_F(SensorsTest, AnAnswerAfterTheTimeoutIsIgnored) {
  Run(Sensor());
  const std::int64_t poke = h.workers.at("w").pokes.begin()->first;
  h.Advance(minutes{10});
  h.Apply({event::PokeFinished{poke, true, "", "{}"}});
  EXPECT_EQ(h.StateOf("s"), "failed");
}

TEST_F(SensorsTest, TheClockBeginsWithTheFirstPokeNotWithTheRun) {
  h.WorkerDown();
  Run(Sensor());
  h.Advance(hours{1});
  EXPECT_EQ(h.StateOf("s"), "deferred");
  h.WorkerUp();
  h.Advance(minutes{9});
  EXPECT_EQ(h.StateOf("s"), "deferred");
  h.Advance(minutes{1});
  EXPECT_EQ(h.StateOf("s"), "failed");
}

TEST_F(SensorsTest, AnErrorFailsTheTryAndTheClockRunsOn) {
  Run(Sensor(R"(, "retries": 2, "retry_delay": "4m", "retry_jitter": "none")"));
  h.Poke(false, "no such disk");
  EXPECT_EQ(h.StateOf("s"), "up_for_retry");
  EXPECT_EQ(h.Headline("s"), "retry_at");
  h.Advance(minutes{4});
  EXPECT_EQ(h.Row("s").try_number, 2);
  EXPECT_EQ(h.StateOf("s"), "deferred");
  h.Poke(false);
  h.Advance(minutes{6});
  EXPECT_EQ(h.StateOf("s"), "failed") << "ten minutes after the first poke of the first try";
}

TEST_F(SensorsTest, TimeoutBetweenTwoTriesEndsTheNextOne) {
  Run(Sensor(R"(, "retries": 2, "retry_delay": "30m", "retry_jitter": "none")"));
  h.Poke(false, "no such disk");
  h.Advance(minutes{31});
  EXPECT_EQ(h.StateOf("s"), "failed");
}

TEST_F(SensorsTest, ErrorsBeyondTheRetriesFail) {
  Run(Sensor());
  h.Poke(false, "no such disk");
  EXPECT_EQ(h.StateOf("s"), "failed");
  EXPECT_NE(h.Row("s").failure.find("no such disk"), std::string::npos);
}

TEST_F(SensorsTest, SensorParallelism) {
  EngineConfig config;
  config.sensor_parallelism = 2;
  EngineHarness own(config);
  own.WorkerUp();
  own.Load(R"({"format": 1, "dag_id": "d", "tasks": [
    {"id": "s", "type": "sensor.file", "path": "x", "map": {"over": [1, 2, 3, 4, 5]}}]})");
  own.Trigger("d");
  EXPECT_EQ(own.TakePokes().size(), 2u);
  own.Poke(true);
  EXPECT_EQ(own.TakePokes().size(), 1u);
  for (int i = 0; i < 4; ++i) own.Poke(true);
  EXPECT_EQ(own.RunStateOf(), "success");
}

TEST_F(SensorsTest, APokeLostWithItsWorkerIsAskedAgain) {
  Run(Sensor());
  h.TakePokes();
  h.WorkerDown();
  h.ExpectQuiet();
  h.WorkerUp();
  EXPECT_EQ(h.TakePokes().size(), 1u);
  // The line dropped and was dialled again before anybody noticed.
  h.WorkerUp();
  EXPECT_EQ(h.TakePokes().size(), 1u);
  h.Poke(true);
  EXPECT_EQ(h.StateOf("s"), "success");
}

TEST_F(SensorsTest, ARestartPokesAgainAndKeepsTheClock) {
  Run(Sensor());
  h.Poke(false);
  h.Advance(minutes{5});
  h.Restart();
  EXPECT_EQ(h.StateOf("s"), "deferred");
  EXPECT_EQ(h.workers.at("w").pokes.size(), 1u);
  h.Advance(minutes{5});
  EXPECT_EQ(h.StateOf("s"), "failed");
}

TEST_F(SensorsTest, CancelEndsTheWait) {
  Run(Sensor());
  const std::int64_t poke = h.workers.at("w").pokes.begin()->first;
  h.Cancel("d", "r");
  EXPECT_EQ(h.States(), "s=skipped a=skipped");
  EXPECT_EQ(h.RunStateOf(), "failed");
  h.Apply({event::PokeFinished{poke, true, "", "{}"}});
  h.TakePokes();
  h.Advance(hours{1});
  h.ExpectQuiet();
}

TEST_F(SensorsTest, FailFastAlsoForTimeouts) {
  h.WorkerUp("w", 2);
  h.Load(R"({"format": 1, "dag_id": "d", "fail_fast": true, "tasks": [
    {"id": "s", "type": "sensor.file", "path": "x", "sensor_timeout": "10m"},
    {"id": "a", "type": "exec", "argv": ["true"]}]})");
  h.Trigger("d");
  h.TakeStarts();
  h.Advance(minutes{10});
  EXPECT_EQ(h.TakeKills(), Names{"a"});
  EXPECT_EQ(h.Run().reason, RunReason::kTaskFailed);
}

TEST_F(SensorsTest, APathThatCannotBeRenderedFails) {
  Run(R"({"format": 1, "dag_id": "d", "tasks": [
    {"id": "a", "type": "exec", "argv": ["true"]},
    {"id": "s", "type": "sensor.file", "path": "{{ outputs.a.missing }}", "retries": 2}]})");
  h.Finish("a", outcome::Succeeded{}, "{}");
  EXPECT_EQ(h.StateOf("s"), "failed");
  EXPECT_NE(h.Row("s").failure.find("definition"), std::string::npos);
  EXPECT_EQ(h.RunStateOf(), "failed");
}

TEST_F(SensorsTest, DispatchStoppedPokesNothing) {
  h.Apply({event::StopDispatch{true, "draining"}});
  Run(Sensor());
  h.ExpectQuiet();
  h.Apply({event::StopDispatch{false, ""}});
  EXPECT_EQ(h.TakePokes().size(), 1u);
}

TEST_F(SensorsTest, TotalTimeoutOfASensor) {
  Run(Sensor(R"(, "total_timeout": "5m")"));
  h.Poke(false);
  h.Advance(minutes{5});
  EXPECT_EQ(h.StateOf("s"), "failed");
  EXPECT_NE(h.Row("s").failure.find("total_timeout 5m"), std::string::npos);
  h.TakePokes();
  h.Advance(minutes{30});
  h.ExpectQuiet();
}

}  // namespace
}  // namespace nightmill
