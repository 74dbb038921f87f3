// Rebuilds the engine's memory from committed rows (Engine::Load). Private to the engine.
#pragma once

#include "scheduler/engine/state.h"

namespace nightmill {

void Restore(EngineState& state, const Snapshot& snapshot, const DagLibrary& library);

// Recomputes all derived numbers of a run from its rows: what Restore fills and CheckInvariants
// compares.
struct RunNumbers {
  int unfinished = 0;
  int held = 0;
};
RunNumbers NumbersOf(const LiveRun& run);

}  // namespace nightmill
