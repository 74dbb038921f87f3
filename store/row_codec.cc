#include "store/row_codec.h"

#include <bit>
#include <concepts>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "core/base/hash.h"
#include "core/rules/dag_run_state.h"
#include "core/rules/task_state.h"

namespace nightmill {
namespace {

template <class T>
concept Word = std::is_enum_v<T>;

template <class R, class T>
concept Of = std::same_as<std::remove_const_t<R>, T>;

// Fields: the columns of each table as the struct's members, in the order of the column list.
void Fields(Of<DagRow> auto& r, auto&& v) {
  v(r.dag_id, r.version, r.paused, r.deleted, r.first_accepted_at, r.enabled_at, r.last_tick,
    r.fileloc, r.failing);
}

void Fields(Of<DagVersionRow> auto& r, auto&& v) {
  v(r.dag_id, r.version, r.hash, r.source, r.created_at);
}

void Fields(Of<DagRunRow> auto& r, auto&& v) {
  v(r.run, r.dag_id, r.run_id, r.type, r.lane, r.state, r.reason, r.stopping, r.logical_date,
    r.interval, r.run_after, r.queued_at, r.started_at, r.ended_at, r.version, r.conf, r.note,
    r.triggered_by, r.backfill, r.clear_number, r.hidden_failures);
}

void Fields(Of<TaskInstanceRow> auto& r, auto&& v) {
  v(r.run, r.task_id, r.map_index, r.state, r.try_number, r.max_tries, r.cycle_failures,
    r.internal_failures, r.losses, r.attempt, r.skip_reason, r.failure, r.map_item, r.output,
    r.artifact, r.branch, r.scheduled_at, r.queued_at, r.started_at, r.ended_at, r.due_at,
    r.cycle_started_at, r.deferred_since, r.pokes);
}

void Fields(Of<TaskAttemptRow> auto& r, auto&& v) {
  v(r.attempt, r.run, r.try_number, r.state, r.epoch, r.worker, r.incarnation, r.outcome, r.failure,
    r.kill_reason, r.rendered, r.report, r.log_path, r.dispatched_at, r.started_at, r.ended_at,
    r.usage.cpu_seconds, r.usage.max_rss_bytes, r.usage.bytes_read, r.usage.bytes_written,
    r.places);
}

void Fields(Of<AttemptTargetRow> auto& r, auto&& v) {
  v(r.attempt, r.target.run, r.target.task_id, r.target.map_index);
}

void Fields(Of<PoolRow> auto& r, auto&& v) {
  v(r.name, r.slots, r.description, r.include_deferred);
}

void Fields(Of<BackfillRow> auto& r, auto&& v) {
  v(r.backfill, r.dag_id, r.state, r.from, r.to, r.reprocess, r.max_active_runs, r.run_backwards,
    r.conf, r.created_at, r.ended_at, r.outcome);
}

void Fields(Of<BackfillSlotRow> auto& r, auto&& v) {
  v(r.backfill, r.seq, r.logical_date, r.interval.start, r.interval.end, r.verdict, r.reason,
    r.state, r.run, r.run_state);
}

void Fields(Of<SlotRow> auto& r, auto&& v) { v(r.dag_id, r.tick, r.reason, r.run); }

void Fields(Of<EventRow> auto& r, auto&& v) {
  v(r.id, r.at, r.kind, r.dag_id, r.run, r.task_id, r.map_index, r.attempt, r.data);
}

void Fields(Of<AlertRow> auto& r, auto&& v) {
  v(r.alert, r.at, r.type, r.severity, r.dag_id, r.run, r.task_id, r.map_index, r.dedup_key,
    r.data);
}

void Fields(Of<DeliveryRow> auto& r, auto&& v) {
  v(r.alert, r.notifier, r.state, r.tries, r.next_at, r.ended_at, r.last_at, r.last_status,
    r.last_error);
}

void Fields(Of<SlaRow> auto& r, auto&& v) {
  v(r.dag_id, r.name, r.slot, r.task_id, r.map_index, r.run, r.state, r.severity, r.reference,
    r.warn_at, r.due_at, r.warned_at, r.missed_at, r.landed_at, r.cause);
}

void Fields(Of<SlaMissRow> auto& r, auto&& v) {
  v(r.miss, r.dag_id, r.name, r.slot, r.map_index, r.kind, r.predicted_end, r.holdup);
}

void Fields(Of<AuditRow> auto& r, auto&& v) {
  v(r.id, r.at, r.principal, r.source, r.action, r.target, r.before, r.after, r.result,
    r.request_id, r.hash);
}

void Fields(Of<IdempotencyRow> auto& r, auto&& v) {
  v(r.principal, r.key, r.route, r.body_hash, r.status, r.answer, r.run, r.created_at);
}

void Fields(Of<ClockRow> auto& r, auto&& v) { v(r.boot_id, r.booted_at); }

void Fields(Of<TokenRow> auto& r, auto&& v) {
  v(r.id, r.hash, r.role, r.created_at, r.expires_at, r.revoked_at);
}

// Tables whose rows carry a checksum: those the engine goes on from after a restart.
template <class R>
inline constexpr bool kChecked =
    Of<R, DagRunRow> || Of<R, TaskInstanceRow> || Of<R, TaskAttemptRow>;

class Binder {
 public:
  explicit Binder(Statement& statement) : statement_(statement) {}

