// Renders templates in the context of one task instance and builds the AttemptSpec of a try.
// Private to the engine; pure.
#pragma once

#include "core/template/template.h"
#include "scheduler/engine/state.h"

namespace nightmill {

// What a template of this task instance sees. The context refers to `run`: use it at once.
TemplateContext ContextOf(const EngineState& state, const LiveRun& run, int task, int position);

struct BuiltSpec {
  AttemptSpec spec;
  std::string rendered;  // JSON of the rendered fields, stored with the attempt
};
// The spec of the next try (id, epoch, worker fields are the caller's). kInvalid if a template
// cannot be resolved: the task fails with kind `definition`.
Result<BuiltSpec> BuildSpec(const EngineState& state, const LiveRun& run, int task, int position);

// Rendered params of a sensor, JSON.
Result<std::string> RenderParams(const EngineState& state, const LiveRun& run, int task,
                                 int position);

// JSON of outputs.<task>, a list for a mapped task; nullopt while undefined.
std::optional<std::string> OutputOf(const LiveRun& run, std::string_view task_id);

}  // namespace nightmill
