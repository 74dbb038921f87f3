#include <nlohmann/json.hpp>

#include "api/handlers/handlers.h"
#include "api/handlers/support.h"
#include "api/json_view.h"
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
  if (const auto run_id = request.Query("run_id"); run_id && filter.dag_id) {
    NM_ASSIGN_OR_RETURN(const DagRunRow run, RequireRun(context, *filter.dag_id, *run_id));
    filter.run = run.run;
  }
  NM_ASSIGN_OR_RETURN(const std::optional<OrderBy> order, OrderOf(request, kOrders));
  NM_ASSIGN_OR_RETURN(const Listing<EventRow> events,
                      context.queries.Events(filter, !order || order->descending, page));
  json list = json::array();
  for (const EventRow& event : events.rows) list.push_back(ToJson(event));
  return JsonResponse({{"event_logs", std::move(list)}, {"total_entries", events.total}});
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
