// Who is told of what (product.md 7): runs, tasks, backfills and workers; each notifier once.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/base/json.h"
#include "tests/support/engine_harness.h"

namespace nightmill {
namespace {

using nlohmann::json;
using std::chrono::hours;
using std::chrono::minutes;

EngineConfig Config() {
  EngineConfig config;
  config.notifiers = {{"all", {"*"}, Severity::kInfo},
                      {"bad", {"run.*", "task.failed"}, Severity::kError},
                      {"named", {}, Severity::kInfo},
                      {"critical", {"*"}, Severity::kCritical}};
  return config;
}

constexpr const char* kPlain = R"({"dag_id": "d", "tags": ["x"], "tasks": [
  {"id": "a", "type": "exec", "argv": ["x"], "retries": 1, "retry_delay": "1m"}]})";

struct AlertsTest : testing::Test {
  EngineHarness h{Config()};
  std::size_t read = 0;

  // "run.failed all bad": the alerts since the last call with those who get them.
  Names Told(const std::string& group = "") {
    Names told;
    for (; read < h.db.alerts.size(); ++read) {
      const AlertRow& alert = h.db.alerts[read];
      std::string line(ToString(alert.type));
      if (!line.starts_with(group)) continue;
      for (const auto& [key, delivery] : h.db.deliveries) {
        if (key.first != alert.alert) continue;
        line += " " + key.second;
        EXPECT_EQ(delivery.state, DeliveryState::kPending);
        EXPECT_EQ(delivery.next_at, alert.at);
      }
      told.push_back(line);
    }
    return told;
  }
  json Data() const { return json::parse(h.db.alerts.back().data); }
};

TEST_F(AlertsTest, TasksAndRuns) {
  h.WorkerUp();
  h.Load(kPlain);
  h.Trigger("d", {.run_id = "r1"});
  h.Fail("a");
  EXPECT_EQ(Told(), (Names{"task.retry all"}));
  EXPECT_EQ(Data()["failure"]["kind"], "exit");
  EXPECT_FALSE(Data()["next_try_at"].is_null());
  h.Restart();
  h.AdvanceToWake();
  h.Fail("a");
  EXPECT_EQ(Told(), (Names{"task.failed all bad", "run.failed all bad"}));
  const json data = Data();
  EXPECT_EQ(data["dag_run_id"], "r1");
  EXPECT_EQ(data["reason"], "task_failed");
  EXPECT_TRUE(data["message"].get<std::string>().starts_with("a: ")) << data["message"];
  EXPECT_EQ(data["tags"], json::array({"x"}));
  EXPECT_EQ(data["failed_task_list"], json::array({"a"}));
  EXPECT_EQ(data["dedup_key"], "run:d:r1");
  EXPECT_EQ(data["severity"], "error");
  h.Advance(minutes{1});
  h.Trigger("d", {.run_id = "r2"});
  h.Finish("a", outcome::Skipped{});
  EXPECT_EQ(Told(), (Names{"task.skipped all", "run.recovered all bad"}));
  h.Advance(minutes{1});
  h.Trigger("d");
  h.Finish("a");
  EXPECT_EQ(Told(), (Names{"task.success all", "run.success all"}));
  EXPECT_EQ(h.db.alerts.back().dedup_key, "");
}

TEST_F(AlertsTest, ASuccessAfterARetryEndsItsTrouble) {
  h.WorkerUp();
  h.Load(kPlain);
  h.Trigger("d", {.run_id = "r1"});
  h.Fail("a");
  EXPECT_EQ(h.db.alerts.back().dedup_key, "task:d:r1:a");
  h.AdvanceToWake();
  h.Finish("a");
  EXPECT_EQ(Told(), (Names{"task.retry all", "task.success all", "run.success all"}));
  EXPECT_EQ(h.db.alerts.at(1).dedup_key, "task:d:r1:a");
  EXPECT_EQ(h.db.alerts.at(2).dedup_key, "");
}

