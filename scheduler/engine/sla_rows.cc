#include "scheduler/engine/sla_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base/check.h"
#include "core/base/json.h"
#include "scheduler/engine/holdup_data.h"
#include "scheduler/engine/record.h"
#include "scheduler/engine/sla_outlook.h"

namespace nightmill {
namespace {

void RecordState(EngineState& state, const SlaRow& row, SlaState from, SlaTrigger trigger) {
  EventRow event;
  event.kind = "sla.state";
  event.dag_id = row.dag_id;
  event.run = row.run;
  event.task_id = row.task_id;
  event.map_index = row.map_index;
  event.data = fmt::format(R"({{"sla":{},"from":"{}","to":"{}","trigger":"{}"}})", Quote(row.name),
                           ToString(from), ToString(row.state), ToString(trigger));
  Record(state, std::move(event));
}

// After the event that tells of it, whose id it takes: ids rise with time and need no counter.
void KeepMiss(EngineState& state, const LiveDag& dag, const LiveSla& sla) {
  const SlaEntry* entry = EntryOf(dag, sla.row.name);
  CHECK_MSG(entry != nullptr, sla.row.name);
  const Holdup holdup = WhatHolds(state, dag, sla, state.now);
  SlaMissRow miss;
  miss.miss = state.last_event;
  miss.dag_id = sla.row.dag_id;
  miss.name = sla.row.name;
  miss.slot = sla.row.slot;
  miss.map_index = sla.row.map_index;
  miss.kind = ToString(entry->spec->kind);
  miss.predicted_end = holdup.predicted_end;
  miss.holdup = OneLine(HoldupData(holdup));
  state.step->changes.emplace_back(std::move(miss));
}

}  // namespace

bool Suppressed(const LiveDag& dag, const SlaSpec& spec) {
  return dag.row.paused && !spec.while_paused;
}

std::optional<Instant> NextLook(const LiveDag& dag, const LiveSla& sla) {
  const SlaEntry* entry = EntryOf(dag, sla.row.name);
  if (entry == nullptr || Suppressed(dag, *entry->spec)) return std::nullopt;
  if (sla.row.state == SlaState::kWarned) return sla.row.due_at;
  if (sla.row.state != SlaState::kArmed) return std::nullopt;
  Instant next = std::min(*sla.row.warn_at, *sla.row.due_at);
  if (sla.outlook) next = std::min(next, *sla.outlook);
  return next;
}

const SlaEntry* EntryOf(const LiveDag& dag, std::string_view name) {
  for (const SlaEntry& entry : dag.newest->slas) {
    if (entry.spec->name == name) return &entry;
  }
  return nullptr;
}

std::vector<SlaKey> RowsOf(const DagSlas& slas, RunKey run) {
  const auto it = slas.by_run.find(run);
  if (it == slas.by_run.end()) return {};
  return {it->second.begin(), it->second.end()};
}

void Reindex(EngineState& state, LiveDag& dag, LiveSla& sla) {
  DagSlas& slas = SlasOf(dag);
  const SlaKey key = SlaKey{sla.row.name, sla.row.slot};
  const std::optional<Instant> next = NextLook(dag, sla);
  if (next != sla.looked_at) {
    if (sla.looked_at) slas.due.erase({*sla.looked_at, key});
    if (next) slas.due.insert({*next, key});
    sla.looked_at = next;
  }
  if (sla.row.run.valid()) slas.by_run[sla.row.run].insert(key);
  if (!sla.dirty) {
    sla.dirty = true;
    if (slas.dirty.empty()) state.dirty_slas.push_back(dag.row.dag_id);
    slas.dirty.push_back(key);
  }
  state.sla_due.insert(dag.row.dag_id);
}

void Forget(DagSlas& slas, const SlaKey& key) {
  const auto it = slas.rows.find(key);
  if (it->second.looked_at) slas.due.erase({*it->second.looked_at, key});
  const auto run = slas.by_run.find(it->second.row.run);
  if (run != slas.by_run.end()) {
    run->second.erase(key);
    if (run->second.empty()) slas.by_run.erase(run);
  }
  slas.rows.erase(it);
}

void MoveSla(EngineState& state, LiveDag& dag, LiveSla& sla, SlaTrigger trigger) {
  const SlaState from = sla.row.state;
  const std::optional<SlaState> to = Next(from, trigger);
  CHECK_MSG(to.has_value(), fmt::format("sla {}.{}: no transition from {} by {}", dag.row.dag_id,
                                        sla.row.name, ToString(from), ToString(trigger)));
  sla.row.state = *to;
  if (*to != SlaState::kArmed) sla.outlook.reset();
  RecordState(state, sla.row, from, trigger);
  const bool trouble = *to == SlaState::kWarned || *to == SlaState::kMissed;
  if (trouble && from == SlaState::kArmed) KeepMiss(state, dag, sla);
  Reindex(state, dag, sla);
}

}  // namespace nightmill
