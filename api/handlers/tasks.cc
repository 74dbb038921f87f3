#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <nlohmann/json.hpp>

#include "api/handlers/explain.h"
#include "api/handlers/handlers.h"
#include "api/handlers/support.h"
#include "api/json_view.h"
#include "scheduler/engine/engine.h"

namespace nightmill {
namespace {

using nlohmann::json;

// One answer carries at most this much of a log; the continuation token asks for the rest.
constexpr std::int64_t kLogChunk = 1 << 20;

Result<int> MapIndexOf(const HttpRequest& request) {
  std::optional<std::string> text = request.Query("map_index");
  if (const auto it = request.params.find("map_index"); it != request.params.end()) {
    text = it->second;
  }
  if (!text) return -1;
  int index = -1;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), index);
  if (error != std::errc{} || end != text->data() + text->size() || index < -1) {
    return Invalid(fmt::format("map_index {} is not a whole number from -1", *text));
  }
  return index;
}

// Words of order_by and what they mean, at the same index.
constexpr std::string_view kOrderWords[] = {"task_id",     "id",         "state",
                                            "queued_when", "start_date", "end_date"};
constexpr TaskOrder kOrders[] = {TaskOrder::kTask,     TaskOrder::kTask,      TaskOrder::kState,
                                 TaskOrder::kQueuedAt, TaskOrder::kStartedAt, TaskOrder::kEndedAt};
static_assert(std::size(kOrderWords) == std::size(kOrders));

bool HasCursor(const TaskFilter& filter) {
  return filter.order == TaskOrder::kTask && !filter.descending;
}

Status ReadOrder(const HttpRequest& request, TaskFilter& filter) {
  NM_ASSIGN_OR_RETURN(const std::optional<OrderBy> order, OrderOf(request, kOrderWords));
  if (order) {
    filter.order = kOrders[order->word];
    filter.descending = order->descending;
  }
  NM_ASSIGN_OR_RETURN(const std::optional<Cursor> cursor, CursorOf(request, filter.page));
  if (!cursor) return Ok();
  if (!HasCursor(filter)) {
    return Invalid("a cursor goes with the order by task_id only", "leave out order_by");
  }
  filter.beyond = TaskFilter::Place{cursor->text, static_cast<int>(cursor->number)};
  return Ok();
}

const Task* TaskOf(const Dag* dag, std::string_view task_id) {
  const int index = dag == nullptr ? -1 : dag->Find(task_id);
  return index < 0 ? nullptr : &dag->tasks[static_cast<std::size_t>(index)];
}

// How many attempts of the task instance ended in a way nobody knows, and why the last one did.
void AddLosses(const std::vector<LostAttempts>& losses, const TaskInstanceRow& row, json& out) {
  const auto it = std::find_if(losses.begin(), losses.end(), [&row](const LostAttempts& lost) {
    return lost.task_id == row.task_id && lost.map_index == row.map_index;
  });
  out["lost_attempts"] = it == losses.end() ? 0 : it->count;
  const json failure = it == losses.end() ? json(nullptr) : JsonOrNull(it->failure);
  out["lost_reason"] = failure.is_object() ? failure.value("message", json()) : json(nullptr);
}

struct Located {
  DagRunRow run;
  TaskView view;
};
Result<Located> Locate(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(const int map_index, MapIndexOf(request));
  NM_ASSIGN_OR_RETURN(DagRunRow run,
                      RequireRun(context, request.Param("dag_id"), request.Param("dag_run_id")));
  NM_ASSIGN_OR_RETURN(TaskView view,
                      RequireTask(context, run, request.Param("task_id"), map_index));
  return Located{std::move(run), std::move(view)};
}

Result<int> TryOf(const HttpRequest& request, const TaskView& view) {
  const std::string& text = request.Param("try_number");
  if (text == "latest") return view.task.try_number;
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number < 0) {
    return Invalid(fmt::format("try number {} is not a whole number", text));
  }
  return number;
}

struct LogChunk {
  std::string text;
  std::int64_t next = 0;
  bool more = false;
};

// Logs are files named by numeric row id, never by request text.
LogChunk ReadLog(const std::string& path, std::int64_t offset) {
  LogChunk chunk;
  chunk.next = offset;
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return chunk;
  const std::int64_t size = file.tellg();
  if (offset >= size) return chunk;
  const std::int64_t n = std::min(size - offset, kLogChunk);
  chunk.text.resize(static_cast<std::size_t>(n));
  file.seekg(offset);
  file.read(chunk.text.data(), n);
  chunk.text.resize(static_cast<std::size_t>(file.gcount()));
  chunk.next = offset + file.gcount();
  chunk.more = chunk.next < size;
  return chunk;
}

json LinesOf(const std::string& text) {
  json lines = json::array();
  std::size_t from = 0;
  while (from < text.size()) {
    const std::size_t end = std::min(text.find('\n', from), text.size());
    lines.push_back({{"event", text.substr(from, end - from)}, {"timestamp", nullptr}});
    from = end + 1;
  }
  return lines;
}

}  // namespace

