// Who is told of alerts, and what became of each message.
#include <fmt/format.h>

#include <utility>

#include "api/handlers/handlers.h"
#include "api/handlers/support.h"
#include "api/json_view.h"
#include "core/base/json.h"
#include "scheduler/daemon/alerts/desk.h"

namespace nightmill {
namespace {

using nlohmann::json;

json ToJson(const NotifierView& view, const NotifierRecord& record) {
  json out = {{"name", view.rule.name},
              {"type", view.type},
              {"target", view.target},
              {"events", view.rule.events},
              {"min_severity", nullptr},
              {"group_window", nullptr},
              {"enabled", view.disabled_reason.empty()},
              {"disabled_reason", TextOrNull(view.disabled_reason)},
              {"pending", record.pending},
              {"dead", record.dead},
              {"last_delivered_at", JsonOf(record.delivered_at)},
              {"last_failed_at", JsonOf(record.refused_at)},
              {"last_error", TextOrNull(record.last_error)}};
  if (view.rule.min_severity != Severity::kInfo) {
    out["min_severity"] = ToString(view.rule.min_severity);
  }
  if (view.group_window) {
    out["group_window"] = std::chrono::duration<double>(*view.group_window).count();
  }
  return out;
}

json ToJson(const DeliveryView& view) {
  const DeliveryRow& row = view.delivery;
  const bool pending = row.state == DeliveryState::kPending;
  return {{"delivery_id", DeliveryId(view.alert, row.notifier)},
          {"notifier", row.notifier},
          {"event", ToString(view.alert.type)},
          {"dag_id", TextOrNull(view.alert.dag_id)},
          {"dag_run_id", TextOrNull(view.run_id)},
          {"task_id", TextOrNull(view.alert.task_id)},
          {"state", ToString(row.state)},
          {"created_at", FormatInstant(view.alert.at)},
          {"tries", row.tries},
          {"next_try_at", JsonOf(pending ? std::optional(row.next_at) : std::nullopt)},
          {"last_try_at", JsonOf(row.last_at)},
          {"last_status", row.last_status == 0 ? json() : json(row.last_status)},
          {"last_error", TextOrNull(row.last_error)},
          {"ended_at", JsonOf(row.ended_at)},
          {"test", view.alert.type == AlertType::kTest}};
}

Result<NotifierView> RequireNotifier(ApiContext& context, std::string_view name) {
  for (NotifierView& view : context.alerts->Notifiers()) {
    if (view.rule.name == name) return std::move(view);
  }
  return NotFound(fmt::format("no notifier \"{}\"", name),
                  "nightmill alert list shows the notifiers");
}

Result<DeliveryView> RequireDelivery(ApiContext& context, const std::string& id) {
  const AlertId alert = AlertOfDeliveryId(id);
  if (alert.valid()) {
    NM_ASSIGN_OR_RETURN(std::vector<DeliveryView> views, context.queries.DeliveriesOf(alert));
    for (DeliveryView& view : views) {
      if (DeliveryId(view.alert, view.delivery.notifier) == id) return std::move(view);
    }
  }
  return NotFound(fmt::format("no delivery \"{}\"", id), "nightmill alert deliveries shows them");
}

// The one delivery of an AlertReply.
Render RenderDelivery(const std::string& run_id) {
  return [run_id](const command::ReplyBody& reply) {
    const auto& raised = std::get<AlertReply>(reply);
    return JsonResponse(ToJson(DeliveryView{raised.alert, raised.deliveries.at(0), run_id}));
  };
}

}  // namespace

Result<HttpResponse> GetNotifiers(ApiContext& context, const HttpRequest& request) {
  static constexpr std::string_view kOrders[] = {"name", "type"};
  json list = json::array();
  for (const NotifierView& view : context.alerts->Notifiers()) {
    NM_ASSIGN_OR_RETURN(const NotifierRecord record, context.queries.RecordOf(view.rule.name));
    list.push_back(ToJson(view, record));
  }
  return PagedResponse(request, "notifiers", std::move(list), kOrders);
}

Result<HttpResponse> PostNotifierTest(ApiContext& context, const HttpRequest& request) {
  const std::string& name = request.Param("name");
  NM_RETURN_IF_ERROR(ObjectBody(request, {}));
  NM_RETURN_IF_ERROR(RequireNotifier(context, name));
  const auto make_event = [&]() -> Result<Event> {
    return Event(event::PostAlert{{}, SampleAlert(name), {name}});
  };
  return CallOnce(context, request, make_event, {"notifier.test", name}, RenderDelivery(""));
}

Result<HttpResponse> GetDeliveries(ApiContext& context, const HttpRequest& request) {
  DeliveryFilter filter;
  NM_ASSIGN_OR_RETURN(filter.page, PageOf(request));
  NM_ASSIGN_OR_RETURN(const std::optional<Cursor> cursor, CursorOf(request, filter.page));
  if (cursor) filter.beyond = DeliveryFilter::Place{AlertId(cursor->number), cursor->text};
  filter.dag_id = request.Query("dag_id");
  filter.notifier = request.Query("notifier");
  NM_ASSIGN_OR_RETURN(filter.states, WordsQuery(request, "state", ParseDeliveryState));
  NM_ASSIGN_OR_RETURN(filter.types, WordsQuery(request, "event", ParseAlertType));
  NM_ASSIGN_OR_RETURN(const Listing<DeliveryView> listing, context.queries.Deliveries(filter));
  json rows = json::array();
  for (const DeliveryView& view : listing.rows) rows.push_back(ToJson(view));
  json body = {{"deliveries", std::move(rows)}, {"total_entries", listing.total}};
  if (IsFull(listing.rows, filter.page)) {
    const DeliveryRow& last = listing.rows.back().delivery;
    body["next_cursor"] = TextOf(Cursor{last.alert.value, last.notifier});
  }
  return JsonResponse(body);
}

Result<HttpResponse> GetDelivery(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(const DeliveryView view,
                      RequireDelivery(context, request.Param("delivery_id")));
  json body = ToJson(view);
  json message =
      json::parse(context.alerts->MessageOf(view.alert, view.delivery.notifier), nullptr, false);
  if (!message.is_object()) message = json::object();  // the notifier is no longer there
  body["body"] = std::move(message);
  return JsonResponse(body);
}

Result<HttpResponse> PostRedeliver(ApiContext& context, const HttpRequest& request) {
  const std::string& id = request.Param("delivery_id");
  NM_RETURN_IF_ERROR(ObjectBody(request, {}));
  NM_ASSIGN_OR_RETURN(const DeliveryView view, RequireDelivery(context, id));
  const std::string& name = view.delivery.notifier;
  const auto make_event = [&]() -> Result<Event> {
    if (view.delivery.state == DeliveryState::kPending) {
      return Conflict("the delivery is pending already");
    }
    const Result<NotifierView> notifier = RequireNotifier(context, name);
    if (!notifier.ok()) {
      return Conflict(fmt::format("the configuration has no notifier \"{}\" now", name));
    }
    if (!notifier->disabled_reason.empty()) {
      return Conflict(fmt::format("notifier {} is off: {}", name, notifier->disabled_reason),
                      fmt::format("nightmill alert test {} turns it on again", name));
    }
    return Event(event::Redeliver{{}, view.alert, view.delivery});
  };
  return CallOnce(context, request, make_event, {"delivery.redeliver", id},
                  RenderDelivery(view.run_id));
}

}  // namespace nightmill
