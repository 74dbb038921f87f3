// The table of tries: when the next one comes, and when there is none.
#include "scheduler/daemon/alerts/retry.h"

#include <gtest/gtest.h>

#include <chrono>
#include <vector>

namespace nightmill {
namespace {

using namespace std::chrono_literals;
using Type = Notifier::Type;

const Instant kAlert = InstantFromMicros(1'700'000'000'000'000);

DeliveryRow Fresh(std::int64_t alert = 7) {
  DeliveryRow row;
  row.alert = AlertId(alert);
  row.notifier = "hook";
  row.next_at = kAlert;
  return row;
}

// Tries a delivery that always fails, each time when it is due; the delays between tries.
std::vector<Duration> Delays(Type type, const TryResult& result, std::int64_t alert = 7) {
  std::vector<Duration> delays;
  DeliveryRow row = Fresh(alert);
  while (row.state == DeliveryState::kPending) {
    const Instant at = row.next_at;
    row = AfterTry(row, kAlert, type, result, at);
    if (row.state == DeliveryState::kPending) {
      delays.push_back(std::chrono::floor<Duration>(row.next_at - at));
    }
    CHECK(delays.size() < 20);
  }
  EXPECT_EQ(row.state, DeliveryState::kDead);
  EXPECT_EQ(row.ended_at, row.last_at);
  return delays;
}

TEST(Retry, TenTriesWithin72Hours) {
  const std::vector<Duration> table{5s, 5min, 30min, 2h, 5h, 10h, 14h, 20h};
  for (std::int64_t alert = 1; alert <= 200; ++alert) {
    const std::vector<Duration> delays = Delays(Type::kWebhook, NoAnswer("no"), alert);
    ASSERT_EQ(delays.size(), 9u);
    Duration sum{0};
    for (std::size_t i = 0; i < table.size(); ++i) {
      EXPECT_GE(delays[i], table[i] * 9 / 10);
      EXPECT_LE(delays[i], table[i] * 11 / 10);
      sum += delays[i];
    }
    EXPECT_EQ(sum + delays[8], Duration{72h});
  }
}

TEST(Retry, DeliveriesAreSpreadAndEachIsTheSameAgain) {
  EXPECT_NE(Delays(Type::kWebhook, NoAnswer("no"), 1), Delays(Type::kWebhook, NoAnswer("no"), 2));
  EXPECT_EQ(Delays(Type::kWebhook, NoAnswer("no"), 1), Delays(Type::kWebhook, NoAnswer("no"), 1));
}

TEST(Retry, NewsForPeopleIsStaleAfterSixHours) {
  for (const Type type : {Type::kSlack, Type::kPagerduty}) {
    const std::vector<Duration> delays = Delays(type, NoAnswer("no"));
    Duration sum{0};
    for (const Duration delay : delays) sum += delay;
    EXPECT_EQ(delays.size(), 5u);
    EXPECT_EQ(sum, Duration{6h});
  }
  EXPECT_EQ(Delays(Type::kCommand, NoAnswer("no")).size(), 9u);
}

TEST(Retry, WhatWasNeverTriedIsTriedOnceHoweverLate) {
  const DeliveryRow late = AfterTry(Fresh(), kAlert, Type::kWebhook, NoAnswer("no"), kAlert + 100h);
  EXPECT_EQ(late.state, DeliveryState::kDead);
  EXPECT_EQ(late.tries, 1);
  EXPECT_EQ(late.last_error, "no");
}

TEST(Retry, Only2xxIsADelivery) {
  for (int status = 100; status < 600; ++status) {
    const TryResult result = JudgeAnswer(Type::kWebhook, status, "", kAlert);
    EXPECT_EQ(result.delivered, status >= 200 && status < 300) << status;
    EXPECT_EQ(result.gone, status == 410);
    EXPECT_EQ(result.final, status == 410);
    EXPECT_EQ(result.slow, status == 429 || status == 502 || status == 504);
    EXPECT_EQ(result.error.empty(), result.delivered);
    const DeliveryRow row = AfterTry(Fresh(), kAlert, Type::kWebhook, result, kAlert);
    EXPECT_EQ(row.last_status, status);
    EXPECT_EQ(row.state, result.delivered ? DeliveryState::kDelivered
                         : result.final   ? DeliveryState::kDead
                                          : DeliveryState::kPending);
  }
  EXPECT_TRUE(JudgeAnswer(Type::kPagerduty, 400, "", kAlert).final);
}

TEST(Retry, RetryAfterIsObeyedUpToAnHour) {
  const auto wait = [](std::string_view header) {
    const TryResult result = JudgeAnswer(Type::kWebhook, 429, header, kAlert);
    const DeliveryRow row = AfterTry(Fresh(), kAlert, Type::kWebhook, result, kAlert);
    return std::chrono::floor<Duration>(row.next_at - kAlert);
  };
  EXPECT_EQ(wait("120"), Duration{2min});
  EXPECT_EQ(wait("3600"), Duration{1h});
  EXPECT_EQ(wait("86400"), Duration{1h});
  EXPECT_EQ(wait("99999999999999999999999"), Duration{1h});
  for (const std::string_view less : {"0", "1", "", "soon", "-5", "1.5", "12x"}) {
    EXPECT_LT(wait(less), Duration{6s}) << less;
  }
}

TEST(Retry, RetryAfterAsADate) {
  const Instant now = *ParseInstant("1994-11-06T08:49:00Z");
  EXPECT_EQ(ParseRetryAfter("Sun, 06 Nov 1994 08:49:37 GMT", now), Duration{37s});
  EXPECT_EQ(ParseRetryAfter("Sun, 06 Nov 1994 08:00:00 GMT", now), Duration{0});
  EXPECT_EQ(ParseRetryAfter("Mon, 07 Nov 1994 08:49:37 GMT", now), Duration{1h});
  for (const std::string_view bad :
       {"Sun, 06 Nox 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 31 Feb 1994 08:49:37 GMT"}) {
    EXPECT_FALSE(ParseRetryAfter(bad, now).has_value()) << bad;
  }
}

TEST(Retry, ByHandAgainIsOneMoreTry) {
  DeliveryRow row = Fresh();
  row.tries = 10;
  row = AfterTry(row, kAlert, Type::kWebhook, NoAnswer("no"), kAlert + 100h);
  EXPECT_EQ(row.state, DeliveryState::kDead);
  row.state = DeliveryState::kPending;
  row = AfterTry(row, kAlert, Type::kWebhook, JudgeAnswer(Type::kWebhook, 204, "", kAlert),
                 kAlert + 101h);
  EXPECT_EQ(row.state, DeliveryState::kDelivered);
  EXPECT_EQ(row.tries, 12);
  EXPECT_EQ(row.last_error, "");
}

TEST(Retry, PausesGrowAndEnd) {
  EXPECT_EQ(PauseAfter(1, {}), Duration{5s});
  EXPECT_EQ(PauseAfter(2, {}), Duration{10s});
  EXPECT_EQ(PauseAfter(7, {}), Duration{5min});
  EXPECT_EQ(PauseAfter(1'000'000, {}), Duration{5min});
  EXPECT_EQ(PauseAfter(1, Duration{1h}), Duration{1h});
  EXPECT_EQ(PauseAfter(7, Duration{1s}), Duration{5min});
}

}  // namespace
}  // namespace nightmill
