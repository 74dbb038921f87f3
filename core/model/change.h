// Rows to persist: one struct per table (migrations/), each change an upsert of a whole row by its
// primary key. The store knows them and no engine, the engine no SQL. Texts that hold JSON say so.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/base/strong_id.h"
#include "core/base/time.h"
#include "core/model/alert.h"
#include "core/model/data_interval.h"
#include "core/model/erase.h"
#include "core/model/task_attempt.h"
#include "core/rules/dag_run_state.h"
#include "core/rules/task_state.h"

namespace nightmill {

struct DagRow {  // key: dag_id
  std::string dag_id;
  int version = 1;  // newest version_number
  bool paused = false;
  bool deleted = false;
  Instant first_accepted_at;
  Instant enabled_at;                // last acceptance or unpause
  std::optional<Instant> last_tick;  // SlotCursor
  std::string fileloc;
  std::string failing;  // run_id of the first run that failed since the last success, "" if none
};

struct DagVersionRow {  // key: (dag_id, version)
  std::string dag_id;
  int version = 1;
  std::string hash;
  std::string source;  // the file as written; core/dagfile builds the Dag from it again
  Instant created_at;
};

struct DagRunRow {  // key: run; unique (dag_id, run_id) and (dag_id, logical_date)
  RunKey run;
  std::string dag_id;
  std::string run_id;
  RunType type = RunType::kManual;
  Lane lane = Lane::kLive;
  RunState state = RunState::kQueued;
  RunReason reason = RunReason::kNone;
  bool stopping = false;  // R5 in progress; `reason` tells why
  std::optional<Instant> logical_date;
  std::optional<DataInterval> interval;
  Instant run_after;
  Instant queued_at;
  std::optional<Instant> started_at;
  std::optional<Instant> ended_at;
  int version = 0;          // pinned dag version; 0 while queued
  std::string conf = "{}";  // JSON
  std::string note;
  std::string triggered_by;  // "schedule", "rest_api", "cli", "backfill"
  BackfillId backfill;       // 0: none
  int clear_number = 0;
  int hidden_failures = 0;  // failed and upstream_failed instances of a success run
};

// One task instance. Only what cannot be derived; counters of upstream states live in memory.
struct TaskInstanceRow {  // key: (run, task_id, map_index)
  RunKey run;
  std::string task_id;
  int map_index = -1;
  TaskState state = TaskState::kNone;
  int try_number = 0;
  int max_tries = 0;       // tries allowed in this cycle: value of try_number not to exceed
  int cycle_failures = 0;  // n of semantics.md 6
  int internal_failures = 0;
  int losses = 0;           // of this try
  AttemptId attempt;        // open attempt, else 0
  std::string skip_reason;  // rule, branch, short_circuit, when, map_empty, ..., or ""
  std::string failure;  // JSON {"kind","message","exit_code","signal"} of the last failure, or ""
  std::string map_item = "";  // JSON of map.item for a mapped instance, else ""
  std::string output = "";    // JSON of outputs.<task> once success, else ""
  std::string artifact;       // kept output folder
  std::string branch;  // JSON: task ids a branch chose, "false"/"true" of a short circuit, or ""
  std::optional<Instant> scheduled_at;
  std::optional<Instant> queued_at;
  std::optional<Instant> started_at;  // of the current or last try
  std::optional<Instant> ended_at;
  std::optional<Instant> due_at;  // retry due, next poke, or lost backoff
  std::optional<Instant> cycle_started_at;
  std::optional<Instant> deferred_since;  // first poke of the cycle
  int pokes = 0;
};

enum class AttemptState : std::uint8_t {
  kDispatched,  // committed; the start may or may not have reached the worker
  kRunning,
  kKilling,  // kill ordered, end not yet proven
  kEnded,
};
std::string_view ToString(AttemptState state);
std::optional<AttemptState> ParseAttemptState(std::string_view word);

struct TaskAttemptRow {  // key: attempt; targets in AttemptTargetRow
  AttemptId attempt;
  RunKey run;  // run of the first target: neighbours on disk
  int try_number = 1;
  AttemptState state = AttemptState::kDispatched;
  Epoch epoch;
  std::string worker;  // worker name, "local-1"
  Incarnation incarnation = 0;
  std::string outcome;      // OutcomeWord, or "" while open
  std::string failure;      // JSON as in TaskInstanceRow, or ""
  std::string kill_reason;  // why a kill was ordered: cancel, run_timeout, clear, mark; else ""
  std::string rendered;     // JSON of rendered fields (argv/run/env or the operator's spec)
  std::string report;       // JSON output of the attempt, or ""
  std::string log_path;     // relative to the state directory
  Instant dispatched_at;
  std::optional<Instant> started_at;
  std::optional<Instant> ended_at;
  ResourceUsage usage;
  int places = 1;
};

struct AttemptTargetRow {  // key: (attempt, run, task_id, map_index)
  AttemptId attempt;
  AttemptTarget target;
};

struct PoolRow {  // key: name
  std::string name;
  int slots = 0;  // -1: unlimited, 0: closed
  std::string description;
  bool include_deferred = false;
};

enum class BackfillState : std::uint8_t { kActive, kPaused, kCompleted, kCancelled };
std::string_view ToString(BackfillState state);
std::optional<BackfillState> ParseBackfillState(std::string_view word);
enum class ReprocessBehavior : std::uint8_t { kNone, kFailed, kCompleted };
std::string_view ToString(ReprocessBehavior behavior);
std::optional<ReprocessBehavior> ParseReprocessBehavior(std::string_view word);

struct BackfillRow {  // key: backfill
  BackfillId backfill;
  std::string dag_id;
  BackfillState state = BackfillState::kActive;
  Instant from;
  Instant to;
  ReprocessBehavior reprocess = ReprocessBehavior::kNone;
  int max_active_runs = 10;
  bool run_backwards = false;
  std::string conf = "{}";
  Instant created_at;
  std::optional<Instant> ended_at;
  std::string outcome;  // "", "success", "failed"
};

// planned -> created -> done; or skipped/cancelled. `verdict` is the preview's word.
struct BackfillSlotRow {  // key: (backfill, seq)
  BackfillId backfill;
  int seq = 0;  // order of execution, from 0
  Instant logical_date;
  DataInterval interval;
  std::string verdict;    // create, rerun, skip
  std::string reason;     // already_success, in_flight, ... for skip
  std::string state;      // planned, created, done, skipped, cancelled
  RunKey run;             // once created
  std::string run_state;  // success/failed once done
};

struct SlotRow {  // key: (dag_id, tick): the decision about one tick of a schedule
  std::string dag_id;
  Instant tick;
  std::string reason;  // "" = run created
  RunKey run;
};

struct EventRow {  // append-only; id given by the engine, gapless
  EventId id;
  Instant at;
  std::string kind;  // "run.state", "task.state", "attempt.state", "dag.applied", ...
  std::string dag_id;
  RunKey run;
  std::string task_id;
  int map_index = -1;
  AttemptId attempt;
  std::string data = "{}";  // JSON: {"from","to","trigger",...}
};

using Change =
    std::variant<DagRow, DagVersionRow, DagRunRow, TaskInstanceRow, EraseTaskInstance,
                 TaskAttemptRow, AttemptTargetRow, PoolRow, ErasePool, BackfillRow, BackfillSlotRow,
                 SlotRow, EventRow, AlertRow, DeliveryRow, SlaRow, SlaMissRow>;

}  // namespace nightmill
