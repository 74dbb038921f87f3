// The verbs' way to the server: REST over cpp-httplib (only rest_client.cc includes it). Finds the
// server by --url or server.json of the state directory, sends the local token. Thread rule: one
// thread.
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "cli/cli.h"
#include "core/base/result.h"

namespace nightmill {

class RestClient {
 public:
  // Asked before each further try with the number of failed ones (from 1); waits, or says no.
  using Again = std::function<bool(int failures)>;
  enum class Token : bool { kIfThere, kNeeded };

  // kUnavailable (exit 8) if no server is known here.
  static Result<RestClient> Connect(const Cli& cli, Token token = Token::kNeeded);
  RestClient(RestClient&&) noexcept;
  RestClient& operator=(RestClient&&) noexcept;
  ~RestClient();

  const std::string& url() const { return url_; }
  // While `again` is set, what no server answers is repeated, once a server has been met here; it
  // is looked up anew each time, since it may come back on another port. Returns what was set
  // before.
  Again RepeatWhile(Again again);

  // The body of a 2xx answer; an Error made from problem+json otherwise, kUnavailable if the server
  // does not answer. Paths start with '/'; segments must be escaped (Segment). A Post carries an
  // Idempotency-Key, so it takes effect once however often it is sent.
  Result<nlohmann::json> Get(const std::string& path);
  Result<nlohmann::json> Post(const std::string& path, const nlohmann::json& body);
  Result<nlohmann::json> Put(const std::string& path, const nlohmann::json& body);
  Result<nlohmann::json> Patch(const std::string& path, const nlohmann::json& body);
  // Stores a DAG file over the version that is there now, or as a new DAG; the answer whatever its
  // status (`status` is set), for its diagnostics. `query` begins with '?' or is empty.
  Result<nlohmann::json> StoreDag(const std::string& dag_id, const std::string& query,
                                  const std::string& source, int& status);

 private:
  struct Impl;
  struct Call;
  RestClient(std::string url, std::unique_ptr<Impl> impl);
  Result<nlohmann::json> Checked(Call call);
  Result<nlohmann::json> Exchange(Call& call, int& status);
  bool ShallRepeat(int failures);

  std::string url_;
  std::unique_ptr<Impl> impl_;
};

// ResolveCli, then Connect: what a verb begins with.
Result<RestClient> ServerOf(Cli& cli, RestClient::Token token = RestClient::Token::kNeeded);

// Percent-encodes everything but unreserved characters.
std::string Segment(std::string_view text);

}  // namespace nightmill
