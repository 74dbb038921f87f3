// Where the parts of a table lie. Shared by the readers and the writer of manifests.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>

#include "operators/table/manifest.h"

namespace nightmill {

inline constexpr std::int64_t kMaxManifestBytes = 256 << 20;
inline constexpr std::string_view kPartitionFile = "_partition.json";

inline std::string MetaDir(const std::string& table) { return table + "/_nightmill"; }
inline std::string RootPath(const std::string& table, std::int64_t version) {
  return fmt::format("{}/{:020}.json", MetaDir(table), version);
}
inline std::string PartitionsDir(const std::string& table) {
  return MetaDir(table) + "/partitions";
}
// Marks a table of layout directory; what it holds is told by the partition folders.
inline std::string DirectoryMarker(const std::string& table) {
  return MetaDir(table) + "/directory.json";
}
inline std::string LockPath(const std::string& table) { return MetaDir(table) + "/lock"; }
inline std::string StagingDir(const std::string& table) { return table + "/_staging"; }
// "data", or "data/day=2011-05-01": where files of a partition lie below the table.
inline std::string DataDir(const std::string& key) { return key.empty() ? "data" : "data/" + key; }
// The folder of a partition in layout directory; the table's one partition without columns is
// "data".
inline std::string DirectoryOf(const std::string& key) { return key.empty() ? "data" : key; }

// The `_partition.json` of layout directory: a table version with the one partition, and its
// manifest.
struct DirectoryPartition {
  TableVersion version;
  PartitionManifest manifest;
};
std::string ToJson(const DirectoryPartition& partition);
// `found` is false if the folder has none.
OpResult<DirectoryPartition> LoadDirectoryPartition(const FileSystem& fs, const std::string& table,
                                                    const std::string& key, bool& found);

}  // namespace nightmill
