#include "core/base/time.h"

#include <fmt/format.h>

#include <array>
#include <optional>

namespace nightmill {
namespace {

using std::chrono::days;
using std::chrono::microseconds;
using std::chrono::sys_days;
using std::chrono::year_month_day;

constexpr std::string_view kInstantHint =
    "write an RFC 3339 instant such as 2026-03-16T06:00:00Z or 2026-03-16T08:00:00+02:00";
constexpr std::string_view kDurationHint =
    "write 90s, 1h30m, 250ms, 2d, 1w, PT1H30M or a number of seconds";
// 31,000 years: any sum with a calendar instant still fits into 64 bits of microseconds.
constexpr std::int64_t kMaxDurationMs = 1'000'000'000'000'000;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// A cursor over the text; each Take* leaves it untouched when it does not match.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  bool done() const { return rest_.empty(); }
  char peek() const { return rest_.empty() ? '\0' : rest_.front(); }

  bool Take(std::string_view word) {
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }
  bool TakeAny(std::string_view set) {
    if (rest_.empty() || set.find(rest_.front()) == std::string_view::npos) return false;
    rest_.remove_prefix(1);
    return true;
  }
  // Exactly `width` digits.
  std::optional<int> TakeFixed(std::size_t width) {
    if (rest_.size() < width) return std::nullopt;
    int value = 0;
    for (std::size_t i = 0; i < width; ++i) {
      if (!IsDigit(rest_[i])) return std::nullopt;
      value = value * 10 + (rest_[i] - '0');
    }
    rest_.remove_prefix(width);
    return value;
  }
  // One to 15 digits, which cannot overflow.
  std::optional<std::int64_t> TakeNumber() {
    std::int64_t value = 0;
    std::size_t n = 0;
    while (n < rest_.size() && IsDigit(rest_[n])) {
      if (n == 15) return std::nullopt;
      value = value * 10 + (rest_[n++] - '0');
    }
    if (n == 0) return std::nullopt;
    rest_.remove_prefix(n);
    return value;
  }
  // Digits of a fraction, scaled to `digits` places; `lossless` tells whether none was cut off.
  std::optional<int> TakeFraction(std::size_t digits, bool* lossless) {
    int value = 0;
    std::size_t n = 0;
    *lossless = true;
    for (; n < rest_.size() && IsDigit(rest_[n]); ++n) {
      if (n < digits) value = value * 10 + (rest_[n] - '0');
      if (n >= digits && rest_[n] != '0') *lossless = false;
    }
    if (n == 0) return std::nullopt;
    rest_.remove_prefix(n);
    for (; n < digits; ++n) value *= 10;
    return value;
  }

 private:
  std::string_view rest_;
};

std::optional<sys_days> TakeDate(Scanner& in) {
  const std::optional<int> year = in.TakeFixed(4);
  if (!year || *year == 0 || !in.Take("-")) return std::nullopt;
  const std::optional<int> month = in.TakeFixed(2);
  if (!month || !in.Take("-")) return std::nullopt;
  const std::optional<int> day = in.TakeFixed(2);
  if (!day) return std::nullopt;
  const year_month_day date{std::chrono::year{*year},
                            std::chrono::month{static_cast<unsigned>(*month)},
                            std::chrono::day{static_cast<unsigned>(*day)}};
  if (!date.ok()) return std::nullopt;
  return sys_days{date};
}

// "06:00:00.25"
std::optional<microseconds> TakeTimeOfDay(Scanner& in) {
  const std::optional<int> hour = in.TakeFixed(2);
  if (!hour || *hour > 23 || !in.Take(":")) return std::nullopt;
  const std::optional<int> minute = in.TakeFixed(2);
  if (!minute || *minute > 59 || !in.Take(":")) return std::nullopt;
  const std::optional<int> second = in.TakeFixed(2);
  if (!second || *second > 59) return std::nullopt;
  microseconds time =
      std::chrono::hours{*hour} + std::chrono::minutes{*minute} + std::chrono::seconds{*second};
  if (in.Take(".")) {
    bool lossless = true;
    const std::optional<int> micros = in.TakeFraction(6, &lossless);
    if (!micros) return std::nullopt;
    time += microseconds{*micros};
  }
  return time;
}

// "Z", "+02:00", "-03:30"
std::optional<std::chrono::minutes> TakeOffset(Scanner& in) {
  if (in.TakeAny("Zz")) return std::chrono::minutes{0};
  const int sign = in.peek() == '-' ? -1 : 1;
  if (!in.TakeAny("+-")) return std::nullopt;
  const std::optional<int> hours = in.TakeFixed(2);
  if (!hours || *hours > 23 || !in.Take(":")) return std::nullopt;
  const std::optional<int> minutes = in.TakeFixed(2);
  if (!minutes || *minutes > 59) return std::nullopt;
  return std::chrono::minutes{sign * (*hours * 60 + *minutes)};
}

std::string FormatCivil(Instant t, std::string_view suffix) {
  const sys_days day = std::chrono::floor<days>(t);
  const year_month_day date{day};
  const std::chrono::hh_mm_ss time{t - day};
  std::string text =
      fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(date.year()),
                  static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                  time.hours().count(), time.minutes().count(), time.seconds().count());
  if (time.subseconds().count() != 0) text += fmt::format(".{:06}", time.subseconds().count());
  return text.append(suffix);
}

