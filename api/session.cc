#include "api/session.h"

#include <algorithm>
#include <utility>

#include "api/access.h"

namespace nightmill {
namespace {

constexpr Duration kCodeLife{10 * 60 * 1'000};
constexpr std::size_t kCodeLength = 32;
constexpr std::size_t kMaxBuckets = 10'000;

}  // namespace

Result<std::string> LoginCodes::Mint(std::string principal, Instant now) {
  NM_ASSIGN_OR_RETURN(const std::string random, NewToken());
  std::string code = random.substr(3, kCodeLength);
  const std::lock_guard lock(mutex_);
  std::erase_if(codes_, [now](const auto& entry) { return entry.second.until <= now; });
  codes_[code] = {std::move(principal), now + kCodeLife};
  return code;
}

std::optional<std::string> LoginCodes::Redeem(std::string_view code, Instant now) {
  const std::lock_guard lock(mutex_);
  const auto it = codes_.find(code);
  if (it == codes_.end()) return std::nullopt;
  const Entry entry = std::move(it->second);
  codes_.erase(it);
  if (entry.until <= now) return std::nullopt;
  return entry.principal;
}

RateLimit::Bucket& RateLimit::Fill(std::string_view name, Instant now) {
  auto it = buckets_.find(name);
  if (it == buckets_.end()) {
    if (buckets_.size() >= kMaxBuckets) buckets_.clear();  // who floods with names starts anew too
    it = buckets_.emplace(std::string(name), Bucket{burst_, now}).first;
  }
  Bucket& bucket = it->second;
  const double passed = static_cast<double>((now - bucket.at).count()) / 1e6;
  if (passed > 0) bucket.left = std::min(burst_, bucket.left + passed * per_second_);
  bucket.at = now;
  return bucket;
}

bool RateLimit::Take(std::string_view name, Instant now) {
  if (per_second_ <= 0) return true;
  const std::lock_guard lock(mutex_);
  Bucket& bucket = Fill(name, now);
  if (bucket.left < 1) return false;
  bucket.left -= 1;
  return true;
}

bool RateLimit::IsEmpty(std::string_view name, Instant now) {
  if (per_second_ <= 0) return false;
  const std::lock_guard lock(mutex_);
  return Fill(name, now).left < 1;
}

}  // namespace nightmill
