#include "operators/table/manifest.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "core/base/json.h"
#include "operators/table/table_paths.h"

namespace nightmill {
namespace {

using nlohmann::json;

// The number in "<20 digits>.json", or 0.
std::int64_t VersionOfName(std::string_view name) {
  constexpr std::string_view kSuffix = ".json";
  if (name.size() != 20 + kSuffix.size() || !name.ends_with(kSuffix)) return 0;
  std::int64_t version = 0;
  const char* end = name.data() + 20;
  return std::from_chars(name.data(), end, version).ptr == end ? version : 0;
}

OpResult<std::int64_t> NewestNumber(const FileSystem& fs, const std::string& table) {
  NM_ASSIGN_OR_RETURN(const std::vector<std::string> names, fs.Names(MetaDir(table)));
  std::int64_t newest = 0;
  for (const std::string& name : names) newest = std::max(newest, VersionOfName(name));
  return newest;
}

// Folders below a table of layout directory that hold a partition.
OpStatus FindDirectoryPartitions(const FileSystem& fs, const std::string& table,
                                 const std::string& below, std::vector<std::string>& keys) {
  NM_ASSIGN_OR_RETURN(const std::vector<std::string> names, fs.Names(table + "/" + below));
  for (const std::string& name : names) {
    if (name == kPartitionFile) keys.push_back(below == "data" ? "" : below);
    const bool data = below.empty() && name == "data";
    if (name.find('=') == std::string::npos && !data) continue;
    const std::string path = below.empty() ? name : below + "/" + name;
    const OpResult<FileInfo> info = fs.Stat(table + "/" + path);
    if (info.ok() && info->size < 0) {
      NM_RETURN_IF_ERROR(FindDirectoryPartitions(fs, table, path, keys));
    }
  }
  return OpOk();
}

OpResult<TableVersion> LatestOfDirectory(const FileSystem& fs, const std::string& table) {
  TableVersion out;
  out.layout = Layout::kDirectory;
  std::vector<std::string> keys;
  NM_RETURN_IF_ERROR(FindDirectoryPartitions(fs, table, "", keys));
  std::sort(keys.begin(), keys.end());
  for (const std::string& key : keys) {
    bool found = false;
    NM_ASSIGN_OR_RETURN(const DirectoryPartition partition,
                        LoadDirectoryPartition(fs, table, key, found));
    if (!found) continue;  // exchanged this moment
    const TableVersion& version = partition.version;
    NM_ASSIGN_OR_RETURN(out.schema, UnionSchemas(out.schema, version.schema));
    for (const auto& [name, entry] : version.partitions) out.partitions[name] = entry;
    if (version.version < out.version) continue;
    out.version = version.version;
    out.parent = version.parent;
    out.run_key = version.run_key;
    out.operator_type = version.operator_type;
    out.attempt = version.attempt;
    out.as_of = version.as_of;
    out.data_change = version.data_change;
  }
  return out;
}

// "a, b" of "a=1/b=2".
OpResult<std::string> PartitionColumns(const std::string& path) {
  NM_ASSIGN_OR_RETURN(const PartitionKey key, ParsePartitionPath(path));
  std::string names;
  for (const auto& [column, value] : key) names += (names.empty() ? "" : ", ") + column;
  return names.empty() ? "no column" : names;
}

OperatorError NoVersion(const std::string& table, std::int64_t version, std::string hint) {
  OperatorError error =
      MakeOpError(OperatorErrorCode::kIo, fmt::format("the table has no version {}", version),
                  "not_found", std::move(hint));
  error.file = table;
  return error;
}

}  // namespace

std::string ToJson(const DirectoryPartition& partition) {
  const json both = {{"version", json::parse(ToJson(partition.version))},
                     {"manifest", json::parse(ToJson(partition.manifest))}};
  return both.dump(-1, ' ', false, json::error_handler_t::replace);
}

OpResult<DirectoryPartition> LoadDirectoryPartition(const FileSystem& fs, const std::string& table,
                                                    const std::string& key, bool& found) {
  const std::string path = fmt::format("{}/{}/{}", table, DirectoryOf(key), kPartitionFile);
  const OpResult<std::string> text = fs.ReadAll(path, kMaxManifestBytes);
  found = text.ok();
  if (!text.ok()) {
    if (text.error().reason == "not_found") return DirectoryPartition{};
    return text.error();
  }
  const json both = json::parse(*text, nullptr, false);
  if (!both.is_object() || !both.contains("version") || !both.contains("manifest")) {
    OperatorError error = BadInput("the manifest is broken", "manifest", "publish the data again");
    error.file = path;
    return error;
  }
  DirectoryPartition out;
  NM_ASSIGN_OR_RETURN(out.version, TableVersionFromJson(both["version"].dump(), path));
  NM_ASSIGN_OR_RETURN(out.manifest, PartitionManifestFromJson(both["manifest"].dump(), path));
  return out;
}

OpResult<bool> IsTable(const FileSystem& fs, const std::string& table) {
  NM_ASSIGN_OR_RETURN(const std::int64_t newest, NewestNumber(fs, table));
  return newest > 0 || fs.Exists(DirectoryMarker(table));
}

OpResult<TableVersion> LatestVersion(const FileSystem& fs, const std::string& table) {
  if (fs.Exists(DirectoryMarker(table))) return LatestOfDirectory(fs, table);
  NM_ASSIGN_OR_RETURN(const std::int64_t newest, NewestNumber(fs, table));
  if (newest == 0) return TableVersion{};
  return LoadVersion(fs, table, newest);
}

OpResult<TableVersion> LoadVersion(const FileSystem& fs, const std::string& table,
                                   std::int64_t version) {
  if (fs.Exists(DirectoryMarker(table))) {
    NM_ASSIGN_OR_RETURN(TableVersion latest, LatestOfDirectory(fs, table));
    if (latest.version == version) return latest;
    return NoVersion(table, version, "layout directory keeps only the newest");
  }
  const std::string path = RootPath(table, version);
  const OpResult<std::string> text = fs.ReadAll(path, kMaxManifestBytes);
  if (!text.ok()) {
    if (text.error().reason != "not_found") return text.error();
    return NoVersion(table, version, "leave --version out for the newest");
  }
  return TableVersionFromJson(*text, path);
}

OpResult<PartitionManifest> LoadPartition(const FileSystem& fs, const std::string& table,
                                          const TableVersion& version, const std::string& key) {
  const auto it = version.partitions.find(key);
  if (it == version.partitions.end()) {
    OperatorError error = MakeOpError(
        OperatorErrorCode::kIo, fmt::format("the table has no partition \"{}\"", key), "not_found");
    error.file = table;
    return error;
  }
  if (version.layout == Layout::kDirectory) {
    bool found = false;
    NM_ASSIGN_OR_RETURN(DirectoryPartition partition,
                        LoadDirectoryPartition(fs, table, key, found));
    if (found) return std::move(partition.manifest);
    return IoError(fmt::format("{}/{}", table, DirectoryOf(key)), "open", ENOENT);
  }
  const std::string path = PartitionsDir(table) + "/" + it->second.manifest;
  NM_ASSIGN_OR_RETURN(const std::string text, fs.ReadAll(path, kMaxManifestBytes));
  return PartitionManifestFromJson(text, path);
}

OpStatus CheckPartitioning(const std::string& table, const TableVersion& version,
                           const std::string& key) {
  NM_ASSIGN_OR_RETURN(const std::string wanted, PartitionColumns(key));
  std::string first;
  for (const auto& [path, entry] : version.partitions) {
    NM_ASSIGN_OR_RETURN(const std::string columns, PartitionColumns(path));
    if (columns == wanted) return OpOk();
    if (first.empty()) first = columns;
  }
  if (first.empty()) return OpOk();
  OperatorError error =
      BadSpec(fmt::format("the table is partitioned by {}, the output by {}", first, wanted),
              "partition_columns", "name the columns of the table, or publish to another folder");
  error.file = table;
  return error;
}

std::string DataPath(const std::string& table, const DataFile& file) {
  return table + "/" + file.path;
}

}  // namespace nightmill
