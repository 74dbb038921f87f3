// Entries of convert, publish and compact, and the fields that all native operators share.
#include "operators/catalog.h"

#include <string>

namespace nightmill {
namespace {

constexpr const char* kPartition = R"({"type": "object",
    "additionalProperties": {"type": ["string", "integer"]},
    "description": "Partition columns and their values.",
    "examples": [{"day": "{{ data_date }}"}]})";

constexpr const char* kIn = R"({"anyOf": [
    {"type": "string", "minLength": 1},
    {"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}},
    {"type": "object", "additionalProperties": false, "required": ["path"], "properties": {
      "path": {"anyOf": [{"type": "string", "minLength": 1},
          {"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}}],
        "description": "File, folder or table; relative paths start at data_root.",
        "examples": ["lake/events"]},
      "format": {"enum": ["parquet", "csv", "jsonl"],
        "description": "Default: by the file names."},
      "partition_by": {"anyOf": [{"type": "string"},
          {"type": "array", "items": {"type": "string"}}],
        "description": "Partition columns that the paths must have."},
      "partition": @PARTITION@,
      "filter": {"type": "string", "description": "Condition of the rows that are read."},
      "delimiter": {"type": "string", "minLength": 1, "maxLength": 1, "default": ",",
        "description": "CSV: between cells."},
      "header": {"type": "boolean", "default": true,
        "description": "CSV: the first line names the columns."},
      "null": {"type": "string", "description": "CSV: text that means null beside no text."}}}],
    "description": "What is read: a path, or an object with path and details."})";

constexpr const char* kOut = R"({"anyOf": [
    {"type": "string", "minLength": 1},
    {"type": "object", "additionalProperties": false, "required": ["path"], "properties": {
      "path": {"type": "string", "minLength": 1, "description": "Folder of the table.",
        "examples": ["features/user_features"]},
      "layout": {"enum": ["manifest", "directory"], "default": "manifest",
        "description": "manifest: versions with history; directory: folders swapped as a whole."},
      "partition": @PARTITION@,
      "codec": {"enum": ["zstd", "snappy", "none"], "default": "zstd",
        "description": "Compression of the data files."},
      "target_mb": {"type": "integer", "minimum": 1, "maximum": 100000, "default": 128,
        "description": "A file ends before it would grow past this."},
      "max_rows_per_file": {"type": "integer", "minimum": 1,
        "description": "A file ends after this many rows."},
      "sort": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
        "description": "Columns the rows are ordered by."}}}],
    "description": "The table that is published: a path, or an object with path and details."})";

constexpr const char* kRunFields = R"(
  "as_of": {"type": "string", "description": "The data date of the run.",
    "examples": ["{{ data_date }}"]},
  "timezone": {"type": "string", "default": "UTC",
    "description": "IANA zone of local days and of times without a zone."},
  "memory": {"type": ["string", "integer"], "description": "Memory budget.",
    "examples": ["512MB"]},
  "threads": {"type": "integer", "minimum": 1, "maximum": 1024,
    "description": "Threads used; default: those the worker gives."},
  "engine": {"enum": ["auto", "native"], "default": "auto",
    "description": "Where the operator runs."},
  "identity": {"enum": ["metadata", "content"], "default": "metadata",
    "description": "An input is known again by inode, time and edges, or by all bytes."})";

std::string Replaced(std::string text, std::string_view mark, std::string_view by) {
  for (std::size_t at = text.find(mark); at != std::string::npos; at = text.find(mark, at)) {
    text.replace(at, mark.size(), by);
    at += by.size();
  }
  return text;
}

std::string InSchema() { return Replaced(kIn, "@PARTITION@", kPartition); }
std::string OutSchema() { return Replaced(kOut, "@PARTITION@", kPartition); }

constexpr const char* kConvertDoc =
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

constexpr const char* kPublishDoc =
    R"(Publishes Parquet files that a process wrote, or a partition of a table, as one partition of
another table: every row is read once for `suite`, profile and content_sum, the files are copied
as they are, and one commit makes them visible. If a check of severity `stop` fails, nothing is
published (code `check`). All files must have the same columns.

`to.layout` is `manifest` (versions with history; `nightmill table files` lists the current files)
or `directory` (plain folders for any reader, swapped as a whole).)";

constexpr const char* kCompactDoc =
    R"(Rewrites the small files of each partition of a table into few, in place. Candidates are
files below 75 % or above 180 % of `target_mb`, and files of many small row groups; a partition is
rewritten when it has `min_inputs` of them or a target's worth of bytes. With `sort` the rewritten
rows are ordered, in memory. What was read and what is written must have the same content_sum
before the commit, which keeps the fingerprints: nothing downstream runs again. A second run finds
nothing to do. The report has `files_before` and `files_after`.)";

}  // namespace

std::string CommonProperties() {
  return "\"in\": " + InSchema() + ",\n  \"out\": " + OutSchema() + "," + kRunFields;
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
  return {"convert",   TaskKind::kNative, "CSV, JSON Lines or Parquet to typed Parquet.",
          kConvertDoc, std::move(schema), {}};
}

OperatorEntry PublishEntry() {
  std::string schema = "{\"properties\": {\"from\": " + InSchema() + ",\n  \"to\": " + OutSchema() +
                       "," + kRunFields + ",\n  \"suite\": " +
                       CheckSuiteSchema("Checks on the rows before they are published.") + R"(,
  "retain": {"type": "integer", "minimum": 1, "default": 30,
    "description": "Versions of the table to keep when it is cleaned up."}},
  "required": ["from", "to"]})";
  return {"publish",   TaskKind::kNative, "Checks Parquet files and publishes them at once.",
          kPublishDoc, std::move(schema), {}};
}

OperatorEntry CompactEntry() {
  std::string schema = "{\"properties\": {\"in\": " + InSchema() + "," + kRunFields + R"(,
  "target_mb": {"type": "integer", "minimum": 1, "maximum": 100000, "default": 128,
    "description": "Size that files should have."},
  "min_inputs": {"type": "integer", "minimum": 1, "default": 5,
    "description": "Fewest files worth a rewrite, if they are less than a target together."},
  "mode": {"enum": ["auto", "reencode"], "default": "auto",
    "description": "How bytes move; both encode rows again."},
  "sort": {"type": ["array", "null"], "items": {"type": "string", "minLength": 1}, "default": null,
    "description": "Columns the rewritten rows are ordered by."},
  "schema": {"enum": ["union"], "default": "union",
    "description": "Columns that some files lack are null there."}},
  "required": ["in"]})";
  return {"compact",   TaskKind::kNative, "Makes few files out of many, in place.",
          kCompactDoc, std::move(schema), {}};
}

void AddNativeOperators(OperatorCatalog& catalog) {
  catalog.Add(AggregateEntry());
  catalog.Add(CompactEntry());
  catalog.Add(ConvertEntry());
  catalog.Add(ExpectEntry());
  catalog.Add(PublishEntry());
}

}  // namespace nightmill
