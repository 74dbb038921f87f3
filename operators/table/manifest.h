// Published tables (compute.md 5). A table is a folder with `_nightmill/`:
//   _nightmill/<20 digits>.json         root manifests; the highest is the current version
//   _nightmill/partitions/<hash>.json   partition manifests, named by their content, immutable
//   data/<partition>/<hash>.parquet     data files, named by their content, immutable
// (layout manifest), or with one folder per partition that is replaced as a whole:
//   <partition>/_partition.json         its manifest, exchanged together with
//   <partition>/<hash>.parquet          its files (layout directory, local file systems only).
// A reader opens one root and then its files: a snapshot. Commits are exclusive creates, so
// versions form one chain. Thread rule: values and free functions, any thread, any process.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "operators/columnar/file_system.h"
#include "operators/columnar/table_writer.h"
#include "operators/common_spec.h"
#include "operators/op_result.h"

namespace nightmill {

// What a root manifest says of a partition.
struct PartitionEntry {
  std::string manifest;     // file name in _nightmill/partitions/
  std::string fingerprint;  // of the run that made the data; kept by data_change: false commits
  std::string run_key;
  std::int64_t rows = 0;
  std::int64_t bytes = 0;
  int files = 0;
  ContentSum content_sum;

  bool operator==(const PartitionEntry&) const = default;
};

// One version of a table. Version 0 is "no such table yet".
struct TableVersion {
  std::int64_t version = 0;
  std::int64_t parent = 0;
  Layout layout = Layout::kManifest;
  std::string run_key;  // of the commit
  std::string operator_type;
  std::string attempt;
  std::string as_of;  // logical time of the commit, "" if the spec has none
  bool data_change = true;
  Schema schema;
  std::map<std::string, PartitionEntry> partitions;  // by PartitionPath
};

// The content of a partition manifest.
struct PartitionManifest {
  Schema schema;
  std::vector<DataFile> files;  // paths relative to the table folder
  std::vector<ColumnStats> columns;
  std::string checks;  // JSON text; "" if none
  std::string result;  // the report's fields that an `unchanged` run repeats, JSON text
};

// True if `table` has a `_nightmill/` folder with at least one version.
OpResult<bool> IsTable(const FileSystem& fs, const std::string& table);
// The newest version, or version 0. Reads one directory and one file.
OpResult<TableVersion> LatestVersion(const FileSystem& fs, const std::string& table);
// kIo "not_found" for a version that does not exist (any more).
OpResult<TableVersion> LoadVersion(const FileSystem& fs, const std::string& table,
                                   std::int64_t version);
OpResult<PartitionManifest> LoadPartition(const FileSystem& fs, const std::string& table,
                                          const TableVersion& version, const std::string& key);

// kBadSpec if the table has partitions, and none by the columns of this one (a PartitionPath): all
// rows of a table have the same columns.
OpStatus CheckPartitioning(const std::string& table, const TableVersion& version,
                           const std::string& key);

// One partition to publish.
struct PartitionChange {
  std::string key;  // PartitionPath
  std::string fingerprint;
  WrittenTable data;   // files in staging
  std::string checks;  // as in PartitionManifest
  std::string result;
  // Paths (relative) of the files this change replaces; nullopt: the whole partition. With a list,
  // a concurrent append is kept and a file that is gone is kConflict (compact).
  std::optional<std::vector<std::string>> replaces = std::nullopt;
};

struct CommitRequest {
  std::string table;  // absolute
  Layout layout = Layout::kManifest;
  TableVersion base;  // the version the attempt started from
  std::string run_key;
  std::string operator_type;
  std::string attempt;
  std::string as_of;
  bool data_change = true;
  Schema schema;
  std::vector<PartitionChange> changes;
  // Called once, right before the first step that readers can see.
  std::function<OpStatus()> leave;
};

struct CommitResult {
  std::int64_t version = 0;
  bool already_published = false;  // somebody published the same fingerprint under the same run_key
  std::map<std::string, PartitionEntry> partitions;  // of the changes
};

// Moves staged files to their places, syncs them, asks for leave and commits. Other partitions that
// changed meanwhile are rebased (<= 10 tries); the same partition is kConflict, unless the winner
// published the same run_key and fingerprint.
OpResult<CommitResult> Commit(const FileSystem& fs, const CommitRequest& request);

// JSON forms, canonical: equal contents give equal bytes.
std::string ToJson(const TableVersion& version);
OpResult<TableVersion> TableVersionFromJson(std::string_view json, const std::string& file);
std::string ToJson(const PartitionManifest& manifest);
OpResult<PartitionManifest> PartitionManifestFromJson(std::string_view json,
                                                      const std::string& file);

// Path of a data file of this table: absolute.
std::string DataPath(const std::string& table, const DataFile& file);

}  // namespace nightmill
