// Marking a run as a success or a failure, and notes (semantics.md 11, R8). Private to the engine.
#pragma once

#include "scheduler/engine/state.h"

namespace nightmill {

void OnMarkRun(EngineState& state, const event::MarkRun& event);

}  // namespace nightmill
