// Where an outgoing request may go, by its text alone (reliability.md 6.4): a URL is read strictly,
// since whatever two parsers read differently is a way around a check. What its name resolves to is
// judged in address.h. Values, pure.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace nightmill {

// An entry of outgoing.allow: exactly this host and port may be called, also by plain http and at a
// private address.
struct HostPort {
  std::string host;  // lower case; a name or an address, without brackets
  int port = 0;

  bool operator==(const HostPort&) const = default;
};

struct Target {
  bool tls = true;
  HostPort at;
  bool literal = false;    // the host is an address
  std::string path = "/";  // with the query

  // "https://ops.example", "http://[::1]:9000": what to connect to, without the path.
  std::string Origin() const;
};

// kInvalid, saying what is wrong, for anything but http(s)://HOST[:PORT][/PATH][?QUERY] in plain
// ASCII: no user, no fragment, no backslash, no dot at the end of the host, no host that some
// parser takes for a number (2130706433, 0x7f.1, 127.1, 010.0.0.1).
Result<Target> ParseTarget(std::string_view url);
// "127.0.0.1:9000", "[::1]:9000", "receiver.example:8443".
Result<HostPort> ParseHostPort(std::string_view text);

bool IsAllowed(const HostPort& at, std::span<const HostPort> allow);
// Whether this may be called at all: https at port 443 by name, or an entry of `allow`.
Status CheckTarget(const Target& target, std::span<const HostPort> allow);

}  // namespace nightmill
