// What a worker and one of its operator hosts say to each other: one attempt at a time, so only its
// spec names it. Plain values; codec.h turns them into frames.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "core/model/task_attempt.h"
#include "worker/protocol/messages.h"

namespace nightmill::wire {

struct HostRun {
  AttemptSpec spec;
};
struct HostCancel {};
struct HostLeave {
  bool granted = false;
  std::string reason;
};
using ToHost = std::variant<HostRun, HostCancel, HostLeave>;

struct HostStarted {};  // written before operator code runs
struct HostProgress {
  AttemptProgress progress;
};
struct HostAsksLeave {};
struct HostDone {
  bool ok = false;
  std::string kind;             // of the failure: an operator error code
  std::string message;          // of the failure, one line
  std::string output = "null";  // JSON: the operator's result, or its error
  ResourceUsage usage;          // of this attempt
  std::int64_t rss_bytes = 0;   // of the host now; decides on recycling
};
using FromHost = std::variant<HostStarted, HostProgress, HostAsksLeave, HostDone>;

}  // namespace nightmill::wire
