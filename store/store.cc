#include "store/store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "core/base/check.h"
#include "store/migrator.h"
#include "store/row_codec.h"
#include "store/row_writer.h"
#include "store/sqlite.h"

namespace nightmill {
namespace {

constexpr int kCheckpointPages = 1'000;
constexpr mode_t kFileMode = 0600;

constexpr const char* kSettings =
    "PRAGMA cache_size = -8192;"             // KiB
    "PRAGMA journal_size_limit = 67108864;"  // a WAL blown up by a slow reader shrinks again
    "PRAGMA secure_delete = FAST;";          // rows hold no secrets; save the extra writes
constexpr const char* kFullDurability = "PRAGMA synchronous = FULL;";
constexpr const char* kProcessDurability = "PRAGMA synchronous = NORMAL;";

Error IoError(const std::string& what, const std::string& path) {
  const int code = errno;
  const ErrorCode kind = code == ENOSPC ? ErrorCode::kNoSpace : ErrorCode::kInternal;
  return {kind, "cannot " + what + " " + path + ": " + std::strerror(code)};
}

// A name that is not on disk with its file would be lost with it in a power cut.
Status SyncFolder(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  const std::string folder = parent.empty() ? "." : parent;
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return IoError("open", folder);
  const bool synced = fsync(fd) == 0;
  const Error error = synced ? Error{} : IoError("sync", folder);
  close(fd);
  if (!synced) return error;
  return Ok();
}

// Creates the file readable to its owner alone, or checks that it is; SQLite gives the WAL and its
// index the same mode. An existing file is not opened here: closing it would drop SQLite's locks.
Status PrepareFile(const std::string& path) {
  struct stat info {};
  if (lstat(path.c_str(), &info) == 0) {
    if (!S_ISREG(info.st_mode)) {
      return Error{ErrorCode::kForbidden, path + " is not a regular file"};
    }
    if (info.st_uid != geteuid()) {
      return Error{ErrorCode::kForbidden, path + " belongs to another user"};
    }
    if ((info.st_mode & 077) != 0) {
      return Error{ErrorCode::kForbidden, path + " is open to other users", "chmod 600 " + path};
    }
    return Ok();
  }
  if (errno != ENOENT) return IoError("examine", path);
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, kFileMode);
  if (fd < 0) return IoError("create", path);
  close(fd);
  return SyncFolder(path);
}

Status UseWal(Connection& db) {
  Statement statement = db.Prepare("PRAGMA journal_mode = WAL");
  NM_ASSIGN_OR_RETURN(const bool found, statement.Step());
  if (!found || statement.row().Text(0) != "wal") {
    return Error{ErrorCode::kNotSupported, "the file system of the database cannot hold a WAL",
                 "choose a state directory on a local disk"};
  }
  return Ok();
}

// Moves whenever another connection has committed to the file.
Result<std::int64_t> DataVersion(Connection& db) {
  Statement statement = db.Prepare("PRAGMA data_version");
  NM_ASSIGN_OR_RETURN(const bool found, statement.Step());
  CHECK(found);
  return statement.row().Integer(0);
}

template <class T>
Status Load(Connection& db, std::string_view sql, std::vector<T>& rows) {
  Statement statement = db.Prepare(sql);
  return ReadAll(statement, rows);
}

}  // namespace

std::string_view ToString(Durability durability) {
  return durability == Durability::kFull ? "full" : "process";
}

std::optional<Durability> ParseDurability(std::string_view word) {
  for (const Durability durability : {Durability::kFull, Durability::kProcess}) {
    if (word == ToString(durability)) return durability;
  }
  return std::nullopt;
}

Store::Store(std::unique_ptr<Wal> wal, std::unique_ptr<Connection> db)
    : wal_(std::move(wal)), db_(std::move(db)) {}
Store::Store(Store&&) noexcept = default;
Store& Store::operator=(Store&&) noexcept = default;
Store::~Store() = default;

Result<Store> Store::Open(const std::string& path, const StoreOptions& options) {
  NM_RETURN_IF_ERROR(PrepareFile(path));
  NM_ASSIGN_OR_RETURN(auto db, Connection::Open(path, Connection::Mode::kReadWrite));
  NM_RETURN_IF_ERROR(db->Execute(kSettings));
  NM_RETURN_IF_ERROR(Migrate(*db, EmbeddedMigrations(), NIGHTMILL_RELEASE));
  NM_RETURN_IF_ERROR(UseWal(*db));
  NM_RETURN_IF_ERROR(
      db->Execute(options.durability == Durability::kFull ? kFullDurability : kProcessDurability));
  auto wal = std::make_unique<Wal>();
  db->WatchWal(&wal->pages);
  Store store(std::move(wal), std::move(db));
  NM_RETURN_IF_ERROR(store.Start());
  return store;
}

