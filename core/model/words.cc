// The words of the model's enums, one table each: what the database, the API and DAG files spell.
#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "core/base/check.h"
#include "core/model/change.h"
#include "core/model/task.h"
#include "core/model/task_attempt.h"

namespace nightmill {
namespace {

template <class Enum, std::size_t N>
using Words = std::array<std::pair<Enum, std::string_view>, N>;

template <class Enum, std::size_t N>
std::string_view WordOf(const Words<Enum, N>& words, Enum value) {
  for (const auto& [candidate, word] : words) {
    if (candidate == value) return word;
  }
  CheckFailed("every enumerator has a word", __FILE__, __LINE__, {});
}

template <class Enum, std::size_t N>
std::optional<Enum> ValueOf(const Words<Enum, N>& words, std::string_view text) {
  for (const auto& [value, word] : words) {
    if (word == text) return value;
  }
  return std::nullopt;
}

constexpr Words<TaskKind, 6> kTaskKinds{{{TaskKind::kProcess, "process"},
                                         {TaskKind::kNative, "native"},
                                         {TaskKind::kSensor, "sensor"},
                                         {TaskKind::kBranch, "branch"},
                                         {TaskKind::kShortCircuit, "short_circuit"},
                                         {TaskKind::kNoop, "noop"}}};
constexpr Words<MapMode, 3> kMapModes{
    {{MapMode::kCross, "cross"}, {MapMode::kZip, "zip"}, {MapMode::kConcat, "concat"}}};
constexpr Words<OnEmptyMap, 3> kOnEmptyMaps{
    {{OnEmptyMap::kSkip, "skip"}, {OnEmptyMap::kSuccess, "success"}, {OnEmptyMap::kFail, "fail"}}};
constexpr Words<OutputMode, 4> kOutputModes{{{OutputMode::kJson, "json"},
                                             {OutputMode::kLines, "lines"},
                                             {OutputMode::kText, "text"},
                                             {OutputMode::kNone, "none"}}};
constexpr Words<WeightRule, 3> kWeightRules{{{WeightRule::kDownstream, "downstream"},
                                             {WeightRule::kUpstream, "upstream"},
                                             {WeightRule::kAbsolute, "absolute"}}};
constexpr Words<AttemptState, 4> kAttemptStates{{{AttemptState::kDispatched, "dispatched"},
                                                 {AttemptState::kRunning, "running"},
                                                 {AttemptState::kKilling, "killing"},
                                                 {AttemptState::kEnded, "ended"}}};
constexpr Words<BackfillState, 4> kBackfillStates{{{BackfillState::kActive, "active"},
                                                   {BackfillState::kPaused, "paused"},
                                                   {BackfillState::kCompleted, "completed"},
                                                   {BackfillState::kCancelled, "cancelled"}}};
constexpr Words<ReprocessBehavior, 3> kReprocessBehaviors{
    {{ReprocessBehavior::kNone, "none"},
     {ReprocessBehavior::kFailed, "failed"},
     {ReprocessBehavior::kCompleted, "completed"}}};

// In the order of the alternatives of AttemptOutcome.
constexpr std::array<std::string_view, 6> kOutcomes{"succeeded", "skipped", "failed",
                                                    "timed_out", "killed",  "lost"};
static_assert(kOutcomes.size() == std::variant_size_v<AttemptOutcome>);

}  // namespace

std::string_view ToString(TaskKind kind) { return WordOf(kTaskKinds, kind); }
std::string_view ToString(MapMode mode) { return WordOf(kMapModes, mode); }
std::string_view ToString(OnEmptyMap mode) { return WordOf(kOnEmptyMaps, mode); }
std::string_view ToString(OutputMode mode) { return WordOf(kOutputModes, mode); }
std::string_view ToString(WeightRule rule) { return WordOf(kWeightRules, rule); }
std::string_view ToString(AttemptState state) { return WordOf(kAttemptStates, state); }
std::string_view ToString(BackfillState state) { return WordOf(kBackfillStates, state); }
std::string_view ToString(ReprocessBehavior behavior) {
  return WordOf(kReprocessBehaviors, behavior);
}

std::optional<MapMode> ParseMapMode(std::string_view word) { return ValueOf(kMapModes, word); }
std::optional<OnEmptyMap> ParseOnEmptyMap(std::string_view word) {
  return ValueOf(kOnEmptyMaps, word);
}
std::optional<OutputMode> ParseOutputMode(std::string_view word) {
  return ValueOf(kOutputModes, word);
}
std::optional<WeightRule> ParseWeightRule(std::string_view word) {
  return ValueOf(kWeightRules, word);
}
std::optional<AttemptState> ParseAttemptState(std::string_view word) {
  return ValueOf(kAttemptStates, word);
}
std::optional<BackfillState> ParseBackfillState(std::string_view word) {
  return ValueOf(kBackfillStates, word);
}
std::optional<ReprocessBehavior> ParseReprocessBehavior(std::string_view word) {
  return ValueOf(kReprocessBehaviors, word);
}

std::string_view OutcomeWord(const AttemptOutcome& outcome) { return kOutcomes[outcome.index()]; }

}  // namespace nightmill
