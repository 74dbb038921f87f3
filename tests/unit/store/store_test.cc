// The write side on real files: what goes in comes out, what must not go in does not.
#include "store/store.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <string>
#include <vector>

#include "store/sqlite.h"
#include "tests/unit/store/support.h"

namespace nightmill {
namespace {

class StoreTest : public testing::Test {
 protected:
  TempFolder folder_;
  const std::string path_ = folder_.File("nightmill.db");
};

template <class Row>
void ExpectOnly(const std::vector<Row>& rows, const Row& row) {
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_TRUE(Same(rows[0], row));
}

std::int64_t CountOf(Connection& db, std::string_view sql) {
  Statement statement = db.Prepare(sql);
  const Result<bool> found = statement.Step();
  CHECK(found.ok() && *found);
  return statement.row().Integer(0);
}

TEST_F(StoreTest, EveryChangeComesBackWithAllItsFields) {
  Store store = OpenStore(path_);
  const DagRow dag = FullDag("d");
  const DagVersionRow version = FullVersion("d", 3);
  const DagRunRow run = FullRun(5, "d", RunState::kRunning);
  const TaskInstanceRow task = FullTask(5, "t", 4, TaskState::kUpForRetry);
  const TaskAttemptRow attempt = FullAttempt(8, 5, AttemptState::kKilling);
  const AttemptTargetRow target = {AttemptId(8), {RunKey(5), "t", 4}};
  const PoolRow pool = {"p", -1, "words", true};
  const BackfillRow backfill = FullBackfill(9, "d", BackfillState::kPaused);
  const BackfillSlotRow slot = FullBackfillSlot(9, 2);
  ASSERT_OK(store.Commit(std::vector<Change>{dag, version, run, task, attempt, target, pool,
                                             backfill, slot, FullEvent(1)}));

  const Snapshot snapshot = ValueOf(store.LoadActive());
  ExpectOnly(snapshot.dags, dag);
  ExpectOnly(snapshot.versions, version);
  ExpectOnly(snapshot.runs, run);
  ExpectOnly(snapshot.tasks, task);
  ExpectOnly(snapshot.attempts, attempt);
  ExpectOnly(snapshot.targets, target);
  ExpectOnly(snapshot.pools, pool);
  ExpectOnly(snapshot.backfills, backfill);
  ExpectOnly(snapshot.backfill_slots, slot);
  EXPECT_EQ(snapshot.last_run, RunKey(5));
  EXPECT_EQ(snapshot.last_attempt, AttemptId(8));
  EXPECT_EQ(snapshot.last_backfill, BackfillId(9));
  EXPECT_EQ(snapshot.last_event, EventId(1));
  EXPECT_EQ(snapshot.epoch, Epoch(1));
}

TEST_F(StoreTest, DefaultRowsWithNothingSetComeBackEmpty) {
  Store store = OpenStore(path_);
  DagRunRow run;
  run.run = RunKey(1);
  TaskInstanceRow task;
  task.run = RunKey(1);
  TaskAttemptRow attempt;
  attempt.attempt = AttemptId(1);
  attempt.run = RunKey(1);
  attempt.epoch = Epoch(1);
  ASSERT_OK(store.Commit(std::vector<Change>{run, task, attempt}));
  const Snapshot snapshot = ValueOf(store.LoadActive());
  ExpectOnly(snapshot.runs, run);
  ExpectOnly(snapshot.tasks, task);
  ExpectOnly(snapshot.attempts, attempt);
}

// Second write of the same keys, every mutable field changed: the update lists lack no column.
TEST_F(StoreTest, TheClockHasOneRow) {
  Store store = OpenStore(path_);
  EXPECT_EQ(ValueOf(store.FindClock()), std::nullopt);
  const ClockRow first{"boot-1", Instant(std::chrono::seconds(7))};
  const ClockRow second{"boot-2", Instant(std::chrono::seconds(9))};
  for (const ClockRow& row : {first, second}) {
    ASSERT_OK(store.Commit({}, std::vector<StoreRow>{row}));
    EXPECT_EQ(ValueOf(store.FindClock()), row);
  }
}

TEST_F(StoreTest, ASecondWriteReplacesEveryMutableField) {
  Store store = OpenStore(path_);
  DagRow dag;
  dag.dag_id = "d";
  DagVersionRow version;
  version.dag_id = "d";
  version.version = 3;
  DagRunRow run;
  run.run = RunKey(5);
  run.dag_id = "d";
  run.run_id = "manual__5";
  run.type = RunType::kAssetTriggered;
  run.logical_date = At(5'000'000);
  TaskInstanceRow task;
  task.run = RunKey(5);
  task.task_id = "t";
  task.map_index = 4;
  TaskAttemptRow attempt;
  attempt.attempt = AttemptId(8);
  attempt.run = RunKey(4);
  attempt.epoch = Epoch(1);
  const PoolRow pool = {"p", 1, "", false};
  BackfillRow backfill;
  backfill.backfill = BackfillId(9);
  BackfillSlotRow slot;
  slot.backfill = BackfillId(9);
  slot.seq = 2;
  ASSERT_OK(
      store.Commit(std::vector<Change>{dag, version, run, task, attempt, pool, backfill, slot}));

  const PoolRow new_pool = {"p", 7, "seven", true};
  ASSERT_OK(store.Commit(std::vector<Change>{
      FullDag("d"), FullVersion("d", 3), FullRun(5, "d", RunState::kRunning),
      FullTask(5, "t", 4, TaskState::kRunning), FullAttempt(8, 5, AttemptState::kRunning), new_pool,
      FullBackfill(9, "d", BackfillState::kActive), FullBackfillSlot(9, 2)}));
  const Snapshot snapshot = ValueOf(store.LoadActive());
  EXPECT_TRUE(Same(snapshot.dags.at(0), FullDag("d")));
  EXPECT_TRUE(Same(snapshot.versions.at(0), FullVersion("d", 3)));
  EXPECT_TRUE(Same(snapshot.runs.at(0), FullRun(5, "d", RunState::kRunning)));
  EXPECT_TRUE(Same(snapshot.tasks.at(0), FullTask(5, "t", 4, TaskState::kRunning)));
  EXPECT_TRUE(Same(snapshot.attempts.at(0), FullAttempt(8, 5, AttemptState::kRunning)));
  EXPECT_TRUE(Same(snapshot.pools.at(0), new_pool));
  EXPECT_TRUE(Same(snapshot.backfills.at(0), FullBackfill(9, "d", BackfillState::kActive)));
  EXPECT_TRUE(Same(snapshot.backfill_slots.at(0), FullBackfillSlot(9, 2)));
}

TEST_F(StoreTest, EveryStateWordIsReadAsWritten) {
  Store store = OpenStore(path_);
  std::vector<Change> changes = {FullRun(1, "d", RunState::kQueued)};
  for (int i = 0; i < kTaskStateCount; ++i) {
    changes.push_back(FullTask(1, "t", i, static_cast<TaskState>(i)));
  }
  ASSERT_OK(store.Commit(changes));
  const Snapshot snapshot = ValueOf(store.LoadActive());
  ASSERT_EQ(snapshot.tasks.size(), static_cast<std::size_t>(kTaskStateCount));
  for (int i = 0; i < kTaskStateCount; ++i) {
    EXPECT_EQ(snapshot.tasks[static_cast<std::size_t>(i)].state, static_cast<TaskState>(i));
  }
}

TEST_F(StoreTest, LoadActiveReturnsLiveRowsOnly) {
  Store store = OpenStore(path_);
  DagRow gone = FullDag("gone");
  gone.deleted = true;
  std::vector<Change> changes = {FullDag("d"), gone};
  for (int version = 1; version <= 3; ++version) changes.push_back(FullVersion("d", version));
  changes.push_back(FullVersion("gone", 3));
  const RunState states[] = {RunState::kQueued, RunState::kRunning, RunState::kSuccess,
                             RunState::kFailed};
  for (int i = 0; i < 4; ++i) {
    DagRunRow run = FullRun(i + 1, "d", states[i]);
    run.version = i;  // 1 is pinned by the running one
    changes.push_back(run);
    changes.push_back(FullTask(i + 1, "b", -1, TaskState::kSuccess));
    changes.push_back(FullTask(i + 1, "a", 1, TaskState::kRunning));
    changes.push_back(FullTask(i + 1, "a", 0, TaskState::kNone));
  }
  for (int i = 0; i < 4; ++i) {
    changes.push_back(FullAttempt(i + 1, 1, static_cast<AttemptState>(i)));
    changes.push_back(AttemptTargetRow{AttemptId(i + 1), {RunKey(1), "a", i}});
    changes.push_back(FullBackfill(i + 1, "d", static_cast<BackfillState>(i)));
    changes.push_back(FullBackfillSlot(i + 1, 0));
  }
  ASSERT_OK(store.Commit(changes));

  const Snapshot snapshot = ValueOf(store.LoadActive());
  ASSERT_EQ(snapshot.dags.size(), 1u);
  EXPECT_EQ(snapshot.dags[0].dag_id, "d");
  ASSERT_EQ(snapshot.versions.size(), 2u);
  EXPECT_EQ(snapshot.versions[0].version, 1);
  EXPECT_EQ(snapshot.versions[1].version, 3);
  ASSERT_EQ(snapshot.runs.size(), 2u);
  EXPECT_EQ(snapshot.runs[0].run, RunKey(1));
  EXPECT_EQ(snapshot.runs[1].run, RunKey(2));
  std::vector<std::tuple<std::int64_t, std::string, int>> keys;
  for (const TaskInstanceRow& task : snapshot.tasks) {
    keys.emplace_back(task.run.value, task.task_id, task.map_index);
  }
  const decltype(keys) expected = {{1, "a", 0}, {1, "a", 1}, {1, "b", -1},
                                   {2, "a", 0}, {2, "a", 1}, {2, "b", -1}};
  EXPECT_EQ(keys, expected);
  ASSERT_EQ(snapshot.attempts.size(), 3u);
  EXPECT_EQ(snapshot.attempts[2].state, AttemptState::kKilling);
  ASSERT_EQ(snapshot.targets.size(), 3u);
  EXPECT_EQ(snapshot.targets[2].attempt, AttemptId(3));
  ASSERT_EQ(snapshot.backfills.size(), 2u);
  ASSERT_EQ(snapshot.backfill_slots.size(), 2u);
  EXPECT_EQ(snapshot.backfill_slots[1].backfill, BackfillId(2));
  // Highest ids, also of rows that are not live.
  EXPECT_EQ(snapshot.last_run, RunKey(4));
  EXPECT_EQ(snapshot.last_attempt, AttemptId(4));
  EXPECT_EQ(snapshot.last_backfill, BackfillId(4));
}

TEST_F(StoreTest, EraseRemovesOneInstance) {
  Store store = OpenStore(path_);
  ASSERT_OK(store.Commit(std::vector<Change>{FullRun(1, "d", RunState::kRunning),
                                             FullTask(1, "t", -1, TaskState::kNone),
                                             FullTask(1, "t", 0, TaskState::kNone)}));
  ASSERT_OK(store.Commit(std::vector<Change>{EraseTaskInstance{RunKey(1), "t", -1}}));
  const Snapshot snapshot = ValueOf(store.LoadActive());
  ASSERT_EQ(snapshot.tasks.size(), 1u);
  EXPECT_EQ(snapshot.tasks[0].map_index, 0);
}

TEST_F(StoreTest, EachOpenIsAHigherEpochAndKeepsTheHighestIds) {
  for (int start = 1; start <= 3; ++start) {
    Store store = OpenStore(path_);
    EXPECT_EQ(store.epoch(), Epoch(start));
    const Snapshot snapshot = ValueOf(store.LoadActive());
    EXPECT_EQ(snapshot.epoch, Epoch(start));
    EXPECT_EQ(snapshot.last_run, RunKey(start - 1));
    EXPECT_EQ(snapshot.last_event, EventId(start - 1));
    ASSERT_OK(store.Commit(
        std::vector<Change>{FullRun(start, "d", RunState::kSuccess), FullEvent(start)}));
  }
}

TEST_F(StoreTest, UniquenessIsAConflictAndLeavesNothingBehind) {
  Store store = OpenStore(path_);
  const DagRunRow first = FullRun(1, "d", RunState::kQueued);
  ASSERT_OK(store.Commit(std::vector<Change>{first}));

  DagRunRow same_id = FullRun(2, "d", RunState::kQueued);
  same_id.run_id = first.run_id;
  DagRunRow same_date = FullRun(2, "d", RunState::kQueued);
  same_date.logical_date = first.logical_date;
  for (const DagRunRow& clash : {same_id, same_date}) {
    const Status status = store.Commit(std::vector<Change>{FullEvent(1), clash});
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, ErrorCode::kConflict) << status.error().message;
    const Snapshot snapshot = ValueOf(store.LoadActive());
    EXPECT_EQ(snapshot.runs.size(), 1u);
    EXPECT_EQ(snapshot.last_event, EventId(0));
    EXPECT_EQ(snapshot.last_run, RunKey(1));
  }

