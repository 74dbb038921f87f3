// An Engine in a box: a fake clock, fake workers, and a database that is nothing but the rows of
// every Step folded by key. What the engine says to workers waits until the test has read it, so
// that a test can prove that nothing else was said. Specs and reports pass through the wire codec.
// After each Apply the engine's counters are checked, and the rows against the store's rules.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "core/model/operator_catalog.h"
#include "scheduler/engine/engine.h"

namespace nightmill {

using Names = std::vector<std::string>;

// Committed rows. Fold fails the test where the store would refuse: a run id or a logical date
// twice, a gap in the event ids.
struct Database {
  std::map<std::string, DagRow> dags;
  std::map<std::pair<std::string, int>, DagVersionRow> versions;
  std::map<RunKey, DagRunRow> runs;
  std::map<std::tuple<RunKey, std::string, int>, TaskInstanceRow> tasks;
  std::map<AttemptId, TaskAttemptRow> attempts;
  std::map<AttemptId, std::vector<AttemptTarget>> targets;
  std::map<std::string, PoolRow> pools;
  std::map<BackfillId, BackfillRow> backfills;
  std::map<std::pair<BackfillId, int>, BackfillSlotRow> backfill_slots;
  std::map<std::pair<std::string, Instant>, SlotRow> slots;
  std::vector<EventRow> events;
  std::vector<AlertRow> alerts;
  std::map<std::pair<AlertId, std::string>, DeliveryRow> deliveries;
  std::map<std::tuple<std::string, std::string, Instant, int>, SlaRow> slas;
  std::vector<SlaMissRow> misses;

  void Fold(const std::vector<Change>& changes);
  // What Store::LoadActive and recovery would give.
  Snapshot Active(Epoch epoch, const DagLibrary& library) const;
  std::vector<TaskInstanceRow> TasksOf(RunKey run) const;

 private:
  void AddTimes(Snapshot& snapshot, const DagLibrary& library) const;
};

// A daemon that dies right now comes back with the same books: an engine of the rows of `db` alone
// equals `engine` in what can be counted. `epoch` is that of the dead one.
void ExpectSameBooks(const Engine& engine, const EngineConfig& config, const Database& db,
                     Epoch epoch, const DagLibrary& library);

struct FakeWorker {
  Incarnation incarnation = 0;
  int slots = 1;
  bool connected = false;
  std::map<AttemptId, AttemptSpec> held;
  std::map<std::int64_t, command::Poke> pokes;
  std::vector<AttemptReport> spool;  // results made while the daemon did not listen
};

struct TriggerOptions {
  std::optional<std::string> run_id = std::nullopt;
  std::optional<Instant> logical_date = std::nullopt;
  bool null_logical_date = false;
  std::string conf = "{}";
  bool unpause = false;
};

struct BackfillOptions {
  ReprocessBehavior reprocess = ReprocessBehavior::kNone;
  int max_active_runs = 10;
  bool run_backwards = false;
  std::string conf = "{}";
  bool dry_run = false;
};

class EngineHarness {
 public:
  explicit EngineHarness(EngineConfig config = {});
  ~EngineHarness();

