// `dag test`: the control flow of one run through the real engine on a virtual clock. No task runs;
// each attempt ends after its (virtual) duration with the outcome that was asked for.
#include <fmt/format.h>

#include <iostream>
#include <map>
#include <set>

#include "cli/commands/commands.h"
#include "core/base/json.h"
#include "core/dagfile/dag_json.h"
#include "scheduler/daemon/clock.h"
#include "scheduler/engine/engine.h"

namespace nightmill {
namespace {

using nlohmann::json;

constexpr std::string_view kWorker = "virtual";
constexpr std::string_view kEmptyReport =
    R"({"outcome":"unchanged","files":0,"rows":0,"warnings":[],)"
    R"("partitions":[{"key":"","rows":0,"files":0,"bytes":0}]})";
// Nothing in a virtual run lasts longer; a run that is not over by then never ends.
constexpr auto kHorizon = std::chrono::hours(24 * 366);

struct TestOptions {
  std::string file;
  std::vector<std::string> outcomes;
  std::vector<std::string> try_outcomes;
  std::vector<std::string> outputs;
  std::vector<std::string> settings;
  std::string durations;
  std::string conf;
  std::string logical_date;
};

// What each task does, by task id.
struct Script {
  std::map<std::string, std::vector<std::string>, std::less<>> outcomes;  // per try, last repeats
  std::map<std::string, std::string, std::less<>> outputs;
  std::map<std::string, double, std::less<>> seconds;
  std::map<std::string, int, std::less<>> pools;
  std::string conf = "{}";
  std::optional<Instant> logical_date;
};

Result<std::pair<std::string, std::string>> SplitPair(const std::string& text,
                                                      std::string_view flag) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    return Invalid(fmt::format("{} {}: expected NAME=VALUE", flag, text));
  }
  return std::pair{text.substr(0, equals), text.substr(equals + 1)};
}

Status CheckTask(const Dag& dag, const std::string& task) {
  if (dag.Find(task) >= 0) return Ok();
  return NotFound(fmt::format("no task \"{}\" in {}", task, dag.dag_id));
}

Result<std::vector<std::string>> SplitOutcomes(const std::string& list) {
  std::vector<std::string> words;
  std::size_t from = 0;
  while (from <= list.size()) {
    const std::size_t end = std::min(list.find(',', from), list.size());
    const std::string word = list.substr(from, end - from);
    if (word != "success" && word != "failed" && word != "skipped" && word != "timed_out") {
      return Invalid(fmt::format("\"{}\" is no outcome", word),
                     "outcomes are success, failed, skipped, timed_out");
    }
    words.push_back(word);
    from = end + 1;
  }
  return words;
}

Status ReadOutcomes(const Dag& dag, const std::vector<std::string>& texts, std::string_view flag,
                    Script& script) {
  for (const std::string& text : texts) {
    NM_ASSIGN_OR_RETURN(const auto pair, SplitPair(text, flag));
    NM_RETURN_IF_ERROR(CheckTask(dag, pair.first));
    NM_ASSIGN_OR_RETURN(script.outcomes[pair.first], SplitOutcomes(pair.second));
  }
  return Ok();
}

