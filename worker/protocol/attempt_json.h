// AttemptSpec and AttemptReport as JSON values. Internal to worker/protocol; codec.h has the texts.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "core/model/task_attempt.h"

namespace nightmill::wire {

nlohmann::json ToJson(const AttemptSpec& spec);
nlohmann::json ToJson(const AttemptReport& report);
nlohmann::json ToJson(const ResourceUsage& usage);
// What is wrong goes to `complaint` (json_fields.h).
AttemptSpec ReadSpec(const nlohmann::json& object, std::string& complaint);
AttemptReport ReadReport(const nlohmann::json& object, std::string& complaint);
ResourceUsage ReadUsage(const nlohmann::json& object, std::string& complaint);

}  // namespace nightmill::wire
