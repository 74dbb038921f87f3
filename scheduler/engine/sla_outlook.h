// How a run will go on (semantics.md 9): forecast of its end, what is not done, what holds it up.
// Pure functions of the live run and of what its DAG's last successes took. Private to the engine.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "scheduler/engine/sla_view.h"
#include "scheduler/engine/state.h"

namespace nightmill {

// Forgets what is beyond the newest successes and computes DagSlas::times anew.
void Relearn(DagSlas& slas, const DagGraph& newest);
// The run is no success any more.
void Unlearn(LiveDag& dag, RunKey run);
// As PastRun::task_ms keeps it.
std::int32_t TaskMs(Duration took);
// Of the run that has just succeeded, by task of `newest`.
PastRun TimesOf(const LiveRun& run, const DagGraph& newest);
// Mean of the last successes that an entry asks for; nothing if there are too few.
std::optional<Duration> AverageFor(const DagSlas& slas, const SlaEntry& entry);

struct Forecast {
  Instant end;      // of the target
  Instant outlook;  // if nothing happens, `end` is after due from this instant on
};
// Nothing with too few successes, or if something in the way has failed.
std::optional<Forecast> Foresee(const LiveDag& dag, const LiveRun& run, const SlaRow& row,
                                Instant now);

// X of semantics.md 9 (what is unfinished or failed in scope) and its minimal elements.
struct Holdup {
  std::optional<Instant> predicted_end;
  std::vector<std::string> task_list;  // topological
  std::vector<BlockingTask> blocking;  // longest remaining path first, at most kMaxBlockingTasks
  int blocking_count = 0;
};
Holdup WhatHolds(const EngineState& state, const LiveDag& dag, const LiveSla& sla, Instant now);

}  // namespace nightmill
