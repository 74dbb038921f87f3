#include "scheduler/engine/mark.h"

#include <fmt/format.h>

#include <utility>

#include "scheduler/engine/attempts.h"
#include "scheduler/engine/record.h"
#include "scheduler/engine/runs.h"
#include "scheduler/engine/sensors.h"
#include "scheduler/engine/slas.h"
#include "scheduler/engine/transition.h"

namespace nightmill {
namespace {

bool IsBad(TaskState state) {
  return state == TaskState::kFailed || state == TaskState::kUpstreamFailed;
}

// Everything that is not well yet is a success; what runs is ended first. The run ends when the
// last of it has.
void MarkAllSuccess(EngineState& state, LiveRun& run) {
  run.row.reason = RunReason::kMarked;
  Touch(state, run);
  for (std::size_t i = 0; i < run.nodes.size(); ++i) {
    const int task = static_cast<int>(i);
    for (std::size_t p = 0; p < run.nodes[i].instances.size(); ++p) {
      const int position = static_cast<int>(p);
      const TaskInstanceRow& row = run.nodes[i].instances[p].row;
      if (IsFinished(row.state) && !IsBad(row.state)) continue;
      if (row.attempt.valid()) {
        OrderKill(state, row.attempt, "mark");
        continue;
      }
      ForgetPokes(state, run, task, position);
      Move(state, run, task, position, TaskTrigger::kMarkSuccess);
    }
  }
  state.unsettled.insert(run.row.run);
}

Status MarkLive(EngineState& state, LiveRun& run, RunState wanted) {
  if (run.row.state == RunState::kQueued) {
    if (wanted == RunState::kSuccess) {
      return Conflict(fmt::format("run {} of {} has not begun", run.row.run_id, run.row.dag_id),
                      "cancel it, or wait until it runs");
    }
    EndQueuedRun(state, run, RunReason::kMarked);
  } else if (wanted == RunState::kFailed) {
    StopRun(state, run, RunReason::kMarked);
  } else if (run.row.stopping) {
    return Conflict(fmt::format("run {} of {} is being stopped", run.row.run_id, run.row.dag_id));
  } else {
    MarkAllSuccess(state, run);
  }
  return Ok();
}

void RecordMark(EngineState& state, const DagRunRow& run, RunState from) {
  EventRow event;
  event.kind = "run.state";
  event.dag_id = run.dag_id;
  event.run = run.run;
  event.data = fmt::format(R"({{"from":"{}","to":"{}","reason":"{}"}})", ToString(from),
                           ToString(run.state), ToString(run.reason));
  Record(state, std::move(event));
}

// R8: no task runs again, so nothing has to be in memory.
void MarkFinished(EngineState& state, const event::LoadedRun& stored, RunState wanted,
                  DagRunRow& run) {
  const RunState from = run.state;
  if (from == wanted) return;
  run.state = *Next(
      from, wanted == RunState::kSuccess ? RunTrigger::kMarkSuccess : RunTrigger::kMarkFailed);
  run.reason = RunReason::kMarked;
  run.hidden_failures = 0;
  for (TaskInstanceRow row : stored.tasks) {
    if (wanted != RunState::kSuccess || !IsBad(row.state)) continue;
    row.state = TaskState::kSuccess;
    state.step->changes.emplace_back(std::move(row));
  }
  RecordMark(state, run, from);
  OnRunMarked(state, run);
}

void RecordNote(EngineState& state, const DagRunRow& run) {
  EventRow event;
  event.kind = "run.note";
  event.dag_id = run.dag_id;
  event.run = run.run;
  Record(state, std::move(event));
}

}  // namespace

void OnMarkRun(EngineState& state, const event::MarkRun& event) {
  if (LiveRun* live = FindLiveRun(state, event.dag_id, event.run_id)) {
    if (event.state) {
      const Status marked = MarkLive(state, *live, *event.state);
      if (!marked.ok()) return Answer(state, event.request, marked.error());
    }
    if (event.note) {
      live->row.note = *event.note;
      Touch(state, *live);
      RecordNote(state, live->row);
    }
    return Answer(state, event.request, command::ReplyBody{live->row});
  }
  for (const RunKey key : state.finished_runs) {
    const DagRunRow& ended = state.FindRun(key)->row;
    if (ended.dag_id == event.dag_id && ended.run_id == event.run_id) {
      return Answer(state, event.request, ChangedMeanwhile(ended));
    }
  }
  if (!event.finished) {
    return Answer(state, event.request,
                  NotFound(fmt::format("no run \"{}\" of DAG \"{}\"", event.run_id, event.dag_id)));
  }
  DagRunRow run = event.finished->run;
  if (IsOutdated(state, run.run)) return Answer(state, event.request, ChangedMeanwhile(run));
  if (event.state) MarkFinished(state, *event.finished, *event.state, run);
  if (event.note) {
    run.note = *event.note;
    RecordNote(state, run);
  }
  state.step->changes.emplace_back(run);
  Answer(state, event.request, command::ReplyBody{std::move(run)});
}

}  // namespace nightmill
