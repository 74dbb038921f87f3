// Who is told and how: the members "notifiers", "outgoing" and "silences" of nightmill.json
// (product.md 7). Secrets are named there (`file:`, `env:`) and read here, once; nothing prints
// them. Values, immutable after parsing.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/base/time.h"
#include "core/model/alert.h"
#include "scheduler/daemon/alerts/target.h"

namespace nightmill {

struct Notifier {
  enum class Type : std::uint8_t { kWebhook, kSlack, kPagerduty, kCommand };

  NotifierRule rule;  // its name, and what it gets without being named
  Type type = Type::kWebhook;
  Target target;                  // not of a command
  std::string ca_file;            // of a private authority; "": the system's
  std::vector<std::string> keys;  // webhook: one, or two while rotating
  std::string routing_key;        // PagerDuty
  std::vector<std::string> argv;  // command
  Duration timeout{30'000};       // command
  Duration group_window{0};       // Slack: what comes within it becomes one message
};
std::string_view ToString(Notifier::Type type);  // "webhook"

// What is recorded but not sent. Texts are patterns in which * stands for anything; "" matches all.
struct Silence {
  std::string dag_id;
  std::string task_id;
  std::string event;
  std::string notifier;
  Instant until;
  std::string reason;

  bool Covers(const AlertRow& alert, std::string_view notifier_name, Instant now) const;
};

struct AlertConfig {
  std::vector<Notifier> notifiers;  // by name
  std::vector<HostPort> allow;      // outgoing.allow
  std::vector<Silence> silences;

  const Notifier* Find(std::string_view name) const;  // null if there is none
};

// What the engine must know: EngineConfig of the daemon takes it.
std::vector<NotifierRule> RulesOf(const AlertConfig& config);

// Reads the three members of a whole configuration file (comments allowed); other members are not
// looked at. `env` answers `env:NAME`. kInvalid lists every fault, one a line, as
// "/notifiers/hook/url: what is wrong"; a secret is never quoted.
Result<AlertConfig> ParseAlertConfig(const std::string& json_text,
                                     const std::map<std::string, std::string>& env);

}  // namespace nightmill
