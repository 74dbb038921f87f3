// Ends outgoing requests that last too long or bring too much (reliability.md 6.4). The HTTP
// client's own timeouts are per read, so a receiver that drips outlasts them and one that floods
// headers fills memory: the watchdog looks at every request in flight each 20 ms and shuts its
// socket. Its thread sleeps while nothing is in flight. Thread rule: safe from any thread; a Flight
// belongs to the thread that makes the request.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "core/base/time.h"

namespace nightmill {

class Watchdog {
 public:
  // `monotonic`: time that never goes back.
  explicit Watchdog(std::function<Duration()> monotonic);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  // One request, from its name lookup to the end of its answer.
  class Flight {
   public:
    Flight(Watchdog& dog, Duration budget);
    ~Flight();
    Flight(const Flight&) = delete;
    Flight& operator=(const Flight&) = delete;

    // The request uses this socket from now on; the flight keeps a descriptor of its own, so that
    // it never shuts a socket of somebody else.
    void Watch(int socket);
    bool over() const { return !why().empty(); }
    std::string why() const;  // "no answer within 15s"; "" while it may go on
    Duration left() const;    // of the budget, 0 at least

   private:
    friend class Watchdog;
    Watchdog& dog_;
    Duration budget_;
    Duration deadline_;
    int socket_ = -1;
    std::string why_;
  };

  // Ends what is in flight and whatever begins later.
  void AbortAll();

 private:
  void Run();
  void Check(Flight& flight);

  std::function<Duration()> monotonic_;
  mutable std::mutex mutex_;  // guards all below and the flights
  std::condition_variable changed_;
  std::set<Flight*> flights_;
  bool aborted_ = false;
  bool leaving_ = false;
  std::thread thread_;
};

}  // namespace nightmill
