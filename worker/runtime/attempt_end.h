// Words shared by the two ways of running an attempt (process_runner.h, operator_hosts.h).
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <cstdint>
#include <functional>

#include "core/model/task_attempt.h"
#include "worker/runtime/spawn.h"

namespace nightmill {

// Why the worker ends an attempt; the first cause stays and decides the outcome.
enum class EndCause : std::uint8_t {
  kNone,
  kKilled,         // the daemon ordered it: killed
  kTimedOut,       // timed_out
  kStopped,        // the worker itself is told to stop: lost
  kServerStopped,  // with its server, by `server stop --cancel`: lost
};

// What a runner tells the loop, on the loop's thread. `finished` may be called inside Start.
struct AttemptObserver {
  // `process` is null for a native attempt: its host is older than the attempt.
  std::function<void(const AttemptSpec& spec, pid_t pid, const SpawnedProcess* process)> started;
  std::function<void(AttemptReport report)> finished;
};

// A report with the identity of `spec`, ended now.
AttemptReport ReportFor(const AttemptSpec& spec, AttemptOutcome outcome);
// The outcome that a cause other than kNone stands for.
AttemptOutcome OutcomeOf(EndCause cause);
// Death by a signal the worker did not send: kind "oom" if the kernel's OOM killer was at work
// since the last such question, else "signal".
outcome::Failed FailedBySignal(int signal);
ResourceUsage UsageOf(const rusage& usage);

}  // namespace nightmill
