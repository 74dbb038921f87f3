// The scheduler's mind (architecture.md 3): state + events + now -> changes to commit, commands to
// perform, and the next instant at which time alone would change something. No I/O, clock, thread,
// environment or unseeded randomness; ties break by (lane, priority, logical date, run, task).
//
// Contract with the shell: commit all `changes` in one transaction, then perform `commands`, then
// sleep until `wake_at` or mail. History never slows the engine: finished runs are not in memory.
// Reports of workers are validated against the open attempt (id, epoch, incarnation); a stale one
// is an event row, never an error. Not thread-safe: one thread owns an Engine.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/time.h"
#include "core/model/change.h"
#include "core/model/dag.h"
#include "core/model/snapshot.h"
#include "scheduler/engine/command.h"
#include "scheduler/engine/event.h"
#include "scheduler/engine/explain.h"
#include "scheduler/engine/sla_view.h"

namespace nightmill {

struct EngineConfig {
  std::string state_dir;  // absolute; logs/ and outputs/ of attempts are below it
  std::string data_root;  // absolute; base of relative paths of native operators and sensors
  std::vector<std::pair<std::string, std::string>> base_env;  // PATH HOME LANG TZ USER TMPDIR
  int parallelism = limits::kDefaultParallelism;
  int sensor_parallelism = limits::kDefaultSensorParallelism;
  // Most short process attempts sent to a worker beyond its places, so that a place that falls free
  // starts the next one without waiting for a commit.
  int prefetch = 8;
  std::vector<NotifierRule> notifiers;  // who may be told of what
  // Of semantics.md 16; smaller ones only in tests.
  std::size_t max_dags = limits::kMaxDags;
  std::size_t max_pools = limits::kMaxPools;
  std::size_t max_instances = limits::kMaxInstancesPerRun;  // of one run
};

struct Step {
  std::vector<Change> changes;
  std::vector<Command> commands;
  std::optional<Instant> wake_at;
};

// Parsed DAGs by (dag_id, version), as recovery read them from the stored sources.
using DagLibrary = std::map<std::pair<std::string, int>, std::shared_ptr<const Dag>>;

struct EngineState;

class Engine {
 public:
  explicit Engine(EngineConfig config);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Takes over what the store holds; called once, before Apply. Dispatches nothing by itself: the
  // first Apply (a worker's hello) does.
  void Load(const Snapshot& snapshot, const DagLibrary& library);

  Step Apply(std::span<const Event> batch, Instant now);

  // Why a task instance does not run (kNotFound if the run is not live or has no such task).
  Result<TaskExplanation> ExplainTask(std::string_view dag_id, std::string_view run_id,
                                      std::string_view task_id, int map_index, Instant now) const;
  Result<RunExplanation> ExplainRun(std::string_view dag_id, std::string_view run_id,
                                    Instant now) const;

  // Parsed newest version of a DAG, or null.
  std::shared_ptr<const Dag> FindDag(std::string_view dag_id) const;
  // Slots held per pool, ascending by name: (name, slots, running, queued).
  struct PoolUse {
    PoolRow pool;
    int running_slots = 0;
    int queued_slots = 0;
    int scheduled_slots = 0;
    int deferred_slots = 0;
  };
  std::vector<PoolUse> Pools() const;
  struct WorkerUse {
    std::string name;
    Incarnation incarnation = 0;
    bool connected = false;
    int places = 0;
    int used = 0;
  };
  std::vector<WorkerUse> Workers() const;
  // Every SLA entry of a DAG ("": of all), in the order of SlaEntries, with what holds it up.
  // Linear in the tasks of those DAGs.
  std::vector<SlaStanding> Slas(std::string_view dag_id, Instant now) const;
  // Whether this attempt may still publish: open, of this epoch and incarnation, not being killed.
  bool MayPublish(AttemptId attempt, Epoch epoch, Incarnation incarnation) const;
  // Whether the attempt is open (dispatched and its end not yet applied).
  bool IsOpen(AttemptId attempt) const;
  std::size_t live_runs() const;
  std::size_t open_attempts() const;

  // Recomputes every counter from the rows and CHECKs that it equals the one kept. For tests and
  // simulation; linear in the live state.
  void CheckInvariants() const;

 private:
  std::unique_ptr<EngineState> state_;
};

}  // namespace nightmill
