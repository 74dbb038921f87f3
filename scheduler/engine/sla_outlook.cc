#include "scheduler/engine/sla_outlook.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "scheduler/engine/reasons.h"

namespace nightmill {
namespace {

using std::chrono::microseconds;

constexpr microseconds kMicro{1};

std::size_t Index(int i) { return static_cast<std::size_t>(i); }

// When work on the task began in this cycle, by its earliest instance.
std::optional<Instant> FirstStart(const TaskNode& node) {
  std::optional<Instant> first;
  for (const Instance& instance : node.instances) {
    const TaskInstanceRow& row = instance.row;
    const std::optional<Instant>& at = row.cycle_started_at ? row.cycle_started_at : row.started_at;
    if (at && (!first || *at < *first)) first = at;
  }
  return first;
}

const TaskTimes& TimesAt(const LiveDag& dag, const DagGraph& graph, int task) {
  static const TaskTimes unknown;
  if (&graph == dag.newest.get()) return dag.slas->times[Index(task)];
  const int there = dag.newest->dag->Find(graph.dag->tasks[Index(task)].id);
  return there < 0 ? unknown : dag.slas->times[Index(there)];
}

// A run, or the version that it will take, cut to what a target needs.
class Scope {
 public:
  Scope(const LiveDag& dag, const LiveRun* run, const std::string& target, Instant now)
      : dag_(dag),
        run_(run != nullptr && run->graph != nullptr ? run : nullptr),
        graph_(run_ != nullptr ? *run_->graph : *dag.newest),
        begin_(run == nullptr ? now : std::max(now, run->row.run_after)),
        now_(now) {
    const Dag& definition = *graph_.dag;
    inside_.assign(definition.tasks.size(), target.empty());
    if (target.empty()) return;
    const int task = definition.Find(target);
    if (task < 0) return;
    inside_[Index(task)] = true;
    // Parents have lower indices.
    for (int i = task; i >= 0; --i) {
      if (!inside_[Index(i)]) continue;
      for (const int parent : definition.upstream[Index(i)]) inside_[Index(parent)] = true;
    }
  }

  int size() const { return static_cast<int>(inside_.size()); }
  bool inside(int task) const { return inside_[Index(task)]; }
  const Dag& dag() const { return *graph_.dag; }
  const LiveRun* run() const { return run_; }
  const TaskTimes& times(int task) const { return TimesAt(dag_, graph_, task); }

  bool Unfinished(int task) const {
    if (run_ == nullptr) return true;
    const auto& instances = run_->nodes[Index(task)].instances;
    return std::any_of(instances.begin(), instances.end(),
                       [](const Instance& i) { return !IsFinished(i.row.state); });
  }
  static bool IsBad(TaskState state) {
    return state == TaskState::kFailed || state == TaskState::kUpstreamFailed;
  }
  bool Bad(int task) const {
    if (run_ == nullptr) return false;
    const auto& instances = run_->nodes[Index(task)].instances;
    return std::any_of(instances.begin(), instances.end(),
                       [](const Instance& i) { return IsBad(i.row.state); });
  }
  bool InX(int task) const { return inside(task) && (Unfinished(task) || Bad(task)); }

  // Expected time of what is below each task and still to do.
  std::vector<microseconds> Tails() const {
    std::vector<microseconds> tails(inside_.size(), microseconds{0});
    for (int i = size() - 1; i >= 0; --i) {
      for (const int child : dag().downstream[Index(i)]) {
        if (!inside(child) || !Unfinished(child)) continue;
        const microseconds below = times(child).expected + tails[Index(child)];
        tails[Index(i)] = std::max(tails[Index(i)], below);
      }
    }
    return tails;
  }

  // When this unfinished task ends, if it takes what it usually takes; and how much of that begins
  // only when something happens, so that it moves on with the clock.
  struct End {
    Instant at;
    microseconds waiting;
  };
  End EndOf(int task) const {
    const Duration expected = times(task).expected;
    if (run_ == nullptr) return {begin_ + expected, expected};
    const TaskNode& node = run_->nodes[Index(task)];
    const std::optional<Instant> started = FirstStart(node);
    if (!started) return {now_ + expected, expected};
    std::optional<Instant> pause;
    for (const Instance& instance : node.instances) {
      const bool rests = instance.row.state == TaskState::kUpForRetry ||
                         instance.row.state == TaskState::kScheduled;
      if (rests && instance.row.due_at && (!pause || *instance.row.due_at > *pause)) {
        pause = instance.row.due_at;
      }
    }
    // One that waits for its next try begins anew; of a map the others go on meanwhile.
    if (pause && node.instances.size() == 1) {
      return {std::max(*pause, now_) + expected, expected};
    }
    const Instant usual = std::max(*started + expected, now_);
    return {pause ? std::max(usual, *pause) : usual, microseconds{0}};
  }

