// The only place of the daemon that asks a clock (reliability.md R6). Wall time serves timetables
// and display; spans (leases, deadlines) are measured by time since boot, which no clock jump
// moves.
#pragma once

#include <string>

#include "core/base/time.h"
#include "scheduler/daemon/clock_watch.h"

namespace nightmill {

Instant WallNow();
// CLOCK_BOOTTIME: counts suspends too, never goes back.
Duration BootNow();
// Both at the same moment, as near as it can be had.
ClockReading ReadClocks();
// Names the boot that CLOCK_BOOTTIME counts from; "" if the system does not tell.
std::string BootId();

}  // namespace nightmill
