// Why an instance ended as it did, from rows alone (semantics.md 15, `finished`).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <functional>

#include "tests/support/engine_harness.h"

namespace nightmill {
namespace {

// The sentences about an instance of the newest run, joined by " | ".
std::string Explain(const EngineHarness& h, const std::string& task, int map_index = -1) {
  const DagRunRow run = h.Run();
  const auto dag = const_cast<EngineHarness&>(h).engine().FindDag(run.dag_id);
  const TaskInstanceRow row = h.db.tasks.at({run.run, task, map_index});
  EndedTask ended{*dag, dag->Find(task), run, row, {}, ""};
  if (run.reason == RunReason::kCancelled) ended.stopped_by = "ana";
  for (const int other : RelatedTasks(*dag, ended.task)) {
    RelatedTask related;
    related.task_id = dag->tasks[static_cast<std::size_t>(other)].id;
    for (const TaskInstanceRow& instance : h.db.TasksOf(run.run)) {
      if (instance.task_id != related.task_id) continue;
      related.states[static_cast<std::size_t>(instance.state)] += 1;
      related.branch = instance.branch;
    }
    ended.related.push_back(std::move(related));
  }
  std::string text;
  for (const Reason& reason : ExplainEnd(ended)) {
    EXPECT_EQ(reason.code, "finished");
    text += (text.empty() ? "" : " | ") + reason.message;
  }
  return text;
}

std::string DagOf(const std::string& tasks, const std::string& fields = "") {
  return fmt::format(R"({{"format": 1, "dag_id": "d", {}"tasks": [{}]}})", fields, tasks);
}

// "id": an exec task with these fields.
std::string Exec(const std::string& id, const std::string& fields = "") {
  return fmt::format(R"({{"id": "{}", "type": "exec", "argv": ["true"]{}{}}})", id,
                     fields.empty() ? "" : ", ", fields);
}

struct Case {
  std::string dag;
  std::function<void(EngineHarness&)> life;  // after the trigger
  std::string task;
  std::string said;
};

void Check(const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    EngineHarness h;
    h.WorkerUp();
    h.Load(c.dag);
    h.Trigger("d");
    c.life(h);
    EXPECT_EQ(Explain(h, c.task), c.said);
  }
}

const std::string kAb = Exec("a") + ", " + Exec("b", R"("depends_on": ["a"])");

TEST(ExplainEnd, Failures) {
  const auto exit = [](int code) {
    return [code](EngineHarness& h) {
      h.Finish("a", outcome::Failed{"exit", fmt::format("exit code {}", code), code, 0});
    };
  };
  const std::string retried =
      DagOf(Exec("a", R"("retries": 1, "retry_delay": "1m", "no_retry_on": ["exit:7"])"));
  Check({
      {DagOf(kAb), exit(3), "a",
       "try 1 failed: exit code 3 | not tried again: retries is 0 | tasks below: b "
       "upstream_failed"},
      {retried,
       [&](EngineHarness& h) {
         exit(3)(h);
         h.Advance(std::chrono::minutes{2});
         exit(4)(h);
       },
       "a", "try 2 failed: exit code 4 | all tries are used: retries is 1"},
      {retried, exit(7), "a",
       "try 1 failed: exit code 7 | not tried again: no_retry_on covers exit"},
      {DagOf(Exec("a", R"("retries": 1, "retry_on": ["oom"])")), exit(1), "a",
       "try 1 failed: exit code 1 | not tried again: retry_on does not cover exit"},
      {DagOf(Exec("a", R"("retries": 1)")),
       [](EngineHarness& h) {
         h.Finish("a", outcome::Failed{"no_retry", "exit code 98", 98, 0});
       },
       "a", "try 1 failed, no_retry: exit code 98 | not tried again: no_retry never is"},
      {DagOf(Exec("a")),
       [](EngineHarness& h) {
         h.Finish("a", outcome::Failed{"signal", "ended by SIGKILL (9)", -1, 9});
       },
       "a", "try 1 failed: ended by SIGKILL (9) | not tried again: retries is 0"},
      {DagOf(Exec("a")),
       [](EngineHarness& h) {
         h.Finish("a", outcome::Failed{"bad_input", "bad_input: a.csv, line 4: torn", -1, 0});
       },
       "a",
       "try 1 failed: bad_input: a.csv, line 4: torn | not tried again: no_retry_on covers "
       "bad_input"},
      {DagOf(Exec("a")), [](EngineHarness& h) { h.Finish("a", outcome::TimedOut{}); }, "a",
       "try 1 failed, attempt: timeout reached | not tried again: retries is 0"},
  });
}

TEST(ExplainEnd, Stops) {
  const auto cancel = [](EngineHarness& h) {
    h.Cancel("d", h.Run().run_id);
    h.Finish("a", outcome::Killed{});
  };
  Check({
      {DagOf(kAb), cancel, "a",
       "try 1 was ended: the run was cancelled by ana | tasks below: b skipped"},
      {DagOf(kAb), cancel, "b", "not started: the run was cancelled by ana"},
      {DagOf(kAb, R"("run_timeout": "1h", )"),
       [](EngineHarness& h) {
         h.AdvanceToWake();
         h.Finish("a", outcome::Killed{});
       },
       "a", "try 1 was ended: run_timeout of the run was reached | tasks below: b skipped"},
      {DagOf(Exec("a") + ", " + Exec("b"), R"("fail_fast": true, )"),
       [](EngineHarness& h) {
         h.Fail("b");
         h.Finish("a", outcome::Killed{});
       },
       "a", "try 1 was ended: another task failed, and fail_fast is set"},
  });
}

TEST(ExplainEnd, Rules) {
  const auto fail = [](EngineHarness& h) { h.Fail("a"); };
  const auto join = [](const std::string& rule) {
    return DagOf(Exec("a") + ", " + Exec("b") + ", " +
                 Exec("c", R"("depends_on": ["a", "b"], "trigger_rule": ")" + rule + "\""));
  };
  const auto one_of_two = [](EngineHarness& h) {
    h.Finish("b");
    h.Fail("a");
  };
  Check({
      {DagOf(kAb), fail, "b", "rule all_success: a failed; of 1 upstream instances 1 failed"},
      {join("all_success"), one_of_two, "c",
       "rule all_success: a failed; of 2 upstream instances 1 success, 1 failed"},
      {join("all_failed"), one_of_two, "c",
       "rule all_failed: b success; of 2 upstream instances 1 success, 1 failed"},
      {join("all_success"),
       [](EngineHarness& h) {
         h.Finish("a", outcome::Skipped{});
         h.Finish("b");
       },
       "c", "rule all_success: a skipped; of 2 upstream instances 1 success, 1 skipped"},
      {DagOf(kAb + ", " + Exec("c", R"("depends_on": ["b"])")), fail, "b",
       "rule all_success: a failed; of 1 upstream instances 1 failed | tasks below: c "
       "upstream_failed"},
      {DagOf(Exec("m", R"("map": {"over": [1, 2, 3]})") + ", " +
             Exec("c", R"("depends_on": ["m"])")),
       [](EngineHarness& h) {
         h.Finish("m[0]");
         h.Fail("m[1]");
         h.Finish("m[2]");
       },
       "c",
       "rule all_success: m 2 success and 1 failed; of 3 upstream instances 2 success, 1 "
       "failed"},
      {DagOf(Exec("a") + ", " +
             Exec("c", R"("trigger_rule": "all_done", "map": {"over": "{{ outputs.a }}"})")),
       fail, "c", "the tasks it is mapped over must succeed: a failed"},
  });
}

