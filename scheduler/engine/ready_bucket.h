// Ready task instances in the order in which they get slots (placement.cc). Private to
// scheduler/engine.
#pragma once

#include <compare>
#include <cstdint>
#include <set>
#include <vector>

#include "core/base/strong_id.h"
#include "core/base/time.h"
#include "core/model/task.h"
#include "core/rules/dag_run_state.h"

namespace nightmill {

struct ReadyKey {
  Lane lane;
  std::int64_t rank;  // minus priority
  Instant due;
  RunKey run;
  int task;
  auto operator<=>(const ReadyKey&) const = default;
};

// Tasks that ask for the same slots of the same pools: if the head does not fit, none of them does.
struct ReadyBucket {
  std::vector<PoolRequest> pools;
  std::set<ReadyKey> nodes;
};

}  // namespace nightmill
