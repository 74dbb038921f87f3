#include "operators/common_spec.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "core/base/hash.h"
#include "core/base/limits.h"
#include "core/base/time.h"
#include "core/dagfile/dag_json.h"
#include "core/schedule/time_zone.h"

namespace nightmill {
namespace {

using nlohmann::json;

constexpr std::string_view kNullPartition = "__HIVE_DEFAULT_PARTITION__";

// Fields that any native task may carry and that cannot change its data. Those of the task itself
// are listed so that a task cut out of a DAG file runs as it is.
constexpr std::array<std::string_view, 32> kNoDataFields{"id",
                                                         "type",
                                                         "threads",
                                                         "memory",
                                                         "engine",
                                                         "profile",
                                                         "retain",
                                                         "depends_on",
                                                         "trigger_rule",
                                                         "when",
                                                         "retries",
                                                         "retry_delay",
                                                         "retry_backoff",
                                                         "retry_on",
                                                         "timeout",
                                                         "pool",
                                                         "pools",
                                                         "pool_slots",
                                                         "priority_weight",
                                                         "map",
                                                         "outlets",
                                                         "inlets",
                                                         "display_name",
                                                         "doc_md",
                                                         "limits",
                                                         "max_retry_delay",
                                                         "total_timeout",
                                                         "queue_timeout",
                                                         "weight_rule",
                                                         "env",
                                                         "output",
                                                         "native_limit"};
constexpr const char* kIntervalStart = "data_interval_start";
constexpr const char* kIntervalEnd = "data_interval_end";
constexpr std::array<std::string_view, 6> kDataFields{
    "as_of", "timezone", "identity", "quarantine", kIntervalStart, kIntervalEnd};

bool IsNoDataField(std::string_view name) {
  return name.starts_with("x-") ||
         std::find(kNoDataFields.begin(), kNoDataFields.end(), name) != kNoDataFields.end();
}

template <class Names>
bool Contains(const Names& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Reads the members of one object and remembers the first error and the names it was asked for.
class Reader {
 public:
  Reader(const json& object, std::string pointer) : object_(object), pointer_(std::move(pointer)) {}

  const json* Find(std::string_view name) {
    seen_.emplace(name);
    const auto it = object_.find(name);
    return it == object_.end() || it->is_null() ? nullptr : &*it;
  }
  void Fail(std::string_view name, std::string_view what, std::string hint = {}) {
    if (!error_) error_ = SpecError(fmt::format("{}/{}", pointer_, name), what, std::move(hint));
  }
  void Text(std::string_view name, std::string& out) {
    const json* value = Find(name);
    if (value == nullptr) return;
    if (!value->is_string()) return Fail(name, "must be text");
    out = value->get<std::string>();
  }
  // A text or a list of texts.
  void Texts(std::string_view name, std::vector<std::string>& out) {
    const json* value = Find(name);
    if (value == nullptr) return;
    out.clear();
    const json list = value->is_array() ? *value : json::array({*value});
    for (const json& item : list) {
      if (!item.is_string()) return Fail(name, "must be text or a list of texts");
      out.push_back(item.get<std::string>());
    }
  }
  void Bool(std::string_view name, bool& out) {
    const json* value = Find(name);
    if (value == nullptr) return;
    if (!value->is_boolean()) return Fail(name, "must be true or false");
    out = value->get<bool>();
  }
  void Integer(std::string_view name, std::int64_t low, std::int64_t high, std::int64_t& out) {
    const json* value = Find(name);
    if (value == nullptr) return;
    if (!value->is_number_integer() || value->get<std::int64_t>() < low ||
        value->get<std::int64_t>() > high) {
      return Fail(name, fmt::format("must be a whole number from {} to {}", low, high));
    }
    out = value->get<std::int64_t>();
  }
  void Partition(std::string_view name, PartitionKey& out) {
    const json* value = Find(name);
    if (value == nullptr) return;
    if (!value->is_object()) return Fail(name, "must be an object of column: value");
    for (const auto& [column, text] : value->items()) {
      if (text.is_string()) {
        out.emplace_back(column, text.get<std::string>());
      } else if (text.is_number_integer() || text.is_boolean()) {
        out.emplace_back(column, text.dump());
      } else {
        return Fail(name, "the value of \"" + column + "\" must be text or a whole number");
      }
      if (column.empty()) return Fail(name, "has an empty column name");
    }
  }
  OpStatus Done() {
    if (error_) return *error_;
    for (const auto& [name, value] : object_.items()) {
      if (seen_.count(name) > 0 || name.starts_with("x-")) continue;
      return SpecError(fmt::format("{}/{}", pointer_, name), "is not a known field",
                       "known are " + fmt::format("{}", fmt::join(seen_, ", ")));
    }
    return OpOk();
  }

 private:
  const json& object_;
  const std::string pointer_;
  std::set<std::string> seen_;
  std::optional<OperatorError> error_;
};

std::optional<InputFormat> ParseFormat(std::string_view word) {
  if (word == "parquet") return InputFormat::kParquet;
  if (word == "csv") return InputFormat::kCsv;
  if (word == "jsonl") return InputFormat::kJsonLines;
  return std::nullopt;
}

OpResult<InSpec> ParseIn(const json& value, const std::string& pointer) {
  InSpec in;
  if (value.is_string() || value.is_array()) {
    const json wrapped = {{"path", value}};
    return ParseIn(wrapped, pointer);
  }
  if (!value.is_object()) return SpecError(pointer, "must be an object or a path");
  Reader reader(value, pointer);
  reader.Texts("path", in.paths);
  if (in.paths.empty()) reader.Fail("path", "is missing", "name a file, a folder or a table");
  for (const std::string& path : in.paths) {
    if (path.empty()) reader.Fail("path", "is empty");
  }
  std::string format;
  reader.Text("format", format);
  if (!format.empty()) {
    in.format = ParseFormat(format);
    if (!in.format) reader.Fail("format", "must be parquet, csv or jsonl");
  }
  reader.Texts("partition_by", in.partition_by);
  reader.Partition("partition", in.partition);
  reader.Text("filter", in.filter);
  std::string delimiter = ",";
  reader.Text("delimiter", delimiter);
  if (delimiter.size() != 1 || delimiter == "\"" || delimiter == "\n" || delimiter == "\r") {
    reader.Fail("delimiter", "must be one character, no quote and no line end");
  } else {
    in.delimiter = delimiter[0];
  }
  reader.Bool("header", in.header);
  reader.Text("null", in.null_text);
  NM_RETURN_IF_ERROR(reader.Done());
  return in;
}

OpResult<OutSpec> ParseOut(const json& value, const std::string& pointer) {
  OutSpec out;
  if (value.is_string()) {
    out.path = value.get<std::string>();
    if (out.path.empty()) return SpecError(pointer, "is empty");
    return out;
  }
  if (!value.is_object()) return SpecError(pointer, "must be an object or a path");
  Reader reader(value, pointer);
  reader.Text("path", out.path);
  if (out.path.empty()) reader.Fail("path", "is missing", "name the folder of the table");
  std::string layout = "manifest";
  reader.Text("layout", layout);
  if (layout == "directory") {
    out.layout = Layout::kDirectory;
  } else if (layout != "manifest") {
    reader.Fail("layout", "must be manifest or directory");
  }
  reader.Partition("partition", out.partition);
  std::string codec = "zstd";
  reader.Text("codec", codec);
  if (codec == "snappy") {
    out.write.codec = Codec::kSnappy;
  } else if (codec == "none") {
    out.write.codec = Codec::kNone;
  } else if (codec != "zstd") {
    reader.Fail("codec", "must be zstd, snappy or none");
  }
  std::int64_t target_mb = out.write.target_bytes / 1'000'000;
  reader.Integer("target_mb", 1, 100'000, target_mb);
  out.write.target_bytes = target_mb * 1'000'000;
  reader.Integer("max_rows_per_file", 1, std::int64_t{1} << 40, out.write.max_rows_per_file);
  reader.Texts("sort", out.sort);
  NM_RETURN_IF_ERROR(reader.Done());
  return out;
}

OpStatus CheckFieldNames(const json& spec, const SpecFields& fields) {
  for (const auto& [name, value] : spec.items()) {
    if (IsNoDataField(name) || Contains(kDataFields, name) || Contains(fields.own_fields, name) ||
        name == fields.in_field || name == fields.out_field) {
      continue;
    }
    return SpecError(
        "/" + name, "is not a known field",
        fmt::format("this operator has {}, {}, {} and the common fields", fields.in_field,
                    fields.out_field, fmt::join(fields.own_fields, ", ")));
  }
  return OpOk();
}

OpStatus ParseRunFields(const json& spec, CommonSpec& common) {
  Reader reader(spec, "");
  reader.Text("type", common.type);
  std::string as_of;
  reader.Text("as_of", as_of);
  if (!as_of.empty()) {
    const Result<std::int32_t> days = ParseDate(as_of);
    if (days.ok()) {
      common.as_of = *days;
    } else {
      reader.Fail("as_of", days.error().message, "a date like 2026-01-31");
    }
  }
  reader.Text("timezone", common.timezone);
  if (const auto zone = TimeZone::Find(common.timezone); !zone.ok()) {
    reader.Fail("timezone", zone.error().message, zone.error().hint);
  }
  if (const json* memory = reader.Find("memory")) {
    common.memory_bytes = ParseByteSize(*memory);
    if (!common.memory_bytes || *common.memory_bytes <= 0) {
      reader.Fail("memory", "must be a size like 512MB");
    }
  }
  std::int64_t threads = 0;
  reader.Integer("threads", 1, 1024, threads);
  if (threads > 0) common.threads = static_cast<int>(threads);
  std::int64_t retain = common.retain;
  reader.Integer("retain", 1, 1'000'000, retain);
  common.retain = static_cast<int>(retain);
  std::string identity = "metadata";
  reader.Text("identity", identity);
  if (identity != "metadata" && identity != "content") {
    reader.Fail("identity", "must be metadata or content");
  }
  common.identity_by_content = identity == "content";
  std::string engine = "auto";
  reader.Text("engine", engine);
  if (engine != "auto" && engine != "native") {
    reader.Fail("engine", "must be auto or native", "Spark is not supported yet");
  }
  bool quarantine = false;
  reader.Bool("quarantine", quarantine);
  if (quarantine) reader.Fail("quarantine", "is not supported yet", "leave it out");
  // The names were checked by the caller, who knows the operator's own.
  for (const auto& [name, value] : spec.items()) reader.Find(name);
  return reader.Done();
}

std::string EscapePart(std::string_view text) {
  constexpr std::string_view kSpecial = "\"#%'*/:=?\\{[]^";
  if (text.empty()) return std::string(kNullPartition);
  std::string out;
  for (const char c : text) {
    const auto b = static_cast<unsigned char>(c);
    if (b < 0x20 || b == 0x7F || kSpecial.find(c) != std::string_view::npos) {
      out += fmt::format("%{:02X}", b);
    } else {
      out += c;
    }
  }
  return out;
}

std::optional<std::string> UnescapePart(std::string_view text) {
  if (text == kNullPartition) return std::string();
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    int byte = 0;
    const char* begin = text.data() + i + 1;
    if (i + 2 >= text.size() || std::from_chars(begin, begin + 2, byte, 16).ptr != begin + 2) {
      return std::nullopt;
    }
    out += static_cast<char>(byte);
    i += 2;
  }
  return out;
}

// The canonical text of what can change data. The daemon writes the run's interval into every spec;
// it counts only where an expression may name it, so that two runs that load the same file agree.
std::string TextOfData(const json& spec) {
  json hashed = spec;
  for (auto it = hashed.begin(); it != hashed.end();) {
    const bool interval = it.key() == kIntervalStart || it.key() == kIntervalEnd;
    it = interval || IsNoDataField(it.key()) ? hashed.erase(it) : std::next(it);
  }
  const std::string text = hashed.dump(-1, ' ', false, json::error_handler_t::replace);
  for (const char* name : {kIntervalStart, kIntervalEnd}) {
    const auto it = spec.find(name);
    if (it != spec.end() && text.find(name) != std::string::npos) hashed[name] = *it;
  }
  return hashed.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace

OperatorError SpecError(std::string_view pointer, std::string_view what, std::string hint) {
  return BadSpec(fmt::format("{}: {}", pointer, what), "spec", std::move(hint));
}

std::string PartitionPath(const PartitionKey& key) {
  std::string out;
  for (const auto& [column, value] : key) {
    if (!out.empty()) out += '/';
    out += EscapePart(column) + "=" + EscapePart(value);
  }
  return out;
}

OpResult<PartitionKey> ParsePartitionPath(std::string_view path) {
  PartitionKey key;
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
    const std::size_t equals = part.find('=');
    const auto column = UnescapePart(part.substr(0, equals));
    const auto value =
        equals == std::string_view::npos ? std::nullopt : UnescapePart(part.substr(equals + 1));
    if (!column || column->empty() || !value) {
      return BadInput(fmt::format("\"{}\" is not a partition like column=value", part),
                      "partition");
    }
    key.emplace_back(*column, *value);
  }
  return key;
}

std::optional<std::int64_t> ParseByteSize(const json& value) {
  if (value.is_number_integer()) return value.get<std::int64_t>();
  if (!value.is_string()) return std::nullopt;
  const std::string text = value.get<std::string>();
  std::int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [after, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || number < 0) return std::nullopt;
  constexpr std::array<std::pair<std::string_view, std::int64_t>, 9> kUnits{{{"", 1},
                                                                             {"B", 1},
                                                                             {"kB", 1000},
                                                                             {"MB", 1'000'000},
                                                                             {"GB", 1'000'000'000},
                                                                             {"KB", 1000},
                                                                             {"KiB", 1 << 10},
                                                                             {"MiB", 1 << 20},
                                                                             {"GiB", 1 << 30}}};
  std::string_view unit(after, static_cast<std::size_t>(end - after));
  while (!unit.empty() && unit.front() == ' ') unit.remove_prefix(1);
  for (const auto& [name, factor] : kUnits) {
    if (unit == name && number <= INT64_MAX / factor) return number * factor;
  }
  return std::nullopt;
}

OpResult<json> ParseSpecText(std::string_view text) {
  if (text.size() > limits::kMaxJsonBytes) return BadSpec("the spec is too long", "spec");
  const Result<std::string> strict = ParseStrictJson(text, true);
  if (!strict.ok()) return BadSpec(strict.error().message, "json", strict.error().hint);
  json spec = json::parse(*strict);
  if (!spec.is_object()) return BadSpec("the spec is not a JSON object", "spec");
  return spec;
}

OpResult<CommonSpec> ParseCommon(const json& spec, const SpecFields& fields) {
  if (!spec.is_object()) return BadSpec("the spec is not a JSON object", "spec");
  NM_RETURN_IF_ERROR(CheckFieldNames(spec, fields));
  CommonSpec common;
  NM_RETURN_IF_ERROR(ParseRunFields(spec, common));
  if (const auto it = spec.find(fields.in_field); it != spec.end()) {
    NM_ASSIGN_OR_RETURN(common.in, ParseIn(*it, fmt::format("/{}", fields.in_field)));
  }
  if (const auto it = spec.find(fields.out_field); it != spec.end()) {
    NM_ASSIGN_OR_RETURN(common.out, ParseOut(*it, fmt::format("/{}", fields.out_field)));
  }
  common.spec_hash = Sha256Hex(TextOfData(spec));
  return common;
}

}  // namespace nightmill