 private:
  const LiveDag& dag_;
  const LiveRun* run_;
  const DagGraph& graph_;
  Instant begin_;
  Instant now_;
  std::vector<bool> inside_;
};

std::optional<Instant> SinceOf(const DagRunRow& run, const TaskInstanceRow& row) {
  switch (row.state) {
    case TaskState::kNone:
      return run.started_at ? run.started_at : run.queued_at;
    case TaskState::kScheduled:
      return row.scheduled_at;
    case TaskState::kQueued:
      return row.queued_at;
    case TaskState::kRunning:
    case TaskState::kRestarting:
    case TaskState::kDeferred:
      return row.started_at;
    case TaskState::kSuccess:
    case TaskState::kFailed:
    case TaskState::kSkipped:
    case TaskState::kUpstreamFailed:
    case TaskState::kUpForRetry:
    case TaskState::kRemoved:
      return row.ended_at;
  }
  return std::nullopt;
}

std::optional<Forecast> ForeseeIn(const LiveDag& dag, const LiveRun& run, const Scope& scope,
                                  const SlaRow& row) {
  const bool enough = dag.slas->history.size() >= limits::kSlaForecastRuns;
  if (!enough || run.row.stopping || !row.due_at) return std::nullopt;
  const std::vector<microseconds> tails = scope.Tails();
  Forecast forecast{Instant::min(), Instant::max()};
  bool any = false;
  for (int i = 0; i < scope.size(); ++i) {
    if (!scope.inside(i)) continue;
    if (scope.Bad(i)) return std::nullopt;
    if (!scope.Unfinished(i)) continue;
    any = true;
    const Scope::End end = scope.EndOf(i);
    forecast.end = std::max(forecast.end, end.at + tails[Index(i)]);
    const Instant latest = *row.due_at - tails[Index(i)] - end.waiting;
    forecast.outlook = std::min(forecast.outlook, latest + kMicro);
  }
  if (!any) return std::nullopt;
  return forecast;
}

// One entry in place of a list: there is no run, or it has left memory.
BlockingTask NoTask(std::string reason) {
  BlockingTask blocking;
  blocking.reason = std::move(reason);
  return blocking;
}

std::string ReasonOf(const EngineState& state, const LiveRun& run, int task,
                     const TaskInstanceRow& row) {
  const std::vector<Reason> reasons = ReasonsOf(state, run, task, row);
  return reasons.empty() ? "starting" : reasons.front().code;
}

// Fills the list from the minimal elements, given with what remains behind each.
void ListInstances(const EngineState& state, const LiveRun& run, const Scope& scope,
                   const std::vector<std::pair<Instant, int>>& minimal, Instant due,
                   Holdup& holdup) {
  const bool foreseen = holdup.predicted_end.has_value();
  for (const auto& [end, task] : minimal) {
    for (const Instance& instance : run.nodes[Index(task)].instances) {
      const TaskInstanceRow& row = instance.row;
      const bool bad = Scope::IsBad(row.state);
      if (IsFinished(row.state) && !bad) continue;
      holdup.blocking_count += 1;
      if (holdup.blocking.size() >= limits::kMaxBlockingTasks) continue;
      BlockingTask blocking;
      blocking.task_id = row.task_id;
      blocking.map_index = row.map_index;
      blocking.state = row.state;
      blocking.since = SinceOf(run.row, row);
      blocking.reason = bad ? std::string(ToString(row.state)) : ReasonOf(state, run, task, row);
      blocking.p50 = scope.times(task).p50;
      if (foreseen) blocking.slack = std::chrono::floor<Duration>(due - end);
      holdup.blocking.push_back(std::move(blocking));
    }
  }
}

// Of a queued run: the tasks it would begin with, for the reason that it does not.
void ListRoots(const EngineState& state, const LiveRun& run, const Scope& scope,
               const std::vector<std::pair<Instant, int>>& minimal, Instant now, Holdup& holdup) {
  const std::string reason = ReasonsOfQueued(state, run, now).front().code;
  for (const auto& [end, task] : minimal) {
    holdup.blocking_count += 1;
    if (holdup.blocking.size() >= limits::kMaxBlockingTasks) continue;
    BlockingTask blocking;
    blocking.task_id = scope.dag().tasks[Index(task)].id;
    blocking.state = TaskState::kNone;
    blocking.since = run.row.queued_at;
    blocking.reason = reason;
    blocking.p50 = scope.times(task).p50;
    holdup.blocking.push_back(std::move(blocking));
  }
}

}  // namespace

void Relearn(DagSlas& slas, const DagGraph& newest) {
  while (slas.history.size() > limits::kSlaHistoryRuns) slas.history.erase(slas.history.begin());
  slas.times.assign(newest.dag->tasks.size(), {});
  std::vector<std::int32_t> values;
  for (std::size_t task = 0; task < slas.times.size(); ++task) {
    values.clear();
    for (const auto& [run, past] : slas.history) {
      if (past.task_ms[task] >= 0) values.push_back(past.task_ms[task]);
    }
    if (values.size() < limits::kSlaForecastRuns) continue;
    // The lower of two middle ones.
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>((values.size() - 1) / 2);
    std::nth_element(values.begin(), middle, values.end());
    slas.times[task].p50 = Duration{*middle};
    // What most runs skip is not expected of the next one.
    if (2 * values.size() >= slas.history.size()) slas.times[task].expected = Duration{*middle};
  }
}

void Unlearn(LiveDag& dag, RunKey run) {
  if (dag.slas->history.erase(run) > 0) Relearn(*dag.slas, *dag.newest);
}

std::int32_t TaskMs(Duration took) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();
  return static_cast<std::int32_t>(std::clamp<std::int64_t>(took.count(), 0, kMost));
}

