// SLA entries on their slots (semantics.md 9): arming, landing, the verdicts of time and forecast.
// Every function may be called for a DAG without entries and then does nothing. What lands or fails
// is applied at once; what time alone decides is decided at the end of the step (SettleSlas), so
// that a landing at the very due instant is in time. Private to scheduler/engine.
#pragma once

#include <chrono>
#include <string_view>

#include "core/schedule/timetable.h"
#include "scheduler/engine/sla_state.h"
#include "scheduler/engine/state.h"

namespace nightmill {

// A version was stored, `old` was the newest before (null: none); also sets LiveRun::watch.
void OnSlaVersion(EngineState& state, LiveDag& dag, const DagGraph* old);
// The DAG was paused or unpaused: while paused most entries rest.
void OnSlaPause(EngineState& state, LiveDag& dag);

// A run was queued, for the first time or cleared; a clear arms nothing.
void ArmRun(EngineState& state, LiveDag& dag, LiveRun& run);
// A slot was decided that gets no run.
void ArmSkipped(EngineState& state, LiveDag& dag, const Slot& slot, std::string_view reason);
// R2; the first start of a task in its cycle.
void OnSlaRunStarted(EngineState& state, LiveDag& dag, const LiveRun& run);
void OnSlaTaskStarted(EngineState& state, const LiveRun& run, int task, int position);

// An instance of a run with `watch` has moved.
void OnWatchedMove(EngineState& state, LiveRun& run, int task, int position, TaskState from);
// Tasks of a running run have been cleared.
void OnSlaCleared(EngineState& state, const LiveRun& run);
// A finished run, not in memory, was marked and is in the other terminal state now.
void OnRunMarked(EngineState& state, const DagRunRow& row);
// The run is in a terminal state and still in memory.
void OnWatchedRunEnded(EngineState& state, LiveDag& dag, const LiveRun& run);

// The wall clock was set: entries that count from a start or a queueing move along with their runs.
void OnSlaClockMoved(EngineState& state, std::chrono::microseconds by);
void OnSlaTimer(EngineState& state, const Timer& timer);
// Decides for the DAGs in `state.sla_due`, and sets their timers.
void SettleSlas(EngineState& state);
// Moves changed rows into the step; finished ones leave memory.
void FlushSlas(EngineState& state);

void RestoreSlas(EngineState& state, const Snapshot& snapshot);
// CHECKs what is derived against the rows.
void CheckSlas(const EngineState& state);

}  // namespace nightmill
