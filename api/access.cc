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

Status CheckRawPath(std::string_view path) {
  if (!path.starts_with('/')) return BadPath("no leading slash");
  if (path.find("//") != std::string_view::npos) return BadPath("an empty segment");
  if (path.find_first_of("\\;") != std::string_view::npos)
    return BadPath("a character refused here");
  for (std::size_t i = path.find('%'); i != std::string_view::npos; i = path.find('%', i + 1)) {
    std::string code(path.substr(i + 1, 2));
    std::transform(code.begin(), code.end(), code.begin(), [](unsigned char c) {
      return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    });
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
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) {
    return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  });
  return name;
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
  if (origin.empty()) return Ok();
  const std::size_t scheme = origin.find("://");
  if (scheme != std::string_view::npos) origin.remove_prefix(scheme + 3);
  if (IsOurs(HostName(origin), allowed_hosts)) return Ok();
  return Error{ErrorCode::kForbidden, "requests from another site may not change anything here"};
}

Result<std::string> Authorize(ApiContext& context, const Route& route, const HttpRequest& request) {
  if (route.role == Role::kPublic) return std::string{};
  const Error refused{ErrorCode::kUnauthenticated, "a valid token is required",
                      "send Authorization: Bearer <token>; the first start wrote one to cli.token"};
  const std::string_view token = BearerToken(request);
  if (token.empty()) return refused;
  NM_ASSIGN_OR_RETURN(const std::optional<TokenRow> row,
                      context.queries.FindTokenByHash(TokenHash(token)));
  if (!row || row->revoked_at) return refused;
  if (row->expires_at && *row->expires_at <= context.now()) return refused;
  const std::optional<Role> role = ParseRole(row->role);
  if (!role || *role < route.role) {
    return Error{ErrorCode::kForbidden, fmt::format("this needs the role {}, the token has {}",
                                                    ToString(route.role), row->role)};
  }
  return row->id;
}

}  // namespace nightmill
