#include "worker/runtime/worker_loop.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <cstdio>
#include <deque>
#include <map>
#include <optional>
#include <unordered_set>
#include <utility>

#include "core/base/limits.h"
#include "worker/runtime/clock.h"
#include "worker/runtime/daemon_link.h"
#include "worker/runtime/operator_hosts.h"
#include "worker/runtime/pokes.h"
#include "worker/runtime/process_runner.h"
#include "worker/runtime/spool.h"

extern char** environ;

namespace nightmill {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

constexpr Duration kSweepEvery = 5ms;
// How long a new incarnation keeps the daemon waiting for the proof of death of the one before;
// what is not proved by then is reported as still being killed.
constexpr Duration kSweepFirst = 2s;
// How long a stopping worker waits for the last acks.
constexpr Duration kLastWords = 1s;
// Results in Hello; the rest follows in frames of their own.
constexpr std::size_t kHelloResultBytes = 2u << 20;
constexpr std::size_t kRememberedEnds = 4096;

Incarnation NewIncarnation() {
  Incarnation incarnation = 0;
  while (incarnation == 0) {
    CHECK(::getrandom(&incarnation, sizeof incarnation, 0) == sizeof incarnation);
  }
  return incarnation;
}

Environment OwnEnvironment() {
  Environment env;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    env.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  return env;
}

std::string OwnProgram() {
  char path[4096];
  const ssize_t n = ::readlink("/proc/self/exe", path, sizeof path);
  return n > 0 ? std::string(path, static_cast<std::size_t>(n)) : std::string();
}

// Room for the report's free parts; the fixed ones are small.
std::size_t RoughBytes(const AttemptReport& report) {
  return 1024 + 2 * report.output.size() + report.targets.size() * 256;
}

class WorkerLoop {
 public:
  WorkerLoop(WorkerOptions options, std::string boot_id);
  Status Open();
  void Run();

 private:
  // Starting over what an earlier incarnation left.
  void Recover();
  void Sweep();
  void ProveDead(bool other_boot);

  // The daemon.
  void SayHello();
  wire::Hello MakeHello();
  void On(wire::Welcome message);
  void On(wire::Refused message);
  void On(wire::StartAttempt message);
  void On(wire::KillAttempt message) { End(message.attempt, EndCause::kKilled); }
  void On(const wire::Ack& message);
  void On(wire::Poke message) { pokes_.Start(std::move(message)); }
  void On(const wire::CancelPoke& message) { pokes_.Cancel(message.poke); }
  void On(const wire::PublishAnswer& m) { hosts_.AnswerLeave(m.attempt, m.granted, m.reason); }
  void On(const wire::Shutdown& message);
  void OnMessage(wire::ToWorker message);
  void Heartbeat();

  // Attempts.
  void End(AttemptId attempt, EndCause cause);
  void OnStarted(const AttemptSpec& spec, pid_t pid, const SpawnedProcess* process);
  void OnFinished(AttemptReport report);
  void FlushSoon();

  // Ending.
  void Stop(EndCause cause);
  void MaybeEnd();
  void OnAlone();
  bool StateDirGone() const;

  struct Held {
    int places = 1;
    std::optional<wire::Started> started;  // said again after each reconnection
  };

  const WorkerOptions options_;
  const std::string boot_id_;
  const Incarnation incarnation_;
  asio::io_context io_;
  asio::signal_set signals_;
  std::unique_ptr<Spool> spool_;
  Offspring offspring_;
  Background background_;
  SpareFolders spares_;
  ProcessRunner processes_;
  OperatorHosts hosts_;
  Pokes pokes_;
  DaemonLink link_;
  asio::steady_timer heartbeat_timer_;
  asio::steady_timer sweep_timer_;
  asio::steady_timer end_timer_;
  std::optional<Remains> remains_;  // none: nothing (left) to prove
  Duration began_;

