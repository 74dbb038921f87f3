#include "tests/unit/engine/simulation.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "core/base/check.h"
#include "core/base/hash.h"

namespace nightmill {
namespace {

using std::chrono::seconds;

constexpr int kMostPatience = 600;
constexpr Duration kLongestJump = std::chrono::hours{1};

std::tuple<RunKey, std::string, int> KeyOf(const AttemptSpec& spec) {
  const AttemptTarget& target = spec.targets.at(0);
  return {target.run, target.task_id, target.map_index};
}

std::string Name(const AttemptSpec& spec) {
  return fmt::format("{}/{}[{}] try {} attempt {}", spec.run_id, spec.targets.at(0).task_id,
                     spec.targets.at(0).map_index, spec.try_number, spec.id.value);
}

// What of a change makes two worlds different.
std::string Describe(const Change& change) {
  if (const auto* row = std::get_if<TaskInstanceRow>(&change)) {
    return fmt::format("ti {} {} {} {} {} {}", row->run.value, row->task_id, row->map_index,
                       ToString(row->state), row->try_number,
                       row->due_at ? ToMicros(*row->due_at) : 0);
  }
  if (const auto* row = std::get_if<DagRunRow>(&change)) {
    return fmt::format("run {} {} {}", row->run.value, ToString(row->state), ToString(row->reason));
  }
  if (const auto* row = std::get_if<TaskAttemptRow>(&change)) {
    return fmt::format("attempt {} {} {}", row->attempt.value, ToString(row->state), row->worker);
  }
  if (const auto* row = std::get_if<EventRow>(&change)) {
    return fmt::format("event {} {} {}", row->id.value, row->kind, row->data);
  }
  if (const auto* row = std::get_if<AlertRow>(&change)) {
    return fmt::format("alert {} {} {}", row->alert.value, ToString(row->type), row->dedup_key);
  }
  if (const auto* row = std::get_if<SlaRow>(&change)) {
    return fmt::format("sla {} {} {}", row->name, ToMicros(row->slot), ToString(row->state));
  }
  return std::to_string(change.index());
}

std::string Describe(const Command& command) {
  if (const auto* start = std::get_if<command::StartAttempt>(&command)) {
    return fmt::format("start {} on {}", start->spec.id.value, start->worker);
  }
  if (const auto* kill = std::get_if<command::KillAttempt>(&command)) {
    return fmt::format("kill {} {}", kill->attempt.value, kill->reason);
  }
  if (const auto* poke = std::get_if<command::Poke>(&command)) {
    return fmt::format("poke {} {}", poke->poke, poke->spec);
  }
  return std::to_string(command.index());
}

}  // namespace

Simulation::Simulation(RandomDag random, const SimulationOptions& options)
    : random_(std::move(random)),
      options_(options),
      rng_(random_.seed * 2 + 1),
      now_(InstantFromMicros(1'767'571'200'000'000)) {
  config_.state_dir = "/state";
  config_.data_root = "/data";
  config_.parallelism = 2 + static_cast<int>(rng_.Below(6));
  config_.sensor_parallelism = 1 + static_cast<int>(rng_.Below(3));
  config_.prefetch = static_cast<int>(rng_.Below(3));
  config_.notifiers = {{"hook", {"*"}, Severity::kInfo}, {"pager", {}, Severity::kError}};
  for (const char* pool : {"default_pool", "p", "q"}) db_.pools[pool] = {pool, 3, "", false};
  engine_ = std::make_unique<Engine>(config_);
  engine_->Load(db_.Active(epoch_, library_), library_);
  const std::size_t workers = 1 + rng_.Below(2);
  for (std::size_t i = 0; i < workers; ++i) {
    workers_[fmt::format("w{}", i)].slots = 1 + static_cast<int>(rng_.Below(3));
  }
}

Simulation::~Simulation() = default;

void Simulation::Run() {
  library_[{"d", 1}] = random_.dag;
  batch_.emplace_back(event::ApplyDag{{}, random_.dag, false, false, {}});
  for (const auto& [name, worker] : workers_) Hello(name);
  Apply(false);
  for (int i = 0; i < options_.steps && !testing::Test::HasFailure(); ++i) Act();
  if (testing::Test::HasFailure()) return;
  Heal();
  Settle();
}

// --- The daemon.

bool Simulation::Apply(bool may_crash) {
  const std::vector<Event> batch = std::exchange(batch_, {});
  const Step step = engine_->Apply(batch, now_);
  engine_->CheckInvariants();
  const bool crash = may_crash && options_.faults && rng_.Chance(1, 12);
  if (crash && rng_.Chance(1, 2)) {  // before the commit: nothing of this step has happened
    Rebuild();
    return false;
  }
  Commit(step);
  if (crash) {
    Rebuild();
    return true;
  }
  for (const Command& command : step.commands) Deliver(command);
  Acknowledge();
  Check();
  return true;
}

void Simulation::Commit(const Step& step) {
  db_.Fold(step.changes);
  wake_ = step.wake_at;
  Trace(step);
}

void Simulation::Trace(const Step& step) {
  std::string text = std::to_string(trace_);
  for (const Change& change : step.changes) text += Describe(change) + "\n";
  for (const Command& command : step.commands) text += Describe(command) + "\n";
  trace_ = KeyedHash({text});
}

void Simulation::Rebuild() {
  epoch_.value += 1;
  engine_ = std::make_unique<Engine>(config_);
  engine_->Load(db_.Active(epoch_, library_), library_);
  engine_->CheckInvariants();
  for (auto& [name, worker] : workers_) {
    worker.connected = false;
    worker.pokes.clear();
  }
  Apply(false);
  if (stopped_) {
    batch_.emplace_back(event::StopDispatch{true, "test"});
    Apply(false);
  }
}

void Simulation::Deliver(const Command& command) {
  if (const auto* start = std::get_if<command::StartAttempt>(&command)) {
    SimWorker& worker = workers_.at(start->worker);
    if (worker.connected && worker.incarnation == start->spec.incarnation) {
      StartProcess(worker, start->spec);
    }
  } else if (const auto* kill = std::get_if<command::KillAttempt>(&command)) {
    SimWorker& worker = workers_.at(kill->worker);
    if (worker.connected) KillProcess(worker, kill->attempt);
  } else if (const auto* poke = std::get_if<command::Poke>(&command)) {
    SimWorker& worker = workers_.at(poke->worker);
    if (worker.connected) worker.pokes[poke->poke] = *poke;
  }
}

void Simulation::StartProcess(SimWorker& worker, const AttemptSpec& spec) {
  const Key key = KeyOf(spec);
  EXPECT_TRUE(alive_.emplace(key, spec.id).second) << "overlap: " << Name(spec);
  EXPECT_TRUE(options_.clears || !succeeded_.contains(key))
      << "ran although it had succeeded: " << Name(spec);
  EXPECT_FALSE(ended_tries_.contains({key, spec.try_number})) << "a try twice: " << Name(spec);
  const DagRunRow& run = db_.runs.at(spec.targets.at(0).run);
  EXPECT_FALSE(run.stopping || IsFinished(run.state)) << "started after the end: " << Name(spec);
  worker.running[spec.id] = {spec, false};
}

void Simulation::KillProcess(SimWorker& worker, AttemptId attempt) {
  const auto it = worker.running.find(attempt);
  if (it == worker.running.end()) return;
  // Sometimes the process is faster than the order.
  const AttemptSpec& spec = it->second.spec;
  AttemptOutcome outcome = outcome::Killed{};
  if (rng_.Chance(1, 4)) {
    outcome =
        random_.FateOf(spec.targets.at(0).task_id, spec.targets.at(0).map_index, spec.try_number);
  }
  Finish(worker, attempt, std::move(outcome));
}

// What is committed leaves the spool, unless the acknowledgement is lost.
void Simulation::Acknowledge() {
  const auto ended = [this](AttemptId id) {
    const auto it = db_.attempts.find(id);
    return it == db_.attempts.end() || it->second.state == AttemptState::kEnded;
  };
  for (auto& [name, worker] : workers_) {
    if (!worker.connected || rng_.Chance(1, 5)) continue;
    std::erase_if(worker.spool, [&](const AttemptReport& r) { return ended(r.id); });
    std::erase_if(worker.lost, [&](const event::LostAttempt& l) { return ended(l.attempt); });
  }
}

// --- What must hold after every step.

void Simulation::Check() {
  std::set<Key> open;
  for (const auto& [id, row] : db_.attempts) {
    if (row.state == AttemptState::kEnded) continue;
    const AttemptTarget& target = db_.targets.at(id).at(0);
    EXPECT_TRUE(open.insert({target.run, target.task_id, target.map_index}).second)
        << "two open attempts of " << target.task_id;
  }
  int running = 0;
  for (const auto& [key, run] : db_.runs) running += run.state == RunState::kRunning ? 1 : 0;
  EXPECT_LE(running, random_.dag->max_active_runs);
  EXPECT_LE(engine_->open_attempts(), static_cast<std::size_t>(config_.parallelism));
  for (const Engine::PoolUse& use : engine_->Pools()) {
    // A shrunk pool keeps its holders, but grants nothing on top of them.
    const int used = use.running_slots + use.queued_slots;
    const int before = std::exchange(pool_used_[use.pool.name], used);
    const bool over = use.pool.slots >= 0 && used > use.pool.slots;
    EXPECT_FALSE(over && used > before) << use.pool.name;
  }
  if (rng_.Chance(1, 8)) ExpectSameBooks(*engine_, config_, db_, epoch_, library_);
  if (rng_.Chance(1, 6)) CheckReasons();
  if (rng_.Chance(1, 6)) CheckHoldups();
}

// blocking_task_list against its definition: X, and of X what has no parent in X.
void Simulation::CheckHoldups() const {
  const std::vector<const SlaSpec*> entries = SlaEntries(*random_.dag);
  for (const SlaStanding& standing : engine_->Slas("d", now_)) {
    if (!standing.row || standing.run_id.empty()) continue;
    const DagRunRow& run = db_.runs.at(standing.row->run);
    if (run.state != RunState::kRunning) continue;
    const Dag& dag = *random_.dag;
    std::set<std::string> scope;
    const std::string& target = entries.at(static_cast<std::size_t>(standing.entry))->task;
    for (const Task& task : dag.tasks) {
      if (target.empty() || task.id == target) scope.insert(task.id);
    }
    for (std::size_t before = 0; before != scope.size();) {
      before = scope.size();
      for (std::size_t i = 0; i < dag.tasks.size(); ++i) {
        if (!scope.contains(dag.tasks[i].id)) continue;
        for (const int p : dag.upstream[i]) scope.insert(dag.tasks[static_cast<std::size_t>(p)].id);
      }
    }
    std::set<std::pair<std::string, int>> x;
    std::set<std::string> tasks;
    for (const TaskInstanceRow& row : db_.TasksOf(run.run)) {
      const bool bad = row.state == TaskState::kFailed || row.state == TaskState::kUpstreamFailed;
      if (!scope.contains(row.task_id) || (IsFinished(row.state) && !bad)) continue;
      x.insert({row.task_id, row.map_index});
      tasks.insert(row.task_id);
    }
    std::set<std::pair<std::string, int>> minimal;
    for (const auto& [id, index] : x) {
      const std::vector<int>& parents = dag.upstream[static_cast<std::size_t>(dag.Find(id))];
      const bool held = std::any_of(parents.begin(), parents.end(), [&](int p) {
        return tasks.contains(dag.tasks[static_cast<std::size_t>(p)].id);
      });
      if (!held) minimal.insert({id, index});
    }
    std::set<std::pair<std::string, int>> told;
    for (const BlockingTask& task : standing.blocking) told.insert({task.task_id, task.map_index});
    EXPECT_EQ(told, minimal);
    EXPECT_EQ(standing.blocking_count, static_cast<int>(minimal.size()));
    EXPECT_EQ(std::set<std::string>(standing.task_list.begin(), standing.task_list.end()), tasks);
  }
}

// What happened, by the event rows, is what was told of, each once.
void Simulation::CheckAlerts() const {
  std::map<std::string, int> happened;
  for (const EventRow& event : db_.events) {
    const auto ends_in = [&](std::string_view state) {
      return event.data.find(fmt::format(R"("to":"{}")", state)) != std::string::npos;
    };
    const auto count = [&](std::string_view type) {
      happened[fmt::format("{} {} {} {}", type, event.run.value, event.task_id,
                           event.map_index)] += 1;
    };
    if (event.kind == "task.state") {
      if (ends_in("failed")) count("task.failed");
      if (ends_in("up_for_retry")) count("task.retry");
      if (ends_in("success")) count("task.success");
      if (ends_in("skipped")) count("task.skipped");
    }
    if (event.kind != "run.state") continue;
    if (ends_in("failed")) count("run.failed");
    if (ends_in("success")) count("run.success");
  }
  std::map<std::string, int> told;
  std::map<std::string, int> of_slas;
  for (const AlertRow& alert : db_.alerts) {
    EXPECT_TRUE(db_.deliveries.contains({alert.alert, "hook"})) << ToString(alert.type);
    std::string type(ToString(alert.type));
    if (type.starts_with("sla.")) {
      of_slas[alert.dedup_key + " " + type] += 1;
      continue;
    }
    if (type == "worker.lost") continue;
    if (type == "run.recovered") type = "run.success";
    told[fmt::format("{} {} {} {}", type, alert.run.value, alert.task_id, alert.map_index)] += 1;
  }
  EXPECT_EQ(told, happened);
  std::map<std::string, int> slas;
  for (const auto& [key, row] : db_.slas) {
    std::string slot = FormatInstant(row.slot);
    if (slot.ends_with(":00Z")) slot = slot.substr(0, slot.size() - 4) + "Z";
    const std::string about = fmt::format("sla:d:{}:{}", row.name, slot);
    if (row.warned_at) slas[about + " sla.warning"] += 1;
    if (row.missed_at) slas[about + " sla.missed"] += 1;
    const bool ended = row.state == SlaState::kResolved && (row.warned_at || row.missed_at);
    if (ended) slas[about + " sla.resolved"] += 1;
  }
  EXPECT_EQ(of_slas, slas);
}

// At rest every entry has had its end, and the one that its run gives it.
void Simulation::CheckEndedSlas() const {
  for (const auto& [key, row] : db_.slas) {
    const std::string name = fmt::format("{} of run {}: {}", row.name, row.run.value,
                                         ToString(row.state));
    EXPECT_NE(row.state, SlaState::kArmed) << name;
    EXPECT_NE(row.state, SlaState::kWarned) << name;
    EXPECT_EQ(row.landed_at.has_value(),
              row.state == SlaState::kMet || row.state == SlaState::kResolved)
        << name;
    if (row.state == SlaState::kMet) {
      EXPECT_FALSE(row.warned_at || row.missed_at) << name;
    }
    const bool withdrawn = row.state == SlaState::kNotApplicable;
    if (!row.run.valid() || !row.task_id.empty() || withdrawn) continue;
    const DagRunRow& run = db_.runs.at(row.run);
    // A landing is not taken back by what becomes of the run later.
    if (run.clear_number > 0 || run.reason == RunReason::kMarked) continue;
    EXPECT_EQ(row.landed_at.has_value(), run.state == RunState::kSuccess) << name;
    if (row.landed_at) {
      EXPECT_EQ(row.landed_at, run.ended_at) << name;
    }
  }
}

// Nothing waits without a reason, and what could start has started.
void Simulation::CheckReasons() const {
  bool worker_full = false;
  std::vector<std::string> free_to_go;
  for (const auto& [key, row] : db_.tasks) {
    const DagRunRow& run = db_.runs.at(row.run);
    if (IsFinished(run.state) || IsFinished(row.state)) continue;
    const auto why = engine_->ExplainTask("d", run.run_id, row.task_id, row.map_index, now_);
    ASSERT_TRUE(why.ok()) << why.error().message;
    ASSERT_FALSE(why->reasons.empty()) << row.task_id << " " << ToString(row.state);
    EXPECT_EQ(why->state, row.state);
    const std::string& code = why->reasons.front().code;
    worker_full = worker_full || code == "worker_full";
    if (code == "lower_priority") free_to_go.push_back(row.task_id);
  }
  // A task of many places at the head of the line may hold back smaller ones (placement.cc).
  if (worker_full || free_to_go.empty()) return;
  ADD_FAILURE() << free_to_go.front() << " could have started";
}

// --- Workers.

void Simulation::Finish(SimWorker& worker, AttemptId attempt, AttemptOutcome outcome) {
  const AttemptSpec spec = worker.running.at(attempt).spec;
  worker.running.erase(attempt);
  End(spec, outcome);
  AttemptReport report;
  report.id = spec.id;
  report.epoch = spec.epoch;
  report.incarnation = spec.incarnation;
  report.targets = spec.targets;
  report.outcome = std::move(outcome);
  if (std::holds_alternative<outcome::Succeeded>(report.outcome)) {
    report.output = random_.OutputOf(spec.targets.at(0).task_id);
  }
  report.started_at = now_;
  report.ended_at = now_;
  worker.spool.push_back(report);
  history_.push_back(report);
  Send(worker, report);
}

// The process is gone for sure.
void Simulation::End(const AttemptSpec& spec, const AttemptOutcome& outcome) {
  const Key key = KeyOf(spec);
  alive_.erase(key);
  if (std::holds_alternative<outcome::Succeeded>(outcome) ||
      std::holds_alternative<outcome::Skipped>(outcome)) {
    succeeded_.insert(key);
  } else if (std::holds_alternative<outcome::Failed>(outcome) ||
             std::holds_alternative<outcome::TimedOut>(outcome)) {
    ended_tries_.insert({key, spec.try_number});
  }
}

void Simulation::Send(SimWorker& worker, const AttemptReport& report) {
  if (!worker.connected) return;
  batch_.emplace_back(event::AttemptFinished{report});
  if (options_.faults && rng_.Chance(1, 6)) batch_.emplace_back(event::AttemptFinished{report});
}

void Simulation::Answer(SimWorker& worker, std::int64_t poke, bool patient) {
  const std::string spec = worker.pokes.at(poke).spec;
  worker.pokes.erase(poke);
  // {"path":"r1|t3|-1","type":...}
  const std::size_t begin = spec.find("\"path\":\"") + 8;
  const std::string path = spec.substr(begin, spec.find('"', begin) - begin);
  const std::size_t first = path.find('|');
  const std::size_t second = path.find('|', first + 1);
  const std::string task = path.substr(first + 1, second - first - 1);
  const int index = std::stoi(path.substr(second + 1));
  RunKey run;
  for (const auto& [key, row] : db_.runs) {
    if (row.run_id == path.substr(0, first)) run = key;
  }
  const SensorFate fate = random_.SensorFateOf(task, index);
  const bool errs =
      fate == SensorFate::kErrsFirst && db_.tasks.at({run, task, index}).try_number == 1;
  const bool met = !errs && fate != SensorFate::kNever && (patient || rng_.Chance(1, 2));
  batch_.emplace_back(
      event::PokeFinished{poke, met, errs ? "no such disk" : "", met ? R"({"path":"p"})" : "null"});
}

void Simulation::Hello(const std::string& name) {
  SimWorker& worker = workers_.at(name);
  worker.connected = true;
  worker.pokes.clear();
  event::WorkerUp up{name, worker.incarnation, worker.slots, {}, worker.spool, worker.lost};
  for (const auto& [id, process] : worker.running) up.open.push_back(id);
  for (const auto& [id, process] : worker.orphans) up.open.push_back(id);
  batch_.emplace_back(std::move(up));
}

bool Simulation::MayLose(const AttemptSpec& spec) const {
  return db_.tasks.at(KeyOf(spec)).losses < limits::kMaxLost;
}

// The worker process dies; some of its processes are proved dead at once, some later. Its spool is
// on disk.
void Simulation::Die(const std::string& name) {
  SimWorker& worker = workers_.at(name);
  for (const auto& [id, process] : worker.running) {
    if (!MayLose(process.spec)) return;
  }
  for (const auto& [id, process] : worker.running) {
    if (rng_.Chance(1, 3)) {
      worker.orphans[id] = process;
    } else {
      End(process.spec, outcome::Lost{});
      worker.lost.push_back({id, "worker died"});
    }
  }
  worker.running.clear();
  worker.pokes.clear();
  if (rng_.Chance(1, 2)) batch_.emplace_back(event::WorkerDown{name, worker.incarnation});
  worker.connected = false;
  worker.incarnation += 1;
}

void Simulation::BuryOrphans(SimWorker& worker) {
  for (const auto& [id, orphan] : std::exchange(worker.orphans, {})) {
    End(orphan.spec, outcome::Lost{});
    AttemptReport report;
    report.id = id;
    report.epoch = orphan.spec.epoch;
    report.incarnation = orphan.spec.incarnation;
    report.targets = orphan.spec.targets;
    report.outcome = outcome::Lost{"worker died"};
    report.ended_at = now_;
    worker.spool.push_back(report);
    Send(worker, report);
  }
}

Simulation::SimWorker* Simulation::RandomWorker(std::string* name) {
  auto it = workers_.begin();
  std::advance(it, static_cast<std::ptrdiff_t>(rng_.Below(workers_.size())));
  *name = it->first;
  return &it->second;
}

// --- Steps.

void Simulation::Act() {
  const std::size_t actions = 1 + rng_.Below(3);
  for (std::size_t i = 0; i < actions; ++i) {
    const std::uint64_t roll = rng_.Below(100);
    if (roll < 72) {
      ActOnWorker(rng_.Below(100));
    } else if (roll < 88) {
      ActAsUser(rng_.Below(100));
    } else {
      ActOnTime();
    }
  }
  Apply(true);
}

void Simulation::ActOnWorker(std::uint64_t roll) {
  std::string name;
  SimWorker& worker = *RandomWorker(&name);
  if (roll < 55 || !options_.faults) {
    if (!worker.pokes.empty() && rng_.Chance(1, 2)) {
      return Answer(worker, worker.pokes.begin()->first, false);
    }
    if (worker.running.empty()) return;
    auto it = worker.running.begin();
    std::advance(it, static_cast<std::ptrdiff_t>(rng_.Below(worker.running.size())));
    Process& process = it->second;
    if (!process.told && worker.connected && rng_.Chance(1, 2)) {
      process.told = true;
      batch_.emplace_back(event::AttemptStarted{process.spec.id, process.spec.epoch,
                                                process.spec.incarnation, now_});
      return;
    }
    const AttemptTarget& target = process.spec.targets.at(0);
    Finish(worker, it->first,
           random_.FateOf(target.task_id, target.map_index, process.spec.try_number));
  } else if (roll < 62) {
    if (worker.running.empty() || !MayLose(worker.running.begin()->second.spec)) return;
    Finish(worker, worker.running.begin()->first, outcome::Lost{"host died"});
  } else if (roll < 70) {
    if (worker.connected && rng_.Chance(1, 2)) {
      batch_.emplace_back(event::WorkerDown{name, worker.incarnation});
    }
    worker.connected = false;  // without the event: the engine talks to a dead line for a while
    worker.pokes.clear();
  } else if (roll < 84) {
    if (!worker.connected) Hello(name);
  } else if (roll < 88) {
    Die(name);
  } else if (roll < 92) {
    BuryOrphans(worker);
  } else if (roll < 96) {
    if (!worker.spool.empty()) Send(worker, worker.spool.front());
  } else {
    SendStale(worker);
  }
}

// Somebody repeats an old result, or speaks for a process that is not his.
void Simulation::SendStale(const SimWorker& worker) {
  if (!worker.running.empty() && rng_.Chance(1, 2)) {
    AttemptReport forged;
    const AttemptSpec& spec = worker.running.begin()->second.spec;
    forged.id = spec.id;
    forged.targets = spec.targets;
    const bool other_epoch = rng_.Chance(1, 2);
    forged.epoch.value = spec.epoch.value + (other_epoch ? 1 : 0);
    forged.incarnation = spec.incarnation + (other_epoch ? 0 : 1);
    forged.ended_at = now_;
    batch_.emplace_back(event::AttemptFinished{std::move(forged)});
  } else if (!history_.empty()) {
    batch_.emplace_back(event::AttemptFinished{history_[rng_.Below(history_.size())]});
  }
}

void Simulation::ActAsUser(std::uint64_t roll) {
  if (roll < 50) {
    TriggerMissing();
  } else if (roll < 65) {
    const int slots = static_cast<int>(rng_.Below(6)) - 1;
    batch_.emplace_back(event::PutPool{{}, {rng_.Chance(1, 2) ? "p" : "q", slots, "", false}});
  } else if (roll < 75) {
    stopped_ = !stopped_;
    batch_.emplace_back(event::StopDispatch{stopped_, "test"});
  } else if (roll < 85) {
    paused_ = !paused_;
    batch_.emplace_back(event::SetDagPaused{{}, "d", paused_});
  } else if (options_.clears && !db_.runs.empty() && rng_.Chance(3, 4)) {
    ActOnRuns();
  } else if (options_.cancels && !db_.runs.empty()) {
    batch_.emplace_back(event::CancelRun{{}, "d", db_.runs.rbegin()->second.run_id});
  }
}

void Simulation::ActOnRuns() {
  auto it = db_.runs.begin();
  std::advance(it, static_cast<std::ptrdiff_t>(rng_.Below(db_.runs.size())));
  const DagRunRow& run = it->second;
  if (rng_.Chance(2, 3)) return ClearSome(run);
  event::MarkRun mark;
  mark.dag_id = "d";
  mark.run_id = run.run_id;
  mark.state = rng_.Chance(1, 2) ? RunState::kSuccess : RunState::kFailed;
  if (IsFinished(run.state)) mark.finished = event::LoadedRun{run, db_.TasksOf(run.run)};
  batch_.emplace_back(std::move(mark));
}

void Simulation::ClearSome(const DagRunRow& run) {
  event::ClearTasks clear;
  clear.dag_id = "d";
  clear.runs = {run.run};
  clear.versions[1] = random_.dag;
  clear.dry_run = rng_.Chance(1, 8);
  clear.reset_runs = !rng_.Chance(1, 8);
  clear.only_failed = rng_.Chance(1, 4);
  clear.upstream = rng_.Chance(1, 3);
  clear.downstream = rng_.Chance(1, 3);
  if (rng_.Chance(3, 4)) {
    clear.tasks.emplace();
    for (const TaskInstanceRow& row : db_.TasksOf(run.run)) {
      if (!rng_.Chance(1, 3)) continue;
      std::optional<int> index;
      if (rng_.Chance(1, 2)) index = row.map_index;
      clear.tasks->push_back({row.task_id, index});
    }
  }
  if (IsFinished(run.state)) clear.finished.push_back({run, db_.TasksOf(run.run)});
  batch_.emplace_back(std::move(clear));
}

void Simulation::ActOnTime() {
  // Not so far that a sensor gives up whose worker is away.
  if (wake_ && *wake_ < now_ + kLongestJump && rng_.Chance(1, 2)) {
    now_ = std::max(now_, *wake_);
  } else {
    now_ += seconds{rng_.Below(90)};
  }
}

void Simulation::TriggerMissing() {
  if (static_cast<int>(db_.runs.size()) >= options_.runs) return;
  event::TriggerRun trigger;
  trigger.dag_id = "d";
  trigger.run_id = fmt::format("r{}", db_.runs.size() + 1);
  trigger.null_logical_date = true;
  batch_.emplace_back(std::move(trigger));
}

// Faults end: workers return, pools and dispatch open, all runs are there.
void Simulation::Heal() {
  options_.faults = false;
  batch_.emplace_back(event::StopDispatch{false, ""});
  stopped_ = false;
  batch_.emplace_back(event::SetDagPaused{{}, "d", false});
  for (const char* pool : {"p", "q"}) {
    batch_.emplace_back(event::PutPool{{}, {pool, 3, "", false}});
  }
  for (const auto& [name, worker] : workers_) Hello(name);
  Apply(false);
  while (static_cast<int>(db_.runs.size()) < options_.runs) {
    TriggerMissing();
    Apply(false);
  }
}

// Everything goes its way until nothing is left to happen.
void Simulation::Settle() {
  for (int patience = 0; patience < kMostPatience; ++patience) {
    for (auto& [name, worker] : workers_) {
      BuryOrphans(worker);
      for (const AttemptReport& report : worker.spool) Send(worker, report);
      while (!worker.pokes.empty()) Answer(worker, worker.pokes.begin()->first, true);
      while (!worker.running.empty()) {
        const AttemptSpec& spec = worker.running.begin()->second.spec;
        const AttemptTarget& target = spec.targets.at(0);
        EXPECT_FALSE(db_.runs.at(target.run).stopping) << "not told to end: " << Name(spec);
        Finish(worker, spec.id, random_.FateOf(target.task_id, target.map_index, spec.try_number));
      }
    }
    if (batch_.empty()) {
      if (!wake_) break;
      now_ = std::max(now_, *wake_);
    }
    Apply(false);
    if (testing::Test::HasFailure()) return;
  }
  EXPECT_EQ(wake_, std::nullopt) << "the engine does not come to rest";
  EXPECT_EQ(engine_->live_runs(), 0u);
  EXPECT_EQ(engine_->open_attempts(), 0u);
  EXPECT_TRUE(alive_.empty());
  for (const Engine::WorkerUse& use : engine_->Workers()) EXPECT_EQ(use.used, 0) << use.name;
  CheckAlerts();
  CheckEndedSlas();
}

}  // namespace nightmill
