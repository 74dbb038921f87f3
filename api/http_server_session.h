// One connection of the HTTP server: reads requests with their deadlines and caps, hands them to
// handlers, writes answers, and carries streams. Private to the HTTP server.
// Thread rule: the I/O thread, but for what says otherwise.
#pragma once

#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "api/feed.h"
#include "api/http_server_pool.h"
#include "api/session.h"

namespace nightmill {

// What all connections share.
struct HttpShared {
  explicit HttpShared(HttpServerOptions given)
      : options(std::move(given)),
        rate(options.requests_per_second, 2.0 * options.requests_per_second),
        logins(10.0 / 60, 10) {}

  HttpServerOptions options;
  HandlerPool pool;
  std::unique_ptr<Feed> feed;
  RateLimit rate;    // by token
  RateLimit logins;  // wrong ones, by source
  std::atomic<std::uint64_t> requests{0};
  std::atomic<std::size_t> connections{0};

  // Of the I/O thread: answers that are being written, and what is called when the last one was.
  int writing = 0;
  std::function<void()> on_written;
};

class HttpSession : public std::enable_shared_from_this<HttpSession>, public StreamSink {
 public:
  HttpSession(boost::asio::ip::tcp::socket socket, HttpShared& shared);
  ~HttpSession() override;

  void Begin();
  void Close();
  // Whether it has shown a valid token; any thread.
  bool IsKnown() const { return known_.load(); }

  void Push(std::shared_ptr<const std::string> text) override;
  void Finish() override;
  bool IsGone() const override { return gone_.load(); }

 private:
  void ReadHeader();
  void Feed();
  void OnHeader();
  void ReadBody();
  void AskAgain();
  void Send(HttpResponse response);
  void Refuse(int status, const Error& error);
  void BeginStream(const HttpResponse& response);
  void WatchReader();
  void WriteStream();

  // On handler threads.
  void CheckAccess(ApiContext& context);
  void Handle(ApiContext& context);
  void Later(HttpResponse response);
  HttpResponse ProblemOf(const Error& error);
  HttpResponse NotAllowed();

  boost::beast::tcp_stream stream_;
  HttpShared& shared_;
  boost::asio::steady_timer again_;  // for a handler whose answer is not there yet
  boost::beast::flat_buffer buffer_;
  std::optional<boost::beast::http::request_parser<boost::beast::http::string_body>> parser_;
  std::string raw_header_;  // for what the parser does not tell
  HttpRequest request_;
  std::string peer_;
  const Route* route_ = nullptr;
  std::string allow_;
  bool keep_alive_ = true;
  bool knows_gzip_ = false;  // its If-None-Match names a compressed answer
  int asked_ = 0;  // how often again_ was set for this request
  int served_ = 0;
  std::atomic<bool> known_{false};
  std::atomic<bool> gone_{false};

  // Of a stream.
  std::deque<std::shared_ptr<const std::string>> pending_;
  std::size_t pending_bytes_ = 0;
  std::size_t writing_ = 0;  // how many of `pending_` are being written
  bool finishing_ = false;
  std::string discarded_;
};

}  // namespace nightmill
