#include "scheduler/engine/engine.h"

#include <algorithm>
#include <utility>

#include "core/base/check.h"
#include "core/base/overloaded.h"
#include "scheduler/engine/attempts.h"
#include "scheduler/engine/backfills.h"
#include "scheduler/engine/clear.h"
#include "scheduler/engine/clock_moved.h"
#include "scheduler/engine/dags.h"
#include "scheduler/engine/mark.h"
#include "scheduler/engine/outbox.h"
#include "scheduler/engine/placement.h"
#include "scheduler/engine/readiness.h"
#include "scheduler/engine/record.h"
#include "scheduler/engine/restore.h"
#include "scheduler/engine/runs.h"
#include "scheduler/engine/sensors.h"
#include "scheduler/engine/slas.h"
#include "scheduler/engine/state.h"
#include "scheduler/engine/transition.h"

namespace nightmill {
namespace {

void Handle(EngineState& state, const Event& event) {
  std::visit(Overloaded{
                 [&](const event::ApplyDag& e) { OnApplyDag(state, e); },
                 [&](const event::SetDagPaused& e) { OnSetDagPaused(state, e); },
                 [&](const event::TriggerRun& e) { OnTriggerRun(state, e); },
                 [&](const event::CancelRun& e) { OnCancelRun(state, e); },
                 [&](const event::CreateBackfill& e) { OnCreateBackfill(state, e); },
                 [&](const event::ControlBackfill& e) { OnControlBackfill(state, e); },
                 [&](const event::PutPool& e) { OnPutPool(state, e); },
                 [&](const event::DeletePool& e) { OnDeletePool(state, e); },
                 [&](const event::MarkRun& e) { OnMarkRun(state, e); },
                 [&](const event::ClearTasks& e) { OnClearTasks(state, e); },
                 [&](const event::PostAlert& e) { OnPostAlert(state, e); },
                 [&](const event::Redeliver& e) { OnRedeliver(state, e); },
                 [&](const event::WorkerUp& e) { OnWorkerUp(state, e); },
                 [&](const event::WorkerDown& e) { OnWorkerDown(state, e); },
                 [&](const event::AttemptStarted& e) { OnAttemptStarted(state, e); },
                 [&](const event::AttemptFinished& e) { OnAttemptFinished(state, e.report); },
                 [&](const event::PokeFinished& e) { OnPokeFinished(state, e); },
                 [&](const event::RunLoaded& e) { OnRunLoaded(state, e); },
                 [&](const event::ClockMoved& e) { OnClockMoved(state, e); },
                 [&](const event::StopDispatch& e) {
                   state.stopped = e.stopped;
                   state.stop_reason = e.reason;
                 },
             },
             event);
}

void OnQueueTimeout(EngineState& state, LiveRun& run, const Timer& timer) {
  const Task& task = run.graph->dag->tasks[static_cast<std::size_t>(timer.task)];
  TaskInstanceRow& row = run.nodes[static_cast<std::size_t>(timer.task)]
                             .instances[static_cast<std::size_t>(timer.position)]
                             .row;
  const bool waiting = row.state == TaskState::kScheduled && row.scheduled_at &&
                       *row.scheduled_at + *task.queue_timeout <= state.now;
  if (!waiting || run.row.stopping) return;
  row.failure =
      FailureJson({"failed", "queue_timeout",
                   "not started within queue_timeout " + FormatDuration(*task.queue_timeout)});
  Move(state, run, timer.task, timer.position, TaskTrigger::kQueueTimeout);
  AfterFinalFailure(state, run, timer.task);
}

// A timer is a hint, never a fact: the run may have been cleared since, with another version and
// other instances. Each handler asks the rows whether its time has come.
void OnInstanceTimer(EngineState& state, LiveRun& run, const Timer& timer) {
  if (run.row.state != RunState::kRunning ||
      static_cast<std::size_t>(timer.task) >= run.nodes.size()) {
    return;
  }
  const TaskNode& node = run.nodes[static_cast<std::size_t>(timer.task)];
  if (static_cast<std::size_t>(timer.position) >= node.instances.size()) return;
  const Task& task = run.graph->dag->tasks[static_cast<std::size_t>(timer.task)];
  if (timer.kind == TimerKind::kInstanceDue) {
    OnInstanceDue(state, run, timer.task, timer.position);
  } else if (timer.kind == TimerKind::kSensorTimeout && task.kind == TaskKind::kSensor) {
    OnSensorTimeout(state, run, timer.task, timer.position);
  } else if (timer.kind == TimerKind::kQueueTimeout && task.queue_timeout) {
    OnQueueTimeout(state, run, timer);
  } else if (timer.kind == TimerKind::kTotalTimeout) {
    OnTotalTimeout(state, run, timer.task, timer.position);
  }
}

void OnRunTimer(EngineState& state, LiveRun& run, const Timer& timer) {
  if (timer.kind == TimerKind::kRunAfter) {
    state.admit.insert(run.row.dag_id);
  } else if (timer.kind == TimerKind::kRunTimeout) {
    const bool over = run.row.state == RunState::kRunning && run.graph->dag->run_timeout &&
                      *run.row.started_at + *run.graph->dag->run_timeout <= state.now;
    if (over) StopRun(state, run, RunReason::kRunTimeout);
  } else if (timer.kind == TimerKind::kQueueExpiry) {
    const Dag& newest = *state.dags.find(run.row.dag_id)->second.newest->dag;
    const bool over = run.row.state == RunState::kQueued && newest.queue_expiry &&
                      run.row.queued_at + *newest.queue_expiry <= state.now;
    if (over) EndQueuedRun(state, run, RunReason::kQueueExpired);
  } else {
    OnInstanceTimer(state, run, timer);
  }
}

void FireTimers(EngineState& state) {
  while (!state.timers.empty() && state.timers.top().at <= state.now) {
    const Timer timer = state.timers.top();
    state.timers.pop();
    if (timer.kind == TimerKind::kSlot) {
      const auto dag = state.dags.find(timer.dag_id);
      if (dag == state.dags.end()) continue;
      if (dag->second.slot_timer == timer.at) dag->second.slot_timer.reset();
      DecideDueSlots(state, dag->second);
    } else if (timer.kind == TimerKind::kSla) {
      OnSlaTimer(state, timer);
    } else if (LiveRun* run = state.FindRun(timer.run)) {
      run->timers -= 1;
      OnRunTimer(state, *run, timer);
    } else {
      state.dead_timers -= 1;
    }
  }
}

std::optional<Instant> WakeAt(const EngineState& state) {
  std::optional<Instant> wake;
  if (!state.timers.empty()) wake = state.timers.top().at;
  // A due poke that could not be sent waits for mail, not for time.
  const auto poke = state.due_pokes.upper_bound({state.now, {RunKey{INT64_MAX}, 0, 0}});
  if (poke != state.due_pokes.end() && (!wake || poke->first < *wake)) wake = poke->first;
  return wake;
}

// A backfill of tasks that never leave the engine ends as fast as it starts. After so many rounds
// the step is committed and the rest follows in the next one, so that mail gets its turn.
constexpr int kMaxRounds = 50;

bool HasConsequences(const EngineState& state) {
  return !state.unsettled.empty() || !state.admit.empty() || !state.advance.empty();
}

void Settle(EngineState& state) {
  SettleRuns(state);
  AdvanceBackfills(state);
  AdmitRuns(state);
}

}  // namespace

Engine::Engine(EngineConfig config) : state_(std::make_unique<EngineState>()) {
  state_->config = std::move(config);
}

Engine::~Engine() = default;

void Engine::Load(const Snapshot& snapshot, const DagLibrary& library) {
  Restore(*state_, snapshot, library);
}

Step Engine::Apply(std::span<const Event> batch, Instant now) {
  EngineState& state = *state_;
  Step step;
  state.step = &step;
  state.now = now;
  // What happened comes before what time alone would do: a condition met at the very instant of
  // its timeout is met (semantics.md 8).
  for (const Event& event : batch) Handle(state, event);
  FireTimers(state);
  // Runs that end free places for queued ones and for slots of backfills, which start new tasks.
  int rounds = 0;
  for (; HasConsequences(state) && rounds < kMaxRounds; ++rounds) Settle(state);
  Place(state);
  SendPokes(state);
  // A task that failed on its templates during placement may have ended its run.
  for (; HasConsequences(state) && rounds < kMaxRounds; ++rounds) {
    Settle(state);
    Place(state);
    SendPokes(state);
  }
  // Time has the last word, when all that has happened by now is known.
  if (!HasConsequences(state)) SettleSlas(state);
  FlushChanges(state);
  for (const RunKey run : std::exchange(state.finished_runs, {})) state.runs.erase(run);
  SweepTimers(state);
  step.wake_at = HasConsequences(state) ? now : WakeAt(state);
  state.step = nullptr;
  return step;
}

std::shared_ptr<const Dag> Engine::FindDag(std::string_view dag_id) const {
  const auto it = state_->dags.find(dag_id);
  return it == state_->dags.end() ? nullptr : it->second.newest->dag;
}

std::vector<Engine::PoolUse> Engine::Pools() const {
  std::map<std::string, PoolUse, std::less<>> uses;
  for (const auto& [name, pool] : state_->pools) uses[name].pool = pool.row;
  for (const auto& [key, run] : state_->runs) {
    if (run->graph == nullptr) continue;
    for (std::size_t i = 0; i < run->nodes.size(); ++i) {
      const Task& task = run->graph->dag->tasks[i];
      if (!UsesWorker(task.kind) && task.kind != TaskKind::kSensor) continue;
      for (const PoolRequest& request : task.pools) {
        const auto use = uses.find(request.name);
        if (use == uses.end()) continue;
        for (const Instance& instance : run->nodes[i].instances) {
          const TaskState at = instance.row.state;
          if (at == TaskState::kRunning) use->second.running_slots += request.slots;
          if (at == TaskState::kQueued) use->second.queued_slots += request.slots;
          if (at == TaskState::kScheduled) use->second.scheduled_slots += request.slots;
          if (at == TaskState::kDeferred) use->second.deferred_slots += request.slots;
        }
      }
    }
  }
  std::vector<PoolUse> list;
  for (auto& [name, use] : uses) list.push_back(std::move(use));
  return list;
}

std::vector<Engine::WorkerUse> Engine::Workers() const {
  std::vector<WorkerUse> list;
  for (const auto& [name, worker] : state_->workers) {
    list.push_back({name, worker.incarnation, worker.connected, worker.places, worker.used});
  }
  return list;
}

bool Engine::MayPublish(AttemptId attempt, Epoch epoch, Incarnation incarnation) const {
  const auto it = state_->attempts.find(attempt);
  if (it == state_->attempts.end()) return false;
  const TaskAttemptRow& row = it->second.row;
  return row.epoch == epoch && row.incarnation == incarnation &&
         (row.state == AttemptState::kDispatched || row.state == AttemptState::kRunning);
}

bool Engine::IsOpen(AttemptId attempt) const { return state_->attempts.contains(attempt); }

std::size_t Engine::live_runs() const { return state_->runs.size(); }

std::size_t Engine::open_attempts() const { return state_->attempts.size(); }

}  // namespace nightmill
