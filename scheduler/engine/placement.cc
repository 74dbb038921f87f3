#include "scheduler/engine/placement.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "scheduler/engine/attempt_spec.h"
#include "scheduler/engine/attempts.h"
#include "scheduler/engine/record.h"
#include "scheduler/engine/transition.h"

namespace nightmill {
namespace {

// Work that a place should have at hand beyond its running attempt: about one slow commit. Long
// attempts get nothing ahead, so none waits behind one.
constexpr std::int64_t kAheadUs = 40'000;

const Task& TaskOf(const LiveRun& run, int task) {
  return run.graph->dag->tasks[static_cast<std::size_t>(task)];
}

int PlacesOf(const Task& task, const LiveWorker& worker) {
  return task.kind == TaskKind::kNative ? std::clamp(task.threads, 1, worker.places) : 1;
}

int CapacityOf(const EngineState& state, const LiveWorker& worker, const Task& task) {
  if (task.kind != TaskKind::kProcess || worker.average_us <= 0) return worker.places;
  const std::int64_t ahead = kAheadUs * worker.places / worker.average_us;
  return worker.places + static_cast<int>(std::min<std::int64_t>(ahead, state.config.prefetch));
}

// The connected worker with the most free places that can take the task, or null.
LiveWorker* PickWorker(EngineState& state, const Task& task) {
  LiveWorker* best = nullptr;
  for (auto& [name, worker] : state.workers) {
    if (!worker.connected) continue;
    if (worker.used + PlacesOf(task, worker) > CapacityOf(state, worker, task)) continue;
    if (best == nullptr || worker.places - worker.used > best->places - best->used) best = &worker;
  }
  return best;
}

class ReasonList {
 public:
  ReasonList(std::vector<Reason>& reasons, bool all) : reasons_(reasons), all_(all) {}
  // True if the caller may stop looking.
  bool Add(std::string_view code, std::string message) {
    reasons_.push_back({std::string(code), std::move(message), std::nullopt});
    return !all_;
  }
  bool all() const { return all_; }

