#include "operators/table/input_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "core/base/hash.h"
#include "operators/columnar/parquet_footer.h"
#include "operators/table/manifest.h"

namespace nightmill {
namespace {

constexpr std::int64_t kEdgeBytes = 64 << 10;
constexpr std::int64_t kHashBlock = 1 << 20;

struct Suffix {
  std::string_view text;
  InputFormat format;
};
constexpr std::array<Suffix, 10> kSuffixes{{{".parquet", InputFormat::kParquet},
                                            {".parq", InputFormat::kParquet},
                                            {".csv", InputFormat::kCsv},
                                            {".csv.gz", InputFormat::kCsv},
                                            {".jsonl", InputFormat::kJsonLines},
                                            {".jsonl.gz", InputFormat::kJsonLines},
                                            {".ndjson", InputFormat::kJsonLines},
                                            {".ndjson.gz", InputFormat::kJsonLines},
                                            {".json", InputFormat::kJsonLines},
                                            {".json.gz", InputFormat::kJsonLines}}};

std::optional<InputFormat> FormatOf(std::string_view path) {
  for (const Suffix& suffix : kSuffixes) {
    if (path.ends_with(suffix.text)) return suffix.format;
  }
  return std::nullopt;
}

// Partition columns in the folders of a path below a table: "day=2011-05-01/part-0.parquet".
PartitionKey PartitionOf(std::string_view name) {
  PartitionKey key;
  std::size_t begin = 0;
  for (std::size_t slash = name.find('/'); slash != std::string_view::npos;
       slash = name.find('/', begin)) {
    const std::string_view folder = name.substr(begin, slash - begin);
    if (folder.find('=') != std::string_view::npos) {
      auto parsed = ParsePartitionPath(folder);
      if (parsed.ok()) key.push_back(std::move((*parsed)[0]));
    }
    begin = slash + 1;
  }
  return key;
}

bool HasAll(const PartitionKey& key, const PartitionKey& wanted) {
  return std::all_of(wanted.begin(), wanted.end(), [&key](const auto& part) {
    return std::find(key.begin(), key.end(), part) != key.end();
  });
}

OpStatus CheckPartitionColumns(const InSpec& in, const PartitionKey& key, const std::string& file) {
  const auto has = [&key](const std::string& column) {
    return std::any_of(key.begin(), key.end(),
                       [&column](const auto& part) { return part.first == column; });
  };
  std::vector<std::string> columns = in.partition_by;
  for (const auto& [column, value] : in.partition) columns.push_back(column);
  for (const std::string& column : columns) {
    if (has(column)) continue;
    OperatorError error =
        BadSpec(fmt::format("its path has no partition column \"{}\"", column), "missing_column",
                fmt::format("folders are named like {}=value", column));
    error.file = file;
    error.column = column;
    return error;
  }
  return OpOk();
}

OpResult<std::string> HashRange(const InputFile& file, std::int64_t begin, std::int64_t n) {
  std::string bytes(static_cast<std::size_t>(n), '\0');
  NM_RETURN_IF_ERROR(file.ReadAt(begin, n, bytes.data()));
  return QuickHash(bytes);
}

OpResult<std::string> HashAll(const InputFile& file) {
  Sha256 hash;
  std::string block;
  for (std::int64_t at = 0; at < file.info().size; at += kHashBlock) {
    const std::int64_t n = std::min(kHashBlock, file.info().size - at);
    block.resize(static_cast<std::size_t>(n));
    NM_RETURN_IF_ERROR(file.ReadAt(at, n, block.data()));
    hash.Update(block);
  }
  std::string out;
  for (const std::uint8_t b : hash.Finish()) out += fmt::format("{:02x}", b);
  return out;
}

// compute.md 1.1, `identity`.
OpResult<std::string> IdentityOf(const FileSystem& fs, const InputEntry& entry, bool by_content) {
  NM_ASSIGN_OR_RETURN(const std::shared_ptr<const InputFile> file, fs.Open(entry.file.path));
  if (by_content) return HashAll(*file);
  const FileInfo& info = file->info();
  if (entry.format == InputFormat::kParquet) {
    NM_ASSIGN_OR_RETURN(const std::string footer, ReadParquetFooter(*file));
    return info.version + "." + QuickHash(footer);
  }
  const std::int64_t edge = std::min(kEdgeBytes, info.size);
  NM_ASSIGN_OR_RETURN(const std::string head, HashRange(*file, 0, edge));
  NM_ASSIGN_OR_RETURN(const std::string tail, HashRange(*file, info.size - edge, edge));
  return info.version + "." + head + "." + tail;
}

class Resolver {
 public:
  Resolver(const FileSystem& fs, const InSpec& in, const ResolveOptions& options)
      : fs_(fs), in_(in), options_(options) {}

  OpResult<InputList> Run() {
    list_.path = ResolvePath(options_.data_root, in_.paths.front());
    for (const std::string& written : in_.paths) {
      NM_RETURN_IF_ERROR(AddPath(written));
    }
    if (list_.table.empty()) NM_RETURN_IF_ERROR(Identify());
    if (list_.files.empty() && !dropped_) {
      OperatorError error = BadInput("there is no file to read", "no_files",
                                     "check the path, the format and the partition");
      error.file = list_.path;
      return error;
    }
    for (const InputEntry& entry : list_.files) list_.bytes += entry.file.size;
    return std::move(list_);
  }

