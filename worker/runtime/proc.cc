#include "worker/runtime/proc.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>

#include <charconv>
#include <memory>

namespace nightmill {
namespace {

std::string ReadWhole(int fd) {
  std::string text;
  char block[8192];
  off_t at = 0;
  while (true) {
    const ssize_t n = ::pread(fd, block, sizeof block, at);
    if (n <= 0) return text;
    text.append(block, static_cast<std::size_t>(n));
    at += n;
  }
}

std::string ReadFileText(const char* path) {
  const UniqueFd fd(::open(path, O_RDONLY | O_CLOEXEC));
  return fd.valid() ? ReadWhole(fd.get()) : std::string();
}

template <class T>
T Number(std::string_view text) {
  T value{};
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::vector<pid_t> Pids(std::string_view list) {
  std::vector<pid_t> pids;
  for (std::size_t begin = 0; begin < list.size();) {
    const std::size_t end = std::min(list.find(' ', begin), list.size());
    if (end > begin) pids.push_back(Number<pid_t>(list.substr(begin, end - begin)));
    begin = end + 1;
  }
  return pids;
}

// Calls f with each entry of /proc or /proc/<pid>/task that is a number.
template <class F>
void ForEachNumber(const char* path, F f) {
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(path), ::closedir);
  if (!dir) return;
  while (const dirent* entry = ::readdir(dir.get())) {
    if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9') f(Number<pid_t>(entry->d_name));
  }
}

std::vector<pid_t> ChildrenByScan(pid_t parent) {
  std::vector<pid_t> children;
  for (const pid_t pid : AllPids()) {
    const std::optional<ProcStat> stat = ReadProcStat(pid);
    if (stat && stat->parent == parent) children.push_back(pid);
  }
  return children;
}

}  // namespace

std::optional<ProcStat> ReadProcStat(pid_t pid) {
  const std::string text = ReadFileText(fmt::format("/proc/{}/stat", pid).c_str());
  // The name in parentheses may hold anything, also spaces and parentheses.
  const std::size_t close = text.rfind(") ");
  if (close == std::string::npos) return std::nullopt;
  std::string_view rest = std::string_view(text).substr(close + 2);
  ProcStat stat;
  stat.pid = pid;
  stat.state = rest.empty() ? '?' : rest[0];
  for (int field = 3; !rest.empty(); ++field) {
    const std::size_t space = std::min(rest.find(' '), rest.size() - 1);
    if (field == 4) stat.parent = Number<pid_t>(rest);
    if (field == 6) stat.session = Number<pid_t>(rest);
    if (field == 22) {
      stat.start_ticks = Number<std::int64_t>(rest);
      return stat;
    }
    rest.remove_prefix(space + 1);
  }
  return std::nullopt;
}

std::optional<std::string> ReadMark(pid_t pid) {
  const std::string text = ReadFileText(fmt::format("/proc/{}/environ", pid).c_str());
  const std::string key = fmt::format("{}=", kMarkVariable);
  for (std::size_t at = text.find(key); at != std::string::npos; at = text.find(key, at + 1)) {
    if (at != 0 && text[at - 1] != '\0') continue;
    const std::size_t begin = at + key.size();
    return text.substr(begin, text.find('\0', begin) - begin);
  }
  return std::nullopt;
}

std::vector<pid_t> AllPids() {
  std::vector<pid_t> pids;
  ForEachNumber("/proc", [&pids](pid_t pid) { pids.push_back(pid); });
  return pids;
}

std::vector<pid_t> Descendants(pid_t pid) {
  std::vector<pid_t> found;
  std::vector<pid_t> todo = {pid};
  while (!todo.empty()) {
    const pid_t parent = todo.back();
    todo.pop_back();
    ForEachNumber(fmt::format("/proc/{}/task", parent).c_str(), [&](pid_t thread) {
      const std::string list =
          ReadFileText(fmt::format("/proc/{}/task/{}/children", parent, thread).c_str());
      for (const pid_t child : Pids(list)) {
        found.push_back(child);
        todo.push_back(child);
      }
    });
  }
  return found;
}

std::string BootId() {
  std::string text = ReadFileText("/proc/sys/kernel/random/boot_id");
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

std::int64_t OomKills() {
  const std::string text = ReadFileText("/proc/vmstat");
  const std::size_t at = text.find("\noom_kill ");
  return at == std::string::npos ? 0 : Number<std::int64_t>(std::string_view(text).substr(at + 10));
}

std::int64_t ResidentBytes() {
  const std::string text = ReadFileText("/proc/self/statm");
  const std::size_t space = text.find(' ');
  if (space == std::string::npos) return 0;
  return Number<std::int64_t>(std::string_view(text).substr(space + 1)) * ::sysconf(_SC_PAGESIZE);
}

ChildList::ChildList() : file_(::open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC)) {}

std::vector<pid_t> ChildList::Read() const {
  return file_.valid() ? Pids(ReadWhole(file_.get())) : ChildrenByScan(::getpid());
}

}  // namespace nightmill
