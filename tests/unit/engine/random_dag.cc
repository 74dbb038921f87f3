#include "tests/unit/engine/random_dag.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>

#include "core/base/check.h"
#include "core/base/hash.h"
#include "core/base/json.h"

namespace nightmill {
namespace {

using nlohmann::json;
using std::chrono::hours;
using std::chrono::minutes;

constexpr std::string_view kYes = "{{ 1 == 1 }}";
constexpr std::string_view kNo = "{{ 1 == 2 }}";

std::uint64_t Hash(std::uint64_t seed, const std::string& task, int index, int try_number) {
  return KeyedHash(
      {"fate", std::to_string(seed), task, std::to_string(index), std::to_string(try_number)});
}

std::string Coin(Rng& rng) { return std::string(rng.Chance(1, 2) ? kYes : kNo); }

TaskKind RandomKind(Rng& rng) {
  const std::uint64_t roll = rng.Below(100);
  if (roll < 54) return TaskKind::kProcess;
  if (roll < 60) return TaskKind::kNative;
  if (roll < 66) return TaskKind::kNoop;
  if (roll < 76) return TaskKind::kSensor;
  if (roll < 92) return TaskKind::kBranch;
  return TaskKind::kShortCircuit;
}

TriggerRule RandomRule(Rng& rng) {
  if (rng.Chance(1, 2)) return TriggerRule::kAllSuccess;
  const auto rules = TriggerRules();
  while (true) {
    const TriggerRuleRow& row = rules[rng.Below(rules.size())];
    if (row.user_settable) return row.rule;
  }
}

void AddPools(Rng& rng, Task& task) {
  if (rng.Chance(1, 2)) return;
  task.pools = {{"p", 1 + static_cast<int>(rng.Below(2))}};
  if (rng.Chance(1, 2)) task.pools.push_back({"q", 1});
}

void AddParams(Task& task) {
  switch (task.kind) {
    case TaskKind::kProcess:
      task.type = "exec";
      task.params = R"({"argv": ["true"]})";
      break;
    case TaskKind::kSensor:
      task.type = "sensor.file";
      // The path names the instance, so that an answer can be given to it.
      task.params = fmt::format(R"({{"path": "{{{{ run_id }}}}|{}|{}"}})", task.id,
                                task.map ? "{{ map.index }}" : "-1");
      break;
    case TaskKind::kNative:
      task.type = "crunch";
      break;
    default:
      task.type = "noop";
  }
}

// The parents of task i: earlier tasks.
void AddParents(Rng& rng, const std::vector<Task>& tasks, Task& task) {
  for (const Task& earlier : tasks) {
    if (task.depends_on.size() < 3 && rng.Chance(2, 5)) task.depends_on.push_back(earlier.id);
  }
}

void AddMap(Rng& rng, Task& task, const RandomDagOptions& options) {
  const bool mappable = task.kind != TaskKind::kBranch && task.kind != TaskKind::kShortCircuit;
  if (!mappable || !rng.Chance(1, 4)) return;
  MapSpec map;
  if (!task.depends_on.empty() && rng.Chance(1, 2)) {
    const std::string producer = task.depends_on[rng.Below(task.depends_on.size())];
    map.over = {{"", fmt::format(R"("{{{{ outputs.{} }}}}")", producer)}};
    task.data_upstream = {producer};
    // With a fast rule the items would depend on who ended first.
    task.trigger_rule = rng.Chance(1, 2) ? TriggerRule::kAllSuccess : TriggerRule::kAllDone;
  } else {
    map.over = {{"", std::vector<std::string>{"[]", "[1]", "[1,2]", "[1,2,3]"}[rng.Below(4)]}};
  }
  map.on_empty = static_cast<OnEmptyMap>(rng.Below(3));
  if (rng.Chance(1, 3)) map.max_parallel = 1 + static_cast<int>(rng.Below(2));
  if (options.ordered_effects && rng.Chance(1, 3)) map.max_failures = 1;
  task.map = std::move(map);
}

void AddLimits(Rng& rng, Task& task, const RandomDagOptions& options) {
  task.retry.retries = static_cast<int>(rng.Below(3));
  task.retry.delay = minutes{1};
  if (rng.Chance(1, 10)) task.when = Coin(rng);
  if (rng.Chance(1, 8)) task.max_active_tis_per_dagrun = 1;
  if (rng.Chance(1, 8)) task.max_active_tis_per_dag = 1;
  task.priority_weight = static_cast<int>(rng.Below(4));
  task.threads = 1 + static_cast<int>(rng.Below(2));
  task.poke_interval = minutes{1};
  task.soft_fail = rng.Chance(1, 2);
  if (!options.ordered_effects) return;
  if (rng.Chance(1, 4)) task.queue_timeout = minutes{2};
  if (rng.Chance(1, 4)) task.total_timeout = minutes{3};
}

// Branches choose among their children, which are known only when all tasks are made.
void AddChoices(Rng& rng, std::vector<Task>& tasks) {
  for (Task& task : tasks) {
    if (task.kind == TaskKind::kShortCircuit) {
      task.condition = Coin(rng);
      task.ignore_downstream_trigger_rules = rng.Chance(1, 2);
    }
    if (task.kind != TaskKind::kBranch) continue;
    BranchCase branch{Coin(rng), {}};
    for (const Task& other : tasks) {
      const bool child = std::find(other.depends_on.begin(), other.depends_on.end(), task.id) !=
                         other.depends_on.end();
      if (!child) continue;
      if (rng.Chance(1, 2)) branch.then.push_back(other.id);
      if (rng.Chance(1, 3)) task.otherwise.push_back(other.id);
    }
    task.cases = {std::move(branch)};
  }
}

SlaSpec RandomSla(Rng& rng, const std::string& name, const std::string& task) {
  SlaSpec spec;
  spec.name = name;
  spec.task = task;
  spec.zone = *TimeZone::Find("UTC");
  spec.kind = static_cast<SlaKind>(rng.Below(task.empty() ? 4 : 3));
  spec.deadline = ":30";
  spec.cron = *CronExpr::Parse("*/7 * * * *");
  spec.from = rng.Chance(1, 2) ? SlaFrom::kQueued : SlaFrom::kStart;
  spec.length = minutes{1 + static_cast<int>(rng.Below(20))};
  spec.warn_at = rng.Chance(1, 3) ? 1.0 : 0.8;
  if (spec.kind == SlaKind::kDuration && rng.Chance(1, 3)) spec.average = AverageOf{3, 1.5, 1};
  spec.while_paused = rng.Chance(1, 3);
  if (rng.Chance(1, 2)) spec.notify = {"pager"};
  return spec;
}

// From a generator of their own: with or without them a seed makes the same tasks.
void AddSla(std::uint64_t seed, Dag& dag) {
  Rng rng(seed * 3 + 7);
  const std::size_t n = rng.Below(4);
  for (std::size_t i = 0; i < n; ++i) {
    dag.sla.push_back(RandomSla(rng, fmt::format("s{}", i), ""));
  }
  for (Task& task : dag.tasks) {
    if (rng.Chance(1, 6)) task.sla.push_back(RandomSla(rng, "of_" + task.id, task.id));
    if (!rng.Chance(1, 6)) continue;
    Callbacks on;
    on.failure = on.retry = on.sla_miss = {"pager"};
    task.on = std::make_shared<const Callbacks>(std::move(on));
  }
  if (rng.Chance(1, 2)) dag.on.failure = {"pager"};
}

}  // namespace

AttemptOutcome RandomDag::FateOf(const std::string& task, int map_index, int try_number) const {
  const std::uint64_t roll = Scale(Hash(seed, task, map_index, try_number), 100);
  if (roll < 70) return outcome::Succeeded{};
  if (roll < 75) return outcome::Skipped{};
  if (roll < 80) return outcome::TimedOut{};
  if (roll < 84) return outcome::Failed{"no_retry", "", 98, 0};
  return outcome::Failed{"exit", "", 1, 0};
}

SensorFate RandomDag::SensorFateOf(const std::string& task, int map_index) const {
  const std::uint64_t roll = Scale(Hash(seed, task, map_index, 0), 100);
  if (dag->tasks[static_cast<std::size_t>(dag->Find(task))].sensor_timeout < hours{1}) {
    return SensorFate::kNever;
  }
  return roll < 30 ? SensorFate::kErrsFirst : SensorFate::kMet;
}

std::string RandomDag::OutputOf(const std::string& task) const {
  const std::vector<std::string> outputs = {"[]", "[1]", R"(["a","b"])", R"({"k":1,"l":2})", "7"};
  return outputs[Scale(Hash(seed, task, -2, 0), outputs.size())];
}

std::string RandomDag::Text() const {
  std::string text = fmt::format("seed {}\n", seed);
  for (const Task& task : dag->tasks) {
    text +=
        fmt::format("{} {} after {} by {} retries {}", task.id, ToString(task.kind),
                    json(task.depends_on).dump(), ToString(task.trigger_rule), task.retry.retries);
    if (task.map) {
      text += fmt::format(" over {} {}", task.map->over[0].second, ToString(task.map->on_empty));
    }
    if (!task.when.empty()) text += " when " + task.when;
    if (!task.condition.empty()) text += " if " + task.condition;
    for (const BranchCase& branch : task.cases) {
      text += fmt::format(" if {} then {} else {}", branch.condition, json(branch.then).dump(),
                          json(task.otherwise).dump());
    }
    text += fmt::format(" writes {}\n", OutputOf(task.id));
  }
  return text;
}

RandomDag MakeRandomDag(std::uint64_t seed, const RandomDagOptions& options) {
  Rng rng(seed);
  auto dag = std::make_shared<Dag>();
  dag->dag_id = "d";
  dag->version_hash = std::to_string(seed);
  dag->max_active_tasks = 2 + static_cast<int>(rng.Below(8));
  dag->max_active_runs = 1 + static_cast<int>(rng.Below(2));
  dag->fail_if_any_failed = rng.Chance(1, 4);
  if (options.ordered_effects) {
    dag->fail_fast = rng.Chance(1, 3);
    if (rng.Chance(1, 3)) dag->run_timeout = minutes{4};
    if (rng.Chance(1, 3)) dag->queue_expiry = minutes{5};
  }
  const std::size_t n = 2 + rng.Below(7);
  for (std::size_t i = 0; i < n; ++i) {
    Task task;
    task.id = fmt::format("t{}", i);
    task.kind = RandomKind(rng);
    task.trigger_rule = RandomRule(rng);
    AddParents(rng, dag->tasks, task);
    AddMap(rng, task, options);
    AddPools(rng, task);
    AddLimits(rng, task, options);
    // What is met at last must not be timed out by a worker that stays away.
    task.sensor_timeout = rng.Chance(1, 4) ? Duration{minutes{10}} : Duration{hours{24 * 365}};
    AddParams(task);
    dag->tasks.push_back(std::move(task));
  }
  AddChoices(rng, dag->tasks);
  AddSla(seed, *dag);
  CHECK(Link(*dag).ok());
  return {seed, std::move(dag)};
}

namespace {

// One run, decided task by task in topological order.
class Oracle {
 public:
  explicit Oracle(const RandomDag& random) : random_(random), dag_(*random.dag) {
    instances_.resize(dag_.tasks.size());
    excluded_.resize(dag_.tasks.size(), false);
  }

