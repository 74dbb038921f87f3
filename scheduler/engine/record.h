// Marks rows as changed, so that a Step holds each row once, in its last form, and appends event
// rows. Private to scheduler/engine.
#pragma once

#include <string>
#include <utility>

#include "scheduler/engine/state.h"

namespace nightmill {

void Touch(EngineState& state, LiveRun& run);
void Touch(EngineState& state, LiveRun& run, int task, int position);
void Touch(EngineState& state, OpenAttempt& attempt);
void Touch(EngineState& state, LiveDag& dag);
void Touch(EngineState& state, LiveBackfill& backfill);

// Appends an event row; `data` is JSON.
void Record(EngineState& state, EventRow event);
void RecordRun(EngineState& state, const LiveRun& run, std::string_view kind, std::string data);

// The row of an instance of the run's life before it was cleared (LiveRun::past_tries): its tries
// stay known, and what they did stays with their attempts.
void RecordPast(EngineState& state, const LiveRun& run, const std::pair<std::string, int>& instance,
                TaskState now_in);

// Whether this step has ended the run or rewritten its row: what the store has of it is old.
bool IsOutdated(const EngineState& state, RunKey run);
// kConflict for a request about such a run.
Error ChangedMeanwhile(const DagRunRow& run);

// Moves all touched rows into the step.
void FlushChanges(EngineState& state);

void Answer(EngineState& state, RequestId request, Result<command::ReplyBody> body);

// Text as a JSON string literal with quotes.
std::string Quote(std::string_view text);

}  // namespace nightmill
