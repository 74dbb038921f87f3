#include "tests/support/engine_harness.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "core/base/check.h"
#include "core/base/overloaded.h"
#include "core/dagfile/dag_json.h"
#include "core/rules/deadline.h"
#include "worker/protocol/codec.h"

namespace nightmill {
namespace {

// Stands for every native operator: the engine knows them by name and schema only.
OperatorEntry FakeNative() {
  return {"crunch",
          TaskKind::kNative,
          "Computes something.",
          "",
          R"({"properties": {"in": {"type": "string", "description": "What to read."}},
              "required": []})",
          {}};
}

std::string InstanceName(const std::string& task, int map_index) {
  return map_index < 0 ? task : fmt::format("{}[{}]", task, map_index);
}

struct TaskName {
  std::string run_id;
  std::string task;
  int map_index = -1;
};

// "run_id/task[3]"; run id and index may be missing.
TaskName ParseName(const std::string& text) {
  TaskName name;
  const std::size_t slash = text.rfind('/');
  if (slash != std::string::npos) name.run_id = text.substr(0, slash);
  name.task = slash == std::string::npos ? text : text.substr(slash + 1);
  const std::size_t bracket = name.task.find('[');
  if (bracket != std::string::npos) {
    name.map_index = std::atoi(name.task.c_str() + bracket + 1);
    name.task.resize(bracket);
  }
  return name;
}

template <class Event>
void SetRequest(Event& event, RequestId id) {
  if constexpr (requires { event.request; }) event.request = id;
}

}  // namespace

void Database::Fold(const std::vector<Change>& changes) {
  const auto put_run = [this](const DagRunRow& row) {
    for (const auto& [key, other] : runs) {
      if (key == row.run || other.dag_id != row.dag_id) continue;
      EXPECT_NE(other.run_id, row.run_id) << "a run id twice";
      if (row.logical_date) {
        EXPECT_NE(other.logical_date, row.logical_date)
            << "a logical date twice: " << other.run_id << " and " << row.run_id;
      }
    }
    runs[row.run] = row;
  };
  const auto put_sla = [this](const SlaRow& row) {
    SlaRow& old = slas[{row.dag_id, row.name, row.slot, row.map_index}];
    const auto rank = [](SlaState state) {
      return IsFinished(state) ? 3 : static_cast<int>(state);
    };
    const bool onward = rank(row.state) > rank(old.state) || row.state == old.state;
    EXPECT_TRUE(old.name.empty() || onward)
        << row.name << " " << ToString(old.state) << " to " << ToString(row.state);
    old = row;
  };
  for (const Change& change : changes) {
    std::visit(Overloaded{
                   [&](const DagRow& row) { dags[row.dag_id] = row; },
                   [&](const DagVersionRow& row) {
                     versions[{row.dag_id, row.version}] = row;
                   },
                   put_run,
                   [&](const TaskInstanceRow& row) {
                     tasks[{row.run, row.task_id, row.map_index}] = row;
                   },
                   [&](const EraseTaskInstance& row) {
                     tasks.erase({row.run, row.task_id, row.map_index});
                   },
                   [&](const TaskAttemptRow& row) { attempts[row.attempt] = row; },
                   [&](const AttemptTargetRow& row) { targets[row.attempt].push_back(row.target); },
                   [&](const PoolRow& row) { pools[row.name] = row; },
                   [&](const ErasePool& row) { pools.erase(row.name); },
                   [&](const BackfillRow& row) { backfills[row.backfill] = row; },
                   [&](const BackfillSlotRow& row) {
                     backfill_slots[{row.backfill, row.seq}] = row;
                   },
                   [&](const SlotRow& row) {
                     const bool fresh = slots.emplace(std::pair{row.dag_id, row.tick}, row).second;
                     EXPECT_TRUE(fresh) << "a slot decided twice: " << FormatInstant(row.tick);
                   },
                   [&](const EventRow& row) {
                     const std::int64_t last = events.empty() ? 0 : events.back().id.value;
                     EXPECT_EQ(row.id.value, last + 1) << "a gap in the event ids";
                     events.push_back(row);
                   },
                   [&](const AlertRow& row) {
                     const std::int64_t last = alerts.empty() ? 0 : alerts.back().alert.value;
                     EXPECT_EQ(row.alert.value, last + 1) << "a gap in the alert ids";
                     alerts.push_back(row);
                   },
                   [&](const DeliveryRow& row) {
                     deliveries[{row.alert, row.notifier}] = row;
                   },
                   put_sla,
                   [&](const SlaMissRow& row) {
                     const std::int64_t last = misses.empty() ? 0 : misses.back().miss.value;
                     EXPECT_GT(row.miss.value, last) << "misses out of order";
                     misses.push_back(row);
                   },
               },
               change);
  }
}

