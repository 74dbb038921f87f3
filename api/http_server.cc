// The only includer of Beast. The header is read with the stream's own async_read_some, its bytes
// summed, because Beast compares its limit with each piece and not with their sum.
#include "api/http_server.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "api/access.h"
#include "core/base/limits.h"

namespace nightmill {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using tcp = asio::ip::tcp;

constexpr std::size_t kMaxHeaderBytes = 16 << 10;
constexpr std::size_t kMaxHeaderFields = 64;
constexpr std::size_t kMaxConnections = 1'500;
constexpr std::size_t kMaxQueued = 256;
constexpr int kMaxRequestsPerConnection = 1'000;
constexpr auto kHeaderDeadline = std::chrono::seconds(5);
constexpr auto kIdleDeadline = std::chrono::seconds(30);
constexpr auto kBodyDeadline = std::chrono::seconds(60);
constexpr auto kWriteDeadline = std::chrono::seconds(120);

// Handler threads with a bounded queue; each owns its ApiContext.
class HandlerPool {
 public:
  using Job = std::function<void(ApiContext&)>;

  Status Start(int threads, const HttpServer::MakeContext& make_context) {
    for (int i = 0; i < threads; ++i) {
      NM_ASSIGN_OR_RETURN(std::unique_ptr<ApiContext> context, make_context());
      threads_.emplace_back([this, owned = std::move(context)] { Work(*owned); });
    }
    return Ok();
  }
  ~HandlerPool() { Stop(); }

  bool Submit(Job job) {
    {
      const std::lock_guard lock(mutex_);
      if (stopped_ || jobs_.size() >= kMaxQueued) return false;
      jobs_.push_back(std::move(job));
    }
    ready_.notify_one();
    return true;
  }
  void Stop() {
    {
      const std::lock_guard lock(mutex_);
      stopped_ = true;
    }
    ready_.notify_all();
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
    threads_.clear();
  }

 private:
  void Work(ApiContext& context) {
    while (true) {
      Job job;
      {
        std::unique_lock lock(mutex_);
        ready_.wait(lock, [this] { return stopped_ || !jobs_.empty(); });
        if (jobs_.empty()) return;
        job = std::move(jobs_.front());
        jobs_.pop_front();
      }
      job(context);
    }
  }

  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<Job> jobs_;
  std::vector<std::thread> threads_;
  bool stopped_ = false;
};

struct Shared {
  HttpServerOptions options;
  HandlerPool pool;
  std::atomic<std::uint64_t> requests{0};
  std::atomic<std::size_t> connections{0};
};

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return out;
}

// What Beast accepts and we refuse, by header alone. 0: fine.
struct Refusal {
  int status = 0;
  std::string message;
};
Refusal RefuseHeader(const http::request_header<>& header) {
  if (header.count(http::field::transfer_encoding) > 0) {
    return {411, "Transfer-Encoding is not accepted, send Content-Length"};
  }
  if (header.count(http::field::content_length) > 1 ||
      header[http::field::content_length].find(',') != std::string_view::npos) {
    return {400, "more than one Content-Length"};
  }
  if (header.count(http::field::host) != 1) return {400, "exactly one Host header is required"};
  if (header.count(http::field::content_encoding) > 0) {
    return {415, "compressed bodies are not accepted"};
  }
  const http::verb verb = header.method();
  const bool known = verb == http::verb::get || verb == http::verb::head ||
                     verb == http::verb::post || verb == http::verb::put ||
                     verb == http::verb::patch || verb == http::verb::delete_ ||
                     verb == http::verb::options;  // known, and allowed nowhere: 405
  if (!known) return {400, "unknown method"};
  const std::size_t fields = static_cast<std::size_t>(std::distance(header.begin(), header.end()));
  if (fields > kMaxHeaderFields) return {431, "too many header fields"};
  return {};
}

