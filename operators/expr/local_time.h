// Offsets of one time zone, fast enough for a column: the transitions of a span of days are found
// once, instants outside the span ask the zone itself.
// Thread rule: immutable after construction.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/schedule/time_zone.h"

namespace nightmill::expr {

inline constexpr std::int64_t kDayMicros = 86'400'000'000;
// Floor division, also for instants before 1970.
inline std::int64_t FloorDays(std::int64_t us) {
  return us >= 0 ? us / kDayMicros : -((-us + kDayMicros - 1) / kDayMicros);
}

class LocalTimeMap {
 public:
  // UTC everywhere.
  LocalTimeMap() = default;
  // `first_day` and `last_day` are days since 1970 and bound the span that is looked up once.
  LocalTimeMap(std::shared_ptr<const TimeZone> zone, std::int32_t first_day, std::int32_t last_day);

  // Microseconds to add to an instant to get the local time.
  std::int64_t OffsetAt(std::int64_t instant_us) const;
  // The local date of an instant, in days since 1970.
  std::int64_t DayOf(std::int64_t instant_us) const;
  // "from:offset;.." of the span that was looked up, "" for UTC: equal texts, equal local times.
  std::string Describe() const;
  // The instant at which the local day begins (the first instant after a gap at midnight).
  std::int64_t StartOfDay(std::int32_t day) const { return FromLocal(day * kDayMicros); }
  // The instant of a local time: the earlier one of two, the first after a gap.
  std::int64_t FromLocal(std::int64_t local_us) const;

 private:
  struct Span {
    std::int64_t from_us;
    std::int64_t offset_us;
  };
  void AddTransitions(std::int64_t lo_us, std::int64_t hi_us);

  std::shared_ptr<const TimeZone> zone_;  // null: UTC
  std::int64_t lo_us_ = 0;
  std::int64_t hi_us_ = 0;
  std::vector<Span> spans_;  // ascending, the first starts at lo_us_
};

}  // namespace nightmill::expr
