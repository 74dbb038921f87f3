#include "worker/runtime/attempt_end.h"

#include <fmt/format.h>

#include <csignal>
#include <cstring>
#include <utility>

#include "core/base/check.h"
#include "worker/runtime/clock.h"
#include "worker/runtime/proc.h"

namespace nightmill {

AttemptReport ReportFor(const AttemptSpec& spec, AttemptOutcome outcome) {
  AttemptReport report;
  report.id = spec.id;
  report.epoch = spec.epoch;
  report.incarnation = spec.incarnation;
  report.targets = spec.targets;
  report.outcome = std::move(outcome);
  report.ended_at = WallTime();
  return report;
}

AttemptOutcome OutcomeOf(EndCause cause) {
  switch (cause) {
    case EndCause::kKilled:
      return outcome::Killed{};
    case EndCause::kTimedOut:
      return outcome::TimedOut{};
    case EndCause::kStopped:
      return outcome::Lost{"worker stopped"};
    case EndCause::kServerStopped:
      return outcome::Lost{"the server was stopped with --cancel"};
    case EndCause::kNone:
      break;
  }
  CHECK_MSG(false, "no cause");
  return outcome::Killed{};
}

outcome::Failed FailedBySignal(int signal) {
  static std::int64_t oom_kills_seen = OomKills();
  const char* name = ::sigabbrev_np(signal);
  outcome::Failed failed;
  failed.kind = "signal";
  failed.signal = signal;
  failed.message = name == nullptr ? fmt::format("ended by signal {}", signal)
                                   : fmt::format("ended by SIG{} ({})", name, signal);
  if (signal != SIGKILL) return failed;
  const std::int64_t oom_kills = OomKills();
  if (oom_kills > std::exchange(oom_kills_seen, oom_kills)) {
    failed.kind = "oom";
    failed.message = "ended by the kernel: out of memory";
  }
  return failed;
}

ResourceUsage UsageOf(const rusage& usage) {
  constexpr std::int64_t kBlockBytes = 512;  // getrusage(2)
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  ResourceUsage result;
  result.cpu_seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime);
  result.max_rss_bytes = usage.ru_maxrss * 1024;
  result.bytes_read = usage.ru_inblock * kBlockBytes;
  result.bytes_written = usage.ru_oublock * kBlockBytes;
  return result;
}

}  // namespace nightmill
