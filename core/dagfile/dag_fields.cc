#include "core/dagfile/dag_fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "core/base/json.h"
#include "core/base/limits.h"
#include "core/dagfile/sla_field.h"
#include "core/dagfile/task_fields.h"

namespace nightmill::dagfile {
namespace {

using Json = nlohmann::json;

void SetText(const Json& value, std::string& target) {
  if (value.is_string()) target = value.get<std::string>();
}
template <class T>
void SetInt(const Json& value, T& target) {
  if (value.is_number_integer()) target = value.get<int>();
}
void PutText(Json& out, const char* name, const std::string& value) {
  if (!value.empty()) out[name] = value;
}
void SetDuration(const Json& value, const Site& site, std::optional<Duration>& target) {
  const DurationRange range{Duration{1}, limits::kMaxTimeout};
  if (const auto duration = ParseDurationField(value, range, site)) target = *duration;
}

Json IdSchema(std::string_view description) {
  return {{"type", "string"},
          {"pattern", R"(^(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}$)"},
          {"description", description}};
}

void ApplyDagId(const Json& value, Dag& dag, const Site& site) {
  SetText(value, dag.dag_id);
  if (value.is_string() && !IsId(dag.dag_id)) {
    site.Error("NM206", "not an id",
               "1 to 200 of A-Z a-z 0-9 _ . - , not beginning with . or -, without \"..\"");
  }
}

Json FormatSchema() {
  return {{"type", "integer"},
          {"minimum", 1},
          {"default", 1},
          {"description", "Version of the file format."}};
}

void ApplyFormat(const Json& value, Dag&, const Site& site) {
  if (value.is_number_integer() && value.get<std::int64_t>() > 1) {
    site.Error("NM211",
               fmt::format("format {} is newer than this release of nightmill, which reads 1",
                           value.get<std::int64_t>()),
               "upgrade nightmill");
  }
}

Json TextListSchema(std::string_view description) {
  return WithDefault(ListSchema({{"type", "string"}}, description), Json::array());
}

Json TemplatesSchema() {
  return {{"type", "object"},
          {"additionalProperties", BundleSchema("Fields taken by tasks that name this entry.")},
          {"description", "Named bundles of task fields; a task takes one by \"template\"."}};
}

Json TasksSchema() {
  return {{"type", "array"},
          {"maxItems", limits::kMaxTasks},
          {"description", "The tasks; their order breaks ties."}};
}

#define NM_NOT_YET(off, text) [] { return NotYetSchema(off, text); }, nullptr, nullptr

const std::array kFields{
    DagField{"$schema", false, false,
             [] { return TextSchema("Path of dag.schema.json, for editors."); }, nullptr, nullptr},
    DagField{"dag_id", true, false, [] { return IdSchema("Identity of the DAG."); }, ApplyDagId,
             [](const Dag& d, Json& out) { out["dag_id"] = d.dag_id; }},
    DagField{"defaults", false, false,
             [] { return BundleSchema("Fields for every task that does not set them."); }, nullptr,
             nullptr},
    DagField{"description", false, false, [] { return TextSchema("One line for lists."); },
             [](const Json& v, Dag& d, const Site&) { SetText(v, d.description); },
             [](const Dag& d, Json& out) { PutText(out, "description", d.description); }},
    DagField{"display_name", false, false, [] { return TextSchema("Name shown to people."); },
             [](const Json& v, Dag& d, const Site&) { SetText(v, d.display_name); },
             [](const Dag& d, Json& out) { PutText(out, "display_name", d.display_name); }},
    DagField{"doc_md", false, false, [] { return TextSchema("Documentation in Markdown."); },
             [](const Json& v, Dag& d, const Site&) { SetText(v, d.doc_md); },
             [](const Dag& d, Json& out) { PutText(out, "doc_md", d.doc_md); }},
    DagField{"fail_fast", false, false,
             [] { return BoolSchema(false, "Stop a run at its first final failure."); },
             [](const Json& v, Dag& d, const Site&) {
               if (v.is_boolean()) d.fail_fast = v.get<bool>();
             },
             [](const Dag& d, Json& out) {
               if (d.fail_fast) out["fail_fast"] = true;
             }},
    DagField{"fail_if_any_failed", false, false,
             [] { return BoolSchema(false, "A run with a failed task is failed, leaf or not."); },
             [](const Json& v, Dag& d, const Site&) {
               if (v.is_boolean()) d.fail_if_any_failed = v.get<bool>();
             },
             [](const Dag& d, Json& out) {
               if (d.fail_if_any_failed) out["fail_if_any_failed"] = true;
             }},
    DagField{"format", false, false, FormatSchema, ApplyFormat,
             [](const Dag&, Json& out) { out["format"] = 1; }},
    DagField{"groups", false, true, NM_NOT_YET(Json::array(), "Groups of tasks.")},
    DagField{"max_active_runs", false, false,
             [] {
               return WithDefault(IntSchema(1, limits::kMaxMaxActiveRuns, "Live runs in flight."),
                                  limits::kDefaultMaxActiveRuns);
             },
             [](const Json& v, Dag& d, const Site&) { SetInt(v, d.max_active_runs); },
             [](const Dag& d, Json& out) { out["max_active_runs"] = d.max_active_runs; }},
    DagField{"max_active_tasks", false, false,
             [] {
               return WithDefault(
                   IntSchema(1, limits::kMaxMaxActiveTasks, "Task instances in flight per run."),
                   limits::kDefaultMaxActiveTasks);
             },
             [](const Json& v, Dag& d, const Site&) { SetInt(v, d.max_active_tasks); },
             [](const Dag& d, Json& out) { out["max_active_tasks"] = d.max_active_tasks; }},
    DagField{"max_active_tasks_per_dag", false, false,
             [] {
               return IntSchema(1, limits::kMaxMaxActiveTasks,
                                "Task instances in flight over all runs.");
             },
             [](const Json& v, Dag& d, const Site&) { SetInt(v, d.max_active_tasks_per_dag); },
             [](const Dag& d, Json& out) {
               if (d.max_active_tasks_per_dag) {
                 out["max_active_tasks_per_dag"] = *d.max_active_tasks_per_dag;
               }
             }},
    DagField{"max_consecutive_failed_dag_runs", false, true,
             NM_NOT_YET(0, "Pause the DAG after so many failed runs in a row.")},
    DagField{"on", false, false, DagCallbacksSchema,
             [](const Json& v, Dag& d, const Site&) { d.on = ParseCallbacks(v); },
             [](const Dag& d, Json& out) { EmitCallbacks(d.on, out); }},
    DagField{"owners", false, false, [] { return TextListSchema("Who to ask."); },
             [](const Json& v, Dag& d, const Site&) { d.owners = ParseTexts(v); },
             [](const Dag& d, Json& out) { out["owners"] = d.owners; }},
    DagField{"params", false, false, ParamsSchema, ApplyParams,
             [](const Dag& d, Json& out) { out["params"] = Json::parse(d.params_schema); }},
    DagField{"paused_upon_creation", false, false,
             [] {
               return Json{{"type", "boolean"},
                           {"description",
                            "Whether a new DAG starts paused; the server's setting "
                            "if absent."}};
             },
             [](const Json& v, Dag& d, const Site&) {
               if (v.is_boolean()) d.paused_upon_creation = v.get<bool>();
             },
             [](const Dag& d, Json& out) {
               if (d.paused_upon_creation) out["paused_upon_creation"] = *d.paused_upon_creation;
             }},
    DagField{"queue_expiry", false, false,
             [] { return DurationSchema("A run queued for longer fails; none if absent."); },
             [](const Json& v, Dag& d, const Site& s) { SetDuration(v, s, d.queue_expiry); },
             [](const Dag& d, Json& out) {
               if (d.queue_expiry) out["queue_expiry"] = FormatDuration(*d.queue_expiry);
             }},
    DagField{"run_retries", false, true, NM_NOT_YET(0, "Retries of a run as a whole.")},
    DagField{"run_retry_scope", false, true, NM_NOT_YET(nullptr, "What a run retry repeats.")},
    DagField{"run_timeout", false, false,
             [] { return DurationSchema("A run that runs for longer fails; none if absent."); },
             [](const Json& v, Dag& d, const Site& s) { SetDuration(v, s, d.run_timeout); },
             [](const Dag& d, Json& out) {
               if (d.run_timeout) out["run_timeout"] = FormatDuration(*d.run_timeout);
             }},
    DagField{"schedule", false, false, ScheduleSchema, ApplySchedule, EmitSchedule},
    DagField{"sla", false, false, DagSlaSchema,
             [](const Json& v, Dag& d, const Site& s) { d.sla = ParseSla(v, s); },
             [](const Dag& d, Json& out) { EmitSla(d.sla, out); }},
    DagField{"tags", false, false, [] { return TextListSchema("Words to filter by."); },
             [](const Json& v, Dag& d, const Site&) { d.tags = ParseTexts(v); },
             [](const Dag& d, Json& out) { out["tags"] = d.tags; }},
    DagField{"task_templates", false, false, TemplatesSchema, nullptr, nullptr},
    DagField{"tasks", true, false, TasksSchema, nullptr, nullptr},
};

#undef NM_NOT_YET

}  // namespace

std::span<const DagField> DagFields() { return kFields; }

const DagField* FindDagField(std::string_view name) {
  const auto it = std::lower_bound(
      kFields.begin(), kFields.end(), name,
      [](const DagField& field, std::string_view wanted) { return field.name < wanted; });
  return it != kFields.end() && it->name == name ? &*it : nullptr;
}

Json BundleSchema(std::string_view description) {
  Json properties = Json::object();
  for (const TaskField& field : TaskFields()) {
    if (field.in_defaults) properties[std::string(field.name)] = field.schema();
  }
  return ObjectSchema(std::move(properties), description);
}

}  // namespace nightmill::dagfile
