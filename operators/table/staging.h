// The folder an attempt writes into before it publishes: below the table (same file system, so that
// publishing is a rename), hidden from readers, named after the run and the attempt. One thread.
//
// Who removes it: its attempt, at the end. What a killed attempt leaves is garbage that nobody
// reads; the next attempt on the table removes it, once it is sure that the owner is dead. The
// owner holds the lock of a file beside the folder, and death releases it: a lock that can be
// taken, of an owner on this host, says dead. Locks of other hosts may not be seen, so what is
// theirs, or has no lock file, goes only after a day without change (compute.md 4.7, `grace`).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "operators/columnar/file_system.h"
#include "operators/common_spec.h"
#include "operators/op_result.h"

namespace nightmill {

inline constexpr std::int64_t kStagingGraceMs = 24LL * 60 * 60 * 1000;

class StagingArea {
 public:
  // <table>/_staging/<run_key, 16 digits>/<attempt>-<pid>@<host>/, empty, with <the same>.lock
  // beside it. Removes what dead attempts have left in this table.
  static OpResult<std::unique_ptr<StagingArea>> Make(const FileSystem& fs, const std::string& table,
                                                     const std::string& run_key,
                                                     std::string_view attempt);
  StagingArea(const FileSystem& fs, std::string table, bool new_table)
      : fs_(fs), table_(std::move(table)), new_table_(new_table) {}
  // Removes it with all that is in it; and the folder of the table, if Make made it and it is
  // empty.
  ~StagingArea();
  StagingArea(const StagingArea&) = delete;
  StagingArea& operator=(const StagingArea&) = delete;

  const std::string& path() const { return path_; }

 private:
  OpStatus Claim(const std::string& run_dir, const std::string& name);

  const FileSystem& fs_;
  const std::string table_;
  const bool new_table_;
  std::string path_;
  std::unique_ptr<FileLock> lock_;
};

// The path below the table that a staged file of this partition gets.
std::string PublishedPath(Layout layout, const std::string& key, const std::string& staged);

}  // namespace nightmill
