// JSON in one form (RFC 8785): sorted keys, no space, numbers as ECMAScript prints them. Integers
// beyond 2^53 keep all their digits instead of being rounded to a double: two different ids must
// not become one. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace nightmill::dagfile {

std::string CanonicalJson(const nlohmann::json& value);

}  // namespace nightmill::dagfile
