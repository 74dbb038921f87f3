#include "scheduler/engine/clock_moved.h"

#include <chrono>
#include <optional>
#include <set>
#include <utility>

#include "scheduler/engine/record.h"
#include "scheduler/engine/slas.h"

namespace nightmill {
namespace {

using Shift = std::chrono::microseconds;

// Instant::min() says "at once" and stays.
Instant Moved(Instant at, Shift by) { return at == Instant::min() ? at : at + by; }

void Move(std::optional<Instant>& at, Shift by) {
  if (at) at = Moved(*at, by);
}

void MoveInstance(EngineState& state, LiveRun& run, int task, int position, Shift by) {
  Instance& instance =
      run.nodes[static_cast<std::size_t>(task)].instances[static_cast<std::size_t>(position)];
  TaskInstanceRow& row = instance.row;
  if (IsFinished(row.state)) return;
  Move(row.scheduled_at, by);
  Move(row.queued_at, by);
  Move(row.started_at, by);
  Move(row.due_at, by);
  Move(row.cycle_started_at, by);
  Move(row.deferred_since, by);
  Move(instance.poke_due, by);
  Touch(state, run, task, position);
}

void MoveRun(EngineState& state, LiveRun& run, Shift by) {
  run.row.queued_at += by;
  Move(run.row.started_at, by);
  Touch(state, run);
  for (std::size_t i = 0; i < run.nodes.size(); ++i) {
    for (std::size_t p = 0; p < run.nodes[i].instances.size(); ++p) {
      MoveInstance(state, run, static_cast<int>(i), static_cast<int>(p), by);
    }
  }
}

}  // namespace

void OnClockMoved(EngineState& state, const event::ClockMoved& event) {
  for (const auto& [key, run] : state.runs) MoveRun(state, *run, event.by);
  for (auto& [id, attempt] : state.attempts) {
    attempt.row.dispatched_at += event.by;
    Move(attempt.row.started_at, event.by);
    Touch(state, attempt);
  }
  OnSlaClockMoved(state, event.by);
  // Slots and run_after keep to the wall clock, and SLA entries look after themselves.
  state.timers.Update([&](Timer& timer) {
    const bool of_wall = timer.kind == TimerKind::kSlot || timer.kind == TimerKind::kRunAfter ||
                         timer.kind == TimerKind::kSla;
    if (!of_wall) timer.at += event.by;
  });
  std::set<std::pair<Instant, InstanceRef>> due;
  for (const auto& [at, ref] : state.due_pokes) due.insert({Moved(at, event.by), ref});
  state.due_pokes = std::move(due);
}

}  // namespace nightmill
