#include "worker/runtime/spawn.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "core/base/check.h"
#include "core/base/limits.h"
#include "worker/runtime/clock.h"

extern "C" {  // glibc 2.36 forgets the linkage
#include <sys/pidfd.h>
}

namespace nightmill {
namespace {

class FileActions {
 public:
  FileActions() { CHECK(posix_spawn_file_actions_init(&actions_) == 0); }
  ~FileActions() { posix_spawn_file_actions_destroy(&actions_); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
  posix_spawn_file_actions_t* get() { return &actions_; }
  void Dup(int from, int to) { CHECK(posix_spawn_file_actions_adddup2(&actions_, from, to) == 0); }

 private:
  posix_spawn_file_actions_t actions_;
};

// One set of attributes serves every child.
const posix_spawnattr_t* Attributes() {
  static const posix_spawnattr_t* const shared = [] {
    static posix_spawnattr_t attributes;
    CHECK(posix_spawnattr_init(&attributes) == 0);
    sigset_t set;
    sigemptyset(&set);
    CHECK(posix_spawnattr_setsigmask(&attributes, &set) == 0);
    sigfillset(&set);
    CHECK(posix_spawnattr_setsigdefault(&attributes, &set) == 0);
    const int flags = POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    CHECK(posix_spawnattr_setflags(&attributes, static_cast<short>(flags)) == 0);
    return &attributes;
  }();
  return shared;
}

int DevNull() {
  static const int fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  return fd;
}

std::string_view PathOf(const SpawnRequest& request) {
  for (const Environment* env : {request.first_env, request.env}) {
    if (env == nullptr) continue;
    for (const auto& [name, value] : *env) {
      if (name == "PATH") return value;
    }
  }
  return "/usr/local/bin:/usr/bin:/bin";
}

// The program to execute, "" if PATH has none. A relative entry of PATH counts from the child's
// cwd.
std::string Resolve(const SpawnRequest& request) {
  const std::string& name = request.argv[0];
  if (name.find('/') != std::string::npos) return name;
  const std::string_view path = PathOf(request);
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find(':', begin), path.size());
    std::string file(path.substr(begin, end - begin));
    if (file.empty()) file = ".";
    if (file[0] != '/' && !request.cwd.empty()) file = request.cwd + "/" + file;
    file += "/" + name;
    struct stat info {};
    if (::stat(file.c_str(), &info) == 0 && S_ISREG(info.st_mode) &&
        ::access(file.c_str(), X_OK) == 0) {
      return file;
    }
    begin = end + 1;
  }
  return {};
}

std::vector<std::string> EnvironmentTexts(const SpawnRequest& request) {
  std::vector<std::string> texts;
  const auto add = [&texts](const std::pair<std::string, std::string>& variable) {
    std::string text;
    text.reserve(variable.first.size() + 1 + variable.second.size());
    text.append(variable.first).append(1, '=').append(variable.second);
    texts.push_back(std::move(text));
  };
  const auto is_first = [&request](const std::string& name) {
    return std::any_of(request.first_env->begin(), request.first_env->end(),
                       [&name](const auto& variable) { return variable.first == name; });
  };
  if (request.first_env != nullptr) {
    for (const auto& variable : *request.first_env) add(variable);
  }
  if (request.env != nullptr) {
    for (const auto& variable : *request.env) {
      if (request.first_env == nullptr || !is_first(variable.first)) add(variable);
    }
  }
  return texts;
}

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

bool HasNul(const std::vector<std::string>& texts) {
  return std::any_of(texts.begin(), texts.end(),
                     [](const std::string& text) { return text.find('\0') != std::string::npos; });
}

// What of it made the kernel say E2BIG.
std::string TooLong(const std::vector<std::string>& argv, const std::vector<std::string>& env) {
  const auto longer = [](const std::string& text) { return text.size() >= limits::kMaxExecString; };
  const std::string limit = fmt::format("Linux takes at most {} in one", limits::kMaxExecString);
  if (const auto it = std::find_if(argv.begin(), argv.end(), longer); it != argv.end()) {
    return fmt::format("argument {} has {} bytes, {}", it - argv.begin(), it->size(), limit);
  }
  if (const auto it = std::find_if(env.begin(), env.end(), longer); it != env.end()) {
    return fmt::format("variable {} has {} bytes, {}", it->substr(0, it->find('=')), it->size(),
                       limit);
  }
  std::size_t total = 0;
  for (const auto* texts : {&argv, &env}) {
    for (const std::string& text : *texts) total += text.size() + 1;
  }
  return fmt::format("arguments and environment together have {} bytes, Linux takes about {}",
                     total, ::sysconf(_SC_ARG_MAX));
}

SpawnError Explain(int error, const SpawnRequest& request) {
  if (error == EAGAIN || error == ENOMEM || error == EMFILE || error == ENFILE) {
    return {SpawnFailure::kBusy, fmt::format("cannot start a process now: {}", strerror(error))};
  }
  // posix_spawn tells one errno for chdir and exec alike.
  struct stat info {};
  if (!request.cwd.empty() && (::stat(request.cwd.c_str(), &info) != 0 || !S_ISDIR(info.st_mode))) {
    return {SpawnFailure::kRefused,
            fmt::format("cannot start in \"{}\": no such directory", request.cwd)};
  }
  return {SpawnFailure::kRefused,
          fmt::format("cannot start \"{}\": {}", request.argv[0], strerror(error))};
}

}  // namespace

