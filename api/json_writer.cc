#include "api/json_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "core/base/json.h"

namespace nightmill {

void AppendJsonString(std::string& out, std::string_view text) {
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) {
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
  });
  if (plain) {
    out += '"';
    out += text;
    out += '"';
    return;
  }
  out += nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void JsonWriter::Name(std::string_view name) {
  if (!first_) out_ += ',';
  first_ = false;
  out_ += '"';
  out_ += name;
  out_ += "\":";
}

JsonWriter& JsonWriter::Add(std::string_view name, std::string_view text) {
  Name(name);
  AppendJsonString(out_, text);
  return *this;
}

JsonWriter& JsonWriter::Add(std::string_view name, std::int64_t number) {
  Name(name);
  fmt::format_to(std::back_inserter(out_), "{}", number);
  return *this;
}

JsonWriter& JsonWriter::Add(std::string_view name, const std::optional<Instant>& instant) {
  return instant ? Add(name, std::string_view(FormatInstant(*instant))) : AddRaw(name, "null");
}

JsonWriter& JsonWriter::AddSeconds(std::string_view name, const std::optional<Instant>& from,
                                   const std::optional<Instant>& to) {
  if (!from || !to) return AddRaw(name, "null");
  Name(name);
  // A clock that was set back between the two gives a negative number.
  const std::int64_t us = (*to - *from).count();
  const std::int64_t size = us < 0 ? -us : us;
  fmt::format_to(std::back_inserter(out_), "{}{}.{:06}", us < 0 ? "-" : "", size / 1'000'000,
                 size % 1'000'000);
  return *this;
}

JsonWriter& JsonWriter::AddRaw(std::string_view name, std::string_view json) {
  Name(name);
  out_ += json;
  return *this;
}

}  // namespace nightmill
