// The table of trigger rules. Facts: Airflow's ti_deps/deps/trigger_rule_dep.py.
#include "core/rules/trigger_rule.h"

#include <array>
#include <cstddef>

#include "core/base/check.h"

namespace nightmill {
namespace {

using C = UpstreamCounts;
using R = TriggerRule;

constexpr bool Never(const C&) { return false; }
constexpr bool AllDone(const C& c) { return c.done() == c.total; }
constexpr bool AnyFailed(const C& c) { return c.failed + c.upstream_failed > 0; }
constexpr bool AnySkipped(const C& c) { return c.skipped > 0; }
constexpr bool AllSkipped(const C& c) { return c.skipped == c.total; }
constexpr bool NoneFailed(const C& c) { return c.success + c.skipped == c.total; }

// One row per rule: the three columns "runs when", "-> upstream_failed" and "-> skipped" of
// semantics.md 3, for N > 0. Later columns win over earlier ones: see Evaluate.
constexpr std::array kRules = {
    TriggerRuleRow{R::kAllSuccess, "all_success", "every parent succeeded (default)",
                   [](const C& c) { return c.success == c.total; }, AnyFailed, AnySkipped, true},
    TriggerRuleRow{R::kAllFailed, "all_failed", "every parent failed or is upstream_failed",
                   [](const C& c) { return c.failed + c.upstream_failed == c.total; }, Never,
                   [](const C& c) { return c.success + c.skipped > 0; }, true},
    TriggerRuleRow{R::kAllDone, "all_done", "every parent is finished, however it ended", AllDone,
                   Never, Never, true},
    TriggerRuleRow{R::kAllDoneMinOneSuccess, "all_done_min_one_success",
                   "every parent is finished, none was skipped and at least one succeeded",
                   [](const C& c) { return AllDone(c) && c.skipped == 0 && c.success >= 1; },
                   [](const C& c) { return AllDone(c) && c.skipped == 0 && c.success == 0; },
                   AnySkipped, true},
    TriggerRuleRow{R::kAllSkipped, "all_skipped", "every parent was skipped", AllSkipped, Never,
                   [](const C& c) { return c.success + c.failed + c.upstream_failed > 0; }, true},
    TriggerRuleRow{R::kOneSuccess, "one_success",
                   "at least one parent succeeded; does not wait for the others",
                   [](const C& c) { return c.success >= 1; },
                   [](const C& c) { return AllDone(c) && c.success == 0 && !AllSkipped(c); },
                   AllSkipped, true},
    TriggerRuleRow{R::kOneFailed, "one_failed",
                   "at least one parent failed or is upstream_failed; does not wait for the others",
                   AnyFailed, Never, [](const C& c) { return AllDone(c) && !AnyFailed(c); }, true},
    TriggerRuleRow{R::kOneDone, "one_done",
                   "at least one parent succeeded or failed; does not wait for the others",
                   [](const C& c) { return c.success + c.failed >= 1; }, Never,
                   [](const C& c) { return AllDone(c) && c.success + c.failed == 0; }, true},
    TriggerRuleRow{R::kNoneFailed, "none_failed", "every parent succeeded or was skipped",
                   NoneFailed, AnyFailed, Never, true},
    TriggerRuleRow{R::kNoneFailedMinOneSuccess, "none_failed_min_one_success",
                   "every parent succeeded or was skipped, and at least one succeeded", NoneFailed,
                   AnyFailed, AllSkipped, true},
    TriggerRuleRow{R::kNoneSkipped, "none_skipped", "every parent is finished and none was skipped",
                   [](const C& c) { return AllDone(c) && c.skipped == 0; }, Never, AnySkipped,
                   true},
    TriggerRuleRow{R::kAlways, "always", "runs at once, whatever the parents do",
                   [](const C&) { return true; }, Never, Never, true},
    TriggerRuleRow{
        R::kAllDoneSetupSuccess, "all_done_setup_success",
        "every parent is finished and a setup succeeded, if there is one (teardown tasks)",
        [](const C& c) { return AllDone(c) && (c.setups == 0 || c.setup_success >= 1); },
        [](const C& c) {
          return AllDone(c) && c.setups > 0 && c.setup_success == 0 && c.setup_skipped < c.setups;
        },
        [](const C& c) { return AllDone(c) && c.setups > 0 && c.setup_skipped == c.setups; },
        false},
};

constexpr std::size_t Index(TriggerRule rule) { return static_cast<std::size_t>(rule); }

constexpr bool RulesInOrder() {
  for (std::size_t i = 0; i < kRules.size(); ++i) {
    if (Index(kRules[i].rule) != i || kRules[i].word.empty() || kRules[i].doc.empty()) return false;
  }
  return true;
}
static_assert(RulesInOrder());
static_assert(kRules.size() == Index(R::kAllDoneSetupSuccess) + 1);

}  // namespace

std::span<const TriggerRuleRow> TriggerRules() { return kRules; }

Verdict Evaluate(TriggerRule rule, const UpstreamCounts& counts) {
  CHECK(counts.done() <= counts.total && counts.setups <= counts.total);
  if (counts.total == 0) return Verdict::kRun;
  const TriggerRuleRow& row = kRules[Index(rule)];
  if (row.fails(counts)) return Verdict::kUpstreamFailed;
  if (row.skips(counts)) return Verdict::kSkip;
  return row.runs(counts) ? Verdict::kRun : Verdict::kWait;
}

Verdict EvaluateWithoutPropagation(TriggerRule rule, const UpstreamCounts& counts) {
  const bool runs = counts.total == 0 || kRules[Index(rule)].runs(counts);
  return runs ? Verdict::kRun : Verdict::kWait;
}

std::string_view ToString(TriggerRule rule) { return kRules[Index(rule)].word; }

std::string_view ToString(Verdict verdict) {
  switch (verdict) {
    case Verdict::kRun:
      return "run";
    case Verdict::kWait:
      return "wait";
    case Verdict::kSkip:
      return "skipped";
    case Verdict::kUpstreamFailed:
      return "upstream_failed";
  }
  CHECK(false);
  return {};
}

std::optional<TriggerRule> ParseTriggerRule(std::string_view word) {
  for (const TriggerRuleRow& row : kRules) {
    if (row.word == word) return row.rule;
  }
  return std::nullopt;
}

}  // namespace nightmill
