// The state machine of a dag run as a table (semantics.md 1, rows R1-R8) and its outcome (1.2).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace nightmill {

enum class RunState : std::uint8_t { kQueued, kRunning, kSuccess, kFailed };
enum class RunTrigger : std::uint8_t {
  kStart,          // R2
  kCancelQueued,   // R3
  kFinishSuccess,  // R4
  kFinishFailed,   // R4, R5
  kRunRetry,       // R6
  kCleared,        // R7
  kMarkSuccess,    // R8
  kMarkFailed,     // R8
};
enum class RunType : std::uint8_t { kManual, kScheduled, kBackfill, kAssetTriggered };
// live decides before backfill in every pool (semantics.md 7).
enum class Lane : std::uint8_t { kLive, kBackfill };
// Why a run ended as it did; kNone while it runs and for a plain success.
enum class RunReason : std::uint8_t {
  kNone,
  kTaskFailed,
  kCancelled,
  kRunTimeout,
  kMarked,
  kOverlapCancelled,
  kQueueExpired,
  kParamsInvalid,
  kQuarantined,
};

struct RunTransition {
  RunState from;
  RunTrigger trigger;
  RunState to;
};
std::span<const RunTransition> RunTransitions();
std::optional<RunState> Next(RunState from, RunTrigger trigger);

std::string_view ToString(RunState state);
std::string_view ToString(RunTrigger trigger);
std::string_view ToString(RunType type);
std::string_view ToString(Lane lane);
std::string_view ToString(RunReason reason);  // "" for kNone
std::optional<RunState> ParseRunState(std::string_view word);
std::optional<RunType> ParseRunType(std::string_view word);
std::optional<Lane> ParseLane(std::string_view word);
std::optional<RunReason> ParseRunReason(std::string_view word);
bool IsFinished(RunState state);

}  // namespace nightmill
