#include "core/dagfile/json_text.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <system_error>
#include <utility>

#include "core/base/json.h"
#include "core/base/limits.h"

namespace nightmill::dagfile {
namespace {

using Json = nlohmann::json;

void AppendUtf8(std::string& out, std::uint32_t c) {
  const auto put = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | c >> 6);
    put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | c >> 12);
    put(0x80 | (c >> 6 & 0x3F));
    put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | c >> 18);
    put(0x80 | (c >> 12 & 0x3F));
    put(0x80 | (c >> 6 & 0x3F));
    put(0x80 | (c & 0x3F));
  }
}

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Recursive descent; the depth is capped, so the stack is too. Functions return false after a fault
// that leaves nothing to go on with.
class Reader {
 public:
  Reader(std::string_view text, bool comments, std::vector<TextFault>& faults, Places* places)
      : text_(text), comments_(comments), faults_(faults), places_(places) {}

  bool Document(Json& value) {
    if (!CheckBytes()) return false;
    if (text_.substr(0, 3) == "\xEF\xBB\xBF") pos_ = 3;  // a byte order mark may be ignored
    if (!SkipSpace()) return false;
    if (pos_ == text_.size()) return Fail("NM102", {0, 1}, "the file is empty");
    if (!Value(value) || !SkipSpace()) return false;
    if (pos_ < text_.size()) return Unexpected("the end of the file");
    return true;
  }

 private:
  struct Step {
    const std::string* key;  // null: array
    std::size_t index;
  };

  // One look at all bytes first: the size, broken UTF-8 and NULs end the reading at once, since
  // nothing after them can be trusted.
  bool CheckBytes() {
    if (text_.size() > limits::kMaxJsonBytes) {
      return Fail("NM104", {0, 1},
                  fmt::format("the file has {} bytes, the limit is {}", text_.size(),
                              limits::kMaxJsonBytes));
    }
    for (std::size_t i = 0; i < text_.size();) {
      const std::size_t length = SequenceLength(text_, i);
      if (length == 0) {
        return Fail(
            "NM101", {i, i + 1},
            fmt::format("byte 0x{:02X} is not valid UTF-8", static_cast<unsigned char>(text_[i])),
            "save the file as UTF-8");
      }
      if (text_[i] == '\0') return Fail("NM108", {i, i + 1}, "a NUL byte");
      i += length;
    }
    return true;
  }

  void Report(std::string_view code, Span span, std::string message, std::string hint = {}) {
    faults_.push_back({code, span, std::move(message), std::move(hint), Path()});
  }
  bool Fail(std::string_view code, Span span, std::string message, std::string hint = {}) {
    Report(code, span, std::move(message), std::move(hint));
    return false;
  }
  bool Unexpected(std::string_view wanted, std::string hint = {}) {
    if (pos_ >= text_.size()) {
      return Fail("NM102", {pos_, pos_}, fmt::format("expected {}, found the end", wanted));
    }
    const std::size_t length = SequenceLength(text_, pos_);
    const bool visible = static_cast<unsigned char>(text_[pos_]) >= 0x20;
    return Fail("NM102", {pos_, pos_ + length},
                fmt::format("expected {}, found {}", wanted,
                            visible ? fmt::format("'{}'", text_.substr(pos_, length))
                                    : std::string("a control character")),
                std::move(hint));
  }

  std::string Path() const {
    std::string path;
    for (const Step& step : steps_) {
      if (step.key != nullptr) {
        AppendToken(path, *step.key);
      } else {
        path += '/';
        path += std::to_string(step.index);
      }
    }
    return path;
  }
  void Note(bool key, Span span) {
    if (places_ == nullptr) return;
    const auto it = places_->find(key ? kKeyMark + Path() : Path());
    if (it != places_->end()) it->second = span;
  }

  bool SkipSpace() {
    for (;;) {
      while (pos_ < text_.size() && IsSpace(text_[pos_])) ++pos_;
      if (pos_ >= text_.size() || text_[pos_] != '/') return true;
      const std::string_view two = text_.substr(pos_, 2);
      if (two != "//" && two != "/*") return Unexpected("a value");
      if (!comments_) return Fail("NM102", {pos_, pos_ + 2}, "comments are not allowed here");
      const std::size_t start = pos_;
      pos_ = two == "//" ? text_.find('\n', pos_) : text_.find("*/", pos_ + 2);
      if (pos_ == std::string_view::npos) {
        pos_ = text_.size();
        if (two == "/*") return Fail("NM102", {start, start + 2}, "a comment without its end */");
      } else if (two == "/*") {
        pos_ += 2;
      }
    }
  }

  bool Value(Json& out) {
    const std::size_t begin = pos_;
    if (pos_ >= text_.size()) return Unexpected("a value");
    bool ok = false;
    Span span{begin, begin + 1};  // of a container only its bracket is shown
    switch (text_[pos_]) {
      case '{':
        ok = Object(out);
        break;
      case '[':
        ok = Array(out);
        break;
      case '"': {
        std::string text;
        ok = String(text);
        out = std::move(text);
        span.end = pos_;
        break;
      }
      default:
        ok = Scalar(out);
        span.end = pos_;
    }
    if (ok) Note(false, span);
    return ok;
  }

