// The local file system behind FileSystem: POSIX calls, every errno checked, durable by fsync
// before anything is named.
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include "operators/columnar/file_system.h"

namespace nightmill {
namespace {

constexpr int kMaxDepth = 64;

std::string VersionOf(const struct stat& st) {
  return std::to_string(st.st_ino) + "." + std::to_string(st.st_mtim.tv_sec) + "." +
         std::to_string(st.st_mtim.tv_nsec);
}

FileInfo InfoOf(const std::string& path, const struct stat& st) {
  return {path, S_ISDIR(st.st_mode) ? -1 : std::int64_t{st.st_size}, VersionOf(st),
          std::int64_t{st.st_mtim.tv_sec} * 1000 + st.st_mtim.tv_nsec / 1'000'000};
}

class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  // 0, or the errno of close.
  int Close() { return ::close(std::exchange(fd_, -1)) == 0 ? 0 : errno; }

 private:
  int fd_;
};

class LocalInput final : public InputFile {
 public:
  LocalInput(Fd fd, FileInfo info) : fd_(std::move(fd)), info_(std::move(info)) {}

  const FileInfo& info() const override { return info_; }

  OpStatus ReadAt(std::int64_t offset, std::int64_t n, void* out) const override {
    char* p = static_cast<char*>(out);
    while (n > 0) {
      const ssize_t got = ::pread(fd_.get(), p, static_cast<std::size_t>(n), offset);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return IoError(info_.path, "read", errno);
      if (got == 0) return Changed("it became shorter while it was read");
      p += got;
      offset += got;
      n -= got;
    }
    return OpOk();
  }

  OpStatus CheckUnchanged() const override {
    struct stat st;
    if (::stat(info_.path.c_str(), &st) != 0) return Changed("it was removed while it was read");
    if (InfoOf(info_.path, st).version != info_.version || st.st_size != info_.size) {
      return Changed("it changed while it was read");
    }
    return OpOk();
  }

 private:
  OperatorError Changed(std::string_view how) const {
    OperatorError error = MakeOpError(OperatorErrorCode::kConflict, std::string(how), "changed",
                                      "run again when its writer is done");
    error.file = info_.path;
    return error;
  }

  Fd fd_;
  FileInfo info_;
};

// Unique among live processes and threads; O_EXCL settles what a dead process left.
std::string TemporaryPath(const std::string& dir) {
  static std::atomic<std::uint64_t> counter{0};
  return dir + "/.tmp-" + std::to_string(::getpid()) + "-" + std::to_string(counter.fetch_add(1));
}

OpStatus SyncFd(const std::string& path, int fd) {
  if (::fsync(fd) != 0) return IoError(path, "fsync", errno);
  return OpOk();
}

class LocalOutput final : public OutputFile {
 public:
  LocalOutput(Fd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
  ~LocalOutput() override {
    if (!committed_) ::unlink(path_.c_str());
  }

  OpStatus Append(std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t put = ::write(fd_.get(), bytes.data(), bytes.size());
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return IoError(path_, WhatToWrite(bytes.size()), errno);
      written_ += put;
      bytes.remove_prefix(static_cast<std::size_t>(put));
    }
    return OpOk();
  }

  std::int64_t bytes_written() const override { return written_; }

  OpStatus Commit(const std::string& path) override {
    NM_RETURN_IF_ERROR(SyncFd(path_, fd_.get()));
    // Some file systems tell only here that there was no room for what write() took.
    if (const int error = fd_.Close(); error != 0) return IoError(path_, "close", error);
    if (::rename(path_.c_str(), path.c_str()) != 0)
      return IoError(path, "put it into place", errno);
    committed_ = true;
    return OpOk();
  }

  // Gives the synced content a second name, which must be new.
  OpResult<PutOutcome> Link(const std::string& path) {
    NM_RETURN_IF_ERROR(SyncFd(path_, fd_.get()));
    if (::link(path_.c_str(), path.c_str()) == 0) return PutOutcome::kCreated;
    const int error = errno;
    // Over NFS a reply may be lost after the link was made: two names then tell the truth.
    struct stat st;
    if (::fstat(fd_.get(), &st) == 0 && st.st_nlink == 2) return PutOutcome::kCreated;
    if (error == EEXIST) return PutOutcome::kExists;
    return IoError(path, "create", error);
  }

 private:
  std::string WhatToWrite(std::size_t bytes) const {
    return "write " + std::to_string(bytes) + " bytes after the first " + std::to_string(written_);
  }

  Fd fd_;
  std::string path_;
  std::int64_t written_ = 0;
  bool committed_ = false;
};

class LocalLock final : public FileLock {
 public:
  explicit LocalLock(Fd fd) : fd_(std::move(fd)) {}

