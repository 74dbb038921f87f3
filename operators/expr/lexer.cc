#include "operators/expr/lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

namespace nightmill::expr {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsNameStart(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}
bool IsNamePart(char c) { return IsNameStart(c) || IsDigit(c) || c == '.'; }
char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  Result<std::vector<Token>> Run() {
    std::vector<Token> tokens;
    while (true) {
      while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != text_.npos) {
        ++at_;
      }
      Token token;
      token.column = static_cast<int>(at_) + 1;
      if (at_ == text_.size()) {
        tokens.push_back(std::move(token));
        return tokens;
      }
      NM_RETURN_IF_ERROR(Next(token));
      tokens.push_back(std::move(token));
    }
  }

 private:
  char Peek(std::size_t ahead) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }

  Status Next(Token& token) {
    const char c = text_[at_];
    if (IsDigit(c) || (c == '.' && IsDigit(Peek(1)))) return Number(token);
    if (c == '\'' || c == '"') return Quoted(token, c);
    if (IsNameStart(c)) {
      const std::size_t begin = at_;
      while (at_ < text_.size() && IsNamePart(text_[at_])) ++at_;
      token.kind = TokenKind::kName;
      token.text = std::string(text_.substr(begin, at_ - begin));
      token.lower = token.text;
      std::transform(token.lower.begin(), token.lower.end(), token.lower.begin(), Lower);
      return Ok();
    }
    return Symbol(token);
  }

  Status Number(Token& token) {
    const std::size_t begin = at_;
    token.kind = TokenKind::kInteger;
    while (IsDigit(Peek(0))) ++at_;
    if (Peek(0) == '.') {
      token.kind = TokenKind::kNumber;
      ++at_;
      while (IsDigit(Peek(0))) ++at_;
    }
    if (Lower(Peek(0)) == 'e') {
      const std::size_t sign = Peek(1) == '+' || Peek(1) == '-' ? 1 : 0;
      if (IsDigit(Peek(1 + sign))) {
        token.kind = TokenKind::kNumber;
        at_ += 1 + sign;
        while (IsDigit(Peek(0))) ++at_;
      }
    }
    if (IsNameStart(Peek(0))) {
      return Invalid(fmt::format("column {}: a number ends in a letter", token.column));
    }
    token.text = std::string(text_.substr(begin, at_ - begin));
    return Ok();
  }

  Status Quoted(Token& token, char quote) {
    token.kind = quote == '\'' ? TokenKind::kString : TokenKind::kQuotedName;
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == quote) {
        if (Peek(1) != quote) {
          ++at_;
          return Ok();
        }
        ++at_;
      }
      token.text.push_back(text_[at_]);
    }
    return Invalid(fmt::format("column {}: the {} that begins here is not closed", token.column,
                               quote == '\'' ? "text" : "quoted name"));
  }

  Status Symbol(Token& token) {
    static constexpr std::array<std::string_view, 5> kTwo{"==", "!=", "<>", "<=", ">="};
    const std::string_view two = text_.substr(at_, 2);
    std::size_t length = 0;
    if (std::find(kTwo.begin(), kTwo.end(), two) != kTwo.end()) {
      length = 2;
    } else if (std::string_view("+-*/%=<>(),").find(text_[at_]) != std::string_view::npos) {
      length = 1;
    } else {
      return Invalid(fmt::format("column {}: unexpected character '{}'", token.column, text_[at_]));
    }
    token.kind = TokenKind::kSymbol;
    token.text = std::string(text_.substr(at_, length));
    at_ += length;
    return Ok();
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

Result<std::vector<Token>> Tokenize(std::string_view text) { return Lexer(text).Run(); }

}  // namespace nightmill::expr
