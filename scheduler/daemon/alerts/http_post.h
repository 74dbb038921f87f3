// One POST to a receiver (product.md 7, reliability.md 6.4): to an address that was checked, with
// the name for TLS and Host; no redirects, no proxy of the environment, no decompression; 15 s in
// all, of the answer 64 KiB are read. cpp-httplib is included by http_post.cc alone.
// Thread rule: any thread that may block; safe in parallel.
#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "scheduler/daemon/alerts/address.h"
#include "scheduler/daemon/alerts/target.h"
#include "scheduler/daemon/alerts/watchdog.h"

namespace nightmill {

inline constexpr Duration kPostBudget{15'000};

struct HttpMessage {
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;  // JSON
};

// `status` counts once it came, whatever became of the body after it.
struct HttpAnswer {
  int status = 0;
  std::string retry_after;  // header, or ""
  std::string error;        // why there is no status: one sentence without secrets
};

// The address for this try, by the policy of ChooseAddress, within the flight's budget.
Result<IpAddress> Locate(const Target& target, std::span<const HostPort> allow, int turn,
                         const Watchdog::Flight& flight);

// `ca_file`: the authority to trust instead of those of the system; "" for them.
HttpAnswer Post(const Target& target, const IpAddress& address, const HttpMessage& message,
                const std::string& ca_file, Watchdog::Flight& flight);

}  // namespace nightmill
