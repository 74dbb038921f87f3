// What a worker must not forget when it dies (reliability.md R3): which attempts it began, and the
// results the daemon has not acked. Lives in one directory per worker name, guarded by a flock.
//
// Segment files "seg-<n>-<incarnation>" hold records: 4 bytes length, 4 bytes CRC-32C (little
// endian), a JSON object. Space is allocated in advance, so zeros follow the last record; reading
// stops at the first record that is not whole. When a segment is full, all that is still needed is
// written to a new one and, once that is durable, older ones are deleted.
//
// A start record is in the page cache when RecordStart returns: it must survive the worker's death,
// not the machine's. Results are fdatasynced in batches by the one extra thread, while they are
// sent in parallel; a result acked within the batching time needs no sync at all.
//
// Any I/O error ends the process with ExitCode::kIoError (R4). One thread uses this object.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/model/task_attempt.h"
#include "worker/runtime/spool_sync.h"
#include "worker/runtime/unique_fd.h"

namespace nightmill {

struct SpoolEntry {
  AttemptId attempt;
  Epoch epoch;
  Incarnation incarnation = 0;  // of the worker that began it
  std::vector<AttemptTarget> targets;
  std::string boot_id;
  // Of its process; 0 if none was recorded.
  std::int64_t pid = 0;
  std::int64_t ticks_from = 0;
  std::int64_t ticks_to = 0;
  std::optional<AttemptReport> report;
  // Of an earlier incarnation, proved dead: "no_process", "other_boot", "never_spawned".
  std::string lost_proof;

  bool open() const { return !report && lost_proof.empty(); }
};

struct SpoolOptions {
  std::string directory;  // created if absent
  Incarnation incarnation = 0;
  std::string boot_id;
  std::size_t segment_bytes = 4u << 20;
};

class Spool {
 public:
  // Takes the directory's lock (kConflict if another worker has it) and reads what earlier
  // incarnations left.
  static Result<std::unique_ptr<Spool>> Open(SpoolOptions options,
                                             boost::asio::io_context& context);

  // Not yet acked, by attempt id; after Open those of earlier incarnations.
  const std::map<AttemptId, SpoolEntry>& entries() const { return entries_; }

  // Whose files were found, even where a record of theirs is damaged.
  const std::set<Incarnation>& earlier_incarnations() const { return earlier_; }

  // Before the spawn.
  void RecordStart(const AttemptSpec& spec);
  void RecordProcess(AttemptId attempt, std::int64_t pid, std::int64_t ticks_from,
                     std::int64_t ticks_to);
  void RecordResult(const AttemptReport& report);
  void RecordLost(AttemptId attempt, std::string_view proof);
  // The daemon has it. Unknown ids are ignored.
  void Ack(AttemptId attempt);

  // Writes what RecordProcess, RecordResult, RecordLost and Ack put aside; once per loop turn.
  void Flush();

 private:
  Spool(SpoolOptions options, boost::asio::io_context& context);
  Status Lock();
  void ReadSegments();
  void ReadSegment(const std::string& path);
  bool Apply(std::string_view payload);
  void Append(std::string_view payload);
  void AppendEntry(const SpoolEntry& entry);
  void Rotate();
  void SyncSoon();

  SpoolOptions options_;
  UniqueFd lock_;
  std::map<AttemptId, SpoolEntry> entries_;
  std::set<Incarnation> earlier_;
  std::int64_t segment_number_ = 0;
  std::shared_ptr<UniqueFd> segment_;
  std::size_t offset_ = 0;  // of the end of what is written
  std::size_t rotate_at_ = 0;
  std::string pending_;  // not yet written
  std::vector<std::string> old_segments_;
  bool sync_timer_armed_ = false;
  boost::asio::steady_timer sync_timer_;
  SpoolSync sync_;
};

}  // namespace nightmill
