// Canonical JSON of manifests: sorted keys, no white space, no clock, so that equal contents give
// equal bytes.
#include <fmt/format.h>

#include "core/base/json.h"
#include "operators/table/manifest.h"

namespace nightmill {
namespace {

using nlohmann::json;

constexpr int kFormat = 1;

std::string Dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

json ParseOr(const std::string& text, json otherwise) {
  if (text.empty()) return otherwise;
  json value = json::parse(text, nullptr, false);
  return value.is_discarded() ? otherwise : value;
}

OperatorError Broken(const std::string& file, std::string_view what) {
  OperatorError error = BadInput(fmt::format("the manifest is broken: {}", what), "manifest",
                                 "restore the file, or remove it to go back to the version before");
  error.file = file;
  return error;
}

json StatsToJson(const ColumnStats& stats, const ColumnType& type) {
  return {{"nulls", stats.nulls},
          {"min", json::parse(ValueToJson(stats.min, type))},
          {"max", json::parse(ValueToJson(stats.max, type))}};
}

json ColumnsToJson(const std::vector<ColumnStats>& columns, const Schema& schema) {
  json list = json::array();
  for (std::size_t i = 0; i < columns.size(); ++i) {
    list.push_back(StatsToJson(columns[i], schema.fields[i].type));
  }
  return list;
}

// json::at and get throw on a missing or ill-typed member; the callers catch json::exception.
std::vector<ColumnStats> ColumnsFromJson(const json& list, const Schema& schema,
                                         std::int64_t rows) {
  std::vector<ColumnStats> columns;
  if (list.size() != schema.fields.size()) return columns;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const ColumnType& type = schema.fields[i].type;
    ColumnStats stats;
    stats.rows = rows;
    stats.nulls = list[i].at("nulls").get<std::int64_t>();
    stats.min = ValueFromJson(list[i].at("min").dump(), type);
    stats.max = ValueFromJson(list[i].at("max").dump(), type);
    columns.push_back(std::move(stats));
  }
  return columns;
}

ContentSum SumFromJson(const json& value) {
  return ParseContentSum(value.get<std::string>()).value_or(ContentSum{});
}

void CheckFormat(const json& value) {
  if (value.at("format").get<int>() != kFormat) {
    throw json::other_error::create(500, "unknown format number", &value);
  }
}

template <class T, class F>
OpResult<T> Parse(std::string_view text, const std::string& file, const F& fill) {
  const json value = json::parse(text, nullptr, false);
  if (!value.is_object()) return Broken(file, "it is not a JSON object");
  try {
    CheckFormat(value);
    T out;
    const OpResult<Schema> schema = SchemaFromJson(value.at("schema").dump());
    if (!schema.ok()) return Broken(file, schema.error().message);
    out.schema = *schema;
    fill(value, out);
    return out;
  } catch (const json::exception& e) {
    return Broken(file, e.what());
  }
}

}  // namespace

std::string ToJson(const TableVersion& version) {
  json partitions = json::object();
  for (const auto& [key, entry] : version.partitions) {
    partitions[key] = {{"manifest", entry.manifest},
                       {"fingerprint", entry.fingerprint},
                       {"run_key", entry.run_key},
                       {"rows", entry.rows},
                       {"bytes", entry.bytes},
                       {"files", entry.files},
                       {"content_sum", ToString(entry.content_sum)}};
  }
  return Dump({{"format", kFormat},
               {"version", version.version},
               {"parent", version.parent},
               {"layout", version.layout == Layout::kManifest ? "manifest" : "directory"},
               {"run_key", version.run_key},
               {"operator", version.operator_type},
               {"attempt", version.attempt},
               {"as_of", version.as_of},
               {"data_change", version.data_change},
               {"schema", json::parse(SchemaToJson(version.schema))},
               {"partitions", partitions}});
}

OpResult<TableVersion> TableVersionFromJson(std::string_view text, const std::string& file) {
  return Parse<TableVersion>(text, file, [](const json& value, TableVersion& out) {
    out.version = value.at("version").get<std::int64_t>();
    out.parent = value.at("parent").get<std::int64_t>();
    out.layout = value.at("layout").get<std::string>() == "directory" ? Layout::kDirectory
                                                                      : Layout::kManifest;
    out.run_key = value.at("run_key").get<std::string>();
    out.operator_type = value.at("operator").get<std::string>();
    out.attempt = value.at("attempt").get<std::string>();
    out.as_of = value.at("as_of").get<std::string>();
    out.data_change = value.at("data_change").get<bool>();
    for (const auto& [key, item] : value.at("partitions").items()) {
      PartitionEntry entry;
      entry.manifest = item.at("manifest").get<std::string>();
      entry.fingerprint = item.at("fingerprint").get<std::string>();
      entry.run_key = item.at("run_key").get<std::string>();
      entry.rows = item.at("rows").get<std::int64_t>();
      entry.bytes = item.at("bytes").get<std::int64_t>();
      entry.files = item.at("files").get<int>();
      entry.content_sum = SumFromJson(item.at("content_sum"));
      out.partitions.emplace(key, std::move(entry));
    }
  });
}

std::string ToJson(const PartitionManifest& manifest) {
  json files = json::array();
  for (const DataFile& file : manifest.files) {
    files.push_back({{"path", file.path},
                     {"bytes", file.bytes},
                     {"rows", file.rows},
                     {"row_groups", file.row_groups},
                     {"content_sum", ToString(file.content_sum)},
                     {"columns", ColumnsToJson(file.columns, manifest.schema)}});
  }
  return Dump({{"format", kFormat},
               {"schema", json::parse(SchemaToJson(manifest.schema))},
               {"files", files},
               {"columns", ColumnsToJson(manifest.columns, manifest.schema)},
               {"checks", ParseOr(manifest.checks, nullptr)},
               {"result", ParseOr(manifest.result, json::object())}});
}

OpResult<PartitionManifest> PartitionManifestFromJson(std::string_view text,
                                                      const std::string& file) {
  return Parse<PartitionManifest>(text, file, [](const json& value, PartitionManifest& out) {
    std::int64_t rows = 0;
    for (const json& item : value.at("files")) {
      DataFile data;
      data.path = item.at("path").get<std::string>();
      data.bytes = item.at("bytes").get<std::int64_t>();
      data.rows = item.at("rows").get<std::int64_t>();
      data.row_groups = item.at("row_groups").get<int>();
      data.content_sum = SumFromJson(item.at("content_sum"));
      data.columns = ColumnsFromJson(item.at("columns"), out.schema, data.rows);
      rows += data.rows;
      out.files.push_back(std::move(data));
    }
    out.columns = ColumnsFromJson(value.at("columns"), out.schema, rows);
    if (!value.at("checks").is_null()) out.checks = Dump(value.at("checks"));
    out.result = Dump(value.at("result"));
  });
}

}  // namespace nightmill
