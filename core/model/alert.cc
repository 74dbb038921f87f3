#include "core/model/alert.h"

#include <algorithm>
#include <array>

namespace nightmill {
namespace {

constexpr std::array<std::string_view, kAlertTypeCount> kAlertTypes{
    "run.failed",         "run.recovered", "run.success",       "task.failed", "task.retry",
    "task.success",       "task.skipped",  "sla.warning",       "sla.missed",  "sla.resolved",
    "backfill.completed", "worker.lost",   "notifier.disabled", "test"};
constexpr std::array<std::string_view, 4> kSeverities{"info", "warning", "error", "critical"};
constexpr std::array<std::string_view, kDeliveryStateCount> kDeliveryStates{
    "pending", "delivered", "dead", "dropped", "silenced"};
constexpr std::array<std::string_view, 6> kSlaStates{"armed", "warned",   "missed",
                                                     "met",   "resolved", "not_applicable"};

template <class Enum, std::size_t N>
std::optional<Enum> ValueOf(const std::array<std::string_view, N>& words, std::string_view word) {
  const auto at = std::find(words.begin(), words.end(), word);
  if (at == words.end()) return std::nullopt;
  return static_cast<Enum>(at - words.begin());
}

bool Matches(std::string_view pattern, std::string_view word) {
  if (pattern == "*" || pattern == word) return true;
  return pattern.ends_with(".*") && word.starts_with(pattern.substr(0, pattern.size() - 1));
}

}  // namespace

std::string_view ToString(AlertType type) { return kAlertTypes[static_cast<std::size_t>(type)]; }
std::string_view ToString(Severity severity) {
  return kSeverities[static_cast<std::size_t>(severity)];
}
std::string_view ToString(DeliveryState state) {
  return kDeliveryStates[static_cast<std::size_t>(state)];
}
std::string_view ToString(SlaState state) { return kSlaStates[static_cast<std::size_t>(state)]; }

std::optional<AlertType> ParseAlertType(std::string_view word) {
  return ValueOf<AlertType>(kAlertTypes, word);
}
std::optional<Severity> ParseSeverity(std::string_view word) {
  return ValueOf<Severity>(kSeverities, word);
}
std::optional<DeliveryState> ParseDeliveryState(std::string_view word) {
  return ValueOf<DeliveryState>(kDeliveryStates, word);
}
std::optional<SlaState> ParseSlaState(std::string_view word) {
  return ValueOf<SlaState>(kSlaStates, word);
}

bool Covers(const std::vector<std::string>& patterns, AlertType type) {
  return std::any_of(patterns.begin(), patterns.end(), [type](const std::string& pattern) {
    return Matches(pattern, ToString(type));
  });
}

}  // namespace nightmill
