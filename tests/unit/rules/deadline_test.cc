// SLA: due and warn instants by semantics.md 9, the state table, and the spellings of a deadline.
#include "core/rules/deadline.h"

#include <gtest/gtest.h>

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace nightmill {
namespace {

using namespace std::chrono_literals;

Instant At(const std::string& text) {
  const Result<Instant> instant = ParseInstant(text);
  EXPECT_TRUE(instant.ok()) << text;
  return instant.ok() ? *instant : Instant{};
}

SlaSpec Deadline(const std::string& text, const std::string& zone) {
  SlaSpec spec;
  spec.name = "x";
  spec.deadline = text;
  spec.cron = *ParseDeadline(text);
  spec.zone = *TimeZone::Find(zone);
  return spec;
}

SlaSpec Lasting(SlaKind kind, Duration length) {
  SlaSpec spec;
  spec.kind = kind;
  spec.length = length;
  return spec;
}

SlaFacts Slot(const std::string& planned) {
  SlaFacts facts;
  facts.planned = At(planned);
  facts.interval_end = At(planned);
  return facts;
}

TEST(SlaTiming, TheExamplesOfTheRule) {
  struct Case {
    std::string start, deadline, zone, warn, due;
  };
  const std::vector<Case> cases = {
      {"2026-03-16T06:00:00Z", "08:00", "UTC", "2026-03-16T07:36:00Z", "2026-03-16T08:00:00Z"},
      // The night of the change has 90 minutes between 01:30+01 and 04:00+02.
      {"2026-03-29T01:30:00+01:00", "04:00", "Europe/Madrid", "2026-03-29T03:42:00+02:00",
       "2026-03-29T04:00:00+02:00"},
      // 02:30 does not exist: the first instant after the gap.
      {"2026-03-29T01:30:00+01:00", "02:30", "Europe/Madrid", "2026-03-29T01:54:00+01:00",
       "2026-03-29T03:00:00+02:00"},
      // 02:30 is there twice: the first one.
      {"2026-10-25T01:30:00+02:00", "02:30", "Europe/Madrid", "2026-10-25T02:18:00+02:00",
       "2026-10-25T02:30:00+02:00"},
      // Strictly after the interval end.
      {"2026-03-16T08:00:00Z", "08:00", "UTC", "2026-03-17T03:12:00Z", "2026-03-17T08:00:00Z"},
      {"2026-03-16T06:00:00Z", ":45", "UTC", "2026-03-16T06:36:00Z", "2026-03-16T06:45:00Z"},
      {"2026-03-17T06:00:00Z", "MON 06:00", "UTC", "2026-03-22T01:12:00Z", "2026-03-23T06:00:00Z"},
      {"2026-03-16T06:00:00Z", "0 8 1 * *", "UTC", "2026-03-29T02:48:00Z", "2026-04-01T08:00:00Z"},
  };
  for (const Case& c : cases) {
    const auto timing = TimeSla(Deadline(c.deadline, c.zone), Slot(c.start));
    ASSERT_TRUE(timing.has_value()) << c.deadline;
    EXPECT_EQ(timing->reference, At(c.start));
    EXPECT_EQ(FormatInstant(timing->due), FormatInstant(At(c.due))) << c.deadline << " " << c.zone;
    EXPECT_EQ(FormatInstant(timing->warn), FormatInstant(At(c.warn))) << c.deadline << c.zone;
  }
}

TEST(SlaTiming, CountsFromWhatTheEntrySays) {
  SlaFacts facts;
  facts.planned = At("2026-03-16T06:00:00Z");
  facts.logical = At("2026-03-15T06:00:00Z");
  facts.interval_end = At("2026-03-16T06:00:00Z");
  facts.queued = At("2026-03-16T06:00:07Z");
  facts.started = At("2026-03-16T06:10:00Z");
  facts.landed = At("2026-03-15T06:20:00Z");
  const std::vector<std::pair<SlaFrom, Instant>> froms = {{SlaFrom::kLogical, *facts.logical},
                                                          {SlaFrom::kIntervalEnd, *facts.planned},
                                                          {SlaFrom::kQueued, *facts.queued},
                                                          {SlaFrom::kStart, *facts.started}};
  for (const auto& [from, reference] : froms) {
    SlaSpec spec = Lasting(SlaKind::kWithin, 1h);
    spec.from = from;
    const SlaTiming expected{reference, reference + 48min, reference + 1h};
    EXPECT_EQ(TimeSla(spec, facts), expected) << ToString(from);
    EXPECT_EQ(TimeSla(spec, {}), std::nullopt);
  }
  const SlaTiming lasting{*facts.started, *facts.started + 36min, *facts.started + 45min};
  EXPECT_EQ(TimeSla(Lasting(SlaKind::kDuration, 45min), facts), lasting);
  const SlaTiming stale{*facts.landed, *facts.landed + 20h + 48min, *facts.landed + 26h};
  EXPECT_EQ(TimeSla(Lasting(SlaKind::kStaleAfter, 26h), facts), stale);
}

TEST(SlaTiming, AnAverageNeedsEnoughRuns) {
  SlaSpec spec = Lasting(SlaKind::kDuration, 0s);
  spec.average = AverageOf{10, 1.5, 5};
  SlaFacts facts;
  facts.started = At("2026-03-16T06:00:00Z");
  EXPECT_EQ(TimeSla(spec, facts), std::nullopt);
  facts.average = 20min;
  const SlaTiming expected{*facts.started, *facts.started + 24min, *facts.started + 30min};
  EXPECT_EQ(TimeSla(spec, facts), expected);
}

TEST(SlaTiming, WarnAtBothEnds) {
  const Instant from = At("2026-03-16T06:00:00Z");
  EXPECT_EQ(WarnInstant(from, from + 2h, 0.0), from);
  EXPECT_EQ(WarnInstant(from, from + 2h, 1.0), from + 2h);
  EXPECT_EQ(WarnInstant(from, from + 2h, 0.8), from + 96min);
  EXPECT_EQ(WarnInstant(from, from, 0.8), from);
}

TEST(SlaDeadline, Spellings) {
  const std::vector<std::pair<std::string, std::string>> good = {
      {"08:00", "0 8 * * *"},         {"8:05", "5 8 * * *"},      {"23:59", "59 23 * * *"},
      {":45", "45 * * * *"},          {":00", "0 * * * *"},       {"MON 06:00", "0 6 * * MON"},
      {"fri 6:00", "0 6 * * fri"},
      {"0 8 * * 1", "0 8 * * 1"},
      {"MON-FRI 18:30", "30 18 * * MON-FRI"},
  };
  const Instant from = At("2026-03-16T06:00:00Z");
  for (const auto& [text, cron] : good) {
    const auto parsed = ParseDeadline(text);
    ASSERT_TRUE(parsed.ok()) << text;
    Instant a = from;
    Instant b = from;
    for (int i = 0; i < 10; ++i) {
      a = *parsed->Next(a, TimeZone::Utc());
      b = *CronExpr::Parse(cron)->Next(b, TimeZone::Utc());
      EXPECT_EQ(a, b) << text;
    }
  }
  for (const char* bad : {"", "8", "24:00", "08:60", "08:0", "8:000", ":5", ":60", ":455", "x:00",
                          "MON", "MUN 06:00", "MON 25:00", "0 8 * *", "0 8 * * * *", "08:00 ",
                          " 08:00", "-1:00", "0 8 30 2 *"}) {
    EXPECT_FALSE(ParseDeadline(bad).ok()) << bad;
  }
}

TEST(SlaStates, TableAndNextAgreeOnEveryPair) {
  std::set<std::pair<SlaState, SlaTrigger>> listed;
  for (const SlaTransition& t : SlaTransitions()) {
    EXPECT_TRUE(listed.emplace(t.from, t.trigger).second);
    EXPECT_EQ(Next(t.from, t.trigger), t.to);
  }
  std::size_t legal = 0;
  for (int s = 0; s < kSlaStateCount; ++s) {
    for (int t = 0; t < kSlaTriggerCount; ++t) {
      legal += Next(static_cast<SlaState>(s), static_cast<SlaTrigger>(t)).has_value() ? 1u : 0u;
    }
  }
  EXPECT_EQ(legal, listed.size());
}

// Each arrow at most once: no way leads back, and whatever was sent is resolved by landing.
TEST(SlaStates, OnlyForward) {
  const auto rank = [](SlaState state) {
    return IsFinished(state) ? 3 : static_cast<int>(state);
  };
  for (const SlaTransition& t : SlaTransitions()) {
    EXPECT_FALSE(IsFinished(t.from));
    EXPECT_LT(rank(t.from), rank(t.to)) << ToString(t.from) << " " << ToString(t.trigger);
    const bool landed = t.trigger == SlaTrigger::kLanded;
    EXPECT_EQ(landed, t.to == SlaState::kMet || t.to == SlaState::kResolved);
    EXPECT_EQ(t.to == SlaState::kMet, landed && t.from == SlaState::kArmed);
  }
  for (const SlaState from : {SlaState::kArmed, SlaState::kWarned, SlaState::kMissed}) {
    EXPECT_TRUE(Next(from, SlaTrigger::kLanded).has_value());
  }
}

TEST(SlaStates, WhatIsSent) {
  EXPECT_EQ(SentWith(SlaState::kWarned), AlertType::kSlaWarning);
  EXPECT_EQ(SentWith(SlaState::kMissed), AlertType::kSlaMissed);
  EXPECT_EQ(SentWith(SlaState::kResolved), AlertType::kSlaResolved);
  for (const SlaState quiet : {SlaState::kArmed, SlaState::kMet, SlaState::kNotApplicable}) {
    EXPECT_EQ(SentWith(quiet), std::nullopt);
  }
}

}  // namespace
}  // namespace nightmill
