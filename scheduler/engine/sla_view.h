// Answers about SLA for readers (Engine::Slas): values, made when asked for.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/base/time.h"
#include "core/model/alert.h"
#include "core/rules/task_state.h"

namespace nightmill {

// A task instance that holds up an SLA.
struct BlockingTask {
  std::string task_id;  // "": there is no run, or it has ended
  int map_index = -1;
  std::optional<TaskState> state;
  std::optional<Instant> since;   // when it came into that state
  std::string reason;             // code of its explanation; of a slot without run that of the slot
  std::optional<Duration> p50;    // of its last successes
  std::optional<Duration> slack;  // due - forecast end of what is behind it; below 0: too late
};

// Standing of one entry on its newest slot that has not landed.
struct SlaStanding {
  std::string dag_id;
  int entry = 0;              // Engine::SlaEntries(dag_id)[entry]
  bool suppressed = false;    // the DAG is paused, and the entry is not for paused DAGs
  std::optional<SlaRow> row;  // none: nothing is armed; the last one is in the store
  std::string run_id;         // of a live run, else ""
  std::optional<Instant> predicted_end;
  std::vector<std::string> task_list;
  std::vector<BlockingTask> blocking;
  int blocking_count = 0;  // also beyond the list
};

}  // namespace nightmill
