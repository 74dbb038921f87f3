#include "operators/table/staging.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "operators/table/table_paths.h"

namespace nightmill {
namespace {

constexpr int kMaxTries = 10;
constexpr int kMaxDepth = 8;
constexpr std::string_view kLockSuffix = ".lock";

// One path component, whatever the text holds.
std::string Plain(std::string_view text) {
  std::string name;
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       c == '_' || c == '-';
    name += plain ? c : '_';
  }
  return name;
}

std::string HostName() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "_";
  return Plain(name.data());
}

// The latest change of a file or of anything in a folder; 0 if it is gone.
std::int64_t LastChange(const FileSystem& fs, const std::string& path, int depth) {
  const OpResult<FileInfo> info = fs.Stat(path);
  if (!info.ok()) return 0;
  std::int64_t latest = info->modified_ms;
  if (info->size >= 0 || depth == kMaxDepth) return latest;
  const auto names = fs.Names(path);
  if (!names.ok()) return latest;
  for (const std::string& name : *names) {
    latest = std::max(latest, LastChange(fs, path + "/" + name, depth + 1));
  }
  return latest;
}

// Removes what dead attempts have left in the folder of a run. `now_ms` is by the clock of the file
// system. What cannot be looked at or removed stays: it does no harm but to space.
void RemoveLeftovers(const FileSystem& fs, const std::string& run_dir, std::int64_t now_ms) {
  const auto names = fs.Names(run_dir);
  if (!names.ok()) return;
  const std::string ours = fmt::format("@{}", HostName());
  for (const std::string& name : *names) {
    const std::string path = run_dir + "/" + name;
    const bool is_lock = name.ends_with(kLockSuffix);
    const std::string folder = is_lock ? path.substr(0, path.size() - kLockSuffix.size()) : path;
    const std::string lock_path = folder + std::string(kLockSuffix);
    if (!is_lock && fs.Exists(lock_path)) continue;  // its lock decides
    const bool old = LastChange(fs, folder, 0) + kStagingGraceMs < now_ms &&
                     LastChange(fs, lock_path, 0) + kStagingGraceMs < now_ms;
    if (!old && !(is_lock && folder.ends_with(ours))) continue;
    const auto lock = fs.TryLock(lock_path);
    if (!lock.ok() || *lock == nullptr) continue;
    if (fs.Remove(folder).ok()) (void)fs.Remove(lock_path).ok();
  }
  (void)::rmdir(run_dir.c_str());
}

}  // namespace

// Takes the lock and makes the empty folder; an attempt of the same name that lives is kConflict.
OpStatus StagingArea::Claim(const std::string& run_dir, const std::string& name) {
  NM_RETURN_IF_ERROR(fs_.MakeDirs(run_dir));
  const std::string path = run_dir + "/" + name;
  NM_ASSIGN_OR_RETURN(lock_, fs_.TryLock(path + std::string(kLockSuffix)));
  if (lock_ == nullptr) {
    OperatorError error = MakeOpError(OperatorErrorCode::kConflict,
                                      "another attempt of this name is at work", "staging");
    error.file = path;
    return error;
  }
  path_ = path;
  NM_RETURN_IF_ERROR(fs_.Remove(path));
  return fs_.MakeDirs(path);
}

OpResult<std::unique_ptr<StagingArea>> StagingArea::Make(const FileSystem& fs,
                                                         const std::string& table,
                                                         const std::string& run_key,
                                                         std::string_view attempt) {
  auto area = std::make_unique<StagingArea>(fs, table, !fs.Exists(table));
  const std::string run_dir = fmt::format("{}/{}", StagingDir(table), run_key.substr(0, 16));
  for (int i = 1; true; ++i) {
    // Two offline runs have the same name, so the process makes the difference; within one, `i`.
    const std::string name = fmt::format("{}-{}{}@{}", Plain(attempt), ::getpid(),
                                         i == 1 ? "" : fmt::format("-{}", i), HostName());
    const OpStatus claimed = area->Claim(run_dir, name);
    if (claimed.ok()) break;
    // Another attempt may remove the empty parents at the same moment.
    const bool again = claimed.error().reason == "not_found" || claimed.error().reason == "staging";
    if (!again || i == kMaxTries) return claimed.error();
  }
  if (const OpResult<FileInfo> made = fs.Stat(area->path()); made.ok()) {
    const auto runs = fs.Names(StagingDir(table));
    if (runs.ok()) {
      for (const std::string& run : *runs) {
        RemoveLeftovers(fs, StagingDir(table) + "/" + run, made->modified_ms);
      }
    }
  }
  return area;
}

StagingArea::~StagingArea() {
  if (path_.empty()) return;
  // What cannot be removed stays as garbage, with its lock file. The parents go once they are
  // empty.
  if (fs_.Remove(path_).ok()) (void)fs_.Remove(path_ + std::string(kLockSuffix)).ok();
  const std::string run = path_.substr(0, path_.rfind('/'));
  if (::rmdir(run.c_str()) != 0 || ::rmdir(StagingDir(table_).c_str()) != 0) return;
  if (new_table_) ::rmdir(table_.c_str());
}

std::string PublishedPath(Layout layout, const std::string& key, const std::string& staged) {
  const std::string dir = layout == Layout::kManifest ? DataDir(key) : DirectoryOf(key);
  return dir + "/" + staged.substr(staged.rfind('/') + 1);
}

}  // namespace nightmill
