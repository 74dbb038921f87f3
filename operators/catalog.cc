// The fields that all native operators share, and the list of the operators.
#include "operators/catalog.h"

#include <string>

namespace nightmill {
namespace {

constexpr const char* kPartition = R"({"type": "object",
    "additionalProperties": {"type": ["string", "integer", "boolean"]},
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
  "memory": {"type": ["string", "integer"], "minimum": 16777216,
    "description": "Memory budget, 16MiB or more.", "examples": ["512MB"]},
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

}  // namespace

std::string InSchema() { return Replaced(kIn, "@PARTITION@", kPartition); }
std::string OutSchema() { return Replaced(kOut, "@PARTITION@", kPartition); }
std::string RunProperties() { return kRunFields; }
std::string InputProperties() { return "\"in\": " + InSchema() + "," + kRunFields; }

std::string CommonProperties() {
  return "\"in\": " + InSchema() + ",\n  \"out\": " + OutSchema() + "," + kRunFields;
}

void AddNativeOperators(OperatorCatalog& catalog) {
  catalog.Add(AggregateEntry());
  catalog.Add(CompactEntry());
  catalog.Add(ConvertEntry());
  catalog.Add(ExpectEntry());
  catalog.Add(PublishEntry());
}

}  // namespace nightmill
