// Cron expressions in the dialect of semantics.md 2.1 and the clock-change rule of 2.2. Immutable
// after Parse. All instants are UTC; a zone is given per call.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/result.h"
#include "core/base/time.h"
#include "core/schedule/time_zone.h"

namespace nightmill {

class CronExpr {
 public:
  // Five fields or a preset. Errors are kInvalid: what and where in the expression, and a hint; an
  // expression that can never fire is refused with a message that begins "never fires".
  // `day_or`: false asks for day-of-month and day-of-week both.
  static Result<CronExpr> Parse(std::string_view text, bool day_or = true);

  // First firing strictly after `after` / last one strictly before `before`, in `zone`; nothing
  // beyond the years 1970..2200.
  std::optional<Instant> Next(Instant after, const TimeZone& zone) const;
  std::optional<Instant> Prev(Instant before, const TimeZone& zone) const;
  // Whether the expression fires at exactly t.
  bool FiresAt(Instant t, const TimeZone& zone) const;
  // For people, what a clock change did to the firing at t: "gap: 02:30 moved to 03:00",
  // "overlap: first of two", or "".
  std::string NoteAt(Instant t, const TimeZone& zone) const;

  const std::string& text() const;

  struct Fields;  // cron_fields.h; for this room only
  const Fields& fields() const { return *fields_; }

 private:
  explicit CronExpr(std::shared_ptr<const Fields> fields) : fields_(std::move(fields)) {}

  std::shared_ptr<const Fields> fields_;
};

inline constexpr int kMaxFirings = 10'000;  // that one question asks for

// {"next": ["2026-03-29T03:00:00+02:00", ...]} or {"error": {"code", "message", "hint"}} for one
// line {"expr", "tz", "start", "n"} of `nightmill schedule next --jsonl`: the first n firings
// strictly after `start` (from 1970 on, with Z or an offset; a bare date is midnight UTC), fewer if
// the year 2200 ends the search. `tz` is UTC and `n` is 1 if absent; other members are ignored, but
// not a usual wrong word for one of these ("timezone", "count"). Never throws.
std::string AnswerScheduleLine(std::string_view json_line);

}  // namespace nightmill
