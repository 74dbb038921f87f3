// The read side of the store: every question the API asks of committed state, answered over an own
// read-only connection, so that readers never wait for the writer nor the writer for them.
//
// Thread rule: one instance is used by one thread at a time; open one per API thread. Each call is
// one snapshot: it sees all of a commit or nothing of it. A call that finds nothing returns an
// empty optional or list, never kNotFound. Errors: kUnavailable after the deadline or while the
// file is locked by a stranger; kInternal for I/O errors and for a row that fails its checksum or
// holds an unknown word.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/base/time.h"
#include "core/model/change.h"
#include "store/rows.h"
#include "store/views.h"

namespace nightmill {

class Connection;
class Statement;
class Transaction;

// Time since any fixed point, never going back. The store reads no clock: the daemon passes one.
using MonotonicNow = std::function<Duration()>;

inline constexpr Duration kQueryDeadline{5'000};

class Queries {
 public:
  // Opens the database of a running Store, read-only. A call that lasts longer than `deadline` by
  // `now` ends with kUnavailable.
  static Result<Queries> Open(const std::string& path, MonotonicNow now,
                              Duration deadline = kQueryDeadline);
  Queries(Queries&&) noexcept;
  Queries& operator=(Queries&&) noexcept;
  ~Queries();

  // Dags and their versions. FindDag gives deleted dags too and always fills the source.
  Result<Listing<DagView>> Dags(const DagFilter& filter);
  Result<std::optional<DagView>> FindDag(std::string_view dag_id);
  // Newest first; without their sources.
  Result<Listing<DagVersionRow>> DagVersions(std::string_view dag_id, Page page);
  Result<std::optional<DagVersionRow>> FindVersion(std::string_view dag_id, int version);

  // Runs.
  Result<Listing<DagRunRow>> Runs(const RunFilter& filter);
  Result<std::optional<DagRunRow>> FindRun(std::string_view dag_id, std::string_view run_id);
  Result<std::optional<DagRunRow>> FindRun(RunKey run);
  // The run created last.
  Result<std::optional<DagRunRow>> NewestRun(std::string_view dag_id);
  // From start to end of the last successful runs, newest first.
  Result<std::vector<Duration>> RecentRunDurations(std::string_view dag_id, int limit = 20);
  // Ends of the last runs of a backfill that ended, newest first.
  Result<std::vector<Instant>> RecentEnds(BackfillId backfill, int limit = 20);
  // Runs by state of each dag that has runs, ordered by dag_id.
  Result<std::vector<DagRunCounts>> RunCountsByDag();
  Result<RunCounts> RunCountsOf(std::string_view dag_id);

  // Task instances.
  Result<Listing<TaskView>> Tasks(const TaskFilter& filter);
  Result<std::optional<TaskView>> FindTask(RunKey run, std::string_view task_id, int map_index);
  Result<TaskCounts> TaskCountsOf(RunKey run);
  // By run and task, of the runs of a dag between two keys, both included.
  Result<std::vector<TaskCell>> TaskCells(std::string_view dag_id, RunKey first, RunKey last);
  Result<std::vector<LiveTaskCount>> LiveTaskCounts();
  // Running times of the last successful instances of a task, newest run first.
  Result<std::vector<Duration>> RecentDurations(std::string_view dag_id, std::string_view task_id,
                                                int limit = 20);

  // Attempts of one task instance, oldest first; several may belong to one try (losses). The newest
  // attempt of a try is the one that counts.
  Result<std::vector<TaskAttemptRow>> Attempts(const AttemptTarget& target);
  Result<std::optional<TaskAttemptRow>> FindTry(const AttemptTarget& target, int try_number);
  Result<std::optional<TaskAttemptRow>> FindAttempt(AttemptId attempt);
  Result<std::vector<AttemptTarget>> Targets(AttemptId attempt);
  // Losses of runs between two keys, both included, by run; those of one run by task instance; all.
  Result<std::vector<LostAttempts>> LostOfRuns(RunKey first, RunKey last);
  Result<std::vector<LostAttempts>> LostOfTasks(RunKey run);
  Result<std::int64_t> LostTotal();

  // Pools by name.
  Result<std::vector<PoolRow>> Pools();
  Result<std::optional<PoolRow>> FindPool(std::string_view name);

  // Backfills; slots in order of execution.
  Result<Listing<BackfillRow>> Backfills(const BackfillFilter& filter);
  Result<std::optional<BackfillRow>> FindBackfill(BackfillId backfill);
  // From slot `first` on; the total is of all.
  Result<Listing<BackfillSlotView>> BackfillSlots(BackfillId backfill, int first, Page page);
  Result<std::vector<BackfillSlotCount>> BackfillSlotCounts(BackfillId backfill);

  // Decisions about ticks of a dag's schedule, newest tick first.
  Result<std::vector<SlotRow>> Slots(std::string_view dag_id, const InstantRange& ticks, int limit);

  // Events with a greater id, oldest first. LastEvent: highest id committed, 0 if there is none.
  Result<std::vector<EventView>> EventsAfter(EventId after, const EventFilter& filter, int limit);
  Result<Listing<EventView>> Events(const EventFilter& filter, bool descending, Page page);
  Result<std::optional<EventView>> FindEvent(EventId event);
  Result<EventId> LastEvent();

  // Of an SLA entry the row of its newest slot.
  Result<std::optional<SlaRow>> LastSla(std::string_view dag_id, std::string_view name);
  // What was warned of and missed. A warning whose SLA was withdrawn stays a warning.
  Result<Listing<SlaMissView>> SlaMisses(const SlaMissFilter& filter);

  // Alerts (queries_alerts.cc). Deliveries newest first; those of one alert by notifier.
  Result<Listing<DeliveryView>> Deliveries(const DeliveryFilter& filter);
  Result<std::vector<DeliveryView>> DeliveriesOf(AlertId alert);
  // The outbox: who has something pending; what of one notifier is due by then, earliest first; and
  // its deliveries of older alerts with the same key, oldest first.
  Result<std::vector<OutboxLine>> Outbox();
  Result<std::vector<DeliveryView>> DueDeliveries(std::string_view notifier, Instant by, int limit);
  Result<std::vector<DeliveryView>> EarlierDeliveries(std::string_view notifier,
                                                      const AlertRow& alert);
  Result<NotifierRecord> RecordOf(std::string_view notifier);
  // The newest alert of a key.
  Result<std::optional<AlertRow>> LastAlert(std::string_view dedup_key);

  // API: tokens (revoked and expired ones too, the caller decides), answers, audit oldest first.
  Result<std::optional<TokenRow>> FindTokenByHash(std::string_view hash);
  Result<std::vector<TokenRow>> Tokens();
  Result<std::optional<IdempotencyRow>> FindIdempotency(std::string_view principal,
                                                        std::string_view key);
  Result<std::vector<AuditRow>> AuditAfter(AuditId after, int limit);
  // The newest row about this that went well; there is no index, so it is read from the end.
  Result<std::optional<AuditRow>> LastAudit(std::string_view action, std::string_view target);

 private:
  struct Deadline;
  Queries(std::unique_ptr<Deadline> deadline, std::unique_ptr<Connection> db);
  // Both start the clock of one call: Ask for a single statement, Begin for a snapshot of several.
  Statement Ask(std::string_view sql);
  Result<Transaction> Begin();

  std::unique_ptr<Deadline> deadline_;  // before db_: its handler is called until db_ is closed
  std::unique_ptr<Connection> db_;
};

}  // namespace nightmill
