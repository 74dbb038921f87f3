#include "scheduler/daemon/executors/local.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <spdlog/spdlog.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "scheduler/daemon/clock.h"
#include "scheduler/daemon/state_dir.h"

namespace nightmill {
namespace {

namespace asio = boost::asio;

// A worker that lives shorter than this is started again after a growing pause.
constexpr std::int64_t kQuickDeathMs = 1'000;

int OpenPidfd(int pid) { return static_cast<int>(syscall(SYS_pidfd_open, pid, 0)); }

struct SpawnAttributes {
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_t actions;

  SpawnAttributes() {
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_init(&actions);
  }
  ~SpawnAttributes() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
  SpawnAttributes(const SpawnAttributes&) = delete;
  SpawnAttributes& operator=(const SpawnAttributes&) = delete;
};

}  // namespace

LocalExecutor::LocalExecutor(asio::io_context& io, Options options)
    : io_(io), options_(std::move(options)) {}

LocalExecutor::~LocalExecutor() = default;

Status LocalExecutor::Start() {
  if (options_.binary.empty()) return Ok();
  for (int i = 1; i <= options_.workers; ++i) {
    const std::string name = fmt::format("local-{}", i);
    const std::string lock = fmt::format("{}/spool/{}/lock", options_.state_dir, name);
    // Watched before it calls: it may be on its way out, and then a new one must come. Without a
    // pid it is just starting; the one spawned here finds the lock taken and is tried again later.
    if (const std::optional<int> pid = LockHolder(lock); pid && *pid != 0) {
      spdlog::info("worker {} (pid {}) outlived the last daemon, waiting for its call", name, *pid);
      Watch(name, *pid);
      continue;
    }
    NM_RETURN_IF_ERROR(Spawn(name));
  }
  return Ok();
}

Status LocalExecutor::Spawn(const std::string& name) {
  const std::string log = fmt::format("{}/logs/worker-{}.log", options_.state_dir, name);
  SpawnAttributes spawn;
  // Its own session: a signal to the daemon's group or terminal must not reach running tasks.
  posix_spawnattr_setflags(&spawn.attributes,
                           POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  sigset_t set;
  sigfillset(&set);
  posix_spawnattr_setsigdefault(&spawn.attributes, &set);
  sigemptyset(&set);
  posix_spawnattr_setsigmask(&spawn.attributes, &set);
  posix_spawn_file_actions_addopen(&spawn.actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&spawn.actions, 1, log.c_str(), O_WRONLY | O_CREAT | O_APPEND,
                                   0600);
  posix_spawn_file_actions_adddup2(&spawn.actions, 1, 2);
  posix_spawn_file_actions_addclosefrom_np(&spawn.actions, 3);

  std::vector<std::string> args = {options_.binary,
                                   "--state-dir",
                                   options_.state_dir,
                                   "--name",
                                   name,
                                   "--slots",
                                   std::to_string(options_.slots),
                                   "--socket",
                                   options_.socket};
  std::vector<char*> argv;
  for (std::string& arg : args) argv.push_back(arg.data());
  argv.push_back(nullptr);
  std::vector<std::string> env;
  for (const auto& [key, value] : options_.env) env.push_back(key + "=" + value);
  std::vector<char*> envp;
  for (std::string& entry : env) envp.push_back(entry.data());
  envp.push_back(nullptr);

  pid_t pid = 0;
  const int error = posix_spawn(&pid, options_.binary.c_str(), &spawn.actions, &spawn.attributes,
                                argv.data(), envp.data());
  if (error != 0) {
    return NotFound(
        fmt::format("cannot start worker {}: {}", options_.binary, std::strerror(error)),
        "install nightmill-worker beside nightmill");
  }
  workers_[name].started_ms = BootNow().count();
  Watch(name, pid);
  return Ok();
}

void LocalExecutor::Watch(const std::string& name, int pid) {
  Worker& worker = workers_[name];
  if (worker.pid == pid && worker.pidfd) return;
  worker.restart.reset();
  const int fd = OpenPidfd(pid);
  if (fd < 0) return OnDeath(name, pid);
  worker.pid = pid;
  worker.pidfd = std::make_unique<asio::posix::stream_descriptor>(io_, fd);
  worker.pidfd->async_wait(asio::posix::stream_descriptor::wait_read,
                           [this, name, pid](const boost::system::error_code& error) {
                             if (!error) OnDeath(name, pid);
                           });
}

void LocalExecutor::OnDeath(const std::string& name, int pid) {
  int status = 0;
  waitpid(pid, &status, WNOHANG);  // an adopted worker is not our child: nothing to reap
  Worker& worker = workers_[name];
  if (worker.pid != pid && worker.pid != 0) return;
  worker.pidfd.reset();
  worker.pid = 0;
  if (stopped_ || options_.binary.empty()) return;
  const bool quick = BootNow().count() - worker.started_ms < kQuickDeathMs;
  worker.quick_deaths = quick ? worker.quick_deaths + 1 : 0;
  const int pause_ms = quick ? std::min(100 << std::min(worker.quick_deaths, 8), 20'000) : 0;
  spdlog::warn("worker {} (pid {}) ended, starting it again in {} ms", name, pid, pause_ms);
  worker.restart = std::make_unique<asio::steady_timer>(io_);
  worker.restart->expires_after(std::chrono::milliseconds(pause_ms));
  worker.restart->async_wait([this, name](const boost::system::error_code& error) {
    if (error || stopped_) return;
    const Status started = Spawn(name);
    if (!started.ok()) spdlog::error("{}", started.error().message);
  });
}

void LocalExecutor::Fence(const std::string& name, int pid) {
  const auto it = workers_.find(name);
  if (it == workers_.end() || it->second.pid != pid) return;
  // Still the process that the pidfd names, so the pid cannot have been given to somebody else.
  syscall(SYS_pidfd_send_signal, it->second.pidfd->native_handle(), SIGKILL, nullptr, 0);
}

void LocalExecutor::Stop() {
  stopped_ = true;
  for (auto& [name, worker] : workers_) {
    if (worker.restart) worker.restart->cancel();
  }
}

}  // namespace nightmill
