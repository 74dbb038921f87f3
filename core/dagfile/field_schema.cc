#include "core/dagfile/field_schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <utility>

#include "core/base/json.h"
#include "core/base/limits.h"
#include "core/dagfile/schema_words.h"

namespace nightmill::dagfile {

using Json = nlohmann::json;

Json TextSchema(std::string_view description) {
  return {{"type", "string"}, {"description", description}};
}

Json BoolSchema(bool fallback, std::string_view description) {
  return {{"type", "boolean"}, {"default", fallback}, {"description", description}};
}

Json IntSchema(std::int64_t min, std::int64_t max, std::string_view description) {
  return {{"type", "integer"}, {"minimum", min}, {"maximum", max}, {"description", description}};
}

Json EnumSchema(const std::vector<std::string_view>& words, std::string_view description) {
  return {{"type", "string"}, {"enum", words}, {"description", description}};
}

Json DurationSchema(std::string_view description) {
  return {{"type", {"string", "number"}},
          {"minimum", 0},
          {"description", description},
          {"examples", {"90s", "1h30m", "PT1H30M", 90}}};
}

Json SizeSchema(std::string_view description) {
  return {{"type", {"string", "integer"}},
          {"minimum", 1},
          {"description", description},
          {"examples", {"512MB", "1GiB", 1048576}}};
}

Json ListSchema(Json items, std::string_view description) {
  return {{"type", "array"}, {"items", std::move(items)}, {"description", description}};
}

Json ObjectSchema(Json properties, std::string_view description) {
  return {{"type", "object"},
          {"properties", std::move(properties)},
          {"additionalProperties", false},
          {"description", description}};
}

Json NotYetSchema(Json off, std::string_view description) {
  Json words = Json::array({std::move(off)});
  return {{"enum", std::move(words)},
          {"$comment", kNotYetComment},
          {"description", fmt::format("{} Not supported yet.", description)}};
}

Json WithDefault(Json schema, Json fallback) {
  schema["default"] = std::move(fallback);
  return schema;
}

Json WithExamples(Json schema, Json examples) {
  schema["examples"] = std::move(examples);
  return schema;
}

std::optional<Duration> ParseDurationField(const Json& value, DurationRange range,
                                           const Site& site) {
  std::optional<Duration> duration;
  if (value.is_string()) {
    const Result<Duration> parsed = ParseDuration(value.get_ref<const std::string&>());
    if (!parsed.ok()) {
      site.Error("NM316", parsed.error().message, parsed.error().hint);
      return std::nullopt;
    }
    duration = *parsed;
  } else if (value.is_number() && value.get<double>() >= 0) {
    constexpr double kMaxSeconds = 1e12;  // far above every limit, far below an overflow
    const double seconds = std::min(value.get<double>(), kMaxSeconds);
    duration = Duration{static_cast<std::int64_t>(std::llround(seconds * 1000))};
  }
  if (!duration) return std::nullopt;
  if (*duration > range.max) {
    site.Error("NM314", fmt::format("{} is above the maximum {}", FormatDuration(*duration),
                                    FormatDuration(range.max)));
    return std::nullopt;
  }
  if (*duration < range.min) {
    site.Error("NM314", fmt::format("{} is below the minimum {}", FormatDuration(*duration),
                                    FormatDuration(range.min)));
    return std::nullopt;
  }
  return duration;
}

std::optional<std::int64_t> ParseSize(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, double>, 10> kUnits{{{"", 1},
                                                                        {"B", 1},
                                                                        {"kB", 1e3},
                                                                        {"KB", 1e3},
                                                                        {"MB", 1e6},
                                                                        {"GB", 1e9},
                                                                        {"TB", 1e12},
                                                                        {"KiB", 1024.0},
                                                                        {"MiB", 1048576.0},
                                                                        {"GiB", 1073741824.0}}};
  double number = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  if (unit.starts_with(' ')) unit.remove_prefix(1);
  const auto known = std::find_if(kUnits.begin(), kUnits.end(),
                                  [&](const auto& entry) { return entry.first == unit; });
  const double bytes = known == kUnits.end() ? 0 : std::floor(number * known->second);
  if (error != std::errc() || !(bytes >= 1) || bytes > 9e15) return std::nullopt;
  return static_cast<std::int64_t>(bytes);
}

std::optional<std::int64_t> ParseSizeField(const Json& value, const Site& site) {
  if (value.is_number_integer()) return value.get<std::int64_t>();
  if (!value.is_string()) return std::nullopt;
  const auto& text = value.get_ref<const std::string&>();
  const auto bytes = ParseSize(text);
  if (!bytes) {
    site.Error("NM317", fmt::format("\"{}\" is not a size", text),
               "write bytes, or kB MB GB, KiB MiB GiB: \"512MB\"");
  }
  return bytes;
}

std::vector<std::string> ParseTexts(const Json& value) {
  std::vector<std::string> texts;
  if (!value.is_array()) return texts;
  for (const Json& item : value) {
    if (item.is_string()) texts.push_back(item.get<std::string>());
  }
  return texts;
}

bool IsId(std::string_view text) {
  const auto alnum = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  return !text.empty() && text.size() <= limits::kMaxIdLength && alnum(text.front()) &&
         text.find("..") == std::string_view::npos &&
         std::all_of(text.begin(), text.end(),
                     [&](char c) { return alnum(c) || c == '.' || c == '-'; });
}

}  // namespace nightmill::dagfile
