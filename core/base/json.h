// nlohmann::json for all rooms: include this and not the library's header, so that the value's own
// members, which half of the sources use, are compiled once in json.cc and not once in each.
#pragma once

#include <nlohmann/json.hpp>

extern template class nlohmann::basic_json<>;
