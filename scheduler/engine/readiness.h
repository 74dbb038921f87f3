// Decides which task instances may start: gates G1-G7, trigger rules, branches, mapping
// (semantics.md 3, 5). Works from the nodes that transitions marked, in topological order, until
// nothing changes. Private to the engine.
#pragma once

#include "scheduler/engine/state.h"

namespace nightmill {

// Looks at every unsettled node of every run in `state.unsettled`, finishes runs that are done.
void SettleRuns(EngineState& state);

// The rule's verdict as the engine applies it: all_success's skip waits until D = N (3.2).
Verdict EngineVerdict(TriggerRule rule, const UpstreamCounts& counts);

// A finished branch or short circuit tells the tasks it gates; anything else that ends undecided
// (failed, skipped) opens its gates and leaves the rest to the rules.
void OpenGates(EngineState& state, LiveRun& run, int task);

}  // namespace nightmill
