// Upper and lower case of texts, and trimming by characters: by code point, without a locale.
#pragma once

#include <string>
#include <string_view>

namespace nightmill::tmpl {

// Latin (with its first extension), Greek and Cyrillic letters change; others stay as they are.
std::string ToUpper(std::string_view text);
std::string ToLower(std::string_view text);
// str.strip(characters).
std::string StripCharacters(std::string_view text, std::string_view characters);

}  // namespace nightmill::tmpl
