#include "cli/rest_client.h"

#include <fmt/format.h>
#include <httplib.h>

#include <utility>

#include "api/access.h"
#include "core/base/json.h"

namespace nightmill {

using nlohmann::json;

struct RestClient::Impl {
  Impl(const std::string& url, const Cli& cli, Token needed)
      : http(url),
        server_url(cli.url),
        token_file(cli.token_file),
        state_dir(cli.state_dir),
        token(needed) {
    http.set_connection_timeout(2, 0);
    http.set_read_timeout(30, 0);
    http.set_keep_alive(true);
    http.set_tcp_nodelay(true);
    http.set_follow_location(false);
  }
  httplib::Client http;
  httplib::Headers headers;
  // How the server was found, to find it again.
  std::string server_url;
  std::string token_file;
  std::string state_dir;
  Token token;
  Again again;
  bool met = false;  // a request has reached a server, whatever became of it
};

struct RestClient::Call {
  std::string method;
  std::string path;
  std::string body = {};
  std::string key = {};                                // Idempotency-Key
  std::pair<std::string, std::string> condition = {};  // If-Match or If-None-Match
  std::string etag = {};                               // of the answer
};

namespace {

Error Unreachable(const std::string& url) {
  return Unavailable(fmt::format("no server answers at {}", url),
                     "start one with nightmill server --dev, or name it with --url or --state-dir");
}

Error FromProblem(int status, const json& body) {
  Error error;
  error.code = ParseErrorCode(body.value("code", "internal")).value_or(ErrorCode::kInternal);
  error.message = body.value("detail", fmt::format("the server answered {}", status));
  error.hint = body.value("hint", "");
  return error;
}

}  // namespace

std::string Segment(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '~' || c == ':';
    if (plain) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

RestClient::RestClient(std::string url, std::unique_ptr<Impl> impl)
    : url_(std::move(url)), impl_(std::move(impl)) {}
RestClient::RestClient(RestClient&&) noexcept = default;
RestClient& RestClient::operator=(RestClient&&) noexcept = default;
RestClient::~RestClient() = default;

Result<RestClient> RestClient::Connect(const Cli& cli, Token token) {
  std::string url = cli.url;
  std::string token_file = cli.token_file;
  const Result<std::string> known = ReadFile(cli.state_dir + "/server.json");
  if (known.ok()) {
    const json server = json::parse(*known, nullptr, false);
    if (server.is_object()) {
      if (url.empty()) url = server.value("url", "");
      if (token_file.empty()) token_file = server.value("token_file", "");
    }
  }
  if (url.empty()) {
    return Unavailable(fmt::format("no server is running on {}", cli.state_dir),
                       "start one with nightmill server --dev, or name it with --url or "
                       "--state-dir");
  }
  auto impl = std::make_unique<Impl>(url, cli, token);
  if (!token_file.empty()) {
    Result<std::string> text = ReadFile(token_file);
    if (!text.ok() && token == Token::kNeeded) return std::move(text).error();
    if (text.ok()) {
      while (!text->empty() && text->back() == '\n') text->pop_back();
      impl->headers.emplace("Authorization", "Bearer " + *text);
    }
  }
  impl->headers.emplace("Accept", "application/json");
  impl->headers.emplace("User-Agent", "nightmill");
  return RestClient(std::move(url), std::move(impl));
}

Result<RestClient> ServerOf(Cli& cli, RestClient::Token token) {
  NM_RETURN_IF_ERROR(ResolveCli(cli));
  return RestClient::Connect(cli, token);
}

RestClient::Again RestClient::RepeatWhile(Again again) {
  return std::exchange(impl_->again, std::move(again));
}

Result<json> RestClient::Exchange(Call& call, int& status) {
  httplib::Request request;
  request.method = call.method;
  request.path = call.path;
  request.headers = impl_->headers;
  if (!call.key.empty()) request.headers.emplace("Idempotency-Key", call.key);
  if (!call.condition.first.empty()) request.headers.insert(call.condition);
  if (!call.body.empty()) {
    request.body = call.body;
    request.headers.emplace("Content-Type", "application/json");
  }
  const httplib::Result result = impl_->http.send(request);
  if (result || result.error() != httplib::Error::Connection) impl_->met = true;
  if (!result) return Unreachable(url_);
  status = result->status;
  call.etag = result->get_header_value("ETag");
  json parsed = json::parse(result->body, nullptr, false);
  if (parsed.is_discarded()) {
    return Internal(fmt::format("{} answered {} with something that is not JSON", url_, status));
  }
  return parsed;
}

bool RestClient::ShallRepeat(int failures) {
  if (!impl_->met || !impl_->again || !impl_->again(failures)) return false;
  Cli where;
  where.url = impl_->server_url;
  where.token_file = impl_->token_file;
  where.state_dir = impl_->state_dir;
  Result<RestClient> found = Connect(where, impl_->token);
  if (!found.ok()) return true;  // not back yet
  found->impl_->met = true;
  found->impl_->again = std::move(impl_->again);
  *this = *std::move(found);
  return true;
}

Result<json> RestClient::Checked(Call call) {
  for (int failures = 1;; ++failures) {
    int status = 0;
    Result<json> answer = Exchange(call, status);
    if (answer.ok() && status >= 200 && status < 300) return answer;
    Error error = answer.ok() ? FromProblem(status, *answer) : std::move(answer).error();
    const bool gone = error.code == ErrorCode::kUnavailable;
    if (!gone || !ShallRepeat(failures)) return error;
  }
}

Result<json> RestClient::StoreDag(const std::string& dag_id, const std::string& query,
                                  const std::string& source, int& status) {
  constexpr int kMaxRounds = 3;  // somebody else may store it in between
  Result<json> answer = json();
  for (int round = 0; round < kMaxRounds; ++round) {
    Call look{"GET", "/api/v2/dagSources/" + Segment(dag_id)};
    answer = Exchange(look, status);
    if (!answer.ok()) return answer;
    Call store{"PUT", fmt::format("/api/v2/dags/{}/source{}", Segment(dag_id), query), source};
    store.condition = status == 200 ? std::pair<std::string, std::string>{"If-Match", look.etag}
                                    : std::pair<std::string, std::string>{"If-None-Match", "*"};
    answer = Exchange(store, status);
    if (!answer.ok() || status != 412) return answer;
  }
  return answer;
}

Result<json> RestClient::Get(const std::string& path) { return Checked({"GET", path}); }
Result<json> RestClient::Post(const std::string& path, const json& body) {
  NM_ASSIGN_OR_RETURN(const std::string key, NewToken());
  return Checked({"POST", path, body.dump(), key});
}
Result<json> RestClient::Put(const std::string& path, const json& body) {
  return Checked({"PUT", path, body.dump()});
}
Result<json> RestClient::Patch(const std::string& path, const json& body) {
  return Checked({"PATCH", path, body.dump()});
}

}  // namespace nightmill