  Ending Run() {
    for (std::size_t i = 0; i < dag_.tasks.size(); ++i) {
      Decide(i);
      if (dag_.tasks[i].kind == TaskKind::kBranch) Branch(i);
      if (dag_.tasks[i].kind == TaskKind::kShortCircuit) ShortCircuit(i);
    }
    Judge();
    return ending_;
  }

 private:
  void Put(std::size_t i, int index, TaskState state, int tries = 0) {
    ending_.tasks[{dag_.tasks[i].id, index}] = state;
    ending_.tries[{dag_.tasks[i].id, index}] = tries;
    instances_[i].push_back(state);
  }

  Verdict RuleVerdict(std::size_t i) const {
    const Task& task = dag_.tasks[i];
    if (task.trigger_rule == TriggerRule::kAlways) return Verdict::kRun;
    if (excluded_[i]) return Verdict::kSkip;
    UpstreamCounts counts;
    for (const int parent : dag_.upstream[i]) {
      if (bypassed_.contains({parent, static_cast<int>(i)})) continue;
      Add(counts, instances_[static_cast<std::size_t>(parent)]);
    }
    return Evaluate(task.trigger_rule, counts);
  }

  static void Add(UpstreamCounts& counts, const std::vector<TaskState>& states) {
    for (const TaskState state : states) {
      counts.total += 1;
      if (state == TaskState::kSuccess) counts.success += 1;
      if (state == TaskState::kFailed) counts.failed += 1;
      if (state == TaskState::kUpstreamFailed) counts.upstream_failed += 1;
      if (state == TaskState::kSkipped) counts.skipped += 1;
    }
  }

