// Backfill objects (semantics.md 10): preview and creation by one function, slots turned into runs
// as places fall free, pause, unpause, cancel. Private to the engine.
#pragma once

#include "scheduler/engine/state.h"

namespace nightmill {

void OnCreateBackfill(EngineState& state, const event::CreateBackfill& event);
void OnControlBackfill(EngineState& state, const event::ControlBackfill& event);
void OnRunLoaded(EngineState& state, const event::RunLoaded& event);
// Starts next slots of the backfills in `state.advance`, completes those that are done.
void AdvanceBackfills(EngineState& state);
// A run of a backfill ended.
// Whether a queued run waits because its backfill is paused.
bool HeldByBackfill(const EngineState& state, const LiveRun& run);
// A run of another kind takes this logical date: planned slots of backfills leave it to that run
// (semantics.md 10: the first commit wins).
void YieldSlots(EngineState& state, const std::string& dag_id, Instant logical_date);
void OnBackfillRunEnded(EngineState& state, const LiveRun& run);

}  // namespace nightmill
