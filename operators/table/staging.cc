#include "operators/table/staging.h"

#include <fmt/format.h>
#include <unistd.h>

#include "operators/table/table_paths.h"

namespace nightmill {
namespace {

constexpr int kMaxTries = 10;

}  // namespace

OpResult<std::unique_ptr<StagingArea>> StagingArea::Make(const FileSystem& fs,
                                                         const std::string& table,
                                                         const std::string& run_key,
                                                         std::string_view attempt) {
  // Attempt names come from outside: one path component, whatever they hold.
  std::string name;
  for (const char c : attempt) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       c == '_' || c == '-';
    name += plain ? c : '_';
  }
  // Two offline runs have the same name, so the process makes the difference.
  auto area = std::make_unique<StagingArea>(
      fs, table,
      fmt::format("{}/{}/{}-{}", StagingDir(table), run_key.substr(0, 16), name, ::getpid()),
      !fs.Exists(table));
  NM_RETURN_IF_ERROR(fs.Remove(area->path()));
  // Another attempt may remove the empty parents at the same moment.
  for (int i = 1; true; ++i) {
    const OpStatus made = fs.MakeDirs(area->path());
    if (made.ok()) return area;
    if (made.error().reason != "not_found" || i == kMaxTries) return made.error();
  }
}

StagingArea::~StagingArea() {
  // What cannot be removed stays as garbage. The parents go once they are empty.
  (void)fs_.Remove(path_).ok();
  const std::string run = path_.substr(0, path_.rfind('/'));
  if (::rmdir(run.c_str()) != 0 || ::rmdir(StagingDir(table_).c_str()) != 0) return;
  if (new_table_) ::rmdir(table_.c_str());
}

std::string PublishedPath(Layout layout, const std::string& key, const std::string& staged) {
  const std::string dir = layout == Layout::kManifest ? DataDir(key) : DirectoryOf(key);
  return dir + "/" + staged.substr(staged.rfind('/') + 1);
}

}  // namespace nightmill
