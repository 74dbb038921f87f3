// Publishing (compute.md 5). Everything that a version names is in place and synced before the one
// step that makes it visible: the exclusive create of a root manifest, or the exchange of a folder.
#include <fmt/format.h>

#include <algorithm>

#include "core/base/hash.h"
#include "operators/columnar/parquet_footer.h"
#include "operators/table/manifest.h"
#include "operators/table/table_paths.h"

namespace nightmill {
namespace {

constexpr int kMaxTries = 10;
constexpr std::int64_t kCompareBlock = 1 << 20;

OperatorError ConflictOn(const CommitRequest& request, const std::string& key,
                         std::string_view what) {
  OperatorError error =
      MakeOpError(OperatorErrorCode::kConflict,
                  fmt::format("{} {} while this attempt ran",
                              key.empty() ? "the table" : "partition " + key, what),
                  "publish_race", "run it again on the new version");
  error.file = request.table;
  return error;
}

OpResult<bool> SameBytes(const FileSystem& fs, const std::string& a, const std::string& b) {
  NM_ASSIGN_OR_RETURN(const auto left, fs.Open(a));
  NM_ASSIGN_OR_RETURN(const auto right, fs.Open(b));
  const std::int64_t size = left->info().size;
  if (size != right->info().size) return false;
  std::string x;
  std::string y;
  for (std::int64_t at = 0; at < size; at += kCompareBlock) {
    const std::int64_t n = std::min(kCompareBlock, size - at);
    x.resize(static_cast<std::size_t>(n));
    y.resize(static_cast<std::size_t>(n));
    NM_RETURN_IF_ERROR(left->ReadAt(at, n, x.data()));
    NM_RETURN_IF_ERROR(right->ReadAt(at, n, y.data()));
    if (x != y) return false;
  }
  return true;
}

std::string NameOf(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// Moves the staged files of a change below data/; the result has paths relative to the table.
OpResult<std::vector<DataFile>> PlaceFiles(const FileSystem& fs, const CommitRequest& request,
                                           const PartitionChange& change) {
  const std::string relative = DataDir(change.key);
  const std::string dir = request.table + "/" + relative;
  NM_RETURN_IF_ERROR(fs.MakeDirs(dir));
  std::vector<DataFile> files = change.data.files;
  for (DataFile& file : files) {
    const std::string name = NameOf(file.path);
    const std::string target = dir + "/" + name;
    if (fs.Exists(target)) {
      // Immutable and named by its content: the same bytes were published before.
      NM_ASSIGN_OR_RETURN(const bool same, SameBytes(fs, file.path, target));
      if (!same) {
        OperatorError error = MakeOpError(OperatorErrorCode::kIo,
                                          "a published file does not have the content of its name",
                                          "damaged", "restore the file or rebuild its partition");
        error.file = target;
        return error;
      }
    } else {
      NM_RETURN_IF_ERROR(fs.Rename(file.path, target));
    }
    file.path = relative + "/" + name;
  }
  // The folder's own entry may be new in each of its parents.
  for (std::string d = dir; d.size() >= request.table.size(); d = d.substr(0, d.rfind('/'))) {
    NM_RETURN_IF_ERROR(fs.SyncDir(d));
  }
  return files;
}

PartitionManifest ManifestOf(const PartitionChange& change, std::vector<DataFile> files) {
  PartitionManifest manifest;
  manifest.schema = change.data.schema;
  manifest.columns = change.data.columns;
  manifest.files = std::move(files);
  manifest.checks = change.checks;
  manifest.result = change.result;
  return manifest;
}

PartitionEntry EntryOf(const PartitionManifest& manifest, const PartitionChange& change,
                       const std::string& run_key) {
  PartitionEntry entry;
  entry.fingerprint = change.fingerprint;
  entry.run_key = run_key;
  entry.files = static_cast<int>(manifest.files.size());
  for (const DataFile& file : manifest.files) {
    entry.rows += file.rows;
    entry.bytes += file.bytes;
    entry.content_sum.Add(file.content_sum);
  }
  return entry;
}

TableVersion NextVersion(const CommitRequest& request, TableVersion latest) {
  latest.parent = latest.version;
  latest.version += 1;
  latest.layout = request.layout;
  latest.run_key = request.run_key;
  latest.operator_type = request.operator_type;
  latest.attempt = request.attempt;
  latest.as_of = request.as_of;
  latest.data_change = request.data_change;
  return latest;
}

// The schema of the table after the commit: that of the changes and of every partition that stays.
OpResult<Schema> MergedSchema(const CommitRequest& request, const TableVersion& latest) {
  const bool all_replaced = std::all_of(
      latest.partitions.begin(), latest.partitions.end(), [&request](const auto& entry) {
        return std::any_of(request.changes.begin(), request.changes.end(),
                           [&entry](const PartitionChange& c) { return c.key == entry.first; });
      });
  if (all_replaced) return request.schema;
  auto merged = UnionSchemas(latest.schema, request.schema);
  if (merged.ok()) return merged;
  OperatorError error = merged.error();
  error.file = request.table;
  return error;
}

OpStatus CheckPartitions(const CommitRequest& request, const TableVersion& latest) {
  for (const PartitionChange& change : request.changes) {
    NM_RETURN_IF_ERROR(CheckPartitioning(request.table, latest, change.key));
  }
  return OpOk();
}

enum class Race : std::uint8_t { kNone, kAppended, kSameResult, kLost };

// What happened to the partition of a change since the attempt began.
Race RaceOn(const CommitRequest& request, const PartitionChange& change,
            const TableVersion& latest) {
  const auto before = request.base.partitions.find(change.key);
  const auto now = latest.partitions.find(change.key);
  const bool was = before != request.base.partitions.end();
  const bool is = now != latest.partitions.end();
  if (was == is && (!was || before->second == now->second)) return Race::kNone;
  if (is && now->second.run_key == request.run_key &&
      now->second.fingerprint == change.fingerprint) {
    return Race::kSameResult;
  }
  // A compaction in between moved the same rows to other files: nothing is lost by replacing them.
  const bool same_rows = was && is && before->second.fingerprint == now->second.fingerprint &&
                         before->second.content_sum == now->second.content_sum;
  if (same_rows && !change.replaces) return Race::kNone;
  return change.replaces && is ? Race::kAppended : Race::kLost;
}

class ManifestCommit {
 public:
  ManifestCommit(const FileSystem& fs, const CommitRequest& request) : fs_(fs), request_(request) {}

  OpResult<CommitResult> Run() {
    NM_RETURN_IF_ERROR(fs_.MakeDirs(PartitionsDir(request_.table)));
    for (const PartitionChange& change : request_.changes) {
      NM_ASSIGN_OR_RETURN(std::vector<DataFile> files, PlaceFiles(fs_, request_, change));
      placed_.push_back(std::move(files));
    }
    for (int i = 0; i < kMaxTries; ++i) {
      NM_ASSIGN_OR_RETURN(const TableVersion latest, LatestVersion(fs_, request_.table));
      NM_ASSIGN_OR_RETURN(const bool same, AlreadyPublished(latest));
      if (same) return Adopt(latest);
      NM_RETURN_IF_ERROR(CheckPartitions(request_, latest));
      NM_ASSIGN_OR_RETURN(const TableVersion next, Build(latest));
      if (!asked_) NM_RETURN_IF_ERROR(request_.leave());
      asked_ = true;
      NM_ASSIGN_OR_RETURN(const PutOutcome put,
                          fs_.PutIfAbsent(RootPath(request_.table, next.version), ToJson(next)));
      if (put == PutOutcome::kCreated) return Done(next);
    }
    return ConflictOn(request_, "", "was published to by others again and again");
  }

 private:
  // True if somebody else committed just what we are about to.
  OpResult<bool> AlreadyPublished(const TableVersion& latest) {
    bool all_same = !request_.changes.empty();
    for (const PartitionChange& change : request_.changes) {
      const Race race = RaceOn(request_, change, latest);
      if (race == Race::kLost)
        return ConflictOn(request_, change.key, "was changed by another run");
      all_same = all_same && race == Race::kSameResult;
    }
    return all_same;
  }

  CommitResult Adopt(const TableVersion& latest) const {
    CommitResult result;
    result.version = latest.version;
    result.already_published = true;
    for (const PartitionChange& change : request_.changes) {
      result.partitions[change.key] = latest.partitions.at(change.key);
    }
    return result;
  }

  CommitResult Done(const TableVersion& next) const {
    CommitResult result;
    result.version = next.version;
    for (const PartitionChange& change : request_.changes) {
      result.partitions[change.key] = next.partitions.at(change.key);
    }
    return result;
  }

  OpResult<TableVersion> Build(const TableVersion& latest) {
    TableVersion next = NextVersion(request_, latest);
    NM_ASSIGN_OR_RETURN(next.schema, MergedSchema(request_, latest));
    for (std::size_t i = 0; i < request_.changes.size(); ++i) {
      const PartitionChange& change = request_.changes[i];
      PartitionManifest manifest = ManifestOf(change, placed_[i]);
      if (change.replaces) NM_RETURN_IF_ERROR(KeepOthers(latest, change, manifest));
      const std::string text = ToJson(manifest);
      PartitionEntry entry = EntryOf(manifest, change, request_.run_key);
      if (!request_.data_change) {
        // Who asks what the data was made from gets the same answer as before.
        const PartitionEntry& old = latest.partitions.at(change.key);
        entry.fingerprint = old.fingerprint;
        entry.run_key = old.run_key;
      }
      entry.manifest = Sha256Hex(text).substr(0, 32) + ".json";
      NM_ASSIGN_OR_RETURN(
          [[maybe_unused]] const PutOutcome put,
          fs_.PutIfAbsent(PartitionsDir(request_.table) + "/" + entry.manifest, text));
      next.partitions[change.key] = std::move(entry);
    }
    return next;
  }

  // A change that replaces some files: the others of the newest version stay, in their order, and
  // the new ones follow.
  OpStatus KeepOthers(const TableVersion& latest, const PartitionChange& change,
                      PartitionManifest& manifest) {
    NM_ASSIGN_OR_RETURN(const PartitionManifest current,
                        LoadPartition(fs_, request_.table, latest, change.key));
    const std::vector<std::string>& replaced = *change.replaces;
    std::size_t gone = 0;
    std::vector<DataFile> files;
    for (const DataFile& file : current.files) {
      if (std::find(replaced.begin(), replaced.end(), file.path) != replaced.end()) {
        ++gone;
      } else {
        files.push_back(file);
      }
    }
    if (gone != replaced.size()) {
      return ConflictOn(request_, change.key, "lost files that this attempt replaces");
    }
    if (!files.empty()) {
      NM_ASSIGN_OR_RETURN(manifest.schema, UnionSchemas(current.schema, manifest.schema));
      manifest.columns = current.columns;
      // Statistics are by column position: files of a narrower schema have none.
      if (manifest.schema != current.schema) manifest.columns.clear();
    }
    files.insert(files.end(), manifest.files.begin(), manifest.files.end());
    manifest.files = std::move(files);
    return OpOk();
  }

  const FileSystem& fs_;
  const CommitRequest& request_;
  std::vector<std::vector<DataFile>> placed_;
  bool asked_ = false;
};

// Layout directory: one partition at a time, each replaced as a whole under the table's lock.
class DirectoryCommit {
 public:
  DirectoryCommit(const FileSystem& fs, const CommitRequest& request)
      : fs_(fs), request_(request) {}

  OpResult<CommitResult> Run() {
    NM_RETURN_IF_ERROR(fs_.MakeDirs(MetaDir(request_.table)));
    NM_ASSIGN_OR_RETURN([[maybe_unused]] const PutOutcome put,
                        fs_.PutIfAbsent(DirectoryMarker(request_.table),
                                        "{\"format\":1,\"layout\":\"directory\"}"));
    NM_ASSIGN_OR_RETURN(const std::unique_ptr<FileLock> lock, fs_.Lock(LockPath(request_.table)));
    NM_ASSIGN_OR_RETURN(const TableVersion latest, LatestVersion(fs_, request_.table));
    NM_RETURN_IF_ERROR(CheckPartitions(request_, latest));
    CommitResult result;
    result.version = latest.version;
    for (const PartitionChange& change : request_.changes) {
      const Race race = RaceOn(request_, change, latest);
      if (race == Race::kSameResult) {
        result.already_published = true;
        result.partitions[change.key] = latest.partitions.at(change.key);
        continue;
      }
      if (race != Race::kNone) {
        return ConflictOn(request_, change.key, "was changed by another run");
      }
      NM_RETURN_IF_ERROR(Replace(change, latest, result));
    }
    return result;
  }

 private:
  OpStatus Replace(const PartitionChange& change, const TableVersion& latest,
                   CommitResult& result) {
    const std::string folder = DirectoryOf(change.key);
    const std::string target = request_.table + "/" + folder;
    DirectoryPartition partition;
    partition.version = NextVersion(request_, latest);
    partition.version.partitions.clear();
    std::vector<DataFile> files = change.data.files;
    std::string staged;
    for (DataFile& file : files) {
      staged = file.path.substr(0, file.path.rfind('/'));
      file.path = folder + "/" + NameOf(file.path);
    }
    partition.manifest = ManifestOf(change, std::move(files));
    partition.version.schema = partition.manifest.schema;
    PartitionEntry entry = EntryOf(partition.manifest, change, request_.run_key);
    if (!request_.data_change) {
      const PartitionEntry& old = latest.partitions.at(change.key);
      entry.fingerprint = old.fingerprint;
      entry.run_key = old.run_key;
    }
    partition.version.partitions[change.key] = entry;

    NM_ASSIGN_OR_RETURN(std::unique_ptr<OutputFile> out, fs_.Create(staged));
    NM_RETURN_IF_ERROR(out->Append(ToJson(partition)));
    NM_RETURN_IF_ERROR(out->Commit(fmt::format("{}/{}", staged, kPartitionFile)));
    NM_RETURN_IF_ERROR(fs_.SyncDir(staged));
    const std::string parent = target.substr(0, target.rfind('/'));
    NM_RETURN_IF_ERROR(fs_.MakeDirs(parent));
    if (!asked_) NM_RETURN_IF_ERROR(request_.leave());
    asked_ = true;
    // The old folder, if any, comes back under the staging name and goes with it.
    NM_RETURN_IF_ERROR(fs_.Exchange(staged, target));
    NM_RETURN_IF_ERROR(fs_.SyncDir(parent));
    result.version = partition.version.version;
    result.partitions[change.key] = std::move(entry);
    return OpOk();
  }

  const FileSystem& fs_;
  const CommitRequest& request_;
  bool asked_ = false;
};

}  // namespace

OpResult<CommitResult> Commit(const FileSystem& fs, const CommitRequest& request) {
  CHECK(request.leave != nullptr);
  if (request.layout == Layout::kDirectory) return DirectoryCommit(fs, request).Run();
  return ManifestCommit(fs, request).Run();
}

}  // namespace nightmill
