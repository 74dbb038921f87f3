#include "api/handlers/explain.h"

#include <fmt/format.h>

#include <utility>

namespace nightmill {
namespace {

// How the instances of a task ended.
Result<RelatedTask> Related(ApiContext& context, RunKey run, const std::string& task_id) {
  RelatedTask related;
  related.task_id = task_id;
  const auto at = [&](TaskState state) -> std::int64_t& {
    return related.states[static_cast<std::size_t>(state)];
  };
  NM_ASSIGN_OR_RETURN(const std::optional<TaskView> one,
                      context.queries.FindTask(run, task_id, -1));
  if (one && one->task.state != TaskState::kRemoved) {
    at(one->task.state) = 1;
    related.branch = one->task.branch;
    return related;
  }
  TaskFilter filter;  // mapped: only the totals are wanted
  filter.run = run;
  filter.task_id = task_id;
  filter.page.limit = 0;
  for (int i = 0; i < kTaskStateCount; ++i) {
    const auto state = static_cast<TaskState>(i);
    if (state == TaskState::kRemoved) continue;
    filter.states = {state};
    NM_ASSIGN_OR_RETURN(const Listing<TaskView> some, context.queries.Tasks(filter));
    at(state) = some.total;
  }
  return related;
}

Result<std::string> WhoCancelled(ApiContext& context, const DagRunRow& run) {
  if (run.reason != RunReason::kCancelled) return std::string();
  NM_ASSIGN_OR_RETURN(
      const std::optional<AuditRow> audit,
      context.queries.LastAudit("run.cancel", fmt::format("{}/{}", run.dag_id, run.run_id)));
  return audit ? audit->principal : std::string();
}

}  // namespace

Result<TaskExplanation> ExplainEnded(ApiContext& context, const DagRunRow& run,
                                     const std::string& task_id, int map_index) {
  TaskExplanation answer;
  NM_ASSIGN_OR_RETURN(const std::string stopped_by, WhoCancelled(context, run));
  if (run.version == 0 && IsFinished(run.state)) {
    const std::string by = stopped_by.empty() ? "" : " by " + stopped_by;
    answer.reasons.push_back(
        {"finished", fmt::format("its run never began: {}{}", StopClause(run.reason), by), {}});
    return answer;
  }
  NM_ASSIGN_OR_RETURN(const TaskView view, RequireTask(context, run, task_id, map_index));
  answer.state = view.task.state;
  const std::shared_ptr<const Dag> dag = VersionOf(context, run.dag_id, run.version)->dag;
  const int task = dag == nullptr ? -1 : dag->Find(task_id);
  if (task >= 0) {
    EndedTask ended{*dag, task, run, view.task, {}, stopped_by};
    for (const int other : RelatedTasks(*dag, task)) {
      NM_ASSIGN_OR_RETURN(
          RelatedTask related,
          Related(context, run.run, dag->tasks[static_cast<std::size_t>(other)].id));
      ended.related.push_back(std::move(related));
    }
    answer.reasons = ExplainEnd(ended);
  }
  if (answer.reasons.empty()) {  // of a version that has no such task, or no longer loads
    answer.reasons.push_back({"finished", std::string(ToString(answer.state)), {}});
  }
  return answer;
}

}  // namespace nightmill
