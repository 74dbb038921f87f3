#include "operators/common_spec.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>

#include "core/base/hash.h"
#include "core/base/json.h"
#include "core/base/time.h"
#include "core/dagfile/field_schema.h"
#include "core/dagfile/json_text.h"
#include "core/schedule/time_zone.h"
#include "core/template/template.h"

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
bool IsNoDataField(std::string_view name) {
  return name.starts_with("x-") ||
         std::find(kNoDataFields.begin(), kNoDataFields.end(), name) != kNoDataFields.end();
}

constexpr std::array<std::pair<std::string_view, InputFormat>, 3> kFormats{
    {{"parquet", InputFormat::kParquet},
     {"csv", InputFormat::kCsv},
     {"jsonl", InputFormat::kJsonLines}}};
constexpr std::array<std::pair<std::string_view, Layout>, 2> kLayouts{
    {{"manifest", Layout::kManifest}, {"directory", Layout::kDirectory}}};
constexpr std::array<std::pair<std::string_view, Codec>, 3> kCodecs{
    {{"zstd", Codec::kZstd}, {"snappy", Codec::kSnappy}, {"none", Codec::kNone}}};
constexpr std::array<std::pair<std::string_view, bool>, 2> kIdentities{
    {{"metadata", false}, {"content", true}}};
constexpr std::array<std::string_view, 2> kEngines{"auto", "native"};
constexpr std::int64_t kMaxFileRows = std::int64_t{1} << 40;

// Column names are no templates, values may be.
void ReadPartition(SpecReader& spec, PartitionKey& out) {
  const json* value = spec.Find("partition");
  if (value == nullptr) return;
  if (!value->is_object()) {
    return spec.Fail(spec_code::kType, "partition", "expected an object of column: value");
  }
  for (const auto& [column, text] : value->items()) {
    if (column.empty()) {
      spec.Fail(spec_code::kForm, "partition", "a partition column has no name");
    } else if (text.is_string()) {
      out.emplace_back(column, text.get<std::string>());
    } else if (text.is_number_integer() || text.is_boolean()) {
      out.emplace_back(column, text.dump());
    } else {
      spec.Fail(spec_code::kType, "partition",
                fmt::format("the value of \"{}\" is no text, whole number or bool", column));
    }
  }
}

void ReadInObject(SpecReader& spec, InSpec& in) {
  spec.Require("path", "name a file, a folder or a table");
  if (spec.Texts("path", SpecReader::Form::kTextOrList, in.paths) && in.paths.empty()) {
    spec.Fail(spec_code::kRange, "path", "no path is named", "name a file, a folder or a table");
  }
  InputFormat format = InputFormat::kParquet;
  if (spec.Word("format", kFormats, format)) in.format = format;
  spec.Texts("partition_by", SpecReader::Form::kTextOrList, in.partition_by);
  ReadPartition(spec, in.partition);
  in.filtered = spec.Has("filter");
  if (spec.AnyText("filter", in.filter)) in.filtered = !in.filter.empty();
  std::string delimiter;
  if (spec.AnyText("delimiter", delimiter)) {
    if (delimiter.size() == 1 && std::string_view("\"\n\r").find(delimiter) == delimiter.npos) {
      in.delimiter = delimiter[0];
    } else {
      spec.Fail(spec_code::kForm, "delimiter",
                "a delimiter is one character, no quote and no line end");
    }
  }
  spec.Bool("header", in.header);
  spec.AnyText("null", in.null_text);
}

InSpec ReadIn(SpecReader& spec, std::string_view name) {
  InSpec in;
  const json* value = spec.Find(name);
  if (value == nullptr) return in;
  if (value->is_object()) {
    spec.Object(name, [&in](SpecReader& inner) { ReadInObject(inner, in); });
  } else if (!value->is_string() && !value->is_array()) {
    spec.Fail(spec_code::kType, name, "expected a path, a list of paths or an object");
  } else if (spec.Texts(name, SpecReader::Form::kTextOrList, in.paths) && in.paths.empty()) {
    spec.Fail(spec_code::kRange, name, "no path is named", "name a file, a folder or a table");
  }
  return in;
}

