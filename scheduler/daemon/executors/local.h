// The `local` executor: worker processes on this machine. Starts them in their own session, adopts
// those that outlived an earlier daemon, notices a death through a pidfd and starts a new one; its
// successor proves the death of what was left behind (reliability.md 2).
// Thread rule: scheduler thread (its io_context).
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/base/result.h"

namespace nightmill {

class LocalExecutor {
 public:
  struct Options {
    std::string binary;
    std::string state_dir;
    std::string socket;
    int workers = 1;
    int slots = 1;
    std::vector<std::pair<std::string, std::string>> env;
  };

  LocalExecutor(boost::asio::io_context& io, Options options);
  ~LocalExecutor();

  // Starts local-1 .. local-N, but for those whose process still lives: these dial in by
  // themselves. kNotFound if the worker binary cannot be started.
  Status Start();
  // A worker said hello: watch this process.
  void Watch(const std::string& name, int pid);
  // A worker fell silent: end it; its death brings the next one.
  void Fence(const std::string& name, int pid);
  // No worker is started any more.
  void Stop();

 private:
  struct Worker {
    int pid = 0;
    std::unique_ptr<boost::asio::posix::stream_descriptor> pidfd;
    std::unique_ptr<boost::asio::steady_timer> restart;
    int quick_deaths = 0;
    std::int64_t started_ms = 0;
  };

  Status Spawn(const std::string& name);
  void OnDeath(const std::string& name, int pid);

  boost::asio::io_context& io_;
  Options options_;
  std::map<std::string, Worker> workers_;
  bool stopped_ = false;
};

}  // namespace nightmill
