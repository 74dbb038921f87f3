#include "worker/runtime/value_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "core/base/limits.h"
#include "worker/runtime/unique_fd.h"

namespace nightmill {
namespace {

// Names with this prefix are the daemon's alone (core/dagfile refuses them in `env`).
constexpr std::string_view kPrefix = "NIGHTMILL_";

bool IsLong(const std::pair<std::string, std::string>& variable) {
  return variable.second.size() > limits::kMaxEnvInline && variable.first.starts_with(kPrefix);
}

Status WriteFile(const std::string& path, std::string_view text) {
  const UniqueFd fd(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
  while (fd.valid() && !text.empty()) {
    const ssize_t n = ::write(fd.get(), text.data(), text.size());
    if (n < 0) break;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  if (fd.valid() && text.empty()) return Ok();
  return Unavailable(fmt::format("cannot write {}: {}", path, strerror(errno)));
}

}  // namespace

ValueFiles::ValueFiles(const Environment& env, const std::string& folder) : env_(env) {
  if (folder.empty() || std::none_of(env.begin(), env.end(), IsLong)) return;
  for (const auto& variable : env) {
    if (!IsLong(variable)) {
      short_env_.push_back(variable);
      continue;
    }
    const std::string name = variable.first.substr(kPrefix.size());
    files_.push_back({fmt::format("{}.{}", folder, name), &variable.second});
    short_env_.emplace_back(variable.first + "_FILE", files_.back().path);
  }
}

Status ValueFiles::Write() const {
  for (const File& file : files_) NM_RETURN_IF_ERROR(WriteFile(file.path, *file.value));
  return Ok();
}

void ValueFiles::Remove() const {
  for (const File& file : files_) ::unlink(file.path.c_str());
}

}  // namespace nightmill
