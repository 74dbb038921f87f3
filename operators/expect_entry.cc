// The catalog's entry of `expect` and how its spec is read, and the schema of check suites that
// other entries share.
#include <array>
#include <string>
#include <string_view>

#include "operators/catalog.h"
#include "operators/specs.h"

namespace nightmill {
namespace {

constexpr const char* kDoc = R"(Reads a table once and tests it against a suite of checks.

| type | fields | demands |
|---|---|---|
| `row_count_between` | `min`, `max` | min <= rows <= max |
| `not_null` | `col`, `mostly` | no nulls |
| `between` | `col`, `min`, `max`, `mostly` | min <= value <= max |
| `in_set` | `col`, `values`, `mostly` | every value is one of `values` |
| `contains` | `col`, `values` | each of `values` occurs |
| `unique` | `col`, `mostly` | no value occurs twice |
| `type` | `col`, `is` | the column has this type |
| `schema` | `columns` | exactly these columns, with these types, in any order |

`mostly` is the share of rows that must pass (nulls are left out, but for `not_null`); on no rows it
passes, `row_count_between` decides. A check that cannot be evaluated fails. A failed check of severity
`stop` (the default) ends the task with code `check`, so that nothing downstream sees the data;
`warn` is only reported. `on_fail: warn` makes every check a warning. Results have the shape of Great
Expectations.)";

constexpr std::array<std::pair<std::string_view, bool>, 2> kOnFail{
    {{"stop", false}, {"warn", true}}};

}  // namespace

ExpectSpec ReadExpect(SpecReader& spec) {
  ExpectSpec out;
  out.common = ReadCommon(spec, {"in", ""});
  spec.Require("in");
  spec.Require("suite");
  out.suite = CheckSuite::Read(spec, "suite", 1);
  spec.Word("on_fail", kOnFail, out.warn_only);
  if (out.common.in && out.common.in->filtered) {
    spec.FailAt(spec_code::kMismatch, "/in/filter", "expect takes no filter",
                "check the whole table");
  }
  return out;
}

std::string CheckSuiteSchema(std::string_view description, int least) {
  std::string schema = R"({"type": "array", "maxItems": 1000, )";
  if (least > 0) schema += "\"minItems\": " + std::to_string(least) + ", ";
  schema += R"("description": ")";
  schema += description;
  schema += R"(",
    "items": {"type": "object", "additionalProperties": false, "required": ["type"],
      "properties": {
        "type": {"enum": ["row_count_between", "not_null", "between", "in_set", "contains",
                          "unique", "type", "schema"], "description": "What is demanded."},
        "col": {"type": "string", "minLength": 1, "description": "Column tested."},
        "min": {"type": ["number", "string"], "description": "Smallest value or row count."},
        "max": {"type": ["number", "string"], "description": "Greatest value or row count."},
        "mostly": {"type": "number", "minimum": 0, "maximum": 1, "default": 1,
          "description": "Share of rows that must pass."},
        "values": {"type": "array", "minItems": 1,
          "items": {"type": ["string", "number", "boolean"]},
          "description": "in_set: allowed; contains: required."},
        "is": {"type": "string", "description": "type: the column's type.",
          "examples": ["int64", "timestamp"]},
        "columns": {"type": "object", "additionalProperties": {"type": "string"},
          "description": "schema: column to type."},
        "severity": {"enum": ["stop", "warn"], "default": "stop",
          "description": "stop fails the task, warn only reports."}}}})";
  return schema;
}

OperatorEntry ExpectEntry() {
  std::string schema = "{\"properties\": {" + InputProperties() + R"(,
  "suite": )" + CheckSuiteSchema("Checks, evaluated in one pass.", 1) +
                       R"(,
  "on_fail": {"enum": ["stop", "warn"], "default": "stop",
    "description": "warn: no check stops the task."}},
  "required": ["in", "suite"]})";
  return {"expect",
          TaskKind::kNative,
          "Tests a table; a failed check stops the run.",
          kDoc,
          std::move(schema),
          {},
          FaultsOf<ReadExpect>};
}

}  // namespace nightmill