  std::map<AttemptId, Held> held_;
  int places_used_ = 0;
  std::deque<AttemptId> ended_order_;
  std::unordered_set<AttemptId> ended_;     // recently acked: a late repetition must not start them
  std::unordered_set<AttemptId> in_hello_;  // results that the last Hello carried
  bool welcomed_ = false;
  Epoch highest_epoch_;
  std::string token_;
  bool flush_posted_ = false;
  bool stopping_ = false;
};

AttemptObserver ObserverOf(WorkerLoop& loop,
                           void (WorkerLoop::*started)(const AttemptSpec&, pid_t,
                                                       const SpawnedProcess*),
                           void (WorkerLoop::*finished)(AttemptReport)) {
  return {[&loop, started](const AttemptSpec& spec, pid_t pid, const SpawnedProcess* process) {
            (loop.*started)(spec, pid, process);
          },
          [&loop, finished](AttemptReport report) { (loop.*finished)(std::move(report)); }};
}

WorkerLoop::WorkerLoop(WorkerOptions options, std::string boot_id)
    : options_(std::move(options)),
      boot_id_(std::move(boot_id)),
      incarnation_(NewIncarnation()),
      signals_(io_, SIGTERM, SIGINT),
      spares_(fmt::format("{}/spool/{}/spare", options_.state_dir, options_.name)),
      processes_({io_, offspring_, background_, spares_,
                  ObserverOf(*this, &WorkerLoop::OnStarted, &WorkerLoop::OnFinished)}),
      hosts_(io_, offspring_,
             {.host = {options_.program.empty() ? OwnProgram() : options_.program, incarnation_,
                       OwnEnvironment()},
              .slots = options_.slots},
             {ObserverOf(*this, &WorkerLoop::OnStarted, &WorkerLoop::OnFinished),
              [this](const AttemptSpec& spec) {
                link_.Send(wire::PublishLeave{spec.id, spec.epoch, spec.incarnation});
              }}),
      pokes_(io_, background_, [this](wire::PokeResult result) { link_.Send(std::move(result)); }),
      link_(io_, options_.socket.empty() ? options_.state_dir + "/worker.sock" : options_.socket,
            {[this] { SayHello(); },
             [this](wire::ToWorker message) { OnMessage(std::move(message)); },
             [this] {
               welcomed_ = false;
               heartbeat_timer_.cancel();
               MaybeEnd();
             },
             [this] { OnAlone(); }}),
      heartbeat_timer_(io_),
      sweep_timer_(io_),
      end_timer_(io_),
      began_(BootTime()) {}

Status WorkerLoop::Open() {
  NM_ASSIGN_OR_RETURN(
      spool_,
      Spool::Open({.directory = fmt::format("{}/spool/{}", options_.state_dir, options_.name),
                   .incarnation = incarnation_,
                   .boot_id = boot_id_},
                  io_));
  return Ok();
}

void WorkerLoop::Run() {
  signals_.async_wait([this](const boost::system::error_code& error, int) {
    if (!error) Stop(EndCause::kStopped);
  });
  Recover();
  io_.run();
}

// ---- what an earlier incarnation left

void WorkerLoop::Recover() {
  ProveDead(/*other_boot=*/true);
  std::vector<Remains::Leader> leaders;
  for (const auto& [id, entry] : spool_->entries()) {
    if (!entry.open() || entry.pid == 0) continue;
    leaders.push_back({static_cast<pid_t>(entry.pid), entry.ticks_from, entry.ticks_to});
  }
  remains_.emplace(spool_->earlier_incarnations(), std::move(leaders));
  Sweep();
  if (remains_) {
    end_timer_.expires_after(kSweepFirst);
    end_timer_.async_wait([this](const boost::system::error_code& error) {
      if (!error && remains_) link_.Dial();
    });
  }
}

void WorkerLoop::Sweep() {
  if (!remains_->Sweep()) {
    sweep_timer_.expires_after(kSweepEvery);
    sweep_timer_.async_wait([this](const boost::system::error_code& error) {
      if (!error) Sweep();
    });
    return;
  }
  remains_.reset();
  ProveDead(/*other_boot=*/false);
  if (BootTime() - began_ < kSweepFirst) {
    end_timer_.cancel();
    link_.Dial();
  }
  MaybeEnd();
}

void WorkerLoop::ProveDead(bool other_boot) {
  std::vector<AttemptId> dead;
  for (const auto& [id, entry] : spool_->entries()) {
    if (!entry.open() || entry.incarnation == incarnation_) continue;
    if (!other_boot || entry.boot_id != boot_id_) dead.push_back(id);
  }
  for (const AttemptId id : dead) {
    spool_->RecordLost(id, other_boot ? "other_boot" : "no_process");
    if (!welcomed_) continue;
    AttemptReport report;
    const SpoolEntry& entry = spool_->entries().at(id);
    report.id = id;
    report.epoch = entry.epoch;
    report.incarnation = entry.incarnation;
    report.targets = entry.targets;
    report.outcome = outcome::Lost{"worker died"};
    report.ended_at = WallTime();
    link_.Send(wire::Finished{std::move(report)});
  }
  spool_->Flush();
}

// ---- the daemon

wire::Hello WorkerLoop::MakeHello() {
  wire::Hello hello;
  hello.name = options_.name;
  hello.incarnation = incarnation_;
  hello.pid = ::getpid();
  hello.slots = options_.slots;
  hello.token = token_;
  hello.highest_epoch = highest_epoch_;
  processes_.AppendHeld(hello.held);
  hosts_.AppendHeld(hello.held);
  in_hello_.clear();
  std::size_t bytes = 0;
  for (const auto& [id, entry] : spool_->entries()) {
    if (entry.report) {
      bytes += RoughBytes(*entry.report);
      if (bytes <= kHelloResultBytes) {
        hello.results.push_back(*entry.report);
        in_hello_.insert(id);
      } else {
        hello.held.push_back({id, entry.epoch, entry.incarnation, wire::HeldState::kEnded});
      }
    } else if (!entry.lost_proof.empty()) {
      const char* cause = entry.lost_proof == "other_boot" ? "host rebooted" : "worker died";
      hello.lost.push_back({id, entry.epoch, entry.incarnation, cause, entry.lost_proof});
    } else if (entry.incarnation != incarnation_) {
      hello.held.push_back({id, entry.epoch, entry.incarnation, wire::HeldState::kKilling});
    }
  }
  return hello;
}

void WorkerLoop::SayHello() { link_.Send(MakeHello()); }

void WorkerLoop::OnMessage(wire::ToWorker message) {
  // Before Welcome nothing else has a meaning: the epoch is not known.
  if (!welcomed_ && !std::holds_alternative<wire::Welcome>(message) &&
      !std::holds_alternative<wire::Refused>(message)) {
    return link_.Drop();
  }
  std::visit([this](auto& m) { On(std::move(m)); }, message);
}

void WorkerLoop::On(wire::Welcome message) {
  if (message.epoch < highest_epoch_) {
    fmt::print(stderr, "refused a daemon of epoch {}, have seen {}\n", message.epoch.value,
               highest_epoch_.value);
    return link_.Drop();
  }
  welcomed_ = true;
  highest_epoch_ = message.epoch;
  if (!message.next_token.empty()) token_ = std::move(message.next_token);
  wire::Ack acks;
  for (const wire::AttemptVerdict& verdict : message.verdicts) {
    if (verdict.verdict == wire::Verdict::kAck) acks.attempts.push_back(verdict.attempt);
    if (verdict.verdict == wire::Verdict::kKill) End(verdict.attempt, EndCause::kKilled);
  }
  On(acks);
  for (const auto& [id, held] : held_) {
    if (held.started) link_.Send(*held.started);
  }
  // Also what ended between Hello and Welcome.
  for (const auto& [id, entry] : spool_->entries()) {
    if (entry.report && !in_hello_.contains(id)) link_.Send(wire::Finished{*entry.report});
  }
  for (const AttemptSpec* spec : hosts_.WaitingForLeave()) {
    link_.Send(wire::PublishLeave{spec->id, spec->epoch, spec->incarnation});
  }
  Heartbeat();
}

void WorkerLoop::On(wire::Refused message) {
  fmt::print(stderr, "the daemon refused this worker: {}\n", message.reason);
  if (message.final && held_.empty()) return Stop(EndCause::kStopped);
  link_.Drop();
}

void WorkerLoop::On(wire::StartAttempt message) {
  AttemptSpec& spec = message.spec;
  const auto known = spool_->entries().find(spec.id);
  if (known != spool_->entries().end()) {
    if (known->second.report) link_.Send(wire::Finished{*known->second.report});
    return;
  }
  if (ended_.contains(spec.id)) return;
  if (stopping_ || spec.incarnation != incarnation_) {
    const char* why = stopping_ ? "worker is stopping" : "meant for another incarnation";
    link_.Send(
        wire::Finished{ReportFor(spec, outcome::Lost{fmt::format("start refused: {}", why)})});
    return;
  }
  held_[spec.id].places = spec.places;
  places_used_ += spec.places;
  spool_->RecordStart(spec);
  if (spec.kind == AttemptKind::kNative) {
    hosts_.Start(std::move(spec));
  } else {
    processes_.Start(std::move(spec));
  }
}

void WorkerLoop::On(const wire::Ack& message) {
  for (const AttemptId id : message.attempts) {
    const auto it = spool_->entries().find(id);
    if (it == spool_->entries().end() || it->second.open()) continue;
    spool_->Ack(id);
    ended_.insert(id);
    ended_order_.push_back(id);
    if (ended_order_.size() > kRememberedEnds) {
      ended_.erase(ended_order_.front());
      ended_order_.pop_front();
    }
  }
  FlushSoon();
  MaybeEnd();
}

void WorkerLoop::On(const wire::Shutdown& message) {
  if (message.cancel) return Stop(EndCause::kServerStopped);
  // With attempts it goes on and waits for the next daemon.
  if (held_.empty()) Stop(EndCause::kStopped);
}

void WorkerLoop::Heartbeat() {
  if (!welcomed_) return;
  wire::Heartbeat beat;
  beat.places_used = places_used_;
  beat.held = static_cast<std::int64_t>(held_.size());
  beat.unacked = static_cast<std::int64_t>(spool_->entries().size() - held_.size());
  beat.progress = hosts_.Progress();
  link_.Send(std::move(beat));
  heartbeat_timer_.expires_after(limits::kHeartbeatEvery);
  heartbeat_timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) Heartbeat();
  });
}

