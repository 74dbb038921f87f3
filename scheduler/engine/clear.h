// Clearing: task instances run again (semantics.md 11, T16, T17, R7). Private to the engine.
#pragma once

#include "scheduler/engine/state.h"

namespace nightmill {

// Selects and, unless it is a dry run, clears, so that the preview cannot differ from the deed.
// kConflict, and nothing is done, for a run that is stopping, that a backfill is about to run
// again, or whose version is not known.
void OnClearTasks(EngineState& state, const event::ClearTasks& event);

}  // namespace nightmill
