// Step 2 of an attempt (compute.md 1.1): from the `in` of a spec to an explicit, sorted file list,
// and the fingerprint of what is in it. From here on the run knows only this list. Thread-safe,
// pure but for reading the file system.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "operators/columnar/file_system.h"
#include "operators/common_spec.h"
#include "operators/op_result.h"

namespace nightmill {

struct InputEntry {
  FileInfo file;     // absolute path
  std::string name;  // path below the table or folder: stable in messages and fingerprints
  InputFormat format = InputFormat::kParquet;
  PartitionKey partition;  // from the path or the manifest
  std::string identity;    // what the fingerprint holds of this file
};

// The files of one input partition.
struct InputPartition {
  PartitionKey key;
  std::string fingerprint;  // SHA-256 hex: recorded by our table, else over (name, size, identity)
  std::vector<std::size_t> files;  // indices into InputList::files
};

struct InputList {
  std::vector<InputEntry> files;           // sorted by (partition, path bytes)
  std::vector<InputPartition> partitions;  // sorted by partition path
  std::int64_t bytes = 0;
  std::string path;          // the first that the spec names, absolute
  std::string table;         // root folder, if the input is a table of ours
  std::int64_t version = 0;  // of that table; 0 otherwise
};

struct ResolveOptions {
  std::string data_root;
  bool identity_by_content = false;
  // Keeps a partition; empty keeps all. Called before any file of the partition is touched.
  std::function<bool(const PartitionKey&)> keep = {};
};

// kIo "not_found" for an absent file, folder or partition; kBadInput "no_files" for an empty list
// unless `keep` dropped everything (then the list is empty). A path with `_nightmill/` is read
// through its manifest (both layouts), any other as a file or a folder of files, partitions by
// `k=v` parts.
OpResult<InputList> ResolveInputs(const FileSystem& fs, const InSpec& in,
                                  const ResolveOptions& options);

// A path of a spec, below `root` if relative. Where such a one is not found, the hint says where it
// was looked for.
OpResult<FileInfo> FindWritten(const FileSystem& fs, const std::string& root,
                               const std::string& written);

// kConflict if a file of the list changed since it was resolved.
OpStatus CheckInputsUnchanged(const FileSystem& fs, const InputList& list);

}  // namespace nightmill