// ---- attempts

void WorkerLoop::End(AttemptId attempt, EndCause cause) {
  processes_.End(attempt, cause);
  hosts_.End(attempt, cause);
}

void WorkerLoop::OnStarted(const AttemptSpec& spec, pid_t pid, const SpawnedProcess* process) {
  if (process != nullptr) {
    spool_->RecordProcess(spec.id, pid, process->ticks_from, process->ticks_to);
    FlushSoon();
  }
  Held& held = held_[spec.id];
  held.started = wire::Started{spec.id, spec.epoch, spec.incarnation, pid, WallTime()};
  link_.Send(*held.started);
}

void WorkerLoop::OnFinished(AttemptReport report) {
  const auto it = held_.find(report.id);
  if (it != held_.end()) {
    places_used_ -= it->second.places;
    held_.erase(it);
  }
  spool_->RecordResult(report);
  FlushSoon();
  // A failed send costs nothing: what is in the spool is said again after the next Welcome.
  if (welcomed_) link_.Send(wire::Finished{std::move(report)});
  MaybeEnd();
}

void WorkerLoop::FlushSoon() {
  if (std::exchange(flush_posted_, true)) return;
  asio::post(io_, [this] {
    flush_posted_ = false;
    spool_->Flush();
  });
}

// ---- ending

