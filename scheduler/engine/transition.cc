#include "scheduler/engine/transition.h"

#include <fmt/format.h>

#include <utility>

#include "core/base/check.h"
#include "scheduler/engine/record.h"
#include "scheduler/engine/slas.h"

namespace nightmill {
namespace {

// Slots, places of limits and pools: charged on entry into a slot-holding state.
void Charge(EngineState& state, LiveRun& run, int task, int sign) {
  TaskNode& node = run.nodes[static_cast<std::size_t>(task)];
  const Task& definition = run.graph->dag->tasks[static_cast<std::size_t>(task)];
  node.held += sign;
  run.held += sign;
  state.held += sign;
  state.dags.find(run.row.dag_id)->second.held += sign;
  for (const PoolRequest& request : definition.pools) {
    const auto pool = state.pools.find(request.name);
    if (pool != state.pools.end()) pool->second.used += sign * request.slots;
  }
}

void StampTimes(EngineState& state, TaskInstanceRow& row) {
  switch (row.state) {
    case TaskState::kScheduled:
      row.scheduled_at = state.now;
      row.ended_at.reset();
      break;
    case TaskState::kQueued:
      row.queued_at = state.now;
      break;
    case TaskState::kSuccess:
    case TaskState::kFailed:
    case TaskState::kSkipped:
    case TaskState::kUpstreamFailed:
      if (!row.ended_at) row.ended_at = state.now;
      row.due_at.reset();
      break;
    case TaskState::kUpForRetry:
      row.ended_at = state.now;
      break;
    case TaskState::kNone:
    case TaskState::kRunning:
    case TaskState::kRestarting:
    case TaskState::kDeferred:
    case TaskState::kRemoved:
      break;
  }
}

void RecordTask(EngineState& state, const LiveRun& run, const TaskInstanceRow& row, TaskState from,
                TaskTrigger trigger) {
  EventRow event;
  event.kind = "task.state";
  event.dag_id = run.row.dag_id;
  event.run = run.row.run;
  event.task_id = row.task_id;
  event.map_index = row.map_index;
  event.attempt = row.attempt;
  event.data = fmt::format(R"({{"from":"{}","to":"{}","trigger":"{}","try":{}}})", ToString(from),
                           ToString(row.state), ToString(trigger), row.try_number);
  Record(state, std::move(event));
}

// T8 counts from every entry into `scheduled`: the first, after a retry's wait, after a loss.
void ArmQueueTimeout(EngineState& state, LiveRun& run, int task, int position) {
  const auto& limit = run.graph->dag->tasks[static_cast<std::size_t>(task)].queue_timeout;
  if (!limit) return;
  Arm(state, run,
      {.at = state.now + *limit,
       .kind = TimerKind::kQueueTimeout,
       .task = task,
       .position = position});
}

bool Counts(const TaskNode& child, int parent) {
  for (const int bypassed : child.bypassed) {
    if (bypassed == parent) return false;
  }
  return true;
}

}  // namespace

bool UsesWorker(TaskKind kind) { return kind == TaskKind::kProcess || kind == TaskKind::kNative; }

void Count(UpstreamCounts& counts, TaskState instance_state, int sign) {
  switch (instance_state) {
    case TaskState::kSuccess:
      counts.success += sign;
      break;
    case TaskState::kFailed:
      counts.failed += sign;
      break;
    case TaskState::kUpstreamFailed:
      counts.upstream_failed += sign;
      break;
    case TaskState::kSkipped:
      counts.skipped += sign;
      break;
    case TaskState::kRemoved:
      return;
    case TaskState::kNone:
    case TaskState::kScheduled:
    case TaskState::kQueued:
    case TaskState::kRunning:
    case TaskState::kRestarting:
    case TaskState::kUpForRetry:
    case TaskState::kDeferred:
      break;
  }
  counts.total += sign;
}

ReadyKey KeyOf(const LiveRun& run, int task) {
  const std::int64_t priority = run.graph->dag->priority[static_cast<std::size_t>(task)];
  return {run.row.lane, -priority, run.row.logical_date.value_or(run.row.run_after), run.row.run,
          task};
}

void AddReady(EngineState& state, LiveRun& run, int task, int position) {
  TaskNode& node = run.nodes[static_cast<std::size_t>(task)];
  if (node.ready.empty()) {
    const int bucket = run.graph->bucket[static_cast<std::size_t>(task)];
    state.buckets[static_cast<std::size_t>(bucket)].nodes.insert(KeyOf(run, task));
  }
  node.ready.insert(position);
}

void RemoveReady(EngineState& state, LiveRun& run, int task, int position) {
  TaskNode& node = run.nodes[static_cast<std::size_t>(task)];
  if (node.ready.erase(position) == 0 || !node.ready.empty()) return;
  const int bucket = run.graph->bucket[static_cast<std::size_t>(task)];
  state.buckets[static_cast<std::size_t>(bucket)].nodes.erase(KeyOf(run, task));
}

void Unsettle(EngineState& state, LiveRun& run, int task) {
  run.unsettled.insert(task);
  state.unsettled.insert(run.row.run);
}

void Move(EngineState& state, LiveRun& run, int task, int position, TaskTrigger trigger) {
  TaskNode& node = run.nodes[static_cast<std::size_t>(task)];
  TaskInstanceRow& row = node.instances[static_cast<std::size_t>(position)].row;
  const Dag& dag = *run.graph->dag;
  const TaskState from = row.state;
  const std::optional<TaskState> to = Next(from, trigger);
  CHECK_MSG(to.has_value(), fmt::format("{}.{}: no transition from {} by {}", run.row.dag_id,
                                        row.task_id, ToString(from), ToString(trigger)));
  row.state = *to;
  StampTimes(state, row);
  Touch(state, run, task, position);
  RecordTask(state, run, row, from, trigger);

  if (from == TaskState::kNone) node.unstarted -= 1;
  if (*to == TaskState::kNone) node.unstarted += 1;
  if (from == TaskState::kFailed) node.failures -= 1;
  if (*to == TaskState::kFailed) node.failures += 1;
  if (from == TaskState::kScheduled) RemoveReady(state, run, task, position);
  if (*to == TaskState::kScheduled) ArmQueueTimeout(state, run, task, position);
  if (IsFinished(*to) != IsFinished(from)) run.unfinished += IsFinished(*to) ? -1 : 1;
  if (run.unfinished == 0) state.unsettled.insert(run.row.run);
  if (UsesWorker(dag.tasks[static_cast<std::size_t>(task)].kind) &&
      HoldsSlots(*to) != HoldsSlots(from)) {
    Charge(state, run, task, HoldsSlots(*to) ? 1 : -1);
  }
  if (run.watch != 0) OnWatchedMove(state, run, task, position, from);
  if (!IsFinished(*to) && !IsFinished(from)) return;
  // Once: a gate that has failed may still be marked a success.
  const bool decides = IsFinished(*to) && !IsFinished(from);
  if (decides && !run.graph->gate_targets[static_cast<std::size_t>(task)].empty()) {
    run.decided.push_back(task);
    state.unsettled.insert(run.row.run);
  }
  for (const int child : dag.downstream[static_cast<std::size_t>(task)]) {
    TaskNode& below = run.nodes[static_cast<std::size_t>(child)];
    if (!Counts(below, task)) continue;
    Count(below.counts, from, -1);
    Count(below.counts, *to, +1);
    Unsettle(state, run, child);
  }
}

void BypassEdge(EngineState& state, LiveRun& run, int parent, int child) {
  TaskNode& below = run.nodes[static_cast<std::size_t>(child)];
  if (!Counts(below, parent)) return;
  for (const Instance& instance : run.nodes[static_cast<std::size_t>(parent)].instances) {
    Count(below.counts, instance.row.state, -1);
  }
  below.bypassed.push_back(parent);
  Unsettle(state, run, child);
}

void ReplaceByItems(EngineState& state, LiveRun& run, int task, std::vector<std::string> items) {
  TaskNode& node = run.nodes[static_cast<std::size_t>(task)];
  CHECK(!items.empty() && !node.expanded && node.instances.size() == 1);
  CHECK(node.instances[0].row.state == TaskState::kNone);
  const TaskInstanceRow base = node.instances[0].row;
  if (base.try_number == 0) {
    state.step->changes.emplace_back(EraseTaskInstance{base.run, base.task_id, base.map_index});
  } else {  // not mapped before the run was cleared
    RecordPast(state, run, {base.task_id, base.map_index}, TaskState::kRemoved);
  }
  node.instances.clear();
  node.instances.reserve(items.size());
  for (std::size_t i = 0; i < items.size(); ++i) {
    Instance instance;
    instance.row = base;
    instance.row.map_index = static_cast<int>(i);
    instance.row.map_item = std::move(items[i]);
    instance.row.try_number = PastTries(run, base.task_id, instance.row.map_index);
    instance.row.max_tries += instance.row.try_number - base.try_number;
    node.instances.push_back(std::move(instance));
    Touch(state, run, task, static_cast<int>(i));
  }
  node.expanded = true;
  const int added = static_cast<int>(node.instances.size()) - 1;
  node.unstarted += added;
  run.instances += node.instances.size() - 1;
  run.unfinished += added;
  for (const int child : run.graph->dag->downstream[static_cast<std::size_t>(task)]) {
    TaskNode& below = run.nodes[static_cast<std::size_t>(child)];
    if (Counts(below, task)) below.counts.total += added;
  }
}

}  // namespace nightmill
