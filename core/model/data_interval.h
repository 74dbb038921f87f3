// The half-open stretch of time [start, end) whose data a run processes (semantics.md 2.3).
#pragma once

#include "core/base/time.h"

namespace nightmill {

struct DataInterval {
  Instant start;
  Instant end;

  auto operator<=>(const DataInterval&) const = default;
};

}  // namespace nightmill
