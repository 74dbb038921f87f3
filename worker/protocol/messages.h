// What daemon and worker say to each other (worker and host: host_messages.h). Plain values;
// codec.h turns them into frames. An attempt is always named by its triple (attempt, epoch,
// incarnation) or by its id where the connection already fixes the rest: the daemon's epoch is
// stated once, in Welcome, and a worker refuses a Welcome below the highest epoch it has seen
// (reliability.md R2).
//
// Order on a connection: worker Hello; daemon Welcome or Refused; then anything. Everything may be
// repeated: a StartAttempt for an attempt already held, an Ack or a Finished twice are no-ops.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "core/base/strong_id.h"
#include "core/base/time.h"
#include "core/model/task_attempt.h"

namespace nightmill::wire {

inline constexpr int kProtocolVersion = 1;

// ---- worker -> daemon

enum class HeldState : std::uint8_t {
  kStarting,  // accepted, no process yet
  kRunning,
  kKilling,  // being ended; also a process tree of an earlier incarnation not yet proved dead
  kEnded,    // its Finished follows right after Welcome (it did not fit into Hello)
};

struct HeldAttempt {
  AttemptId attempt;
  Epoch epoch;
  Incarnation incarnation = 0;  // of the worker that started it: an earlier one only with kKilling
  HeldState state = HeldState::kRunning;
};

// An attempt of an earlier incarnation of this worker without a result, its process tree proved
// dead. `proof`: "other_boot", "no_process", "never_spawned".
struct LostAttempt {
  AttemptId attempt;
  Epoch epoch;
  Incarnation incarnation = 0;
  std::string cause;
  std::string proof;
};

// First frame of every connection. An attempt dispatched to this worker name that is in none of the
// three lists never started.
struct Hello {
  int protocol = kProtocolVersion;
  std::string name;  // "local-1"
  Incarnation incarnation = 0;
  std::int64_t pid = 0;
  int slots = 1;
  std::string token;
  Epoch highest_epoch;  // seen by this worker; 0: none
  std::vector<HeldAttempt> held;
  std::vector<AttemptReport> results;  // spooled, not yet acked; also of earlier incarnations
  std::vector<LostAttempt> lost;       // repeated until acked
};

// The process exists, or the host is about to enter operator code.
struct Started {
  AttemptId attempt;
  Epoch epoch;
  Incarnation incarnation = 0;
  std::int64_t pid = 0;
  Instant at;
};

// Repeated after each reconnection until acked.
struct Finished {
  AttemptReport report;
};

struct AttemptProgress {
  AttemptId attempt;
  std::int64_t rows_in = 0;
  std::int64_t bytes_read = 0;
  std::int64_t bytes_written = 0;
  std::int64_t units_done = 0;
  std::int64_t units_total = 0;

  bool operator==(const AttemptProgress&) const = default;
};

// Every 2 s; never waits for a disk.
struct Heartbeat {
  int places_used = 0;
  std::int64_t held = 0;                  // attempts running or starting
  std::int64_t unacked = 0;               // reports waiting for their Ack
  std::vector<AttemptProgress> progress;  // of native attempts
};

struct PokeResult {
  std::int64_t poke = 0;
  bool met = false;
  std::string error;            // the check could not be made; "" if it could
  std::string detail = "null";  // JSON
};

// A native operator is about to publish; it waits for PublishAnswer.
struct PublishLeave {
  AttemptId attempt;
  Epoch epoch;
  Incarnation incarnation = 0;
};

using ToDaemon = std::variant<Hello, Started, Finished, Heartbeat, PokeResult, PublishLeave>;

// ---- daemon -> worker

enum class Verdict : std::uint8_t { kKeep, kKill, kAck };

struct AttemptVerdict {
  AttemptId attempt;
  Verdict verdict = Verdict::kKeep;
  std::string reason;  // of a kill
};

// Answer to Hello. An attempt of Hello without a verdict is kept.
struct Welcome {
  int protocol = kProtocolVersion;
  Epoch epoch;
  std::string next_token;  // for the next Hello; "" keeps the present one
  std::vector<AttemptVerdict> verdicts;
};

// Answer to a Hello that is not accepted. `final`: do not dial again, end.
struct Refused {
  std::string reason;
  bool final = false;
};

struct StartAttempt {
  AttemptSpec spec;
};

// Ends with a Finished of outcome killed (or what the attempt came to first). A KillAttempt for an
// attempt that the worker does not hold is ignored.
struct KillAttempt {
  AttemptId attempt;
  std::string reason;
};

// The daemon committed these results (or found them stale); the worker forgets them.
struct Ack {
  std::vector<AttemptId> attempts;
};

struct Poke {
  std::int64_t poke = 0;
  std::string type;         // "sensor.file"
  std::string spec = "{}";  // JSON
  std::string data_root;
  Duration timeout{0};  // 0: none
};

struct CancelPoke {
  std::int64_t poke = 0;
};

struct PublishAnswer {
  AttemptId attempt;
  bool granted = false;
  std::string reason;  // of a refusal
};

// The daemon is leaving on purpose. `cancel`: end all attempts (outcome lost), then end.
struct Shutdown {
  bool cancel = false;
};

using ToWorker = std::variant<Welcome, Refused, StartAttempt, KillAttempt, Ack, Poke, CancelPoke,
                              PublishAnswer, Shutdown>;

}  // namespace nightmill::wire
