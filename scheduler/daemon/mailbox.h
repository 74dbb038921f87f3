// The door of the scheduler thread: any thread posts events, asks for a reply that comes after the
// commit, or looks at the engine between two steps. Bounded: at limits::kMaxMailboxEvents a call is
// refused with kUnavailable, nothing is dropped silently.
// Thread rule: every method is safe from any thread but the scheduler's own.
#pragma once

#include <functional>
#include <future>
#include <memory>
#include <vector>

#include "core/base/result.h"
#include "core/base/time.h"
#include "scheduler/engine/command.h"
#include "scheduler/engine/event.h"
#include "store/rows.h"

namespace nightmill {

class Engine;

// A request with what must be written in the same commit as its effect.
struct Request {
  Event event;  // one that carries a RequestId; Call fills it in
  // Rows for the commit of the effect, made from the answer: the audit row, an idempotency row.
  std::function<std::vector<StoreRow>(const Result<command::ReplyBody>&)> rows = {};
};

class Mailbox {
 public:
  virtual ~Mailbox() = default;

  // Applies the request and returns its reply once everything is durable. kUnavailable when the
  // mailbox is full, the daemon is leaving, or `timeout` passed (the request may still take
  // effect).
  virtual Result<command::ReplyBody> Call(Request request, Duration timeout) = 0;

  // Runs `look` on the scheduler thread between two steps and waits for it. `look` must not block.
  // kUnavailable as for Call.
  virtual Status Look(std::function<void(const Engine&, Instant now)> look, Duration timeout) = 0;
  Status Look(std::function<void(const Engine&, Instant now)> look) {
    return Look(std::move(look), Duration{10'000});
  }

  // Rows without an event (tokens, audit of refusals), durable on return.
  virtual Status Write(std::vector<StoreRow> rows, Duration timeout) = 0;

  // From now on `tell` gets the number of the newest event after each commit that has events, on
  // the scheduler thread; it must not block. An empty function ends that, and returns when no call
  // is under way.
  virtual void OnEvents(std::function<void(EventId newest)> tell) = 0;

  // Asks the daemon to stop as SIGTERM does; `cancel` also ends tasks and workers.
  virtual void Stop(bool cancel) = 0;
};

}  // namespace nightmill
