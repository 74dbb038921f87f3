#include "core/schedule/timetable.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base/hash.h"
#include "core/schedule/cron_fields.h"
#include "core/schedule/ticks.h"
#include "core/schedule/time_zone.h"

namespace nightmill {
namespace {

using std::chrono::microseconds;

constexpr microseconds kMicro{1};
// Every search stays between these, so that sums with them cannot overflow.
constexpr Instant kEarliest{-std::chrono::days{2}};
constexpr Instant kLatest{
    std::chrono::sys_days{std::chrono::year{limits::kLastCronYear + 1} / 1 / 3}};

enum class Form { kCron, kEvery, kAt, kOnce };

// What Make resolves from the spec's texts.
struct Parts {
  Form form = Form::kCron;
  std::shared_ptr<const TimeZone> zone;
  std::unique_ptr<const Ticks> ticks;
  std::optional<Instant> start, end;  // both inclusive
};

bool IsBareDate(std::string_view text) { return text.size() == 10; }

Result<Instant> StartOf(std::string_view text, const TimeZone& zone) {
  if (!IsBareDate(text)) return ParseInstant(text);
  NM_ASSIGN_OR_RETURN(const std::int32_t day, ParseDate(text));
  return zone.StartOfDay(day);
}

Result<Instant> EndOf(std::string_view text, const TimeZone& zone) {
  if (!IsBareDate(text)) return ParseInstant(text);
  NM_ASSIGN_OR_RETURN(const std::int32_t day, ParseDate(text));
  return zone.StartOfDay(day + 1) - kMicro;
}

class TimetableImpl final : public Timetable {
 public:
  TimetableImpl(ScheduleSpec spec, std::string_view dag_id, Parts parts)
      : Timetable(std::move(spec)), dag_id_(dag_id), parts_(std::move(parts)) {
    FindBounds();
  }

  bool periodic() const override {
    return parts_.form == Form::kCron || parts_.form == Form::kEvery;
  }

  std::optional<Slot> NextSlot(Instant after) const override {
    const std::optional<Instant> tick = ticks().After(std::max(Clamp(after), lower_));
    if (!tick || *tick > upper_) return std::nullopt;
    return SlotOf(*tick);
  }

  std::optional<Slot> PrevSlot(Instant at) const override {
    const std::optional<Instant> tick = ticks().Before(std::min(Clamp(at), upper_) + kMicro);
    if (!tick || *tick <= lower_) return std::nullopt;
    return SlotOf(*tick);
  }

  std::optional<Slot> SlotAt(Instant logical_date) const override {
    const std::vector<Slot> slots = SlotsBetween(logical_date, logical_date, 1);
    return slots.empty() ? std::nullopt : std::optional(slots.front());
  }

  std::vector<Slot> SlotsBetween(Instant from, Instant to, std::size_t max) const override {
    std::vector<Slot> slots;
    if (from > to || to < kEarliest || from > kLatest) return slots;
    Instant at = Clamp(from) + Width() - kMicro;
    if (tiling()) at = ticks().After(at).value_or(kLatest);
    while (slots.size() <= max) {
      const std::optional<Instant> tick = ticks().After(at);
      if (!tick) break;
      at = *tick;
      const DataInterval interval = IntervalOf(at);
      if (interval.start > to) break;
      if (interval.start >= from) slots.push_back({at, RunAfter(at), interval});
    }
    return slots;
  }

  DataInterval ManualInterval(std::optional<Instant> logical_date, Instant now) const override {
    const Instant at = logical_date.value_or(now);
    switch (spec().interval) {
      case IntervalKind::kNone:
        return {at, at};
      case IntervalKind::kFixed:
        if (logical_date) return {at, at + spec().fixed_interval};
        return {at - spec().fixed_interval, at};
      case IntervalKind::kPeriod:
        break;
    }
    if (!periodic()) return {at, at};
    if (logical_date) {
      if (const std::optional<Slot> slot = SlotAt(*logical_date)) return slot->interval;
    }
    if (const std::optional<Slot> slot = PrevSlot(now)) return slot->interval;
    // Before the first slot: the last complete interval all the same, so that the run has data.
    const std::optional<Instant> tick = ticks().Before(Clamp(now) + kMicro);
    return tick ? IntervalOf(*tick) : DataInterval{now, now};
  }

  std::optional<Instant> start() const override { return aligned_start_; }
  std::optional<Instant> end() const override { return parts_.end; }

