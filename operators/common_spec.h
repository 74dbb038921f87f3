// The fields that every native operator shares (compute.md 1.1). Pure, thread-safe.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "operators/columnar/table_writer.h"
#include "operators/op_result.h"
#include "operators/spec_reader.h"

namespace nightmill {

// Partition columns and their values in the order of the path: {{"day", "2011-05-01"}}.
using PartitionKey = std::vector<std::pair<std::string, std::string>>;

// "day=2011-05-01", parts joined by '/', values %-escaped as in Hive paths; "" for no partition.
std::string PartitionPath(const PartitionKey& key);
OpResult<PartitionKey> ParsePartitionPath(std::string_view path);
bool HasColumn(const PartitionKey& key, std::string_view column);

enum class InputFormat : std::uint8_t { kParquet, kCsv, kJsonLines };

struct InSpec {
  std::vector<std::string> paths;         // as written; at least one
  std::optional<InputFormat> format;      // nullopt: by file name, parquet for tables
  std::vector<std::string> partition_by;  // partition columns expected in the path, outermost first
  PartitionKey partition;                 // only these
  std::string filter;                     // expression over rows; "" = all, or not known yet
  bool filtered = false;                  // there is a filter
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
  std::optional<std::int64_t> memory_bytes;  // of the spec
  std::optional<int> threads;
  bool identity_by_content = false;  // "identity": "content"
  int retain = 30;
  std::string spec_hash;  // SHA-256 of the canonical spec without what cannot change data
};

// The names under which the operator has them; "" if it has none.
struct CommonFields {
  std::string_view in = "in";
  std::string_view out = "out";
};
// Reads the common fields and makes those of the task known. `in` and `out` are there only if the
// spec has them (Require); before rendering there is no spec_hash.
CommonSpec ReadCommon(SpecReader& spec, const CommonFields& fields = {});

// For a spec that no daemon has rendered: kBadSpec for a template in what shapes data. Not for
// rendered ones, whose values may look like templates.
OpStatus CheckNoTemplates(const nlohmann::json& spec);

// A column of the output may not have the name of a partition column: readers, this program's
// included, take that one's value from the path, so the column's own would be lost.
void CheckOutputColumn(SpecReader& spec, const std::string& pointer, const std::string& column,
                       const std::optional<OutSpec>& out);

// A time zone by name; UTC stays if there is none or it is not known.
void ReadZone(SpecReader& spec, std::string_view name, std::string& out);

// Bytes from 123, "512MB", "1GiB" (product.md 2.2).
std::optional<std::int64_t> ParseByteSize(const nlohmann::json& value);

}  // namespace nightmill
