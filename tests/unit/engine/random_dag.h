// Random DAGs whose tasks' fates are fixed per (task, index, try), and an oracle that says how a
// run of such a DAG must end whatever the order of events: an evaluator of semantics.md 1.2, 3, 5
// and 6 in topological order, without time, counters, retries in flight or a scheduler.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/base/rng.h"
#include "core/model/dag.h"
#include "core/model/task_attempt.h"
#include "core/rules/task_state.h"

namespace nightmill {

// How a sensor's condition behaves.
enum class SensorFate { kMet, kErrsFirst, kNever };

struct RandomDag {
  std::uint64_t seed = 0;
  std::shared_ptr<const Dag> dag;

  // How this try ends, if nothing from outside interferes.
  AttemptOutcome FateOf(const std::string& task, int map_index, int try_number) const;
  SensorFate SensorFateOf(const std::string& task, int map_index) const;
  // JSON that the task writes when it succeeds.
  std::string OutputOf(const std::string& task) const;
  // For people: one line per task.
  std::string Text() const;
};

struct RandomDagOptions {
  // Fields whose effect depends on the order of events: fail_fast, max_failures, timeouts.
  bool ordered_effects = false;
};

RandomDag MakeRandomDag(std::uint64_t seed, const RandomDagOptions& options);

struct Ending {
  std::map<std::pair<std::string, int>, TaskState> tasks;
  std::map<std::pair<std::string, int>, int> tries;
  bool run_failed = false;
  int hidden_failures = 0;
};

// The end of every run of this DAG. Only for DAGs made without `ordered_effects`.
Ending Foretell(const RandomDag& random);

}  // namespace nightmill
