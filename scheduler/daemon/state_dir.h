// The state directory: created private, owned by exactly one daemon at a time through a lock that a
// dying process gives back by itself. Thread rule: main thread, before anything else starts.
#pragma once

#include <optional>
#include <string>

#include "core/base/result.h"

namespace nightmill {

// A file descriptor that closes itself.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.Release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept;
  ~UniqueFd();
  int get() const { return fd_; }
  int Release() {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }

 private:
  int fd_ = -1;
};

// Creates the directory and its subfolders (0700). kForbidden if others may enter it or somebody
// else owns it; kInvalid if it cannot be created.
Status PrepareStateDir(const std::string& path);
// flock on <path>/lock. kConflict, naming the holder's pid, if another daemon has it.
Result<UniqueFd> LockStateDir(const std::string& path);
// The same refusal beforehand, and nothing is created. Not a lock: to explain another failure.
Status CheckNotOwned(const std::string& path);
// The pid that the living holder of the lock on this file wrote into it, 0 if it has not yet; none
// if nobody holds it, also if the file does not exist.
std::optional<int> LockHolder(const std::string& file);
// mkdir -p with mode 0700.
Status MakeDirs(const std::string& path);

}  // namespace nightmill
