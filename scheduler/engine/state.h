// The engine's memory: live runs as counters over a graph, open attempts, pools, workers, timers.
// Private to scheduler/engine. Rows (core/model/change.h) are the truth that is persisted;
// everything beside them is derived and can be rebuilt from rows (Engine::Load, CheckInvariants).
//
// Invariants: counts of a node = fold over its parents' instances; a run's `unfinished` = instances
// not finished; slots are held exactly by process and native instances in queued, running,
// restarting.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/rules/trigger_rule.h"
#include "scheduler/engine/engine.h"
#include "scheduler/engine/ready_bucket.h"
#include "scheduler/engine/sla_state.h"
#include "scheduler/engine/timer.h"

namespace nightmill {

// A Dag version with what the engine derives from it once, shared by its runs.
struct DagGraph {
  std::shared_ptr<const Dag> dag;
  int version = 0;
  std::vector<int> gates;                      // per task: branch parents + short-circuit ancestors
  std::vector<std::vector<int>> gate_targets;  // per branch or short circuit: the tasks it gates
  std::vector<std::vector<int>> map_producers;  // per task: tasks named by outputs.x in map.over
  std::vector<int> bucket;                      // per task: its ReadyBucket
  std::vector<SlaEntry> slas;                   // as SlaEntries(*dag)
};

struct Instance {
  TaskInstanceRow row;
  bool dirty = false;
  std::int64_t poke = 0;            // poke in flight, else 0
  std::optional<Instant> poke_due;  // its entry in EngineState::due_pokes
};

struct TaskNode {
  UpstreamCounts counts;
  std::vector<int> bypassed;        // parents (branches) whose edge does not count any more
  int gates_pending = 0;            // gates not yet decided
  std::string exclude_reason;       // "branch" or "short_circuit" once a gate excluded this task
  bool expanded = false;            // mapped, and instances are 0..n-1
  std::vector<Instance> instances;  // position = map_index; one of map_index -1 until expanded
  std::set<int> ready;              // positions that placement may grant now
  int unstarted = 0;                // instances in state none
  int held = 0;                     // instances that hold slots
  int failures = 0;                 // instances in state failed
};

struct LiveRun {
  DagRunRow row;
  bool dirty = false;
  std::shared_ptr<const DagGraph> graph;  // null while queued
  std::vector<TaskNode> nodes;
  std::set<int> unsettled;    // nodes whose gates must be looked at, ascending = topological
  std::vector<int> decided;   // branches and short circuits that just finished: gates to open
  std::size_t instances = 0;  // of all nodes
  int unfinished = 0;         // instances not finished
  int held = 0;               // instances that hold slots (max_active_tasks)
  std::int64_t timers = 0;    // set and not yet fired
  unsigned watch = 0;         // who looks at its instances when they move (alerts.h)
  std::string params = "{}";  // JSON, defaults merged with conf
  // Of a run that was cleared: tries before that, by (task_id, map_index), where there were any. A
  // try_number is never given twice. In rows: any while the run is queued, `removed` ones later.
  std::map<std::pair<std::string, int>, int> past_tries;
  // Of a queued run that was cleared in part: the version it goes on with and its instances.
  std::shared_ptr<const DagGraph> pinned;
  std::vector<TaskInstanceRow> kept;
};

// Tries of this instance before its run was cleared.
inline int PastTries(const LiveRun& run, const std::string& task_id, int map_index) {
  if (run.past_tries.empty()) return 0;
  const auto it = run.past_tries.find({task_id, map_index});
  return it == run.past_tries.end() ? 0 : it->second;
}

// Order in which queued runs of a DAG start and, with priority, in which tasks are placed.
struct QueuedRunKey {
  Lane lane;
  Instant due;  // logical date, or run_after without one
  RunKey run;
  auto operator<=>(const QueuedRunKey&) const = default;
};

struct LiveDag {
  DagRow row;
  bool dirty = false;
  std::shared_ptr<const DagGraph> newest;
  std::set<QueuedRunKey> queued;
  std::map<std::string, RunKey, std::less<>> live_by_id;  // run_id of queued and running runs
  std::set<Instant> taken;            // logical dates of runs beyond the slot cursor
  int active_live = 0;                // running runs of the live lane
  int held = 0;                       // instances that hold slots over all runs
  std::optional<Instant> slot_timer;  // the newest kSlot timer that has not fired
  std::unique_ptr<DagSlas> slas;      // null without SLA entries
};

struct OpenAttempt {
  TaskAttemptRow row;
  std::vector<AttemptTarget> targets;
  bool dirty = false;
};

struct LiveWorker {
  std::string name;
  Incarnation incarnation = 0;
  bool connected = false;
  int places = 1;
  int used = 0;  // places of its open attempts
  // Moving average of the run time of its attempts: prefetching pays only for short ones and would
  // let a waiting attempt sit behind a long one.
  std::int64_t average_us = 0;
};

struct LivePool {
  PoolRow row;
  int used = 0;
};

struct LiveBackfill {
  BackfillRow row;
  bool dirty = false;
  std::vector<BackfillSlotRow> slots;  // by seq
  std::size_t next = 0;                // first slot that may still be planned
  std::map<RunKey, int> open;          // created or being loaded: run -> seq
  std::map<Instant, int> by_date;      // logical date -> seq
};

struct EngineState {
  EngineConfig config;
  Epoch epoch;
  RunKey last_run;
  AttemptId last_attempt;
  BackfillId last_backfill;
  EventId last_event;
  AlertId last_alert;
  std::int64_t last_poke = 0;

  std::map<std::string, LiveDag, std::less<>> dags;
  std::map<RunKey, std::unique_ptr<LiveRun>> runs;
  std::map<AttemptId, OpenAttempt> attempts;
  std::map<std::string, LivePool, std::less<>> pools;
  std::map<std::string, LiveWorker, std::less<>> workers;
  std::map<BackfillId, LiveBackfill> backfills;
  std::map<std::int64_t, InstanceRef> pokes;            // in flight
  std::set<std::pair<Instant, InstanceRef>> due_pokes;  // deferred instances by next poke
  std::vector<ReadyBucket> buckets;
  std::map<std::string, int> bucket_index;
  TimerQueue timers;
  std::int64_t dead_timers = 0;  // about so many of them are of runs that have ended
  int held = 0;                  // instances that hold slots (parallelism)
  bool stopped = false;
  std::string stop_reason;

  // Of the Apply in progress.
  Instant now;
  Step* step = nullptr;
  std::set<RunKey> unsettled;                  // runs with unsettled nodes or possibly finished
  std::set<std::string, std::less<>> admit;    // DAGs whose queued runs may start
  std::set<BackfillId> advance;                // backfills whose next slots may start
  std::set<std::string, std::less<>> sla_due;  // DAGs whose SLA entries must be looked at
  std::vector<std::string> dirty_slas;         // DAGs with changed SlaRows
  std::vector<RunKey> dirty_runs;
  std::vector<InstanceRef> dirty_instances;
  std::vector<AttemptId> dirty_attempts;
  std::vector<std::string> dirty_dags;
  std::vector<BackfillId> dirty_backfills;
  std::vector<RunKey> finished_runs;  // leave memory when the step is complete

  LiveRun* FindRun(RunKey run) {
    const auto it = runs.find(run);
    return it == runs.end() ? nullptr : it->second.get();
  }
  const LiveRun* FindRun(RunKey run) const {
    const auto it = runs.find(run);
    return it == runs.end() ? nullptr : it->second.get();
  }
};

}  // namespace nightmill