 private:
  Fd fd_;  // closing it ends the lock
};

OpResult<std::unique_ptr<LocalOutput>> CreateTemporary(const std::string& dir) {
  while (true) {
    std::string path = TemporaryPath(dir);
    Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    if (fd.get() >= 0) return std::make_unique<LocalOutput>(std::move(fd), std::move(path));
    if (errno != EEXIST) return IoError(dir, "create a file there", errno);
  }
}

OpStatus ListInto(const std::string& dir, int depth, std::vector<FileInfo>& out) {
  if (depth > kMaxDepth) return IoError(dir, "list", ELOOP);
  struct Closer {
    void operator()(DIR* d) const { ::closedir(d); }
  };
  const std::unique_ptr<DIR, Closer> handle(::opendir(dir.c_str()));
  if (!handle) return IoError(dir, "list", errno);
  while (true) {
    errno = 0;
    const dirent* entry = ::readdir(handle.get());
    if (entry == nullptr) break;
    const std::string name = entry->d_name;
    if (name.starts_with('.') || name.starts_with('_')) continue;
    const std::string path = dir + "/" + name;
    struct stat st;
    if (::stat(path.c_str(), &st) != 0) {
      if (errno == ENOENT) continue;  // removed since readdir, or a dangling link
      return IoError(path, "stat", errno);
    }
    if (S_ISDIR(st.st_mode)) {
      NM_RETURN_IF_ERROR(ListInto(path, depth + 1, out));
    } else if (S_ISREG(st.st_mode)) {
      out.push_back(InfoOf(path, st));
    }
  }
  if (errno != 0) return IoError(dir, "list", errno);
  return OpOk();
}

class LocalFs final : public FileSystem {
 public:
  OpResult<std::vector<FileInfo>> List(const std::string& dir) const override {
    std::vector<FileInfo> out;
    NM_RETURN_IF_ERROR(ListInto(dir, 0, out));
    std::sort(out.begin(), out.end(),
              [](const FileInfo& a, const FileInfo& b) { return a.path < b.path; });
    return out;
  }

  OpResult<std::vector<std::string>> Names(const std::string& dir) const override {
    std::vector<std::string> names;
    std::error_code ec;
    std::filesystem::directory_iterator it(dir, ec);
    if (ec == std::errc::no_such_file_or_directory) return names;
    for (; !ec && it != std::filesystem::directory_iterator(); it.increment(ec)) {
      names.push_back(it->path().filename().string());
    }
    if (ec) return IoError(dir, "list", ec.value());
    std::sort(names.begin(), names.end());
    return names;
  }

  OpResult<FileInfo> Stat(const std::string& path) const override {
    struct stat st;
    if (::stat(path.c_str(), &st) != 0) return IoError(path, "open", errno);
    return InfoOf(path, st);
  }

  bool Exists(const std::string& path) const override {
    struct stat st;
    return ::stat(path.c_str(), &st) == 0;
  }

  OpResult<std::shared_ptr<const InputFile>> Open(const std::string& path) const override {
    Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (fd.get() < 0) return IoError(path, "open", errno);
    struct stat st;
    if (::fstat(fd.get(), &st) != 0) return IoError(path, "stat", errno);
    if (!S_ISREG(st.st_mode)) return IoError(path, "open", S_ISDIR(st.st_mode) ? EISDIR : EINVAL);
    return std::shared_ptr<const InputFile>(
        std::make_shared<LocalInput>(std::move(fd), InfoOf(path, st)));
  }

  OpResult<std::string> ReadAll(const std::string& path, std::int64_t limit) const override {
    NM_ASSIGN_OR_RETURN(const std::shared_ptr<const InputFile> file, Open(path));
    if (file->info().size > limit) {
      OperatorError error = BadInput("it has " + std::to_string(file->info().size) +
                                         " bytes, the limit is " + std::to_string(limit),
                                     "too_large");
      error.file = path;
      return error;
    }
    std::string bytes(static_cast<std::size_t>(file->info().size), '\0');
    NM_RETURN_IF_ERROR(file->ReadAt(0, file->info().size, bytes.data()));
    return bytes;
  }

  OpStatus MakeDirs(const std::string& dir) const override {
    std::error_code ec;
    std::filesystem::create_directories(dir, ec);
    if (ec) return IoError(dir, "make the folder", ec.value());
    return OpOk();
  }

  OpResult<std::unique_ptr<OutputFile>> Create(const std::string& dir) const override {
    NM_ASSIGN_OR_RETURN(std::unique_ptr<LocalOutput> file, CreateTemporary(dir));
    return std::unique_ptr<OutputFile>(std::move(file));
  }

