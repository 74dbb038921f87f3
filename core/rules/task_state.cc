// The table of task instance transitions, its words, and a dense copy for lookups.
#include "core/rules/task_state.h"

#include <array>
#include <cstddef>

namespace nightmill {
namespace {

using S = TaskState;
using T = TaskTrigger;

struct StateRow {
  TaskState state;
  std::string_view word;
  bool finished;
  bool holds_slots;
};

constexpr std::array kStates = {
    StateRow{S::kNone, "none", false, false},
    StateRow{S::kScheduled, "scheduled", false, false},
    StateRow{S::kQueued, "queued", false, true},
    StateRow{S::kRunning, "running", false, true},
    StateRow{S::kSuccess, "success", true, false},
    StateRow{S::kRestarting, "restarting", false, true},
    StateRow{S::kFailed, "failed", true, false},
    StateRow{S::kSkipped, "skipped", true, false},
    StateRow{S::kUpstreamFailed, "upstream_failed", true, false},
    StateRow{S::kUpForRetry, "up_for_retry", false, false},
    StateRow{S::kDeferred, "deferred", false, false},
    StateRow{S::kRemoved, "removed", true, false},
};
static_assert(kStates.size() == kTaskStateCount);

constexpr std::array<std::string_view, kTaskTriggerCount> kTriggerWords = {
    "gates_pass",
    "verdict_upstream_failed",
    "verdict_skipped",
    "unresolvable",
    "grant",
    "gates_lost",
    "started",
    "lost",
    "queue_timeout",
    "succeeded",
    "task_skipped",
    "failed_retry",
    "failed_final",
    "deferred",
    "condition_met_resume",
    "condition_met_done",
    "sensor_timeout",
    "sensor_soft_fail",
    "clear_running",
    "cleared",
    "stopped",
    "stopped_unstarted",
    "mark_success",
    "mark_failed",
    "mark_skipped",
    "removed",
};

// Rows T1 to T20 of semantics.md 1, but for T19 and T20, which start from (nearly) every state.
constexpr std::array kSpecific = {
    TaskTransition{S::kNone, T::kGatesPass, S::kScheduled},                   // T1
    TaskTransition{S::kNone, T::kVerdictUpstreamFailed, S::kUpstreamFailed},  // T2
    TaskTransition{S::kNone, T::kVerdictSkipped, S::kSkipped},
    TaskTransition{S::kNone, T::kUnresolvable, S::kFailed},  // T3
    TaskTransition{S::kScheduled, T::kUnresolvable, S::kFailed},
    TaskTransition{S::kScheduled, T::kGrant, S::kQueued},    // T4
    TaskTransition{S::kScheduled, T::kGatesLost, S::kNone},  // T5
    TaskTransition{S::kQueued, T::kStarted, S::kRunning},    // T6
    TaskTransition{S::kQueued, T::kLost, S::kScheduled},     // T7
    TaskTransition{S::kRunning, T::kLost, S::kScheduled},
    TaskTransition{S::kScheduled, T::kQueueTimeout, S::kFailed},  // T8
    TaskTransition{S::kQueued, T::kQueueTimeout, S::kFailed},
    TaskTransition{S::kRunning, T::kSucceeded, S::kSuccess},  // T9
    TaskTransition{S::kRunning, T::kTaskSkipped, S::kSkipped},
    TaskTransition{S::kRunning, T::kFailedRetry, S::kUpForRetry},         // T10
    TaskTransition{S::kRunning, T::kFailedFinal, S::kFailed},             // T11
    TaskTransition{S::kRunning, T::kDeferred, S::kDeferred},              // T12
    TaskTransition{S::kUpForRetry, T::kGatesPass, S::kScheduled},         // T13
    TaskTransition{S::kDeferred, T::kConditionMetResume, S::kScheduled},  // T14
    TaskTransition{S::kDeferred, T::kConditionMetDone, S::kSuccess},
    TaskTransition{S::kDeferred, T::kSensorTimeout, S::kFailed},  // T15
    TaskTransition{S::kDeferred, T::kSensorSoftFail, S::kSkipped},
    TaskTransition{S::kDeferred, T::kFailedRetry, S::kUpForRetry},  // T15: the check erred
    TaskTransition{S::kDeferred, T::kFailedFinal, S::kFailed},
    TaskTransition{S::kQueued, T::kClearRunning, S::kRestarting},  // T16
    TaskTransition{S::kRunning, T::kClearRunning, S::kRestarting},
    TaskTransition{S::kDeferred, T::kClearRunning, S::kRestarting},
    TaskTransition{S::kRestarting, T::kCleared, S::kNone},
    TaskTransition{S::kNone, T::kCleared, S::kNone},  // T17
    TaskTransition{S::kScheduled, T::kCleared, S::kNone},
    TaskTransition{S::kUpForRetry, T::kCleared, S::kNone},
    TaskTransition{S::kDeferred, T::kCleared, S::kNone},
    TaskTransition{S::kSuccess, T::kCleared, S::kNone},
    TaskTransition{S::kFailed, T::kCleared, S::kNone},
    TaskTransition{S::kSkipped, T::kCleared, S::kNone},
    TaskTransition{S::kUpstreamFailed, T::kCleared, S::kNone},
    TaskTransition{S::kRemoved, T::kCleared, S::kNone},
    TaskTransition{S::kQueued, T::kStopped, S::kFailed},  // T18
    TaskTransition{S::kRunning, T::kStopped, S::kFailed},
    TaskTransition{S::kRestarting, T::kStopped, S::kFailed},
    TaskTransition{S::kDeferred, T::kStopped, S::kFailed},  // its external job was killed
    TaskTransition{S::kNone, T::kStoppedUnstarted, S::kSkipped},
    TaskTransition{S::kScheduled, T::kStoppedUnstarted, S::kSkipped},
    TaskTransition{S::kUpForRetry, T::kStoppedUnstarted, S::kSkipped},
    TaskTransition{S::kDeferred, T::kStoppedUnstarted, S::kSkipped},
};

constexpr std::size_t kMarks = 3 * (kTaskStateCount - 1);
constexpr std::size_t kTransitionCount = kSpecific.size() + kMarks + kTaskStateCount;

constexpr std::array<TaskTransition, kTransitionCount> MakeTransitions() {
  std::array<TaskTransition, kTransitionCount> all{};
  std::size_t n = 0;
  for (const TaskTransition& t : kSpecific) all[n++] = t;
  for (const StateRow& row : kStates) {
    if (row.state != S::kRemoved) {  // T19: nobody marks what no longer exists
      all[n++] = {row.state, T::kMarkSuccess, S::kSuccess};
      all[n++] = {row.state, T::kMarkFailed, S::kFailed};
      all[n++] = {row.state, T::kMarkSkipped, S::kSkipped};
    }
    all[n++] = {row.state, T::kRemoved, S::kRemoved};  // T20
  }
  return all;
}
constexpr auto kTransitions = MakeTransitions();

constexpr std::size_t Index(TaskState s) { return static_cast<std::size_t>(s); }
constexpr std::size_t Index(TaskTrigger t) { return static_cast<std::size_t>(t); }

constexpr bool StatesInOrder() {
  for (std::size_t i = 0; i < kStates.size(); ++i) {
    if (Index(kStates[i].state) != i) return false;
  }
  return true;
}
static_assert(StatesInOrder());

constexpr bool NoPairTwice() {
  bool seen[kTaskStateCount][kTaskTriggerCount] = {};
  for (const TaskTransition& t : kTransitions) {
    bool& cell = seen[Index(t.from)][Index(t.trigger)];
    if (cell) return false;
    cell = true;
  }
  return true;
}
static_assert(NoPairTwice());

// A dense copy of the table, so that Next costs one load: -1 where there is no transition.
using Dense = std::array<std::array<std::int8_t, kTaskTriggerCount>, kTaskStateCount>;
constexpr Dense MakeDense() {
  Dense dense{};
  for (auto& row : dense) row.fill(-1);
  for (const TaskTransition& t : kTransitions) {
    dense[Index(t.from)][Index(t.trigger)] = static_cast<std::int8_t>(t.to);
  }
  return dense;
}
constexpr Dense kDense = MakeDense();

constexpr bool EveryTriggerUsed() {
  for (std::size_t t = 0; t < kTaskTriggerCount; ++t) {
    bool used = false;
    for (const auto& row : kDense) used = used || row[t] >= 0;
    if (!used || kTriggerWords[t].empty()) return false;
  }
  return true;
}
static_assert(EveryTriggerUsed());

}  // namespace

std::span<const TaskTransition> TaskTransitions() { return kTransitions; }

std::optional<TaskState> Next(TaskState from, TaskTrigger trigger) {
  const std::int8_t to = kDense[Index(from)][Index(trigger)];
  if (to < 0) return std::nullopt;
  return static_cast<TaskState>(to);
}

std::string_view ToString(TaskState state) { return kStates[Index(state)].word; }

std::string_view ToString(TaskTrigger trigger) { return kTriggerWords[Index(trigger)]; }

std::optional<TaskState> ParseTaskState(std::string_view word) {
  for (const StateRow& row : kStates) {
    if (row.word == word) return row.state;
  }
  return std::nullopt;
}

bool IsFinished(TaskState state) { return kStates[Index(state)].finished; }

bool HoldsSlots(TaskState state) { return kStates[Index(state)].holds_slots; }

}  // namespace nightmill
