// The state machine of a task instance as a table (semantics.md 1, rows T1-T20). Words are
// Airflow's enum on the wire and in the database. Pure; golden matrix in docs/states.md.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace nightmill {

enum class TaskState : std::uint8_t {
  kNone,  // word "none"; null in the API
  kScheduled,
  kQueued,
  kRunning,
  kSuccess,
  kRestarting,
  kFailed,
  kSkipped,
  kUpstreamFailed,
  kUpForRetry,
  kDeferred,
  kRemoved,
};
inline constexpr int kTaskStateCount = 12;

// What can happen to a task instance; one per row (or alternative of a row) of the T table.
enum class TaskTrigger : std::uint8_t {
  kGatesPass,  // T1, T13
  kVerdictUpstreamFailed,
  kVerdictSkipped,      // T2
  kUnresolvable,        // T3
  kGrant,               // T4
  kGatesLost,           // T5
  kStarted,             // T6
  kLost,                // T7, also preempted
  kQueueTimeout,        // T8
  kSucceeded,           // T9
  kTaskSkipped,         // T9
  kFailedRetry,         // T10
  kFailedFinal,         // T11
  kDeferred,            // T12
  kConditionMetResume,  // T14, more to execute
  kConditionMetDone,    // T14
  kSensorTimeout,       // T15
  kSensorSoftFail,      // T15
  kClearRunning,        // T16, kill ordered
  kCleared,             // T16 end proven, T17
  kStopped,             // T18: a live attempt was killed
  kStoppedUnstarted,    // T18: nothing was alive
  kMarkSuccess,         // T19
  kMarkFailed,
  kMarkSkipped,
  kRemoved,  // T20
};
inline constexpr int kTaskTriggerCount = static_cast<int>(TaskTrigger::kRemoved) + 1;

struct TaskTransition {
  TaskState from;
  TaskTrigger trigger;
  TaskState to;
};

// All legal transitions; no (from, trigger) twice (static_assert in the .cc).
std::span<const TaskTransition> TaskTransitions();
// The state after `trigger`, or nothing if the pair is not in the table. The engine CHECKs that
// there is one for its own decisions; a worker's report without one is stale and ignored.
std::optional<TaskState> Next(TaskState from, TaskTrigger trigger);

std::string_view ToString(TaskState state);
std::string_view ToString(TaskTrigger trigger);
std::optional<TaskState> ParseTaskState(std::string_view word);

// success, failed, skipped, upstream_failed, removed.
bool IsFinished(TaskState state);
// queued, running, restarting: the states that hold pool slots and a worker place.
bool HoldsSlots(TaskState state);

}  // namespace nightmill
