// The HTTP front: bytes to HttpRequest, HttpResponse to bytes, and everything that must be refused
// before a handler sees it (reliability.md 6.3): path, route, Host, Origin, token, role, body cap,
// in this order, so that nothing of a body is read for a caller without right. One I/O thread holds
// all connections; handlers run on a small pool. Listens on loopback only. Thread rule: Start and
// Stop by the owner; everything else inside.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "api/routes.h"

namespace nightmill {

struct HttpServerOptions {
  std::string host = "127.0.0.1";
  int port = 7420;
  bool next_free_port = false;             // try the following ports if this one is taken
  int threads = 4;                         // of handlers
  int requests_per_second = 100;           // of one token; twice as many at once; 0: no limit
  std::vector<std::string> allowed_hosts;  // besides localhost, 127.0.0.1 and [::1]
};

class HttpServer {
 public:
  using MakeContext = std::function<Result<std::unique_ptr<ApiContext>>()>;

  // Takes the port, so that a start which cannot have it is refused before anything is created;
  // callers wait until Start. kConflict if the port is in use (naming it and the next step),
  // kInvalid for an address that is not loopback.
  static Result<std::unique_ptr<HttpServer>> Listen(HttpServerOptions options);
  virtual ~HttpServer() = default;

  virtual int port() const = 0;
  // Begins to answer; one context per handler thread.
  virtual Status Start(const MakeContext& make_context) = 0;
  // Accepts nothing more, waits for the handlers, gives their answers 300 ms to be read, then
  // closes everything. Idempotent.
  virtual void Stop() = 0;
};

}  // namespace nightmill
