// Answers to "why is it not running": reasons from the closed list of semantics.md 15, found by the
// very predicates that placement uses (Engine::Explain*), and to "why did it end so", found from
// rows alone, since the engine forgets what has ended (ExplainEnd).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/time.h"
#include "core/model/change.h"
#include "core/model/dag.h"
#include "core/rules/dag_run_state.h"
#include "core/rules/task_state.h"

namespace nightmill {

struct Reason {
  std::string code;              // "pool_full", "upstream_pending", ...
  std::string message;           // one sentence with names, counts and holders
  std::optional<Instant> until;  // when it can change, where that is known
};

struct TaskExplanation {
  TaskState state = TaskState::kNone;
  std::vector<Reason> reasons;  // the first is the headline; never empty
  std::optional<Instant> would_start_at;
};

struct RunExplanation {
  RunState state = RunState::kQueued;
  std::vector<Reason> reasons;
};

// One task beside an instance that has ended: its instances by state (index: TaskState), and what
// it decided if it is a branch or a short circuit (TaskInstanceRow::branch).
struct RelatedTask {
  std::string task_id;
  std::array<std::int64_t, kTaskStateCount> states{};
  std::string branch;
};
// The tasks whose ends ExplainEnd looks at: parents, children, short circuits above.
std::vector<int> RelatedTasks(const Dag& dag, int task);

struct EndedTask {
  const Dag& dag;
  int task;  // its index
  const DagRunRow& run;
  const TaskInstanceRow& row;  // finished
  std::vector<RelatedTask> related;
  std::string stopped_by;  // who cancelled the run; "" if nobody did or it is not known
};
// What decided the state of a finished instance, what that did to the tasks below. Pure.
std::vector<Reason> ExplainEnd(const EndedTask& ended);

// Why a run is being or was stopped, as a clause: "the run was cancelled".
std::string_view StopClause(RunReason reason);

}  // namespace nightmill
