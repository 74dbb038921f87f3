// Tokens of the expression language.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

namespace nightmill::expr {

enum class TokenKind : std::uint8_t {
  kInteger,
  kNumber,
  kString,
  kName,
  kQuotedName,
  kSymbol,
  kEnd
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string text = {};   // string and quoted name: without quotes, doubled quotes undone
  std::string lower = {};  // names only: lower case, for keywords
  int column = 1;
};

// Ends with a kEnd token. Errors are kInvalid and begin with "column N: ".
Result<std::vector<Token>> Tokenize(std::string_view text);

}  // namespace nightmill::expr
