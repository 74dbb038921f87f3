// The Jinja subset of product.md 2.6: `{{ expr }}` and `{# comment #}`, strict undefined, one pass.
// Pure: no clock, no I/O; `random` and `uuid` are seeded by the context. A string that is exactly
// one expression keeps its JSON type. Thread rule: a Context is used by one thread at a time.
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/base/time.h"
#include "core/model/data_interval.h"

namespace nightmill {

// What a template may see. JSON members are texts; they are parsed when first used.
struct TemplateContext {
  std::string dag_id;
  std::string run_id;
  std::string run_type;  // "manual", "scheduled", "backfill"
  std::string task_id;
  int map_index = -1;
  int try_number = 1;
  std::optional<Instant> logical_date;   // none: no ds, ts and kin
  std::optional<DataInterval> interval;  // data_interval_start/_end
  std::string data_date;                 // "" if there is no interval
  std::optional<Instant> start_date;     // of the run
  std::string params = "{}";             // JSON object, defaults merged with conf
  std::string conf = "{}";               // dag_run.conf
  std::string map_item;                  // JSON, "" if not mapped
  std::string run_outcome;               // run.outcome for finally tasks
  std::string variables = "{}";          // JSON: var.value.x / var.json.x
  // JSON text of outputs.<task>, or nullopt if undefined (skipped, unknown). A mapped task gives a
  // JSON list. Reached only for names the expression uses.
  std::function<std::optional<std::string>(std::string_view task_id)> output;
  std::uint64_t seed = 0;  // for random and uuid
};

// Renders one string. Result: JSON text. A string that is one expression keeps its type ("[1, 2]",
// "3", "\"x\""); anything else gives a JSON string. Errors are kInvalid, quoting the expression:
// undefined names, unknown filters, wrong types, syntax.
Result<std::string> RenderToJson(std::string_view text, const TemplateContext& context);
// Renders one string to text, as Jinja prints it.
Result<std::string> RenderToText(std::string_view text, const TemplateContext& context);
// Renders every string inside a JSON value (keys are not templates), keeping types. The error's
// `pointer` names the place inside `json`.
Result<std::string> RenderJson(std::string_view json, const TemplateContext& context);
// Renders an expression (a whole-value template or plain text) and gives Jinja's truth value.
Result<bool> RenderCondition(std::string_view text, const TemplateContext& context);

// Static facts of one template, for validation: no context needed.
struct TemplateFacts {
  bool has_expressions = false;
  // An expression not ended by `| q` that holds more than the engine's dates and ids, numbers and
  // texts written in the template itself.
  bool raw = false;
  std::string raw_name;  // the first such name
  // First names used: "params", "outputs", "ds"; "secret" for secret('x'), which only the whole
  // value of an `env` entry may be.
  std::set<std::string> roots;
  std::set<std::string> outputs;      // tasks named by outputs.<task>
  std::set<std::string> params;       // params.<x>
  std::vector<std::string> warnings;  // old names with their replacement
};
// Parses without rendering. Errors are kInvalid: syntax, unknown root name, filter, macro, method;
// with a hint (did you mean) where one is near.
Result<TemplateFacts> InspectTemplate(std::string_view text);
// The facts of the expressions without an error; `faults` receives the errors in their order, at
// most about limits::kMaxReportedErrors.
TemplateFacts InspectTemplate(std::string_view text, std::vector<Error>* faults);
// False fast for strings without "{{", "{#" and "{%" (blocks are an error, not text).
bool IsTemplate(std::string_view text);

}  // namespace nightmill
