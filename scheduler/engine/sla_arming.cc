// Which entries are armed for which slots, runs and tasks (semantics.md 9).
#include <algorithm>
#include <utility>

#include "core/rules/deadline.h"
#include "scheduler/engine/alerts.h"
#include "scheduler/engine/sla_outlook.h"
#include "scheduler/engine/sla_rows.h"
#include "scheduler/engine/slas.h"

namespace nightmill {
namespace {

constexpr std::chrono::microseconds kMicro{1};
// Slots of a paused DAG that one look arms at most, as many as a DAG that was off lists.
constexpr int kMaxPausedSlots = limits::kDefaultCatchupLimit;

bool ArmedBySlot(const SlaSpec& spec) {
  return spec.kind == SlaKind::kDeadline ||
         (spec.kind == SlaKind::kWithin &&
          (spec.from == SlaFrom::kLogical || spec.from == SlaFrom::kIntervalEnd));
}
bool ArmedByRun(const SlaSpec& spec) {
  return spec.kind == SlaKind::kWithin && spec.from == SlaFrom::kQueued;
}
bool ArmedByStart(const SlaSpec& spec) {
  return spec.kind == SlaKind::kDuration ||
         (spec.kind == SlaKind::kWithin && spec.from == SlaFrom::kStart);
}

// The row, if the entry can be armed with what is known; `armed` unless due is past already and
// nobody is to be told of that.
LiveSla* Arm(EngineState& state, LiveDag& dag, const SlaEntry& entry, Instant slot,
             const SlaFacts& facts, const LiveRun* run) {
  const std::optional<SlaTiming> timing = TimeSla(*entry.spec, facts);
  DagSlas& slas = SlasOf(dag);
  const SlaKey key{entry.spec->name, slot};
  if (!timing || slas.rows.contains(key)) return nullptr;
  LiveSla& sla = slas.rows[key];
  SlaRow& row = sla.row;
  row.dag_id = dag.row.dag_id;
  row.name = entry.spec->name;
  row.slot = slot;
  row.task_id = entry.spec->task;
  row.severity = entry.spec->severity;
  row.reference = timing->reference;
  row.warn_at = timing->warn;
  row.due_at = timing->due;
  if (run != nullptr) {
    row.run = run->row.run;
    sla.run_id = run->row.run_id;
    slas.stirred.insert(row.run);
  }
  Reindex(state, dag, sla);
  const bool of_slot = run == nullptr || run->row.type == RunType::kScheduled;
  if (timing->due <= state.now && !of_slot) MoveSla(state, dag, sla, SlaTrigger::kWithdrawn);
  return &sla;
}

// The planned start of a run: its tick, for those that stand for a slot.
Instant PlannedOf(const LiveDag& dag, const DagRunRow& run) {
  const auto& timetable = dag.newest->dag->timetable;
  const bool of_slot = run.type == RunType::kScheduled || run.type == RunType::kBackfill;
  if (!of_slot || timetable == nullptr || !run.logical_date) return run.run_after;
  const std::optional<Slot> slot = timetable->SlotAt(*run.logical_date);
  return slot ? slot->tick : run.run_after;
}

SlaFacts FactsOf(const LiveDag& dag, const SlaEntry& entry, const DagRunRow& run) {
  SlaFacts facts;
  facts.planned = PlannedOf(dag, run);
  facts.logical = run.logical_date;
  if (run.interval) facts.interval_end = run.interval->end;
  facts.queued = run.queued_at;
  facts.started = run.started_at;
  facts.average = AverageFor(*dag.slas, entry);
  return facts;
}

bool ForRun(const SlaSpec& spec, const DagRunRow& run) {
  const bool backfill = run.lane == Lane::kBackfill || run.type == RunType::kBackfill;
  return !backfill || spec.backfill;
}

// A later cycle of a run or a task: when it began, and the how manyth it is.
struct Cycle {
  Instant at;
  int number = 0;
};

// Slot of an entry that a run arms. Runs with a logical date have it to themselves; those without
// one take the instant of their queueing, and later cycles that of their beginning. Runs and cycles
// of one instant are told apart by their numbers: no row is ever made twice, whatever has left
// memory.
Instant SlotOf(const DagRunRow& run, const std::optional<Cycle>& cycle) {
  if (!cycle && run.logical_date) return *run.logical_date;
  const Instant at = cycle ? cycle->at : run.queued_at;
  return at + (run.run.value % 100 * 10 + (cycle ? cycle->number : 0) % 10) * kMicro;
}

// An entry that counts from a start. A clear begins a new duration in place of the old one, and
// nothing else.
void ArmAtStart(EngineState& state, LiveDag& dag, const SlaEntry& entry, const LiveRun& run,
                const std::optional<Cycle>& cycle) {
  if (!ArmedByStart(*entry.spec) || !ForRun(*entry.spec, run.row)) return;
  if (cycle && entry.spec->kind != SlaKind::kDuration) return;
  for (const SlaKey& key : RowsOf(SlasOf(dag), run.row.run)) {
    LiveSla& old = SlasOf(dag).rows.at(key);
    const bool replaced = key.name == entry.spec->name && old.row.state == SlaState::kArmed;
    if (cycle && replaced) MoveSla(state, dag, old, SlaTrigger::kWithdrawn);
  }
  SlaFacts facts = FactsOf(dag, entry, run.row);
  facts.started = state.now;
  Arm(state, dag, entry, SlotOf(run.row, cycle), facts, &run);
}

}  // namespace

void ArmStale(EngineState& state, LiveDag& dag, const SlaEntry& entry, Instant reference) {
  SlaFacts facts;
  facts.landed = reference;
  Arm(state, dag, entry, reference, facts, nullptr);
}

std::optional<Instant> ArmWhilePaused(EngineState& state, LiveDag& dag) {
  const auto& timetable = dag.newest->dag->timetable;
  const std::vector<SlaEntry>& entries = dag.newest->slas;
  const bool any = std::any_of(entries.begin(), entries.end(), [](const SlaEntry& entry) {
    return entry.spec->while_paused && ArmedBySlot(*entry.spec);
  });
  if (!dag.row.paused || timetable == nullptr || !any) return std::nullopt;
  const Instant decided = dag.row.last_tick.value_or(Instant::min());
  std::vector<Slot> open;
  std::optional<Slot> slot = timetable->PrevSlot(state.now);
  std::optional<Slot> next = timetable->NextSlot(state.now);
  if (slot && slot->run_after > state.now) {  // its jitter is not over
    next = slot;
    slot = timetable->PrevSlot(slot->tick - kMicro);
  }
  for (; slot && slot->tick > decided && slot->run_after > dag.row.enabled_at &&
         open.size() < kMaxPausedSlots;
       slot = timetable->PrevSlot(slot->tick - kMicro)) {
    open.push_back(*slot);
  }
  for (const SlaEntry& entry : entries) {
    if (!entry.spec->while_paused || !ArmedBySlot(*entry.spec)) continue;
    // Newest first, up to the one that is there already.
    for (const Slot& at : open) {
      if (SlasOf(dag).rows.contains({entry.spec->name, at.logical_date()})) break;
      const SlaFacts facts{at.tick, at.logical_date(), at.interval.end, {}, {}, {}, {}};
      LiveSla* sla = Arm(state, dag, entry, at.logical_date(), facts, nullptr);
      if (sla != nullptr) sla->reason = "dag_paused";
    }
  }
  return next ? std::optional(next->run_after) : std::nullopt;
}

void ArmRun(EngineState& state, LiveDag& dag, LiveRun& run) {
  run.watch = WatchOf(state, dag);
  if (dag.slas == nullptr) return;
  Unlearn(dag, run.row.run);
  for (const SlaEntry& entry : dag.newest->slas) {
    if (!ArmedBySlot(*entry.spec) && !ArmedByRun(*entry.spec)) continue;
    if (run.row.logical_date) {
      // Its slot may have been armed without it: skipped, or while the DAG was paused.
      const auto it = SlasOf(dag).rows.find({entry.spec->name, *run.row.logical_date});
      if (it != SlasOf(dag).rows.end() && !IsFinished(it->second.row.state)) {
        it->second.row.run = run.row.run;
        it->second.run_id = run.row.run_id;
        SlasOf(dag).stirred.insert(run.row.run);
        Reindex(state, dag, it->second);
        continue;
      }
    }
    if (run.row.clear_number > 0 || !ForRun(*entry.spec, run.row)) continue;
    Arm(state, dag, entry, SlotOf(run.row, {}), FactsOf(dag, entry, run.row), &run);
  }
}

void ArmSkipped(EngineState& state, LiveDag& dag, const Slot& slot, std::string_view reason) {
  // A slot whose run is there already, by hand or by a backfill, has been armed with that run.
  if (dag.slas == nullptr || reason == "in_flight" || slot.run_after <= dag.row.enabled_at) return;
  for (const SlaEntry& entry : dag.newest->slas) {
    if (!ArmedBySlot(*entry.spec)) continue;
    const SlaFacts facts{slot.tick, slot.logical_date(), slot.interval.end, {}, {}, {}, {}};
    LiveSla* sla = Arm(state, dag, entry, slot.logical_date(), facts, nullptr);
    if (sla != nullptr) sla->reason = reason;
  }
}

void OnSlaRunStarted(EngineState& state, LiveDag& dag, const LiveRun& run) {
  if (dag.slas == nullptr) return;
  const bool again = run.row.clear_number > 0;
  for (const SlaEntry& entry : dag.newest->slas) {
    if (entry.task >= 0) continue;
    const Cycle cycle{run.row.queued_at, run.row.clear_number};
    ArmAtStart(state, dag, entry, run, again ? std::optional(cycle) : std::nullopt);
  }
  SlasOf(dag).stirred.insert(run.row.run);
  state.sla_due.insert(dag.row.dag_id);
}

void OnSlaTaskStarted(EngineState& state, const LiveRun& run, int task, int position) {
  LiveDag& dag = state.dags.find(run.row.dag_id)->second;
  if (dag.slas == nullptr) return;
  const TaskNode& node = run.nodes[static_cast<std::size_t>(task)];
  const std::string& id = run.graph->dag->tasks[static_cast<std::size_t>(task)].id;
  for (const SlaEntry& entry : dag.newest->slas) {
    if (entry.spec->task != id || !ArmedByStart(*entry.spec)) continue;
    // The first instance of a map begins for all of them.
    bool first = true;
    for (std::size_t i = 0; i < node.instances.size() && first; ++i) {
      first = static_cast<int>(i) == position || !node.instances[i].row.cycle_started_at;
    }
    if (!first) continue;
    const int tries = node.instances[static_cast<std::size_t>(position)].row.try_number;
    const bool again = run.row.clear_number > 0 || tries > 1;
    const Cycle cycle{state.now, tries};
    ArmAtStart(state, dag, entry, run, again ? std::optional(cycle) : std::nullopt);
  }
}

void OnSlaClockMoved(EngineState& state, std::chrono::microseconds by) {
  for (auto& [dag_id, dag] : state.dags) {
    if (dag.slas == nullptr) continue;
    for (auto& [key, sla] : SlasOf(dag).rows) {
      const SlaEntry* entry = EntryOf(dag, key.name);
      const bool open = sla.row.state == SlaState::kArmed || sla.row.state == SlaState::kWarned;
      if (entry == nullptr || !open) continue;
      if (ArmedByRun(*entry->spec) || ArmedByStart(*entry->spec)) {
        sla.row.reference += by;
        *sla.row.warn_at += by;
        *sla.row.due_at += by;
      }
      // What its tasks have used of their time is known anew.
      sla.outlook.reset();
      if (sla.row.run.valid()) SlasOf(dag).stirred.insert(sla.row.run);
      Reindex(state, dag, sla);
    }
    state.sla_due.insert(dag_id);
  }
}

}  // namespace nightmill
