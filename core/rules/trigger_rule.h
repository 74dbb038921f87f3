// The trigger rules as a table (semantics.md 3): one row per rule with its word, its text for docs
// and forms, and its conditions. Parser, JSON schema, docs and the exhaustive test walk the table.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace nightmill {

enum class TriggerRule : std::uint8_t {
  kAllSuccess,
  kAllFailed,
  kAllDone,
  kAllDoneMinOneSuccess,
  kAllSkipped,
  kOneSuccess,
  kOneFailed,
  kOneDone,
  kNoneFailed,
  kNoneFailedMinOneSuccess,
  kNoneSkipped,
  kAlways,
  kAllDoneSetupSuccess,
};

// Countable parent instances by state: `removed`, not_selected and bypassed branch edges are not
// in.
struct UpstreamCounts {
  int total = 0;
  int success = 0;
  int failed = 0;
  int upstream_failed = 0;
  int skipped = 0;
  // Only for kAllDoneSetupSuccess: the setup parents among them.
  int setups = 0;
  int setup_success = 0;
  int setup_skipped = 0;

  constexpr int done() const { return success + failed + upstream_failed + skipped; }
};

enum class Verdict : std::uint8_t { kRun, kWait, kSkip, kUpstreamFailed };

struct TriggerRuleRow {
  TriggerRule rule;
  std::string_view word;
  std::string_view doc;
  // The columns of semantics.md 3, for total > 0; `fails` and `skips` come before `runs`.
  bool (*runs)(const UpstreamCounts&);
  bool (*fails)(const UpstreamCounts&);  // -> upstream_failed
  bool (*skips)(const UpstreamCounts&);
  bool user_settable;  // the teardown rule is fixed by `teardown_of`
};

std::span<const TriggerRuleRow> TriggerRules();
// Verdict of the rule with propagation, exactly as Airflow's (the engine delays all_success's skip
// to D = N, semantics.md 3.2).
Verdict Evaluate(TriggerRule rule, const UpstreamCounts& counts);
// With propagation off (explain, task test): only kRun or kWait.
Verdict EvaluateWithoutPropagation(TriggerRule rule, const UpstreamCounts& counts);
std::string_view ToString(TriggerRule rule);
std::string_view ToString(Verdict verdict);
std::optional<TriggerRule> ParseTriggerRule(std::string_view word);

}  // namespace nightmill
