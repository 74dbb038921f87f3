// What the API may ask of the sender of alerts: who is told, and what exactly is sent. Deliveries
// themselves are rows (store/queries.h); raising a sample and sending again are events
// (scheduler/engine/event.h), and the sender sees what they commit.
// Thread rule: every method is safe from any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/time.h"
#include "core/model/alert.h"

namespace nightmill {

struct NotifierView {
  NotifierRule rule;
  std::string type;    // "webhook"
  std::string target;  // host of the receiver, or the program; never a path of a URL (a secret)
  std::optional<Duration> group_window;
  std::string disabled_reason;  // "" while it is on
};

class AlertDesk {
 public:
  virtual ~AlertDesk() = default;

  // By name.
  virtual std::vector<NotifierView> Notifiers() const = 0;
  // The message for this notifier as JSON, without secrets; "" if there is no such notifier now.
  virtual std::string MessageOf(const AlertRow& alert, std::string_view notifier) const = 0;
};

// "msg_41_9f3c..": the id of a delivery, the same in every try and after every restart. Webhooks
// carry it as webhook-id.
std::string DeliveryId(const AlertRow& alert, std::string_view notifier);
// The alert in the id of a delivery; 0 if it is none.
AlertId AlertOfDeliveryId(std::string_view id);

// The dedup_key of the alerts that tell that a notifier was turned off.
std::string DisabledKey(std::string_view notifier);

// The alert that `alert test` sends.
AlertRow SampleAlert(std::string_view notifier);

}  // namespace nightmill
