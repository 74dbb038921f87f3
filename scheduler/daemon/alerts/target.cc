#include "scheduler/daemon/alerts/target.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "scheduler/daemon/alerts/address.h"

namespace nightmill {
namespace {

constexpr std::size_t kMaxUrl = 2'000;
constexpr std::size_t kMaxHost = 253;
constexpr std::size_t kMaxLabel = 63;
constexpr int kHttps = 443;
constexpr int kHttp = 80;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLower(char c) { return c >= 'a' && c <= 'z'; }
bool IsHex(char c) { return IsDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool IsLabel(std::string_view label) {
  if (label.empty() || label.size() > kMaxLabel) return false;
  if (label.front() == '-' || label.back() == '-') return false;
  return std::all_of(label.begin(), label.end(),
                     [](char c) { return IsDigit(c) || IsLower(c) || c == '-'; });
}

// What the URL standard and inet_aton take for a number: a last label of digits, or of hexadecimal
// digits after 0x.
bool EndsInNumber(std::string_view host) {
  const std::size_t dot = host.rfind('.');
  const std::string_view last = dot == std::string_view::npos ? host : host.substr(dot + 1);
  if (last.starts_with("0x")) {
    const std::string_view digits = last.substr(2);
    return std::all_of(digits.begin(), digits.end(), IsHex);
  }
  return !last.empty() && std::all_of(last.begin(), last.end(), IsDigit);
}

Error BadHost(std::string_view host, std::string_view why) {
  return Invalid(fmt::format("\"{}\" is no host: {}", host, why));
}

Status CheckName(std::string_view host) {
  if (host.empty()) return BadHost(host, "it is empty");
  if (host.size() > kMaxHost) return BadHost(host, "it is too long");
  if (EndsInNumber(host)) return BadHost(host, "it reads as a number");
  for (std::size_t begin = 0; begin <= host.size();) {
    const std::size_t end = std::min(host.find('.', begin), host.size());
    if (!IsLabel(host.substr(begin, end - begin))) {
      return BadHost(host, "names are letters, digits and hyphens between single dots");
    }
    begin = end + 1;
  }
  return Ok();
}

Result<int> ParsePort(std::string_view text) {
  int port = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, port);
  const bool whole = error == std::errc{} && stop == end && !text.empty();
  if (!whole || text.front() == '0' || text.front() == '-' || port < 1 || port > 65535) {
    return Invalid(fmt::format("\"{}\" is no port", text));
  }
  return port;
}

// The host and what follows it; sets `literal` for an address.
Result<std::string> TakeHost(std::string_view& text, bool& literal) {
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return BadHost(text, "the bracket is not closed");
    const std::string_view inside = text.substr(1, close - 1);
    const std::optional<IpAddress> address = IpAddress::Parse(inside);
    if (!address || !address->v6()) return BadHost(inside, "it is no IPv6 address");
    text.remove_prefix(close + 1);
    literal = true;
    return address->ToString();
  }
  const std::size_t end = std::min(text.find(':'), text.size());
  std::string host(text.substr(0, end));
  std::transform(host.begin(), host.end(), host.begin(), Lower);
  text.remove_prefix(end);
  literal = IpAddress::Parse(host).has_value();
  if (literal) return host;
  NM_RETURN_IF_ERROR(CheckName(host));
  return host;
}

bool IsPathChar(char c) {
  return IsDigit(c) || IsLower(Lower(c)) ||
         std::string_view("-._~!$&'()*+,;=:@/?%").find(c) != std::string_view::npos;
}

Status CheckPath(std::string_view path) {
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (!IsPathChar(path[i])) return Invalid("its path has a character that must be escaped by %");
    const bool escape = path[i] == '%';
    if (escape && (i + 2 >= path.size() || !IsHex(path[i + 1]) || !IsHex(path[i + 2]))) {
      return Invalid("its path has a % that is not followed by two hexadecimal digits");
    }
  }
  return Ok();
}

}  // namespace

std::string Target::Origin() const {
  const bool v6 = at.host.find(':') != std::string::npos;
  const bool usual = at.port == (tls ? kHttps : kHttp);
  return fmt::format("{}://{}{}{}{}", tls ? "https" : "http", v6 ? "[" : "", at.host, v6 ? "]" : "",
                     usual ? "" : fmt::format(":{}", at.port));
}

Result<Target> ParseTarget(std::string_view url) {
  if (url.size() > kMaxUrl) return Invalid("the URL is longer than 2,000 characters");
  Target target;
  if (url.starts_with("https://")) {
    url.remove_prefix(8);
  } else if (url.starts_with("http://")) {
    url.remove_prefix(7);
    target.tls = false;
  } else {
    return Invalid("a URL begins with https://");
  }
  const std::size_t end = std::min(url.find_first_of("/?#\\"), url.size());
  std::string_view authority = url.substr(0, end);
  std::string_view path = url.substr(end);
  if (authority.find('@') != std::string_view::npos) return Invalid("a URL has no user here");
  NM_ASSIGN_OR_RETURN(target.at.host, TakeHost(authority, target.literal));
  target.at.port = target.tls ? kHttps : kHttp;
  if (!authority.empty()) {
    if (authority.front() != ':') return Invalid("after the host comes a port or a path");
    NM_ASSIGN_OR_RETURN(target.at.port, ParsePort(authority.substr(1)));
  }
  if (path.find('#') != std::string_view::npos) return Invalid("a URL has no fragment here");
  NM_RETURN_IF_ERROR(CheckPath(path));
  target.path = path.starts_with('/') ? std::string(path) : "/" + std::string(path);
  return target;
}

Result<HostPort> ParseHostPort(std::string_view text) {
  bool literal = false;
  HostPort at;
  NM_ASSIGN_OR_RETURN(at.host, TakeHost(text, literal));
  if (!text.starts_with(':')) return Invalid("an entry is HOST:PORT");
  NM_ASSIGN_OR_RETURN(at.port, ParsePort(text.substr(1)));
  return at;
}

bool IsAllowed(const HostPort& at, std::span<const HostPort> allow) {
  return std::find(allow.begin(), allow.end(), at) != allow.end();
}

Status CheckTarget(const Target& target, std::span<const HostPort> allow) {
  if (IsAllowed(target.at, allow)) return Ok();
  const bool usual = target.tls && target.at.port == kHttps && !target.literal;
  if (usual) return Ok();
  const bool v6 = target.at.host.find(':') != std::string::npos;
  return Error{ErrorCode::kForbidden, "only https at port 443 of a named host may be called",
               fmt::format("to allow it all the same, add \"{}:{}\" to outgoing.allow",
                           v6 ? "[" + target.at.host + "]" : target.at.host, target.at.port)};
}

}  // namespace nightmill
