// One process attempt, from spawn to the proof that nothing of it is left. The worker decides
// nothing about retries; it starts, watches, ends, and reports once.
//
//   starting --spawned--> running --leader exits--> closing --nothing left--> done
//                            \--ended by cause: TERM, grace, KILL--/
//
// What the leader leaves behind gets a moment to end by itself (a `tee` still draining a pipe),
// then TERM, grace and KILL. Loop thread only.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "core/model/task_attempt.h"
#include "worker/protocol/messages.h"
#include "worker/runtime/attempt_end.h"
#include "worker/runtime/background.h"
#include "worker/runtime/leftovers.h"
#include "worker/runtime/log_sink.h"
#include "worker/runtime/task_output.h"
#include "worker/runtime/value_files.h"

namespace nightmill {

// What all attempts of a worker share.
struct ProcessContext {
  boost::asio::io_context& io;
  Offspring& offspring;
  Background& background;
  SpareFolders& spares;
  AttemptObserver observer;
};

class ProcessTask : public std::enable_shared_from_this<ProcessTask> {
 public:
  ProcessTask(ProcessContext& context, AttemptSpec spec);

  void Start();
  void End(EndCause cause);
  // Cuts the log, notices a timeout that a suspended machine slept through.
  void Look();

  const AttemptSpec& spec() const { return spec_; }
  wire::HeldState state() const;
  // Young or with a flooding log: to be looked at often.
  bool restless() const;

 private:
  void TrySpawn();
  void Refuse(const SpawnError& error);
  void Watch(SpawnedProcess process);
  void LeaderExited();
  void CloseTree();
  void Terminate();
  void Destroy();
  std::vector<pid_t> Leftovers();
  void SignalLeftovers(int signal);
  void ArmTimer(Duration delay, void (ProcessTask::*then)());
  void Complete();
  void Finish(AttemptReport report);
  AttemptOutcome OwnOutcome(AttemptReport& report) const;

  ProcessContext& context_;
  const AttemptSpec spec_;
  const std::string mark_;
  const TaskOutput output_;
  const ValueFiles values_;
  const Environment first_env_;
  std::optional<LogSink> log_;

  boost::asio::posix::stream_descriptor pidfd_;
  boost::asio::steady_timer timer_;
  pid_t pid_ = 0;
  bool exited_ = false;
  bool done_ = false;
  EndCause cause_ = EndCause::kNone;
  enum class Force : std::uint8_t { kNone, kTerm, kKill } force_ = Force::kNone;
  Duration force_until_{0};            // boot time at which `force_` is raised while closing
  std::unordered_set<pid_t> claimed_;  // found below the leader when it was killed

  Duration began_{0};  // boot time of Start
  Duration spawn_delay_;
  std::optional<Duration> deadline_;  // boot time
  std::optional<Instant> started_at_;
  int status_ = 0;
  ResourceUsage usage_;
};

}  // namespace nightmill
