#include "scheduler/engine/holdup_data.h"

#include <cmath>
#include <cstddef>
#include <utility>

#include "core/base/json.h"

namespace nightmill {
namespace {

using nlohmann::json;

constexpr std::size_t kTaskListBytes = 4'000;
constexpr std::size_t kBlockingBytes = 9'000;

// Names of as many items as fit.
json CutList(const std::vector<std::string>& names) {
  json list = json::array();
  std::size_t bytes = 0;
  for (const std::string& name : names) {
    bytes += name.size() + 3;
    if (bytes > kTaskListBytes) break;
    list.push_back(name);
  }
  return list;
}

json Seconds(const std::optional<Duration>& span) {
  if (!span) return nullptr;
  return std::chrono::duration<double>(*span).count();
}

json BlockingData(const BlockingTask& task) {
  return {{"task_id", task.task_id.empty() ? json() : json(task.task_id)},
          {"map_index", task.map_index},
          {"state", task.state ? json(ToString(*task.state)) : json()},
          {"since", task.since ? json(FormatInstant(*task.since)) : json()},
          {"reason", task.reason},
          {"p50_seconds", Seconds(task.p50)},
          {"slack_seconds", Seconds(task.slack)}};
}

json BlockingList(const std::vector<BlockingTask>& tasks) {
  json list = json::array();
  std::size_t bytes = 0;
  for (const BlockingTask& task : tasks) {
    json item = BlockingData(task);
    bytes += OneLine(item).size() + 1;
    if (bytes > kBlockingBytes) break;
    list.push_back(std::move(item));
  }
  return list;
}

}  // namespace

json HoldupData(const Holdup& holdup) {
  return {{"task_list", CutList(holdup.task_list)},
          {"task_count", holdup.task_list.size()},
          {"blocking_task_list", BlockingList(holdup.blocking)},
          {"blocking_task_count", holdup.blocking_count}};
}

std::string OneLine(const json& data) {
  return data.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace nightmill