// One connection; alive while a handler of it is pending.
class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(tcp::socket socket, Shared& shared) : stream_(std::move(socket)), shared_(shared) {
    shared_.connections.fetch_add(1);
  }
  ~Session() { shared_.connections.fetch_sub(1); }

  void Begin() {
    parser_.emplace();
    parser_->header_limit(static_cast<std::uint32_t>(kMaxHeaderBytes));
    parser_->body_limit(limits::kMaxDagBody);
    parser_->eager(false);
    header_bytes_ = 0;
    // One deadline for the whole header; an idle keep-alive connection gets a longer one.
    stream_.expires_after(served_ == 0 ? kHeaderDeadline : kIdleDeadline);
    if (buffer_.size() > 0) return Feed();
    ReadHeader();
  }

 private:
  void ReadHeader() {
    stream_.async_read_some(buffer_.prepare(8192),
                            [self = shared_from_this()](beast::error_code error, std::size_t n) {
                              if (error) return self->Close();
                              self->buffer_.commit(n);
                              self->Feed();
                            });
  }

  void Feed() {
    if (header_bytes_ == 0 && served_ > 0) stream_.expires_after(kHeaderDeadline);
    beast::error_code error;
    const std::size_t used = parser_->put(buffer_.data(), error);
    header_bytes_ += used;
    buffer_.consume(used);
    if (error == http::error::need_more && header_bytes_ + buffer_.size() <= kMaxHeaderBytes) {
      return ReadHeader();
    }
    if (error == http::error::need_more || error == http::error::header_limit) {
      return Refuse(431,
                    Invalid(fmt::format("the header has more than {} bytes", kMaxHeaderBytes)));
    }
    if (error == http::error::body_limit) {
      return Refuse(413, Invalid(fmt::format("the body has more than {} bytes, the limit of all",
                                             limits::kMaxDagBody)));
    }
    if (error && error != http::error::need_buffer) {
      return Refuse(400, Invalid("the request is not HTTP/1.1 as accepted here"));
    }
    if (!parser_->is_header_done()) return ReadHeader();
    OnHeader();
  }

  void OnHeader() {
    const auto& header = parser_->get().base();
    const Refusal refusal = RefuseHeader(header);
    if (refusal.status != 0) return Refuse(refusal.status, Invalid(refusal.message));
    request_ = {};
    request_.method = std::string(header.method_string());
    for (const auto& field : header) {
      request_.headers.emplace_back(Lower(field.name_string()), std::string(field.value()));
    }
    accept_ = std::string(request_.Header("accept"));
    const std::string target(header.target());
    const Status parsed = ParseTarget(target, request_);
    if (!parsed.ok()) return Refuse(400, parsed.error());
    // HEAD is answered like GET, without the body.
    RouteMatch match =
        MatchRoute(request_.method == "HEAD" ? "GET" : request_.method, request_.segments);
    const Status host = CheckHostAndOrigin(request_, shared_.options.allowed_hosts);
    if (!host.ok()) return Refuse(HttpStatus(host.error().code), host.error());
    route_ = match.route;
    allow_ = std::move(match.allow);
    request_.params = std::move(match.params);
    if (!shared_.pool.Submit(
            [self = shared_from_this()](ApiContext& context) { self->CheckAccess(context); })) {
      Refuse(503, Unavailable("too many requests are waiting", "try again in a moment"));
    }
  }

  // On a handler thread: the token is looked up before a byte of the body is read.
  void CheckAccess(ApiContext& context) {
    static constexpr Route kUnknown{"", "", Role::kViewer, 0, nullptr};
    Result<std::string> principal =
        Authorize(context, route_ == nullptr ? kUnknown : *route_, request_);
    if (!principal.ok()) return Later(ProblemOf(principal.error()));
    request_.principal = *std::move(principal);
    if (route_ == nullptr) {
      return Later(allow_.empty() ? ProblemOf(NotFound("there is no such path")) : NotAllowed());
    }
    const auto length = parser_->content_length();
    if (length && *length > route_->body_cap) {
      return Later(
          ProblemWithStatus(413,
                            Invalid(fmt::format("the body has {} bytes, the limit here is {}",
                                                *length, route_->body_cap)),
                            accept_, RequestName()));
    }
    if (!length || *length == 0) return Handle(context);
    asio::post(stream_.get_executor(), [self = shared_from_this()] { self->ReadBody(); });
  }

  void ReadBody() {
    stream_.expires_after(kBodyDeadline);
    http::async_read(stream_, buffer_, *parser_,
                     [self = shared_from_this()](beast::error_code error, std::size_t) {
                       if (error) return self->Close();
                       self->request_.body = std::move(self->parser_->get().body());
                       const bool queued = self->shared_.pool.Submit(
                           [self](ApiContext& context) { self->Handle(context); });
                       if (!queued) {
                         self->Refuse(503, Unavailable("too many requests are waiting"));
                       }
                     });
  }

  void Handle(ApiContext& context) {
    request_.id = RequestName();
    Result<HttpResponse> response = route_->handler(context, request_);
    if (!response.ok()) return Later(ProblemOf(response.error()));
    keep_alive_ = parser_->get().keep_alive() && served_ < kMaxRequestsPerConnection;
    Later(*std::move(response));
  }

  std::string RequestName() const { return fmt::format("r{}", shared_.requests.load()); }

  HttpResponse ProblemOf(const Error& error) {
    keep_alive_ = true;
    return Problem(error, accept_, RequestName());
  }

  HttpResponse NotAllowed() const {
    const Error error{ErrorCode::kNotSupported,
                      fmt::format("this path has no method {}", request_.method),
                      fmt::format("it has {}", allow_)};
    HttpResponse response = ProblemWithStatus(405, error, accept_, RequestName());
    response.headers.emplace_back("Allow", allow_);
    return response;
  }

  // Before a route is known or after bytes we do not trust: answer and close.
  void Refuse(int status, const Error& error) {
    keep_alive_ = false;
    Send(ProblemWithStatus(status, error, accept_, RequestName()));
  }

  void Later(HttpResponse response) {
    const bool body_unread = parser_->content_length().value_or(0) > 0 && !parser_->is_done();
    if (body_unread) keep_alive_ = false;
    asio::post(stream_.get_executor(),
               [self = shared_from_this(), response = std::move(response)]() mutable {
                 self->Send(std::move(response));
               });
  }

  void Send(HttpResponse response) {
    shared_.requests.fetch_add(1);
    served_ += 1;
    auto message = std::make_shared<http::response<http::string_body>>();
    message->version(11);
    message->result(static_cast<unsigned>(response.status));
    message->set(http::field::content_type, response.content_type);
    message->set(http::field::cache_control, "no-store");
    message->set("X-Content-Type-Options", "nosniff");
    for (const auto& [name, value] : response.headers) message->set(name, value);
    if (response.status == 429 || response.status == 503) message->set("Retry-After", "1");
    const std::size_t size = response.body.size();
    if (request_.method != "HEAD") message->body() = std::move(response.body);
    message->content_length(size);
    message->keep_alive(keep_alive_);
    stream_.expires_after(kWriteDeadline);
    http::async_write(stream_, *message,
                      [self = shared_from_this(), message](beast::error_code error, std::size_t) {
                        if (error || !self->keep_alive_) return self->Close();
                        self->Begin();
                      });
  }

  void Close() {
    beast::error_code ignored;
    stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
    stream_.close();
  }

  beast::tcp_stream stream_;
  Shared& shared_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  std::size_t header_bytes_ = 0;
  HttpRequest request_;
  std::string accept_;
  const Route* route_ = nullptr;
  std::string allow_;
  bool keep_alive_ = true;
  int served_ = 0;
};

class BeastServer : public HttpServer {
 public:
  explicit BeastServer(HttpServerOptions options) : acceptor_(io_) {
    shared_.options = std::move(options);
  }
  ~BeastServer() override { Stop(); }

  Status Start(const MakeContext& make_context) override {
    NM_RETURN_IF_ERROR(shared_.pool.Start(shared_.options.threads, make_context));
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
    shared_.pool.Stop();
    io_.stop();
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

  void Accept() {
    acceptor_.async_accept([this](beast::error_code error, tcp::socket socket) {
      if (error == asio::error::operation_aborted) return;
      if (!error && shared_.connections.load() < kMaxConnections) {
        beast::error_code ignored;
        socket.set_option(tcp::no_delay(true), ignored);
        std::make_shared<Session>(std::move(socket), shared_)->Begin();
      }
      Accept();
    });
  }

  asio::io_context io_{1};
  Shared shared_;
  tcp::acceptor acceptor_;
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
