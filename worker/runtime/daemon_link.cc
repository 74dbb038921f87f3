#include "worker/runtime/daemon_link.h"

#include <fmt/format.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <cstdio>
#include <utility>

#include "worker/runtime/clock.h"

namespace nightmill {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

constexpr Duration kEagerFor = 5s;
constexpr Duration kEagerEvery = 50ms;
constexpr Duration kPatientEvery = 500ms;

}  // namespace

// Kept alive by its pending handlers; what arrives on a stream that is no longer the current one is
// ignored.
struct DaemonLink::Stream {
  explicit Stream(asio::io_context& io) : socket(io) {}

  asio::local::stream_protocol::socket socket;
  std::array<char, 64 * 1024> chunk;
  wire::FrameReader reader;
  std::string pending;
  std::string in_flight;
  bool writing = false;
};

DaemonLink::DaemonLink(asio::io_context& io, std::string socket_path, Callbacks callbacks)
    : io_(io),
      socket_path_(std::move(socket_path)),
      callbacks_(std::move(callbacks)),
      redial_timer_(io),
      alone_since_(BootTime()) {}

DaemonLink::~DaemonLink() { Close(); }

Duration DaemonLink::alone_for() const {
  return connected() ? Duration{0} : BootTime() - alone_since_;
}

void DaemonLink::Dial() {
  if (closed_) return;
  dialling_ = std::make_shared<Stream>(io_);
  dialling_->socket.async_connect(
      asio::local::stream_protocol::endpoint(socket_path_),
      [this, stream = dialling_](const boost::system::error_code& error) {
        if (stream == dialling_) OnConnect(stream, error);
      });
}

void DaemonLink::OnConnect(const std::shared_ptr<Stream>& stream,
                           const boost::system::error_code& error) {
  dialling_ = nullptr;
  if (error) {
    Redial();
    return callbacks_.dial_failed();
  }
  stream_ = stream;
  Read(stream);
  callbacks_.connected();
}

void DaemonLink::Read(const std::shared_ptr<Stream>& stream) {
  stream->socket.async_read_some(
      asio::buffer(stream->chunk),
      [this, stream](const boost::system::error_code& error, std::size_t n) {
        if (stream != stream_) return;
        if (error) return Lose();
        stream->reader.Append({stream->chunk.data(), n});
        HandleAll(stream);
        if (stream == stream_) Read(stream);
      });
}

void DaemonLink::HandleAll(const std::shared_ptr<Stream>& stream) {
  const auto reject = [this](const Error& error) {
    fmt::print(stderr, "the daemon sent garbage: {}\n", error.message);
    Lose();
  };
  while (stream == stream_) {
    const auto payload = stream->reader.Next();
    if (!payload.ok()) return reject(payload.error());
    if (!payload->has_value()) return;
    auto message = wire::ParseToWorker(**payload);
    if (!message.ok()) return reject(message.error());
    callbacks_.message(std::move(message).value());
  }
}

void DaemonLink::Send(const wire::ToDaemon& message) {
  if (!stream_) return;
  if (const Status framed = wire::AppendFrame(message, stream_->pending); !framed.ok()) {
    fmt::print(stderr, "message not sent: {}\n", framed.error().message);
    return;
  }
  if (std::exchange(stream_->writing, true)) return;
  // Posted, so that all messages of this turn leave in one write.
  asio::post(io_, [this, stream = stream_] {
    if (stream == stream_) Write(stream);
  });
}

void DaemonLink::Write(const std::shared_ptr<Stream>& stream) {
  stream->in_flight = std::exchange(stream->pending, {});
  asio::async_write(stream->socket, asio::buffer(stream->in_flight),
                    [this, stream](const boost::system::error_code& error, std::size_t) {
                      if (stream != stream_) return;
                      if (error) return Lose();
                      stream->writing = !stream->pending.empty();
                      if (stream->writing) Write(stream);
                    });
}

void DaemonLink::Drop() {
  if (stream_) Lose();
}

void DaemonLink::Lose() {
  boost::system::error_code ignored;
  stream_->socket.close(ignored);
  stream_ = nullptr;
  alone_since_ = BootTime();
  Redial();
  callbacks_.lost();
}

void DaemonLink::Redial() {
  if (closed_) return;
  redial_timer_.expires_after(alone_for() < kEagerFor ? kEagerEvery : kPatientEvery);
  redial_timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) Dial();
  });
}

void DaemonLink::Close() {
  closed_ = true;
  redial_timer_.cancel();
  boost::system::error_code ignored;
  for (const auto& stream : {std::exchange(stream_, nullptr), std::exchange(dialling_, nullptr)}) {
    if (stream) stream->socket.close(ignored);
  }
}

}  // namespace nightmill
