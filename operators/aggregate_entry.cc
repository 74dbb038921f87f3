// The catalog's entry of `aggregate`: what people and forms are told, and what a DAG file may say.
#include <string>

#include "operators/aggregate_spec.h"
#include "operators/catalog.h"

namespace nightmill {
namespace {

constexpr const char* kDoc = R"(One row per key over a window of days, in one pass over the input.

**Window** `{"days": N, "by": column}`: the N days that end with `as_of`, both ends included. `by` is
a day partition of the input, or a date or timestamp column; then days begin at local midnight in
`timezone`. Without a window all input is read.

**Features** have a `name` and a function `fn`:

| fn | result |
|---|---|
| `count`, `count_if` | rows, or with `col` its values; with `where` those that meet it |
| `sum`, `avg` | exact sum, rounded once; overflow of int64 is an error |
| `min`, `max` | NaN is the greatest number; texts compare as bytes |
| `first`, `last` | the value where `order_by` is smallest or greatest; ties by value; nulls take no part |
| `count_distinct` (`distinct`) | exact; nulls do not count |
| `active_days` | distinct local dates of `col`, also those outside of the window |
| `variance`, `stddev` | of a sample (`ddof` 1) or of all (`ddof` 0) |

`where` limits a feature to some rows; null is false. `otherwise` is the value of the other rows, as the
ELSE of a CASE. No value gives null, counts give 0.

**Derived** columns are expressions over features, keys and earlier derived columns; the constants
`as_of`, `data_interval_start` and `data_interval_end` may be used.

**Expressions**: literals, columns, `+ - * / %`, comparisons, and, or, not, in, between, is null, and
`if coalesce cast date date_diff div abs least greatest lower`. `/` is always double; dividing by
zero is an error unless guarded: `if(b != 0, a / b, 0.0)` or `div(a, b, 0.0)`.

**Checks** on the input and on the output are evaluated in the same pass; a failed one of severity
`stop` ends the task with code `check`, and nothing is published.

The output's bytes depend on the input's bytes and the spec alone, not on threads, memory or file
order; an unchanged input is not read again. Memory grows with groups and their distinct values, not
with rows; over `memory` the task fails with `oom_budget`, naming a budget that would do.)";

constexpr const char* kOwn = R"json(
  "keys": {"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1},
    "description": "Columns of the group key; also partition columns.", "examples": [["user_id"]]},
  "null_key": {"enum": ["keep", "drop", "fail"], "default": "keep",
    "description": "A row with a null key: its own group, left out (and counted), or an error."},
  "window": {"type": "object", "additionalProperties": false, "required": ["days", "by"],
    "description": "The days that end with as_of, both ends included; as_of is then required.",
    "properties": {
      "days": {"type": "integer", "minimum": 1, "maximum": 3660,
        "description": "Number of days.", "examples": [7]},
      "by": {"type": "string", "minLength": 1,
        "description": "Day partition of the input, or a date or timestamp column.",
        "examples": ["event_date"]},
      "timezone": {"type": "string", "description": "IANA zone of days; default: timezone."}}},
  "features": {"type": "array", "minItems": 1, "maxItems": 1000,
    "description": "Output columns, one per function.",
    "items": {"type": "object", "additionalProperties": false, "required": ["name", "fn"],
      "properties": {
        "name": {"type": "string", "minLength": 1, "description": "Output column."},
        "fn": {"enum": ["count", "count_if", "sum", "avg", "min", "max", "first", "last",
                        "count_distinct", "distinct", "active_days", "variance", "stddev"],
          "description": "Function; see the operator's page."},
        "col": {"type": "string", "minLength": 1,
          "description": "Input column; count may go without."},
        "where": {"type": "string", "minLength": 1,
          "description": "Condition of the rows that count.",
          "examples": ["event_type = 'purchase'"]},
        "otherwise": {"type": "number",
          "description": "Value of the rows that where leaves out (sum, avg, min, max)."},
        "order_by": {"type": "string", "minLength": 1,
          "description": "Column that orders first and last."},
        "ddof": {"enum": [0, 1], "default": 1,
          "description": "variance, stddev: what is taken off the number of values."}}}},
  "derived": {"type": "array", "maxItems": 1000,
    "description": "Output columns computed from other output columns.",
    "items": {"type": "object", "additionalProperties": false, "required": ["name", "expr"],
      "properties": {
        "name": {"type": "string", "minLength": 1, "description": "Output column."},
        "expr": {"type": "string", "minLength": 1, "description": "Expression.",
          "examples": ["if(views > 0, clicks / views, 0.0)"]}}}},
  "checks": {"type": "object", "additionalProperties": false,
    "description": "Checks evaluated in the same pass.",
    "properties": {
      "input": )json";

}  // namespace

OperatorEntry AggregateEntry() {
  std::string schema = "{\"properties\": {" + CommonProperties() + "," + kOwn;
  schema += CheckSuiteSchema("Checks on the rows of the window.");
  schema += ", \"output\": " + CheckSuiteSchema("Checks on the result.");
  schema += "}}}, \"required\": [\"in\", \"out\", \"keys\", \"features\"]}";
  return {"aggregate",
          TaskKind::kNative,
          "Features per key over a window of days.",
          kDoc,
          std::move(schema),
          {},
          FaultsOf<ReadAggregate>};
}

}  // namespace nightmill