  bool Enter() {
    if (static_cast<int>(steps_.size()) < limits::kMaxJsonDepth) return true;
    return Fail("NM103", {pos_, pos_ + 1},
                fmt::format("nested deeper than {} levels", limits::kMaxJsonDepth));
  }

  // After an element: a comma (true, and something follows), or the closing bracket.
  bool Separator(char close, bool& more) {
    if (!SkipSpace()) return false;
    more = false;
    if (pos_ < text_.size() && text_[pos_] == close) {
      ++pos_;
      return true;
    }
    if (pos_ >= text_.size() || text_[pos_] != ',') {
      return Unexpected(close == '}' ? "',' or '}'" : "',' or ']'");
    }
    const std::size_t comma = pos_++;
    if (!SkipSpace()) return false;
    if (pos_ < text_.size() && text_[pos_] == close) {
      Report("NM107", {comma, comma + 1}, fmt::format("a comma before the closing '{}'", close),
             "remove it");
      ++pos_;
      return true;
    }
    more = true;
    return true;
  }

  bool Object(Json& out) {
    if (!Enter()) return false;
    ++pos_;
    out = Json::object();
    auto& members = out.get_ref<Json::object_t&>();
    if (!SkipSpace()) return false;
    bool more = pos_ >= text_.size() || text_[pos_] != '}';
    if (!more) ++pos_;
    while (more) {
      const std::size_t begin = pos_;
      if (pos_ >= text_.size() || text_[pos_] != '"') return Unexpected("a key in double quotes");
      std::string key;
      if (!String(key)) return false;
      const auto [it, fresh] = members.emplace(std::move(key), nullptr);
      steps_.push_back({&it->first, 0});
      const Span span{begin, pos_};
      if (!fresh) {
        Report("NM106", span, fmt::format("key \"{}\" is there twice", it->first),
               "remove one of them");
      }
      Note(true, span);
      if (!SkipSpace()) return false;
      if (pos_ >= text_.size() || text_[pos_] != ':') return Unexpected("':'");
      ++pos_;
      if (!SkipSpace() || !Value(it->second)) return false;
      steps_.pop_back();
      if (!Separator('}', more)) return false;
    }
    return true;
  }

  bool Array(Json& out) {
    if (!Enter()) return false;
    ++pos_;
    out = Json::array();
    auto& items = out.get_ref<Json::array_t&>();
    if (!SkipSpace()) return false;
    bool more = pos_ >= text_.size() || text_[pos_] != ']';
    if (!more) ++pos_;
    while (more) {
      steps_.push_back({nullptr, items.size()});
      items.emplace_back();
      if (!Value(items.back())) return false;
      steps_.pop_back();
      if (!Separator(']', more)) return false;
    }
    return true;
  }

  bool Hex4(std::uint32_t& out) {
    if (pos_ + 4 > text_.size()) return false;
    const char* end = text_.data() + pos_ + 4;
    const auto [stop, error] = std::from_chars(text_.data() + pos_, end, out, 16);
    if (error != std::errc() || stop != end) return false;
    pos_ += 4;
    return true;
  }

  bool Escape(std::string& out) {
    const std::size_t begin = pos_ - 1;
    constexpr std::string_view kFrom = "\"\\/bfnrt";
    constexpr std::string_view kTo = "\"\\/\b\f\n\r\t";
    const char letter = pos_ < text_.size() ? text_[pos_++] : '\0';
    if (const std::size_t at = kFrom.find(letter); at != std::string_view::npos) {
      out += kTo[at];
      return true;
    }
    std::uint32_t unit = 0;
    if (letter != 'u' || !Hex4(unit)) {
      return Fail("NM102", {begin, pos_}, "a backslash that starts no JSON escape",
                  "write \\\\ for a backslash");
    }
    if (unit >= 0xD800 && unit <= 0xDFFF) {
      std::uint32_t low = 0;
      const bool pair = unit < 0xDC00 && text_.substr(pos_, 2) == "\\u";
      if (pair) pos_ += 2;
      if (!pair || !Hex4(low) || low < 0xDC00 || low > 0xDFFF) {
        return Fail("NM102", {begin, pos_}, "half of a surrogate pair");
      }
      unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
    }
    if (unit == 0) Report("NM108", {begin, pos_}, "a NUL character in a string");
    AppendUtf8(out, unit);
    return true;
  }

