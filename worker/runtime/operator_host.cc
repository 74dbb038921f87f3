#include "worker/runtime/operator_host.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

namespace nightmill {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

constexpr Duration kCloseEvery = 10ms;
constexpr int kHostNice = 10;

}  // namespace

OperatorHost::Started OperatorHost::Start(asio::io_context& io, Offspring& offspring,
                                          const Options& options, Callbacks callbacks) {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
    return SpawnError{SpawnFailure::kBusy, fmt::format("socketpair: {}", strerror(errno))};
  }
  UniqueFd ours(pair[0]);
  const UniqueFd theirs(pair[1]);
  const Environment marked = {{std::string(kMarkVariable), HostMark(options.incarnation)}};
  SpawnRequest request;
  request.argv = {options.program, "--operator-host"};
  request.first_env = &marked;
  request.env = &options.env;
  request.out_fd = 2;  // until an attempt's log takes its place
  request.extra_fd = theirs.get();
  auto spawned = Spawn(request);
  if (auto* error = std::get_if<SpawnError>(&spawned)) return std::move(*error);
  auto host = std::make_shared<OperatorHost>(io, offspring, HostMark(options.incarnation),
                                             std::move(callbacks));
  host->Watch(std::move(std::get<SpawnedProcess>(spawned)), std::move(ours));
  return host;
}

OperatorHost::OperatorHost(asio::io_context& io, Offspring& offspring, std::string mark,
                           Callbacks callbacks)
    : idle_timer(io),
      offspring_(offspring),
      mark_(std::move(mark)),
      callbacks_(std::move(callbacks)),
      socket_(io),
      pidfd_(io),
      close_timer_(io) {}

void OperatorHost::Watch(SpawnedProcess process, UniqueFd socket) {
  pid_ = process.pid;
  offspring_.Adopt(pid_);
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(pid_), kHostNice);
  socket_.assign(asio::local::stream_protocol(), socket.release());
  pidfd_.assign(process.pidfd.release());
  pidfd_.async_wait(asio::posix::stream_descriptor::wait_read,
                    [self = shared_from_this()](const boost::system::error_code& error) {
                      if (!error) self->OnExit();
                    });
  Read();
}

void OperatorHost::Send(const wire::ToHost& message) {
  if (exited_ || !wire::AppendFrame(message, pending_).ok()) return;
  if (in_flight_.empty()) Write();
}

void OperatorHost::Write() {
  in_flight_ = std::exchange(pending_, {});
  asio::async_write(
      socket_, asio::buffer(in_flight_),
      [self = shared_from_this()](const boost::system::error_code& error, std::size_t) {
        self->in_flight_.clear();
        // An error means that it died; OnExit has the rest.
        if (!error && !self->pending_.empty()) self->Write();
      });
}

void OperatorHost::Read() {
  socket_.async_read_some(asio::buffer(chunk_),
                          [self = shared_from_this()](const boost::system::error_code& error,
                                                      std::size_t n) { self->OnRead(error, n); });
}

void OperatorHost::OnRead(const boost::system::error_code& error, std::size_t n) {
  if (error) {
    end_of_stream_ = true;
    // A host that closed its socket but lives is of no more use.
    if (!exited_) return Kill();
    return CloseTree();
  }
  reader_.Append({chunk_.data(), n});
  while (true) {
    const auto payload = reader_.Next();
    if (!payload.ok()) return Kill();
    if (!payload->has_value()) break;
    auto message = wire::ParseFromHost(**payload);
    if (!message.ok()) return Kill();
    callbacks_.message(shared_from_this(), std::move(message).value());
  }
  Read();
}

void OperatorHost::Kill() {
  if (!exited_) ::kill(-pid_, SIGKILL);
}

void OperatorHost::OnExit() {
  // While the zombie holds the number of its group; what it started dies with it.
  ::kill(-pid_, SIGKILL);
  if (::waitpid(pid_, &status_, WNOHANG) != pid_) return;
  exited_ = true;
  offspring_.Forget(pid_);
  boost::system::error_code ignored;
  pidfd_.close(ignored);
  // Nobody else holds the other end, so what it wrote can be read up to its end at once.
  if (end_of_stream_) CloseTree();
}

void OperatorHost::CloseTree() {
  bool left = false;
  for (const Offspring::Orphan& orphan : offspring_.Orphans()) {
    // The mark is that of all hosts, but only a dead one has orphans.
    if (orphan.session != pid_ && orphan.mark != mark_) continue;
    left = true;
    for (const pid_t below : Descendants(orphan.pid)) ::kill(below, SIGKILL);
    ::kill(orphan.pid, SIGKILL);
  }
  if (!left) return callbacks_.gone(shared_from_this(), status_);
  close_timer_.expires_after(kCloseEvery);
  close_timer_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
    if (!error) self->CloseTree();
  });
}

}  // namespace nightmill
