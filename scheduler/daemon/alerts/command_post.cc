#include "scheduler/daemon/alerts/command_post.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <string_view>

namespace nightmill {
namespace {

constexpr int kLookMs = 50;
constexpr std::size_t kMaxTail = 400;  // bytes of stderr that are kept

// The alert as a file of its own that lives in memory: whether, when and how much of it the program
// reads is its own affair. A pipe would hold a long alert up, and a program that ends without
// reading would send SIGPIPE. -1 if there is no descriptor or no room.
class Input {
 public:
  explicit Input(std::string_view text) : fd_(memfd_create("alert", MFD_CLOEXEC)) {
    std::size_t done = 0;
    while (fd_ >= 0 && done < text.size()) {
      const ssize_t n =
          pwrite(fd_, text.data() + done, text.size() - done, static_cast<off_t>(done));
      if (n > 0) done += static_cast<std::size_t>(n);
      if (n < 0 && errno != EINTR) Close();
    }
  }
  ~Input() { Close(); }
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;
  int fd() const { return fd_; }

 private:
  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }
  int fd_;
};

// Both ends close with it.
struct Pipe {
  std::array<int, 2> end{-1, -1};

  Pipe() {
    if (pipe2(end.data(), O_CLOEXEC) != 0) end = {-1, -1};
  }
  ~Pipe() {
    Close(0);
    Close(1);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  void Close(std::size_t i) {
    if (end[i] >= 0) close(end[i]);
    end[i] = -1;
  }
};

struct SpawnSetup {
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_t actions;

  SpawnSetup() {
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_init(&actions);
  }
  ~SpawnSetup() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
  SpawnSetup(const SpawnSetup&) = delete;
  SpawnSetup& operator=(const SpawnSetup&) = delete;
};

int Spawn(const CommandRun& run, const Input& in, const Pipe& err, pid_t& pid) {
  SpawnSetup setup;
  posix_spawnattr_setflags(&setup.attributes,
                           POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  sigset_t set;
  sigfillset(&set);
  posix_spawnattr_setsigdefault(&setup.attributes, &set);
  sigemptyset(&set);
  posix_spawnattr_setsigmask(&setup.attributes, &set);
  posix_spawn_file_actions_adddup2(&setup.actions, in.fd(), 0);
  posix_spawn_file_actions_addopen(&setup.actions, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&setup.actions, err.end[1], 2);
  posix_spawn_file_actions_addclosefrom_np(&setup.actions, 3);
  std::vector<char*> argv;
  for (const std::string& arg : run.argv) argv.push_back(const_cast<char*>(arg.c_str()));
  argv.push_back(nullptr);
  std::vector<std::string> env;
  for (const auto& [name, value] : run.env) env.push_back(name + "=" + value);
  std::vector<char*> envp;
  for (std::string& entry : env) envp.push_back(entry.data());
  envp.push_back(nullptr);
  return posix_spawn(&pid, run.argv[0].c_str(), &setup.actions, &setup.attributes, argv.data(),
                     envp.data());
}

// Reads what is there; false at the end of the stream.
bool Drain(int fd, std::string& tail) {
  std::array<char, 4096> buffer{};
  const ssize_t n = read(fd, buffer.data(), buffer.size());
  if (n < 0) return errno == EAGAIN || errno == EINTR;
  tail.append(buffer.data(), static_cast<std::size_t>(n));
  if (tail.size() > kMaxTail) tail.erase(0, tail.size() - kMaxTail);
  return n > 0;
}

std::string LastLine(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  const std::size_t end = text.rfind('\n');
  return std::string(end == std::string_view::npos ? text : text.substr(end + 1));
}

// Until the program has ended or the flight is over: reads its stderr, so that it never waits.
void Await(int pidfd, int err, const Watchdog::Flight& flight, std::string& tail) {
  bool open = true;
  while (!flight.over()) {
    std::array<pollfd, 2> wanted{pollfd{pidfd, POLLIN, 0}, pollfd{open ? err : -1, POLLIN, 0}};
    poll(wanted.data(), wanted.size(), kLookMs);
    if (open && wanted[1].revents != 0) open = Drain(err, tail);
    if (wanted[0].revents != 0) break;
  }
  if (open) Drain(err, tail);
}

CommandEnd EndOf(int status, const std::string& tail, const Watchdog::Flight& flight) {
  CommandEnd end;
  const std::string line = LastLine(tail);
  const std::string said = line.empty() ? "" : ": " + line;
  if (WIFEXITED(status)) {
    end.exited = true;
    end.code = WEXITSTATUS(status);
    if (end.code != 0) end.error = fmt::format("exit code {}{}", end.code, said);
  } else if (flight.over()) {
    end.error = flight.why();
  } else {
    end.error = fmt::format("killed by signal {}{}", WTERMSIG(status), said);
  }
  return end;
}

}  // namespace

CommandEnd RunCommand(const CommandRun& run, const Watchdog::Flight& flight) {
  CommandEnd end;
  const Input in(run.input);
  Pipe err;
  if (in.fd() < 0 || err.end[0] < 0) {
    end.error = "no descriptors or no memory are left";
    return end;
  }
  fcntl(err.end[0], F_SETFL, O_NONBLOCK);
  pid_t pid = 0;
  const int error = Spawn(run, in, err, pid);
  if (error != 0) {
    end.error = fmt::format("{} cannot be started: {}", run.argv[0], std::strerror(error));
    return end;
  }
  err.Close(1);
  const int pidfd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  std::string tail;
  Await(pidfd, err.end[0], flight, tail);
  // Ended or not: nothing of its session is left behind. The pid is ours until it is waited for.
  kill(-pid, SIGKILL);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  if (pidfd >= 0) close(pidfd);
  return EndOf(status, tail, flight);
}

}  // namespace nightmill
