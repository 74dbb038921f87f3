// Files as the operators see them: the local file system now, object stores later behind the same
// interface (compute.md 7). Paths are absolute. Every error is kIo with the file named, but for
// those said otherwise. Thread rule: a FileSystem and an InputFile may be used by many threads, an
// OutputFile by one.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "operators/op_result.h"

namespace nightmill {

struct FileInfo {
  std::string path;  // absolute
  std::int64_t size = 0;
  std::string version;           // changes whenever the content may have: inode, mtime in ns
  std::int64_t modified_ms = 0;  // since 1970, by the clock of the file system
};

class InputFile {
 public:
  virtual ~InputFile() = default;
  virtual const FileInfo& info() const = 0;
  // Reads exactly `n` bytes at `offset` by pread, never by mmap: a file cut short under us is an
  // error (kConflict), not a SIGBUS.
  virtual OpStatus ReadAt(std::int64_t offset, std::int64_t n, void* out) const = 0;
  // kConflict if the file is no longer the one that was opened.
  virtual OpStatus CheckUnchanged() const = 0;
};

// Written under a temporary name beside its final one; appears whole at Commit or not at all. The
// destructor removes what was not committed.
class OutputFile {
 public:
  virtual ~OutputFile() = default;
  virtual OpStatus Append(std::string_view bytes) = 0;
  virtual std::int64_t bytes_written() const = 0;
  // fsync, rename to `path`, which may exist (it is replaced). The directory is synced by SyncDir.
  virtual OpStatus Commit(const std::string& path) = 0;
};

// Held until destroyed; the death of the process ends it too.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

enum class PutOutcome : std::uint8_t { kCreated, kExists };

class FileSystem {
 public:
  virtual ~FileSystem() = default;

  // All regular files below `dir`, sorted by path bytes; names that begin with '_' or '.' are left
  // out at every level. kIo with reason "not_found" if there is no such directory.
  virtual OpResult<std::vector<FileInfo>> List(const std::string& dir) const = 0;
  // Names (not paths) of the entries of one directory, sorted, with hidden ones; empty if absent.
  virtual OpResult<std::vector<std::string>> Names(const std::string& dir) const = 0;
  // kIo with reason "not_found" if it does not exist; size -1 for a directory.
  virtual OpResult<FileInfo> Stat(const std::string& path) const = 0;
  virtual bool Exists(const std::string& path) const = 0;
  virtual OpResult<std::shared_ptr<const InputFile>> Open(const std::string& path) const = 0;
  // A whole small file; kIo with reason "not_found", kBadInput if larger than `limit`.
  virtual OpResult<std::string> ReadAll(const std::string& path, std::int64_t limit) const = 0;

  virtual OpStatus MakeDirs(const std::string& dir) const = 0;
  virtual OpResult<std::unique_ptr<OutputFile>> Create(const std::string& dir) const = 0;
  // Creates `path` with these bytes durably, unless it exists: exactly one of many racing callers
  // gets kCreated (local: link() of a synced temporary file).
  virtual OpResult<PutOutcome> PutIfAbsent(const std::string& path,
                                           std::string_view bytes) const = 0;
  virtual OpStatus Rename(const std::string& from, const std::string& to) const = 0;
  // Atomically swaps two directories, or moves `from` to `to` if `to` does not exist.
  virtual OpStatus Exchange(const std::string& from, const std::string& to) const = 0;
  // Waits for the exclusive lock of `path`, which is made if absent (local file systems only).
  virtual OpResult<std::unique_ptr<FileLock>> Lock(const std::string& path) const = 0;
  // As Lock, but null if somebody holds it. Who gets it holds the file that has the name now, even
  // if others make and remove it at the same time.
  virtual OpResult<std::unique_ptr<FileLock>> TryLock(const std::string& path) const = 0;
  // Recursive; nothing to remove is success.
  virtual OpStatus Remove(const std::string& path) const = 0;
  virtual OpStatus SyncDir(const std::string& dir) const = 0;
};

const FileSystem& LocalFileSystem();

// `path` if absolute, else below `root`; "." and ".." parts are resolved, no trailing slash.
std::string ResolvePath(std::string_view root, std::string_view path);
// An error of a system call: kIo with the path, the reason word of errno ("not_found", "no_space",
// "too_large", "permission", "io") and a hint; where space is short, with what is left of it.
OperatorError IoError(const std::string& path, std::string_view action, int error_number);

}  // namespace nightmill
