// The four forms of a message, frozen by golden files (tests/golden/alerts); `--accept` rewrites
// them after an intended change. And that no alert is too long for any of them.
#include "scheduler/daemon/alerts/payload.h"

#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <vector>

#include "core/base/json.h"

namespace nightmill {
namespace {

using nlohmann::json;

bool g_accept = false;

constexpr std::string_view kPage = "https://nightmill.example";

AlertRow SlaWarning() {
  AlertRow alert;
  alert.alert = AlertId(41);
  alert.at = *ParseInstant("2011-05-31T07:36:00Z");
  alert.type = AlertType::kSlaWarning;
  alert.severity = Severity::kCritical;
  alert.dag_id = "user_features";
  alert.run = RunKey(7);
  alert.dedup_key = "sla:user_features:by8:2011-05-30T06:00Z";
  alert.data = R"({"dag_id": "user_features",
    "dag_run_id": "scheduled__2011-05-30T06:00:00+00:00", "task_id": null, "sla": "by8",
    "cause": "time", "severity": "critical", "deadline": "2011-05-31T08:00:00Z",
    "predicted_finish": "2011-05-31T08:11:00Z", "tags": ["features", "daily"],
    "task_list": ["features", "shards", "score", "publish", "weekly", "report"],
    "blocking_task_list": [{"task_id": "features", "state": "running",
      "since": "2011-05-31T07:02:10Z", "reason": "running", "p50_seconds": 410,
      "slack_seconds": -660}, {"task_id": "weekly", "state": "none"}]})";
  return alert;
}

AlertRow RunFailed() {
  AlertRow alert;
  alert.alert = AlertId(42);
  alert.at = *ParseInstant("2026-03-16T06:04:10Z");
  alert.type = AlertType::kRunFailed;
  alert.severity = Severity::kError;
  alert.dag_id = "flaky_export";
  alert.run = RunKey(9);
  alert.dedup_key = "run:flaky_export:manual__1";
  alert.data = R"({"dag_run_id": "manual__1", "task_id": "export",
    "message": "export failed: <exit 1> & \"`no`\" \u00fc"})";
  return alert;
}

AlertRow Recovered() {
  AlertRow alert = RunFailed();
  alert.alert = AlertId(43);
  alert.type = AlertType::kRunRecovered;
  alert.data = R"({"dag_run_id": "manual__2"})";
  return alert;
}

AlertRow Sample() {
  AlertRow alert = SampleAlert("hook");
  alert.alert = AlertId(1);
  alert.at = *ParseInstant("2026-03-16T06:04:10Z");
  return alert;
}

std::vector<AlertRow> Twelve() {
  std::vector<AlertRow> alerts(12, RunFailed());
  for (std::size_t i = 0; i < alerts.size(); ++i) {
    alerts[i].alert = AlertId(static_cast<std::int64_t>(100 + i));
    alerts[i].data = R"({"dag_run_id": "manual__)" + std::to_string(i) + "\"}";
  }
  return alerts;
}

std::string Slack(const AlertRow& alert) { return SlackBody(std::vector{alert}, kPage); }

TEST(Payload, Goldens) {
  const std::vector<std::pair<std::string, std::string>> goldens = {
      {"webhook_sla_warning", WebhookBody(SlaWarning(), kPage)},
      {"webhook_run_failed", WebhookBody(RunFailed(), kPage)},
      {"webhook_test", WebhookBody(Sample(), kPage)},
      {"slack_sla_warning", Slack(SlaWarning())},
      {"slack_run_failed", Slack(RunFailed())},
      {"slack_run_recovered", Slack(Recovered())},
      {"slack_group", SlackBody(Twelve(), kPage)},
      {"pagerduty_trigger", PagerdutyBody(SlaWarning(), "pager", "0123456789abcdef", kPage)},
      {"pagerduty_resolve", PagerdutyBody(Recovered(), "pager", "0123456789abcdef", kPage)},
      {"pagerduty_test", PagerdutyBody(Sample(), "pager", "0123456789abcdef", kPage)},
      {"command_run_failed", CommandInput(RunFailed(), "mail", kPage)},
  };
  for (const auto& [name, body] : goldens) {
    SCOPED_TRACE(name);
    const std::string path = NM_SOURCE_DIR "/tests/golden/alerts/" + name + ".json";
    const std::string pretty = json::parse(body).dump(2) + "\n";
    if (g_accept) std::ofstream(path, std::ios::binary) << pretty;
    std::ifstream file(path, std::ios::binary);
    EXPECT_EQ(pretty, std::string(std::istreambuf_iterator<char>(file), {}));
  }
}

