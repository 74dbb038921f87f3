#include "scheduler/daemon/alerts/retry.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>

#include "core/base/hash.h"

namespace nightmill {
namespace {

using namespace std::chrono_literals;

// Delay before the second try, the third, ...; the tenth comes 72 h after the alert.
constexpr std::array<Duration, 8> kDelays{5s, 5min, 30min, 2h, 5h, 10h, 14h, 20h};
constexpr int kMaxTries = 10;
constexpr Duration kPatience = 72h;
constexpr Duration kPatienceOfPeople = 6h;  // Slack, PagerDuty: later it is stale news
constexpr Duration kMaxRetryAfter = 1h;
constexpr Duration kFirstPause = 5s;
constexpr Duration kMaxPause = 5min;

bool ForPeople(Notifier::Type type) {
  return type == Notifier::Type::kSlack || type == Notifier::Type::kPagerduty;
}

// 90 % to 110 % of a delay, the same for the same delivery and try.
Duration Spread(Duration delay, const DeliveryRow& row) {
  const std::uint64_t hash = KeyedHash(
      {"delivery", std::to_string(row.alert.value), row.notifier, std::to_string(row.tries)});
  const auto tenth = static_cast<std::uint64_t>(delay.count()) / 10;
  const auto plus = static_cast<std::int64_t>(Scale(hash, 2 * tenth + 1));
  return delay - Duration{static_cast<std::int64_t>(tenth)} + Duration{plus};
}

// Of the try that follows `row.tries` ones; `patience_ends` is later than `now`.
Instant NextTry(const DeliveryRow& row, Instant patience_ends, const TryResult& result,
                Instant now) {
  const auto done = static_cast<std::size_t>(row.tries);
  Instant next = done <= kDelays.size() ? now + Spread(kDelays[done - 1], row) : patience_ends;
  // The last try comes when patience ends, unless the receiver wants it later still.
  next = std::min(next, patience_ends);
  if (result.retry_after) next = std::max<Instant>(next, now + *result.retry_after);
  return next;
}

int MonthOf(std::string_view name) {
  constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  const std::size_t at = name.size() == 3 ? kMonths.find(name) : std::string_view::npos;
  return at == std::string_view::npos || at % 3 != 0 ? 0 : static_cast<int>(at / 3) + 1;
}

// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, IMF-fixdate).
std::optional<Instant> ParseHttpDate(std::string_view text) {
  if (text.size() != 29 || !text.ends_with(" GMT") || text.substr(3, 2) != ", ") {
    return std::nullopt;
  }
  const Result<Instant> at =
      ParseInstant(fmt::format("{}-{:02}-{}T{}Z", text.substr(12, 4), MonthOf(text.substr(8, 3)),
                               text.substr(5, 2), text.substr(17, 8)));
  if (!at.ok()) return std::nullopt;
  return *at;
}

}  // namespace

std::optional<Duration> ParseRetryAfter(std::string_view text, Instant now) {
  std::int64_t seconds = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, seconds);
  if (stop == end && !text.empty() && error != std::errc::invalid_argument) {
    if (error == std::errc::result_out_of_range) return kMaxRetryAfter;
    if (seconds < 0) return std::nullopt;
    return std::min<Duration>(std::chrono::seconds{std::min<std::int64_t>(seconds, 3'600)},
                              kMaxRetryAfter);
  }
  const std::optional<Instant> at = ParseHttpDate(text);
  if (!at) return std::nullopt;
  return std::clamp(std::chrono::ceil<Duration>(*at - now), Duration{0}, kMaxRetryAfter);
}

TryResult JudgeAnswer(Notifier::Type type, int status, std::string_view retry_after, Instant now) {
  TryResult result;
  result.status = status;
  result.delivered = status >= 200 && status < 300;
  if (result.delivered) return result;
  result.gone = status == 410;
  result.final = result.gone || (type == Notifier::Type::kPagerduty && status == 400);
  result.slow = status == 429 || status == 502 || status == 504;
  result.retry_after = ParseRetryAfter(retry_after, now);
  const bool redirect = status >= 300 && status < 400;
  result.error = fmt::format("answered {}{}", status,
                             redirect       ? ", a redirect, which is not followed"
                             : result.gone  ? " Gone: the notifier is off"
                             : result.final ? ", which it will say again"
                                            : "");
  return result;
}

TryResult NoAnswer(std::string error) {
  TryResult result;
  result.error = std::move(error);
  return result;
}

DeliveryRow AfterTry(DeliveryRow row, Instant alerted_at, Notifier::Type type,
                     const TryResult& result, Instant now) {
  row.tries += 1;
  row.last_at = now;
  row.last_status = result.status;
  row.last_error = result.error;
  if (result.delivered) {
    row.state = DeliveryState::kDelivered;
    row.ended_at = now;
    return row;
  }
  const Instant patience_ends = alerted_at + (ForPeople(type) ? kPatienceOfPeople : kPatience);
  const bool spent = result.final || row.tries >= kMaxTries || now >= patience_ends;
  const Instant next = spent ? now : NextTry(row, patience_ends, result, now);
  if (spent || next > patience_ends) {
    row.state = DeliveryState::kDead;
    row.ended_at = now;
    return row;
  }
  row.state = DeliveryState::kPending;
  row.next_at = next;
  return row;
}

Duration PauseAfter(int slow_answers, const std::optional<Duration>& retry_after) {
  Duration pause = kFirstPause;
  for (int i = 1; i < slow_answers && pause < kMaxPause; ++i) pause *= 2;
  pause = std::min(pause, kMaxPause);
  return retry_after ? std::max(pause, *retry_after) : pause;
}

}  // namespace nightmill
