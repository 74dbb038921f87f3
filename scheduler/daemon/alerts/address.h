// Which addresses an outgoing request may reach (reliability.md 6.4). A name is resolved once; if
// any of its addresses is not a public one, or is one of this machine, the request is refused, else
// it goes to an address that was checked. Values, pure but for OwnAddresses and ResolveHost.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "scheduler/daemon/alerts/target.h"

namespace nightmill {

class IpAddress {
 public:
  // 4 or 16 bytes in network order.
  explicit IpAddress(std::span<const std::uint8_t> bytes);
  // "192.0.2.1" (four decimal numbers without leading zeros) or "2001:db8::1", nothing else.
  static std::optional<IpAddress> Parse(std::string_view text);

  bool v6() const { return v6_; }
  std::string ToString() const;
  // Whether it is a unicast address of the public internet: false for loopback, unspecified,
  // private, shared (CGNAT), link-local, unique local, multicast, reserved, benchmark and
  // documentation addresses, and for those that carry another address (v4-mapped, NAT64, 6to4,
  // Teredo).
  bool IsPublic() const;

  bool operator==(const IpAddress&) const = default;

 private:
  bool v6_ = false;
  std::array<std::uint8_t, 16> bytes_{};  // of an IPv4 address the first four
};

// The address to connect to out of what a target's host resolved to: that at position `turn`, so
// that another try takes another address. kForbidden with the same words whether the host does not
// exist, or some address is not public or in `own`: an answer that differs would map the network
// for whoever names the target. An entry of `allow` may have any address.
Result<IpAddress> ChooseAddress(const Target& target, std::span<const IpAddress> resolved,
                                std::span<const IpAddress> own, std::span<const HostPort> allow,
                                int turn);

// Addresses of this machine's interfaces.
std::vector<IpAddress> OwnAddresses();
// All addresses of a host, in the system's order; empty if there are none. Blocks as long as the
// system's resolver does.
std::vector<IpAddress> ResolveHost(const std::string& host);

}  // namespace nightmill
