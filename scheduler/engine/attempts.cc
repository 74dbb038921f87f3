#include "scheduler/engine/attempts.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/check.h"
#include "core/base/json.h"
#include "core/rules/retry.h"
#include "scheduler/engine/alerts.h"
#include "scheduler/engine/record.h"
#include "scheduler/engine/runs.h"
#include "scheduler/engine/sensors.h"
#include "scheduler/engine/slas.h"
#include "scheduler/engine/transition.h"

namespace nightmill {
namespace {

using nlohmann::json;

// Where a target lives now; nullopt if its run has left memory (cannot happen for open attempts).
std::optional<InstanceRef> Locate(const EngineState& state, const AttemptTarget& target) {
  const LiveRun* run = state.FindRun(target.run);
  if (run == nullptr || run->graph == nullptr) return std::nullopt;
  const int task = run->graph->dag->Find(target.task_id);
  if (task < 0) return std::nullopt;
  const int position = std::max(target.map_index, 0);
  const TaskNode& node = run->nodes[static_cast<std::size_t>(task)];
  if (static_cast<std::size_t>(position) >= node.instances.size()) return std::nullopt;
  return InstanceRef{target.run, task, position};
}

TaskInstanceRow& RowOf(LiveRun& run, int task, int position) {
  return run.nodes[static_cast<std::size_t>(task)]
      .instances[static_cast<std::size_t>(position)]
      .row;
}

void RecordStale(EngineState& state, AttemptId attempt, std::string_view what) {
  EventRow event;
  event.kind = "report.stale";
  event.attempt = attempt;
  event.data = fmt::format(R"({{"message":{}}})", Quote(what));
  Record(state, std::move(event));
}

// The open attempt that a message speaks of, or null if the message is stale (reliability.md P3).
OpenAttempt* Validate(EngineState& state, AttemptId id, Epoch epoch, Incarnation incarnation,
                      std::string_view what) {
  const auto it = state.attempts.find(id);
  const bool fits = it != state.attempts.end() && it->second.row.epoch == epoch &&
                    it->second.row.incarnation == incarnation &&
                    it->second.row.state != AttemptState::kEnded;
  if (fits) return &it->second;
  RecordStale(state, id, what);
  return nullptr;
}

void EnsureStarted(EngineState& state, LiveRun& run, int task, int position, Instant at) {
  TaskInstanceRow& row = RowOf(run, task, position);
  if (row.state != TaskState::kQueued) return;
  row.started_at = at;
  row.ended_at.reset();
  Move(state, run, task, position, TaskTrigger::kStarted);
  BeginCycle(state, run, task, position);
}

// True if total_timeout of this cycle is over at `at`.
bool Overdue(const LiveRun& run, int task, const TaskInstanceRow& row, Instant at) {
  const auto& limit = run.graph->dag->tasks[static_cast<std::size_t>(task)].total_timeout;
  return limit && row.cycle_started_at && *row.cycle_started_at + *limit <= at;
}

TryFailure TotalTimeout(const LiveRun& run, int task) {
  const auto& limit = run.graph->dag->tasks[static_cast<std::size_t>(task)].total_timeout;
  return {"timed_out", "total", fmt::format("total_timeout {} reached", FormatDuration(*limit))};
}

void SkipUnstartedItems(EngineState& state, LiveRun& run, int task) {
  TaskNode& node = run.nodes[static_cast<std::size_t>(task)];
  for (std::size_t i = 0; i < node.instances.size(); ++i) {
    TaskInstanceRow& row = node.instances[i].row;
    const bool waiting = row.state == TaskState::kNone || row.state == TaskState::kScheduled ||
                         row.state == TaskState::kUpForRetry;
    if (!waiting) continue;
    row.skip_reason = "map_stopped";
    Move(state, run, task, static_cast<int>(i), TaskTrigger::kStoppedUnstarted);
  }
}

void ScheduleAgain(EngineState& state, LiveRun& run, int task, int position, Duration wait) {
  TaskInstanceRow& row = RowOf(run, task, position);
  if (wait.count() == 0) {
    row.due_at.reset();
    return AddReady(state, run, task, position);
  }
  row.due_at = state.now + wait;
  Arm(state, run,
      {.at = *row.due_at, .kind = TimerKind::kInstanceDue, .task = task, .position = position});
}

// T7: the attempt never ran to an end; the try is not used up unless it was lost too often.
void LoseTry(EngineState& state, LiveRun& run, int task, int position, const std::string& cause,
             bool counts) {
  TaskInstanceRow& row = RowOf(run, task, position);
  if (counts) row.losses += 1;
  if (row.losses > limits::kMaxLost) {
    EnsureStarted(state, run, task, position, state.now);
    return FailTry(state, run, task, position,
                   {"infrastructure", "infrastructure",
                    fmt::format("lost {} times, the last time: {}", row.losses, cause)});
  }
  row.try_number -= 1;  // the same try is dispatched again under a new attempt
  Move(state, run, task, position, TaskTrigger::kLost);
  Duration wait{0};
  if (row.losses > 1) {
    wait = std::min(limits::kLostBackoffBase * (1 << (row.losses - 2)), limits::kLostBackoffCap);
  }
  ScheduleAgain(state, run, task, position, wait);
}

void Succeed(EngineState& state, LiveRun& run, int task, int position,
             const AttemptReport& report) {
  TaskInstanceRow& row = RowOf(run, task, position);
  row.output = report.output;
  row.artifact = report.artifact;
  if (!row.artifact.empty()) {
    // outputs.<task>.artifact names the kept folder (product.md 2.3).
    json output = json::parse(report.output, nullptr, false);
    if (output.is_null() || output.is_discarded()) output = json::object();
    if (output.is_object()) output["artifact"] = row.artifact;
    row.output = output.dump();
  }
  row.failure.clear();
  row.ended_at = report.ended_at;
  Move(state, run, task, position, TaskTrigger::kSucceeded);
}

TryFailure AttemptTimeout() { return {"timed_out", "attempt", "timeout reached"}; }

// `kill_reason` as in TaskAttemptRow.
std::string FailureOf(const AttemptOutcome& outcome, std::string_view kill_reason) {
  if (const auto* failed = std::get_if<outcome::Failed>(&outcome)) {
    return FailureJson(
        {"failed", failed->kind, failed->message, failed->exit_code, failed->signal});
  }
  if (const auto* lost = std::get_if<outcome::Lost>(&outcome)) {
    return FailureJson({"lost", "lost", lost->cause});
  }
  if (std::holds_alternative<outcome::TimedOut>(outcome)) return FailureJson(AttemptTimeout());
  if (std::holds_alternative<outcome::Killed>(outcome)) {
    const std::optional<RunReason> stop = ParseRunReason(kill_reason);
    return FailureJson({"killed", "killed", std::string(stop ? StopClause(*stop) : kill_reason)});
  }
  return {};
}

// T16: the attempt of an instance that was cleared has ended, whatever its outcome. A run that was
// marked a success since then wants no more of it.
void FinishClear(EngineState& state, LiveRun& run, int task, int position) {
  if (run.row.reason == RunReason::kMarked) {
    return Move(state, run, task, position, TaskTrigger::kMarkSuccess);
  }
  ResetCycle(RowOf(run, task, position), run.graph->dag->tasks[static_cast<std::size_t>(task)]);
  Move(state, run, task, position, TaskTrigger::kCleared);
  Unsettle(state, run, task);
}

// Whether the attempt of an instance was ended because its run is marked a success.
bool IsMarked(const EngineState& state, const TaskInstanceRow& row) {
  const auto attempt = state.attempts.find(row.attempt);
  return attempt != state.attempts.end() && attempt->second.row.kill_reason == "mark";
}

void ApplyOutcome(EngineState& state, LiveRun& run, int task, int position,
                  const AttemptReport& report) {
  const AttemptOutcome& outcome = report.outcome;
  TaskInstanceRow& row = RowOf(run, task, position);
  const bool ended_well = std::holds_alternative<outcome::Succeeded>(outcome) ||
                          std::holds_alternative<outcome::Skipped>(outcome);
  const bool cleared = row.state == TaskState::kRestarting;
  if (run.row.stopping && (!ended_well || cleared)) {
    row.failure = FailureOf(cleared ? outcome::Killed{} : outcome, ToString(run.row.reason));
    return Move(state, run, task, position, TaskTrigger::kStopped);
  }
  if (cleared) return FinishClear(state, run, task, position);
  if (!ended_well && IsMarked(state, row)) {
    return Move(state, run, task, position, TaskTrigger::kMarkSuccess);
  }
  if (!ended_well && Overdue(run, task, row, state.now)) {
    EnsureStarted(state, run, task, position, state.now);
    return FailTry(state, run, task, position, TotalTimeout(run, task));
  }
  if (const auto* lost = std::get_if<outcome::Lost>(&outcome)) {
    return LoseTry(state, run, task, position, lost->cause, true);
  }
  EnsureStarted(state, run, task, position, report.started_at.value_or(report.ended_at));
  if (std::holds_alternative<outcome::Succeeded>(outcome)) {
    return Succeed(state, run, task, position, report);
  }
  if (std::holds_alternative<outcome::Skipped>(outcome)) {
    row.skip_reason = "task";
    row.ended_at = report.ended_at;
    return Move(state, run, task, position, TaskTrigger::kTaskSkipped);
  }
  if (const auto* failed = std::get_if<outcome::Failed>(&outcome)) {
    return FailTry(state, run, task, position,
                   {"failed", failed->kind, failed->message, failed->exit_code, failed->signal});
  }
  if (std::holds_alternative<outcome::TimedOut>(outcome)) {
    return FailTry(state, run, task, position, AttemptTimeout());
  }
  // Killed without an order of ours: somebody stopped the worker by hand.
  LoseTry(state, run, task, position, "killed with its worker", true);
}

// Gives back worker places and learns how long attempts take there.
void ReleaseWorker(EngineState& state, const OpenAttempt& attempt, const AttemptReport* report) {
  const auto it = state.workers.find(attempt.row.worker);
  if (it == state.workers.end()) return;
  it->second.used -= attempt.row.places;
  if (report == nullptr || !report->started_at) return;
  const std::int64_t took = (report->ended_at - *report->started_at).count();
  it->second.average_us = (it->second.average_us * 7 + std::max<std::int64_t>(took, 0)) / 8;
}

void EndAttempt(EngineState& state, OpenAttempt& attempt, const AttemptReport& report) {
  TaskAttemptRow& row = attempt.row;
  ReleaseWorker(state, attempt, &report);
  row.state = AttemptState::kEnded;
  row.outcome = OutcomeWord(report.outcome);
  row.failure = FailureOf(report.outcome, row.kill_reason);
  row.report = report.output == "null" ? "" : report.output;
  if (report.started_at) row.started_at = report.started_at;
  row.ended_at = report.ended_at;
  row.usage = report.usage;
  Touch(state, attempt);
  for (const AttemptTarget& target : attempt.targets) {
    const std::optional<InstanceRef> at = Locate(state, target);
    if (!at) continue;
    LiveRun& run = *state.FindRun(at->run);
    TaskInstanceRow& instance = RowOf(run, at->task, at->position);
    if (instance.attempt != row.attempt) continue;
    ApplyOutcome(state, run, at->task, at->position, report);
    instance.attempt = AttemptId{};
    Touch(state, run, at->task, at->position);
  }
}

// An attempt that was committed but never reached a worker: nothing ran, nothing is counted.
void ForgetUnstarted(EngineState& state, OpenAttempt& attempt) {
  ReleaseWorker(state, attempt, nullptr);
  attempt.row.state = AttemptState::kEnded;
  attempt.row.outcome = "lost";
  attempt.row.failure = FailureJson({"lost", "lost", "never started"});
  attempt.row.ended_at = state.now;
  Touch(state, attempt);
  for (const AttemptTarget& target : attempt.targets) {
    const std::optional<InstanceRef> at = Locate(state, target);
    if (!at) continue;
    LiveRun& run = *state.FindRun(at->run);
    TaskInstanceRow& row = RowOf(run, at->task, at->position);
    if (row.attempt != attempt.row.attempt) continue;
    if (run.row.stopping) {
      row.failure = FailureOf(outcome::Killed{}, ToString(run.row.reason));
      Move(state, run, at->task, at->position, TaskTrigger::kStopped);
    } else if (row.state == TaskState::kRestarting) {
      FinishClear(state, run, at->task, at->position);
    } else if (attempt.row.kill_reason == "mark") {
      Move(state, run, at->task, at->position, TaskTrigger::kMarkSuccess);
    } else if (Overdue(run, at->task, row, state.now)) {
      EnsureStarted(state, run, at->task, at->position, state.now);
      FailTry(state, run, at->task, at->position, TotalTimeout(run, at->task));
    } else {
      LoseTry(state, run, at->task, at->position, "never started", false);
    }
    row.attempt = AttemptId{};
    Touch(state, run, at->task, at->position);
  }
}

bool OpenOn(const EngineState& state, const std::string& worker, AttemptId attempt) {
  const auto it = state.attempts.find(attempt);
  return it != state.attempts.end() && it->second.row.worker == worker &&
         it->second.row.state != AttemptState::kEnded;
}

}  // namespace

void ResetCycle(TaskInstanceRow& row, const Task& task) {
  TaskInstanceRow fresh;
  fresh.run = row.run;
  fresh.task_id = row.task_id;
  fresh.map_index = row.map_index;
  fresh.state = row.state;
  fresh.try_number = row.try_number;
  fresh.max_tries = row.try_number + 1 + task.retry.retries;
  fresh.attempt = row.attempt;
  fresh.map_item = std::move(row.map_item);
  row = std::move(fresh);
}

void AfterFinalFailure(EngineState& state, LiveRun& run, int task) {
  const Task& definition = run.graph->dag->tasks[static_cast<std::size_t>(task)];
  const TaskNode& node = run.nodes[static_cast<std::size_t>(task)];
  if (definition.map && definition.map->max_failures &&
      node.failures >= *definition.map->max_failures) {
    SkipUnstartedItems(state, run, task);
  }
  if (run.graph->dag->fail_fast) StopRun(state, run, RunReason::kTaskFailed);
}

void BeginCycle(EngineState& state, LiveRun& run, int task, int position) {
  TaskInstanceRow& row = RowOf(run, task, position);
  if (row.cycle_started_at) return;
  row.cycle_started_at = state.now;
  if ((run.watch & kWatchSla) != 0) OnSlaTaskStarted(state, run, task, position);
  const auto& limit = run.graph->dag->tasks[static_cast<std::size_t>(task)].total_timeout;
  if (!limit) return;
  Arm(state, run,
      {.at = state.now + *limit,
       .kind = TimerKind::kTotalTimeout,
       .task = task,
       .position = position});
}

void OnTotalTimeout(EngineState& state, LiveRun& run, int task, int position) {
  TaskInstanceRow& row = RowOf(run, task, position);
  if (!Overdue(run, task, row, state.now) || run.row.stopping) return;
  if (row.attempt.valid()) return OrderKill(state, row.attempt, "total_timeout");
  if (row.state != TaskState::kScheduled && row.state != TaskState::kDeferred) return;
  ForgetPokes(state, run, task, position);
  row.failure = FailureJson(TotalTimeout(run, task));
  const bool waits = row.state == TaskState::kScheduled;
  Move(state, run, task, position,
       waits ? TaskTrigger::kQueueTimeout : TaskTrigger::kSensorTimeout);
  AfterFinalFailure(state, run, task);
}

std::string FailureJson(const TryFailure& failure) {
  json text = {{"kind", failure.kind}, {"message", failure.message}};
  if (failure.exit_code >= 0) text["exit_code"] = failure.exit_code;
  if (failure.signal != 0) text["signal"] = failure.signal;
  return text.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string DefinitionFailure(const Error& error) {
  const std::string hint = error.hint.empty() ? "" : "; " + error.hint;
  return FailureJson({"failed", "definition", error.message + hint});
}

void FailTry(EngineState& state, LiveRun& run, int task, int position, const TryFailure& failure) {
  const Task& definition = run.graph->dag->tasks[static_cast<std::size_t>(task)];
  TaskInstanceRow& row = RowOf(run, task, position);
  row.failure = FailureJson(failure);
  row.cycle_failures += 1;
  const FailureFacts facts{failure.outcome, failure.kind, failure.exit_code, failure.signal};
  const RetryVerdict verdict =
      DecideRetry(definition.retry, facts, row.cycle_failures, row.internal_failures);
  if (failure.kind == "internal") row.internal_failures += 1;
  const std::string map_path = std::to_string(row.map_index);
  const RetryKey key{run.row.dag_id, row.task_id,    run.row.run_id,
                     map_path,       row.try_number, row.attempt.value};
  const Instant due = state.now + RetryDelay(definition.retry, row.cycle_failures, key);
  // A retry that total_timeout would end before it starts is not waited for.
  if (verdict != RetryVerdict::kRetry || Overdue(run, task, row, due)) {
    Move(state, run, task, position, TaskTrigger::kFailedFinal);
    return AfterFinalFailure(state, run, task);
  }
  row.due_at = due;
  row.losses = 0;
  Arm(state, run,
      {.at = *row.due_at, .kind = TimerKind::kInstanceDue, .task = task, .position = position});
  Move(state, run, task, position, TaskTrigger::kFailedRetry);
}

void OnInstanceDue(EngineState& state, LiveRun& run, int task, int position) {
  TaskInstanceRow& row = RowOf(run, task, position);
  if (!row.due_at || *row.due_at > state.now || run.row.stopping) return;
  const TaskKind kind = run.graph->dag->tasks[static_cast<std::size_t>(task)].kind;
  if (row.state == TaskState::kUpForRetry) {
    row.due_at.reset();
    Move(state, run, task, position, TaskTrigger::kGatesPass);
    if (kind == TaskKind::kSensor) return StartSensor(state, run, task, position);
    AddReady(state, run, task, position);
  } else if (row.state == TaskState::kScheduled) {
    row.due_at.reset();
    Touch(state, run, task, position);
    AddReady(state, run, task, position);
  }
}

void OrderKill(EngineState& state, AttemptId attempt, std::string_view reason) {
  const auto it = state.attempts.find(attempt);
  if (it == state.attempts.end() || it->second.row.state == AttemptState::kEnded) return;
  OpenAttempt& open = it->second;
  if (open.row.state != AttemptState::kKilling) {
    open.row.state = AttemptState::kKilling;
    open.row.kill_reason = reason;
    Touch(state, open);
  }
  state.step->commands.emplace_back(
      command::KillAttempt{open.row.worker, attempt, open.row.kill_reason});
}

void OnAttemptStarted(EngineState& state, const event::AttemptStarted& event) {
  OpenAttempt* attempt =
      Validate(state, event.attempt, event.epoch, event.incarnation, "start of an attempt");
  if (attempt == nullptr || attempt->row.started_at) return;  // unknown, or told before
  attempt->row.started_at = event.at;
  if (attempt->row.state == AttemptState::kDispatched) {
    attempt->row.state = AttemptState::kRunning;
  }
  Touch(state, *attempt);
  for (const AttemptTarget& target : attempt->targets) {
    const std::optional<InstanceRef> at = Locate(state, target);
    if (at) EnsureStarted(state, *state.FindRun(at->run), at->task, at->position, event.at);
  }
}

void OnAttemptFinished(EngineState& state, const AttemptReport& report) {
  OpenAttempt* attempt =
      Validate(state, report.id, report.epoch, report.incarnation, "result of an attempt");
  if (attempt == nullptr) return;
  // What a dead worker left behind, found dead only now.
  const auto worker = state.workers.find(attempt->row.worker);
  const bool orphan = std::holds_alternative<outcome::Lost>(report.outcome) &&
                      worker != state.workers.end() &&
                      worker->second.incarnation != attempt->row.incarnation;
  if (orphan) AlertWorkerLost(state, {report.id});
  EndAttempt(state, *attempt, report);
}

void OnWorkerUp(EngineState& state, const event::WorkerUp& event) {
  LiveWorker& worker = state.workers[event.name];
  if (worker.connected) AskPokesAgain(state);  // it dialled again before its line was seen to drop
  worker.name = event.name;
  worker.incarnation = event.incarnation;
  worker.connected = true;
  worker.places = std::max(event.slots, 1);
  for (const AttemptReport& report : event.results) OnAttemptFinished(state, report);
  std::map<Incarnation, std::vector<AttemptId>> gone;
  for (const event::LostAttempt& lost : event.lost) {
    if (OpenOn(state, event.name, lost.attempt)) {
      gone[state.attempts.at(lost.attempt).row.incarnation].push_back(lost.attempt);
    }
  }
  for (const auto& [incarnation, attempts] : gone) AlertWorkerLost(state, attempts);
  for (const event::LostAttempt& lost : event.lost) {
    const auto it = state.attempts.find(lost.attempt);
    if (!OpenOn(state, event.name, lost.attempt)) continue;
    AttemptReport report;
    report.id = lost.attempt;
    report.outcome = outcome::Lost{lost.cause};
    report.ended_at = state.now;
    EndAttempt(state, it->second, report);
  }
  for (const AttemptId held : event.open) {
    if (!OpenOn(state, event.name, held)) {
      state.step->commands.emplace_back(command::KillAttempt{event.name, held, "not wanted"});
    }
  }
  for (auto& [id, attempt] : state.attempts) {
    if (attempt.row.worker != event.name || attempt.row.state == AttemptState::kEnded) continue;
    const bool held = std::find(event.open.begin(), event.open.end(), id) != event.open.end();
    if (!held) {
      ForgetUnstarted(state, attempt);
    } else if (attempt.row.state == AttemptState::kKilling) {
      OrderKill(state, id, attempt.row.kill_reason);
    }
  }
}

void OnWorkerDown(EngineState& state, const event::WorkerDown& event) {
  const auto it = state.workers.find(event.name);
  if (it == state.workers.end() || it->second.incarnation != event.incarnation) return;
  it->second.connected = false;
  AskPokesAgain(state);
}

}  // namespace nightmill
