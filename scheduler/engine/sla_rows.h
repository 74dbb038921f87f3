// The rows of SLA entries and what is derived from each (DagSlas); private to slas.cc,
// sla_arming.cc and sla_books.cc.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "core/rules/deadline.h"
#include "scheduler/engine/sla_state.h"
#include "scheduler/engine/state.h"

namespace nightmill {

inline DagSlas& SlasOf(LiveDag& dag) { return *dag.slas; }

// True if the entry rests because the DAG is paused.
bool Suppressed(const LiveDag& dag, const SlaSpec& spec);
// When the row must be looked at by itself; nothing if only an event can change it.
std::optional<Instant> NextLook(const LiveDag& dag, const LiveSla& sla);
// The entry of a row in the newest version, or null.
const SlaEntry* EntryOf(const LiveDag& dag, std::string_view name);
// The rows of a run, as a copy: what is done to them changes the index.
std::vector<SlaKey> RowsOf(const DagSlas& slas, RunKey run);

// To be called after each change of a row: keeps what is derived from it, and writes it down.
void Reindex(EngineState& state, LiveDag& dag, LiveSla& sla);
// Takes a row out of memory.
void Forget(DagSlas& slas, const SlaKey& key);
// The one place where a row changes state (CHECKs the table); whom to tell is for the caller.
void MoveSla(EngineState& state, LiveDag& dag, LiveSla& sla, SlaTrigger trigger);

// Arming (sla_arming.cc). A row whose instant of reference is not known yet is not made.
void ArmStale(EngineState& state, LiveDag& dag, const SlaEntry& entry, Instant reference);
// While a DAG is paused its slots are not decided, but entries that are kept then are armed.
// Returns when the next slot comes.
std::optional<Instant> ArmWhilePaused(EngineState& state, LiveDag& dag);

}  // namespace nightmill