  bool Expanded(std::size_t i) const { return ending_.tasks.contains({dag_.tasks[i].id, 0}); }

  Verdict MapVerdict(std::size_t i) const {
    UpstreamCounts counts;
    for (const std::string& id : dag_.tasks[i].data_upstream) {
      const auto producer = static_cast<std::size_t>(dag_.Find(id));
      if (!Expanded(producer)) Add(counts, instances_[producer]);
    }
    return Evaluate(TriggerRule::kAllSuccess, counts);
  }

  // Items of a mapped task; nothing if its input is no list or object.
  std::optional<std::size_t> Items(std::size_t i) const {
    const Task& task = dag_.tasks[i];
    if (task.data_upstream.empty()) return json::parse(task.map->over[0].second).size();
    const auto producer = static_cast<std::size_t>(dag_.Find(task.data_upstream[0]));
    if (dag_.tasks[producer].map) {
      // A list of the outputs of the successful ones; those of engine-run tasks and sensors are
      // as they are, null is left out.
      const auto& states = instances_[producer];
      if (OutputOf(producer) == "null") return 0;
      return static_cast<std::size_t>(
          Expanded(producer) ? std::count(states.begin(), states.end(), TaskState::kSuccess) : 0);
    }
    const json value = json::parse(OutputOf(producer));
    if (!value.is_array() && !value.is_object()) return std::nullopt;
    return value.size();
  }

