// One pass over the characters of an expression, by the regular expressions of Jinja's lexer.
#include "core/template/lexer.h"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <optional>

namespace nightmill::tmpl {
namespace {

// Longest first: "**" before "*".
constexpr std::array<std::string_view, 26> kOperators = {
    "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
    "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ",", ";"};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsNameStart(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

std::optional<std::uint32_t> ReadHex(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// The escapes of one letter; '\0' for any other.
char SimpleEscape(char c) {
  static constexpr std::string_view kFrom = "ntrabfv\\'\"";
  static constexpr std::string_view kTo = "\n\t\r\a\b\f\v\\'\"";
  const std::size_t i = kFrom.find(c);
  return i == std::string_view::npos ? '\0' : kTo[i];
}

class Lexer {
 public:
  Lexer(std::string_view source, std::size_t begin, TokenList* out, SyntaxError* error)
      : source_(source), at_(begin), open_(begin), out_(out), error_(error) {}

  bool Run() {
    while (true) {
      while (at_ < source_.size() && IsSpace(source_[at_])) ++at_;
      if (at_ >= source_.size()) {
        return Fail("the expression has no closing \"}}\"", open_,
                    "to print two braces as they are write {{ '{{' }}");
      }
      if (nesting_.empty() && AtClosing()) return true;
      if (!Next()) return false;
    }
  }

 private:
  std::string_view Rest() const { return source_.substr(at_); }

  bool Fail(std::string message, std::size_t offset, std::string hint = {}) {
    *error_ = {std::move(message), std::move(hint), offset};
    return false;
  }

  // "-}}" closes as well and strips the white space after it.
  bool AtClosing() {
    out_->strip_after = Rest().starts_with("-}}");
    if (!out_->strip_after && !Rest().starts_with("}}")) return false;
    Emit(TokenKind::kEnd, 0);
    out_->end = at_ + (out_->strip_after ? 3 : 2);
    return true;
  }

  Token& Emit(TokenKind kind, std::size_t length) {
    Token token;
    token.kind = kind;
    token.text = std::string(source_.substr(at_, length));
    token.begin = at_;
    token.end = at_ + length;
    at_ += length;
    out_->tokens.push_back(std::move(token));
    return out_->tokens.back();
  }

  bool Next() {
    const char c = source_[at_];
    if (IsNameStart(c)) {
      std::size_t n = 1;
      while (at_ + n < source_.size() &&
             (IsNameStart(source_[at_ + n]) || IsDigit(source_[at_ + n]))) {
        ++n;
      }
      Emit(TokenKind::kName, n);
      return true;
    }
    if (IsDigit(c)) return ReadNumber();
    if (c == '\'' || c == '"') return ReadText(c);
    for (std::string_view op : kOperators) {
      if (Rest().starts_with(op)) {
        Emit(TokenKind::kOperator, op.size());
        return Balance(c);
      }
    }
    return Fail(fmt::format("unexpected character \"{}\"", CodePoints(Rest().substr(0, 4)).front()),
                at_);
  }

  // Brackets hide "}}": {{ {"a": {"b": 1}} }}.
  bool Balance(char c) {
    if (c == '(' || c == '[' || c == '{') {
      nesting_ += c == '(' ? ')' : c == '[' ? ']' : '}';
    } else if (c == ')' || c == ']' || c == '}') {
      if (nesting_.empty() || nesting_.back() != c) {
        return Fail(nesting_.empty()
                        ? fmt::format("unexpected \"{}\"", c)
                        : fmt::format("\"{}\" where \"{}\" was expected", c, nesting_.back()),
                    at_ - 1);
      }
      nesting_.pop_back();
    }
    return true;
  }

  // Digits with single underscores between them.
  std::size_t Digits(std::size_t from) const {
    std::size_t n = from;
    while (n < source_.size() &&
           (IsDigit(source_[n]) || (source_[n] == '_' && n > from && n + 1 < source_.size() &&
                                    IsDigit(source_[n + 1]) && source_[n - 1] != '_'))) {
      ++n;
    }
    return n;
  }

  bool ReadNumber() {
    // After a dot a number is an index ("x.0.1"), never a fraction.
    const bool after_dot = at_ > 0 && source_[at_ - 1] == '.';
    const std::size_t whole = Digits(at_);
    std::size_t end = whole;
    if (!after_dot) {
      if (end + 1 < source_.size() && source_[end] == '.' && IsDigit(source_[end + 1])) {
        end = Digits(end + 1);
      }
      if (end < source_.size() && (source_[end] | 0x20) == 'e') {
        std::size_t exponent = end + 1;
        if (exponent < source_.size() && (source_[exponent] == '+' || source_[exponent] == '-')) {
          ++exponent;
        }
        if (exponent < source_.size() && IsDigit(source_[exponent])) end = Digits(exponent);
      }
    }
    std::string digits;
    for (std::size_t i = at_; i < end; ++i) {
      if (source_[i] != '_') digits += source_[i];
    }
    if (end > whole) {
      Emit(TokenKind::kFloat, end - at_).value = std::strtod(digits.c_str(), nullptr);
      return true;
    }
    return ReadInteger(digits, end);
  }

  // Python refuses 007, so that nobody takes it for octal.
  bool ReadInteger(const std::string& digits, std::size_t end) {
    const std::size_t begin = at_;
    if (digits.size() > 1 && digits[0] == '0' && digits.find_first_not_of('0') < digits.size()) {
      return Fail("a number cannot begin with 0", begin);
    }
    std::int64_t value = 0;
    const auto [ptr, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc()) return Fail("the number is beyond 64 bits", begin);
    Emit(TokenKind::kInt, end - begin).value = value;
    return true;
  }

  // Either quote; a line break inside is allowed, as in Jinja.
  bool ReadText(char quote) {
    const std::size_t begin = at_;
    std::string decoded;
    std::size_t i = at_ + 1;
    while (i < source_.size() && source_[i] != quote) {
      if (source_[i] != '\\') {
        decoded += source_[i++];
      } else if (!ReadEscape(&i, &decoded)) {
        return false;
      }
    }
    if (i >= source_.size()) return Fail("the text is not closed", begin);
    Emit(TokenKind::kText, i + 1 - begin).text = std::move(decoded);
    return true;
  }

  // Python's escapes; an unknown one stays as written. `i` is at the backslash.
  bool ReadEscape(std::size_t* i, std::string* out) {
    const std::size_t begin = *i;
    if (begin + 1 >= source_.size()) return Fail("the text is not closed", begin);
    const char c = source_[begin + 1];
    *i += 2;
    const std::size_t width = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (width > 0) {
      const auto code = ReadHex(source_.substr(*i, width));
      const bool surrogate = code && *code >= 0xd800 && *code <= 0xdfff;
      if (!code || *i + width > source_.size() || *code > 0x10ffff || surrogate) {
        return Fail("bad escape in a text", begin);
      }
      AppendUtf8(*code, out);
      *i += width;
    } else if (c >= '0' && c <= '7') {
      std::uint32_t code = static_cast<std::uint32_t>(c - '0');
      for (int n = 1; n < 3 && *i < source_.size() && source_[*i] >= '0' && source_[*i] <= '7';
           ++n) {
        code = code * 8 + static_cast<std::uint32_t>(source_[(*i)++] - '0');
      }
      AppendUtf8(code, out);
    } else if (c == '\n') {
      return true;  // a continued line
    } else if (const char simple = SimpleEscape(c); simple != '\0') {
      *out += simple;
    } else {
      *out += '\\';
      *out += c;
    }
    return true;
  }

  std::string_view source_;
  std::size_t at_;
  std::size_t open_;
  TokenList* out_;
  SyntaxError* error_;
  std::string nesting_;  // closing brackets that are due
};

}  // namespace

bool Tokenize(std::string_view source, std::size_t begin, TokenList* out, SyntaxError* error) {
  return Lexer(source, begin, out, error).Run();
}

}  // namespace nightmill::tmpl
