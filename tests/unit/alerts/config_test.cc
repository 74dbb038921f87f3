// The three members of nightmill.json: what they become, and every fault with its place.
#include "scheduler/daemon/alerts/config.h"

#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <map>
#include <string>

namespace nightmill {
namespace {

using namespace std::chrono_literals;

const std::string kKey = "whsec_" + std::string(32, 'A');
const std::map<std::string, std::string> kEnv = {
    {"HOOK", kKey},
    {"OTHER", "whsec_" + std::string(32, 'B')},
    {"SLACK_URL", "https://hooks.slack.example/services/T0/B0/secret-path"},
    {"PD", "0123456789abcdef"},
    {"SHORT", "abc"},
    {"NO_URL", "not a url at all"}};

AlertConfig Parsed(const std::string& text) {
  Result<AlertConfig> config = ParseAlertConfig(text, kEnv);
  CHECK_MSG(config.ok(), config.ok() ? "" : config.error().message);
  return *std::move(config);
}

std::string Faults(const std::string& text) {
  const Result<AlertConfig> config = ParseAlertConfig(text, kEnv);
  return config.ok() ? "" : config.error().message;
}

TEST(AlertConfig, TheExampleOfTheManual) {
  const AlertConfig config = Parsed(R"({
    "listen": "127.0.0.1:1", // not looked at
    "notifiers": {
      "hook": {"type": "webhook", "url": "https://ops.example/nm", "secret": ["env:HOOK"],
               "events": ["run.*", "sla.*"]},
      "slack-data": {"type": "slack", "url": {"secret": "env:SLACK_URL"}, "group_window": "30s",
                     "events": ["run.failed", "sla.*"]},
      "pager": {"type": "pagerduty", "routing_key": {"secret": "env:PD"}, "min_severity": "error"},
      "mail": {"type": "command", "argv": ["/usr/local/bin/mail-alert"], "timeout": "40s"}},
    "outgoing": {"allow": ["127.0.0.1:9000"]},
    "silences": [{"match": {"dag_id": "dev_*"}, "until": "2026-01-10T00:00:00Z", "reason": "move"}]
  })");
  ASSERT_EQ(config.notifiers.size(), 4u);
  const Notifier& hook = *config.Find("hook");
  EXPECT_EQ(hook.type, Notifier::Type::kWebhook);
  EXPECT_EQ(hook.target.at, (HostPort{"ops.example", 443}));
  EXPECT_EQ(hook.target.path, "/nm");
  EXPECT_EQ(hook.keys.size(), 1u);
  EXPECT_EQ(hook.rule.events, (std::vector<std::string>{"run.*", "sla.*"}));
  EXPECT_EQ(config.Find("slack-data")->group_window, Duration{30s});
  EXPECT_EQ(config.Find("slack-data")->target.path, "/services/T0/B0/secret-path");
  EXPECT_EQ(config.Find("pager")->routing_key, "0123456789abcdef");
  EXPECT_EQ(config.Find("pager")->target.at.host, "events.pagerduty.com");
  EXPECT_EQ(config.Find("pager")->rule.min_severity, Severity::kError);
  EXPECT_EQ(config.Find("mail")->timeout, Duration{40s});
  EXPECT_EQ(config.Find("none"), nullptr);
  EXPECT_EQ(config.allow, (std::vector<HostPort>{{"127.0.0.1", 9000}}));
  const std::vector<NotifierRule> rules = RulesOf(config);
  ASSERT_EQ(rules.size(), 4u);
  EXPECT_EQ(rules[0].name, "hook");  // by name
  EXPECT_EQ(rules[3].name, "slack-data");
}

TEST(AlertConfig, WithoutAnyOfThem) {
  EXPECT_TRUE(Parsed("{}").notifiers.empty());
  EXPECT_TRUE(Parsed(R"({"notifiers": {}, "silences": []})").notifiers.empty());
}

TEST(AlertConfig, TwoSecretsWhileRotating) {
  const AlertConfig config = Parsed(
      R"({"notifiers": {"h": {"type": "webhook", "url": "https://a.example",
                                "secret": ["env:OTHER", "env:HOOK"]}}})");
  EXPECT_EQ(config.Find("h")->keys.size(), 2u);
  EXPECT_NE(config.Find("h")->keys[0], config.Find("h")->keys[1]);
}

TEST(AlertConfig, ASecretFromAFile) {
  const std::string path = testing::TempDir() + "nm_alert_secret";
  std::ofstream(path) << kKey << "\n";
  const AlertConfig config = Parsed(
      R"({"notifiers": {"h": {"type": "webhook", "url": "https://a.example", "secret": "file:)" +
      path + R"("}}})");
  EXPECT_EQ(config.Find("h")->keys[0].size(), 24u);
}

