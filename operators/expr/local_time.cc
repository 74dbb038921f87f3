#include "operators/expr/local_time.h"

namespace nightmill::expr {
namespace {

std::int64_t ZoneOffset(const TimeZone& zone, std::int64_t us) {
  return std::chrono::microseconds(zone.OffsetAt(InstantFromMicros(us))).count();
}

}  // namespace

LocalTimeMap::LocalTimeMap(std::shared_ptr<const TimeZone> zone, std::int32_t first_day,
                           std::int32_t last_day) {
  if (zone == nullptr || zone->name() == "UTC") return;
  zone_ = std::move(zone);
  lo_us_ = first_day * kDayMicros;
  hi_us_ = (std::int64_t{last_day} + 1) * kDayMicros;
  spans_.push_back({lo_us_, ZoneOffset(*zone_, lo_us_)});
  // A day is short enough: no zone changes its offset twice within one.
  for (std::int64_t at = lo_us_; at < hi_us_; at += kDayMicros) {
    AddTransitions(at, at + kDayMicros);
  }
}

void LocalTimeMap::AddTransitions(std::int64_t lo_us, std::int64_t hi_us) {
  const std::int64_t before = ZoneOffset(*zone_, lo_us);
  const std::int64_t after = ZoneOffset(*zone_, hi_us);
  if (before == after) return;
  while (hi_us - lo_us > 1) {
    const std::int64_t middle = lo_us + (hi_us - lo_us) / 2;
    (ZoneOffset(*zone_, middle) == before ? lo_us : hi_us) = middle;
  }
  spans_.push_back({hi_us, after});
}

std::int64_t LocalTimeMap::OffsetAt(std::int64_t instant_us) const {
  if (zone_ == nullptr) return 0;
  if (instant_us < lo_us_ || instant_us >= hi_us_) return ZoneOffset(*zone_, instant_us);
  std::size_t at = spans_.size() - 1;
  while (spans_[at].from_us > instant_us) --at;
  return spans_[at].offset_us;
}

std::int64_t LocalTimeMap::DayOf(std::int64_t instant_us) const {
  return FloorDays(instant_us + OffsetAt(instant_us));
}

std::string LocalTimeMap::Describe() const {
  std::string text;
  for (const Span& span : spans_) {
    text += std::to_string(span.from_us) + ":" + std::to_string(span.offset_us) + ";";
  }
  return text;
}

std::int64_t LocalTimeMap::FromLocal(std::int64_t local_us) const {
  if (zone_ == nullptr) return local_us;
  return ToMicros(zone_->Map(LocalTime{std::chrono::microseconds{local_us}}).first);
}

}  // namespace nightmill::expr
