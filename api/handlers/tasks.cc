#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "api/handlers/explain.h"
#include "api/handlers/handlers.h"
#include "api/handlers/support.h"
#include "api/json_view.h"
#include "api/log_file.h"
#include "core/base/json.h"
#include "scheduler/engine/engine.h"

namespace nightmill {
namespace {

using nlohmann::json;

// One answer carries at most this much of a log; the continuation token asks for the rest.
constexpr std::int64_t kLogChunk = 1 << 20;
constexpr std::int64_t kFullLog = 4 << 20;

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

Result<std::vector<int>> MapIndexesOf(const HttpRequest& request) {
  std::vector<int> indexes;
  for (const std::string& text : request.QueryAll("map_index")) {
    NM_ASSIGN_OR_RETURN(const int index, NumberOf("map_index", text, -1, limits::kMaxMaxItems));
    indexes.push_back(index);
  }
  return indexes;
}

Status ReadTaskFilter(const HttpRequest& request, TaskFilter& filter) {
  NM_ASSIGN_OR_RETURN(filter.page, PageOf(request));
  NM_ASSIGN_OR_RETURN(filter.map_indexes, MapIndexesOf(request));
  NM_ASSIGN_OR_RETURN(filter.states, WordsQuery(request, "state", ParseTaskState));
  NM_ASSIGN_OR_RETURN(filter.started_at, RangeQuery(request, "start_date"));
  NM_ASSIGN_OR_RETURN(filter.ended_at, RangeQuery(request, "end_date"));
  return Ok();
}

// As JSON, or as a line of JSON per line of the log for those who take nothing else.
Result<HttpResponse> LogAnswer(const HttpRequest& request, const TaskAttemptRow& attempt,
                               const LogChunk& chunk) {
  const std::string_view accept = request.Header("accept");
  if (AcceptsOnly(accept, "application/x-ndjson")) {
    HttpResponse response;
    response.content_type = "application/x-ndjson";
    for (const json& line : LinesOf(chunk.text)) {
      response.body += JsonResponse(line).body + "\n";
    }
    return response;
  }
  if (!Accepts(accept, "application/json")) {
    return ProblemWithStatus(406,
                             Error{ErrorCode::kNotSupported,
                                   "this can be sent as application/json, application/x-ndjson or "
                                   "text/event-stream"},
                             request);
  }
  const bool open = attempt.state != AttemptState::kEnded;
  const bool goes_on = chunk.more || open;
  return JsonResponse(
      {{"content", LinesOf(chunk.text)},
       {"continuation_token", goes_on ? json(std::to_string(chunk.next)) : json(nullptr)},
       {"attempt_id", attempt.attempt.value},
       {"open", open}});
}

// Rows with what is shown of their versions and losses, each looked up once.
Result<HttpResponse> TaskList(ApiContext& context, const TaskFilter& filter) {
  NM_ASSIGN_OR_RETURN(const Listing<TaskView> tasks, context.queries.Tasks(filter));
  std::map<RunKey, std::vector<LostAttempts>> losses;
  json list = json::array();
  for (const TaskView& view : tasks.rows) {
    const RunKey run = view.task.run;
    if (!losses.contains(run)) {
      NM_ASSIGN_OR_RETURN(losses[run], context.queries.LostOfTasks(run));
    }
    list.push_back(ToJson(view, *VersionOf(context, view.dag_id, view.version)));
    AddLosses(losses[run], view.task, list.back());
  }
  json body = {{"task_instances", std::move(list)}, {"total_entries", tasks.total}};
  if (filter.run && HasCursor(filter) && IsFull(tasks.rows, filter.page)) {
    const TaskInstanceRow& last = tasks.rows.back().task;
    body["next_cursor"] = TextOf(Cursor{last.map_index, last.task_id});
  }
  return JsonResponse(body);
}

}  // namespace

Result<HttpResponse> GetTaskInstances(ApiContext& context, const HttpRequest& request) {
  TaskFilter filter;
  NM_RETURN_IF_ERROR(ReadTaskFilter(request, filter));
  NM_RETURN_IF_ERROR(ReadOrder(request, filter));
  filter.task_id = request.Query("task_id");
  const std::string& dag_id = request.Param("dag_id");
  const std::string& run_id = request.Param("dag_run_id");
  if (dag_id == "~" && run_id != "~") {
    return Invalid("a run is of one DAG", "name the DAG, or send ~ for the run too");
  }
  if (dag_id != "~") filter.dag_id = dag_id;
  if (run_id != "~") {
    NM_ASSIGN_OR_RETURN(const DagRunRow run, RequireRun(context, dag_id, run_id));
    filter.run = run.run;
  } else if (dag_id != "~") {
    NM_RETURN_IF_ERROR(RequireDag(context, dag_id));
  }
  if (filter.beyond && !filter.run) return Invalid("a cursor goes with one run only");
  return TaskList(context, filter);
}

Result<HttpResponse> GetMappedTaskInstances(ApiContext& context, const HttpRequest& request) {
  static constexpr std::string_view kWords[] = {"map_index", "state", "queued_when", "start_date",
                                                "end_date"};  // of TaskOrder
  TaskFilter filter;
  NM_RETURN_IF_ERROR(ReadTaskFilter(request, filter));
  NM_ASSIGN_OR_RETURN(const std::optional<OrderBy> order, OrderOf(request, kWords));
  if (order) {
    filter.order = static_cast<TaskOrder>(order->word);
    filter.descending = order->descending;
  }
  NM_ASSIGN_OR_RETURN(const std::optional<Cursor> cursor, CursorOf(request, filter.page));
  if (cursor && !HasCursor(filter))
    return Invalid("a cursor goes with the order by map_index only");
  if (cursor) filter.beyond = TaskFilter::Place{cursor->text, static_cast<int>(cursor->number)};
  NM_ASSIGN_OR_RETURN(const DagRunRow run,
                      RequireRun(context, request.Param("dag_id"), request.Param("dag_run_id")));
  filter.run = run.run;
  filter.task_id = request.Param("task_id");
  TaskFilter any;
  any.run = run.run;
  any.task_id = filter.task_id;
  any.page.limit = 1;
  NM_ASSIGN_OR_RETURN(const Listing<TaskView> there, context.queries.Tasks(any));
  if (there.total == 0) NM_RETURN_IF_ERROR(RequireTask(context, run, *filter.task_id, -1));
  // The instance before the list is known is none of the list.
  if (filter.map_indexes.empty() && !filter.beyond) filter.beyond = {*filter.task_id, -1};
  return TaskList(context, filter);
}

Result<HttpResponse> GetTaskInstance(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(const Located at, Locate(context, request));
  NM_ASSIGN_OR_RETURN(const std::vector<LostAttempts> losses,
                      context.queries.LostOfTasks(at.run.run));
  json body = ToJson(at.view, *VersionOf(context, at.run.dag_id, at.run.version));
  AddLosses(losses, at.view.task, body);
  return JsonResponse(body);
}

Result<HttpResponse> GetTries(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(const Located at, Locate(context, request));
  const TaskInstanceRow& row = at.view.task;
  NM_ASSIGN_OR_RETURN(const std::vector<TaskAttemptRow> attempts,
                      context.queries.Attempts({row.run, row.task_id, row.map_index}));
  const auto known = VersionOf(context, at.run.dag_id, at.run.version);
  json list = json::array();
  for (const TaskAttemptRow& attempt : attempts) {
    list.push_back(TryToJson(at.view, attempt, *known));
  }
  static constexpr std::string_view kOrders[] = {"attempt_id", "try_number"};
  return PagedResponse(request, "task_instances", std::move(list), kOrders);
}

Result<HttpResponse> GetTry(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(const Located at, Locate(context, request));
  NM_ASSIGN_OR_RETURN(
      const int number,
      NumberOf("task_try_number", request.Param("task_try_number"), 1, 1'000'000'000));
  const TaskInstanceRow& row = at.view.task;
  NM_ASSIGN_OR_RETURN(const std::optional<TaskAttemptRow> attempt,
                      context.queries.FindTry({row.run, row.task_id, row.map_index}, number));
  if (!attempt) return NotFound(fmt::format("task {} has no try {}", row.task_id, number));
  const auto known = VersionOf(context, at.run.dag_id, at.run.version);
  return JsonResponse(TryToJson(at.view, *attempt, *known));
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
  const bool follow = AcceptsOnly(request.Header("accept"), "text/event-stream");
  const std::string given =
      follow ? std::string(request.Header("last-event-id")) : request.Query("token").value_or("");
  if (!given.empty()) {
    const auto [end, error] = std::from_chars(given.data(), given.data() + given.size(), offset);
    if (error != std::errc{} || end != given.data() + given.size() || offset < 0) {
      return Invalid(fmt::format("{} is not one of ours", follow ? "Last-Event-ID" : "token"));
    }
  }
  const std::string path = fmt::format("{}/{}", context.state_dir, attempt->log_path);
  if (follow) {
    HttpResponse response;
    response.content_type = "text/event-stream";
    response.stream = LogStream{path, attempt->attempt.value, offset};
    return response;
  }
  NM_ASSIGN_OR_RETURN(const std::optional<bool> full, BoolQuery(request, "full_content"));
  return LogAnswer(request, *attempt,
                   ReadLog(path, offset, full.value_or(false) ? kFullLog : kLogChunk));
}

namespace {

Result<TaskExplanation> Explain(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(const int map_index, MapIndexOf(request));
  NM_ASSIGN_OR_RETURN(const DagRunRow run,
                      RequireRun(context, request.Param("dag_id"), request.Param("dag_run_id")));
  const std::string& task_id = request.Param("task_id");
  Result<TaskExplanation> explained = NotFound("not asked");
  // The engine first: a queued run has no task instances yet, but its tasks have reasons.
  NM_RETURN_IF_ERROR(context.mailbox.Look([&](const Engine& engine, Instant now) {
    explained = engine.ExplainTask(run.dag_id, run.run_id, task_id, map_index, now);
  }));
  if (explained.ok() && !IsFinished(explained->state)) return explained;
  return ExplainEnded(context, run, task_id, map_index);
}

// The attempts that ended with their worker: why there is a further one, though nothing failed.
Result<std::optional<Reason>> LossesOf(ApiContext& context, const HttpRequest& request,
                                       int map_index) {
  NM_ASSIGN_OR_RETURN(const DagRunRow run,
                      RequireRun(context, request.Param("dag_id"), request.Param("dag_run_id")));
  NM_ASSIGN_OR_RETURN(const std::vector<LostAttempts> losses, context.queries.LostOfTasks(run.run));
  TaskInstanceRow row;
  row.task_id = request.Param("task_id");
  row.map_index = map_index;
  json counted;
  AddLosses(losses, row, counted);
  const int count = counted["lost_attempts"];
  if (count == 0) return std::optional<Reason>();
  const std::string cause = counted["lost_reason"].is_string()
                                ? ", the last time: " + counted["lost_reason"].get<std::string>()
                                : std::string();
  return std::optional<Reason>(
      {"lost_attempts",
       fmt::format("{} {} lost{}", count, count == 1 ? "attempt was" : "attempts were", cause),
       {}});
}

}  // namespace

Result<HttpResponse> GetTaskExplain(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(const TaskExplanation explained, Explain(context, request));
  NM_ASSIGN_OR_RETURN(const int map_index, MapIndexOf(request));
  json reasons = json::array();
  for (const Reason& reason : explained.reasons) reasons.push_back(ToJson(reason));
  NM_ASSIGN_OR_RETURN(const std::optional<Reason> lost, LossesOf(context, request, map_index));
  if (lost) reasons.push_back(ToJson(*lost));
  const TaskState state = explained.state;
  return JsonResponse({{"task_id", request.Param("task_id")},
                       {"map_index", map_index},
                       {"state", state == TaskState::kNone ? json(nullptr) : json(ToString(state))},
                       {"reasons", std::move(reasons)},
                       {"would_start_at", JsonOf(explained.would_start_at)}});
}

// The same in Airflow's form: what holds the task back.
Result<HttpResponse> GetTaskDependencies(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(const TaskExplanation explained, Explain(context, request));
  json list = json::array();
  for (const Reason& reason : explained.reasons) {
    list.push_back({{"name", reason.code}, {"reason", reason.message}});
  }
  return JsonResponse({{"dependencies", std::move(list)}});
}

}  // namespace nightmill