  std::string DataDate(Instant interval_start) const override {
    const auto day = std::chrono::floor<std::chrono::days>(zone().ToLocal(interval_start));
    return FormatDays(static_cast<std::int32_t>(day.time_since_epoch().count()));
  }
  Result<Instant> ResolveFrom(std::string_view text) const override {
    return StartOf(text, zone());
  }
  Result<Instant> ResolveTo(std::string_view text) const override { return EndOf(text, zone()); }
  std::string LocalText(Instant t) const override { return zone().Format(t); }
  std::string Note(const Slot& slot) const override { return ticks().NoteAt(slot.tick); }

 private:
  const Ticks& ticks() const { return *parts_.ticks; }
  const TimeZone& zone() const { return *parts_.zone; }
  static Instant Clamp(Instant t) { return std::clamp(t, kEarliest, kLatest); }

  // Distance from an interval's start to its tick where that is the same for all, else 0.
  microseconds Width() const {
    return spec().interval == IntervalKind::kFixed ? microseconds{spec().fixed_interval}
                                                   : microseconds{0};
  }
  // Intervals reach from tick to tick.
  bool tiling() const { return spec().interval == IntervalKind::kPeriod && periodic(); }

  // Turns the bounds of interval starts into bounds of ticks: lower_ < tick <= upper_.
  void FindBounds() {
    // The very first tick only begins an interval.
    if (tiling()) lower_ = ticks().After(kEarliest).value_or(kLatest);
    if (parts_.form == Form::kOnce) {
      aligned_start_ = parts_.start;
      return;
    }
    if (parts_.start) {
      const Instant start = Clamp(*parts_.start);
      const std::optional<Instant> first = ticks().After(start - kMicro);
      aligned_start_ = first.value_or(*parts_.start);
      lower_ = tiling() ? first.value_or(kLatest) : start + Width() - kMicro;
    }
    if (parts_.end) {
      const Instant end = Clamp(*parts_.end);
      // The interval that begins at or before the end closes with the next tick.
      upper_ = tiling() ? ticks().After(end).value_or(kLatest) : end + Width();
    }
  }

  DataInterval IntervalOf(Instant tick) const {
    switch (spec().interval) {
      case IntervalKind::kNone:
        return {tick, tick};
      case IntervalKind::kFixed:
        return {tick - spec().fixed_interval, tick};
      case IntervalKind::kPeriod:
        break;
    }
    if (parts_.form == Form::kOnce) return {tick, tick};
    const std::optional<Instant> before = ticks().Before(tick);
    if (before) return {*before, tick};
    // The first instant of an `at` list reaches back to start_date; else nothing lies before it.
    if (parts_.form == Form::kAt && parts_.start) return {std::min(*parts_.start, tick), tick};
    return {tick, tick};
  }

  Instant RunAfter(Instant tick) const {
    Duration span = spec().jitter;
    if (span <= Duration{0}) return tick;
    if (const std::optional<Instant> next = ticks().After(tick)) {
      span = std::min(span, std::chrono::floor<Duration>(*next - tick));
    }
    const std::string index = std::to_string(ticks().IndexAt(tick));
    const std::uint64_t hash = spec().jitter_per_tick
                                   ? KeyedHash({"jitter/1", dag_id_, index, FormatInstant(tick)})
                                   : KeyedHash({"jitter/1", dag_id_, index});
    const std::uint64_t offset = Scale(hash, static_cast<std::uint64_t>(span.count()));
    return tick + Duration{static_cast<std::int64_t>(offset)};
  }

  Slot SlotOf(Instant tick) const { return {tick, RunAfter(tick), IntervalOf(tick)}; }

  std::string dag_id_;
  Parts parts_;
  Instant lower_ = kEarliest;
  Instant upper_ = kLatest;
  std::optional<Instant> aligned_start_;
};

// Resolves a spec part by part, so that one faulty part does not hide another one.
class Resolver {
 public:
  explicit Resolver(const ScheduleSpec& spec) : spec_(spec) {}

  Parts Resolve() {
    FindForm();
    CheckCounts();
    CheckDurations();
    FindZone();
    ResolveDates();
    ParseCrons();
    ParseExclusions();
    if (faults.empty()) MakeTicks();
    return std::move(parts_);
  }

  std::vector<Error> faults;

 private:
  void Fault(std::string pointer, Error error) {
    error.pointer = std::move(pointer);
    faults.push_back(std::move(error));
  }
  void OverLimit(std::string pointer, std::string_view what, std::string_view limit) {
    Fault(std::move(pointer), Invalid(fmt::format("{}; the limit is {}", what, limit)));
  }