  std::string OutputOf(std::size_t i) const {
    const Task& task = dag_.tasks[i];
    switch (task.kind) {
      case TaskKind::kProcess:
      case TaskKind::kNative:
        return random_.OutputOf(task.id);
      case TaskKind::kSensor:
        return R"({"path":"p"})";
      case TaskKind::kBranch:
        return json(Chosen(task)).dump();
      case TaskKind::kShortCircuit:
        return task.condition == kYes ? "true" : "false";
      case TaskKind::kNoop:
        break;
    }
    return "null";
  }

  static const std::vector<std::string>& Chosen(const Task& task) {
    return task.cases[0].condition == kYes ? task.cases[0].then : task.otherwise;
  }

  void Decide(std::size_t i) {
    const Task& task = dag_.tasks[i];
    Verdict verdict = RuleVerdict(i);
    if (verdict == Verdict::kRun && task.map) verdict = MapVerdict(i);
    if (verdict == Verdict::kSkip) return Put(i, -1, TaskState::kSkipped);
    if (verdict == Verdict::kUpstreamFailed) return Put(i, -1, TaskState::kUpstreamFailed);
    CHECK(verdict == Verdict::kRun);
    if (!task.map) return Execute(i, -1);
    const std::optional<std::size_t> items = Items(i);
    if (!items) return Put(i, -1, TaskState::kFailed, 1);
    for (std::size_t k = 0; k < *items; ++k) Execute(i, static_cast<int>(k));
    if (*items > 0) return;
    if (task.map->on_empty == OnEmptyMap::kSkip) return Put(i, -1, TaskState::kSkipped);
    if (task.map->on_empty == OnEmptyMap::kSuccess) return Put(i, -1, TaskState::kSuccess);
    Put(i, -1, TaskState::kFailed, 1);
  }

