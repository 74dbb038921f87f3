// SQLite behind four small types; only store/sqlite.cc includes sqlite3.h. Every return code of the
// library is looked at and becomes an Error:
//   kConflict     a UNIQUE or PRIMARY KEY rule was violated
//   kNoSpace      disk full                   kUnavailable  locked by others, or deadline passed
//   kNotSupported not a database file         kInternal     all else: I/O, damage, our own bugs
// Thread rule: a Connection and all that came from it belong to one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "core/base/result.h"
#include "core/base/strong_id.h"
#include "core/base/time.h"

struct sqlite3;
struct sqlite3_stmt;

namespace nightmill {

class Connection;

// The current row of a Statement; valid until its next Step. Columns count from 0. Texts are views
// into the statement.
class Row {
 public:
  bool IsNull(int column) const;
  std::int64_t Integer(int column) const;
  double Real(int column) const;
  std::string_view Text(int column) const;

 private:
  friend class Statement;
  explicit Row(sqlite3_stmt* statement) : statement_(statement) {}

  sqlite3_stmt* statement_;
};

// The use of a prepared statement: bind, step, and on destruction reset for the next use. An error
// of preparing or binding is kept and returned by Step.
class Statement {
 public:
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&&) = delete;
  ~Statement();

  // Binds the next parameters in order. Texts are not copied: they must live until the last Step.
  // An absent optional and an id of 0 are NULL.
  template <class... T>
  Statement& Bind(const T&... values) {
    (BindNext(values), ...);
    return *this;
  }

  // True: there is a row. False: done.
  Result<bool> Step();
  // For statements without rows.
  Status Run();
  Row row() const { return Row(statement_); }

 private:
  friend class Connection;
  Statement(Connection* db, sqlite3_stmt* statement, bool* in_use, int error)
      : db_(db), statement_(statement), in_use_(in_use), error_(error) {}

  void BindNext(std::nullopt_t);
  void BindNext(std::int64_t value);
  void BindNext(double value);
  void BindNext(std::string_view text);
  void BindNext(const std::string& text) { BindNext(std::string_view(text)); }
  void BindNext(const char* text) { BindNext(std::string_view(text)); }
  void BindNext(int value) { BindNext(std::int64_t{value}); }
  void BindNext(bool value) { BindNext(std::int64_t{value}); }
  void BindNext(Instant value) { BindNext(ToMicros(value)); }
  template <class Tag>
  void BindNext(StrongId<Tag> id) {
    id.valid() ? BindNext(id.value) : BindNext(std::nullopt);
  }
  template <class T>
  void BindNext(const std::optional<T>& value) {
    value ? BindNext(*value) : BindNext(std::nullopt);
  }
  void Note(int code);

  Connection* db_;
  sqlite3_stmt* statement_;
  bool* in_use_;
  int next_ = 1;
  int error_;
};

class Connection {
 public:
  // kReadOnly never writes: no recovery, no checkpoint, not even at close.
  enum class Mode : std::uint8_t { kReadWrite, kReadOnly };
  // The file must exist.
  static Result<std::unique_ptr<Connection>> Open(const std::string& path, Mode mode);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  // `sql` must be a constant of the program: the statement is prepared once and cached under it.
  // The same text cannot be in use twice at the same time.
  Statement Prepare(std::string_view sql);
  // Runs a script of constant statements; rows are dropped.
  Status Execute(const char* sql);

  // After each commit *pages becomes the length of the WAL. Replaces automatic checkpoints.
  void WatchWal(int* pages);
  // Calls `expired(context)` every few thousand steps of a statement; true ends the statement with
  // kUnavailable.
  void SetInterrupt(bool (*expired)(void*), void* context);
  // Copies as much of the WAL as readers allow, waiting for nobody. True: all of it.
  Result<bool> CheckpointPassive();

 private:
  friend class Statement;
  friend class Transaction;
  struct Cached {
    sqlite3_stmt* statement = nullptr;
    bool in_use = false;
  };

  struct Interrupt {
    bool (*expired)(void*) = nullptr;
    void* context = nullptr;
  };

  explicit Connection(sqlite3* db) : db_(db) {}
  Error ErrorOf(int code) const;

  sqlite3* db_;
  Interrupt interrupt_;
  std::unordered_map<std::string_view, Cached> cache_;
};

// Rolls back on destruction unless committed. Transactions do not nest.
class Transaction {
 public:
  enum class Mode : std::uint8_t {
    kRead,   // one snapshot for several statements
    kWrite,  // takes the write lock at once
  };
  static Result<Transaction> Begin(Connection& db, Mode mode);
  Transaction(Transaction&& other) noexcept : db_(std::exchange(other.db_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();

  Status Commit();

 private:
  explicit Transaction(Connection* db) : db_(db) {}

  Connection* db_;
};

}  // namespace nightmill
