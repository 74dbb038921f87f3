// Alerts that the daemon raises itself, and deliveries that somebody wants again.
#include <gtest/gtest.h>

#include "tests/support/engine_harness.h"

namespace nightmill {
namespace {

event::PostAlert Sample(std::vector<std::string> notifiers) {
  event::PostAlert post;
  post.alert.type = AlertType::kTest;
  post.alert.data = R"({"test":true})";
  post.notifiers = std::move(notifiers);
  return post;
}

AlertReply ReplyOf(const Result<command::ReplyBody>& reply) {
  CHECK(reply.ok());
  return std::get<AlertReply>(*reply);
}

TEST(Outbox, AnAlertGetsTheNextIdAndADeliveryForEachNotifier) {
  EngineHarness h;
  const AlertReply first = ReplyOf(h.Ask(Sample({"a", "b"})));
  EXPECT_EQ(first.alert.alert, AlertId(1));
  EXPECT_EQ(first.alert.at, h.now);
  ASSERT_EQ(first.deliveries.size(), 2u);
  const DeliveryRow& row = h.db.deliveries.at({AlertId(1), "b"});
  EXPECT_EQ(row.state, DeliveryState::kPending);
  EXPECT_EQ(row.next_at, h.now);
  EXPECT_EQ(row.tries, 0);
  EXPECT_EQ(ReplyOf(h.Ask(Sample({}))).alert.alert, AlertId(2));
  EXPECT_EQ(h.db.alerts.at(1).data, R"({"test":true})");
}

TEST(Outbox, IdsGoOnAfterARestart) {
  EngineHarness h;
  EXPECT_EQ(ReplyOf(h.Ask(Sample({"a"}))).alert.alert, AlertId(1));
  h.Restart();
  EXPECT_EQ(ReplyOf(h.Ask(Sample({"a"}))).alert.alert, AlertId(2));
}

TEST(Outbox, ADeliveryAskedForAgainIsDueNowAndKeepsItsTries) {
  EngineHarness h;
  const AlertReply raised = ReplyOf(h.Ask(Sample({"a"})));
  event::Redeliver again{{}, raised.alert, raised.deliveries.at(0)};
  again.delivery.state = DeliveryState::kDead;
  again.delivery.tries = 10;
  again.delivery.ended_at = h.now;
  h.now += Duration{5'000};
  EXPECT_EQ(ReplyOf(h.Ask(again)).deliveries.at(0).tries, 10);
  const DeliveryRow& row = h.db.deliveries.at({AlertId(1), "a"});
  EXPECT_EQ(row.state, DeliveryState::kPending);
  EXPECT_EQ(row.next_at, h.now);
  EXPECT_FALSE(row.ended_at.has_value());
  EXPECT_EQ(h.db.alerts.size(), 1u);
}

}  // namespace
}  // namespace nightmill
