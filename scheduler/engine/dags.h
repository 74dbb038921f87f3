// DAGs: new versions, pause, and the slots of their schedules (semantics.md 2.4, 12). Private to
// the engine.
#pragma once

#include "scheduler/engine/state.h"

namespace nightmill {

// Pauses or unpauses; unpausing decides the slots missed meanwhile.
void SetPaused(EngineState& state, LiveDag& dag, bool paused);
void OnApplyDag(EngineState& state, const event::ApplyDag& event);
void OnSetDagPaused(EngineState& state, const event::SetDagPaused& event);
void OnDeletePool(EngineState& state, const event::DeletePool& event);
void OnPutPool(EngineState& state, const event::PutPool& event);
// Slots still to be decided have logical dates from here on (LiveDag::taken).
Instant TakenFloor(const LiveDag& dag);
// Decides every slot of this DAG that is due, creates its runs and sets the next timer.
void DecideDueSlots(EngineState& state, LiveDag& dag);

}  // namespace nightmill
