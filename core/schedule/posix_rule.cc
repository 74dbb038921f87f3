// POSIX TZ strings, the footer of zone files: "EST5EDT,M3.2.0,M11.1.0", with the extension of
// RFC 8536 3.3.1 (times of -167 to 167 hours).
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "core/schedule/zone_file.h"

namespace nightmill {
namespace {

using std::chrono::sys_days;

constexpr std::int64_t kDay = 86'400;

// When in a year daylight saving begins or ends, in local time before the change.
struct RuleDay {
  enum class Kind { kMonthWeekDay, kJulian, kZeroBased } kind = Kind::kZeroBased;
  int month = 1, week = 1;
  int day = 0;  // weekday, 1..365 without Feb 29, or 0..365
  std::int64_t time_s = 2 * 3600;

  // Seconds since 1970 as if the local time were UTC.
  std::int64_t In(int year) const {
    const std::chrono::year y{year};
    const auto jan1 = sys_days{y / 1 / 1};
    std::chrono::days days{day};
    if (kind == Kind::kMonthWeekDay) {
      const std::chrono::weekday weekday{static_cast<unsigned>(day)};
      const auto m = y / std::chrono::month{static_cast<unsigned>(month)};
      // Week 5 means the last one, also where the month has only four such days.
      const sys_days date = week == 5 ? sys_days{m / weekday[std::chrono::last]}
                                      : sys_days{m / weekday[static_cast<unsigned>(week)]};
      days = date - jan1;
    } else if (kind == Kind::kJulian) {
      days = std::chrono::days{day - 1 + (y.is_leap() && day >= 60 ? 1 : 0)};
    }
    return (jan1 + days).time_since_epoch().count() * kDay + time_s;
  }
};

struct PosixRule {
  std::int64_t standard_s = 0;
  std::int64_t daylight_s = 0;
  bool has_daylight = false;
  RuleDay begin, end;
};

class RuleParser {
 public:
  explicit RuleParser(std::string_view text) : rest_(text) {}

  std::optional<PosixRule> Parse() {
    PosixRule rule;
    if (!Name()) return std::nullopt;
    const std::optional<std::int64_t> west = Time(24);
    if (!west) return std::nullopt;
    rule.standard_s = -*west;  // POSIX counts to the west
    if (rest_.empty()) return rule;
    if (!Name()) return std::nullopt;
    rule.has_daylight = true;
    rule.daylight_s = rule.standard_s + 3600;
    if (!rest_.empty() && rest_.front() != ',') {
      const std::optional<std::int64_t> daylight_west = Time(24);
      if (!daylight_west) return std::nullopt;
      rule.daylight_s = -*daylight_west;
    }
    if (!Day(rule.begin) || !Day(rule.end) || !rest_.empty()) return std::nullopt;
    return rule;
  }

 private:
  bool Take(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool Name() {
    const std::size_t end = Take('<') ? rest_.find('>') : rest_.find_first_of("+-,0123456789");
    if (end == std::string_view::npos || end == 0) return false;
    const bool quoted = rest_[end] == '>';
    rest_.remove_prefix(end + (quoted ? 1 : 0));
    return true;
  }
  std::optional<int> Number(int low, int high) {
    int value = 0;
    std::size_t n = 0;
    for (; n < rest_.size() && n < 3 && rest_[n] >= '0' && rest_[n] <= '9'; ++n) {
      value = value * 10 + (rest_[n] - '0');
    }
    if (n == 0 || value < low || value > high) return std::nullopt;
    rest_.remove_prefix(n);
    return value;
  }
  // [+-]hh[:mm[:ss]] in seconds.
  std::optional<std::int64_t> Time(int max_hours) {
    const std::int64_t sign = Take('-') ? -1 : 1;
    if (sign > 0) Take('+');
    const std::optional<int> hours = Number(0, max_hours);
    if (!hours) return std::nullopt;
    std::int64_t total = *hours * 3600;
    for (const int unit : {60, 1}) {
      if (!Take(':')) break;
      const std::optional<int> part = Number(0, 59);
      if (!part) return std::nullopt;
      total += *part * unit;
    }
    return sign * total;
  }
  // ",M3.5.0/-1", ",J60", ",59/2"
  bool Day(RuleDay& day) {
    if (!Take(',')) return false;
    std::optional<int> number;
    if (Take('M')) {
      day.kind = RuleDay::Kind::kMonthWeekDay;
      const std::optional<int> month = Number(1, 12);
      if (!month || !Take('.')) return false;
      const std::optional<int> week = Number(1, 5);
      if (!week || !Take('.')) return false;
      day.month = *month;
      day.week = *week;
      number = Number(0, 6);
    } else if (Take('J')) {
      day.kind = RuleDay::Kind::kJulian;
      number = Number(1, 365);
    } else {
      number = Number(0, 365);
    }
    if (!number) return false;
    day.day = *number;
    if (!Take('/')) return true;
    const std::optional<std::int64_t> time = Time(167);
    if (!time) return false;
    day.time_s = *time;
    return true;
  }

  std::string_view rest_;
};

std::int64_t Jan1(int year) {
  return sys_days{std::chrono::year{year} / 1 / 1}.time_since_epoch().count() * kDay;
}

int YearOf(std::int64_t at_s) {
  const sys_days day =
      std::chrono::floor<std::chrono::days>(std::chrono::sys_seconds{std::chrono::seconds{at_s}});
  return static_cast<int>(std::chrono::year_month_day{day}.year());
}

}  // namespace

Status ExtendByPosixRule(std::string_view text, ZoneTable& table) {
  if (text.empty()) return Ok();
  const std::optional<PosixRule> rule = RuleParser(text).Parse();
  if (!rule) return Invalid(fmt::format("unreadable POSIX rule \"{}\"", text));
  // A file without any change still has a rule; 1970 is early enough, the product starts there.
  const std::int64_t last = table.changes.empty() ? 0 : table.changes.back().at_s;
  std::vector<ZoneTable::Change> added;
  if (rule->has_daylight) {
    for (int year = YearOf(last) - 1; year <= kLastTabulatedYear + 1; ++year) {
      added.push_back(
          {rule->begin.In(year) - rule->standard_s, static_cast<std::int32_t>(rule->daylight_s)});
      added.push_back(
          {rule->end.In(year) - rule->daylight_s, static_cast<std::int32_t>(rule->standard_s)});
    }
  }
  std::stable_sort(added.begin(), added.end(),
                   [](const auto& a, const auto& b) { return a.at_s < b.at_s; });
  const std::int64_t end = Jan1(kLastTabulatedYear + 1);
  std::int32_t offset =
      table.changes.empty() ? table.first_offset_s : table.changes.back().offset_s;
  for (std::size_t i = 0; i < added.size(); ++i) {
    // Of two changes at one instant (daylight saving all year round) only the last has an effect.
    if (i + 1 < added.size() && added[i + 1].at_s == added[i].at_s) continue;
    if (added[i].at_s <= last || added[i].at_s >= end || added[i].offset_s == offset) continue;
    offset = added[i].offset_s;
    table.changes.push_back(added[i]);
  }
  return Ok();
}

}  // namespace nightmill