std::variant<SpawnedProcess, SpawnError> Spawn(const SpawnRequest& request) {
  if (request.argv.empty() || request.argv[0].empty()) {
    return SpawnError{SpawnFailure::kRefused, "argv is empty"};
  }
  std::vector<std::string> argv_texts = request.argv;
  std::vector<std::string> env_texts = EnvironmentTexts(request);
  if (HasNul(argv_texts) || HasNul(env_texts) || HasNul({request.cwd})) {
    return SpawnError{SpawnFailure::kRefused, "argv, env or cwd holds a NUL character"};
  }
  const std::string program = Resolve(request);
  if (program.empty()) {
    return SpawnError{SpawnFailure::kRefused,
                      fmt::format("cannot start \"{}\": not found in PATH ({})", request.argv[0],
                                  PathOf(request))};
  }
  if (!request.launcher.empty()) {
    argv_texts[0] = program;
    argv_texts.insert(argv_texts.begin(), request.launcher.begin(), request.launcher.end());
  }
  FileActions actions;
  actions.Dup(DevNull(), 0);
  actions.Dup(request.out_fd, 1);
  actions.Dup(request.out_fd, 2);
  // Last: any of the sources above may itself have the number 3.
  if (request.extra_fd >= 0) actions.Dup(request.extra_fd, 3);
  const int first_closed = request.extra_fd >= 0 ? 4 : 3;
  CHECK(posix_spawn_file_actions_addclosefrom_np(actions.get(), first_closed) == 0);
  if (!request.cwd.empty()) {
    CHECK(posix_spawn_file_actions_addchdir_np(actions.get(), request.cwd.c_str()) == 0);
  }
  const std::vector<char*> argv = Pointers(argv_texts);
  const std::vector<char*> env = Pointers(env_texts);
  SpawnedProcess child;
  child.ticks_from = BootTicks();
  const char* const first = request.launcher.empty() ? program.c_str() : argv.front();
  const int error =
      posix_spawn(&child.pid, first, actions.get(), Attributes(), argv.data(), env.data());
  if (error == E2BIG) {
    return SpawnError{SpawnFailure::kRefused,
                      fmt::format("cannot start \"{}\": {}; write long values to a file and pass "
                                  "its name",
                                  request.argv[0], TooLong(argv_texts, env_texts))};
  }
  if (error != 0) return Explain(error, request);
  child.ticks_to = BootTicks();
  child.pidfd.reset(pidfd_open(child.pid, 0));
  if (!child.pidfd.valid()) {
    const int reason = errno;
    ::kill(-child.pid, SIGKILL);
    ::waitpid(child.pid, nullptr, 0);
    return SpawnError{SpawnFailure::kBroken,
                      fmt::format("cannot watch a new process: {}", strerror(reason))};
  }
  return child;
}

}  // namespace nightmill
