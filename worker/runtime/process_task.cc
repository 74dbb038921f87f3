#include "worker/runtime/process_task.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <algorithm>
#include <utility>

#include "worker/runtime/clock.h"

namespace nightmill {
namespace {

using namespace std::chrono_literals;

constexpr Duration kFirstSpawnDelay = 100ms;
constexpr Duration kMaxSpawnDelay = 5s;
constexpr Duration kSpawnPatience = 30s;
// What a leader's leftovers get before they are told to end.
constexpr Duration kSettleTime = 250ms;
constexpr Duration kCloseEvery = 10ms;
// Of util-linux, which is essential in Debian: sets limits of its own process and becomes the rest.
constexpr const char* kPrlimit = "/usr/bin/prlimit";
// Tasks give way to the daemon: its commits are twice as fast beside niced ones.
constexpr int kTaskNice = 10;

Environment WorkerVariables(const AttemptSpec& spec, const std::string& mark,
                            const TaskOutput& output) {
  Environment env = {{std::string(kMarkVariable), mark},
                     {"NIGHTMILL_ATTEMPT", std::to_string(spec.id.value)}};
  if (!output.directory().empty()) {
    env.emplace_back("NIGHTMILL_OUTPUT", output.file());
    env.emplace_back("NIGHTMILL_OUTPUT_DIR", output.directory());
  }
  return env;
}

// Limits have to be there before the program is: a shell's children inherit what it has when it
// forks. Limits on processes and processor time of a whole tree need cgroups.
std::vector<std::string> LauncherOf(const TaskLimits& limits) {
  std::vector<std::string> words;
  const auto limit = [&words](std::string_view option, const std::optional<std::int64_t>& value) {
    if (value) words.push_back(fmt::format("--{}={}", option, *value));
  };
  limit("data", limits.memory_bytes);
  limit("fsize", limits.file_size_bytes);
  if (words.empty()) return words;
  words.insert(words.begin(), kPrlimit);
  words.emplace_back("--");
  return words;
}

}  // namespace

ProcessTask::ProcessTask(ProcessContext& context, AttemptSpec spec)
    : context_(context),
      spec_(std::move(spec)),
      mark_(AttemptMark(spec_.incarnation, spec_.id)),
      output_(spec_.output_dir, context.spares),
      values_(spec_.env, spec_.output_dir),
      first_env_(WorkerVariables(spec_, mark_, output_)),
      pidfd_(context.io),
      timer_(context.io),
      spawn_delay_(kFirstSpawnDelay) {}

wire::HeldState ProcessTask::state() const {
  if (cause_ != EndCause::kNone || force_ != Force::kNone) return wire::HeldState::kKilling;
  return pid_ == 0 ? wire::HeldState::kStarting : wire::HeldState::kRunning;
}

bool ProcessTask::restless() const {
  return BootTime() - began_ < 1s || (log_ && log_->flooding());
}

void ProcessTask::Start() {
  began_ = BootTime();
  Result<LogSink> log = LogSink::Open(spec_.log_path, spec_.limits.log_bytes);
  if (!log.ok()) return Refuse({SpawnFailure::kRefused, log.error().message});
  log_ = std::move(log).value();
  if (const Status prepared = output_.Prepare(); !prepared.ok()) {
    return Refuse({SpawnFailure::kRefused, prepared.error().message});
  }
  if (const Status written = values_.Write(); !written.ok()) {
    return Refuse({SpawnFailure::kRefused, written.error().message});
  }
  TrySpawn();
}

void ProcessTask::TrySpawn() {
  SpawnRequest request;
  request.argv = spec_.argv;
  request.launcher = LauncherOf(spec_.limits);
  request.first_env = &first_env_;
  request.env = &values_.env();
  request.cwd = spec_.cwd;
  request.out_fd = log_->fd();
  auto spawned = Spawn(request);
  if (auto* process = std::get_if<SpawnedProcess>(&spawned)) return Watch(std::move(*process));
  const SpawnError& error = std::get<SpawnError>(spawned);
  // Busy is the machine's trouble, not the task's: wait with the place kept, then hand it back as
  // lost, which uses no try.
  if (error.failure == SpawnFailure::kBusy && BootTime() - began_ < kSpawnPatience) {
    ArmTimer(spawn_delay_, &ProcessTask::TrySpawn);
    spawn_delay_ = std::min(2 * spawn_delay_, kMaxSpawnDelay);
    return;
  }
  Refuse(error);
}

void ProcessTask::Refuse(const SpawnError& error) {
  if (log_) log_->Note(error.message);
  output_.DiscardEmpty();
  if (error.failure == SpawnFailure::kRefused) {
    return Finish(ReportFor(spec_, outcome::Failed{"launch", error.message, -1, 0}));
  }
  Finish(ReportFor(spec_, outcome::Lost{"start refused: " + error.message}));
}

void ProcessTask::Watch(SpawnedProcess process) {
  pid_ = process.pid;
  started_at_ = WallTime();
  context_.offspring.Adopt(pid_);
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(pid_), kTaskNice);
  pidfd_.assign(process.pidfd.release());
  pidfd_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                    [self = shared_from_this()](const boost::system::error_code& error) {
                      if (!error && !self->exited_) self->LeaderExited();
                    });
  if (spec_.timeout) {
    deadline_ = BootTime() + *spec_.timeout;
    ArmTimer(*spec_.timeout, &ProcessTask::Look);
  }
  context_.observer.started(spec_, pid_, &process);
}

