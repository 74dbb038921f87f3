// One placement pass: which ready instances get slots, in which order (semantics.md 7), and the
// predicates behind it, shared with explain. Private to the engine.
#pragma once

#include <vector>

#include "scheduler/engine/explain.h"
#include "scheduler/engine/state.h"

namespace nightmill {

void Place(EngineState& state);

// Why this scheduled node cannot be granted now, outer limits first; with `all` false it stops at
// the first reason, which is what placement asks. Empty: it can.
std::vector<Reason> Blockers(const EngineState& state, const LiveRun& run, int task, bool all);

}  // namespace nightmill
