// Words for what a schema refuses: the walk behind JsonSchema::Explain.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "core/dagfile/json_schema.h"

namespace nightmill::dagfile {

// Leaves only, in the order of the value; of alternatives (anyOf, oneOf) those of the nearest one.
// Keywords it does not know say nothing.
std::vector<SchemaFault> WordFaults(const nlohmann::json& schema, const nlohmann::json& value);

// `$comment` of a schema whose `enum` is only the value that means "off": what it refuses is not
// wrong but not supported yet (NM210).
inline constexpr std::string_view kNotYetComment = "not supported yet";

// "a string", "an integer", ...
std::string_view TypeName(const nlohmann::json& value);

}  // namespace nightmill::dagfile
