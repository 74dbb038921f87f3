// The state machines: their full matrices against docs/states.md, words, and what every reader of
// the tables relies on (semantics.md 1).
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "core/rules/dag_run_state.h"
#include "core/rules/deadline.h"
#include "core/rules/task_state.h"
#include "tests/unit/rules/golden.h"

namespace nightmill {
namespace {

constexpr int kRunStateCount = 4;
constexpr int kRunTriggerCount = static_cast<int>(RunTrigger::kMarkFailed) + 1;

std::vector<TaskState> AllTaskStates() {
  std::vector<TaskState> all;
  for (int i = 0; i < kTaskStateCount; ++i) all.push_back(static_cast<TaskState>(i));
  return all;
}

// A Markdown table: a row per trigger, a column per state, the next state or a dot in each cell.
template <class State, class Trigger>
std::string Matrix(int states, int triggers) {
  std::ostringstream out;
  out << "| trigger |";
  for (int s = 0; s < states; ++s) out << ' ' << ToString(static_cast<State>(s)) << " |";
  out << "\n|---|";
  for (int s = 0; s < states; ++s) out << "---|";
  out << '\n';
  for (int t = 0; t < triggers; ++t) {
    out << "| `" << ToString(static_cast<Trigger>(t)) << "` |";
    for (int s = 0; s < states; ++s) {
      const auto to = Next(static_cast<State>(s), static_cast<Trigger>(t));
      out << ' ' << (to ? ToString(*to) : std::string_view("·")) << " |";
    }
    out << '\n';
  }
  return out.str();
}

std::string Document() {
  return "# State machines\n\n"
         "Generated from `core/rules/task_state.cc`, `core/rules/dag_run_state.cc` and\n"
         "`core/rules/deadline.cc` by `rules_test --accept`; `rules_test` fails if it differs.\n"
         "A cell is the state after the trigger of its row in the state of its column; `·` means\n"
         "that there is no such transition: a bug if the engine decides it, a stale message if a\n"
         "worker reports it.\n\n"
         "## Task instance\n\n" +
         Matrix<TaskState, TaskTrigger>(kTaskStateCount, kTaskTriggerCount) +
         "\nA report that overtakes the start report of its attempt is applied as `started`\n"
         "followed by its own trigger. An attempt that is being killed leaves its instance in\n"
         "`running` until the end is proven.\n\n"
         "## Dag run\n\n" +
         Matrix<RunState, RunTrigger>(kRunStateCount, kRunTriggerCount) +
         "\nA run that is cancelled, timed out or marked while it runs is flagged as stopping and\n"
         "leaves `running` by `finish_failed` or `finish_success`.\n\n"
         "## SLA entry on a slot\n\n" +
         Matrix<SlaState, SlaTrigger>(kSlaStateCount, kSlaTriggerCount) +
         "\n`warned`, `missed` and `resolved` are told as `sla.warning`, `sla.missed` and\n"
         "`sla.resolved`.\n";
}

TEST(StateMatrix, EqualsTheDocument) {
  const std::string path = NM_SOURCE_DIR "/docs/states.md";
  if (testing::g_accept_golden) {
    std::ofstream(path, std::ios::binary) << Document();
    return;
  }
  std::ifstream file(path, std::ios::binary);
  std::stringstream golden;
  golden << file.rdbuf();
  EXPECT_EQ(golden.str(), Document()) << "run `rules_test --accept` if the change is meant";
}

TEST(TaskStates, TableAndNextAgreeOnEveryPair) {
  std::set<std::pair<TaskState, TaskTrigger>> listed;
  for (const TaskTransition& t : TaskTransitions()) {
    EXPECT_TRUE(listed.emplace(t.from, t.trigger).second);
    EXPECT_EQ(Next(t.from, t.trigger), t.to);
  }
  int legal = 0;
  for (TaskState from : AllTaskStates()) {
    for (int t = 0; t < kTaskTriggerCount; ++t) {
      legal += Next(from, static_cast<TaskTrigger>(t)).has_value() ? 1 : 0;
    }
  }
  EXPECT_EQ(legal, static_cast<int>(listed.size()));
}

TEST(TaskStates, FinishedOnesLeaveOnlyByUsersAndReExpansion) {
  const std::set<TaskTrigger> allowed = {TaskTrigger::kCleared, TaskTrigger::kMarkSuccess,
                                         TaskTrigger::kMarkFailed, TaskTrigger::kMarkSkipped,
                                         TaskTrigger::kRemoved};
  for (const TaskTransition& t : TaskTransitions()) {
    if (IsFinished(t.from)) {
      EXPECT_TRUE(allowed.contains(t.trigger)) << ToString(t.from) << ' ' << ToString(t.trigger);
    }
  }
}

TEST(TaskStates, SlotsAreTakenByGrantAlone) {
  for (const TaskTransition& t : TaskTransitions()) {
    const bool taken = HoldsSlots(t.to) && !HoldsSlots(t.from);
    // A deferred instance with an external job is killed in `restarting` as well.
    const bool job_killed = t.trigger == TaskTrigger::kClearRunning;
    if (taken && !job_killed) {
      EXPECT_EQ(t.trigger, TaskTrigger::kGrant);
    }
  }
}

TEST(TaskStates, EveryUnfinishedStateEndsWhenTheRunStops) {
  for (TaskState from : AllTaskStates()) {
    const auto killed = Next(from, TaskTrigger::kStopped);
    const auto skipped = Next(from, TaskTrigger::kStoppedUnstarted);
    EXPECT_EQ(IsFinished(from), !killed && !skipped) << ToString(from);
    EXPECT_EQ(killed.value_or(TaskState::kFailed), TaskState::kFailed);
    EXPECT_EQ(skipped.value_or(TaskState::kSkipped), TaskState::kSkipped);
  }
}

TEST(TaskStates, EveryStateIsReachedFromNone) {
  std::set<TaskState> reached = {TaskState::kNone};
  for (std::size_t before = 0; before != reached.size();) {
    before = reached.size();
    for (const TaskTransition& t : TaskTransitions()) {
      if (reached.contains(t.from)) reached.insert(t.to);
    }
  }
  EXPECT_EQ(reached.size(), static_cast<std::size_t>(kTaskStateCount));
}

TEST(TaskStates, WordsGoBothWays) {
  std::set<std::string_view> words;
  for (TaskState state : AllTaskStates()) {
    EXPECT_EQ(ParseTaskState(ToString(state)), state);
    EXPECT_TRUE(words.insert(ToString(state)).second);
  }
  EXPECT_EQ(ParseTaskState("up_for_reschedule"), std::nullopt);
  EXPECT_EQ(ParseTaskState(""), std::nullopt);
  EXPECT_EQ(ParseTaskState("Running"), std::nullopt);
}

TEST(RunStates, TableAndNextAgreeOnEveryPair) {
  int legal = 0;
  for (int s = 0; s < kRunStateCount; ++s) {
    for (int t = 0; t < kRunTriggerCount; ++t) {
      legal += Next(static_cast<RunState>(s), static_cast<RunTrigger>(t)).has_value() ? 1 : 0;
    }
  }
  EXPECT_EQ(legal, static_cast<int>(RunTransitions().size()));
  for (const RunTransition& t : RunTransitions()) EXPECT_EQ(Next(t.from, t.trigger), t.to);
}

TEST(RunStates, FinishedOnesLeaveOnlyByUsers) {
  for (const RunTransition& t : RunTransitions()) {
    if (!IsFinished(t.from)) continue;
    EXPECT_TRUE(t.trigger == RunTrigger::kCleared || t.trigger == RunTrigger::kMarkSuccess ||
                t.trigger == RunTrigger::kMarkFailed);
  }
}

TEST(RunStates, WordsGoBothWays) {
  for (int i = 0; i < kRunStateCount; ++i) {
    const auto state = static_cast<RunState>(i);
    EXPECT_EQ(ParseRunState(ToString(state)), state);
  }
  for (int i = 0; i <= static_cast<int>(RunType::kAssetTriggered); ++i) {
    const auto type = static_cast<RunType>(i);
    EXPECT_EQ(ParseRunType(ToString(type)), type);
  }
  for (int i = 0; i <= static_cast<int>(RunReason::kQuarantined); ++i) {
    const auto reason = static_cast<RunReason>(i);
    EXPECT_EQ(ParseRunReason(ToString(reason)), reason);
  }
  EXPECT_EQ(ParseLane("live"), Lane::kLive);
  EXPECT_EQ(ParseLane("backfill"), Lane::kBackfill);
  EXPECT_EQ(ParseLane("Live"), std::nullopt);
  EXPECT_EQ(ParseRunState("none"), std::nullopt);
  EXPECT_EQ(ParseRunType(""), std::nullopt);
  EXPECT_EQ(ToString(RunReason::kNone), "");
}

}  // namespace
}  // namespace nightmill
