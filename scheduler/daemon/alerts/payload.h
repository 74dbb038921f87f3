// What is sent: the same alert as a Standard Webhook, as Slack blocks, as a PagerDuty v2 event, as
// the standard input of a command (product.md 7). Pure functions of the alert and the notifier.
//
// Of AlertRow::data these members are looked at, all may be missing: dag_id, dag_run_id, task_id,
// sla, deadline, predicted_finish, message (one sentence), tags (list of texts), blocking_task_list
// (records with task_id, state, reason). Everything reaches webhooks and commands as it is, but for
// what must be cut. `page` is where the page is, "http://127.0.0.1:7420"; with "" nothing links
// there.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "core/model/alert.h"
#include "scheduler/daemon/alerts/config.h"
#include "scheduler/daemon/alerts/desk.h"

namespace nightmill {

// A Standard Webhook is smaller than 20 kB.
inline constexpr std::size_t kMaxWebhookBytes = 20'000;

// Whether an alert of this type ends what an earlier one of its dedup_key began.
bool IsResolve(AlertType type);

// {"type", "timestamp", "data"}. Lists that do not fit lose their tail and say how long they were:
// "task_list": [..], "task_list_count": 4000.
std::string WebhookBody(const AlertRow& alert, std::string_view page);

// {"text", "blocks"} of one alert, or of several as one message with their count and the first ten.
std::string SlackBody(std::span<const AlertRow> alerts, std::string_view page);

// {"routing_key", "event_action", "dedup_key", ...}; trigger or resolve.
std::string PagerdutyBody(const AlertRow& alert, std::string_view notifier,
                          std::string_view routing_key, std::string_view page);

// The webhook's body with "id", the id of the delivery, and a newline.
std::string CommandInput(const AlertRow& alert, std::string_view notifier, std::string_view page);

// The key as PagerDuty takes it, 255 characters at most; a longer one keeps its beginning and gets
// a hash of the whole.
std::string ShortKey(std::string_view key);

}  // namespace nightmill
