#include "store/sqlite.h"

#include <sqlite3.h>

#include <limits>
#include <string>

namespace nightmill {
namespace {

constexpr int kBusyTimeoutMs = 2'000;
constexpr int kStepsBetweenInterruptChecks = 4'000;
constexpr int kMaxLikePattern = 1'000;

ErrorCode CodeOf(int code) {
  switch (code) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID:
      return ErrorCode::kConflict;
    default:
      break;
  }
  switch (code & 0xff) {
    case SQLITE_FULL:
      return ErrorCode::kNoSpace;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_INTERRUPT:
      return ErrorCode::kUnavailable;
    case SQLITE_NOTADB:
      return ErrorCode::kNotSupported;
    default:
      return ErrorCode::kInternal;
  }
}

}  // namespace

bool Row::IsNull(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

std::int64_t Row::Integer(int column) const { return sqlite3_column_int64(statement_, column); }

double Row::Real(int column) const { return sqlite3_column_double(statement_, column); }

std::string_view Row::Text(int column) const {
  // The pointer first: asking for it may change the length.
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  if (text == nullptr) return {};
  return {text, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

Statement::Statement(Statement&& other) noexcept
    : db_(other.db_),
      statement_(std::exchange(other.statement_, nullptr)),
      in_use_(other.in_use_),
      next_(other.next_),
      error_(other.error_) {}

Statement::~Statement() {
  if (statement_ == nullptr) return;
  // The code of reset repeats the one Step already returned.
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
  *in_use_ = false;
}

void Statement::Note(int code) {
  if (error_ == SQLITE_OK) error_ = code;
}

void Statement::BindNext(std::nullopt_t) {
  if (error_ == SQLITE_OK) Note(sqlite3_bind_null(statement_, next_++));
}

void Statement::BindNext(std::int64_t value) {
  if (error_ == SQLITE_OK) Note(sqlite3_bind_int64(statement_, next_++, value));
}

void Statement::BindNext(double value) {
  if (error_ == SQLITE_OK) Note(sqlite3_bind_double(statement_, next_++, value));
}

void Statement::BindNext(std::string_view text) {
  if (error_ != SQLITE_OK) return;
  // A null pointer would bind NULL.
  const char* data = text.data() == nullptr ? "" : text.data();
  Note(sqlite3_bind_text64(statement_, next_++, data, text.size(), SQLITE_STATIC, SQLITE_UTF8));
}

Result<bool> Statement::Step() {
  if (error_ != SQLITE_OK) return db_->ErrorOf(error_);
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  error_ = code;
  return db_->ErrorOf(code);
}

Status Statement::Run() {
  NM_ASSIGN_OR_RETURN(const bool row, Step());
  CHECK(!row);
  return Ok();
}

Result<std::unique_ptr<Connection>> Connection::Open(const std::string& path, Mode mode) {
  const int access = mode == Mode::kReadOnly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
  const int flags = access | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &handle, flags, nullptr);
  if (handle == nullptr) return Internal("out of memory opening the database");
  auto db = std::unique_ptr<Connection>(new Connection(handle));
  if (code != SQLITE_OK) return db->ErrorOf(code);

  // None of these can fail on an open handle with these arguments.
  sqlite3_busy_timeout(handle, kBusyTimeoutMs);
  sqlite3_limit(handle, SQLITE_LIMIT_ATTACHED, 0);
  sqlite3_limit(handle, SQLITE_LIMIT_LIKE_PATTERN_LENGTH, kMaxLikePattern);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DQS_DDL, 0, nullptr);
  NM_RETURN_IF_ERROR(db->Execute("PRAGMA wal_autocheckpoint = 0; PRAGMA temp_store = MEMORY;"));
  if (mode == Mode::kReadOnly) {
    sqlite3_db_config(handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    NM_RETURN_IF_ERROR(db->Execute("PRAGMA query_only = ON;"));
  }
  return db;
}

Connection::~Connection() {
  for (auto& [sql, cached] : cache_) sqlite3_finalize(cached.statement);
  // Cannot be busy: all statements are gone.
  sqlite3_close(db_);
}

Statement Connection::Prepare(std::string_view sql) {
  auto [it, added] = cache_.try_emplace(sql);
  Cached& cached = it->second;
  CHECK_MSG(!cached.in_use, sql);
  if (added) {
    CHECK(sql.size() < static_cast<std::size_t>(std::numeric_limits<int>::max()));
    const int code = sqlite3_prepare_v3(db_, sql.data(), static_cast<int>(sql.size()),
                                        SQLITE_PREPARE_PERSISTENT, &cached.statement, nullptr);
    if (code != SQLITE_OK) {
      cache_.erase(it);
      return Statement(this, nullptr, nullptr, code);
    }
  }
  cached.in_use = true;
  return Statement(this, cached.statement, &cached.in_use, SQLITE_OK);
}

Status Connection::Execute(const char* sql) {
  const int code = sqlite3_exec(db_, sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return ErrorOf(code);
  return Ok();
}

void Connection::WatchWal(int* pages) {
  sqlite3_wal_hook(
      db_,
      [](void* context, sqlite3*, const char*, int length) {
        *static_cast<int*>(context) = length;
        return SQLITE_OK;
      },
      pages);
}

void Connection::SetInterrupt(bool (*expired)(void*), void* context) {
  interrupt_ = {expired, context};
  sqlite3_progress_handler(
      db_, kStepsBetweenInterruptChecks,
      [](void* self) {
        const auto& interrupt = static_cast<Connection*>(self)->interrupt_;
        return interrupt.expired(interrupt.context) ? 1 : 0;
      },
      this);
}

Result<bool> Connection::CheckpointPassive() {
  int length = 0;
  int copied = 0;
  const int code =
      sqlite3_wal_checkpoint_v2(db_, nullptr, SQLITE_CHECKPOINT_PASSIVE, &length, &copied);
  if ((code & 0xff) == SQLITE_BUSY) return false;
  if (code != SQLITE_OK) return ErrorOf(code);
  return copied == length;
}

Error Connection::ErrorOf(int code) const {
  // The handle's text belongs to its last failed call; it is of use only if that is this one.
  const bool current = sqlite3_extended_errcode(db_) == code;
  const char* text = current ? sqlite3_errmsg(db_) : sqlite3_errstr(code);
  const bool damaged = (code & 0xff) == SQLITE_CORRUPT;
  return {CodeOf(code), std::string("database: ") + text + " (code " + std::to_string(code) + ")",
          damaged ? "the file is damaged: restore a backup" : ""};
}

Result<Transaction> Transaction::Begin(Connection& db, Mode mode) {
  NM_RETURN_IF_ERROR(db.Prepare(mode == Mode::kWrite ? "BEGIN IMMEDIATE" : "BEGIN DEFERRED").Run());
  return Transaction(&db);
}

Transaction::~Transaction() {
  // After some errors SQLite has rolled back by itself. Should the rollback fail, the next Begin
  // fails too and says so.
  if (db_ == nullptr || sqlite3_get_autocommit(db_->db_) != 0) return;
  (void)db_->Prepare("ROLLBACK").Run();
}

Status Transaction::Commit() {
  NM_RETURN_IF_ERROR(db_->Prepare("COMMIT").Run());
  db_ = nullptr;
  return Ok();
}

}  // namespace nightmill