  // --- Time.
  Instant now = InstantFromMicros(1'767'571'200'000'000);  // 2026-01-05T00:00:00Z, a Monday
  void Advance(Duration by);
  void AdvanceTo(Instant at);
  // Jumps to the instant at which the engine wants to be called; fails the test if there is none.
  void AdvanceToWake();
  std::optional<Instant> wake_at() const { return wake_at_; }

  // --- Events. All go through Apply.
  void Apply(std::vector<Event> batch = {});
  // Applies a request and returns its one reply.
  Result<command::ReplyBody> Ask(Event request);

  // Loads the JSON text of a DAG file (which must be valid) and applies it, unpaused.
  void Load(std::string_view json, bool paused = false);
  std::shared_ptr<const Dag> Parse(std::string_view json) const;
  void Pool(const std::string& name, int slots);
  // A worker says hello with a new incarnation, holding what it held.
  void WorkerUp(const std::string& name = "w", int slots = 8);
  void WorkerDown(const std::string& name = "w");
  // The worker process and all its children die; it comes back and says so.
  void WorkerDies(const std::string& name = "w");
  // Forgets what the worker was told: the command got lost on the way.
  void ForgetHeld(const std::string& name = "w");

  // Triggers a manual run and returns its run id; fails the test if refused.
  std::string Trigger(const std::string& dag_id, const TriggerOptions& options = {});
  void Pause(const std::string& dag_id, bool paused);
  void Cancel(const std::string& dag_id, const std::string& run_id);
  Result<BackfillReply> Backfill(const std::string& dag_id, const std::string& from,
                                 const std::string& to, const BackfillOptions& options = {});

  // --- Attempts. `task` is "a", "m[2]", or "run_id/a"; without a run the oldest attempt is meant.
  void Start(const std::string& task);
  void Finish(const std::string& task, AttemptOutcome outcome = outcome::Succeeded{},
              const std::string& output = "null");
  void Fail(const std::string& task, const std::string& kind = "exit", int exit_code = 1);
  void Lose(const std::string& task);
  AttemptSpec Spec(const std::string& task) const;
  bool Holds(const std::string& task) const;
  // The report that Finish would send, and the removal of the attempt from its worker.
  AttemptReport Report(const std::string& task, AttemptOutcome outcome,
                       const std::string& output = "null");
  // Answers the oldest open poke (of this task, if named).
  void Poke(bool met, const std::string& error = "", const std::string& task = "");

  // --- What the engine said since it was last read, as sorted by the engine.
  Names TakeStarts();  // "a", "m[2]"
  Names TakeKills();   // "a"
  Names TakePokes();   // "a"
  std::vector<command::LoadRun> TakeLoads();
  // Answers the oldest unanswered LoadRun.
  void AnswerLoad();
  // Exactly n commands (no replies) are waiting; reads them.
  std::vector<Command> TakeCommands(std::size_t n);
  // Nothing is left unread.
  void ExpectQuiet();

  // --- Rows.
  TaskInstanceRow Row(const std::string& task, const std::string& run_id = "") const;
  std::string StateOf(const std::string& task, const std::string& run_id = "") const;
  DagRunRow Run(const std::string& run_id = "") const;  // "": the newest
  std::string RunStateOf(const std::string& run_id = "") const;
  Names RunIds(const std::string& dag_id, const std::string& state) const;
  // "a=success b=skipped" of all instances of a run, in topological order.
  std::string States(const std::string& run_id = "") const;
  std::string Headline(const std::string& task, const std::string& run_id = "") const;
  // Every unfinished instance has a reason, and a scheduled one a reason that is true.
  void CheckExplanations() const;
  std::size_t EventsOf(std::string_view kind) const;

  // The daemon dies and starts again: a new Engine from committed rows only; its workers lived on
  // and say hello.
  void Restart();
  // The same, with the workers not yet back.
  void RestartAlone();
  void ReconnectAll();

  Engine& engine() { return *engine_; }
  Database db;
  std::map<std::string, FakeWorker> workers;
  std::vector<Change> last_changes;

 private:
  std::optional<std::pair<std::string, AttemptId>> Locate(const std::string& task) const;
  std::string NameOf(AttemptId attempt) const;
  void Receive(Command command);
  event::WorkerUp Hello(const std::string& name);

  OperatorCatalog catalog_;
  EngineConfig config_;
  std::unique_ptr<Engine> engine_;
  Epoch epoch_{1};
  DagLibrary library_;
  std::optional<Instant> wake_at_;
  std::vector<Command> unread_;
  std::vector<command::LoadRun> loads_;
  std::map<RequestId, Result<command::ReplyBody>> replies_;
  std::int64_t last_request_ = 0;
  Incarnation last_incarnation_ = 0x10;
};

}  // namespace nightmill