struct Unit {
  std::string_view word;
  std::int64_t ms;
};
// Largest first: the parts of "1h30m" come in this order, each at most once. "ms" stands before
// "m" so that it is tried first; a "m" after "ms" is refused by the order of sizes.
constexpr std::array<Unit, 6> kUnits{{{"w", 604'800'000},
                                      {"d", 86'400'000},
                                      {"h", 3'600'000},
                                      {"ms", 1},
                                      {"m", 60'000},
                                      {"s", 1'000}}};

Error BadDuration(std::string_view text, std::string_view why, std::string_view hint) {
  return Invalid(fmt::format("\"{}\" is not a duration: {}", text, why), std::string(hint));
}

Result<Duration> SumOf(std::string_view text, std::int64_t total, std::int64_t count,
                       std::int64_t unit_ms) {
  if (count > (kMaxDurationMs - total) / unit_ms) {
    return BadDuration(text, "it is too long", "the longest duration is 10^15 ms");
  }
  return Duration{total + count * unit_ms};
}

// "90" or "1.5": seconds.
Result<Duration> ParseSeconds(std::string_view text, Scanner in) {
  const std::optional<std::int64_t> whole = in.TakeNumber();
  if (!whole) return BadDuration(text, "no number", kDurationHint);
  NM_ASSIGN_OR_RETURN(Duration total, SumOf(text, 0, *whole, 1000));
  if (in.Take(".")) {
    bool lossless = true;
    const std::optional<int> ms = in.TakeFraction(3, &lossless);
    if (!ms) return BadDuration(text, "no digit after the point", kDurationHint);
    if (!lossless) return BadDuration(text, "finer than a millisecond", kDurationHint);
    total += Duration{*ms};
  }
  if (!in.done()) return BadDuration(text, "unknown unit", kDurationHint);
  return total;
}

// "1h30m": whole numbers with units, from the largest to the smallest.
Result<Duration> ParseUnits(std::string_view text, Scanner in) {
  Duration total{0};
  std::int64_t last_ms = kMaxDurationMs;
  while (!in.done()) {
    const std::optional<std::int64_t> count = in.TakeNumber();
    if (!count) return BadDuration(text, "a whole number is expected", kDurationHint);
    const Unit* unit = nullptr;
    for (const Unit& candidate : kUnits) {
      if (in.Take(candidate.word)) {
        unit = &candidate;
        break;
      }
    }
    if (unit == nullptr) return BadDuration(text, "unknown unit", kDurationHint);
    if (unit->ms >= last_ms) {
      return BadDuration(text, "units go from the largest to the smallest", kDurationHint);
    }
    last_ms = unit->ms;
    NM_ASSIGN_OR_RETURN(total, SumOf(text, total.count(), *count, unit->ms));
  }
  return total;
}

// "PT1H30M", "P1DT2H", "P2W", "PT1.5S"; months and years have no fixed length.
Result<Duration> ParseIso(std::string_view text, Scanner in) {
  struct Part {
    char letter;
    bool time;
    std::int64_t ms;
  };
  static constexpr std::array<Part, 5> kParts{{{'W', false, 604'800'000},
                                               {'D', false, 86'400'000},
                                               {'H', true, 3'600'000},
                                               {'M', true, 60'000},
                                               {'S', true, 1'000}}};
  Duration total{0};
  bool time = false;
  bool pending_time = false;  // a "T" without a part after it
  std::int64_t last_ms = kMaxDurationMs;
  if (in.done()) return BadDuration(text, "nothing follows the P", kDurationHint);
  while (!in.done()) {
    if (!time && in.Take("T")) {
      time = pending_time = true;
      continue;
    }
    const std::optional<std::int64_t> count = in.TakeNumber();
    if (!count) return BadDuration(text, "a number is expected", kDurationHint);
    int fraction_ms = 0;
    bool lossless = true;
    const bool has_fraction = in.TakeAny(".,");
    if (has_fraction) {
      const std::optional<int> ms = in.TakeFraction(3, &lossless);
      if (!ms) return BadDuration(text, "no digit after the point", kDurationHint);
      fraction_ms = *ms;
    }
    const char letter = in.peek();
    if (letter == 'Y' || (letter == 'M' && !time)) {
      return BadDuration(text, "months and years have no fixed length",
                         "use days, or cron for calendar months");
    }
    const Part* part = nullptr;
    for (const Part& candidate : kParts) {
      if (candidate.letter == letter && candidate.time == time) part = &candidate;
    }
    if (part == nullptr) return BadDuration(text, "unknown unit", kDurationHint);
    if (part->ms >= last_ms) return BadDuration(text, "parts out of order", kDurationHint);
    if (has_fraction && (letter != 'S' || !lossless)) {
      return BadDuration(text, "only seconds have a fraction, of milliseconds", kDurationHint);
    }
    in.TakeAny("WDHMS");
    last_ms = part->ms;
    pending_time = false;
    NM_ASSIGN_OR_RETURN(total, SumOf(text, total.count(), *count, part->ms));
    total += Duration{fraction_ms};
  }
  if (pending_time) return BadDuration(text, "nothing follows the T", kDurationHint);
  return total;
}

}  // namespace

std::string FormatInstant(Instant t) { return FormatCivil(t, "Z"); }

std::string FormatInstantOffset(Instant t) { return FormatCivil(t, "+00:00"); }

std::string FormatDate(Instant t) {
  return FormatDays(
      static_cast<std::int32_t>(std::chrono::floor<days>(t).time_since_epoch().count()));
}

Result<Instant> ParseInstant(std::string_view text) {
  const auto bad = [&] {
    return Invalid(fmt::format("\"{}\" is not an instant", text), std::string(kInstantHint));
  };
  Scanner in(text);
  const std::optional<sys_days> date = TakeDate(in);
  if (!date) return bad();
  if (in.done()) return Instant{*date};
  if (!in.TakeAny("Tt ")) return bad();
  const std::optional<microseconds> time = TakeTimeOfDay(in);
  if (!time) return bad();
  const std::optional<std::chrono::minutes> offset = TakeOffset(in);
  if (!offset || !in.done()) return bad();
  return Instant{*date} + *time - *offset;
}

Result<std::int32_t> ParseDate(std::string_view text) {
  Scanner in(text);
  const std::optional<sys_days> date = TakeDate(in);
  if (!date || !in.done()) {
    return Invalid(fmt::format("\"{}\" is not a date", text),
                   "write an existing day as YYYY-MM-DD");
  }
  return static_cast<std::int32_t>(date->time_since_epoch().count());
}

std::string FormatDays(std::int32_t days_since_epoch) {
  const year_month_day date{sys_days{days{days_since_epoch}}};
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
}

Result<Duration> ParseDuration(std::string_view text) {
  Scanner in(text);
  if (in.done()) return BadDuration(text, "it is empty", kDurationHint);
  if (in.peek() == '-') return BadDuration(text, "it is negative", kDurationHint);
  if (in.Take("P")) return ParseIso(text, in);
  const bool plain = text.find_first_not_of("0123456789.") == std::string_view::npos;
  return plain ? ParseSeconds(text, in) : ParseUnits(text, in);
}

std::string FormatDuration(Duration d) {
  static constexpr std::array<Unit, 5> kParts{
      {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}}};
  if (d.count() == 0) return "0s";
  // Not negated as a signed number: the smallest one has no counterpart.
  auto rest = static_cast<std::uint64_t>(d.count());
  std::string text;
  if (d.count() < 0) {
    text = "-";
    rest = 0 - rest;
  }
  for (const Unit& part : kParts) {
    const std::uint64_t unit = static_cast<std::uint64_t>(part.ms);
    if (rest >= unit) text += fmt::format("{}{}", rest / unit, part.word);
    rest %= unit;
  }
  return text;
}

}  // namespace nightmill
