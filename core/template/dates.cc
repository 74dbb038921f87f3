// Civil calendar arithmetic and the texts of Python's datetime module, without a locale.
#include "core/template/dates.h"

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <optional>

namespace nightmill::tmpl {
namespace {

using namespace std::chrono_literals;
using std::chrono::days;
using std::chrono::floor;
using std::chrono::microseconds;
using std::chrono::sys_days;
using std::chrono::year_month_day;

constexpr std::int64_t kSecond = 1'000'000;
constexpr std::int64_t kDay = 86'400 * kSecond;

constexpr std::array<std::string_view, 7> kDayNames = {
    "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};
constexpr std::array<std::string_view, 12> kMonthNames = {
    "January", "February", "March",     "April",   "May",      "June",
    "July",    "August",   "September", "October", "November", "December"};

// Rounds down, as Python does and C++ does not.
std::int64_t FloorDiv(std::int64_t a, std::int64_t b) {
  const std::int64_t q = a / b;
  return q * b > a ? q - 1 : q;
}

// The proleptic Gregorian calendar, which Python and std::chrono share.
CivilTime CivilOf(sys_days day, microseconds of_day) {
  const year_month_day ymd(day);
  CivilTime t;
  t.year = int(ymd.year());
  t.month = static_cast<int>(unsigned(ymd.month()));
  t.day = static_cast<int>(unsigned(ymd.day()));
  const std::int64_t us = of_day.count();
  t.hour = static_cast<int>(us / (3600 * kSecond));
  t.minute = static_cast<int>(us / (60 * kSecond) % 60);
  t.second = static_cast<int>(us / kSecond % 60);
  t.micro = static_cast<int>(us % kSecond);
  t.weekday = static_cast<int>(std::chrono::weekday(day).iso_encoding()) - 1;
  const sys_days first = ymd.year() / std::chrono::January / 1;
  t.day_of_year = static_cast<int>((day - first).count()) + 1;
  return t;
}

struct IsoWeek {
  int year = 0;
  int week = 0;
};

// ISO 8601: the week belongs to the year of its Thursday.
IsoWeek IsoWeekOf(const CivilTime& t) {
  const sys_days day = sys_days(std::chrono::year(t.year) / t.month / t.day);
  const sys_days thursday = day + days(3 - t.weekday);
  const CivilTime th = CivilOf(thursday, 0us);
  return {th.year, (th.day_of_year - 1) / 7 + 1};
}

// Midnight and noon are 12.
int TwelveHour(int hour) { return hour % 12 == 0 ? 12 : hour % 12; }

struct Field {
  int value = 0;
  int width = 2;
};

// The directives that print one padded number.
std::optional<Field> NumberField(char directive, const CivilTime& t) {
  switch (directive) {
    case 'Y':
      return Field{t.year, 4};
    case 'y':
      return Field{t.year % 100, 2};
    case 'm':
      return Field{t.month, 2};
    case 'd':
      return Field{t.day, 2};
    case 'H':
      return Field{t.hour, 2};
    case 'I':
      return Field{TwelveHour(t.hour), 2};
    case 'M':
      return Field{t.minute, 2};
    case 'S':
      return Field{t.second, 2};
    case 'f':
      return Field{t.micro, 6};
    case 'j':
      return Field{t.day_of_year, 3};
    case 'w':
      return Field{(t.weekday + 1) % 7, 1};
    case 'u':
      return Field{t.weekday + 1, 1};
    case 'U':
      return Field{(t.day_of_year + 6 - (t.weekday + 1) % 7) / 7, 2};
    case 'W':
      return Field{(t.day_of_year + 6 - t.weekday) / 7, 2};
    case 'V':
      return Field{IsoWeekOf(t).week, 2};
    case 'G':
      return Field{IsoWeekOf(t).year, 4};
    default:
      return std::nullopt;
  }
}

// The directives that stand for a longer format.
std::string_view Compound(char directive) {
  switch (directive) {
    case 'F':
      return "%Y-%m-%d";
    case 'T':
    case 'X':
      return "%H:%M:%S";
    case 'R':
      return "%H:%M";
    case 'D':
    case 'x':
      return "%m/%d/%y";
    case 'c':
      return "%a %b %d %H:%M:%S %Y";
    default:
      return {};
  }
}

// The directives that print a word. A date has no zone: %z and %Z are empty, as in Python.
std::optional<std::string> WordField(char directive, const CivilTime& t, bool has_zone) {
  const auto weekday = kDayNames[static_cast<std::size_t>(t.weekday)];
  const auto month = kMonthNames[static_cast<std::size_t>(t.month - 1)];
  switch (directive) {
    case 'A':
      return std::string(weekday);
    case 'a':
      return std::string(weekday.substr(0, 3));
    case 'B':
      return std::string(month);
    case 'b':
    case 'h':
      return std::string(month.substr(0, 3));
    case 'p':
      return t.hour < 12 ? "AM" : "PM";
    case 'z':
      return has_zone ? "+0000" : "";
    case 'Z':
      return has_zone ? "UTC" : "";
    case '%':
      return "%";
    case 'n':
      return "\n";
    case 't':
      return "\t";
    default:
      return std::nullopt;
  }
}

// Reads between 1 and `width` digits.
bool ReadNumber(std::string_view* text, std::size_t width, int* value) {
  std::size_t n = 0;
  *value = 0;
  while (n < width && n < text->size() && (*text)[n] >= '0' && (*text)[n] <= '9') {
    *value = *value * 10 + ((*text)[n++] - '0');
  }
  text->remove_prefix(n);
  return n > 0;
}

// ASCII letters, either case; `b` is at least as long as `a`.
bool SameLetters(std::string_view a, std::string_view b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    if ((a[i] | 0x20) != (b[i] | 0x20)) return false;
  }
  return true;
}

// The full name first: "May" is both, "March" is not "Mar" and "ch".
bool ReadMonth(std::string_view* text, int* month) {
  for (std::size_t i = 0; i < kMonthNames.size(); ++i) {
    for (std::string_view name : {kMonthNames[i], kMonthNames[i].substr(0, 3)}) {
      if (text->size() >= name.size() && SameLetters(name, text->substr(0, name.size()))) {
        *month = static_cast<int>(i) + 1;
        text->remove_prefix(name.size());
        return true;
      }
    }
  }
  return false;
}

// What strptime has read so far; the defaults are Python's.
struct Parsed {
  int year = 1900;
  int month = 1;
  int day = 1;
  int hour = 0;
  int minute = 0;
  int second = 0;
  int micro = 0;
  int offset_minutes = 0;
  std::optional<int> day_of_year;
};

// "Z", "+02:00" or "+0200".
bool ReadOffset(std::string_view* text, int* minutes) {
  if (text->starts_with('Z')) {
    text->remove_prefix(1);
    return true;
  }
  if (text->empty() || (text->front() != '+' && text->front() != '-')) return false;
  const int sign = text->front() == '-' ? -1 : 1;
  text->remove_prefix(1);
  int hours = 0;
  int rest = 0;
  if (!ReadNumber(text, 2, &hours)) return false;
  if (text->starts_with(':')) text->remove_prefix(1);
  if (!ReadNumber(text, 2, &rest)) return false;
  *minutes = sign * (hours * 60 + rest);
  return true;
}

// A fraction of up to six digits: "5" is half a second.
bool ReadMicros(std::string_view* text, int* micro) {
  const std::size_t before = text->size();
  if (!ReadNumber(text, 6, micro)) return false;
  for (std::size_t n = before - text->size(); n < 6; ++n) *micro *= 10;
  return true;
}

// False for a mismatch and for a directive that only strftime knows.
bool ReadDirective(char directive, std::string_view* text, Parsed* p) {
  int number = 0;
  switch (directive) {
    case 'Y':
      return text->size() >= 4 && ReadNumber(text, 4, &p->year);
    case 'y':
      if (!ReadNumber(text, 2, &number)) return false;
      p->year = number < 69 ? 2000 + number : 1900 + number;  // POSIX
      return true;
    case 'm':
      return ReadNumber(text, 2, &p->month);
    case 'd':
      return ReadNumber(text, 2, &p->day);
    case 'H':
      return ReadNumber(text, 2, &p->hour) && p->hour < 24;
    case 'M':
      return ReadNumber(text, 2, &p->minute) && p->minute < 60;
    case 'S':
      return ReadNumber(text, 2, &p->second) && p->second < 60;
    case 'f':
      return ReadMicros(text, &p->micro);
    case 'j':
      p->day_of_year = 0;
      return ReadNumber(text, 3, &*p->day_of_year) && *p->day_of_year >= 1;
    case 'b':
    case 'B':
      return ReadMonth(text, &p->month);
    case 'z':
      return ReadOffset(text, &p->offset_minutes);
    case '%':
      if (!text->starts_with('%')) return false;
      text->remove_prefix(1);
      return true;
    default:
      return false;
  }
}

std::string Plural(std::int64_t count, std::string_view unit) {
  return fmt::format("{} {}{}", count, unit, count == 1 ? "" : "s");
}

// Years and months of the calendar between two instants, and what remains; a <= b.
struct CalendarDifference {
  int years = 0;
  int months = 0;
  int days = 0;
  std::int64_t us = 0;  // below a day
};

// Whole months are counted as long as they do not pass `b`; a start on the 31st counts as the last
// day of a shorter month.
CalendarDifference Difference(DateTime a, DateTime b) {
  const sys_days day_a = floor<days>(a.at);
  const sys_days day_b = floor<days>(b.at);
  const std::int64_t time_a = (a.at - day_a).count();
  std::int64_t us = (b.at - day_b).count() - time_a;
  sys_days end = day_b;
  if (us < 0) {
    us += kDay;
    end -= days(1);
  }
  const year_month_day from(day_a);
  const year_month_day to(end);
  int months = (int(to.year()) - int(from.year())) * 12 + static_cast<int>(unsigned(to.month())) -
               static_cast<int>(unsigned(from.month()));
  if (to.day() < from.day()) --months;
  const year_month_day moved = from + std::chrono::months(months);
  const sys_days base =
      moved.ok() ? sys_days(moved) : sys_days(moved.year() / moved.month() / std::chrono::last);
  return {months / 12, months % 12, static_cast<int>((end - base).count()), us};
}

// The thresholds are pendulum's (DifferenceFormatter): it rounds a nearly full unit up.
std::string DifferenceWords(const CalendarDifference& d) {
  const int weeks = d.days / 7;
  const int rest = d.days % 7;
  const std::int64_t hours = d.us / (3600 * kSecond);
  const std::int64_t minutes = d.us / (60 * kSecond) % 60;
  const std::int64_t seconds = d.us / kSecond % 60;
  if (d.years > 0) return Plural(d.years + (d.months > 6 ? 1 : 0), "year");
  if (d.months == 11 && d.days > 15) return Plural(1, "year");
  if (d.months > 0) return Plural(d.months + (d.days >= 27 ? 1 : 0), "month");
  if (weeks > 0) return Plural(weeks + (rest > 3 ? 1 : 0), "week");
  if (rest > 0) return Plural(rest + (hours >= 22 ? 1 : 0), "day");
  if (hours > 0) return Plural(hours, "hour");
  if (minutes > 0) return Plural(minutes, "minute");
  if (seconds > 10) return Plural(seconds, "second");
  return "a few seconds";
}

Error OutOfRange() { return Invalid("the date is outside the years 1 to 9999"); }

constexpr sys_days kFirstDay = std::chrono::year(1) / 1 / 1;
constexpr sys_days kLastDay = std::chrono::year(9999) / 12 / 31;

}  // namespace

CivilTime Civil(DateTime t) {
  const sys_days day = floor<days>(t.at);
  return CivilOf(day, t.at - day);
}

CivilTime Civil(Date d) { return CivilOf(sys_days(days(d.days)), 0us); }

std::string DateTimeText(DateTime t, char separator) {
  const CivilTime c = Civil(t);
  std::string text = fmt::format("{:04}-{:02}-{:02}{}{:02}:{:02}:{:02}", c.year, c.month, c.day,
                                 separator, c.hour, c.minute, c.second);
  if (c.micro != 0) text += fmt::format(".{:06}", c.micro);
  return text + "+00:00";
}

std::string DateText(Date d) {
  const CivilTime c = Civil(d);
  return fmt::format("{:04}-{:02}-{:02}", c.year, c.month, c.day);
}

// Days are rounded down and the rest is positive: minus one hour is "-1 day, 23:00:00".
std::string TimeDeltaText(TimeDelta d) {
  const std::int64_t whole = FloorDiv(d.us, kDay);
  const std::int64_t us = d.us - whole * kDay;
  std::string text;
  if (whole != 0) text = fmt::format("{} day{}, ", whole, std::abs(whole) == 1 ? "" : "s");
  text += fmt::format("{}:{:02}:{:02}", us / (3600 * kSecond), us / (60 * kSecond) % 60,
                      us / kSecond % 60);
  if (us % kSecond != 0) text += fmt::format(".{:06}", us % kSecond);
  return text;
}

std::string DateRepr(const Value& value) {
  if (const auto* d = value.As<Date>()) {
    const CivilTime c = Civil(*d);
    return fmt::format("datetime.date({}, {}, {})", c.year, c.month, c.day);
  }
  if (const auto* t = value.As<DateTime>()) {
    const CivilTime c = Civil(*t);
    std::string text = fmt::format("datetime.datetime({}, {}, {}, {}, {}", c.year, c.month, c.day,
                                   c.hour, c.minute);
    if (c.second != 0 || c.micro != 0) text += fmt::format(", {}", c.second);
    if (c.micro != 0) text += fmt::format(", {}", c.micro);
    return text + ", tzinfo=datetime.timezone.utc)";
  }
  const auto* delta = value.As<TimeDelta>();
  CHECK(delta != nullptr);
  const std::int64_t whole = FloorDiv(delta->us, kDay);
  const std::int64_t rest = delta->us - whole * kDay;
  std::string parts;
  const auto add = [&parts](std::string_view name, std::int64_t v) {
    if (v != 0) parts += fmt::format("{}{}={}", parts.empty() ? "" : ", ", name, v);
  };
  add("days", whole);
  add("seconds", rest / kSecond);
  add("microseconds", rest % kSecond);
  return "datetime.timedelta(" + (parts.empty() ? "0" : parts) + ")";
}

Result<std::string> Strftime(std::string_view format, const CivilTime& t, bool has_zone) {
  std::string out;
  for (std::size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') {
      out += format[i];
      continue;
    }
    const bool unpadded = i + 1 < format.size() && format[i + 1] == '-';
    if (unpadded) ++i;
    const char directive = i + 1 < format.size() ? format[++i] : '\0';
    if (const auto field = NumberField(directive, t)) {
      out += fmt::format("{:0{}}", field->value, unpadded ? 1 : field->width);
    } else if (const auto word = WordField(directive, t, has_zone); word && !unpadded) {
      out += *word;
    } else if (const std::string_view longer = Compound(directive); !longer.empty() && !unpadded) {
      NM_ASSIGN_OR_RETURN(const std::string text, Strftime(longer, t, has_zone));
      out += text;
    } else {
      return Invalid(fmt::format("strftime has no directive \"%{}{}\"", unpadded ? "-" : "",
                                 directive == '\0' ? std::string() : std::string(1, directive)));
    }
  }
  return out;
}

