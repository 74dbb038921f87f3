#include "core/schedule/cron_fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <span>
#include <vector>

#include "core/base/limits.h"

namespace nightmill {
namespace {

using std::chrono::sys_days;
using std::chrono::year_month_day;

constexpr int kFirstYear = 1970;
constexpr int kMinutesPerDay = 1440;
constexpr std::int64_t kEndDay =
    sys_days{std::chrono::year{limits::kLastCronYear + 1} / 1 / 1}.time_since_epoch().count();
constexpr std::size_t kMaxTextBytes = 1000;

constexpr std::array<std::string_view, 12> kMonthNames = {"JAN", "FEB", "MAR", "APR", "MAY", "JUN",
                                                          "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"};
constexpr std::array<std::string_view, 7> kWeekdayNames = {"SUN", "MON", "TUE", "WED",
                                                           "THU", "FRI", "SAT"};

struct Preset {
  std::string_view word, fields;
};
constexpr std::array<Preset, 8> kPresets = {{{"@hourly", "0 * * * *"},
                                             {"@daily", "0 0 * * *"},
                                             {"@midnight", "0 0 * * *"},
                                             {"@weekly", "0 0 * * 0"},
                                             {"@monthly", "0 0 1 * *"},
                                             {"@quarterly", "0 0 1 */3 *"},
                                             {"@yearly", "0 0 1 1 *"},
                                             {"@annually", "0 0 1 1 *"}}};

enum FieldIndex : std::size_t { kMinute, kHour, kDayOfMonth, kMonth, kDayOfWeek, kFieldCount };

struct FieldSpec {
  std::string_view name;
  int low, high;
  std::span<const std::string_view> names;  // of low, low + 1, ...
};
constexpr std::array<FieldSpec, kFieldCount> kFields = {{{"minute", 0, 59, {}},
                                                         {"hour", 0, 23, {}},
                                                         {"day of month", 1, 31, {}},
                                                         {"month", 1, 12, kMonthNames},
                                                         {"day of week", 0, 7, kWeekdayNames}}};

// What one field says; the members after `bits` are used by the two day fields only.
struct FieldSet {
  std::uint64_t bits = 0;
  bool star = false;                          // begins with "*", or is "?"
  std::uint32_t nearest_weekday = 0;          // bit d: "15W"
  bool last_day = false;                      // "L"
  bool last_weekday = false;                  // "LW"
  std::array<std::uint8_t, 7> nth_weekday{};  // of weekday w, bit n: "MON#2"
  std::uint8_t last_of_weekday = 0;           // bit w: "5L"
};

std::uint64_t Bit(int n) { return std::uint64_t{1} << n; }

std::string Upper(std::string_view text) {
  std::string upper(text);
  for (char& c : upper) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return upper;
}

std::vector<std::string_view> Split(std::string_view text, std::string_view separators,
                                    bool keep_empty) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = text.find_first_of(separators);
    const std::string_view part = text.substr(0, end);
    if (keep_empty || !part.empty()) parts.push_back(part);
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

// Parses one field; errors name the field and the item.
class FieldParser {
 public:
  explicit FieldParser(FieldIndex index) : index_(index), spec_(kFields[index]) {}

  Result<FieldSet> Parse(std::string_view text) {
    FieldSet set;
    set.star = text.starts_with('*');
    if (text == "?") {
      if (index_ != kDayOfMonth && index_ != kDayOfWeek) {
        return Bad(text, "\"?\" stands for any day only", "write * instead");
      }
      set.star = true;
      text = "*";
    }
    for (const std::string_view item : Split(text, ",", true)) {
      NM_RETURN_IF_ERROR(Item(item, set));
    }
    if (index_ == kDayOfWeek && (set.bits & Bit(7)) != 0) set.bits = (set.bits & 0x7F) | Bit(0);
    return set;
  }

 private:
  Error Bad(std::string_view item, std::string_view why, std::string hint) const {
    return Invalid(fmt::format("{} \"{}\": {}", spec_.name, item, why), std::move(hint));
  }

