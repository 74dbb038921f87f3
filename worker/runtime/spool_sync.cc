#include "worker/runtime/spool_sync.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "core/base/check.h"

namespace nightmill {

SpoolSync::SpoolSync(std::string directory)
    : directory_(std::move(directory)), thread_([this] { Run(); }) {}

SpoolSync::~SpoolSync() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void SpoolSync::Request(std::shared_ptr<UniqueFd> segment) {
  {
    const std::lock_guard lock(mutex_);
    segment_ = std::move(segment);
  }
  wake_.notify_one();
}

void SpoolSync::RequestRotation(std::shared_ptr<UniqueFd> segment,
                                std::vector<std::string> obsolete) {
  {
    const std::lock_guard lock(mutex_);
    segment_ = std::move(segment);
    sync_directory_ = true;
    obsolete_.insert(obsolete_.end(), obsolete.begin(), obsolete.end());
  }
  wake_.notify_one();
}

void SpoolSync::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stop_ || segment_; });
    if (!segment_) return;
    const std::shared_ptr<UniqueFd> segment = std::exchange(segment_, nullptr);
    const bool sync_directory = std::exchange(sync_directory_, false);
    const std::vector<std::string> obsolete = std::exchange(obsolete_, {});
    lock.unlock();
    if (::fdatasync(segment->get()) != 0) {
      Fatal(ExitCode::kIoError, fmt::format("spool: fdatasync: {}", strerror(errno)));
    }
    if (sync_directory) {
      const UniqueFd directory(::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      if (!directory.valid() || ::fsync(directory.get()) != 0) {
        Fatal(ExitCode::kIoError, fmt::format("spool: fsync of directory: {}", strerror(errno)));
      }
    }
    // Only now is everything they held safe elsewhere. A file that stays is read again and is
    // harmless.
    for (const std::string& path : obsolete) ::unlink(path.c_str());
    lock.lock();
  }
}

}  // namespace nightmill