PastRun TimesOf(const LiveRun& run, const DagGraph& newest) {
  PastRun past;
  past.ended_at = run.row.ended_at.value_or(run.row.queued_at);
  past.total = std::chrono::floor<Duration>(past.ended_at -
                                            run.row.started_at.value_or(past.ended_at));
  past.task_ms.assign(newest.dag->tasks.size(), -1);
  for (std::size_t i = 0; i < run.nodes.size(); ++i) {
    std::optional<Instant> first;
    std::optional<Instant> last;
    for (const Instance& instance : run.nodes[i].instances) {
      const TaskInstanceRow& row = instance.row;
      const auto& begin = row.cycle_started_at ? row.cycle_started_at : row.started_at;
      if (row.state != TaskState::kSuccess || !begin || !row.ended_at) continue;
      first = first ? std::min(*first, *begin) : *begin;
      last = last ? std::max(*last, *row.ended_at) : *row.ended_at;
    }
    const bool same = run.graph.get() == &newest;
    const int task =
        same ? static_cast<int>(i) : newest.dag->Find(run.graph->dag->tasks[i].id);
    if (!first || task < 0) continue;
    past.task_ms[Index(task)] = TaskMs(std::chrono::floor<Duration>(*last - *first));
  }
  return past;
}

std::optional<Duration> AverageFor(const DagSlas& slas, const SlaEntry& entry) {
  if (!entry.spec->average) return std::nullopt;
  std::int64_t sum = 0;
  int runs = 0;
  for (auto it = slas.history.rbegin(); it != slas.history.rend(); ++it) {
    if (runs == entry.spec->average->runs) break;
    const std::int64_t ms =
        entry.task < 0 ? it->second.total.count() : it->second.task_ms[Index(entry.task)];
    if (ms < 0) continue;
    sum += ms;
    runs += 1;
  }
  if (runs < entry.spec->average->min_runs) return std::nullopt;
  return Duration{sum / runs};
}

std::optional<Forecast> Foresee(const LiveDag& dag, const LiveRun& run, const SlaRow& row,
                                Instant now) {
  return ForeseeIn(dag, run, Scope(dag, &run, row.task_id, now), row);
}

Holdup WhatHolds(const EngineState& state, const LiveDag& dag, const LiveSla& sla, Instant now) {
  Holdup holdup;
  const SlaRow& row = sla.row;
  const LiveRun* run = state.FindRun(row.run);
  if (run != nullptr && IsFinished(run->row.state) && run->graph == nullptr) run = nullptr;
  const Scope scope(dag, run, row.task_id, now);
  if (run == nullptr) {
    std::string reason = row.run.valid() ? "run_failed" : sla.reason;
    if (reason.empty()) reason = dag.row.paused ? "dag_paused" : "no_run";
    holdup.blocking.push_back(NoTask(std::move(reason)));
    holdup.blocking_count = 1;
    if (row.run.valid()) return holdup;
  } else if (const auto forecast = ForeseeIn(dag, *run, scope, row)) {
    holdup.predicted_end = forecast->end;
  }
  const std::vector<microseconds> tails = scope.Tails();
  std::vector<bool> in_x(static_cast<std::size_t>(scope.size()));
  std::vector<std::pair<Instant, int>> minimal;
  for (int i = 0; i < scope.size(); ++i) {
    in_x[Index(i)] = scope.InX(i);
    if (!in_x[Index(i)]) continue;
    holdup.task_list.push_back(scope.dag().tasks[Index(i)].id);
    const std::vector<int>& parents = scope.dag().upstream[Index(i)];
    const bool held = std::any_of(parents.begin(), parents.end(),
                                  [&](int parent) { return in_x[Index(parent)]; });
    if (!held) minimal.emplace_back(scope.EndOf(i).at + tails[Index(i)], i);
  }
  if (run == nullptr) return holdup;
  std::stable_sort(minimal.begin(), minimal.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  if (scope.run() == nullptr) {
    ListRoots(state, *run, scope, minimal, now, holdup);
  } else {
    ListInstances(state, *run, scope, minimal, row.due_at.value_or(now), holdup);
  }
  return holdup;
}

}  // namespace nightmill
