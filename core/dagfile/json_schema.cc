// The only user of valijson.
#include "core/dagfile/json_schema.h"

#include <fmt/format.h>

#include <exception>
#include <optional>
#include <set>
#include <utility>
// Without it valijson ends the process where a schema is malformed.
#define VALIJSON_USE_EXCEPTIONS 1
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

#include "core/base/json.h"
#include "core/base/limits.h"
#include "core/dagfile/json_text.h"
#include "core/dagfile/schema_words.h"

namespace nightmill::dagfile {
namespace {

using Json = nlohmann::json;
using Adapter = valijson::adapters::NlohmannJsonAdapter;

bool HasKeyword(const Json& schema, std::string_view keyword) {
  if (schema.is_array()) {
    for (const Json& item : schema) {
      if (HasKeyword(item, keyword)) return true;
    }
  }
  if (!schema.is_object()) return false;
  for (const auto& [key, item] : schema.items()) {
    if (key == keyword || HasKeyword(item, keyword)) return true;
  }
  return false;
}

// Cuts strings to what std::regex can take: it recurses once per character (architecture.md 7).
// Returns whether anything was cut.
bool CutLongStrings(Json& value) {
  bool cut = false;
  if (value.is_string()) {
    auto& text = value.get_ref<std::string&>();
    cut = text.size() > limits::kMaxPatternInput;
    if (cut) text.resize(limits::kMaxPatternInput);
  } else if (value.is_structured()) {
    for (Json& item : value) cut = CutLongStrings(item) || cut;
  }
  return cut;
}

bool HasLongString(const Json& value) {
  if (value.is_string()) {
    return value.get_ref<const std::string&>().size() > limits::kMaxPatternInput;
  }
  if (value.is_structured()) {
    for (const Json& item : value) {
      if (HasLongString(item)) return true;
    }
  }
  return false;
}

// "<root>", "[tasks]", "[0]" -> "/tasks/0".
std::string PointerOf(const std::vector<std::string>& context) {
  std::string pointer;
  for (std::size_t i = 1; i < context.size(); ++i) {
    AppendToken(pointer, std::string_view(context[i]).substr(1, context[i].size() - 2));
  }
  return pointer;
}

class ValijsonSchema final : public JsonSchema {
 public:
  explicit ValijsonSchema(const Json& source)
      : source_(source), has_pattern_(HasKeyword(source, "pattern")) {
    valijson::SchemaParser parser;
    parser.populateSchema(Adapter(source_), schema_);
  }

  bool Accepts(const Json& value) const override { return Validate(value, nullptr); }

  std::vector<SchemaFault> Explain(const Json& value) const override {
    valijson::ValidationResults results;
    if (Validate(value, &results)) return {};
    std::vector<SchemaFault> faults = WordFaults(source_, value);
    if (!faults.empty()) return faults;
    return Leaves(results);
  }

 private:
  bool Validate(const Json& value, valijson::ValidationResults* results) const {
    // A validator caches regular expressions, so each call has its own: schemas are shared.
    valijson::Validator validator;
    if (!has_pattern_ || !HasLongString(value)) {
      return validator.validate(schema_, Adapter(value), results);
    }
    // The pattern itself is decided on the cut text; words for the cut come from WordFaults.
    Json cut = value;
    CutLongStrings(cut);
    return WordFaults(source_, value).empty() && validator.validate(schema_, Adapter(cut), results);
  }

  // Complaints below which there is no other: parents repeat those of their children.
  static std::vector<SchemaFault> Leaves(const valijson::ValidationResults& results) {
    std::set<std::string> seen;
    std::vector<std::pair<std::string, std::string>> all;
    for (const auto& error : results) {
      all.emplace_back(PointerOf(error.context), error.description);
    }
    std::vector<SchemaFault> faults;
    for (const auto& [pointer, description] : all) {
      bool parent = false;
      for (const auto& [other, ignored] : all) {
        parent = parent || (other.size() > pointer.size() && other.starts_with(pointer + "/"));
      }
      if (parent || !seen.insert(pointer).second) continue;
      std::string message = description;
      if (!message.empty() && message.back() == '.') message.pop_back();
      faults.push_back({"NM208", pointer, false, std::move(message), ""});
    }
    if (faults.empty()) faults.push_back({"NM208", "", false, "the value does not fit", ""});
    return faults;
  }

  Json source_;
  bool has_pattern_;
  valijson::Schema schema_;
};

}  // namespace

Result<std::shared_ptr<const JsonSchema>> JsonSchema::Compile(const Json& schema) {
  if (!schema.is_object()) return Invalid("a JSON Schema is an object");
  // References could form a loop without end, and nothing of ours writes them.
  if (HasKeyword(schema, "$ref")) return Invalid("$ref is not supported yet in a JSON Schema");
  try {
    return std::shared_ptr<const JsonSchema>(std::make_shared<ValijsonSchema>(schema));
  } catch (const std::exception& error) {
    return Invalid(fmt::format("not a JSON Schema (draft-07): {}", error.what()));
  }
}

}  // namespace nightmill::dagfile
