// Names, kinds, parameter schemas and docs of all task types, as data: what validation, the JSON
// schema of DAG files, docs and forms need to know of an operator. Filled by each composition root:
// built-in types (shell, exec, sensors, branch, ...) by AddBuiltinTypes, native operators from
// operators/catalog. The engine and core never see an operator itself.
#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "core/model/task.h"

namespace nightmill {

// One thing that is wrong with the spec of a task, as its operator sees it.
struct SpecFault {
  std::string_view code;  // of core/dagfile/codes.cc: "NM328"
  std::string pointer;    // relative to the spec; "" is the whole of it
  bool at_key = false;    // the key is at fault, not its value
  bool warning = false;
  std::string message;
  std::string hint;
};

// Everything that is wrong with a spec (an object: the task's own fields) whose templates are not
// rendered. What depends on a template is not known and never a fault. Pure, any thread.
using SpecCheck = std::vector<SpecFault> (*)(const nlohmann::json& spec);

struct OperatorEntry {
  std::string type;  // "aggregate"
  TaskKind kind = TaskKind::kNative;
  std::string summary;  // one line
  std::string doc_md;   // the docs page
  // JSON Schema draft-07 of the operator's own fields: {"properties": {...}, "required": [...]},
  // each property with a description. Common task fields are added by core/dagfile.
  std::string schema;
  // Field names among `properties` in which a raw template is unsafe ("run" of shell).
  std::vector<std::string> no_raw_template;
  // What `schema` cannot say; null if it says everything. Faults that the schema has told at the
  // same place are not told twice.
  SpecCheck check = nullptr;
};

class OperatorCatalog {
 public:
  // CHECKs that the type is new.
  void Add(OperatorEntry entry);
  const OperatorEntry* Find(std::string_view type) const;
  // Sorted by type.
  std::vector<const OperatorEntry*> All() const;

 private:
  std::map<std::string, OperatorEntry, std::less<>> entries_;
};

// exec, shell, noop, branch, short_circuit, sensor.file (later: sensor.time, wait, ...).
void AddBuiltinTypes(OperatorCatalog& catalog);

}  // namespace nightmill
