// Answers to "why is it not running": reasons from the closed list of semantics.md 15, found by the
// very predicates that placement uses. Values only; made by Engine::Explain*.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/time.h"
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

}  // namespace nightmill
