// Notices that somebody set the wall clock, also while the daemon was down, so that spans can be
// measured by wall instants that survive a restart (reliability.md R6). Thread rule: one thread.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "core/base/time.h"
#include "store/rows.h"

namespace boost::asio {
class io_context;
}

namespace nightmill {

struct ClockReading {
  Instant wall;
  std::chrono::microseconds since_boot{0};  // CLOCK_BOOTTIME
};

class ClockWatch {
 public:
  // Steps below this are the slack of reading two clocks one after the other, and of NTP, which
  // steers both alike.
  static constexpr std::chrono::milliseconds kSlack{250};

  // `stored` is what an earlier start left behind. Of another boot it says nothing about spans:
  // then wall time decides.
  ClockWatch(std::string boot_id, const std::optional<ClockRow>& stored);

  // How far the clock was set since the last look; 0 most of the time. The first look, and each
  // that finds a step, makes a row to be stored with what follows from it.
  std::chrono::microseconds Look(const ClockReading& reading);
  std::optional<ClockRow> TakeRow();

 private:
  ClockRow now_;
  bool known_ = false;
  bool dirty_ = false;
};

// Calls `on_set` on the thread of `io` whenever the wall clock is set, from now until destruction.
class ClockSetSignal {
 public:
  ClockSetSignal(boost::asio::io_context& io, std::function<void()> on_set);
  ~ClockSetSignal();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace nightmill
