// SLA entries on their slots (semantics.md 9): when they are armed, what they become, who hears of
// it, and that none of it happens twice or gets lost over restarts.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/engine_harness.h"

namespace nightmill {
namespace {

using nlohmann::json;
using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

EngineConfig Hooked() {
  EngineConfig config;
  config.notifiers = {{"hook", {"sla.*"}, Severity::kInfo}};
  return config;
}

std::string Dag(const std::string& sla, const std::string& more = "",
                const std::string& tasks = R"({"id": "a", "type": "exec", "argv": ["x"]})") {
  return fmt::format(R"({{"dag_id": "d", {} "sla": [{}], "tasks": [{}]}})", more, sla, tasks);
}

constexpr const char* kDaily =
    R"("schedule": {"cron": "0 6 * * *", "catchup": "none"}, "max_active_runs": 1,)";
constexpr const char* kBy8 = R"({"name": "by8", "deadline": "08:00"})";

struct SlaTest : testing::Test {
  EngineHarness h{Hooked()};
  std::size_t read = 0;

  Instant Day(int day, int hour, int minute = 0) const {
    return InstantFromMicros(1'767'571'200'000'000) + days{day - 5} + hours{hour} +
           minutes{minute};  // of January 2026
  }
  // "07:36 sla.warning": the alerts since the last call.
  Names Told() {
    Names told;
    for (; read < h.db.alerts.size(); ++read) {
      const AlertRow& alert = h.db.alerts[read];
      told.push_back(fmt::format("{} {}", FormatInstant(alert.at).substr(11, 5),
                                 ToString(alert.type)));
    }
    return told;
  }
  json Data() const { return json::parse(h.db.alerts.back().data); }
  const SlaRow& Row(const std::string& name) const {
    const SlaRow* found = nullptr;
    for (const auto& [key, row] : h.db.slas) {
      if (row.name == name) found = &row;
    }
    EXPECT_TRUE(found != nullptr) << name;
    return *found;
  }
  std::string State(const std::string& name) const {
    return std::string(ToString(Row(name).state));
  }
  // "armed missed met" of all slots of an entry.
  std::string States(const std::string& name) const {
    std::string text;
    for (const auto& [key, row] : h.db.slas) {
      if (row.name == name) text += (text.empty() ? "" : " ") + std::string(ToString(row.state));
    }
    return text;
  }
  // Runs of `took` each, a day apart, so that there is something to forecast from.
  void Learn(int runs, Duration took) {
    for (int i = 0; i < runs; ++i) {
      h.Trigger("d");
      h.Start("a");
      h.Advance(took);
      while (h.Holds("a")) h.Finish("a");
      h.Advance(hours{1});
    }
  }
};

TEST_F(SlaTest, WarnedMissedResolved) {
  h.WorkerUp();
  h.Load(Dag(kBy8, kDaily));
  h.AdvanceTo(Day(5, 6));
  EXPECT_EQ(State("by8"), "armed");
  EXPECT_EQ(Row("by8").warn_at, Day(5, 7, 36));
  h.Start("a");
  h.AdvanceTo(Day(5, 7, 59));
  EXPECT_EQ(Told(), (Names{"07:36 sla.warning"}));
  EXPECT_EQ(Data()["cause"], "time");
  h.Restart();
  h.AdvanceTo(Day(5, 8, 11));
  EXPECT_EQ(Told(), (Names{"08:00 sla.missed"}));
  h.Restart();
  h.Finish("a");
  EXPECT_EQ(Told(), (Names{"08:11 sla.resolved"}));
  EXPECT_EQ(State("by8"), "resolved");
  EXPECT_EQ(Data()["was"], "missed");
  EXPECT_EQ(Data()["late_by_seconds"], 660);
  for (const AlertRow& alert : h.db.alerts) {
    EXPECT_EQ(alert.dedup_key, "sla:d:by8:2026-01-04T06:00Z");
  }
  h.AdvanceTo(Day(6, 5));
  EXPECT_EQ(Told(), Names{});
}

TEST_F(SlaTest, AMissIsKeptOnceWithWhatWasKnown) {
  h.WorkerUp();
  h.Load(Dag(kBy8, kDaily));
  h.AdvanceTo(Day(5, 7));
  EXPECT_TRUE(h.db.misses.empty());
  h.AdvanceTo(Day(5, 8, 11));
  h.Restart();
  h.Finish("a");
  ASSERT_EQ(h.db.misses.size(), 1u) << "the warning, the miss and the landing are of one entry";
  const SlaMissRow& miss = h.db.misses[0];
  EXPECT_EQ(miss.slot, Row("by8").slot);
  EXPECT_EQ(miss.kind, "deadline");
  const EventRow& told = h.db.events.at(static_cast<std::size_t>(miss.miss.value - 1));
  EXPECT_EQ(told.kind, "sla.state");
  EXPECT_EQ(json::parse(told.data)["to"], "warned");
  const json holdup = json::parse(miss.holdup);
  EXPECT_EQ(holdup["task_list"], json({"a"}));
  EXPECT_EQ(holdup["blocking_task_list"][0]["task_id"], "a");
  EXPECT_EQ(holdup["blocking_task_count"], 1);
}

TEST_F(SlaTest, LandedInTimeSaysNothing) {
  h.WorkerUp();
  h.Load(Dag(kBy8, kDaily));
  h.AdvanceTo(Day(5, 7));
  h.Finish("a");
  EXPECT_EQ(State("by8"), "met");
  h.AdvanceTo(Day(6, 5));
  EXPECT_EQ(Told(), Names{});
}

TEST_F(SlaTest, LandedAtTheVeryDueInstantIsInTime) {
  h.WorkerUp();
  h.Load(Dag(R"({"name": "by8", "deadline": "08:00", "warn_at": 1})", kDaily));
  h.AdvanceTo(Day(5, 7, 59));
  h.now = Day(5, 8);
  h.Finish("a");
  EXPECT_EQ(State("by8"), "met");
  EXPECT_EQ(Told(), Names{});
}

TEST_F(SlaTest, LateIsLateAlsoBetweenTwoSteps) {
  h.WorkerUp();
  h.Load(Dag(kBy8, kDaily));
  h.AdvanceTo(Day(5, 7));
  h.now = Day(5, 8) + seconds{1};
  h.Finish("a");
  EXPECT_EQ(State("by8"), "resolved");
  EXPECT_EQ(Told(), (Names{"08:00 sla.missed", "08:00 sla.resolved"}));
}

TEST_F(SlaTest, TheMessage) {
  h.WorkerUp();
  h.Load(Dag(R"({"name": "by8", "deadline": "08:00", "severity": "critical"})", kDaily,
             R"({"id": "a", "type": "exec", "argv": ["x"]},
                {"id": "b", "type": "exec", "argv": ["x"], "depends_on": ["a"]})"));
  h.AdvanceTo(Day(5, 6));
  h.Start("a");
  h.AdvanceTo(Day(5, 7, 40));
  const json expected = json::parse(R"({
    "dag_id": "d", "dag_run_id": "scheduled__2026-01-04T06:00:00+00:00", "task_id": null,
    "sla": "by8", "cause": "time", "severity": "critical", "deadline": "2026-01-05T08:00:00Z",
    "predicted_finish": null, "task_list": ["a", "b"], "task_count": 2,
    "blocking_task_list": [{"task_id": "a", "map_index": -1, "state": "running",
      "since": "2026-01-05T06:00:00Z", "reason": "running", "p50_seconds": null,
      "slack_seconds": null}],
    "blocking_task_count": 1, "dedup_key": "sla:d:by8:2026-01-04T06:00Z"})");
  ASSERT_EQ(Told(), (Names{"07:36 sla.warning"}));
  EXPECT_EQ(Data(), expected);
  EXPECT_EQ(h.db.alerts.back().severity, Severity::kCritical);
}

TEST_F(SlaTest, ASlotWithoutARunIsMissedToo) {
  h.WorkerUp();
  h.Load(Dag(kBy8, R"("schedule": {"cron": "0 6 * * *", "overlap": "skip", "catchup": "none"},
                      "max_active_runs": 1,)"));
  h.AdvanceTo(Day(6, 7));
  EXPECT_EQ(Told(), (Names{"07:36 sla.warning", "08:00 sla.missed"}));
  h.Restart();
  h.AdvanceTo(Day(6, 7, 50));
  EXPECT_EQ(Told(), (Names{"07:36 sla.warning"}));
  EXPECT_EQ(Data()["dag_run_id"], nullptr);
  EXPECT_EQ(Data()["task_list"], json::array({"a"}));
  h.AdvanceTo(Day(6, 9));
  EXPECT_EQ(Told(), (Names{"08:00 sla.missed"}));
  // The run of the first slot lands at last; the second has none that could.
  h.Finish("a");
  EXPECT_EQ(Told(), (Names{"09:00 sla.resolved"}));
  EXPECT_EQ(States("by8"), "resolved missed");
}

TEST_F(SlaTest, TheReasonOfASlotWithoutARun) {
  h.WorkerUp();
  h.Load(Dag(kBy8, R"("schedule": {"cron": "0 6 * * *", "overlap": "skip", "catchup": "none"},
                      "max_active_runs": 1,)"));
  h.AdvanceTo(Day(6, 7, 40));
  const json blocking = Data()["blocking_task_list"];
  ASSERT_EQ(blocking.size(), 1u);
  EXPECT_EQ(blocking[0]["reason"], "overlap_skip");
  EXPECT_EQ(blocking[0]["task_id"], nullptr);
}

TEST_F(SlaTest, AQueuedRunNamesWhatItWaitsFor) {
  h.WorkerUp();
  h.Load(Dag(kBy8, kDaily));
  h.AdvanceTo(Day(6, 7, 40));
  EXPECT_EQ(Data()["dag_run_id"], "scheduled__2026-01-05T06:00:00+00:00");
  EXPECT_EQ(Data()["blocking_task_list"][0]["reason"], "max_active_runs");
  EXPECT_EQ(Data()["blocking_task_list"][0]["task_id"], "a");
}

TEST_F(SlaTest, AfterAnOutageTheNewestSpeaksForAll) {
  h.WorkerUp();
  h.Load(Dag(kBy8, kDaily));
  h.AdvanceTo(Day(5, 1));
  h.now = Day(9, 12);
  h.Restart();
  EXPECT_EQ(Told(), (Names{"12:00 sla.missed"}));
  EXPECT_EQ(Data()["others"], 4);
  EXPECT_EQ(h.db.alerts.back().dedup_key, "sla:d:by8:2026-01-08T06:00Z");
  EXPECT_EQ(States("by8"), "missed missed missed missed missed");
  // Each of them is kept, in the order of their slots, though one is told of.
  ASSERT_EQ(h.db.misses.size(), 5u);
  EXPECT_EQ(h.db.misses.front().slot, Day(4, 6));
  EXPECT_EQ(h.db.misses.back().slot, Day(8, 6));
  h.Restart();
  h.AdvanceTo(Day(9, 20));
  EXPECT_EQ(Told(), Names{});
  // What was only counted is not told of when it lands either.
  ASSERT_TRUE(h.Backfill("d", "2026-01-05", "2026-01-05").ok());
  h.Finish("a");
  EXPECT_EQ(States("by8"), "missed resolved missed missed missed");
  EXPECT_EQ(Told(), Names{});
  ASSERT_TRUE(h.Backfill("d", "2026-01-08", "2026-01-08").ok());
  h.Finish("a");
  EXPECT_EQ(Told(), (Names{"20:00 sla.resolved"}));
}

TEST_F(SlaTest, WhilePausedEntriesRest) {
  h.WorkerUp();
  h.Load(Dag(kBy8, kDaily));
  h.AdvanceTo(Day(5, 6));
  h.Pause("d", true);
  h.AdvanceTo(Day(5, 9));
  EXPECT_EQ(Told(), Names{});
  EXPECT_TRUE(h.engine().Slas("d", h.now).at(0).suppressed);
  h.Restart();
  h.Pause("d", false);
  EXPECT_EQ(State("by8"), "not_applicable");
  h.Finish("a");
  EXPECT_EQ(Told(), Names{});
  h.AdvanceTo(Day(6, 6));
  EXPECT_EQ(State("by8"), "armed");
  h.Pause("d", true);
  h.Pause("d", false);
  h.AdvanceTo(Day(6, 9));
  EXPECT_EQ(Told(), (Names{"07:36 sla.warning", "08:00 sla.missed"}));
}

TEST_F(SlaTest, LandingWhilePausedEndsWhatWasTold) {
  h.WorkerUp();
  h.Load(Dag(kBy8, kDaily));
  h.AdvanceTo(Day(5, 7, 40));
  h.Pause("d", true);
  h.AdvanceTo(Day(5, 9));
  EXPECT_EQ(Told(), (Names{"07:36 sla.warning"}));
  h.Finish("a");
  EXPECT_EQ(Told(), (Names{"09:00 sla.resolved"}));
}

TEST_F(SlaTest, SlotsOfAPausedDagForEntriesThatWantThem) {
  h.WorkerUp();
  h.Load(Dag(R"({"name": "by8", "deadline": "08:00", "while_paused": true},
                {"name": "rests", "deadline": "08:00"})",
             kDaily),
         true);
  h.AdvanceTo(Day(6, 7));
  EXPECT_EQ(Told(), (Names{"07:36 sla.warning", "08:00 sla.missed"}));
  EXPECT_EQ(Data()["blocking_task_list"][0]["reason"], "dag_paused");
  EXPECT_EQ(States("by8"), "missed armed");
  h.Restart();
  EXPECT_EQ(States("by8"), "missed armed");
  // The slot of today is decided now and skipped, but its entry goes on.
  h.Pause("d", false);
  EXPECT_EQ(States("by8"), "missed armed");
  h.AdvanceTo(Day(6, 9));
  EXPECT_EQ(Told(), (Names{"07:36 sla.warning", "08:00 sla.missed"}));
  EXPECT_EQ(States("by8"), "missed missed");
}

TEST_F(SlaTest, OnlySlotsAfterTheAcceptanceAndThoseWithARun) {
  h.WorkerUp();
  const auto dag = [](const std::string& catchup) {
    return Dag(kBy8, fmt::format(R"("schedule": {{"cron": "0 6 * * *", "catchup": "{}",
                                    "start_date": "2026-01-01"}},)",
                                 catchup));
  };
  h.Load(dag("none"));
  EXPECT_EQ(h.db.slas.size(), 0u);
  h.AdvanceTo(Day(5, 9));
  EXPECT_EQ(h.db.slas.size(), 1u);
}

TEST_F(SlaTest, ACatchUpRunIsLateAtOnce) {
  h.WorkerUp();
  h.Load(Dag(kBy8, R"("schedule": {"cron": "0 6 * * *", "start_date": "2026-01-01",
                      "catchup": "all"},)"));
  EXPECT_EQ(Told(), (Names{"00:00 sla.missed"}));
  EXPECT_EQ(Data()["others"], 2);
}

TEST_F(SlaTest, ManualRuns) {
  h.WorkerUp();
  h.Load(Dag(kBy8, kDaily));
  h.AdvanceTo(Day(5, 7));
  h.Finish("a");
  const std::string late = h.Trigger("d", {.run_id = "before"});
  EXPECT_EQ(State("by8"), "armed");
  EXPECT_EQ(Row("by8").warn_at, Day(5, 7, 48));
  h.Finish("a");
  EXPECT_EQ(State("by8"), "met");
  h.AdvanceTo(Day(5, 10));
  h.Trigger("d", {.run_id = "after"});
  EXPECT_EQ(State("by8"), "not_applicable");
  h.AdvanceTo(Day(5, 23));
  EXPECT_EQ(Told(), Names{});
}

TEST_F(SlaTest, TwoRunsWithoutADateAtOneInstant) {
  h.WorkerUp();
  h.Load(Dag(R"({"name": "w", "within": "1h", "from": "queued"},
                {"name": "s", "within": "1h", "from": "start"})"));
  event::TriggerRun first;
  first.dag_id = "d";
  first.run_id = "r1";
  first.null_logical_date = true;
  event::TriggerRun second = first;
  second.run_id = "r2";
  h.Apply({first, second});
  EXPECT_EQ(States("w"), "armed armed");
  EXPECT_EQ(States("s"), "armed armed");
  h.Finish("r1/a");
  EXPECT_EQ(States("w"), "met armed");
  h.Advance(hours{2});
  EXPECT_EQ(Told().size(), 4u);
  EXPECT_EQ(States("s"), "met missed");
}

TEST_F(SlaTest, BackfillRunsOnlyOnRequest) {
  h.WorkerUp();
  h.Load(Dag(R"({"name": "no", "within": "1h", "from": "queued"},
                {"name": "yes", "within": "1h", "from": "queued", "backfill": true},
                {"name": "past", "deadline": "08:00", "backfill": true})",
             kDaily));
  ASSERT_TRUE(h.Backfill("d", "2026-01-02", "2026-01-02").ok());
  EXPECT_EQ(States("no"), "");
  EXPECT_EQ(States("yes"), "armed");
  EXPECT_EQ(States("past"), "not_applicable");
  h.Advance(hours{2});
  EXPECT_EQ(Told(), (Names{"00:48 sla.warning", "01:00 sla.missed"}));
}

TEST_F(SlaTest, AClearDoesNotArmAgainButLanding) {
  h.WorkerUp();
  h.Load(Dag(R"({"name": "by8", "deadline": "08:00", "backfill": true},
                {"name": "took", "duration": "1h", "backfill": true})",
             kDaily));
  h.AdvanceTo(Day(5, 6));
  h.Start("a");
  h.AdvanceTo(Day(5, 6, 10));
  h.Fail("a");
  EXPECT_EQ(Told(), (Names{"06:10 sla.warning", "06:10 sla.warning"}));
  EXPECT_EQ(Data()["cause"], "failed");
  EXPECT_EQ(Data()["blocking_task_list"][0]["state"], "failed");
  h.AdvanceTo(Day(5, 9));
  EXPECT_EQ(Told(), (Names{"07:00 sla.missed", "08:00 sla.missed"}));
  EXPECT_EQ(Data()["blocking_task_list"][0]["reason"], "run_failed");
  h.Restart();
  ASSERT_TRUE(
      h.Backfill("d", "2026-01-04", "2026-01-04", {.reprocess = ReprocessBehavior::kFailed}).ok());
  h.AnswerLoad();
  EXPECT_EQ(States("by8"), "missed");
  EXPECT_EQ(States("took"), "missed armed");
  h.Restart();
  h.AdvanceTo(Day(5, 9, 50));
  EXPECT_EQ(Told(), (Names{"09:48 sla.warning"}));
  h.Finish("a");
  EXPECT_EQ(Told(), (Names{"09:50 sla.resolved", "09:50 sla.resolved", "09:50 sla.resolved"}));
  EXPECT_EQ(States("took"), "resolved resolved");
}