void ProcessTask::Look() {
  if (done_) return;
  if (log_) log_->Trim();
  if (deadline_ && !exited_ && cause_ == EndCause::kNone && BootTime() >= *deadline_) {
    if (log_) log_->Note("timeout: " + FormatDuration(*spec_.timeout));
    End(EndCause::kTimedOut);
  }
}

void ProcessTask::End(EndCause cause) {
  if (done_ || cause_ != EndCause::kNone) return;
  cause_ = cause;
  if (pid_ == 0) {
    output_.DiscardEmpty();
    return Finish(ReportFor(spec_, OutcomeOf(cause_)));
  }
  if (force_ == Force::kNone) Terminate();
}

void ProcessTask::Terminate() {
  force_ = Force::kTerm;
  force_until_ = BootTime() + spec_.kill_grace;
  if (exited_) {
    SignalLeftovers(SIGTERM);
    return ArmTimer(kCloseEvery, &ProcessTask::CloseTree);
  }
  ::kill(-pid_, SIGTERM);
  ArmTimer(spec_.kill_grace, &ProcessTask::Destroy);
}

void ProcessTask::Destroy() {
  force_ = Force::kKill;
  if (exited_) {
    SignalLeftovers(SIGKILL);
    return ArmTimer(kCloseEvery, &ProcessTask::CloseTree);
  }
  // Whose environment and session were changed is known as ours only while its parents live.
  for (const pid_t pid : Descendants(pid_)) claimed_.insert(pid);
  ::kill(-pid_, SIGKILL);
}

void ProcessTask::LeaderExited() {
  // The zombie still holds the number of its group, so this cannot hit anybody else.
  if (force_ == Force::kKill) ::kill(-pid_, SIGKILL);
  rusage usage{};
  if (::wait4(pid_, &status_, WNOHANG, &usage) != pid_) return;
  exited_ = true;
  usage_ = UsageOf(usage);
  context_.offspring.Forget(pid_);
  boost::system::error_code ignored;
  pidfd_.close(ignored);
  timer_.cancel();
  if (force_ == Force::kNone) force_until_ = BootTime() + kSettleTime;
  CloseTree();
}

void ProcessTask::CloseTree() {
  if (Leftovers().empty()) return Complete();
  if (force_ == Force::kKill) return Destroy();
  if (BootTime() < force_until_) return ArmTimer(kCloseEvery, &ProcessTask::CloseTree);
  if (force_ == Force::kNone) return Terminate();
  Destroy();
}

std::vector<pid_t> ProcessTask::Leftovers() {
  std::vector<pid_t> mine;
  for (const Offspring::Orphan& orphan : context_.offspring.Orphans()) {
    if (orphan.session == pid_ || orphan.mark == mark_ || claimed_.contains(orphan.pid)) {
      mine.push_back(orphan.pid);
    }
  }
  return mine;
}

void ProcessTask::SignalLeftovers(int signal) {
  for (const pid_t pid : Leftovers()) {
    for (const pid_t below : Descendants(pid)) {
      claimed_.insert(below);
      if (signal == SIGKILL) ::kill(below, SIGKILL);
    }
    ::kill(pid, signal);
  }
}

void ProcessTask::ArmTimer(Duration delay, void (ProcessTask::*then)()) {
  timer_.expires_after(delay);
  timer_.async_wait([self = shared_from_this(), then](const boost::system::error_code& error) {
    if (!error && !self->done_) ((*self).*then)();
  });
}

void ProcessTask::Complete() {
  AttemptReport report = ReportFor(spec_, outcome::Succeeded{});
  report.outcome = cause_ == EndCause::kNone ? OwnOutcome(report) : OutcomeOf(cause_);
  report.usage = usage_;
  report.started_at = started_at_;
  log_->Trim();
  if (std::holds_alternative<outcome::Succeeded>(report.outcome)) {
    report.artifact = output_.KeepArtifact();
  } else if (!output_.DiscardEmpty()) {
    context_.background.Run([folder = spec_.output_dir] { TaskOutput::Discard(folder); });
  }
  Finish(std::move(report));
}

AttemptOutcome ProcessTask::OwnOutcome(AttemptReport& report) const {
  if (WIFSIGNALED(status_)) return FailedBySignal(WTERMSIG(status_));
  const int code = WEXITSTATUS(status_);
  if (code == 0) {
    Result<std::string> output = output_.Take(spec_.output);
    if (!output.ok()) {
      const Error& error = output.error();
      const std::string hint = error.hint.empty() ? "" : "; " + error.hint;
      return outcome::Failed{"output", error.message + hint, 0, 0};
    }
    report.output = std::move(output).value();
    return outcome::Succeeded{};
  }
  if (code == spec_.skip_exit_code) return outcome::Skipped{};
  const char* const kind = code == spec_.no_retry_exit_code ? "no_retry" : "exit";
  return outcome::Failed{kind, fmt::format("exit code {}", code), code, 0};
}

void ProcessTask::Finish(AttemptReport report) {
  done_ = true;
  timer_.cancel();
  values_.Remove();
  context_.observer.finished(std::move(report));
}

}  // namespace nightmill
