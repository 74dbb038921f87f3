// Rows with what a reader needs of the rows they belong to. A part of store/views.h.
#pragma once

#include <cstdint>
#include <string>

#include "core/model/change.h"

namespace nightmill {

// Slots of a backfill grouped by what became of them. `run_state` is the state of the run as it is;
// "" without one.
struct BackfillSlotCount {
  std::string state;
  std::string run_state;
  std::int64_t count = 0;
};

struct BackfillSlotView {
  BackfillSlotRow slot;
  std::string run_id;     // "" without a run
  std::string run_state;  // likewise
};

// Instances of one task of one run in one state.
struct TaskCell {
  RunKey run;
  std::string task_id;
  TaskState state = TaskState::kNone;
  std::int64_t count = 0;
};

// An event with what a reader needs of its run.
struct EventView {
  EventRow event;
  std::string run_id;  // "" if it is of no run
  BackfillId backfill;
};

}  // namespace nightmill