 private:
  std::vector<Reason>& reasons_;
  bool all_;
};

bool WorkerBlocks(const EngineState& state, const Task& task, ReasonList& list) {
  int connected = 0;
  bool fits = false;
  int used = 0;
  int places = 0;
  for (const auto& [name, worker] : state.workers) {
    if (!worker.connected) continue;
    connected += 1;
    used += worker.used;
    places += worker.places;
    fits = fits || worker.used + PlacesOf(task, worker) <= CapacityOf(state, worker, task);
  }
  if (connected == 0) return list.Add("no_worker", "no worker is connected");
  if (fits) return false;
  return list.Add("worker_full", fmt::format("all worker places are taken: {}/{}", used, places));
}

bool LimitsBlock(const EngineState& state, const LiveRun& run, int task, ReasonList& list) {
  const Task& definition = TaskOf(run, task);
  const TaskNode& node = run.nodes[static_cast<std::size_t>(task)];
  const LiveDag& live = state.dags.find(run.row.dag_id)->second;
  const Dag& newest = *live.newest->dag;  // limits follow the newest version (semantics.md 12)
  if (state.held >= state.config.parallelism &&
      list.Add("parallelism", fmt::format("parallelism is reached: {}/{}", state.held,
                                          state.config.parallelism))) {
    return true;
  }
  if (newest.max_active_tasks_per_dag && live.held >= *newest.max_active_tasks_per_dag &&
      list.Add("dag_limit", fmt::format("max_active_tasks_per_dag is reached: {}/{}", live.held,
                                        *newest.max_active_tasks_per_dag))) {
    return true;
  }
  if (run.held >= newest.max_active_tasks &&
      list.Add("run_limit", fmt::format("max_active_tasks of the run is reached: {}/{}", run.held,
                                        newest.max_active_tasks))) {
    return true;
  }
  if (definition.max_active_tis_per_dag) {
    int held = 0;
    for (const auto& [id, key] : live.live_by_id) {
      const LiveRun& other = *state.FindRun(key);
      if (other.graph == nullptr) continue;
      const int index = other.graph->dag->Find(definition.id);
      if (index >= 0) held += other.nodes[static_cast<std::size_t>(index)].held;
    }
    if (held >= *definition.max_active_tis_per_dag &&
        list.Add("task_limit", fmt::format("max_active_tis_per_dag is reached: {}/{}", held,
                                           *definition.max_active_tis_per_dag))) {
      return true;
    }
  }
  if (definition.max_active_tis_per_dagrun && node.held >= *definition.max_active_tis_per_dagrun &&
      list.Add("task_run_limit", fmt::format("max_active_tis_per_dagrun is reached: {}/{}",
                                             node.held, *definition.max_active_tis_per_dagrun))) {
    return true;
  }
  const bool map_full =
      definition.map && definition.map->max_parallel && node.held >= *definition.map->max_parallel;
  return map_full &&
         list.Add("map_parallel", fmt::format("max_parallel of the map is reached: {}", node.held));
}

// Names of up to five holders of a pool, for people.
std::string Holders(const EngineState& state, const std::string& pool) {
  std::string text;
  int found = 0;
  for (const auto& [id, attempt] : state.attempts) {
    for (const AttemptTarget& target : attempt.targets) {
      const LiveRun* run = state.FindRun(target.run);
      if (run == nullptr || run->graph == nullptr) continue;
      const int index = run->graph->dag->Find(target.task_id);
      if (index < 0) continue;
      for (const PoolRequest& request : TaskOf(*run, index).pools) {
        if (request.name != pool) continue;
        if (++found > 5) return text + ", ...";
        text += fmt::format("{}{}/{}/{}", text.empty() ? "" : ", ", run->row.dag_id,
                            run->row.run_id, target.task_id);
        if (target.map_index >= 0) text += fmt::format("[{}]", target.map_index);
      }
    }
  }
  return text;
}

bool PoolsBlock(const EngineState& state, const std::vector<PoolRequest>& requests,
                ReasonList& list) {
  for (const PoolRequest& request : requests) {
    const auto it = state.pools.find(request.name);
    if (it == state.pools.end()) {
      if (list.Add("pool_missing", fmt::format("pool {} does not exist", request.name)))
        return true;
      continue;
    }
    const LivePool& pool = it->second;
    if (pool.row.slots < 0 || pool.used + request.slots <= pool.row.slots) continue;
    std::string_view code = "pool_full";
    if (pool.row.slots == 0) {
      code = "pool_closed";
    } else if (request.slots > pool.row.slots) {
      code = "pool_too_small";
    }
    std::string message = fmt::format("pool {} {}/{}, asks for {}", request.name, pool.used,
                                      pool.row.slots, request.slots);
    if (list.all() && pool.used > 0) {
      message += fmt::format("; held by {}", Holders(state, request.name));
    }
    if (list.Add(code, std::move(message))) return true;
  }
  return false;
}

// False if a template of the task could not be resolved: the instance has failed.
bool Dispatch(EngineState& state, LiveRun& run, int task, int position, LiveWorker& worker) {
  const Task& definition = TaskOf(run, task);
  TaskInstanceRow& row =
      run.nodes[static_cast<std::size_t>(task)].instances[static_cast<std::size_t>(position)].row;
  Result<BuiltSpec> built = BuildSpec(state, run, task, position);
  row.try_number += 1;
  if (!built.ok()) {
    row.failure = DefinitionFailure(built.error());
    Move(state, run, task, position, TaskTrigger::kUnresolvable);
    return false;
  }
  state.last_attempt.value += 1;
  AttemptSpec& spec = built->spec;
  spec.id = state.last_attempt;
  spec.epoch = state.epoch;
  spec.incarnation = worker.incarnation;
  spec.places = PlacesOf(definition, worker);
  const std::string log = fmt::format("logs/{}/{}.log", spec.id.value / 1000, spec.id.value);
  spec.log_path = fmt::format("{}/{}", state.config.state_dir, log);
  spec.output_dir =
      fmt::format("{}/outputs/{}/{}", state.config.state_dir, spec.id.value / 1000, spec.id.value);
  if (spec.kind == AttemptKind::kProcess) {
    spec.env.emplace_back("NIGHTMILL_ATTEMPT", std::to_string(spec.id.value));
  }

  OpenAttempt& attempt = state.attempts[spec.id];
  attempt.targets = spec.targets;
  TaskAttemptRow& attempt_row = attempt.row;
  attempt_row.attempt = spec.id;
  attempt_row.run = run.row.run;
  attempt_row.try_number = row.try_number;
  attempt_row.epoch = state.epoch;
  attempt_row.worker = worker.name;
  attempt_row.incarnation = worker.incarnation;
  attempt_row.rendered = std::move(built->rendered);
  attempt_row.log_path = log;
  attempt_row.dispatched_at = state.now;
  attempt_row.places = spec.places;
  Touch(state, attempt);
  for (const AttemptTarget& target : spec.targets) {
    state.step->changes.emplace_back(AttemptTargetRow{spec.id, target});
  }
  worker.used += spec.places;
  row.attempt = spec.id;
  row.ended_at.reset();
  Move(state, run, task, position, TaskTrigger::kGrant);
  state.step->commands.emplace_back(command::StartAttempt{worker.name, std::move(spec)});
  return true;
}

// One open bucket in the merge of a pass: a position in its ordered nodes.
struct Cursor {
  int bucket;
  std::set<ReadyKey>::const_iterator at;
};

std::vector<Cursor> OpenCursors(const EngineState& state) {
  std::vector<Cursor> cursors;
  for (std::size_t i = 0; i < state.buckets.size(); ++i) {
    if (state.buckets[i].nodes.empty()) continue;
    cursors.push_back({static_cast<int>(i), state.buckets[i].nodes.begin()});
  }
  return cursors;
}

// One merge over the buckets; returns the tasks whose instances failed to resolve.
std::vector<std::pair<RunKey, int>> GrantInOrder(EngineState& state) {
  std::vector<std::pair<RunKey, int>> failed;
  std::vector<Cursor> cursors = OpenCursors(state);
  while (!cursors.empty()) {
    const auto head =
        std::min_element(cursors.begin(), cursors.end(),
                         [](const Cursor& a, const Cursor& b) { return *a.at < *b.at; });
    const ReadyBucket& bucket = state.buckets[static_cast<std::size_t>(head->bucket)];
    std::vector<Reason> reasons;
    ReasonList list(reasons, false);
    if (PoolsBlock(state, bucket.pools, list)) {
      cursors.erase(head);  // nobody in this bucket asks for less
      continue;
    }
    const ReadyKey key = *head->at;
    LiveRun& run = *state.FindRun(key.run);
    TaskNode& node = run.nodes[static_cast<std::size_t>(key.task)];
    if (LimitsBlock(state, run, key.task, list)) {
      if (reasons.front().code == "parallelism") break;
      if (++head->at == bucket.nodes.end()) cursors.erase(head);
      continue;
    }
    LiveWorker* worker = PickWorker(state, TaskOf(run, key.task));
    // Lower ones wait too: else a task of many places would never find them free together.
    if (worker == nullptr) break;
    // Step first: the grant may take the node out of the bucket.
    const auto next = std::next(head->at);
    const int position = *node.ready.begin();
    if (!Dispatch(state, run, key.task, position, *worker)) failed.emplace_back(key.run, key.task);
    if (node.ready.empty()) head->at = next;
    if (head->at == bucket.nodes.end()) cursors.erase(head);
  }
  return failed;
}

}  // namespace

std::vector<Reason> Blockers(const EngineState& state, const LiveRun& run, int task, bool all) {
  std::vector<Reason> reasons;
  ReasonList list(reasons, all);
  const Task& definition = TaskOf(run, task);
  if (state.stopped && list.Add("dispatch_stopped", state.stop_reason)) return reasons;
  if (WorkerBlocks(state, definition, list)) return reasons;
  if (LimitsBlock(state, run, task, list)) return reasons;
  PoolsBlock(state, definition.pools, list);
  return reasons;
}

void Place(EngineState& state) {
  if (state.stopped) return;
  // What a failure ends (fail_fast, max_failures) would pull nodes from under the merge.
  for (const auto& [run, task] : GrantInOrder(state)) {
    AfterFinalFailure(state, *state.FindRun(run), task);
  }
}

}  // namespace nightmill