Result<DateTime> Strptime(std::string_view text, std::string_view format) {
  const auto mismatch = [&] {
    return Invalid(fmt::format("\"{}\" does not match the format \"{}\"", text, format));
  };
  Parsed p;
  std::string_view rest = text;
  for (std::size_t i = 0; i < format.size(); ++i) {
    if (format[i] == '%' && i + 1 < format.size()) {
      if (!ReadDirective(format[++i], &rest, &p)) return mismatch();
    } else if (rest.starts_with(format[i])) {
      rest.remove_prefix(1);
    } else {
      return mismatch();
    }
  }
  const year_month_day ymd = std::chrono::year(p.year) / p.month / p.day;
  if (!rest.empty() || !ymd.ok() || p.year < 1) return mismatch();
  sys_days day(ymd);
  if (p.day_of_year) {
    day = sys_days(ymd.year() / std::chrono::January / 1) + days(*p.day_of_year - 1);
    if (year_month_day(day).year() != ymd.year()) return mismatch();
  }
  return DateTime{day + std::chrono::hours(p.hour) + std::chrono::minutes(p.minute) +
                  std::chrono::seconds(p.second) + microseconds(p.micro) -
                  std::chrono::minutes(p.offset_minutes)};
}

Result<DateTime> AddTo(DateTime t, std::int64_t us) {
  std::int64_t sum = 0;
  if (__builtin_add_overflow(ToMicros(t.at), us, &sum)) return OutOfRange();
  const Instant at = InstantFromMicros(sum);
  if (at < kFirstDay || at >= kLastDay + days(1)) return OutOfRange();
  return DateTime{at};
}

Result<Date> AddTo(Date d, std::int64_t count) {
  std::int64_t sum = 0;
  if (__builtin_add_overflow(std::int64_t{d.days}, count, &sum)) return OutOfRange();
  if (sum < kFirstDay.time_since_epoch().count() || sum > kLastDay.time_since_epoch().count()) {
    return OutOfRange();
  }
  return Date{static_cast<std::int32_t>(sum)};
}

std::string DifferenceForHumans(DateTime t, DateTime since) {
  const bool after = t.at > since.at;  // equal ones are "before" to pendulum
  const CalendarDifference d = after ? Difference(since, t) : Difference(t, since);
  return DifferenceWords(d) + (after ? " after" : " before");
}

}  // namespace nightmill::tmpl