Result<Script> ReadScript(const Dag& dag, const TestOptions& options) {
  Script script;
  NM_RETURN_IF_ERROR(ReadOutcomes(dag, options.outcomes, "--outcome", script));
  NM_RETURN_IF_ERROR(ReadOutcomes(dag, options.try_outcomes, "--try-outcome", script));
  for (const std::string& text : options.outputs) {
    NM_ASSIGN_OR_RETURN(const auto pair, SplitPair(text, "--output"));
    NM_RETURN_IF_ERROR(CheckTask(dag, pair.first));
    Result<std::string> value = ParseStrictJson(pair.second, false);
    if (!value.ok()) return Invalid(fmt::format("--output {}: {}", text, value.error().message));
    script.outputs[pair.first] = *std::move(value);
  }
  for (const std::string& text : options.settings) {
    NM_ASSIGN_OR_RETURN(const auto pair, SplitPair(text, "--set"));
    if (!pair.first.starts_with("pools.")) {
      return Invalid(fmt::format("--set knows pools.NAME, not {}", pair.first));
    }
    try {
      script.pools[pair.first.substr(6)] = std::stoi(pair.second);
    } catch (const std::exception&) {
      return Invalid(fmt::format("--set {}: slots must be a whole number", text));
    }
  }
  if (!options.durations.empty()) {
    NM_ASSIGN_OR_RETURN(const std::string text, ReadFile(options.durations));
    const Result<std::string> strict = ParseStrictJson(text, true);
    if (!strict.ok()) {
      return Invalid(fmt::format("{}: {}", options.durations, strict.error().message));
    }
    const json file = json::parse(*strict);
    if (!file.is_object()) {
      return Invalid(fmt::format("{} must hold {{\"task\": seconds}}", options.durations));
    }
    for (const auto& [task, seconds] : file.items()) {
      NM_RETURN_IF_ERROR(CheckTask(dag, task));
      if (!seconds.is_number() || seconds.get<double>() < 0) {
        return Invalid(fmt::format("{}: {} must be a number of seconds", options.durations, task));
      }
      script.seconds[task] = seconds.get<double>();
    }
  }
  if (!options.conf.empty()) {
    Result<std::string> conf = ParseStrictJson(options.conf, true);
    if (!conf.ok()) return Invalid(fmt::format("--conf: {}", conf.error().message));
    script.conf = *std::move(conf);
  }
  if (!options.logical_date.empty()) {
    NM_ASSIGN_OR_RETURN(const std::string utc, UtcInstant("--logical-date", options.logical_date));
    NM_ASSIGN_OR_RETURN(script.logical_date, ParseInstant(utc));
  }
  return script;
}

// A copy of the DAG whose schedule creates no run of its own and whose tasks with a scripted bad
// end can be made to end so although the engine would decide them itself.
Result<std::shared_ptr<const Dag>> Prepare(const Dag& dag, const Script& script) {
  auto copy = std::make_shared<Dag>(dag);
  copy->paused_upon_creation = false;
  copy->max_active_runs = limits::kMaxMaxActiveRuns;
  if (copy->schedule) {
    copy->schedule->catchup = Catchup::kNone;
    NM_ASSIGN_OR_RETURN(copy->timetable, Timetable::Make(*copy->schedule, copy->dag_id));
  }
  for (Task& task : copy->tasks) {
    const auto outcomes = script.outcomes.find(task.id);
    if (outcomes == script.outcomes.end() || task.kind == TaskKind::kProcess ||
        task.kind == TaskKind::kNative) {
      continue;
    }
    const bool plain = outcomes->second == std::vector<std::string>{"success"};
    if (plain) continue;
    task.kind = TaskKind::kProcess;
    task.type = "shell";
    task.params = R"({"run":"true"})";
  }
  return std::shared_ptr<const Dag>(std::move(copy));
}

class VirtualRun {
 public:
  VirtualRun(std::shared_ptr<const Dag> dag, Script script)
      : dag_(std::move(dag)), script_(std::move(script)), engine_(Config()) {}

  Result<json> Play() {
    start_ = script_.logical_date.value_or(WallNow());
    if (dag_->timetable != nullptr && script_.logical_date) {
      // A run of a past interval starts when its interval has ended.
      start_ = std::max(start_, dag_->timetable->ManualInterval(start_, start_).end);
    }
    now_ = start_;
    Snapshot empty;
    empty.epoch = Epoch{1};
    engine_.Load(empty, {});
    Apply(Opening());
    if (error_) return *error_;
    event::SetDagPaused pause;  // from here on the schedule adds nothing
    pause.dag_id = dag_->dag_id;
    Apply({pause});
    while (!IsFinished(run_.state)) {
      const std::optional<Instant> next = NextInstant();
      if (!next || *next - start_ > kHorizon) {
        return Internal("the virtual run does not end",
                        "a pool of 0 slots, or a sensor that is never met?");
      }
      now_ = std::max(now_, *next);
      Apply(DueEvents());
    }
    return Answer();
  }

  // Why tasks failed that nobody asked to fail, e.g. a map over something that is no list.
  std::vector<std::string> Surprises() const {
    std::vector<std::string> reasons;
    for (const auto& [key, row] : tasks_) {
      if (row.state != TaskState::kFailed || script_.outcomes.contains(row.task_id)) continue;
      const json failure = json::parse(row.failure, nullptr, false);
      if (!failure.is_object()) continue;
      reasons.push_back(fmt::format("{} failed: {}", row.task_id, Text(failure, "message")));
    }
    return reasons;
  }

