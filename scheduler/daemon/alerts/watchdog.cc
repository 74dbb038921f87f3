#include "scheduler/daemon/alerts/watchdog.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/tcp.h>  // the full tcp_info; clashes with netinet/tcp.h
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

namespace nightmill {
namespace {

constexpr std::chrono::milliseconds kTick{20};
constexpr std::uint64_t kMaxReceived = 256u << 10;

std::uint64_t BytesReceived(int socket) {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return 0;
  return info.tcpi_bytes_received;
}

}  // namespace

Watchdog::Watchdog(std::function<Duration()> monotonic)
    : monotonic_(std::move(monotonic)), thread_([this] { Run(); }) {}

Watchdog::~Watchdog() {
  {
    const std::lock_guard lock(mutex_);
    leaving_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Watchdog::Run() {
  std::unique_lock lock(mutex_);
  while (!leaving_) {
    if (flights_.empty()) {
      changed_.wait(lock);
      continue;
    }
    for (Flight* flight : flights_) Check(*flight);
    changed_.wait_for(lock, kTick, [this] { return leaving_; });
  }
}

void Watchdog::Check(Flight& flight) {
  if (flight.why_.empty()) {
    if (aborted_) {
      flight.why_ = "the daemon is stopping";
    } else if (monotonic_() > flight.deadline_) {
      flight.why_ = fmt::format("no whole answer within {}", FormatDuration(flight.budget_));
    } else if (flight.socket_ >= 0 && BytesReceived(flight.socket_) > kMaxReceived) {
      flight.why_ = fmt::format("the answer has more than {} KiB", kMaxReceived >> 10);
    }
  }
  // Each time: the client may have made another socket of it since.
  if (!flight.why_.empty() && flight.socket_ >= 0) shutdown(flight.socket_, SHUT_RDWR);
}

void Watchdog::AbortAll() {
  const std::lock_guard lock(mutex_);
  aborted_ = true;
  for (Flight* flight : flights_) Check(*flight);
}

Watchdog::Flight::Flight(Watchdog& dog, Duration budget)
    : dog_(dog), budget_(budget), deadline_(dog.monotonic_() + budget) {
  {
    const std::lock_guard lock(dog_.mutex_);
    dog_.flights_.insert(this);
    dog_.Check(*this);
  }
  dog_.changed_.notify_all();
}

Watchdog::Flight::~Flight() {
  const std::lock_guard lock(dog_.mutex_);
  dog_.flights_.erase(this);
  if (socket_ >= 0) close(socket_);
}

void Watchdog::Flight::Watch(int socket) {
  const std::lock_guard lock(dog_.mutex_);
  if (socket_ >= 0) close(socket_);
  socket_ = fcntl(socket, F_DUPFD_CLOEXEC, 3);
  dog_.Check(*this);
}

std::string Watchdog::Flight::why() const {
  const std::lock_guard lock(dog_.mutex_);
  return why_;
}

Duration Watchdog::Flight::left() const {
  return std::max(deadline_ - dog_.monotonic_(), Duration{0});
}

}  // namespace nightmill
