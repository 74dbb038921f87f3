// Retry delays: the vectors and bounds of semantics.md 6; the order of the decision.
#include "core/rules/retry.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <string>

#include "core/base/rng.h"

namespace nightmill {
namespace {

using namespace std::chrono_literals;

RetryPolicy Example() {
  RetryPolicy policy;
  policy.delay = 5min;
  policy.backoff = 2.0;
  policy.max_delay = 1h;
  return policy;
}

RetryKey Key(std::string_view map_path, std::int64_t attempt) {
  return {.dag_id = "daily_orders",
          .task_id = "process",
          .run_id = "scheduled__2026-03-16T00:00:00+00:00",
          .map_path = map_path,
          .try_number = 2,
          .attempt_id = attempt};
}

TEST(RetryDelay, Vectors) {
  const RetryPolicy policy = Example();
  EXPECT_EQ(RetryDelay(policy, 2, Key("0", 101)), 580'707ms);
  EXPECT_EQ(RetryDelay(policy, 2, Key("1", 102)), 659'795ms);
  EXPECT_EQ(RetryDelay(policy, 2, Key("2", 103)), 650'812ms);
  EXPECT_EQ(RetryDelay(policy, 2, Key("3", 104)), 631'234ms);
}

TEST(RetryDelay, ExampleBounds) {
  const RetryPolicy policy = Example();
  const struct {
    int n;
    Duration low, high;
  } cases[] = {{1, 270s, 330s},
               {2, 540s, 660s},
               {3, 1080s, 1320s},
               {4, 2160s, 2640s},
               {5, 2945455ms, 3599999ms},
               {6, 2945455ms, 3599999ms},
               {100, 2945455ms, 3599999ms},
               {2'000'000'000, 2945455ms, 3599999ms}};
  for (const auto& c : cases) {
    for (std::int64_t attempt = 1; attempt <= 500; ++attempt) {
      const Duration delay = RetryDelay(policy, c.n, Key("0", attempt));
      EXPECT_GE(delay, c.low) << c.n;
      EXPECT_LE(delay, c.high) << c.n;
    }
  }
}

TEST(RetryDelay, WithoutJitterIsTheBackoff) {
  RetryPolicy policy = Example();
  policy.jitter = RetryJitter::kNone;
  const Duration expected[] = {5min, 10min, 20min, 40min, 1h, 1h};
  for (int n = 1; n <= 6; ++n) EXPECT_EQ(RetryDelay(policy, n, Key("-1", n)), expected[n - 1]);
  for (const double constant : {0.0, 1.0}) {
    policy.backoff = constant;
    EXPECT_EQ(RetryDelay(policy, 50, Key("-1", 1)), 5min);
  }
  policy.backoff = 1.5;
  policy.delay = 1ms;
  EXPECT_EQ(RetryDelay(policy, 3, Key("-1", 1)), 2ms);  // 2.25 cut
  policy.delay = 0ms;
  EXPECT_EQ(RetryDelay(policy, 7, Key("-1", 1)), 0ms);
}

struct Bounds {
  std::int64_t low = 0;
  std::int64_t high = 0;
};

// Second computation of the bounds, from the formula's closed form.
Bounds ExpectedBounds(const RetryPolicy& policy, int n) {
  const double factor = policy.backoff == 0.0 ? 1.0 : policy.backoff;
  const auto max = static_cast<double>(policy.max_delay.count());
  const double p = policy.plus_minus_thousandths / 1000.0;
  const bool plus_minus = policy.jitter == RetryJitter::kPlusMinus;
  const double cap = plus_minus ? std::floor(max / (1 + p) + 1e-6) : max;
  const double raw = static_cast<double>(policy.delay.count()) * std::pow(factor, n - 1);
  const double c = std::floor(std::min(raw, cap) + 1e-6);
  const auto ms = static_cast<std::int64_t>(c);
  switch (policy.jitter) {
    case RetryJitter::kNone:
      return {ms, ms};
    case RetryJitter::kFull:
      return {0, ms};
    case RetryJitter::kEqual:
      return {ms - ms / 2, ms};
    case RetryJitter::kPlusMinus:
      break;
  }
  const auto q = static_cast<std::int64_t>(std::floor(c * p + 1e-6));
  return {ms - q, ms + q};
}

TEST(RetryDelay, StaysInItsBoundsForRandomPolicies) {
  Rng rng(20260316);
  for (int round = 0; round < 20'000; ++round) {
    RetryPolicy policy;
    policy.delay = Duration{static_cast<std::int64_t>(rng.Below(86'400'001))};
    policy.backoff = static_cast<double>(rng.Below(9)) / 2;
    policy.max_delay = Duration{1 + static_cast<std::int64_t>(rng.Below(2'592'000'000))};
    policy.jitter = static_cast<RetryJitter>(rng.Below(4));
    policy.plus_minus_thousandths = static_cast<int>(rng.Below(1001));
    const int n = 1 + static_cast<int>(rng.Below(12));
    const RetryKey key = Key("0", round);
    const Duration delay = RetryDelay(policy, n, key);
    const Bounds bounds = ExpectedBounds(policy, n);
    EXPECT_GE(delay.count(), bounds.low - 1) << round;
    EXPECT_LE(delay.count(), bounds.high + 1) << round;
    EXPECT_LE(delay, policy.max_delay) << round;
    EXPECT_EQ(delay, RetryDelay(policy, n, key)) << "the same input, the same delay";
  }
}

TEST(RetryDelay, SiblingsSpreadEvenAtTheCap) {
  for (const RetryJitter jitter :
       {RetryJitter::kFull, RetryJitter::kEqual, RetryJitter::kPlusMinus}) {
    RetryPolicy policy = Example();
    policy.jitter = jitter;
    std::set<Duration> delays;
    for (int i = 0; i < 200; ++i) {
      delays.insert(RetryDelay(policy, 9, Key(std::to_string(i), 1)));
    }
    EXPECT_GT(delays.size(), 195u);
  }
}

FailureFacts Exit(int code) { return {.outcome = "failed", .kind = "exit", .exit_code = code}; }

RetryPolicy Retries(int retries) {
  RetryPolicy policy;
  policy.retries = retries;
  return policy;
}

TEST(DecideRetry, CountsFailuresOfTheCycle) {
  const RetryPolicy policy = Retries(2);
  EXPECT_EQ(DecideRetry(policy, Exit(1), 1, 0), RetryVerdict::kRetry);
  EXPECT_EQ(DecideRetry(policy, Exit(1), 2, 0), RetryVerdict::kRetry);
  EXPECT_EQ(DecideRetry(policy, Exit(1), 3, 0), RetryVerdict::kExhausted);
  EXPECT_EQ(DecideRetry(Retries(0), Exit(1), 1, 0), RetryVerdict::kExhausted);
}

TEST(DecideRetry, DefaultLists) {
  const RetryPolicy policy = Retries(5);
  const auto decide = [&](std::string_view outcome, std::string_view kind) {
    return DecideRetry(policy, {.outcome = outcome, .kind = kind}, 1, 0);
  };
  EXPECT_EQ(decide("timed_out", ""), RetryVerdict::kRetry);
  EXPECT_EQ(decide("infrastructure", "infrastructure"), RetryVerdict::kRetry);
  EXPECT_EQ(decide("failed", "oom"), RetryVerdict::kRetry);
  EXPECT_EQ(decide("failed", "launch"), RetryVerdict::kRetry);
  EXPECT_EQ(decide("failed", "check"), RetryVerdict::kNoRetryOn);
  EXPECT_EQ(decide("failed", "bad_spec"), RetryVerdict::kNoRetryOn);
  EXPECT_EQ(decide("failed", "bad_input"), RetryVerdict::kNoRetryOn);
  EXPECT_EQ(decide("failed", "no_retry"), RetryVerdict::kKindNever);
  EXPECT_EQ(decide("failed", "definition"), RetryVerdict::kKindNever);
  EXPECT_EQ(decide("failed", "queue_timeout"), RetryVerdict::kKindNever);
}

TEST(DecideRetry, ChecksInOrder) {
  RetryPolicy policy = Retries(0);
  policy.no_retry_on = {"no_retry", "internal", "exit:3"};
  policy.retry_on = {"oom"};
  EXPECT_EQ(DecideRetry(policy, {.outcome = "failed", .kind = "no_retry"}, 1, 0),
            RetryVerdict::kKindNever);
  EXPECT_EQ(DecideRetry(policy, {.outcome = "failed", .kind = "internal"}, 1, 1),
            RetryVerdict::kNoRetryOn);
  EXPECT_EQ(DecideRetry(policy, Exit(3), 1, 0), RetryVerdict::kNoRetryOn);
  EXPECT_EQ(DecideRetry(policy, Exit(4), 1, 0), RetryVerdict::kNotInRetryOn);
  EXPECT_EQ(DecideRetry(policy, {.outcome = "failed", .kind = "oom"}, 1, 0),
            RetryVerdict::kExhausted);
}

TEST(DecideRetry, InternalOnce) {
  const FailureFacts internal = {.outcome = "failed", .kind = "internal"};
  EXPECT_EQ(DecideRetry(Retries(9), internal, 1, 0), RetryVerdict::kRetry);
  EXPECT_EQ(DecideRetry(Retries(9), internal, 2, 1), RetryVerdict::kExhausted);
  EXPECT_EQ(DecideRetry(Retries(9), Exit(1), 3, 1), RetryVerdict::kRetry);
}

TEST(DecideRetry, CodesRangesAndSignals) {
  RetryPolicy policy = Retries(1);
  policy.retry_on = {"exit:75", "exit:100-110", "signal:9"};
  const auto retried = [&](const FailureFacts& facts) {
    return DecideRetry(policy, facts, 1, 0) == RetryVerdict::kRetry;
  };
  for (int code = 0; code <= 255; ++code) {
    EXPECT_EQ(retried(Exit(code)), code == 75 || (code >= 100 && code <= 110)) << code;
  }
  EXPECT_TRUE(retried({.outcome = "failed", .kind = "signal", .signal = 9}));
  EXPECT_FALSE(retried({.outcome = "failed", .kind = "signal", .signal = 15}));
  EXPECT_FALSE(retried({.outcome = "failed", .kind = "launch"}));
}

TEST(RetryItems, WellFormed) {
  for (const char* item :
       {"failed", "timed_out", "oom", "launch", "bad_input", "exit:0", "exit:255", "exit:100-110",
        "exit:7-7", "signal:9", "signal:1-64", "sha256_mismatch"}) {
    EXPECT_TRUE(IsRetryItem(item)) << item;
  }
  for (const char* item : {"", "Failed", "exit:", "exit:256", "exit:-1", "exit:5-", "exit:9-5",
                           "exit:1-2-3", "exit:x", "exit: 1", "exit:+1", "signal:0", "signal:65",
                           "signal:KILL", "9", "a b", "a:b", "exit:1,2"}) {
    EXPECT_FALSE(IsRetryItem(item)) << item;
  }
}

TEST(RetryVerdicts, Words) {
  EXPECT_EQ(ToString(RetryVerdict::kRetry), "retry");
  EXPECT_EQ(ToString(RetryVerdict::kKindNever), "kind_never");
  EXPECT_EQ(ToString(RetryVerdict::kNoRetryOn), "no_retry_on");
  EXPECT_EQ(ToString(RetryVerdict::kNotInRetryOn), "not_in_retry_on");
  EXPECT_EQ(ToString(RetryVerdict::kExhausted), "exhausted");
}

}  // namespace
}  // namespace nightmill
