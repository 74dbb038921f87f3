// Retry decisions (semantics.md 6): whether a failed attempt is retried and after how long. Pure
// functions of their arguments; jitter is a keyed hash, so the same input gives the same delay on
// every machine and after every restart.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/limits.h"
#include "core/base/time.h"

namespace nightmill {

enum class RetryJitter : std::uint8_t { kNone, kFull, kEqual, kPlusMinus };

struct RetryPolicy {
  int retries = 0;
  Duration delay = limits::kDefaultRetryDelay;
  double backoff = 1.0;  // 0 and 1: constant
  Duration max_delay = limits::kDefaultMaxRetryDelay;
  RetryJitter jitter = RetryJitter::kPlusMinus;
  int plus_minus_thousandths = 100;
  std::vector<std::string> retry_on = {"failed", "timed_out", "infrastructure"};
  std::vector<std::string> no_retry_on = {"check", "bad_spec", "bad_input"};
  int skip_exit_code = 99;
  int no_retry_exit_code = 98;
};

// The fields that the jitter hash takes besides the literal "retry/1".
struct RetryKey {
  std::string_view dag_id;
  std::string_view task_id;
  std::string_view run_id;
  std::string_view map_path;  // "-1" when not mapped, else the index as text
  int try_number = 1;
  std::int64_t attempt_id = 0;
};

// Delay before try n+1 after the n-th failure of this cycle (n >= 1), in [bounds of semantics.md
// 6].
Duration RetryDelay(const RetryPolicy& policy, int n, const RetryKey& key);

// How an attempt went wrong, in the words that retry_on may name.
struct FailureFacts {
  std::string_view outcome;  // "failed", "timed_out", "infrastructure"
  std::string_view kind;     // "exit", "signal", "oom", "launch", "check", ..., operator codes
  int exit_code = -1;
  int signal = 0;
};

enum class RetryVerdict : std::uint8_t {
  kRetry,
  kKindNever,
  kNoRetryOn,
  kNotInRetryOn,
  kExhausted
};

// `n` = failures in this cycle including this one; `internal_failures` = earlier failures of kind
// "internal" in this cycle (retried at most once).
RetryVerdict DecideRetry(const RetryPolicy& policy, const FailureFacts& facts, int n,
                         int internal_failures);
std::string_view ToString(RetryVerdict verdict);
// Whether an item of retry_on ("exit:75", "exit:100-110", "signal:9", "oom", "failed") is well
// formed; used by validation.
bool IsRetryItem(std::string_view item);

}  // namespace nightmill
