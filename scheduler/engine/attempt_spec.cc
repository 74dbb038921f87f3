#include "scheduler/engine/attempt_spec.h"

#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/base/json.h"

namespace nightmill {
namespace {

using nlohmann::json;

const Task& TaskOf(const LiveRun& run, int task) {
  return run.graph->dag->tasks[static_cast<std::size_t>(task)];
}

const Instance& InstanceOf(const LiveRun& run, int task, int position) {
  return run.nodes[static_cast<std::size_t>(task)].instances[static_cast<std::size_t>(position)];
}

using Env = std::vector<std::pair<std::string, std::string>>;

// The NIGHTMILL_ variables of product.md 2.3; OUTPUT and OUTPUT_DIR are added by the worker.
void AddTaskVariables(const LiveRun& run, const TaskInstanceRow& row, const TemplateContext& ctx,
                      Env& env) {
  const auto add = [&env](std::string_view name, std::string value) {
    env.emplace_back(fmt::format("NIGHTMILL_{}", name), std::move(value));
  };
  add("DAG_ID", run.row.dag_id);
  add("RUN_ID", run.row.run_id);
  add("TASK_ID", row.task_id);
  add("MAP_INDEX", std::to_string(row.map_index));
  add("TRY_NUMBER", std::to_string(ctx.try_number));
  add("TASK_KEY",
      fmt::format("{}/{}/{}/{}", run.row.dag_id, run.row.run_id, row.task_id, row.map_index));
  if (!row.map_item.empty()) add("MAP_ITEM", row.map_item);
  if (run.row.logical_date) {
    add("LOGICAL_DATE", FormatInstantOffset(*run.row.logical_date));
    add("TS", FormatInstantOffset(*run.row.logical_date));
    add("DS", FormatDate(*run.row.logical_date));
  }
  if (run.row.interval) {
    add("DATA_INTERVAL_START", FormatInstantOffset(run.row.interval->start));
    add("DATA_INTERVAL_END", FormatInstantOffset(run.row.interval->end));
    add("DATA_DATE", ctx.data_date);
  }
  add("PARAMS", run.params);
}

// No process can be started with it; what only the kernel knows (the sum of all) is left to the
// worker.
Error TooLong(const std::string& what, std::size_t bytes) {
  return Invalid(
      fmt::format("{} has {} bytes, Linux takes less than {}", what, bytes, limits::kMaxExecString),
      "write the value to a file and pass its name");
}

Result<Env> BuildEnv(const EngineState& state, const LiveRun& run, const Task& task,
                     const TaskInstanceRow& row, const TemplateContext& ctx) {
  Env env = state.config.base_env;
  AddTaskVariables(run, row, ctx, env);
  for (const auto& [name, value] : task.env) {
    NM_ASSIGN_OR_RETURN(std::string text, RenderToText(value, ctx));
    const std::size_t bytes = name.size() + 1 + text.size();
    if (bytes >= limits::kMaxExecString) return TooLong("env " + name, bytes);
    std::erase_if(env, [&name = name](const auto& pair) { return pair.first == name; });
    env.emplace_back(name, std::move(text));
  }
  return env;
}

Result<std::vector<std::string>> BuildArgv(const Task& task, const TemplateContext& ctx) {
  const json params = json::parse(task.params);
  std::vector<std::string> argv;
  if (task.type == "shell") {
    NM_ASSIGN_OR_RETURN(std::string script, RenderToText(params.at("run").get<std::string>(), ctx));
    if (script.size() >= limits::kMaxExecString) return TooLong("run", script.size());
    argv = {"/bin/sh", "-euc", std::move(script)};
    return argv;
  }
  for (const json& element : params.at("argv")) {
    NM_ASSIGN_OR_RETURN(std::string text, RenderToText(element.get<std::string>(), ctx));
    if (text.size() >= limits::kMaxExecString) {
      return TooLong(fmt::format("argv {}", argv.size()), text.size());
    }
    argv.push_back(std::move(text));
  }
  return argv;
}

Result<std::string> BuildCwd(const EngineState& state, const LiveRun& run, const Task& task,
                             const TemplateContext& ctx) {
  if (!task.cwd.empty()) return RenderToText(task.cwd, ctx);
  const std::string& fileloc = run.graph->dag->fileloc;
  const std::size_t slash = fileloc.rfind('/');
  if (slash == std::string::npos) return std::string(state.config.data_root);
  return fileloc.substr(0, slash == 0 ? 1 : slash);
}

// Constants that the daemon writes into a native spec, hence into its spec_hash (compute.md).
void AddConstants(const LiveRun& run, json& spec) {
  if (!run.row.interval) return;
  spec["data_interval_start"] = FormatInstant(run.row.interval->start);
  spec["data_interval_end"] = FormatInstant(run.row.interval->end);
}

// The message to the worker holds all of it; few specs come near the limit, so they are measured
// roughly first. JSON writes a character as six bytes at most.
Status CheckTotal(const AttemptSpec& spec) {
  std::size_t plain = spec.operator_spec.size();
  for (const std::string& text : spec.argv) plain += text.size();
  for (const auto& [name, value] : spec.env) plain += name.size() + value.size();
  constexpr std::size_t kLimit = limits::kMaxFrameBytes - (64u << 10);
  if (6 * plain <= kLimit) return Ok();
  const json parts = {spec.argv, spec.env, spec.operator_spec};
  const std::size_t written = parts.dump(-1, ' ', false, json::error_handler_t::replace).size();
  if (written <= kLimit) return Ok();
  return Invalid(
      fmt::format("the rendered task has {} bytes as JSON, a worker takes {}", written, kLimit),
      "pass large values as files");
}

}  // namespace

std::optional<std::string> OutputOf(const LiveRun& run, std::string_view task_id) {
  const int index = run.graph->dag->Find(task_id);
  if (index < 0) return std::nullopt;
  const TaskNode& node = run.nodes[static_cast<std::size_t>(index)];
  const bool mapped = run.graph->dag->tasks[static_cast<std::size_t>(index)].map.has_value();
  if (!mapped) {
    const TaskInstanceRow& row = node.instances[0].row;
    if (row.state != TaskState::kSuccess) return std::nullopt;
    return row.output.empty() ? "null" : row.output;
  }
  std::string list = "[";
  for (const Instance& instance : node.instances) {
    const TaskInstanceRow& row = instance.row;
    if (row.state != TaskState::kSuccess || row.output.empty() || row.output == "null") continue;
    if (list.size() > 1) list += ',';
    list += row.output;
  }
  return list + "]";
}

TemplateContext ContextOf(const EngineState&, const LiveRun& run, int task, int position) {
  const TaskInstanceRow& row = InstanceOf(run, task, position).row;
  TemplateContext ctx;
  ctx.dag_id = run.row.dag_id;
  ctx.run_id = run.row.run_id;
  ctx.run_type = ToString(run.row.type);
  ctx.task_id = row.task_id;
  ctx.map_index = row.map_index;
  ctx.try_number = row.try_number + 1;
  ctx.logical_date = run.row.logical_date;
  ctx.interval = run.row.interval;
  if (run.row.interval) {
    const auto& timetable = run.graph->dag->timetable;
    ctx.data_date = timetable ? timetable->DataDate(run.row.interval->start)
                              : FormatDate(run.row.interval->start);
  }
  ctx.start_date = run.row.started_at;
  ctx.params = run.params;
  ctx.conf = run.row.conf;
  ctx.map_item = row.map_item;
  ctx.output = [&run](std::string_view task_id) { return OutputOf(run, task_id); };
  ctx.seed = KeyedHash({"template/1", run.row.dag_id, run.row.run_id, row.task_id,
                        std::to_string(row.map_index), std::to_string(ctx.try_number)});
  return ctx;
}

Result<std::string> RenderParams(const EngineState& state, const LiveRun& run, int task,
                                 int position) {
  return RenderJson(TaskOf(run, task).params, ContextOf(state, run, task, position));
}

Result<BuiltSpec> BuildSpec(const EngineState& state, const LiveRun& run, int task, int position) {
  const Task& definition = TaskOf(run, task);
  const TaskInstanceRow& row = InstanceOf(run, task, position).row;
  const TemplateContext ctx = ContextOf(state, run, task, position);
  BuiltSpec built;
  AttemptSpec& spec = built.spec;
  spec.targets = {{run.row.run, row.task_id, row.map_index}};
  spec.dag_id = run.row.dag_id;
  spec.run_id = run.row.run_id;
  spec.task_key =
      fmt::format("{}/{}/{}/{}", run.row.dag_id, run.row.run_id, row.task_id, row.map_index);
  spec.try_number = ctx.try_number;
  spec.output = definition.output;
  spec.skip_exit_code = definition.retry.skip_exit_code;
  spec.no_retry_exit_code = definition.retry.no_retry_exit_code;
  spec.data_root = state.config.data_root;
  spec.timeout = definition.timeout;
  spec.kill_grace = definition.kill_grace;
  spec.limits = definition.limits;
  json rendered = json::object();
  if (definition.kind == TaskKind::kNative) {
    spec.kind = AttemptKind::kNative;
    spec.operator_type = definition.type;
    NM_ASSIGN_OR_RETURN(const std::string params, RenderJson(definition.params, ctx));
    json operator_spec = json::parse(params);
    operator_spec["type"] = definition.type;
    AddConstants(run, operator_spec);
    spec.operator_spec = operator_spec.dump();
    rendered["spec"] = std::move(operator_spec);
  } else {
    NM_ASSIGN_OR_RETURN(spec.argv, BuildArgv(definition, ctx));
    NM_ASSIGN_OR_RETURN(spec.env, BuildEnv(state, run, definition, row, ctx));
    NM_ASSIGN_OR_RETURN(spec.cwd, BuildCwd(state, run, definition, ctx));
    rendered["argv"] = spec.argv;
    rendered["cwd"] = spec.cwd;
  }
  NM_RETURN_IF_ERROR(CheckTotal(spec));
  built.rendered = rendered.dump(-1, ' ', false, json::error_handler_t::replace);
  return built;
}

}  // namespace nightmill