Snapshot Database::Active(Epoch epoch, const DagLibrary& library) const {
  Snapshot snapshot;
  snapshot.epoch = epoch;
  for (const auto& [id, row] : dags) snapshot.dags.push_back(row);
  for (const auto& [key, row] : runs) {
    snapshot.last_run = key;
    if (IsFinished(row.state)) continue;
    snapshot.runs.push_back(row);
    for (TaskInstanceRow& task : TasksOf(key)) snapshot.tasks.push_back(std::move(task));
  }
  for (const auto& [id, row] : attempts) {
    snapshot.last_attempt = id;
    if (row.state == AttemptState::kEnded) continue;
    snapshot.attempts.push_back(row);
    for (const AttemptTarget& target : targets.at(id)) snapshot.targets.push_back({id, target});
  }
  for (const auto& [name, row] : pools) snapshot.pools.push_back(row);
  for (const auto& [id, row] : backfills) {
    snapshot.last_backfill = id;
    const bool live = row.state == BackfillState::kActive || row.state == BackfillState::kPaused;
    if (!live) continue;
    snapshot.backfills.push_back(row);
    for (const auto& [key, slot] : backfill_slots) {
      if (key.first == id) snapshot.backfill_slots.push_back(slot);
    }
  }
  for (const auto& [key, row] : runs) {
    const DagRow& dag = dags.at(row.dag_id);
    const auto parsed = library.find({dag.dag_id, dag.version});
    if (!row.logical_date || parsed == library.end() || !parsed->second->timetable) continue;
    const Duration back = parsed->second->schedule->fixed_interval;
    if (!dag.last_tick || *row.logical_date >= *dag.last_tick - back) {
      snapshot.taken_dates.emplace_back(row.dag_id, *row.logical_date);
    }
  }
  for (const auto& [key, row] : slas) {
    const bool live = row.state == SlaState::kArmed || row.state == SlaState::kWarned ||
                      row.state == SlaState::kMissed;
    if (live) snapshot.slas.push_back(row);
  }
  AddTimes(snapshot, library);
  if (!events.empty()) snapshot.last_event = events.back().id;
  if (!alerts.empty()) snapshot.last_alert = alerts.back().alert;
  return snapshot;
}

// As Store::RecentTimes, for the DAGs that recovery asks for.
void Database::AddTimes(Snapshot& snapshot, const DagLibrary& library) const {
  for (const auto& [dag_id, dag] : dags) {
    const auto parsed = library.find({dag_id, dag.version});
    if (parsed == library.end() || SlaEntries(*parsed->second).empty()) continue;
    int left = limits::kSlaHistoryRuns;
    for (auto it = runs.rbegin(); it != runs.rend() && left > 0; ++it) {
      const DagRunRow& run = it->second;
      if (run.dag_id != dag_id || run.state != RunState::kSuccess) continue;
      if (run.reason == RunReason::kMarked) continue;
      left -= 1;
      RunTimes times{dag_id, run.run, {}, *run.ended_at, {}};
      times.total = std::chrono::floor<Duration>(*run.ended_at - *run.started_at);
      std::map<std::string, std::pair<Instant, Instant>> spans;
      for (const TaskInstanceRow& row : TasksOf(run.run)) {
        const auto begin = row.cycle_started_at ? row.cycle_started_at : row.started_at;
        if (row.state != TaskState::kSuccess || !begin || !row.ended_at) continue;
        auto [span, fresh] = spans.try_emplace(row.task_id, *begin, *row.ended_at);
        span->second.first = std::min(span->second.first, *begin);
        span->second.second = std::max(span->second.second, *row.ended_at);
      }
      for (const auto& [task, span] : spans) {
        const auto took = std::chrono::floor<Duration>(span.second - span.first);
        times.tasks.emplace_back(task, std::max(took, Duration{0}));
      }
      snapshot.times.push_back(std::move(times));
    }
  }
}

