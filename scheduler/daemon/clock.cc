#include "scheduler/daemon/clock.h"

#include <ctime>

namespace nightmill {

Instant WallNow() {
  return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
}

Duration BootNow() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return Duration{static_cast<std::int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000};
}

}  // namespace nightmill
