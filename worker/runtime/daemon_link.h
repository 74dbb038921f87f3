// The worker's stream to its daemon: dials, redials (every 50 ms for 5 s, then every 500 ms), cuts
// frames, batches what is sent within one loop turn into one write. Drops the connection on
// anything that is not our protocol. Loop thread only.
#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <string>

#include "core/base/time.h"
#include "worker/protocol/codec.h"

namespace nightmill {

class DaemonLink {
 public:
  struct Callbacks {
    std::function<void()> connected;  // say Hello
    std::function<void(wire::ToWorker)> message;
    std::function<void()> lost;  // was connected
    std::function<void()> dial_failed;
  };
  DaemonLink(boost::asio::io_context& io, std::string socket_path, Callbacks callbacks);
  ~DaemonLink();

  void Dial();
  // Nothing while not connected: what matters is in the spool and said again.
  void Send(const wire::ToDaemon& message);
  // Drops the connection and dials again.
  void Drop();
  // For good.
  void Close();

  bool connected() const { return stream_ != nullptr; }
  // Since the connection was lost, or since the start.
  Duration alone_for() const;

 private:
  struct Stream;

  void OnConnect(const std::shared_ptr<Stream>& stream, const boost::system::error_code& error);
  void Read(const std::shared_ptr<Stream>& stream);
  void HandleAll(const std::shared_ptr<Stream>& stream);
  void Write(const std::shared_ptr<Stream>& stream);
  void Lose();
  void Redial();

  boost::asio::io_context& io_;
  const std::string socket_path_;
  Callbacks callbacks_;
  boost::asio::steady_timer redial_timer_;
  std::shared_ptr<Stream> dialling_;
  std::shared_ptr<Stream> stream_;  // null: not connected
  Duration alone_since_;
  bool closed_ = false;
};

}  // namespace nightmill