std::vector<TaskInstanceRow> Database::TasksOf(RunKey run) const {
  std::vector<TaskInstanceRow> rows;
  for (auto it = tasks.lower_bound({run, "", -1}); it != tasks.end(); ++it) {
    if (std::get<0>(it->first) != run) break;
    rows.push_back(it->second);
  }
  return rows;
}

EngineHarness::EngineHarness(EngineConfig config) : config_(std::move(config)) {
  AddBuiltinTypes(catalog_);
  catalog_.Add(FakeNative());
  if (config_.state_dir.empty()) config_.state_dir = "/state";
  if (config_.data_root.empty()) config_.data_root = "/data";
  db.pools["default_pool"] = {"default_pool", 128, "", false};
  engine_ = std::make_unique<Engine>(config_);
  engine_->Load(db.Active(epoch_, library_), library_);
}

EngineHarness::~EngineHarness() = default;

void EngineHarness::Advance(Duration by) { AdvanceTo(now + by); }

void EngineHarness::AdvanceTo(Instant at) {
  CHECK(at >= now);
  while (wake_at_ && *wake_at_ <= at) AdvanceToWake();
  now = at;
  Apply();
}

void EngineHarness::AdvanceToWake() {
  ASSERT_TRUE(wake_at_.has_value()) << "the engine waits for mail only";
  now = std::max(now, *wake_at_);
  const Instant was = *wake_at_;
  Apply();
  ASSERT_TRUE(!wake_at_ || *wake_at_ > was) << "woken at " << FormatInstant(was) << " for nothing";
}

void EngineHarness::Apply(std::vector<Event> batch) {
  Step step = engine_->Apply(batch, now);
  engine_->CheckInvariants();
  db.Fold(step.changes);
  for (const Change& change : step.changes) {
    const auto* version = std::get_if<DagVersionRow>(&change);
    if (version == nullptr) continue;
    library_[{version->dag_id, version->version}] = Parse(version->source);
  }
  last_changes = std::move(step.changes);
  wake_at_ = step.wake_at;
  ExpectSameBooks(*engine_, config_, db, epoch_, library_);
  for (Command& command : step.commands) Receive(std::move(command));
}

void ExpectSameBooks(const Engine& engine, const EngineConfig& config, const Database& db,
                     Epoch epoch, const DagLibrary& library) {
  Engine shadow(config);
  shadow.Load(db.Active(Epoch{epoch.value + 1}, library), library);
  shadow.CheckInvariants();
  EXPECT_EQ(shadow.live_runs(), engine.live_runs());
  EXPECT_EQ(shadow.open_attempts(), engine.open_attempts());
  const auto ours = engine.Pools();
  const auto theirs = shadow.Pools();
  ASSERT_EQ(ours.size(), theirs.size());
  for (std::size_t i = 0; i < ours.size(); ++i) {
    EXPECT_EQ(ours[i].running_slots, theirs[i].running_slots) << ours[i].pool.name;
    EXPECT_EQ(ours[i].queued_slots, theirs[i].queued_slots) << ours[i].pool.name;
    EXPECT_EQ(ours[i].deferred_slots, theirs[i].deferred_slots) << ours[i].pool.name;
  }
  const Instant now = db.events.empty() ? Instant{} : db.events.back().at;
  const auto ours_sla = engine.Slas("", now);
  const auto theirs_sla = shadow.Slas("", now);
  ASSERT_EQ(ours_sla.size(), theirs_sla.size());
  for (std::size_t i = 0; i < ours_sla.size(); ++i) {
    const SlaStanding& a = ours_sla[i];
    const SlaStanding& b = theirs_sla[i];
    ASSERT_EQ(a.row.has_value(), b.row.has_value()) << a.entry;
    EXPECT_EQ(a.suppressed, b.suppressed);
    EXPECT_EQ(a.predicted_end, b.predicted_end);
    EXPECT_EQ(a.task_list, b.task_list);
    EXPECT_EQ(a.blocking_count, b.blocking_count);
    if (!a.row) continue;
    EXPECT_EQ(a.row->slot, b.row->slot);
    EXPECT_EQ(a.row->state, b.row->state);
    EXPECT_EQ(a.row->due_at, b.row->due_at);
  }
}

