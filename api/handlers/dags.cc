#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "api/handlers/handlers.h"
#include "api/handlers/support.h"
#include "api/json_view.h"
#include "core/dagfile/dag_json.h"
#include "scheduler/engine/engine.h"

namespace nightmill {
namespace {

using nlohmann::json;

Result<std::map<std::string, int>> PoolSlots(ApiContext& context) {
  NM_ASSIGN_OR_RETURN(const std::vector<PoolRow> pools, context.queries.Pools());
  std::map<std::string, int> slots;
  for (const PoolRow& pool : pools) slots.emplace(pool.name, pool.slots);
  return slots;
}

// True if the DAG came from a file that is there no more: then another file may define it.
Result<bool> FileIsGone(ApiContext& context, const std::string& dag_id) {
  NM_ASSIGN_OR_RETURN(const std::optional<DagView> known, context.queries.FindDag(dag_id));
  std::error_code ignored;
  return known && !known->dag.fileloc.empty() &&
         !std::filesystem::exists(known->dag.fileloc, ignored);
}

Result<DagFileResult> LoadFromRequest(ApiContext& context, const HttpRequest& request) {
  DagFileOptions options;
  options.file = request.Query("file").value_or("dag.json");
  options.fileloc = request.Query("fileloc").value_or("");
  NM_ASSIGN_OR_RETURN(options.pools, PoolSlots(context));
  return LoadDag(request.body, context.catalog, options);
}

json DiagnosticsBody(const DagFileResult& loaded) {
  return {{"valid", loaded.ok()},
          {"dag_id", loaded.ok() ? json(loaded.dag->dag_id) : json(nullptr)},
          {"diagnostics", json::parse(DiagnosticsToJson(loaded.diagnostics))}};
}

}  // namespace

Result<HttpResponse> GetDags(ApiContext& context, const HttpRequest& request) {
  DagFilter filter;
  NM_ASSIGN_OR_RETURN(filter.page, PageOf(request));
  NM_ASSIGN_OR_RETURN(filter.paused, BoolQuery(request, "paused"));
  filter.id_pattern = request.Query("dag_id_pattern");
  static constexpr std::string_view kOrders[] = {"dag_id", "last_parsed_time"};  // of DagOrder
  NM_ASSIGN_OR_RETURN(const std::optional<OrderBy> order, OrderOf(request, kOrders));
  if (order) {
    filter.order = static_cast<DagOrder>(order->word);
    filter.descending = order->descending;
  }
  NM_ASSIGN_OR_RETURN(const Listing<DagView> dags, context.queries.Dags(filter));
  json list = json::array();
  for (const DagView& view : dags.rows) {
    const auto parsed = ParsedDag(context, view.dag.dag_id, view.dag.version);
    list.push_back(ToJson(view.dag, parsed.get()));
  }
  return JsonResponse({{"dags", std::move(list)}, {"total_entries", dags.total}});
}

Result<HttpResponse> GetDag(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(const DagView view, RequireDag(context, request.Param("dag_id")));
  const auto parsed = ParsedDag(context, view.dag.dag_id, view.dag.version);
  return JsonResponse(ToJson(view.dag, parsed.get()));
}

Result<HttpResponse> GetDagTasks(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(const DagView view, RequireDag(context, request.Param("dag_id")));
  const auto parsed = ParsedDag(context, view.dag.dag_id, view.dag.version);
  json list = json::array();
  if (parsed != nullptr) {
    for (std::size_t i = 0; i < parsed->tasks.size(); ++i) {
      list.push_back(TaskToJson(*parsed, static_cast<int>(i)));
    }
  }
  static constexpr std::string_view kOrders[] = {"task_id", "operator_name"};
  return PagedResponse(request, "tasks", std::move(list), kOrders);
}

Result<HttpResponse> PatchDag(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(const json body, ObjectBody(request, {"is_paused"}));
  NM_ASSIGN_OR_RETURN(const std::optional<bool> paused, BoolMember(body, "is_paused"));
  if (!paused) return Invalid("is_paused is missing", "send {\"is_paused\": true} or false");
  event::SetDagPaused event;
  event.dag_id = request.Param("dag_id");
  event.paused = *paused;
  NM_ASSIGN_OR_RETURN(const command::ReplyBody reply,
                      CallWithAudit(context, request, event, {"dag.pause", event.dag_id}));
  const DagRow& dag = std::get<DagReply>(reply).dag;
  const auto parsed = ParsedDag(context, dag.dag_id, dag.version);
  return JsonResponse(ToJson(dag, parsed.get()));
}

Result<HttpResponse> PostValidate(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(const DagFileResult loaded, LoadFromRequest(context, request));
  return JsonResponse(DiagnosticsBody(loaded));
}

Result<HttpResponse> PutDagSource(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(DagFileResult loaded, LoadFromRequest(context, request));
  if (!loaded.ok()) {
    json body = DiagnosticsBody(loaded);
    body["title"] = "invalid";
    body["status"] = 400;
    body["code"] = "invalid";
    body["detail"] = loaded.diagnostics.empty() ? "the DAG is not valid"
                                                : FormatDiagnostic(loaded.diagnostics.front());
    return JsonResponse(body, 400);
  }
  if (loaded.dag->dag_id != request.Param("dag_id")) {
    return Invalid(fmt::format("the file says dag_id \"{}\", the path says \"{}\"",
                               loaded.dag->dag_id, request.Param("dag_id")));
  }
  event::ApplyDag event;
  event.dag = loaded.dag;
  event.paused_upon_creation = context.paused_upon_creation;
  NM_ASSIGN_OR_RETURN(event.moved, FileIsGone(context, loaded.dag->dag_id));
  NM_ASSIGN_OR_RETURN(const command::ReplyBody reply,
                      CallWithAudit(context, request, event, {"dag.apply", loaded.dag->dag_id}));
  const auto& applied = std::get<DagReply>(reply);
  json body = ToJson(applied.dag, loaded.dag.get());
  body["created"] = applied.created;
  body["changed"] = applied.changed;
  body["diagnostics"] = json::parse(DiagnosticsToJson(loaded.diagnostics));
  return JsonResponse(body);
}

Result<HttpResponse> GetDagSource(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(const DagView view, RequireDag(context, request.Param("dag_id")));
  return JsonResponse({{"dag_id", view.dag.dag_id},
                       {"version_number", view.dag.version},
                       {"content", view.newest.source},
                       {"dag_display_name", view.dag.dag_id}});
}

Result<HttpResponse> GetDagNext(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(const DagView view, RequireDag(context, request.Param("dag_id")));
  const auto parsed = ParsedDag(context, view.dag.dag_id, view.dag.version);
  json list = json::array();
  if (parsed != nullptr && parsed->timetable != nullptr) {
    const int n = std::clamp(std::atoi(request.Query("n").value_or("5").c_str()), 1, 1000);
    Instant after = view.dag.last_tick.value_or(view.dag.first_accepted_at);
    for (int i = 0; i < n; ++i) {
      const std::optional<Slot> slot = parsed->timetable->NextSlot(after);
      if (!slot) break;
      after = slot->tick;
      list.push_back({{"logical_date", FormatInstant(slot->logical_date())},
                      {"data_interval_start", FormatInstant(slot->interval.start)},
                      {"data_interval_end", FormatInstant(slot->interval.end)},
                      {"run_after", FormatInstant(slot->run_after)},
                      {"local", parsed->timetable->LocalText(slot->run_after)},
                      {"note", parsed->timetable->Note(*slot)}});
    }
  }
  return JsonResponse({{"dag_id", view.dag.dag_id}, {"next", std::move(list)}});
}

}  // namespace nightmill