TEST(AlertConfig, LocalReceiversMustBeListed) {
  const std::string hook =
      R"({"type": "webhook", "url": "http://127.0.0.1:9000/", "secret": "env:HOOK"})";
  EXPECT_EQ(Faults(R"({"notifiers": {"h": )" + hook + "}}"),
            "/notifiers/h/url: only https at port 443 of a named host may be called; to allow it "
            "all the same, add \"127.0.0.1:9000\" to outgoing.allow");
  EXPECT_EQ(
      Faults(R"({"outgoing": {"allow": ["127.0.0.1:9000"]}, "notifiers": {"h": )" + hook + "}}"),
      "");
}

TEST(AlertConfig, EveryFaultAtOnceWithItsPlace) {
  EXPECT_EQ(Faults(R"({
    "notifiers": {
      "a": {"type": "webhok"},
      "b": {"type": "webhook", "url": "https://127.0.0.1/", "secret": "plain text", "event": []},
      "c": {"type": "slack", "url": {"secret": "env:NO_URL"}, "group_window": "forever"},
      "d": {"type": "pagerduty", "routing_key": "0123456789", "min_severity": "bad"},
      "e": {"type": "command", "argv": ["mail"], "timeout": "1h", "url": "https://a.example"},
      "f": {"type": "webhook", "secret": ["env:GONE", "env:SHORT"], "events": ["run.*", "rum.*"]},
      "g": 7,
      "h~/": {}},
    "outgoing": {"allow": ["nowhere"], "deny": []},
    "silences": [{"until": "soon"}, {"match": {"dag": "x"}, "until": "2026-01-10"}]})"),
            R"(/outgoing/deny: is no member here; known are allow
/outgoing/allow: an entry is HOST:PORT
/notifiers/a/type: is webhook, slack, pagerduty or command
/notifiers/b/event: is no member here; did you mean "events"?
/notifiers/b/url: only https at port 443 of a named host may be called; to allow it all the same, add "127.0.0.1:443" to outgoing.allow
/notifiers/b/secret: a secret is named by "file:PATH" or "env:NAME"
/notifiers/c/url: the secret holds no URL such as https://HOST/PATH
/notifiers/c/group_window: "forever" is not a duration: a whole number is expected; write 90s, 1h30m, 250ms, 2d, 1w, PT1H30M or a number of seconds
/notifiers/d/min_severity: is info, warning, error or critical
/notifiers/d/routing_key: must be {"secret": "env:NAME"}
/notifiers/e/url: is no member here; known are type, events, min_severity, argv, timeout
/notifiers/e/argv: begins with an absolute path
/notifiers/e/timeout: is more than 5m, the most
/notifiers/f/events: "rum.*" covers no event; an event such as run.failed, a group such as sla.*, or *
/notifiers/f: needs a url
/notifiers/f/secret: GONE is not set
/notifiers/f/secret: the secret has less than 6 or more than 4096 characters
/notifiers/g: must be an object
/notifiers/h~0~1: is no name: letters, digits, _ . -
/silences/0/until: must say when it ends, such as 2026-01-10T00:00:00Z
/silences/0/match: must be an object that is not empty
/silences/1/match/dag: is no member here; known are dag_id, task_id, event, notifier)");
}

TEST(AlertConfig, NoFaultQuotesASecret) {
  const std::string faults = Faults(R"({"notifiers": {
    "a": {"type": "webhook", "url": "https://a.example", "secret": "env:PD"},
    "b": {"type": "slack", "url": {"secret": "env:NO_URL"}}}})");
  EXPECT_NE(faults, "");
  EXPECT_EQ(faults.find("0123456789abcdef"), std::string::npos);
  EXPECT_EQ(faults.find("not a url"), std::string::npos);
}

TEST(AlertConfig, JsonIsStrict) {
  EXPECT_FALSE(ParseAlertConfig(R"({"notifiers": {}, "notifiers": {}})", kEnv).ok());
  EXPECT_FALSE(ParseAlertConfig("[]", kEnv).ok());
  EXPECT_FALSE(ParseAlertConfig("{", kEnv).ok());
}

TEST(Silence, CoversByPatternUntilItEnds) {
  Silence silence;
  silence.dag_id = "dev_*";
  silence.event = "run.*";
  silence.until = InstantFromMicros(100);
  AlertRow alert;
  alert.dag_id = "dev_a";
  alert.type = AlertType::kRunFailed;
  EXPECT_TRUE(silence.Covers(alert, "hook", InstantFromMicros(99)));
  EXPECT_FALSE(silence.Covers(alert, "hook", InstantFromMicros(100)));
  alert.type = AlertType::kSlaMissed;
  EXPECT_FALSE(silence.Covers(alert, "hook", InstantFromMicros(99)));
  alert.type = AlertType::kRunSuccess;
  alert.dag_id = "prod_dev_a";
  EXPECT_FALSE(silence.Covers(alert, "hook", InstantFromMicros(99)));
  silence.dag_id = "*dev*a";
  EXPECT_TRUE(silence.Covers(alert, "hook", InstantFromMicros(99)));
  silence.notifier = "page";
  EXPECT_FALSE(silence.Covers(alert, "pager", InstantFromMicros(99)));
  silence.notifier = "page*";
  EXPECT_TRUE(silence.Covers(alert, "pager", InstantFromMicros(99)));
}

}  // namespace
}  // namespace nightmill