void EngineHarness::Receive(Command command) {
  if (auto* reply = std::get_if<command::Reply>(&command)) {
    const bool first = replies_.emplace(reply->request, std::move(reply->body)).second;
    EXPECT_TRUE(first) << "a request answered twice";
    return;
  }
  if (auto* start = std::get_if<command::StartAttempt>(&command)) {
    const Result<std::string> text = wire::SpecToJson(start->spec);
    CHECK(text.ok());
    Result<AttemptSpec> spec = wire::SpecFromJson(*text);
    CHECK(spec.ok());
    FakeWorker& worker = workers.at(start->worker);
    EXPECT_TRUE(worker.connected) << "sent to a worker that is away";
    EXPECT_EQ(spec->incarnation, worker.incarnation);
    worker.held[spec->id] = *std::move(spec);
  } else if (auto* poke = std::get_if<command::Poke>(&command)) {
    workers.at(poke->worker).pokes[poke->poke] = *poke;
  } else if (auto* load = std::get_if<command::LoadRun>(&command)) {
    loads_.push_back(*load);
  }
  unread_.push_back(std::move(command));
}

Result<command::ReplyBody> EngineHarness::Ask(Event request) {
  const RequestId id{++last_request_};
  std::visit([id](auto& event) { SetRequest(event, id); }, request);
  Apply({std::move(request)});
  const auto it = replies_.find(id);
  CHECK_MSG(it != replies_.end(), "a request without an answer");
  return it->second;
}

std::shared_ptr<const Dag> EngineHarness::Parse(std::string_view json) const {
  DagFileResult loaded = LoadDag(json, catalog_, {});
  if (!loaded.ok()) {
    for (const Diagnostic& d : loaded.diagnostics) ADD_FAILURE() << FormatDiagnostic(d);
  }
  CHECK_MSG(loaded.ok(), "the DAG of a test does not load");
  return std::move(loaded.dag);
}

void EngineHarness::Load(std::string_view json, bool paused) {
  const auto reply = Ask(event::ApplyDag{{}, Parse(json), paused, false, {}});
  EXPECT_TRUE(reply.ok()) << reply.error().message;
}

void EngineHarness::Pool(const std::string& name, int slots) {
  EXPECT_TRUE(Ask(event::PutPool{{}, {name, slots, "", false}}).ok());
}

event::WorkerUp EngineHarness::Hello(const std::string& name) {
  FakeWorker& worker = workers[name];
  worker.connected = true;
  worker.pokes.clear();
  event::WorkerUp up{name, worker.incarnation, worker.slots, {}, std::move(worker.spool), {}};
  worker.spool.clear();
  for (const auto& [id, spec] : worker.held) up.open.push_back(id);
  return up;
}

void EngineHarness::WorkerUp(const std::string& name, int slots) {
  FakeWorker& worker = workers[name];
  worker.slots = slots;
  if (worker.incarnation == 0) worker.incarnation = ++last_incarnation_;
  Apply({Hello(name)});
}

void EngineHarness::WorkerDown(const std::string& name) {
  FakeWorker& worker = workers.at(name);
  worker.connected = false;
  worker.pokes.clear();
  Apply({event::WorkerDown{name, worker.incarnation}});
}

void EngineHarness::WorkerDies(const std::string& name) {
  FakeWorker& worker = workers.at(name);
  if (worker.connected) WorkerDown(name);
  worker.incarnation = ++last_incarnation_;
  std::vector<event::LostAttempt> lost;
  for (const auto& [id, spec] : worker.held) lost.push_back({id, "worker died"});
  worker.held.clear();
  event::WorkerUp up = Hello(name);
  up.lost = std::move(lost);
  Apply({std::move(up)});
}

