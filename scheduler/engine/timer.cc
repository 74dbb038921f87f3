#include "scheduler/engine/timer.h"

#include <utility>

#include "scheduler/engine/state.h"

namespace nightmill {

void Arm(EngineState& state, LiveRun& run, Timer timer) {
  timer.run = run.row.run;
  run.timers += 1;
  state.timers.push(std::move(timer));
}

void SweepTimers(EngineState& state) {
  if (2 * state.dead_timers <= static_cast<std::int64_t>(state.timers.size())) return;
  state.timers.EraseIf([&state](const Timer& timer) {
    const bool of_run = timer.kind != TimerKind::kSlot && timer.kind != TimerKind::kSla;
    return of_run && state.FindRun(timer.run) == nullptr;
  });
  state.dead_timers = 0;
}

}  // namespace nightmill
