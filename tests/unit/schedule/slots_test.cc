// DecideSlots: the table of catchup rules, first acceptance, grace, bounds; and years of simulated
// stops, pauses and clock jumps, in which every slot is decided exactly once.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/base/rng.h"
#include "core/schedule/timetable.h"

namespace nightmill {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::minutes;
using std::chrono::seconds;

using TimetablePtr = std::shared_ptr<const Timetable>;

Instant At(std::string_view text) { return *ParseInstant(text); }

ScheduleSpec Daily() {
  ScheduleSpec spec;
  spec.crons = {"@daily"};
  spec.start_date = "2026-01-01";
  return spec;
}

TimetablePtr Make(const ScheduleSpec& spec) { return *Timetable::Make(spec, "d"); }

std::vector<std::string> Created(const SlotPlan& plan) {
  std::vector<std::string> dates;
  for (const SlotDecision& d : plan.decisions) {
    if (d.create) dates.push_back(FormatDate(d.slot.logical_date()));
  }
  return dates;
}

std::map<std::string, int> Skipped(const SlotPlan& plan) {
  std::map<std::string, int> reasons;
  for (const SlotDecision& d : plan.decisions) {
    EXPECT_EQ(d.create, d.reason.empty());
    if (!d.create) ++reasons[std::string(d.reason)];
  }
  return reasons;
}

using Dates = std::vector<std::string>;
using Reasons = std::map<std::string, int>;

// The example columns of the semantics: enabled 2026-01-31 15:00, nothing decided before.
SlotPlan Example(const ScheduleSpec& spec) {
  const Instant enabled = At("2026-01-31T15:00:00Z");
  return DecideSlots(*Make(spec), {std::nullopt, enabled}, enabled, enabled);
}

TEST(CatchupTest, NoneWaitsForTheNextTick) {
  ScheduleSpec spec = Daily();
  spec.catchup = Catchup::kNone;
  SlotPlan plan = Example(spec);
  EXPECT_EQ(Created(plan), Dates{});
  EXPECT_EQ(Skipped(plan), (Reasons{{"catchup_none", 30}}));
  EXPECT_EQ(plan.wake_at, At("2026-02-01"));
  EXPECT_EQ(plan.last_tick, At("2026-01-31"));
  // On February 1 it is the interval of January 31.
  const Instant enabled = At("2026-01-31T15:00:00Z");
  plan = DecideSlots(*Make(spec), {plan.last_tick, enabled}, enabled, At("2026-02-01"));
  EXPECT_EQ(Created(plan), Dates{"2026-01-31"});

  spec.interval = IntervalKind::kNone;
  plan = Example(spec);
  EXPECT_EQ(Skipped(plan), (Reasons{{"catchup_none", 31}}));
  EXPECT_EQ(plan.wake_at, At("2026-02-01"));
}

TEST(CatchupTest, LatestTakesTheNewestMissedSlot) {
  ScheduleSpec spec = Daily();
  EXPECT_EQ(spec.catchup, Catchup::kLatest);
  SlotPlan plan = Example(spec);
  EXPECT_EQ(Created(plan), Dates{"2026-01-30"});
  EXPECT_EQ(Skipped(plan), (Reasons{{"catchup_latest", 29}}));
  EXPECT_EQ(plan.truncated, 0);
  spec.interval = IntervalKind::kNone;
  plan = Example(spec);
  EXPECT_EQ(Created(plan), Dates{"2026-01-31"});
  EXPECT_EQ(Skipped(plan), (Reasons{{"catchup_latest", 30}}));
}

TEST(CatchupTest, AllTakesEverySlot) {
  ScheduleSpec spec = Daily();
  spec.catchup = Catchup::kAll;
  SlotPlan plan = Example(spec);
  EXPECT_EQ(Created(plan).size(), 30u);
  EXPECT_EQ(Created(plan).front(), "2026-01-01");
  EXPECT_EQ(Created(plan).back(), "2026-01-30");
  EXPECT_EQ(plan.truncated, 0);
  spec.interval = IntervalKind::kNone;
  plan = Example(spec);
  EXPECT_EQ(Created(plan).size(), 31u);
  EXPECT_EQ(Created(plan).back(), "2026-01-31");
}

TEST(CatchupTest, AllStopsAtLimitAndWindow) {
  ScheduleSpec spec = Daily();
  spec.catchup = Catchup::kAll;
  spec.catchup_limit = 3;
  SlotPlan plan = Example(spec);
  EXPECT_EQ(Created(plan), (Dates{"2026-01-28", "2026-01-29", "2026-01-30"}));
  EXPECT_EQ(Skipped(plan), (Reasons{{"catchup_limit", 27}}));
  EXPECT_EQ(plan.truncated, 27);
  spec.catchup_limit = 1000;
  spec.catchup_window = hours{48};
  plan = Example(spec);
  EXPECT_EQ(Created(plan), (Dates{"2026-01-29", "2026-01-30"}));
  EXPECT_EQ(plan.truncated, 28);
  spec.catchup_limit = 0;
  EXPECT_EQ(Created(Example(spec)), Dates{});
}

TEST(CatchupTest, OnABoundaryTheIntervalEndingNowIsComplete) {
  const Instant enabled = At("2026-01-31");
  EXPECT_EQ(Created(DecideSlots(*Make(Daily()), {std::nullopt, enabled}, enabled, enabled)),
            (Dates{"2026-01-29", "2026-01-30"}));
}

TEST(CatchupTest, YearsOfMinutesAreBounded) {
  ScheduleSpec spec = Daily();
  spec.crons = {"* * * * *"};
  spec.start_date = "2000-01-01";
  for (const Catchup catchup : {Catchup::kNone, Catchup::kLatest, Catchup::kAll}) {
    spec.catchup = catchup;
    spec.catchup_limit = 5;
    const SlotPlan plan = Example(spec);
    EXPECT_EQ(plan.decisions.size(), 1000u);
    EXPECT_EQ(plan.last_tick, At("2026-01-31T15:00:00Z"));
    EXPECT_EQ(plan.truncated, catchup == Catchup::kAll ? 100'000 + 994 : 0);
    EXPECT_TRUE(
        std::is_sorted(plan.decisions.begin(), plan.decisions.end(),
                       [](const auto& a, const auto& b) { return a.slot.tick < b.slot.tick; }));
  }
}

TEST(GraceTest, SixtySecondsAreOnTime) {
  ScheduleSpec spec = Daily();
  spec.catchup = Catchup::kNone;
  const TimetablePtr timetable = Make(spec);
  const Instant tick = At("2026-02-01");
  const SlotCursor cursor{tick - days{1}, At("2026-01-01")};
  const Instant enabled = At("2026-01-02");
  EXPECT_EQ(Created(DecideSlots(*timetable, cursor, enabled, tick + seconds{60})).size(), 1u);
  EXPECT_EQ(Skipped(DecideSlots(*timetable, cursor, enabled, tick + seconds{60} + microseconds{1})),
            (Reasons{{"catchup_none", 1}}));
  // Due before the DAG was able to run: missed, however short ago.
  EXPECT_EQ(Skipped(DecideSlots(*timetable, cursor, tick + seconds{1}, tick + seconds{2})),
            (Reasons{{"catchup_none", 1}}));
}

TEST(GraceTest, MissedAndOnTimeTogether) {
  const Instant tick = At("2026-02-05");
  const SlotCursor cursor{tick - days{3}, At("2026-01-01")};
  const SlotPlan plan = DecideSlots(*Make(Daily()), cursor, At("2026-01-02"), tick + seconds{5});
  EXPECT_EQ(Created(plan), (Dates{"2026-02-03", "2026-02-04"}));
  EXPECT_EQ(Skipped(plan), (Reasons{{"catchup_latest", 1}}));
}

TEST(JitterTest, WaitsForItsOffset) {
  ScheduleSpec spec = Daily();
  spec.jitter = minutes{30};
  const TimetablePtr timetable = Make(spec);
  const Instant tick = At("2026-02-05");
  const Slot slot = *timetable->PrevSlot(tick);
  ASSERT_GT(slot.run_after, tick);
  const SlotCursor cursor{tick - days{1}, At("2026-01-01")};
  SlotPlan plan =
      DecideSlots(*timetable, cursor, At("2026-01-02"), slot.run_after - microseconds{1});
  EXPECT_TRUE(plan.decisions.empty());
  EXPECT_EQ(plan.wake_at, slot.run_after);
  EXPECT_EQ(plan.last_tick, cursor.last_tick);
  plan = DecideSlots(*timetable, cursor, At("2026-01-02"), slot.run_after);
  EXPECT_EQ(Created(plan), Dates{"2026-02-04"});
}

TEST(FirstSlotTest, WithoutStartDateItIsTheIntervalInProgress) {
  ScheduleSpec spec = Daily();
  spec.start_date.clear();
  const Instant accepted = At("2026-01-31T15:00:00Z");
  SlotPlan plan = DecideSlots(*Make(spec), {std::nullopt, accepted}, accepted, accepted);
  EXPECT_TRUE(plan.decisions.empty());
  EXPECT_EQ(plan.last_tick, std::nullopt);
  EXPECT_EQ(plan.wake_at, At("2026-02-01"));
  plan = DecideSlots(*Make(spec), {std::nullopt, accepted}, accepted, At("2026-02-01"));
  EXPECT_EQ(Created(plan), Dates{"2026-01-31"});

  spec.run_immediately = true;
  spec.catchup = Catchup::kNone;
  plan = DecideSlots(*Make(spec), {std::nullopt, accepted}, accepted, accepted);
  EXPECT_EQ(Created(plan), Dates{"2026-01-30"});
  // Only once, and not again after a restart.
  plan = DecideSlots(*Make(spec), {plan.last_tick, accepted}, accepted, accepted);
  EXPECT_TRUE(plan.decisions.empty());
}

TEST(FirstSlotTest, OnceRunsOnce) {
  ScheduleSpec spec;
  spec.once = true;
  const Instant accepted = At("2026-01-31T15:00:00Z");
  SlotPlan plan =
      DecideSlots(*Make(spec), {std::nullopt, accepted}, accepted + days{1}, accepted + days{1});
  ASSERT_EQ(plan.decisions.size(), 1u);
  EXPECT_TRUE(plan.decisions[0].create);
  EXPECT_EQ(plan.decisions[0].slot.interval, (DataInterval{accepted, accepted}));
  EXPECT_EQ(plan.last_tick, accepted);
  plan = DecideSlots(*Make(spec), {plan.last_tick, accepted}, accepted, accepted + days{2});
  EXPECT_TRUE(plan.decisions.empty());
  EXPECT_EQ(plan.wake_at, std::nullopt);

  spec.start_date = "2026-02-10";
  plan = DecideSlots(*Make(spec), {std::nullopt, accepted}, accepted, accepted);
  EXPECT_EQ(plan.wake_at, At("2026-02-10"));
  plan = DecideSlots(*Make(spec), {std::nullopt, accepted}, accepted, At("2026-02-10"));
  EXPECT_EQ(Created(plan), Dates{"2026-02-10"});
}

TEST(ChangeTest, ANewScheduleLeavesNoHole) {
  // Hourly until 10:00, daily from then on: one interval overlaps, nothing is left out.
  ScheduleSpec spec = Daily();
  const Instant now = At("2026-02-05T10:20:00Z");
  const SlotCursor cursor{At("2026-02-05T10:00:00Z"), At("2026-01-01")};
  const SlotPlan plan = DecideSlots(*Make(spec), cursor, now, now);
  EXPECT_TRUE(plan.decisions.empty());
  const SlotPlan next = DecideSlots(*Make(spec), cursor, now, *plan.wake_at);
  ASSERT_EQ(next.decisions.size(), 1u);
  EXPECT_LE(next.decisions[0].slot.interval.start, *cursor.last_tick);
  EXPECT_GT(next.decisions[0].slot.interval.end, *cursor.last_tick);
}

// A daemon that stops, pauses and sees its clock set, over two years.
TEST(SlotSimulationTest, EverySlotIsDecidedExactlyOnce) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    Rng rng(seed);
    ScheduleSpec spec = Daily();
    const std::vector<std::string> crons = {"@daily", "30 2 * * *", "0 */6 * * *",
                                            "15 1-3 * * 1-5"};
    spec.crons = {crons[rng.Below(crons.size())]};
    spec.timezone = rng.Chance(1, 2) ? "Europe/Madrid" : "America/Havana";
    spec.catchup = static_cast<Catchup>(rng.Below(3));
    spec.interval = rng.Chance(1, 2) ? IntervalKind::kPeriod : IntervalKind::kNone;
    spec.jitter = minutes{rng.Below(40)};
    if (rng.Chance(1, 3)) spec.end_date = "2027-06-01";
    const TimetablePtr timetable = Make(spec);

    Instant now = At("2026-01-20");
    Instant enabled = now;
    const Instant end = now + days{730};
    SlotCursor cursor{std::nullopt, now};
    std::vector<Slot> decided;
    std::set<Instant> created;
    while (now < end) {
      const SlotPlan plan = DecideSlots(*timetable, cursor, enabled, now);
      for (const SlotDecision& d : plan.decisions) {
        ASSERT_LE(d.slot.run_after, now);
        ASSERT_TRUE(decided.empty() || decided.back().tick < d.slot.tick) << seed;
        decided.push_back(d.slot);
        if (d.create) created.insert(d.slot.tick);
        const bool on_time =
            d.slot.run_after >= enabled && now - d.slot.run_after <= limits::kMisfireGrace;
        if (on_time || spec.catchup == Catchup::kAll) {
          ASSERT_TRUE(d.create) << seed;
        }
      }
      if (spec.catchup == Catchup::kLatest && !plan.decisions.empty()) {
        ASSERT_TRUE(plan.decisions.back().create) << seed;
      }
      cursor.last_tick = plan.last_tick;
      // Asked again at once, nothing is left to decide.
      ASSERT_TRUE(DecideSlots(*timetable, cursor, enabled, now).decisions.empty());
      if (!plan.wake_at) break;
      const std::uint64_t fate = rng.Below(20);
      if (fate == 0) {  // down or paused for a while
        now = std::max(now, *plan.wake_at) + hours{rng.Below(24 * 20)};
        enabled = now;
      } else if (fate == 1) {  // the clock jumps ahead
        now = *plan.wake_at + hours{rng.Below(24 * 5)};
      } else if (fate == 2) {  // the clock is set back, then runs on
        const SlotPlan back = DecideSlots(*timetable, cursor, enabled, now - days{3});
        ASSERT_TRUE(back.decisions.empty()) << seed;
        now = std::max(now, *plan.wake_at);
      } else {
        now = std::max(now, *plan.wake_at) + microseconds{rng.Below(50'000'000)};
      }
    }
    // The decided slots are all slots, in order, without a hole.
    std::optional<Slot> expected = timetable->NextSlot(Instant::min());
    for (const Slot& slot : decided) {
      ASSERT_EQ(expected, slot) << seed;
      expected = timetable->NextSlot(slot.tick);
    }
    ASSERT_GT(created.size(), 50u) << seed;
  }
}

}  // namespace
}  // namespace nightmill
