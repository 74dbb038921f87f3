// What the engine waits for, and which instance a reference means. Private to scheduler/engine.
//
// A timer is a hint: it is never taken back, so whoever handles one asks the rows whether its time
// has come (engine.cc).
#pragma once

#include <algorithm>
#include <compare>
#include <cstdint>
#include <functional>
#include <queue>
#include <string>
#include <vector>

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
  kSla,
};
struct Timer {
  Instant at;
  TimerKind kind = TimerKind::kSlot;
  RunKey run = {};
  int task = -1;
  int position = -1;
  std::string dag_id = {};  // kSlot and kSla
  auto operator<=>(const Timer&) const = default;
};

// The earliest timer first.
class TimerQueue : private std::priority_queue<Timer, std::vector<Timer>, std::greater<>> {
 public:
  using priority_queue::empty;
  using priority_queue::pop;
  using priority_queue::push;
  using priority_queue::size;
  using priority_queue::top;

  // Linear. `change` may set the time of a timer anew.
  template <class Change>
  void Update(Change change) {
    for (Timer& timer : c) change(timer);
    std::make_heap(c.begin(), c.end(), comp);
  }
  // Linear; gives the memory back.
  template <class Dead>
  void EraseIf(Dead dead) {
    std::erase_if(c, dead);
    c.shrink_to_fit();
    std::make_heap(c.begin(), c.end(), comp);
  }
};

struct EngineState;
struct LiveRun;
// Sets a timer of a run; `timer.run` is filled in.
void Arm(EngineState& state, LiveRun& run, Timer timer);
// Timers of runs that have ended would stay until they are due, which may be a day: they go as soon
// as they are half of all. What a run costs to forget is thus paid by the timers it set.
void SweepTimers(EngineState& state);

// An instance by its place in a LiveRun: task index, position among the instances.
struct InstanceRef {
  RunKey run;
  int task = 0;
  int position = 0;
  auto operator<=>(const InstanceRef&) const = default;
};

}  // namespace nightmill