  template <class... T>
  void operator()(const T&... fields) {
    (Put(fields), ...);
  }

 private:
  template <class T>
  void Put(const T& value) {
    statement_.Bind(value);
  }
  template <Word T>
  void Put(const T& value) {
    statement_.Bind(ToString(value));
  }
  void Put(const Incarnation& value) { statement_.Bind(std::bit_cast<std::int64_t>(value)); }
  void Put(const std::optional<DataInterval>& value) {
    if (value) {
      statement_.Bind(value->start, value->end);
    } else {
      statement_.Bind(std::nullopt, std::nullopt);
    }
  }

  Statement& statement_;
};

// CRC-32C over all fields, each with its length or presence, so that no two rows share their bytes.
class Checksummer {
 public:
  template <class... T>
  void operator()(const T&... fields) {
    (Add(fields), ...);
  }
  std::int64_t value() const { return crc_; }

 private:
  void Add(std::string_view text) {
    Add(static_cast<std::int64_t>(text.size()));
    crc_ = Crc32c(text, crc_);
  }
  void Add(const std::string& text) { Add(std::string_view(text)); }
  void Add(std::int64_t number) {
    char bytes[sizeof number];
    for (std::size_t i = 0; i < sizeof number; ++i) {
      bytes[i] = static_cast<char>(static_cast<std::uint64_t>(number) >> (8 * i));
    }
    crc_ = Crc32c({bytes, sizeof bytes}, crc_);
  }
  void Add(double number) { Add(std::bit_cast<std::int64_t>(number)); }
  void Add(int number) { Add(std::int64_t{number}); }
  void Add(bool flag) { Add(std::int64_t{flag}); }
  void Add(Instant instant) { Add(ToMicros(instant)); }
  void Add(Incarnation value) { Add(std::bit_cast<std::int64_t>(value)); }
  void Add(const DataInterval& interval) {
    Add(interval.start);
    Add(interval.end);
  }
  template <Word T>
  void Add(T value) {
    Add(ToString(value));
  }
  template <class Tag>
  void Add(StrongId<Tag> id) {
    Add(id.value);
  }
  template <class T>
  void Add(const std::optional<T>& value) {
    Add(value.has_value());
    if (value) Add(*value);
  }

  std::uint32_t crc_ = 0;
};

template <class R>
std::int64_t Checksum(const R& row) {
  Checksummer checksum;
  Fields(row, checksum);
  return checksum.value();
}

template <class T>
std::optional<T> Parse(std::string_view word) {
  if constexpr (std::same_as<T, RunState>) return ParseRunState(word);
  if constexpr (std::same_as<T, RunType>) return ParseRunType(word);
  if constexpr (std::same_as<T, Lane>) return ParseLane(word);
  if constexpr (std::same_as<T, TaskState>) return ParseTaskState(word);
  if constexpr (std::same_as<T, AttemptState>) return ParseAttemptState(word);
  if constexpr (std::same_as<T, BackfillState>) return ParseBackfillState(word);
  if constexpr (std::same_as<T, ReprocessBehavior>) return ParseReprocessBehavior(word);
  if constexpr (std::same_as<T, AlertType>) return ParseAlertType(word);
  if constexpr (std::same_as<T, Severity>) return ParseSeverity(word);
  if constexpr (std::same_as<T, DeliveryState>) return ParseDeliveryState(word);
  if constexpr (std::same_as<T, SlaState>) return ParseSlaState(word);
  if constexpr (std::same_as<T, RunReason>) {
    return word.empty() ? RunReason::kNone : ParseRunReason(word);
  }
}

class Reader {
 public:
  Reader(const Row& row, int& column) : row_(row), column_(column) {}

  template <class... T>
  void operator()(T&... fields) {
    (Get(fields), ...);
  }
  Status status;

 private:
  void Get(std::string& text) { text = row_.Text(column_++); }
  void Get(std::int64_t& number) { number = row_.Integer(column_++); }
  void Get(double& number) { number = row_.Real(column_++); }
  void Get(int& number) { number = static_cast<int>(row_.Integer(column_++)); }
  void Get(bool& flag) { flag = row_.Integer(column_++) != 0; }
  void Get(Instant& instant) { instant = InstantFromMicros(row_.Integer(column_++)); }
  void Get(Incarnation& value) { value = std::bit_cast<Incarnation>(row_.Integer(column_++)); }
  template <Word T>
  void Get(T& value) {
    const std::string_view word = row_.Text(column_++);
    if (const std::optional<T> parsed = Parse<T>(word)) {
      value = *parsed;
    } else {
      status = Internal("database: unknown word \"" + std::string(word) + "\"");
    }
  }
  template <class Tag>
  void Get(StrongId<Tag>& id) {
    id.value = row_.Integer(column_++);  // NULL reads as 0
  }
  template <class T>
  void Get(std::optional<T>& value) {
    if (row_.IsNull(column_)) {
      value.reset();
      ++column_;
    } else {
      Get(value.emplace());
    }
  }
  void Get(std::optional<DataInterval>& value) {
    std::optional<Instant> start;
    std::optional<Instant> end;
    Get(start);
    Get(end);
    value.reset();
    if (start && end) value = DataInterval{*start, *end};
  }

