// Rebuilds the engine's memory from committed rows (Engine::Load). Private to the engine.
#pragma once

#include "scheduler/engine/state.h"

namespace nightmill {

void Restore(EngineState& state, const Snapshot& snapshot, const DagLibrary& library);

// Puts stored rows of instances in place of the fresh ones of InstantiateNodes, counts what follows
// from them, and sets timers and ready sets.
void FillRun(EngineState& state, LiveRun& run, const std::vector<TaskInstanceRow>& rows);
// The same for a run that is running already: what its instances held is given back first.
void RefillRun(EngineState& state, LiveRun& run, const std::vector<TaskInstanceRow>& rows);

// Recomputes all derived numbers of a run from its rows: what Restore fills and CheckInvariants
// compares.
struct RunNumbers {
  int unfinished = 0;
  int held = 0;
};
RunNumbers NumbersOf(const LiveRun& run);

}  // namespace nightmill
