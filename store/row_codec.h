// How a row struct and a row of its table become each other. The column lists stand here once, as
// text that SQL constants are spelled with at compile time; Bind and Read walk a struct's fields in
// exactly that order. Rows of tables with a column `crc` are checked on every read: a row that was
// changed on disk behind our back is kInternal, as is a word that no enum has.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/result.h"
#include "core/model/change.h"
#include "store/rows.h"
#include "store/sqlite.h"

// `p` is the alias of the table with its dot, or "".
#define NM_DAG_COLUMNS(p)                                                                          \
  p "dag_id, " p "version, " p "paused, " p "deleted, " p "first_accepted_at, " p "enabled_at, " p \
    "last_tick, " p "fileloc, " p "failing"
#define NM_DAG_VERSION_COLUMNS(p) p "dag_id, " p "version, " p "hash, " p "source, " p "created_at"
#define NM_DAG_RUN_COLUMNS(p)                                                                 \
  p "run, " p "dag_id, " p "run_id, " p "run_type, " p "lane, " p "state, " p "reason, " p    \
    "stopping, " p "logical_date, " p "interval_start, " p "interval_end, " p "run_after, " p \
    "queued_at, " p "started_at, " p "ended_at, " p "version, " p "conf, " p "note, " p       \
    "triggered_by, " p "backfill, " p "clear_number, " p "hidden_failures, " p "crc"
#define NM_TASK_INSTANCE_COLUMNS(p)                                                           \
  p "run, " p "task_id, " p "map_index, " p "state, " p "try_number, " p "max_tries, " p      \
    "cycle_failures, " p "internal_failures, " p "losses, " p "attempt, " p "skip_reason, " p \
    "failure, " p "map_item, " p "output, " p "artifact, " p "branch, " p "scheduled_at, " p  \
    "queued_at, " p "started_at, " p "ended_at, " p "due_at, " p "cycle_started_at, " p       \
    "deferred_since, " p "pokes, " p "crc"
#define NM_TASK_ATTEMPT_COLUMNS(p)                                                              \
  p "attempt, " p "run, " p "try_number, " p "state, " p "epoch, " p "worker, " p               \
    "incarnation, " p "outcome, " p "failure, " p "kill_reason, " p "rendered, " p "report, " p \
    "log_path, " p "dispatched_at, " p "started_at, " p "ended_at, " p "cpu_seconds, " p        \
    "max_rss_bytes, " p "bytes_read, " p "bytes_written, " p "places, " p "crc"
#define NM_ATTEMPT_TARGET_COLUMNS(p) p "attempt, " p "run, " p "task_id, " p "map_index"
#define NM_POOL_COLUMNS(p) p "name, " p "slots, " p "description, " p "include_deferred"
#define NM_BACKFILL_COLUMNS(p)                                                            \
  p "backfill, " p "dag_id, " p "state, " p "from_date, " p "to_date, " p "reprocess, " p \
    "max_active_runs, " p "run_backwards, " p "conf, " p "created_at, " p "ended_at, " p "outcome"
#define NM_BACKFILL_SLOT_COLUMNS(p)                                                     \
  p "backfill, " p "seq, " p "logical_date, " p "interval_start, " p "interval_end, " p \
    "verdict, " p "reason, " p "state, " p "run, " p "run_state"
#define NM_SLOT_COLUMNS(p) p "dag_id, " p "tick, " p "reason, " p "run"
#define NM_EVENT_COLUMNS(p)                                                           \
  p "id, " p "at, " p "kind, " p "dag_id, " p "run, " p "task_id, " p "map_index, " p \
    "attempt, " p "data"
#define NM_AUDIT_COLUMNS(p)                                                                     \
  p "id, " p "at, " p "principal, " p "source, " p "action, " p "target, " p "before_state, " p \
    "after_state, " p "result, " p "request_id, " p "hash"
#define NM_IDEMPOTENCY_COLUMNS(p)                                                             \
  p "principal, " p "key, " p "route, " p "body_hash, " p "status, " p "answer, " p "run, " p \
    "created_at"
#define NM_TOKEN_COLUMNS(p) \
  p "id, " p "hash, " p "role, " p "created_at, " p "expires_at, " p "revoked_at"
#define NM_ALERT_COLUMNS(p)                                                             \
  p "alert, " p "at, " p "type, " p "severity, " p "dag_id, " p "run, " p "task_id, " p \
    "map_index, " p "dedup_key, " p "data"
