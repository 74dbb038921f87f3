// The catalog's entry of `convert`, and how its spec is read.
#include <fmt/format.h>

#include <optional>
#include <string>

#include "core/base/json.h"
#include "operators/catalog.h"
#include "operators/specs.h"

namespace nightmill {
namespace {

using nlohmann::json;

constexpr const char* kDoc =
    R"(Reads CSV, JSON Lines (both plain or gzip) or Parquet and publishes typed Parquet as one
partition of a table.

`schema` is an object of column and type, a list of `{"name", "type"}` (which also fixes the order
and is needed for CSV without a header), or `infer_once` (the default): the first run infers the
types from all rows, later runs keep those of the table. Types: `bool int32 int64 float32 float64
decimal(p,s) string binary date timestamp timestamp(local)`; timestamps are UTC microseconds.
Nothing is narrowed silently: a value that does not fit is an error with file, line and column,
and nothing is published. An empty CSV cell without quotes is null; `0012` stays text when types
are inferred.

The same files give the same bytes and a second run is `unchanged`. Columns that the schema does
not name are left out with a warning.)";

constexpr std::size_t kMaxColumns = 10'000;

void AddColumn(SpecReader& spec, const std::string& pointer, const Field& column,
               ConvertSpec& out) {
  if (column.name.empty()) {
    spec.FailAt(spec_code::kForm, pointer, "a column has no name");
  } else if (out.schema.Find(column.name) >= 0) {
    spec.FailAt(spec_code::kTwice, pointer,
                fmt::format("the column '{}' exists twice", column.name));
  } else {
    CheckOutputColumn(spec, pointer, column.name, out.common.out);
    out.schema.fields.push_back(column);
  }
}

// The type in member `name`; nullopt if it is none or not known.
std::optional<ColumnType> ReadType(SpecReader& spec, std::string_view name) {
  std::string word;
  if (!spec.AnyText(name, word)) return std::nullopt;
  const auto type = ParseColumnType(word);
  if (!type) {
    spec.Fail(spec_code::kColumnType, name, fmt::format("unknown column type '{}'", word),
              std::string(kColumnTypes));
  }
  return type;
}

void ReadSchema(SpecReader& spec, ConvertSpec& out) {
  const json* schema = spec.Find("schema");
  out.given = schema != nullptr && *schema != "infer_once";
  if (!out.given) return;
  if (schema->is_object()) {
    spec.Object("schema", [&out](SpecReader& columns) {
      columns.AllowAll();
      for (const auto& [name, value] : columns.json().items()) {
        if (const auto type = ReadType(columns, name)) {
          AddColumn(columns, columns.At(name), {name, *type}, out);
        }
      }
    });
  } else if (schema->is_array()) {
    out.ordered = true;
    spec.Objects("schema", 0, kMaxColumns, [&out](SpecReader& column) {
      std::string name;
      column.Require("name");
      column.Require("type");
      const bool named = column.AnyText("name", name);
      const auto type = ReadType(column, "type");
      if (named && type) AddColumn(column, column.At("name"), {name, *type}, out);
    });
  } else {
    spec.Fail(spec_code::kType, "schema", "expected \"infer_once\", an object or a list");
    return;
  }
  if (schema->empty()) spec.Fail(spec_code::kRange, "schema", "the schema has no column");
}

}  // namespace

ConvertSpec ReadConvert(SpecReader& spec) {
  ConvertSpec out;
  out.common = ReadCommon(spec);
  spec.Require("in", "name what to read");
  spec.Require("out", "name the table to publish");
  ReadSchema(spec, out);
  if (out.common.in && out.common.in->filtered) {
    spec.FailAt(spec_code::kMismatch, "/in/filter", "convert takes no filter",
                "filter where the table is read");
  }
  if (out.common.out && !out.common.out->sort.empty()) {
    spec.FailAt(spec_code::kMismatch, "/out/sort", "convert does not sort",
                "let compact sort the table");
  }
  return out;
}

OperatorEntry ConvertEntry() {
  std::string schema = "{\"properties\": {" + CommonProperties() + R"(,
  "schema": {"anyOf": [{"enum": ["infer_once"]},
      {"type": "object", "minProperties": 1, "additionalProperties": {"type": "string"}},
      {"type": "array", "minItems": 1, "items": {"type": "object", "additionalProperties": false,
        "required": ["name", "type"],
        "properties": {
          "name": {"type": "string", "minLength": 1, "description": "Column."},
          "type": {"type": "string", "description": "Its type."}}}}],
    "default": "infer_once", "description": "Columns and their types.",
    "examples": [{"user_id": "string", "event_time": "timestamp"}]}},
  "required": ["in", "out"]})";
  return {"convert",
          TaskKind::kNative,
          "CSV, JSON Lines or Parquet to typed Parquet.",
          kDoc,
          std::move(schema),
          {},
          FaultsOf<ReadConvert>};
}

}  // namespace nightmill
