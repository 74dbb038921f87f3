// Instants, durations and their texts. An Instant is UTC microseconds since 1970 (range 1678-2262
// is not needed: parsing accepts the years 1 to 9999); a Duration is milliseconds. Nothing here
// reads a clock: time is always a parameter (architecture: no clock in core and engine).
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace nightmill {

using Instant = std::chrono::sys_time<std::chrono::microseconds>;
using Duration = std::chrono::milliseconds;

constexpr Instant InstantFromMicros(std::int64_t us) {
  return Instant{std::chrono::microseconds{us}};
}
constexpr std::int64_t ToMicros(Instant t) { return t.time_since_epoch().count(); }

// "2026-03-16T06:00:00Z"; a fraction of 6 digits only if it is not zero.
std::string FormatInstant(Instant t);
// "2026-03-16T06:00:00+00:00", the form of Airflow's run ids and of `ts`; fraction as above.
std::string FormatInstantOffset(Instant t);
// "2026-03-16", the UTC date.
std::string FormatDate(Instant t);
// RFC 3339 with "Z" or an offset, "T" or a space, optional seconds fraction (cut to micros). A bare
// date "2026-03-16" is accepted as UTC midnight. Errors are kInvalid and quote the text.
Result<Instant> ParseInstant(std::string_view text);
// Days since 1970-01-01 of "YYYY-MM-DD"; kInvalid for a date that does not exist.
Result<std::int32_t> ParseDate(std::string_view text);
// "YYYY-MM-DD" of days since 1970-01-01.
std::string FormatDays(std::int32_t days);

// "90s", "1h30m", "250ms", "2d", "1w", ISO 8601 ("PT1H30M", "P1DT2H"), or seconds as a number
// ("90", "1.5"). Months and years are refused (they have no length). Never negative.
Result<Duration> ParseDuration(std::string_view text);
// Shortest exact text: "1h30m", "250ms", "0s".
std::string FormatDuration(Duration d);

}  // namespace nightmill
