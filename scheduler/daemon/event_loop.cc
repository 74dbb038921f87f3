#include "scheduler/daemon/event_loop.h"

#include <fmt/format.h>
#include <malloc.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <type_traits>

#include "core/base/check.h"
#include "core/base/limits.h"
#include "core/base/overloaded.h"
#include "scheduler/daemon/clock.h"
#include "scheduler/daemon/worker_gateway.h"

namespace nightmill {
namespace {

// That an attempt has started decides nothing; it waits this long for a commit that is needed
// anyway, which spares short attempts one of their two commits.
constexpr std::chrono::milliseconds kLazyMail{20};

// Memory that a large backfill needed stays with malloc when the engine has freed it; after so many
// rows and so long a silence it goes back to the system.
constexpr std::size_t kTrimAfterRows = 5'000;
constexpr std::chrono::seconds kTrimAfterQuiet{1};

Error Leaving() { return Unavailable("the daemon is shutting down", "try again when it is back"); }
Error TimedOut(Duration timeout) {
  return Unavailable(fmt::format("no answer within {}", FormatDuration(timeout)),
                     "the request may still take effect; look before you repeat it");
}

// Gives a request event its id; false for events that carry none.
bool SetRequestId(Event& event, RequestId id) {
  return std::visit(
      [&](auto& e) {
        if constexpr (requires { e.request; }) {
          e.request = id;
          return true;
        } else {
          return false;
        }
      },
      event);
}

[[noreturn]] void DieOfStore(const Error& error) {
  spdlog::critical("store: {}", error.message);
  spdlog::shutdown();
  Fatal(ExitCode::kIoError, fmt::format("the outcome of a commit is unknown: {}", error.message));
}

}  // namespace

EventLoop::EventLoop(boost::asio::io_context& io, Engine& engine, Store& store)
    : io_(io),
      engine_(engine),
      store_(store),
      timer_(io),
      soon_(io),
      quiet_(io),
      clock_set_(io, [this] {
        const std::lock_guard lock(mutex_);
        Wake();
      }) {}

EventLoop::~EventLoop() { Close(); }

void EventLoop::Wake() {
  if (woken_) return;
  woken_ = true;
  boost::asio::post(io_, [this] { Pump(); });
}

void EventLoop::WakeSoon() {
  if (woken_ || soon_set_) return;
  soon_set_ = true;
  soon_.expires_after(kLazyMail);
  soon_.async_wait([this](const boost::system::error_code& error) {
    const std::lock_guard lock(mutex_);
    soon_set_ = false;
    if (!error && !mail_.empty()) Wake();
  });
}

void EventLoop::Post(const std::string& worker, Event event) {
  const std::lock_guard lock(mutex_);
  const bool lazy = std::holds_alternative<event::AttemptStarted>(event);
  mail_.push_back({worker, std::move(event)});
  lazy ? WakeSoon() : Wake();
}

Result<command::ReplyBody> EventLoop::Call(Request request, Duration timeout) {
  std::future<Result<command::ReplyBody>> future;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return Leaving();
    if (mail_.size() >= limits::kMaxMailboxEvents) {
      return Unavailable(fmt::format("{} events are waiting, the limit", mail_.size()),
                         "try again in a moment");
    }
    last_request_.value += 1;
    CHECK(SetRequestId(request.event, last_request_));
    Pending& pending = pending_[last_request_];
    pending.rows = std::move(request.rows);
    future = pending.promise.get_future();
    mail_.push_back({{}, std::move(request.event)});
    Wake();
  }
  if (future.wait_for(timeout) != std::future_status::ready) return TimedOut(timeout);
  return future.get();
}

Status EventLoop::Look(std::function<void(const Engine&, Instant now)> look, Duration timeout) {
  const auto visit = std::make_shared<Visit>();
  visit->look = std::move(look);
  std::future<Status> future = visit->done.get_future();
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return Leaving();
    visits_.push_back(visit);
    boost::asio::post(io_, [this] { ShowVisitors(); });
  }
  if (future.wait_for(timeout) != std::future_status::ready) {
    const std::lock_guard lock(mutex_);
    if (std::erase(visits_, visit) > 0) return TimedOut(timeout);
  }
  // Answered, or begun: what it looks with belongs to the caller, who may not leave before its end.
  return future.get();
}

void EventLoop::ShowVisitors() {
  std::vector<std::shared_ptr<Visit>> visits;
  {
    const std::lock_guard lock(mutex_);
    visits = std::exchange(visits_, {});
  }
  for (const auto& visit : visits) {
    visit->look(engine_, WallNow());
    visit->done.set_value(Ok());
  }
}

Status EventLoop::Write(std::vector<StoreRow> rows, Duration timeout) {
  auto done = std::make_shared<std::promise<Status>>();
  std::future<Status> future = done->get_future();
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return Leaving();
    for (StoreRow& row : rows) extra_rows_.push_back(std::move(row));
    writers_.push_back(std::move(done));
    Wake();
  }
  if (future.wait_for(timeout) != std::future_status::ready) return TimedOut(timeout);
  return future.get();
}

