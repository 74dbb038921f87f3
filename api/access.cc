#include "api/access.h"

#include <fmt/format.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

#include "core/base/hash.h"

namespace nightmill {
namespace {

constexpr std::string_view kBase64Url =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

Error BadPath(std::string_view why) { return Invalid(fmt::format("the path has {}", why)); }

std::string Lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) {
    return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  });
  return out;
}

Status CheckRawPath(std::string_view path) {
  if (!path.starts_with('/')) return BadPath("no leading slash");
  if (path.find("//") != std::string_view::npos) return BadPath("an empty segment");
  if (path.find_first_of("\\;") != std::string_view::npos)
    return BadPath("a character refused here");
  for (std::size_t i = path.find('%'); i != std::string_view::npos; i = path.find('%', i + 1)) {
    const std::string code = Lower(path.substr(i + 1, 2));
    for (const std::string_view refused : {"2f", "5c", "00", "3b", "2e"}) {
      if (code == refused) return BadPath("an escape refused here");
    }
  }
  return Ok();
}

// The host of a Host header without its port, in lower case.
std::string HostName(std::string_view host) {
  std::string name(host);
  if (name.starts_with('[')) {
    const std::size_t end = name.find(']');
    name = name.substr(0, end == std::string::npos ? name.size() : end + 1);
  } else {
    name = name.substr(0, name.find(':'));
  }
  return Lower(name);
}

bool IsOurs(const std::string& name, const std::vector<std::string>& allowed_hosts) {
  for (const std::string_view own : {"localhost", "127.0.0.1", "[::1]"}) {
    if (name == own) return true;
  }
  return std::find(allowed_hosts.begin(), allowed_hosts.end(), name) != allowed_hosts.end();
}

std::string_view BearerToken(const HttpRequest& request) {
  constexpr std::string_view kPrefix = "Bearer ";
  const std::string_view header = request.Header("authorization");
  return header.starts_with(kPrefix) ? header.substr(kPrefix.size()) : std::string_view{};
}

}  // namespace

Result<std::string> NewToken() {
  std::array<unsigned char, 32> bytes;
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) {
    return Internal("the system gives no random bytes for a token");
  }
  std::string token = "nm_";
  unsigned bits = 0;
  int have = 0;
  for (const unsigned char byte : bytes) {
    bits = (bits << 8) | byte;
    have += 8;
    while (have >= 6) {
      have -= 6;
      token += kBase64Url[(bits >> have) & 63u];
    }
  }
  token += kBase64Url[(bits << (6 - have)) & 63u];
  return token;
}

std::string TokenHash(std::string_view token) { return Sha256Hex(token); }

Status ParseTarget(std::string_view target, HttpRequest& request) {
  const std::string_view path = target.substr(0, target.find_first_of("?#"));
  NM_RETURN_IF_ERROR(CheckRawPath(path));
  const auto url = boost::urls::parse_origin_form(target);
  if (!url) return Invalid("the request target is malformed");
  for (const auto segment : url->segments()) {
    if (segment == "." || segment == "..") return BadPath("a dot segment");
    request.segments.push_back(segment);
  }
  if (!request.segments.empty() && request.segments.back().empty()) request.segments.pop_back();
  for (const auto param : url->params()) {
    if (param.key.find('\0') != std::string::npos || param.value.find('\0') != std::string::npos) {
      return Invalid("the query holds a NUL");
    }
    request.query.emplace_back(param.key, param.value);
  }
  return Ok();
}

Status CheckHostAndOrigin(const HttpRequest& request,
                          const std::vector<std::string>& allowed_hosts) {
  const std::string host = HostName(request.Header("host"));
  if (!IsOurs(host, allowed_hosts)) {
    return Error{ErrorCode::kForbidden, fmt::format("host \"{}\" is not served here", host),
                 "add it to allowed_hosts of the server's configuration"};
  }
  if (request.method == "GET" || request.method == "HEAD") return Ok();
  std::string_view origin = request.Header("origin");
  const bool foreign = request.Header("sec-fetch-site") == "cross-site";
  if (origin.empty() && !foreign) return Ok();
  const std::size_t scheme = origin.find("://");
  if (scheme != std::string_view::npos) origin.remove_prefix(scheme + 3);
  if (!foreign && Lower(origin) == Lower(request.Header("host"))) return Ok();
  return Error{ErrorCode::kForbidden, "requests from another site may not change anything here"};
}

std::string_view CookieToken(const HttpRequest& request) {
  std::string_view rest = request.Header("cookie");
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(';'), rest.size());
    std::string_view pair = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    while (pair.starts_with(' ')) pair.remove_prefix(1);
    const std::size_t equals = pair.find('=');
    if (equals != std::string_view::npos && pair.substr(0, equals) == kSessionCookie) {
      return pair.substr(equals + 1);
    }
  }
  return {};
}

Result<TokenRow> ValidToken(ApiContext& context, std::string_view token) {
  const Error refused{ErrorCode::kUnauthenticated, "a valid token is required",
                      "send Authorization: Bearer <token>; the first start wrote one to cli.token"};
  if (token.empty()) return refused;
  NM_ASSIGN_OR_RETURN(std::optional<TokenRow> row,
                      context.queries.FindTokenByHash(TokenHash(token)));
  if (!row || row->revoked_at) return refused;
  if (row->expires_at && *row->expires_at <= context.now()) return refused;
  return *std::move(row);
}

Status Authorize(ApiContext& context, const Route& route, HttpRequest& request) {
  if (route.role == Role::kPublic) return Ok();
  std::string_view token = BearerToken(request);
  request.by_cookie = token.empty();
  if (token.empty()) token = CookieToken(request);
  NM_ASSIGN_OR_RETURN(TokenRow row, ValidToken(context, token));
  const bool reads = request.method == "GET" || request.method == "HEAD";
  if (request.by_cookie && !reads && request.Header("x-nightmill") != "1") {
    return Error{ErrorCode::kForbidden, "the header X-Nightmill: 1 is missing",
                 "it goes with every change that is made by session cookie"};
  }
  const std::optional<Role> role = ParseRole(row.role);
  if (!role || *role < route.role) {
    return Error{ErrorCode::kForbidden, fmt::format("this needs the role {}, the token has {}",
                                                    ToString(route.role), row.role)};
  }
  request.principal = std::move(row.id);
  request.role = std::move(row.role);
  request.expires_at = row.expires_at;
  return Ok();
}

}  // namespace nightmill
