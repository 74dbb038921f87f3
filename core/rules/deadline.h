// SLA as pure functions (semantics.md 9): the instants at which an entry warns and is missed, and
// the states it goes through as a table, like task_state.h (golden matrix in docs/states.md).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "core/base/result.h"
#include "core/base/time.h"
#include "core/model/alert.h"
#include "core/model/sla.h"
#include "core/schedule/cron.h"

namespace nightmill {

// "08:00", ":45", "MON 06:00", or a cron of five fields. kInvalid otherwise.
Result<CronExpr> ParseDeadline(std::string_view text);

// What is known of the slot or run that an entry is to be armed for.
struct SlaFacts {
  std::optional<Instant> planned;  // run_after without jitter
  std::optional<Instant> logical;
  std::optional<Instant> interval_end;
  std::optional<Instant> queued;
  std::optional<Instant> started;   // of the present cycle, of the run or the task
  std::optional<Instant> landed;    // last success of the DAG, else its first acceptance
  std::optional<Duration> average;  // of the last successes, if there are enough
};

struct SlaTiming {
  Instant reference;
  Instant warn;
  Instant due;

  bool operator==(const SlaTiming&) const = default;
};
// Nothing while the reference is not known, or if a deadline never comes again.
std::optional<SlaTiming> TimeSla(const SlaSpec& spec, const SlaFacts& facts);

// reference + share * (due - reference), elapsed time, rounded to microseconds.
Instant WarnInstant(Instant reference, Instant due, double share);

enum class SlaTrigger : std::uint8_t {
  kLanded,
  kWarnTime,   // the warn instant has come
  kForecast,   // the forecast end is after due
  kFailed,     // the target finally failed
  kDue,        // the due instant has come without landing
  kWithdrawn,  // due was past when it was to be armed; the entry is gone
};
inline constexpr int kSlaTriggerCount = 6;
inline constexpr int kSlaStateCount = 6;

struct SlaTransition {
  SlaState from;
  SlaTrigger trigger;
  SlaState to;
};
// All transitions; no (from, trigger) twice.
std::span<const SlaTransition> SlaTransitions();
std::optional<SlaState> Next(SlaState from, SlaTrigger trigger);

// met, resolved, not_applicable: nothing can follow.
bool IsFinished(SlaState state);
std::string_view ToString(SlaTrigger trigger);
// What is sent with a transition: warning, missed or resolved; nothing for the others.
std::optional<AlertType> SentWith(SlaState to);

}  // namespace nightmill
