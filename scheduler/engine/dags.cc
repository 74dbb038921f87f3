#include "scheduler/engine/dags.h"

#include <fmt/format.h>

#include "core/model/names.h"
#include "scheduler/engine/graph.h"
#include "scheduler/engine/record.h"
#include "scheduler/engine/runs.h"
#include "scheduler/engine/slas.h"

namespace nightmill {
namespace {

void StoreVersion(EngineState& state, LiveDag& dag, std::shared_ptr<const Dag> parsed) {
  DagVersionRow version;
  version.dag_id = parsed->dag_id;
  version.version = dag.row.version;
  version.hash = parsed->version_hash;
  version.source = parsed->source;
  version.created_at = state.now;
  state.step->changes.emplace_back(std::move(version));
  const std::shared_ptr<const DagGraph> old = std::move(dag.newest);
  dag.newest = BuildGraph(state, std::move(parsed), dag.row.version);
  OnSlaVersion(state, dag, old.get());
  EventRow event;
  event.kind = "dag.applied";
  event.dag_id = dag.row.dag_id;
  event.data = fmt::format(R"({{"version":{}}})", dag.row.version);
  Record(state, std::move(event));
}

void RecordPool(EngineState& state, std::string_view kind, std::string_view name) {
  EventRow event;
  event.kind = kind;
  event.data = fmt::format(R"({{"name":{}}})", Quote(name));
  Record(state, std::move(event));
}

bool NamesPool(const Dag& dag, std::string_view name) {
  for (const Task& task : dag.tasks) {
    for (const PoolRequest& request : task.pools) {
      if (request.name == name) return true;
    }
  }
  return false;
}

// What names a pool, in words; "" if nothing does.
std::string UserOfPool(const EngineState& state, std::string_view name) {
  for (const auto& [dag_id, dag] : state.dags) {
    if (NamesPool(*dag.newest->dag, name)) return "DAG " + dag_id;
  }
  for (const auto& [key, run] : state.runs) {
    if (run->graph != nullptr && NamesPool(*run->graph->dag, name)) {
      return fmt::format("run {} of {}", run->row.run_id, run->row.dag_id);
    }
  }
  return {};
}

// Why a slot that is due gets no run although catchup would give it one; "" if it gets one.
std::string_view SlotVeto(const EngineState& state, const LiveDag& dag, const Slot& slot) {
  const Dag& definition = *dag.newest->dag;
  if (dag.taken.contains(slot.logical_date())) return "in_flight";
  if (definition.schedule->overlap == Overlap::kQueue) return {};
  int waiting = 0;
  for (const QueuedRunKey& key : dag.queued) {
    const LiveRun& run = *state.FindRun(key.run);
    if (run.row.lane == Lane::kLive && run.row.run_after <= state.now) waiting += 1;
  }
  const bool full = dag.active_live + waiting >= definition.max_active_runs;
  if (definition.schedule->overlap == Overlap::kSkip && full) return "overlap_skip";
  // One may wait beyond the places; those that are about to take a free place do not wait.
  const bool buffered = dag.active_live + waiting > definition.max_active_runs;
  if (definition.schedule->overlap == Overlap::kBufferOne && buffered) return "overlap_skip";
  return {};
}

void CancelOldest(EngineState& state, LiveDag& dag) {
  if (dag.active_live < dag.newest->dag->max_active_runs) return;
  for (const auto& [key, run] : state.runs) {
    const bool candidate = run->row.dag_id == dag.row.dag_id &&
                           run->row.state == RunState::kRunning && !run->row.stopping &&
                           run->row.type == RunType::kScheduled;
    if (candidate) return StopRun(state, *run, RunReason::kOverlapCancelled);
  }
}

void DecideSlot(EngineState& state, LiveDag& dag, const SlotDecision& decision) {
  std::string_view reason = decision.create ? SlotVeto(state, dag, decision.slot) : decision.reason;
  SlotRow row;
  row.dag_id = dag.row.dag_id;
  row.tick = decision.slot.tick;
  row.reason = reason;
  if (reason.empty()) {
    if (dag.newest->dag->schedule->overlap == Overlap::kCancelOther) CancelOldest(state, dag);
    NewRun wanted;
    wanted.logical_date = decision.slot.logical_date();
    wanted.interval = decision.slot.interval;
    wanted.run_after = decision.slot.run_after;
    wanted.run_id = fmt::format("scheduled__{}", FormatInstantOffset(*wanted.logical_date));
    wanted.triggered_by = "schedule";
    row.run = CreateRun(state, dag, std::move(wanted)).row.run;
  } else {
    ArmSkipped(state, dag, decision.slot, reason);
  }
  state.step->changes.emplace_back(std::move(row));
}

}  // namespace

Instant TakenFloor(const LiveDag& dag) {
  if (!dag.row.last_tick || !dag.newest->dag->schedule) return Instant::min();
  return *dag.row.last_tick - dag.newest->dag->schedule->fixed_interval;
}

void DecideDueSlots(EngineState& state, LiveDag& dag) {
  const auto& timetable = dag.newest->dag->timetable;
  if (dag.row.paused || timetable == nullptr) return;
  const SlotCursor cursor{dag.row.last_tick, dag.row.first_accepted_at};
  const SlotPlan plan = DecideSlots(*timetable, cursor, dag.row.enabled_at, state.now);
  for (const SlotDecision& decision : plan.decisions) DecideSlot(state, dag, decision);
  if (plan.last_tick && plan.last_tick != dag.row.last_tick) {
    dag.row.last_tick = plan.last_tick;
    Touch(state, dag);
    dag.taken.erase(dag.taken.begin(), dag.taken.lower_bound(TakenFloor(dag)));
  }
  if (plan.truncated > 0) {
    EventRow event;
    event.kind = "catchup.truncated";
    event.dag_id = dag.row.dag_id;
    event.data = fmt::format(R"({{"slots":{}}})", plan.truncated);
    Record(state, std::move(event));
  }
  if (plan.wake_at && plan.wake_at != dag.slot_timer) {
    state.timers.push({*plan.wake_at, TimerKind::kSlot, {}, -1, -1, dag.row.dag_id});
    dag.slot_timer = plan.wake_at;
  }
}

void SetPaused(EngineState& state, LiveDag& dag, bool paused) {
  if (dag.row.paused == paused) return;
  dag.row.paused = paused;
  if (!paused) dag.row.enabled_at = state.now;
  Touch(state, dag);
  EventRow record;
  record.kind = paused ? "dag.paused" : "dag.unpaused";
  record.dag_id = dag.row.dag_id;
  Record(state, std::move(record));
  OnSlaPause(state, dag);
  state.admit.insert(dag.row.dag_id);
  for (const auto& [id, backfill] : state.backfills) {
    if (backfill.row.dag_id == dag.row.dag_id) state.advance.insert(id);
  }
  DecideDueSlots(state, dag);
}

void OnApplyDag(EngineState& state, const event::ApplyDag& event) {
  const std::string& dag_id = event.dag->dag_id;
  const auto it = state.dags.find(dag_id);
  const int version = it == state.dags.end() ? 0 : it->second.row.version;
  if (event.expected_version.value_or(version) != version) {
    return Answer(state, event.request,
                  Error{ErrorCode::kPreconditionFailed,
                        version == 0 ? fmt::format("there is no DAG \"{}\" yet", dag_id)
                                     : fmt::format("{} has version {} by now", dag_id, version),
                        "read its source again and send that ETag as If-Match"});
  }
  if (it != state.dags.end() && !event.moved && !it->second.row.fileloc.empty() &&
      !event.dag->fileloc.empty() && it->second.row.fileloc != event.dag->fileloc) {
    return Answer(state, event.request,
                  Conflict(fmt::format("dag_id \"{}\" is defined in {} and in {}", dag_id,
                                       it->second.row.fileloc, event.dag->fileloc),
                           "change the dag_id of one of them, or remove the old file"));
  }
  if (it == state.dags.end() && state.dags.size() >= state.config.max_dags) {
    return Answer(state, event.request,
                  Conflict(fmt::format("DAG \"{}\" is one too many: the maximum is {}", dag_id,
                                       state.config.max_dags),
                           "run further DAGs on a second server with its own state directory"));
  }
  DagReply reply;
  if (it == state.dags.end()) {
    LiveDag& dag = state.dags[dag_id];
    dag.row.dag_id = dag_id;
    dag.row.first_accepted_at = state.now;
    dag.row.enabled_at = state.now;
    dag.row.paused = event.dag->paused_upon_creation.value_or(event.paused_upon_creation);
    dag.row.fileloc = event.dag->fileloc;
    Touch(state, dag);
    StoreVersion(state, dag, event.dag);
    reply.created = reply.changed = true;
    DecideDueSlots(state, dag);
    reply.dag = dag.row;
  } else {
    LiveDag& dag = it->second;
    if (dag.newest->dag->version_hash != event.dag->version_hash ||
        dag.row.fileloc != event.dag->fileloc) {
      dag.row.version += 1;
      dag.row.fileloc = event.dag->fileloc;
      Touch(state, dag);
      StoreVersion(state, dag, event.dag);
      state.admit.insert(dag_id);
      reply.changed = true;
      DecideDueSlots(state, dag);
    }
    reply.dag = dag.row;
  }
  Answer(state, event.request, command::ReplyBody{std::move(reply)});
}

void OnSetDagPaused(EngineState& state, const event::SetDagPaused& event) {
  const auto it = state.dags.find(event.dag_id);
  if (it == state.dags.end()) {
    return Answer(
        state, event.request,
        NotFound(fmt::format("no DAG \"{}\"", event.dag_id), "nightmill dag list shows the DAGs"));
  }
  SetPaused(state, it->second, event.paused);
  Answer(state, event.request, command::ReplyBody{DagReply{it->second.row, false, false}});
}

void OnPutPool(EngineState& state, const event::PutPool& event) {
  // One that exists may be changed whatever its name: older releases took any.
  if (!state.pools.contains(event.pool.name)) {
    const Status named = CheckPoolName(event.pool.name);
    if (!named.ok()) return Answer(state, event.request, named.error());
    if (state.pools.size() >= state.config.max_pools) {
      return Answer(state, event.request,
                    Conflict(fmt::format("pool \"{}\" is one too many: the maximum is {}",
                                         event.pool.name, state.config.max_pools),
                             "share a pool that is there, or delete one that nothing names"));
    }
  }
  LivePool& pool = state.pools[event.pool.name];
  const bool same = pool.row.name == event.pool.name && pool.row.slots == event.pool.slots &&
                    pool.row.description == event.pool.description &&
                    pool.row.include_deferred == event.pool.include_deferred;
  if (pool.row.name.empty()) {
    // Instances that already hold slots of a pool made again are charged to it.
    for (const auto& [key, run] : state.runs) {
      if (run->graph == nullptr) continue;
      for (std::size_t i = 0; i < run->nodes.size(); ++i) {
        for (const PoolRequest& request : run->graph->dag->tasks[i].pools) {
          if (request.name == event.pool.name) pool.used += request.slots * run->nodes[i].held;
        }
      }
    }
  }
  pool.row = event.pool;
  if (!same) {
    state.step->changes.emplace_back(pool.row);
    RecordPool(state, "pool.changed", pool.row.name);
  }
  Answer(state, event.request, command::ReplyBody{pool.row});
}

void OnDeletePool(EngineState& state, const event::DeletePool& event) {
  const auto pool = state.pools.find(event.name);
  if (pool == state.pools.end()) {
    return Answer(state, event.request, NotFound(fmt::format("no pool \"{}\"", event.name)));
  }
  const std::string user = UserOfPool(state, event.name);
  if (event.name == "default_pool" || !user.empty()) {
    return Answer(state, event.request,
                  Conflict(event.name == "default_pool"
                               ? "default_pool cannot be deleted"
                               : fmt::format("pool {} is named by {}", event.name, user)));
  }
  state.step->changes.emplace_back(ErasePool{event.name});
  RecordPool(state, "pool.deleted", event.name);
  state.pools.erase(pool);
  Answer(state, event.request, command::ReplyBody{});
}

}  // namespace nightmill
