#include "scheduler/engine/slas.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "core/base/check.h"
#include "core/rules/deadline.h"
#include "scheduler/engine/alerts.h"
#include "scheduler/engine/record.h"
#include "scheduler/engine/sla_outlook.h"
#include "scheduler/engine/sla_rows.h"

namespace nightmill {
namespace {

void Warn(EngineState& state, LiveDag& dag, LiveSla& sla, SlaTrigger trigger) {
  sla.row.warned_at = state.now;
  sla.row.cause = trigger == SlaTrigger::kWarnTime ? "time" : ToString(trigger);
  MoveSla(state, dag, sla, trigger);
  AlertSla(state, dag, sla, AlertType::kSlaWarning);
}

void Miss(EngineState& state, LiveDag& dag, LiveSla& sla, int others) {
  sla.row.missed_at = state.now;
  MoveSla(state, dag, sla, SlaTrigger::kDue);
  AlertSla(state, dag, sla, AlertType::kSlaMissed, others);
}

void Land(EngineState& state, LiveDag& dag, LiveSla& sla) {
  // Due has come between two steps: late is late, however little.
  const SlaEntry* entry = EntryOf(dag, sla.row.name);
  const bool late = sla.row.state != SlaState::kMissed && *sla.row.due_at < state.now;
  if (late && entry != nullptr && !Suppressed(dag, *entry->spec)) Miss(state, dag, sla, 0);
  sla.row.landed_at = state.now;
  MoveSla(state, dag, sla, SlaTrigger::kLanded);
  // A miss that was only counted with others began no trouble that could end.
  const bool told = sla.row.warned_at || sla.row.missed_at;
  if (sla.row.state == SlaState::kResolved && told) {
    AlertSla(state, dag, sla, AlertType::kSlaResolved);
  }
}

void Fail(EngineState& state, LiveDag& dag, LiveSla& sla) {
  const SlaEntry* entry = EntryOf(dag, sla.row.name);
  if (sla.row.state != SlaState::kArmed || entry == nullptr) return;
  if (!Suppressed(dag, *entry->spec)) Warn(state, dag, sla, SlaTrigger::kFailed);
}

void LookAhead(EngineState& state, LiveDag& dag, LiveSla& sla) {
  const LiveRun* run = state.FindRun(sla.row.run);
  if (sla.row.state != SlaState::kArmed || run == nullptr || IsFinished(run->row.state)) return;
  const std::optional<Forecast> forecast = Foresee(dag, *run, sla.row, state.now);
  const bool late = forecast && forecast->end > *sla.row.due_at;
  const std::optional<Instant> outlook =
      forecast ? std::optional(late ? state.now : forecast->outlook) : std::nullopt;
  if (outlook == sla.outlook) return;
  sla.outlook = outlook;
  Reindex(state, dag, sla);
}

enum class NodeEnd { kOpen, kLanded, kFailed };

// Of a mapped task all instances together; what the end of its run took away has not landed.
NodeEnd EndOf(const TaskNode& node) {
  NodeEnd end = NodeEnd::kLanded;
  for (auto it = node.instances.rbegin(); it != node.instances.rend(); ++it) {
    const TaskInstanceRow& row = it->row;
    if (!IsFinished(row.state)) return NodeEnd::kOpen;
    const bool landed = row.state == TaskState::kSuccess || row.state == TaskState::kRemoved ||
                        (row.state == TaskState::kSkipped && row.skip_reason != "cancelled");
    if (!landed) end = NodeEnd::kFailed;
  }
  return end;
}

// --- Verdicts of time.

void MissAll(EngineState& state, LiveDag& dag, const std::vector<SlaKey>& missed) {
  DagSlas& slas = SlasOf(dag);
  // Of one entry the newest slot speaks for all that are missed in this step (after an outage).
  std::map<std::string, int> counts;
  for (const SlaKey& key : missed) counts[key.name] += 1;
  for (auto key = missed.begin(); key != missed.end(); ++key) {
    LiveSla& sla = slas.rows.at(*key);
    const bool newest = std::next(key) == missed.end() || std::next(key)->name != key->name;
    if (newest) {
      Miss(state, dag, sla, counts.at(key->name) - 1);
    } else {
      MoveSla(state, dag, sla, SlaTrigger::kDue);
    }
  }
}

void DecideByTime(EngineState& state, LiveDag& dag) {
  DagSlas& slas = SlasOf(dag);
  std::vector<SlaKey> looked;
  for (const auto& [at, key] : slas.due) {
    if (at > state.now) break;
    looked.push_back(key);
  }
  std::sort(looked.begin(), looked.end());
  std::vector<SlaKey> missed;
  for (const SlaKey& key : looked) {
    LiveSla& sla = slas.rows.at(key);
    if (*sla.row.due_at <= state.now) {
      missed.push_back(key);
    } else if (*sla.row.warn_at <= state.now) {
      if (sla.row.state == SlaState::kArmed) Warn(state, dag, sla, SlaTrigger::kWarnTime);
    } else {
      // The outlook has come true unless something has changed it.
      LookAhead(state, dag, sla);
      const bool late = sla.outlook && *sla.outlook <= state.now;
      if (late) Warn(state, dag, sla, SlaTrigger::kForecast);
    }
  }
  MissAll(state, dag, missed);
}

void SetTimer(EngineState& state, LiveDag& dag, std::optional<Instant> at) {
  DagSlas& slas = SlasOf(dag);
  if (!slas.due.empty() && (!at || slas.due.begin()->first < *at)) at = slas.due.begin()->first;
  if (!at || (slas.timer && *slas.timer <= *at)) return;
  slas.timer = at;
  state.timers.push({*at, TimerKind::kSla, {}, -1, -1, dag.row.dag_id});
}

// Only the newest misses of an entry may still be resolved: a DAG that never lands costs no more.
void DropOldest(DagSlas& slas) {
  std::map<std::string, int> missed;
  std::vector<SlaKey> dropped;
  for (auto it = slas.rows.rbegin(); it != slas.rows.rend(); ++it) {
    const bool overdue = it->second.row.state == SlaState::kMissed;
    if (overdue && ++missed[it->first.name] > limits::kMaxSlaOverdue) dropped.push_back(it->first);
  }
  for (const SlaKey& key : dropped) Forget(slas, key);
}

// --- Versions.

void Withdraw(EngineState& state, LiveDag& dag, const SlaKey& key) {
  LiveSla& sla = SlasOf(dag).rows.at(key);
  if (Next(sla.row.state, SlaTrigger::kWithdrawn)) {
    MoveSla(state, dag, sla, SlaTrigger::kWithdrawn);
  } else if (!IsFinished(sla.row.state)) {
    sla.gone = true;  // missed: the row stays as it is, nobody waits for it any more
    Reindex(state, dag, sla);
  }
}

// What a row would be due by with the entry as it is now; nothing if that cannot be told.
std::optional<SlaTiming> Retime(const EngineState& state, const LiveDag& dag, const SlaEntry& entry,
                                const SlaRow& row) {
  const Instant r = row.reference;
  SlaFacts facts{r, r, r, r, r, r, AverageFor(*dag.slas, entry)};
  if (entry.spec->kind == SlaKind::kDeadline) {
    const LiveRun* run = state.FindRun(row.run);
    const auto& timetable = dag.newest->dag->timetable;
    const auto slot = timetable == nullptr ? std::nullopt : timetable->SlotAt(row.slot);
    if (run != nullptr && run->row.interval) {
      facts.interval_end = run->row.interval->end;
    } else if (slot) {
      facts.interval_end = slot->interval.end;
    }
  }
  return TimeSla(*entry.spec, facts);
}

void TakeOver(EngineState& state, LiveDag& dag, const SlaKey& key) {
  LiveSla& sla = SlasOf(dag).rows.at(key);
  const SlaEntry* entry = EntryOf(dag, key.name);
  const bool same = entry != nullptr && entry->spec->task == sla.row.task_id;
  if (!same) return Withdraw(state, dag, key);
  if (sla.row.state == SlaState::kMissed) return;
  sla.row.severity = entry->spec->severity;
  if (const auto timing = Retime(state, dag, *entry, sla.row)) {
    sla.row.warn_at = timing->warn;
    sla.row.due_at = timing->due;
  }
  sla.outlook.reset();
  if (sla.row.run.valid()) SlasOf(dag).stirred.insert(sla.row.run);
  Reindex(state, dag, sla);
}

// History is kept by index of the newest version.
void Reorder(DagSlas& slas, const Dag& from, const Dag& to) {
  std::vector<int> place;
  for (const Task& task : to.tasks) place.push_back(from.Find(task.id));
  for (auto& [run, past] : slas.history) {
    std::vector<std::int32_t> moved;
    moved.reserve(place.size());
    for (const int old : place) {
      moved.push_back(old < 0 ? -1 : past.task_ms[static_cast<std::size_t>(old)]);
    }
    past.task_ms = std::move(moved);
  }
}

}  // namespace

void OnSlaVersion(EngineState& state, LiveDag& dag, const DagGraph* old) {
  if (dag.slas == nullptr && !dag.newest->slas.empty()) dag.slas = std::make_unique<DagSlas>();
  if (dag.slas != nullptr) {
    DagSlas& slas = SlasOf(dag);
    if (old != nullptr) Reorder(slas, *old->dag, *dag.newest->dag);
    Relearn(slas, *dag.newest);
    std::vector<SlaKey> keys;
    for (const auto& [key, sla] : slas.rows) keys.push_back(key);
    for (const SlaKey& key : keys) TakeOver(state, dag, key);
    for (const SlaEntry& entry : dag.newest->slas) {
      if (entry.spec->kind != SlaKind::kStaleAfter) continue;
      const auto it = slas.rows.lower_bound({entry.spec->name, Instant::min()});
      const bool there = it != slas.rows.end() && it->first.name == entry.spec->name;
      if (!there) ArmStale(state, dag, entry, slas.landed.value_or(state.now));
    }
    state.sla_due.insert(dag.row.dag_id);
    if (dag.newest->slas.empty() && slas.rows.empty()) dag.slas.reset();
  }
  const unsigned watch = WatchOf(state, dag);
  for (const auto& [id, key] : dag.live_by_id) state.FindRun(key)->watch = watch;
}

void OnSlaPause(EngineState& state, LiveDag& dag) {
  if (dag.slas == nullptr) return;
  DagSlas& slas = SlasOf(dag);
  std::vector<SlaKey> keys;
  for (const auto& [key, sla] : slas.rows) keys.push_back(key);
  for (const SlaKey& key : keys) {
    LiveSla& sla = slas.rows.at(key);
    const SlaEntry* entry = EntryOf(dag, key.name);
    if (entry == nullptr || entry->spec->while_paused) continue;
    // Unpausing is arming anew: what became due in the meantime is not asked for any more.
    const bool over = !dag.row.paused && sla.row.state == SlaState::kArmed &&
                      *sla.row.due_at <= state.now;
    if (!over) {
      Reindex(state, dag, sla);
      continue;
    }
    MoveSla(state, dag, sla, SlaTrigger::kWithdrawn);
    if (entry->spec->kind == SlaKind::kStaleAfter) ArmStale(state, dag, *entry, state.now);
  }
  state.sla_due.insert(dag.row.dag_id);
}

void OnWatchedMove(EngineState& state, LiveRun& run, int task, int position, TaskState from) {
  const TaskNode& node = run.nodes[static_cast<std::size_t>(task)];
  const TaskInstanceRow& row = node.instances[static_cast<std::size_t>(position)].row;
  const std::optional<AlertType> alert = TaskAlert(row.state);
  if (alert && (run.watch & WatchBit(*alert)) != 0) AlertTask(state, run, row);
  if ((run.watch & kWatchSla) == 0) return;
  LiveDag& dag = state.dags.find(run.row.dag_id)->second;
  DagSlas& slas = SlasOf(dag);
  // What makes the end later than it seemed; all else the outlook has reckoned with.
  const bool setback = row.state == TaskState::kUpForRetry ||
                       (row.state == TaskState::kScheduled && HoldsSlots(from));
  if (setback) {
    slas.stirred.insert(run.row.run);
    state.sla_due.insert(dag.row.dag_id);
  }
  if (!IsFinished(row.state)) return;
  for (const SlaKey& key : RowsOf(slas, run.row.run)) {
    LiveSla& sla = slas.rows.at(key);
    if (sla.row.task_id != row.task_id || IsFinished(sla.row.state)) continue;
    const NodeEnd end = EndOf(node);
    if (end == NodeEnd::kLanded) Land(state, dag, sla);
    if (end == NodeEnd::kFailed) Fail(state, dag, sla);
  }
}

void OnSlaCleared(EngineState& state, const LiveRun& run) {
  LiveDag& dag = state.dags.find(run.row.dag_id)->second;
  if (dag.slas == nullptr) return;
  SlasOf(dag).stirred.insert(run.row.run);
  state.sla_due.insert(run.row.dag_id);
}

void OnRunMarked(EngineState& state, const DagRunRow& row) {
  const auto it = state.dags.find(row.dag_id);
  if (it == state.dags.end()) return;
  LiveDag& dag = it->second;
  if (dag.slas != nullptr) Unlearn(dag, row.run);
  if (dag.slas != nullptr && row.state == RunState::kSuccess) {
    // With the run all of its tasks are well.
    for (const SlaKey& key : RowsOf(SlasOf(dag), row.run)) {
      Land(state, dag, SlasOf(dag).rows.at(key));
    }
  }
  LiveRun marked;
  marked.row = row;
  OnWatchedRunEnded(state, dag, marked);
}

void OnWatchedRunEnded(EngineState& state, LiveDag& dag, const LiveRun& run) {
  AlertRun(state, dag, run);
  if (dag.slas == nullptr) return;
  DagSlas& slas = SlasOf(dag);
  const bool success = run.row.state == RunState::kSuccess;
  for (const SlaKey& key : RowsOf(slas, run.row.run)) {
    LiveSla& sla = slas.rows.at(key);
    if (IsFinished(sla.row.state)) continue;
    if (success && sla.row.task_id.empty()) {
      Land(state, dag, sla);
    } else {
      Fail(state, dag, sla);
    }
  }
  slas.stirred.erase(run.row.run);
  if (!success) return;
  slas.landed = state.now;
  // What was marked says nothing of how long it takes.
  if (run.row.reason != RunReason::kMarked) {
    slas.history[run.row.run] = TimesOf(run, *dag.newest);
    Relearn(slas, *dag.newest);
  }
  for (const SlaEntry& entry : dag.newest->slas) {
    if (entry.spec->kind != SlaKind::kStaleAfter) continue;
    std::vector<SlaKey> open;
    for (const auto& [key, sla] : slas.rows) {
      const bool of_entry = key.name == entry.spec->name && key.slot != state.now;
      if (of_entry && !IsFinished(sla.row.state)) open.push_back(key);
    }
    for (const SlaKey& key : open) Land(state, dag, slas.rows.at(key));
    ArmStale(state, dag, entry, state.now);
  }
}

void OnSlaTimer(EngineState& state, const Timer& timer) {
  const auto dag = state.dags.find(timer.dag_id);
  if (dag == state.dags.end() || dag->second.slas == nullptr) return;
  std::optional<Instant>& set = dag->second.slas->timer;
  if (set == timer.at) set.reset();
  state.sla_due.insert(timer.dag_id);
}

void SettleSlas(EngineState& state) {
  for (const std::string& dag_id : std::exchange(state.sla_due, {})) {
    LiveDag& dag = state.dags.find(dag_id)->second;
    if (dag.slas == nullptr) continue;
    const std::optional<Instant> next_slot = ArmWhilePaused(state, dag);
    for (const RunKey run : std::exchange(SlasOf(dag).stirred, {})) {
      for (const SlaKey& key : RowsOf(SlasOf(dag), run)) {
        LookAhead(state, dag, SlasOf(dag).rows.at(key));
      }
    }
    DecideByTime(state, dag);
    SetTimer(state, dag, next_slot);
  }
  // All of it was done just now.
  state.sla_due.clear();
}

void FlushSlas(EngineState& state) {
  for (const std::string& dag_id : std::exchange(state.dirty_slas, {})) {
    LiveDag& dag = state.dags.find(dag_id)->second;
    DagSlas& slas = SlasOf(dag);
    for (const SlaKey& key : std::exchange(slas.dirty, {})) {
      LiveSla& sla = slas.rows.at(key);
      sla.dirty = false;
      state.step->changes.emplace_back(sla.row);
      if (IsFinished(sla.row.state) || sla.gone) Forget(slas, key);
    }
    DropOldest(slas);
    if (slas.rows.empty() && dag.newest->slas.empty()) {
      dag.slas.reset();
      for (const auto& [id, key] : dag.live_by_id) state.FindRun(key)->watch &= ~kWatchSla;
    }
  }
}

}  // namespace nightmill