 private:
  static EngineConfig Config() {
    EngineConfig config;
    config.state_dir = "/nonexistent";
    config.data_root = "/nonexistent";
    config.parallelism = limits::kMaxMaxActiveTasks;
    config.sensor_parallelism = limits::kMaxMaxActiveTasks;
    return config;
  }

  std::vector<Event> Opening() {
    std::vector<Event> events;
    std::set<std::string> pools = {"default_pool"};
    for (const Task& task : dag_->tasks) {
      for (const PoolRequest& pool : task.pools) pools.insert(pool.name);
    }
    for (const std::string& name : pools) {
      event::PutPool put;
      put.pool.name = name;
      const auto set = script_.pools.find(name);
      put.pool.slots = set == script_.pools.end() ? -1 : set->second;
      events.push_back(put);
    }
    event::WorkerUp worker;
    worker.name = kWorker;
    worker.incarnation = 1;
    worker.slots = limits::kMaxInstancesPerRun;
    events.push_back(worker);
    event::ApplyDag apply;
    apply.dag = dag_;
    apply.paused_upon_creation = false;
    events.push_back(apply);
    event::TriggerRun trigger;
    trigger.request = RequestId{1};
    trigger.dag_id = dag_->dag_id;
    trigger.conf = script_.conf;
    trigger.logical_date = script_.logical_date;
    events.push_back(trigger);
    return events;
  }

  void Apply(std::vector<Event> events) {
    Step step = engine_.Apply(events, now_);
    wake_at_ = step.wake_at;
    for (Change& change : step.changes) Keep(change);
    for (Command& command : step.commands) Perform(command);
  }

  void Keep(Change& change) {
    if (auto* run = std::get_if<DagRunRow>(&change)) {
      run_ = *run;
    } else if (auto* task = std::get_if<TaskInstanceRow>(&change)) {
      tasks_[{dag_->Find(task->task_id), task->map_index}] = *task;
    } else if (auto* gone = std::get_if<EraseTaskInstance>(&change)) {
      tasks_.erase({dag_->Find(gone->task_id), gone->map_index});
    }
  }

  Duration DurationOf(const std::string& task) const {
    const auto it = script_.seconds.find(task);
    const double seconds = it == script_.seconds.end() ? 1.0 : it->second;
    return Duration{static_cast<std::int64_t>(seconds * 1000)};
  }

  void Perform(Command& command) {
    if (auto* start = std::get_if<command::StartAttempt>(&command)) {
      const AttemptSpec& spec = start->spec;
      AttemptReport report;
      report.id = spec.id;
      report.epoch = spec.epoch;
      report.incarnation = spec.incarnation;
      report.targets = spec.targets;
      report.started_at = now_;
      report.ended_at = now_ + DurationOf(spec.targets[0].task_id);
      report.outcome = OutcomeOf(spec);
      if (auto output = OutputOf(spec.targets[0].task_id)) report.output = *std::move(output);
      due_.emplace(report.ended_at, event::AttemptFinished{std::move(report)});
    } else if (auto* poke = std::get_if<command::Poke>(&command)) {
      due_.emplace(now_ + Duration{1000}, event::PokeFinished{poke->poke, true, "", "null"});
    } else if (auto* reply = std::get_if<command::Reply>(&command)) {
      if (!reply->body.ok()) error_ = reply->body.error();
    }
  }

  // A native operator always reports; without --output it is one that did nothing.
  std::optional<std::string> OutputOf(const std::string& task) const {
    const auto output = script_.outputs.find(task);
    if (output != script_.outputs.end()) return output->second;
    const auto index = static_cast<std::size_t>(dag_->Find(task));
    if (dag_->tasks[index].kind != TaskKind::kNative) return std::nullopt;
    return std::string(kEmptyReport);
  }

  AttemptOutcome OutcomeOf(const AttemptSpec& spec) const {
    const auto it = script_.outcomes.find(spec.targets[0].task_id);
    if (it == script_.outcomes.end()) return outcome::Succeeded{};
    const auto index = std::min(static_cast<std::size_t>(spec.try_number), it->second.size()) - 1;
    const std::string& word = it->second[index];
    if (word == "failed") return outcome::Failed{"exit", "asked for by --outcome", 1, 0};
    if (word == "skipped") return outcome::Skipped{};
    if (word == "timed_out") return outcome::TimedOut{};
    return outcome::Succeeded{};
  }

  std::optional<Instant> NextInstant() const {
    std::optional<Instant> next = wake_at_;
    if (!due_.empty() && (!next || due_.begin()->first < *next)) next = due_.begin()->first;
    return next;
  }