void WorkerLoop::Stop(EndCause cause) {
  stopping_ = true;
  processes_.EndAll(cause);
  hosts_.EndAll(cause);
  MaybeEnd();
}

void WorkerLoop::MaybeEnd() {
  if (!stopping_ || !held_.empty() || remains_) return;
  if (!link_.connected() || spool_->entries().empty()) {
    spool_->Flush();
    link_.Close();
    return io_.stop();
  }
  end_timer_.expires_after(kLastWords);
  end_timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) link_.Close();
    if (!error) MaybeEnd();
  });
}

void WorkerLoop::OnAlone() {
  if (!held_.empty() || remains_) return;
  if (link_.alone_for() < options_.alone_limit && !StateDirGone()) return;
  stopping_ = true;
  MaybeEnd();
}

bool WorkerLoop::StateDirGone() const {
  struct stat info {};
  return ::stat(options_.state_dir.c_str(), &info) != 0 && errno == ENOENT;
}

}  // namespace

ExitCode RunWorker(WorkerOptions options) {
  ::signal(SIGPIPE, SIG_IGN);
  BecomeSubreaper();
  WorkerLoop loop(std::move(options), BootId());
  if (const Status opened = loop.Open(); !opened.ok()) {
    fmt::print(stderr, "{}\n", opened.error().message);
    return opened.error().code == ErrorCode::kConflict ? ExitCode::kStateOwned : ExitCode::kIoError;
  }
  loop.Run();
  return ExitCode::kOk;
}

}  // namespace nightmill