  // Neither rule binds other dags, nor dates that are not there.
  DagRunRow other_dag = FullRun(2, "e", RunState::kQueued);
  other_dag.run_id = first.run_id;
  other_dag.logical_date = first.logical_date;
  DagRunRow undated = FullRun(3, "d", RunState::kQueued);
  undated.logical_date.reset();
  DagRunRow undated_too = FullRun(4, "d", RunState::kQueued);
  undated_too.logical_date.reset();
  ASSERT_OK(store.Commit(std::vector<Change>{other_dag, undated, undated_too}));
  EXPECT_EQ(ValueOf(store.LoadActive()).runs.size(), 4u);
}

TEST_F(StoreTest, EventsAreNeverRewritten) {
  Store store = OpenStore(path_);
  ASSERT_OK(store.Commit(std::vector<Change>{FullEvent(1)}));
  const Status status = store.Commit(std::vector<Change>{FullEvent(1)});
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::kConflict);
}

TEST_F(StoreTest, AGroupOfAThousandChangesIsOneCommit) {
  Store store = OpenStore(path_);
  std::vector<Change> changes = {FullRun(1, "d", RunState::kRunning)};
  for (int i = 1; i < 1'000; ++i) changes.push_back(FullTask(1, "t", i, TaskState::kScheduled));
  ASSERT_OK(store.Commit(changes));
  EXPECT_EQ(ValueOf(store.LoadActive()).tasks.size(), 999u);
}

TEST_F(StoreTest, AuditRowsAreChainedAndSharedWithTheChange) {
  Store store = OpenStore(path_);
  AuditRow audit;
  audit.at = At(1);
  audit.principal = "cli";
  audit.action = "run.trigger";
  audit.target = "d/manual__1";
  audit.result = "ok";
  const IdempotencyRow answer = {"cli", "k1", "POST /x", "h", 200, "{}", RunKey(1), At(2)};
  const std::vector<StoreRow> rows = {audit, answer, audit};
  ASSERT_OK(store.Commit(std::vector<Change>{FullRun(1, "d", RunState::kQueued)}, rows));
  ASSERT_OK(store.Commit({}, std::vector<StoreRow>{audit}));

  // A known key refuses the whole commit, its audit row too.
  const Status again = store.Commit(std::vector<Change>{FullRun(2, "d", RunState::kQueued)}, rows);
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().code, ErrorCode::kConflict);

  Queries queries = OpenQueries(path_);
  const std::vector<AuditRow> chain = ValueOf(queries.AuditAfter(AuditId(0), 10));
  ASSERT_EQ(chain.size(), 3u);
  std::string previous;
  for (std::size_t i = 0; i < chain.size(); ++i) {
    EXPECT_EQ(chain[i].id, AuditId(static_cast<std::int64_t>(i) + 1));
    EXPECT_EQ(chain[i].hash, AuditHash(previous, chain[i]));
    previous = chain[i].hash;
  }
  EXPECT_EQ(ValueOf(queries.Runs({})).total, 1);
  EXPECT_EQ(ValueOf(queries.LastAudit("run.trigger", "d/manual__1"))->id, AuditId(3));
  EXPECT_FALSE(ValueOf(queries.LastAudit("run.cancel", "d/manual__1")).has_value());
}

