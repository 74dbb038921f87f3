// Runs, their task instances, tries and events.
#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "api/json_view.h"
#include "api/json_writer.h"
#include "api/uuid.h"
#include "core/base/json.h"

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

// Airflow identifies a task instance by a UUID; ours is a function of its key.
std::string InstanceUuid(const TaskView& view) {
  return Uuid5(fmt::format("ti/{}/{}/{}/{}", view.dag_id, view.run_id, view.task.task_id,
                           view.task.map_index));
}

json PoolOf(const Task* task) { return task == nullptr ? "default_pool" : task->pools[0].name; }

// Airflow's word for who made a run.
std::string_view TriggerWord(std::string_view ours) {
  for (const std::string_view same : {"cli", "ui", "backfill"}) {
    if (ours == same) return same;
  }
  return ours == "schedule" ? "timetable" : "rest_api";
}

// {"kind", "message"} and, where there are any, exit code and signal.
json FailureToJson(const std::string& text) {
  const json failure = JsonOrNull(text);
  if (!failure.is_object() || !failure.contains("kind") || !failure.contains("message")) {
    return nullptr;
  }
  json out = {{"kind", failure.at("kind")}, {"message", failure.at("message")}};
  for (const char* name : {"exit_code", "signal"}) {
    if (failure.contains(name)) out[name] = failure.at(name);
  }
  return out;
}

// The state of a try, which is over unless its attempt is open; a lost one is told as failed.
TaskState StateOfTry(const TaskView& view, const TaskAttemptRow& attempt) {
  if (attempt.state == AttemptState::kDispatched) return TaskState::kQueued;
  if (attempt.state != AttemptState::kEnded) {
    const bool clearing =
        view.task.attempt == attempt.attempt && view.task.state == TaskState::kRestarting;
    return clearing ? TaskState::kRestarting : TaskState::kRunning;
  }
  if (attempt.outcome == "succeeded") return TaskState::kSuccess;
  return attempt.outcome == "skipped" ? TaskState::kSkipped : TaskState::kFailed;
}

}  // namespace

void AppendRun(std::string& out, const DagRunRow& run, const KnownVersion& known,
               std::int64_t lost_attempts) {
  const auto interval = [&run](Instant DataInterval::*end) {
    return run.interval ? std::optional<Instant>((*run.interval).*end) : std::nullopt;
  };
  JsonWriter object(out);
  object.Add("dag_run_id", run.run_id)
      .Add("dag_id", run.dag_id)
      .Add("dag_display_name", known.display_name)
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
      .Add("triggered_by", TriggerWord(run.triggered_by))
      .AddRaw("triggering_user_name", "null")
      .AddRaw("conf", json::accept(run.conf) ? run.conf : "null")
      .AddOrNull("note", run.note)
      .AddRaw("dag_versions", run.version > 0 ? fmt::format("[{}]", known.view) : "[]")
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

json ToJson(const TaskView& view, const KnownVersion& known) {
  const Task* task = known.Find(view.task.task_id);
  const TaskInstanceRow& row = view.task;
  const bool finished = IsFinished(row.state);
  return Object(
      {{"id", InstanceUuid(view)},
       {"task_id", row.task_id},
       {"task_display_name",
        task == nullptr || task->display_name.empty() ? row.task_id : task->display_name},
       {"dag_id", view.dag_id},
       {"dag_display_name", known.display_name},
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
       {"max_tries", std::max(row.max_tries - 1, 0)},
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
       {"dag_version", view.version > 0 ? json::parse(known.view) : json(nullptr)},
       {"skip_reason", row.skip_reason.empty() ? json(nullptr) : json(row.skip_reason)},
       {"failure", FailureToJson(row.failure)},
       {"next_due", JsonOf(row.due_at)},
       {"output", JsonOrNull(row.output)},
       {"artifact", row.artifact.empty() ? json(nullptr) : json(row.artifact)},
       {"map_item", JsonOrNull(row.map_item)}});
}

json TryToJson(const TaskView& view, const TaskAttemptRow& attempt, const KnownVersion& known) {
  json out = ToJson(view, known);
  const bool ended = attempt.state == AttemptState::kEnded;
  out["state"] = StateOrNull(StateOfTry(view, attempt));
  out["try_number"] = attempt.try_number;
  out["scheduled_when"] =
      view.task.try_number == attempt.try_number ? JsonOf(view.task.scheduled_at) : json(nullptr);
  out["queued_when"] = FormatInstant(attempt.dispatched_at);
  out["start_date"] = JsonOf(attempt.started_at);
  out["end_date"] = JsonOf(attempt.ended_at);
  out["duration"] = SecondsBetween(attempt.started_at, attempt.ended_at);
  out["skip_reason"] = attempt.outcome == "skipped" ? json("task") : json(nullptr);
  out["failure"] = FailureToJson(attempt.failure);
  const json rendered = JsonOrNull(attempt.rendered);
  out["rendered_fields"] = rendered.is_object() ? rendered : json::object();
  out["attempt_id"] = attempt.attempt.value;
  out["worker"] = attempt.worker;
  out["attempt_state"] = ToString(attempt.state);
  out["outcome"] = ended ? TextOrNull(attempt.outcome) : json(nullptr);
  out["report"] = JsonOrNull(attempt.report);
  out["output"] = out["report"];
  out["cpu_seconds"] = attempt.usage.cpu_seconds;
  out["max_rss_bytes"] = attempt.usage.max_rss_bytes;
  out["bytes_read"] = attempt.usage.bytes_read;
  out["bytes_written"] = attempt.usage.bytes_written;
  return out;
}

json ToJson(const EventView& view) {
  const EventRow& event = view.event;
  return {{"event_log_id", event.id.value},
          {"when", FormatInstant(event.at)},
          {"event", event.kind},
          {"dag_id", TextOrNull(event.dag_id)},
          {"run_id", TextOrNull(view.run_id)},
          {"task_id", TextOrNull(event.task_id)},
          {"map_index", event.task_id.empty() ? json(nullptr) : json(event.map_index)},
          {"extra", event.data}};
}

json ToJson(const Reason& reason) {
  return {{"code", reason.code}, {"message", reason.message}, {"until", JsonOf(reason.until)}};
}

}  // namespace nightmill
