// PagerDuty's form of an alert: Events API v2.
#include <fmt/format.h>

#include "core/base/json.h"
#include "scheduler/daemon/alerts/payload.h"
#include "scheduler/daemon/alerts/payload_parts.h"

namespace nightmill {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxSummary = 1'024;
constexpr std::size_t kMaxDetails = 20'000;

std::string FirstTag(const json& data) {
  const auto tags = data.find("tags");
  if (tags == data.end() || !tags->is_array() || tags->empty()) return {};
  return tags->front().is_string() ? tags->front().get<std::string>() : std::string();
}

json PayloadOf(const AlertRow& alert, json data) {
  json payload = {{"summary", Cut(Headline(alert, data), kMaxSummary)},
                  {"source", alert.dag_id.empty() ? "nightmill" : alert.dag_id},
                  {"severity", ToString(alert.severity)},
                  {"timestamp", FormatInstant(alert.at)},
                  {"class", ToString(alert.type)}};
  if (!alert.dag_id.empty()) payload["component"] = alert.dag_id;
  const std::string tag = FirstTag(data);
  if (!tag.empty()) payload["group"] = tag;
  payload["custom_details"] = std::move(data);
  return payload;
}

}  // namespace

std::string PagerdutyBody(const AlertRow& alert, std::string_view notifier,
                          std::string_view routing_key, std::string_view page) {
  json event = {{"routing_key", routing_key},
                {"event_action", IsResolve(alert.type) ? "resolve" : "trigger"},
                {"client", "Nightmill"}};
  if (!page.empty()) event["client_url"] = page;
  // What nothing can follow still needs a key, or a repeated try would open a second incident.
  event["dedup_key"] =
      alert.dedup_key.empty() ? DeliveryId(alert, notifier) : ShortKey(alert.dedup_key);
  json data = DataOf(alert, page);
  for (const PageLink& link : LinksOf(data, page)) {
    event["links"].push_back({{"href", link.url}, {"text", "Open " + link.name}});
  }
  event["payload"] = PayloadOf(alert, std::move(data));
  json& details = event["payload"]["custom_details"];
  CutToFit(details, details, kMaxDetails);
  return Dump(event);
}

}  // namespace nightmill
