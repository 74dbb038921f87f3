// Alerts and their deliveries as rows of a step (product.md 7): who raises one says who gets it,
// the id comes from here. Delivering is the daemon's sender's business. Private to the engine.
#pragma once

#include <string>
#include <vector>

#include "scheduler/engine/state.h"

namespace nightmill {

// Appends the alert, its id and instant given here, and one delivery, due now, for each notifier.
// `notifiers` names each at most once.
AlertReply Raise(EngineState& state, AlertRow alert, const std::vector<std::string>& notifiers);

void OnPostAlert(EngineState& state, const event::PostAlert& event);
void OnRedeliver(EngineState& state, const event::Redeliver& event);

}  // namespace nightmill
