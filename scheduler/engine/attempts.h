// Attempts from dispatch to outcome: reports of workers, losses, retries, kills (semantics.md 1.1,
// 6; reliability.md P2-P5). Private to the engine.
#pragma once

#include "scheduler/engine/state.h"

namespace nightmill {

void OnWorkerUp(EngineState& state, const event::WorkerUp& event);
void OnWorkerDown(EngineState& state, const event::WorkerDown& event);
void OnAttemptStarted(EngineState& state, const event::AttemptStarted& event);
void OnAttemptFinished(EngineState& state, const AttemptReport& report);

// Orders the end of an open attempt; its instances stay as they are until the end is proven.
void OrderKill(EngineState& state, AttemptId attempt, std::string_view reason);

// A new cycle of an instance: what the last one left in its row is gone, its tries are counted on.
void ResetCycle(TaskInstanceRow& row, const Task& task);

// T10/T11: a try failed; retries it by policy or ends it. `outcome` is a word of FailureFacts.
struct TryFailure {
  std::string_view outcome;
  std::string kind;
  std::string message;
  int exit_code = -1;
  int signal = 0;
};
void FailTry(EngineState& state, LiveRun& run, int task, int position, const TryFailure& failure);
// JSON {"kind","message",...} of a failure, the form of TaskInstanceRow::failure.
std::string FailureJson(const TryFailure& failure);

// The same for a task that cannot be rendered (T3).
std::string DefinitionFailure(const Error& error);

// What a final failure does beyond its own state: max_failures of a map, fail_fast of the DAG.
void AfterFinalFailure(EngineState& state, LiveRun& run, int task);

// The first start of the cycle: total_timeout counts from here.
void BeginCycle(EngineState& state, LiveRun& run, int task, int position);
// total_timeout: what runs is killed, what waits fails.
void OnTotalTimeout(EngineState& state, LiveRun& run, int task, int position);

// A due instant of an instance has come: retry, backoff after a loss.
void OnInstanceDue(EngineState& state, LiveRun& run, int task, int position);

}  // namespace nightmill
