#include "worker/runtime/operator_hosts.h"

#include <fmt/format.h>
#include <sys/wait.h>

#include <algorithm>
#include <utility>

#include "core/base/limits.h"
#include "worker/runtime/clock.h"

namespace nightmill {
namespace {

using namespace std::chrono_literals;

// An operator tests its flag per block; one that does not answer within this is killed, which is
// safe at any moment (compute.md 1.3).
constexpr Duration kMaxHostGrace = 2s;
constexpr Duration kSpawnRetry = 500ms;
constexpr int kMaxSpawnFailures = 60;  // 30 s
constexpr int kMaxHostsLost = 3;

outcome::Failed FailedByExit(int status) {
  return {"internal",
          fmt::format("the operator ended its host with exit code {}", WEXITSTATUS(status)),
          WEXITSTATUS(status), 0};
}

// What the death of its host, not caused by us, means for an attempt.
AttemptOutcome OutcomeOfCrash(int status) {
  if (!WIFSIGNALED(status)) return FailedByExit(status);
  outcome::Failed failed = FailedBySignal(WTERMSIG(status));
  // Nothing inside a process sends SIGKILL to it by accident: somebody killed the host, which is no
  // failure of the attempt (semantics.md 1.1, lost).
  if (failed.signal == SIGKILL && failed.kind == "signal") {
    return outcome::Lost{"operator host was killed"};
  }
  return failed;
}

}  // namespace

OperatorHosts::OperatorHosts(boost::asio::io_context& io, Offspring& offspring, Options options,
                             Observer observer)
    : io_(io),
      offspring_(offspring),
      options_(std::move(options)),
      observer_(std::move(observer)),
      retry_timer_(io) {}

OperatorHosts::Job* OperatorHosts::Find(AttemptId attempt) {
  const auto it = jobs_.find(attempt);
  return it == jobs_.end() ? nullptr : it->second.get();
}

void OperatorHosts::Start(AttemptSpec spec) {
  const AttemptId id = spec.id;
  jobs_.insert_or_assign(id, std::make_unique<Job>(io_, std::move(spec)));
  waiting_.push_back(id);
  Assign();
}

void OperatorHosts::Assign() {
  while (!waiting_.empty()) {
    Job* const job = Find(waiting_.front());
    if (job == nullptr) {
      waiting_.pop_front();
      continue;
    }
    HostPtr host = FreeHost();
    if (!host) return;
    waiting_.pop_front();
    Give(*job, std::move(host));
  }
}

// An idle host or a new one; null if there is none now, Assign is then called again.
OperatorHosts::HostPtr OperatorHosts::FreeHost() {
  for (const HostPtr& host : hosts_) {
    if (!host->attempt.valid()) return host;
  }
  if (hosts_.size() >= static_cast<std::size_t>(options_.slots)) return nullptr;
  auto started = OperatorHost::Start(
      io_, offspring_, options_.host,
      {[this](const HostPtr& host, wire::FromHost message) { OnMessage(host, std::move(message)); },
       [this](const HostPtr& host, int status) { OnGone(host, status); }});
  if (auto* host = std::get_if<HostPtr>(&started)) {
    spawn_failures_ = 0;
    hosts_.insert(*host);
    return *host;
  }
  if (++spawn_failures_ > kMaxSpawnFailures) {
    Job& job = *Find(waiting_.front());
    Finish(job, ReportFor(job.spec, outcome::Lost{"start refused: " +
                                                  std::get<SpawnError>(started).message}));
  }
  retry_timer_.expires_after(kSpawnRetry);
  retry_timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) Assign();
  });
  return nullptr;
}

void OperatorHosts::Give(Job& job, HostPtr host) {
  host->idle_timer.cancel();
  host->attempt = job.spec.id;
  job.host = std::move(host);
  job.host->Send(wire::HostRun{job.spec});
}

void OperatorHosts::OnMessage(const HostPtr& host, wire::FromHost message) {
  Job* const job = Find(host->attempt);
  if (job == nullptr || job->host != host) return;
  if (std::holds_alternative<wire::HostStarted>(message)) {
    OnStarted(*job);
  } else if (auto* progress = std::get_if<wire::HostProgress>(&message)) {
    job->progress = progress->progress;
  } else if (std::holds_alternative<wire::HostAsksLeave>(message)) {
    if (job->cause != EndCause::kNone) {
      return host->Send(wire::HostLeave{false, "the attempt is being ended"});
    }
    job->waits_for_leave = true;
    observer_.asks_leave(job->spec);
  } else {
    OnDone(*job, std::move(std::get<wire::HostDone>(message)));
  }
}

void OperatorHosts::OnStarted(Job& job) {
  job.started_at = WallTime();
  if (job.spec.timeout && job.cause == EndCause::kNone) {
    job.timer.expires_after(*job.spec.timeout);
    job.timer.async_wait([this, id = job.spec.id](const boost::system::error_code& error) {
      if (!error) End(id, EndCause::kTimedOut);
    });
  }
  observer_.attempts.started(job.spec, job.host->pid(), nullptr);
}

