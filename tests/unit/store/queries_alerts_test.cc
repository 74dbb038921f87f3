// Alerts, deliveries and SLA rows on real files: every field comes back, the outbox is in order, a
// page follows the other without gap.
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "tests/unit/store/support.h"

namespace nightmill {
namespace {

class AlertQueriesTest : public testing::Test {
 protected:
  void Write(const std::vector<Change>& changes) { ASSERT_OK(store_.Commit(changes)); }

  TempFolder folder_;
  const std::string path_ = folder_.File("nightmill.db");
  Store store_ = OpenStore(path_);
  Queries queries_ = OpenQueries(path_);
};

// Alert i for notifiers "a" and "b"; those of "a" are pending and due at 1000 - i.
std::vector<Change> Alerts(int count) {
  std::vector<Change> changes;
  for (int i = 1; i <= count; ++i) {
    AlertRow alert = FullAlert(i, i % 2 == 0 ? "even" : "odd");
    alert.type = i % 3 == 0 ? AlertType::kRunFailed : AlertType::kTest;
    alert.run = RunKey(i == 1 ? 5 : 0);
    alert.dedup_key = i % 2 == 0 ? "key" : "";
    changes.emplace_back(alert);
    DeliveryRow a = FullDelivery(i, "a", DeliveryState::kPending);
    a.next_at = At(1000 - i);
    a.last_error = "";
    changes.emplace_back(a);
    changes.emplace_back(FullDelivery(i, "b", static_cast<DeliveryState>(1 + i % 4)));
  }
  return changes;
}

TEST_F(AlertQueriesTest, EveryFieldComesBack) {
  Write({FullRun(3, "d", RunState::kFailed), FullAlert(1, "d"),
         FullDelivery(1, "n", DeliveryState::kDead)});
  const std::vector<DeliveryView> views = ValueOf(queries_.DeliveriesOf(AlertId(1)));
  ASSERT_EQ(views.size(), 1u);
  EXPECT_TRUE(Same(views[0].alert, FullAlert(1, "d")));
  EXPECT_TRUE(Same(views[0].delivery, FullDelivery(1, "n", DeliveryState::kDead)));
  EXPECT_EQ(views[0].run_id, "manual__3");
  EXPECT_TRUE(ValueOf(queries_.DeliveriesOf(AlertId(2))).empty());
}

TEST_F(AlertQueriesTest, AWordForEachTypeAndState) {
  std::vector<Change> changes;
  for (int i = 0; i < kAlertTypeCount; ++i) {
    AlertRow alert = FullAlert(i + 1, "d");
    alert.type = static_cast<AlertType>(i);
    changes.emplace_back(alert);
    changes.emplace_back(
        FullDelivery(i + 1, "n", static_cast<DeliveryState>(i % kDeliveryStateCount)));
  }
  Write(changes);
  for (int i = 0; i < kAlertTypeCount; ++i) {
    DeliveryFilter filter;
    filter.types = {static_cast<AlertType>(i)};
    filter.states = {static_cast<DeliveryState>(i % kDeliveryStateCount)};
    const Listing<DeliveryView> listing = ValueOf(queries_.Deliveries(filter));
    ASSERT_EQ(listing.total, 1) << i;
    EXPECT_EQ(listing.rows[0].alert.alert, AlertId(i + 1));
  }
}

TEST_F(AlertQueriesTest, AnAlertIsNeverChanged) {
  Write({FullAlert(1, "d")});
  EXPECT_FALSE(store_.Commit(std::vector<Change>{FullAlert(1, "e")}).ok());
}

TEST_F(AlertQueriesTest, DeliveriesAreFilteredAndNewestFirst) {
  Write(Alerts(20));
  DeliveryFilter filter;
  filter.notifier = "b";
  filter.dag_id = "even";
  filter.types = {AlertType::kRunFailed};
  const Listing<DeliveryView> listing = ValueOf(queries_.Deliveries(filter));
  EXPECT_EQ(listing.total, 3);
  ASSERT_EQ(listing.rows.size(), 3u);
  EXPECT_EQ(listing.rows[0].alert.alert, AlertId(18));
  EXPECT_EQ(listing.rows[2].alert.alert, AlertId(6));
}

TEST_F(AlertQueriesTest, PagesFollowEachOtherByPlace) {
  Write(Alerts(7));
  DeliveryFilter filter;
  filter.page.limit = 3;
  std::set<std::pair<std::int64_t, std::string>> seen;
  for (int page = 0; page < 6; ++page) {
    const Listing<DeliveryView> listing = ValueOf(queries_.Deliveries(filter));
    EXPECT_EQ(listing.total, 14);
    if (listing.rows.empty()) break;
    for (const DeliveryView& view : listing.rows) {
      EXPECT_TRUE(seen.emplace(view.alert.alert.value, view.delivery.notifier).second);
    }
    const DeliveryRow& last = listing.rows.back().delivery;
    filter.beyond = DeliveryFilter::Place{last.alert, last.notifier};
  }
  EXPECT_EQ(seen.size(), 14u);
}

TEST_F(AlertQueriesTest, TheOutboxIsByNotifierAndByDueTime) {
  EXPECT_TRUE(ValueOf(queries_.Outbox()).empty());
  Write(Alerts(5));
  const std::vector<OutboxLine> outbox = ValueOf(queries_.Outbox());
  ASSERT_EQ(outbox.size(), 1u);  // of "b" nothing is pending
  EXPECT_EQ(outbox[0].notifier, "a");
  EXPECT_EQ(outbox[0].next_at, At(995));
  const std::vector<DeliveryView> due = ValueOf(queries_.DueDeliveries("a", At(997), 10));
  ASSERT_EQ(due.size(), 3u);
  EXPECT_EQ(due[0].alert.alert, AlertId(5));
  EXPECT_EQ(due[2].alert.alert, AlertId(3));
  EXPECT_EQ(ValueOf(queries_.DueDeliveries("a", At(2000), 2)).size(), 2u);
}

TEST_F(AlertQueriesTest, ATriedDeliveryIsARowOfTheSender) {
  Write(Alerts(1));
  DeliveryRow row = ValueOf(queries_.DueDeliveries("a", At(2000), 1)).at(0).delivery;
  row.state = DeliveryState::kDelivered;
  row.ended_at = At(5000);
  ASSERT_OK(store_.Commit({}, std::vector<StoreRow>{row}));
  EXPECT_TRUE(ValueOf(queries_.Outbox()).empty());
  EXPECT_TRUE(Same(ValueOf(queries_.DeliveriesOf(AlertId(1))).at(0).delivery, row));
}

TEST_F(AlertQueriesTest, EarlierDeliveriesOfAKey) {
  Write(Alerts(8));
  AlertRow alert = FullAlert(8, "even");
  alert.dedup_key = "key";
  const std::vector<DeliveryView> earlier = ValueOf(queries_.EarlierDeliveries("b", alert));
  ASSERT_EQ(earlier.size(), 3u);
  EXPECT_EQ(earlier[0].alert.alert, AlertId(2));
  EXPECT_EQ(earlier[2].alert.alert, AlertId(6));
  alert.dedup_key = "";
  EXPECT_TRUE(ValueOf(queries_.EarlierDeliveries("b", alert)).empty());
  EXPECT_EQ(ValueOf(queries_.LastAlert("key"))->alert, AlertId(8));
  EXPECT_FALSE(ValueOf(queries_.LastAlert("")).has_value());
}

TEST_F(AlertQueriesTest, WhatBecameOfANotifier) {
  EXPECT_EQ(ValueOf(queries_.RecordOf("n")).pending, 0);
  DeliveryRow delivered = FullDelivery(1, "n", DeliveryState::kDelivered);
  delivered.last_error = "";
  DeliveryRow dead = FullDelivery(2, "n", DeliveryState::kDead);
  dead.last_at = At(990);
  dead.last_error = "the last word";
  Write({delivered, dead, FullDelivery(3, "n", DeliveryState::kPending),
         FullDelivery(4, "other", DeliveryState::kDead)});
  const NotifierRecord record = ValueOf(queries_.RecordOf("n"));
  EXPECT_EQ(record.pending, 1);
  EXPECT_EQ(record.dead, 1);
  EXPECT_EQ(record.delivered_at, At(802));
  EXPECT_EQ(record.refused_at, At(990));
  EXPECT_EQ(record.last_error, "the last word");
}

TEST_F(AlertQueriesTest, AStartLoadsLiveSlasAndTheLastAlert) {
  Write({FullAlert(6, "d"), FullSla("a", 1, SlaState::kArmed), FullSla("a", 2, SlaState::kMet),
         FullSla("b", 1, SlaState::kWarned), FullSla("c", 1, SlaState::kMissed),
         FullSla("d", 1, SlaState::kResolved), FullSla("e", 1, SlaState::kNotApplicable)});
  SlaRow warned = FullSla("a", 1, SlaState::kWarned);
  warned.run = RunKey(9);
  Write({warned});
  const Snapshot snapshot = ValueOf(store_.LoadActive());
  EXPECT_EQ(snapshot.last_alert, AlertId(6));
  ASSERT_EQ(snapshot.slas.size(), 3u);
  EXPECT_TRUE(Same(snapshot.slas[0], warned));
  EXPECT_TRUE(Same(snapshot.slas[1], FullSla("b", 1, SlaState::kWarned)));
  EXPECT_TRUE(Same(snapshot.slas[2], FullSla("c", 1, SlaState::kMissed)));
}

TEST_F(AlertQueriesTest, OfWhatIsMissedTheNewestAreLoaded) {
  std::vector<Change> changes;
  for (int slot = 1; slot <= limits::kMaxSlaOverdue + 2; ++slot) {
    changes.emplace_back(FullSla("a", slot, SlaState::kMissed));
  }
  changes.emplace_back(FullSla("b", 1, SlaState::kMissed));
  Write(changes);
  const Snapshot snapshot = ValueOf(store_.LoadActive());
  ASSERT_EQ(snapshot.slas.size(), limits::kMaxSlaOverdue + 1u);
  EXPECT_EQ(snapshot.slas.front().slot, At(3));
  EXPECT_EQ(snapshot.slas.back().name, "b");
}

TEST_F(AlertQueriesTest, AMissComesBackWithWhatBecameOfIt) {
  SlaRow late = FullSla("a", 1, SlaState::kMissed);
  Write({FullRun(3, "d", RunState::kRunning), late, FullMiss(7, "a", 1)});
  late.state = SlaState::kResolved;
  Write({late});
  const Listing<SlaMissView> listing = ValueOf(queries_.SlaMisses({}));
  EXPECT_EQ(listing.total, 1);
  ASSERT_EQ(listing.rows.size(), 1u);
  EXPECT_TRUE(Same(listing.rows[0].miss, FullMiss(7, "a", 1)));
  EXPECT_TRUE(Same(listing.rows[0].sla, late));
  EXPECT_EQ(listing.rows[0].run_id, "manual__3");
  EXPECT_EQ(listing.rows[0].logical_date, At(3'000'000));
}

TEST_F(AlertQueriesTest, MissesAreFilteredAndNewestFirst) {
  SlaRow alone = FullSla("c", 1, SlaState::kWarned);
  alone.run = RunKey(0);
  Write({FullSla("a", 1, SlaState::kResolved), FullMiss(10, "a", 1),
         FullSla("a", 2, SlaState::kMissed), FullMiss(20, "a", 2),
         FullSla("b", 1, SlaState::kNotApplicable), FullMiss(30, "b", 1), alone,
         FullMiss(40, "c", 1), FullSla("e", 1, SlaState::kArmed)});
  const auto ids = [this](const SlaMissFilter& filter) {
    std::vector<std::int64_t> found;
    const Listing<SlaMissView> listing = ValueOf(queries_.SlaMisses(filter));
    for (const SlaMissView& view : listing.rows) found.push_back(view.miss.miss.value);
    return found;
  };
  using Ids = std::vector<std::int64_t>;
  EXPECT_EQ(ids({}), (Ids{40, 30, 20, 10}));
  EXPECT_EQ(ids({.dag_id = "other"}), Ids{});
  EXPECT_EQ(ids({.dag_id = "d", .run = RunKey(3)}), (Ids{30, 20, 10}));
  // What was withdrawn after its warning was warned of all the same.
  EXPECT_EQ(ids({.states = {SlaState::kWarned}}), (Ids{40, 30}));
  EXPECT_EQ(ids({.states = {SlaState::kMissed, SlaState::kResolved}}), (Ids{20, 10}));
  EXPECT_EQ(ids({.before = EventId(30), .page = {1, 0}}), Ids{20});
  EXPECT_EQ(ids({.page = {2, 3}}), Ids{10});
  SlaMissFilter beyond{.before = EventId(20)};
  EXPECT_EQ(ValueOf(queries_.SlaMisses(beyond)).total, 4) << "the total is of all pages";
  EXPECT_EQ(ValueOf(queries_.SlaMisses({})).rows[1].sla.state, SlaState::kWarned);
}

TEST_F(AlertQueriesTest, WhatTheLastSuccessesTook) {
  const auto run = [](std::int64_t key, RunState state, std::int64_t begin, std::int64_t end) {
    DagRunRow row = FullRun(key, "d", state);
    row.started_at = At(begin);
    row.ended_at = At(end);
    return row;
  };
  const auto task = [](const std::string& id, int index, TaskState state, std::int64_t begin,
                       std::int64_t end) {
    TaskInstanceRow row = FullTask(3, id, index, state);
    row.cycle_started_at = At(begin);
    row.ended_at = At(end);
    return row;
  };
  TaskInstanceRow unstarted = FullTask(3, "noop", -1, TaskState::kSuccess);
  unstarted.cycle_started_at.reset();
  unstarted.started_at.reset();
  Write({run(1, RunState::kSuccess, 0, 1'000), run(2, RunState::kFailed, 0, 2'000),
         run(3, RunState::kSuccess, 5'000, 12'000), run(4, RunState::kSuccess, 0, 4'000),
         run(5, RunState::kRunning, 0, 5'000),
         task("map", 0, TaskState::kSuccess, 6'000, 8'000),
         task("map", 1, TaskState::kSuccess, 7'000, 11'000),
         task("bad", -1, TaskState::kFailed, 5'000, 9'000), unstarted});
  const std::vector<RunTimes> times = ValueOf(store_.RecentTimes("d", 2));
  ASSERT_EQ(times.size(), 2u);
  EXPECT_EQ(times[0].run, RunKey(3));
  EXPECT_EQ(times[1].run, RunKey(4));
  EXPECT_EQ(times[0].total, Duration{7});
  EXPECT_EQ(times[0].ended_at, At(12'000));
  using Times = std::vector<std::pair<std::string, Duration>>;
  EXPECT_EQ(times[0].tasks, (Times{{"map", Duration{5}}}));
  EXPECT_TRUE(ValueOf(store_.RecentTimes("other", 2)).empty());
}

}  // namespace
}  // namespace nightmill