  std::vector<Event> DueEvents() {
    std::vector<Event> events;
    while (!due_.empty() && due_.begin()->first <= now_) {
      events.push_back(std::move(due_.begin()->second));
      due_.erase(due_.begin());
    }
    return events;
  }

  json SecondsOf(const std::optional<Instant>& t) const {
    if (!t) return nullptr;
    const std::int64_t us = (*t - start_).count();
    if (us % 1'000'000 == 0) return us / 1'000'000;
    return static_cast<double>(us) / 1e6;
  }

  json Answer() const {
    json tasks = json::array();
    for (const auto& [key, row] : tasks_) {
      const bool started = row.started_at.has_value();
      tasks.push_back({{"task_id", row.task_id},
                       {"map_index", row.map_index},
                       {"state", ToString(row.state)},
                       {"tries", row.try_number},
                       {"start", started ? SecondsOf(row.started_at) : json(nullptr)},
                       {"end", started ? SecondsOf(row.ended_at) : json(nullptr)}});
    }
    return {{"run", {{"state", ToString(run_.state)}, {"makespan", SecondsOf(run_.ended_at)}}},
            {"tasks", std::move(tasks)}};
  }

  std::shared_ptr<const Dag> dag_;
  Script script_;
  Engine engine_;
  Instant start_;
  Instant now_;
  std::optional<Instant> wake_at_;
  std::multimap<Instant, Event> due_;
  DagRunRow run_;
  std::map<std::pair<int, int>, TaskInstanceRow> tasks_;  // by (topological index, map index)
  std::optional<Error> error_;
};

int Test(Cli& cli, const TestOptions& options) {
  const Status resolved = ResolveCli(cli);
  if (!resolved.ok()) return Fail(resolved.error());
  const Result<std::string> text = ReadFile(options.file);
  if (!text.ok()) return Fail(text.error());
  DagFileOptions file;
  file.file = options.file;
  const DagFileResult loaded = LoadDag(*text, cli.catalog, file);
  if (!loaded.ok()) {
    for (const Diagnostic& d : loaded.diagnostics) std::cerr << FormatDiagnostic(d) << '\n';
    return static_cast<int>(ExitCode::kUsage);
  }
  Result<Script> script = ReadScript(*loaded.dag, options);
  if (!script.ok()) return Fail(script.error());
  const Result<std::shared_ptr<const Dag>> dag = Prepare(*loaded.dag, *script);
  if (!dag.ok()) return Fail(dag.error());
  VirtualRun run_of_dag(*dag, *std::move(script));
  const Result<json> answer = run_of_dag.Play();
  if (!answer.ok()) return Fail(answer.error());
  for (const std::string& reason : run_of_dag.Surprises()) Say(reason);
  if (cli.json()) {
    PrintJson(*answer);
    return 0;
  }
  Table table({"TASK", "INDEX", "STATE", "TRIES", "START", "END"});
  for (const json& task : answer->at("tasks")) {
    const int index = task.value("map_index", -1);
    table.Add({Text(task, "task_id"), index < 0 ? "" : std::to_string(index), Text(task, "state"),
               Text(task, "tries"), Text(task, "start"), Text(task, "end")});
  }
  table.Print();
  const json& run = answer->at("run");
  std::cout << fmt::format("run {} after {} virtual seconds\n", Text(run, "state"),
                           Text(run, "makespan"));
  return 0;
}

}  // namespace

void AddDagTestVerb(CommandLine& line, Cli& cli) {
  auto options = std::make_shared<TestOptions>();
  line.Add("dag test",
           "play a run on a virtual clock, without running tasks; exit 0 however the run ends")
      .Arg("FILE", options->file, "DAG file")
      .Option("--outcome", options->outcomes, "TASK=success|failed|skipped (repeatable)")
      .Option("--try-outcome", options->try_outcomes, "TASK=failed,success: per try (repeatable)")
      .Option("--output", options->outputs, "TASK=JSON: outputs.TASK (repeatable)")
      .Option("--durations", options->durations, "JSON file {\"task\": seconds}; else 1 each")
      .Option("--set", options->settings, "pools.NAME=SLOTS; else unlimited (repeatable)")
      .Option("--conf", options->conf, "JSON object")
      .Option("--logical-date", options->logical_date, "instant (UTC if it names no zone)")
      .Do([&cli, options] { return Test(cli, *options); });
}

}  // namespace nightmill
