// Params of a DAG (a JSON Schema per name), and the strict reading of any JSON of users.
#include <fmt/format.h>

#include <string>
#include <utility>

#include "core/base/json.h"
#include "core/base/limits.h"
#include "core/dagfile/canonical_json.h"
#include "core/dagfile/dag_fields.h"
#include "core/dagfile/dag_json.h"
#include "core/dagfile/diagnostics.h"
#include "core/dagfile/json_schema.h"

namespace nightmill {
namespace {

using Json = nlohmann::json;

Result<Json> ReadStrict(std::string_view text, bool allow_comments) {
  Json value;
  std::vector<dagfile::TextFault> faults;
  dagfile::ReadJson(text, allow_comments, value, faults);
  if (faults.empty()) return value;
  // Diagnostics knows how to count lines and columns.
  dagfile::Diagnostics out(text, {});
  out.Add(faults.front());
  const Diagnostic d = out.Finish().front();
  return Error{ErrorCode::kInvalid, fmt::format("line {}, column {}: {}", d.line, d.col, d.message),
               d.hint, d.pointer};
}

}  // namespace

namespace dagfile {

Json ParamsSchema() {
  return {{"type", "object"},
          {"default", Json::object()},
          {"additionalProperties", {{"type", "object"}}},
          {"description", "A JSON Schema (draft-07) per name; `default` makes a param optional."},
          {"examples", Json::array({{{"source", {{"type", "string"}, {"default", "events"}}}}})}};
}

void ApplyParams(const Json& value, Dag& dag, const Site& site) {
  if (!value.is_object()) return;
  for (const auto& [name, schema] : value.items()) {
    if (!schema.is_object()) continue;
    const Place place = site.place.At(name);
    const auto compiled = JsonSchema::Compile(schema);
    if (!compiled.ok()) {
      site.In(place).Error("NM322", compiled.error().message);
      continue;
    }
    const auto fallback = schema.find("default");
    if (fallback == schema.end()) continue;
    for (const SchemaFault& fault : (*compiled)->Explain(*fallback)) {
      site.out.Error("NM322", place.Pointer() + "/default" + fault.pointer,
                     "the default does not fit its own schema: " + fault.message, fault.hint);
    }
  }
  dag.params_schema = CanonicalJson(value);
}

}  // namespace dagfile

Result<std::string> ParseStrictJson(std::string_view text, bool allow_comments) {
  NM_ASSIGN_OR_RETURN(const Json value, ReadStrict(text, allow_comments));
  return dagfile::CanonicalJson(value);
}

Result<std::string> ResolveParams(std::string_view params_schema, std::string_view conf) {
  if (conf.size() > limits::kMaxConfBytes) {
    return Invalid(
        fmt::format("conf has {} bytes, the limit is {}", conf.size(), limits::kMaxConfBytes));
  }
  NM_ASSIGN_OR_RETURN(const Json schemas, ReadStrict(params_schema, false));
  NM_ASSIGN_OR_RETURN(Json given, ReadStrict(conf, false));
  if (!given.is_object()) return Invalid("conf is not a JSON object");
  Json params = Json::object();
  std::vector<std::string> faults;
  std::string pointer;
  const auto fault = [&](const std::string& at, std::string text) {
    if (faults.empty()) pointer = at;
    faults.push_back(std::move(text));
  };
  for (const auto& [name, schema] : schemas.items()) {
    std::string at;
    dagfile::AppendToken(at, name);
    if (const auto it = given.find(name); it != given.end()) {
      params[name] = *it;
    } else if (const auto fallback = schema.find("default"); fallback != schema.end()) {
      params[name] = *fallback;
    } else {
      fault(at, fmt::format("param \"{}\" is required and has no default", name));
      continue;
    }
    const auto compiled = dagfile::JsonSchema::Compile(schema);
    if (!compiled.ok()) {
      fault(at, fmt::format("param \"{}\": {}", name, compiled.error().message));
      continue;
    }
    for (const dagfile::SchemaFault& f : (*compiled)->Explain(params[name])) {
      fault(at + f.pointer, fmt::format("param \"{}\"{}: {}", name,
                                        f.pointer.empty() ? "" : " at " + f.pointer, f.message));
    }
  }
  if (!faults.empty()) {
    std::string message;
    for (const std::string& text : faults) message += (message.empty() ? "" : "; ") + text;
    return Error{ErrorCode::kInvalid, std::move(message), "give params in conf", pointer};
  }
  return dagfile::CanonicalJson({{"params", std::move(params)}, {"conf", std::move(given)}});
}

}  // namespace nightmill