TEST_F(AlertsTest, ATroubleOfManyRunsHasOneKeyAndOneEnd) {
  h.WorkerUp();
  h.Load(R"({"dag_id": "d", "tasks": [{"id": "a", "type": "exec", "argv": ["x"]}]})");
  for (const char* run : {"r1", "r2", "r3"}) {
    h.Advance(minutes{1});
    h.Trigger("d", {.run_id = run});
    h.Restart();
    h.Fail("a");
    EXPECT_EQ(h.db.alerts.back().dedup_key, "run:d:r1") << run;
    EXPECT_EQ(Data()["dag_run_id"], run);
  }
  h.Restart();
  h.Advance(minutes{1});
  h.Trigger("d", {.run_id = "r4"});
  h.Finish("a");
  EXPECT_EQ(h.db.alerts.back().type, AlertType::kRunRecovered);
  EXPECT_EQ(h.db.alerts.back().dedup_key, "run:d:r1");
  EXPECT_EQ(h.db.alerts.back().severity, Severity::kError);
  h.Advance(minutes{1});
  h.Trigger("d", {.run_id = "r5"});
  h.Fail("a");
  EXPECT_EQ(h.db.alerts.back().dedup_key, "run:d:r5");
}

TEST_F(AlertsTest, NamedOnesAreCalledOnce) {
  h.WorkerUp();
  h.Load(R"({"dag_id": "d", "on": {"failure": [{"notify": "named"}, {"notify": "all"},
    {"notify": "critical"}, {"notify": "unknown"}], "success": [{"notify": "named"}]}, "tasks": [
    {"id": "a", "type": "exec", "argv": ["x"], "on": {"failure": [{"notify": "named"}]}},
    {"id": "b", "type": "noop", "on": {"success": [{"notify": "named"}]}}]})");
  h.Trigger("d");
  h.Fail("a");
  EXPECT_EQ(Told(), (Names{"task.success all named", "task.failed all bad named",
                           "run.failed all bad named"}));
  h.Advance(minutes{1});
  h.Trigger("d");
  h.Finish("a");
  EXPECT_EQ(Told("run"), (Names{"run.recovered all bad named"}));
  h.Advance(minutes{1});
  h.Trigger("d");
  h.Finish("a");
  EXPECT_EQ(Told("run"), (Names{"run.success all named"}));
}

// Notifications follow the newest version, also of runs that are pinned to an older one.
TEST_F(AlertsTest, TheNewestVersionSaysWho) {
  h.WorkerUp();
  h.Load(R"({"dag_id": "d", "tasks": [{"id": "a", "type": "exec", "argv": ["x"]}]})");
  h.Trigger("d");
  h.Load(R"({"dag_id": "d", "tasks": [{"id": "b", "type": "noop"}, {"id": "a", "type": "exec",
    "argv": ["y"], "on": {"success": [{"notify": "named"}]}}]})");
  h.Restart();
  h.Finish("a");
  EXPECT_EQ(Told(), (Names{"task.success all named", "run.success all"}));
}

TEST_F(AlertsTest, SlaCallbacksHearTheEndToo) {
  h.WorkerUp();
  h.Load(R"({"dag_id": "d", "on": {"sla_miss": [{"notify": "named"}]},
    "sla": [{"name": "s", "within": "1h", "from": "queued"}],
    "tasks": [{"id": "a", "type": "exec", "argv": ["x"],
      "sla": [{"name": "t", "duration": "3h", "notify": ["named"]}]}]})");
  h.Trigger("d");
  h.Start("a");
  h.Advance(minutes{50});
  EXPECT_EQ(Told(), (Names{"sla.warning all"}));
  h.Advance(hours{2});
  EXPECT_EQ(Told(), (Names{"sla.missed all named", "sla.warning all named"}));
  h.Restart();
  h.Finish("a");
  EXPECT_EQ(Told("sla"), (Names{"sla.resolved all named", "sla.resolved all named"}));
}