  OpResult<PutOutcome> PutIfAbsent(const std::string& path, std::string_view bytes) const override {
    const std::string dir = std::filesystem::path(path).parent_path().string();
    NM_ASSIGN_OR_RETURN(const std::unique_ptr<LocalOutput> file, CreateTemporary(dir));
    NM_RETURN_IF_ERROR(file->Append(bytes));
    NM_ASSIGN_OR_RETURN(const PutOutcome outcome, file->Link(path));
    NM_RETURN_IF_ERROR(SyncDir(dir));
    return outcome;
  }

  OpStatus Rename(const std::string& from, const std::string& to) const override {
    if (::rename(from.c_str(), to.c_str()) != 0) return IoError(to, "put it into place", errno);
    return OpOk();
  }

  OpStatus Exchange(const std::string& from, const std::string& to) const override {
    if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_EXCHANGE) == 0) {
      return OpOk();
    }
    if (errno != ENOENT) return IoError(to, "exchange", errno);
    if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) != 0) {
      return IoError(to, "put it into place", errno);
    }
    return OpOk();
  }

  OpResult<std::unique_ptr<FileLock>> Lock(const std::string& path) const override {
    Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
    if (fd.get() < 0) return IoError(path, "open", errno);
    while (::flock(fd.get(), LOCK_EX) != 0) {
      if (errno != EINTR) return IoError(path, "lock", errno);
    }
    return std::unique_ptr<FileLock>(std::make_unique<LocalLock>(std::move(fd)));
  }

  OpResult<std::unique_ptr<FileLock>> TryLock(const std::string& path) const override {
    while (true) {
      Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
      if (fd.get() < 0) return IoError(path, "open", errno);
      if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK) return std::unique_ptr<FileLock>();
        if (errno != EINTR) return IoError(path, "lock", errno);
        continue;
      }
      struct stat ours;
      struct stat named;
      if (::fstat(fd.get(), &ours) != 0) return IoError(path, "stat", errno);
      // Its holder may have removed it between the two calls; the name then is another file, or
      // none.
      if (::stat(path.c_str(), &named) == 0 && named.st_ino == ours.st_ino) {
        return std::unique_ptr<FileLock>(std::make_unique<LocalLock>(std::move(fd)));
      }
    }
  }

  OpStatus Remove(const std::string& path) const override {
    std::error_code ec;
    std::filesystem::remove_all(path, ec);
    if (ec) return IoError(path, "remove", ec.value());
    return OpOk();
  }

  OpStatus SyncDir(const std::string& dir) const override {
    const Fd fd(::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd.get() < 0) return IoError(dir, "open", errno);
    return SyncFd(dir, fd.get());
  }
};

// What is left on the file system of a path, which may be absent itself.
std::string FreeSpace(const std::string& path) {
  std::filesystem::path at(path);
  struct statvfs fs;
  while (::statvfs(at.c_str(), &fs) != 0) {
    if (!at.has_parent_path() || at == at.parent_path()) return "make room on this file system";
    at = at.parent_path();
  }
  return std::to_string(std::uint64_t{fs.f_bavail} * fs.f_frsize) +
         " bytes are free on the file system of " + at.string() + "; make room there";
}

}  // namespace

const FileSystem& LocalFileSystem() {
  static const LocalFs fs;
  return fs;
}

std::string ResolvePath(std::string_view root, std::string_view path) {
  const std::filesystem::path p(path);
  std::string out = (p.is_absolute() ? p : std::filesystem::path(root) / p).lexically_normal();
  while (out.size() > 1 && out.back() == '/') out.pop_back();
  return out;
}

OperatorError IoError(const std::string& path, std::string_view action, int error_number) {
  std::string reason = "io";
  std::string hint;
  switch (error_number) {
    case ENOENT:
      reason = "not_found";
      hint = "check the path";
      break;
    case ENOSPC:
    case EDQUOT:
      reason = "no_space";
      hint = FreeSpace(path);
      break;
    case EFBIG:
      reason = "too_large";
      hint = "raise the limit of file sizes (ulimit -f), or lower target_mb";
      break;
    case EACCES:
    case EPERM:
    case EROFS:
      reason = "permission";
      hint = "give the worker's user access to this path";
      break;
    case ENOTDIR:
      hint = "a part of the path is a file";
      break;
    default:
      break;
  }
  OperatorError error = MakeOpError(
      OperatorErrorCode::kIo,
      "cannot " + std::string(action) + ": " + std::generic_category().message(error_number),
      reason, hint);
  error.file = path;
  return error;
}

}  // namespace nightmill
