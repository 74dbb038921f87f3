// The cron dialect: which local times each form means, what is refused and with which advice.
#include "core/schedule/cron.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace nightmill {
namespace {

Instant At(std::string_view text) { return *ParseInstant(text); }

CronExpr Cron(std::string_view text, bool day_or = true) {
  Result<CronExpr> cron = CronExpr::Parse(text, day_or);
  EXPECT_TRUE(cron.ok()) << text << ": " << (cron.ok() ? "" : cron.error().message);
  return cron.ok() ? *cron : *CronExpr::Parse("* * * * *");
}

// The firings in UTC from `from` (inclusive) to `to` (exclusive), by Next; checked against Prev.
std::vector<Instant> Firings(const CronExpr& cron, Instant from, Instant to) {
  std::vector<Instant> firings;
  const TimeZone& utc = TimeZone::Utc();
  for (auto t = cron.Next(from - std::chrono::microseconds{1}, utc); t && *t < to;
       t = cron.Next(*t, utc)) {
    firings.push_back(*t);
  }
  std::optional<Instant> back = cron.Prev(to, utc);
  for (std::size_t i = firings.size(); i-- > 0; back = cron.Prev(*back, utc)) {
    EXPECT_TRUE(back && *back == firings[i]) << cron.text();
    if (!back) break;
  }
  return firings;
}

// Days of month on which `0 0 <day fields>` fires in a month: "2024-02".
std::string Days(std::string_view expr, std::string_view month, bool day_or = true) {
  const Instant from = At(fmt::format("{}-01", month));
  std::string days;
  for (const Instant t : Firings(Cron(expr, day_or), from, from + std::chrono::days{31})) {
    const std::string date = FormatDate(t);
    if (date.starts_with(month)) days += (days.empty() ? "" : " ") + date.substr(8);
  }
  return days;
}

// Minutes of one hour, or hours of one day, of the first field(s).
std::string Minutes(std::string_view minute_field) {
  std::string minutes;
  const Instant from = At("2024-01-01");
  for (const Instant t :
       Firings(Cron(fmt::format("{} 0 * * *", minute_field)), from, from + std::chrono::hours{1})) {
    minutes += (minutes.empty() ? "" : " ") + FormatInstant(t).substr(14, 2);
  }
  return minutes;
}

std::string Hours(std::string_view hour_field) {
  std::string hours;
  const Instant from = At("2024-01-01");
  for (const Instant t :
       Firings(Cron(fmt::format("0 {} * * *", hour_field)), from, from + std::chrono::hours{24})) {
    hours += (hours.empty() ? "" : " ") + FormatInstant(t).substr(11, 2);
  }
  return hours;
}

TEST(CronDialectTest, ListsRangesAndSteps) {
  EXPECT_EQ(Minutes("0"), "00");
  EXPECT_EQ(Minutes("00,5,005"), "00 05");
  EXPECT_EQ(Minutes("10-13"), "10 11 12 13");
  EXPECT_EQ(Minutes("7-7"), "07");
  EXPECT_EQ(Minutes("*/20"), "00 20 40");
  EXPECT_EQ(Minutes("5/20"), "05 25 45");
  EXPECT_EQ(Minutes("10-40/15"), "10 25 40");
  EXPECT_EQ(Minutes("*/100"), "00");
  EXPECT_EQ(Minutes("58-1"), "00 01 58 59");
  EXPECT_EQ(Minutes("30,10-11,*/45"), "00 10 11 30 45");
  EXPECT_EQ(Hours("22-2"), "00 01 02 22 23");
  EXPECT_EQ(Hours("20/2"), "20 22");
}

TEST(CronDialectTest, NamesAndWeekdays) {
  // 2024-01-01 is a Monday.
  EXPECT_EQ(Days("0 0 * * MON", "2024-01"), "01 08 15 22 29");
  EXPECT_EQ(Days("0 0 * * mon,wEd", "2024-01"), "01 03 08 10 15 17 22 24 29 31");
  EXPECT_EQ(Days("0 0 * * 0", "2024-01"), "07 14 21 28");
  EXPECT_EQ(Days("0 0 * * 7", "2024-01"), "07 14 21 28");
  EXPECT_EQ(Days("0 0 * * 07", "2024-01"), "07 14 21 28");
  EXPECT_EQ(Days("0 0 * * FRI-MON", "2024-02"), Days("0 0 * * 0,1,5,6", "2024-02"));
  EXPECT_EQ(Days("0 0 * * SAT-SUN", "2024-02"), Days("0 0 * * 6,0", "2024-02"));
  EXPECT_EQ(Days("0 0 * * SUN-MON", "2024-02"), Days("0 0 * * 0,1", "2024-02"));
  EXPECT_EQ(Days("0 0 * * 5-7", "2024-02"), Days("0 0 * * 0,5,6", "2024-02"));
  EXPECT_EQ(Days("0 0 * * 7-1", "2024-02"), Days("0 0 * * 0,1", "2024-02"));
  EXPECT_EQ(Days("0 0 * * 0-7", "2024-02"), Days("0 0 * * *", "2024-02"));
  EXPECT_EQ(Days("0 0 * * */2", "2024-02"), Days("0 0 * * 0,2,4,6", "2024-02"));
  EXPECT_EQ(Days("0 0 1 FEB *", "2024-02"), "01");
  EXPECT_EQ(Days("0 0 1 feb-Apr *", "2024-05"), "");
  EXPECT_EQ(Days("0 0 1 NOV-FEB *", "2024-01"), "01");
  EXPECT_EQ(Days("0 0 1 NOV-FEB *", "2024-03"), "");
}

TEST(CronDialectTest, SpecialDays) {
  EXPECT_EQ(Days("0 0 L * *", "2024-02"), "29");
  EXPECT_EQ(Days("0 0 L * *", "2023-02"), "28");
  EXPECT_EQ(Days("0 0 1,l * *", "2024-04"), "01 30");
  EXPECT_EQ(Days("0 0 LW * *", "2024-03"), "29");  // the 31st is a Sunday
  EXPECT_EQ(Days("0 0 LW * *", "2024-08"), "30");  // the 31st is a Saturday
  EXPECT_EQ(Days("0 0 LW * *", "2024-01"), "31");
  EXPECT_EQ(Days("0 0 15W * *", "2024-06"), "14");  // Saturday: Friday before
  EXPECT_EQ(Days("0 0 15W * *", "2024-09"), "16");  // Sunday: Monday after
  EXPECT_EQ(Days("0 0 15w * *", "2024-01"), "15");
  EXPECT_EQ(Days("0 0 1W * *", "2024-06"), "03");   // Saturday the 1st stays in the month
  EXPECT_EQ(Days("0 0 30W * *", "2024-06"), "28");  // Sunday the 30th stays in the month
  EXPECT_EQ(Days("0 0 31W * *", "2024-06"), "");
  EXPECT_EQ(Days("0 0 * * MON#2", "2024-01"), "08");
  EXPECT_EQ(Days("0 0 * * 1#5", "2024-01"), "29");
  EXPECT_EQ(Days("0 0 * * 1#5", "2024-02"), "");
  EXPECT_EQ(Days("0 0 * * 7#1,MON#1", "2024-01"), "01 07");
  EXPECT_EQ(Days("0 0 * * 5L", "2024-01"), "26");
  EXPECT_EQ(Days("0 0 * * L5", "2024-01"), "26");
  EXPECT_EQ(Days("0 0 * * FRIL", "2024-01"), "26");
  EXPECT_EQ(Days("0 0 * * LSUN,3", "2024-01"), "03 10 17 24 28 31");
}

TEST(CronDialectTest, DayFieldsTogether) {
  EXPECT_EQ(Days("0 0 13 * 5", "2024-09"), "06 13 20 27");
  EXPECT_EQ(Days("0 0 13 * 5", "2024-10"), "04 11 13 18 25");
  EXPECT_EQ(Days("0 0 13 * 5", "2024-10", false), "");
  EXPECT_EQ(Days("0 0 13 * 5", "2024-09", false), "13");
  EXPECT_EQ(Days("0 0 ? * 5", "2024-09"), "06 13 20 27");
  EXPECT_EQ(Days("0 0 13 * ?", "2024-10"), "13");
  EXPECT_EQ(Days("0 0 */2 * 5", "2024-10"), "11 25");
  EXPECT_EQ(Days("0 0 13 * */2", "2024-10"), "13");  // a Sunday
  EXPECT_EQ(Days("0 0 13 * */2", "2024-09"), "");    // a Friday
  EXPECT_EQ(Days("0 0 *,1 * 5", "2024-09"), "06 13 20 27");
  EXPECT_EQ(Days("0 0 1-31 * 5", "2024-02"), Days("0 0 * * *", "2024-02"));
}

TEST(CronDialectTest, Presets) {
  const std::vector<std::pair<const char*, const char*>> presets = {
      {"@hourly", "0 * * * *"}, {"@daily", "0 0 * * *"},    {"@midnight", "0 0 * * *"},
      {"@weekly", "0 0 * * 0"}, {"@monthly", "0 0 1 * *"},  {"@quarterly", "0 0 1 */3 *"},
      {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {" @Daily ", "0 0 * * *"}};
  const Instant from = At("2024-01-01");
  for (const auto& [preset, fields] : presets) {
    EXPECT_EQ(Firings(Cron(preset), from, from + std::chrono::days{800}),
              Firings(Cron(fields), from, from + std::chrono::days{800}))
        << preset;
  }
}

TEST(CronDialectTest, Whitespace) {
  EXPECT_EQ(Days(" 0\t0   13 * 5 ", "2024-09"), Days("0 0 13 * 5", "2024-09"));
  EXPECT_EQ(Cron(" 0\t0  * * *").text(), " 0\t0  * * *");
}

struct Refusal {
  const char* expr;
  const char* in_message;
  const char* in_hint;
};

const std::vector<Refusal> kRefusals = {
    {"", "0 fields", "minute, hour"},
    {"* * * *", "4 fields", "minute, hour"},
    {"0 * * * * *", "6 fields", "every"},
    {"0 * * * * * 2026", "7 fields", "every"},
    {"60 * * * *", "minute \"60\": 60 is not in 0-59", "0-59"},
    {"* 24 * * *", "hour \"24\": 24 is not in 0-23", "0-23"},
    {"* * 0 * *", "day of month \"0\": 0 is not in 1-31", "1-31"},
    {"* * 32 * *", "32 is not in 1-31", "1-31"},
    {"* * * 13 *", "month \"13\"", "JAN-DEC"},
    {"* * * 0 *", "month \"0\"", "JAN-DEC"},
    {"* * * * 8", "day of week \"8\"", "SUN-SAT"},
    {"* * * FOO *", "\"FOO\" is no value", "JAN-DEC"},
    {"* * * JANUARY *", "\"JANUARY\" is no value", "JAN-DEC"},
    {"MON * * * *", "minute \"MON\"", "0-59"},
    {"*/0 * * * *", "step", "*/5"},
    {"*/x * * * *", "step", "*/5"},
    {"*/ * * * *", "step", "*/5"},
    {"1/2/3 * * * *", "step", "*/5"},
    {"1,,2 * * * *", "empty list item", "comma"},
    {", * * * *", "empty list item", "comma"},
    {"1- * * * *", "no value", "0-59"},
    {"-1 * * * *", "no value", "0-59"},
    {"1-2-3 * * * *", "no value", "0-59"},
    {"1.5 * * * *", "no value", "0-59"},
    {"** * * * *", "no value", "0-59"},
    {"*-5 * * * *", "no value", "0-59"},
    {"99999999999999999999 * * * *", "no value", "0-59"},
    {"50-10/5 * * * *", "wraps around", "two ranges"},
    {"* * * * FRI-MON/2", "wraps around", "two ranges"},
    {"H * * * *", "random", "jitter"},
    {"H/15 * * * *", "random", "jitter"},
    {"h(0-30) * * * *", "random", "jitter"},
    {"R R * * *", "random", "jitter"},
    {"0~30 * * * *", "random", "jitter"},
    {"? * * * *", "any day", "*"},
    {"* ? * * *", "any day", "*"},
    {"* * ?,1 * *", "stands alone", "*"},
    {"* * 1,? * *", "stands alone", "*"},
    {"* * L-3 * *", "unknown form", "LW"},
    {"* * WL * *", "unknown form", "LW"},
    {"* * W * *", "no value", "1-31"},
    {"* * 32W * *", "32 is not in 1-31", "1-31"},
    {"* * 1-5W * *", "no value", "1-31"},
    {"* * * * L", "no weekday", "5L"},
    {"* * * * L5L", "no weekday", "5L"},
    {"* * * * 5#6", "not 1 to 5", "5#2"},
    {"* * * * 5#0", "not 1 to 5", "5#2"},
    {"* * * * #1", "no value", "0-7"},
    {"* * * * MON-FRI#2", "no value", "0-7"},
    {"* * L * L", "no weekday", "5L"},
    {"L * * * *", "no value", "0-59"},
    {"@often", "unknown preset", "@daily"},
    {"@once", "schedule of its own", "whole schedule"},
    {"@continuous", "schedule of its own", "whole schedule"},
    {"0 0 30 2 *", "never fires", "day of month"},
    {"0 0 31 2,4,6,9,11 *", "never fires", "day of month"},
    {"0 0 30W 2 *", "never fires", "day of month"},
};

TEST(CronDialectTest, Refuses) {
  for (const Refusal& refusal : kRefusals) {
    const Result<CronExpr> cron = CronExpr::Parse(refusal.expr);
    ASSERT_FALSE(cron.ok()) << refusal.expr;
    const Error& error = cron.error();
    EXPECT_EQ(error.code, ErrorCode::kInvalid);
    EXPECT_NE(error.message.find(refusal.in_message), std::string::npos)
        << refusal.expr << ": " << error.message;
    EXPECT_NE(error.hint.find(refusal.in_hint), std::string::npos)
        << refusal.expr << ": " << error.hint;
  }
  EXPECT_FALSE(CronExpr::Parse(std::string(2000, '*')).ok());
  EXPECT_TRUE(CronExpr::Parse("0 0 30 2 *").error().message.starts_with("never fires"));
}

TEST(CronDialectTest, RareIsNotNever) {
  const TimeZone& utc = TimeZone::Utc();
  EXPECT_EQ(*Cron("0 0 29 2 *").Next(At("2096-03-01"), utc), At("2104-02-29"));
  // Feb 29 on a Monday, both day fields asked for.
  EXPECT_EQ(*Cron("0 0 29 2 1", false).Next(At("2072-03-01"), utc), At("2112-02-29"));
  EXPECT_EQ(*Cron("0 0 29 2 1#5", false).Next(At("2024-03-01"), utc), At("2044-02-29"));
  EXPECT_FALSE(CronExpr::Parse("0 0 29 2 1#4", false).ok());  // the 29th is never a fourth
  EXPECT_FALSE(CronExpr::Parse("0 0 1 * 1#2", false).ok());
}

TEST(CronNoteTest, SaysWhatAClockChangeDid) {
  const auto madrid = *TimeZone::Find("Europe/Madrid");
  EXPECT_EQ(Cron("30 2 * * *").NoteAt(At("2026-03-29T01:00:00Z"), *madrid),
            "gap: 02:30 moved to 03:00");
  EXPECT_EQ(Cron("15,45 2,3 * * *").NoteAt(At("2026-03-29T01:00:00Z"), *madrid),
            "gap: 02:15 moved to 03:00");
  EXPECT_EQ(Cron("30 2 * * *").NoteAt(At("2026-10-25T00:30:00Z"), *madrid),
            "overlap: first of two");
  EXPECT_EQ(Cron("0 3 * * *").NoteAt(At("2026-03-29T01:00:00Z"), *madrid), "");
  EXPECT_EQ(Cron("*/30 * * * *").NoteAt(At("2026-10-25T00:30:00Z"), *madrid), "");
  EXPECT_EQ(Cron("30 2 * * *").NoteAt(At("2026-07-01T00:30:00Z"), *madrid), "");
  EXPECT_EQ(Cron("30 2 * * *").NoteAt(At("2026-07-01T00:31:00Z"), *madrid), "");
}

TEST(CronSearchTest, TakesAnyInstant) {
  const TimeZone& utc = TimeZone::Utc();
  for (const char* expr : {"* * * * *", "0 0 1 1 *"}) {
    const CronExpr cron = Cron(expr);
    EXPECT_EQ(cron.Next(Instant::min(), utc), Instant{});
    EXPECT_EQ(cron.Next(Instant::max(), utc), std::nullopt);
    EXPECT_EQ(cron.Prev(Instant::min(), utc), std::nullopt);
    EXPECT_EQ(cron.Prev(Instant{}, utc), std::nullopt);
    EXPECT_TRUE(cron.Prev(Instant::max(), utc).has_value());
    EXPECT_FALSE(cron.FiresAt(Instant::min(), utc));
    EXPECT_FALSE(cron.FiresAt(Instant::max(), utc));
    EXPECT_TRUE(cron.FiresAt(Instant{}, utc));
    EXPECT_FALSE(cron.FiresAt(Instant{} + std::chrono::microseconds{1}, utc));
  }
}

}  // namespace
}  // namespace nightmill
