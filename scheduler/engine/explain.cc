// Engine::ExplainTask and ExplainRun: the predicates of readiness and placement, asked for all of
// their reasons instead of the first (semantics.md 15).
#include "scheduler/engine/explain.h"

#include <fmt/format.h>

#include <algorithm>

#include "scheduler/engine/attempt_spec.h"
#include "scheduler/engine/backfills.h"
#include "scheduler/engine/engine.h"
#include "scheduler/engine/placement.h"
#include "scheduler/engine/readiness.h"
#include "scheduler/engine/reasons.h"
#include "scheduler/engine/state.h"

namespace nightmill {
namespace {

using Reasons = std::vector<Reason>;

void Add(Reasons& reasons, std::string_view code, std::string message,
         std::optional<Instant> until = std::nullopt) {
  reasons.push_back({std::string(code), std::move(message), until});
}

const LiveRun* Find(const EngineState& state, std::string_view dag_id, std::string_view run_id) {
  const auto dag = state.dags.find(dag_id);
  if (dag == state.dags.end()) return nullptr;
  const auto run = dag->second.live_by_id.find(run_id);
  return run == dag->second.live_by_id.end() ? nullptr : state.FindRun(run->second);
}

std::string ListUnfinished(const LiveRun& run, const std::vector<int>& tasks) {
  std::string text;
  int more = 0;
  for (const int task : tasks) {
    const TaskNode& node = run.nodes[static_cast<std::size_t>(task)];
    for (const Instance& instance : node.instances) {
      if (IsFinished(instance.row.state)) continue;
      if (text.size() > 300) {
        more += 1;
        continue;
      }
      text += fmt::format("{}{}", text.empty() ? "" : ", ", instance.row.task_id);
      if (instance.row.map_index >= 0) text += fmt::format("[{}]", instance.row.map_index);
      text += fmt::format(" {}", ToString(instance.row.state));
    }
  }
  if (more > 0) text += fmt::format(" and {} more", more);
  return text;
}

// A task in state none: which gate it waits for.
void ExplainUnstarted(const LiveRun& run, int task, Reasons& reasons) {
  const auto index = static_cast<std::size_t>(task);
  const TaskNode& node = run.nodes[index];
  const Task& definition = run.graph->dag->tasks[index];
  if (run.row.stopping) {
    return Add(reasons, "run_stopping",
               fmt::format("the run is being stopped: {}", ToString(run.row.reason)));
  }
  if (node.gates_pending > 0) {
    Add(reasons, "branch_pending",
        fmt::format("waits for {} branch or short-circuit tasks", node.gates_pending));
  }
  if (EngineVerdict(definition.trigger_rule, node.counts) == Verdict::kWait) {
    Add(reasons, "upstream_pending",
        fmt::format("rule {} over {} upstream instances, {} finished; waits for {}",
                    ToString(definition.trigger_rule), node.counts.total, node.counts.done(),
                    ListUnfinished(run, run.graph->dag->upstream[index])));
  } else if (definition.map && !node.expanded) {
    Add(reasons, "map_input_pending", "waits for the tasks whose outputs it is mapped over");
  }
}

void ExplainScheduled(const EngineState& state, const LiveRun& run, int task,
                      const TaskInstanceRow& row, Reasons& reasons) {
  if (row.due_at) {
    Add(reasons, "lost_backoff", "waits after its worker was lost", row.due_at);
    return;
  }
  for (Reason& reason : Blockers(state, run, task, true)) reasons.push_back(std::move(reason));
  if (!reasons.empty()) return;
  Add(reasons, "lower_priority", "its slots are free, others go first in this pass");
}

void ExplainActive(const EngineState& state, const TaskInstanceRow& row, Reasons& reasons) {
  const auto attempt = state.attempts.find(row.attempt);
  if (attempt != state.attempts.end() && attempt->second.row.state == AttemptState::kKilling) {
    return Add(reasons, "terminating",
               fmt::format("being ended: {}", attempt->second.row.kill_reason));
  }
  if (row.state == TaskState::kQueued) {
    return Add(reasons, "starting",
               fmt::format("sent to worker {}", attempt == state.attempts.end()
                                                    ? std::string("?")
                                                    : attempt->second.row.worker));
  }
  Add(reasons, "running",
      fmt::format("try {} runs since {}", row.try_number,
                  row.started_at ? FormatInstant(*row.started_at) : "?"));
}

// What it waits for, as rendered now.
std::string ExplainSensor(const EngineState& state, const LiveRun& run, int task,
                          const TaskInstanceRow& row) {
  const std::string& type = run.graph->dag->tasks[static_cast<std::size_t>(task)].type;
  const auto params = RenderParams(state, run, task, std::max(row.map_index, 0));
  return fmt::format("{} {}: checked {} times, not met", type,
                     params.ok() ? *params : params.error().message, row.pokes);
}

}  // namespace

std::vector<Reason> ReasonsOf(const EngineState& state, const LiveRun& run, int task,
                              const TaskInstanceRow& row) {
  Reasons reasons;
  switch (row.state) {
    case TaskState::kNone:
      ExplainUnstarted(run, task, reasons);
      break;
    case TaskState::kScheduled:
      ExplainScheduled(state, run, task, row, reasons);
      break;
    case TaskState::kUpForRetry:
      Add(reasons, "retry_at",
          fmt::format("failed {} times in this cycle, retries allowed", row.cycle_failures),
          row.due_at);
      break;
    case TaskState::kDeferred:
      Add(reasons, "deferred_poke", ExplainSensor(state, run, task, row), row.due_at);
      break;
    case TaskState::kQueued:
    case TaskState::kRunning:
    case TaskState::kRestarting:
      ExplainActive(state, row, reasons);
      break;
    case TaskState::kSuccess:
    case TaskState::kFailed:
    case TaskState::kSkipped:
    case TaskState::kUpstreamFailed:
    case TaskState::kRemoved:
      Add(reasons, "finished",
          row.skip_reason.empty() ? std::string(ToString(row.state))
                                  : fmt::format("{}: {}", ToString(row.state), row.skip_reason));
      break;
  }
  return reasons;
}

std::vector<Reason> ReasonsOfQueued(const EngineState& state, const LiveRun& run, Instant now) {
  Reasons reasons;
  const LiveDag& dag = state.dags.find(run.row.dag_id)->second;
  if (run.row.run_after > now) {
    Add(reasons, "run_after", "its time has not come", run.row.run_after);
  }
  if (dag.row.paused) {
    Add(reasons, "dag_paused", fmt::format("{} is paused", run.row.dag_id));
  }
  const int limit = dag.newest->dag->max_active_runs;
  if (run.row.lane == Lane::kLive && dag.active_live >= limit) {
    Add(reasons, "max_active_runs",
        fmt::format("max_active_runs is reached: {}/{}", dag.active_live, limit));
  }
  if (HeldByBackfill(state, run)) {
    Add(reasons, "backfill_paused", "its backfill is paused");
  }
  if (reasons.empty()) Add(reasons, "starting", "starts in this step");
  return reasons;
}

Result<TaskExplanation> Engine::ExplainTask(std::string_view dag_id, std::string_view run_id,
                                            std::string_view task_id, int map_index,
                                            Instant now) const {
  const LiveRun* run = Find(*state_, dag_id, run_id);
  if (run == nullptr) {
    return NotFound(fmt::format("run {} of {} is not queued or running", run_id, dag_id));
  }
  TaskExplanation answer;
  if (run->graph == nullptr) {
    // Queued: it will take the newest version when it starts.
    if (state_->dags.find(dag_id)->second.newest->dag->Find(task_id) < 0) {
      return NotFound(fmt::format("no task \"{}\" in {}", task_id, dag_id));
    }
    NM_ASSIGN_OR_RETURN(RunExplanation queued, ExplainRun(dag_id, run_id, now));
    answer.reasons = std::move(queued.reasons);
    return answer;
  }
  const int task = run->graph->dag->Find(task_id);
  if (task < 0) return NotFound(fmt::format("no task \"{}\" in {}", task_id, dag_id));
  const TaskNode& node = run->nodes[static_cast<std::size_t>(task)];
  const auto position = static_cast<std::size_t>(std::max(map_index, 0));
  if (position >= node.instances.size()) {
    return NotFound(
        fmt::format("{} has {} instances, no index {}", task_id, node.instances.size(), map_index));
  }
  const TaskInstanceRow& row = node.instances[position].row;
  answer.state = row.state;
  answer.reasons = ReasonsOf(*state_, *run, task, row);
  if (!answer.reasons.empty()) answer.would_start_at = answer.reasons.front().until;
  return answer;
}

Result<RunExplanation> Engine::ExplainRun(std::string_view dag_id, std::string_view run_id,
                                          Instant now) const {
  const LiveRun* run = Find(*state_, dag_id, run_id);
  if (run == nullptr) {
    return NotFound(fmt::format("run {} of {} is not queued or running", run_id, dag_id));
  }
  RunExplanation answer;
  answer.state = run->row.state;
  if (run->row.state != RunState::kQueued) {
    Add(answer.reasons, "running", "the run is running");
    return answer;
  }
  answer.reasons = ReasonsOfQueued(*state_, *run, now);
  return answer;
}

}  // namespace nightmill
