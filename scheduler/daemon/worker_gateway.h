// Connections of workers on <state>/worker.sock: frames in become engine events, commands go out.
// Knows who is connected and who has fallen silent; decides nothing about attempts. A peer must run
// under our own user id (SO_PEERCRED); the socket lies in a private directory.
// Thread rule: scheduler thread (its io_context).
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "core/base/result.h"
#include "scheduler/engine/event.h"
#include "worker/protocol/messages.h"

namespace nightmill {

class WorkerGateway {
 public:
  struct Callbacks {
    std::function<void(const std::string& worker, Event)> on_event;
    // Verdicts about what a worker holds, for its Welcome.
    std::function<bool(AttemptId)> is_open;
    // Leave to publish (compute.md 5).
    std::function<bool(AttemptId, Epoch, Incarnation)> may_publish;
    // A worker said hello / is gone for good as a process (lease lapsed): name, pid.
    std::function<void(const std::string&, int)> on_hello;
    std::function<void(const std::string&, int)> on_silent;
  };

  WorkerGateway(boost::asio::io_context& io, Epoch epoch, Callbacks callbacks);
  ~WorkerGateway();
  WorkerGateway(const WorkerGateway&) = delete;
  WorkerGateway& operator=(const WorkerGateway&) = delete;

  // Listens on a socket of mode 0600; a stale file of a dead daemon is replaced (we hold the lock).
  Status Listen(const std::string& path);
  // Queues a frame; messages of one loop turn leave in one write. False if the worker is not there.
  bool Send(const std::string& worker, const wire::ToWorker& message);
  // Tells all workers that we are leaving on purpose, as far as sockets take it without waiting.
  void Shutdown(bool cancel);
  std::size_t connected() const { return connections_.size(); }

 private:
  class Connection;

  void Accept();
  void Drop(Connection& connection);
  void HandleHello(Connection& connection, wire::Hello hello);
  void CheckLeases();

  boost::asio::io_context& io_;
  Epoch epoch_;
  Callbacks callbacks_;
  boost::asio::local::stream_protocol::acceptor acceptor_;
  boost::asio::steady_timer lease_timer_;
  Duration last_check_{0};
  std::map<std::string, std::shared_ptr<Connection>> connections_;  // after their hello, by name
};

}  // namespace nightmill
