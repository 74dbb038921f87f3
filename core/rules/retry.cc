// Delays are computed in integers but for the backoff itself, so that every machine agrees.
#include "core/rules/retry.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "core/base/check.h"
#include "core/base/hash.h"

namespace nightmill {
namespace {

// C of semantics.md 6. Under plus_minus the cap leaves room for the jitter, so that max_delay is a
// hard maximum and siblings at the cap still spread.
std::int64_t BackoffCap(const RetryPolicy& policy) {
  const std::int64_t max = std::max<std::int64_t>(policy.max_delay.count(), 0);
  if (policy.jitter != RetryJitter::kPlusMinus) return max;
  return max * 1000 / (1000 + policy.plus_minus_thousandths);
}

// c = min(d * m^(n-1), C): multiplied step by step, which gives the same bits on every machine
// (std::pow need not), and cut to whole milliseconds.
std::int64_t Backoff(const RetryPolicy& policy, int n) {
  const auto cap = static_cast<double>(BackoffCap(policy));
  auto delay = static_cast<double>(std::max<std::int64_t>(policy.delay.count(), 0));
  const double factor = policy.backoff == 0.0 ? 1.0 : policy.backoff;
  if (factor != 1.0) {
    for (int i = 1; i < n && delay > 0 && (factor < 1.0 || delay < cap); ++i) delay *= factor;
  }
  return static_cast<std::int64_t>(std::min(delay, cap));
}

struct CodeRange {
  int low = 0;
  int high = 0;
};

std::optional<int> ParseNumber(std::string_view text, int max) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (value < 0 || value > max || text.front() == '-') return std::nullopt;
  return value;
}

// "75" or "100-110".
std::optional<CodeRange> ParseRange(std::string_view text, int max) {
  const std::size_t dash = text.find('-');
  const auto low = ParseNumber(text.substr(0, dash), max);
  const auto high = dash == std::string_view::npos ? low : ParseNumber(text.substr(dash + 1), max);
  if (!low || !high || *low > *high) return std::nullopt;
  return CodeRange{*low, *high};
}

constexpr std::string_view kExit = "exit:";
constexpr std::string_view kSignal = "signal:";
constexpr int kMaxExitCode = 255;
constexpr int kMaxSignal = 64;

bool InRange(const std::optional<CodeRange>& range, int value) {
  return range && range->low <= value && value <= range->high;
}

// An item names an outcome, a kind, an exit code or a signal.
bool Matches(std::string_view item, const FailureFacts& facts) {
  if (item.starts_with(kExit)) {
    return InRange(ParseRange(item.substr(kExit.size()), kMaxExitCode), facts.exit_code);
  }
  if (item.starts_with(kSignal)) {
    return facts.signal > 0 &&
           InRange(ParseRange(item.substr(kSignal.size()), kMaxSignal), facts.signal);
  }
  return !item.empty() && (item == facts.outcome || item == facts.kind);
}

bool AnyMatches(const std::vector<std::string>& items, const FailureFacts& facts) {
  return std::any_of(items.begin(), items.end(),
                     [&](const std::string& item) { return Matches(item, facts); });
}

// Trying again cannot help (no_retry, definition), or the limit covers all tries (queue_timeout).
bool IsNeverRetried(std::string_view kind) {
  return kind == "no_retry" || kind == "definition" || kind == "queue_timeout";
}

}  // namespace

Duration RetryDelay(const RetryPolicy& policy, int n, const RetryKey& key) {
  CHECK(n >= 1);
  const std::int64_t c = Backoff(policy, n);
  if (policy.jitter == RetryJitter::kNone) return Duration{c};
  const std::uint64_t h =
      KeyedHash({"retry/1", key.dag_id, key.task_id, key.run_id, key.map_path,
                 std::to_string(key.try_number), std::to_string(key.attempt_id)});
  const auto scaled = [h](std::int64_t bound) {
    return static_cast<std::int64_t>(Scale(h, static_cast<std::uint64_t>(bound)));
  };
  switch (policy.jitter) {
    case RetryJitter::kFull:
      return Duration{scaled(c + 1)};
    case RetryJitter::kEqual:
      return Duration{c - c / 2 + scaled(c / 2 + 1)};
    case RetryJitter::kPlusMinus: {
      const std::int64_t q = c * policy.plus_minus_thousandths / 1000;
      return Duration{c - q + scaled(2 * q + 1)};
    }
    case RetryJitter::kNone:
      break;
  }
  return Duration{c};
}

RetryVerdict DecideRetry(const RetryPolicy& policy, const FailureFacts& facts, int n,
                         int internal_failures) {
  if (IsNeverRetried(facts.kind)) return RetryVerdict::kKindNever;
  if (AnyMatches(policy.no_retry_on, facts)) return RetryVerdict::kNoRetryOn;
  if (facts.kind == "internal" && internal_failures >= 1) return RetryVerdict::kExhausted;
  if (!AnyMatches(policy.retry_on, facts)) return RetryVerdict::kNotInRetryOn;
  if (n > policy.retries) return RetryVerdict::kExhausted;
  return RetryVerdict::kRetry;
}

std::string_view ToString(RetryVerdict verdict) {
  switch (verdict) {
    case RetryVerdict::kRetry:
      return "retry";
    case RetryVerdict::kKindNever:
      return "kind_never";
    case RetryVerdict::kNoRetryOn:
      return "no_retry_on";
    case RetryVerdict::kNotInRetryOn:
      return "not_in_retry_on";
    case RetryVerdict::kExhausted:
      return "exhausted";
  }
  CHECK(false);
  return {};
}

bool IsRetryItem(std::string_view item) {
  if (item.starts_with(kExit)) {
    return ParseRange(item.substr(kExit.size()), kMaxExitCode).has_value();
  }
  if (item.starts_with(kSignal)) {
    const auto range = ParseRange(item.substr(kSignal.size()), kMaxSignal);
    return range.has_value() && range->low > 0;
  }
  const auto word = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  };
  return !item.empty() && item.front() >= 'a' && item.front() <= 'z' &&
         std::all_of(item.begin(), item.end(), word);
}

}  // namespace nightmill
