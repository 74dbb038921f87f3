// Requests and answers of the API without a network: what handlers see. http_server turns bytes
// into these and back. Values; a request is read by one thread.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/result.h"

namespace nightmill {

struct HttpRequest {
  std::string method;
  std::vector<std::string> segments;                         // of the path, decoded once
  std::vector<std::pair<std::string, std::string>> query;    // decoded, in order, repeats allowed
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;
  std::map<std::string, std::string, std::less<>> params;  // of the route: {dag_id} and kin
  std::string principal;                                   // id of the token, set after the check
  std::string id;                                          // names the request in answers

  // "" if absent.
  std::string_view Header(std::string_view lower_case_name) const;
  std::optional<std::string> Query(std::string_view name) const;
  std::vector<std::string> QueryAll(std::string_view name) const;
  const std::string& Param(std::string_view name) const;  // CHECKs that the route has it
};

struct HttpResponse {
  int status = 200;
  std::string body;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;
};

// RFC 9457 problem+json of an Error (product.md 4.3); plain application/json for a caller that
// accepts only that. `request_id` names the request in our log.
HttpResponse Problem(const Error& error, std::string_view accept, std::string_view request_id);
HttpResponse ProblemWithStatus(int status, const Error& error, std::string_view accept,
                               std::string_view request_id);

}  // namespace nightmill
