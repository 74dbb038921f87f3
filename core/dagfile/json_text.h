// The text level of DAG files and of every JSON that users write: one pass that builds the value
// and refuses what JSON libraries let through in silence (duplicate keys, trailing commas, broken
// UTF-8, unbounded depth). The same pass finds the place of any JSON Pointer again, so that files
// without faults pay nothing for positions. Pure, thread-safe.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace nightmill::dagfile {

// Bytes [begin, end) of the text.
struct Span {
  std::size_t begin = 0;
  std::size_t end = 0;
};

struct TextFault {
  std::string_view code;  // NM1xx
  Span span;
  std::string message;
  std::string hint;
  std::string pointer;  // of the value or key it is in
};

// Parses `text` into `value`. Integral numbers become integers whatever their spelling (1.0, 1e2),
// so that every later stage sees one form. True if the whole text was read; faults may exist even
// then (duplicate keys, trailing commas, long strings). After a syntax error `value` is null.
bool ReadJson(std::string_view text, bool allow_comments, nlohmann::json& value,
              std::vector<TextFault>& faults);

// Key of a place: a JSON Pointer means a value, kKeyMark + pointer the key in front of it.
inline constexpr char kKeyMark = '\x01';
using Places = std::unordered_map<std::string, Span>;

// Fills the span of every entry of `places` that the text has; others keep end = 0.
void Locate(std::string_view text, Places& places);

// Length in bytes of the well-formed UTF-8 sequence that begins at `i`, or 0.
std::size_t SequenceLength(std::string_view text, std::size_t i);

// Appends "/token", with ~ and / escaped (RFC 6901).
void AppendToken(std::string& pointer, std::string_view token);

}  // namespace nightmill::dagfile
