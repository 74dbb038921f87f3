// Dag runs from creation to outcome (semantics.md 1 R1-R8, 1.2). Private to the engine.
#pragma once

#include "scheduler/engine/state.h"

namespace nightmill {

void OnTriggerRun(EngineState& state, const event::TriggerRun& event);
void OnCancelRun(EngineState& state, const event::CancelRun& event);

struct NewRun {
  RunType type = RunType::kScheduled;
  Lane lane = Lane::kLive;
  std::string run_id;
  std::optional<Instant> logical_date;
  std::optional<DataInterval> interval;
  Instant run_after;
  std::string conf = "{}";
  std::string note;
  std::string triggered_by;
  BackfillId backfill;
};
// R1: a queued run; the caller made sure that id and logical date are free.
LiveRun& CreateRun(EngineState& state, LiveDag& dag, NewRun wanted);
// Puts a queued run (new, or cleared by a backfill) in line.
void Enqueue(EngineState& state, LiveDag& dag, LiveRun& run);
// R2 for every queued run that may start, of the DAGs in `state.admit`.
void AdmitRuns(EngineState& state);
// R4: all instances are finished.
void FinishRun(EngineState& state, LiveRun& run);
// R5: no new dispatch, live attempts killed, the rest skipped.
void StopRun(EngineState& state, LiveRun& run, RunReason reason);
// R3: a queued run ends without having run.
void EndQueuedRun(EngineState& state, LiveRun& run, RunReason reason);

// The run of this DAG that is queued or running under this id, or null.
LiveRun* FindLiveRun(EngineState& state, std::string_view dag_id, std::string_view run_id);

}  // namespace nightmill
