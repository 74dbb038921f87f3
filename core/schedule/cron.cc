#include "core/schedule/cron.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/limits.h"
#include "core/schedule/cron_fields.h"

namespace nightmill {
namespace {

using std::chrono::microseconds;
using std::chrono::minutes;

constexpr microseconds kTick{1};
// No local time is reached again after more than this (see TimeZone::Map).
constexpr std::chrono::hours kMaxShift{26};
// Searches start within the product's calendar, whatever instant they are given.
constexpr Instant kEarliest{-std::chrono::days{2}};
constexpr Instant kLatest{
    std::chrono::sys_days{std::chrono::year{limits::kLastCronYear + 1} / 1 / 3}};

std::int64_t FloorMinute(LocalTime t) {
  return std::chrono::floor<minutes>(t).time_since_epoch().count();
}
std::int64_t CeilMinute(LocalTime t) {
  return std::chrono::ceil<minutes>(t).time_since_epoch().count();
}
LocalTime FromMinute(std::int64_t minute) { return LocalTime{minutes{minute}}; }

LocalTime Shift(Instant t, std::chrono::seconds offset) {
  return LocalTime{t.time_since_epoch() + offset};
}
Instant Unshift(LocalTime t, std::chrono::seconds offset) {
  return Instant{t.time_since_epoch() - offset};
}

// The latest local time that clocks have shown up to and including t. A fixed firing belongs to the
// first moment its local time is reached or jumped over, so it is at or before t exactly if its
// local time is not above this mark: overlaps and gaps of any size need no other rule.
LocalTime HighWater(Instant t, const TimeZone& zone) {
  TimeZone::Segment segment = zone.SegmentAt(t);
  LocalTime high = Shift(t, segment.offset);
  while (segment.begin > t - kMaxShift) {
    const Instant before = segment.begin - kTick;
    segment = zone.SegmentAt(before);
    high = std::max(high, Shift(before, segment.offset));
  }
  return high;
}

// Firings at every instant whose local time matches: the search runs through the segments.
std::optional<Instant> NextMatch(const CronExpr::Fields& fields, Instant at_or_after,
                                 const TimeZone& zone) {
  for (Instant t = at_or_after; t < kLatest;) {
    const TimeZone::Segment segment = zone.SegmentAt(t);
    const auto minute = fields.NextMinute(CeilMinute(Shift(t, segment.offset)));
    if (minute) {
      const Instant found = Unshift(FromMinute(*minute), segment.offset);
      if (found < segment.end) return found;
    }
    t = segment.end;
  }
  return std::nullopt;
}

std::optional<Instant> PrevMatch(const CronExpr::Fields& fields, Instant at_or_before,
                                 const TimeZone& zone) {
  for (Instant t = at_or_before; t >= kEarliest;) {
    const TimeZone::Segment segment = zone.SegmentAt(t);
    const auto minute = fields.PrevMinute(FloorMinute(Shift(t, segment.offset)));
    if (minute) {
      const Instant found = Unshift(FromMinute(*minute), segment.offset);
      if (found >= segment.begin) return found;
    }
    if (segment.begin == Instant::min()) break;
    t = segment.begin - kTick;
  }
  return std::nullopt;
}

}  // namespace

Result<CronExpr> CronExpr::Parse(std::string_view text, bool day_or) {
  NM_ASSIGN_OR_RETURN(Fields fields, ParseCronFields(text, day_or));
  return CronExpr(std::make_shared<const Fields>(std::move(fields)));
}

std::optional<Instant> CronExpr::Next(Instant after, const TimeZone& zone) const {
  if (after >= kLatest) return std::nullopt;
  after = std::max(after, kEarliest);
  if (fields_->every_match) return NextMatch(*fields_, after + kTick, zone);
  const auto minute = fields_->NextMinute(FloorMinute(HighWater(after, zone)) + 1);
  if (!minute) return std::nullopt;
  return zone.Map(FromMinute(*minute)).first;
}

std::optional<Instant> CronExpr::Prev(Instant before, const TimeZone& zone) const {
  if (before <= kEarliest) return std::nullopt;
  before = std::min(before, kLatest);
  if (fields_->every_match) return PrevMatch(*fields_, before - kTick, zone);
  const auto minute = fields_->PrevMinute(FloorMinute(HighWater(before - kTick, zone)));
  if (!minute) return std::nullopt;
  return zone.Map(FromMinute(*minute)).first;
}

bool CronExpr::FiresAt(Instant t, const TimeZone& zone) const {
  if (t <= kEarliest || t >= kLatest) return false;
  return Next(t - kTick, zone) == t;
}

std::string CronExpr::NoteAt(Instant t, const TimeZone& zone) const {
  if (fields_->every_match || !FiresAt(t, zone)) return {};
  const TimeZone::Segment segment = zone.SegmentAt(t);
  const LocalTime local = Shift(t, segment.offset);
  if (segment.begin == t) {
    // Local times from the end of the segment before up to this one were jumped over.
    const LocalTime jumped = Shift(t, zone.OffsetAt(t - kTick));
    const auto minute = fields_->NextMinute(CeilMinute(jumped));
    if (minute && FromMinute(*minute) < local) {
      const std::int64_t to = FloorMinute(local);
      return fmt::format("gap: {:02}:{:02} moved to {:02}:{:02}", *minute / 60 % 24, *minute % 60,
                         to / 60 % 24, to % 60);
    }
  }
  const TimeZone::Mapping mapping = zone.Map(local);
  const bool doubled = mapping.kind == TimeZone::Mapping::Kind::kOverlap && mapping.first == t;
  return doubled ? "overlap: first of two" : "";
}

const std::string& CronExpr::text() const { return fields_->text; }

}  // namespace nightmill
