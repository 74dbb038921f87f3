// Rows as the JSON of the API, in Airflow's shapes with our extras as added members (product.md 4).
// Pure. Missing values are null; instants RFC 3339.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "core/model/dag.h"
#include "scheduler/engine/command.h"
#include "scheduler/engine/engine.h"
#include "scheduler/engine/explain.h"
#include "store/views.h"

namespace nightmill {

nlohmann::json ToJson(const DagRow& dag, const Dag* parsed);
// As text, because lists of runs are long; `lost_attempts` is not a column of the row.
void AppendRun(std::string& out, const DagRunRow& run, std::int64_t lost_attempts);
// `task` may be null (the version no longer loads).
nlohmann::json ToJson(const TaskView& view, const Task* task);
nlohmann::json TryToJson(const TaskView& view, const TaskAttemptRow& attempt, const Task* task);
nlohmann::json TaskToJson(const Dag& dag, int index);
nlohmann::json ToJson(const BackfillRow& backfill, const std::vector<BackfillSlotCount>& counts);
nlohmann::json ToJson(const BackfillPreviewRow& row);
nlohmann::json ToJson(const BackfillSlotRow& slot);
nlohmann::json ToJson(const PoolRow& pool, const Engine::PoolUse& use);
nlohmann::json ToJson(const EventRow& event);
nlohmann::json ToJson(const Reason& reason);

nlohmann::json JsonOf(const std::optional<Instant>& t);
// JSON text of a row as a value; null for "" and for text that does not parse.
nlohmann::json JsonOrNull(const std::string& text);

}  // namespace nightmill