TEST_F(StoreTest, HistoryIsFoundByIdDateAndRange) {
  Store store = OpenStore(path_);
  std::vector<Change> changes;
  for (int i = 1; i <= 5; ++i) changes.push_back(FullRun(i, "d", RunState::kSuccess));
  changes.push_back(FullRun(6, "e", RunState::kSuccess));
  changes.push_back(FullTask(2, "b", -1, TaskState::kFailed));
  changes.push_back(FullTask(2, "a", 0, TaskState::kSuccess));
  changes.push_back(FullVersion("d", 7));
  changes.push_back(FullBackfill(9, "d", BackfillState::kCompleted));
  changes.push_back(FullBackfillSlot(9, 1));
  changes.push_back(FullBackfillSlot(9, 0));
  ASSERT_OK(store.Commit(changes));

  const auto by_id = ValueOf(store.FindRun("d", "manual__2"));
  ASSERT_TRUE(by_id.has_value());
  EXPECT_TRUE(Same(*by_id, FullRun(2, "d", RunState::kSuccess)));
  EXPECT_FALSE(ValueOf(store.FindRun("e", "manual__2")).has_value());
  const auto by_date = ValueOf(store.FindRunByLogicalDate("d", At(3'000'000)));
  ASSERT_TRUE(by_date.has_value());
  EXPECT_EQ(by_date->run, RunKey(3));
  EXPECT_FALSE(ValueOf(store.FindRunByLogicalDate("d", At(3'000'001))).has_value());

  const auto between = ValueOf(store.RunsBetween("d", At(2'000'000), At(4'000'000)));
  ASSERT_EQ(between.size(), 3u);
  EXPECT_EQ(between.front().run, RunKey(2));
  EXPECT_EQ(between.back().run, RunKey(4));

  const auto stored = ValueOf(store.LoadRun(RunKey(2)));
  ASSERT_TRUE(stored.has_value());
  EXPECT_EQ(stored->run.run, RunKey(2));
  ASSERT_EQ(stored->tasks.size(), 2u);
  EXPECT_EQ(stored->tasks[0].task_id, "a");
  EXPECT_FALSE(ValueOf(store.LoadRun(RunKey(77))).has_value());
  EXPECT_TRUE(ValueOf(store.FindVersion("d", 7)).has_value());
  EXPECT_TRUE(ValueOf(store.FindBackfill(BackfillId(9))).has_value());
  const auto slots = ValueOf(store.LoadBackfillSlots(BackfillId(9)));
  ASSERT_EQ(slots.size(), 2u);
  EXPECT_EQ(slots[0].seq, 0);
}

