// Sends what the outbox holds (reliability.md P10): takes pending deliveries from committed rows,
// tries each until it is delivered, dead or not needed, and writes the row after every try. At
// least once: a try whose row was not written is made again after the restart, under the same id.
//
// Its own threads do all of it, so no receiver delays the scheduler; 4 requests in flight for a
// notifier and 16 in all, one for a notifier in trouble, so no receiver delays another one.
// Thread rule: Start and Stop by the owner; Wake, BeginStop and AlertDesk by anybody.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/base/result.h"
#include "scheduler/daemon/alerts/config.h"
#include "scheduler/daemon/alerts/desk.h"
#include "scheduler/daemon/alerts/plan.h"
#include "scheduler/daemon/alerts/retry.h"
#include "scheduler/daemon/alerts/watchdog.h"
#include "scheduler/daemon/mailbox.h"
#include "store/queries.h"

namespace nightmill {

class AlertSender final : public AlertDesk {
 public:
  struct Options {
    AlertConfig config;
    std::string page;  // "http://127.0.0.1:7420": where messages link to
    std::string database;
    std::vector<std::pair<std::string, std::string>> env;  // of commands
    std::function<Instant()> now;
    std::function<Duration()> monotonic;
  };
  AlertSender(Options options, Mailbox& mailbox);
  ~AlertSender() override;

  // Begins to send. The mailbox must be answering, or be about to.
  Status Start();
  // A commit has put something into the outbox.
  void Wake();
  // Ends what is in flight; nothing new is started. Does not wait.
  void BeginStop();
  // Waits for the threads; the mailbox must be answering or closed.
  void Stop();

  std::vector<NotifierView> Notifiers() const override;
  std::string MessageOf(const AlertRow& alert, std::string_view notifier) const override;

 private:
  struct Job {
    const Notifier* notifier = nullptr;
    std::vector<DeliveryView> rows;
  };

  Status LoadChannels();
  Status BuryUnknown();
  void Dispatch();
  std::optional<Instant> Round();
  std::optional<Instant> Serve(const Notifier& notifier);
  void Begin(const Notifier& notifier, std::vector<DeliveryView> rows);
  void WorkLoop();
  void Do(const Job& job);
  TryResult Try(const Job& job);
  TryResult TryHttp(const Job& job);
  TryResult TryCommand(const Job& job);
  void Finish(const Job& job, const TryResult& result);
  void Learn(const Notifier& notifier, const TryResult& result);
  void Disable(const Notifier& notifier, std::vector<StoreRow> rows);
  bool WriteRows(const std::vector<StoreRow>& rows);
  bool Pause(std::unique_lock<std::mutex>& lock, Duration time);

  const Options options_;
  Mailbox& mailbox_;
  std::optional<Queries> queries_;  // of the dispatching thread
  Watchdog watchdog_;
  std::size_t first_ = 0;  // the notifier that is served first, in turn

  mutable std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  std::map<std::string, Channel, std::less<>> channels_;
  std::deque<Job> jobs_;
  int in_flight_ = 0;
  int workers_ = 0;
  int idle_workers_ = 0;
  bool woken_ = false;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace nightmill