  void Execute(std::size_t i, int index) {
    const Task& task = dag_.tasks[i];
    if (task.when == kNo) return Put(i, index, TaskState::kSkipped);
    if (task.kind == TaskKind::kSensor) return Wait(i, index);
    if (task.kind != TaskKind::kProcess && task.kind != TaskKind::kNative) {
      return Put(i, index, TaskState::kSuccess, 1);
    }
    for (int attempt = 1;; ++attempt) {
      const AttemptOutcome fate = random_.FateOf(task.id, index, attempt);
      if (std::holds_alternative<outcome::Succeeded>(fate)) {
        return Put(i, index, TaskState::kSuccess, attempt);
      }
      if (std::holds_alternative<outcome::Skipped>(fate)) {
        return Put(i, index, TaskState::kSkipped, attempt);
      }
      const auto* failed = std::get_if<outcome::Failed>(&fate);
      const bool never = failed != nullptr && failed->kind == "no_retry";
      if (never || attempt > task.retry.retries) return Put(i, index, TaskState::kFailed, attempt);
    }
  }

  void Wait(std::size_t i, int index) {
    const Task& task = dag_.tasks[i];
    switch (random_.SensorFateOf(task.id, index)) {
      case SensorFate::kMet:
        return Put(i, index, TaskState::kSuccess, 1);
      case SensorFate::kErrsFirst:
        if (task.retry.retries == 0) return Put(i, index, TaskState::kFailed, 1);
        return Put(i, index, TaskState::kSuccess, 2);
      case SensorFate::kNever:
        return Put(i, index, task.soft_fail ? TaskState::kSkipped : TaskState::kFailed, 1);
    }
  }

  std::set<int> Below(const std::vector<int>& starts) const {
    std::set<int> found;
    std::vector<int> stack = starts;
    while (!stack.empty()) {
      const auto at = static_cast<std::size_t>(stack.back());
      stack.pop_back();
      for (const int child : dag_.downstream[at]) {
        if (found.insert(child).second) stack.push_back(child);
      }
    }
    return found;
  }

  void Branch(std::size_t i) {
    if (instances_[i] != std::vector{TaskState::kSuccess}) return;
    std::vector<int> chosen;
    for (const std::string& id : Chosen(dag_.tasks[i])) chosen.push_back(dag_.Find(id));
    const std::set<int> reached = Below(chosen);
    for (const int child : dag_.downstream[i]) {
      if (std::find(chosen.begin(), chosen.end(), child) != chosen.end()) continue;
      if (reached.contains(child)) {
        bypassed_.insert({static_cast<int>(i), child});
      } else {
        excluded_[static_cast<std::size_t>(child)] = true;
      }
    }
  }

  void ShortCircuit(std::size_t i) {
    const Task& task = dag_.tasks[i];
    if (instances_[i] != std::vector{TaskState::kSuccess} || task.condition == kYes) return;
    const std::vector<int>& children = dag_.downstream[i];
    std::set<int> targets(children.begin(), children.end());
    if (task.ignore_downstream_trigger_rules) targets = Below({static_cast<int>(i)});
    for (const int target : targets) excluded_[static_cast<std::size_t>(target)] = true;
  }

  void Judge() {
    int bad = 0;
    for (std::size_t i = 0; i < dag_.tasks.size(); ++i) {
      for (const TaskState state : instances_[i]) {
        if (state != TaskState::kFailed && state != TaskState::kUpstreamFailed) continue;
        bad += 1;
        if (dag_.downstream[i].empty() || dag_.fail_if_any_failed) ending_.run_failed = true;
      }
    }
    ending_.hidden_failures = ending_.run_failed ? 0 : bad;
  }

  const RandomDag& random_;
  const Dag& dag_;
  std::vector<std::vector<TaskState>> instances_;
  std::vector<bool> excluded_;
  std::set<std::pair<int, int>> bypassed_;
  Ending ending_;
};

}  // namespace

Ending Foretell(const RandomDag& random) { return Oracle(random).Run(); }

}  // namespace nightmill
