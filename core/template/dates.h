// Dates of templates: Python's texts and formats of datetime, date and timedelta, in UTC.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/result.h"
#include "core/template/value.h"

namespace nightmill::tmpl {

struct CivilTime {
  int year = 1970;
  int month = 1;
  int day = 1;
  int hour = 0;
  int minute = 0;
  int second = 0;
  int micro = 0;
  int weekday = 3;  // Monday = 0
  int day_of_year = 1;
};
CivilTime Civil(DateTime t);
CivilTime Civil(Date d);

// str(): "2011-05-30 06:00:00+00:00"; isoformat(): "2011-05-30T06:00:00+00:00".
std::string DateTimeText(DateTime t, char separator);
std::string DateText(Date d);
std::string TimeDeltaText(TimeDelta d);
std::string DateRepr(const Value& value);  // of a datetime, date or timedelta

// strftime of the C locale; "%-d" drops padding. kInvalid for an unknown directive.
Result<std::string> Strftime(std::string_view format, const CivilTime& t, bool has_zone);
// strptime for the directives %Y %y %m %d %H %M %S %f %j %b %B %z %%. kInvalid names the mismatch.
Result<DateTime> Strptime(std::string_view text, std::string_view format);

// Instants outside the years 1 to 9999 are kInvalid, as in Python.
Result<DateTime> AddTo(DateTime t, std::int64_t us);
Result<Date> AddTo(Date d, std::int64_t days);

// "2 hours after", "1 day before": how `t` lies to `since`, in the words of pendulum.
std::string DifferenceForHumans(DateTime t, DateTime since);

}  // namespace nightmill::tmpl