void ReadOutObject(SpecReader& spec, OutSpec& out) {
  spec.Require("path", "name the folder of the table");
  spec.Text("path", out.path);
  spec.Word("layout", kLayouts, out.layout);
  ReadPartition(spec, out.partition);
  spec.Word("codec", kCodecs, out.write.codec);
  std::int64_t target_mb = 0;
  if (spec.Integer("target_mb", 1, 100'000, target_mb)) {
    out.write.target_bytes = target_mb * 1'000'000;
  }
  spec.Integer("max_rows_per_file", 1, kMaxFileRows, out.write.max_rows_per_file);
  spec.Texts("sort", SpecReader::Form::kTextOrList, out.sort);
}

OutSpec ReadOut(SpecReader& spec, std::string_view name) {
  OutSpec out;
  const json* value = spec.Find(name);
  if (value == nullptr) return out;
  if (value->is_object()) {
    spec.Object(name, [&out](SpecReader& inner) { ReadOutObject(inner, out); });
  } else if (value->is_string()) {
    spec.Text(name, out.path);
  } else {
    spec.Fail(spec_code::kType, name, "expected a path or an object");
  }
  return out;
}

void ReadRunFields(SpecReader& spec, CommonSpec& common) {
  spec.Text("type", common.type);
  std::string as_of;
  if (spec.AnyText("as_of", as_of) && !as_of.empty()) {
    const Result<std::int32_t> days = ParseDate(as_of);
    if (days.ok()) {
      common.as_of = *days;
    } else {
      spec.Fail(spec_code::kForm, "as_of", days.error().message, "a date like 2026-01-31");
    }
  }
  ReadZone(spec, "timezone", common.timezone);
  if (const json* memory = spec.Find("memory")) {
    common.memory_bytes = ParseByteSize(*memory);
    if (!common.memory_bytes || *common.memory_bytes <= 0) {
      spec.Fail(spec_code::kSize, "memory", fmt::format("{} is not a size", memory->dump()),
                "write bytes, or kB MB GB, KiB MiB GiB: \"512MB\"");
    } else if (*common.memory_bytes < kLeastMemoryBytes) {
      spec.Fail(spec_code::kSize, "memory", fmt::format("{} is too small", memory->dump()),
                "the least budget is 16MiB");
    }
  }
  std::int64_t threads = 0;
  if (spec.Integer("threads", 1, 1024, threads)) common.threads = static_cast<int>(threads);
  std::int64_t retain = 0;
  if (spec.Integer("retain", 1, 1'000'000, retain)) common.retain = static_cast<int>(retain);
  spec.Word("identity", kIdentities, common.identity_by_content);
  (void)spec.Word("engine", kEngines);
  bool quarantine = false;
  spec.Bool("quarantine", quarantine);
  if (quarantine) {
    spec.Fail(spec_code::kNotYet, "quarantine", "`quarantine` is not supported yet",
              "leave it out");
  }
}

// Publishing over the own input would make every run see other data than the one before.
void CheckNotInput(SpecReader& spec, const CommonSpec& common, const CommonFields& fields) {
  const auto plain = [](const std::string& path) {
    return std::filesystem::path(path + "/.").lexically_normal();
  };
  const json text = common.out->path;
  if (common.out->path.empty() || spec.IsUnknown(text)) return;
  for (const std::string& path : common.in->paths) {
    if (plain(path) != plain(common.out->path)) continue;
    spec.Fail(spec_code::kMismatch, fields.out,
              "the output is the input itself, which the result would replace",
              "publish to another folder");
    return;
  }
}

// Where the first template below `value` is.
std::optional<std::string> FindTemplate(const json& value, const std::string& pointer) {
  if (value.is_string() && IsTemplate(value.get_ref<const std::string&>())) return pointer;
  if (!value.is_structured()) return std::nullopt;
  for (const auto& [key, item] : value.items()) {
    std::string at = pointer;
    dagfile::AppendToken(at, key);
    if (auto found = FindTemplate(item, at)) return found;
  }
  return std::nullopt;
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

bool HasColumn(const PartitionKey& key, std::string_view column) {
  return std::any_of(key.begin(), key.end(),
                     [column](const auto& part) { return part.first == column; });
}

std::optional<std::int64_t> ParseByteSize(const json& value) {
  if (value.is_number_integer()) return value.get<std::int64_t>();
  if (!value.is_string()) return std::nullopt;
  return dagfile::ParseSize(value.get_ref<const std::string&>());
}

OpStatus CheckNoTemplates(const json& spec) {
  for (const auto& [name, value] : spec.items()) {
    if (IsNoDataField(name)) continue;
    std::string pointer;
    dagfile::AppendToken(pointer, name);
    const auto found = FindTemplate(value, pointer);
    if (!found) continue;
    return SpecError(*found, "is a template, which the daemon renders for a run",
                     "write the value itself");
  }
  return OpOk();
}

void CheckOutputColumn(SpecReader& spec, const std::string& pointer, const std::string& column,
                       const std::optional<OutSpec>& out) {
  if (!out || !HasColumn(out->partition, column)) return;
  spec.FailAt(spec_code::kTwice, pointer,
              fmt::format("the output column '{}' is a partition column of `out` too", column),
              "readers take it from the path: give the partition column another name");
}

void ReadZone(SpecReader& spec, std::string_view name, std::string& out) {
  std::string zone;
  if (!spec.Text(name, zone)) return;
  if (const auto found = TimeZone::Find(zone); !found.ok()) {
    spec.Fail(spec_code::kTimeZone, name, found.error().message, found.error().hint);
  } else {
    out = std::move(zone);
  }
}

CommonSpec ReadCommon(SpecReader& spec, const CommonFields& fields) {
  CommonSpec common;
  for (const std::string_view name : kNoDataFields) spec.Allow(name);
  spec.Allow(kIntervalStart);
  spec.Allow(kIntervalEnd);
  ReadRunFields(spec, common);
  if (!fields.in.empty() && spec.Has(fields.in)) common.in = ReadIn(spec, fields.in);
  if (!fields.out.empty() && spec.Has(fields.out)) common.out = ReadOut(spec, fields.out);
  if (common.in && common.out) CheckNotInput(spec, common, fields);
  if (spec.rendered()) common.spec_hash = Sha256Hex(TextOfData(spec.json()));
  return common;
}

}  // namespace nightmill
