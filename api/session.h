// What stands between a caller and a token: login codes, which open the page once without one, and
// limits on how fast requests and wrong logins may come (reliability.md 6.3). Thread rule: any.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/result.h"
#include "core/base/time.h"

namespace nightmill {

// Codes of links that the server prints: good for one use within 10 minutes. Kept in memory only.
class LoginCodes {
 public:
  // Opens a session with the role of `principal`, a token's id. kInternal without randomness.
  Result<std::string> Mint(std::string principal, Instant now);
  // The principal, once; nothing for an unknown, used or old code.
  std::optional<std::string> Redeem(std::string_view code, Instant now);

 private:
  struct Entry {
    std::string principal;
    Instant until;
  };
  std::mutex mutex_;
  std::map<std::string, Entry, std::less<>> codes_;
};

// Token buckets by name: `burst` at once, `per_second` in the long run.
class RateLimit {
 public:
  RateLimit(double per_second, double burst) : per_second_(per_second), burst_(burst) {}
  // False if there is none left. With per_second 0 there is no limit.
  bool Take(std::string_view name, Instant now);
  bool IsEmpty(std::string_view name, Instant now);

 private:
  struct Bucket {
    double left = 0;
    Instant at;
  };
  Bucket& Fill(std::string_view name, Instant now);

  const double per_second_;
  const double burst_;
  std::mutex mutex_;
  std::map<std::string, Bucket, std::less<>> buckets_;
};

}  // namespace nightmill
