// The fields that every native operator shares (compute.md 1.1), parsed once. The parsers take JSON
// that core/dagfile or the daemon has rendered; unknown and ill-typed fields are kBadSpec with a
// JSON Pointer in the message. Pure, thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "operators/columnar/table_writer.h"
#include "operators/op_result.h"

namespace nightmill {

// Partition columns and their values in the order of the path: {{"day", "2011-05-01"}}.
using PartitionKey = std::vector<std::pair<std::string, std::string>>;

// "day=2011-05-01", parts joined by '/', values %-escaped as in Hive paths; "" for no partition.
std::string PartitionPath(const PartitionKey& key);
OpResult<PartitionKey> ParsePartitionPath(std::string_view path);

enum class InputFormat : std::uint8_t { kParquet, kCsv, kJsonLines };

struct InSpec {
  std::vector<std::string> paths;         // as written; at least one
  std::optional<InputFormat> format;      // nullopt: by file name, parquet for tables
  std::vector<std::string> partition_by;  // partition columns expected in the path, outermost first
  PartitionKey partition;                 // only these
  std::string filter;                     // expression over rows; "" = all
  // CSV only.
  char delimiter = ',';
  bool header = true;
  std::string null_text;  // cells equal to this, unquoted or not, are null beside empty ones
};

enum class Layout : std::uint8_t { kManifest, kDirectory };

struct OutSpec {
  std::string path;
  Layout layout = Layout::kManifest;
  PartitionKey partition;
  WriteOptions write;             // codec, target, max rows; threads set from the run
  std::vector<std::string> sort;  // columns; "" prefix '-' is not supported: ascending, nulls first
};

struct CommonSpec {
  std::string type;  // operator
  std::optional<InSpec> in;
  std::optional<OutSpec> out;
  std::optional<std::int32_t> as_of;         // days since 1970-01-01
  std::string timezone = "UTC";              // known to TimeZone::Find
  std::optional<std::int64_t> memory_bytes;  // of the spec; the smaller of it and the host's counts
  std::optional<int> threads;
  bool identity_by_content = false;  // "identity": "content"
  int retain = 30;
  std::string spec_hash;  // SHA-256 of the canonical spec without what cannot change data
};

// Parses a spec object: the common fields, and the names in `own_fields` are left to the operator.
// `in_field`/`out_field` are the names under which the operator has them ("in"/"out", "from"/"to").
struct SpecFields {
  std::span<const std::string_view> own_fields;
  std::string_view in_field = "in";
  std::string_view out_field = "out";
};
OpResult<CommonSpec> ParseCommon(const nlohmann::json& spec, const SpecFields& fields);

// The object of a spec text, or kBadSpec. Never throws.
OpResult<nlohmann::json> ParseSpecText(std::string_view text);
// Errors in one form: "/out/partition: <what>", reason "spec".
OperatorError SpecError(std::string_view pointer, std::string_view what, std::string hint = {});

// Bytes from 123, "512MB", "1GiB" (product.md 2.2).
std::optional<std::int64_t> ParseByteSize(const nlohmann::json& value);

}  // namespace nightmill
