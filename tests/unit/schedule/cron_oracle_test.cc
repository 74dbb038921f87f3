// CronExpr against a second implementation that walks minute by minute and knows nothing clever:
// random expressions, random and hard zones, around clock changes; and "never fires" against every
// day of 231 years.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "core/base/rng.h"
#include "core/schedule/cron.h"
#include "core/schedule/zone_file.h"

namespace nightmill {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;

// One random field: its text, and the values that it means, found while writing it.
struct RandomField {
  std::string text;
  std::vector<bool> values = std::vector<bool>(64, false);
  bool star = false;
};

RandomField MakeField(Rng& rng, int low, int high, std::uint64_t star_percent) {
  RandomField field;
  const auto pick = [&](int from, int to) {
    return from + static_cast<int>(rng.Below(static_cast<std::uint64_t>(to - from + 1)));
  };
  const auto set = [&](int value) { field.values[static_cast<std::size_t>(value)] = true; };
  if (rng.Chance(star_percent, 100)) {
    field.star = true;
    const int step = rng.Chance(1, 2) ? 1 : pick(2, high);
    field.text = step == 1 ? "*" : fmt::format("*/{}", step);
    for (int v = low; v <= high; v += step) set(v);
    return field;
  }
  const int items = pick(1, 3);
  for (int i = 0; i < items; ++i) {
    if (i > 0) field.text += ",";
    const int a = pick(low, high);
    const int b = pick(low, high);
    if (rng.Chance(1, 2)) {
      field.text += fmt::format("{}", a);
      set(a);
    } else if (rng.Chance(1, 3) && a <= b) {
      const int step = pick(1, 5);
      field.text += fmt::format("{}-{}/{}", a, b, step);
      for (int v = a; v <= b; v += step) set(v);
    } else {
      field.text += fmt::format("{}-{}", a, b);
      for (int v = a; v != b; v = v == high ? low : v + 1) set(v);
      set(b);
    }
  }
  return field;
}

struct RandomCron {
  std::array<RandomField, 5> fields;
  std::string text;

  explicit RandomCron(Rng& rng)
      : fields{MakeField(rng, 0, 59, 30), MakeField(rng, 0, 23, 30), MakeField(rng, 1, 31, 70),
               MakeField(rng, 1, 12, 80), MakeField(rng, 0, 6, 70)} {
    for (const RandomField& field : fields) text += (text.empty() ? "" : " ") + field.text;
  }

