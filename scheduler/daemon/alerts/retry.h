// What becomes of a delivery after a try (product.md 7): a table of delays, Retry-After, and when
// to give up. Pure: the sender adds the clock.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/base/time.h"
#include "core/model/alert.h"
#include "scheduler/daemon/alerts/config.h"

namespace nightmill {

// What a try came to. `status` is an HTTP status, of a command its exit code; 0 if none came.
struct TryResult {
  bool delivered = false;
  bool final = false;  // trying again is pointless
  bool gone = false;   // 410: the notifier is to be turned off
  bool slow = false;   // 429, 502, 504: the whole notifier is to slow down
  int status = 0;
  std::string error;                    // one sentence, "" if delivered
  std::optional<Duration> retry_after;  // as asked, 1 h at most
};

// Judges an answer that came. `retry_after` is the header's text, "" without one.
TryResult JudgeAnswer(Notifier::Type type, int status, std::string_view retry_after, Instant now);
// No answer came; `error` says why.
TryResult NoAnswer(std::string error);

// Seconds, or an HTTP date; nothing for another text. Never negative, 1 h at most.
std::optional<Duration> ParseRetryAfter(std::string_view text, Instant now);

// The row after this try: delivered, pending with the instant of the next try, or dead: after the
// tenth try, a final answer, or when the next try would come later than the notifier's kind of news
// is worth sending (72 h, of Slack and PagerDuty 6 h after the alert). What was never tried before
// is tried once however late. The next tries of
// deliveries are spread by +-10 %, keyed by the delivery.
DeliveryRow AfterTry(DeliveryRow row, Instant alerted_at, Notifier::Type type,
                     const TryResult& result, Instant now);

// How long a notifier is left alone after the n-th (from 1) answer in a row that says slow.
Duration PauseAfter(int slow_answers, const std::optional<Duration>& retry_after);

}  // namespace nightmill
