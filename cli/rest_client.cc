#include "cli/rest_client.h"

#include <fmt/format.h>
#include <httplib.h>

#include <nlohmann/json.hpp>

namespace nightmill {

using nlohmann::json;

struct RestClient::Impl {
  explicit Impl(const std::string& url) : http(url) {
    http.set_connection_timeout(2, 0);
    http.set_read_timeout(30, 0);
    http.set_keep_alive(true);
    http.set_tcp_nodelay(true);
    http.set_follow_location(false);
  }
  httplib::Client http;
  httplib::Headers headers;
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
RestClient::~RestClient() = default;

Result<RestClient> RestClient::Connect(const Cli& cli) {
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
  auto impl = std::make_unique<Impl>(url);
  if (!token_file.empty()) {
    NM_ASSIGN_OR_RETURN(std::string token, ReadFile(token_file));
    while (!token.empty() && token.back() == '\n') token.pop_back();
    impl->headers.emplace("Authorization", "Bearer " + token);
  }
  impl->headers.emplace("Accept", "application/json");
  return RestClient(std::move(url), std::move(impl));
}

Result<RestClient> ServerOf(Cli& cli) {
  NM_RETURN_IF_ERROR(ResolveCli(cli));
  return RestClient::Connect(cli);
}

Result<json> RestClient::Send(const std::string& method, const std::string& path,
                              const std::string& body, int& status) {
  httplib::Request request;
  request.method = method;
  request.path = path;
  request.headers = impl_->headers;
  if (!body.empty()) {
    request.body = body;
    request.headers.emplace("Content-Type", "application/json");
  }
  const httplib::Result result = impl_->http.send(request);
  if (!result) return Unreachable(url_);
  status = result->status;
  json parsed = json::parse(result->body, nullptr, false);
  if (parsed.is_discarded()) {
    return Internal(fmt::format("{} answered {} with something that is not JSON", url_, status));
  }
  return parsed;
}

Result<json> RestClient::Checked(const std::string& method, const std::string& path,
                                 const std::string& body) {
  int status = 0;
  NM_ASSIGN_OR_RETURN(json answer, Send(method, path, body, status));
  if (status >= 200 && status < 300) return answer;
  return FromProblem(status, answer);
}

Result<json> RestClient::Get(const std::string& path) { return Checked("GET", path, ""); }
Result<json> RestClient::Post(const std::string& path, const json& body) {
  return Checked("POST", path, body.dump());
}
Result<json> RestClient::Put(const std::string& path, const json& body) {
  return Checked("PUT", path, body.dump());
}
Result<json> RestClient::Patch(const std::string& path, const json& body) {
  return Checked("PATCH", path, body.dump());
}

}  // namespace nightmill