TEST_F(SlaTest, OfATask) {
  h.WorkerUp();
  h.Load(Dag("", kDaily,
             R"({"id": "a", "type": "exec", "argv": ["x"],
                 "sla": [{"name": "a_by7", "deadline": "07:00"}]},
                {"id": "b", "type": "exec", "argv": ["x"], "depends_on": ["a"],
                 "sla": [{"name": "b_took", "duration": "30m"}]},
                {"id": "c", "type": "exec", "argv": ["x"]})"));
  h.AdvanceTo(Day(5, 6));
  EXPECT_EQ(Row("a_by7").task_id, "a");
  EXPECT_EQ(States("b_took"), "");
  h.AdvanceTo(Day(5, 6, 50));
  EXPECT_EQ(Told(), (Names{"06:48 sla.warning"}));
  EXPECT_EQ(Data()["task_id"], "a");
  EXPECT_EQ(Data()["task_list"], json::array({"a"}));
  h.Finish("a");
  EXPECT_EQ(Told(), (Names{"06:50 sla.resolved"}));
  h.Start("b");
  h.AdvanceTo(Day(5, 7, 25));
  EXPECT_EQ(Told(), (Names{"07:14 sla.warning", "07:20 sla.missed"}));
  h.Restart();
  h.Fail("b");
  EXPECT_EQ(Told(), Names{});
  h.Finish("c");
  EXPECT_EQ(h.RunStateOf(), "failed");
}

