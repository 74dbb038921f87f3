#include "scheduler/daemon/clock.h"

#include <ctime>
#include <fstream>
#include <string>

namespace nightmill {
namespace {

std::chrono::microseconds SinceBoot() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return std::chrono::seconds{now.tv_sec} + std::chrono::microseconds{now.tv_nsec / 1000};
}

}  // namespace

Instant WallNow() {
  return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
}

Duration BootNow() { return std::chrono::floor<Duration>(SinceBoot()); }

ClockReading ReadClocks() { return {WallNow(), SinceBoot()}; }

std::string BootId() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(file, id);
  return id;
}

}  // namespace nightmill
