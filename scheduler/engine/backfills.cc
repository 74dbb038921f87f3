#include "scheduler/engine/backfills.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base/check.h"
#include "scheduler/engine/alerts.h"
#include "scheduler/engine/graph.h"
#include "scheduler/engine/record.h"
#include "scheduler/engine/runs.h"

namespace nightmill {
namespace {

struct Planned {
  Slot slot;
  BackfillPreviewRow preview;
  RunKey existing;
};

bool Claimed(const EngineState& state, const std::string& dag_id, Instant logical_date) {
  for (const auto& [id, backfill] : state.backfills) {
    if (backfill.row.dag_id != dag_id) continue;
    const auto seq = backfill.by_date.find(logical_date);
    if (seq == backfill.by_date.end()) continue;
    const BackfillSlotRow& slot = backfill.slots[static_cast<std::size_t>(seq->second)];
    if (slot.state == "planned" || slot.state == "created") return true;
  }
  return false;
}

using RunsByDate = std::map<Instant, const DagRunRow*>;

// Runs of the DAG by logical date: stored ones, and over them those that are queued or running.
RunsByDate Existing(const EngineState& state, const LiveDag& dag,
                    const std::vector<DagRunRow>& stored) {
  RunsByDate runs;
  for (const DagRunRow& row : stored) {
    if (row.logical_date) runs[*row.logical_date] = &row;
  }
  for (const auto& [id, key] : dag.live_by_id) {
    const DagRunRow& row = state.FindRun(key)->row;
    if (row.logical_date) runs[*row.logical_date] = &row;
  }
  return runs;
}

// Verdict of one slot (semantics.md 10, preview table).
Planned JudgeSlot(const EngineState& state, const std::string& dag_id, const RunsByDate& runs,
                  ReprocessBehavior reprocess, const Slot& slot) {
  Planned planned{slot, {slot.logical_date(), slot.interval, "skip", "", ""}, {}};
  BackfillPreviewRow& row = planned.preview;
  const auto existing = runs.find(slot.logical_date());
  if (existing != runs.end()) row.existing_run_id = existing->second->run_id;
  if (existing != runs.end() && !IsFinished(existing->second->state)) {
    row.reason = "in_flight";
  } else if (Claimed(state, dag_id, slot.logical_date())) {
    row.reason = "claimed";
  } else if (slot.interval.end > state.now) {
    row.reason = "not_ended";
  } else if (existing != runs.end()) {
    planned.existing = existing->second->run;
    const bool failed = existing->second->state == RunState::kFailed;
    const bool again = reprocess == ReprocessBehavior::kCompleted ||
                       (reprocess == ReprocessBehavior::kFailed && failed);
    if (again) {
      row.verdict = "rerun";
    } else {
      row.reason = failed ? "already_failed" : "already_success";
    }
  } else {
    row.verdict = "create";
  }
  return planned;
}

// What schedules know (core/schedule/cron.h).
constexpr Instant kFirstDate{};
constexpr Instant kEndOfDates{
    std::chrono::sys_days{std::chrono::year{limits::kLastCronYear + 1} / 1 / 1}};

Result<std::vector<Planned>> Plan(const EngineState& state, const LiveDag& dag,
                                  const event::CreateBackfill& wanted) {
  const auto& timetable = dag.newest->dag->timetable;
  if (timetable == nullptr || !timetable->periodic()) {
    return Invalid(fmt::format("{} has no periodic schedule", dag.row.dag_id),
                   "a backfill runs the slots of a schedule: add one, or trigger runs by hand");
  }
  NM_ASSIGN_OR_RETURN(const Instant from, timetable->ResolveFrom(wanted.from));
  NM_ASSIGN_OR_RETURN(const Instant to, timetable->ResolveTo(wanted.to));
  if (from > to) {
    return Invalid(fmt::format("from {} is after to {}", wanted.from, wanted.to));
  }
  if (from < kFirstDate || to >= kEndOfDates) {
    return Invalid(fmt::format("{} .. {} is not within 1970 .. {}", wanted.from, wanted.to,
                               limits::kLastCronYear));
  }
  if (wanted.max_active_runs < 1 || wanted.max_active_runs > limits::kMaxBackfillActiveRuns) {
    return Invalid(fmt::format("max_active_runs {} is not within 1..{}", wanted.max_active_runs,
                               limits::kMaxBackfillActiveRuns));
  }
  const std::size_t max = limits::kMaxBackfillSlots;
  const std::vector<Slot> slots = timetable->SlotsBetween(from, to, max);
  if (slots.size() > max) {
    return Invalid(fmt::format("more than {} slots between {} and {}", max, wanted.from, wanted.to),
                   "split the range");
  }
  std::vector<Planned> planned;
  planned.reserve(slots.size());
  const RunsByDate runs = Existing(state, dag, wanted.existing);
  for (const Slot& slot : slots) {
    planned.push_back(JudgeSlot(state, dag.row.dag_id, runs, wanted.reprocess, slot));
  }
  const bool any = std::any_of(planned.begin(), planned.end(),
                               [](const Planned& p) { return p.preview.verdict != "skip"; });
  if (!any && !wanted.dry_run) {
    return Conflict(
        fmt::format("nothing to do: all {} slots would be skipped", planned.size()),
        "see the reasons with --dry-run; --reprocess-behavior completed runs them again");
  }
  if (wanted.run_backwards) std::reverse(planned.begin(), planned.end());
  return planned;
}

BackfillSlotRow SlotRowOf(BackfillId id, int seq, const Planned& planned) {
  BackfillSlotRow row;
  row.backfill = id;
  row.seq = seq;
  row.logical_date = planned.preview.logical_date;
  row.interval = planned.preview.interval;
  row.verdict = planned.preview.verdict;
  row.reason = planned.preview.reason;
  row.state = planned.preview.verdict == "skip" ? "skipped" : "planned";
  row.run = planned.existing;
  return row;
}

void SetSlot(EngineState& state, BackfillSlotRow& slot, std::string_view to) {
  slot.state = to;
  state.step->changes.emplace_back(slot);
}

void SetBackfillState(EngineState& state, LiveBackfill& backfill, BackfillState to) {
  const BackfillState from = backfill.row.state;
  backfill.row.state = to;
  Touch(state, backfill);
  EventRow event;
  event.kind = "backfill.state";
  event.dag_id = backfill.row.dag_id;
  event.data = fmt::format(R"({{"backfill":{},"from":"{}","to":"{}"}})",
                           backfill.row.backfill.value, ToString(from), ToString(to));
  Record(state, std::move(event));
}

void StartSlot(EngineState& state, LiveDag& dag, LiveBackfill& backfill, BackfillSlotRow& slot) {
  if (slot.verdict == "rerun") {
    backfill.open[slot.run] = slot.seq;
    state.step->commands.emplace_back(command::LoadRun{slot.run});
    return;
  }
  NewRun wanted;
  wanted.type = RunType::kBackfill;
  wanted.lane = Lane::kBackfill;
  wanted.logical_date = slot.logical_date;
  wanted.interval = slot.interval;
  wanted.run_after = state.now;
  wanted.run_id = fmt::format("backfill__{}", FormatInstantOffset(slot.logical_date));
  wanted.conf = backfill.row.conf;
  wanted.triggered_by = "backfill";
  wanted.backfill = backfill.row.backfill;
  const LiveRun& run = CreateRun(state, dag, std::move(wanted));
  slot.run = run.row.run;
  backfill.open[slot.run] = slot.seq;
  SetSlot(state, slot, "created");
}

// T17 for all instances at once: a new cycle, in which tries go on counting. What never had a try
// leaves nothing behind.
void ClearInstances(EngineState& state, LiveRun& run, const std::vector<TaskInstanceRow>& tasks) {
  for (const TaskInstanceRow& task : tasks) {
    if (task.try_number == 0) {
      state.step->changes.emplace_back(EraseTaskInstance{task.run, task.task_id, task.map_index});
      continue;
    }
    const std::pair instance{task.task_id, task.map_index};
    run.past_tries[instance] = task.try_number;
    RecordPast(state, run, instance, TaskState::kNone);
  }
}

void CompleteIfDone(EngineState& state, LiveBackfill& backfill) {
  const bool active = backfill.row.state == BackfillState::kActive;
  if (!active || !backfill.open.empty() || backfill.next < backfill.slots.size()) return;
  const bool failed =
      std::any_of(backfill.slots.begin(), backfill.slots.end(),
                  [](const BackfillSlotRow& slot) { return slot.run_state == "failed"; });
  backfill.row.outcome = failed ? "failed" : "success";
  backfill.row.ended_at = state.now;
  SetBackfillState(state, backfill, BackfillState::kCompleted);
  AlertBackfill(state, backfill);
}

// Runs whose stored rows were asked for are given up; their slots are planned again. A late answer
// finds nobody waiting.
void DropLoads(EngineState& state, LiveBackfill& backfill) {
  std::erase_if(backfill.open, [&](const auto& open) {
    const auto seq = static_cast<std::size_t>(open.second);
    const bool loading = state.FindRun(open.first) == nullptr;
    if (loading) backfill.next = std::min(backfill.next, seq);
    return loading;
  });
}

void Cancel(EngineState& state, LiveBackfill& backfill) {
  DropLoads(state, backfill);
  for (BackfillSlotRow& slot : backfill.slots) {
    if (slot.state == "planned") SetSlot(state, slot, "cancelled");
  }
  backfill.next = backfill.slots.size();
  backfill.row.ended_at = state.now;
  SetBackfillState(state, backfill, BackfillState::kCancelled);
  // Graceful: what runs may end, what still waits does not start (semantics.md 10).
  std::vector<RunKey> waiting;
  for (const auto& [key, seq] : backfill.open) {
    const LiveRun* run = state.FindRun(key);
    if (run != nullptr && run->row.state == RunState::kQueued) waiting.push_back(key);
  }
  for (const RunKey key : waiting) {
    EndQueuedRun(state, *state.FindRun(key), RunReason::kCancelled);
  }
}

}  // namespace

void OnCreateBackfill(EngineState& state, const event::CreateBackfill& event) {
  const auto it = state.dags.find(event.dag_id);
  if (it == state.dags.end()) {
    return Answer(
        state, event.request,
        NotFound(fmt::format("no DAG \"{}\"", event.dag_id), "nightmill dag list shows the DAGs"));
  }
  Result<std::vector<Planned>> planned = Plan(state, it->second, event);
  if (!planned.ok()) return Answer(state, event.request, std::move(planned).error());
  BackfillReply reply;
  const auto& timetable = it->second.newest->dag->timetable;
  BackfillRow& row = reply.backfill;
  row.dag_id = event.dag_id;
  row.from = *timetable->ResolveFrom(event.from);
  row.to = *timetable->ResolveTo(event.to);
  row.reprocess = event.reprocess;
  row.max_active_runs = event.max_active_runs;
  row.run_backwards = event.run_backwards;
  row.conf = event.conf;
  row.created_at = state.now;
  for (const Planned& slot : *planned) reply.rows.push_back(slot.preview);
  if (!event.dry_run) {
    state.last_backfill.value += 1;
    row.backfill = state.last_backfill;
    LiveBackfill& backfill = state.backfills[row.backfill];
    backfill.row = row;
    for (std::size_t i = 0; i < planned->size(); ++i) {
      backfill.slots.push_back(SlotRowOf(row.backfill, static_cast<int>(i), (*planned)[i]));
      backfill.by_date[backfill.slots.back().logical_date] = static_cast<int>(i);
      state.step->changes.emplace_back(backfill.slots.back());
    }
    SetBackfillState(state, backfill, BackfillState::kActive);
    state.advance.insert(row.backfill);
  }
  Answer(state, event.request, command::ReplyBody{std::move(reply)});
}

void OnControlBackfill(EngineState& state, const event::ControlBackfill& event) {
  const auto it = state.backfills.find(event.backfill);
  if (it == state.backfills.end()) {
    return Answer(state, event.request,
                  Conflict(fmt::format("backfill {} is not active", event.backfill.value)));
  }
  LiveBackfill& backfill = it->second;
  const BackfillState at = backfill.row.state;
  switch (event.action) {
    case event::BackfillAction::kPause:
      if (at == BackfillState::kActive) {
        DropLoads(state, backfill);
        SetBackfillState(state, backfill, BackfillState::kPaused);
      }
      break;
    case event::BackfillAction::kUnpause:
      if (at == BackfillState::kPaused) SetBackfillState(state, backfill, BackfillState::kActive);
      break;
    case event::BackfillAction::kCancel:
      if (at != BackfillState::kCancelled) Cancel(state, backfill);
      break;
  }
  state.advance.insert(event.backfill);
  state.admit.insert(backfill.row.dag_id);
  Answer(state, event.request, command::ReplyBody{BackfillReply{backfill.row, {}}});
}

void AdvanceBackfills(EngineState& state) {
  for (const BackfillId id : std::exchange(state.advance, {})) {
    const auto it = state.backfills.find(id);
    if (it == state.backfills.end()) continue;
    LiveBackfill& backfill = it->second;
    LiveDag& dag = state.dags.find(backfill.row.dag_id)->second;
    while (backfill.row.state == BackfillState::kActive && !dag.row.paused &&
           backfill.next < backfill.slots.size() &&
           static_cast<int>(backfill.open.size()) < backfill.row.max_active_runs) {
      BackfillSlotRow& slot = backfill.slots[backfill.next++];
      if (slot.state == "planned") StartSlot(state, dag, backfill, slot);
    }
    CompleteIfDone(state, backfill);
  }
}

bool HeldByBackfill(const EngineState& state, const LiveRun& run) {
  const auto it = state.backfills.find(run.row.backfill);
  return it != state.backfills.end() && it->second.row.state == BackfillState::kPaused;
}

void YieldSlots(EngineState& state, const std::string& dag_id, Instant logical_date) {
  for (auto& [id, backfill] : state.backfills) {
    if (backfill.row.dag_id != dag_id) continue;
    const auto seq = backfill.by_date.find(logical_date);
    if (seq == backfill.by_date.end()) continue;
    BackfillSlotRow& slot = backfill.slots[static_cast<std::size_t>(seq->second)];
    if (slot.state != "planned") continue;
    slot.verdict = "skip";
    slot.reason = "in_flight";
    SetSlot(state, slot, "skipped");
    state.advance.insert(id);
  }
}

void OnBackfillRunEnded(EngineState& state, const LiveRun& run) {
  const auto it = state.backfills.find(run.row.backfill);
  if (it == state.backfills.end()) return;
  LiveBackfill& backfill = it->second;
  const auto open = backfill.open.find(run.row.run);
  if (open == backfill.open.end()) return;
  BackfillSlotRow& slot = backfill.slots[static_cast<std::size_t>(open->second)];
  slot.run_state = ToString(run.row.state);
  SetSlot(state, slot, "done");
  backfill.open.erase(open);
  Touch(state, backfill);
  state.advance.insert(run.row.backfill);
}

void OnRunLoaded(EngineState& state, const event::RunLoaded& event) {
  for (auto& [id, backfill] : state.backfills) {
    const auto open = backfill.open.find(event.run.run);
    if (open == backfill.open.end() || state.FindRun(event.run.run) != nullptr) continue;
    BackfillSlotRow& slot = backfill.slots[static_cast<std::size_t>(open->second)];
    LiveDag& dag = state.dags.find(backfill.row.dag_id)->second;
    auto owned = std::make_unique<LiveRun>();
    LiveRun& run = *owned;
    run.row = event.run;
    state.runs.emplace(run.row.run, std::move(owned));
    // R7: the same run again, run_id and type stay; lane and backfill hold for the new cycle.
    ClearInstances(state, run, event.tasks);
    run.row.state = *Next(run.row.state, RunTrigger::kCleared);
    run.row.reason = RunReason::kNone;
    run.row.lane = Lane::kBackfill;
    run.row.backfill = id;
    run.row.clear_number += 1;
    run.row.queued_at = state.now;
    run.row.run_after = state.now;
    run.row.version = 0;  // the newest, when it starts
    run.row.started_at.reset();
    run.row.ended_at.reset();
    run.row.hidden_failures = 0;
    if (backfill.row.conf != "{}") run.row.conf = backfill.row.conf;
    Touch(state, run);
    RecordRun(state, run, "run.cleared", fmt::format(R"({{"backfill":{}}})", id.value));
    Enqueue(state, dag, run);
    SetSlot(state, slot, "created");
    return;
  }
}

}  // namespace nightmill
