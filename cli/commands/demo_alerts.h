// The demo's notifier and its receiver (product.md 1): a configuration that names `hook`, a webhook
// on this machine, and `nightmill alert listen` behind it while the demo runs. Thread rule: main
// thread.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "cli/cli.h"

namespace nightmill {

class DemoAlerts {
 public:
  struct Event {
    std::string type;  // "run.failed"
    std::string run_id;
    bool operator==(const Event&) const = default;
  };

  explicit DemoAlerts(const Cli& cli) : cli_(cli) {}
  ~DemoAlerts();  // ends the receiver
  DemoAlerts(const DemoAlerts&) = delete;
  DemoAlerts& operator=(const DemoAlerts&) = delete;

  // Starts the receiver: where a running server of the demo expects it, else on a free port, which
  // a configuration for the server to come names.
  Status Start(bool server_runs);
  const std::string& config() const { return config_; }    // path
  const std::string& address() const { return address_; }  // "127.0.0.1:9000"
  // Until the receiver has shown all of them, which says that their signatures are right.
  Status Await(const std::vector<Event>& events) const;

 private:
  Status WriteConfig() const;
  Result<std::string> ListeningAt() const;

  const Cli& cli_;
  std::string config_;
  std::string key_;
  std::string log_;
  std::string address_;
  pid_t receiver_ = 0;
};

}  // namespace nightmill
