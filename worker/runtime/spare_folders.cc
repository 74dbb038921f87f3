#include "worker/runtime/spare_folders.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include "worker/runtime/unique_fd.h"

namespace nightmill {
namespace {

constexpr std::size_t kMaxSpares = 256;
constexpr off_t kFreshBytes = 4096;

enum class Content : std::uint8_t { kEmpty, kWorn, kFull, kAbsent };

// "Worn": empty, but no longer as we made it (mode, a directory file that once held many names).
Content Look(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.valid()) return errno == ENOENT ? Content::kAbsent : Content::kFull;
  alignas(dirent64) char entries[512];
  const ssize_t n = ::getdents64(fd.get(), entries, sizeof entries);
  int names = 0;
  for (ssize_t at = 0; at < n; ++names) {
    at += reinterpret_cast<const dirent64*>(entries + at)->d_reclen;
  }
  if (n < 0 || names > 2) return Content::kFull;
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return Content::kWorn;
  const bool as_made = (info.st_mode & 07777) == 0700 && info.st_uid == ::geteuid();
  return as_made && info.st_size <= kFreshBytes ? Content::kEmpty : Content::kWorn;
}

}  // namespace

SpareFolders::SpareFolders(std::string directory) : directory_(std::move(directory)) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(directory_, ignored)) {
    const std::string path = entry.path().string();
    if (Look(path) == Content::kEmpty) spares_.push_back(path);
  }
}

Status SpareFolders::Take(const std::string& path) {
  for (const bool parents_made : {false, true}) {
    if (!spares_.empty() && ::rename(spares_.back().c_str(), path.c_str()) == 0) {
      spares_.pop_back();
      return Ok();
    }
    // Also where a spare cannot be moved (another file system).
    if (::mkdir(path.c_str(), 0700) == 0) return Ok();
    if (errno == EEXIST && Look(path) == Content::kEmpty) return Ok();
    if (errno == EEXIST) return Conflict(fmt::format("{} is not empty", path));
    if (errno != ENOENT || parents_made) break;
    std::error_code ignored;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
  }
  return Unavailable(fmt::format("cannot create {}: {}", path, strerror(errno)));
}

bool SpareFolders::Return(const std::string& path) {
  const Content content = Look(path);
  if (content == Content::kAbsent) return true;
  if (content == Content::kFull) return false;
  if (content == Content::kEmpty && spares_.size() < kMaxSpares) {
    std::string spare;
    do {
      spare = fmt::format("{}/{}", directory_, next_name_++);
    } while (::access(spare.c_str(), F_OK) == 0);
    bool moved = ::rename(path.c_str(), spare.c_str()) == 0;
    if (!moved && errno == ENOENT && ::mkdir(directory_.c_str(), 0700) == 0) {
      moved = ::rename(path.c_str(), spare.c_str()) == 0;
    }
    if (moved) {
      spares_.push_back(std::move(spare));
      return true;
    }
  }
  return ::rmdir(path.c_str()) == 0;
}

}  // namespace nightmill
