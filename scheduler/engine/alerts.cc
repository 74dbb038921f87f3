#include "scheduler/engine/alerts.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <utility>

#include "core/base/json.h"
#include "scheduler/engine/holdup_data.h"
#include "scheduler/engine/outbox.h"
#include "scheduler/engine/record.h"
#include "scheduler/engine/sla_outlook.h"

namespace nightmill {
namespace {

using nlohmann::json;
using Lists = std::vector<const std::vector<std::string>*>;

// A message of 20 kB at most leaves the sender (product.md 7): lists in it are cut, with a count.
constexpr std::size_t kFailureBytes = 2'000;
constexpr std::size_t kMaxListed = 50;

struct Draft {
  AlertRow row;
  json data;
};

json TextOrNull(const std::string& text) { return text.empty() ? json() : json(text); }
json TimeOrNull(const std::optional<Instant>& at) { return at ? json(FormatInstant(*at)) : json(); }
double Seconds(std::chrono::microseconds span) {
  return std::round(static_cast<double>(span.count()) / 1e3) / 1e3;
}

// The notifiers that get an event, in the order of the configuration: named in one of the lists, or
// asking for it themselves.
std::vector<std::string> Listeners(const EngineState& state, AlertType type, Severity severity,
                                   const Lists& named) {
  std::vector<std::string> listeners;
  for (const NotifierRule& rule : state.config.notifiers) {
    if (severity < rule.min_severity) continue;
    const bool is_named = std::any_of(named.begin(), named.end(), [&](const auto* list) {
      return std::find(list->begin(), list->end(), rule.name) != list->end();
    });
    if (is_named || Covers(rule.events, type)) listeners.push_back(rule.name);
  }
  return listeners;
}

void Send(EngineState& state, Draft draft, const std::vector<std::string>& listeners) {
  draft.data["severity"] = ToString(draft.row.severity);
  const auto dag = state.dags.find(draft.row.dag_id);
  if (dag != state.dags.end() && !dag->second.newest->dag->tags.empty()) {
    draft.data["tags"] = dag->second.newest->dag->tags;
  }
  draft.data["dedup_key"] = TextOrNull(draft.row.dedup_key);
  draft.row.data = OneLine(draft.data);
  Raise(state, std::move(draft.row), listeners);
}

AlertRow RowOf(AlertType type, Severity severity, const DagRunRow& run) {
  AlertRow row;
  row.type = type;
  row.severity = severity;
  row.dag_id = run.dag_id;
  row.run = run.run;
  return row;
}

// --- Runs.

// What a failure says, cut; null if it says nothing.
json FailureData(const std::string& failure) {
  json data = json::parse(failure, nullptr, false);
  if (!data.is_object()) return nullptr;
  if (const auto it = data.find("message"); it != data.end() && it->is_string()) {
    *it = it->get_ref<const std::string&>().substr(0, kFailureBytes);
  }
  return data;
}

// The failed tasks, and what the first of them says as the message.
void AddFailedTasks(const LiveRun& run, json& data) {
  json failed = json::array();
  int count = 0;
  for (const TaskNode& node : run.nodes) {
    const auto& all = node.instances;
    const auto first = std::find_if(all.begin(), all.end(), [](const Instance& instance) {
      return instance.row.state == TaskState::kFailed;
    });
    if (first == all.end()) continue;
    count += 1;
    if (failed.size() < kMaxListed) failed.push_back(first->row.task_id);
    const json failure = count == 1 ? FailureData(first->row.failure) : json();
    if (failure.is_object()) {
      data["message"] = fmt::format("{}: {}", first->row.task_id, failure.value("message", ""));
    }
  }
  data["failed_task_list"] = std::move(failed);
  data["failed_task_count"] = count;
}

json RunData(const LiveRun& run) {
  const DagRunRow& row = run.row;
  json data = {{"dag_id", row.dag_id},
               {"dag_run_id", row.run_id},
               {"task_id", nullptr},
               {"run_type", ToString(row.type)},
               {"state", ToString(row.state)},
               {"reason", TextOrNull(std::string(ToString(row.reason)))},
               {"logical_date", TimeOrNull(row.logical_date)},
               {"queued_at", FormatInstant(row.queued_at)},
               {"started_at", TimeOrNull(row.started_at)},
               {"ended_at", TimeOrNull(row.ended_at)},
               {"duration_seconds", nullptr},
               {"hidden_failures", row.hidden_failures}};
  if (row.started_at && row.ended_at) {
    data["duration_seconds"] = Seconds(*row.ended_at - *row.started_at);
  }
  AddFailedTasks(run, data);
  return data;
}

std::string RunKeyText(const std::string& dag_id, const std::string& run_id) {
  return fmt::format("run:{}:{}", dag_id, run_id);
}

// --- Tasks.

json TaskData(const DagRunRow& run, const TaskInstanceRow& row) {
  json data = {{"dag_id", run.dag_id},
               {"dag_run_id", run.run_id},
               {"task_id", row.task_id},
               {"map_index", row.map_index},
               {"state", ToString(row.state)},
               {"try_number", row.try_number},
               {"max_tries", row.max_tries},
               {"attempt", row.attempt.valid() ? json(row.attempt.value) : json()},
               {"started_at", TimeOrNull(row.started_at)},
               {"ended_at", TimeOrNull(row.ended_at)},
               {"next_try_at", TimeOrNull(row.due_at)},
               {"skip_reason", TextOrNull(row.skip_reason)},
               {"failure", nullptr}};
  const bool failed = row.state == TaskState::kFailed || row.state == TaskState::kUpForRetry;
  if (failed) data["failure"] = FailureData(row.failure);
  if (data["failure"].is_object()) data["message"] = data["failure"].value("message", "");
  return data;
}

Severity TaskSeverity(AlertType type) {
  if (type == AlertType::kTaskFailed) return Severity::kError;
  return type == AlertType::kTaskRetry ? Severity::kWarning : Severity::kInfo;
}

const std::vector<std::string>& TaskList(const Callbacks& on, AlertType type) {
  if (type == AlertType::kTaskFailed) return on.failure;
  if (type == AlertType::kTaskRetry) return on.retry;
  return type == AlertType::kTaskSkipped ? on.skipped : on.success;
}

constexpr std::array kTaskAlerts{AlertType::kTaskFailed, AlertType::kTaskRetry,
                                 AlertType::kTaskSuccess, AlertType::kTaskSkipped};

// --- SLA.

const SlaSpec* SpecOf(const LiveDag& dag, const std::string& name) {
  for (const SlaEntry& entry : dag.newest->slas) {
    if (entry.spec->name == name) return entry.spec;
  }
  return nullptr;
}

// Who is named for this event; whoever was told of a trouble is told of its end.
Lists SlaLists(const LiveDag& dag, const SlaRow& row, AlertType type) {
  Lists lists;
  const SlaSpec* spec = SpecOf(dag, row.name);
  if (spec != nullptr) lists.push_back(&spec->notify);
  const bool resolved = type == AlertType::kSlaResolved;
  const bool warned = type == AlertType::kSlaWarning || (resolved && row.warned_at);
  const bool missed = type == AlertType::kSlaMissed || (resolved && row.missed_at);
  const auto add = [&](const Callbacks& on) {
    if (warned) lists.push_back(&on.sla_warn);
    if (missed) lists.push_back(&on.sla_miss);
  };
  const Dag& newest = *dag.newest->dag;
  add(newest.on);
  const int task = row.task_id.empty() ? -1 : newest.Find(row.task_id);
  if (task >= 0 && newest.tasks[static_cast<std::size_t>(task)].on != nullptr) {
    add(*newest.tasks[static_cast<std::size_t>(task)].on);
  }
  return lists;
}

json SlaData(const LiveSla& sla) {
  const SlaRow& row = sla.row;
  return {{"dag_id", row.dag_id},
          {"dag_run_id", TextOrNull(sla.run_id)},
          {"task_id", TextOrNull(row.task_id)},
          {"sla", row.name},
          {"cause", TextOrNull(row.cause)},
          {"deadline", TimeOrNull(row.due_at)}};
}

}  // namespace

unsigned WatchOf(const EngineState& state, const LiveDag& dag) {
  unsigned watch = dag.slas != nullptr ? kWatchSla : 0;
  for (const AlertType type : kTaskAlerts) {
    for (const NotifierRule& rule : state.config.notifiers) {
      if (Covers(rule.events, type)) watch |= WatchBit(type);
    }
  }
  for (const Task& task : dag.newest->dag->tasks) {
    if (task.on == nullptr) continue;
    for (const AlertType type : kTaskAlerts) {
      if (!TaskList(*task.on, type).empty()) watch |= WatchBit(type);
    }
  }
  return watch;
}

std::optional<AlertType> TaskAlert(TaskState state) {
  switch (state) {
    case TaskState::kFailed:
      return AlertType::kTaskFailed;
    case TaskState::kUpForRetry:
      return AlertType::kTaskRetry;
    case TaskState::kSuccess:
      return AlertType::kTaskSuccess;
    case TaskState::kSkipped:
      return AlertType::kTaskSkipped;
    case TaskState::kNone:
    case TaskState::kScheduled:
    case TaskState::kQueued:
    case TaskState::kRunning:
    case TaskState::kRestarting:
    case TaskState::kUpstreamFailed:
    case TaskState::kDeferred:
    case TaskState::kRemoved:
      break;
  }
  return std::nullopt;
}

void AlertRun(EngineState& state, LiveDag& dag, const LiveRun& run) {
  const DagRunRow& row = run.row;
  const bool failed = row.state == RunState::kFailed;
  const std::string trouble = dag.row.failing;  // the run that began it, "" if there is none
  const std::string healed = failed ? "" : trouble;
  if (failed && trouble.empty()) dag.row.failing = row.run_id;
  if (!failed) dag.row.failing.clear();
  if (dag.row.failing != trouble) Touch(state, dag);

  const Callbacks& on = dag.newest->dag->on;
  AlertType type = failed ? AlertType::kRunFailed : AlertType::kRunSuccess;
  Lists named = {failed ? &on.failure : &on.success};
  Severity severity = failed ? Severity::kError : Severity::kInfo;
  if (!healed.empty()) {
    type = AlertType::kRunRecovered;
    named.push_back(&on.failure);
    severity = Severity::kError;  // of the trouble that it ends: whoever was told of that hears it
  }
  const std::vector<std::string> listeners = Listeners(state, type, severity, named);
  if (listeners.empty()) return;
  Draft draft{RowOf(type, severity, row), RunData(run)};
  // One trouble, one key: later failures raise what the first began.
  const std::string& began = healed.empty() ? dag.row.failing : healed;
  if (type != AlertType::kRunSuccess) draft.row.dedup_key = RunKeyText(row.dag_id, began);
  if (type == AlertType::kRunRecovered) draft.data["failed_since"] = healed;
  Send(state, std::move(draft), listeners);
}

void AlertTask(EngineState& state, const LiveRun& run, const TaskInstanceRow& row) {
  const AlertType type = *TaskAlert(row.state);
  const Dag& newest = *state.dags.find(run.row.dag_id)->second.newest->dag;
  const int task = newest.Find(row.task_id);
  Lists named;
  if (task >= 0 && newest.tasks[static_cast<std::size_t>(task)].on != nullptr) {
    named.push_back(&TaskList(*newest.tasks[static_cast<std::size_t>(task)].on, type));
  }
  const Severity severity = TaskSeverity(type);
  const std::vector<std::string> listeners = Listeners(state, type, severity, named);
  if (listeners.empty()) return;
  Draft draft{RowOf(type, severity, run.row), TaskData(run.row, row)};
  draft.row.task_id = row.task_id;
  draft.row.map_index = row.map_index;
  const bool trouble = type == AlertType::kTaskFailed || type == AlertType::kTaskRetry;
  const bool healed = type == AlertType::kTaskSuccess && row.try_number > 1;
  if (trouble || healed) {
    draft.row.dedup_key =
        fmt::format("task:{}:{}:{}", run.row.dag_id, run.row.run_id, row.task_id);
    if (row.map_index >= 0) draft.row.dedup_key += fmt::format(":{}", row.map_index);
  }
  Send(state, std::move(draft), listeners);
}

void AlertBackfill(EngineState& state, const LiveBackfill& backfill) {
  const BackfillRow& row = backfill.row;
  const bool failed = row.outcome == "failed";
  const Severity severity = failed ? Severity::kError : Severity::kInfo;
  const AlertType type = AlertType::kBackfillCompleted;
  const std::vector<std::string> listeners = Listeners(state, type, severity, {});
  if (listeners.empty()) return;
  Draft draft;
  draft.row.type = type;
  draft.row.severity = severity;
  draft.row.dag_id = row.dag_id;
  draft.row.dedup_key = fmt::format("backfill:{}", row.backfill.value);
  int success = 0;
  int failures = 0;
  int skipped = 0;
  for (const BackfillSlotRow& slot : backfill.slots) {
    success += slot.run_state == "success" ? 1 : 0;
    failures += slot.run_state == "failed" ? 1 : 0;
    skipped += slot.state == "skipped" ? 1 : 0;
  }
  draft.data = {{"dag_id", row.dag_id},
                {"dag_run_id", nullptr},
                {"task_id", nullptr},
                {"backfill_id", row.backfill.value},
                {"from_date", FormatInstant(row.from)},
                {"to_date", FormatInstant(row.to)},
                {"outcome", row.outcome},
                {"success", success},
                {"failed", failures},
                {"skipped", skipped}};
  Send(state, std::move(draft), listeners);
}

void AlertWorkerLost(EngineState& state, const std::vector<AttemptId>& attempts) {
  const AlertType type = AlertType::kWorkerLost;
  const std::vector<std::string> listeners = Listeners(state, type, Severity::kError, {});
  if (listeners.empty() || attempts.empty()) return;
  const TaskAttemptRow& first = state.attempts.at(attempts.front()).row;
  Draft draft;
  draft.row.type = type;
  draft.row.severity = Severity::kError;
  draft.row.dedup_key = fmt::format("worker:{}:{:x}", first.worker, first.incarnation);
  json lost = json::array();
  for (const AttemptId id : attempts) {
    const OpenAttempt& attempt = state.attempts.at(id);
    if (lost.size() >= kMaxListed || attempt.targets.empty()) break;
    const AttemptTarget& target = attempt.targets.front();
    const LiveRun* run = state.FindRun(target.run);
    if (run == nullptr) continue;
    lost.push_back({{"attempt", id.value},
                    {"dag_id", run->row.dag_id},
                    {"dag_run_id", run->row.run_id},
                    {"task_id", target.task_id},
                    {"map_index", target.map_index}});
  }
  draft.data = {{"dag_id", nullptr},
                {"dag_run_id", nullptr},
                {"task_id", nullptr},
                {"worker", first.worker},
                {"attempts", std::move(lost)},
                {"attempt_count", attempts.size()}};
  Send(state, std::move(draft), listeners);
}

std::string DedupKey(const SlaRow& row) {
  // "2011-05-30T06:00Z": most slots begin with a minute.
  std::string slot = FormatInstant(row.slot);
  if (slot.ends_with(":00Z")) slot.replace(slot.size() - 4, 4, "Z");
  return fmt::format("sla:{}:{}:{}", row.dag_id, row.name, slot);
}

void AlertSla(EngineState& state, const LiveDag& dag, const LiveSla& sla, AlertType type,
              int others) {
  const SlaRow& row = sla.row;
  const std::vector<std::string> listeners =
      Listeners(state, type, row.severity, SlaLists(dag, row, type));
  if (listeners.empty()) return;
  Draft draft;
  draft.row.type = type;
  draft.row.severity = row.severity;
  draft.row.dag_id = row.dag_id;
  draft.row.run = row.run;
  draft.row.task_id = row.task_id;
  draft.row.map_index = row.map_index;
  draft.row.dedup_key = DedupKey(row);
  draft.data = SlaData(sla);
  if (type == AlertType::kSlaResolved) {
    draft.data["was"] = row.missed_at ? "missed" : "warned";
    draft.data["landed_at"] = TimeOrNull(row.landed_at);
    draft.data["late_by_seconds"] = Seconds(*row.landed_at - *row.due_at);
  } else {
    const Holdup holdup = WhatHolds(state, dag, sla, state.now);
    draft.data["predicted_finish"] = TimeOrNull(holdup.predicted_end);
    draft.data.update(HoldupData(holdup));
    if (type == AlertType::kSlaMissed) draft.data["others"] = others;
  }
  Send(state, std::move(draft), listeners);
}

}  // namespace nightmill
