#include "scheduler/daemon/alerts/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "scheduler/daemon/alerts/payload.h"

namespace nightmill {
namespace {

constexpr int kMaxPerNotifier = 4;
constexpr int kMaxRows = 64;
constexpr int kMaxGroup = 500;
// A resolve whose trigger is being sent looks again after this.
constexpr Duration kResolveLook{1'000};

DeliveryRow Settled(DeliveryRow row, DeliveryState state, std::string why, Instant now) {
  row.state = state;
  row.ended_at = now;
  row.last_error = std::move(why);
  return row;
}

bool WaitsForTrigger(const Notifier& notifier, const AlertRow& alert) {
  const bool for_people =
      notifier.type == Notifier::Type::kSlack || notifier.type == Notifier::Type::kPagerduty;
  return for_people && IsResolve(alert.type) && !alert.dedup_key.empty();
}

// Nothing: it may be sent. Else the row as it is to be written: waiting, or dropped.
std::optional<DeliveryRow> HoldResolve(const Notifier& notifier, const DeliveryView& view,
                                       const std::vector<DeliveryView>& earlier, Instant now) {
  bool seen = false;
  bool left = false;
  std::optional<Instant> wait;
  for (const DeliveryView& other : earlier) {
    if (IsResolve(other.alert.type)) continue;
    seen = true;
    if (other.delivery.state == DeliveryState::kDelivered) left = true;
    if (other.delivery.state != DeliveryState::kPending) continue;
    wait = std::max({wait.value_or(now), other.delivery.next_at, now});
  }
  if (wait) {
    DeliveryRow row = view.delivery;
    row.next_at = *wait + kResolveLook;
    return row;
  }
  // To PagerDuty the end of nothing means nothing; people may want good news by itself.
  const bool needless = seen ? !left : notifier.type == Notifier::Type::kPagerduty;
  if (!needless) return std::nullopt;
  return Settled(view.delivery, DeliveryState::kDropped, "what it resolves was never sent", now);
}

const Silence* SilenceOf(const AlertConfig& config, const DeliveryView& view, Instant now) {
  const auto it =
      std::find_if(config.silences.begin(), config.silences.end(), [&](const Silence& silence) {
        return silence.Covers(view.alert, view.delivery.notifier, now);
      });
  return it == config.silences.end() ? nullptr : &*it;
}

// What is to be written instead of sending, if anything.
std::optional<DeliveryRow> Instead(const Notifier& notifier, const Channel& channel,
                                   const AlertConfig& config, const DeliveryView& view,
                                   const Earlier& earlier, Instant now) {
  const bool asked_for = view.alert.type == AlertType::kTest;
  if (!channel.disabled_reason.empty() && !asked_for) {
    return Settled(view.delivery, DeliveryState::kDead, channel.disabled_reason, now);
  }
  if (const Silence* silence = SilenceOf(config, view, now); silence != nullptr && !asked_for) {
    return Settled(view.delivery, DeliveryState::kSilenced,
                   fmt::format("silenced until {}{}{}", FormatInstant(silence->until),
                               silence->reason.empty() ? "" : ": ", silence->reason),
                   now);
  }
  if (!WaitsForTrigger(notifier, view.alert)) return std::nullopt;
  return HoldResolve(notifier, view, earlier(view.alert), now);
}

void LookAgain(Plan& plan, Instant at) {
  if (!plan.look_again || at < *plan.look_again) plan.look_again = at;
}

// All that is due as one message, once the first of it has waited for the window.
void PlanGroup(const Notifier& notifier, std::vector<DeliveryView> ready, Instant now, Plan& plan) {
  if (ready.empty()) return;
  Instant first = ready.front().alert.at;
  for (const DeliveryView& view : ready) first = std::min(first, view.alert.at);
  // Samples and what was tried before do not wait.
  const bool waits = std::none_of(ready.begin(), ready.end(), [](const DeliveryView& view) {
    return view.delivery.tries > 0 || view.alert.type == AlertType::kTest;
  });
  if (waits && first + notifier.group_window > now) {
    return LookAgain(plan, first + notifier.group_window);
  }
  std::sort(ready.begin(), ready.end(), [](const DeliveryView& a, const DeliveryView& b) {
    return a.alert.alert < b.alert.alert;
  });
  plan.jobs.push_back(std::move(ready));
}

}  // namespace

int Channel::FreePlaces(const Notifier& notifier) const {
  // One message at a time to a channel of people; one probe at a time to a receiver in trouble, so
  // that it never takes the places of others.
  const bool one = notifier.type == Notifier::Type::kSlack || failing;
  return std::max(0, (one ? 1 : kMaxPerNotifier) - jobs);
}

int RowsWanted(const Notifier& notifier, const Channel& channel) {
  return (notifier.group_window > Duration{0} ? kMaxGroup : kMaxRows) +
         static_cast<int>(channel.flying.size());
}

Plan PlanFor(const Notifier& notifier, const Channel& channel, const AlertConfig& config,
             const std::vector<DeliveryView>& rows, const Earlier& earlier, int places,
             Instant now) {
  Plan plan;
  const bool group = notifier.group_window > Duration{0};
  const int free = std::min(channel.FreePlaces(notifier), places);
  const bool quiet = channel.quiet_until > now;
  std::vector<DeliveryView> ready;
  for (const DeliveryView& view : rows) {
    if (channel.flying.contains(view.alert.alert)) continue;
    if (view.delivery.next_at > now) {
      LookAgain(plan, view.delivery.next_at);
      break;  // those after it are due later still
    }
    if (std::optional<DeliveryRow> row = Instead(notifier, channel, config, view, earlier, now)) {
      plan.settled.push_back(*std::move(row));
      continue;
    }
    if (quiet) {
      LookAgain(plan, channel.quiet_until);
      continue;
    }
    if (!group && static_cast<int>(plan.jobs.size()) >= free) break;
    if (group) {
      ready.push_back(view);
    } else {
      plan.jobs.push_back({view});
    }
  }
  if (group && free > 0) PlanGroup(notifier, std::move(ready), now, plan);
  return plan;
}

}  // namespace nightmill
