// A DAG as one immutable value: what a file says with defaults filled in, plus the graph derived
// from it (topological order, edges by index, priorities). Built only by BuildDag (dagfile); shared
// between threads as shared_ptr<const Dag>.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/limits.h"
#include "core/base/result.h"
#include "core/model/sla.h"
#include "core/model/task.h"
#include "core/schedule/timetable.h"

namespace nightmill {

struct Dag {
  std::string dag_id;
  std::string display_name;
  std::string description;
  std::string doc_md;
  std::vector<std::string> owners;
  std::vector<std::string> tags;
  std::optional<ScheduleSpec> schedule;        // none: triggers only
  std::shared_ptr<const Timetable> timetable;  // null iff schedule is none
  std::string params_schema = "{}";            // {"name": <JSON Schema>}, canonical JSON
  int max_active_runs = limits::kDefaultMaxActiveRuns;
  int max_active_tasks = limits::kDefaultMaxActiveTasks;  // per run
  std::optional<int> max_active_tasks_per_dag;            // over all runs
  std::optional<Duration> run_timeout;
  std::optional<Duration> queue_expiry;
  bool fail_fast = false;
  bool fail_if_any_failed = false;
  std::optional<bool> paused_upon_creation;
  std::vector<SlaSpec> sla;  // those of tasks are in Task::sla
  Callbacks on;

  // In topological order: ties keep the order of the file. Index = "task index" in the engine.
  std::vector<Task> tasks;
  std::vector<std::vector<int>> upstream;    // by task index: indices of direct parents, ascending
  std::vector<std::vector<int>> downstream;  // direct children, ascending
  std::vector<int> priority;                 // weight after weight_rule, saturated to int32

  std::string version_hash;  // SHA-256 hex of the canonical JSON (product.md 2.5)
  std::string canonical;     // canonical JSON text
  std::string source;        // the file as written
  std::string fileloc;       // path of the file, if it came from one

  // Index of a task id, or -1.
  int Find(std::string_view task_id) const;

  // Filled by Link: (id, index) sorted by id.
  std::vector<std::pair<std::string, int>> index;
};

// The SLA entries of the DAG, then those of its tasks in topological order.
std::vector<const SlaSpec*> SlaEntries(const Dag& dag);

// Orders `dag.tasks` topologically and fills upstream, downstream, priority and index. kInvalid for
// an unknown id, a self-edge, a duplicate id, or a cycle (one cycle, printed as a path "a -> b ->
// a"). core/dagfile reports the same faults with positions before calling it; linear in tasks +
// edges.
Status Link(Dag& dag);

}  // namespace nightmill