void EngineHarness::ForgetHeld(const std::string& name) { workers.at(name).held.clear(); }

std::string EngineHarness::Trigger(const std::string& dag_id, const TriggerOptions& options) {
  event::TriggerRun trigger;
  trigger.dag_id = dag_id;
  trigger.run_id = options.run_id;
  trigger.logical_date = options.logical_date;
  trigger.null_logical_date = options.null_logical_date;
  trigger.conf = options.conf;
  trigger.unpause = options.unpause;
  const auto reply = Ask(trigger);
  EXPECT_TRUE(reply.ok()) << reply.error().message;
  return reply.ok() ? std::get<DagRunRow>(*reply).run_id : "";
}

void EngineHarness::Pause(const std::string& dag_id, bool paused) {
  EXPECT_TRUE(Ask(event::SetDagPaused{{}, dag_id, paused}).ok());
}

void EngineHarness::Cancel(const std::string& dag_id, const std::string& run_id) {
  EXPECT_TRUE(Ask(event::CancelRun{{}, dag_id, run_id}).ok());
}

Result<BackfillReply> EngineHarness::Backfill(const std::string& dag_id, const std::string& from,
                                              const std::string& to,
                                              const BackfillOptions& options) {
  event::CreateBackfill create{{},
                               dag_id,
                               from,
                               to,
                               options.reprocess,
                               options.max_active_runs,
                               options.run_backwards,
                               options.conf,
                               options.dry_run,
                               {}};
  const std::shared_ptr<const Dag> dag = engine_->FindDag(dag_id);
  if (dag != nullptr && dag->timetable != nullptr) {
    const Result<Instant> first = dag->timetable->ResolveFrom(from);
    const Result<Instant> last = dag->timetable->ResolveTo(to);
    for (const auto& [key, row] : db.runs) {
      const bool inside = first.ok() && last.ok() && row.dag_id == dag_id && row.logical_date &&
                          *row.logical_date >= *first && *row.logical_date <= *last;
      if (inside) create.existing.push_back(row);
    }
  }
  Result<command::ReplyBody> reply = Ask(std::move(create));
  if (!reply.ok()) return std::move(reply).error();
  return std::get<BackfillReply>(*std::move(reply));
}

std::optional<std::pair<std::string, AttemptId>> EngineHarness::Locate(
    const std::string& task) const {
  const TaskName name = ParseName(task);
  std::optional<std::pair<std::string, AttemptId>> found;
  for (const auto& [worker_name, worker] : workers) {
    for (const auto& [id, spec] : worker.held) {
      const AttemptTarget& target = spec.targets.at(0);
      const bool fits = target.task_id == name.task && target.map_index == name.map_index &&
                        (name.run_id.empty() || spec.run_id == name.run_id);
      if (fits && (!found || id < found->second)) found = {worker_name, id};
    }
  }
  return found;
}

bool EngineHarness::Holds(const std::string& task) const { return Locate(task).has_value(); }

AttemptSpec EngineHarness::Spec(const std::string& task) const {
  const auto at = Locate(task);
  CHECK_MSG(at.has_value(), fmt::format("no worker runs {}", task));
  return workers.at(at->first).held.at(at->second);
}

void EngineHarness::Start(const std::string& task) {
  const AttemptSpec spec = Spec(task);
  Apply({event::AttemptStarted{spec.id, spec.epoch, spec.incarnation, now}});
}

AttemptReport EngineHarness::Report(const std::string& task, AttemptOutcome outcome,
                                    const std::string& output) {
  const auto at = Locate(task);
  CHECK_MSG(at.has_value(), fmt::format("no worker runs {}", task));
  const AttemptSpec spec = workers[at->first].held.at(at->second);
  workers[at->first].held.erase(at->second);
  AttemptReport report;
  report.id = spec.id;
  report.epoch = spec.epoch;
  report.incarnation = spec.incarnation;
  report.targets = spec.targets;
  report.outcome = std::move(outcome);
  report.output = output;
  report.started_at = db.attempts.at(spec.id).started_at.value_or(now);
  report.ended_at = now;
  Result<AttemptReport> read = wire::ReportFromJson(wire::ReportToJson(report));
  CHECK(read.ok());
  return *std::move(read);
}

