// A small world around one engine: workers with processes, a spool and a line that drops, a daemon
// that crashes before or after its commit, users who pause, resize and cancel, a clock that jumps.
// Everything follows from a seed. The world is the witness of what the engine's rows cannot show:
// that processes of one task instance never overlap and that what ended is never run again.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "core/base/rng.h"
#include "tests/support/engine_harness.h"
#include "tests/unit/engine/random_dag.h"

namespace nightmill {

struct SimulationOptions {
  bool faults = true;    // losses, restarts, lines that drop, doubled messages
  bool cancels = false;  // users cancel runs
  bool clears = false;   // and clear and mark them
  int runs = 1;
  int steps = 40;  // of the first phase; then faults end and everything must come to rest
};

class Simulation {
 public:
  Simulation(RandomDag random, const SimulationOptions& options);
  ~Simulation();

  // Both phases. Reports violations as test failures.
  void Run();

  const Database& db() const { return db_; }
  // Hash of all changes and commands so far: equal worlds have equal traces.
  std::uint64_t trace() const { return trace_; }

 private:
  using Key = std::tuple<RunKey, std::string, int>;

  struct Process {
    AttemptSpec spec;
    bool told = false;  // its start was reported
  };
  struct SimWorker {
    Incarnation incarnation = 1;
    int slots = 1;
    bool connected = false;  // as the worker sees it; the engine may not know yet
    std::map<AttemptId, Process> running;
    std::map<AttemptId, Process> orphans;  // of an earlier incarnation, not proved dead
    std::vector<AttemptReport> spool;      // kept until the daemon has committed them
    std::vector<event::LostAttempt> lost;
    std::map<std::int64_t, command::Poke> pokes;
  };

  // Applies the collected events; false if the daemon died before its commit.
  bool Apply(bool may_crash);
  void Commit(const Step& step);
  void Deliver(const Command& command);
  void StartProcess(SimWorker& worker, const AttemptSpec& spec);
  void KillProcess(SimWorker& worker, AttemptId attempt);
  void Rebuild();
  void Acknowledge();
  void Check();
  void CheckReasons() const;
  void CheckHoldups() const;
  void CheckAlerts() const;
  void CheckEndedSlas() const;

  void Act();
  void ActOnWorker(std::uint64_t roll);
  void SendStale(const SimWorker& worker);
  void ActAsUser(std::uint64_t roll);
  void ActOnRuns();
  void ClearSome(const DagRunRow& run);
  void ActOnTime();
  void Heal();
  void Settle();
  void TriggerMissing();

  void Finish(SimWorker& worker, AttemptId attempt, AttemptOutcome outcome);
  void End(const AttemptSpec& spec, const AttemptOutcome& outcome);
  void Send(SimWorker& worker, const AttemptReport& report);
  void Answer(SimWorker& worker, std::int64_t poke, bool patient);
  void Hello(const std::string& name);
  void Die(const std::string& name);
  void BuryOrphans(SimWorker& worker);
  bool MayLose(const AttemptSpec& spec) const;
  SimWorker* RandomWorker(std::string* name);
  void Trace(const Step& step);

  RandomDag random_;
  SimulationOptions options_;
  Rng rng_;
  EngineConfig config_;
  std::unique_ptr<Engine> engine_;
  DagLibrary library_;
  Database db_;
  Epoch epoch_{1};
  Instant now_;
  std::optional<Instant> wake_;
  std::vector<Event> batch_;
  std::map<std::string, SimWorker> workers_;
  std::vector<AttemptReport> history_;  // of everything ever reported, for stale copies
  std::map<std::string, int> pool_used_;
  bool stopped_ = false;
  bool paused_ = false;
  std::uint64_t trace_ = 0;

  std::map<Key, AttemptId> alive_;
  std::set<Key> succeeded_;
  std::set<std::pair<Key, int>> ended_tries_;
};

}  // namespace nightmill
