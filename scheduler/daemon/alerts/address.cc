#include "scheduler/daemon/alerts/address.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "core/base/check.h"

namespace nightmill {
namespace {

struct Block {
  const char* network;
  int bits;
};

// Special-purpose blocks of IPv4 (IANA registry, RFC 6890 and successors) that are not ordinary
// public unicast.
constexpr Block kSpecial4[] = {
    {"0.0.0.0", 8},       {"10.0.0.0", 8},      {"100.64.0.0", 10},   {"127.0.0.0", 8},
    {"169.254.0.0", 16},  {"172.16.0.0", 12},   {"192.0.0.0", 24},    {"192.0.2.0", 24},
    {"192.31.196.0", 24}, {"192.52.193.0", 24}, {"192.88.99.0", 24},  {"192.168.0.0", 16},
    {"192.175.48.0", 24}, {"198.18.0.0", 15},   {"198.51.100.0", 24}, {"203.0.113.0", 24},
    {"224.0.0.0", 4},     {"240.0.0.0", 4},
};
// IPv6: only 2000::/3 is global unicast, and of it not these: protocol assignments with Teredo and
// benchmarks, documentation, 6to4, AS112.
constexpr Block kGlobal6 = {"2000::", 3};
constexpr Block kSpecial6[] = {
    {"2001::", 23}, {"2001:db8::", 32}, {"2002::", 16}, {"3fff::", 20}, {"2620:4f:8000::", 48},
};

bool Within(const std::uint8_t* bytes, const Block& block, int family) {
  std::array<std::uint8_t, 16> network{};
  CHECK(inet_pton(family, block.network, network.data()) == 1);
  for (int bit = 0; bit < block.bits; ++bit) {
    const auto byte = static_cast<std::size_t>(bit / 8);
    const int mask = 0x80 >> (bit % 8);
    if (((bytes[byte] ^ network[byte]) & mask) != 0) return false;
  }
  return true;
}

std::optional<IpAddress> AddressOf(const sockaddr* address) {
  if (address == nullptr) return std::nullopt;
  if (address->sa_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, address, sizeof v4);
    std::array<std::uint8_t, 4> bytes{};
    std::memcpy(bytes.data(), &v4.sin_addr, bytes.size());
    return IpAddress(bytes);
  }
  if (address->sa_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, address, sizeof v6);
    return IpAddress(v6.sin6_addr.s6_addr);
  }
  return std::nullopt;
}

}  // namespace

IpAddress::IpAddress(std::span<const std::uint8_t> bytes) : v6_(bytes.size() == 16) {
  CHECK(bytes.size() == 4 || bytes.size() == 16);
  std::copy(bytes.begin(), bytes.end(), bytes_.begin());
}

std::optional<IpAddress> IpAddress::Parse(std::string_view text) {
  const std::string copy(text);
  if (copy.size() != std::strlen(copy.c_str())) return std::nullopt;
  std::array<std::uint8_t, 16> bytes{};
  if (inet_pton(AF_INET, copy.c_str(), bytes.data()) == 1) {
    return IpAddress(std::span(bytes).first(4));
  }
  if (inet_pton(AF_INET6, copy.c_str(), bytes.data()) == 1) return IpAddress(bytes);
  return std::nullopt;
}

std::string IpAddress::ToString() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  CHECK(inet_ntop(v6_ ? AF_INET6 : AF_INET, bytes_.data(), text.data(), text.size()) != nullptr);
  return text.data();
}

bool IpAddress::IsPublic() const {
  const auto within = [this](int family) {
    return [this, family](const Block& block) { return Within(bytes_.data(), block, family); };
  };
  if (!v6_) return std::none_of(std::begin(kSpecial4), std::end(kSpecial4), within(AF_INET));
  return Within(bytes_.data(), kGlobal6, AF_INET6) &&
         std::none_of(std::begin(kSpecial6), std::end(kSpecial6), within(AF_INET6));
}

Result<IpAddress> ChooseAddress(const Target& target, std::span<const IpAddress> resolved,
                                std::span<const IpAddress> own, std::span<const HostPort> allow,
                                int turn) {
  const bool listed = IsAllowed(target.at, allow);
  const bool public_only = std::all_of(resolved.begin(), resolved.end(), [&](const IpAddress& a) {
    return a.IsPublic() && std::find(own.begin(), own.end(), a) == own.end();
  });
  if (resolved.empty() || (!listed && !public_only)) {
    return Error{ErrorCode::kForbidden,
                 fmt::format("{} has no address that may be called", target.at.host)};
  }
  return resolved[static_cast<std::size_t>(std::max(turn, 0)) % resolved.size()];
}

std::vector<IpAddress> OwnAddresses() {
  std::vector<IpAddress> own;
  ifaddrs* first = nullptr;
  if (getifaddrs(&first) != 0) return own;
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> guard(first, freeifaddrs);
  for (const ifaddrs* at = first; at != nullptr; at = at->ifa_next) {
    if (const auto address = AddressOf(at->ifa_addr)) own.push_back(*address);
  }
  return own;
}

std::vector<IpAddress> ResolveHost(const std::string& host) {
  if (const auto literal = IpAddress::Parse(host)) return {*literal};
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* first = nullptr;
  if (getaddrinfo(host.c_str(), nullptr, &hints, &first) != 0) return {};
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> guard(first, freeaddrinfo);
  std::vector<IpAddress> found;
  for (const addrinfo* at = first; at != nullptr; at = at->ai_next) {
    const auto address = AddressOf(at->ai_addr);
    if (address && std::find(found.begin(), found.end(), *address) == found.end()) {
      found.push_back(*address);
    }
  }
  return found;
}

}  // namespace nightmill
