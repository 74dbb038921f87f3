// Everything that can happen to the engine. The shell turns mail (API requests, worker frames) into
// these values and hands them over in batches; timers need no event, Apply looks at `now`.
// A request carries a RequestId, answered by one Reply command after the commit (command.h).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/base/strong_id.h"
#include "core/base/time.h"
#include "core/model/change.h"
#include "core/model/dag.h"
#include "core/model/task_attempt.h"
#include "scheduler/engine/event_actions.h"

namespace nightmill::event {

// A validated DAG is stored; a new hash makes version_number + 1, an equal one changes nothing.
struct ApplyDag {
  RequestId request;
  std::shared_ptr<const Dag> dag;
  bool paused_upon_creation = true;  // for a DAG seen for the first time, unless the DAG says
  bool moved = false;                // the file it was defined in is gone
  // Refused with kPreconditionFailed unless this is the newest version; 0: unless there is none.
  std::optional<int> expected_version;
};
struct SetDagPaused {
  RequestId request;
  std::string dag_id;
  bool paused = true;
};

struct TriggerRun {
  RequestId request;
  std::string dag_id;
  std::optional<std::string> run_id;
  bool null_logical_date = false;  // asked for explicitly: no logical date, no interval
  std::optional<Instant> logical_date;
  std::optional<DataInterval> interval;
  std::optional<Instant> run_after;
  std::string conf = "{}";
  std::string note;
  std::string triggered_by = "rest_api";
  bool unpause = false;
  // Filled by the shell from the store right before Apply: id of a finished run that already has
  // this run_id or logical date.
  std::optional<std::string> taken_by;
};
struct CancelRun {
  RequestId request;
  std::string dag_id;
  std::string run_id;
};

struct CreateBackfill {
  RequestId request;
  std::string dag_id;
  std::string from;  // as given: an instant or a bare date
  std::string to;
  ReprocessBehavior reprocess = ReprocessBehavior::kNone;
  int max_active_runs = 10;
  bool run_backwards = false;
  std::string conf = "{}";
  bool dry_run = false;
  // Filled by the shell: all stored runs of the DAG with a logical date within the range.
  std::vector<DagRunRow> existing;
};
enum class BackfillAction : std::uint8_t { kPause, kUnpause, kCancel };
struct ControlBackfill {
  RequestId request;
  BackfillId backfill;
  BackfillAction action = BackfillAction::kPause;
};

struct PutPool {
  RequestId request;
  PoolRow pool;
};
// kConflict for default_pool and for one that the newest version of a DAG or a live run names.
struct DeletePool {
  RequestId request;
  std::string name;
};

// An alert that the daemon raises itself: a sample, a notifier that was turned off. Id and instant
// are the engine's to give; who gets it is decided already.
struct PostAlert {
  RequestId request;
  AlertRow alert;
  std::vector<std::string> notifiers;
};
// An ended delivery goes into the outbox once more, as it is but for being due now.
struct Redeliver {
  RequestId request;
  AlertRow alert;
  DeliveryRow delivery;
};

// A worker said hello. `open` are the attempts it holds (also process trees of an earlier
// incarnation that are not proved dead yet), `results` what its spool kept, `lost` those whose
// processes are proved dead without a result. Attempts of this worker in none of the three never
// started.
struct LostAttempt {
  AttemptId attempt;
  std::string cause;
};
struct WorkerUp {
  std::string name;
  Incarnation incarnation = 0;
  int slots = 1;
  std::vector<AttemptId> open;
  std::vector<AttemptReport> results;
  std::vector<LostAttempt> lost;
};
// The connection is gone. Its attempts stay open until a WorkerUp of the same name tells their
// fate.
struct WorkerDown {
  std::string name;
  Incarnation incarnation = 0;
};

struct AttemptStarted {
  AttemptId attempt;
  Epoch epoch;
  Incarnation incarnation = 0;
  Instant at;
};
struct AttemptFinished {
  AttemptReport report;
};
struct PokeFinished {
  std::int64_t poke = 0;  // id of the Poke command
  bool met = false;
  std::string error;            // the check could not be made; "" if it could
  std::string detail = "null";  // JSON, becomes the sensor's output when met
};

// Answer to a LoadRun command: a finished run with all its instances and the version it pinned.
struct RunLoaded {
  DagRunRow run;
  std::vector<TaskInstanceRow> tasks;
};

// The wall clock was set; `by` is positive if it went forward. Spans that are running go on as if
// nothing had happened (reliability.md R6): what they count from moves along. First of its batch.
struct ClockMoved {
  std::chrono::microseconds by{0};
};

// While stopped nothing new is dispatched (shutdown, drain, full disk); everything else goes on.
struct StopDispatch {
  bool stopped = true;
  std::string reason;
};

using Event = std::variant<ApplyDag, SetDagPaused, TriggerRun, CancelRun, CreateBackfill,
                           ControlBackfill, PutPool, DeletePool, MarkRun, ClearTasks, PostAlert,
                           Redeliver, WorkerUp, WorkerDown, AttemptStarted, AttemptFinished,
                           PokeFinished, RunLoaded, ClockMoved, StopDispatch>;

}  // namespace nightmill::event

namespace nightmill {
using Event = event::Event;
}  // namespace nightmill
