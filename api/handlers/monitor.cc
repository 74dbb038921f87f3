#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "api/handlers/handlers.h"
#include "api/handlers/support.h"
#include "api/json_view.h"
#include "api/topics.h"
#include "core/base/json.h"
#include "scheduler/engine/engine.h"

namespace nightmill {

using nlohmann::json;

// That this is sent at all is the answer.
Result<HttpResponse> GetLivez(ApiContext&, const HttpRequest&) {
  return JsonResponse({{"status", "ok"}});
}

Result<HttpResponse> GetHealth(ApiContext& context, const HttpRequest&) {
  std::size_t runs = 0;
  std::size_t attempts = 0;
  const Status answered = context.mailbox.Look(
      [&](const Engine& engine, Instant) {
        runs = engine.live_runs();
        attempts = engine.open_attempts();
      },
      Duration{5'000});
  json failed = json::array();
  if (!answered.ok()) failed.push_back("scheduler");
  const Result<std::int64_t> lost = context.queries.LostTotal();
  if (!lost.ok()) failed.push_back("database");
  json body = {{"status", failed.empty() ? "ok" : "unhealthy"},
               {"name", "nightmill"},
               {"version", context.version},
               {"durability", context.durability},
               {"live_runs", runs},
               {"open_attempts", attempts},
               {"lost_attempts", lost.ok() ? json(*lost) : json(nullptr)}};
  const int status = failed.empty() ? 200 : 503;
  if (!failed.empty()) body["failed"] = std::move(failed);
  return JsonResponse(body, status);
}

Result<HttpResponse> GetMonitorHealth(ApiContext& context, const HttpRequest&) {
  const Status answered = context.mailbox.Look([](const Engine&, Instant) {}, Duration{5'000});
  const char* state = answered.ok() ? "healthy" : "unhealthy";
  const std::string beat = FormatInstant(context.now());
  const Result<EventId> database = context.queries.LastEvent();
  return JsonResponse(
      {{"metadatabase", {{"status", database.ok() ? "healthy" : "unhealthy"}}},
       {"scheduler", {{"status", state}, {"latest_scheduler_heartbeat", beat}}},
       {"triggerer", {{"status", state}, {"latest_triggerer_heartbeat", beat}}},
       {"dag_processor", {{"status", state}, {"latest_dag_processor_heartbeat", beat}}}});
}

Result<HttpResponse> GetVersion(ApiContext& context, const HttpRequest&) {
  return JsonResponse(
      {{"version", context.version}, {"git_version", nullptr}, {"name", "nightmill"}});
}

Result<HttpResponse> GetOperators(ApiContext& context, const HttpRequest& request) {
  static constexpr std::string_view kOrders[] = {"type", "kind"};
  json list = json::array();
  for (const OperatorEntry* entry : context.catalog.All()) {
    list.push_back(
        {{"type", entry->type}, {"summary", entry->summary}, {"kind", ToString(entry->kind)}});
  }
  return PagedResponse(request, "operators", std::move(list), kOrders);
}

Result<HttpResponse> GetWorkers(ApiContext& context, const HttpRequest& request) {
  static constexpr std::string_view kOrders[] = {"name", "state"};
  json list = json::array();
  NM_RETURN_IF_ERROR(context.mailbox.Look([&list](const Engine& engine, Instant) {
    for (const Engine::WorkerUse& worker : engine.Workers()) {
      list.push_back({{"name", worker.name},
                      {"state", worker.connected ? "connected" : "disconnected"},
                      {"slots", worker.places},
                      {"used_slots", worker.used}});
    }
  }));
  return PagedResponse(request, "workers", std::move(list), kOrders);
}

Result<HttpResponse> GetEventLogs(ApiContext& context, const HttpRequest& request) {
  static constexpr std::string_view kOrders[] = {"id", "event_log_id", "when"};  // all the same
  NM_ASSIGN_OR_RETURN(const Page page, PageOf(request));
  EventFilter filter;
  filter.dag_id = request.Query("dag_id");
  filter.task_id = request.Query("task_id");
  filter.kind = request.Query("event");
  if (const auto run_id = request.Query("run_id")) {
    if (!filter.dag_id) return Invalid("run_id goes with dag_id", "name the DAG of the run too");
    NM_ASSIGN_OR_RETURN(const DagRunRow run, RequireRun(context, *filter.dag_id, *run_id));
    filter.run = run.run;
  }
  NM_ASSIGN_OR_RETURN(const std::optional<OrderBy> order, OrderOf(request, kOrders));
  const bool newest_first = !order || order->descending;
  NM_ASSIGN_OR_RETURN(const std::optional<Cursor> cursor, CursorOf(request, page));
  if (cursor && !newest_first) {
    return Invalid("a cursor goes with the newest first only", "leave out order_by");
  }
  if (cursor) filter.before = EventId(cursor->number);
  NM_ASSIGN_OR_RETURN(const Listing<EventView> events,
                      context.queries.Events(filter, newest_first, page));
  json list = json::array();
  for (const EventView& event : events.rows) list.push_back(ToJson(event));
  json body = {{"event_logs", std::move(list)}, {"total_entries", events.total}};
  if (newest_first && IsFull(events.rows, page)) {
    body["next_cursor"] = TextOf(Cursor{events.rows.back().event.id.value, ""});
  }
  return JsonResponse(body);
}

Result<HttpResponse> GetEventLog(ApiContext& context, const HttpRequest& request) {
  const std::string& text = request.Param("event_log_id");
  std::int64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc{} || end != text.data() + text.size() || id < 1) {
    return Invalid(fmt::format("event_log_id {} is no whole number from 1", text));
  }
  NM_ASSIGN_OR_RETURN(const std::optional<EventView> event, context.queries.FindEvent(EventId(id)));
  if (!event) return NotFound(fmt::format("no event {}", id));
  return JsonResponse(ToJson(*event));
}

// Topics come as one word with commas between, or as several.
Result<HttpResponse> GetEvents(ApiContext&, const HttpRequest& request) {
  constexpr std::size_t kMaxTopics = 32;
  if (!Accepts(request.Header("accept"), "text/event-stream")) {
    return ProblemWithStatus(
        406, Error{ErrorCode::kNotSupported, "this can be sent as text/event-stream"}, request);
  }
  EventStream stream;
  for (const std::string& words : request.QueryAll("topics")) {
    std::size_t from = 0;
    while (from <= words.size()) {
      const std::size_t end = std::min(words.find(',', from), words.size());
      if (end > from) stream.topics.push_back(words.substr(from, end - from));
      from = end + 1;
    }
  }
  if (stream.topics.empty()) stream.topics.push_back("runs");
  if (stream.topics.size() > kMaxTopics) {
    return Invalid(
        fmt::format("there are {} topics, the limit is {}", stream.topics.size(), kMaxTopics));
  }
  NM_RETURN_IF_ERROR(Topics::Parse(stream.topics));
  const std::string_view last = request.Header("last-event-id");
  if (!last.empty()) {
    std::int64_t id = 0;
    const auto [end, error] = std::from_chars(last.data(), last.data() + last.size(), id);
    if (error != std::errc{} || end != last.data() + last.size() || id < 0) {
      return Invalid("Last-Event-ID is no number of an event");
    }
    stream.last_id = id;
  }
  HttpResponse response;
  response.content_type = "text/event-stream";
  response.stream = std::move(stream);
  return response;
}

Result<HttpResponse> PostShutdown(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(const json body, ObjectBody(request, {"cancel"}));
  NM_ASSIGN_OR_RETURN(const std::optional<bool> cancel, BoolMember(body, "cancel"));
  AuditRow audit;
  audit.at = context.now();
  audit.principal = request.principal;
  audit.action = "server.stop";
  audit.result = "ok";
  NM_RETURN_IF_ERROR(context.mailbox.Write({audit}, kCallTimeout));
  context.mailbox.Stop(cancel.value_or(false));
  return JsonResponse({{"stopping", true}});
}

}  // namespace nightmill
