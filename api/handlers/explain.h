// Explanations of what has ended, which the engine has forgotten: gathered from rows.
#pragma once

#include <string>

#include "api/handlers/support.h"
#include "scheduler/engine/explain.h"

namespace nightmill {

// Of a task instance that has ended, or of one that never began because its run did not. kNotFound
// if there is no such instance.
Result<TaskExplanation> ExplainEnded(ApiContext& context, const DagRunRow& run,
                                     const std::string& task_id, int map_index);

}  // namespace nightmill