void EngineHarness::Finish(const std::string& task, AttemptOutcome outcome,
                           const std::string& output) {
  const auto at = Locate(task);
  CHECK_MSG(at.has_value(), fmt::format("no worker runs {}", task));
  AttemptReport report = Report(task, std::move(outcome), output);
  if (workers[at->first].connected) {
    Apply({event::AttemptFinished{std::move(report)}});
  } else {
    workers[at->first].spool.push_back(std::move(report));
  }
}

void EngineHarness::Fail(const std::string& task, const std::string& kind, int exit_code) {
  Finish(task, outcome::Failed{kind, "it went wrong", exit_code, 0});
}

void EngineHarness::Lose(const std::string& task) { Finish(task, outcome::Lost{"worker died"}); }

void EngineHarness::Poke(bool met, const std::string& error, const std::string& task) {
  for (auto& [name, worker] : workers) {
    for (const auto& [id, poke] : worker.pokes) {
      if (!task.empty() && poke.spec.find(task) == std::string::npos) continue;
      const std::int64_t answered = id;
      worker.pokes.erase(answered);
      Apply({event::PokeFinished{answered, met, error, met ? R"({"path":"p"})" : "null"}});
      return;
    }
  }
  ADD_FAILURE() << "no open poke";
}

std::string EngineHarness::NameOf(AttemptId attempt) const {
  const auto at = db.targets.find(attempt);
  if (at == db.targets.end()) return "?";
  return InstanceName(at->second.at(0).task_id, at->second.at(0).map_index);
}

Names EngineHarness::TakeStarts() {
  Names names;
  std::erase_if(unread_, [&](const Command& command) {
    const auto* start = std::get_if<command::StartAttempt>(&command);
    if (start != nullptr) names.push_back(NameOf(start->spec.id));
    return start != nullptr;
  });
  return names;
}

Names EngineHarness::TakeKills() {
  Names names;
  std::erase_if(unread_, [&](const Command& command) {
    const auto* kill = std::get_if<command::KillAttempt>(&command);
    if (kill != nullptr) names.push_back(NameOf(kill->attempt));
    return kill != nullptr;
  });
  return names;
}

Names EngineHarness::TakePokes() {
  Names names;
  std::erase_if(unread_, [&](const Command& command) {
    const auto* poke = std::get_if<command::Poke>(&command);
    if (poke != nullptr) names.push_back(poke->type);
    return poke != nullptr;
  });
  return names;
}

std::vector<command::LoadRun> EngineHarness::TakeLoads() {
  std::vector<command::LoadRun> loads;
  std::erase_if(unread_, [&](const Command& command) {
    const auto* load = std::get_if<command::LoadRun>(&command);
    if (load != nullptr) loads.push_back(*load);
    return load != nullptr;
  });
  return loads;
}

void EngineHarness::AnswerLoad() {
  ASSERT_FALSE(loads_.empty());
  const RunKey run = loads_.front().run;
  loads_.erase(loads_.begin());
  Apply({event::RunLoaded{db.runs.at(run), db.TasksOf(run)}});
}

std::vector<Command> EngineHarness::TakeCommands(std::size_t n) {
  EXPECT_EQ(unread_.size(), n);
  return std::exchange(unread_, {});
}

void EngineHarness::ExpectQuiet() { EXPECT_EQ(unread_.size(), 0u) << "something was left unread"; }

DagRunRow EngineHarness::Run(const std::string& run_id) const {
  const DagRunRow* found = nullptr;
  for (const auto& [key, row] : db.runs) {
    if (run_id.empty() || row.run_id == run_id) found = &row;
  }
  CHECK_MSG(found != nullptr, fmt::format("no run {}", run_id));
  return *found;
}

std::string EngineHarness::RunStateOf(const std::string& run_id) const {
  return std::string(ToString(Run(run_id).state));
}