  std::string RangeHint() const {
    std::string hint = fmt::format("write {}-{}", spec_.low, spec_.high);
    if (!spec_.names.empty()) {
      hint += fmt::format(" or {}-{}", spec_.names.front(), spec_.names.back());
    }
    return hint;
  }

  Status Item(std::string_view item, FieldSet& set) {
    if (item.empty()) return Bad(item, "an empty list item", "remove the extra comma");
    if (item == "?") return Bad(item, "\"?\" stands alone in its field", "write * instead");
    const char first = item.front() & ~0x20;  // upper case
    const bool one_letter = item.size() == 1 || item[1] == '/' || item[1] == '(';
    if (((first == 'H' || first == 'R') && one_letter) ||
        item.find('~') != std::string_view::npos) {
      return Bad(item, "random values are not part of this dialect",
                 "use the schedule's \"jitter\" to spread start times");
    }
    if (index_ == kDayOfMonth && item.find_first_of("LlWw") != std::string_view::npos) {
      return MonthDayWord(item, set);
    }
    if (index_ == kDayOfWeek && item.find_first_of("Ll#") != std::string_view::npos) {
      return WeekdayWord(item, set);
    }
    return Range(item, set);
  }

  // "*", "*/2", "5", "1-5", "5/10", "1-9/2", "FRI-MON"
  Status Range(std::string_view item, FieldSet& set) {
    const std::size_t slash = item.find('/');
    const std::string_view range = item.substr(0, slash);
    int step = 1;
    if (slash != std::string_view::npos) {
      const std::optional<int> number = Digits(item.substr(slash + 1));
      if (!number || *number == 0) {
        return Bad(item, "the step is no positive number", "write a step such as */5");
      }
      step = *number;
    }
    int low = spec_.low;
    int high = spec_.high;
    if (range != "*") {
      const std::size_t dash = range.find('-');
      NM_ASSIGN_OR_RETURN(low, Value(item, range.substr(0, dash)));
      if (dash != std::string_view::npos) {
        NM_ASSIGN_OR_RETURN(high, Value(item, range.substr(dash + 1)));
      } else if (slash == std::string_view::npos) {
        high = low;
      }
    }
    if (low <= high) {
      for (int value = low; value <= high; value += step) set.bits |= Bit(value);
      return Ok();
    }
    if (slash != std::string_view::npos) {
      return Bad(
          item, "a range that wraps around cannot have a step",
          fmt::format("write two ranges: {}-{}/n and {}-{}/n", low, spec_.high, spec_.low, high));
    }
    for (int value = low; value <= spec_.high; ++value) set.bits |= Bit(value);
    for (int value = spec_.low; value <= high; ++value) set.bits |= Bit(value);
    return Ok();
  }

  // "L", "LW", "15W"
  Status MonthDayWord(std::string_view item, FieldSet& set) {
    const std::string upper = Upper(item);
    if (upper == "L") {
      set.last_day = true;
    } else if (upper == "LW") {
      set.last_weekday = true;
    } else if (upper.back() == 'W') {
      NM_ASSIGN_OR_RETURN(const int day, Value(item, item.substr(0, item.size() - 1)));
      set.nearest_weekday |= static_cast<std::uint32_t>(Bit(day));
    } else {
      return Bad(item, "unknown form", "L, LW and 15W are the special days of a month");
    }
    return Ok();
  }

  // "MON#2", "5L", "L5"
  Status WeekdayWord(std::string_view item, FieldSet& set) {
    const std::string_view hint = "write 5L for the last Friday, 5#2 for the second one";
    if (const std::size_t hash = item.find('#'); hash != std::string_view::npos) {
      NM_ASSIGN_OR_RETURN(const int day, Value(item, item.substr(0, hash)));
      const std::optional<int> nth = Digits(item.substr(hash + 1));
      if (!nth || *nth < 1 || *nth > 5) {
        return Bad(item, "the number after # is not 1 to 5", std::string(hint));
      }
      set.nth_weekday[static_cast<std::size_t>(day % 7)] |= static_cast<std::uint8_t>(Bit(*nth));
      return Ok();
    }
    const bool in_front = (item.front() & ~0x20) == 'L';
    const bool at_end = (item.back() & ~0x20) == 'L';
    if (item.size() < 2 || in_front == at_end) return Bad(item, "no weekday", std::string(hint));
    const std::string_view name = in_front ? item.substr(1) : item.substr(0, item.size() - 1);
    NM_ASSIGN_OR_RETURN(const int day, Value(item, name));
    set.last_of_weekday |= static_cast<std::uint8_t>(Bit(day % 7));
    return Ok();
  }

