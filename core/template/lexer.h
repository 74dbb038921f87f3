// Tokens of one `{{ expression }}`, by Jinja's lexical rules.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/template/value.h"

namespace nightmill::tmpl {

enum class TokenKind : std::uint8_t { kName, kText, kInt, kFloat, kOperator, kEnd };

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string text;  // name, operator, or the decoded text
  Value value;       // of a number
  std::size_t begin = 0;
  std::size_t end = 0;
};

struct TokenList {
  std::vector<Token> tokens;  // ends with kEnd at the closing braces
  std::size_t end = 0;        // first byte after the closing braces
  bool strip_after = false;   // closed by -}}
};

// A lexical fault and the byte where it is.
struct SyntaxError {
  std::string message;
  std::string hint;
  std::size_t offset = 0;
};

// Reads from `begin`, the first byte after the opening braces, to the closing braces.
// Returns false and fills `error` for an unknown character, an open text or a missing "}}".
bool Tokenize(std::string_view source, std::size_t begin, TokenList* out, SyntaxError* error);

}  // namespace nightmill::tmpl
