// The write side of the store: one SQLite file in WAL mode holding everything Nightmill must not
// forget. Commit makes a batch of rows durable in one transaction; nothing is half written, and
// after a crash the file holds exactly a prefix of the commits (reliability.md 2, R1 and R4).
//
// Thread rule: one Store per database, owned by the writer thread, which also runs every
// checkpoint. That only one process opens it is the caller's business (flock on the lock file).
// Readers use store/queries.h.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/model/change.h"
#include "core/model/snapshot.h"
#include "store/rows.h"

namespace nightmill {

class Connection;

enum class Durability : std::uint8_t {
  kFull,     // a commit survives a power cut: one fsync each
  kProcess,  // a commit survives any process death; a power cut may lose the latest ones
};
std::string_view ToString(Durability durability);  // "full", "process"
std::optional<Durability> ParseDurability(std::string_view word);

struct StoreOptions {
  Durability durability = Durability::kFull;
};

// A run with all its task instances, ordered by (task_id, map_index).
struct StoredRun {
  DagRunRow run;
  std::vector<TaskInstanceRow> tasks;
};

class Store {
 public:
  // Opens or creates the file (mode 0600), brings the schema up to date and commits epoch + 1
  // before anything else. Refused: a file of another program, of a newer release or with a changed
  // migration (kNotSupported), a mode that lets others read it (kForbidden). kInternal: I/O.
  static Result<Store> Open(const std::string& path, const StoreOptions& options = {});
  Store(Store&&) noexcept;
  Store& operator=(Store&&) noexcept;
  ~Store();

  // The epoch of this start, already durable.
  Epoch epoch() const { return epoch_; }

  // All live rows, with epoch() and the highest ids given so far. kInternal for a row that fails
  // its checksum: the file is damaged, the daemon must not start on it.
  Result<Snapshot> LoadActive();

  // Writes all rows in one transaction, in the order given, durable on return.
  //   kConflict     a uniqueness rule forbids a row (run id, logical date, idempotency key)
  //   kNoSpace      the disk is full
  //   kUnavailable  another process held the write lock for 2 s
  // Then nothing was written and the store may be used again. After any other error (kInternal)
  // the outcome is unknown or somebody else wrote to the file: the caller must call
  // Fatal(ExitCode::kIoError), never retry, and read the truth after a restart.
  Status Commit(std::span<const Change> changes, std::span<const StoreRow> rows = {});

  // Call after commits: copies the WAL into the file (PASSIVE) once it has grown by 1,000 pages.
  // Errors as for Commit.
  Status MaybeCheckpoint();

  // What the engine needs of history before an event is applied to it.
  Result<std::optional<DagRunRow>> FindRun(std::string_view dag_id, std::string_view run_id);
  Result<std::optional<DagRunRow>> FindRunByLogicalDate(std::string_view dag_id, Instant date);
  // Runs with from <= logical date <= to, ordered by it.
  Result<std::vector<DagRunRow>> RunsBetween(std::string_view dag_id, Instant from, Instant to);
  Result<std::optional<StoredRun>> LoadRun(RunKey run);
  // Of the newest `max` runs that succeeded by themselves, oldest first.
  Result<std::vector<RunTimes>> RecentTimes(std::string_view dag_id, int max);
  Result<std::optional<DagVersionRow>> FindVersion(std::string_view dag_id, int version);
  Result<std::optional<BackfillRow>> FindBackfill(BackfillId backfill);
  Result<std::vector<BackfillSlotRow>> LoadBackfillSlots(BackfillId backfill);
  // nullopt before the first ClockRow was written.
  Result<std::optional<ClockRow>> FindClock();

 private:
  // State that must not move with the Store: SQLite holds a pointer to it.
  struct Wal {
    int pages = 0;            // length after the last commit
    int checkpointed_at = 0;  // length at the last checkpoint
  };
  // Highest ids written, as in table meta; deleting rows never gives an id back.
  struct Marks {
    std::int64_t run = 0;
    std::int64_t attempt = 0;
    std::int64_t backfill = 0;

    void Raise(const Change& change);
    bool operator==(const Marks&) const = default;
  };

  Store(std::unique_ptr<Wal> wal, std::unique_ptr<Connection> db);
  Status Start();
  Status CheckForeignWrites();

  std::unique_ptr<Wal> wal_;
  std::unique_ptr<Connection> db_;
  Epoch epoch_;
  Marks marks_;
  std::int64_t data_version_ = 0;
};

}  // namespace nightmill