  Result<int> Value(std::string_view item, std::string_view text) const {
    const std::string upper = Upper(text);
    const auto name = std::find(spec_.names.begin(), spec_.names.end(), upper);
    if (name != spec_.names.end()) return spec_.low + static_cast<int>(name - spec_.names.begin());
    const std::optional<int> number = Digits(text);
    if (!number) return Bad(item, fmt::format("\"{}\" is no value", text), RangeHint());
    if (*number < spec_.low || *number > spec_.high) {
      return Bad(item, fmt::format("{} is not in {}-{}", *number, spec_.low, spec_.high),
                 RangeHint());
    }
    return *number;
  }

  static std::optional<int> Digits(std::string_view text) {
    constexpr std::size_t kMaxDigits = 6;
    if (text.empty() || text.size() > kMaxDigits) return std::nullopt;
    int value = 0;
    for (const char c : text) {
      if (c < '0' || c > '9') return std::nullopt;
      value = value * 10 + (c - '0');
    }
    return value;
  }

  FieldIndex index_;
  const FieldSpec& spec_;
};

// One month of a year kind: its length and the weekday of its first day.
struct MonthShape {
  int length;
  int first_weekday;

  int WeekdayOf(int day) const { return (first_weekday + day - 1) % 7; }
  // Monday to Friday nearest to `day` within the month.
  int NearestWeekday(int day) const {
    if (WeekdayOf(day) == 6) return day > 1 ? day - 1 : day + 2;
    if (WeekdayOf(day) == 0) return day < length ? day + 1 : day - 2;
    return day;
  }
};

// Bit d of the results: day d.
std::uint64_t DaysOfMonth(const FieldSet& set, MonthShape month) {
  std::uint64_t days = set.bits;
  if (set.last_day) days |= Bit(month.length);
  if (set.last_weekday) days |= Bit(month.NearestWeekday(month.length));
  for (std::uint32_t rest = set.nearest_weekday; rest != 0; rest &= rest - 1) {
    const int day = std::countr_zero(rest);
    if (day <= month.length) days |= Bit(month.NearestWeekday(day));
  }
  return days & (Bit(month.length + 1) - 2);
}

std::uint64_t DaysOfWeek(const FieldSet& set, MonthShape month) {
  constexpr std::uint64_t kWeekly = 1 | 1 << 7 | 1 << 14 | 1 << 21 | 1 << 28;
  const std::uint64_t in_month = Bit(month.length + 1) - 2;
  std::uint64_t days = 0;
  for (int weekday = 0; weekday < 7; ++weekday) {
    const int first = 1 + (weekday - month.first_weekday + 7) % 7;
    const std::uint64_t all = (kWeekly << first) & in_month;
    if ((set.bits >> weekday & 1) != 0) days |= all;
    if ((set.last_of_weekday >> weekday & 1) != 0) days |= std::bit_floor(all);
    std::uint32_t nths = set.nth_weekday[static_cast<std::size_t>(weekday)];
    for (; nths != 0; nths &= nths - 1) {
      days |= all & Bit(first + 7 * (std::countr_zero(nths) - 1));
    }
  }
  return days;
}

int MonthLength(int month, bool leap) {
  if (month == 2) return leap ? 29 : 28;
  return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

// Fills `days`; false if the date fields match no day of any year.
bool FillDays(const std::array<FieldSet, kFieldCount>& sets, bool day_or,
              CronExpr::Fields& fields) {
  const FieldSet& of_month = sets[kDayOfMonth];
  const FieldSet& of_week = sets[kDayOfWeek];
  const bool either = day_or && !of_month.star && !of_week.star;
  bool any = false;
  for (std::size_t kind = 0; kind < fields.days.size(); ++kind) {
    int weekday = static_cast<int>(kind % 7);
    for (int month = 1; month <= 12; ++month) {
      const MonthShape shape{MonthLength(month, kind >= 7), weekday};
      weekday = (weekday + shape.length) % 7;
      if ((sets[kMonth].bits & Bit(month)) == 0) continue;
      const std::uint64_t a = DaysOfMonth(of_month, shape);
      const std::uint64_t b = DaysOfWeek(of_week, shape);
      const std::uint64_t days = either ? a | b : a & b;
      fields.days[kind][static_cast<std::size_t>(month - 1)] =
          static_cast<std::uint32_t>(days >> 1);
      any = any || days != 0;
    }
  }
  return any;
}

Error InExpression(std::string_view text, Error error) {
  error.message = fmt::format("cron \"{}\": {}", text, error.message);
  return error;
}

Result<std::string_view> ExpandPreset(std::string_view text) {
  const std::string upper = Upper(text);
  for (const Preset& preset : kPresets) {
    if (Upper(preset.word) == upper) return preset.fields;
  }
  if (upper == "@ONCE" || upper == "@CONTINUOUS") {
    return Invalid(fmt::format("{} is a schedule of its own, not a cron expression", text),
                   "write it as the whole schedule");
  }
  return Invalid(fmt::format("unknown preset {}", text),
                 "use @hourly, @daily, @weekly, @monthly, @quarterly or @yearly");
}

std::size_t KindOf(std::chrono::year year) {
  const std::chrono::weekday first{sys_days{year / 1 / 1}};
  return first.c_encoding() + (year.is_leap() ? 7u : 0u);
}

}  // namespace

Result<CronExpr::Fields> ParseCronFields(std::string_view text, bool day_or) {
  if (text.size() > kMaxTextBytes) {
    return Invalid(fmt::format("a cron expression of {} characters; the limit is {}", text.size(),
                               kMaxTextBytes));
  }
  constexpr std::string_view kBlanks = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kBlanks);
  std::string_view expanded = begin == std::string_view::npos ? "" : text.substr(begin);
  expanded = expanded.substr(0, expanded.find_last_not_of(kBlanks) + 1);
  if (expanded.starts_with('@')) {
    NM_ASSIGN_OR_RETURN(expanded, ExpandPreset(expanded));
  }
  const std::vector<std::string_view> parts = Split(expanded, kBlanks, false);
  if (parts.size() != kFieldCount) {
    return Invalid(fmt::format("cron \"{}\" has {} fields instead of 5", text, parts.size()),
                   parts.size() == 6 || parts.size() == 7
                       ? "seconds and years are not part of cron; use \"every\" for seconds"
                       : "write minute, hour, day of month, month, day of week");
  }
  std::array<FieldSet, kFieldCount> sets;
  for (std::size_t i = 0; i < kFieldCount; ++i) {
    Result<FieldSet> set = FieldParser(static_cast<FieldIndex>(i)).Parse(parts[i]);
    if (!set.ok()) return InExpression(text, std::move(set).error());
    sets[i] = *set;
  }
  CronExpr::Fields fields;
  fields.text = std::string(text);
  fields.minutes = sets[kMinute].bits;
  fields.hours = static_cast<std::uint32_t>(sets[kHour].bits);
  fields.every_match = sets[kMinute].star || sets[kHour].star;
  if (!FillDays(sets, day_or, fields)) {
    return Invalid(fmt::format("never fires: cron \"{}\" matches no day of any year", text),
                   "no month it names has such a day; check day of month, month and day of week");
  }
  return fields;
}

bool CronExpr::Fields::MatchesDay(std::int32_t day) const {
  const year_month_day date{sys_days{std::chrono::days{day}}};
  const std::uint32_t mask = days[KindOf(date.year())][static_cast<unsigned>(date.month()) - 1];
  return (mask >> (static_cast<unsigned>(date.day()) - 1) & 1) != 0;
}

bool CronExpr::Fields::CoversWholeDays() const {
  return minutes == Bit(60) - 1 && hours == Bit(24) - 1;
}

bool CronExpr::Fields::CoversTimesOf(const Fields& other) const {
  return (other.minutes & ~minutes) == 0 && (other.hours & ~hours) == 0;
}

std::optional<std::int64_t> CronExpr::Fields::NextMinute(std::int64_t minute) const {
  minute = std::max<std::int64_t>(minute, 0);
  if (minute >= kEndDay * kMinutesPerDay) return std::nullopt;
  const std::int64_t day = minute / kMinutesPerDay;
  const auto hour = static_cast<int>(minute % kMinutesPerDay / 60);
  if (MatchesDay(static_cast<std::int32_t>(day))) {
    const std::uint64_t rest = minutes >> (minute % 60);
    if ((hours >> hour & 1) != 0 && rest != 0) return minute + std::countr_zero(rest);
    const std::uint32_t later = hours & static_cast<std::uint32_t>(~(Bit(hour + 1) - 1));
    if (later != 0) {
      return day * kMinutesPerDay + std::countr_zero(later) * 60 + std::countr_zero(minutes);
    }
  }
  const year_month_day date{sys_days{std::chrono::days{day}}};
  // Days after this one in its month first, then whole months.
  auto from = static_cast<unsigned>(date.day());
  auto month = static_cast<unsigned>(date.month()) - 1;
  for (std::chrono::year year = date.year(); static_cast<int>(year) <= limits::kLastCronYear;
       ++year, month = 0) {
    const std::array<std::uint32_t, 12>& months = days[KindOf(year)];
    for (; month < 12; ++month, from = 0) {
      const auto mask = static_cast<std::uint32_t>(std::uint64_t{months[month]} >> from << from);
      if (mask == 0) continue;
      const sys_days first{year / std::chrono::month{month + 1} / 1};
      return (first.time_since_epoch().count() + std::countr_zero(mask)) * kMinutesPerDay +
             std::countr_zero(hours) * 60 + std::countr_zero(minutes);
    }
  }
  return std::nullopt;
}

std::optional<std::int64_t> CronExpr::Fields::PrevMinute(std::int64_t minute) const {
  minute = std::min(minute, kEndDay * kMinutesPerDay - 1);
  if (minute < 0) return std::nullopt;
  const std::int64_t day = minute / kMinutesPerDay;
  const auto hour = static_cast<int>(minute % kMinutesPerDay / 60);
  const auto last_of = [](std::uint64_t bits) { return std::bit_width(bits) - 1; };
  if (MatchesDay(static_cast<std::int32_t>(day))) {
    const auto within = static_cast<int>(minute % 60);
    const std::uint64_t rest = minutes & (Bit(within) | (Bit(within) - 1));
    if ((hours >> hour & 1) != 0 && rest != 0) return minute - within + last_of(rest);
    const std::uint64_t earlier = hours & (Bit(hour) - 1);
    if (earlier != 0) return day * kMinutesPerDay + last_of(earlier) * 60 + last_of(minutes);
  }
  const year_month_day date{sys_days{std::chrono::days{day}}};
  auto until = static_cast<unsigned>(date.day()) - 1;  // days before this one
  auto month = static_cast<int>(static_cast<unsigned>(date.month())) - 1;
  for (std::chrono::year year = date.year(); static_cast<int>(year) >= kFirstYear;
       --year, month = 11) {
    const std::array<std::uint32_t, 12>& months = days[KindOf(year)];
    for (; month >= 0; --month, until = 31) {
      const std::uint64_t mask =
          months[static_cast<std::size_t>(month)] & (Bit(static_cast<int>(until)) - 1);
      if (mask == 0) continue;
      const sys_days first{year / std::chrono::month{static_cast<unsigned>(month) + 1} / 1};
      return (first.time_since_epoch().count() + last_of(mask)) * kMinutesPerDay +
             last_of(hours) * 60 + last_of(minutes);
    }
  }
  return std::nullopt;
}

}  // namespace nightmill
