// The instants at which a schedule is due, whatever makes them: cron lists, periods, fixed lists.
// timetable.cc builds data intervals and bounds on top. Immutable; const functions are thread safe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/time.h"
#include "core/schedule/cron.h"
#include "core/schedule/time_zone.h"

namespace nightmill {

class Ticks {
 public:
  virtual ~Ticks() = default;

  // Nearest tick strictly after / strictly before t, within the years 1970..2200.
  virtual std::optional<Instant> After(Instant t) const = 0;
  virtual std::optional<Instant> Before(Instant t) const = 0;
  // Position, in the schedule's list, of the entry that makes this tick.
  virtual int IndexAt(Instant) const { return 0; }
  // CronExpr::NoteAt of that entry.
  virtual std::string NoteAt(Instant) const { return {}; }
};

struct ZonedCron {
  CronExpr cron;
  std::shared_ptr<const TimeZone> zone;
};

// Ticks to drop: whole local days, and everything that a cron expression matches.
struct Exclusions {
  std::vector<std::int32_t> days;  // since 1970-01-01, ascending
  std::vector<CronExpr> crons;
  // As long as `crons`: matches each time of day that the schedule's own ones have, in their zone.
  std::vector<bool> covers;
  std::shared_ptr<const TimeZone> zone;

  bool empty() const { return days.empty() && crons.empty(); }
};

// The union of the expressions' ticks.
std::unique_ptr<const Ticks> MakeCronTicks(std::vector<ZonedCron> crons);
// anchor + k * period for every whole k, elapsed time.
std::unique_ptr<const Ticks> MakePeriodTicks(Instant anchor, Duration period);
// These instants, in any order.
std::unique_ptr<const Ticks> MakeListTicks(std::vector<Instant> instants);
// `inner` without the excluded ones. A search that meets nothing but excluded ticks gives up after
// 100,000 of them (days without any other tick count as one) and then reports that there are none.
std::unique_ptr<const Ticks> MakeExcludedTicks(std::unique_ptr<const Ticks> inner,
                                               Exclusions exclusions);

}  // namespace nightmill
