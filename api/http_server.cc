// The only includers of Beast are this file and http_server_session.
#include "api/http_server.h"

#include <fmt/format.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <list>
#include <thread>
#include <utility>

#include "api/http_server_session.h"

namespace nightmill {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using tcp = asio::ip::tcp;

constexpr std::size_t kMaxConnections = 1'500;
constexpr std::chrono::milliseconds kFarewell{300};

class BeastServer : public HttpServer {
 public:
  explicit BeastServer(HttpServerOptions options) : shared_(std::move(options)), acceptor_(io_) {}
  ~BeastServer() override { Stop(); }

  Status Start(const MakeContext& make_context) override {
    NM_RETURN_IF_ERROR(shared_.pool.Start(shared_.options.threads, make_context));
    NM_ASSIGN_OR_RETURN(std::unique_ptr<ApiContext> context, make_context());
    shared_.feed = std::make_unique<Feed>(
        std::move(context), [this](std::function<void()> job) { asio::post(io_, std::move(job)); });
    NM_RETURN_IF_ERROR(shared_.feed->Start());
    Accept();
    thread_ = std::thread([this] { io_.run(); });
    return Ok();
  }

  int port() const override { return port_; }

  void Stop() override {
    if (!thread_.joinable()) return;
    asio::post(io_, [this] {
      beast::error_code ignored;
      acceptor_.close(ignored);
    });
    shared_.feed->Stop();
    shared_.pool.Stop();
    // What the handlers have answered is on its way to the I/O thread, before this job.
    asio::post(io_, [this] { LeaveWhenWritten(); });
    thread_.join();
  }

  Status TakePort() {
    beast::error_code error;
    const asio::ip::address address = asio::ip::make_address(shared_.options.host, error);
    if (error || !address.is_loopback()) {
      return Invalid(
          fmt::format("listen address {} is not a loopback address", shared_.options.host),
          "this release listens on 127.0.0.1 only; use an ssh tunnel or a proxy");
    }
    const int last =
        shared_.options.next_free_port ? shared_.options.port + 100 : shared_.options.port;
    for (int port = shared_.options.port; port <= last; ++port) {
      if (Bind({address, static_cast<unsigned short>(port)})) return Ok();
    }
    return Conflict(
        fmt::format("port {} of {} is in use", shared_.options.port, shared_.options.host),
        "choose another with --listen 127.0.0.1:PORT, or stop what uses it");
  }

 private:
  bool Bind(const tcp::endpoint& endpoint) {
    beast::error_code error;
    acceptor_.close(error);
    acceptor_.open(endpoint.protocol(), error);
    if (error) return false;
    acceptor_.set_option(asio::socket_base::reuse_address(true), error);
    acceptor_.bind(endpoint, error);
    if (error) return false;
    acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (error) return false;
    port_ = acceptor_.local_endpoint(error).port();
    return true;
  }

  // Whoever has asked gets the answer, above all the one who asked for the stop; but one that reads
  // slowly holds nobody up.
  void LeaveWhenWritten() {
    if (shared_.writing == 0) return Leave();
    shared_.on_written = [this] { Leave(); };
    farewell_.expires_after(kFarewell);
    farewell_.async_wait([this](beast::error_code) { Leave(); });
  }

  void Leave() {
    for (const auto& one : sessions_) {
      if (const std::shared_ptr<HttpSession> session = one.lock()) session->Close();
    }
    io_.stop();
  }

  void Accept() {
    acceptor_.async_accept([this](beast::error_code error, tcp::socket socket) {
      if (error == asio::error::operation_aborted) return;
      if (!error && (shared_.connections.load() < kMaxConnections || CloseStranger())) {
        beast::error_code ignored;
        socket.set_option(tcp::no_delay(true), ignored);
        const auto session = std::make_shared<HttpSession>(std::move(socket), shared_);
        Remember(session);
        session->Begin();
      }
      Accept();
    });
  }

  // Connections in the order of their coming, to find one that may be closed for another.
  void Remember(const std::shared_ptr<HttpSession>& session) {
    if (sessions_.size() >= 2 * kMaxConnections) {
      std::erase_if(sessions_, [](const auto& one) { return one.expired(); });
    }
    sessions_.push_back(session);
  }

  // Closes the oldest connection that has shown no valid token, so that a flood of strangers locks
  // nobody out. False if there is none.
  bool CloseStranger() {
    for (auto it = sessions_.begin(); it != sessions_.end();) {
      const std::shared_ptr<HttpSession> session = it->lock();
      if (session != nullptr && session->IsKnown()) {
        ++it;
        continue;
      }
      it = sessions_.erase(it);
      if (session == nullptr) continue;
      session->Close();
      return true;
    }
    return false;
  }

  HttpShared shared_;  // outlives the connections, which io_ holds
  asio::io_context io_{1};
  // While handlers think, a server that accepts nothing more has nothing else to do, and still goes
  // on for their answers.
  asio::executor_work_guard<asio::io_context::executor_type> stays_{io_.get_executor()};
  std::list<std::weak_ptr<HttpSession>> sessions_;
  tcp::acceptor acceptor_;
  asio::steady_timer farewell_{io_};
  std::thread thread_;
  int port_ = 0;
};

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::Listen(HttpServerOptions options) {
  auto server = std::make_unique<BeastServer>(std::move(options));
  NM_RETURN_IF_ERROR(server->TakePort());
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace nightmill
