// Name-based UUIDs (version 5 of RFC 9562): the same name has the same one for ever.
#pragma once

#include <string>
#include <string_view>

namespace nightmill {

std::string Uuid5(std::string_view name);

}  // namespace nightmill
