// Rows as the JSON of the API, in Airflow's shapes with our extras as added members (product.md 4).
// Pure. Missing values are null; instants RFC 3339.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "core/model/dag.h"
#include "scheduler/engine/command.h"
#include "scheduler/engine/engine.h"
#include "scheduler/engine/explain.h"
#include "store/views.h"

namespace nightmill {

// A version of a DAG with what is shown of it wherever it is named.
struct KnownVersion {
  std::shared_ptr<const Dag> dag;  // null: it does not load with this release
  std::string display_name;
  std::string view = "null";  // a DagVersionResponse as JSON text

  const Task* Find(std::string_view task_id) const;
};
// The text of KnownVersion::view.
nlohmann::json VersionToJson(const DagVersionRow& row, const std::string& display_name);

// json_view.cc: DAGs and their tasks.
nlohmann::json ToJson(const DagRow& dag, const DagVersionRow& newest, const KnownVersion& known);
// Members that the details have beside those.
void AddDetails(const DagView& view, const KnownVersion& known, std::int64_t active_runs,
                nlohmann::json& out);
nlohmann::json TaskToJson(const Dag& dag, int index);

// json_view_runs.cc. Runs as text, because lists of them are long; `lost_attempts` is not a column
// of the row.
void AppendRun(std::string& out, const DagRunRow& run, const KnownVersion& known,
               std::int64_t lost_attempts);
nlohmann::json ToJson(const TaskView& view, const KnownVersion& known);
nlohmann::json TryToJson(const TaskView& view, const TaskAttemptRow& attempt,
                         const KnownVersion& known);
nlohmann::json ToJson(const EventView& event);
nlohmann::json ToJson(const Reason& reason);

// json_view_backfills.cc.
struct BackfillProgress {
  std::vector<BackfillSlotCount> counts;
  std::vector<Instant> ends;  // of its last runs, newest first
  Instant now;
};
// Runs per hour over the last ends; null before the second.
nlohmann::json RunsPerHour(const BackfillProgress& progress);
nlohmann::json CountsToJson(const std::vector<BackfillSlotCount>& counts);
nlohmann::json EtaToJson(const BackfillRow& backfill, const BackfillProgress& progress);
nlohmann::json ToJson(const BackfillRow& backfill, const std::string& display_name,
                      const BackfillProgress& progress);
nlohmann::json ToJson(const BackfillPreviewRow& row);
nlohmann::json ToJson(const BackfillSlotView& slot);
nlohmann::json ToJson(const PoolRow& pool, const Engine::PoolUse& use);

nlohmann::json JsonOf(const std::optional<Instant>& t);
nlohmann::json TextOrNull(const std::string& text);
nlohmann::json SecondsBetween(const std::optional<Instant>& from, const std::optional<Instant>& to);
// JSON text of a row as a value; null for "" and for text that does not parse.
nlohmann::json JsonOrNull(const std::string& text);

}  // namespace nightmill
