#include "core/dagfile/canonical_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/base/json.h"

namespace nightmill::dagfile {
namespace {

using Json = nlohmann::json;

void AppendEscaped(std::string& out, char c) {
  switch (c) {
    case '"':
      out += "\\\"";
      break;
    case '\\':
      out += "\\\\";
      break;
    case '\b':
      out += "\\b";
      break;
    case '\f':
      out += "\\f";
      break;
    case '\n':
      out += "\\n";
      break;
    case '\r':
      out += "\\r";
      break;
    case '\t':
      out += "\\t";
      break;
    default:
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
  }
}

void AppendString(std::string& out, std::string_view text) {
  out += '"';
  std::size_t run = 0;  // start of what needs no escape
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (static_cast<unsigned char>(text[i]) >= 0x20 && text[i] != '"' && text[i] != '\\') continue;
    out.append(text, run, i - run);
    AppendEscaped(out, text[i]);
    run = i + 1;
  }
  out.append(text, run);
  out += '"';
}

// Number::toString of ECMAScript (ECMA-262, 6.1.6.1.20): the shortest digits that read back.
void AppendDouble(std::string& out, double value) {
  if (value == 0) {
    out += '0';
    return;
  }
  std::array<char, 64> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                 std::chars_format::scientific)
                       .ptr;
  std::string_view text(buffer.data(), static_cast<std::size_t>(end - buffer.data()));
  if (text.front() == '-') {
    out += '-';
    text.remove_prefix(1);
  }
  const std::size_t e = text.find('e');
  std::string digits(text.substr(0, 1));
  if (e > 2) digits += text.substr(2, e - 2);
  int exponent = 0;
  const char* from = text.data() + e + (text[e + 1] == '+' ? 2 : 1);
  std::from_chars(from, text.data() + text.size(), exponent);
  const int point = exponent + 1;  // digits before the decimal point
  const int count = static_cast<int>(digits.size());
  if (count <= point && point <= 21) {
    out += digits;
    out.append(static_cast<std::size_t>(point - count), '0');
  } else if (0 < point && point <= 21) {
    out += digits.substr(0, static_cast<std::size_t>(point)) + "." +
           digits.substr(static_cast<std::size_t>(point));
  } else if (-6 < point && point <= 0) {
    out += "0." + std::string(static_cast<std::size_t>(-point), '0') + digits;
  } else {
    out += digits.substr(0, 1);
    if (count > 1) out += "." + digits.substr(1);
    out += fmt::format("e{:+d}", exponent);
  }
}

// UTF-16 order differs from byte order only between U+E000..U+FFFF and what lies beyond: such
// characters begin with a byte of 0xEE or more.
bool Utf16Less(std::string_view a, std::string_view b) {
  const auto [x, y] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  if (x == a.end() || y == b.end()) return x == a.end() && y != b.end();
  const auto unit = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0xF0) return 0xEDu << 1 | 1u;  // surrogates sort between U+D7FF and U+E000
    return static_cast<unsigned>(byte) << 1;
  };
  if (unit(*x) != unit(*y)) return unit(*x) < unit(*y);
  return static_cast<unsigned char>(*x) < static_cast<unsigned char>(*y);
}

void Append(std::string& out, const Json& value);

void AppendObject(std::string& out, const Json& value) {
  const auto& members = value.get_ref<const Json::object_t&>();
  const auto high = [](const auto& member) {
    return std::any_of(member.first.begin(), member.first.end(),
                       [](char c) { return static_cast<unsigned char>(c) >= 0xEE; });
  };
  char separator = '{';
  const auto member = [&](const std::string& key, const Json& item) {
    out += separator;
    separator = ',';
    AppendString(out, key);
    out += ':';
    Append(out, item);
  };
  if (std::none_of(members.begin(), members.end(), high)) {
    for (const auto& [key, item] : members) member(key, item);
  } else {
    std::vector<const Json::object_t::value_type*> sorted;
    for (const auto& entry : members) sorted.push_back(&entry);
    std::sort(sorted.begin(), sorted.end(),
              [](const auto* a, const auto* b) { return Utf16Less(a->first, b->first); });
    for (const auto* entry : sorted) member(entry->first, entry->second);
  }
  out += members.empty() ? "{}" : "}";
}

void Append(std::string& out, const Json& value) {
  switch (value.type()) {
    case Json::value_t::object:
      AppendObject(out, value);
      break;
    case Json::value_t::array: {
      char separator = '[';
      for (const Json& item : value) {
        out += separator;
        separator = ',';
        Append(out, item);
      }
      out += value.empty() ? "[]" : "]";
      break;
    }
    case Json::value_t::string:
      AppendString(out, value.get_ref<const std::string&>());
      break;
    case Json::value_t::boolean:
      out += value.get<bool>() ? "true" : "false";
      break;
    case Json::value_t::number_integer:
      out += std::to_string(value.get<std::int64_t>());
      break;
    case Json::value_t::number_unsigned:
      out += std::to_string(value.get<std::uint64_t>());
      break;
    case Json::value_t::number_float:
      AppendDouble(out, value.get<double>());
      break;
    default:
      out += "null";
  }
}

}  // namespace

std::string CanonicalJson(const Json& value) {
  std::string out;
  Append(out, value);
  return out;
}

}  // namespace nightmill::dagfile
