// The fields `sla` and `on` of DAGs and tasks (semantics.md 9, product.md 2.2).
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "core/dagfile/field_schema.h"
#include "core/model/sla.h"

namespace nightmill::dagfile {

struct Draft;

// Entries of a DAG may name a task and be of the kind stale_after, those of a task not.
nlohmann::json DagSlaSchema();
nlohmann::json TaskSlaSchema();
// Faults of an entry are NM333, of its cron and zone those of schedules. Zones that are not given
// stay open until FinishSla.
std::vector<SlaSpec> ParseSla(const nlohmann::json& value, const Site& site);
void EmitSla(const std::vector<SlaSpec>& entries, nlohmann::json& out);

nlohmann::json DagCallbacksSchema();
nlohmann::json TaskCallbacksSchema();
Callbacks ParseCallbacks(const nlohmann::json& value);
void EmitCallbacks(const Callbacks& on, nlohmann::json& out);

// What only the whole DAG tells: zones, names that are there twice, unknown tasks and notifiers.
void FinishSla(Draft& draft);

}  // namespace nightmill::dagfile
