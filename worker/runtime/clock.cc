#include "worker/runtime/clock.h"

#include <time.h>
#include <unistd.h>

namespace nightmill {
namespace {

std::chrono::nanoseconds Read(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

}  // namespace

Instant WallTime() {
  return Instant(std::chrono::duration_cast<std::chrono::microseconds>(Read(CLOCK_REALTIME)));
}

Duration BootTime() { return std::chrono::duration_cast<Duration>(Read(CLOCK_BOOTTIME)); }

std::int64_t BootTicks() {
  static const std::int64_t ticks_per_second = sysconf(_SC_CLK_TCK);
  return Read(CLOCK_BOOTTIME).count() / (1'000'000'000 / ticks_per_second);
}

}  // namespace nightmill
