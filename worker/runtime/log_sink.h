// The log file of an attempt. The child writes to it directly (a pipe would cost two copies and a
// wake-up per line, and the worker's death would break it); the worker looks at its size and cuts
// it. A flood may therefore exceed the limit for the time between two looks, by what the task can
// write in 50 ms; it is never in memory. After a cut the task goes on, what it writes is dropped
// again.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/result.h"
#include "worker/runtime/unique_fd.h"

namespace nightmill {

class LogSink {
 public:
  // Creates the file, and its folders where missing; an existing file is appended to.
  static Result<LogSink> Open(const std::string& path, std::int64_t limit_bytes);

  int fd() const { return fd_.get(); }
  // One line of the worker's own, marked as such.
  void Note(std::string_view line);
  // Cuts the file if it is above the limit. Returns its size before.
  std::int64_t Trim();
  // Whether it is so near its limit, or beyond, that it should be looked at often.
  bool flooding() const { return flooding_; }

 private:
  LogSink(UniqueFd fd, std::int64_t limit_bytes) : fd_(std::move(fd)), limit_bytes_(limit_bytes) {}

  UniqueFd fd_;
  std::int64_t limit_bytes_;
  bool flooding_ = false;
};

}  // namespace nightmill
