// The scheduler thread: drains the mailbox, applies one batch to the engine, commits, then performs
// the commands (architecture.md 3). Group commit needs no timer: what arrives during one fsync is
// the next batch. The only place that writes to the store. Thread rule: Mailbox methods from any
// thread; everything else on the loop's own thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "scheduler/daemon/clock_watch.h"
#include "scheduler/daemon/mailbox.h"
#include "scheduler/engine/engine.h"
#include "store/store.h"

namespace nightmill {

class WorkerGateway;

class EventLoop : public Mailbox {
 public:
  EventLoop(boost::asio::io_context& io, Engine& engine, Store& store);
  ~EventLoop() override;

  void Attach(WorkerGateway& gateway) { gateway_ = &gateway; }
  // Before the first Pump: from which reading of the clocks the engine's state is.
  void WatchClock(ClockWatch watch) { clock_watch_ = std::move(watch); }
  // From the gateway: mail of a worker; results are acked after their commit.
  void Post(const std::string& worker, Event event);
  // From the loop's thread: an event of our own.
  void Post(Event event) { Post({}, std::move(event)); }
  void OnStop(std::function<void(bool cancel)> on_stop) { on_stop_ = std::move(on_stop); }
  // Called after a commit that put something into the outbox of alerts; must not block.
  void OnOutbox(std::function<void()> on_outbox) { on_outbox_ = std::move(on_outbox); }
  // Applies what is waiting now; called once at the end so that nothing posted is left uncommitted.
  void Pump();
  // From here on Call, Look and Write are refused.
  void Close();

  Result<command::ReplyBody> Call(Request request, Duration timeout) override;
  Status Look(std::function<void(const Engine&, Instant now)> look, Duration timeout) override;
  Status Write(std::vector<StoreRow> rows, Duration timeout) override;
  void OnEvents(std::function<void(EventId newest)> tell) override;
  void Stop(bool cancel) override;

 private:
  struct Mail {
    std::string worker;
    Event event;
  };
  struct Pending {
    std::promise<Result<command::ReplyBody>> promise;
    std::function<std::vector<StoreRow>(const Result<command::ReplyBody>&)> rows;
  };
  struct Visit {
    std::function<void(const Engine&, Instant now)> look;
    std::promise<Status> done;
  };
  struct Batch {
    std::vector<Event> events;
    std::vector<StoreRow> rows;
    std::vector<std::shared_ptr<std::promise<Status>>> writers;
    std::vector<std::pair<std::string, AttemptId>> acks;
  };

  void Wake();
  void WakeSoon();
  void ShowVisitors();
  Batch TakeBatch();
  void Enrich(Event& event, Instant now);
  std::optional<event::LoadedRun> LoadFinished(RunKey run);
  void Perform(Step& step, Batch& batch, std::map<RequestId, Pending>& replies);
  void Execute(Command& command, std::map<RequestId, Pending>& replies);
  void TellOfEvents(const Step& step);
  void CommitOrDie(const Step& step, const Batch& batch);
  void SleepUntil(std::optional<Instant> wake_at);
  void TrimWhenQuiet();
  Instant LookAtClock(Batch& batch);

  boost::asio::io_context& io_;
  Engine& engine_;
  Store& store_;
  WorkerGateway* gateway_ = nullptr;
  boost::asio::steady_timer timer_;
  boost::asio::steady_timer soon_;  // for mail that nothing waits for
  boost::asio::steady_timer quiet_;
  std::size_t rows_since_trim_ = 0;
  ClockWatch clock_watch_{{}, {}};
  ClockSetSignal clock_set_;
  std::function<void(bool)> on_stop_;
  std::function<void()> on_outbox_;

  std::mutex mutex_;  // guards the members below
  std::deque<Mail> mail_;
  std::map<RequestId, Pending> pending_;
  std::vector<StoreRow> extra_rows_;
  std::vector<std::shared_ptr<std::promise<Status>>> writers_;
  std::vector<std::shared_ptr<Visit>> visits_;
  RequestId last_request_;
  bool woken_ = false;
  bool soon_set_ = false;
  bool closed_ = false;

  std::mutex tell_mutex_;  // guards tell_, also while it is called
  std::function<void(EventId)> tell_;
};

}  // namespace nightmill
