// The process attempts this worker holds. Loop thread only.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <memory>
#include <vector>

#include "worker/runtime/process_task.h"

namespace nightmill {

class ProcessRunner {
 public:
  explicit ProcessRunner(ProcessContext context);

  // Its start is already in the spool.
  void Start(AttemptSpec spec);
  // No-ops for attempts it does not hold.
  void End(AttemptId attempt, EndCause cause);
  void EndAll(EndCause cause);

  bool empty() const { return tasks_.empty(); }
  void AppendHeld(std::vector<wire::HeldAttempt>& held) const;

 private:
  void Look();

  ProcessContext context_;
  std::map<AttemptId, std::shared_ptr<ProcessTask>> tasks_;
  boost::asio::steady_timer look_timer_;
  bool looking_ = false;
};

}  // namespace nightmill
