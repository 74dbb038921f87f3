// ExplainEnd: from the rows of an instance, of its run and of the tasks around it to sentences.
#include <fmt/format.h>

#include <algorithm>

#include "core/base/json.h"
#include "core/rules/retry.h"
#include "scheduler/engine/explain.h"
#include "scheduler/engine/readiness.h"
#include "scheduler/engine/transition.h"

namespace nightmill {
namespace {

using nlohmann::json;

constexpr std::size_t kMostNames = 10;

const Task& TaskOf(const EndedTask& ended) {
  return ended.dag.tasks[static_cast<std::size_t>(ended.task)];
}

const RelatedTask* Find(const EndedTask& ended, std::string_view task_id) {
  const auto it = std::find_if(ended.related.begin(), ended.related.end(),
                               [&](const RelatedTask& task) { return task.task_id == task_id; });
  return it == ended.related.end() ? nullptr : &*it;
}

std::vector<const RelatedTask*> Select(const EndedTask& ended, const std::vector<int>& tasks) {
  std::vector<const RelatedTask*> found;
  for (const int task : tasks) {
    const RelatedTask* one = Find(ended, ended.dag.tasks[static_cast<std::size_t>(task)].id);
    if (one != nullptr) found.push_back(one);
  }
  return found;
}

// "load failed", "load 3 failed and 97 success".
std::string StatesOf(const RelatedTask& task) {
  std::string text;
  int kinds = 0;
  std::int64_t sum = 0;
  std::string only;
  for (int i = 0; i < kTaskStateCount; ++i) {
    const std::int64_t n = task.states[static_cast<std::size_t>(i)];
    if (n == 0) continue;
    only = ToString(static_cast<TaskState>(i));
    text += fmt::format("{}{} {}", kinds == 0 ? "" : " and ", n, only);
    kinds += 1;
    sum += n;
  }
  if (kinds == 0) return task.task_id + " not started";
  return fmt::format("{} {}", task.task_id, sum == 1 ? only : text);
}

std::string ListOf(const std::vector<const RelatedTask*>& tasks) {
  std::string text;
  for (std::size_t i = 0; i < std::min(tasks.size(), kMostNames); ++i) {
    text += (i == 0 ? "" : ", ") + StatesOf(*tasks[i]);
  }
  if (tasks.size() > kMostNames) text += fmt::format(" and {} more", tasks.size() - kMostNames);
  return text;
}

// The choice of a branch that did not name this task: its edge does not count.
bool LeftOut(const RelatedTask& parent, const std::string& task_id) {
  const json chosen = json::parse(parent.branch, nullptr, false);
  return chosen.is_array() && std::find(chosen.begin(), chosen.end(), task_id) == chosen.end();
}

UpstreamCounts CountsOf(const std::vector<const RelatedTask*>& parents) {
  UpstreamCounts counts;
  for (const RelatedTask* parent : parents) {
    for (int i = 0; i < kTaskStateCount; ++i) {
      const auto n = static_cast<int>(parent->states[static_cast<std::size_t>(i)]);
      if (n > 0) Count(counts, static_cast<TaskState>(i), n);
    }
  }
  return counts;
}

// A parent in this state, were it the only one, would have led to the same verdict.
bool Decides(TriggerRule rule, const RelatedTask& parent, Verdict verdict) {
  for (int i = 0; i < kTaskStateCount; ++i) {
    if (parent.states[static_cast<std::size_t>(i)] == 0) continue;
    UpstreamCounts alone;
    Count(alone, static_cast<TaskState>(i), 1);
    if (alone.total == 1 && Evaluate(rule, alone) == verdict) return true;
  }
  return false;
}

// "rule all_success: load failed; of 3 upstream instances 2 success, 1 failed".
std::string RuleSentence(const EndedTask& ended, Verdict verdict) {
  const Task& task = TaskOf(ended);
  std::vector<const RelatedTask*> parents =
      Select(ended, ended.dag.upstream[static_cast<std::size_t>(ended.task)]);
  std::erase_if(parents, [&](const RelatedTask* one) { return LeftOut(*one, task.id); });
  const UpstreamCounts counts = CountsOf(parents);
  const bool by_rule = EngineVerdict(task.trigger_rule, counts) == verdict;
  // Else the gate of the map's inputs, which are needed whatever the rule.
  const TriggerRule rule = by_rule ? task.trigger_rule : TriggerRule::kAllSuccess;
  std::vector<const RelatedTask*> deciding = parents;
  std::erase_if(deciding, [&](const RelatedTask* one) { return !Decides(rule, *one, verdict); });
  const std::string who = ListOf(deciding.empty() ? parents : deciding);
  if (!by_rule) return fmt::format("the tasks it is mapped over must succeed: {}", who);
  std::string totals;
  const auto add = [&totals](int n, std::string_view word) {
    if (n > 0) totals += fmt::format("{}{} {}", totals.empty() ? "" : ", ", n, word);
  };
  add(counts.success, "success");
  add(counts.failed, "failed");
  add(counts.upstream_failed, "upstream_failed");
  add(counts.skipped, "skipped");
  return fmt::format("rule {}: {}; of {} upstream instances {}", ToString(rule), who, counts.total,
                     totals);
}

std::string StopSentence(const EndedTask& ended) {
  std::string text(StopClause(ended.run.reason));
  if (!ended.stopped_by.empty()) text += " by " + ended.stopped_by;
  return text;
}

std::string BranchSentence(const EndedTask& ended) {
  const std::string& id = TaskOf(ended).id;
  for (const RelatedTask* parent :
       Select(ended, ended.dag.upstream[static_cast<std::size_t>(ended.task)])) {
    if (!LeftOut(*parent, id)) continue;
    std::string chosen;
    for (const json& name : json::parse(parent->branch)) {
      chosen += (chosen.empty() ? "" : ", ") + name.get<std::string>();
    }
    return fmt::format("branch {} chose {}", parent->task_id, chosen.empty() ? "nothing" : chosen);
  }
  return "a branch did not choose it";
}

std::string ShortCircuitSentence(const EndedTask& ended) {
  for (const RelatedTask& task : ended.related) {
    if (task.branch == "false") return fmt::format("short circuit {} was false", task.task_id);
  }
  return "a short circuit above it was false";
}

std::string TaskSkipped(const EndedTask& ended) {
  const Task& task = TaskOf(ended);
  if (task.kind == TaskKind::kSensor) {
    return fmt::format("not met within sensor_timeout {}, and soft_fail is set",
                       FormatDuration(task.sensor_timeout));
  }
  if (task.kind == TaskKind::kProcess) {
    return fmt::format("try {} ended with exit code {}, its skip_exit_code", ended.row.try_number,
                       task.retry.skip_exit_code);
  }
  return fmt::format("try {} ended as skipped by its own word", ended.row.try_number);
}

std::string SkipSentence(const EndedTask& ended) {
  const std::string& why = ended.row.skip_reason;
  const Task& task = TaskOf(ended);
  if (why == "rule") return RuleSentence(ended, Verdict::kSkip);
  if (why == "branch") return BranchSentence(ended);
  if (why == "short_circuit") return ShortCircuitSentence(ended);
  if (why == "when") return fmt::format("its condition was false: when {}", task.when);
  if (why == "map_empty") return "map.over gave no items, and on_empty is skip";
  if (why == "map_stopped") return "max_failures of its map was reached before it started";
  if (why == "cancelled" && ended.row.cycle_failures > 0) {
    return fmt::format("try {} failed; not tried again: {}", ended.row.try_number,
                       StopSentence(ended));
  }
  if (why == "cancelled") return fmt::format("not started: {}", StopSentence(ended));
  if (why == "task") return TaskSkipped(ended);
  return why;
}

std::string SuccessSentence(const EndedTask& ended) {
  const Task& task = TaskOf(ended);
  const TaskInstanceRow& row = ended.row;
  if (task.kind == TaskKind::kBranch) return fmt::format("chose {}", row.branch);
  if (task.kind == TaskKind::kShortCircuit) return fmt::format("its condition was {}", row.branch);
  if (task.kind == TaskKind::kSensor && row.pokes > 0) {
    return fmt::format("its condition was met at check {}", row.pokes);
  }
  if (row.try_number == 0) return "map.over gave no items, and on_empty is success";
  std::string text = fmt::format("try {} succeeded", row.try_number);
  if (row.started_at && row.ended_at) {
    const auto took = std::chrono::duration<double>(*row.ended_at - *row.started_at).count();
    text += fmt::format(" after {:.1f} s", took);
  }
  if (row.cycle_failures > 0) text += fmt::format("; failed before: {}", row.cycle_failures);
  return text;
}

struct Failure {
  std::string kind;
  std::string message;
  int exit_code = -1;
  int signal = 0;
};

Failure ReadFailure(const std::string& text) {
  Failure failure;
  const json parsed = json::parse(text, nullptr, false);
  if (!parsed.is_object()) return failure;
  failure.kind = parsed.value("kind", "");
  failure.message = parsed.value("message", "");
  failure.exit_code = parsed.value("exit_code", -1);
  failure.signal = parsed.value("signal", 0);
  return failure;
}

// Whether total_timeout can have been over before the next try was due. The jitter of that one is
// not known here: the longest wait counts.
bool EndedByTotal(const EndedTask& ended) {
  const TaskInstanceRow& row = ended.row;
  const std::optional<Duration> limit = TaskOf(ended).total_timeout;
  if (!limit || !row.cycle_started_at || !row.ended_at) return false;
  RetryPolicy policy = TaskOf(ended).retry;
  const int spread = policy.jitter == RetryJitter::kPlusMinus ? policy.plus_minus_thousandths : 0;
  policy.jitter = RetryJitter::kNone;
  const Duration delay = RetryDelay(policy, row.cycle_failures, {});
  return *row.ended_at + delay + delay * spread / 1000 >= *row.cycle_started_at + *limit;
}

// Why there was no further try.
std::string NoRetrySentence(const EndedTask& ended, const Failure& failure) {
  const RetryPolicy& policy = TaskOf(ended).retry;
  std::string_view outcome = "failed";
  if (failure.kind == "attempt" || failure.kind == "total") outcome = "timed_out";
  if (failure.kind == "infrastructure") outcome = "infrastructure";
  const int earlier = ended.row.internal_failures - (failure.kind == "internal" ? 1 : 0);
  const FailureFacts facts{outcome, failure.kind, failure.exit_code, failure.signal};
  switch (DecideRetry(policy, facts, ended.row.cycle_failures, earlier)) {
    case RetryVerdict::kKindNever:
      return fmt::format("not tried again: {} never is", failure.kind);
    case RetryVerdict::kNoRetryOn:
      return fmt::format("not tried again: no_retry_on covers {}", failure.kind);
    case RetryVerdict::kNotInRetryOn:
      return fmt::format("not tried again: retry_on does not cover {}", failure.kind);
    case RetryVerdict::kExhausted:
      return policy.retries == 0 ? "not tried again: retries is 0"
                                 : fmt::format("all tries are used: retries is {}", policy.retries);
    case RetryVerdict::kRetry:
      break;
  }
  if (EndedByTotal(ended)) return "not tried again: total_timeout would be over before";
  if (ended.run.reason != RunReason::kNone && ended.run.reason != RunReason::kTaskFailed) {
    return fmt::format("not tried again: {}", StopSentence(ended));
  }
  if (failure.kind == "sensor") return "not tried again: sensor_timeout covers all tries";
  return "not tried again: total_timeout would be over before";
}

void AddFailure(const EndedTask& ended, std::vector<std::string>& sentences) {
  const Failure failure = ReadFailure(ended.row.failure);
  const int number = ended.row.try_number;
  if (failure.kind == "killed") {
    sentences.push_back(fmt::format("try {} was ended: {}", number, StopSentence(ended)));
    return;
  }
  // The message of these names them already.
  const bool plain = failure.kind == "exit" || failure.kind == "signal" || failure.kind.empty() ||
                     failure.message.starts_with(failure.kind + ": ");
  sentences.push_back(fmt::format("try {} failed{}: {}", number, plain ? "" : ", " + failure.kind,
                                  failure.message.empty() ? "no reason" : failure.message));
  sentences.push_back(NoRetrySentence(ended, failure));
}

}  // namespace

std::string_view StopClause(RunReason reason) {
  switch (reason) {
    case RunReason::kTaskFailed:
      return "another task failed, and fail_fast is set";
    case RunReason::kCancelled:
      return "the run was cancelled";
    case RunReason::kRunTimeout:
      return "run_timeout of the run was reached";
    case RunReason::kMarked:
      return "the run was marked";
    case RunReason::kOverlapCancelled:
      return "the run gave way to a newer one (overlap cancel_other)";
    case RunReason::kQueueExpired:
      return "the run waited longer than queue_expiry";
    case RunReason::kParamsInvalid:
      return "the run's conf does not fit the params of the DAG";
    case RunReason::kQuarantined:
      return "the run was set aside";
    case RunReason::kNone:
      break;
  }
  return "the run was stopped";
}

std::vector<int> RelatedTasks(const Dag& dag, int task) {
  const auto index = static_cast<std::size_t>(task);
  std::vector<int> tasks = dag.upstream[index];
  tasks.insert(tasks.end(), dag.downstream[index].begin(), dag.downstream[index].end());
  std::vector<bool> seen(dag.tasks.size(), false);
  std::vector<int> above = dag.upstream[index];
  while (!above.empty()) {
    const auto at = static_cast<std::size_t>(above.back());
    above.pop_back();
    if (seen[at]) continue;
    seen[at] = true;
    if (dag.tasks[at].kind == TaskKind::kShortCircuit) tasks.push_back(static_cast<int>(at));
    above.insert(above.end(), dag.upstream[at].begin(), dag.upstream[at].end());
  }
  std::sort(tasks.begin(), tasks.end());
  tasks.erase(std::unique(tasks.begin(), tasks.end()), tasks.end());
  return tasks;
}

std::vector<Reason> ExplainEnd(const EndedTask& ended) {
  std::vector<std::string> sentences;
  switch (ended.row.state) {
    case TaskState::kSuccess:
      sentences.push_back(SuccessSentence(ended));
      break;
    case TaskState::kFailed:
      AddFailure(ended, sentences);
      break;
    case TaskState::kSkipped:
      sentences.push_back(SkipSentence(ended));
      break;
    case TaskState::kUpstreamFailed:
      sentences.push_back(RuleSentence(ended, Verdict::kUpstreamFailed));
      break;
    case TaskState::kRemoved:
      sentences.emplace_back(
          "of an earlier life of the run; since it was cleared there is no such "
          "instance");
      break;
    default:
      return {};
  }
  const auto below = Select(ended, ended.dag.downstream[static_cast<std::size_t>(ended.task)]);
  if (ended.row.state != TaskState::kSuccess && ended.row.state != TaskState::kRemoved &&
      !below.empty()) {
    sentences.push_back(fmt::format("tasks below: {}", ListOf(below)));
  }
  std::vector<Reason> reasons;
  for (std::string& sentence : sentences) reasons.push_back({"finished", std::move(sentence), {}});
  return reasons;
}

}  // namespace nightmill
