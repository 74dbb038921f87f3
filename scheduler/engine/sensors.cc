#include "scheduler/engine/sensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base/hash.h"
#include "scheduler/engine/attempt_spec.h"
#include "scheduler/engine/attempts.h"
#include "scheduler/engine/record.h"
#include "scheduler/engine/transition.h"

namespace nightmill {
namespace {

// Limit of one check, so that a dead file system cannot hold a poke for ever.
constexpr Duration kPokeTimeout = std::chrono::seconds{30};

Instance& InstanceOf(LiveRun& run, int task, int position) {
  return run.nodes[static_cast<std::size_t>(task)].instances[static_cast<std::size_t>(position)];
}

// min(poke_interval * f^k, max_poke_interval) +- 10 % by keyed hash, k = fruitless pokes so far.
Duration PokeDelay(const LiveRun& run, const Task& task, const TaskInstanceRow& row) {
  const int k = row.pokes;
  double ms = static_cast<double>(task.poke_interval.count());
  const double cap = static_cast<double>(task.max_poke_interval.count());
  for (int i = 1; i < k && ms < cap; ++i) ms *= task.poke_backoff;
  const auto base = static_cast<std::int64_t>(std::min(ms, cap));
  const std::int64_t q = base / 10;
  const std::uint64_t h = KeyedHash({"poke/1", run.row.dag_id, row.task_id, run.row.run_id,
                                     std::to_string(row.map_index), std::to_string(k)});
  return Duration{base - q +
                  static_cast<std::int64_t>(Scale(h, static_cast<std::uint64_t>(2 * q + 1)))};
}

const LiveWorker* PokeWorker(const EngineState& state) {
  for (const auto& [name, worker] : state.workers) {
    if (worker.connected) return &worker;
  }
  return nullptr;
}

// `deferred_since` must be set.
void ArmSensorTimeout(EngineState& state, LiveRun& run, int task, int position) {
  const auto index = static_cast<std::size_t>(task);
  const TaskInstanceRow& row = run.nodes[index].instances[static_cast<std::size_t>(position)].row;
  Arm(state, run,
      {.at = *row.deferred_since + run.graph->dag->tasks[index].sensor_timeout,
       .kind = TimerKind::kSensorTimeout,
       .task = task,
       .position = position});
}

void SendPoke(EngineState& state, const LiveWorker& worker, const InstanceRef& ref) {
  LiveRun& run = *state.FindRun(ref.run);
  Instance& instance = InstanceOf(run, ref.task, ref.position);
  Result<std::string> spec = RenderParams(state, run, ref.task, ref.position);
  if (!spec.ok()) {
    instance.row.failure = FailureJson({"failed", "definition", spec.error().message});
    Move(state, run, ref.task, ref.position, TaskTrigger::kSensorTimeout);
    return AfterFinalFailure(state, run, ref.task);
  }
  state.last_poke += 1;
  instance.poke = state.last_poke;
  if (!instance.row.deferred_since) {
    instance.row.deferred_since = state.now;
    ArmSensorTimeout(state, run, ref.task, ref.position);
  }
  instance.row.due_at.reset();
  Touch(state, run, ref.task, ref.position);
  state.pokes[instance.poke] = ref;
  const Task& task = run.graph->dag->tasks[static_cast<std::size_t>(ref.task)];
  state.step->commands.emplace_back(command::Poke{worker.name, instance.poke, task.type,
                                                  *std::move(spec), state.config.data_root,
                                                  task.timeout.value_or(kPokeTimeout)});
}

}  // namespace

void QueuePoke(EngineState& state, LiveRun& run, int task, int position, Instant at) {
  InstanceOf(run, task, position).poke_due = at;
  state.due_pokes.insert({at, {run.row.run, task, position}});
}

void ForgetPokes(EngineState& state, LiveRun& run, int task, int position) {
  Instance& instance = InstanceOf(run, task, position);
  state.pokes.erase(std::exchange(instance.poke, 0));
  if (!instance.poke_due) return;
  state.due_pokes.erase({*instance.poke_due, {run.row.run, task, position}});
  instance.poke_due.reset();
}

void AskPokesAgain(EngineState& state) {
  for (const auto& [poke, ref] : std::exchange(state.pokes, {})) {
    LiveRun& run = *state.FindRun(ref.run);
    InstanceOf(run, ref.task, ref.position).poke = 0;
    QueuePoke(state, run, ref.task, ref.position, state.now);
  }
}

void StartSensor(EngineState& state, LiveRun& run, int task, int position) {
  Instance& instance = InstanceOf(run, task, position);
  instance.row.try_number += 1;
  instance.row.started_at = state.now;
  instance.row.due_at = state.now;
  Move(state, run, task, position, TaskTrigger::kGrant);
  Move(state, run, task, position, TaskTrigger::kStarted);
  Move(state, run, task, position, TaskTrigger::kDeferred);
  BeginCycle(state, run, task, position);
  QueuePoke(state, run, task, position, state.now);
  // sensor_timeout runs on over retries; its first timer may have fired between two tries.
  if (instance.row.deferred_since) ArmSensorTimeout(state, run, task, position);
}

void SendPokes(EngineState& state) {
  const LiveWorker* worker = PokeWorker(state);
  if (worker == nullptr || state.stopped) return;
  while (!state.due_pokes.empty() && state.due_pokes.begin()->first <= state.now &&
         static_cast<int>(state.pokes.size()) < state.config.sensor_parallelism) {
    const InstanceRef ref = state.due_pokes.begin()->second;
    state.due_pokes.erase(state.due_pokes.begin());
    InstanceOf(*state.FindRun(ref.run), ref.task, ref.position).poke_due.reset();
    SendPoke(state, *worker, ref);
  }
}

void OnPokeFinished(EngineState& state, const event::PokeFinished& event) {
  const auto it = state.pokes.find(event.poke);
  if (it == state.pokes.end()) return;  // of a stopped run, or from before a restart
  const InstanceRef ref = it->second;
  state.pokes.erase(it);
  LiveRun& run = *state.FindRun(ref.run);
  Instance& instance = InstanceOf(run, ref.task, ref.position);
  instance.poke = 0;
  instance.row.pokes += 1;
  Touch(state, run, ref.task, ref.position);
  if (event.met) {
    instance.row.output = event.detail;
    return Move(state, run, ref.task, ref.position, TaskTrigger::kConditionMetDone);
  }
  if (!event.error.empty()) {
    return FailTry(state, run, ref.task, ref.position, {"failed", "sensor", event.error});
  }
  const Task& task = run.graph->dag->tasks[static_cast<std::size_t>(ref.task)];
  instance.row.due_at = state.now + PokeDelay(run, task, instance.row);
  QueuePoke(state, run, ref.task, ref.position, *instance.row.due_at);
}

void OnSensorTimeout(EngineState& state, LiveRun& run, int task, int position) {
  Instance& instance = InstanceOf(run, task, position);
  const Task& definition = run.graph->dag->tasks[static_cast<std::size_t>(task)];
  const TaskInstanceRow& row = instance.row;
  const bool over =
      row.deferred_since && *row.deferred_since + definition.sensor_timeout <= state.now;
  if (row.state != TaskState::kDeferred || !over) return;
  ForgetPokes(state, run, task, position);
  const std::string after = FormatDuration(definition.sensor_timeout);
  if (definition.soft_fail) {
    instance.row.skip_reason = "task";
    return Move(state, run, task, position, TaskTrigger::kSensorSoftFail);
  }
  instance.row.failure = FailureJson(
      {"failed", "sensor", fmt::format("condition not met within sensor_timeout {}", after)});
  Move(state, run, task, position, TaskTrigger::kSensorTimeout);
  AfterFinalFailure(state, run, task);
}

}  // namespace nightmill
