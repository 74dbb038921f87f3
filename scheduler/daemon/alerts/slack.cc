// Slack's form of an alert. Block Kit takes 50 blocks, 3,000 characters in a section and 2,000 in a
// field.
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "core/base/check.h"
#include "core/base/json.h"
#include "scheduler/daemon/alerts/payload.h"
#include "scheduler/daemon/alerts/payload_parts.h"

namespace nightmill {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxSection = 3'000;
constexpr std::size_t kMaxField = 2'000;
constexpr std::size_t kMaxText = 3'000;
constexpr std::size_t kMaxFields = 10;
constexpr std::size_t kShown = 10;  // alerts of a group

// A word is never told by colour alone.
std::string_view Glyph(AlertType type, Severity severity) {
  if (type == AlertType::kTest) return "\u2709";
  if (IsResolve(type)) return "\u2714";
  if (type == AlertType::kSlaWarning || type == AlertType::kTaskRetry) return "\u26A0";
  return severity >= Severity::kError ? "\u2716" : "\u26A0";
}

// Slack's three control characters.
std::string Escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else {
      out += c;
    }
  }
  return out;
}

json Section(const std::string& text) {
  return {{"type", "section"}, {"text", {{"type", "mrkdwn"}, {"text", Cut(text, kMaxSection)}}}};
}

std::string Line(const AlertRow& alert, const json& data) {
  return fmt::format("{} {}", Glyph(alert.type, alert.severity), Escaped(Headline(alert, data)));
}

void AddField(json& fields, std::string_view name, const std::string& value) {
  if (value.empty() || fields.size() >= kMaxFields) return;
  fields.push_back({{"type", "mrkdwn"},
                    {"text", Cut(fmt::format("*{}*\n{}", name, Escaped(value)), kMaxField)}});
}

std::string BlockingTask(const json& data) {
  const auto list = data.find("blocking_task_list");
  if (list == data.end() || !list->is_array() || list->empty()) return {};
  const json& first = list->front();
  if (!first.is_object()) return {};
  const std::string reason = TextOf(first, "reason");
  std::string text = TextOf(first, "task_id");
  if (!reason.empty()) text += fmt::format(" ({})", reason);
  if (list->size() > 1) text += fmt::format(" and {} more", list->size() - 1);
  return text;
}

json FieldsOf(const AlertRow& alert, const json& data) {
  json fields = json::array();
  AddField(fields, "DAG", TextOf(data, "dag_id"));
  AddField(fields, "Run", TextOf(data, "dag_run_id"));
  AddField(fields, "Task", TextOf(data, "task_id"));
  AddField(fields, "Blocking task", BlockingTask(data));
  AddField(fields, "Deadline", TextOf(data, "deadline"));
  AddField(fields, "Predicted finish", TextOf(data, "predicted_finish"));
  AddField(fields, "Severity", std::string(ToString(alert.severity)));
  return fields;
}

json Button(const PageLink& link) {
  return {{"type", "button"},
          {"text", {{"type", "plain_text"}, {"text", "Open " + link.name}}},
          {"url", link.url}};
}

json OneMessage(const AlertRow& alert, std::string_view page) {
  const json data = DataOf(alert, page);
  const std::string line = Line(alert, data);
  json blocks = json::array({Section(line)});
  blocks.push_back({{"type", "section"}, {"fields", FieldsOf(alert, data)}});
  json buttons = json::array();
  for (const PageLink& link : LinksOf(data, page)) buttons.push_back(Button(link));
  if (!buttons.empty()) {
    blocks.push_back({{"type", "actions"}, {"elements", std::move(buttons)}});
  }
  return {{"text", Cut(line, kMaxText)}, {"blocks", std::move(blocks)}};
}

json GroupMessage(std::span<const AlertRow> alerts, std::string_view page) {
  const std::string head = fmt::format("{} alerts", alerts.size());
  json blocks = json::array({Section(fmt::format("*{}*", head))});
  for (const AlertRow& alert : alerts.first(std::min(alerts.size(), kShown))) {
    const json data = DataOf(alert, page);
    json section = Section(Line(alert, data));
    const std::vector<PageLink> links = LinksOf(data, page);
    if (!links.empty()) section["accessory"] = Button(links.front());
    blocks.push_back(std::move(section));
  }
  if (alerts.size() > kShown) {
    blocks.push_back(Section(fmt::format("and {} more", alerts.size() - kShown)));
  }
  return {{"text", head}, {"blocks", std::move(blocks)}};
}

}  // namespace

std::string SlackBody(std::span<const AlertRow> alerts, std::string_view page) {
  CHECK(!alerts.empty());
  return Dump(alerts.size() == 1 ? OneMessage(alerts.front(), page) : GroupMessage(alerts, page));
}

}  // namespace nightmill
