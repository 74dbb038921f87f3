// The one place where a task instance changes state: looks the pair up in the T table, keeps every
// counter that depends on it, writes the event row and marks the children. Private to the engine.
#pragma once

#include "scheduler/engine/state.h"

namespace nightmill {

// CHECKs that the table allows it. Fields that go with a state (skip_reason, failure, due_at, ...)
// are set by the caller before; times are set here.
void Move(EngineState& state, LiveRun& run, int task, int position, TaskTrigger trigger);

// Removes the edge parent -> child from the child's counts (semantics.md 3.1, Branch).
void BypassEdge(EngineState& state, LiveRun& run, int parent, int child);

// Replaces the unmapped instance of a mapped task by `items.size()` instances (items = JSON texts).
// items must not be empty.
void ReplaceByItems(EngineState& state, LiveRun& run, int task, std::vector<std::string> items);

// Counts one instance in `instance_state` into (sign +1) or out of (-1) `counts`.
void Count(UpstreamCounts& counts, TaskState instance_state, int sign);

// True for kinds that take slots and worker places.
bool UsesWorker(TaskKind kind);

void Unsettle(EngineState& state, LiveRun& run, int task);

// Ready set of placement: only for kinds that use a worker.
void AddReady(EngineState& state, LiveRun& run, int task, int position);
void RemoveReady(EngineState& state, LiveRun& run, int task, int position);
ReadyKey KeyOf(const LiveRun& run, int task);

}  // namespace nightmill
