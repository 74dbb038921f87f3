// Building blocks of the two field tables (task_fields, dag_fields): draft-07 schemas of the kinds
// of values that fields have, and their parsers. Parsers take what the schema level has let through
// or complained about: of a value of another JSON type they make nothing and say nothing.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/time.h"
#include "core/dagfile/diagnostics.h"

namespace nightmill::dagfile {

// Schemas. `fallback` is the default shown to editors.
nlohmann::json TextSchema(std::string_view description);
nlohmann::json BoolSchema(bool fallback, std::string_view description);
nlohmann::json IntSchema(std::int64_t min, std::int64_t max, std::string_view description);
nlohmann::json EnumSchema(const std::vector<std::string_view>& words, std::string_view description);
nlohmann::json DurationSchema(std::string_view description);
nlohmann::json SizeSchema(std::string_view description);
nlohmann::json ListSchema(nlohmann::json items, std::string_view description);
nlohmann::json ObjectSchema(nlohmann::json properties, std::string_view description);
// A field of the format that this release accepts only with the value that means "off".
nlohmann::json NotYetSchema(nlohmann::json off, std::string_view description);
nlohmann::json WithDefault(nlohmann::json schema, nlohmann::json fallback);
nlohmann::json WithExamples(nlohmann::json schema, nlohmann::json examples);

// Where a field's parser reports what is wrong with its value.
struct Site {
  Diagnostics& out;
  const Place& place;

  Site In(const Place& inner) const { return {out, inner}; }
  void Error(std::string_view code, std::string message, std::string hint = {}) const {
    out.Error(code, place, std::move(message), std::move(hint));
  }
};

struct DurationRange {
  Duration min{0};
  Duration max{0};
};

// NM316 for a malformed one, NM314 for one outside the range.
std::optional<Duration> ParseDurationField(const nlohmann::json& value, DurationRange range,
                                           const Site& site);
// Bytes of "512MB", "1.5GiB", "100"; nullopt for what is no size of at least one byte.
std::optional<std::int64_t> ParseSize(std::string_view text);
// Bytes; NM317.
std::optional<std::int64_t> ParseSizeField(const nlohmann::json& value, const Site& site);
std::vector<std::string> ParseTexts(const nlohmann::json& value);
bool IsId(std::string_view text);

}  // namespace nightmill::dagfile