  void FindForm() {
    std::vector<Form> forms;
    if (!spec_.crons.empty()) forms.push_back(Form::kCron);
    if (spec_.every) forms.push_back(Form::kEvery);
    if (!spec_.at.empty()) forms.push_back(Form::kAt);
    if (spec_.once) forms.push_back(Form::kOnce);
    if (forms.empty()) {
      Fault("", Invalid("the schedule has no ticks", "give one of cron, every, at"));
      return;
    }
    parts_.form = forms.front();
    if (forms.size() > 1) {
      Fault("", Invalid("the schedule has several kinds of ticks",
                        "give one of cron, every, at, @once; cron may be a list"));
    }
  }

  void CheckCounts() {
    const auto check = [&](std::string_view field, std::size_t n, std::size_t limit,
                           std::string_view what) {
      if (n <= limit) return;
      OverLimit(fmt::format("/{}", field), fmt::format("{} {}", n, what), std::to_string(limit));
    };
    check("cron", spec_.crons.size(), limits::kMaxCrons, "expressions");
    check("at", spec_.at.size(), limits::kMaxAtEntries, "instants");
    check("exclude", spec_.exclude.size(), limits::kMaxExcludes, "exclusions");
    if (spec_.catchup_limit < 0 || spec_.catchup_limit > limits::kMaxCatchupLimit) {
      OverLimit("/limit", fmt::format("a catchup limit of {}", spec_.catchup_limit),
                std::to_string(limits::kMaxCatchupLimit));
    }
  }

  void CheckDurations() {
    if (spec_.every && *spec_.every < limits::kMinEvery) {
      OverLimit("/every", FormatDuration(*spec_.every) + " is too short",
                FormatDuration(limits::kMinEvery));
    }
    if (spec_.every && *spec_.every > limits::kMaxEvery) {
      OverLimit("/every", FormatDuration(*spec_.every) + " is too long",
                FormatDuration(limits::kMaxEvery));
    }
    if (spec_.jitter > limits::kMaxJitter) {
      OverLimit("/jitter", FormatDuration(spec_.jitter) + " is too long",
                FormatDuration(limits::kMaxJitter));
    }
    if (spec_.interval == IntervalKind::kFixed &&
        (spec_.fixed_interval <= Duration{0} || spec_.fixed_interval > limits::kMaxEvery)) {
      OverLimit("/interval", FormatDuration(spec_.fixed_interval) + " is no usable interval",
                "more than 0s, up to " + FormatDuration(limits::kMaxEvery));
    }
  }

  void FindZone() {
    auto zone = TimeZone::Find(spec_.timezone);
    if (!zone.ok()) {
      Fault("/timezone", std::move(zone).error());
      zone = TimeZone::Find("UTC");  // good enough to see whether a date is one
    }
    parts_.zone = *zone;
  }

  void ResolveDates() {
    const auto resolve = [&](const std::string& text, std::string_view field, auto&& to_instant) {
      std::optional<Instant> instant;
      if (text.empty()) return instant;
      Result<Instant> resolved = to_instant(text, *parts_.zone);
      if (resolved.ok()) {
        instant = *resolved;
      } else {
        Fault(fmt::format("/{}", field), std::move(resolved).error());
      }
      return instant;
    };
    parts_.start = resolve(spec_.start_date, "start_date", StartOf);
    parts_.end = resolve(spec_.end_date, "end_date", EndOf);
    if (parts_.start && parts_.end && *parts_.end < *parts_.start) {
      Fault("/end_date", Invalid(fmt::format("end_date {} is before start_date {}", spec_.end_date,
                                             spec_.start_date),
                                 "swap the two dates"));
    }
  }

  void ParseCrons() {
    if (spec_.crons.size() > limits::kMaxCrons) return;
    for (std::size_t i = 0; i < spec_.crons.size(); ++i) {
      const std::string pointer = spec_.crons.size() > 1 ? fmt::format("/cron/{}", i) : "/cron";
      std::shared_ptr<const TimeZone> own = parts_.zone;
      if (i < spec_.cron_timezones.size() && !spec_.cron_timezones[i].empty()) {
        auto found = TimeZone::Find(spec_.cron_timezones[i]);
        if (found.ok()) {
          own = *found;
        } else {
          Fault(pointer, std::move(found).error());
        }
      }
      Result<CronExpr> cron = CronExpr::Parse(spec_.crons[i], spec_.day_or);
      if (cron.ok()) {
        crons_.push_back({*cron, std::move(own)});
      } else {
        Fault(pointer, std::move(cron).error());
      }
    }
  }

