// What holds up an SLA, as JSON for alerts and for the list of misses. Private to scheduler/engine.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "scheduler/engine/sla_outlook.h"

namespace nightmill {

// {task_list, task_count, blocking_task_list, blocking_task_count}: the lists cut to what a message
// of 20 kB has room for (product.md 7), the counts of all.
nlohmann::json HoldupData(const Holdup& holdup);
// One line, whatever bytes its texts have.
std::string OneLine(const nlohmann::json& data);

}  // namespace nightmill
