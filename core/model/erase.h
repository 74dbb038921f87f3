// Changes that take a row away, by its key. A part of core/model/change.h.
#pragma once

#include <string>

#include "core/base/strong_id.h"

namespace nightmill {

// Removes task instances of an index range that re-expansion replaced (the unmapped -1 row).
struct EraseTaskInstance {
  RunKey run;
  std::string task_id;
  int map_index = -1;
};

struct ErasePool {
  std::string name;
};

}  // namespace nightmill
