// Rows with what a reader needs of the rows they belong to. A part of store/views.h.
#pragma once

#include <cstdint>
#include <optional>
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

// How many instances of a task are in one unfinished state over all runs pinned to one version. A
// task's pools and slots are in the source of that version: the caller multiplies.
struct LiveTaskCount {
  std::string dag_id;
  int version = 0;
  std::string task_id;
  TaskState state = TaskState::kNone;  // scheduled, queued, running, restarting, deferred,
                                       // up_for_retry
  std::int64_t count = 0;
};

// A warning or miss with what became of it; run_id is "" without a run.
struct SlaMissView {
  SlaMissRow miss;
  SlaRow sla;
  std::string run_id;
  std::optional<Instant> logical_date;  // of the run
};

// An event with what a reader needs of its run.
struct EventView {
  EventRow event;
  std::string run_id;  // "" if it is of no run
  BackfillId backfill;
};

}  // namespace nightmill
