#include "api/json_view.h"

#include <fmt/format.h>

#include <initializer_list>
#include <nlohmann/json.hpp>
#include <utility>

#include "api/json_writer.h"
#include "core/base/hash.h"

namespace nightmill {
namespace {

using nlohmann::json;

// An object of lists of hundreds of rows. The library's own initializer lists make an array of each
// pair first, which was a third of the time of a list of runs.
struct Member {
  const char* name;
  mutable json value;  // elements of an initializer list are const; this one is moved out
};
json Object(std::initializer_list<Member> members) {
  json out = json::object();
  auto& object = out.get_ref<json::object_t&>();
  for (const Member& member : members) object.emplace(member.name, std::move(member.value));
  return out;
}

json StateOrNull(TaskState state) {
  if (state == TaskState::kNone) return nullptr;
  return ToString(state);
}

json SecondsBetween(const std::optional<Instant>& from, const std::optional<Instant>& to) {
  if (!from || !to) return nullptr;
  return static_cast<double>((*to - *from).count()) / 1e6;
}

// Airflow's client decodes durations as {__type, days, seconds, microseconds}.
json TimeDelta(const std::optional<Duration>& d) {
  if (!d) return nullptr;
  const std::int64_t ms = d->count();
  return {{"__type", "TimeDelta"},
          {"days", ms / 86'400'000},
          {"seconds", ms % 86'400'000 / 1000},
          {"microseconds", ms % 1000 * 1000}};
}

// Airflow identifies a task instance by a UUID; ours is a function of its key (UUID version 8: the
// first 16 bytes of a hash).
std::string InstanceUuid(const TaskView& view) {
  const std::string hex = Sha256Hex(fmt::format("ti/{}/{}/{}/{}", view.dag_id, view.run_id,
                                                view.task.task_id, view.task.map_index));
  return fmt::format("{}-{}-8{}-8{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(13, 3),
                     hex.substr(17, 3), hex.substr(20, 12));
}

json PoolOf(const Task* task) { return task == nullptr ? "default_pool" : task->pools[0].name; }

}  // namespace

json JsonOf(const std::optional<Instant>& t) {
  if (!t) return nullptr;
  return FormatInstant(*t);
}

json JsonOrNull(const std::string& text) {
  if (text.empty()) return nullptr;
  json value = json::parse(text, nullptr, false);
  return value.is_discarded() ? json(nullptr) : value;
}

json ToJson(const DagRow& dag, const Dag* parsed) {
  json out = {{"dag_id", dag.dag_id},
              {"dag_display_name", dag.dag_id},
              {"is_paused", dag.paused},
              {"is_stale", parsed == nullptr},
              {"fileloc", dag.fileloc},
              {"relative_fileloc", dag.fileloc},
              {"bundle_name", "nightmill"},
              {"bundle_version", nullptr},
              {"last_parsed_time", FormatInstant(dag.first_accepted_at)},
              {"last_expired", nullptr},
              {"has_import_errors", parsed == nullptr},
              {"description", nullptr},
              {"owners", json::array()},
              {"tags", json::array()},
              {"timetable_summary", nullptr},
              {"timetable_description", nullptr},
              {"timetable_periodic", false},
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
  out["dag_display_name"] = parsed->display_name.empty() ? dag.dag_id : parsed->display_name;
  if (!parsed->description.empty()) out["description"] = parsed->description;
  out["owners"] = parsed->owners;
  for (const std::string& tag : parsed->tags) {
    out["tags"].push_back({{"name", tag}, {"dag_id", dag.dag_id}});
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

void AppendRun(std::string& out, const DagRunRow& run, std::int64_t lost_attempts) {
  const auto interval = [&run](Instant DataInterval::*end) {
    return run.interval ? std::optional<Instant>((*run.interval).*end) : std::nullopt;
  };
  JsonWriter object(out);
  object.Add("dag_run_id", run.run_id)
      .Add("dag_id", run.dag_id)
      .Add("dag_display_name", run.dag_id)
      .Add("logical_date", run.logical_date)
      .Add("data_interval_start", interval(&DataInterval::start))
      .Add("data_interval_end", interval(&DataInterval::end))
      .Add("run_after", std::optional(run.run_after))
      .Add("queued_at", std::optional(run.queued_at))
      .Add("start_date", run.started_at)
      .Add("end_date", run.ended_at)
      .AddSeconds("duration", run.started_at, run.ended_at)
      .AddRaw("last_scheduling_decision", "null")
      .Add("run_type", ToString(run.type))
      .Add("state", ToString(run.state))
      .AddOrNull("state_reason", run.reason == RunReason::kNone ? "" : ToString(run.reason))
      .Add("triggered_by", run.triggered_by)
      .AddRaw("triggering_user_name", "null")
      .AddRaw("conf", json::accept(run.conf) ? run.conf : "null")
      .AddOrNull("note", run.note)
      .AddRaw("dag_versions", "[]")
      .AddRaw("bundle_version", "null")
      .AddRaw("partition_key", "null");
  const auto add_or_null = [&object](std::string_view name, std::int64_t number) {
    number > 0 ? object.Add(name, number) : object.AddRaw(name, "null");
  };
  add_or_null("version_number", run.version);
  add_or_null("backfill_id", run.backfill.value);
  object.Add("hidden_failures", run.hidden_failures)
      .Add("clear_number", run.clear_number)
      .Add("lost_attempts", lost_attempts)
      .End();
}

json ToJson(const TaskView& view, const Task* task) {
  const TaskInstanceRow& row = view.task;
  const bool finished = IsFinished(row.state);
  return Object(
      {{"id", InstanceUuid(view)},
       {"task_id", row.task_id},
       {"task_display_name", row.task_id},
       {"dag_id", view.dag_id},
       {"dag_display_name", view.dag_id},
       {"dag_run_id", view.run_id},
       {"map_index", row.map_index},
       {"rendered_map_index", nullptr},
       {"logical_date", JsonOf(view.logical_date)},
       {"run_after", FormatInstant(view.run_after)},
       {"scheduled_when", JsonOf(row.scheduled_at)},
       {"queued_when", JsonOf(row.queued_at)},
       {"start_date", JsonOf(row.started_at)},
       {"end_date", finished ? JsonOf(row.ended_at) : json(nullptr)},
       {"duration", finished ? SecondsBetween(row.started_at, row.ended_at) : json(nullptr)},
       {"state", StateOrNull(row.state)},
       {"try_number", row.try_number},
       {"max_tries", row.max_tries - 1},
       {"hostname", ""},
       {"unixname", nullptr},
       {"pid", nullptr},
       {"operator", task == nullptr ? json(nullptr) : json(task->type)},
       {"operator_name", task == nullptr ? json(nullptr) : json(task->type)},
       {"executor", "local"},
       {"executor_config", "{}"},
       {"queue", nullptr},
       {"pool", PoolOf(task)},
       {"pool_slots", task == nullptr ? 1 : task->pools[0].slots},
       {"priority_weight", task == nullptr ? 1 : task->priority_weight},
       {"note", nullptr},
       {"rendered_fields", json::object()},
       {"trigger", nullptr},
       {"triggerer_job", nullptr},
       {"dag_version", nullptr},
       {"skip_reason", row.skip_reason.empty() ? json(nullptr) : json(row.skip_reason)},
       {"failure", JsonOrNull(row.failure)},
       {"next_due", JsonOf(row.due_at)},
       {"output", JsonOrNull(row.output)},
       {"artifact", row.artifact.empty() ? json(nullptr) : json(row.artifact)},
       {"map_item", JsonOrNull(row.map_item)}});
}

json TryToJson(const TaskView& view, const TaskAttemptRow& attempt, const Task* task) {
  json out = ToJson(view, task);
  out["try_number"] = attempt.try_number;
  out["attempt_id"] = attempt.attempt.value;
  out["start_date"] = JsonOf(attempt.started_at);
  out["end_date"] = JsonOf(attempt.ended_at);
  out["duration"] = SecondsBetween(attempt.started_at, attempt.ended_at);
  out["worker"] = attempt.worker;
  out["attempt_state"] = ToString(attempt.state);
  out["outcome"] = attempt.outcome.empty() ? json(nullptr) : json(attempt.outcome);
  out["failure"] = JsonOrNull(attempt.failure);
  out["rendered_fields"] = JsonOrNull(attempt.rendered);
  out["report"] = JsonOrNull(attempt.report);
  out["queued_when"] = FormatInstant(attempt.dispatched_at);
  out["cpu_seconds"] = attempt.usage.cpu_seconds;
  out["max_rss_bytes"] = attempt.usage.max_rss_bytes;
  out["bytes_read"] = attempt.usage.bytes_read;
  out["bytes_written"] = attempt.usage.bytes_written;
  if (attempt.state == AttemptState::kEnded) {
    if (attempt.outcome == "succeeded") out["state"] = "success";
    if (attempt.outcome == "failed" || attempt.outcome == "timed_out") out["state"] = "failed";
  }
  return out;
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

json ToJson(const BackfillRow& backfill, const std::vector<BackfillSlotCount>& counts) {
  json totals = json::object();
  for (const BackfillSlotCount& count : counts) {
    const std::string key = count.run_state.empty() ? count.state : count.run_state;
    totals[key] = totals.value(key, std::int64_t{0}) + count.count;
  }
  const bool ended = backfill.state == BackfillState::kCompleted;
  return {{"id", backfill.backfill.value},
          {"dag_id", backfill.dag_id},
          {"dag_display_name", backfill.dag_id},
          {"from_date", FormatInstant(backfill.from)},
          {"to_date", FormatInstant(backfill.to)},
          {"dag_run_conf", JsonOrNull(backfill.conf)},
          {"is_paused", backfill.state == BackfillState::kPaused},
          {"reprocess_behavior", ToString(backfill.reprocess)},
          {"max_active_runs", backfill.max_active_runs},
          {"run_backwards", backfill.run_backwards},
          {"created_at", FormatInstant(backfill.created_at)},
          {"completed_at", JsonOf(backfill.ended_at)},
          {"updated_at", FormatInstant(backfill.ended_at.value_or(backfill.created_at))},
          {"state", ToString(backfill.state)},
          {"outcome", ended ? json(backfill.outcome) : json(nullptr)},
          {"counts", std::move(totals)}};
}

json ToJson(const BackfillPreviewRow& row) {
  return {
      {"logical_date", FormatInstant(row.logical_date)},
      {"data_interval_start", FormatInstant(row.interval.start)},
      {"data_interval_end", FormatInstant(row.interval.end)},
      {"verdict", row.verdict},
      {"reason", row.reason.empty() ? json(nullptr) : json(row.reason)},
      {"existing_run_id", row.existing_run_id.empty() ? json(nullptr) : json(row.existing_run_id)}};
}

json ToJson(const BackfillSlotRow& slot) {
  return {{"seq", slot.seq},
          {"logical_date", FormatInstant(slot.logical_date)},
          {"data_interval_start", FormatInstant(slot.interval.start)},
          {"data_interval_end", FormatInstant(slot.interval.end)},
          {"verdict", slot.verdict},
          {"reason", slot.reason.empty() ? json(nullptr) : json(slot.reason)},
          {"state", slot.state},
          {"run_state", slot.run_state.empty() ? json(nullptr) : json(slot.run_state)}};
}

json ToJson(const PoolRow& pool, const Engine::PoolUse& use) {
  const int occupied =
      use.running_slots + use.queued_slots + (pool.include_deferred ? use.deferred_slots : 0);
  return {{"name", pool.name},
          {"slots", pool.slots},
          {"description", pool.description.empty() ? json(nullptr) : json(pool.description)},
          {"include_deferred", pool.include_deferred},
          {"occupied_slots", occupied},
          {"running_slots", use.running_slots},
          {"queued_slots", use.queued_slots},
          {"scheduled_slots", use.scheduled_slots},
          {"deferred_slots", use.deferred_slots},
          {"open_slots", pool.slots < 0 ? -1 : pool.slots - occupied}};
}

json ToJson(const EventRow& event) {
  return {{"event_log_id", event.id.value},
          {"when", FormatInstant(event.at)},
          {"event", event.kind},
          {"dag_id", event.dag_id.empty() ? json(nullptr) : json(event.dag_id)},
          {"task_id", event.task_id.empty() ? json(nullptr) : json(event.task_id)},
          {"map_index", event.map_index},
          {"extra", event.data}};
}

json ToJson(const Reason& reason) {
  return {{"code", reason.code}, {"message", reason.message}, {"until", JsonOf(reason.until)}};
}

}  // namespace nightmill