TEST_F(StoreTest, FilesAreForTheirOwnerOnly) {
  Store store = OpenStore(path_);
  ASSERT_OK(store.Commit(std::vector<Change>{FullDag("d")}));
  for (const char* suffix : {"", "-wal", "-shm"}) {
    struct stat info {};
    ASSERT_EQ(stat((path_ + suffix).c_str(), &info), 0) << suffix;
    EXPECT_EQ(info.st_mode & 0777, 0600u) << suffix;
  }
}

TEST_F(StoreTest, AFileOpenToOthersIsRefused) {
  { Store store = OpenStore(path_); }
  ASSERT_EQ(chmod(path_.c_str(), 0640), 0);
  const Result<Store> refused = Store::Open(path_);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kForbidden);
}

TEST_F(StoreTest, AMissingFolderOrALinkIsRefused) {
  EXPECT_FALSE(Store::Open(folder_.File("no/such/folder/x.db")).ok());
  std::filesystem::create_symlink(path_, folder_.File("link.db"));
  EXPECT_EQ(Store::Open(folder_.File("link.db")).error().code, ErrorCode::kForbidden);
}

TEST_F(StoreTest, AForeignWriteStopsTheNextCommit) {
  Store store = OpenStore(path_);
  ASSERT_OK(store.Commit(std::vector<Change>{FullDag("d")}));
  {
    auto stranger = ValueOf(Connection::Open(path_, Connection::Mode::kReadWrite));
    ASSERT_OK(stranger->Execute("UPDATE dag SET paused = 0"));
  }
  const Status status = store.Commit(std::vector<Change>{FullDag("e")});
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::kInternal);
  // The next start reads the truth.
  store = OpenStore(path_);
  const Snapshot snapshot = ValueOf(store.LoadActive());
  ASSERT_EQ(snapshot.dags.size(), 1u);
  EXPECT_FALSE(snapshot.dags[0].paused);
}

