#include "scheduler/engine/outbox.h"

#include <utility>

#include "scheduler/engine/record.h"

namespace nightmill {

AlertReply Raise(EngineState& state, AlertRow alert, const std::vector<std::string>& notifiers) {
  state.last_alert.value += 1;
  alert.alert = state.last_alert;
  alert.at = state.now;
  AlertReply raised;
  for (const std::string& notifier : notifiers) {
    DeliveryRow& delivery = raised.deliveries.emplace_back();
    delivery.alert = alert.alert;
    delivery.notifier = notifier;
    delivery.next_at = state.now;
  }
  state.step->changes.emplace_back(alert);
  for (const DeliveryRow& delivery : raised.deliveries) state.step->changes.emplace_back(delivery);
  raised.alert = std::move(alert);
  return raised;
}

void OnPostAlert(EngineState& state, const event::PostAlert& event) {
  AlertReply raised = Raise(state, event.alert, event.notifiers);
  Answer(state, event.request, command::ReplyBody{std::move(raised)});
}

void OnRedeliver(EngineState& state, const event::Redeliver& event) {
  AlertReply again{event.alert, {event.delivery}};
  DeliveryRow& delivery = again.deliveries.front();
  delivery.state = DeliveryState::kPending;
  delivery.next_at = state.now;
  delivery.ended_at.reset();
  state.step->changes.emplace_back(delivery);
  Answer(state, event.request, command::ReplyBody{std::move(again)});
}

}  // namespace nightmill