TEST(Payload, AWebhookIsTheDocumentedEnvelope) {
  const json body = json::parse(WebhookBody(SlaWarning(), kPage));
  EXPECT_EQ(body.size(), 3u);
  EXPECT_EQ(body["type"], "sla.warning");
  EXPECT_EQ(body["timestamp"], "2011-05-31T07:36:00Z");
  EXPECT_EQ(body["data"]["task_id"], nullptr);  // what data says is not replaced by the row
  EXPECT_EQ(body["data"]["dedup_key"], "sla:user_features:by8:2011-05-30T06:00Z");
}

// Alerts that are long in some way, at sizes around the limit and far above it.
std::vector<std::pair<std::string, AlertRow>> LongAlerts() {
  std::vector<std::pair<std::string, AlertRow>> alerts;
  const auto add = [&](const std::string& name, const json& data) {
    AlertRow alert = RunFailed();
    alert.data = data.dump();
    alerts.emplace_back(name, alert);
  };
  for (const int n : {1'000, 2'000, 3'000, 20'000}) {
    json tasks = json::array();
    json blocking = json::array();
    for (int i = 0; i < n; ++i) {
      tasks.push_back("task_" + std::to_string(i));
      blocking.push_back({{"task_id", "task_" + std::to_string(i)}, {"reason", "running"}});
    }
    add("task_list " + std::to_string(n), {{"task_list", tasks}});
    add("both " + std::to_string(n), {{"task_list", tasks}, {"blocking_task_list", blocking}});
    add("deep " + std::to_string(n), {{"a", {{"b", {{{"c", tasks}}}}}}});
    add("text " + std::to_string(n),
        {{"message", std::string(static_cast<std::size_t>(n) * 10, 'x')}});
    std::string umlauts;
    for (int i = 0; i < n * 5; ++i) umlauts += "ü<";
    add("umlauts " + std::to_string(n), {{"message", umlauts}, {"lines", {umlauts, umlauts}}});
    json members = json::object();
    for (int i = 0; i < n; ++i) members["member_" + std::to_string(i)] = i;
    add("members " + std::to_string(n), members);
  }
  return alerts;
}

