#include "scheduler/engine/runs.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base/check.h"
#include "core/base/hash.h"
#include "core/base/json.h"
#include "core/dagfile/dag_json.h"
#include "core/model/names.h"
#include "scheduler/engine/attempts.h"
#include "scheduler/engine/backfills.h"
#include "scheduler/engine/dags.h"
#include "scheduler/engine/graph.h"
#include "scheduler/engine/record.h"
#include "scheduler/engine/restore.h"
#include "scheduler/engine/sensors.h"
#include "scheduler/engine/slas.h"
#include "scheduler/engine/transition.h"

namespace nightmill {
namespace {

using nlohmann::json;

QueuedRunKey QueueKey(const LiveRun& run) {
  return {run.row.lane, run.row.logical_date.value_or(run.row.run_after), run.row.run};
}

void SetRunState(EngineState& state, LiveRun& run, RunTrigger trigger) {
  const RunState from = run.row.state;
  const std::optional<RunState> to = Next(from, trigger);
  CHECK_MSG(to.has_value(), fmt::format("run {}: no transition from {} by {}", run.row.run_id,
                                        ToString(from), ToString(trigger)));
  run.row.state = *to;
  Touch(state, run);
  RecordRun(state, run, "run.state",
            fmt::format(R"({{"from":"{}","to":"{}","reason":"{}"}})", ToString(from), ToString(*to),
                        ToString(run.row.reason)));
}

// A run leaves the books of its DAG when it ends.
void LeaveMemory(EngineState& state, LiveRun& run) {
  LiveDag& dag = state.dags.find(run.row.dag_id)->second;
  OnWatchedRunEnded(state, dag, run);
  dag.live_by_id.erase(run.row.run_id);
  state.finished_runs.push_back(run.row.run);
  state.dead_timers += run.timers;
  state.admit.insert(run.row.dag_id);
  if (run.row.backfill.valid()) OnBackfillRunEnded(state, run);
}

// Leaves: nothing downstream; a failed leaf fails the run (semantics.md 1.2).
struct Outcome {
  bool failed = false;
  int bad = 0;  // failed and upstream_failed instances
};
Outcome Judge(const LiveRun& run) {
  Outcome outcome;
  const Dag& dag = *run.graph->dag;
  for (std::size_t i = 0; i < run.nodes.size(); ++i) {
    for (const Instance& instance : run.nodes[i].instances) {
      const TaskState at = instance.row.state;
      if (at != TaskState::kFailed && at != TaskState::kUpstreamFailed) continue;
      outcome.bad += 1;
      if (dag.downstream[i].empty() || dag.fail_if_any_failed) outcome.failed = true;
    }
  }
  return outcome;
}

// Parses {"params","conf"} of ResolveParams into the run; kInvalid if conf does not fit.
Status BindConf(LiveRun& run, const Dag& dag) {
  NM_ASSIGN_OR_RETURN(const std::string resolved, ResolveParams(dag.params_schema, run.row.conf));
  run.params = json::parse(resolved).at("params").dump();
  return Ok();
}

// What a cleared run had and its new version has not; items of a map return when it is expanded.
void RemovePast(EngineState& state, const LiveRun& run) {
  for (const auto& [instance, tries] : run.past_tries) {
    const auto& [task_id, map_index] = instance;
    if (map_index >= 0 || run.graph->dag->Find(task_id) < 0) {
      RecordPast(state, run, instance, TaskState::kRemoved);
    }
  }
}

// The first look at tasks that have not run in this cycle.
void WriteNodes(EngineState& state, LiveRun& run) {
  if (run.pinned != nullptr) {
    InstantiateNodes(run);
    FillRun(state, run, std::exchange(run.kept, {}));
    run.pinned.reset();
    for (std::size_t i = 0; i < run.nodes.size(); ++i) {
      for (std::size_t p = 0; p < run.nodes[i].instances.size(); ++p) {
        const bool fresh = run.nodes[i].instances[p].row.state == TaskState::kNone;
        if (fresh) Touch(state, run, static_cast<int>(i), static_cast<int>(p));
      }
    }
    return;
  }
  InstantiateNodes(run);
  RemovePast(state, run);
  for (std::size_t i = 0; i < run.nodes.size(); ++i) {
    Touch(state, run, static_cast<int>(i), 0);
    const bool root = run.graph->dag->upstream[i].empty() ||
                      run.graph->dag->tasks[i].trigger_rule == TriggerRule::kAlways;
    if (root) Unsettle(state, run, static_cast<int>(i));
  }
}

bool StartRun(EngineState& state, LiveDag& dag, LiveRun& run) {
  const std::shared_ptr<const DagGraph> graph = run.pinned != nullptr ? run.pinned : dag.newest;
  const Status bound = BindConf(run, *graph->dag);
  if (!bound.ok()) {
    EndQueuedRun(state, run, RunReason::kParamsInvalid);
    return false;
  }
  run.graph = graph;
  run.row.version = graph->version;
  run.row.started_at = state.now;
  SetRunState(state, run, RunTrigger::kStart);
  OnSlaRunStarted(state, dag, run);
  WriteNodes(state, run);
  state.unsettled.insert(run.row.run);
  if (const auto& limit = graph->dag->run_timeout) {
    Arm(state, run, {.at = state.now + *limit, .kind = TimerKind::kRunTimeout});
  }
  return true;
}

std::string ManualRunId(const EngineState& state, const LiveDag& dag, Instant run_after) {
  const std::string base = fmt::format("manual__{}", FormatInstantOffset(run_after));
  if (!dag.live_by_id.contains(base)) return base;
  const std::uint64_t salt =
      KeyedHash({"run_id/1", dag.row.dag_id, base, std::to_string(state.last_run.value)});
  return fmt::format("{}__{:08x}", base, static_cast<std::uint32_t>(salt));
}

bool LogicalDateLive(const EngineState& state, const LiveDag& dag, Instant logical_date) {
  for (const auto& [id, key] : dag.live_by_id) {
    if (state.runs.at(key)->row.logical_date == logical_date) return true;
  }
  return false;
}

// The logical date of a trigger that names none: now, or the next microsecond that is free, since
// all events of one batch have the same now.
Instant FreeLogicalDate(const EngineState& state, const LiveDag& dag) {
  Instant free = state.now;
  for (const auto& [id, key] : dag.live_by_id) {
    const std::optional<Instant>& date = state.runs.at(key)->row.logical_date;
    if (!date || *date < free || *date >= state.now + std::chrono::seconds{1}) continue;
    free = *date + Instant::duration{1};
  }
  return free;
}

Result<NewRun> PlanManualRun(const EngineState& state, const LiveDag& dag,
                             const event::TriggerRun& event) {
  if (event.run_id) NM_RETURN_IF_ERROR(CheckRunId(*event.run_id));
  NewRun wanted;
  wanted.type = RunType::kManual;
  wanted.conf = event.conf;
  wanted.note = event.note;
  wanted.triggered_by = event.triggered_by;
  wanted.run_after = std::max(event.run_after.value_or(state.now), state.now);
  const auto& timetable = dag.newest->dag->timetable;
  if (!event.null_logical_date) {
    wanted.logical_date = event.logical_date ? *event.logical_date : FreeLogicalDate(state, dag);
    if (event.interval) {
      wanted.interval = event.interval;
    } else if (timetable) {
      wanted.interval = timetable->ManualInterval(event.logical_date, state.now);
    } else {
      wanted.interval = DataInterval{*wanted.logical_date, *wanted.logical_date};
    }
  }
  wanted.run_id = event.run_id.value_or(ManualRunId(state, dag, wanted.run_after));
  if (event.taken_by) {
    return Conflict(fmt::format("run {} of {} already exists", *event.taken_by, dag.row.dag_id),
                    "choose another run id or logical date, or leave both out");
  }
  if (dag.live_by_id.contains(wanted.run_id)) {
    return Conflict(fmt::format("run {} of {} already exists", wanted.run_id, dag.row.dag_id),
                    "choose another run id or leave it out");
  }
  if (wanted.logical_date && LogicalDateLive(state, dag, *wanted.logical_date)) {
    return Conflict(fmt::format("{} already has a run with logical date {}", dag.row.dag_id,
                                FormatInstant(*wanted.logical_date)));
  }
  NM_RETURN_IF_ERROR(ResolveParams(dag.newest->dag->params_schema, event.conf));
  return wanted;
}

}  // namespace

LiveRun* FindLiveRun(EngineState& state, std::string_view dag_id, std::string_view run_id) {
  const auto dag = state.dags.find(dag_id);
  if (dag == state.dags.end()) return nullptr;
  const auto it = dag->second.live_by_id.find(run_id);
  return it == dag->second.live_by_id.end() ? nullptr : state.FindRun(it->second);
}

LiveRun& CreateRun(EngineState& state, LiveDag& dag, NewRun wanted) {
  state.last_run.value += 1;
  auto owned = std::make_unique<LiveRun>();
  LiveRun& run = *owned;
  DagRunRow& row = run.row;
  row.run = state.last_run;
  row.dag_id = dag.row.dag_id;
  row.run_id = std::move(wanted.run_id);
  row.type = wanted.type;
  row.lane = wanted.lane;
  row.logical_date = wanted.logical_date;
  row.interval = wanted.interval;
  row.run_after = wanted.run_after;
  row.queued_at = state.now;
  row.conf = std::move(wanted.conf);
  row.note = std::move(wanted.note);
  row.triggered_by = std::move(wanted.triggered_by);
  row.backfill = wanted.backfill;
  state.runs.emplace(row.run, std::move(owned));
  if (row.logical_date && *row.logical_date >= TakenFloor(dag)) dag.taken.insert(*row.logical_date);
  if (row.logical_date && !row.backfill.valid()) {
    YieldSlots(state, row.dag_id, *row.logical_date);
  }
  Touch(state, run);
  RecordRun(state, run, "run.created",
            fmt::format(R"({{"run_type":"{}","triggered_by":{}}})", ToString(row.type),
                        Quote(row.triggered_by)));
  Enqueue(state, dag, run);
  return run;
}

void Enqueue(EngineState& state, LiveDag& dag, LiveRun& run) {
  dag.live_by_id[run.row.run_id] = run.row.run;
  dag.queued.insert(QueueKey(run));
  state.admit.insert(dag.row.dag_id);
  if (run.row.run_after > state.now) {
    Arm(state, run, {.at = run.row.run_after, .kind = TimerKind::kRunAfter});
  }
  if (const auto& limit = dag.newest->dag->queue_expiry) {
    Arm(state, run, {.at = state.now + *limit, .kind = TimerKind::kQueueExpiry});
  }
  ArmRun(state, dag, run);
}

void AdmitRuns(EngineState& state) {
  for (const std::string& dag_id : std::exchange(state.admit, {})) {
    LiveDag& dag = state.dags.find(dag_id)->second;
    if (dag.row.paused) continue;
    for (auto it = dag.queued.begin(); it != dag.queued.end();) {
      LiveRun& run = *state.FindRun(it->run);
      const bool full =
          it->lane == Lane::kLive && dag.active_live >= dag.newest->dag->max_active_runs;
      if (full || run.row.run_after > state.now || HeldByBackfill(state, run)) {
        ++it;
        continue;
      }
      it = dag.queued.erase(it);
      if (StartRun(state, dag, run) && run.row.lane == Lane::kLive) dag.active_live += 1;
    }
  }
}

void FinishRun(EngineState& state, LiveRun& run) {
  CHECK(run.unfinished == 0 && run.held == 0);
  const Outcome outcome = Judge(run);
  const bool failed = outcome.failed || run.row.stopping;
  if (outcome.failed && run.row.reason == RunReason::kNone) run.row.reason = RunReason::kTaskFailed;
  run.row.stopping = false;
  run.row.ended_at = state.now;
  run.row.hidden_failures = failed ? 0 : outcome.bad;
  SetRunState(state, run, failed ? RunTrigger::kFinishFailed : RunTrigger::kFinishSuccess);
  LiveDag& dag = state.dags.find(run.row.dag_id)->second;
  if (run.row.lane == Lane::kLive) dag.active_live -= 1;
  LeaveMemory(state, run);
}

void EndQueuedRun(EngineState& state, LiveRun& run, RunReason reason) {
  LiveDag& dag = state.dags.find(run.row.dag_id)->second;
  dag.queued.erase(QueueKey(run));
  run.row.reason = reason;
  run.row.ended_at = state.now;
  SetRunState(state, run, RunTrigger::kCancelQueued);
  for (const auto& [instance, tries] : run.past_tries) {
    if (run.pinned == nullptr) RecordPast(state, run, instance, TaskState::kSkipped);
  }
  for (TaskInstanceRow& row : run.kept) {
    if (row.state != TaskState::kNone) continue;
    row.state = TaskState::kSkipped;
    row.skip_reason = "cancelled";
    row.ended_at = state.now;
    state.step->changes.emplace_back(row);
  }
  LeaveMemory(state, run);
}

void StopRun(EngineState& state, LiveRun& run, RunReason reason) {
  if (run.row.stopping) return;
  run.row.stopping = true;
  run.row.reason = reason;
  Touch(state, run);
  RecordRun(state, run, "run.stopping", fmt::format(R"({{"reason":"{}"}})", ToString(reason)));
  for (std::size_t task = 0; task < run.nodes.size(); ++task) {
    for (std::size_t i = 0; i < run.nodes[task].instances.size(); ++i) {
      Instance& instance = run.nodes[task].instances[i];
      if (IsFinished(instance.row.state)) continue;
      if (instance.row.attempt.valid()) {
        OrderKill(state, instance.row.attempt, ToString(reason));
        continue;
      }
      ForgetPokes(state, run, static_cast<int>(task), static_cast<int>(i));
      instance.row.skip_reason = "cancelled";
      Move(state, run, static_cast<int>(task), static_cast<int>(i), TaskTrigger::kStoppedUnstarted);
    }
  }
  state.unsettled.insert(run.row.run);
}

void OnTriggerRun(EngineState& state, const event::TriggerRun& event) {
  const auto it = state.dags.find(event.dag_id);
  if (it == state.dags.end()) {
    return Answer(state, event.request,
                  NotFound(fmt::format("no DAG \"{}\"", event.dag_id),
                           "nightmill dag list shows the DAGs; nightmill dag apply FILE adds one"));
  }
  LiveDag& dag = it->second;
  Result<NewRun> wanted = PlanManualRun(state, dag, event);
  if (!wanted.ok()) return Answer(state, event.request, std::move(wanted).error());
  const LiveRun& run = CreateRun(state, dag, *std::move(wanted));
  // After the run: a slot that is decided now must not take its logical date.
  if (event.unpause) SetPaused(state, dag, false);
  Answer(state, event.request, command::ReplyBody{run.row});
}

void OnCancelRun(EngineState& state, const event::CancelRun& event) {
  LiveRun* run = FindLiveRun(state, event.dag_id, event.run_id);
  if (run == nullptr) {
    return Answer(
        state, event.request,
        Conflict(fmt::format("run {} of {} is not queued or running", event.run_id, event.dag_id),
                 "only a run in flight can be cancelled"));
  }
  if (run->row.state == RunState::kQueued) {
    EndQueuedRun(state, *run, RunReason::kCancelled);
  } else {
    StopRun(state, *run, RunReason::kCancelled);
  }
  Answer(state, event.request, command::ReplyBody{run->row});
}

}  // namespace nightmill
