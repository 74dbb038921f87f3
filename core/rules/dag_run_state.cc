// Words and transitions of dag runs; the compiler checks order and uniqueness of the rows.
#include "core/rules/dag_run_state.h"

#include <array>
#include <cstddef>
#include <utility>

namespace nightmill {
namespace {

using S = RunState;
using T = RunTrigger;

template <class E>
using Words = std::pair<E, std::string_view>;

constexpr std::array kStateWords = {
    Words<S>{S::kQueued, "queued"},
    Words<S>{S::kRunning, "running"},
    Words<S>{S::kSuccess, "success"},
    Words<S>{S::kFailed, "failed"},
};
constexpr std::array kTriggerWords = {
    Words<T>{T::kStart, "start"},
    Words<T>{T::kCancelQueued, "cancel_queued"},
    Words<T>{T::kFinishSuccess, "finish_success"},
    Words<T>{T::kFinishFailed, "finish_failed"},
    Words<T>{T::kRunRetry, "run_retry"},
    Words<T>{T::kCleared, "cleared"},
    Words<T>{T::kMarkSuccess, "mark_success"},
    Words<T>{T::kMarkFailed, "mark_failed"},
};
constexpr std::array kTypeWords = {
    Words<RunType>{RunType::kManual, "manual"},
    Words<RunType>{RunType::kScheduled, "scheduled"},
    Words<RunType>{RunType::kBackfill, "backfill"},
    Words<RunType>{RunType::kAssetTriggered, "asset_triggered"},
};
constexpr std::array kLaneWords = {
    Words<Lane>{Lane::kLive, "live"},
    Words<Lane>{Lane::kBackfill, "backfill"},
};
constexpr std::array kReasonWords = {
    Words<RunReason>{RunReason::kNone, ""},
    Words<RunReason>{RunReason::kTaskFailed, "task_failed"},
    Words<RunReason>{RunReason::kCancelled, "cancelled"},
    Words<RunReason>{RunReason::kRunTimeout, "run_timeout"},
    Words<RunReason>{RunReason::kMarked, "marked"},
    Words<RunReason>{RunReason::kOverlapCancelled, "overlap_cancelled"},
    Words<RunReason>{RunReason::kQueueExpired, "queue_expired"},
    Words<RunReason>{RunReason::kParamsInvalid, "params_invalid"},
    Words<RunReason>{RunReason::kQuarantined, "quarantined"},
};

// Words are looked up by the value of the enum.
template <class Table>
constexpr bool InOrder(const Table& table) {
  for (std::size_t i = 0; i < table.size(); ++i) {
    if (static_cast<std::size_t>(table[i].first) != i) return false;
  }
  return true;
}
static_assert(InOrder(kStateWords) && InOrder(kTriggerWords) && InOrder(kTypeWords) &&
              InOrder(kLaneWords) && InOrder(kReasonWords));

template <class E, std::size_t N>
std::string_view Word(const std::array<Words<E>, N>& table, E value) {
  return table[static_cast<std::size_t>(value)].second;
}

template <class E, std::size_t N>
std::optional<E> Parse(const std::array<Words<E>, N>& table, std::string_view word) {
  for (const auto& [value, text] : table) {
    if (text == word) return value;
  }
  return std::nullopt;
}

// Rows R2 to R8 of semantics.md 1; R1 makes the run, R5 is a flag and ends by R4.
constexpr std::array kTransitions = {
    RunTransition{S::kQueued, T::kStart, S::kRunning},           // R2
    RunTransition{S::kQueued, T::kCancelQueued, S::kFailed},     // R3
    RunTransition{S::kRunning, T::kFinishSuccess, S::kSuccess},  // R4, R5
    RunTransition{S::kRunning, T::kFinishFailed, S::kFailed},
    RunTransition{S::kRunning, T::kRunRetry, S::kQueued},  // R6
    RunTransition{S::kSuccess, T::kCleared, S::kQueued},   // R7
    RunTransition{S::kFailed, T::kCleared, S::kQueued},
    RunTransition{S::kSuccess, T::kMarkSuccess, S::kSuccess},  // R8
    RunTransition{S::kSuccess, T::kMarkFailed, S::kFailed},
    RunTransition{S::kFailed, T::kMarkSuccess, S::kSuccess},
    RunTransition{S::kFailed, T::kMarkFailed, S::kFailed},
};

constexpr bool NoPairTwice() {
  for (std::size_t i = 0; i < kTransitions.size(); ++i) {
    for (std::size_t j = i + 1; j < kTransitions.size(); ++j) {
      if (kTransitions[i].from == kTransitions[j].from &&
          kTransitions[i].trigger == kTransitions[j].trigger) {
        return false;
      }
    }
  }
  return true;
}
static_assert(NoPairTwice());

}  // namespace

std::span<const RunTransition> RunTransitions() { return kTransitions; }

std::optional<RunState> Next(RunState from, RunTrigger trigger) {
  for (const RunTransition& t : kTransitions) {
    if (t.from == from && t.trigger == trigger) return t.to;
  }
  return std::nullopt;
}

std::string_view ToString(RunState state) { return Word(kStateWords, state); }
std::string_view ToString(RunTrigger trigger) { return Word(kTriggerWords, trigger); }
std::string_view ToString(RunType type) { return Word(kTypeWords, type); }
std::string_view ToString(Lane lane) { return Word(kLaneWords, lane); }
std::string_view ToString(RunReason reason) { return Word(kReasonWords, reason); }

std::optional<RunState> ParseRunState(std::string_view word) { return Parse(kStateWords, word); }
std::optional<RunType> ParseRunType(std::string_view word) { return Parse(kTypeWords, word); }
std::optional<Lane> ParseLane(std::string_view word) { return Parse(kLaneWords, word); }
std::optional<RunReason> ParseRunReason(std::string_view word) { return Parse(kReasonWords, word); }

bool IsFinished(RunState state) { return state == S::kSuccess || state == S::kFailed; }

}  // namespace nightmill