TEST(Payload, NoAlertIsTooLong) {
  for (const auto& [name, alert] : LongAlerts()) {
    SCOPED_TRACE(name);
    EXPECT_LT(WebhookBody(alert, kPage).size(), kMaxWebhookBytes);
    EXPECT_LT(CommandInput(alert, "n", kPage).size(), kMaxWebhookBytes + 1);
    const json event = json::parse(PagerdutyBody(alert, "n", "key", kPage));
    EXPECT_LE(event["payload"]["summary"].get<std::string>().size(), 1'024u);
    EXPECT_LT(event.dump().size(), 30'000u);
    const json slack = json::parse(Slack(alert));
    EXPECT_LE(slack["text"].get<std::string>().size(), 3'000u);
    EXPECT_LE(slack["blocks"].size(), 50u);
    for (const json& block : slack["blocks"]) {
      if (block.contains("text")) {
        EXPECT_LE(block["text"]["text"].get<std::string>().size(), 3'000u);
      }
      if (!block.contains("fields")) continue;
      EXPECT_LE(block["fields"].size(), 10u);
      for (const json& field : block["fields"]) {
        EXPECT_LE(field["text"].get<std::string>().size(), 2'000u);
      }
    }
  }
}

TEST(Payload, ACutListSaysHowLongItWas) {
  json tasks = json::array();
  for (int i = 0; i < 4'000; ++i) tasks.push_back("task_" + std::to_string(i));
  AlertRow alert = RunFailed();
  alert.data = json{{"task_list", tasks}, {"sla", "by8"}}.dump();
  const json data = json::parse(WebhookBody(alert, kPage))["data"];
  EXPECT_EQ(data["task_list_count"], 4'000);
  EXPECT_EQ(data["task_list"][0], "task_0");
  EXPECT_GT(data["task_list"].size(), 500u);
  EXPECT_EQ(data["sla"], "by8");
}

TEST(Payload, DataThatIsNoObjectBecomesOne) {
  for (const char* text : {"", "7", "[1]", "{", "null", "\xff"}) {
    AlertRow alert = RunFailed();
    alert.data = text;
    EXPECT_EQ(json::parse(WebhookBody(alert, kPage))["data"]["dag_id"], "flaky_export") << text;
  }
}

// What an alert with this data links to, as {name: URL}.
json Links(const std::string& data, std::string_view page = kPage) {
  AlertRow alert = RunFailed();
  alert.dag_id.clear();
  alert.data = data;
  return json::parse(WebhookBody(alert, page))["data"].value("links", json());
}

TEST(Payload, LinksLeadToThePage) {
  const std::string run = "https://nightmill.example/dags/d/runs/scheduled__2026-03-15T06%3A00";
  EXPECT_EQ(Links(R"({"dag_id": "d", "dag_run_id": "scheduled__2026-03-15T06:00"})"),
            json({{"run", run}}));
  EXPECT_EQ(Links(R"({"dag_id": "d", "dag_run_id": "scheduled__2026-03-15T06:00",
                      "task_id": "t/1", "map_index": -1})"),
            json({{"run", run}, {"task", run + "/tasks/t%2F1"}}));
  EXPECT_EQ(Links(R"({"dag_id": "d", "dag_run_id": "scheduled__2026-03-15T06:00",
                      "task_id": "t", "map_index": 3})")["task"],
            run + "/tasks/t/3");
  EXPECT_EQ(Links(R"({"dag_id": "d", "dag_run_id": null, "backfill_id": 7})"),
            json({{"backfill", "https://nightmill.example/backfills/7"}}));
  EXPECT_EQ(Links(R"({"dag_id": "d", "dag_run_id": null})"),
            json({{"dag", "https://nightmill.example/dags/d"}}));
  EXPECT_EQ(Links(R"({"notifier": "n"})"), json());
  EXPECT_EQ(Links(R"({"dag_id": "d"})", ""), json());
}

TEST(Payload, NoLinkIsCutInTwo) {
  json data = {{"dag_id", "d"}, {"dag_run_id", std::string(250, ':')}};
  for (int i = 0; i < 300; ++i) data["text_" + std::to_string(i)] = std::string(70, 'x');
  const std::string body = Links(data.dump())["run"];
  EXPECT_EQ(body.size(), kPage.size() + std::string_view("/dags/d/runs/").size() + 750);
}

TEST(Payload, SlackSeesNoMarkupOfOurs) {
  AlertRow alert = RunFailed();
  alert.data = R"json({"message": "<!channel> <http://evil.example|x> *b*"})json";
  const std::string body = Slack(alert);
  EXPECT_EQ(body.find("<!channel>"), std::string::npos);
  EXPECT_EQ(body.find("<http"), std::string::npos);
}

TEST(Payload, KeysOfPagerdutyAre255AtMostAndDiffer) {
  const std::string a(300, 'a');
  EXPECT_EQ(ShortKey("short"), "short");
  EXPECT_EQ(ShortKey(std::string(255, 'x')), std::string(255, 'x'));
  EXPECT_EQ(ShortKey(a).size(), 255u);
  EXPECT_NE(ShortKey(a), ShortKey(a + "b"));
  EXPECT_EQ(ShortKey(a), ShortKey(a));
  std::string umlauts;
  for (int i = 0; i < 200; ++i) umlauts += "ü";
  EXPECT_LE(ShortKey(umlauts).size(), 255u);
  EXPECT_NO_THROW(static_cast<void>(json(ShortKey(umlauts)).dump()));
}

TEST(DeliveryId, IsStableAndNamesItsAlert) {
  const std::string id = DeliveryId(RunFailed(), "hook");
  EXPECT_EQ(id, DeliveryId(RunFailed(), "hook"));
  EXPECT_NE(id, DeliveryId(RunFailed(), "hook2"));
  AlertRow elsewhere = RunFailed();
  elsewhere.at += std::chrono::microseconds{1};
  EXPECT_NE(id, DeliveryId(elsewhere, "hook"));
  EXPECT_EQ(AlertOfDeliveryId(id), AlertId(42));
  EXPECT_EQ(id.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_"), std::string::npos);
  EXPECT_LE(id.size(), 64u);
  for (const std::string_view bad : {"", "msg_", "msg_x_1", "msg_42", "msg_-1_a", "msg_0_a", "42_a",
                                     "msg_99999999999999999999_a"}) {
    EXPECT_FALSE(AlertOfDeliveryId(bad).valid()) << bad;
  }
}

}  // namespace
}  // namespace nightmill

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  nightmill::g_accept = argc > 1 && std::string_view(argv[1]) == "--accept";
  return RUN_ALL_TESTS();
}