void EventLoop::OnEvents(std::function<void(EventId newest)> tell) {
  const std::lock_guard lock(tell_mutex_);
  tell_ = std::move(tell);
}

void EventLoop::TellOfEvents(const Step& step) {
  EventId newest;
  for (const Change& change : step.changes) {
    if (const auto* event = std::get_if<EventRow>(&change)) newest = event->id;
  }
  const std::lock_guard lock(tell_mutex_);
  if (newest.valid() && tell_) tell_(newest);
}

void EventLoop::Stop(bool cancel) {
  boost::asio::post(io_, [this, cancel] {
    if (on_stop_) on_stop_(cancel);
  });
}

void EventLoop::Close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  for (auto& [id, pending] : pending_) pending.promise.set_value(Leaving());
  pending_.clear();
  for (auto& writer : writers_) writer->set_value(Leaving());
  writers_.clear();
  for (const auto& visit : visits_) visit->done.set_value(Leaving());
  visits_.clear();
}

EventLoop::Batch EventLoop::TakeBatch() {
  Batch batch;
  const std::lock_guard lock(mutex_);
  woken_ = false;
  const std::size_t n = std::min(mail_.size(), limits::kMaxBatchEvents);
  batch.events.reserve(n);
  for (std::size_t i = 0; i < n; ++i) {
    Mail& mail = mail_.front();
    if (const auto* finished = std::get_if<event::AttemptFinished>(&mail.event)) {
      batch.acks.emplace_back(mail.worker, finished->report.id);
    } else if (const auto* up = std::get_if<event::WorkerUp>(&mail.event)) {
      for (const AttemptReport& report : up->results) {
        batch.acks.emplace_back(mail.worker, report.id);
      }
      for (const event::LostAttempt& lost : up->lost) {
        batch.acks.emplace_back(mail.worker, lost.attempt);
      }
    }
    batch.events.push_back(std::move(mail.event));
    mail_.pop_front();
  }
  batch.rows = std::exchange(extra_rows_, {});
  batch.writers = std::exchange(writers_, {});
  if (!mail_.empty()) Wake();
  return batch;
}

// What the engine must know of history to decide a request (it holds live runs only).
void EventLoop::Enrich(Event& event, Instant now) {
  if (auto* trigger = std::get_if<event::TriggerRun>(&event)) {
    Result<std::optional<DagRunRow>> taken = std::optional<DagRunRow>{};
    if (trigger->run_id) taken = store_.FindRun(trigger->dag_id, *trigger->run_id);
    if (!taken.ok()) DieOfStore(taken.error());
    if (!taken->has_value() && !trigger->null_logical_date) {
      taken = store_.FindRunByLogicalDate(trigger->dag_id, trigger->logical_date.value_or(now));
      if (!taken.ok()) DieOfStore(taken.error());
    }
    if (taken->has_value()) trigger->taken_by = (*taken)->run_id;
  } else if (auto* backfill = std::get_if<event::CreateBackfill>(&event)) {
    const std::shared_ptr<const Dag> dag = engine_.FindDag(backfill->dag_id);
    if (dag == nullptr || dag->timetable == nullptr) return;
    const Result<Instant> from = dag->timetable->ResolveFrom(backfill->from);
    const Result<Instant> to = dag->timetable->ResolveTo(backfill->to);
    if (!from.ok() || !to.ok()) return;  // the engine answers with the error
    Result<std::vector<DagRunRow>> runs = store_.RunsBetween(backfill->dag_id, *from, *to);
    if (!runs.ok()) DieOfStore(runs.error());
    backfill->existing = *std::move(runs);
  } else if (auto* mark = std::get_if<event::MarkRun>(&event)) {
    Result<std::optional<DagRunRow>> run = store_.FindRun(mark->dag_id, mark->run_id);
    if (!run.ok()) DieOfStore(run.error());
    if (run->has_value()) mark->finished = LoadFinished((*run)->run);
  } else if (auto* clear = std::get_if<event::ClearTasks>(&event)) {
    for (const RunKey run : clear->runs) {
      std::optional<event::LoadedRun> loaded = LoadFinished(run);
      if (loaded) clear->finished.push_back(*std::move(loaded));
    }
  }
}

std::optional<event::LoadedRun> EventLoop::LoadFinished(RunKey run) {
  Result<std::optional<StoredRun>> stored = store_.LoadRun(run);
  if (!stored.ok()) DieOfStore(stored.error());
  if (!stored->has_value() || !IsFinished((*stored)->run.state)) return std::nullopt;
  return event::LoadedRun{std::move((*stored)->run), std::move((*stored)->tasks)};
}

