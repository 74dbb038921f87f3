// Derives a DagGraph from a Dag (state.h). Private to the engine.
#pragma once

#include <memory>

#include "scheduler/engine/state.h"

namespace nightmill {

// Also interns the tasks' pool requests as ready buckets of `state`.
std::shared_ptr<const DagGraph> BuildGraph(EngineState& state, std::shared_ptr<const Dag> dag,
                                           int version);
// Fills run.nodes with one unstarted instance per task and counters as before any task ran.
void InstantiateNodes(LiveRun& run);

}  // namespace nightmill
