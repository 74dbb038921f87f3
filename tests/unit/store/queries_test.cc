// The read side: every question against a small history, and the same answers beside a busy writer.
#include "store/queries.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "core/base/rng.h"
#include "store/store.h"
#include "tests/unit/store/support.h"

namespace nightmill {
namespace {

class QueriesTest : public testing::Test {
 protected:
  void Write(const std::vector<Change>& changes, const std::vector<StoreRow>& rows = {}) {
    ASSERT_OK(store_.Commit(changes, rows));
  }

  TempFolder folder_;
  const std::string path_ = folder_.File("nightmill.db");
  Store store_ = OpenStore(path_);
  Queries queries_ = OpenQueries(path_);
};

template <class T, class Key>
auto Keys(const std::vector<T>& rows, Key key) {
  std::vector<std::decay_t<decltype(key(rows[0]))>> keys;
  for (const T& row : rows) keys.push_back(key(row));
  return keys;
}

std::vector<std::int64_t> RunKeys(const std::vector<DagRunRow>& rows) {
  return Keys(rows, [](const DagRunRow& row) { return row.run.value; });
}

TEST_F(QueriesTest, AnEmptyDatabaseAnswersEverythingWithNothing) {
  EXPECT_EQ(ValueOf(queries_.Dags({})).total, 0);
  EXPECT_FALSE(ValueOf(queries_.FindDag("d")).has_value());
  EXPECT_EQ(ValueOf(queries_.DagVersions("d", {})).total, 0);
  EXPECT_FALSE(ValueOf(queries_.FindVersion("d", 1)).has_value());
  EXPECT_EQ(ValueOf(queries_.Runs({})).total, 0);
  EXPECT_FALSE(ValueOf(queries_.FindRun("d", "r")).has_value());
  EXPECT_FALSE(ValueOf(queries_.FindRun(RunKey(1))).has_value());
  EXPECT_FALSE(ValueOf(queries_.NewestRun("d")).has_value());
  EXPECT_TRUE(ValueOf(queries_.RunCountsByDag()).empty());
  EXPECT_EQ(ValueOf(queries_.Tasks({})).total, 0);
  EXPECT_FALSE(ValueOf(queries_.FindTask(RunKey(1), "t", -1)).has_value());
  EXPECT_TRUE(ValueOf(queries_.LiveTaskCounts()).empty());
  EXPECT_TRUE(ValueOf(queries_.RecentDurations("d", "t")).empty());
  EXPECT_TRUE(ValueOf(queries_.Attempts({RunKey(1), "t", -1})).empty());
  EXPECT_FALSE(ValueOf(queries_.FindTry({RunKey(1), "t", -1}, 1)).has_value());
  EXPECT_FALSE(ValueOf(queries_.FindAttempt(AttemptId(1))).has_value());
  EXPECT_TRUE(ValueOf(queries_.Targets(AttemptId(1))).empty());
  EXPECT_TRUE(ValueOf(queries_.LostOfRuns(RunKey(1), RunKey(9))).empty());
  EXPECT_TRUE(ValueOf(queries_.LostOfTasks(RunKey(1))).empty());
  EXPECT_EQ(ValueOf(queries_.LostTotal()), 0);
  EXPECT_TRUE(ValueOf(queries_.Pools()).empty());
  EXPECT_FALSE(ValueOf(queries_.FindPool("p")).has_value());
  EXPECT_EQ(ValueOf(queries_.Backfills({})).total, 0);
  EXPECT_FALSE(ValueOf(queries_.FindBackfill(BackfillId(1))).has_value());
  EXPECT_EQ(ValueOf(queries_.BackfillSlots(BackfillId(1), 0, {})).total, 0);
  EXPECT_TRUE(ValueOf(queries_.BackfillSlotCounts(BackfillId(1))).empty());
  EXPECT_TRUE(ValueOf(queries_.Slots("d", {}, 10)).empty());
  EXPECT_TRUE(ValueOf(queries_.EventsAfter(EventId(), {}, 10)).empty());
  EXPECT_EQ(ValueOf(queries_.Events({}, true, {})).total, 0);
  EXPECT_EQ(ValueOf(queries_.LastEvent()), EventId());
  EXPECT_FALSE(ValueOf(queries_.FindTokenByHash("h")).has_value());
  EXPECT_FALSE(ValueOf(queries_.FindIdempotency("p", "k")).has_value());
  EXPECT_TRUE(ValueOf(queries_.AuditAfter(AuditId(), 10)).empty());
}

TEST_F(QueriesTest, DagsAreFilteredOrderedAndPaged) {
  std::vector<Change> changes;
  for (int i = 0; i < 6; ++i) {
    DagRow dag = FullDag(std::string(1, static_cast<char>('a' + i)) + "_dag");
    dag.version = 2;
    dag.paused = i % 2 == 0;
    dag.deleted = i == 5;
    dag.first_accepted_at = At(100 - i);
    changes.push_back(dag);
    changes.push_back(FullVersion(dag.dag_id, 1));
    changes.push_back(FullVersion(dag.dag_id, 2));
  }
  Write(changes);
  const auto ids = [this](const DagFilter& filter) {
    return Keys(ValueOf(queries_.Dags(filter)).rows,
                [](const DagView& view) { return view.dag.dag_id; });
  };
  using Ids = std::vector<std::string>;
  EXPECT_EQ(ids({}), (Ids{"a_dag", "b_dag", "c_dag", "d_dag", "e_dag"}));
  EXPECT_EQ(ids({.paused = true}), (Ids{"a_dag", "c_dag", "e_dag"}));
  EXPECT_EQ(ids({.paused = false}), (Ids{"b_dag", "d_dag"}));
  EXPECT_EQ(ids({.deleted = true}), (Ids{"f_dag"}));
  EXPECT_EQ(ids({.id_pattern = "%c\\_%"}), Ids{});
  EXPECT_EQ(ids({.id_pattern = "c%"}), Ids{"c_dag"});
  EXPECT_EQ(ids({.descending = true, .page = {2, 1}}), (Ids{"d_dag", "c_dag"}));
  EXPECT_EQ(ids({.order = DagOrder::kAcceptedAt, .page = {2, 0}}), (Ids{"e_dag", "d_dag"}));
  EXPECT_EQ(ValueOf(queries_.Dags({.page = {2, 0}})).total, 5);

  EXPECT_EQ(ValueOf(queries_.Dags({})).rows[0].newest.source, "");
  const DagView full = ValueOf(queries_.Dags({.with_source = true})).rows[0];
  EXPECT_TRUE(Same(full.newest, FullVersion("a_dag", 2)));
  const auto found = ValueOf(queries_.FindDag("f_dag"));
  ASSERT_TRUE(found.has_value());
  EXPECT_TRUE(found->dag.deleted);
  EXPECT_TRUE(Same(found->newest, FullVersion("f_dag", 2)));

  const auto versions = ValueOf(queries_.DagVersions("a_dag", {}));
  EXPECT_EQ(versions.total, 2);
  EXPECT_EQ(versions.rows.at(0).version, 2);
  EXPECT_EQ(versions.rows.at(0).source, "");
  EXPECT_TRUE(Same(*ValueOf(queries_.FindVersion("a_dag", 1)), FullVersion("a_dag", 1)));
}

// 24 runs of two dags in which no two orders agree.
std::vector<DagRunRow> SomeRuns() {
  std::vector<DagRunRow> runs;
  for (int i = 1; i <= 24; ++i) {
    DagRunRow run = FullRun(i, i % 2 == 0 ? "even" : "odd", static_cast<RunState>(i % 4));
    run.run_id = "r" + std::to_string(i * 7 % 24);
    run.type = static_cast<RunType>(i / 2 % 4);
    run.backfill = BackfillId(i % 3);
    run.logical_date = At(i * 5 % 24);
    if (i % 6 == 0) run.logical_date.reset();
    run.run_after = At(i * 11 % 24);
    run.queued_at = At(i * 13 % 24);
    run.started_at = At(i * 17 % 24);
    if (i % 5 == 0) run.started_at.reset();
    run.ended_at = At(i * 19 % 24);
    runs.push_back(run);
  }
  return runs;
}

auto SortKey(const DagRunRow& run, RunOrder order) {
  const auto instant = [](const std::optional<Instant>& at) {
    return std::pair(std::string(), at ? ToMicros(*at) : INT64_MIN);
  };
  const auto text = [](std::string_view word) { return std::pair(std::string(word), INT64_MIN); };
  switch (order) {
    case RunOrder::kRun:
      return text("");
    case RunOrder::kDagId:
      return text(run.dag_id);
    case RunOrder::kRunId:
      return text(run.run_id);
    case RunOrder::kState:
      return text(ToString(run.state));
    case RunOrder::kType:
      return text(ToString(run.type));
    case RunOrder::kLogicalDate:
      return instant(run.logical_date);
    case RunOrder::kRunAfter:
      return instant(run.run_after);
    case RunOrder::kQueuedAt:
      return instant(run.queued_at);
    case RunOrder::kStartedAt:
      return instant(run.started_at);
    case RunOrder::kEndedAt:
      return instant(run.ended_at);
  }
  return text("");
}

bool Inside(const std::optional<Instant>& at, const InstantRange& range) {
  if (range.from && (!at || *at < *range.from)) return false;
  return !range.to || (at && *at <= *range.to);
}

template <class T>
bool Among(const std::vector<T>& values, T value) {
  return values.empty() || std::find(values.begin(), values.end(), value) != values.end();
}

// What a listing must be, by sorting and filtering in memory.
std::vector<std::int64_t> Expected(std::vector<DagRunRow> runs, const RunFilter& filter) {
  std::erase_if(runs, [&](const DagRunRow& run) {
    return (filter.dag_id && *filter.dag_id != run.dag_id) || !Among(filter.states, run.state) ||
           !Among(filter.types, run.type) ||
           (filter.backfill.valid() && filter.backfill != run.backfill) ||
           (filter.run_id_pattern && run.run_id.rfind("r1", 0) != 0) ||
           !Inside(run.logical_date, filter.logical_date) ||
           !Inside(run.run_after, filter.run_after) || !Inside(run.started_at, filter.started_at) ||
           !Inside(run.ended_at, filter.ended_at);
  });
  std::sort(runs.begin(), runs.end(), [&](const DagRunRow& a, const DagRunRow& b) {
    return std::pair(SortKey(a, filter.order), a.run) < std::pair(SortKey(b, filter.order), b.run);
  });
  if (filter.descending) std::reverse(runs.begin(), runs.end());
  return RunKeys(runs);
}

InstantRange RandomRange(Rng& rng) {
  InstantRange range;
  if (rng.Chance(1, 6)) range.from = At(static_cast<std::int64_t>(rng.Below(24)));
  if (rng.Chance(1, 6)) range.to = At(static_cast<std::int64_t>(rng.Below(24)));
  return range;
}

RunFilter RandomRunFilter(Rng& rng) {
  RunFilter filter;
  if (rng.Chance(1, 2)) filter.dag_id = rng.Chance(1, 2) ? "even" : "odd";
  if (rng.Chance(1, 6)) filter.run_id_pattern = "r1%";
  for (int i = 0; i < 4; ++i) {
    if (rng.Chance(1, 4)) filter.states.push_back(static_cast<RunState>(i));
    if (rng.Chance(1, 8)) filter.types.push_back(static_cast<RunType>(i));
  }
  if (!filter.states.empty()) filter.states.push_back(filter.states.front());
  if (rng.Chance(1, 6)) filter.backfill = BackfillId(1);
  filter.logical_date = RandomRange(rng);
  filter.run_after = RandomRange(rng);
  filter.started_at = RandomRange(rng);
  filter.ended_at = RandomRange(rng);
  filter.order = static_cast<RunOrder>(rng.Below(10));
  filter.descending = rng.Chance(1, 2);
  return filter;
}

TEST_F(QueriesTest, RunListsAgreeWithSortingAndFilteringInMemory) {
  const std::vector<DagRunRow> runs = SomeRuns();
  Write(std::vector<Change>(runs.begin(), runs.end()));
  Rng rng(11);
  for (int round = 0; round < 600; ++round) {
    RunFilter filter = RandomRunFilter(rng);
    const std::vector<std::int64_t> expected = Expected(runs, filter);
    const auto all = ValueOf(queries_.Runs(filter));
    ASSERT_EQ(RunKeys(all.rows), expected) << "round " << round;
    ASSERT_EQ(all.total, static_cast<std::int64_t>(expected.size())) << "round " << round;

    filter.page = {3, 2};
    const auto page = ValueOf(queries_.Runs(filter));
    const std::size_t from = std::min<std::size_t>(2, expected.size());
    const std::size_t to = std::min<std::size_t>(5, expected.size());
    EXPECT_EQ(RunKeys(page.rows),
              std::vector<std::int64_t>(expected.begin() + static_cast<std::ptrdiff_t>(from),
                                        expected.begin() + static_cast<std::ptrdiff_t>(to)));
    EXPECT_EQ(page.total, all.total);
  }
}

TEST_F(QueriesTest, OneRunTheNewestAndTheCounts) {
  const std::vector<DagRunRow> runs = SomeRuns();
  Write(std::vector<Change>(runs.begin(), runs.end()));
  EXPECT_TRUE(Same(*ValueOf(queries_.FindRun(RunKey(3))), runs[2]));
  EXPECT_TRUE(Same(*ValueOf(queries_.FindRun("odd", runs[2].run_id)), runs[2]));
  EXPECT_EQ(ValueOf(queries_.NewestRun("odd"))->run, RunKey(23));
  const auto counts = ValueOf(queries_.RunCountsByDag());
  ASSERT_EQ(counts.size(), 2u);
  EXPECT_EQ(counts[0].dag_id, "even");
  EXPECT_EQ(counts[0].counts, (RunCounts{6, 0, 6, 0}));
  EXPECT_EQ(counts[1].counts, (RunCounts{0, 6, 0, 6}));
  EXPECT_EQ(ValueOf(queries_.RunCountsOf("odd")), counts[1].counts);
  EXPECT_EQ(ValueOf(queries_.RunCountsOf("none")), RunCounts{});
}

// Limits out of range are bent, not errors.
TEST_F(QueriesTest, PagesAreBounded) {
  const std::vector<DagRunRow> runs = SomeRuns();
  Write(std::vector<Change>(runs.begin(), runs.end()));
  RunFilter filter;
  filter.page = {1'000'000, -5};
  EXPECT_EQ(ValueOf(queries_.Runs(filter)).rows.size(), 24u);
  filter.page = {-1, 0};
  EXPECT_EQ(ValueOf(queries_.Runs(filter)).rows.size(), 0u);
  filter.page = {10, 1'000};
  EXPECT_EQ(ValueOf(queries_.Runs(filter)).rows.size(), 0u);
}

std::string TaskKey(const TaskView& view) {
  return std::to_string(view.task.run.value) + view.task.task_id +
         std::to_string(view.task.map_index);
}

TEST_F(QueriesTest, TasksAreFilteredOrderedAndPaged) {
  std::vector<Change> changes = {FullRun(1, "d", RunState::kSuccess),
                                 FullRun(2, "e", RunState::kRunning)};
  const TaskState states[] = {TaskState::kSuccess, TaskState::kFailed, TaskState::kRunning,
                              TaskState::kNone};
  for (int run = 1; run <= 2; ++run) {
    for (int i = 0; i < 4; ++i) {
      TaskInstanceRow task = FullTask(run, i < 2 ? "a" : "b", i % 2, states[i]);
      task.started_at = At(10 * run - i);
      task.ended_at = At(20 + i);
      changes.push_back(task);
    }
  }
  Write(changes);
  const auto keys = [this](const TaskFilter& filter) {
    return Keys(ValueOf(queries_.Tasks(filter)).rows, TaskKey);
  };
  using Ids = std::vector<std::string>;
  EXPECT_EQ(keys({}), (Ids{"1a0", "1a1", "1b0", "1b1", "2a0", "2a1", "2b0", "2b1"}));
  EXPECT_EQ(keys({.run = RunKey(1)}), (Ids{"1a0", "1a1", "1b0", "1b1"}));
  EXPECT_EQ(keys({.run = RunKey(1), .task_id = "b"}), (Ids{"1b0", "1b1"}));
  EXPECT_EQ(keys({.run = RunKey(1), .dag_id = "e"}), Ids{});
  EXPECT_EQ(keys({.dag_id = "e", .map_indexes = {1}}), (Ids{"2a1", "2b1"}));
  EXPECT_EQ(keys({.states = {TaskState::kRunning}}), (Ids{"1b0", "2b0"}));
  EXPECT_EQ(keys({.run = RunKey(2), .states = {TaskState::kRunning}}), (Ids{"2b0"}));
  EXPECT_EQ(keys({.states = {TaskState::kFailed, TaskState::kNone}}),
            (Ids{"1a1", "1b1", "2a1", "2b1"}));
  EXPECT_EQ(keys({.started_at = {At(17), At(19)}}), (Ids{"2a1", "2b0", "2b1"}));
  EXPECT_EQ(keys({.run = RunKey(1), .ended_at = {At(23), {}}}), (Ids{"1b1"}));
  EXPECT_EQ(keys({.run = RunKey(1), .order = TaskOrder::kStartedAt}),
            (Ids{"1b1", "1b0", "1a1", "1a0"}));
  EXPECT_EQ(keys({.order = TaskOrder::kState, .descending = true, .page = {3, 0}}),
            (Ids{"2a0", "1a0", "2b0"}));
  EXPECT_EQ(keys({.descending = true, .page = {2, 1}}), (Ids{"2b0", "2a1"}));
  EXPECT_EQ(ValueOf(queries_.Tasks({.run = RunKey(1), .page = {1, 0}})).total, 4);

  const auto found = ValueOf(queries_.FindTask(RunKey(2), "b", 0));
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->task.state, TaskState::kRunning);
  const DagRunRow run = FullRun(2, "e", RunState::kRunning);
  EXPECT_EQ(found->dag_id, "e");
  EXPECT_EQ(found->run_id, run.run_id);
  EXPECT_EQ(found->logical_date, run.logical_date);
  EXPECT_EQ(found->run_after, run.run_after);
  EXPECT_EQ(found->version, run.version);

  const TaskCounts counts = ValueOf(queries_.TaskCountsOf(RunKey(1)));
  for (const TaskState state : states) EXPECT_EQ(counts[static_cast<std::size_t>(state)], 1);
  const auto live = ValueOf(queries_.LiveTaskCounts());
  ASSERT_EQ(live.size(), 2u);
  EXPECT_EQ(live[1].dag_id, "e");
  EXPECT_EQ(live[1].version, run.version);
  EXPECT_EQ(live[1].task_id, "b");
  EXPECT_EQ(live[1].state, TaskState::kRunning);
  EXPECT_EQ(live[1].count, 1);
}

TEST_F(QueriesTest, RecentDurationsAreThoseOfTheLastSuccesses) {
  std::vector<Change> changes;
  for (int run = 1; run <= 30; ++run) {
    changes.push_back(FullRun(run, "d", RunState::kSuccess));
    TaskInstanceRow task = FullTask(run, "t", -1, TaskState::kSuccess);
    if (run == 29) task.state = TaskState::kFailed;
    task.started_at = At(0);
    task.ended_at = At(run * 1'000);
    changes.push_back(task);
  }
  Write(changes);
  const auto durations = ValueOf(queries_.RecentDurations("d", "t"));
  ASSERT_EQ(durations.size(), 20u);
  EXPECT_EQ(durations[0], Duration(30));
  EXPECT_EQ(durations[1], Duration(28));
}

TEST_F(QueriesTest, AttemptsOfATaskAndTheirTargets) {
  TaskAttemptRow lost = FullAttempt(1, 1, AttemptState::kEnded);
  lost.try_number = 1;
  TaskAttemptRow first = FullAttempt(2, 1, AttemptState::kEnded);
  first.try_number = 1;
  const TaskAttemptRow second = FullAttempt(3, 1, AttemptState::kRunning);
  const AttemptTarget target = {RunKey(1), "t", -1};
  const AttemptTarget other = {RunKey(2), "t", -1};
  Write({lost, first, second, AttemptTargetRow{AttemptId(1), target},
         AttemptTargetRow{AttemptId(2), target}, AttemptTargetRow{AttemptId(3), target},
         AttemptTargetRow{AttemptId(3), other}});
  const auto attempts = ValueOf(queries_.Attempts(target));
  ASSERT_EQ(attempts.size(), 3u);
  EXPECT_TRUE(Same(attempts[0], lost));
  EXPECT_TRUE(Same(attempts[2], second));
  EXPECT_EQ(ValueOf(queries_.FindTry(target, 1))->attempt, AttemptId(2));
  EXPECT_EQ(ValueOf(queries_.FindTry(other, 2))->attempt, AttemptId(3));
  EXPECT_FALSE(ValueOf(queries_.FindTry(other, 1)).has_value());
  EXPECT_TRUE(Same(*ValueOf(queries_.FindAttempt(AttemptId(3))), second));
  EXPECT_EQ(ValueOf(queries_.Targets(AttemptId(3))), (std::vector{target, other}));
}

TEST_F(QueriesTest, LostAttemptsByRunAndByTask) {
  std::vector<Change> changes;
  std::int64_t number = 0;
  const auto add = [&](std::int64_t run, const std::string& task, const std::string& outcome) {
    TaskAttemptRow attempt = FullAttempt(++number, run, AttemptState::kEnded);
    attempt.outcome = outcome;
    attempt.failure = "cause " + std::to_string(number);
    changes.emplace_back(attempt);
    changes.emplace_back(AttemptTargetRow{AttemptId(number), {RunKey(run), task, -1}});
  };
  add(1, "a", "lost");
  add(1, "b", "lost");
  add(1, "a", "lost");
  add(1, "a", "succeeded");
  add(2, "a", "failed");
  add(4, "a", "lost");
  Write(changes);
  const auto by_run = ValueOf(queries_.LostOfRuns(RunKey(1), RunKey(3)));
  ASSERT_EQ(by_run.size(), 1u);
  EXPECT_EQ(by_run[0].run, RunKey(1));
  EXPECT_EQ(by_run[0].count, 3);
  const auto by_task = ValueOf(queries_.LostOfTasks(RunKey(1)));
  ASSERT_EQ(by_task.size(), 2u);
  EXPECT_EQ(by_task[0].task_id, "a");
  EXPECT_EQ(by_task[0].count, 2);
  EXPECT_EQ(by_task[0].failure, "cause 3");
  EXPECT_EQ(by_task[1].task_id, "b");
  EXPECT_EQ(by_task[1].count, 1);
  EXPECT_TRUE(ValueOf(queries_.LostOfTasks(RunKey(2))).empty());
  EXPECT_EQ(ValueOf(queries_.LostTotal()), 4);
}

TEST_F(QueriesTest, ACursorGoesOnWhereAPageEnded) {
  std::vector<Change> changes;
  for (std::int64_t run = 1; run <= 7; ++run) {
    changes.emplace_back(FullRun(run, run % 2 == 0 ? "even" : "odd", RunState::kSuccess));
  }
  for (const char* task : {"a", "b"}) {
    for (int index = 0; index < 3; ++index) {
      changes.emplace_back(FullTask(5, task, index, TaskState::kSuccess));
    }
  }
  Write(changes);
  for (const bool descending : {true, false}) {
    for (const char* dag : {"odd", ""}) {
      RunFilter filter;
      if (*dag != 0) filter.dag_id = dag;
      filter.descending = descending;
      const auto whole = RunKeys(ValueOf(queries_.Runs(filter)).rows);
      filter.page.limit = 2;
      std::vector<std::int64_t> pages;
      while (true) {
        const auto page = ValueOf(queries_.Runs(filter));
        EXPECT_EQ(page.total, static_cast<std::int64_t>(whole.size()));
        if (page.rows.empty()) break;
        for (const std::int64_t run : RunKeys(page.rows)) pages.push_back(run);
        filter.beyond = page.rows.back().run;
      }
      EXPECT_EQ(pages, whole);
    }
  }
  TaskFilter tasks;
  tasks.run = RunKey(5);
  tasks.page.limit = 4;
  EXPECT_EQ(ValueOf(queries_.Tasks(tasks)).rows.back().task.map_index, 0);
  tasks.beyond = TaskFilter::Place{"b", 0};
  const auto rest = ValueOf(queries_.Tasks(tasks));
  EXPECT_EQ(rest.total, 6);
  ASSERT_EQ(rest.rows.size(), 2u);
  EXPECT_EQ(rest.rows[0].task.map_index, 1);
}

TEST_F(QueriesTest, PoolsBackfillsAndSlots) {
  const PoolRow pool = {"b", 2, "x", false};
  std::vector<Change> changes = {pool, PoolRow{"a", -1, "", true}};
  for (int i = 0; i < 4; ++i) {
    changes.push_back(FullBackfill(i + 1, i == 0 ? "e" : "d", static_cast<BackfillState>(i)));
  }
  for (int i = 0; i < 5; ++i) {
    BackfillSlotRow slot = FullBackfillSlot(2, i);
    slot.state = i < 2 ? "planned" : "done";
    slot.run_state = i < 2 ? "" : "success";
    changes.push_back(slot);
    changes.push_back(SlotRow{"d", At(i), i == 0 ? "" : "overlap_skip", RunKey(i == 0 ? 1 : 0)});
  }
  Write(changes);
  const auto pools = ValueOf(queries_.Pools());
  ASSERT_EQ(pools.size(), 2u);
  EXPECT_TRUE(Same(pools[1], pool));
  EXPECT_TRUE(Same(*ValueOf(queries_.FindPool("b")), pool));

  const auto ids = [this](const BackfillFilter& filter) {
    return Keys(ValueOf(queries_.Backfills(filter)).rows,
                [](const BackfillRow& row) { return row.backfill.value; });
  };
  EXPECT_EQ(ids({}), (std::vector<std::int64_t>{4, 3, 2, 1}));
  EXPECT_EQ(ids({.dag_id = "e"}), (std::vector<std::int64_t>{1}));
  EXPECT_EQ(
      ids({.states = {BackfillState::kCancelled, BackfillState::kPaused}, .descending = false}),
      (std::vector<std::int64_t>{2, 4}));
  EXPECT_TRUE(Same(*ValueOf(queries_.FindBackfill(BackfillId(2))),
                   FullBackfill(2, "d", BackfillState::kPaused)));
  const auto slots = ValueOf(queries_.BackfillSlots(BackfillId(2), 0, {2, 1}));
  EXPECT_EQ(slots.total, 5);
  ASSERT_EQ(slots.rows.size(), 2u);
  EXPECT_EQ(slots.rows[0].slot.seq, 1);
  EXPECT_EQ(ValueOf(queries_.BackfillSlots(BackfillId(2), 3, {9, 0})).rows.size(), 2u);
  const auto counts = ValueOf(queries_.BackfillSlotCounts(BackfillId(2)));
  ASSERT_EQ(counts.size(), 2u);
  EXPECT_EQ(counts[0].state, "done");
  EXPECT_EQ(counts[0].run_state, "success");
  EXPECT_EQ(counts[0].count, 3);

  const auto decisions = ValueOf(queries_.Slots("d", {At(0), At(2)}, 2));
  ASSERT_EQ(decisions.size(), 2u);
  EXPECT_TRUE(Same(decisions[0], SlotRow{"d", At(2), "overlap_skip", RunKey()}));
  EXPECT_EQ(ValueOf(queries_.Slots("d", {}, 10)).back().run, RunKey(1));
}

TEST_F(QueriesTest, EventsAfterAnIdAndByFilter) {
  std::vector<Change> changes;
  for (int i = 1; i <= 10; ++i) {
    EventRow event = FullEvent(i);
    event.dag_id = i % 2 == 0 ? "even" : "odd";
    event.run = RunKey(i % 3);
    event.kind = i == 7 ? "run.state" : "task.state";
    changes.push_back(event);
  }
  Write(changes);
  const auto ids = [](const std::vector<EventView>& rows) {
    return Keys(rows, [](const EventView& row) { return row.event.id.value; });
  };
  using Ids = std::vector<std::int64_t>;
  EXPECT_EQ(ids(ValueOf(queries_.EventsAfter(EventId(), {}, 3))), (Ids{1, 2, 3}));
  EXPECT_EQ(ids(ValueOf(queries_.EventsAfter(EventId(8), {}, 9))), (Ids{9, 10}));
  EXPECT_EQ(ids(ValueOf(queries_.EventsAfter(EventId(4), {.dag_id = "odd"}, 9))), (Ids{5, 7, 9}));
  EXPECT_EQ(ids(ValueOf(queries_.EventsAfter(EventId(), {.run = RunKey(1)}, 9))),
            (Ids{1, 4, 7, 10}));
  const auto listing = ValueOf(queries_.Events({.kind = "task.state"}, true, {2, 1}));
  EXPECT_EQ(listing.total, 9);
  EXPECT_EQ(ids(listing.rows), (Ids{9, 8}));
  EXPECT_EQ(ValueOf(queries_.LastEvent()), EventId(10));
  EventRow first = FullEvent(1);
  first.dag_id = "odd";
  first.run = RunKey(1);
  EXPECT_TRUE(Same(ValueOf(queries_.EventsAfter(EventId(), {}, 1)).at(0).event, first));
  EXPECT_TRUE(Same(ValueOf(queries_.FindEvent(EventId(1)))->event, first));
  EXPECT_FALSE(ValueOf(queries_.FindEvent(EventId(11))).has_value());
  const auto before = ValueOf(queries_.Events({.before = EventId(4)}, true, {2, 0}));
  EXPECT_EQ(ids(before.rows), (Ids{3, 2}));
  EXPECT_EQ(before.total, 10);
}

// What the page and its stream need of runs, beside the rows themselves.
TEST_F(QueriesTest, RowsKnowWhatTheirRunIsDoing) {
  const auto run = [](std::int64_t key, RunState state, std::int64_t from, std::int64_t to) {
    DagRunRow row = FullRun(key, "d", state);
    row.started_at = At(from);
    row.ended_at = At(to);
    return row;
  };
  std::vector<Change> changes = {run(1, RunState::kSuccess, 0, 7'000),
                                 run(2, RunState::kFailed, 1'000, 3'000),
                                 run(3, RunState::kSuccess, 5'000, 6'000)};
  DagRunRow running = run(4, RunState::kRunning, 8'000, 9'000);
  running.ended_at.reset();
  changes.push_back(running);
  changes.push_back(FullRun(5, "e", RunState::kSuccess));
  for (int seq = 0; seq < 5; ++seq) {
    BackfillSlotRow slot = FullBackfillSlot(2, seq);
    slot.state = seq == 4 ? "planned" : seq == 3 ? "created" : "done";
    slot.run = RunKey(seq == 4 ? 0 : seq + 1);
    slot.run_state = seq < 3 ? (seq == 1 ? "failed" : "success") : "";
    changes.push_back(slot);
  }
  EventRow of_run = FullEvent(1);
  of_run.run = RunKey(4);
  EventRow of_none = FullEvent(2);
  of_none.run = RunKey();
  changes.push_back(of_run);
  changes.push_back(of_none);
  Write(changes);

  EXPECT_EQ(ValueOf(queries_.RecentRunDurations("d")),
            (std::vector<Duration>{Duration{1}, Duration{7}}));
  EXPECT_EQ(ValueOf(queries_.RecentRunDurations("d", 1)), std::vector<Duration>{Duration{1}});
  EXPECT_EQ(ValueOf(queries_.RecentEnds(BackfillId(2))),
            (std::vector<Instant>{At(7'000), At(6'000), At(3'000)}));
  EXPECT_EQ(ValueOf(queries_.RecentEnds(BackfillId(2), 1)), std::vector<Instant>{At(7'000)});
  EXPECT_TRUE(ValueOf(queries_.RecentEnds(BackfillId(3))).empty());

  const auto slots = ValueOf(queries_.BackfillSlots(BackfillId(2), 1, {9, 0}));
  EXPECT_EQ(slots.total, 5);
  const auto states = Keys(slots.rows, [](const BackfillSlotView& view) { return view.run_state; });
  EXPECT_EQ(states, (std::vector<std::string>{"failed", "success", "running", ""}));
  EXPECT_EQ(slots.rows[2].run_id, "manual__4");
  EXPECT_EQ(slots.rows[3].run_id, "");
  std::string counts;
  for (const BackfillSlotCount& one : ValueOf(queries_.BackfillSlotCounts(BackfillId(2)))) {
    counts += one.state + "/" + one.run_state + " " + std::to_string(one.count) + ", ";
  }
  EXPECT_EQ(counts, "created/running 1, done/failed 1, done/success 2, planned/ 1, ");

  EXPECT_EQ(ValueOf(queries_.FindEvent(EventId(1)))->run_id, "manual__4");
  EXPECT_EQ(ValueOf(queries_.FindEvent(EventId(1)))->backfill, BackfillId(9));
  EXPECT_EQ(ValueOf(queries_.FindEvent(EventId(2)))->run_id, "");
  EXPECT_EQ(ValueOf(queries_.FindEvent(EventId(2)))->backfill, BackfillId());
}

TEST_F(QueriesTest, CellsCountTheInstancesOfEachTask) {
  std::vector<Change> changes;
  for (std::int64_t key = 1; key <= 3; ++key) {
    changes.push_back(FullRun(key, key == 2 ? "e" : "d", RunState::kRunning));
    changes.push_back(FullTask(key, "a", -1, TaskState::kSuccess));
    for (int i = 0; i < 3; ++i) {
      changes.push_back(FullTask(key, "m", i, i < 2 ? TaskState::kRunning : TaskState::kFailed));
    }
  }
  Write(changes);
  const auto cells = [this](std::int64_t first, std::int64_t last) {
    std::string text;
    for (const TaskCell& cell : ValueOf(queries_.TaskCells("d", RunKey(first), RunKey(last)))) {
      text += std::to_string(cell.run.value) + cell.task_id + " " +
              std::string(ToString(cell.state)) + " " + std::to_string(cell.count) + ", ";
    }
    return text;
  };
  EXPECT_EQ(cells(3, 9), "3a success 1, 3m failed 1, 3m running 2, ");
  EXPECT_EQ(cells(1, 2), "1a success 1, 1m failed 1, 1m running 2, ");
  EXPECT_EQ(cells(2, 2), "");
  const auto chosen = ValueOf(queries_.Tasks({.run = RunKey(1), .map_indexes = {-1, 2}}));
  EXPECT_EQ(chosen.total, 2);
}

TEST_F(QueriesTest, TokensAndRememberedAnswers) {
  TokenRow token = {"cli", "hash-1", "admin", At(1), std::nullopt, std::nullopt};
  const TokenRow other = {"ci", "hash-2", "viewer", At(1), At(5), std::nullopt};
  const IdempotencyRow answer = {"cli", "k", "POST /x", "bh", 201, "{}", RunKey(4), At(2)};
  Write({}, {token, other, answer});
  EXPECT_TRUE(Same(*ValueOf(queries_.FindTokenByHash("hash-1")), token));
  EXPECT_FALSE(ValueOf(queries_.FindTokenByHash("cli")).has_value());
  token.revoked_at = At(9);
  Write({}, {token});
  EXPECT_TRUE(Same(*ValueOf(queries_.FindTokenByHash("hash-1")), token));
  ASSERT_EQ(ValueOf(queries_.Tokens()).size(), 2u);
  EXPECT_TRUE(Same(ValueOf(queries_.Tokens())[0], other));
  EXPECT_TRUE(Same(*ValueOf(queries_.FindIdempotency("cli", "k")), answer));
  EXPECT_FALSE(ValueOf(queries_.FindIdempotency("ci", "k")).has_value());
}

// Texts from outside are parameters, never statement.
TEST_F(QueriesTest, HostileTextsFindNothing) {
  Write({FullDag("d"), FullVersion("d", 3), FullRun(1, "d", RunState::kSuccess)});
  const char* texts[] = {"' OR '1'='1", "d'; DROP TABLE dag; --", "\" OR 1", "?1", "d\\", "%%%%"};
  for (const char* text : texts) {
    EXPECT_FALSE(ValueOf(queries_.FindDag(text)).has_value()) << text;
    EXPECT_FALSE(ValueOf(queries_.FindRun("d", text)).has_value()) << text;
    EXPECT_EQ(ValueOf(queries_.Runs({.dag_id = text})).total, 0) << text;
  }
  EXPECT_EQ(ValueOf(queries_.Dags({})).total, 1);
}

TEST_F(QueriesTest, APastDeadlineIsUnavailableAndTheNextCallIsNot) {
  std::vector<Change> changes = {FullRun(1, "d", RunState::kRunning)};
  for (int i = 0; i < 5'000; ++i) changes.push_back(FullTask(1, "t", i, TaskState::kRunning));
  Write(changes);
  Duration now{0};
  Duration tick{1'000};
  Queries slow = [&] {
    Result<Queries> opened = Queries::Open(path_, [&] { return now += tick; });
    CHECK(opened.ok());
    return std::move(opened).value();
  }();
  const auto late = slow.Tasks({.order = TaskOrder::kEndedAt});
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(late.error().code, ErrorCode::kUnavailable);
  tick = Duration{0};
  EXPECT_EQ(ValueOf(slow.Tasks({.order = TaskOrder::kEndedAt})).total, 5'000);
}

// Every commit moves the run and its last event together; a reader never sees one without the
// other, nor a list whose total is of another moment.
TEST_F(QueriesTest, ReadersSeeWholeCommitsWhileTheWriterWrites) {
  constexpr int kCommits = 400;
  std::atomic<bool> done = false;
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([this, &done] {
      Queries queries = OpenQueries(path_);
      std::int64_t seen = 0;
      while (!done) {
        const auto runs = ValueOf(queries.Runs({.page = {1'000, 0}}));
        EXPECT_EQ(runs.total, static_cast<std::int64_t>(runs.rows.size()));
        EXPECT_GE(runs.total, seen);
        seen = runs.total;
        const auto tasks = ValueOf(queries.Tasks({.page = {1, 0}}));
        EXPECT_EQ(tasks.total % 2, 0);
      }
    });
  }
  for (int i = 1; i <= kCommits; ++i) {
    Write({FullRun(i, "d", RunState::kRunning), FullTask(i, "a", -1, TaskState::kQueued),
           FullTask(i, "b", -1, TaskState::kQueued), FullEvent(i)});
    ASSERT_OK(store_.MaybeCheckpoint());
  }
  done = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(ValueOf(queries_.Runs({})).total, kCommits);
}

}  // namespace
}  // namespace nightmill