Status Store::Start() {
  static constexpr std::string_view kNextEpoch =
      "UPDATE meta SET epoch = epoch + 1"
      " RETURNING epoch, last_run, last_attempt, last_backfill";
  NM_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(*db_, Transaction::Mode::kWrite));
  NM_ASSIGN_OR_RETURN(data_version_, DataVersion(*db_));
  {
    Statement statement = db_->Prepare(kNextEpoch);
    NM_ASSIGN_OR_RETURN(const bool found, statement.Step());
    if (!found) return Internal("database: table meta is empty", "restore a backup");
    const Row row = statement.row();
    epoch_ = Epoch(row.Integer(0));
    marks_ = {row.Integer(1), row.Integer(2), row.Integer(3)};
  }
  return transaction.Commit();
}

Result<Snapshot> Store::LoadActive() {
  static constexpr std::string_view kDags =
      "SELECT " NM_DAG_COLUMNS("") " FROM dag WHERE deleted = 0 ORDER BY dag_id";
  static constexpr std::string_view kVersions =
      "SELECT " NM_DAG_VERSION_COLUMNS("v.")
      " FROM (SELECT dag_id, version FROM dag WHERE deleted = 0"
      "  UNION SELECT dag_id, version FROM dag_run WHERE state IN ('queued', 'running')) wanted"
      " CROSS JOIN dag_version v ON v.dag_id = wanted.dag_id AND v.version = wanted.version"
      " ORDER BY v.dag_id, v.version";
  static constexpr std::string_view kRuns =
      "SELECT " NM_DAG_RUN_COLUMNS("") " FROM dag_run WHERE state IN ('queued', 'running')"
      " ORDER BY run";
  static constexpr std::string_view kTasks =
      "SELECT " NM_TASK_INSTANCE_COLUMNS("t.")
      " FROM dag_run r CROSS JOIN task_instance t ON t.run = r.run"
      " WHERE r.state IN ('queued', 'running') ORDER BY r.run, t.task_id, t.map_index";
  static constexpr std::string_view kAttempts =
      "SELECT " NM_TASK_ATTEMPT_COLUMNS("") " FROM task_attempt"
      " WHERE state IN ('dispatched', 'running', 'killing') ORDER BY attempt";
  static constexpr std::string_view kTargets =
      "SELECT " NM_ATTEMPT_TARGET_COLUMNS("t.")
      " FROM task_attempt a CROSS JOIN attempt_target t ON t.attempt = a.attempt"
      " WHERE a.state IN ('dispatched', 'running', 'killing')"
      " ORDER BY a.attempt, t.run, t.task_id, t.map_index";
  static constexpr std::string_view kPools =
      "SELECT " NM_POOL_COLUMNS("") " FROM pool ORDER BY name";
  static constexpr std::string_view kBackfills =
      "SELECT " NM_BACKFILL_COLUMNS("") " FROM backfill WHERE state IN ('active', 'paused')"
      " ORDER BY backfill";
  static constexpr std::string_view kSlots =
      "SELECT " NM_BACKFILL_SLOT_COLUMNS("s.")
      " FROM backfill b CROSS JOIN backfill_slot s ON s.backfill = b.backfill"
      " WHERE b.state IN ('active', 'paused') ORDER BY b.backfill, s.seq";
  // Of what is missed the newest, which may still be resolved: limits::kMaxSlaOverdue of an entry.
  static constexpr std::string_view kSlas =
      "SELECT " NM_SLA_COLUMNS("") " FROM"
      " (SELECT *, row_number() OVER (PARTITION BY dag_id, name, state ORDER BY slot DESC) AS age"
      "  FROM sla WHERE state IN ('armed', 'warned', 'missed'))"
      " WHERE state <> 'missed' OR age <= 50 ORDER BY dag_id, name, slot, map_index";
  static_assert(limits::kMaxSlaOverdue == 50, "as in the statement");
  static constexpr std::string_view kLastIds =
      "SELECT (SELECT coalesce(max(id), 0) FROM event), (SELECT coalesce(max(alert), 0) FROM "
      "alert)";

  NM_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(*db_, Transaction::Mode::kRead));
  Snapshot snapshot;
  NM_RETURN_IF_ERROR(Load(*db_, kDags, snapshot.dags));
  NM_RETURN_IF_ERROR(Load(*db_, kVersions, snapshot.versions));
  NM_RETURN_IF_ERROR(Load(*db_, kRuns, snapshot.runs));
  NM_RETURN_IF_ERROR(Load(*db_, kTasks, snapshot.tasks));
  NM_RETURN_IF_ERROR(Load(*db_, kAttempts, snapshot.attempts));
  NM_RETURN_IF_ERROR(Load(*db_, kTargets, snapshot.targets));
  NM_RETURN_IF_ERROR(Load(*db_, kPools, snapshot.pools));
  NM_RETURN_IF_ERROR(Load(*db_, kBackfills, snapshot.backfills));
  NM_RETURN_IF_ERROR(Load(*db_, kSlots, snapshot.backfill_slots));
  NM_RETURN_IF_ERROR(Load(*db_, kSlas, snapshot.slas));
  Statement last_ids = db_->Prepare(kLastIds);
  NM_ASSIGN_OR_RETURN(const bool found, last_ids.Step());
  CHECK(found);
  snapshot.epoch = epoch_;
  snapshot.last_run = RunKey(marks_.run);
  snapshot.last_attempt = AttemptId(marks_.attempt);
  snapshot.last_backfill = BackfillId(marks_.backfill);
  snapshot.last_event = EventId(last_ids.row().Integer(0));
  snapshot.last_alert = AlertId(last_ids.row().Integer(1));
  return snapshot;
}