  void ParseExclusions() {
    exclusions_.zone = parts_.zone;
    if (spec_.exclude.size() > limits::kMaxExcludes) return;
    for (std::size_t i = 0; i < spec_.exclude.size(); ++i) {
      const std::string pointer = fmt::format("/exclude/{}", i);
      const std::string& text = spec_.exclude[i];
      if (const Result<std::int32_t> day = ParseDate(text); day.ok()) {
        exclusions_.days.push_back(*day);
        continue;
      }
      if (text.find(' ') == std::string::npos && !text.starts_with('@')) {
        Fault(pointer, Invalid(fmt::format("\"{}\" is neither a date nor a cron", text),
                               "write 2026-12-25 or a cron such as * * * * SAT,SUN"));
        continue;
      }
      Result<CronExpr> cron = CronExpr::Parse(text, spec_.day_or);
      if (cron.ok()) {
        exclusions_.covers.push_back(CoversTicks(*cron));
        exclusions_.crons.push_back(*cron);
      } else {
        Fault(pointer, std::move(cron).error());
      }
    }
    std::sort(exclusions_.days.begin(), exclusions_.days.end());
  }

  bool CoversTicks(const CronExpr& exclusion) const {
    return !crons_.empty() && std::all_of(crons_.begin(), crons_.end(), [&](const ZonedCron& own) {
      return own.zone == parts_.zone && exclusion.fields().CoversTimesOf(own.cron.fields());
    });
  }

  void MakeTicks() {
    parts_.ticks = TicksOfForm();
    if (exclusions_.empty()) return;
    const bool had_ticks = parts_.ticks->After(kEarliest).has_value();
    parts_.ticks = MakeExcludedTicks(std::move(parts_.ticks), std::move(exclusions_));
    if (had_ticks && !parts_.ticks->After(kEarliest)) {
      Fault("/exclude", Invalid("never fires: `exclude` drops every tick of the schedule",
                                "take out an exclusion that matches what the schedule fires at"));
    }
  }

  std::unique_ptr<const Ticks> TicksOfForm() {
    switch (parts_.form) {
      case Form::kCron:
        return MakeCronTicks(std::move(crons_));
      case Form::kEvery:
        return MakePeriodTicks(spec_.anchor.value_or(parts_.start.value_or(Instant{})),
                               *spec_.every);
      case Form::kAt: {
        // Instants before start_date are no ticks at all: the first interval begins at start_date.
        std::vector<Instant> instants;
        std::copy_if(spec_.at.begin(), spec_.at.end(), std::back_inserter(instants),
                     [&](Instant t) { return !parts_.start || t >= *parts_.start; });
        return MakeListTicks(std::move(instants));
      }
      case Form::kOnce:
        break;
    }
    return MakeListTicks(parts_.start ? std::vector{*parts_.start} : std::vector<Instant>{});
  }

  const ScheduleSpec& spec_;
  Parts parts_;
  std::vector<ZonedCron> crons_;
  Exclusions exclusions_;
};

// A schedule with ticks but none that its dates let through. @once needs no date.
std::optional<Error> EmptyWindow(const Timetable& timetable) {
  const ScheduleSpec& spec = timetable.spec();
  if (spec.once || (spec.start_date.empty() && spec.end_date.empty())) return std::nullopt;
  if (timetable.NextSlot(kEarliest)) return std::nullopt;
  const bool ends = !spec.end_date.empty();
  Error error = Invalid(
      spec.start_date.empty() ? fmt::format("never fires: no tick up to end_date {}", spec.end_date)
      : ends ? fmt::format("never fires: no tick from start_date {} to end_date {}",
                           spec.start_date, spec.end_date)
             : fmt::format("never fires: no tick from start_date {} on", spec.start_date),
      "no data interval begins within these dates; widen them or change the ticks");
  error.pointer = ends ? "/end_date" : "/start_date";
  return error;
}

}  // namespace

Result<std::shared_ptr<const Timetable>> Timetable::Make(const ScheduleSpec& spec,
                                                         std::string_view dag_id,
                                                         std::vector<Error>* faults) {
  Resolver resolver(spec);
  Parts parts = resolver.Resolve();
  if (!resolver.faults.empty()) {
    Error first = resolver.faults.front();
    if (faults != nullptr) *faults = std::move(resolver.faults);
    return first;
  }
  auto timetable = std::make_shared<const TimetableImpl>(spec, dag_id, std::move(parts));
  if (std::optional<Error> fault = EmptyWindow(*timetable)) {
    if (faults != nullptr) faults->push_back(*fault);
    return *std::move(fault);
  }
  return std::shared_ptr<const Timetable>(std::move(timetable));
}

}  // namespace nightmill
