// When a DAG's runs are due and which data they cover (semantics.md 2). A Timetable is built once
// from the parsed `schedule` object and is immutable; every function is pure and bounded (searches
// end at the year 2200). Thread rule: const after Make, safe to share.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/limits.h"
#include "core/base/result.h"
#include "core/base/time.h"
#include "core/model/data_interval.h"

namespace nightmill {

enum class Catchup : std::uint8_t { kNone, kLatest, kAll };
enum class Overlap : std::uint8_t { kQueue, kSkip, kBufferOne, kCancelOther };
enum class IntervalKind : std::uint8_t { kPeriod, kNone, kFixed };

// `schedule` of a DAG file, as text and plain values; Timetable::Make gives it meaning.
struct ScheduleSpec {
  std::vector<std::string> crons;           // presets already expanded ("@daily" is kept in `text`)
  std::vector<std::string> cron_timezones;  // one per cron; empty: `timezone`
  std::optional<Duration> every;
  std::optional<Instant> anchor;
  std::vector<Instant> at;
  bool once = false;
  std::string timezone = "UTC";
  std::string start_date;  // as written: an instant or a bare local date; empty: none
  std::string end_date;
  IntervalKind interval = IntervalKind::kPeriod;
  Duration fixed_interval{0};
  bool day_or = true;
  Catchup catchup = Catchup::kLatest;
  int catchup_limit = limits::kDefaultCatchupLimit;
  std::optional<Duration> catchup_window;
  bool newest_first = false;
  Overlap overlap = Overlap::kQueue;
  Duration jitter{0};
  bool jitter_per_tick = false;
  std::vector<std::string> exclude;  // local dates or crons
  bool run_immediately = false;
  std::string text;  // as written, for people: "0 6 * * *", "@daily", "every 15m"
};

// One tick with everything a run needs. run_after = tick + jitter.
struct Slot {
  Instant tick;
  Instant run_after;
  DataInterval interval;

  Instant logical_date() const { return interval.start; }
  auto operator<=>(const Slot&) const = default;
};

class Timetable {
 public:
  // Errors: kInvalid with the field in `pointer` ("/cron", "/cron/1", "/timezone", "/start_date"),
  // a hint, and for a cron that never fires a message that begins with "never fires". The result
  // has the first one; `faults`, if given, receives all of them.
  static Result<std::shared_ptr<const Timetable>> Make(const ScheduleSpec& spec,
                                                       std::string_view dag_id,
                                                       std::vector<Error>* faults = nullptr);

  virtual ~Timetable() = default;

  const ScheduleSpec& spec() const { return spec_; }
  // False for null schedules, @once and `at`: no backfill, no "last interval".
  virtual bool periodic() const = 0;

  // First slot whose tick is > `after` and whose interval lies within [start_date, end_date]
  // (interval start >= start_date, <= end_date). Nothing after the last one.
  virtual std::optional<Slot> NextSlot(Instant after) const = 0;
  // Last slot whose tick is <= `at`, within the same bounds.
  virtual std::optional<Slot> PrevSlot(Instant at) const = 0;
  // The slot whose interval starts exactly at `logical_date`, bounds ignored (backfills may go
  // before start_date); nothing if no interval starts there.
  virtual std::optional<Slot> SlotAt(Instant logical_date) const = 0;
  // Slots with from <= logical date <= to, ascending, bounds of start/end date ignored, at most
  // `max` + 1 (so that the caller sees an overflow).
  virtual std::vector<Slot> SlotsBetween(Instant from, Instant to, std::size_t max) const = 0;

  // Interval of a manual run with `logical_date` absent (nullopt) or given, asked for at `now`
  // (semantics.md 2.3, "Manual run").
  virtual DataInterval ManualInterval(std::optional<Instant> logical_date, Instant now) const = 0;

  // start_date as an instant, aligned as semantics.md 2.4 says; nullopt if none.
  virtual std::optional<Instant> start() const = 0;
  virtual std::optional<Instant> end() const = 0;

  // `data_date`: "YYYY-MM-DD", the local date of the interval's start in the schedule's zone.
  virtual std::string DataDate(Instant interval_start) const = 0;
  // Bare dates of users in the schedule's zone: first instant of that local day / its last
  // microsecond. Full instants pass unchanged. kInvalid for anything else.
  virtual Result<Instant> ResolveFrom(std::string_view text) const = 0;
  virtual Result<Instant> ResolveTo(std::string_view text) const = 0;
  // For people: local time with offset and a note ("gap: 02:30 moved to 03:00"), else "".
  virtual std::string LocalText(Instant t) const = 0;
  virtual std::string Note(const Slot& slot) const = 0;

 protected:
  explicit Timetable(ScheduleSpec spec) : spec_(std::move(spec)) {}

 private:
  ScheduleSpec spec_;
};

// What became of a slot that was decided (semantics.md 2.4).
struct SlotDecision {
  Slot slot;
  bool create = false;
  std::string_view reason;  // "" if created; else catchup_none, catchup_latest, catchup_limit, ...
};

// What the engine remembers per DAG to decide each slot exactly once.
struct SlotCursor {
  std::optional<Instant> last_tick;  // last decided tick; none: nothing decided yet
  Instant first_accepted;            // when this DAG was first applied
};

struct SlotPlan {
  std::vector<SlotDecision> decisions;  // ascending by tick, all with run_after <= now
  // Slots that the limit or window of catchup `all` dropped. The newest 1,000 skipped slots (or
  // catchup_limit, if larger) have a decision each; older ones are only counted, up to 100,000.
  std::int64_t truncated = 0;
  std::optional<Instant> last_tick;  // the cursor's new value
  std::optional<Instant> wake_at;    // run_after of the next undecided slot
};

// Decides every slot that is due at `now`: on time ones are created, missed ones (later than
// kMisfireGrace) by the catchup rule. Overlap is decided later, when a run is created.
// `enabled_at`: when the DAG last became able to run (first acceptance, unpause, daemon start);
// slots due before it are missed whatever their lateness.
SlotPlan DecideSlots(const Timetable& timetable, const SlotCursor& cursor, Instant enabled_at,
                     Instant now);

}  // namespace nightmill
