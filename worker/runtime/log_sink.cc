#include "worker/runtime/log_sink.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace nightmill {

Result<LogSink> LogSink::Open(const std::string& path, std::int64_t limit_bytes) {
  constexpr int kFlags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC;
  UniqueFd fd(::open(path.c_str(), kFlags, 0600));
  if (!fd.valid() && errno == ENOENT) {
    std::error_code ignored;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
    fd.reset(::open(path.c_str(), kFlags, 0600));
  }
  if (!fd.valid()) {
    return Unavailable(fmt::format("cannot write the log {}: {}", path, strerror(errno)));
  }
  return LogSink(std::move(fd), limit_bytes);
}

void LogSink::Note(std::string_view line) {
  const std::string text = fmt::format("[nightmill] {}\n", line);
  // A log that cannot be written (full disk) must not decide the fate of its task.
  [[maybe_unused]] const ssize_t n = ::write(fd_.get(), text.data(), text.size());
}

std::int64_t LogSink::Trim() {
  struct stat info {};
  if (::fstat(fd_.get(), &info) != 0) return 0;
  flooding_ = info.st_size > limit_bytes_ / 4;
  if (info.st_size <= limit_bytes_) return info.st_size;
  // The marker is part of the limit, else a quiet log would be cut again at every look.
  const std::string marker = fmt::format("\n[nightmill] log cut: over {} bytes\n", limit_bytes_);
  const auto kept = limit_bytes_ - static_cast<std::int64_t>(marker.size());
  if (::ftruncate(fd_.get(), std::max<std::int64_t>(kept, 0)) == 0) {
    [[maybe_unused]] const ssize_t n = ::write(fd_.get(), marker.data(), marker.size());
  }
  return info.st_size;
}

}  // namespace nightmill
