#include "scheduler/engine/clear.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "scheduler/engine/attempts.h"
#include "scheduler/engine/graph.h"
#include "scheduler/engine/record.h"
#include "scheduler/engine/restore.h"
#include "scheduler/engine/runs.h"
#include "scheduler/engine/slas.h"
#include "scheduler/engine/transition.h"

namespace nightmill {
namespace {

using InstanceName = std::pair<std::string, int>;  // task id and map index
InstanceName NameOf(const TaskInstanceRow& row) { return {row.task_id, row.map_index}; }

// A run of the selection: in memory, or as the store has it.
struct Target {
  LiveRun* live = nullptr;
  const event::LoadedRun* stored = nullptr;
  std::shared_ptr<const DagGraph> graph;  // that it goes on with; null: it never started
  std::vector<TaskInstanceRow> rows;
  std::set<InstanceName> chosen;
  bool adds_tasks = false;  // its new version has some that it has not

  const DagRunRow& row() const { return live != nullptr ? live->row : stored->run; }
};

bool IsHeld(const TaskInstanceRow& row) {
  return row.state == TaskState::kQueued || row.state == TaskState::kRunning;
}

// Never ran, and not by its own word.
bool NeverRan(const TaskInstanceRow& row) {
  if (row.state == TaskState::kUpstreamFailed) return true;
  return row.state == TaskState::kSkipped && row.skip_reason != "task" && row.skip_reason != "when";
}

std::shared_ptr<const DagGraph> GraphOf(EngineState& state, const event::ClearTasks& event,
                                        int version) {
  const LiveDag& dag = state.dags.find(event.dag_id)->second;
  if (dag.newest->version == version) return dag.newest;
  for (const auto& [key, run] : state.runs) {
    if (run->row.dag_id != event.dag_id) continue;
    for (const auto& graph : {run->graph, run->pinned}) {
      if (graph != nullptr && graph->version == version) return graph;
    }
  }
  const auto given = event.versions.find(version);
  return given == event.versions.end() || given->second == nullptr
             ? nullptr
             : BuildGraph(state, given->second, version);
}

// Fills graph and rows of a target that is in memory.
Status LookAtLive(EngineState& state, const event::ClearTasks& event, Target& target) {
  const LiveRun& run = *target.live;
  if (IsFinished(run.row.state)) return ChangedMeanwhile(run.row);
  if (run.row.stopping) {
    return Conflict(fmt::format("run {} of {} is being stopped", run.row.run_id, run.row.dag_id),
                    "clear it when it has ended");
  }
  target.graph = run.graph != nullptr ? run.graph : run.pinned;
  const int newest = state.dags.find(run.row.dag_id)->second.newest->version;
  if (event.latest_version && target.graph != nullptr && target.graph->version != newest) {
    return Conflict(fmt::format("run {} of {} is not finished: its version stays", run.row.run_id,
                                run.row.dag_id),
                    "clear it with the newest version when it has ended");
  }
  target.rows = run.kept;
  for (const TaskNode& node : run.nodes) {
    for (const Instance& instance : node.instances) target.rows.push_back(instance.row);
  }
  return Ok();
}

Status LookAtStored(EngineState& state, const event::ClearTasks& event, Target& target) {
  const DagRunRow& run = target.stored->run;
  if (IsOutdated(state, run.run)) return ChangedMeanwhile(run);
  for (const auto& [id, backfill] : state.backfills) {
    if (backfill.open.contains(run.run)) return ChangedMeanwhile(run);
  }
  target.rows = target.stored->tasks;
  if (run.version == 0) return Ok();
  const LiveDag& dag = state.dags.find(run.dag_id)->second;
  target.graph = event.latest_version ? dag.newest : GraphOf(state, event, run.version);
  if (target.graph == nullptr) return ChangedMeanwhile(run);
  std::set<std::string, std::less<>> known;
  for (const TaskInstanceRow& row : target.rows) known.insert(row.task_id);
  for (const Task& task : target.graph->dag->tasks) {
    if (!known.contains(task.id)) target.adds_tasks = true;
  }
  return Ok();
}

Result<std::vector<Target>> TargetsOf(EngineState& state, const event::ClearTasks& event) {
  if (!state.dags.contains(event.dag_id)) {
    return NotFound(fmt::format("no DAG \"{}\"", event.dag_id),
                    "nightmill dag list shows the DAGs");
  }
  std::vector<Target> targets;
  for (const RunKey key : event.runs) {
    Target target;
    target.live = state.FindRun(key);
    for (const event::LoadedRun& stored : event.finished) {
      if (stored.run.run == key) target.stored = &stored;
    }
    if (target.live == nullptr && target.stored == nullptr) continue;
    NM_RETURN_IF_ERROR(target.live != nullptr ? LookAtLive(state, event, target)
                                              : LookAtStored(state, event, target));
    targets.push_back(std::move(target));
  }
  return targets;
}

// Adds to `found` everything that `next` leads to.
void Reach(const std::vector<std::vector<int>>& next, std::set<int>& found) {
  std::vector<int> stack(found.begin(), found.end());
  while (!stack.empty()) {
    const int at = stack.back();
    stack.pop_back();
    for (const int other : next[static_cast<std::size_t>(at)]) {
      if (found.insert(other).second) stack.push_back(other);
    }
  }
}

// Tasks of the selection, by index, with what the flags add; picks of one instance are not tasks.
std::set<int> WholeTasks(const event::ClearTasks& event, const Dag& dag) {
  std::set<int> found;
  std::set<int> begun;
  if (!event.tasks) {
    for (std::size_t i = 0; i < dag.tasks.size(); ++i) found.insert(static_cast<int>(i));
    return found;
  }
  for (const event::ClearTasks::Pick& pick : *event.tasks) {
    const int task = dag.Find(pick.task_id);
    if (task < 0) continue;
    begun.insert(task);
    if (!pick.map_index) found.insert(task);
  }
  for (const bool up : {true, false}) {
    if (!(up ? event.upstream : event.downstream)) continue;
    std::set<int> reached = begun;
    Reach(up ? dag.upstream : dag.downstream, reached);
    for (const int task : reached) {
      if (!begun.contains(task)) found.insert(task);
    }
  }
  return found;
}

bool Wanted(const event::ClearTasks& event, const Target& target, const TaskInstanceRow& row) {
  if (row.state == TaskState::kRemoved || row.state == TaskState::kRestarting) return false;
  if (event.only_running) return IsHeld(row);
  if (event.only_failed) {
    return row.state == TaskState::kFailed || row.state == TaskState::kUpstreamFailed;
  }
  // In a finished run it was cleared without its run, and would wait for ever.
  return row.state != TaskState::kNone || target.live == nullptr;
}

void Choose(const event::ClearTasks& event, Target& target) {
  if (event.only_new || target.graph == nullptr) return;
  const Dag& dag = *target.graph->dag;
  const std::set<int> whole = WholeTasks(event, dag);
  std::set<InstanceName> single;
  if (event.tasks) {
    for (const event::ClearTasks::Pick& pick : *event.tasks) {
      if (pick.map_index) single.emplace(pick.task_id, *pick.map_index);
    }
  }
  std::set<int> below;
  for (const TaskInstanceRow& row : target.rows) {
    const int task = dag.Find(row.task_id);
    if (!whole.contains(task) && !single.contains(NameOf(row))) continue;
    if (task < 0 || !Wanted(event, target, row)) continue;
    target.chosen.insert(NameOf(row));
    below.insert(task);
  }
  // What never ran because of them, always: it would stay so for ever.
  Reach(dag.downstream, below);
  for (const TaskInstanceRow& row : target.rows) {
    const int task = dag.Find(row.task_id);
    if (task >= 0 && below.contains(task) && NeverRan(row)) target.chosen.insert(NameOf(row));
  }
}

// The rows of a run after the clear. Of a mapped task that is cleared as a whole the list is made
// anew: its items are history, and it waits as one instance again.
struct Cleared {
  std::vector<TaskInstanceRow> rows;
  std::vector<TaskInstanceRow> gone;  // removed by it
  std::set<InstanceName> changed;
};

bool IsWholeMap(const Target& target, const std::string& task_id) {
  return std::all_of(target.rows.begin(), target.rows.end(), [&](const TaskInstanceRow& row) {
    if (row.task_id != task_id || row.state == TaskState::kRemoved) return true;
    return row.map_index >= 0 && !IsHeld(row) && target.chosen.contains(NameOf(row));
  });
}

Cleared ClearRows(const Target& target) {
  Cleared out;
  const Dag& dag = *target.graph->dag;
  std::map<std::string, bool> anew;  // mapped tasks that are expanded again
  for (const TaskInstanceRow& row : target.rows) {
    const int index = dag.Find(row.task_id);
    const bool chosen = target.chosen.contains(NameOf(row));
    TaskInstanceRow after = row;
    if (index < 0 && row.state != TaskState::kRemoved) {  // the newest version has it no more
      after.state = TaskState::kRemoved;
      out.gone.push_back(after);
    } else if (!chosen || IsHeld(row)) {
      out.rows.push_back(row);
    } else {
      const Task& task = dag.tasks[static_cast<std::size_t>(index)];
      ResetCycle(after, task);
      after.attempt = AttemptId{};
      if (row.map_index >= 0 && !anew.contains(row.task_id)) {
        anew[row.task_id] = task.map.has_value() && IsWholeMap(target, row.task_id);
      }
      if (row.map_index >= 0 && anew[row.task_id]) {
        after.state = TaskState::kRemoved;
        out.gone.push_back(after);
      } else {
        after.state = TaskState::kNone;
        out.rows.push_back(after);
        out.changed.insert(NameOf(after));
      }
    }
  }
  // PastTries finds the tries of removed ones.
  out.rows.insert(out.rows.end(), out.gone.begin(), out.gone.end());
  return out;
}

void RecordCleared(EngineState& state, const Target& target, const TaskInstanceRow& row) {
  EventRow event;
  event.kind = "task.state";
  event.dag_id = target.row().dag_id;
  event.run = row.run;
  event.task_id = row.task_id;
  event.map_index = row.map_index;
  event.data = fmt::format(R"({{"from":"{}","to":"none","trigger":"cleared","try":{}}})",
                           ToString(row.state), row.try_number);
  Record(state, std::move(event));
}

void RecordAll(EngineState& state, const Target& target) {
  for (const TaskInstanceRow& row : target.rows) {
    const bool moves = row.state != TaskState::kNone && !IsHeld(row);
    if (moves && target.chosen.contains(NameOf(row))) RecordCleared(state, target, row);
  }
}

void ClearRunning(EngineState& state, Target& target) {
  LiveRun& run = *target.live;
  std::set<InstanceName> dirty;
  for (const TaskNode& node : run.nodes) {
    for (const Instance& instance : node.instances) {
      if (instance.dirty) dirty.insert(NameOf(instance.row));
    }
  }
  const Cleared cleared = ClearRows(target);
  run.row.reason = RunReason::kNone;  // marked a success: not any more
  Touch(state, run);
  RefillRun(state, run, cleared.rows);
  for (const TaskInstanceRow& row : cleared.gone) state.step->changes.emplace_back(row);
  for (std::size_t i = 0; i < run.nodes.size(); ++i) {
    for (std::size_t p = 0; p < run.nodes[i].instances.size(); ++p) {
      const TaskInstanceRow& row = run.nodes[i].instances[p].row;
      const bool changed = cleared.changed.contains(NameOf(row)) || dirty.contains(NameOf(row)) ||
                           row.state == TaskState::kNone;
      if (changed) Touch(state, run, static_cast<int>(i), static_cast<int>(p));
      if (!IsHeld(row) || !target.chosen.contains(NameOf(row))) continue;
      const AttemptId attempt = row.attempt;
      Move(state, run, static_cast<int>(i), static_cast<int>(p), TaskTrigger::kClearRunning);
      OrderKill(state, attempt, "clear");
    }
  }
  OnSlaCleared(state, run);
  state.unsettled.insert(run.row.run);
}

// R7.
void QueueAgain(EngineState& state, LiveRun& run) {
  run.row.state = *Next(run.row.state, RunTrigger::kCleared);
  run.row.reason = RunReason::kNone;
  run.row.stopping = false;
  run.row.clear_number += 1;
  run.row.queued_at = state.now;
  run.row.started_at.reset();
  run.row.ended_at.reset();
  run.row.hidden_failures = 0;
}

void ClearFinished(EngineState& state, const event::ClearTasks& event, Target& target) {
  auto owned = std::make_unique<LiveRun>();
  LiveRun& run = *owned;
  run.row = target.stored->run;
  if (target.graph != nullptr) {
    Cleared cleared = ClearRows(target);
    for (const TaskInstanceRow& row : cleared.rows) {
      const bool changed = cleared.changed.contains(NameOf(row));
      if (changed) state.step->changes.emplace_back(row);
      if (row.state == TaskState::kRemoved) {
        run.past_tries[NameOf(row)] = row.try_number;
      }
    }
    for (const TaskInstanceRow& row : cleared.gone) state.step->changes.emplace_back(row);
    run.kept = std::move(cleared.rows);
    run.pinned = target.graph;
    run.row.version = target.graph->version;
  } else {  // cleared once, and cancelled before it began again
    for (const TaskInstanceRow& row : target.rows) run.past_tries[NameOf(row)] = row.try_number;
  }
  if (event.note) run.row.note = *event.note;
  if (!event.reset_runs) {
    state.step->changes.emplace_back(run.row);
    RecordRun(state, run, "run.cleared", fmt::format(R"({{"tasks":{}}})", target.chosen.size()));
    return;
  }
  QueueAgain(state, run);
  LiveDag& dag = state.dags.find(run.row.dag_id)->second;
  state.runs.emplace(run.row.run, std::move(owned));
  target.live = &run;
  Touch(state, run);
  RecordRun(state, run, "run.cleared", fmt::format(R"({{"tasks":{}}})", target.chosen.size()));
  Enqueue(state, dag, run);
}

// A queued run that was cleared before: more of it starts from none.
void ClearQueued(EngineState& state, Target& target) {
  LiveRun& run = *target.live;
  Cleared cleared = ClearRows(target);
  for (const TaskInstanceRow& row : cleared.rows) {
    if (cleared.changed.contains(NameOf(row))) state.step->changes.emplace_back(row);
    if (row.state == TaskState::kRemoved) run.past_tries[NameOf(row)] = row.try_number;
  }
  for (const TaskInstanceRow& row : cleared.gone) state.step->changes.emplace_back(row);
  run.kept = std::move(cleared.rows);
}

void Apply(EngineState& state, const event::ClearTasks& event, Target& target) {
  // A run that never started has nothing to clear and yet everything to do.
  const bool all = !event.tasks && !event.only_new && !event.only_running;
  const bool never = target.live == nullptr && target.graph == nullptr && all;
  const bool adds = event.only_new && target.adds_tasks;
  if (target.chosen.empty() && !never && !adds) return;
  RecordAll(state, target);
  if (target.live == nullptr) return ClearFinished(state, event, target);
  if (event.note) {
    target.live->row.note = *event.note;
    Touch(state, *target.live);
  }
  if (target.live->graph == nullptr) return ClearQueued(state, target);
  ClearRunning(state, target);
}

}  // namespace

void OnClearTasks(EngineState& state, const event::ClearTasks& event) {
  Result<std::vector<Target>> targets = TargetsOf(state, event);
  if (!targets.ok()) return Answer(state, event.request, std::move(targets).error());
  ClearReply reply;
  for (Target& target : *targets) {
    Choose(event, target);
    for (const TaskInstanceRow& row : target.rows) {
      if (!target.chosen.contains(NameOf(row))) continue;
      if (event.prevent_running && IsHeld(row)) {
        return Answer(
            state, event.request,
            Conflict(fmt::format("task {} of run {} is running", row.task_id, target.row().run_id),
                     "wait for its end, or leave out prevent_running_task"));
      }
      reply.tasks.push_back(row);
    }
  }
  for (Target& target : *targets) {
    if (!event.dry_run) Apply(state, event, target);
    DagRunRow row = target.row();
    if (!event.dry_run && target.live == nullptr && event.note && !target.chosen.empty()) {
      row.note = *event.note;
    }
    reply.runs.push_back(std::move(row));
  }
  Answer(state, event.request, command::ReplyBody{std::move(reply)});
}

}  // namespace nightmill
