#include "api/json_view.h"

#include <fmt/format.h>

#include "api/uuid.h"
#include "core/base/json.h"

namespace nightmill {
namespace {

using nlohmann::json;

// Airflow's client decodes durations as {__type, days, seconds, microseconds}.
json TimeDelta(const std::optional<Duration>& d) {
  if (!d) return nullptr;
  const std::int64_t ms = d->count();
  return {{"__type", "TimeDelta"},
          {"days", ms / 86'400'000},
          {"seconds", ms % 86'400'000 / 1000},
          {"microseconds", ms % 1000 * 1000}};
}

// A duration in ISO 8601, as Airflow tells the limit of a run.
json IsoDuration(const std::optional<Duration>& d) {
  if (!d) return nullptr;
  return fmt::format("PT{}S", static_cast<double>(d->count()) / 1000);
}

// {"name": {"value", "description", "schema"}} of {"name": <JSON Schema>}.
json ParamsToJson(const std::string& schema_text) {
  const json schemas = json::parse(schema_text, nullptr, false);
  json params = json::object();
  if (!schemas.is_object()) return params;
  for (const auto& [name, schema] : schemas.items()) {
    const bool object = schema.is_object();
    params[name] = {{"value", object ? schema.value("default", json()) : json()},
                    {"description", object ? schema.value("description", json()) : json()},
                    {"schema", object ? schema : json::object()}};
  }
  return params;
}

}  // namespace

json JsonOf(const std::optional<Instant>& t) {
  if (!t) return nullptr;
  return FormatInstant(*t);
}

json TextOrNull(const std::string& text) { return text.empty() ? json(nullptr) : json(text); }

json SecondsBetween(const std::optional<Instant>& from, const std::optional<Instant>& to) {
  if (!from || !to) return nullptr;
  return static_cast<double>((*to - *from).count()) / 1e6;
}

json JsonOrNull(const std::string& text) {
  if (text.empty()) return nullptr;
  json value = json::parse(text, nullptr, false);
  return value.is_discarded() ? json(nullptr) : value;
}

const Task* KnownVersion::Find(std::string_view task_id) const {
  const int index = dag == nullptr ? -1 : dag->Find(task_id);
  return index < 0 ? nullptr : &dag->tasks[static_cast<std::size_t>(index)];
}

json VersionToJson(const DagVersionRow& row, const std::string& display_name) {
  return {{"id", Uuid5(fmt::format("version/{}/{}", row.dag_id, row.version))},
          {"version_number", row.version},
          {"dag_id", row.dag_id},
          {"dag_display_name", display_name},
          {"bundle_name", "nightmill"},
          {"bundle_version", nullptr},
          {"bundle_url", nullptr},
          {"created_at", FormatInstant(row.created_at)},
          {"hash", row.hash}};
}

json ToJson(const DagRow& dag, const DagVersionRow& newest, const KnownVersion& known) {
  const Dag* parsed = known.dag.get();
  json out = {{"dag_id", dag.dag_id},
              {"dag_display_name", known.display_name},
              {"is_paused", dag.paused},
              {"is_stale", parsed == nullptr},
              {"fileloc", dag.fileloc},
              {"relative_fileloc", dag.fileloc},
              {"bundle_name", "nightmill"},
              {"bundle_version", nullptr},
              {"last_parsed_time", FormatInstant(newest.created_at)},
              {"last_parse_duration", nullptr},
              {"last_expired", nullptr},
              {"has_import_errors", parsed == nullptr},
              {"description", nullptr},
              {"owners", json::array()},
              {"tags", json::array()},
              {"timetable_summary", nullptr},
              {"timetable_description", nullptr},
              {"timetable_periodic", false},
              {"timetable_partitioned", false},
              {"allowed_run_types", nullptr},
              {"is_backfillable", false},
              {"max_active_tasks", 0},
              {"max_active_runs", nullptr},
              {"max_consecutive_failed_dag_runs", 0},
              {"has_task_concurrency_limits", false},
              {"next_dagrun_logical_date", nullptr},
              {"next_dagrun_data_interval_start", nullptr},
              {"next_dagrun_data_interval_end", nullptr},
              {"next_dagrun_run_after", nullptr},
              {"file_token", ""},
              {"version_number", dag.version}};
  if (parsed == nullptr) return out;
  if (!parsed->description.empty()) out["description"] = parsed->description;
  out["owners"] = parsed->owners;
  for (const std::string& tag : parsed->tags) {
    out["tags"].push_back(
        {{"name", tag}, {"dag_id", dag.dag_id}, {"dag_display_name", known.display_name}});
  }
  for (const Task& task : parsed->tasks) {
    const bool limited = task.max_active_tis_per_dag || task.max_active_tis_per_dagrun;
    if (limited) out["has_task_concurrency_limits"] = true;
  }
  out["max_active_tasks"] = parsed->max_active_tasks;
  out["max_active_runs"] = parsed->max_active_runs;
  if (parsed->timetable == nullptr) return out;
  out["timetable_summary"] = parsed->schedule->text;
  out["timetable_description"] = parsed->schedule->text;
  out["timetable_periodic"] = parsed->timetable->periodic();
  out["is_backfillable"] = parsed->timetable->periodic();
  const std::optional<Slot> next =
      parsed->timetable->NextSlot(dag.last_tick.value_or(dag.first_accepted_at));
  if (!next) return out;
  out["next_dagrun_logical_date"] = FormatInstant(next->logical_date());
  out["next_dagrun_data_interval_start"] = FormatInstant(next->interval.start);
  out["next_dagrun_data_interval_end"] = FormatInstant(next->interval.end);
  out["next_dagrun_run_after"] = FormatInstant(next->run_after);
  return out;
}

void AddDetails(const DagView& view, const KnownVersion& known, std::int64_t active_runs,
                json& out) {
  const Dag* dag = known.dag.get();
  const Timetable* timetable = dag == nullptr ? nullptr : dag->timetable.get();
  const bool scheduled = timetable != nullptr && dag->schedule.has_value();
  out["doc_md"] = dag == nullptr ? json(nullptr) : TextOrNull(dag->doc_md);
  out["timezone"] = scheduled ? json(dag->schedule->timezone) : json("UTC");
  out["start_date"] = scheduled ? JsonOf(timetable->start()) : json(nullptr);
  out["end_date"] = scheduled ? JsonOf(timetable->end()) : json(nullptr);
  out["catchup"] = scheduled && dag->schedule->catchup != Catchup::kNone;
  out["concurrency"] = out.at("max_active_tasks");
  out["dag_run_timeout"] = dag == nullptr ? json(nullptr) : IsoDuration(dag->run_timeout);
  const bool says = dag != nullptr && dag->paused_upon_creation.has_value();
  out["is_paused_upon_creation"] = says ? json(*dag->paused_upon_creation) : json(nullptr);
  out["render_template_as_native_obj"] = true;
  out["params"] = dag == nullptr ? json::object() : ParamsToJson(dag->params_schema);
  for (const char* name :
       {"default_args", "asset_expression", "template_search_path", "rerun_with_latest_version"}) {
    out[name] = nullptr;
  }
  out["owner_links"] = json::object();
  out["is_favorite"] = false;
  out["active_runs_count"] = active_runs;
  out["last_parsed"] = out.at("last_parsed_time");
  out["latest_dag_version"] = VersionToJson(view.newest, known.display_name);
}

json TaskToJson(const Dag& dag, int index) {
  const Task& task = dag.tasks[static_cast<std::size_t>(index)];
  json downstream = json::array();
  for (const int child : dag.downstream[static_cast<std::size_t>(index)]) {
    downstream.push_back(dag.tasks[static_cast<std::size_t>(child)].id);
  }
  json upstream = json::array();
  for (const int parent : dag.upstream[static_cast<std::size_t>(index)]) {
    upstream.push_back(dag.tasks[static_cast<std::size_t>(parent)].id);
  }
  return {{"task_id", task.id},
          {"task_display_name", task.display_name.empty() ? task.id : task.display_name},
          {"owner", dag.owners.empty() ? json(nullptr) : json(dag.owners[0])},
          {"operator_name", task.type},
          {"trigger_rule", ToString(task.trigger_rule)},
          {"retries", task.retry.retries},
          {"retry_delay", TimeDelta(task.retry.delay)},
          {"retry_exponential_backoff", task.retry.backoff},
          {"execution_timeout", TimeDelta(task.timeout)},
          {"pool", task.pools[0].name},
          {"pool_slots", task.pools[0].slots},
          {"priority_weight", task.priority_weight},
          {"weight_rule", ToString(task.weight_rule)},
          {"queue", nullptr},
          {"start_date", nullptr},
          {"end_date", nullptr},
          {"depends_on_past", task.depends_on_past},
          {"wait_for_downstream", task.wait_for_downstream},
          {"is_mapped", task.map.has_value()},
          {"doc_md", task.doc_md.empty() ? json(nullptr) : json(task.doc_md)},
          {"downstream_task_ids", std::move(downstream)},
          {"upstream_task_ids", std::move(upstream)},
          {"params", json::object()},
          {"class_ref", {{"class_name", task.type}, {"module_path", "nightmill"}}},
          {"template_fields", json::array()},
          {"extra_links", json::array()},
          {"ui_color", "#fff"},
          {"ui_fgcolor", "#000"}};
}

}  // namespace nightmill
