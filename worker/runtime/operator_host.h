// One operator host as its worker sees it: a child process that runs native attempts one at a time
// over a socket pair and is reused. Owns the process and the socket; operator_hosts.h decides what
// it does. Loop thread only.
#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <string>
#include <variant>

#include "worker/protocol/codec.h"
#include "worker/protocol/host_messages.h"
#include "worker/runtime/leftovers.h"
#include "worker/runtime/spawn.h"

namespace nightmill {

class OperatorHost : public std::enable_shared_from_this<OperatorHost> {
 public:
  struct Options {
    std::string program;  // this very executable
    Incarnation incarnation = 0;
    Environment env;
  };
  struct Callbacks {
    std::function<void(const std::shared_ptr<OperatorHost>&, wire::FromHost)> message;
    // The process is reaped, its messages are read, and nothing it started is left.
    std::function<void(const std::shared_ptr<OperatorHost>&, int status)> gone;
  };
  using Started = std::variant<std::shared_ptr<OperatorHost>, SpawnError>;
  static Started Start(boost::asio::io_context& io, Offspring& offspring, const Options& options,
                       Callbacks callbacks);

  OperatorHost(boost::asio::io_context& io, Offspring& offspring, std::string mark,
               Callbacks callbacks);

  void Send(const wire::ToHost& message);
  void Kill();

  pid_t pid() const { return pid_; }

  // Kept for operator_hosts.h.
  AttemptId attempt;  // it works on; 0: idle
  int attempts_done = 0;
  std::int64_t first_rss_bytes = 0;
  boost::asio::steady_timer idle_timer;

 private:
  void Watch(SpawnedProcess process, UniqueFd socket);
  void Read();
  void OnRead(const boost::system::error_code& error, std::size_t n);
  void Write();
  void OnExit();
  void CloseTree();

  Offspring& offspring_;
  const std::string mark_;
  Callbacks callbacks_;
  boost::asio::local::stream_protocol::socket socket_;
  boost::asio::posix::stream_descriptor pidfd_;
  boost::asio::steady_timer close_timer_;
  std::array<char, 16 * 1024> chunk_;
  wire::FrameReader reader_;
  std::string pending_;
  std::string in_flight_;
  pid_t pid_ = 0;
  int status_ = 0;
  bool exited_ = false;
  bool end_of_stream_ = false;
};

}  // namespace nightmill
