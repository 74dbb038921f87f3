// What the sender may start now for one notifier (product.md 7): limits in flight, pauses, groups,
// silences, and that a resolve waits for its trigger. Pure: rows and instants in, rows and jobs
// out.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/base/time.h"
#include "scheduler/daemon/alerts/config.h"
#include "store/views.h"

namespace nightmill {

// What is known of a notifier while the daemon runs. A start begins with a fresh one.
struct Channel {
  std::set<AlertId> flying;     // deliveries being sent
  int jobs = 0;                 // requests in flight
  bool failing = false;         // the last try got no answer, or one that says overload
  int slow_answers = 0;         // in a row
  Instant quiet_until;          // nothing is started before
  std::string disabled_reason;  // "" while it is on

  // Requests that may be started besides those in flight.
  int FreePlaces(const Notifier& notifier) const;
};

struct Plan {
  std::vector<std::vector<DeliveryView>> jobs;  // one request each, of a Slack group several rows
  std::vector<DeliveryRow> settled;             // to be written without sending anything
  std::optional<Instant> look_again;            // absent: when something changes
};

// Deliveries of older alerts with the same key to the same notifier.
using Earlier = std::function<std::vector<DeliveryView>(const AlertRow&)>;

// How many rows of the outbox a plan wants to see.
int RowsWanted(const Notifier& notifier, const Channel& channel);

// `rows`: pending deliveries of the notifier by next_at, at most RowsWanted of them, also those
// that are not due yet or in flight. `places`: requests that the daemon as a whole may still start.
Plan PlanFor(const Notifier& notifier, const Channel& channel, const AlertConfig& config,
             const std::vector<DeliveryView>& rows, const Earlier& earlier, int places,
             Instant now);

}  // namespace nightmill