 private:
  OpStatus AddPath(const std::string& written) {
    NM_ASSIGN_OR_RETURN(const FileInfo info, FindWritten(fs_, options_.data_root, written));
    const std::string& path = info.path;
    if (info.size >= 0) return AddFile(info, path.substr(path.rfind('/') + 1), true);
    NM_ASSIGN_OR_RETURN(const bool is_table, IsTable(fs_, path));
    if (is_table) return AddTable(path);
    NM_ASSIGN_OR_RETURN(const std::vector<FileInfo> files, fs_.List(path));
    for (const FileInfo& file : files) {
      NM_RETURN_IF_ERROR(AddFile(file, file.path.substr(path.size() + 1), false));
    }
    return OpOk();
  }

  // A file named in the spec must be of a known format; others in a folder are passed over.
  OpStatus AddFile(const FileInfo& info, const std::string& name, bool named) {
    const auto by_name = FormatOf(name);
    InputEntry entry;
    if (named && in_.format) {
      entry.format = *in_.format;
    } else if (by_name && (!in_.format || in_.format == by_name)) {
      entry.format = *by_name;
    } else if (named) {
      return SpecError("/in/format", fmt::format("is missing, and \"{}\" does not tell", name),
                       "one of parquet, csv, jsonl");
    } else {
      return OpOk();
    }
    entry.file = info;
    entry.name = name;
    entry.partition = PartitionOf(name);
    NM_RETURN_IF_ERROR(CheckPartitionColumns(in_, entry.partition, info.path));
    if (!HasAll(entry.partition, in_.partition)) return OpOk();
    if (options_.keep && !options_.keep(entry.partition)) {
      dropped_ = true;
      return OpOk();
    }
    list_.files.push_back(std::move(entry));
    return OpOk();
  }

  OpStatus AddTable(const std::string& path) {
    if (in_.paths.size() > 1) {
      return SpecError("/in/path", "has a table beside other paths", "read one table at a time");
    }
    NM_ASSIGN_OR_RETURN(const TableVersion version, LatestVersion(fs_, path));
    list_.table = path;
    list_.version = version.version;
    for (const auto& [key_text, published] : version.partitions) {
      NM_ASSIGN_OR_RETURN(const PartitionKey key, ParsePartitionPath(key_text));
      NM_RETURN_IF_ERROR(CheckPartitionColumns(in_, key, path));
      if (!HasAll(key, in_.partition)) continue;
      if (options_.keep && !options_.keep(key)) {
        dropped_ = true;
        continue;
      }
      NM_ASSIGN_OR_RETURN(const PartitionManifest manifest,
                          LoadPartition(fs_, path, version, key_text));
      InputPartition partition{key, published.fingerprint, {}};
      for (const DataFile& file : manifest.files) {
        InputEntry entry;
        entry.file = {DataPath(path, file), file.bytes, ""};
        entry.name = file.path;
        entry.partition = key;
        partition.files.push_back(list_.files.size());
        list_.files.push_back(std::move(entry));
      }
      list_.partitions.push_back(std::move(partition));
    }
    if (list_.partitions.empty() && !dropped_ && !in_.partition.empty()) {
      OperatorError error =
          MakeOpError(OperatorErrorCode::kIo,
                      fmt::format("it has no partition {}", PartitionPath(in_.partition)),
                      "not_found", "publish it first");
      error.file = path;
      return error;
    }
    return OpOk();
  }

  // Sorts by (partition, path) and fingerprints each partition.
  OpStatus Identify() {
    std::map<std::string, std::vector<InputEntry>> parts;
    for (InputEntry& entry : list_.files) {
      parts[PartitionPath(entry.partition)].push_back(std::move(entry));
    }
    list_.files.clear();
    for (auto& [text, entries] : parts) {
      std::sort(entries.begin(), entries.end(),
                [](const InputEntry& a, const InputEntry& b) { return a.file.path < b.file.path; });
      InputPartition partition{entries.front().partition, "", {}};
      std::string identities;
      for (InputEntry& entry : entries) {
        NM_ASSIGN_OR_RETURN(entry.identity, IdentityOf(fs_, entry, options_.identity_by_content));
        identities +=
            fmt::format("{}\x1f{}\x1f{}\x1e", entry.name, entry.file.size, entry.identity);
        partition.files.push_back(list_.files.size());
        list_.files.push_back(std::move(entry));
      }
      partition.fingerprint = Sha256Hex(identities);
      list_.partitions.push_back(std::move(partition));
    }
    return OpOk();
  }

  const FileSystem& fs_;
  const InSpec& in_;
  const ResolveOptions& options_;
  InputList list_;
  bool dropped_ = false;
};

}  // namespace

OpResult<FileInfo> FindWritten(const FileSystem& fs, const std::string& root,
                               const std::string& written) {
  OpResult<FileInfo> info = fs.Stat(ResolvePath(root, written));
  if (info.ok() || written.starts_with('/') || info.error().reason != "not_found") return info;
  OperatorError error = std::move(info).error();
  error.hint = fmt::format("relative paths start at {}", root);
  return error;
}

OpResult<InputList> ResolveInputs(const FileSystem& fs, const InSpec& in,
                                  const ResolveOptions& options) {
  return Resolver(fs, in, options).Run();
}

OpStatus CheckInputsUnchanged(const FileSystem& fs, const InputList& list) {
  if (!list.table.empty()) return OpOk();  // data files of tables are immutable
  for (const InputEntry& entry : list.files) {
    const OpResult<FileInfo> now = fs.Stat(entry.file.path);
    if (now.ok() && now->size == entry.file.size && now->version == entry.file.version) continue;
    OperatorError error =
        MakeOpError(OperatorErrorCode::kConflict,
                    now.ok() ? "it changed while it was read" : "it was removed while it was read",
                    "changed", "run again when its writer is done");
    error.file = entry.file.path;
    return error;
  }
  return OpOk();
}

}  // namespace nightmill
