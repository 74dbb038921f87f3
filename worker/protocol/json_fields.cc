#include "worker/protocol/json_fields.h"

#include <fmt/format.h>

#include <charconv>

#include "core/base/json.h"

namespace nightmill::wire {

using nlohmann::json;

namespace {

// Deepest message: frame > report > targets > target.
constexpr int kMaxMessageDepth = 8;

const json& EmptyArray() {
  static const json kEmpty = json::array();
  return kEmpty;
}

const json& EmptyObject() {
  static const json kEmpty = json::object();
  return kEmpty;
}

}  // namespace

JsonFields::JsonFields(const json& object, std::string& complaint)
    : object_(object.is_object() ? object : EmptyObject()), complaint_(complaint) {
  if (!object.is_object()) Complain("an element", "is not an object");
}

void JsonFields::Complain(std::string_view key, std::string_view what) {
  if (complaint_.empty()) complaint_ = fmt::format("{} {}", key, what);
}

const json* JsonFields::Find(const char* key) const {
  const auto it = object_.find(key);
  return it == object_.end() || it->is_null() ? nullptr : &*it;
}

std::optional<std::int64_t> JsonFields::OptionalInt(const char* key) {
  const json* value = Find(key);
  if (value == nullptr) return std::nullopt;
  const bool too_big =
      value->is_number_unsigned() &&
      value->get<std::uint64_t>() > std::uint64_t{std::numeric_limits<std::int64_t>::max()};
  if (!value->is_number_integer() || too_big) {
    Complain(key, "is not an integer");
    return 0;
  }
  return value->get<std::int64_t>();
}

std::int64_t JsonFields::Int(const char* key, std::int64_t min, std::int64_t max) {
  const std::optional<std::int64_t> value = OptionalInt(key);
  if (!value) {
    Complain(key, "is missing");
    return 0;
  }
  if (*value < min || *value > max) {
    Complain(key, "is out of range");
    return 0;
  }
  return *value;
}

int JsonFields::Int32(const char* key) {
  return static_cast<int>(
      Int(key, std::numeric_limits<int>::min(), std::numeric_limits<int>::max()));
}

std::optional<double> JsonFields::OptionalNumber(const char* key) {
  const json* value = Find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number()) {
    Complain(key, "is not a number");
    return 0.0;
  }
  return value->get<double>();
}

double JsonFields::Number(const char* key) {
  const std::optional<double> value = OptionalNumber(key);
  if (!value) Complain(key, "is missing");
  return value.value_or(0.0);
}

bool JsonFields::Bool(const char* key) {
  const json* value = Find(key);
  if (value == nullptr || !value->is_boolean()) {
    Complain(key, "is not a boolean");
    return false;
  }
  return value->get<bool>();
}

std::string JsonFields::Text(const char* key) {
  const json* value = Find(key);
  if (value == nullptr || !value->is_string()) {
    Complain(key, "is not a string");
    return {};
  }
  return value->get<std::string>();
}

std::vector<std::string> JsonFields::Texts(const char* key) {
  std::vector<std::string> texts;
  for (const json& element : Array(key)) {
    if (element.is_string()) {
      texts.push_back(element.get<std::string>());
    } else {
      Complain(key, "holds something that is not a string");
    }
  }
  return texts;
}

std::uint64_t JsonFields::Hex(const char* key) {
  const std::string text = Text(key);
  std::uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value, 16);
  if (text.size() != 16 || parsed.ec != std::errc{} || parsed.ptr != end) {
    Complain(key, "is not 16 hex digits");
    return 0;
  }
  return value;
}

const json& JsonFields::Array(const char* key) {
  const json* value = Find(key);
  if (value != nullptr && value->is_array()) return *value;
  Complain(key, "is not an array");
  return EmptyArray();
}

const json& JsonFields::Object(const char* key) {
  const json* value = Find(key);
  if (value != nullptr && value->is_object()) return *value;
  Complain(key, "is not an object");
  return EmptyObject();
}

bool DepthWithin(std::string_view text, int max) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        in_string = false;
      }
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > max) return false;
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return true;
}

Result<json> ParseObject(std::string_view text) {
  if (!DepthWithin(text, kMaxMessageDepth)) return Invalid("message nests too deep");
  json object = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return Invalid("message is not a JSON object");
  return object;
}

std::string DumpRepaired(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

Result<std::string> DumpStrict(const json& value) {
  try {
    return value.dump();
  } catch (const json::exception&) {
    return Invalid("a text of the attempt is not UTF-8");
  }
}

}  // namespace nightmill::wire
