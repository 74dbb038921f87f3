// What a DAG file says of being in time and of whom to tell: the entries of `sla` and the lists of
// `on` (semantics.md 9, product.md 2.2), with every default filled in. Immutable values.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/limits.h"
#include "core/base/time.h"
#include "core/model/alert.h"
#include "core/schedule/cron.h"
#include "core/schedule/time_zone.h"

namespace nightmill {

// How the due instant is found.
enum class SlaKind : std::uint8_t {
  kDeadline,    // the next match of a clock time or cron after the data interval
  kWithin,      // so long after `from`
  kDuration,    // so long after the start of the run or task
  kStaleAfter,  // so long after the DAG's last success
};
std::string_view ToString(SlaKind kind);
std::optional<SlaKind> ParseSlaKind(std::string_view word);

// What `within` counts from.
enum class SlaFrom : std::uint8_t { kLogical, kIntervalEnd, kQueued, kStart };
std::string_view ToString(SlaFrom from);
std::optional<SlaFrom> ParseSlaFrom(std::string_view word);

// A duration learned from the past: factor * mean of the last `runs` successes.
struct AverageOf {
  int runs = limits::kSlaHistoryRuns;
  double factor = 1.5;
  int min_runs = limits::kSlaForecastRuns;  // with fewer successes the entry is not armed
};

struct SlaSpec {
  std::string name;  // unique in its DAG
  std::string task;  // "": the whole run
  SlaKind kind = SlaKind::kDeadline;
  std::string deadline;          // as written: "08:00", ":45", "MON 06:00" or a cron
  std::optional<CronExpr> cron;  // of a deadline
  std::string timezone;          // of a deadline, as written; "": the schedule's
  std::shared_ptr<const TimeZone> zone;
  Duration length{0};  // of within, stale_after, and duration without `average`
  SlaFrom from = SlaFrom::kIntervalEnd;
  std::optional<AverageOf> average;
  double warn_at = limits::kDefaultSlaWarnAt;  // part of the time after which it warns
  Severity severity = Severity::kError;
  std::vector<std::string> notify;
  bool while_paused = false;
  bool backfill = false;
};

// The rule as people write it: "08:00 Europe/Madrid", "45m", "2h from queued", "1.5 x mean of 10".
std::string RuleText(const SlaSpec& spec);

// Names of notifiers to call.
struct Callbacks {
  std::vector<std::string> success;
  std::vector<std::string> failure;
  std::vector<std::string> retry;    // of tasks
  std::vector<std::string> skipped;  // of tasks
  std::vector<std::string> sla_warn;
  std::vector<std::string> sla_miss;

  bool operator==(const Callbacks&) const = default;
};

}  // namespace nightmill
