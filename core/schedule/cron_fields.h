// The five fields of a cron expression as sets, and the search over plain local minutes, which
// knows no time zone. cron.cc adds the clock changes.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/result.h"
#include "core/schedule/cron.h"

namespace nightmill {

struct CronExpr::Fields {
  std::string text;
  std::uint64_t minutes = 0;  // bit m
  std::uint32_t hours = 0;    // bit h
  // A year is one of 14 kinds: weekday of Jan 1 (0 = Sunday), + 7 for leap years. Bit d - 1 of
  // days[kind][month - 1] says that the date fields match that day; so every combination of
  // fields, "never" included, is decided once, when the expression is parsed.
  std::array<std::array<std::uint32_t, 12>, 14> days{};
  // The minute or hour field begins with "*": fires at every instant whose local time matches.
  bool every_match = false;

  // First matching minute at or after / last one at or before `minute`, in local minutes since
  // 1970; nothing outside the years 1970..2200.
  std::optional<std::int64_t> NextMinute(std::int64_t minute) const;
  std::optional<std::int64_t> PrevMinute(std::int64_t minute) const;

  // `day`: days since 1970-01-01, within 1970..2200.
  bool MatchesDay(std::int32_t day) const;
  bool CoversWholeDays() const;
  // Has each time of day that `other` has.
  bool CoversTimesOf(const Fields& other) const;
};

Result<CronExpr::Fields> ParseCronFields(std::string_view text, bool day_or);

}  // namespace nightmill