  bool String(std::string& out) {
    const std::size_t begin = pos_++;
    for (;;) {
      std::size_t stop = pos_;
      while (stop < text_.size() && text_[stop] != '"' && text_[stop] != '\\' &&
             static_cast<unsigned char>(text_[stop]) >= 0x20) {
        ++stop;
      }
      out.append(text_.substr(pos_, stop - pos_));
      pos_ = stop;
      if (pos_ >= text_.size() || text_[pos_] == '\n') {
        return Fail("NM102", {begin, begin + 1}, "a string without its closing quote");
      }
      const char c = text_[pos_++];
      if (c == '"') break;
      if (c != '\\') {
        return Fail(
            "NM102", {pos_ - 1, pos_},
            fmt::format("control character 0x{:02X} in a string", static_cast<unsigned char>(c)),
            c == '\t' ? "write \\t" : "write it as \\u00XX");
      }
      if (!Escape(out)) return false;
    }
    if (out.size() > limits::kMaxJsonString) {
      Report(
          "NM105", {begin, begin + 1},
          fmt::format("a string of {} bytes, the limit is {}", out.size(), limits::kMaxJsonString));
    }
    return true;
  }

  bool Scalar(Json& out) {
    for (const auto& [word, value] :
         {std::pair<std::string_view, Json>{"true", true}, {"false", false}, {"null", nullptr}}) {
      if (text_.substr(pos_, word.size()) != word) continue;
      pos_ += word.size();
      out = value;
      return true;
    }
    if (text_[pos_] == '-' || IsDigit(text_[pos_])) return Number(out);
    return Unexpected("a value", text_[pos_] == '\'' ? "JSON strings take double quotes" : "");
  }

  bool Digits() {
    const std::size_t begin = pos_;
    while (pos_ < text_.size() && IsDigit(text_[pos_])) ++pos_;
    return pos_ > begin;
  }

  bool Number(Json& out) {
    const std::size_t begin = pos_;
    const auto at = [&](std::string_view set) {
      return pos_ < text_.size() && set.find(text_[pos_]) != std::string_view::npos;
    };
    if (at("-")) ++pos_;
    const bool zero = at("0");
    bool ok = Digits();
    ok =
        ok && !(zero && IsDigit(text_[pos_ - 1]) && pos_ - begin > (text_[begin] == '-' ? 2u : 1u));
    bool integer = true;
    if (ok && at(".")) {
      integer = false;
      ++pos_;
      ok = Digits();
    }
    if (ok && at("eE")) {
      integer = false;
      ++pos_;
      if (at("+-")) ++pos_;
      ok = Digits();
    }
    const std::string_view word = text_.substr(begin, pos_ - begin);
    if (!ok) return Fail("NM102", {begin, pos_}, fmt::format("\"{}\" is not a JSON number", word));
    const char* end = word.data() + word.size();
    std::int64_t whole = 0;
    if (integer && std::from_chars(word.data(), end, whole).ec == std::errc()) {
      out = whole;
      return true;
    }
    // strtod tells overflow (infinity) from underflow (zero), which from_chars does not.
    const double real = std::strtod(std::string(word).c_str(), nullptr);
    if (std::isinf(real)) {
      return Fail("NM109", {begin, pos_}, fmt::format("number {} is out of range", word));
    }
    constexpr double kExact = 9007199254740992.0;  // 2^53
    if (std::abs(real) <= kExact && std::trunc(real) == real) {
      out = static_cast<std::int64_t>(real);
    } else {
      out = real;
    }
    return true;
  }

  std::string_view text_;
  bool comments_;
  std::vector<TextFault>& faults_;
  Places* places_;
  std::size_t pos_ = 0;
  std::vector<Step> steps_;
};

}  // namespace

// Unicode 15, table 3-7.
std::size_t SequenceLength(std::string_view text, std::size_t i) {
  const auto byte = [&](std::size_t k) {
    return i + k < text.size() ? static_cast<unsigned char>(text[i + k]) : 0u;
  };
  const auto follows = [&](std::size_t k) { return (byte(k) & 0xC0u) == 0x80u; };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return follows(1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    if (!follows(1) || !follows(2)) return 0;
    if (lead == 0xE0 && byte(1) < 0xA0) return 0;   // overlong
    if (lead == 0xED && byte(1) >= 0xA0) return 0;  // surrogate
    return 3;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    if (!follows(1) || !follows(2) || !follows(3)) return 0;
    if (lead == 0xF0 && byte(1) < 0x90) return 0;
    if (lead == 0xF4 && byte(1) >= 0x90) return 0;
    return 4;
  }
  return 0;
}

bool ReadJson(std::string_view text, bool allow_comments, Json& value,
              std::vector<TextFault>& faults) {
  if (Reader(text, allow_comments, faults, nullptr).Document(value)) return true;
  value = nullptr;
  return false;
}

void Locate(std::string_view text, Places& places) {
  Json value;
  std::vector<TextFault> faults;
  // Comments do no harm here: whoever forbids them has reported them.
  Reader(text, true, faults, &places).Document(value);
}

void AppendToken(std::string& pointer, std::string_view token) {
  pointer += '/';
  for (const char c : token) {
    if (c == '~') {
      pointer += "~0";
    } else if (c == '/') {
      pointer += "~1";
    } else {
      pointer += c;
    }
  }
}

}  // namespace nightmill::dagfile
