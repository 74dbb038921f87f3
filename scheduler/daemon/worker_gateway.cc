#include "scheduler/daemon/worker_gateway.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <utility>

#include "core/base/limits.h"
#include "core/base/overloaded.h"
#include "scheduler/daemon/clock.h"
#include "worker/protocol/codec.h"

namespace nightmill {
namespace {

namespace asio = boost::asio;
using Socket = asio::local::stream_protocol::socket;

event::WorkerUp ToEvent(wire::Hello hello) {
  event::WorkerUp up;
  up.name = std::move(hello.name);
  up.incarnation = hello.incarnation;
  up.slots = hello.slots;
  for (const wire::HeldAttempt& held : hello.held) up.open.push_back(held.attempt);
  up.results = std::move(hello.results);
  for (wire::LostAttempt& lost : hello.lost) {
    up.lost.push_back({lost.attempt, std::move(lost.cause)});
  }
  return up;
}

}  // namespace

// One worker's stream. Lives as long as a handler of it is pending.
class WorkerGateway::Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(WorkerGateway& gateway, Socket socket)
      : gateway_(gateway), socket_(std::move(socket)) {}

  std::string name;
  Incarnation incarnation = 0;
  int pid = 0;
  Duration last_heard = BootNow();
  bool open = true;

  Status CheckPeer() {
    ucred peer{};
    socklen_t size = sizeof peer;
    if (getsockopt(socket_.native_handle(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
      return Internal("cannot tell who connected to the worker socket");
    }
    pid = peer.pid;
    if (peer.uid == geteuid()) return Ok();
    return Error{ErrorCode::kForbidden, fmt::format("user {} tried to be a worker", peer.uid)};
  }

  void Read() {
    socket_.async_read_some(asio::buffer(chunk_),
                            [self = shared_from_this()](const boost::system::error_code& error,
                                                        std::size_t n) { self->OnRead(error, n); });
  }

  void Send(const wire::ToWorker& message) {
    const Status framed = wire::AppendFrame(message, pending_);
    if (!framed.ok()) spdlog::error("message to worker {}: {}", name, framed.error().message);
    if (writing_ || !framed.ok()) return;
    writing_ = true;
    // Posted, so that all messages of this turn leave in one write.
    asio::post(socket_.get_executor(), [self = shared_from_this()] { self->Write(); });
  }

  // Last words: what the socket takes at once.
  void SendNow(const wire::ToWorker& message) {
    std::string frame;
    if (!wire::AppendFrame(message, frame).ok()) return;
    pending_ += frame;
    if (in_flight_.empty()) {
      boost::system::error_code ignored;
      socket_.non_blocking(true, ignored);
      socket_.write_some(asio::buffer(pending_), ignored);
    }
  }

  void Close() {
    open = false;
    boost::system::error_code ignored;
    socket_.close(ignored);
  }

 private:
  void OnRead(const boost::system::error_code& error, std::size_t n) {
    if (!open) return;
    if (error) return gateway_.Drop(*this);
    last_heard = BootNow();
    reader_.Append({chunk_.data(), n});
    while (open) {
      Result<std::optional<std::string_view>> payload = reader_.Next();
      if (!payload.ok()) return Reject(payload.error());
      if (!payload->has_value()) break;
      Result<wire::ToDaemon> message = wire::ParseToDaemon(**payload);
      if (!message.ok()) return Reject(message.error());
      Handle(*std::move(message));
    }
    if (open) Read();
  }

  void Reject(const Error& error) {
    spdlog::warn("worker {} (pid {}) sent garbage: {}", name, pid, error.message);
    gateway_.Drop(*this);
  }

  void Handle(wire::ToDaemon message) {
    if (auto* hello = std::get_if<wire::Hello>(&message)) {
      return gateway_.HandleHello(*this, std::move(*hello));
    }
    if (name.empty()) return gateway_.Drop(*this);
    const auto& callbacks = gateway_.callbacks_;
    std::visit(
        Overloaded{
            [&](wire::Hello&) {},
            [&](wire::Started& m) {
              callbacks.on_event(name,
                                 event::AttemptStarted{m.attempt, m.epoch, m.incarnation, m.at});
            },
            [&](wire::Finished& m) {
              callbacks.on_event(name, event::AttemptFinished{std::move(m.report)});
            },
            [&](wire::Heartbeat&) {},
            [&](wire::PokeResult& m) {
              callbacks.on_event(name, event::PokeFinished{m.poke, m.met, std::move(m.error),
                                                           std::move(m.detail)});
            },
            [&](wire::PublishLeave& m) {
              const bool granted = callbacks.may_publish(m.attempt, m.epoch, m.incarnation);
              Send(wire::PublishAnswer{m.attempt, granted, granted ? "" : "the attempt is fenced"});
            },
        },
        message);
  }

  void Write() {
    in_flight_ = std::exchange(pending_, {});
    asio::async_write(socket_, asio::buffer(in_flight_),
                      [self = shared_from_this()](const boost::system::error_code& error,
                                                  std::size_t) { self->OnWritten(error); });
  }

  void OnWritten(const boost::system::error_code& error) {
    in_flight_.clear();
    if (!open) return;
    if (error) return gateway_.Drop(*this);
    if (pending_.empty()) {
      writing_ = false;
    } else {
      Write();
    }
  }

  WorkerGateway& gateway_;
  Socket socket_;
  std::array<char, 64 * 1024> chunk_;
  wire::FrameReader reader_;
  std::string pending_;
  std::string in_flight_;
  bool writing_ = false;
};

WorkerGateway::WorkerGateway(asio::io_context& io, Epoch epoch, Callbacks callbacks)
    : io_(io), epoch_(epoch), callbacks_(std::move(callbacks)), acceptor_(io), lease_timer_(io) {}

WorkerGateway::~WorkerGateway() {
  for (auto& [name, connection] : connections_) connection->Close();
}

Status WorkerGateway::Listen(const std::string& path) {
  unlink(path.c_str());
  try {
    const asio::local::stream_protocol::endpoint endpoint(path);
    acceptor_.open(endpoint.protocol());
    acceptor_.bind(endpoint);
    if (chmod(path.c_str(), 0600) != 0) return Internal(fmt::format("chmod {}", path));
    acceptor_.listen();
  } catch (const boost::system::system_error& error) {
    return Invalid(fmt::format("cannot listen on {}: {}", path, error.what()));
  }
  Accept();
  CheckLeases();
  return Ok();
}

void WorkerGateway::Accept() {
  acceptor_.async_accept([this](const boost::system::error_code& error, Socket socket) {
    if (error == asio::error::operation_aborted) return;
    if (!error) {
      auto connection = std::make_shared<Connection>(*this, std::move(socket));
      const Status peer = connection->CheckPeer();
      if (peer.ok()) {
        connection->Read();
      } else {
        spdlog::warn("{}", peer.error().message);
      }
    }
    Accept();
  });
}

void WorkerGateway::HandleHello(Connection& connection, wire::Hello hello) {
  if (hello.protocol != wire::kProtocolVersion) {
    connection.Send(wire::Refused{
        fmt::format("protocol {} is not {}", hello.protocol, wire::kProtocolVersion), true});
    return;
  }
  const auto old = connections_.find(hello.name);
  if (old != connections_.end() && old->second.get() != &connection) Drop(*old->second);
  connection.name = hello.name;
  connection.incarnation = hello.incarnation;
  connections_[hello.name] = connection.shared_from_this();
  spdlog::info("worker {} connected: pid {}, {} places, holds {}, brings {} results, {} lost",
               hello.name, connection.pid, hello.slots, hello.held.size(), hello.results.size(),
               hello.lost.size());

  wire::Welcome welcome;
  welcome.epoch = epoch_;
  for (const wire::HeldAttempt& held : hello.held) {
    if (callbacks_.is_open(held.attempt)) continue;
    welcome.verdicts.push_back({held.attempt, wire::Verdict::kKill, "not wanted any more"});
  }
  connection.Send(std::move(welcome));
  callbacks_.on_hello(connection.name, connection.pid);
  callbacks_.on_event(connection.name, ToEvent(std::move(hello)));
}

bool WorkerGateway::Send(const std::string& worker, const wire::ToWorker& message) {
  const auto it = connections_.find(worker);
  if (it == connections_.end()) return false;
  it->second->Send(message);
  return true;
}

void WorkerGateway::Drop(Connection& connection) {
  const std::shared_ptr<Connection> keep = connection.shared_from_this();
  if (!connection.open) return;
  connection.Close();
  const auto it = connections_.find(connection.name);
  if (it == connections_.end() || it->second.get() != &connection) return;
  connections_.erase(it);
  spdlog::warn("worker {} (pid {}) is disconnected", connection.name, connection.pid);
  callbacks_.on_event(connection.name, event::WorkerDown{connection.name, connection.incarnation});
}

void WorkerGateway::CheckLeases() {
  std::vector<std::shared_ptr<Connection>> silent;
  // If we ourselves slept through a check, nobody's silence can be judged by it.
  const bool overslept = BootNow() - last_check_ > limits::kWorkerLease / 2;
  last_check_ = BootNow();
  for (const auto& [name, connection] : connections_) {
    if (overslept) connection->last_heard = last_check_;
    if (last_check_ - connection->last_heard > limits::kWorkerLease) silent.push_back(connection);
  }
  for (const auto& connection : silent) {
    spdlog::warn("worker {} is silent for {}, fencing it", connection->name,
                 FormatDuration(limits::kWorkerLease));
    const std::string name = connection->name;
    const int pid = connection->pid;
    Drop(*connection);
    callbacks_.on_silent(name, pid);
  }
  lease_timer_.expires_after(limits::kHeartbeatEvery);
  lease_timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) CheckLeases();
  });
}

void WorkerGateway::Shutdown(bool cancel) {
  for (const auto& [name, connection] : connections_) connection->SendNow(wire::Shutdown{cancel});
}

}  // namespace nightmill
