#include "scheduler/daemon/state_dir.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>

namespace nightmill {
namespace {

Error CannotCreate(const std::string& path, int error) {
  return Invalid(fmt::format("cannot create {}: {}", path, std::strerror(error)),
                 "choose another folder with --state-dir");
}

Error OwnedByAnother(const std::string& path, std::string_view pid) {
  return Conflict(fmt::format("another daemon (pid {}) owns {}", pid, path),
                  "nightmill server stop ends it; --state-dir chooses another state");
}

std::string ReadText(int fd) {
  char text[32] = {};
  const ssize_t n = pread(fd, text, sizeof text - 1, 0);
  std::string read(text, n > 0 ? static_cast<std::size_t>(n) : 0);
  while (!read.empty() && read.back() == '\n') read.pop_back();
  return read;
}

}  // namespace

UniqueFd& UniqueFd::operator=(UniqueFd&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) close(fd_);
    fd_ = other.Release();
  }
  return *this;
}

UniqueFd::~UniqueFd() {
  if (fd_ >= 0) close(fd_);
}

Status MakeDirs(const std::string& path) {
  std::string prefix;
  for (const auto& part : std::filesystem::path(path)) {
    prefix = (std::filesystem::path(prefix) / part).string();
    if (mkdir(prefix.c_str(), 0700) != 0 && errno != EEXIST) return CannotCreate(path, errno);
  }
  struct stat info {};
  if (stat(path.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) return CannotCreate(path, ENOTDIR);
  return Ok();
}

Status PrepareStateDir(const std::string& path) {
  NM_RETURN_IF_ERROR(MakeDirs(path));
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return CannotCreate(path, errno);
  if (info.st_uid != geteuid()) {
    return Error{ErrorCode::kForbidden, fmt::format("{} belongs to another user", path),
                 "run the daemon as its owner or choose another folder with --state-dir"};
  }
  if ((info.st_mode & 0077) != 0) {
    return Error{ErrorCode::kForbidden,
                 fmt::format("others may enter {} (mode {:o})", path, info.st_mode & 0777),
                 fmt::format("chmod 700 {}", path)};
  }
  for (const char* folder : {"logs", "outputs", "spool"}) {
    NM_RETURN_IF_ERROR(MakeDirs(fmt::format("{}/{}", path, folder)));
  }
  return Ok();
}

Result<UniqueFd> LockStateDir(const std::string& path) {
  const std::string file = path + "/lock";
  UniqueFd fd(open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (fd.get() < 0) return CannotCreate(file, errno);
  if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    return OwnedByAnother(path, ReadText(fd.get()));
  }
  const std::string pid = fmt::format("{}\n", getpid());
  if (ftruncate(fd.get(), 0) != 0 ||
      pwrite(fd.get(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    return CannotCreate(file, errno);
  }
  return fd;
}

Status CheckNotOwned(const std::string& path) {
  const std::optional<int> holder = LockHolder(path + "/lock");
  return holder ? OwnedByAnother(path, std::to_string(*holder)) : Status();
}

std::optional<int> LockHolder(const std::string& file) {
  const UniqueFd fd(open(file.c_str(), O_RDWR | O_CLOEXEC));
  if (fd.get() < 0) return std::nullopt;
  if (flock(fd.get(), LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return std::nullopt;
  const std::string text = ReadText(fd.get());
  int pid = 0;
  std::from_chars(text.data(), text.data() + text.size(), pid);
  return std::max(pid, 0);
}

}  // namespace nightmill
