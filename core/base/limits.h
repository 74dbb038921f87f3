// Every bound of the product, in one place (semantics.md 16, reliability.md R7). Above a maximum an
// input is refused where it enters, with the limit named; nothing is cut silently.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "core/base/time.h"

namespace nightmill::limits {

using namespace std::chrono_literals;

// DAG files and JSON.
inline constexpr std::size_t kMaxJsonBytes = 16u << 20;
inline constexpr int kMaxJsonDepth = 64;
inline constexpr std::size_t kMaxJsonString = 1u << 20;
inline constexpr int kMaxReportedErrors = 100;
inline constexpr std::size_t kMaxPatternInput = 4096;  // valijson's regex recurses per character

// Model.
inline constexpr int kMaxDags = 20'000;
inline constexpr int kMaxTasks = 100'000;
inline constexpr int kMaxEdges = 1'000'000;
inline constexpr int kMaxInstancesPerRun = 1'000'000;
inline constexpr int kDefaultMaxItems = 10'000;
inline constexpr int kMaxMaxItems = 100'000;
inline constexpr std::size_t kMaxIdLength = 200;
inline constexpr std::size_t kMaxRunIdLength = 250;
inline constexpr int kDefaultMaxActiveRuns = 16;
inline constexpr int kMaxMaxActiveRuns = 10'000;
inline constexpr int kDefaultMaxActiveTasks = 256;
inline constexpr int kMaxMaxActiveTasks = 100'000;
inline constexpr int kDefaultBackfillActiveRuns = 10;
inline constexpr int kMaxBackfillActiveRuns = 1'000;
inline constexpr int kMaxBackfillSlots = 100'000;
inline constexpr int kMaxPools = 1'000;
inline constexpr int kDefaultPoolSlots = 128;
inline constexpr int kMaxPoolsPerTask = 8;
inline constexpr int kDefaultParallelism = 256;
inline constexpr int kDefaultSensorParallelism = 32;
inline constexpr int kMaxRetries = 100;
inline constexpr int kMaxLost = 3;
inline constexpr std::size_t kMaxOutputBytes = 1u << 20;
inline constexpr std::size_t kMaxConfBytes = 1u << 20;
// Values of the daemon above this reach a process as a file (product.md 2.3).
inline constexpr std::size_t kMaxEnvInline = 64u << 10;
// Linux takes no longer single argument or NAME=value, its NUL included (MAX_ARG_STRLEN).
inline constexpr std::size_t kMaxExecString = 128u << 10;
inline constexpr int kMaxCrons = 64;
inline constexpr int kMaxAtEntries = 10'000;
inline constexpr int kMaxExcludes = 1'000;
inline constexpr int kDefaultCatchupLimit = 1'000;
inline constexpr int kMaxCatchupLimit = 100'000;
inline constexpr int kLastCronYear = 2200;
inline constexpr int kMaxSlaEntries = 100;   // of a DAG and its tasks
inline constexpr int kSlaHistoryRuns = 20;   // successes that forecasts and averages look back at
inline constexpr int kSlaForecastRuns = 5;   // with fewer there is no forecast
inline constexpr int kMaxSlaOverdue = 50;    // missed slots per entry that may still be resolved
inline constexpr int kMaxBlockingTasks = 50;
inline constexpr double kDefaultSlaWarnAt = 0.8;

// Durations.
inline constexpr Duration kDefaultRetryDelay = 5min;
inline constexpr Duration kMaxRetryDelaySetting = 24h;
inline constexpr Duration kDefaultMaxRetryDelay = 24h;
inline constexpr Duration kMaxMaxRetryDelay = 30 * 24h;
inline constexpr Duration kDefaultSensorTimeout = 7 * 24h;
inline constexpr Duration kMaxTimeout = 365 * 24h;
inline constexpr Duration kDefaultPokeInterval = 60s;
inline constexpr Duration kMinPokeInterval = 1s;
inline constexpr Duration kMaxPokeInterval = 24h;
inline constexpr Duration kDefaultKillGrace = 10s;
inline constexpr Duration kMaxKillGrace = 1h;
inline constexpr Duration kMaxJitter = 24h;
inline constexpr Duration kMinEvery = 1s;
inline constexpr Duration kMaxEvery = 366 * 24h;
inline constexpr Duration kMisfireGrace = 60s;
inline constexpr Duration kLostBackoffBase = 5s;
inline constexpr Duration kLostBackoffCap = 5min;

// Processes, protocol, daemon.
inline constexpr std::size_t kMaxFrameBytes = 4u << 20;
inline constexpr std::size_t kMaxMailboxEvents = 100'000;
inline constexpr std::size_t kMaxBatchEvents = 1'000;
inline constexpr std::size_t kMaxTaskLogBytes = 64u << 20;
inline constexpr std::size_t kMaxReportBytes = 64u << 10;
inline constexpr Duration kHeartbeatEvery = 2s;
inline constexpr Duration kWorkerLease = 10s;
inline constexpr Duration kHostIdleLimit = 60s;
inline constexpr int kHostMaxAttempts = 1'000;
inline constexpr std::size_t kMaxRequestBody = 1u << 20;
inline constexpr std::size_t kMaxDagBody = 16u << 20;
inline constexpr int kDefaultPageLimit = 50;
inline constexpr int kMaxPageLimit = 1'000;
inline constexpr int kMaxPageOffset = 10'000;  // beyond, a cursor

}  // namespace nightmill::limits
