// The room's door: strings and JSON in, rendered text and JSON out.
#include "core/template/template.h"

#include <fmt/format.h>

#include "core/base/json.h"
#include "core/base/limits.h"
#include "core/template/ast.h"
#include "core/template/eval.h"
#include "core/template/operators.h"
#include "core/template/scope.h"

namespace nightmill {
namespace {

using Json = nlohmann::ordered_json;

std::string JsonString(std::string_view text) {
  return Json(text).dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

// Literal texts and printed expressions in turn.
Result<std::string> Text(const tmpl::Template& parsed, tmpl::Scope* scope) {
  tmpl::Evaluator evaluator(parsed, scope);
  std::string out;
  for (const tmpl::Segment& segment : parsed.segments) {
    if (segment.expression) {
      NM_ASSIGN_OR_RETURN(const std::string text, evaluator.EvaluateToText(*segment.expression));
      out += text;
    } else {
      out += segment.text;
    }
    NM_RETURN_IF_ERROR(tmpl::CheckTextSize(out.size()));
  }
  return out;
}

// The JSON form of one rendered string; `place` tells equal strings apart for random and uuid.
Result<std::string> OneString(std::string_view text, std::string_view place, tmpl::Scope* scope) {
  if (!IsTemplate(text)) return JsonString(text);
  scope->SeedRandom(place, text);
  NM_ASSIGN_OR_RETURN(const tmpl::Template parsed, tmpl::ParseTemplate(text));
  if (!parsed.IsOneExpression()) {
    NM_ASSIGN_OR_RETURN(const std::string rendered, Text(parsed, scope));
    return JsonString(rendered);
  }
  const tmpl::Node& root = *parsed.segments[0].expression;
  tmpl::Evaluator evaluator(parsed, scope);
  NM_ASSIGN_OR_RETURN(const tmpl::Value value, evaluator.EvaluateDefined(root));
  Result<std::string> json = tmpl::ToJsonText(value);
  if (!json.ok()) return parsed.Located(json.error(), root.begin);
  return json;
}

// "/" and "~" of a key in a JSON Pointer.
std::string PointerToken(std::string_view key) {
  std::string out;
  for (char c : key) {
    if (c == '~') {
      out += "~0";
    } else if (c == '/') {
      out += "~1";
    } else {
      out += c;
    }
  }
  return out;
}

// Renders the strings inside `json` in place.
Status Strings(Json* json, const std::string& pointer, int depth, tmpl::Scope* scope) {
  if (depth > limits::kMaxJsonDepth) return Invalid("the value is nested too deeply");
  if (json->is_string()) {
    const auto& text = json->get_ref<const std::string&>();
    if (!IsTemplate(text)) return Ok();
    Result<std::string> rendered = OneString(text, pointer, scope);
    if (!rendered.ok()) {
      Error error = rendered.error();
      error.pointer = pointer;
      return error;
    }
    *json = Json::parse(*rendered);
    return Ok();
  }
  if (json->is_array()) {
    for (std::size_t i = 0; i < json->size(); ++i) {
      NM_RETURN_IF_ERROR(Strings(&(*json)[i], fmt::format("{}/{}", pointer, i), depth + 1, scope));
    }
  } else if (json->is_object()) {
    for (auto& [key, member] : json->items()) {
      NM_RETURN_IF_ERROR(
          Strings(&member, fmt::format("{}/{}", pointer, PointerToken(key)), depth + 1, scope));
    }
  }
  return Ok();
}

}  // namespace

Result<std::string> RenderToJson(std::string_view text, const TemplateContext& context) {
  tmpl::Scope scope(context);
  return OneString(text, "", &scope);
}

Result<std::string> RenderToText(std::string_view text, const TemplateContext& context) {
  if (!IsTemplate(text)) return std::string(text);
  tmpl::Scope scope(context);
  scope.SeedRandom("", text);
  NM_ASSIGN_OR_RETURN(const tmpl::Template parsed, tmpl::ParseTemplate(text));
  return Text(parsed, &scope);
}

Result<std::string> RenderJson(std::string_view json, const TemplateContext& context) {
  Json parsed = Json::parse(json.begin(), json.end(), nullptr, /*allow_exceptions=*/false);
  if (parsed.is_discarded()) return Invalid("not a JSON text");
  tmpl::Scope scope(context);
  NM_RETURN_IF_ERROR(Strings(&parsed, "", 0, &scope));
  return parsed.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

Result<bool> RenderCondition(std::string_view text, const TemplateContext& context) {
  tmpl::Scope scope(context);
  scope.SeedRandom("", text);
  NM_ASSIGN_OR_RETURN(const tmpl::Template parsed, tmpl::ParseTemplate(text));
  if (parsed.IsOneExpression()) {
    const tmpl::Node& root = *parsed.segments[0].expression;
    tmpl::Evaluator evaluator(parsed, &scope);
    NM_ASSIGN_OR_RETURN(const tmpl::Value value, evaluator.EvaluateDefined(root));
    Result<bool> truth = tmpl::Truth(value);
    if (!truth.ok()) return parsed.Located(truth.error(), root.begin);
    return truth;
  }
  // By Jinja's truth every text but "" is true, "false" too: accept only what cannot be misread.
  NM_ASSIGN_OR_RETURN(const std::string rendered, Text(parsed, &scope));
  if (rendered == "true" || rendered == "True") return true;
  if (rendered.empty() || rendered == "false" || rendered == "False") return false;
  return Invalid(fmt::format("\"{}\" is neither true nor false", rendered),
                 "write the condition as one {{ expression }}");
}

bool IsTemplate(std::string_view text) {
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i - 1] == '{' && (text[i] == '{' || text[i] == '#' || text[i] == '%')) return true;
  }
  return false;
}

}  // namespace nightmill