void OperatorHosts::OnDone(Job& job, wire::HostDone done) {
  // Told to end: whatever it came to, its host is not reused, and the report waits for its death.
  if (job.cause != EndCause::kNone) return job.host->Kill();
  AttemptReport report = ReportFor(job.spec, outcome::Succeeded{});
  report.output = std::move(done.output);
  report.usage = done.usage;
  if (!done.ok && done.kind == "cancelled") {
    report.outcome = outcome::Lost{"not allowed to publish"};
  } else if (!done.ok) {
    report.outcome = outcome::Failed{std::move(done.kind), std::move(done.message), -1, 0};
  }
  const HostPtr host = job.host;
  Release(host, done.rss_bytes);
  Finish(job, std::move(report));
  Assign();
}

void OperatorHosts::Release(const HostPtr& host, std::int64_t rss_bytes) {
  host->attempt = AttemptId{};
  if (host->attempts_done++ == 0) host->first_rss_bytes = rss_bytes;
  const bool grown = rss_bytes > host->first_rss_bytes + options_.max_growth_bytes;
  if (grown || host->attempts_done >= options_.max_attempts) {
    hosts_.erase(host);  // dying without work: it counts for nothing
    return host->Kill();
  }
  host->idle_timer.expires_after(options_.idle_limit);
  host->idle_timer.async_wait(
      [this, weak = std::weak_ptr(host)](const boost::system::error_code& error) {
        const HostPtr idle = weak.lock();
        if (error || !idle || idle->attempt.valid()) return;
        hosts_.erase(idle);
        idle->Kill();
      });
}

void OperatorHosts::OnGone(const HostPtr& host, int status) {
  hosts_.erase(host);
  host->idle_timer.cancel();
  Job* const job = Find(host->attempt);
  if (job != nullptr && job->host == host) {
    const bool began = job->started_at.has_value();
    if (job->cause == EndCause::kNone && !began && ++job->hosts_lost < kMaxHostsLost) {
      job->host = nullptr;
      waiting_.push_front(job->spec.id);
    } else {
      Finish(*job, ReportFor(job->spec, job->cause == EndCause::kNone ? OutcomeOfCrash(status)
                                                                      : OutcomeOf(job->cause)));
    }
  }
  Assign();
}

void OperatorHosts::End(AttemptId attempt, EndCause cause) {
  Job* const job = Find(attempt);
  if (job == nullptr || job->cause != EndCause::kNone) return;
  job->cause = cause;
  if (!job->host) return Finish(*job, ReportFor(job->spec, OutcomeOf(cause)));
  job->host->Send(wire::HostCancel{});
  if (std::exchange(job->waits_for_leave, false)) {
    job->host->Send(wire::HostLeave{false, "the attempt is being ended"});
  }
  job->timer.expires_after(std::min(job->spec.kill_grace, kMaxHostGrace));
  job->timer.async_wait([this, attempt](const boost::system::error_code& error) {
    Job* const late = error ? nullptr : Find(attempt);
    if (late != nullptr && late->host) late->host->Kill();
  });
}

void OperatorHosts::EndAll(EndCause cause) {
  std::vector<AttemptId> ids;
  for (const auto& [id, job] : jobs_) ids.push_back(id);
  for (const AttemptId id : ids) End(id, cause);
}

void OperatorHosts::AnswerLeave(AttemptId attempt, bool granted, const std::string& reason) {
  Job* const job = Find(attempt);
  if (job == nullptr || !std::exchange(job->waits_for_leave, false)) return;
  job->host->Send(wire::HostLeave{granted, reason});
}

void OperatorHosts::Finish(Job& job, AttemptReport report) {
  report.started_at = job.started_at;
  jobs_.erase(report.id);
  observer_.attempts.finished(std::move(report));
}

void OperatorHosts::AppendHeld(std::vector<wire::HeldAttempt>& held) const {
  for (const auto& [id, job] : jobs_) {
    wire::HeldState state = wire::HeldState::kStarting;
    if (job->cause != EndCause::kNone) {
      state = wire::HeldState::kKilling;
    } else if (job->started_at) {
      state = wire::HeldState::kRunning;
    }
    held.push_back({id, job->spec.epoch, job->spec.incarnation, state});
  }
}

std::vector<wire::AttemptProgress> OperatorHosts::Progress() const {
  std::vector<wire::AttemptProgress> all;
  for (const auto& [id, job] : jobs_) {
    if (!job->started_at) continue;
    all.push_back(job->progress);
    all.back().attempt = id;
  }
  return all;
}

std::vector<const AttemptSpec*> OperatorHosts::WaitingForLeave() const {
  std::vector<const AttemptSpec*> specs;
  for (const auto& [id, job] : jobs_) {
    if (job->waits_for_leave) specs.push_back(&job->spec);
  }
  return specs;
}

}  // namespace nightmill
