// JSON Schemas made from the field tables and the catalog: closed ones that validation prepares per
// task type, and (DagSchema in dag_json.h) the one file for editors.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "core/model/operator_catalog.h"

namespace nightmill::dagfile {

// Everything of a DAG but what is in `tasks`.
nlohmann::json RootSchema();
// A task of this type: common fields of its kind and the operator's own.
nlohmann::json TaskSchema(const OperatorEntry& entry);
// {"properties", "required"} of the operator's own fields; native ones include engine, memory and
// threads.
nlohmann::json OwnSchema(const OperatorEntry& entry);

}  // namespace nightmill::dagfile
