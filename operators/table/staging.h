// The folder an attempt writes into before it publishes: below the table (same file system, so that
// publishing is a rename), hidden from readers, named after the run and the attempt. One thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "operators/columnar/file_system.h"
#include "operators/common_spec.h"
#include "operators/op_result.h"

namespace nightmill {

class StagingArea {
 public:
  // <table>/_staging/<run_key, 16 digits>/<attempt>-<pid>/, empty. What a killed attempt left under
  // another name is garbage that nobody reads.
  static OpResult<std::unique_ptr<StagingArea>> Make(const FileSystem& fs, const std::string& table,
                                                     const std::string& run_key,
                                                     std::string_view attempt);
  StagingArea(const FileSystem& fs, std::string table, std::string path, bool new_table)
      : fs_(fs), table_(std::move(table)), path_(std::move(path)), new_table_(new_table) {}
  // Removes it with all that is in it; and the folder of the table, if Make made it and it is
  // empty.
  ~StagingArea();
  StagingArea(const StagingArea&) = delete;
  StagingArea& operator=(const StagingArea&) = delete;

  const std::string& path() const { return path_; }

 private:
  const FileSystem& fs_;
  const std::string table_;
  const std::string path_;
  const bool new_table_;
};

// The path below the table that a staged file of this partition gets.
std::string PublishedPath(Layout layout, const std::string& key, const std::string& staged);

}  // namespace nightmill
