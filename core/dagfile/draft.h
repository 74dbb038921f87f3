// A DAG file between its text and the immutable Dag: the stages of LoadDag fill it in turn.
#pragma once

#include <bitset>
#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/json.h"
#include "core/dagfile/dag_json.h"
#include "core/dagfile/diagnostics.h"
#include "core/dagfile/json_schema.h"
#include "core/model/dag.h"
#include "core/model/operator_catalog.h"

namespace nightmill::dagfile {

// By position in TaskFields().
using FieldSet = std::bitset<64>;

// A task type with its schema prepared; made when the first task of the type is met.
struct TaskType {
  const OperatorEntry* entry = nullptr;
  std::shared_ptr<const JsonSchema> schema;
  // The same schema cut to the keys that a task has, by these keys: valijson looks up each of the
  // fifty properties of a schema, which is most of the time of a large file. Bounded.
  std::map<std::string, std::shared_ptr<const JsonSchema>> cut;
  std::vector<std::pair<std::string, nlohmann::json>> defaults;  // of its own fields
};

// A template that names the output of another task.
struct OutputUse {
  std::size_t task = 0;
  std::string name;
  std::string pointer;
  bool in_map = false;  // stands in `map.over`
};

struct Draft {
  Draft(std::string_view source, const OperatorCatalog& known, const DagFileOptions& opts)
      : text(source), catalog(known), options(opts), out(source, opts) {}

  std::string_view text;
  const OperatorCatalog& catalog;
  const DagFileOptions& options;
  Diagnostics out;

  nlohmann::json doc;               // without x-* keys
  Dag dag;                          // tasks in the order of the file: index i is /tasks/i
  std::vector<nlohmann::json> own;  // the operator's own fields of task i
  std::vector<FieldSet> set;        // common fields of task i that were given
  std::vector<OutputUse> outputs;
  std::map<std::string, TaskType, std::less<>> types;
};

// dag_build.cc: fields of the DAG, then of the tasks; schema level included.
void BuildDagFields(Draft& draft);
void BuildTasks(Draft& draft);
// Fills canonical and version_hash; call while the tasks are in the order of the file.
void FillCanonical(Draft& draft);

// template_check.cc: every template inside `value`, a field of task `task`.
struct TemplateSite {
  std::size_t task = 0;
  bool in_map = false;
  bool raw_refused = false;  // a script: values must be quoted
  bool dated = false;        // names data: a path, partition or as_of
};
void CheckTemplates(Draft& draft, const nlohmann::json& value, const Place& place,
                    TemplateSite site);

// dag_validate.cc: what only the whole DAG tells (ids, edges, branches, pools, rules).
void CheckMeaning(Draft& draft);

}  // namespace nightmill::dagfile
