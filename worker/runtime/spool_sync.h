// The worker's one extra thread: makes spool segments durable off the loop. A failed sync ends the
// process (reliability.md R4: the state on disk is unknown then and a second fsync would lie).
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "worker/runtime/unique_fd.h"

namespace nightmill {

class SpoolSync {
 public:
  explicit SpoolSync(std::string directory);
  // Finishes what was asked for.
  ~SpoolSync();

  // Data written to `segment` so far becomes durable; requests that wait are merged.
  void Request(std::shared_ptr<UniqueFd> segment);
  // The same for a new segment and its name; then `obsolete` files are deleted.
  void RequestRotation(std::shared_ptr<UniqueFd> segment, std::vector<std::string> obsolete);

 private:
  void Run();

  const std::string directory_;
  std::mutex mutex_;
  std::condition_variable wake_;
  // Guarded by mutex_.
  std::shared_ptr<UniqueFd> segment_;
  bool sync_directory_ = false;
  std::vector<std::string> obsolete_;
  bool stop_ = false;

  std::thread thread_;
};

}  // namespace nightmill
