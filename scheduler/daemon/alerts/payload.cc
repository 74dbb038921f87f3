#include "scheduler/daemon/alerts/payload.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "core/base/hash.h"
#include "core/base/json.h"
#include "scheduler/daemon/alerts/payload_parts.h"

namespace nightmill {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxKey = 255;
constexpr std::size_t kHashDigits = 64;
constexpr std::string_view kIdPrefix = "msg_";

// The largest list (of two or more) or text (longer than `kShort`) anywhere below, by bytes.
constexpr std::size_t kShort = 64;
struct Bulk {
  json* parent = nullptr;  // object that holds it, null for the root
  std::string name;
  json* value = nullptr;
  std::size_t bytes = 0;
};

void FindBulk(json& value, json* parent, const std::string& name, Bulk& best) {
  const bool list = value.is_array() && value.size() > 1;
  const bool text = value.is_string() && value.get_ref<const std::string&>().size() > kShort;
  if (list || text) {
    const std::size_t bytes = Dump(value).size();
    // A list before a text in it: what is cut is said once.
    if (bytes > best.bytes) best = {parent, name, &value, bytes};
  }
  if (value.is_object()) {
    for (auto& [key, member] : value.items()) {
      // Half an address leads nowhere.
      if (key != "links") FindBulk(member, &value, key, best);
    }
  } else if (value.is_array()) {
    for (json& item : value) FindBulk(item, nullptr, name, best);
  }
}

// Half of it, or at once about what fits if it is far too much.
std::size_t Kept(std::size_t count, std::size_t bytes, std::size_t limit) {
  return bytes > 2 * limit ? std::max<std::size_t>(1, count * limit / bytes) : count / 2;
}

// False if nothing is left to cut.
bool CutBulk(json& data, std::size_t limit) {
  Bulk bulk;
  FindBulk(data, nullptr, "", bulk);
  if (bulk.value == nullptr) return false;
  if (bulk.value->is_string()) {
    const std::string& text = bulk.value->get_ref<const std::string&>();
    *bulk.value = Cut(text, Kept(text.size(), bulk.bytes, limit));
    return true;
  }
  json& list = *bulk.value;
  const std::size_t count = list.size();
  list.erase(list.begin() + static_cast<std::ptrdiff_t>(Kept(count, bulk.bytes, limit)),
             list.end());
  if (bulk.parent == nullptr) return true;
  const std::string counter = bulk.name + "_count";
  if (!bulk.parent->contains(counter)) (*bulk.parent)[counter] = count;
  return true;
}

json MessageJson(const AlertRow& alert, std::string_view page) {
  return {{"type", ToString(alert.type)},
          {"timestamp", FormatInstant(alert.at)},
          {"data", DataOf(alert, page)}};
}

}  // namespace

json DataOf(const AlertRow& alert, std::string_view page) {
  json data = json::parse(alert.data, nullptr, false);
  if (!data.is_object()) data = json::object();
  const auto add = [&data](const char* name, std::string_view value) {
    if (!value.empty() && !data.contains(name)) data[name] = value;
  };
  add("dag_id", alert.dag_id);
  add("task_id", alert.task_id);
  add("severity", ToString(alert.severity));
  add("dedup_key", alert.dedup_key);
  for (const PageLink& link : LinksOf(data, page)) data["links"][link.name] = link.url;
  return data;
}

void CutToFit(json& whole, json& data, std::size_t limit) {
  while (Dump(whole).size() >= limit) {
    if (CutBulk(data, limit)) continue;
    // Thousands of small members: not a form of ours, so it is not worth a finer knife.
    data = {{"cut", true}};
    return;
  }
}

std::string Cut(std::string_view text, std::size_t limit) {
  constexpr std::string_view kMore = "...";
  if (text.size() <= limit) return std::string(text);
  std::size_t end = limit < kMore.size() ? 0 : limit - kMore.size();
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return std::string(text.substr(0, end)) + std::string(kMore);
}

std::string TextOf(const json& data, std::string_view name) {
  const auto it = data.find(name);
  if (it == data.end() || it->is_null()) return {};
  return it->is_string() ? it->get<std::string>() : Dump(*it);
}

std::string Headline(const AlertRow& alert, const json& data) {
  std::string line(ToString(alert.type));
  for (const char* name : {"dag_id", "sla", "dag_run_id", "task_id", "notifier"}) {
    const std::string text = TextOf(data, name);
    if (!text.empty()) line += ' ' + text;
  }
  const std::string message = TextOf(data, "message");
  return message.empty() ? line : line + ": " + message;
}

std::string Dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

bool IsResolve(AlertType type) {
  return type == AlertType::kRunRecovered || type == AlertType::kRunSuccess ||
         type == AlertType::kTaskSuccess || type == AlertType::kSlaResolved;
}

std::string WebhookBody(const AlertRow& alert, std::string_view page) {
  json message = MessageJson(alert, page);
  CutToFit(message, message["data"], kMaxWebhookBytes);
  return Dump(message);
}

std::string CommandInput(const AlertRow& alert, std::string_view notifier, std::string_view page) {
  json message = MessageJson(alert, page);
  message["id"] = DeliveryId(alert, notifier);
  CutToFit(message, message["data"], kMaxWebhookBytes);
  return Dump(message) + "\n";
}

std::string ShortKey(std::string_view key) {
  if (key.size() <= kMaxKey) return std::string(key);
  std::size_t end = kMaxKey - kHashDigits - 1;
  while (end > 0 && (static_cast<unsigned char>(key[end]) & 0xC0) == 0x80) --end;
  return fmt::format("{}:{}", key.substr(0, end), Sha256Hex(key));
}

std::string DeliveryId(const AlertRow& alert, std::string_view notifier) {
  // With the instant, two databases give different ids to their first alerts.
  const std::uint64_t hash = KeyedHash({"delivery id", std::to_string(alert.alert.value),
                                        std::to_string(ToMicros(alert.at)), notifier});
  return fmt::format("{}{}_{:016x}", kIdPrefix, alert.alert.value, hash);
}

AlertId AlertOfDeliveryId(std::string_view id) {
  if (!id.starts_with(kIdPrefix)) return {};
  id.remove_prefix(kIdPrefix.size());
  std::int64_t number = 0;
  const auto [stop, error] = std::from_chars(id.data(), id.data() + id.size(), number);
  const bool ours = error == std::errc{} && stop != id.data() + id.size() && *stop == '_';
  return ours && number > 0 ? AlertId(number) : AlertId();
}

std::string DisabledKey(std::string_view notifier) { return fmt::format("notifier:{}", notifier); }

AlertRow SampleAlert(std::string_view notifier) {
  AlertRow alert;
  alert.type = AlertType::kTest;
  alert.severity = Severity::kInfo;
  const json data = {{"test", true},
                     {"notifier", notifier},
                     {"message", "a sample: whoever reads this is told of alerts"}};
  alert.data = Dump(data);
  return alert;
}

}  // namespace nightmill
