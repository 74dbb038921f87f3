// The two structs that cross every room unchanged (architecture.md 4): one AttemptSpec goes out to
// a worker, one AttemptReport comes back. Both carry a list of targets: one today, many when one
// shared scan serves many slots. Plain values; JSON form in worker/protocol/codec.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "core/base/strong_id.h"
#include "core/base/time.h"
#include "core/model/task.h"

namespace nightmill {

// Random 64 bits per worker start, as 16 hex digits on the wire; 0 = none.
using Incarnation = std::uint64_t;

struct AttemptTarget {
  RunKey run;
  std::string task_id;
  int map_index = -1;

  auto operator<=>(const AttemptTarget&) const = default;
};

enum class AttemptKind : std::uint8_t { kProcess, kNative };

struct AttemptSpec {
  AttemptId id;
  Epoch epoch;
  Incarnation incarnation = 0;  // of the worker it was dispatched to
  std::vector<AttemptTarget> targets;
  AttemptKind kind = AttemptKind::kProcess;

  // Words for logs and messages.
  std::string dag_id;
  std::string run_id;
  std::string task_key;  // stable over tries: "dag/run/task/map"
  int try_number = 1;

  // kProcess. argv[0] is looked up in PATH of `env` if it has no slash. `env` is complete but for
  // NIGHTMILL_OUTPUT and NIGHTMILL_OUTPUT_DIR, which the worker adds.
  std::vector<std::string> argv;
  std::vector<std::pair<std::string, std::string>> env;
  std::string cwd;
  OutputMode output = OutputMode::kJson;
  int skip_exit_code = 99;
  int no_retry_exit_code = 98;

  // kNative.
  std::string operator_type;  // "aggregate"
  std::string operator_spec;  // resolved spec, JSON text
  std::string data_root;      // base of relative paths

  // Limits.
  std::optional<Duration> timeout;  // from the start of the attempt
  Duration kill_grace = limits::kDefaultKillGrace;
  TaskLimits limits;
  int places = 1;  // worker places taken

  std::string log_path;    // absolute; the worker creates it (parents too)
  std::string output_dir;  // absolute; private to the attempt, created on demand
};

struct ResourceUsage {
  double cpu_seconds = 0;  // user + system, children included
  std::int64_t max_rss_bytes = 0;
  std::int64_t bytes_read = 0;
  std::int64_t bytes_written = 0;
};

// Outcomes of an attempt (semantics.md 1.1). Whether to retry is decided from them in one place,
// Engine + DecideRetry.
namespace outcome {
struct Succeeded {};
struct Skipped {};
struct Failed {
  std::string kind;  // exit, signal, oom, launch, check, no_retry, definition, operator error codes
  std::string message;
  int exit_code = -1;
  int signal = 0;
};
struct TimedOut {};
struct Killed {};  // ended because the daemon ordered it (clear, cancel, mark, run_timeout)
struct Lost {
  std::string cause;  // "worker died", "host rebooted", "start refused"
};
}  // namespace outcome
using AttemptOutcome = std::variant<outcome::Succeeded, outcome::Skipped, outcome::Failed,
                                    outcome::TimedOut, outcome::Killed, outcome::Lost>;
// "succeeded", "skipped", "failed", "timed_out", "killed", "lost".
std::string_view OutcomeWord(const AttemptOutcome& outcome);

struct AttemptReport {
  AttemptId id;
  Epoch epoch;                  // of the AttemptSpec
  Incarnation incarnation = 0;  // of the worker that ran it
  std::vector<AttemptTarget> targets;
  AttemptOutcome outcome = outcome::Succeeded{};
  std::string output =
      "null";            // JSON: $NIGHTMILL_OUTPUT as read by OutputMode, or the native report
  std::string artifact;  // kept output folder, absolute; empty if nothing was written
  ResourceUsage usage;
  std::optional<Instant> started_at;  // wall clock; none if it never started
  Instant ended_at;
};

}  // namespace nightmill