void EventLoop::Pump() {
  Batch batch = TakeBatch();
  const Instant now = LookAtClock(batch);
  for (Event& event : batch.events) Enrich(event, now);
  Step step = engine_.Apply(batch.events, now);
  std::map<RequestId, Pending> replies;
  {
    const std::lock_guard lock(mutex_);
    for (const Command& command : step.commands) {
      const auto* reply = std::get_if<command::Reply>(&command);
      if (reply == nullptr) continue;
      auto node = pending_.extract(reply->request);
      if (!node.empty()) replies.insert(std::move(node));
    }
  }
  for (const Command& command : step.commands) {
    const auto* reply = std::get_if<command::Reply>(&command);
    if (reply == nullptr) continue;
    const auto it = replies.find(reply->request);
    if (it == replies.end() || !it->second.rows) continue;
    for (StoreRow& row : it->second.rows(reply->body)) batch.rows.push_back(std::move(row));
  }
  CommitOrDie(step, batch);
  Perform(step, batch, replies);
  TellOfEvents(step);
  SleepUntil(step.wake_at);
  rows_since_trim_ += step.changes.size();
  if (rows_since_trim_ >= kTrimAfterRows) TrimWhenQuiet();
  const Status checkpointed = store_.MaybeCheckpoint();
  if (!checkpointed.ok()) DieOfStore(checkpointed.error());
}

// A clock that was set comes before everything that happened, and its row into the same commit:
// spans move once, whatever happens in between.
Instant EventLoop::LookAtClock(Batch& batch) {
  const ClockReading reading = ReadClocks();
  const std::chrono::microseconds moved = clock_watch_.Look(reading);
  if (moved.count() != 0) {
    spdlog::warn("the clock was set by {:.3f} s", static_cast<double>(moved.count()) / 1e6);
    batch.events.insert(batch.events.begin(), event::ClockMoved{moved});
  }
  if (auto row = clock_watch_.TakeRow()) batch.rows.emplace_back(*std::move(row));
  return reading.wall;
}

void EventLoop::CommitOrDie(const Step& step, const Batch& batch) {
  if (step.changes.empty() && batch.rows.empty()) return;
  const Status committed = store_.Commit(step.changes, batch.rows);
  // The engine is already past this step, so even a refused commit can only be mended by reading
  // the truth from disk again.
  if (!committed.ok()) DieOfStore(committed.error());
  const bool outbox = std::any_of(step.changes.begin(), step.changes.end(), [](const Change& c) {
    return std::holds_alternative<DeliveryRow>(c);
  });
  if (outbox && on_outbox_) on_outbox_();
}

void EventLoop::Perform(Step& step, Batch& batch, std::map<RequestId, Pending>& replies) {
  std::map<std::string, wire::Ack> acks;
  for (const auto& [worker, attempt] : batch.acks) acks[worker].attempts.push_back(attempt);
  for (const auto& [worker, ack] : acks) {
    if (gateway_ != nullptr) gateway_->Send(worker, ack);
  }
  for (Command& command : step.commands) Execute(command, replies);
  for (auto& writer : batch.writers) writer->set_value(Ok());
}

void EventLoop::Execute(Command& command, std::map<RequestId, Pending>& replies) {
  std::visit(Overloaded{
                 [&](command::StartAttempt& c) {
                   gateway_->Send(c.worker, wire::StartAttempt{std::move(c.spec)});
                 },
                 [&](command::KillAttempt& c) {
                   gateway_->Send(c.worker, wire::KillAttempt{c.attempt, c.reason});
                 },
                 [&](command::Poke& c) {
                   gateway_->Send(c.worker, wire::Poke{c.poke, c.type, std::move(c.spec),
                                                       c.data_root, c.timeout});
                 },
                 [&](command::LoadRun& c) {
                   Result<std::optional<StoredRun>> stored = store_.LoadRun(c.run);
                   if (!stored.ok()) DieOfStore(stored.error());
                   CHECK(stored->has_value());
                   StoredRun& run = **stored;
                   Post(event::RunLoaded{std::move(run.run), std::move(run.tasks)});
                 },
                 [&](command::Reply& c) {
                   const auto it = replies.find(c.request);
                   if (it != replies.end()) it->second.promise.set_value(std::move(c.body));
                 },
             },
             command);
}

// Each turn sets the timer anew, so it fires in the first pause.
void EventLoop::TrimWhenQuiet() {
  quiet_.expires_after(kTrimAfterQuiet);
  quiet_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    malloc_trim(0);
    rows_since_trim_ = 0;
  });
}

void EventLoop::SleepUntil(std::optional<Instant> wake_at) {
  timer_.cancel();
  if (!wake_at) return;
  const auto wait = std::clamp<std::chrono::microseconds>(
      *wake_at - WallNow(), std::chrono::microseconds{0}, std::chrono::hours{24});
  timer_.expires_after(wait);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    const std::lock_guard lock(mutex_);
    Wake();
  });
}

}  // namespace nightmill
