#include "api/topics.h"

#include <fmt/format.h>

#include <charconv>

#include "api/json_view.h"
#include "core/base/json.h"
#include "core/base/time.h"

namespace nightmill {
namespace {

using nlohmann::json;

// Kinds of events by the start of their name: those that concern the list of runs and DAGs, and
// those of the server itself.
constexpr std::string_view kOfRuns[] = {"run.", "dag."};
constexpr std::string_view kOfServer[] = {"worker.",   "pool.",     "import_error",
                                          "delivery.", "notifier.", "alert."};

template <std::size_t N>
bool StartsWithOne(std::string_view kind, const std::string_view (&starts)[N]) {
  for (const std::string_view start : starts) {
    if (kind.starts_with(start)) return true;
  }
  return false;
}

json MemberOf(const json& data, const char* name) {
  const auto it = data.find(name);
  return it == data.end() ? json(nullptr) : *it;
}

json WordOf(const json& data, const char* name) {
  json value = MemberOf(data, name);
  return value.is_string() && value != "none" ? value : json(nullptr);
}

json NumberOf(const json& data, const char* name) {
  json value = MemberOf(data, name);
  return value.is_number_integer() ? value : json(nullptr);
}

}  // namespace

Result<Topics> Topics::Parse(const std::vector<std::string>& words) {
  Topics topics;
  for (const std::string& word : words) {
    const std::size_t colon = word.find(':');
    const std::string kind = word.substr(0, colon);
    const std::string name = colon == std::string::npos ? "" : word.substr(colon + 1);
    const std::size_t slash = name.find('/');
    if (word == "runs") {
      topics.runs_ = true;
    } else if (word == "sla") {
      topics.sla_ = true;
    } else if (word == "server") {
      topics.server_ = true;
    } else if (kind == "dag" && !name.empty()) {
      topics.dags_.insert(name);
    } else if (kind == "run" && slash != std::string::npos) {
      topics.each_run_.emplace(name.substr(0, slash), name.substr(slash + 1));
    } else {
      std::int64_t id = 0;
      const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), id);
      if (kind != "backfill" || error != std::errc{} || end != name.data() + name.size()) {
        return Invalid(fmt::format("\"{}\" is no topic", word),
                       "topics are runs, run:DAG/RUN, dag:DAG, backfill:ID, sla, server");
      }
      topics.backfills_.insert(id);
    }
  }
  return topics;
}

bool Topics::Match(const EventView& view) const {
  const EventRow& event = view.event;
  if (runs_ && StartsWithOne(event.kind, kOfRuns)) return true;
  if (sla_ && event.kind.starts_with("sla.")) return true;
  if (server_ && StartsWithOne(event.kind, kOfServer)) return true;
  if (!dags_.empty() && dags_.contains(event.dag_id)) return true;
  if (!each_run_.empty() && each_run_.contains({event.dag_id, view.run_id})) return true;
  if (backfills_.empty()) return false;
  if (view.backfill.valid() && event.kind.starts_with("run.")) {
    return backfills_.contains(view.backfill.value);
  }
  if (!event.kind.starts_with("backfill.")) return false;
  const json data = json::parse(event.data, nullptr, false);
  const json id = data.is_object() ? NumberOf(data, "backfill") : json(nullptr);
  return id.is_number_integer() && backfills_.contains(id.get<std::int64_t>());
}

std::string EventText(const EventView& view) {
  const EventRow& event = view.event;
  json data = json::parse(event.data, nullptr, false);
  if (!data.is_object()) data = json::object();
  json backfill = NumberOf(data, "backfill");
  if (backfill.is_null() && view.backfill.valid()) backfill = view.backfill.value;
  const bool of_task = !event.task_id.empty();
  const json body = {
      {"id", event.id.value},
      {"type", event.kind},
      {"time", FormatInstant(event.at)},
      {"dag_id", TextOrNull(event.dag_id)},
      {"dag_run_id", TextOrNull(view.run_id)},
      {"task_id", TextOrNull(event.task_id)},
      {"map_index", of_task ? json(event.map_index) : json(nullptr)},
      {"state", WordOf(data, "to")},
      {"previous_state", WordOf(data, "from")},
      {"try_number", NumberOf(data, "try")},
      {"attempt_id", event.attempt.valid() ? json(event.attempt.value) : json(nullptr)},
      {"backfill_id", std::move(backfill)},
      {"name", WordOf(data, "name")}};
  return fmt::format("id: {}\ndata: {}\n\n", event.id.value,
                     body.dump(-1, ' ', false, json::error_handler_t::replace));
}

std::string ResyncText(EventId newest) {
  return fmt::format("event: resync\nid: {0}\ndata: {{\"last_id\":{0}}}\n\n", newest.value);
}

}  // namespace nightmill
