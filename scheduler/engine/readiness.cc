#include "scheduler/engine/readiness.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base/check.h"
#include "core/base/json.h"
#include "scheduler/engine/attempt_spec.h"
#include "scheduler/engine/attempts.h"
#include "scheduler/engine/mapping.h"
#include "scheduler/engine/record.h"
#include "scheduler/engine/runs.h"
#include "scheduler/engine/sensors.h"
#include "scheduler/engine/transition.h"

namespace nightmill {
namespace {

using nlohmann::json;

// Applies a trigger to every instance of the node that has not started.
void MoveUnstarted(EngineState& state, LiveRun& run, int task, TaskTrigger trigger,
                   std::string_view skip_reason) {
  TaskNode& node = run.nodes[static_cast<std::size_t>(task)];
  for (std::size_t i = 0; i < node.instances.size(); ++i) {
    if (node.instances[i].row.state != TaskState::kNone) continue;
    node.instances[i].row.skip_reason = skip_reason;
    Move(state, run, task, static_cast<int>(i), trigger);
  }
}

// T3: a template of the task cannot be resolved; uses the try, is never retried.
void FailDefinition(EngineState& state, LiveRun& run, int task, int position, const Error& error) {
  TaskInstanceRow& row =
      run.nodes[static_cast<std::size_t>(task)].instances[static_cast<std::size_t>(position)].row;
  row.try_number += 1;
  row.failure = DefinitionFailure(error);
  Move(state, run, task, position, TaskTrigger::kUnresolvable);
  AfterFinalFailure(state, run, task);
}

std::vector<std::string> ChosenByBranch(const Task& task, const TemplateContext& ctx,
                                        std::optional<Error>& error) {
  for (const BranchCase& branch : task.cases) {
    const Result<bool> holds = RenderCondition(branch.condition, ctx);
    if (!holds.ok()) {
      error = holds.error();
      return {};
    }
    if (*holds) return branch.then;
  }
  return task.otherwise;
}

// noop, branch and short_circuit are decided here and now, without slots or a worker.
void RunInEngine(EngineState& state, LiveRun& run, int task, int position) {
  const Task& definition = run.graph->dag->tasks[static_cast<std::size_t>(task)];
  TaskInstanceRow& row =
      run.nodes[static_cast<std::size_t>(task)].instances[static_cast<std::size_t>(position)].row;
  const TemplateContext ctx = ContextOf(state, run, task, position);
  std::optional<Error> error;
  if (definition.kind == TaskKind::kBranch) {
    row.branch = json(ChosenByBranch(definition, ctx, error)).dump();
  } else if (definition.kind == TaskKind::kShortCircuit) {
    const Result<bool> holds = RenderCondition(definition.condition, ctx);
    if (!holds.ok()) error = holds.error();
    row.branch = holds.ok() && *holds ? "true" : "false";
  }
  if (error) {
    row.branch.clear();
    FailDefinition(state, run, task, position, *error);
    return;
  }
  row.try_number += 1;
  row.started_at = state.now;
  row.output = row.branch.empty() ? "null" : row.branch;
  Move(state, run, task, position, TaskTrigger::kGrant);
  Move(state, run, task, position, TaskTrigger::kStarted);
  Move(state, run, task, position, TaskTrigger::kSucceeded);
}

void Schedule(EngineState& state, LiveRun& run, int task, int position) {
  const Task& definition = run.graph->dag->tasks[static_cast<std::size_t>(task)];
  TaskInstanceRow& row =
      run.nodes[static_cast<std::size_t>(task)].instances[static_cast<std::size_t>(position)].row;
  if (row.state == TaskState::kNone && !definition.when.empty()) {
    const Result<bool> wanted =
        RenderCondition(definition.when, ContextOf(state, run, task, position));
    if (!wanted.ok()) return FailDefinition(state, run, task, position, wanted.error());
    if (!*wanted) {
      row.skip_reason = "when";
      return Move(state, run, task, position, TaskTrigger::kVerdictSkipped);
    }
  }
  row.due_at.reset();
  Move(state, run, task, position, TaskTrigger::kGatesPass);
  if (UsesWorker(definition.kind)) {
    AddReady(state, run, task, position);
  } else if (definition.kind == TaskKind::kSensor) {
    StartSensor(state, run, task, position);
  } else {
    RunInEngine(state, run, task, position);
  }
}

// G5: the producers of the map inputs must have succeeded, whatever the rule.
Verdict MapInputVerdict(const LiveRun& run, int task) {
  UpstreamCounts counts;
  for (const int producer : run.graph->map_producers[static_cast<std::size_t>(task)]) {
    const TaskNode& node = run.nodes[static_cast<std::size_t>(producer)];
    if (node.expanded) continue;
    Count(counts, node.instances[0].row.state, +1);
  }
  return EngineVerdict(TriggerRule::kAllSuccess, counts);
}

Error TooManyInstances(std::size_t count, std::size_t max) {
  return Invalid(fmt::format("the run would have {} task instances; the maximum is {}", count, max),
                 "map over fewer items, or share them out over several runs");
}

// False if the node is finished or must wait for its map inputs.
bool PassMapGate(EngineState& state, LiveRun& run, int task) {
  const Task& definition = run.graph->dag->tasks[static_cast<std::size_t>(task)];
  TaskNode& node = run.nodes[static_cast<std::size_t>(task)];
  if (!definition.map || node.expanded) return true;
  switch (MapInputVerdict(run, task)) {
    case Verdict::kWait:
      return false;
    case Verdict::kSkip:
      MoveUnstarted(state, run, task, TaskTrigger::kVerdictSkipped, "rule");
      return false;
    case Verdict::kUpstreamFailed:
      MoveUnstarted(state, run, task, TaskTrigger::kVerdictUpstreamFailed, "");
      return false;
    case Verdict::kRun:
      break;
  }
  Result<std::vector<std::string>> items =
      MapItems(*definition.map, ContextOf(state, run, task, 0));
  if (items.ok() && run.instances + items->size() > state.config.max_instances + 1) {
    items = TooManyInstances(run.instances - 1 + items->size(), state.config.max_instances);
  }
  if (!items.ok()) {
    FailDefinition(state, run, task, 0, items.error());
    return false;
  }
  if (!items->empty()) {
    ReplaceByItems(state, run, task, *std::move(items));
    return true;
  }
  switch (definition.map->on_empty) {
    case OnEmptyMap::kSkip:
      MoveUnstarted(state, run, task, TaskTrigger::kVerdictSkipped, "map_empty");
      break;
    case OnEmptyMap::kFail:
      FailDefinition(state, run, task, 0, Invalid("map.over gave no items and on_empty is fail"));
      break;
    case OnEmptyMap::kSuccess:
      Move(state, run, task, 0, TaskTrigger::kMarkSuccess);
      break;
  }
  return false;
}

void SettleNode(EngineState& state, LiveRun& run, int task) {
  const Task& definition = run.graph->dag->tasks[static_cast<std::size_t>(task)];
  TaskNode& node = run.nodes[static_cast<std::size_t>(task)];
  if (node.unstarted == 0) return;
  if (definition.trigger_rule != TriggerRule::kAlways) {
    if (node.gates_pending > 0) return;
    if (!node.exclude_reason.empty()) {
      return MoveUnstarted(state, run, task, TaskTrigger::kVerdictSkipped, node.exclude_reason);
    }
    switch (EngineVerdict(definition.trigger_rule, node.counts)) {
      case Verdict::kWait:
        return;
      case Verdict::kSkip:
        return MoveUnstarted(state, run, task, TaskTrigger::kVerdictSkipped, "rule");
      case Verdict::kUpstreamFailed:
        return MoveUnstarted(state, run, task, TaskTrigger::kVerdictUpstreamFailed, "");
      case Verdict::kRun:
        break;
    }
  }
  if (!PassMapGate(state, run, task)) return;
  for (std::size_t i = 0; i < node.instances.size(); ++i) {
    if (node.instances[i].row.state == TaskState::kNone) {
      Schedule(state, run, task, static_cast<int>(i));
    }
  }
}

// Tasks that a chosen child reaches keep their place in the run although the branch did not name
// them; the walk stays inside the descendants of the chosen ones.
std::vector<bool> ReachedFrom(const Dag& dag, const std::vector<int>& starts) {
  std::vector<bool> reached(dag.tasks.size(), false);
  std::vector<int> stack = starts;
  while (!stack.empty()) {
    const int at = stack.back();
    stack.pop_back();
    for (const int child : dag.downstream[static_cast<std::size_t>(at)]) {
      if (reached[static_cast<std::size_t>(child)]) continue;
      reached[static_cast<std::size_t>(child)] = true;
      stack.push_back(child);
    }
  }
  return reached;
}

void ApplyBranch(EngineState& state, LiveRun& run, int task, const std::string& chosen_json) {
  const Dag& dag = *run.graph->dag;
  std::vector<int> chosen;
  for (const json& id : json::parse(chosen_json)) {
    chosen.push_back(dag.Find(id.get<std::string>()));
  }
  const std::vector<bool> reached = ReachedFrom(dag, chosen);
  for (const int child : dag.downstream[static_cast<std::size_t>(task)]) {
    TaskNode& node = run.nodes[static_cast<std::size_t>(child)];
    if (std::find(chosen.begin(), chosen.end(), child) != chosen.end()) continue;
    if (reached[static_cast<std::size_t>(child)]) {
      BypassEdge(state, run, task, child);
    } else if (node.exclude_reason.empty()) {
      node.exclude_reason = "branch";
    }
  }
}

}  // namespace

Verdict EngineVerdict(TriggerRule rule, const UpstreamCounts& counts) {
  const Verdict verdict = Evaluate(rule, counts);
  const bool early_skip =
      rule == TriggerRule::kAllSuccess && verdict == Verdict::kSkip && counts.done() < counts.total;
  return early_skip ? Verdict::kWait : verdict;
}

void OpenGates(EngineState& state, LiveRun& run, int task) {
  const Task& definition = run.graph->dag->tasks[static_cast<std::size_t>(task)];
  const TaskInstanceRow& row = run.nodes[static_cast<std::size_t>(task)].instances[0].row;
  const bool decided = row.state == TaskState::kSuccess && !row.branch.empty();
  if (decided && definition.kind == TaskKind::kBranch) ApplyBranch(state, run, task, row.branch);
  for (const int gated : run.graph->gate_targets[static_cast<std::size_t>(task)]) {
    TaskNode& node = run.nodes[static_cast<std::size_t>(gated)];
    node.gates_pending -= 1;
    CHECK(node.gates_pending >= 0);
    if (decided && definition.kind == TaskKind::kShortCircuit && row.branch == "false" &&
        node.exclude_reason.empty()) {
      node.exclude_reason = "short_circuit";
    }
    Unsettle(state, run, gated);
  }
}

void SettleRuns(EngineState& state) {
  while (!state.unsettled.empty()) {
    const RunKey key = *state.unsettled.begin();
    state.unsettled.erase(state.unsettled.begin());
    LiveRun* run = state.FindRun(key);
    if (run == nullptr || run->row.state != RunState::kRunning) continue;
    while ((!run->unsettled.empty() || !run->decided.empty()) && !run->row.stopping) {
      for (const int gate : std::exchange(run->decided, {})) OpenGates(state, *run, gate);
      if (run->unsettled.empty()) break;
      const int task = *run->unsettled.begin();
      run->unsettled.erase(run->unsettled.begin());
      SettleNode(state, *run, task);
    }
    if (run->unfinished == 0) FinishRun(state, *run);
  }
}

}  // namespace nightmill