  const Row& row_;
  int& column_;
};

template <class R>
void BindFields(Statement& statement, const R& row) {
  Fields(row, Binder(statement));
  if constexpr (kChecked<R>) statement.Bind(Checksum(row));
}

template <class R>
Status ReadFields(const Row& from, int& column, R& row) {
  Reader reader(from, column);
  Fields(row, reader);
  NM_RETURN_IF_ERROR(reader.status);
  if constexpr (kChecked<R>) {
    if (from.Integer(column++) != Checksum(row)) {
      return Internal("database: a row of run " + std::to_string(row.run.value) +
                          " does not match its checksum",
                      "the file is damaged: restore a backup");
    }
  }
  return Ok();
}

}  // namespace

void Bind(Statement& statement, const DagRow& row) { BindFields(statement, row); }
void Bind(Statement& statement, const DagVersionRow& row) { BindFields(statement, row); }
void Bind(Statement& statement, const DagRunRow& row) { BindFields(statement, row); }
void Bind(Statement& statement, const TaskInstanceRow& row) { BindFields(statement, row); }
void Bind(Statement& statement, const TaskAttemptRow& row) { BindFields(statement, row); }
void Bind(Statement& statement, const AttemptTargetRow& row) { BindFields(statement, row); }
void Bind(Statement& statement, const PoolRow& row) { BindFields(statement, row); }
void Bind(Statement& statement, const BackfillRow& row) { BindFields(statement, row); }
void Bind(Statement& statement, const BackfillSlotRow& row) { BindFields(statement, row); }
void Bind(Statement& statement, const SlotRow& row) { BindFields(statement, row); }
void Bind(Statement& statement, const EventRow& row) { BindFields(statement, row); }
void Bind(Statement& statement, const AlertRow& row) { BindFields(statement, row); }
void Bind(Statement& statement, const DeliveryRow& row) { BindFields(statement, row); }
void Bind(Statement& statement, const SlaRow& row) { BindFields(statement, row); }
void Bind(Statement& statement, const SlaMissRow& row) { BindFields(statement, row); }
void Bind(Statement& statement, const AuditRow& row) { BindFields(statement, row); }
void Bind(Statement& statement, const IdempotencyRow& row) { BindFields(statement, row); }
void Bind(Statement& statement, const ClockRow& row) { BindFields(statement, row); }
void Bind(Statement& statement, const TokenRow& row) { BindFields(statement, row); }

Status Read(const Row& from, int& column, DagRow& row) { return ReadFields(from, column, row); }
Status Read(const Row& from, int& column, DagVersionRow& row) {
  return ReadFields(from, column, row);
}
Status Read(const Row& from, int& column, DagRunRow& row) { return ReadFields(from, column, row); }
Status Read(const Row& from, int& column, TaskInstanceRow& row) {
  return ReadFields(from, column, row);
}
Status Read(const Row& from, int& column, TaskAttemptRow& row) {
  return ReadFields(from, column, row);
}
Status Read(const Row& from, int& column, AttemptTargetRow& row) {
  return ReadFields(from, column, row);
}
Status Read(const Row& from, int& column, PoolRow& row) { return ReadFields(from, column, row); }
Status Read(const Row& from, int& column, BackfillRow& row) {
  return ReadFields(from, column, row);
}
Status Read(const Row& from, int& column, BackfillSlotRow& row) {
  return ReadFields(from, column, row);
}
Status Read(const Row& from, int& column, SlotRow& row) { return ReadFields(from, column, row); }
Status Read(const Row& from, int& column, EventRow& row) { return ReadFields(from, column, row); }
Status Read(const Row& from, int& column, AlertRow& row) { return ReadFields(from, column, row); }
Status Read(const Row& from, int& column, DeliveryRow& row) {
  return ReadFields(from, column, row);
}
Status Read(const Row& from, int& column, SlaRow& row) { return ReadFields(from, column, row); }
Status Read(const Row& from, int& column, SlaMissRow& row) { return ReadFields(from, column, row); }
Status Read(const Row& from, int& column, AuditRow& row) { return ReadFields(from, column, row); }
Status Read(const Row& from, int& column, IdempotencyRow& row) {
  return ReadFields(from, column, row);
}
Status Read(const Row& from, int& column, ClockRow& row) { return ReadFields(from, column, row); }
Status Read(const Row& from, int& column, TokenRow& row) { return ReadFields(from, column, row); }

}  // namespace nightmill
