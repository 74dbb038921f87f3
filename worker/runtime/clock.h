// The only clocks of worker/runtime. Durations, timeouts and leases run on CLOCK_BOOTTIME, which
// goes on while the machine is suspended (reliability.md R6); wall time is for display.
#pragma once

#include <cstdint>

#include "core/base/time.h"

namespace nightmill {

Instant WallTime();
// Since boot.
Duration BootTime();
// Since boot, in the unit of field 22 of /proc/<pid>/stat (1/100 s).
std::int64_t BootTicks();

}  // namespace nightmill
