// Sensors: deferred task instances that hold no slot and are poked by a worker (semantics.md 8).
// Private to the engine.
#pragma once

#include "scheduler/engine/state.h"

namespace nightmill {

// A scheduled sensor starts its try and waits: scheduled -> queued -> running -> deferred in one
// step, its first poke due at once.
void StartSensor(EngineState& state, LiveRun& run, int task, int position);
// Sends the pokes that are due, as far as sensor_parallelism and a connected worker allow.
void SendPokes(EngineState& state);
void OnPokeFinished(EngineState& state, const event::PokeFinished& event);
// A worker went away: what it was asked to check is due again.
void AskPokesAgain(EngineState& state);
// The next poke of a deferred instance is due at `at`.
void QueuePoke(EngineState& state, LiveRun& run, int task, int position, Instant at);
// The instance waits no longer: neither a due poke nor one in flight concerns it.
void ForgetPokes(EngineState& state, LiveRun& run, int task, int position);
// T15 when the time since the first poke of the cycle is over.
void OnSensorTimeout(EngineState& state, LiveRun& run, int task, int position);

}  // namespace nightmill
