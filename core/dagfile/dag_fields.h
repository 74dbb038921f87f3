// The fields of a DAG (product.md 2.2) as one table, like task_fields: schema and docs, how a value
// fills a Dag, how a Dag writes it back. `tasks`, `defaults` and `task_templates` have rows for
// their docs only; dag_build reads them.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string_view>

#include "core/dagfile/field_schema.h"
#include "core/model/dag.h"

namespace nightmill::dagfile {

struct DagField {
  std::string_view name;
  bool required;
  bool not_yet;
  nlohmann::json (*schema)();
  void (*apply)(const nlohmann::json& value, Dag& dag, const Site& site);  // or null
  void (*emit)(const Dag& dag, nlohmann::json& out);                       // or null
};

// Sorted by name.
std::span<const DagField> DagFields();
const DagField* FindDagField(std::string_view name);

// `schedule` (schedule_field.cc). Apply also makes the timetable and needs dag.dag_id.
nlohmann::json ScheduleSchema();
void ApplySchedule(const nlohmann::json& value, Dag& dag, const Site& site);
void EmitSchedule(const Dag& dag, nlohmann::json& out);

// `params` (params.cc): every schema is checked, and every default against its schema.
nlohmann::json ParamsSchema();
void ApplyParams(const nlohmann::json& value, Dag& dag, const Site& site);

// What stands in `defaults` and in each of `task_templates`: the common task fields that may.
nlohmann::json BundleSchema(std::string_view description);

}  // namespace nightmill::dagfile
