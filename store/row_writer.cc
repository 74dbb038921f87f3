#include "store/row_writer.h"

#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "store/row_codec.h"

namespace nightmill {
namespace {

template <class R>
Status Put(Connection& db, std::string_view sql, const R& row) {
  Statement statement = db.Prepare(sql);
  Bind(statement, row);
  return statement.Run();
}

Status Write(Connection& db, const DagRow& row) {
  static constexpr std::string_view kSql =
      "INSERT INTO dag (" NM_DAG_COLUMNS("") ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
      " ON CONFLICT (dag_id) DO UPDATE SET version = excluded.version, paused = excluded.paused,"
      " deleted = excluded.deleted, first_accepted_at = excluded.first_accepted_at,"
      " enabled_at = excluded.enabled_at, last_tick = excluded.last_tick,"
      " fileloc = excluded.fileloc, failing = excluded.failing";
  return Put(db, kSql, row);
}

Status Write(Connection& db, const DagVersionRow& row) {
  static constexpr std::string_view kSql =
      "INSERT INTO dag_version (" NM_DAG_VERSION_COLUMNS("") ") VALUES (?, ?, ?, ?, ?)"
      " ON CONFLICT (dag_id, version) DO UPDATE SET hash = excluded.hash,"
      " source = excluded.source, created_at = excluded.created_at";
  return Put(db, kSql, row);
}

// dag_id, run_id, run_type and logical_date are the run's identity.
Status Write(Connection& db, const DagRunRow& row) {
  static constexpr std::string_view kSql =
      "INSERT INTO dag_run (" NM_DAG_RUN_COLUMNS("") ") VALUES"
      " (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
      " ON CONFLICT (run) DO UPDATE SET lane = excluded.lane, state = excluded.state,"
      " reason = excluded.reason, stopping = excluded.stopping,"
      " interval_start = excluded.interval_start, interval_end = excluded.interval_end,"
      " run_after = excluded.run_after, queued_at = excluded.queued_at,"
      " started_at = excluded.started_at, ended_at = excluded.ended_at,"
      " version = excluded.version, conf = excluded.conf, note = excluded.note,"
      " triggered_by = excluded.triggered_by, backfill = excluded.backfill,"
      " clear_number = excluded.clear_number, hidden_failures = excluded.hidden_failures,"
      " crc = excluded.crc";
  return Put(db, kSql, row);
}

Status Write(Connection& db, const TaskInstanceRow& row) {
  static constexpr std::string_view kSql =
      "INSERT INTO task_instance (" NM_TASK_INSTANCE_COLUMNS("") ") VALUES"
      " (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
      " ON CONFLICT (run, task_id, map_index) DO UPDATE SET state = excluded.state,"
      " try_number = excluded.try_number, max_tries = excluded.max_tries,"
      " cycle_failures = excluded.cycle_failures, internal_failures = excluded.internal_failures,"
      " losses = excluded.losses, attempt = excluded.attempt, skip_reason = excluded.skip_reason,"
      " failure = excluded.failure, map_item = excluded.map_item, output = excluded.output,"
      " artifact = excluded.artifact, branch = excluded.branch,"
      " scheduled_at = excluded.scheduled_at, queued_at = excluded.queued_at,"
      " started_at = excluded.started_at, ended_at = excluded.ended_at, due_at = excluded.due_at,"
      " cycle_started_at = excluded.cycle_started_at, deferred_since = excluded.deferred_since,"
      " pokes = excluded.pokes, crc = excluded.crc";
  return Put(db, kSql, row);
}

Status Write(Connection& db, const EraseTaskInstance& row) {
  static constexpr std::string_view kSql =
      "DELETE FROM task_instance WHERE run = ? AND task_id = ? AND map_index = ?";
  return db.Prepare(kSql).Bind(row.run, row.task_id, row.map_index).Run();
}

Status Write(Connection& db, const ErasePool& row) {
  static constexpr std::string_view kSql = "DELETE FROM pool WHERE name = ?";
  return db.Prepare(kSql).Bind(row.name).Run();
}

Status Write(Connection& db, const TaskAttemptRow& row) {
  static constexpr std::string_view kSql =
      "INSERT INTO task_attempt (" NM_TASK_ATTEMPT_COLUMNS("") ") VALUES"
      " (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
      " ON CONFLICT (attempt) DO UPDATE SET run = excluded.run,"
      " try_number = excluded.try_number, state = excluded.state, epoch = excluded.epoch,"
      " worker = excluded.worker, incarnation = excluded.incarnation,"
      " outcome = excluded.outcome, failure = excluded.failure,"
      " kill_reason = excluded.kill_reason, rendered = excluded.rendered,"
      " report = excluded.report, log_path = excluded.log_path,"
      " dispatched_at = excluded.dispatched_at, started_at = excluded.started_at,"
      " ended_at = excluded.ended_at, cpu_seconds = excluded.cpu_seconds,"
      " max_rss_bytes = excluded.max_rss_bytes, bytes_read = excluded.bytes_read,"
      " bytes_written = excluded.bytes_written, places = excluded.places, crc = excluded.crc";
  return Put(db, kSql, row);
}

Status Write(Connection& db, const AttemptTargetRow& row) {
  static constexpr std::string_view kSql =
      "INSERT INTO attempt_target (" NM_ATTEMPT_TARGET_COLUMNS("") ") VALUES (?, ?, ?, ?)"
      " ON CONFLICT DO NOTHING";
  return Put(db, kSql, row);
}

Status Write(Connection& db, const PoolRow& row) {
  static constexpr std::string_view kSql =
      "INSERT INTO pool (" NM_POOL_COLUMNS("") ") VALUES (?, ?, ?, ?)"
      " ON CONFLICT (name) DO UPDATE SET slots = excluded.slots,"
      " description = excluded.description, include_deferred = excluded.include_deferred";
  return Put(db, kSql, row);
}

Status Write(Connection& db, const BackfillRow& row) {
  static constexpr std::string_view kSql =
      "INSERT INTO backfill (" NM_BACKFILL_COLUMNS("") ") VALUES"
      " (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
      " ON CONFLICT (backfill) DO UPDATE SET dag_id = excluded.dag_id, state = excluded.state,"
      " from_date = excluded.from_date, to_date = excluded.to_date,"
      " reprocess = excluded.reprocess, max_active_runs = excluded.max_active_runs,"
      " run_backwards = excluded.run_backwards, conf = excluded.conf,"
      " created_at = excluded.created_at, ended_at = excluded.ended_at,"
      " outcome = excluded.outcome";
  return Put(db, kSql, row);
}

Status Write(Connection& db, const BackfillSlotRow& row) {
  static constexpr std::string_view kSql =
      "INSERT INTO backfill_slot (" NM_BACKFILL_SLOT_COLUMNS("") ") VALUES"
      " (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
      " ON CONFLICT (backfill, seq) DO UPDATE SET logical_date = excluded.logical_date,"
      " interval_start = excluded.interval_start, interval_end = excluded.interval_end,"
      " verdict = excluded.verdict, reason = excluded.reason, state = excluded.state,"
      " run = excluded.run, run_state = excluded.run_state";
  return Put(db, kSql, row);
}

Status Write(Connection& db, const SlotRow& row) {
  static constexpr std::string_view kSql =
      "INSERT INTO slot (" NM_SLOT_COLUMNS("") ") VALUES (?, ?, ?, ?)"
      " ON CONFLICT (dag_id, tick) DO UPDATE SET reason = excluded.reason, run = excluded.run";
  return Put(db, kSql, row);
}

Status Write(Connection& db, const EventRow& row) {
  static constexpr std::string_view kSql =
      "INSERT INTO event (" NM_EVENT_COLUMNS("") ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
  return Put(db, kSql, row);
}

Status Write(Connection& db, const AlertRow& row) {
  static constexpr std::string_view kSql =
      "INSERT INTO alert (" NM_ALERT_COLUMNS("") ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
  return Put(db, kSql, row);
}

Status Write(Connection& db, const DeliveryRow& row) {
  static constexpr std::string_view kSql =
      "INSERT INTO delivery (" NM_DELIVERY_COLUMNS("") ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
      " ON CONFLICT (alert, notifier) DO UPDATE SET state = excluded.state,"
      " tries = excluded.tries, next_at = excluded.next_at, ended_at = excluded.ended_at,"
      " last_at = excluded.last_at, last_status = excluded.last_status,"
      " last_error = excluded.last_error";
  return Put(db, kSql, row);
}

Status Write(Connection& db, const SlaRow& row) {
  static constexpr std::string_view kSql =
      "INSERT INTO sla (" NM_SLA_COLUMNS("") ") VALUES"
      " (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
      " ON CONFLICT (dag_id, name, slot, map_index) DO UPDATE SET task_id = excluded.task_id,"
      " run = excluded.run, state = excluded.state, severity = excluded.severity,"
      " reference = excluded.reference, warn_at = excluded.warn_at, due_at = excluded.due_at,"
      " warned_at = excluded.warned_at, missed_at = excluded.missed_at,"
      " landed_at = excluded.landed_at, cause = excluded.cause";
  return Put(db, kSql, row);
}

// Written once: what was known then does not change.
Status Write(Connection& db, const SlaMissRow& row) {
  static constexpr std::string_view kSql =
      "INSERT INTO sla_miss (" NM_SLA_MISS_COLUMNS("") ") VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
  return Put(db, kSql, row);
}

}  // namespace

Status WriteRow(Connection& db, const Change& change) {
  return std::visit([&db](const auto& row) { return Write(db, row); }, change);
}

Status WriteRow(Connection& db, const AuditRow& row) {
  static constexpr std::string_view kLast = "SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1";
  static constexpr std::string_view kSql =
      "INSERT INTO audit (" NM_AUDIT_COLUMNS("") ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
  AuditRow chained = row;
  chained.id = AuditId(1);
  std::string previous;
  {
    Statement last = db.Prepare(kLast);
    NM_ASSIGN_OR_RETURN(const bool found, last.Step());
    if (found) {
      chained.id = AuditId(last.row().Integer(0) + 1);
      previous = last.row().Text(1);
    }
  }
  chained.hash = AuditHash(previous, chained);
  return Put(db, kSql, chained);
}

Status WriteRow(Connection& db, const IdempotencyRow& row) {
  static constexpr std::string_view kSql =
      "INSERT INTO idempotency (" NM_IDEMPOTENCY_COLUMNS("") ") VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
  return Put(db, kSql, row);
}

Status WriteRow(Connection& db, const DeliveryRow& row) { return Write(db, row); }

Status WriteRow(Connection& db, const ClockRow& row) {
  static constexpr std::string_view kSql =
      "INSERT INTO clock (id, boot_id, booted_at) VALUES (1, ?, ?)"
      " ON CONFLICT (id) DO UPDATE SET boot_id = excluded.boot_id,"
      " booted_at = excluded.booted_at";
  return Put(db, kSql, row);
}

Status WriteRow(Connection& db, const TokenRow& row) {
  static constexpr std::string_view kSql =
      "INSERT INTO token (" NM_TOKEN_COLUMNS("") ") VALUES (?, ?, ?, ?, ?, ?)"
      " ON CONFLICT (id) DO UPDATE SET hash = excluded.hash, role = excluded.role,"
      " created_at = excluded.created_at, expires_at = excluded.expires_at,"
      " revoked_at = excluded.revoked_at";
  return Put(db, kSql, row);
}

}  // namespace nightmill
