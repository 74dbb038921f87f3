// Engine::CheckInvariants: every counter equals what the rows say. For tests and simulation.
#include <fmt/format.h>

#include <algorithm>

#include "core/base/check.h"
#include "scheduler/engine/engine.h"
#include "scheduler/engine/restore.h"
#include "scheduler/engine/slas.h"
#include "scheduler/engine/transition.h"

namespace nightmill {
namespace {

bool Same(const UpstreamCounts& a, const UpstreamCounts& b) {
  return a.total == b.total && a.success == b.success && a.failed == b.failed &&
         a.upstream_failed == b.upstream_failed && a.skipped == b.skipped;
}

void CheckNode(const EngineState& state, const LiveRun& run, int task) {
  const TaskNode& node = run.nodes[static_cast<std::size_t>(task)];
  const Dag& dag = *run.graph->dag;
  UpstreamCounts counts;
  for (const int parent : dag.upstream[static_cast<std::size_t>(task)]) {
    if (std::find(node.bypassed.begin(), node.bypassed.end(), parent) != node.bypassed.end()) {
      continue;
    }
    for (const Instance& instance : run.nodes[static_cast<std::size_t>(parent)].instances) {
      Count(counts, instance.row.state, +1);
    }
  }
  CHECK_MSG(Same(counts, node.counts), dag.tasks[static_cast<std::size_t>(task)].id);
  int unstarted = 0;
  int held = 0;
  for (std::size_t i = 0; i < node.instances.size(); ++i) {
    const TaskInstanceRow& row = node.instances[i].row;
    if (row.state == TaskState::kNone) unstarted += 1;
    if (HoldsSlots(row.state)) held += 1;
    CHECK(!node.ready.contains(static_cast<int>(i)) || row.state == TaskState::kScheduled);
    CHECK(row.attempt.valid() == HoldsSlots(row.state));
    if (row.attempt.valid()) CHECK(state.attempts.contains(row.attempt));
    // A deferred sensor has exactly one next step: a poke that is due or one in flight.
    const Instance& instance = node.instances[i];
    const int next = (instance.poke != 0 ? 1 : 0) + (instance.poke_due ? 1 : 0);
    CHECK_MSG(next == (row.state == TaskState::kDeferred ? 1 : 0), row.task_id);
  }
  CHECK(unstarted == node.unstarted);
  CHECK(held == node.held);
}

}  // namespace

void Engine::CheckInvariants() const {
  const EngineState& state = *state_;
  std::map<std::string, int> pools;
  std::map<std::string, int> places;
  int held = 0;
  for (const auto& [key, run] : state.runs) {
    CHECK(!IsFinished(run->row.state));
    if (run->graph == nullptr) continue;
    const RunNumbers numbers = NumbersOf(*run);
    CHECK(numbers.unfinished == run->unfinished && numbers.held == run->held);
    CHECK_MSG(run->unfinished > 0, run->row.run_id);
    held += numbers.held;
    for (std::size_t i = 0; i < run->nodes.size(); ++i) {
      CheckNode(state, *run, static_cast<int>(i));
      for (const PoolRequest& request : run->graph->dag->tasks[i].pools) {
        pools[request.name] += request.slots * run->nodes[i].held;
      }
    }
  }
  CHECK(held == state.held);
  for (const auto& [name, pool] : state.pools) {
    CHECK_MSG(pool.used == pools[name], fmt::format("pool {}", name));
    CHECK(pool.used >= 0);
  }
  for (const auto& [id, attempt] : state.attempts) places[attempt.row.worker] += attempt.row.places;
  for (const auto& [name, worker] : state.workers) CHECK(worker.used == places[name]);
  CheckSlas(state);
}

}  // namespace nightmill