  bool MatchesDay(std::chrono::local_days day) const {
    const std::chrono::year_month_day date{day};
    const auto has = [&](std::size_t field, unsigned value) { return fields[field].values[value]; };
    if (!has(3, static_cast<unsigned>(date.month()))) return false;
    const bool of_month = has(2, static_cast<unsigned>(date.day()));
    const bool of_week = has(4, std::chrono::weekday{day}.c_encoding());
    const bool either = !fields[2].star && !fields[4].star;
    return either ? of_month || of_week : of_month && of_week;
  }
  bool Matches(LocalTime local) const {
    const auto day = std::chrono::floor<days>(local);
    const auto minute = std::chrono::floor<minutes>(local - day).count();
    return local == std::chrono::floor<minutes>(local) &&
           fields[0].values[static_cast<std::size_t>(minute % 60)] &&
           fields[1].values[static_cast<std::size_t>(minute / 60)] && MatchesDay(day);
  }
  bool every_match() const { return fields[0].star || fields[1].star; }
};

// Firings in [from, to), found by trying each half minute of UTC (some zones once were 30 s off a
// whole minute) and each local minute.
std::vector<Instant> BruteForce(const RandomCron& cron, const TimeZone& zone, Instant from,
                                Instant to) {
  constexpr std::chrono::seconds kStep{30};
  std::vector<Instant> firings;
  if (cron.every_match()) {
    for (Instant t = from; t < to; t += kStep) {
      if (cron.Matches(zone.ToLocal(t))) firings.push_back(t);
    }
    return firings;
  }
  // When the clocks first reach or jump over a local time, it fires.
  Instant t = from - hours{30};
  LocalTime reached = zone.ToLocal(t);
  for (t += kStep; t < to; t += kStep) {
    const LocalTime local = zone.ToLocal(t);
    bool fires = false;
    for (; reached < local; reached += kStep) fires = fires || cron.Matches(reached + kStep);
    if (fires && t >= from) firings.push_back(t);
  }
  return firings;
}

void Compare(const RandomCron& random, const TimeZone& zone, Instant from, Instant to) {
  const Result<CronExpr> cron = CronExpr::Parse(random.text);
  if (!cron.ok()) {
    ASSERT_TRUE(cron.error().message.starts_with("never fires")) << cron.error().message;
    return;
  }
  const std::vector<Instant> expected = BruteForce(random, zone, from, to);
  std::vector<Instant> found;
  for (auto t = cron->Next(from - std::chrono::microseconds{1}, zone); t && *t < to;
       t = cron->Next(*t, zone)) {
    found.push_back(*t);
    ASSERT_TRUE(cron->FiresAt(*t, zone));
  }
  const std::string what =
      fmt::format("{} in {} from {}", random.text, zone.name(), FormatInstant(from));
  ASSERT_EQ(found, expected) << what;
  std::vector<Instant> backwards;
  for (auto t = cron->Prev(to, zone); t && *t >= from; t = cron->Prev(*t, zone)) {
    backwards.push_back(*t);
  }
  std::reverse(backwards.begin(), backwards.end());
  ASSERT_EQ(backwards, expected) << what;
}

// The changes of a zone within the years that matter, as found by walking its segments.
std::vector<Instant> Changes(const TimeZone& zone, Instant from, Instant to) {
  std::vector<Instant> changes;
  for (Instant t = zone.SegmentAt(from).end; t < to; t = zone.SegmentAt(t).end) {
    changes.push_back(t);
  }
  return changes;
}

const Instant kFirst{days{3}};
const Instant kLast = *ParseInstant("2100-01-01");

TEST(CronOracleTest, AroundEveryKindOfClockChange) {
  Rng rng(20260316);
  for (const char* name :
       {"Europe/Madrid", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca",
        "Antarctica/Troll", "America/Havana", "Asia/Tehran", "Pacific/Apia", "Europe/Dublin",
        "Africa/Cairo", "Pacific/Kwajalein", "Africa/Monrovia", "Asia/Pyongyang", "America/Caracas",
        "Europe/Moscow", "America/Sao_Paulo", "Asia/Kathmandu", "UTC"}) {
    const auto zone = *TimeZone::Find(name);
    std::vector<Instant> changes = Changes(*zone, kFirst, kLast);
    if (changes.empty()) changes.push_back(*ParseInstant("2026-01-01"));
    for (int round = 0; round < 6; ++round) {
      const Instant change = changes[rng.Below(changes.size())];
      Compare(RandomCron(rng), *zone, change - hours{20}, change + hours{30});
      if (HasFatalFailure()) return;
    }
  }
}

TEST(CronOracleTest, InAnyZoneAtAnyTime) {
  const std::vector<std::string> names = ListZoneNames();
  ASSERT_GT(names.size(), 100u);
  Rng rng(7);
  for (int round = 0; round < 40; ++round) {
    const auto zone = *TimeZone::Find(names[rng.Below(names.size())]);
    const auto minute = static_cast<std::int64_t>(
        rng.Below(static_cast<std::uint64_t>((kLast - kFirst) / minutes{1})));
    const Instant from = kFirst + minutes{minute};
    Compare(RandomCron(rng), *zone, from, from + hours{60});
    if (HasFatalFailure()) return;
  }
}

TEST(CronOracleTest, LongStretchesByDay) {
  Rng rng(11);
  const TimeZone& utc = TimeZone::Utc();
  const Instant end = *ParseInstant("2201-01-01");
  int never = 0;
  for (int round = 0; round < 50; ++round) {
    RandomCron random(rng);
    random.fields[0] = {"0"};
    random.fields[1] = {"0"};
    random.text = fmt::format("0 0 {} {} {}", random.fields[2].text, random.fields[3].text,
                              random.fields[4].text);
    const Result<CronExpr> cron = CronExpr::Parse(random.text);
    std::optional<Instant> next =
        cron.ok() ? cron->Next(Instant{} - minutes{1}, utc) : std::optional<Instant>();
    bool any = false;
    for (std::chrono::local_days day{}; day.time_since_epoch() < end.time_since_epoch();
         day += days{1}) {
      const Instant at{day.time_since_epoch()};
      if (!random.MatchesDay(day)) continue;
      any = true;
      ASSERT_EQ(next, at) << random.text;
      next = cron->Next(at, utc);
    }
    ASSERT_EQ(next, std::nullopt) << random.text;
    ASSERT_EQ(cron.ok(), any) << random.text;
    never += any ? 0 : 1;
  }
  RecordProperty("never", never);
}

// All dates, alone and with a weekday: "never" exactly where no day from 1970 to 2200 matches.
TEST(CronOracleTest, NeverIsExact) {
  std::vector<std::array<bool, 7>> weekdays_of(13 * 32);
  for (std::chrono::sys_days day{}; day < std::chrono::sys_days{std::chrono::year{2201} / 1 / 1};
       day += days{1}) {
    const std::chrono::year_month_day date{day};
    weekdays_of[static_cast<unsigned>(date.month()) * 32 + static_cast<unsigned>(date.day())]
               [std::chrono::weekday{day}.c_encoding()] = true;
  }
  for (unsigned month = 1; month <= 12; ++month) {
    for (unsigned day = 1; day <= 31; ++day) {
      const std::array<bool, 7>& weekdays = weekdays_of[month * 32 + day];
      const bool exists = std::find(weekdays.begin(), weekdays.end(), true) != weekdays.end();
      EXPECT_EQ(CronExpr::Parse(fmt::format("0 0 {} {} *", day, month)).ok(), exists);
      for (unsigned weekday = 0; weekday < 7; ++weekday) {
        const std::string text = fmt::format("0 0 {} {} {}", day, month, weekday);
        EXPECT_EQ(CronExpr::Parse(text, false).ok(), weekdays[weekday]) << text;
        EXPECT_TRUE(CronExpr::Parse(text).ok());
      }
    }
  }
}

}  // namespace
}  // namespace nightmill