TEST_F(StoreTest, ReadersDoNotCountAsForeignWrites) {
  Store store = OpenStore(path_);
  Queries queries = OpenQueries(path_);
  for (int i = 1; i <= 20; ++i) {
    ASSERT_OK(store.Commit(std::vector<Change>{FullEvent(i)}));
    EXPECT_EQ(ValueOf(queries.LastEvent()), EventId(i));
  }
}

TEST_F(StoreTest, ARowChangedBehindOurBackIsNotLoaded) {
  const char* damages[] = {
      "UPDATE dag_run SET conf = 'x'",
      "UPDATE task_instance SET try_number = 9",
      "UPDATE task_attempt SET incarnation = 1",
      "UPDATE task_instance SET state = 'asleep'",
  };
  for (const char* damage : damages) {
    const std::string path = folder_.File(std::string("damaged") + damage[7] + damage[17]);
    {
      Store store = OpenStore(path);
      ASSERT_OK(store.Commit(std::vector<Change>{FullRun(1, "d", RunState::kRunning),
                                                 FullTask(1, "t", -1, TaskState::kRunning),
                                                 FullAttempt(1, 1, AttemptState::kRunning)}));
    }
    {
      auto stranger = ValueOf(Connection::Open(path, Connection::Mode::kReadWrite));
      ASSERT_OK(stranger->Execute(damage));
    }
    Store store = OpenStore(path);
    const Result<Snapshot> snapshot = store.LoadActive();
    ASSERT_FALSE(snapshot.ok()) << damage;
    EXPECT_EQ(snapshot.error().code, ErrorCode::kInternal);
  }
}

