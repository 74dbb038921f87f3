// What the engine waits for, and which instance a reference means. Private to scheduler/engine.
//
// A timer is a hint: it is never taken back, so whoever handles one asks the rows whether its time
// has come (engine.cc).
#pragma once

#include <compare>
#include <cstdint>
#include <string>

#include "core/base/strong_id.h"
#include "core/base/time.h"

namespace nightmill {

enum class TimerKind : std::uint8_t {
  kSlot,
  kRunAfter,
  kRunTimeout,
  kQueueExpiry,
  kInstanceDue,
  kSensorTimeout,
  kQueueTimeout,
  kTotalTimeout,
};
struct Timer {
  Instant at;
  TimerKind kind = TimerKind::kSlot;
  RunKey run;
  int task = -1;
  int position = -1;
  std::string dag_id;  // kSlot only
  auto operator<=>(const Timer&) const = default;
};

// An instance by its place in a LiveRun: task index, position among the instances.
struct InstanceRef {
  RunKey run;
  int task = 0;
  int position = 0;
  auto operator<=>(const InstanceRef&) const = default;
};

}  // namespace nightmill
