// SLA entries after a start, for readers and for tests: from rows, to values, against rows.
#include <algorithm>
#include <map>

#include "core/base/check.h"
#include "scheduler/engine/alerts.h"
#include "scheduler/engine/engine.h"
#include "scheduler/engine/sla_outlook.h"
#include "scheduler/engine/sla_rows.h"
#include "scheduler/engine/slas.h"

namespace nightmill {
namespace {

void RestoreHistory(LiveDag& dag, const RunTimes& times) {
  DagSlas& slas = *dag.slas;
  PastRun& past = slas.history[times.run];
  past.total = times.total;
  past.ended_at = times.ended_at;
  past.task_ms.assign(dag.newest->dag->tasks.size(), -1);
  for (const auto& [id, took] : times.tasks) {
    const int task = dag.newest->dag->Find(id);
    if (task >= 0) {
      past.task_ms[static_cast<std::size_t>(task)] = TaskMs(took);
    }
  }
  slas.landed = std::max(slas.landed.value_or(times.ended_at), times.ended_at);
}

void RestoreRow(EngineState& state, LiveDag& dag, const SlaRow& row) {
  DagSlas& slas = *dag.slas;
  const SlaKey key{row.name, row.slot};
  LiveSla& sla = slas.rows[key];
  sla.row = row;
  if (const LiveRun* run = state.FindRun(row.run)) sla.run_id = run->row.run_id;
  if (row.run.valid()) {
    slas.by_run[row.run].insert(key);
    slas.stirred.insert(row.run);
  }
  sla.looked_at = NextLook(dag, sla);
  if (sla.looked_at) slas.due.insert({*sla.looked_at, key});
}

const LiveSla* NewestRow(const LiveDag& dag, const std::string& name) {
  const LiveSla* newest = nullptr;
  for (auto it = dag.slas->rows.lower_bound({name, Instant::min()});
       it != dag.slas->rows.end() && it->first.name == name; ++it) {
    newest = &it->second;
  }
  return newest;
}

SlaStanding StandingOf(const EngineState& state, const LiveDag& dag, int entry, Instant now) {
  const SlaSpec& spec = *dag.newest->slas[static_cast<std::size_t>(entry)].spec;
  SlaStanding standing;
  standing.dag_id = dag.row.dag_id;
  standing.entry = entry;
  standing.suppressed = Suppressed(dag, spec);
  const LiveSla* sla = NewestRow(dag, spec.name);
  if (sla == nullptr) return standing;
  standing.row = sla->row;
  standing.run_id = sla->run_id;
  Holdup holdup = WhatHolds(state, dag, *sla, now);
  standing.predicted_end = holdup.predicted_end;
  standing.task_list = std::move(holdup.task_list);
  standing.blocking = std::move(holdup.blocking);
  standing.blocking_count = holdup.blocking_count;
  return standing;
}

void CheckDag(const LiveDag& dag) {
  const DagSlas& slas = *dag.slas;
  CHECK(slas.dirty.empty() && slas.history.size() <= limits::kSlaHistoryRuns);
  CHECK(slas.times.size() == dag.newest->dag->tasks.size());
  std::set<std::pair<Instant, SlaKey>> due;
  std::map<RunKey, std::set<SlaKey>> by_run;
  for (const auto& [key, sla] : slas.rows) {
    CHECK_MSG(!IsFinished(sla.row.state) && !sla.dirty && !sla.gone, key.name);
    CHECK(sla.row.name == key.name && sla.row.slot == key.slot && sla.row.warn_at);
    const SlaEntry* entry = EntryOf(dag, key.name);
    CHECK_MSG(entry != nullptr && entry->spec->task == sla.row.task_id, key.name);
    CHECK(sla.looked_at == NextLook(dag, sla));
    if (sla.looked_at) due.insert({*sla.looked_at, key});
    if (sla.row.run.valid()) by_run[sla.row.run].insert(key);
    CHECK(sla.row.warned_at.has_value() == !sla.row.cause.empty());
  }
  CHECK(due == slas.due);
  CHECK(by_run == slas.by_run);
}

}  // namespace

void RestoreSlas(EngineState& state, const Snapshot& snapshot) {
  for (auto& [dag_id, dag] : state.dags) {
    if (!dag.newest->slas.empty()) dag.slas = std::make_unique<DagSlas>();
  }
  const auto with_slas = [&](const std::string& dag_id) {
    const auto dag = state.dags.find(dag_id);
    return dag == state.dags.end() || dag->second.slas == nullptr ? nullptr : &dag->second;
  };
  for (const RunTimes& times : snapshot.times) {
    if (LiveDag* dag = with_slas(times.dag_id)) RestoreHistory(*dag, times);
  }
  for (const SlaRow& row : snapshot.slas) {
    LiveDag* dag = with_slas(row.dag_id);
    if (dag != nullptr && EntryOf(*dag, row.name) != nullptr) RestoreRow(state, *dag, row);
  }
  for (auto& [dag_id, dag] : state.dags) {
    const unsigned watch = WatchOf(state, dag);
    for (const auto& [id, key] : dag.live_by_id) state.FindRun(key)->watch = watch;
    if (dag.slas == nullptr) continue;
    Relearn(*dag.slas, *dag.newest);
    state.sla_due.insert(dag_id);
  }
}

void CheckSlas(const EngineState& state) {
  for (const auto& [dag_id, dag] : state.dags) {
    CHECK(dag.slas != nullptr || dag.newest->slas.empty());
    for (const auto& [id, key] : dag.live_by_id) {
      CHECK_MSG(state.FindRun(key)->watch == WatchOf(state, dag), id);
    }
    if (dag.slas == nullptr) continue;
    CheckDag(dag);
    const DagSlas& slas = *dag.slas;
    // What is due by itself is not slept through.
    const bool awaited = slas.due.empty() || state.sla_due.contains(dag_id) ||
                         (slas.timer && *slas.timer <= slas.due.begin()->first);
    CHECK_MSG(awaited, dag_id);
  }
}

std::vector<SlaStanding> Engine::Slas(std::string_view dag_id, Instant now) const {
  std::vector<SlaStanding> standings;
  for (const auto& [id, dag] : state_->dags) {
    if (dag.slas == nullptr || (!dag_id.empty() && id != dag_id)) continue;
    for (std::size_t i = 0; i < dag.newest->slas.size(); ++i) {
      standings.push_back(StandingOf(*state_, dag, static_cast<int>(i), now));
    }
  }
  return standings;
}

}  // namespace nightmill