Status Store::Commit(std::span<const Change> changes, std::span<const StoreRow> rows) {
  static constexpr std::string_view kMarks =
      "UPDATE meta SET last_run = ?, last_attempt = ?, last_backfill = ?";
  NM_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(*db_, Transaction::Mode::kWrite));
  NM_RETURN_IF_ERROR(CheckForeignWrites());
  Marks marks = marks_;
  for (const Change& change : changes) {
    NM_RETURN_IF_ERROR(WriteRow(*db_, change));
    marks.Raise(change);
  }
  for (const StoreRow& store_row : rows) {
    NM_RETURN_IF_ERROR(
        std::visit([this](const auto& row) { return WriteRow(*db_, row); }, store_row));
  }
  if (marks != marks_) {
    NM_RETURN_IF_ERROR(db_->Prepare(kMarks).Bind(marks.run, marks.attempt, marks.backfill).Run());
  }
  NM_RETURN_IF_ERROR(transaction.Commit());
  marks_ = marks;
  return Ok();
}

void Store::Marks::Raise(const Change& change) {
  if (const auto* row = std::get_if<DagRunRow>(&change)) {
    run = std::max(run, row->run.value);
  } else if (const auto* row_of_attempt = std::get_if<TaskAttemptRow>(&change)) {
    attempt = std::max(attempt, row_of_attempt->attempt.value);
  } else if (const auto* row_of_backfill = std::get_if<BackfillRow>(&change)) {
    backfill = std::max(backfill, row_of_backfill->backfill.value);
  }
}

// Called with the write lock held: nobody can write between this and our commit.
Status Store::CheckForeignWrites() {
  NM_ASSIGN_OR_RETURN(const std::int64_t version, DataVersion(*db_));
  if (version != data_version_) {
    return Internal("another program wrote to the database",
                    "what is in memory no longer holds: start again");
  }
  return Ok();
}

Status Store::MaybeCheckpoint() {
  // A shorter WAL than at the last checkpoint has started anew.
  if (wal_->pages < wal_->checkpointed_at) wal_->checkpointed_at = 0;
  if (wal_->pages < wal_->checkpointed_at + kCheckpointPages) return Ok();
  // Also after an incomplete one (a reader is in the way) the next try waits for more pages.
  wal_->checkpointed_at = wal_->pages;
  NM_RETURN_IF_ERROR(db_->CheckpointPassive());
  return Ok();
}

Result<std::optional<DagRunRow>> Store::FindRun(std::string_view dag_id, std::string_view run_id) {
  static constexpr std::string_view kSql =
      "SELECT " NM_DAG_RUN_COLUMNS("") " FROM dag_run WHERE dag_id = ? AND run_id = ?";
  Statement statement = db_->Prepare(kSql);
  statement.Bind(dag_id, run_id);
  return ReadOne<DagRunRow>(statement);
}

Result<std::optional<DagRunRow>> Store::FindRunByLogicalDate(std::string_view dag_id,
                                                             Instant date) {
  static constexpr std::string_view kSql =
      "SELECT " NM_DAG_RUN_COLUMNS("") " FROM dag_run WHERE dag_id = ? AND logical_date = ?";
  Statement statement = db_->Prepare(kSql);
  statement.Bind(dag_id, date);
  return ReadOne<DagRunRow>(statement);
}

