// What may be started for a notifier: places, pauses, groups, silences, resolves.
#include "scheduler/daemon/alerts/plan.h"

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <vector>

namespace nightmill {
namespace {

using namespace std::chrono_literals;
using Type = Notifier::Type;

const Instant kNow = InstantFromMicros(1'700'000'000'000'000);
constexpr int kPlenty = 16;

Notifier Of(Type type, Duration window = Duration{0}) {
  Notifier notifier;
  notifier.rule.name = "n";
  notifier.type = type;
  notifier.group_window = window;
  return notifier;
}

DeliveryView Due(std::int64_t alert, AlertType type = AlertType::kRunFailed) {
  DeliveryView view;
  view.alert.alert = AlertId(alert);
  view.alert.at = kNow;
  view.alert.type = type;
  view.alert.dag_id = "d";
  view.alert.dedup_key = "run:d:1";
  view.delivery.alert = AlertId(alert);
  view.delivery.notifier = "n";
  view.delivery.next_at = kNow;
  return view;
}

std::vector<DeliveryView> Many(int count) {
  std::vector<DeliveryView> rows;
  for (int i = 1; i <= count; ++i) rows.push_back(Due(i));
  return rows;
}

class PlanTest : public testing::Test {
 protected:
  Plan Make(const Notifier& notifier, const std::vector<DeliveryView>& rows, int places = kPlenty,
            Instant now = kNow) {
    return PlanFor(
        notifier, channel_, config_, rows, [this](const AlertRow&) { return earlier_; }, places,
        now);
  }

  Channel channel_;
  AlertConfig config_;
  std::vector<DeliveryView> earlier_;
};

TEST_F(PlanTest, FourInFlightAndNoMoreThanThereArePlaces) {
  const Notifier hook = Of(Type::kWebhook);
  EXPECT_EQ(Make(hook, Many(9)).jobs.size(), 4u);
  EXPECT_EQ(Make(hook, Many(9), 2).jobs.size(), 2u);
  EXPECT_EQ(Make(hook, Many(9), 0).jobs.size(), 0u);
  channel_.jobs = 3;
  EXPECT_EQ(Make(hook, Many(9)).jobs.size(), 1u);
  channel_.jobs = 4;
  EXPECT_EQ(Make(hook, Many(9)).jobs.size(), 0u);
  EXPECT_FALSE(Make(hook, Many(9)).look_again.has_value());  // the end of one of them will tell
}

TEST_F(PlanTest, OneInFlightForANotifierInTroubleAndForSlack) {
  EXPECT_EQ(Make(Of(Type::kSlack), Many(9)).jobs.size(), 1u);
  channel_.failing = true;
  EXPECT_EQ(Make(Of(Type::kWebhook), Many(9)).jobs.size(), 1u);
  channel_.jobs = 1;
  EXPECT_EQ(Make(Of(Type::kWebhook), Many(9)).jobs.size(), 0u);
}

TEST_F(PlanTest, WhatIsInFlightIsNotStartedTwice) {
  channel_.flying = {AlertId(1), AlertId(3)};
  channel_.jobs = 2;
  const Plan plan = Make(Of(Type::kWebhook), Many(4));
  ASSERT_EQ(plan.jobs.size(), 2u);
  EXPECT_EQ(plan.jobs[0][0].alert.alert, AlertId(2));
  EXPECT_EQ(plan.jobs[1][0].alert.alert, AlertId(4));
}

TEST_F(PlanTest, LooksAgainWhenTheNextIsDue) {
  std::vector<DeliveryView> rows = Many(3);
  rows[1].delivery.next_at = kNow + 5s;
  rows[2].delivery.next_at = kNow + 9s;
  const Plan plan = Make(Of(Type::kWebhook), rows);
  EXPECT_EQ(plan.jobs.size(), 1u);
  EXPECT_EQ(plan.look_again, kNow + 5s);
  EXPECT_FALSE(Make(Of(Type::kWebhook), {}).look_again.has_value());
}

TEST_F(PlanTest, AQuietNotifierIsLeftAlone) {
  channel_.quiet_until = kNow + 7s;
  const Plan plan = Make(Of(Type::kWebhook), Many(3));
  EXPECT_TRUE(plan.jobs.empty());
  EXPECT_EQ(plan.look_again, kNow + 7s);
  EXPECT_EQ(Make(Of(Type::kWebhook), Many(3), kPlenty, kNow + 7s).jobs.size(), 3u);
}

TEST_F(PlanTest, ADisabledNotifierGetsOnlySamples) {
  channel_.disabled_reason = "its receiver answered 410 Gone";
  const Plan plan = Make(Of(Type::kWebhook), {Due(1), Due(2, AlertType::kTest)});
  ASSERT_EQ(plan.settled.size(), 1u);
  EXPECT_EQ(plan.settled[0].alert, AlertId(1));
  EXPECT_EQ(plan.settled[0].state, DeliveryState::kDead);
  EXPECT_EQ(plan.settled[0].last_error, "its receiver answered 410 Gone");
  EXPECT_EQ(plan.settled[0].ended_at, kNow);
  ASSERT_EQ(plan.jobs.size(), 1u);
  EXPECT_EQ(plan.jobs[0][0].alert.alert, AlertId(2));
}

TEST_F(PlanTest, ASilenceStopsSendingNotRecording) {
  Silence silence;
  silence.dag_id = "d";
  silence.until = kNow + 1h;
  silence.reason = "move";
  config_.silences = {silence};
  const Plan plan = Make(Of(Type::kWebhook), {Due(1), Due(2, AlertType::kTest)});
  ASSERT_EQ(plan.settled.size(), 1u);
  EXPECT_EQ(plan.settled[0].state, DeliveryState::kSilenced);
  EXPECT_TRUE(plan.settled[0].last_error.ends_with("Z: move")) << plan.settled[0].last_error;
  EXPECT_EQ(plan.jobs.size(), 1u);
  EXPECT_EQ(Make(Of(Type::kWebhook), {Due(1)}, kPlenty, kNow + 1h).jobs.size(), 1u);
}

DeliveryView Trigger(DeliveryState state) {
  DeliveryView view = Due(1);
  view.delivery.state = state;
  return view;
}

TEST_F(PlanTest, AResolveGoesOnlyAfterItsTrigger) {
  const std::vector<DeliveryView> resolve{Due(5, AlertType::kSlaResolved)};
  for (const Type type : {Type::kSlack, Type::kPagerduty}) {
    earlier_ = {Trigger(DeliveryState::kDelivered)};
    EXPECT_EQ(Make(Of(type), resolve).jobs.size(), 1u);
    for (const DeliveryState never :
         {DeliveryState::kDead, DeliveryState::kDropped, DeliveryState::kSilenced}) {
      earlier_ = {Trigger(never)};
      const Plan plan = Make(Of(type), resolve);
      ASSERT_EQ(plan.settled.size(), 1u);
      EXPECT_EQ(plan.settled[0].state, DeliveryState::kDropped);
    }
    // One of several that left is enough.
    earlier_ = {Trigger(DeliveryState::kDead), Trigger(DeliveryState::kDelivered)};
    EXPECT_EQ(Make(Of(type), resolve).jobs.size(), 1u);
    earlier_ = {Trigger(DeliveryState::kDelivered), Trigger(DeliveryState::kPending)};
    earlier_[1].delivery.next_at = kNow + 5min;
    const Plan waits = Make(Of(type), resolve);
    EXPECT_TRUE(waits.jobs.empty());
    ASSERT_EQ(waits.settled.size(), 1u);
    EXPECT_EQ(waits.settled[0].state, DeliveryState::kPending);
    EXPECT_GT(waits.settled[0].next_at, kNow + 5min);
    EXPECT_EQ(waits.settled[0].tries, 0);
  }
}

TEST_F(PlanTest, AResolveOfNothing) {
  const std::vector<DeliveryView> resolve{Due(5, AlertType::kRunSuccess)};
  earlier_ = {};
  EXPECT_EQ(Make(Of(Type::kPagerduty), resolve).settled.at(0).state, DeliveryState::kDropped);
  EXPECT_EQ(Make(Of(Type::kSlack), resolve).jobs.size(), 1u);
  earlier_ = {Due(2, AlertType::kRunSuccess)};  // an earlier resolve is no trigger
  EXPECT_EQ(Make(Of(Type::kPagerduty), resolve).settled.at(0).state, DeliveryState::kDropped);
}

TEST_F(PlanTest, WebhooksAndCommandsWaitForNothing) {
  earlier_ = {Trigger(DeliveryState::kPending)};
  for (const Type type : {Type::kWebhook, Type::kCommand}) {
    EXPECT_EQ(Make(Of(type), {Due(5, AlertType::kSlaResolved)}).jobs.size(), 1u);
  }
}

TEST_F(PlanTest, WhatComesWithinAWindowIsOneMessage) {
  const Notifier slack = Of(Type::kSlack, Duration{30s});
  const Plan waits = Make(slack, Many(12), kPlenty, kNow + 29s);
  EXPECT_TRUE(waits.jobs.empty());
  EXPECT_EQ(waits.look_again, kNow + 30s);
  const Plan sends = Make(slack, Many(12), kPlenty, kNow + 30s);
  ASSERT_EQ(sends.jobs.size(), 1u);
  ASSERT_EQ(sends.jobs[0].size(), 12u);
  EXPECT_EQ(sends.jobs[0][0].alert.alert, AlertId(1));
  EXPECT_TRUE(Make(slack, Many(12), 0, kNow + 30s).jobs.empty());
}

TEST_F(PlanTest, SamplesAndLaterTriesDoNotWaitForTheWindow) {
  const Notifier slack = Of(Type::kSlack, Duration{30s});
  EXPECT_EQ(Make(slack, {Due(1, AlertType::kTest)}).jobs.size(), 1u);
  std::vector<DeliveryView> rows = Many(2);
  rows[0].delivery.tries = 1;
  EXPECT_EQ(Make(slack, rows).jobs.at(0).size(), 2u);
}

TEST_F(PlanTest, ManySettledRowsDoNotHideTheRest) {
  Silence silence;
  silence.dag_id = "other";
  silence.until = kNow + 1h;
  config_.silences = {silence};
  std::vector<DeliveryView> rows = Many(40);
  for (std::size_t i = 0; i < 38; ++i) rows[i].alert.dag_id = "other";
  const Plan plan = Make(Of(Type::kWebhook), rows);
  EXPECT_EQ(plan.settled.size(), 38u);
  EXPECT_EQ(plan.jobs.size(), 2u);
}

}  // namespace
}  // namespace nightmill
