#include "scheduler/engine/restore.h"

#include <algorithm>

#include "core/base/check.h"
#include "core/base/json.h"
#include "core/dagfile/dag_json.h"
#include "scheduler/engine/graph.h"
#include "scheduler/engine/readiness.h"
#include "scheduler/engine/sensors.h"
#include "scheduler/engine/slas.h"
#include "scheduler/engine/transition.h"

namespace nightmill {
namespace {

QueuedRunKey QueueKey(const DagRunRow& row) {
  return {row.lane, row.logical_date.value_or(row.run_after), row.run};
}

void RestoreDags(EngineState& state, const Snapshot& snapshot, const DagLibrary& library) {
  for (const DagRow& row : snapshot.dags) {
    const auto dag = library.find({row.dag_id, row.version});
    if (dag == library.end()) continue;  // its source no longer loads; recovery reported it
    LiveDag& live = state.dags[row.dag_id];
    live.row = row;
    live.newest = BuildGraph(state, dag->second, row.version);
    if (!row.paused && live.newest->dag->timetable != nullptr) {
      state.timers.push({Instant::min(), TimerKind::kSlot, {}, -1, -1, row.dag_id});
    }
  }
  for (const auto& [dag_id, date] : snapshot.taken_dates) {
    const auto dag = state.dags.find(dag_id);
    if (dag != state.dags.end()) dag->second.taken.insert(date);
  }
}

std::shared_ptr<const DagGraph> GraphOf(EngineState& state, const DagRunRow& row,
                                        const DagLibrary& library) {
  const LiveDag& dag = state.dags.find(row.dag_id)->second;
  if (dag.newest->version == row.version) return dag.newest;
  for (const auto& [key, other] : state.runs) {
    if (other->graph != nullptr && other->row.dag_id == row.dag_id &&
        other->row.version == row.version) {
      return other->graph;
    }
  }
  const auto pinned = library.find({row.dag_id, row.version});
  return pinned == library.end() ? nullptr : BuildGraph(state, pinned->second, row.version);
}

// Puts stored rows in place of the fresh instances; several rows of one task = an expanded map.
// Removed ones are history.
void PlaceRows(LiveRun& run, const std::vector<TaskInstanceRow>& rows) {
  for (const TaskInstanceRow& row : rows) {
    if (row.state == TaskState::kRemoved) {
      run.past_tries[{row.task_id, row.map_index}] = row.try_number;
      continue;
    }
    const int task = run.graph->dag->Find(row.task_id);
    if (task < 0) continue;
    TaskNode& node = run.nodes[static_cast<std::size_t>(task)];
    const auto position = static_cast<std::size_t>(std::max(row.map_index, 0));
    node.expanded = node.expanded || row.map_index >= 0;
    if (position >= node.instances.size()) node.instances.resize(position + 1);
    node.instances[position].row = row;
  }
}

void CountUp(EngineState& state, LiveRun& run) {
  const Dag& dag = *run.graph->dag;
  const RunNumbers numbers = NumbersOf(run);
  run.unfinished = numbers.unfinished;
  run.held = numbers.held;
  run.instances = 0;
  state.held += numbers.held;
  state.dags.find(run.row.dag_id)->second.held += numbers.held;
  for (std::size_t i = 0; i < run.nodes.size(); ++i) {
    TaskNode& node = run.nodes[i];
    node.unstarted = 0;
    node.failures = 0;
    run.instances += node.instances.size();
    for (const Instance& instance : node.instances) {
      const TaskState at = instance.row.state;
      if (at == TaskState::kNone) node.unstarted += 1;
      if (at == TaskState::kFailed) node.failures += 1;
      if (HoldsSlots(at) && UsesWorker(dag.tasks[i].kind)) {
        node.held += 1;
        for (const PoolRequest& request : dag.tasks[i].pools) {
          const auto pool = state.pools.find(request.name);
          if (pool != state.pools.end()) pool->second.used += request.slots;
        }
      }
    }
  }
  for (std::size_t i = 0; i < run.nodes.size(); ++i) {
    UpstreamCounts counts;
    for (const int parent : dag.upstream[i]) {
      for (const Instance& instance : run.nodes[static_cast<std::size_t>(parent)].instances) {
        Count(counts, instance.row.state, +1);
      }
    }
    run.nodes[i].counts = counts;
    Unsettle(state, run, static_cast<int>(i));
  }
  for (std::size_t i = 0; i < run.nodes.size(); ++i) {
    const bool gate = !run.graph->gate_targets[i].empty();
    if (gate && IsFinished(run.nodes[i].instances[0].row.state)) {
      OpenGates(state, run, static_cast<int>(i));
    }
  }
}

// Timers and ready set of an instance that waits.
void RearmInstance(EngineState& state, LiveRun& run, int task, int position) {
  const Task& definition = run.graph->dag->tasks[static_cast<std::size_t>(task)];
  const TaskInstanceRow& row =
      run.nodes[static_cast<std::size_t>(task)].instances[static_cast<std::size_t>(position)].row;
  const auto arm = [&](TimerKind kind, Instant at) {
    Arm(state, run, {.at = at, .kind = kind, .task = task, .position = position});
  };
  if (row.state == TaskState::kDeferred) {
    QueuePoke(state, run, task, position, row.due_at.value_or(Instant::min()));
    if (row.deferred_since) {
      arm(TimerKind::kSensorTimeout, *row.deferred_since + definition.sensor_timeout);
    }
  } else if (row.due_at) {
    arm(TimerKind::kInstanceDue, *row.due_at);
  } else if (row.state == TaskState::kScheduled) {
    AddReady(state, run, task, position);
  }
  if (!IsFinished(row.state) && definition.total_timeout && row.cycle_started_at) {
    arm(TimerKind::kTotalTimeout, *row.cycle_started_at + *definition.total_timeout);
  }
  if (row.state == TaskState::kScheduled && definition.queue_timeout && row.scheduled_at) {
    arm(TimerKind::kQueueTimeout, *row.scheduled_at + *definition.queue_timeout);
  }
}

void Rearm(EngineState& state, LiveRun& run) {
  const Dag& dag = *run.graph->dag;
  if (dag.run_timeout && run.row.started_at) {
    Arm(state, run, {.at = *run.row.started_at + *dag.run_timeout, .kind = TimerKind::kRunTimeout});
  }
  for (std::size_t i = 0; i < run.nodes.size(); ++i) {
    for (std::size_t p = 0; p < run.nodes[i].instances.size(); ++p) {
      RearmInstance(state, run, static_cast<int>(i), static_cast<int>(p));
    }
  }
}

void RestoreRun(EngineState& state, const DagRunRow& row, const std::vector<TaskInstanceRow>& rows,
                const DagLibrary& library) {
  const auto dag = state.dags.find(row.dag_id);
  if (dag == state.dags.end()) return;
  auto owned = std::make_unique<LiveRun>();
  LiveRun& run = *owned;
  run.row = row;
  dag->second.live_by_id[row.run_id] = row.run;
  if (row.state == RunState::kQueued) {
    // A version is kept by a run that was cleared in part.
    run.pinned = row.version > 0 ? GraphOf(state, row, library) : nullptr;
    if (run.pinned != nullptr) run.kept = rows;
    for (const TaskInstanceRow& past : rows) {
      if (run.pinned != nullptr && past.state != TaskState::kRemoved) continue;
      run.past_tries[{past.task_id, past.map_index}] = past.try_number;
    }
    dag->second.queued.insert(QueueKey(row));
    state.admit.insert(row.dag_id);
    Arm(state, run, {.at = row.run_after, .kind = TimerKind::kRunAfter});
    if (const auto& expiry = dag->second.newest->dag->queue_expiry) {
      Arm(state, run, {.at = row.queued_at + *expiry, .kind = TimerKind::kQueueExpiry});
    }
    state.runs.emplace(row.run, std::move(owned));
    return;
  }
  run.graph = GraphOf(state, row, library);
  CHECK_MSG(run.graph != nullptr, "a running run whose pinned DAG version does not load");
  const Result<std::string> resolved = ResolveParams(run.graph->dag->params_schema, row.conf);
  if (resolved.ok()) run.params = nlohmann::json::parse(*resolved).at("params").dump();
  InstantiateNodes(run);
  if (row.lane == Lane::kLive) dag->second.active_live += 1;
  state.runs.emplace(row.run, std::move(owned));
  FillRun(state, run, rows);
}

void RestoreBackfills(EngineState& state, const Snapshot& snapshot) {
  for (const BackfillRow& row : snapshot.backfills) {
    if (!state.dags.contains(row.dag_id)) continue;
    state.backfills[row.backfill].row = row;
    state.advance.insert(row.backfill);
  }
  for (const BackfillSlotRow& slot : snapshot.backfill_slots) {
    const auto it = state.backfills.find(slot.backfill);
    if (it == state.backfills.end()) continue;
    LiveBackfill& backfill = it->second;
    if (slot.state == "created" && state.FindRun(slot.run) != nullptr) {
      backfill.open[slot.run] = slot.seq;
    }
    backfill.by_date[slot.logical_date] = slot.seq;
    backfill.slots.push_back(slot);
  }
}

}  // namespace

void FillRun(EngineState& state, LiveRun& run, const std::vector<TaskInstanceRow>& rows) {
  PlaceRows(run, rows);
  CountUp(state, run);
  Rearm(state, run);
}

void RefillRun(EngineState& state, LiveRun& run, const std::vector<TaskInstanceRow>& rows) {
  state.held -= run.held;
  state.dags.find(run.row.dag_id)->second.held -= run.held;
  for (std::size_t i = 0; i < run.nodes.size(); ++i) {
    const int task = static_cast<int>(i);
    for (std::size_t p = 0; p < run.nodes[i].instances.size(); ++p) {
      RemoveReady(state, run, task, static_cast<int>(p));
      ForgetPokes(state, run, task, static_cast<int>(p));
    }
    for (const PoolRequest& request : run.graph->dag->tasks[i].pools) {
      const auto pool = state.pools.find(request.name);
      if (pool != state.pools.end()) pool->second.used -= request.slots * run.nodes[i].held;
    }
  }
  run.unsettled.clear();
  run.decided.clear();
  InstantiateNodes(run);
  FillRun(state, run, rows);
}

RunNumbers NumbersOf(const LiveRun& run) {
  RunNumbers numbers;
  for (std::size_t i = 0; i < run.nodes.size(); ++i) {
    const bool slots = UsesWorker(run.graph->dag->tasks[i].kind);
    for (const Instance& instance : run.nodes[i].instances) {
      if (!IsFinished(instance.row.state)) numbers.unfinished += 1;
      if (slots && HoldsSlots(instance.row.state)) numbers.held += 1;
    }
  }
  return numbers;
}

void Restore(EngineState& state, const Snapshot& snapshot, const DagLibrary& library) {
  state.epoch = snapshot.epoch;
  state.last_run = snapshot.last_run;
  state.last_attempt = snapshot.last_attempt;
  state.last_backfill = snapshot.last_backfill;
  state.last_event = snapshot.last_event;
  state.last_alert = snapshot.last_alert;
  for (const PoolRow& pool : snapshot.pools) state.pools[pool.name].row = pool;
  RestoreDags(state, snapshot, library);
  auto rows = snapshot.tasks.begin();
  std::map<RunKey, std::vector<TaskInstanceRow>> by_run;
  for (; rows != snapshot.tasks.end(); ++rows) by_run[rows->run].push_back(*rows);
  for (const DagRunRow& run : snapshot.runs) RestoreRun(state, run, by_run[run.run], library);
  for (const TaskAttemptRow& row : snapshot.attempts) {
    state.attempts[row.attempt].row = row;
    // Its worker has not called yet; its places are taken until the worker says otherwise.
    LiveWorker& worker = state.workers[row.worker];
    worker.name = row.worker;
    worker.incarnation = row.incarnation;
    worker.used += row.places;
  }
  for (const AttemptTargetRow& target : snapshot.targets) {
    const auto attempt = state.attempts.find(target.attempt);
    if (attempt != state.attempts.end()) attempt->second.targets.push_back(target.target);
  }
  RestoreBackfills(state, snapshot);
  RestoreSlas(state, snapshot);
}

}  // namespace nightmill
