// Why something live does not run, for those inside the engine who ask (Engine::Explain*, SLA).
// Private to scheduler/engine.
#pragma once

#include <vector>

#include "scheduler/engine/explain.h"
#include "scheduler/engine/state.h"

namespace nightmill {

// Of an instance of a running run, the first is the headline. Never empty between two steps; within
// one there is none yet for a task whose time has just come.
std::vector<Reason> ReasonsOf(const EngineState& state, const LiveRun& run, int task,
                              const TaskInstanceRow& row);
// Of a queued run; never empty.
std::vector<Reason> ReasonsOfQueued(const EngineState& state, const LiveRun& run, Instant now);

}  // namespace nightmill
