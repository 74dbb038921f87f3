// One JSON object written as text, member by member. Long lists are made of these: a tree of values
// per row costs several times what finding the rows does. Pure; one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/time.h"

namespace nightmill {

class JsonWriter {
 public:
  // Appends to `out`, which must outlive the writer; the object is whole after End.
  explicit JsonWriter(std::string& out) : out_(out) { out_ += '{'; }
  void End() { out_ += '}'; }

  // `name` needs no escapes. Text that is not UTF-8 is sent with replacement characters.
  JsonWriter& Add(std::string_view name, std::string_view text);
  JsonWriter& Add(std::string_view name, const char* text) {
    return Add(name, std::string_view(text));
  }
  JsonWriter& Add(std::string_view name, std::int64_t number);
  JsonWriter& Add(std::string_view name, int number) { return Add(name, std::int64_t{number}); }
  // RFC 3339; null without one, also below.
  JsonWriter& Add(std::string_view name, const std::optional<Instant>& instant);
  // Seconds with six digits at most.
  JsonWriter& AddSeconds(std::string_view name, const std::optional<Instant>& from,
                         const std::optional<Instant>& to);
  // A value that is JSON text already: "null", "[]".
  JsonWriter& AddRaw(std::string_view name, std::string_view json);
  JsonWriter& AddOrNull(std::string_view name, std::string_view text) {
    return text.empty() ? AddRaw(name, "null") : Add(name, text);
  }

 private:
  void Name(std::string_view name);

  std::string& out_;
  bool first_ = true;
};

// A string as JSON, in quotes.
void AppendJsonString(std::string& out, std::string_view text);

}  // namespace nightmill