TEST_F(StoreTest, CheckpointsKeepTheWalShort) {
  Store store = OpenStore(path_);
  std::vector<Change> changes = {FullRun(1, "d", RunState::kRunning)};
  for (int i = 0; i < 500; ++i) changes.push_back(FullTask(1, "t", i, TaskState::kScheduled));
  for (int round = 0; round < 60; ++round) {
    ASSERT_OK(store.Commit(changes));
    ASSERT_OK(store.MaybeCheckpoint());
  }
  EXPECT_LT(std::filesystem::file_size(path_ + "-wal"), 2'000u * 4'120u);
  EXPECT_GT(std::filesystem::file_size(path_), 100'000u);
}

TEST_F(StoreTest, AReaderInTheWayOnlyDelaysTheCheckpoint) {
  Store store = OpenStore(path_);
  auto reader = ValueOf(Connection::Open(path_, Connection::Mode::kReadOnly));
  std::vector<Change> changes = {FullRun(1, "d", RunState::kRunning)};
  for (int i = 0; i < 500; ++i) changes.push_back(FullTask(1, "t", i, TaskState::kScheduled));
  {
    Result<Transaction> snapshot = Transaction::Begin(*reader, Transaction::Mode::kRead);
    ASSERT_TRUE(snapshot.ok());
    EXPECT_EQ(CountOf(*reader, "SELECT count(*) FROM task_instance"), 0);
    for (int round = 0; round < 60; ++round) {
      ASSERT_OK(store.Commit(changes));
      ASSERT_OK(store.MaybeCheckpoint());
    }
    EXPECT_EQ(CountOf(*reader, "SELECT count(*) FROM task_instance"), 0);
  }
  EXPECT_EQ(CountOf(*reader, "SELECT count(*) FROM task_instance"), 500);
}

// A write that fails in the file system is no conflict: the caller must stop.
TEST_F(StoreTest, AFailedWriteIsAnIoError) {
  Store store = OpenStore(path_);
  ASSERT_OK(store.Commit(std::vector<Change>{FullDag("d")}));
  struct rlimit before {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  const struct rlimit small = {4'096, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const Status status = store.Commit(std::vector<Change>{FullVersion("d", 3)});
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, old_handler);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::kInternal) << status.error().message;
  // The truth is on disk.
  store = OpenStore(path_);
  EXPECT_EQ(ValueOf(store.LoadActive()).dags.size(), 1u);
  EXPECT_EQ(ValueOf(store.LoadActive()).versions.size(), 0u);
}

TEST_F(StoreTest, DurabilityHasWords) {
  EXPECT_EQ(ParseDurability("full"), Durability::kFull);
  EXPECT_EQ(ParseDurability("process"), Durability::kProcess);
  EXPECT_EQ(ParseDurability("none"), std::nullopt);
}

}  // namespace
}  // namespace nightmill
