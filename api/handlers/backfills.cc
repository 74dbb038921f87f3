#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>

#include "api/handlers/handlers.h"
#include "api/handlers/support.h"
#include "api/json_view.h"

namespace nightmill {
namespace {

using nlohmann::json;

Result<BackfillId> IdOf(const HttpRequest& request) {
  const std::string& text = request.Param("backfill_id");
  std::int64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc{} || end != text.data() + text.size() || id <= 0) {
    return NotFound(fmt::format("no backfill \"{}\"", text));
  }
  return BackfillId{id};
}

Result<BackfillRow> RequireBackfill(ApiContext& context, BackfillId id) {
  NM_ASSIGN_OR_RETURN(const std::optional<BackfillRow> row, context.queries.FindBackfill(id));
  if (row) return *row;
  return NotFound(fmt::format("no backfill {}", id.value), "nightmill backfill list shows them");
}

Result<json> RenderRow(ApiContext& context, const BackfillRow& row) {
  NM_ASSIGN_OR_RETURN(const std::vector<BackfillSlotCount> counts,
                      context.queries.BackfillSlotCounts(row.backfill));
  return ToJson(row, counts);
}

Result<event::CreateBackfill> ReadBackfill(const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(const json body,
                      ObjectBody(request, {"dag_id", "from_date", "to_date", "reprocess_behavior",
                                           "max_active_runs", "run_backwards", "dag_run_conf",
                                           "run_on_latest_version"}));
  event::CreateBackfill event;
  for (const auto& [name, target] :
       {std::pair{"dag_id", &event.dag_id}, std::pair{"from_date", &event.from},
        std::pair{"to_date", &event.to}}) {
    NM_ASSIGN_OR_RETURN(std::optional<std::string> text, StringMember(body, name));
    if (!text) return Invalid(fmt::format("{} is missing", name));
    *target = *std::move(text);
  }
  NM_ASSIGN_OR_RETURN(const std::optional<std::string> reprocess,
                      StringMember(body, "reprocess_behavior"));
  if (reprocess) {
    const std::optional<ReprocessBehavior> parsed = ParseReprocessBehavior(*reprocess);
    if (!parsed) {
      return Invalid(fmt::format("reprocess_behavior \"{}\" is unknown", *reprocess),
                     "it is none, failed or completed");
    }
    event.reprocess = *parsed;
  }
  NM_ASSIGN_OR_RETURN(const std::optional<int> active, IntMember(body, "max_active_runs"));
  event.max_active_runs = active.value_or(limits::kDefaultBackfillActiveRuns);
  NM_ASSIGN_OR_RETURN(const std::optional<bool> backwards, BoolMember(body, "run_backwards"));
  event.run_backwards = backwards.value_or(false);
  if (const auto conf = body.find("dag_run_conf"); conf != body.end() && !conf->is_null()) {
    if (!conf->is_object()) return Invalid("dag_run_conf must be a JSON object");
    event.conf = conf->dump();
  }
  return event;
}

json PreviewRows(const BackfillReply& reply) {
  json rows = json::array();
  for (const BackfillPreviewRow& row : reply.rows) rows.push_back(ToJson(row));
  return rows;
}

Result<HttpResponse> Control(ApiContext& context, const HttpRequest& request,
                             event::BackfillAction action, const char* word) {
  NM_ASSIGN_OR_RETURN(const BackfillId id, IdOf(request));
  NM_RETURN_IF_ERROR(RequireBackfill(context, id));
  event::ControlBackfill event;
  event.backfill = id;
  event.action = action;
  NM_ASSIGN_OR_RETURN(const command::ReplyBody reply,
                      CallWithAudit(context, request, event, {word, std::to_string(id.value)}));
  NM_ASSIGN_OR_RETURN(const json body, RenderRow(context, std::get<BackfillReply>(reply).backfill));
  return JsonResponse(body);
}

}  // namespace

Result<HttpResponse> GetBackfills(ApiContext& context, const HttpRequest& request) {
  BackfillFilter filter;
  NM_ASSIGN_OR_RETURN(filter.page, PageOf(request));
  filter.dag_id = request.Query("dag_id");
  static constexpr std::string_view kOrders[] = {"id"};
  NM_ASSIGN_OR_RETURN(const std::optional<OrderBy> order, OrderOf(request, kOrders));
  if (order) filter.descending = order->descending;
  NM_ASSIGN_OR_RETURN(const Listing<BackfillRow> rows, context.queries.Backfills(filter));
  json list = json::array();
  for (const BackfillRow& row : rows.rows) {
    NM_ASSIGN_OR_RETURN(json rendered, RenderRow(context, row));
    list.push_back(std::move(rendered));
  }
  return JsonResponse({{"backfills", std::move(list)}, {"total_entries", rows.total}});
}

Result<HttpResponse> PostBackfill(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(const event::CreateBackfill event, ReadBackfill(request));
  const auto render = [](const command::ReplyBody& reply) {
    const auto& created = std::get<BackfillReply>(reply);
    json body = ToJson(created.backfill, {});
    body["slots"] = PreviewRows(created);
    return JsonResponse(body);
  };
  return CallOnce(
      context, request, [&event]() -> Result<Event> { return Event(event); },
      {"backfill.create", event.dag_id}, render);
}

Result<HttpResponse> PostBackfillDryRun(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(event::CreateBackfill event, ReadBackfill(request));
  event.dry_run = true;
  NM_ASSIGN_OR_RETURN(const command::ReplyBody reply,
                      context.mailbox.Call({std::move(event)}, kCallTimeout));
  const json rows = PreviewRows(std::get<BackfillReply>(reply));
  return JsonResponse({{"backfills", rows}, {"total_entries", rows.size()}});
}

Result<HttpResponse> GetBackfill(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(const BackfillId id, IdOf(request));
  NM_ASSIGN_OR_RETURN(const BackfillRow row, RequireBackfill(context, id));
  NM_ASSIGN_OR_RETURN(const json body, RenderRow(context, row));
  return JsonResponse(body);
}

Result<HttpResponse> GetBackfillSlots(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(const BackfillId id, IdOf(request));
  NM_ASSIGN_OR_RETURN(const Page page, PageOf(request));
  NM_RETURN_IF_ERROR(OrderOf(request, {}));
  NM_RETURN_IF_ERROR(RequireBackfill(context, id));
  NM_ASSIGN_OR_RETURN(const Listing<BackfillSlotRow> slots,
                      context.queries.BackfillSlots(id, page));
  json list = json::array();
  for (const BackfillSlotRow& slot : slots.rows) list.push_back(ToJson(slot));
  return JsonResponse({{"backfill_dag_runs", std::move(list)}, {"total_entries", slots.total}});
}

Result<HttpResponse> PutBackfillPause(ApiContext& context, const HttpRequest& request) {
  return Control(context, request, event::BackfillAction::kPause, "backfill.pause");
}
Result<HttpResponse> PutBackfillUnpause(ApiContext& context, const HttpRequest& request) {
  return Control(context, request, event::BackfillAction::kUnpause, "backfill.unpause");
}
Result<HttpResponse> PutBackfillCancel(ApiContext& context, const HttpRequest& request) {
  return Control(context, request, event::BackfillAction::kCancel, "backfill.cancel");
}

}  // namespace nightmill