Result<std::vector<DagRunRow>> Store::RunsBetween(std::string_view dag_id, Instant from,
                                                  Instant to) {
  static constexpr std::string_view kSql =
      "SELECT " NM_DAG_RUN_COLUMNS("") " FROM dag_run"
      " WHERE dag_id = ? AND logical_date BETWEEN ? AND ? ORDER BY logical_date";
  Statement statement = db_->Prepare(kSql);
  statement.Bind(dag_id, from, to);
  return ReadAll<DagRunRow>(statement);
}

Result<std::optional<StoredRun>> Store::LoadRun(RunKey run) {
  static constexpr std::string_view kRun =
      "SELECT " NM_DAG_RUN_COLUMNS("") " FROM dag_run WHERE run = ?";
  static constexpr std::string_view kTasks =
      "SELECT " NM_TASK_INSTANCE_COLUMNS("") " FROM task_instance WHERE run = ?"
      " ORDER BY task_id, map_index";
  StoredRun stored;
  {
    Statement statement = db_->Prepare(kRun);
    statement.Bind(run);
    NM_ASSIGN_OR_RETURN(auto row, ReadOne<DagRunRow>(statement));
    if (!row) return std::optional<StoredRun>();
    stored.run = *std::move(row);
  }
  Statement statement = db_->Prepare(kTasks);
  statement.Bind(run);
  NM_RETURN_IF_ERROR(ReadAll(statement, stored.tasks));
  return std::optional<StoredRun>(std::move(stored));
}

Result<std::vector<RunTimes>> Store::RecentTimes(std::string_view dag_id, int max) {
  static constexpr std::string_view kRuns =
      "SELECT " NM_DAG_RUN_COLUMNS("") " FROM dag_run WHERE dag_id = ? AND state = 'success'"
      " AND reason <> 'marked' ORDER BY run DESC LIMIT ?";
  static constexpr std::string_view kTasks =
      "SELECT task_id, min(coalesce(cycle_started_at, started_at)), max(ended_at)"
      " FROM task_instance WHERE run = ? AND state = 'success' AND ended_at IS NOT NULL"
      " AND coalesce(cycle_started_at, started_at) IS NOT NULL GROUP BY task_id";
  Statement statement = db_->Prepare(kRuns);
  statement.Bind(dag_id, max);
  NM_ASSIGN_OR_RETURN(const std::vector<DagRunRow> runs, ReadAll<DagRunRow>(statement));
  std::vector<RunTimes> all;
  const auto span = [](Instant from, Instant to) {
    return std::chrono::floor<Duration>(std::max(to - from, std::chrono::microseconds{0}));
  };
  for (auto run = runs.rbegin(); run != runs.rend(); ++run) {
    RunTimes& times = all.emplace_back();
    times.dag_id = dag_id;
    times.run = run->run;
    times.ended_at = run->ended_at.value_or(run->queued_at);
    times.total = span(run->started_at.value_or(times.ended_at), times.ended_at);
    Statement tasks = db_->Prepare(kTasks);
    tasks.Bind(run->run);
    while (true) {
      NM_ASSIGN_OR_RETURN(const bool found, tasks.Step());
      if (!found) break;
      const Row row = tasks.row();
      times.tasks.emplace_back(row.Text(0), span(InstantFromMicros(row.Integer(1)),
                                                 InstantFromMicros(row.Integer(2))));
    }
  }
  return all;
}

Result<std::optional<DagVersionRow>> Store::FindVersion(std::string_view dag_id, int version) {
  static constexpr std::string_view kSql =
      "SELECT " NM_DAG_VERSION_COLUMNS("") " FROM dag_version WHERE dag_id = ? AND version = ?";
  Statement statement = db_->Prepare(kSql);
  statement.Bind(dag_id, version);
  return ReadOne<DagVersionRow>(statement);
}

Result<std::optional<BackfillRow>> Store::FindBackfill(BackfillId backfill) {
  static constexpr std::string_view kSql =
      "SELECT " NM_BACKFILL_COLUMNS("") " FROM backfill WHERE backfill = ?";
  Statement statement = db_->Prepare(kSql);
  statement.Bind(backfill);
  return ReadOne<BackfillRow>(statement);
}

Result<std::optional<ClockRow>> Store::FindClock() {
  Statement statement = db_->Prepare("SELECT boot_id, booted_at FROM clock");
  return ReadOne<ClockRow>(statement);
}

Result<std::vector<BackfillSlotRow>> Store::LoadBackfillSlots(BackfillId backfill) {
  static constexpr std::string_view kSql =
      "SELECT " NM_BACKFILL_SLOT_COLUMNS("") " FROM backfill_slot WHERE backfill = ?"
      " ORDER BY seq";
  Statement statement = db_->Prepare(kSql);
  statement.Bind(backfill);
  return ReadAll<BackfillSlotRow>(statement);
}

}  // namespace nightmill
