// The header is read with the stream's own async_read_some, its bytes summed, because Beast
// compares its limit with each piece and not with their sum.
#include "api/http_server_session.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <utility>

#include "api/access.h"
#include "api/encoding.h"
#include "api/page.h"
#include "core/base/limits.h"

namespace nightmill {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using tcp = asio::ip::tcp;

constexpr std::size_t kMaxHeaderBytes = 16 << 10;
constexpr std::size_t kMaxHeaderFields = 64;
constexpr std::size_t kMaxTarget = 8 << 10;
constexpr std::size_t kMaxValue = 8 << 10;
constexpr std::size_t kMaxBacklog = 64 << 10;  // of a stream
constexpr std::size_t kMaxBuffers = 64;        // of one write
constexpr int kMaxRequestsPerConnection = 1'000;
constexpr auto kHeaderDeadline = std::chrono::seconds(5);
constexpr auto kIdleDeadline = std::chrono::seconds(30);
constexpr auto kBodyDeadline = std::chrono::seconds(60);
constexpr std::chrono::milliseconds kAgainAfter{50};
constexpr std::chrono::milliseconds kAgainAtMost{1'000};
constexpr auto kWriteDeadline = std::chrono::seconds(120);
constexpr auto kStreamWriteDeadline = std::chrono::seconds(30);

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

Refusal RefuseSizes(const http::request_header<>& header) {
  if (header.target().size() > kMaxTarget) {
    return {414, fmt::format("the request target has more than {} bytes", kMaxTarget)};
  }
  std::size_t fields = 0;
  for (const auto& field : header) {
    fields += 1;
    if (field.value().size() > kMaxValue) {
      return {431, fmt::format("a header value has more than {} bytes", kMaxValue)};
    }
  }
  if (fields > kMaxHeaderFields) {
    return {431, fmt::format("there are more than {} header fields", kMaxHeaderFields)};
  }
  return {};
}

Refusal RefuseHeader(const http::request_header<>& header, std::string_view raw) {
  if (header.count(http::field::transfer_encoding) > 0) {
    return {411, "Transfer-Encoding is not accepted, send Content-Length"};
  }
  if (header.count(http::field::content_length) > 1 ||
      header[http::field::content_length].find(',') != std::string_view::npos) {
    return {400, "more than one Content-Length"};
  }
  if (header.count(http::field::host) != 1) return {400, "exactly one Host header is required"};
  if (raw.find("\n ") != std::string_view::npos || raw.find("\n\t") != std::string_view::npos) {
    return {400, "a header value goes on in the next line"};
  }
  if (header.count(http::field::content_encoding) > 0) {
    return {415, "compressed bodies are not accepted"};
  }
  const http::verb verb = header.method();
  const bool known = verb == http::verb::get || verb == http::verb::head ||
                     verb == http::verb::post || verb == http::verb::put ||
                     verb == http::verb::patch || verb == http::verb::delete_ ||
                     verb == http::verb::options;  // known, and allowed nowhere: 405
  if (!known) return {400, "unknown method"};
  return RefuseSizes(header);
}

}  // namespace

HttpSession::HttpSession(tcp::socket socket, HttpShared& shared)
    : stream_(std::move(socket)), shared_(shared), again_(stream_.get_executor()) {
  shared_.connections.fetch_add(1);
  beast::error_code ignored;
  peer_ = stream_.socket().remote_endpoint(ignored).address().to_string();
}

HttpSession::~HttpSession() { shared_.connections.fetch_sub(1); }

void HttpSession::Begin() {
  parser_.emplace();
  parser_->header_limit(static_cast<std::uint32_t>(kMaxHeaderBytes));
  parser_->body_limit(limits::kMaxDagBody);
  parser_->eager(false);
  raw_header_.clear();
  request_ = {};
  asked_ = 0;
  // One deadline for the whole header; an idle keep-alive connection gets a longer one.
  stream_.expires_after(served_ == 0 ? kHeaderDeadline : kIdleDeadline);
  if (buffer_.size() > 0) return Feed();
  ReadHeader();
}

void HttpSession::ReadHeader() {
  stream_.async_read_some(buffer_.prepare(8192),
                          [self = shared_from_this()](beast::error_code error, std::size_t n) {
                            if (error) return self->Close();
                            self->buffer_.commit(n);
                            self->Feed();
                          });
}

void HttpSession::Feed() {
  if (raw_header_.empty() && served_ > 0) stream_.expires_after(kHeaderDeadline);
  beast::error_code error;
  const std::size_t used = parser_->put(buffer_.data(), error);
  raw_header_.append(static_cast<const char*>(buffer_.data().data()), used);
  buffer_.consume(used);
  if (error == http::error::need_more && raw_header_.size() + buffer_.size() <= kMaxHeaderBytes) {
    return ReadHeader();
  }
  if (error == http::error::need_more || error == http::error::header_limit) {
    return Refuse(431, Invalid(fmt::format("the header has more than {} bytes", kMaxHeaderBytes)));
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

void HttpSession::OnHeader() {
  const auto& header = parser_->get().base();
  request_.method = std::string(header.method_string());
  request_.peer = peer_;
  request_.id = fmt::format("r{}", shared_.requests.fetch_add(1) + 1);
  for (const auto& field : header) {
    request_.headers.emplace_back(Lower(field.name_string()), std::string(field.value()));
  }
  const Refusal refusal = RefuseHeader(header, raw_header_);
  if (refusal.status != 0) return Refuse(refusal.status, Invalid(refusal.message));
  knows_gzip_ = UnmarkTags(request_);
  const std::string target(header.target());
  const Status parsed = ParseTarget(target, request_);
  if (!parsed.ok()) return Refuse(400, parsed.error());
  request_.path = target.substr(0, target.find('?'));
  // HEAD is answered like GET, without the body.
  RouteMatch match =
      MatchRoute(request_.method == "HEAD" ? "GET" : request_.method, request_.segments);
  const Status host = CheckHostAndOrigin(request_, shared_.options.allowed_hosts);
  if (!host.ok()) return Refuse(HttpStatus(host.error().code), host.error());
  route_ = match.route;
  allow_ = std::move(match.allow);
  request_.params = std::move(match.params);
  if (route_ == nullptr && allow_.empty()) {
    if (std::optional<HttpResponse> page = PageResponse(request_)) {
      keep_alive_ = parser_->get().keep_alive() && parser_->content_length().value_or(0) == 0;
      return Send(*std::move(page));
    }
  }
  if (!shared_.pool.Submit(
          [self = shared_from_this()](ApiContext& context) { self->CheckAccess(context); })) {
    Refuse(503, Unavailable("too many requests are waiting", "try again in a moment"));
  }
}

// The token is looked up before a byte of the body is read.
void HttpSession::CheckAccess(ApiContext& context) {
  static constexpr Route kUnknown{"", "", Role::kViewer, 0, nullptr};
  const Status allowed = Authorize(context, route_ == nullptr ? kUnknown : *route_, request_);
  if (!allowed.ok()) return Later(ProblemOf(allowed.error()));
  if (!request_.principal.empty()) known_ = true;
  if (!request_.principal.empty() && !shared_.rate.Take(request_.principal, context.now())) {
    return Later(ProblemOf({ErrorCode::kRateLimited,
                            fmt::format("more than {} requests a second by one token",
                                        shared_.options.requests_per_second),
                            "wait for what Retry-After says"}));
  }
  if (route_ == nullptr) {
    return Later(allow_.empty() ? ProblemOf(NotFound("there is no such path")) : NotAllowed());
  }
  const std::uint64_t length = parser_->content_length().value_or(0);
  if (length > 0 && route_->body_cap == 0) {
    return Later(ProblemOf(Invalid(fmt::format("{} takes no body here", request_.method))));
  }
  if (length > route_->body_cap) {
    return Later(ProblemWithStatus(413,
                                   Invalid(fmt::format("the body has {} bytes, the limit here is "
                                                       "{}",
                                                       length, route_->body_cap)),
                                   request_));
  }
  if (length == 0) return Handle(context);
  asio::post(stream_.get_executor(), [self = shared_from_this()] { self->ReadBody(); });
}

void HttpSession::ReadBody() {
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

void HttpSession::Handle(ApiContext& context) {
  const bool login = route_->role == Role::kPublic && route_->method == "POST";
  if (login && shared_.logins.IsEmpty(peer_, context.now())) {
    return Later(
        ProblemOf({ErrorCode::kRateLimited, "too many wrong logins from here", "wait a minute"}));
  }
  if (request_.begun == Instant{}) request_.begun = context.now();
  HttpResponse response = Dispatch(context, *route_, request_);
  if (response.pending) {
    asio::post(stream_.get_executor(), [self = shared_from_this()] { self->AskAgain(); });
    return;
  }
  if (login && response.status == 401) shared_.logins.Take(peer_, context.now());
  if (response.stream.index() != 0 && response.status == 200 && request_.method != "HEAD") {
    asio::post(stream_.get_executor(),
               [self = shared_from_this(), response] { self->BeginStream(response); });
    return;
  }
  keep_alive_ = parser_->get().keep_alive() && served_ < kMaxRequestsPerConnection;
  Encode(request_, knows_gzip_, response);
  Later(std::move(response));
}

// The longer a wait lasts, the less a moment counts.
void HttpSession::AskAgain() {
  again_.expires_after(std::min(kAgainAfter * (1 + asked_ / 20), kAgainAtMost));
  asked_ += 1;
  again_.async_wait([self = shared_from_this()](beast::error_code error) {
    if (error) return self->Close();
    const bool queued =
        self->shared_.pool.Submit([self](ApiContext& context) { self->Handle(context); });
    if (!queued) self->AskAgain();
  });
}

HttpResponse HttpSession::ProblemOf(const Error& error) {
  keep_alive_ = true;
  return Problem(error, request_);
}

HttpResponse HttpSession::NotAllowed() {
  const Error error{ErrorCode::kNotSupported,
                    fmt::format("this path has no method {}", request_.method),
                    fmt::format("it has {}", allow_)};
  HttpResponse response = ProblemWithStatus(405, error, request_);
  response.headers.emplace_back("Allow", allow_);
  return response;
}

// Before a route is known or after bytes we do not trust: answer and close.
void HttpSession::Refuse(int status, const Error& error) {
  keep_alive_ = false;
  if (request_.path.empty()) request_.path = "/";
  Send(ProblemWithStatus(status, error, request_));
}

void HttpSession::Later(HttpResponse response) {
  const bool body_unread = parser_->content_length().value_or(0) > 0 && !parser_->is_done();
  if (body_unread) keep_alive_ = false;
  asio::post(stream_.get_executor(),
             [self = shared_from_this(), response = std::move(response)]() mutable {
               self->Send(std::move(response));
             });
}

void HttpSession::Send(HttpResponse response) {
  served_ += 1;
  auto message = std::make_shared<http::response<http::string_body>>();
  message->version(11);
  message->result(static_cast<unsigned>(response.status));
  if (!response.content_type.empty()) {
    message->set(http::field::content_type, response.content_type);
  }
  message->set(http::field::cache_control, "no-store");
  message->set("X-Content-Type-Options", "nosniff");
  for (const auto& [name, value] : response.headers) message->set(name, value);
  if (response.status == 429 || response.status == 503) message->set("Retry-After", "1");
  const std::size_t size = response.body.size();
  if (request_.method != "HEAD") message->body() = std::move(response.body);
  if (response.status != 204 && response.status != 304) message->content_length(size);
  message->keep_alive(keep_alive_);
  stream_.expires_after(kWriteDeadline);
  shared_.writing += 1;
  http::async_write(stream_, *message,
                    [self = shared_from_this(), message](beast::error_code error, std::size_t) {
                      HttpShared& shared = self->shared_;
                      shared.writing -= 1;
                      if (shared.writing == 0 && shared.on_written) shared.on_written();
                      if (error || !self->keep_alive_) return self->Close();
                      self->Begin();
                    });
}

void HttpSession::Close() {
  gone_ = true;
  beast::error_code ignored;
  stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
  stream_.close();
}

// ---- streams: no length, the end of the connection is their end

void HttpSession::BeginStream(const HttpResponse& response) {
  const Status opened = shared_.feed->Open(request_, response, weak_from_this());
  if (!opened.ok()) {
    return Send(ProblemWithStatus(HttpStatus(opened.error().code), opened.error(), request_));
  }
  pending_.push_back(std::make_shared<const std::string>(
      "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"
      "X-Content-Type-Options: nosniff\r\nX-Accel-Buffering: no\r\nConnection: close\r\n\r\n"));
  stream_.expires_never();
  WatchReader();
  WriteStream();
}

// Whatever a reader of a stream sends is of no interest, but that it goes away is.
void HttpSession::WatchReader() {
  discarded_.resize(512);
  stream_.async_read_some(asio::buffer(discarded_),
                          [self = shared_from_this()](beast::error_code error, std::size_t) {
                            if (error) return self->Close();
                            self->WatchReader();
                          });
}

void HttpSession::Push(std::shared_ptr<const std::string> text) {
  if (gone_ || finishing_) return;
  // One text of any size is let through to a reader that has kept up.
  if (pending_bytes_ > 0 && pending_bytes_ + text->size() > kMaxBacklog) {
    while (pending_.size() > writing_) pending_.pop_back();
    static const auto kResync =
        std::make_shared<const std::string>("event: resync\ndata: {\"last_id\":0}\n\n");
    pending_.push_back(kResync);
    finishing_ = true;
    return WriteStream();
  }
  pending_bytes_ += text->size();
  pending_.push_back(std::move(text));
  WriteStream();
}

void HttpSession::Finish() {
  finishing_ = true;
  WriteStream();
}

void HttpSession::WriteStream() {
  if (writing_ > 0 || gone_) return;
  if (pending_.empty()) {
    if (finishing_) Close();
    return;
  }
  std::vector<asio::const_buffer> buffers;
  for (const auto& text : pending_) {
    if (buffers.size() == kMaxBuffers) break;
    buffers.emplace_back(asio::buffer(*text));
  }
  writing_ = buffers.size();
  stream_.expires_after(kStreamWriteDeadline);
  asio::async_write(stream_, buffers,
                    [self = shared_from_this()](beast::error_code error, std::size_t) {
                      if (error) return self->Close();
                      for (; self->writing_ > 0; --self->writing_) {
                        const std::size_t size = self->pending_.front()->size();
                        self->pending_bytes_ -= std::min(self->pending_bytes_, size);
                        self->pending_.pop_front();
                      }
                      self->WriteStream();
                    });
}

}  // namespace nightmill