#define NM_DELIVERY_COLUMNS(p)                                                                    \
  p "alert, " p "notifier, " p "state, " p "tries, " p "next_at, " p "ended_at, " p "last_at, " p \
    "last_status, " p "last_error"
#define NM_SLA_COLUMNS(p)                                                                     \
  p "dag_id, " p "name, " p "slot, " p "task_id, " p "map_index, " p "run, " p "state, " p    \
    "severity, " p "reference, " p "warn_at, " p "due_at, " p "warned_at, " p "missed_at, " p \
    "landed_at, " p "cause"
#define NM_SLA_MISS_COLUMNS(p)                                                                   \
  p "miss, " p "dag_id, " p "name, " p "slot, " p "map_index, " p "kind, " p "predicted_end, " p \
    "holdup"

namespace nightmill {

// Binds all columns of the row's table to the statement's next parameters. The row must live until
// the statement's last Step.
void Bind(Statement& statement, const DagRow& row);
void Bind(Statement& statement, const DagVersionRow& row);
void Bind(Statement& statement, const DagRunRow& row);
void Bind(Statement& statement, const TaskInstanceRow& row);
void Bind(Statement& statement, const TaskAttemptRow& row);
void Bind(Statement& statement, const AttemptTargetRow& row);
void Bind(Statement& statement, const PoolRow& row);
void Bind(Statement& statement, const BackfillRow& row);
void Bind(Statement& statement, const BackfillSlotRow& row);
void Bind(Statement& statement, const SlotRow& row);
void Bind(Statement& statement, const EventRow& row);
void Bind(Statement& statement, const AlertRow& row);
void Bind(Statement& statement, const DeliveryRow& row);
void Bind(Statement& statement, const SlaRow& row);
void Bind(Statement& statement, const SlaMissRow& row);
void Bind(Statement& statement, const AuditRow& row);
void Bind(Statement& statement, const IdempotencyRow& row);
void Bind(Statement& statement, const ClockRow& row);
void Bind(Statement& statement, const TokenRow& row);

// Reads all columns of the row's table from the statement's current row, the first at `column`;
// `column` is then the one after the last.
Status Read(const Row& from, int& column, DagRow& row);
Status Read(const Row& from, int& column, DagVersionRow& row);
Status Read(const Row& from, int& column, DagRunRow& row);
Status Read(const Row& from, int& column, TaskInstanceRow& row);
Status Read(const Row& from, int& column, TaskAttemptRow& row);
Status Read(const Row& from, int& column, AttemptTargetRow& row);
Status Read(const Row& from, int& column, PoolRow& row);
Status Read(const Row& from, int& column, BackfillRow& row);
Status Read(const Row& from, int& column, BackfillSlotRow& row);
Status Read(const Row& from, int& column, SlotRow& row);
Status Read(const Row& from, int& column, EventRow& row);
Status Read(const Row& from, int& column, AlertRow& row);
Status Read(const Row& from, int& column, DeliveryRow& row);
Status Read(const Row& from, int& column, SlaRow& row);
Status Read(const Row& from, int& column, SlaMissRow& row);
Status Read(const Row& from, int& column, AuditRow& row);
Status Read(const Row& from, int& column, IdempotencyRow& row);
Status Read(const Row& from, int& column, ClockRow& row);
Status Read(const Row& from, int& column, TokenRow& row);

// Steps to the end and appends every row.
template <class T>
Status ReadAll(Statement& statement, std::vector<T>& rows) {
  while (true) {
    NM_ASSIGN_OR_RETURN(const bool more, statement.Step());
    if (!more) return Ok();
    int column = 0;
    NM_RETURN_IF_ERROR(Read(statement.row(), column, rows.emplace_back()));
  }
}

template <class T>
Result<std::vector<T>> ReadAll(Statement& statement) {
  std::vector<T> rows;
  NM_RETURN_IF_ERROR(ReadAll(statement, rows));
  return rows;
}

// The first row, or nothing.
template <class T>
Result<std::optional<T>> ReadOne(Statement& statement) {
  NM_ASSIGN_OR_RETURN(const bool found, statement.Step());
  if (!found) return std::optional<T>();
  T row;
  int column = 0;
  NM_RETURN_IF_ERROR(Read(statement.row(), column, row));
  return std::optional<T>(std::move(row));
}

}  // namespace nightmill
