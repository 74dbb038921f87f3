// The wall clock was set while runs are live. Private to scheduler/engine.
#pragma once

#include "scheduler/engine/event.h"
#include "scheduler/engine/state.h"

namespace nightmill {

// Moves the instants that running spans count from (start of a run, a retry's due instant, first
// poke, ...) with the clock, so that each span ends when as much time has really passed as it has.
// Timetables keep their instants: they are of the wall clock. Costs O(live rows).
void OnClockMoved(EngineState& state, const event::ClockMoved& event);

}  // namespace nightmill