Result<HttpResponse> GetTaskInstances(ApiContext& context, const HttpRequest& request) {
  TaskFilter filter;
  NM_ASSIGN_OR_RETURN(filter.page, PageOf(request));
  NM_ASSIGN_OR_RETURN(const DagRunRow run,
                      RequireRun(context, request.Param("dag_id"), request.Param("dag_run_id")));
  filter.run = run.run;
  filter.task_id = request.Query("task_id");
  for (const std::string& word : request.QueryAll("state")) {
    const std::optional<TaskState> state = ParseTaskState(word);
    if (!state) return Invalid(fmt::format("\"{}\" is no task state", word));
    filter.states.push_back(*state);
  }
  NM_RETURN_IF_ERROR(ReadOrder(request, filter));
  NM_ASSIGN_OR_RETURN(const Listing<TaskView> tasks, context.queries.Tasks(filter));
  NM_ASSIGN_OR_RETURN(const std::vector<LostAttempts> losses, context.queries.LostOfTasks(run.run));
  const auto dag = ParsedDag(context, run.dag_id, run.version);
  json list = json::array();
  for (const TaskView& view : tasks.rows) {
    list.push_back(ToJson(view, TaskOf(dag.get(), view.task.task_id)));
    AddLosses(losses, view.task, list.back());
  }
  json body = {{"task_instances", std::move(list)}, {"total_entries", tasks.total}};
  if (HasCursor(filter) && IsFull(tasks.rows, filter.page)) {
    const TaskInstanceRow& last = tasks.rows.back().task;
    body["next_cursor"] = TextOf(Cursor{last.map_index, last.task_id});
  }
  return JsonResponse(body);
}

Result<HttpResponse> GetTaskInstance(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(const Located at, Locate(context, request));
  NM_ASSIGN_OR_RETURN(const std::vector<LostAttempts> losses,
                      context.queries.LostOfTasks(at.run.run));
  const auto dag = ParsedDag(context, at.run.dag_id, at.run.version);
  json body = ToJson(at.view, TaskOf(dag.get(), at.view.task.task_id));
  AddLosses(losses, at.view.task, body);
  return JsonResponse(body);
}

Result<HttpResponse> GetTries(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(const Located at, Locate(context, request));
  const TaskInstanceRow& row = at.view.task;
  NM_ASSIGN_OR_RETURN(const std::vector<TaskAttemptRow> attempts,
                      context.queries.Attempts({row.run, row.task_id, row.map_index}));
  const auto dag = ParsedDag(context, at.run.dag_id, at.run.version);
  json list = json::array();
  for (const TaskAttemptRow& attempt : attempts) {
    list.push_back(TryToJson(at.view, attempt, TaskOf(dag.get(), row.task_id)));
  }
  static constexpr std::string_view kOrders[] = {"attempt_id", "try_number"};
  return PagedResponse(request, "task_instances", std::move(list), kOrders);
}

Result<HttpResponse> GetLogs(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(const Located at, Locate(context, request));
  NM_ASSIGN_OR_RETURN(const int number, TryOf(request, at.view));
  const TaskInstanceRow& row = at.view.task;
  NM_ASSIGN_OR_RETURN(const std::optional<TaskAttemptRow> attempt,
                      context.queries.FindTry({row.run, row.task_id, row.map_index}, number));
  if (!attempt) {
    return NotFound(fmt::format("task {} has no try {} with a log", row.task_id, number),
                    "sensors, branches and tasks that never started have no log");
  }
  std::int64_t offset = 0;
  if (const auto token = request.Query("token")) {
    const auto [end, error] = std::from_chars(token->data(), token->data() + token->size(), offset);
    if (error != std::errc{} || end != token->data() + token->size() || offset < 0) {
      return Invalid("token is not one of ours");
    }
  }
  const LogChunk chunk =
      ReadLog(fmt::format("{}/{}", context.state_dir, attempt->log_path), offset);
  const bool open = attempt->state != AttemptState::kEnded;
  const bool goes_on = chunk.more || open;
  return JsonResponse(
      {{"content", LinesOf(chunk.text)},
       {"continuation_token", goes_on ? json(std::to_string(chunk.next)) : json(nullptr)},
       {"attempt_id", attempt->attempt.value},
       {"open", open}});
}

Result<HttpResponse> GetTaskExplain(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(const int map_index, MapIndexOf(request));
  NM_ASSIGN_OR_RETURN(const DagRunRow run,
                      RequireRun(context, request.Param("dag_id"), request.Param("dag_run_id")));
  const std::string& task_id = request.Param("task_id");
  Result<TaskExplanation> explained = NotFound("not asked");
  // The engine first: a queued run has no task instances yet, but its tasks have reasons.
  NM_RETURN_IF_ERROR(context.mailbox.Look([&](const Engine& engine, Instant now) {
    explained = engine.ExplainTask(run.dag_id, run.run_id, task_id, map_index, now);
  }));
  if (!explained.ok() || IsFinished(explained->state)) {
    explained = ExplainEnded(context, run, task_id, map_index);
    if (!explained.ok()) return explained.error();
  }
  json reasons = json::array();
  for (const Reason& reason : explained->reasons) reasons.push_back(ToJson(reason));
  const TaskState state = explained->state;
  return JsonResponse({{"task_id", task_id},
                       {"map_index", map_index},
                       {"state", state == TaskState::kNone ? json(nullptr) : json(ToString(state))},
                       {"reasons", std::move(reasons)},
                       {"would_start_at", JsonOf(explained->would_start_at)}});
}

}  // namespace nightmill
