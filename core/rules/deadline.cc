#include "core/rules/deadline.h"

#include <array>
#include <cmath>
#include <cstddef>
#include <string>

namespace nightmill {
namespace {

using S = SlaState;
using T = SlaTrigger;

// A missed entry stays so until it lands, however late; one that is withdrawn is asked no more.
constexpr std::array kTransitions = {
    SlaTransition{S::kArmed, T::kLanded, S::kMet},
    SlaTransition{S::kArmed, T::kWarnTime, S::kWarned},
    SlaTransition{S::kArmed, T::kForecast, S::kWarned},
    SlaTransition{S::kArmed, T::kFailed, S::kWarned},
    SlaTransition{S::kArmed, T::kDue, S::kMissed},
    SlaTransition{S::kArmed, T::kWithdrawn, S::kNotApplicable},
    SlaTransition{S::kWarned, T::kLanded, S::kResolved},
    SlaTransition{S::kWarned, T::kDue, S::kMissed},
    SlaTransition{S::kWarned, T::kWithdrawn, S::kNotApplicable},
    SlaTransition{S::kMissed, T::kLanded, S::kResolved},
};

constexpr std::array<std::string_view, kSlaTriggerCount> kTriggerWords = {
    "landed", "warn_time", "forecast", "failed", "due", "withdrawn"};

constexpr bool NoPairTwice() {
  bool seen[kSlaStateCount][kSlaTriggerCount] = {};
  for (const SlaTransition& t : kTransitions) {
    bool& cell = seen[static_cast<std::size_t>(t.from)][static_cast<std::size_t>(t.trigger)];
    if (cell) return false;
    cell = true;
  }
  return true;
}
static_assert(NoPairTwice());

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// The number of one or two digits before `text` ends or `stop` follows; cuts it off.
std::optional<int> TakeNumber(std::string_view& text) {
  std::size_t n = 0;
  int value = 0;
  while (n < text.size() && n < 2 && IsDigit(text[n])) value = value * 10 + (text[n++] - '0');
  if (n == 0) return std::nullopt;
  text.remove_prefix(n);
  return value;
}

// "H:MM" or "HH:MM" as "M H".
std::optional<std::string> ClockTime(std::string_view text) {
  const std::optional<int> hour = TakeNumber(text);
  if (!hour || *hour > 23 || !text.starts_with(':')) return std::nullopt;
  text.remove_prefix(1);
  if (text.size() != 2) return std::nullopt;
  const std::optional<int> minute = TakeNumber(text);
  if (!minute || *minute > 59 || !text.empty()) return std::nullopt;
  return std::to_string(*minute) + " " + std::to_string(*hour);
}

Error NotADeadline(std::string_view text) {
  return Invalid("\"" + std::string(text) + "\" is not a deadline",
                 "write \"08:00\", \":45\", \"MON 06:00\" or a cron of five fields");
}

// The cron of one of the short forms; "" if it is none of them.
std::string CronOf(std::string_view text) {
  if (const auto daily = ClockTime(text)) return *daily + " * * *";
  if (text.size() == 3 && text.starts_with(':')) {
    std::string_view rest = text.substr(1);
    const std::optional<int> minute = TakeNumber(rest);
    return minute && *minute < 60 && rest.empty() ? std::to_string(*minute) + " * * * *" : "";
  }
  const std::size_t space = text.find(' ');
  if (space == std::string_view::npos || text.find(' ', space + 1) != std::string_view::npos) {
    return "";
  }
  const auto weekly = ClockTime(text.substr(space + 1));
  return weekly ? *weekly + " * * " + std::string(text.substr(0, space)) : "";
}

std::optional<Instant> DueOf(const SlaSpec& spec, const SlaFacts& facts, Instant reference) {
  if (spec.kind == SlaKind::kDeadline) {
    const Instant after = facts.interval_end.value_or(reference);
    return spec.cron->Next(after, *spec.zone);
  }
  if (!spec.average) return reference + spec.length;
  if (!facts.average) return std::nullopt;
  const double ms = static_cast<double>(facts.average->count()) * spec.average->factor;
  return reference + Duration{static_cast<std::int64_t>(std::llround(ms))};
}

std::optional<Instant> ReferenceOf(const SlaSpec& spec, const SlaFacts& facts) {
  switch (spec.kind) {
    case SlaKind::kDeadline:
      return facts.planned;
    case SlaKind::kDuration:
      return facts.started;
    case SlaKind::kStaleAfter:
      return facts.landed;
    case SlaKind::kWithin:
      break;
  }
  switch (spec.from) {
    case SlaFrom::kLogical:
      return facts.logical;
    case SlaFrom::kIntervalEnd:
      return facts.interval_end;
    case SlaFrom::kQueued:
      return facts.queued;
    case SlaFrom::kStart:
      break;
  }
  return facts.started;
}

}  // namespace

Result<CronExpr> ParseDeadline(std::string_view text) {
  const std::string cron = CronOf(text);
  const bool five_fields = cron.empty() && text.find(' ') != std::string_view::npos;
  if (cron.empty() && !five_fields) return NotADeadline(text);
  Result<CronExpr> parsed = CronExpr::Parse(five_fields ? std::string(text) : cron);
  // The short forms have no fields that a user could look for.
  if (!parsed.ok() && !five_fields) return NotADeadline(text);
  return parsed;
}

Instant WarnInstant(Instant reference, Instant due, double share) {
  const auto whole = static_cast<double>((due - reference).count());
  return reference + std::chrono::microseconds{std::llround(whole * share)};
}

std::optional<SlaTiming> TimeSla(const SlaSpec& spec, const SlaFacts& facts) {
  const std::optional<Instant> reference = ReferenceOf(spec, facts);
  if (!reference) return std::nullopt;
  const std::optional<Instant> due = DueOf(spec, facts, *reference);
  if (!due) return std::nullopt;
  return SlaTiming{*reference, WarnInstant(*reference, *due, spec.warn_at), *due};
}

std::span<const SlaTransition> SlaTransitions() { return kTransitions; }

std::optional<SlaState> Next(SlaState from, SlaTrigger trigger) {
  for (const SlaTransition& t : kTransitions) {
    if (t.from == from && t.trigger == trigger) return t.to;
  }
  return std::nullopt;
}

bool IsFinished(SlaState state) {
  return state == S::kMet || state == S::kResolved || state == S::kNotApplicable;
}

std::string_view ToString(SlaTrigger trigger) {
  return kTriggerWords[static_cast<std::size_t>(trigger)];
}

std::optional<AlertType> SentWith(SlaState to) {
  switch (to) {
    case S::kWarned:
      return AlertType::kSlaWarning;
    case S::kMissed:
      return AlertType::kSlaMissed;
    case S::kResolved:
      return AlertType::kSlaResolved;
    case S::kArmed:
    case S::kMet:
    case S::kNotApplicable:
      break;
  }
  return std::nullopt;
}

}  // namespace nightmill