TEST(ExplainEnd, Skips) {
  const auto nothing = [](EngineHarness&) {};
  const std::string branch = DagOf(
      R"({"id": "pick", "type": "branch", "cases": [{"if": "{{ true }}", "then": ["x"]}]}, )" +
      Exec("x", R"("depends_on": ["pick"])") + ", " + Exec("y", R"("depends_on": ["pick"])"));
  const std::string gate =
      DagOf(R"({"id": "gate", "type": "short_circuit", "condition": "{{ false }}"}, )" +
            Exec("x", R"("depends_on": ["gate"])") + ", " + Exec("y", R"("depends_on": ["x"])"));
  Check({
      {branch, nothing, "y", "branch pick chose x"},
      {branch, nothing, "pick", R"(chose ["x"])"},
      {gate, nothing, "y", "short circuit gate was false"},
      {gate, nothing, "gate", "its condition was false"},
      {DagOf(Exec("a", R"("when": "{{ 1 > 2 }}")")), nothing, "a",
       "its condition was false: when {{ 1 > 2 }}"},
      {DagOf(Exec("a", R"("map": {"over": []})")), nothing, "a",
       "map.over gave no items, and on_empty is skip"},
      {DagOf(Exec("a")), [](EngineHarness& h) { h.Finish("a", outcome::Skipped{}); }, "a",
       "try 1 ended with exit code 99, its skip_exit_code"},
      {DagOf(R"({"id": "s", "type": "sensor.file", "path": "x", "sensor_timeout": "1h",
                 "soft_fail": true})"),
       [](EngineHarness& h) {
         h.Poke(false);
         h.Advance(std::chrono::hours{1});
       },
       "s", "not met within sensor_timeout 1h, and soft_fail is set"},
  });
}

// A run that stops later, for another reason, is not why a task was not tried again.
TEST(ExplainEnd, TotalTimeoutGoesBeforeALaterStop) {
  const std::string fields = R"("retries": 50, "retry_delay": "10m", "total_timeout": "5m")";
  const std::string waits = R"("retries": 50, "retry_delay": "10m", "total_timeout": "5h")";
  const std::string other = ", " + Exec("long");
  const auto life = [](EngineHarness& h) {
    h.Fail("a");
    h.Start("long");
    h.Advance(std::chrono::minutes{1});
    h.Cancel("d", h.Run().run_id);
    h.Finish("long", outcome::Killed{});
  };
  Check({
      {DagOf(Exec("a", fields) + other), life, "a",
       "try 1 failed: it went wrong | not tried again: total_timeout would be over before"},
      {DagOf(Exec("a", waits) + other), life, "a",
       "try 1 failed; not tried again: the run was cancelled by ana"},
  });
}

TEST(ExplainEnd, Successes) {
  Check({
      {DagOf(Exec("a", R"("retries": 1, "retry_delay": "1m")")),
       [](EngineHarness& h) {
         h.Fail("a");
         h.Advance(std::chrono::minutes{2});
         h.Start("a");
         h.Advance(std::chrono::milliseconds{2500});
         h.Finish("a");
       },
       "a", "try 2 succeeded after 2.5 s; failed before: 1"},
      {DagOf(R"({"id": "s", "type": "sensor.file", "path": "x"})"),
       [](EngineHarness& h) { h.Poke(true); }, "s", "its condition was met at check 1"},
  });
}

TEST(ExplainEnd, LongListsAreCut) {
  std::string tasks = Exec("a");
  for (int i = 0; i < 14; ++i) {
    tasks += ", " + Exec(fmt::format("b{}", i), R"("depends_on": ["a"])");
  }
  EngineHarness h;
  h.WorkerUp();
  h.Load(DagOf(tasks));
  h.Trigger("d");
  h.Fail("a");
  const std::string said = Explain(h, "a");
  EXPECT_NE(said.find(" and 4 more"), std::string::npos) << said;
}

}  // namespace
}  // namespace nightmill