Names EngineHarness::RunIds(const std::string& dag_id, const std::string& state) const {
  Names ids;
  for (const auto& [key, row] : db.runs) {
    if (row.dag_id == dag_id && ToString(row.state) == state) ids.push_back(row.run_id);
  }
  return ids;
}

TaskInstanceRow EngineHarness::Row(const std::string& task, const std::string& run_id) const {
  const TaskName name = ParseName(task);
  const RunKey run = Run(run_id.empty() ? name.run_id : run_id).run;
  const auto it = db.tasks.find({run, name.task, name.map_index});
  CHECK_MSG(it != db.tasks.end(), fmt::format("no instance {}", task));
  return it->second;
}

std::string EngineHarness::StateOf(const std::string& task, const std::string& run_id) const {
  return std::string(ToString(Row(task, run_id).state));
}

std::string EngineHarness::States(const std::string& run_id) const {
  const DagRunRow run = Run(run_id);
  const auto dag = library_.find({run.dag_id, run.version});
  CHECK_MSG(dag != library_.end(), "a run that has not started has no task states");
  std::string text;
  for (const Task& task : dag->second->tasks) {
    for (const TaskInstanceRow& row : db.TasksOf(run.run)) {
      if (row.task_id != task.id) continue;
      text += fmt::format("{}{}={}", text.empty() ? "" : " ",
                          InstanceName(row.task_id, row.map_index), ToString(row.state));
    }
  }
  return text;
}

std::string EngineHarness::Headline(const std::string& task, const std::string& run_id) const {
  const TaskName name = ParseName(task);
  const DagRunRow run = Run(run_id.empty() ? name.run_id : run_id);
  const Result<TaskExplanation> why =
      engine_->ExplainTask(run.dag_id, run.run_id, name.task, name.map_index, now);
  if (!why.ok()) return why.error().message;
  return why->reasons.empty() ? "" : why->reasons.front().code;
}

void EngineHarness::CheckExplanations() const {
  static const std::set<std::string> kBlockers = {
      "dispatch_stopped", "no_worker",  "worker_full",    "parallelism",  "dag_limit",
      "run_limit",        "task_limit", "task_run_limit", "map_parallel", "pool_missing",
      "pool_closed",      "pool_full",  "pool_too_small", "lost_backoff", "lower_priority"};
  for (const auto& [key, run] : db.runs) {
    if (IsFinished(run.state)) continue;
    const Result<RunExplanation> why_run = engine_->ExplainRun(run.dag_id, run.run_id, now);
    ASSERT_TRUE(why_run.ok()) << why_run.error().message;
    EXPECT_FALSE(why_run->reasons.empty()) << run.run_id;
    for (const TaskInstanceRow& row : db.TasksOf(key)) {
      const Result<TaskExplanation> why =
          engine_->ExplainTask(run.dag_id, run.run_id, row.task_id, row.map_index, now);
      ASSERT_TRUE(why.ok()) << why.error().message;
      EXPECT_EQ(why->state, row.state);
      ASSERT_FALSE(why->reasons.empty())
          << InstanceName(row.task_id, row.map_index) << " " << ToString(row.state);
      if (row.state != TaskState::kScheduled) continue;
      EXPECT_TRUE(kBlockers.contains(why->reasons.front().code)) << why->reasons.front().code;
    }
  }
}

std::size_t EngineHarness::EventsOf(std::string_view kind) const {
  return static_cast<std::size_t>(std::count_if(db.events.begin(), db.events.end(),
                                                [&](const EventRow& e) { return e.kind == kind; }));
}

void EngineHarness::RestartAlone() {
  epoch_.value += 1;
  engine_ = std::make_unique<Engine>(config_);
  engine_->Load(db.Active(epoch_, library_), library_);
  unread_.clear();
  loads_.clear();
  for (auto& [name, worker] : workers) {
    worker.connected = false;
    worker.pokes.clear();
  }
  Apply();
}

void EngineHarness::ReconnectAll() {
  std::vector<Event> hellos;
  for (auto& [name, worker] : workers) hellos.emplace_back(Hello(name));
  Apply(std::move(hellos));
}

void EngineHarness::Restart() {
  RestartAlone();
  ReconnectAll();
}

}  // namespace nightmill
