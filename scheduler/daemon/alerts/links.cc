// Where the page shows what an alert is about (web/src/base/url.ts has the same places).
#include <fmt/format.h>

#include "core/base/json.h"
#include "scheduler/daemon/alerts/payload_parts.h"

namespace nightmill {
namespace {

using nlohmann::json;

// As encodeURIComponent of the page: everything but unreserved characters.
std::string Encoded(std::string_view text) {
  constexpr std::string_view kUnreserved = "-_.~";
  std::string out;
  for (const char c : text) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (letter || (c >= '0' && c <= '9') || kUnreserved.find(c) != std::string_view::npos) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

}  // namespace

std::vector<PageLink> LinksOf(const json& data, std::string_view page) {
  std::vector<PageLink> links;
  if (page.empty()) return links;
  const auto add = [&](const char* name, const std::string& path) {
    links.push_back({name, std::string(page) + path});
  };
  const std::string dag = TextOf(data, "dag_id");
  const std::string run = TextOf(data, "dag_run_id");
  const std::string task = TextOf(data, "task_id");
  const std::string backfill = TextOf(data, "backfill_id");
  const std::string of_dag = "/dags/" + Encoded(dag);
  const std::string of_run = of_dag + "/runs/" + Encoded(run);
  if (!dag.empty() && !run.empty()) {
    if (!task.empty()) {
      const std::string index = TextOf(data, "map_index");
      const bool mapped = !index.empty() && !index.starts_with('-');
      add("task", of_run + "/tasks/" + Encoded(task) + (mapped ? "/" + Encoded(index) : ""));
    }
    add("run", of_run);
  } else if (!backfill.empty()) {
    add("backfill", "/backfills/" + Encoded(backfill));
  } else if (!dag.empty()) {
    add("dag", of_dag);
  }
  return links;
}

}  // namespace nightmill
