// The only place of the daemon that asks a clock (reliability.md R6). Wall time serves timetables
// and display; spans (leases, deadlines) are measured by time since boot, which no clock jump
// moves.
#pragma once

#include "core/base/time.h"

namespace nightmill {

Instant WallNow();
// CLOCK_BOOTTIME: counts suspends too, never goes back.
Duration BootNow();

}  // namespace nightmill
