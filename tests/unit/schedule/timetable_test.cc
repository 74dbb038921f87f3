// Every form of schedule: ticks, intervals, bounds, jitter, manual runs, dates of people, refusals.
#include "core/schedule/timetable.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "core/base/rng.h"

namespace nightmill {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

using TimetablePtr = std::shared_ptr<const Timetable>;

Instant At(std::string_view text) { return *ParseInstant(text); }

ScheduleSpec CronSpec(std::string cron, std::string zone = "UTC") {
  ScheduleSpec spec;
  spec.crons = {std::move(cron)};
  spec.timezone = std::move(zone);
  return spec;
}

TimetablePtr Make(const ScheduleSpec& spec, std::string_view dag_id = "d") {
  Result<TimetablePtr> timetable = Timetable::Make(spec, dag_id);
  EXPECT_TRUE(timetable.ok()) << (timetable.ok() ? "" : timetable.error().message);
  return *timetable;
}

// "[2026-01-01T00:00:00Z, 2026-01-02T00:00:00Z)"
std::string Text(const DataInterval& interval) {
  return fmt::format("[{}, {})", FormatInstant(interval.start), FormatInstant(interval.end));
}
std::string Text(const std::optional<Slot>& slot) {
  if (!slot) return "none";
  return FormatInstant(slot->tick) + " " + Text(slot->interval);
}

// The next n slots, which PrevSlot, SlotAt and SlotsBetween must confirm.
std::vector<Slot> Next(const TimetablePtr& timetable, Instant after, std::size_t n) {
  std::vector<Slot> slots;
  while (slots.size() < n) {
    const std::optional<Slot> slot = timetable->NextSlot(after);
    if (!slot) break;
    EXPECT_EQ(timetable->PrevSlot(slot->tick), slot);
    EXPECT_EQ(timetable->SlotAt(slot->logical_date()), slot);
    EXPECT_GE(slot->run_after, slot->tick);
    if (!slots.empty()) {
      EXPECT_EQ(timetable->PrevSlot(slot->tick - microseconds{1}), slots.back());
    }
    slots.push_back(*slot);
    after = slot->tick;
  }
  if (!slots.empty()) {
    EXPECT_EQ(timetable->SlotsBetween(slots.front().logical_date(), slots.back().logical_date(),
                                      slots.size()),
              slots);
  }
  return slots;
}

TEST(TimetableTest, CronWithPeriods) {
  const TimetablePtr daily = Make(CronSpec("0 6 * * *"));
  EXPECT_TRUE(daily->periodic());
  EXPECT_EQ(Text(daily->NextSlot(At("2026-03-16T06:00:00Z"))),
            "2026-03-17T06:00:00Z [2026-03-16T06:00:00Z, 2026-03-17T06:00:00Z)");
  EXPECT_EQ(Text(daily->NextSlot(At("2026-03-16T05:59:59Z"))),
            "2026-03-16T06:00:00Z [2026-03-15T06:00:00Z, 2026-03-16T06:00:00Z)");
  EXPECT_EQ(Text(daily->PrevSlot(At("2026-03-16T06:00:00Z"))),
            "2026-03-16T06:00:00Z [2026-03-15T06:00:00Z, 2026-03-16T06:00:00Z)");
  EXPECT_EQ(Text(daily->PrevSlot(At("2026-03-16T05:59:59Z"))),
            "2026-03-15T06:00:00Z [2026-03-14T06:00:00Z, 2026-03-15T06:00:00Z)");
  EXPECT_EQ(Text(daily->SlotAt(At("2026-03-16T06:00:00Z"))),
            "2026-03-17T06:00:00Z [2026-03-16T06:00:00Z, 2026-03-17T06:00:00Z)");
  EXPECT_EQ(Text(daily->SlotAt(At("2026-03-16T06:00:01Z"))), "none");
  EXPECT_EQ(Next(daily, At("2026-03-16"), 30).size(), 30u);
}

TEST(TimetableTest, CronWithPointsAndFixedIntervals) {
  ScheduleSpec spec = CronSpec("0 6 * * *");
  spec.interval = IntervalKind::kNone;
  EXPECT_EQ(Text(Make(spec)->NextSlot(At("2026-03-16"))),
            "2026-03-16T06:00:00Z [2026-03-16T06:00:00Z, 2026-03-16T06:00:00Z)");
  spec.interval = IntervalKind::kFixed;
  spec.fixed_interval = hours{48};
  EXPECT_EQ(Text(Make(spec)->NextSlot(At("2026-03-16"))),
            "2026-03-16T06:00:00Z [2026-03-14T06:00:00Z, 2026-03-16T06:00:00Z)");
  EXPECT_EQ(Next(Make(spec), At("2026-03-16"), 10).size(), 10u);
}

TEST(TimetableTest, ListsOfCronsWithTheirOwnZones) {
  ScheduleSpec spec = CronSpec("0 6 * * *");
  spec.crons.push_back("0 6 * * *");
  spec.cron_timezones = {"", "Asia/Tokyo"};
  const TimetablePtr both = Make(spec);
  EXPECT_EQ(Text(both->NextSlot(At("2026-03-16T06:00:00Z"))),
            "2026-03-16T21:00:00Z [2026-03-16T06:00:00Z, 2026-03-16T21:00:00Z)");
  EXPECT_EQ(Text(both->NextSlot(At("2026-03-16T21:00:00Z"))),
            "2026-03-17T06:00:00Z [2026-03-16T21:00:00Z, 2026-03-17T06:00:00Z)");
}

TEST(TimetableTest, EveryIsElapsedTimeFromItsAnchor) {
  ScheduleSpec spec;
  spec.every = minutes{90};
  spec.timezone = "Europe/Madrid";
  EXPECT_EQ(Text(Make(spec)->NextSlot(Instant{} + minutes{1})),
            "1970-01-01T01:30:00Z [1970-01-01T00:00:00Z, 1970-01-01T01:30:00Z)");
  spec.start_date = "2026-03-28";  // 23:00 UTC of the day before
  EXPECT_EQ(Text(Make(spec)->NextSlot(Instant::min())),
            "2026-03-28T00:30:00Z [2026-03-27T23:00:00Z, 2026-03-28T00:30:00Z)");
  spec.anchor = At("2026-01-01T00:10:00Z");
  EXPECT_EQ(Text(Make(spec)->NextSlot(Instant::min())),
            "2026-03-28T01:40:00Z [2026-03-28T00:10:00Z, 2026-03-28T01:40:00Z)");
  EXPECT_EQ(Make(spec)->start(), At("2026-03-28T00:10:00Z"));
  // An anchor in the future reaches into the past.
  spec.start_date.clear();
  spec.anchor = At("2150-01-01T00:10:00Z");
  EXPECT_EQ(Text(Make(spec)->NextSlot(At("2026-01-01"))).substr(13, 4), ":10:");
  EXPECT_EQ(Next(Make(spec), At("2026-01-01"), 50).size(), 50u);
}

TEST(TimetableTest, AtListsInstants) {
  ScheduleSpec spec;
  spec.at = {At("2026-02-01"), At("2026-01-01"), At("2026-02-01"), At("2026-03-01T12:00:00Z")};
  const TimetablePtr at = Make(spec);
  EXPECT_FALSE(at->periodic());
  EXPECT_EQ(Text(at->NextSlot(Instant::min())),
            "2026-01-01T00:00:00Z [2026-01-01T00:00:00Z, 2026-01-01T00:00:00Z)");
  EXPECT_EQ(Text(at->NextSlot(At("2026-01-01"))),
            "2026-02-01T00:00:00Z [2026-01-01T00:00:00Z, 2026-02-01T00:00:00Z)");
  EXPECT_EQ(Text(at->NextSlot(At("2026-03-01T12:00:00Z"))), "none");
  spec.start_date = "2026-01-15";
  EXPECT_EQ(Text(Make(spec)->NextSlot(Instant::min())),
            "2026-02-01T00:00:00Z [2026-01-15T00:00:00Z, 2026-02-01T00:00:00Z)");
  spec.end_date = "2026-02-15";
  EXPECT_EQ(Text(Make(spec)->NextSlot(At("2026-02-01"))), "none");
}

TEST(TimetableTest, OnceAndContinuous) {
  ScheduleSpec spec;
  spec.once = true;
  EXPECT_EQ(Text(Make(spec)->NextSlot(Instant::min())), "none");
  spec.start_date = "2026-05-01";
  for (const IntervalKind kind : {IntervalKind::kPeriod, IntervalKind::kNone}) {
    spec.interval = kind;
    EXPECT_EQ(Text(Make(spec)->NextSlot(Instant::min())),
              "2026-05-01T00:00:00Z [2026-05-01T00:00:00Z, 2026-05-01T00:00:00Z)");
  }
  spec.interval = IntervalKind::kFixed;
  spec.fixed_interval = hours{24};
  EXPECT_EQ(Text(Make(spec)->NextSlot(Instant::min())),
            "2026-05-01T00:00:00Z [2026-04-30T00:00:00Z, 2026-05-01T00:00:00Z)");
  EXPECT_EQ(Text(Make(spec)->NextSlot(At("2026-05-01"))), "none");
  EXPECT_FALSE(Make(spec)->periodic());
}

TEST(TimetableTest, StartAndEndBoundTheIntervalStarts) {
  ScheduleSpec spec = CronSpec("0 6 * * *");
  spec.start_date = "2011-05-07";
  spec.end_date = "2011-05-30";
  const TimetablePtr timetable = Make(spec);
  EXPECT_EQ(timetable->start(), At("2011-05-07T06:00:00Z"));  // aligned up
  EXPECT_EQ(timetable->end(), At("2011-05-30T23:59:59.999999Z"));
  const std::vector<Slot> all = Next(timetable, Instant::min(), 1000);
  ASSERT_EQ(all.size(), 24u);
  EXPECT_EQ(Text(all.front().interval), "[2011-05-07T06:00:00Z, 2011-05-08T06:00:00Z)");
  EXPECT_EQ(Text(all.back().interval), "[2011-05-30T06:00:00Z, 2011-05-31T06:00:00Z)");
  EXPECT_EQ(timetable->PrevSlot(Instant::max()), all.back());
  EXPECT_EQ(timetable->PrevSlot(At("2011-05-08T05:00:00Z")), std::nullopt);
  // Backfills go before the start.
  EXPECT_EQ(Text(timetable->SlotAt(At("2011-05-01T06:00:00Z"))),
            "2011-05-02T06:00:00Z [2011-05-01T06:00:00Z, 2011-05-02T06:00:00Z)");
  EXPECT_EQ(timetable->SlotsBetween(At("2011-05-01"), At("2011-05-07T06:00:00Z"), 100).size(), 7u);

  // Exactly on a tick, and an instant with an offset.
  spec.start_date = "2011-05-07T08:00:00+02:00";
  spec.end_date = "2011-05-30T06:00:00Z";
  EXPECT_EQ(Next(Make(spec), Instant::min(), 1000).size(), 24u);
  spec.end_date = "2011-05-30T05:59:59Z";
  EXPECT_EQ(Next(Make(spec), Instant::min(), 1000).size(), 23u);

  spec.interval = IntervalKind::kNone;
  EXPECT_EQ(Text(Next(Make(spec), Instant::min(), 1000).front().interval),
            "[2011-05-07T06:00:00Z, 2011-05-07T06:00:00Z)");
  EXPECT_EQ(Next(Make(spec), Instant::min(), 1000).size(), 23u);
  spec.interval = IntervalKind::kFixed;
  spec.fixed_interval = hours{24};
  EXPECT_EQ(Text(Next(Make(spec), Instant::min(), 1000).front().interval),
            "[2011-05-07T06:00:00Z, 2011-05-08T06:00:00Z)");
  EXPECT_EQ(Next(Make(spec), Instant::min(), 1000).size(), 23u);
}

TEST(TimetableTest, BareDatesAreLocalDays) {
  ScheduleSpec spec = CronSpec("@daily", "America/Havana");
  spec.start_date = "2024-03-10";  // its midnight does not exist
  spec.end_date = "2024-11-03";    // its midnight comes twice
  const TimetablePtr timetable = Make(spec);
  EXPECT_EQ(timetable->start(), At("2024-03-10T05:00:00Z"));
  EXPECT_EQ(timetable->end(), At("2024-11-04T04:59:59.999999Z"));
  EXPECT_EQ(*timetable->ResolveFrom("2024-11-03"), At("2024-11-03T04:00:00Z"));
  EXPECT_EQ(*timetable->ResolveTo("2024-11-03"), At("2024-11-04T04:59:59.999999Z"));
  EXPECT_EQ(*timetable->ResolveTo("2024-11-03T00:00:00Z"), At("2024-11-03T00:00:00Z"));
  EXPECT_EQ(*timetable->ResolveFrom("2024-11-03T00:00:00Z"), At("2024-11-03T00:00:00Z"));
  for (const char* text : {"", "2024-02-30", "yesterday", "2024-11-03T00:00", "2024-11"}) {
    EXPECT_FALSE(timetable->ResolveFrom(text).ok()) << text;
    EXPECT_FALSE(timetable->ResolveTo(text).ok()) << text;
  }
  EXPECT_EQ(timetable->DataDate(At("2024-11-03T04:00:00Z")), "2024-11-03");
  EXPECT_EQ(timetable->DataDate(At("2024-11-03T03:59:59Z")), "2024-11-02");
  EXPECT_EQ(timetable->LocalText(At("2024-11-03T04:00:00Z")), "2024-11-03T00:00:00-04:00");
}

TEST(TimetableTest, DaysOfClockChangesHave23And25Hours) {
  const TimetablePtr daily = Make(CronSpec("0 0 * * *", "Europe/Madrid"));
  const auto length = [&](std::string_view start) {
    const std::optional<Slot> slot = daily->SlotAt(*daily->ResolveFrom(start));
    return slot ? slot->interval.end - slot->interval.start : microseconds{0};
  };
  EXPECT_EQ(length("2026-03-28"), hours{24});
  EXPECT_EQ(length("2026-03-29"), hours{23});
  EXPECT_EQ(length("2026-10-25"), hours{25});
  const TimetablePtr nightly = Make(CronSpec("30 2 * * *", "Europe/Madrid"));
  EXPECT_EQ(nightly->Note(*nightly->PrevSlot(At("2026-03-29T12:00:00Z"))),
            "gap: 02:30 moved to 03:00");
  EXPECT_EQ(nightly->Note(*nightly->PrevSlot(At("2026-10-25T12:00:00Z"))), "overlap: first of two");
  EXPECT_EQ(nightly->Note(*nightly->PrevSlot(At("2026-08-25T12:00:00Z"))), "");
}

TEST(TimetableTest, ExclusionsDropTicksAndWidenIntervals) {
  ScheduleSpec spec = CronSpec("0 6 * * *", "Europe/Madrid");
  spec.exclude = {"2026-12-25", "* * * * SAT,SUN", "0 6 1 1 *"};
  const TimetablePtr timetable = Make(spec);
  // Thursday the 24th; the 25th is listed, 26 and 27 are a weekend.
  EXPECT_EQ(Text(timetable->NextSlot(At("2026-12-24T05:00:00Z"))),
            "2026-12-28T05:00:00Z [2026-12-24T05:00:00Z, 2026-12-28T05:00:00Z)");
  EXPECT_EQ(Text(timetable->NextSlot(At("2026-12-31T05:00:00Z"))),
            "2027-01-04T05:00:00Z [2026-12-31T05:00:00Z, 2027-01-04T05:00:00Z)");
  EXPECT_EQ(Text(timetable->SlotAt(At("2026-12-25T05:00:00Z"))), "none");
  EXPECT_EQ(Next(timetable, At("2026-12-01"), 40).size(), 40u);
}

TEST(TimetableTest, IntervalsTileTheTimeLine) {
  Rng rng(5);
  const std::vector<std::string> crons = {"@hourly",      "30 2 * * *",    "*/30 1-3 * * *",
                                          "0 0 L * *",    "0 */7 * * 1-5", "5 4 29 2 *",
                                          "17 0,12 * * *"};
  for (const char* zone : {"Europe/Madrid", "Pacific/Apia", "Australia/Lord_Howe", "UTC"}) {
    for (const std::string& cron : crons) {
      ScheduleSpec spec = CronSpec(cron, zone);
      spec.jitter = minutes{rng.Below(120)};
      spec.jitter_per_tick = rng.Chance(1, 2);
      if (rng.Chance(1, 3)) spec.exclude = {"2011-12-31", "* * * * 3"};
      const TimetablePtr timetable = Make(spec);
      const std::vector<Slot> slots = Next(timetable, At("2011-10-01"), 300);
      ASSERT_GT(slots.size(), 30u);
      for (std::size_t i = 1; i < slots.size(); ++i) {
        ASSERT_EQ(slots[i].interval.start, slots[i - 1].interval.end) << cron << " " << zone;
        ASSERT_LT(slots[i].interval.start, slots[i].interval.end);
        ASSERT_EQ(slots[i].tick, slots[i].interval.end);
        ASSERT_LT(slots[i - 1].run_after, slots[i].tick);  // jitter never reaches the next tick
        ASSERT_LE(slots[i].run_after - slots[i].tick, spec.jitter);
      }
    }
  }
}

TEST(TimetableTest, SlotsBetweenShowsAnOverflow) {
  const TimetablePtr hourly = Make(CronSpec("@hourly"));
  EXPECT_EQ(hourly->SlotsBetween(At("2026-01-01"), At("2026-01-01T05:00:00Z"), 10).size(), 6u);
  EXPECT_EQ(hourly->SlotsBetween(At("2026-01-01"), At("2026-01-01T05:00:00Z"), 6).size(), 6u);
  EXPECT_EQ(hourly->SlotsBetween(At("2026-01-01"), At("2026-01-01T05:00:00Z"), 5).size(), 6u);
  EXPECT_EQ(hourly->SlotsBetween(At("2026-01-01"), At("2026-01-01T05:00:00Z"), 2).size(), 3u);
  EXPECT_TRUE(hourly->SlotsBetween(At("2026-01-02"), At("2026-01-01"), 10).empty());
  EXPECT_TRUE(hourly->SlotsBetween(At("1900-01-01"), At("1960-01-01"), 10).empty());
  EXPECT_EQ(hourly->SlotsBetween(Instant::min(), Instant::max(), 10).size(), 11u);
  EXPECT_TRUE(hourly->SlotsBetween(At("2201-01-01"), Instant::max(), 10).empty());
}

TEST(TimetableTest, SearchesEndWithTheCalendar) {
  const TimetablePtr daily = Make(CronSpec("@daily"));
  EXPECT_EQ(Text(daily->NextSlot(Instant::min())),
            "1970-01-02T00:00:00Z [1970-01-01T00:00:00Z, 1970-01-02T00:00:00Z)");
  EXPECT_EQ(Text(daily->PrevSlot(Instant::max())),
            "2200-12-31T00:00:00Z [2200-12-30T00:00:00Z, 2200-12-31T00:00:00Z)");
  EXPECT_EQ(Text(daily->NextSlot(At("2200-12-31"))), "none");
  EXPECT_EQ(Text(daily->PrevSlot(At("1970-01-01"))), "none");
  EXPECT_EQ(Text(daily->NextSlot(Instant::max())), "none");
  EXPECT_EQ(Text(daily->PrevSlot(Instant::min())), "none");
}

TEST(TimetableTest, JitterIsTheDocumentedOne) {
  ScheduleSpec spec = CronSpec("0 6 * * *");
  spec.jitter = seconds{60};
  const Instant tick = At("2026-03-16T06:00:00Z");
  EXPECT_EQ(Make(spec, "daily_orders")->PrevSlot(tick)->run_after - tick, milliseconds{7'695});
  spec.jitter_per_tick = true;
  EXPECT_EQ(Make(spec, "daily_orders")->PrevSlot(tick)->run_after - tick, milliseconds{24'170});
  // The span is cut to the next tick: an hour of jitter on a minutely schedule.
  spec = CronSpec("* * * * *");
  spec.jitter = hours{1};
  const Slot slot = *Make(spec, "daily_orders")->PrevSlot(tick);
  EXPECT_EQ(slot.run_after - tick, milliseconds{7'695});
  // Each entry of a list has an offset of its own.
  spec = CronSpec("0 6 * * *");
  spec.crons.push_back("0 7 * * *");
  spec.jitter = seconds{60};
  const TimetablePtr both = Make(spec, "daily_orders");
  EXPECT_EQ(both->PrevSlot(tick)->run_after - tick, milliseconds{7'695});
  EXPECT_NE(both->NextSlot(tick)->run_after - both->NextSlot(tick)->tick, milliseconds{7'695});
}

TEST(TimetableTest, ManualIntervals) {
  const Instant now = At("2026-03-16T15:00:00Z");
  ScheduleSpec spec = CronSpec("0 6 * * *");
  const auto manual = [&](std::optional<Instant> logical) {
    return Text(Make(spec)->ManualInterval(logical, now));
  };
  const std::string last = "[2026-03-15T06:00:00Z, 2026-03-16T06:00:00Z)";
  EXPECT_EQ(manual(std::nullopt), last);
  EXPECT_EQ(manual(now), last);  // not the start of an interval
  EXPECT_EQ(manual(At("2026-01-05T06:00:00Z")), "[2026-01-05T06:00:00Z, 2026-01-06T06:00:00Z)");
  spec.end_date = "2026-02-01";
  EXPECT_EQ(manual(std::nullopt), "[2026-02-01T06:00:00Z, 2026-02-02T06:00:00Z)");
  // Before the first slot there is data all the same.
  spec.end_date.clear();
  spec.start_date = "2026-06-01";
  EXPECT_EQ(manual(std::nullopt), last);
  EXPECT_EQ(manual(At("2026-01-05T06:00:00Z")), "[2026-01-05T06:00:00Z, 2026-01-06T06:00:00Z)");

  spec = CronSpec("0 6 * * *");
  spec.interval = IntervalKind::kNone;
  EXPECT_EQ(manual(std::nullopt), "[2026-03-16T15:00:00Z, 2026-03-16T15:00:00Z)");
  spec.interval = IntervalKind::kFixed;
  spec.fixed_interval = hours{2};
  EXPECT_EQ(manual(std::nullopt), "[2026-03-16T13:00:00Z, 2026-03-16T15:00:00Z)");
  EXPECT_EQ(manual(At("2026-03-01")), "[2026-03-01T00:00:00Z, 2026-03-01T02:00:00Z)");

  spec = ScheduleSpec{};
  spec.every = hours{5};
  spec.anchor = At("2026-03-16T01:00:00Z");
  EXPECT_EQ(manual(std::nullopt), "[2026-03-16T06:00:00Z, 2026-03-16T11:00:00Z)");
  spec = ScheduleSpec{};
  spec.once = true;
  EXPECT_EQ(manual(std::nullopt), "[2026-03-16T15:00:00Z, 2026-03-16T15:00:00Z)");
}

struct Refusal {
  const char* what;
  std::function<void(ScheduleSpec&)> change;
  const char* pointer;
  const char* in_message;
};

TEST(TimetableTest, RefusesWithAPointer) {
  const std::vector<Refusal> refusals = {
      {"cron", [](auto& s) { s.crons = {"0 25 * * *"}; }, "/cron", "25 is not in 0-23"},
      {"list", [](auto& s) { s.crons.push_back("x"); }, "/cron/1", "1 fields"},
      {"never", [](auto& s) { s.crons = {"0 0 30 2 *"}; }, "/cron", "never fires"},
      {"day_or",
       [](auto& s) {
         s.crons = {"0 0 1 * 1#2"};
         s.day_or = false;
       },
       "/cron", "never fires"},
      {"zone", [](auto& s) { s.timezone = "Mars"; }, "/timezone", "unknown time zone"},
      {"zone of one", [](auto& s) { s.cron_timezones = {"Mars"}; }, "/cron", "unknown time zone"},
      {"start", [](auto& s) { s.start_date = "soon"; }, "/start_date", "\"soon\""},
      {"start day", [](auto& s) { s.start_date = "2026-02-30"; }, "/start_date", "2026-02-30"},
      {"end", [](auto& s) { s.end_date = "2026-13-01"; }, "/end_date", "2026-13-01"},
      {"swapped",
       [](auto& s) {
         s.start_date = "2026-02-01";
         s.end_date = "2026-01-01";
       },
       "/end_date", "before start_date"},
      {"exclude",
       [](auto& s) {
         s.exclude = {"2026-01-01", "xmas"};
       },
       "/exclude/1", "xmas"},
      {"exclude cron", [](auto& s) { s.exclude = {"* * * * 9"}; }, "/exclude/0", "9 is not"},
      {"nothing", [](auto& s) { s.crons.clear(); }, "", "no ticks"},
      {"two", [](auto& s) { s.every = hours{1}; }, "", "several kinds"},
      {"crons", [](auto& s) { s.crons.assign(65, "@daily"); }, "/cron", "65"},
      {"excludes", [](auto& s) { s.exclude.assign(1001, "2026-01-01"); }, "/exclude", "1001"},
      {"jitter", [](auto& s) { s.jitter = hours{25}; }, "/jitter", "1d1h"},
      {"catchup", [](auto& s) { s.catchup_limit = 100'001; }, "/limit", "100001"},
      {"fixed", [](auto& s) { s.interval = IntervalKind::kFixed; }, "/interval", "0s"},
      {"short",
       [](auto& s) {
         s.crons.clear();
         s.every = milliseconds{999};
       },
       "/every", "too short"},
      {"long",
       [](auto& s) {
         s.crons.clear();
         s.every = hours{24 * 367};
       },
       "/every", "too long"},
      {"at",
       [](auto& s) {
         s.crons.clear();
         s.at.assign(10'001, Instant{});
       },
       "/at", "10001"},
  };
  for (const Refusal& refusal : refusals) {
    ScheduleSpec spec = CronSpec("@daily");
    refusal.change(spec);
    const Result<TimetablePtr> timetable = Timetable::Make(spec, "d");
    ASSERT_FALSE(timetable.ok()) << refusal.what;
    const Error& error = timetable.error();
    EXPECT_EQ(error.code, ErrorCode::kInvalid) << refusal.what;
    EXPECT_EQ(error.pointer, refusal.pointer) << refusal.what;
    EXPECT_NE(error.message.find(refusal.in_message), std::string::npos) << error.message;
  }
}

TEST(TimetableTest, RefusesWhatNeverFiresAsAWhole) {
  const std::vector<Refusal> refusals = {
      {"itself", [](auto& s) { s.exclude = {"0 6 * * *"}; }, "/exclude", "never fires: `exclude`"},
      {"all days", [](auto& s) { s.exclude = {"* * * * *"}; }, "/exclude", "never fires"},
      {"in parts",
       [](auto& s) {
         s.exclude = {"* * 1-15 * *", "0 6 16-31 * *"};
       },
       "/exclude", "never fires"},
      {"every minute",
       [](auto& s) {
         s.crons = {"* * * * *"};
         s.exclude = {"*/2 * * * *", "1-59/2 * * * *"};
       },
       "/exclude", "never fires"},
      {"around clock changes",
       [](auto& s) {
         s.crons = {"30 2 * * *"};
         s.timezone = "Europe/Madrid";
         s.exclude = {"30 2 * * *"};
       },
       "/exclude", "never fires"},
      {"day_or of an exclusion",
       [](auto& s) {
         s.crons = {"0 6 13 * 5"};
         s.day_or = false;
         s.exclude = {"0 6 13 * *"};
       },
       "/exclude", "never fires"},
      {"list",
       [](auto& s) {
         s.crons.clear();
         s.at = {At("2026-12-25T06:00:00Z")};
         s.exclude = {"2026-12-25"};
       },
       "/exclude", "never fires"},
      {"between the dates",
       [](auto& s) {
         s.crons = {"0 6 1 1 *"};
         s.start_date = "2026-02-01";
         s.end_date = "2026-03-01";
       },
       "/end_date", "never fires: no tick from start_date 2026-02-01 to end_date 2026-03-01"},
      {"before its start",
       [](auto& s) {
         s.crons.clear();
         s.at = {At("2026-01-01T06:00:00Z")};
         s.start_date = "2026-02-01";
       },
       "/start_date", "never fires: no tick from start_date 2026-02-01 on"},
  };
  for (const Refusal& refusal : refusals) {
    ScheduleSpec spec = CronSpec("0 6 * * *");
    refusal.change(spec);
    std::vector<Error> faults;
    const Result<TimetablePtr> timetable = Timetable::Make(spec, "d", &faults);
    ASSERT_FALSE(timetable.ok()) << refusal.what;
    EXPECT_EQ(timetable.error().pointer, refusal.pointer) << refusal.what;
    EXPECT_TRUE(timetable.error().message.starts_with(refusal.in_message))
        << refusal.what << ": " << timetable.error().message;
    EXPECT_EQ(faults.size(), 1u) << refusal.what;
  }
}

// What fires seldom is no less a schedule: one working minute a day in one month, one leap day, and
// a firing that only a clock change moves out of the excluded hour.
TEST(TimetableTest, KeepsWhatFiresSeldom) {
  const auto first = [](ScheduleSpec spec, const char* after) {
    const Result<TimetablePtr> timetable = Timetable::Make(spec, "d");
    if (!timetable.ok()) return timetable.error().message;
    const std::optional<Slot> slot = (*timetable)->NextSlot(At(after));
    return slot ? FormatInstant(slot->tick) : std::string("none");
  };
  ScheduleSpec spec = CronSpec("* 8-17 * * *");
  spec.interval = IntervalKind::kNone;
  spec.exclude = {"* 8-17 * 1-11 *"};
  EXPECT_EQ(first(spec, "2026-01-01"), "2026-12-01T08:00:00Z");

  spec = CronSpec("0 6 29 2 *");
  spec.interval = IntervalKind::kNone;
  spec.exclude = {"2028-02-29"};
  EXPECT_EQ(first(spec, "2026-01-01"), "2032-02-29T06:00:00Z");

  spec = CronSpec("30 2 * * *", "Europe/Madrid");
  spec.interval = IntervalKind::kNone;
  spec.exclude = {"* 2 * * *"};
  EXPECT_EQ(first(spec, "2026-01-01"), "2026-03-29T01:00:00Z");

  spec = CronSpec("0 6 * * *");
  spec.start_date = "2026-01-01";
  spec.end_date = "2026-01-01";
  EXPECT_EQ(first(spec, "2025-01-01"), "2026-01-02T06:00:00Z");
}

TEST(TimetableTest, RefusesEveryPartAtOnce) {
  ScheduleSpec spec = CronSpec("61 6 * * *", "Mars");
  spec.crons.push_back("@daily");
  spec.crons.push_back("0 0 30 2 *");
  spec.start_date = "2026-13-01";
  spec.end_date = "foo";
  spec.jitter = hours{25};
  spec.exclude = {"xmas", "2026-12-25", "* * * * 9"};
  std::vector<Error> faults;
  const Result<TimetablePtr> timetable = Timetable::Make(spec, "d", &faults);
  ASSERT_FALSE(timetable.ok());
  std::vector<std::string> pointers;
  for (const Error& fault : faults) pointers.push_back(fault.pointer);
  EXPECT_EQ(pointers, (std::vector<std::string>{"/jitter", "/timezone", "/start_date", "/end_date",
                                                "/cron/0", "/cron/2", "/exclude/0", "/exclude/2"}));
  EXPECT_EQ(timetable.error().pointer, "/jitter");

  faults.clear();
  EXPECT_TRUE(Timetable::Make(CronSpec("@daily"), "d", &faults).ok());
  EXPECT_TRUE(faults.empty());
}

}  // namespace
}  // namespace nightmill
