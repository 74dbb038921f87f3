// The native attempts this worker holds and the hosts that run them (reliability.md, operator
// hosts). At most `slots` hosts; one is started with the first native attempt, reused while it
// behaves, recycled after many attempts or memory growth, ended when idle. A host that crashed,
// timed out or was cancelled is killed. An attempt whose host died before it said HostStarted never
// began and goes to another host. Loop thread only.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "worker/protocol/host_messages.h"
#include "worker/protocol/messages.h"
#include "worker/runtime/attempt_end.h"
#include "worker/runtime/operator_host.h"

namespace nightmill {

class OperatorHosts {
 public:
  struct Options {
    OperatorHost::Options host;
    int slots = 1;
    Duration idle_limit = limits::kHostIdleLimit;
    int max_attempts = limits::kHostMaxAttempts;
    std::int64_t max_growth_bytes = std::int64_t{256} << 20;
  };
  struct Observer {
    AttemptObserver attempts;
    // An operator wants to publish; answered by AnswerLeave.
    std::function<void(const AttemptSpec& spec)> asks_leave;
  };

  OperatorHosts(boost::asio::io_context& io, Offspring& offspring, Options options,
                Observer observer);

  // Its start is already in the spool.
  void Start(AttemptSpec spec);
  // No-ops for attempts it does not hold.
  void End(AttemptId attempt, EndCause cause);
  void EndAll(EndCause cause);
  void AnswerLeave(AttemptId attempt, bool granted, const std::string& reason);

  bool empty() const { return jobs_.empty(); }
  std::size_t hosts() const { return hosts_.size(); }
  void AppendHeld(std::vector<wire::HeldAttempt>& held) const;
  std::vector<wire::AttemptProgress> Progress() const;
  // Attempts whose question is not answered yet; asked again after a reconnection.
  std::vector<const AttemptSpec*> WaitingForLeave() const;

 private:
  using HostPtr = std::shared_ptr<OperatorHost>;
  struct Job {
    Job(boost::asio::io_context& io, AttemptSpec s) : spec(std::move(s)), timer(io) {}
    AttemptSpec spec;
    HostPtr host;  // null: waits for one
    EndCause cause = EndCause::kNone;
    bool waits_for_leave = false;
    int hosts_lost = 0;  // died before the attempt began
    std::optional<Instant> started_at;
    wire::AttemptProgress progress;
    boost::asio::steady_timer timer;  // timeout, then grace
  };

  void Assign();
  HostPtr FreeHost();
  void Give(Job& job, HostPtr host);
  void OnMessage(const HostPtr& host, wire::FromHost message);
  void OnStarted(Job& job);
  void OnDone(Job& job, wire::HostDone done);
  void OnGone(const HostPtr& host, int status);
  void Release(const HostPtr& host, std::int64_t rss_bytes);
  void Finish(Job& job, AttemptReport report);
  Job* Find(AttemptId attempt);

  boost::asio::io_context& io_;
  Offspring& offspring_;
  const Options options_;
  Observer observer_;
  std::map<AttemptId, std::unique_ptr<Job>> jobs_;
  std::deque<AttemptId> waiting_;
  std::set<HostPtr> hosts_;  // alive or dying
  boost::asio::steady_timer retry_timer_;
  int spawn_failures_ = 0;
};

}  // namespace nightmill
