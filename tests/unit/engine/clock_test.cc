// The wall clock is set while runs are live: spans end after as much real time as before,
// timetables keep to the wall (reliability.md R6, P7). Here `real` is what truly passes and `moved`
// how far the clock was set.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/support/engine_harness.h"

namespace nightmill {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::minutes;
using std::chrono::seconds;

struct ClockTest : testing::TestWithParam<int> {
  // Hours by which the clock is set.
  hours moved() const { return hours{GetParam()}; }
  void SetClock() {
    h.now += moved();
    h.Apply({event::ClockMoved{std::chrono::duration_cast<microseconds>(moved())}});
  }
  std::size_t Runs() const {
    return h.RunIds("d", "success").size() + h.RunIds("d", "running").size();
  }
  EngineHarness h;
};

TEST_P(ClockTest, ARetryIsDueWhenItsDelayHasPassed) {
  h.WorkerUp();
  h.Load(R"({"format": 1, "dag_id": "d", "tasks": [
    {"id": "a", "type": "exec", "argv": ["x"], "retries": 1, "retry_delay": "30m",
     "retry_jitter": "none"}]})");
  h.Trigger("d", {.null_logical_date = true});
  h.Fail("a");
  const Instant due = *h.Row("a").due_at;
  h.AdvanceTo(due - minutes{10});
  SetClock();
  EXPECT_EQ(h.StateOf("a"), "up_for_retry");
  EXPECT_EQ(*h.Row("a").due_at, due + moved());
  h.AdvanceTo(due + moved() - seconds{1});
  EXPECT_EQ(h.StateOf("a"), "up_for_retry");
  h.AdvanceTo(due + moved());
  EXPECT_EQ(h.StateOf("a"), "queued");
}

TEST_P(ClockTest, ARunEndsWhenItsTimeoutHasPassed) {
  h.WorkerUp();
  h.Load(R"({"format": 1, "dag_id": "d", "run_timeout": "40m", "tasks": [
    {"id": "a", "type": "exec", "argv": ["x"]}]})");
  h.Trigger("d", {.null_logical_date = true});
  h.Start("a");
  const Instant begun = h.now;
  h.AdvanceTo(begun + minutes{30});
  SetClock();
  h.AdvanceTo(begun + minutes{39} + moved());
  EXPECT_FALSE(h.Run().stopping);
  h.AdvanceTo(begun + minutes{40} + moved());
  EXPECT_TRUE(h.Run().stopping);
}

TEST_P(ClockTest, ASensorIsAskedAndTimesOutInTime) {
  h.WorkerUp();
  h.Load(R"({"format": 1, "dag_id": "d", "tasks": [
    {"id": "s", "type": "sensor.file", "path": "x", "poke_interval": "10m",
     "sensor_timeout": "35m"}]})");
  h.Trigger("d", {.null_logical_date = true});
  const Instant begun = h.now;
  h.Poke(false);
  h.AdvanceTo(begun + minutes{5});
  h.TakePokes();
  SetClock();
  EXPECT_TRUE(h.TakePokes().empty());
  h.AdvanceTo(begun + minutes{12} + moved());
  EXPECT_EQ(h.TakePokes(), Names{"sensor.file"});
  h.AdvanceTo(begun + minutes{34} + moved());
  EXPECT_EQ(h.StateOf("s"), "deferred");
  h.AdvanceTo(begun + minutes{36} + moved());
  EXPECT_EQ(h.StateOf("s"), "failed");
}

TEST_P(ClockTest, AScheduleKeepsToTheWall) {
  h.WorkerUp();
  h.Load(R"({"format": 1, "dag_id": "d", 
    "schedule": {"cron": "0 9 * * *", "start_date": "2026-01-01", "catchup": "none"}, "tasks": [{"id": "a", "type": "noop"}]})");
  const Instant midnight = h.now;
  h.AdvanceTo(midnight + hours{5});
  SetClock();
  EXPECT_EQ(Runs(), 0u);
  h.AdvanceTo(midnight + hours{9} - seconds{1});
  EXPECT_EQ(Runs(), 0u);
  h.AdvanceTo(midnight + hours{9});
  EXPECT_EQ(Runs(), 1u);
  // The clock is set back over the tick: it fires once.
  h.now -= hours{2};
  h.Apply({event::ClockMoved{hours{-2}}});
  h.AdvanceTo(midnight + hours{10});
  EXPECT_EQ(Runs(), 1u);
}

TEST_P(ClockTest, SlaEntriesKeepToTheWallOrToTheirRun) {
  h.WorkerUp();
  h.Load(R"({"format": 1, "dag_id": "d", "sla": [
    {"name": "long", "duration": "40m"}, {"name": "noon", "deadline": "12:00"}],
    "tasks": [{"id": "a", "type": "exec", "argv": ["x"]}]})");
  const auto state = [&](const std::string& name) {
    for (const auto& [key, row] : h.db.slas) {
      if (row.name == name) return std::string(ToString(row.state));
    }
    return std::string("none");
  };
  const Instant midnight = h.now;
  h.AdvanceTo(midnight + hours{5});
  h.Trigger("d");
  h.Start("a");
  h.Advance(minutes{10});
  SetClock();
  h.Advance(minutes{29});
  EXPECT_EQ(state("long"), "warned");
  h.Advance(minutes{1});
  EXPECT_EQ(state("long"), "missed");
  h.AdvanceTo(midnight + hours{12} - seconds{1});
  EXPECT_EQ(state("noon"), "warned");
  h.AdvanceTo(midnight + hours{12});
  EXPECT_EQ(state("noon"), "missed");
}

INSTANTIATE_TEST_SUITE_P(ForwardAndBack, ClockTest, testing::Values(3, -3));

}  // namespace
}  // namespace nightmill