TEST_F(AlertsTest, ACancelledQueuedRun) {
  h.Load(R"({"dag_id": "d", "tasks": [{"id": "a", "type": "noop"}]})", true);
  const std::string run = h.Trigger("d");
  h.Cancel("d", run);
  EXPECT_EQ(Told(), (Names{"run.failed all bad"}));
  EXPECT_EQ(Data()["reason"], "cancelled");
  EXPECT_EQ(Data()["started_at"], nullptr);
}

TEST_F(AlertsTest, Backfills) {
  h.WorkerUp();
  h.Load(R"({"dag_id": "d", "schedule": {"cron": "@daily", "catchup": "none"},
    "tasks": [{"id": "a", "type": "exec", "argv": ["x"]}]})");
  ASSERT_TRUE(h.Backfill("d", "2026-01-01", "2026-01-02").ok());
  h.Finish("a");
  h.Fail("a");
  const Names told = Told();
  EXPECT_EQ(told.back(), "backfill.completed all");
  EXPECT_EQ(Data()["outcome"], "failed");
  EXPECT_EQ(Data()["success"], 1);
  EXPECT_EQ(Data()["failed"], 1);
}

TEST_F(AlertsTest, ALostWorkerIsToldOfOnce) {
  h.WorkerUp("w", 4);
  h.Load(R"({"dag_id": "d", "tasks": [{"id": "a", "type": "exec", "argv": ["x"]},
                                      {"id": "b", "type": "exec", "argv": ["x"]}]})");
  h.Trigger("d");
  h.Start("a");
  h.WorkerDown();
  EXPECT_EQ(Told(), Names{});
  h.WorkerDies();
  EXPECT_EQ(Told(), (Names{"worker.lost all"}));
  EXPECT_EQ(Data()["worker"], "w");
  EXPECT_EQ(Data()["attempt_count"], 2);
  h.Restart();
  h.WorkerDown();
  h.WorkerUp();
  EXPECT_EQ(Told(), Names{});
  // One task whose host died is not a lost worker.
  h.Lose("a");
  EXPECT_EQ(Told(), Names{});
}

TEST(AlertsOfNobodyTest, LeaveNoRow) {
  EngineHarness h;
  h.WorkerUp();
  h.Load(R"({"dag_id": "d", "on": {"failure": [{"notify": "nobody"}]},
    "sla": [{"name": "s", "within": "1h", "from": "queued"}],
    "tasks": [{"id": "a", "type": "exec", "argv": ["x"]}]})");
  h.Trigger("d");
  h.Start("a");
  h.Advance(hours{2});
  h.Fail("a");
  EXPECT_TRUE(h.db.alerts.empty());
  EXPECT_EQ(h.db.slas.begin()->second.state, SlaState::kMissed);
}

// However much there is to say, a message stays under 20 kB.
TEST_F(AlertsTest, MessagesAreBounded) {
  h.WorkerUp();
  std::string tasks;
  for (int i = 0; i < 2'000; ++i) {
    tasks += fmt::format(R"({}{{"id": "{}{:04}", "type": "exec", "argv": ["x"]}})",
                         i > 0 ? "," : "", std::string(190, 'n'), i);
  }
  h.Load(fmt::format(R"({{"dag_id": "{}", "sla": [{{"name": "{}", "within": "1h",
    "from": "queued"}}], "tasks": [{}]}})",
                     std::string(200, 'd'), std::string(200, 's'), tasks));
  h.Trigger(std::string(200, 'd'), {.run_id = std::string(250, 'r')});
  h.now += minutes{50};
  h.Apply();
  ASSERT_EQ(Told(), (Names{"sla.warning all"}));
  EXPECT_LT(h.db.alerts.back().data.size(), 16'000u);
  EXPECT_EQ(Data()["task_count"], 2'000);
  EXPECT_EQ(Data()["blocking_task_count"], 2'000);
  h.Cancel(std::string(200, 'd'), std::string(250, 'r'));
  for (const AlertRow& alert : h.db.alerts) EXPECT_LT(alert.data.size(), 16'000u);
}

}  // namespace
}  // namespace nightmill
