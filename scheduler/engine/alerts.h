// Who is told of what (product.md 7): finds the notifiers that want an event of a run, a task, a
// backfill, a worker or an SLA, and raises the alert in the step of its cause. An event that nobody
// wants leaves no row. Private to scheduler/engine.
#pragma once

#include <optional>

#include "scheduler/engine/sla_state.h"
#include "scheduler/engine/state.h"

namespace nightmill {

// Bits of LiveRun::watch: what has to look at the task instances of a run when they move. Zero for
// a run that nobody listens to.
inline constexpr unsigned kWatchSla = 1u << 31;
constexpr unsigned WatchBit(AlertType type) { return 1u << static_cast<unsigned>(type); }
unsigned WatchOf(const EngineState& state, const LiveDag& dag);

// The run has ended; also keeps DagRow::failing.
void AlertRun(EngineState& state, LiveDag& dag, const LiveRun& run);
// The instance has come into a state that `run.watch` names.
void AlertTask(EngineState& state, const LiveRun& run, const TaskInstanceRow& row);
// The event of a state of a task instance; nothing for states without one.
std::optional<AlertType> TaskAlert(TaskState state);

void AlertBackfill(EngineState& state, const LiveBackfill& backfill);
// These attempts, all of one incarnation of the worker, were lost with it.
void AlertWorkerLost(EngineState& state, const std::vector<AttemptId>& attempts);

// `others`: slots of the entry that are missed as well and not told of.
void AlertSla(EngineState& state, const LiveDag& dag, const LiveSla& sla, AlertType type,
              int others = 0);
// "sla:<dag>:<name>:<slot>".
std::string DedupKey(const SlaRow& row);

}  // namespace nightmill