TEST_F(SlaTest, AMappedTaskLandsWithItsLastInstance) {
  h.WorkerUp();
  h.Load(Dag("", kDaily,
             R"({"id": "m", "type": "exec", "argv": ["x"], "map": {"over": [1, 2, 3]},
                 "sla": [{"name": "took", "duration": "30m"}]})"));
  h.AdvanceTo(Day(5, 6));
  h.Start("m[1]");
  EXPECT_EQ(States("took"), "armed");
  h.AdvanceTo(Day(5, 6, 5));
  h.Start("m[0]");
  h.Finish("m[1]");
  h.Finish("m[0]");
  EXPECT_EQ(States("took"), "armed");
  EXPECT_EQ(Row("took").due_at, Day(5, 6, 30));
  h.Finish("m[2]", outcome::Skipped{});
  EXPECT_EQ(States("took"), "met");
}

TEST_F(SlaTest, ACancelledTaskHasNotLanded) {
  h.WorkerUp();
  h.Load(Dag("", kDaily,
             R"({"id": "a", "type": "exec", "argv": ["x"]},
                {"id": "b", "type": "exec", "argv": ["x"], "depends_on": ["a"],
                 "sla": [{"name": "b", "deadline": "07:00"}]})"));
  h.AdvanceTo(Day(5, 6));
  h.Cancel("d", h.Run().run_id);
  h.Finish("a", outcome::Killed{});
  EXPECT_EQ(Told(), (Names{"06:00 sla.warning"}));
  EXPECT_EQ(State("b"), "warned");
}

TEST_F(SlaTest, StaleWithOrWithoutAnyRun) {
  h.WorkerUp();
  h.Load(Dag(R"({"name": "fresh", "stale_after": "10h"})"));
  h.Advance(hours{9});
  EXPECT_EQ(Told(), (Names{"08:00 sla.warning"}));
  h.Restart();
  h.Trigger("d");
  h.Finish("a");
  EXPECT_EQ(Told(), (Names{"09:00 sla.resolved"}));
  EXPECT_EQ(States("fresh"), "resolved armed");
  h.Advance(hours{7});
  h.Trigger("d");
  h.Finish("a");
  EXPECT_EQ(States("fresh"), "resolved met armed");
  h.Restart();
  h.Advance(hours{20});
  EXPECT_EQ(Told(), (Names{"00:00 sla.warning", "02:00 sla.missed"}));
  // Nobody asks how old the data of a paused DAG is; from then on it has its time again.
  h.Pause("d", true);
  h.Advance(hours{20});
  h.Pause("d", false);
  EXPECT_EQ(States("fresh"), "resolved met missed");
  h.Trigger("d");
  h.Finish("a");
  EXPECT_EQ(States("fresh"), "resolved met resolved armed");
  h.Pause("d", true);
  h.Advance(hours{20});
  h.Pause("d", false);
  EXPECT_EQ(States("fresh"), "resolved met resolved not_applicable armed");
}

TEST_F(SlaTest, TheForecastWarnsBeforeTime) {
  h.WorkerUp();
  h.Load(Dag(R"({"name": "fast", "within": "5h", "from": "start", "warn_at": 1})", "",
             R"({"id": "a", "type": "exec", "argv": ["x"], "retries": 1, "retry_delay": "3h",
                 "retry_jitter": "none"})"));
  Learn(5, hours{2});
  EXPECT_EQ(Told(), Names{});
  h.Trigger("d");
  h.Start("a");
  const Instant began = h.now;
  EXPECT_EQ(h.engine().Slas("d", h.now).at(0).predicted_end, began + hours{2});
  h.Restart();
  h.Advance(hours{1});
  h.Fail("a");  // again in three hours, for two: six in all
  ASSERT_EQ(Told().size(), 1u);
  EXPECT_EQ(Data()["cause"], "forecast");
  EXPECT_EQ(Data()["predicted_finish"], FormatInstant(began + hours{6}));
  EXPECT_EQ(Data()["blocking_task_list"][0]["p50_seconds"], 7200);
  EXPECT_EQ(Data()["blocking_task_list"][0]["slack_seconds"], -3600);
  EXPECT_EQ(Data()["blocking_task_list"][0]["reason"], "retry_at");
}

TEST_F(SlaTest, TheForecastPassesDueWhenATaskDoesNotEnd) {
  h.WorkerUp();
  h.Load(Dag(R"({"name": "fast", "within": "5h", "from": "start", "warn_at": 1})", "",
             R"({"id": "a", "type": "exec", "argv": ["x"]},
                {"id": "b", "type": "exec", "argv": ["x"], "depends_on": ["a"]})"));
  for (int i = 0; i < 5; ++i) {
    h.Trigger("d");
    h.Start("a");
    h.Advance(hours{1});
    h.Finish("a");
    h.Start("b");
    h.Advance(hours{1});
    h.Finish("b");
  }
  h.Trigger("d");
  h.Start("a");
  h.Advance(hours{3} + minutes{59});
  EXPECT_EQ(Told(), Names{});
  h.Restart();
  h.Advance(minutes{2});  // four hours gone, one more for b
  EXPECT_EQ(Told().size(), 1u);
  EXPECT_EQ(Data()["cause"], "forecast");
}

TEST_F(SlaTest, NoForecastFromTooFewRuns) {
  h.WorkerUp();
  h.Load(Dag(R"({"name": "fast", "within": "1h", "from": "start", "warn_at": 1})"));
  Learn(4, minutes{50});
  h.Trigger("d");
  EXPECT_EQ(h.engine().Slas("d", h.now).at(0).predicted_end, std::nullopt);
}

TEST_F(SlaTest, ALearnedDuration) {
  h.WorkerUp();
  h.Load(Dag(R"({"name": "usual", "duration": {"average_of": 3, "factor": 2, "min_runs": 2}})"));
  h.Trigger("d");
  EXPECT_EQ(States("usual"), "");
  h.Advance(minutes{10});
  h.Finish("a");
  Learn(1, minutes{20});
  EXPECT_EQ(States("usual"), "");
  h.Restart();
  h.Trigger("d");
  EXPECT_EQ(Row("usual").due_at, h.now + minutes{30});
}

TEST_F(SlaTest, TheNewestVersionHolds) {
  h.WorkerUp();
  h.Load(Dag(R"({"name": "by8", "deadline": "08:00"}, {"name": "gone", "deadline": "09:00"})",
             kDaily));
  h.AdvanceTo(Day(5, 7));
  h.Load(Dag(R"({"name": "by8", "deadline": "10:00"}, {"name": "new", "deadline": "09:00"})",
             kDaily));
  EXPECT_EQ(State("gone"), "not_applicable");
  EXPECT_EQ(Row("by8").due_at, Day(5, 10));
  h.Restart();
  h.AdvanceTo(Day(5, 9, 59));
  EXPECT_EQ(Told(), (Names{"09:12 sla.warning"}));
  EXPECT_EQ(States("new"), "");
  h.Load(Dag("", kDaily));
  EXPECT_EQ(State("by8"), "not_applicable");
  h.AdvanceTo(Day(5, 11));
  h.Finish("a");
  EXPECT_EQ(Told(), Names{});
  EXPECT_TRUE(h.engine().Slas("", h.now).empty());
}

TEST_F(SlaTest, OldMissesDoNotPileUp) {
  h.Load(Dag(R"({"name": "m", "deadline": "0 0 1 1 *"}, {"name": "q", "within": "1m",
                 "from": "logical"})",
             R"("schedule": {"every": "1h", "catchup": "none", "overlap": "skip"},
                "max_active_runs": 1,)"));
  for (int i = 0; i < 80; ++i) h.Advance(hours{1});
  EXPECT_GT(h.db.slas.size(), 80u);
  h.Restart();
  EXPECT_EQ(h.engine().Slas("d", h.now).size(), 2u);
}

TEST_F(SlaTest, StandingsForReaders) {
  h.WorkerUp();
  h.Load(Dag(R"({"name": "by8", "deadline": "08:00"}, {"name": "took", "duration": "1h"})",
             kDaily));
  auto standings = h.engine().Slas("d", h.now);
  ASSERT_EQ(standings.size(), 2u);
  EXPECT_FALSE(standings[0].row || standings[0].suppressed);
  h.AdvanceTo(Day(5, 6));
  standings = h.engine().Slas("", h.now);
  EXPECT_EQ(standings[0].row->state, SlaState::kArmed);
  EXPECT_EQ(standings[0].run_id, "scheduled__2026-01-04T06:00:00+00:00");
  EXPECT_EQ(standings[0].task_list, Names{"a"});
  EXPECT_EQ(standings[1].row->due_at, Day(5, 7));
  EXPECT_TRUE(h.engine().Slas("other", h.now).empty());
}

TEST_F(SlaTest, MarkingAFinishedRunIsALanding) {
  h.WorkerUp();
  h.Load(Dag(kBy8, kDaily, R"({"id": "a", "type": "exec", "argv": ["x"],
    "sla": [{"name": "of_a", "within": "90m", "from": "interval_end"}]})"));
  h.AdvanceTo(Day(5, 6));
  h.Fail("a");
  h.AdvanceTo(Day(5, 9));
  EXPECT_EQ(Told(), (Names{"06:00 sla.warning", "06:00 sla.warning", "07:30 sla.missed",
                           "08:00 sla.missed"}));
  h.Restart();
  event::MarkRun mark;
  mark.dag_id = "d";
  mark.run_id = h.Run().run_id;
  mark.state = RunState::kSuccess;
  mark.finished = event::LoadedRun{h.Run(), h.db.TasksOf(h.Run().run)};
  ASSERT_TRUE(h.Ask(std::move(mark)).ok());
  EXPECT_EQ(State("by8"), "resolved");
  EXPECT_EQ(State("of_a"), "resolved");
  EXPECT_EQ(Told(), (Names{"09:00 sla.resolved", "09:00 sla.resolved"}));
}

}  // namespace
}  // namespace nightmill
