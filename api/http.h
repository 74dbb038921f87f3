// Requests and answers of the API without a network: what handlers see. http_server turns bytes
// into these and back. Values; a request is read by one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "core/base/result.h"
#include "core/base/time.h"

namespace nightmill {

struct HttpRequest {
  std::string method;
  std::string path;                                          // as sent, without the query
  std::vector<std::string> segments;                         // of the path, decoded once
  std::vector<std::pair<std::string, std::string>> query;    // decoded, in order, repeats allowed
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;
  std::map<std::string, std::string, std::less<>> params;  // of the route: {dag_id} and kin
  std::string principal;                                   // id of the token, set after the check
  std::string role;                                        // of that token
  std::optional<Instant> expires_at;
  bool by_cookie = false;  // the token came as the session cookie of the page
  std::string peer;        // address of the caller
  std::string id;          // names the request in answers
  Instant begun;           // when its handler was asked first

  // "" if absent.
  std::string_view Header(std::string_view lower_case_name) const;
  std::optional<std::string> Query(std::string_view name) const;
  std::vector<std::string> QueryAll(std::string_view name) const;
  const std::string& Param(std::string_view name) const;  // CHECKs that the route has it
};

// What a handler may ask for instead of a body: an answer that goes on (api/feed.h).
struct EventStream {
  std::vector<std::string> topics;
  std::optional<std::int64_t> last_id;
};
struct LogStream {
  std::string path;  // of the file
  std::int64_t attempt = 0;
  std::int64_t offset = 0;
};

struct HttpResponse {
  int status = 200;
  std::string body;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;
  std::variant<std::monostate, EventStream, LogStream> stream = {};
  bool pending = false;  // not yet: ask the handler again in a moment; no thread waits meanwhile

  // "" if absent; names as written.
  std::string_view Header(std::string_view name) const;
};

// The words of RFC 9110 for a status.
std::string_view PhraseOf(int status);

// RFC 9457 problem+json of an Error (product.md 4.3); as application/json for a caller that accepts
// only that. The request's id names it in our log.
HttpResponse Problem(const Error& error, const HttpRequest& request);
HttpResponse ProblemWithStatus(int status, const Error& error, const HttpRequest& request);

// Whether a header If-None-Match names this ETag; weak and strong ones compare alike there.
bool NamesTag(std::string_view header, std::string_view tag);

// Whether a header Accept takes `type` ("text/plain"), also by a wildcard; true without one.
bool Accepts(std::string_view accept, std::string_view type);
// Whether it names `type` itself and takes no JSON.
bool AcceptsOnly(std::string_view accept, std::string_view type);

}  // namespace nightmill
