// What users do to runs that are there: mark and clear (semantics.md 11). A part of event.h.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/strong_id.h"
#include "core/model/change.h"
#include "core/model/dag.h"

namespace nightmill::event {

// A finished run as the store has it.
struct LoadedRun {
  DagRunRow run;
  std::vector<TaskInstanceRow> tasks;
};
// The note of a run and, if asked for, its end: everything unfinished is ended, and the run has
// this state (semantics.md 11).
struct MarkRun {
  RequestId request;
  std::string dag_id;
  std::string run_id;
  std::optional<std::string> note;
  std::optional<RunState> state;  // success or failed
  // Filled by the shell right before Apply, if the run is there and finished.
  std::optional<LoadedRun> finished;
};
// Task instances to run again, with their tries going on to be counted; each descendant that never
// ran goes with them (semantics.md 11). The answer lists what is touched, as it was.
struct ClearTasks {
  struct Pick {
    std::string task_id;
    std::optional<int> map_index;  // absent: all instances
  };
  RequestId request;
  std::string dag_id;
  std::vector<RunKey> runs;
  std::optional<std::vector<Pick>> tasks;  // absent: all
  bool upstream = false;
  bool downstream = false;
  bool only_failed = false;
  bool only_running = false;
  bool only_new = false;  // none of those that are there, only tasks that the version adds
  bool reset_runs = true;
  bool latest_version = false;
  bool prevent_running = false;
  bool dry_run = true;
  std::optional<std::string> note;
  // Versions that the runs are pinned to, by number, from the caller.
  std::map<int, std::shared_ptr<const Dag>> versions;
  // Filled by the shell right before Apply: those of the runs that are finished.
  std::vector<LoadedRun> finished;
};

}  // namespace nightmill::event
