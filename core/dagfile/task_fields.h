// The common fields of tasks (product.md 2.2) as one table: schema and docs, the kinds of task that
// have the field, how its value fills a Task, and how a Task writes it back in canonical form. The
// generated JSON Schema, validation, building and canonical form all walk it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string_view>

#include "core/dagfile/field_schema.h"
#include "core/model/task.h"

namespace nightmill::dagfile {

// Bits of the kinds of task a field is for.
constexpr unsigned KindBit(TaskKind kind) { return 1u << static_cast<unsigned>(kind); }
inline constexpr unsigned kAllKinds = 63;

struct TaskField {
  std::string_view name;
  unsigned kinds;    // bits of KindBit
  bool in_defaults;  // may stand in `defaults` and `task_templates`
  bool templated;    // its strings are templates
  bool not_yet;      // only the value that means "off" is accepted
  nlohmann::json (*schema)();
  // Null for metadata that no Task member holds (kept in the canonical form as it is).
  void (*apply)(const nlohmann::json& value, Task& task, const Site& site);
  // Adds the member to a canonical task, unless it has the default. Null where `apply` is.
  void (*emit)(const Task& task, nlohmann::json& out);
};

// Sorted by name.
std::span<const TaskField> TaskFields();
const TaskField* FindTaskField(std::string_view name);

// `map` (map_field.cc).
nlohmann::json MapSchema();
void ApplyMap(const nlohmann::json& value, Task& task, const Site& site);
void EmitMap(const Task& task, nlohmann::json& out);

}  // namespace nightmill::dagfile
