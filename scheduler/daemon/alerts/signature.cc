#include "scheduler/daemon/alerts/signature.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <charconv>
#include <chrono>
#include <cstdlib>

#include "core/base/check.h"

namespace nightmill {
namespace {

constexpr std::string_view kPrefix = "whsec_";
constexpr std::size_t kMinKey = 24;
constexpr std::size_t kMaxKey = 64;
constexpr std::int64_t kToleranceS = 300;

const unsigned char* Bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string Base64(std::string_view bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), Bytes(bytes),
                                     static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(length));
  return text;
}

std::string Mac(const std::string& key, std::string_view content) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
  unsigned int size = 0;
  CHECK(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), Bytes(content), content.size(),
             mac.data(), &size) != nullptr);
  return {reinterpret_cast<const char*>(mac.data()), size};
}

std::string Signature(const std::string& key, const SignedMessage& message) {
  const std::string content = fmt::format("{}.{}.{}", message.id, message.timestamp, message.body);
  return "v1," + Base64(Mac(key, content));
}

bool SameBytes(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace

Result<std::string> DecodeSecret(std::string_view text) {
  const Error bad = Invalid("the secret is not whsec_ and the base64 of 24 to 64 bytes",
                            "make one: echo whsec_$(openssl rand -base64 32)");
  if (!text.starts_with(kPrefix)) return bad;
  text.remove_prefix(kPrefix.size());
  if (text.empty() || text.size() % 4 != 0 || text.size() > 4 * kMaxKey) return bad;
  std::string key(text.size() / 4 * 3, '\0');
  const int length = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(key.data()), Bytes(text),
                                     static_cast<int>(text.size()));
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
  if (length < 0 || static_cast<std::size_t>(length) < padding) return bad;
  key.resize(static_cast<std::size_t>(length) - padding);
  if (key.size() < kMinKey || key.size() > kMaxKey || Base64(key) != text) return bad;
  return key;
}

std::string SignatureOf(std::span<const std::string> keys, std::string_view id,
                        std::string_view timestamp, std::string_view body) {
  std::string header;
  for (const std::string& key : keys) {
    if (!header.empty()) header += ' ';
    header += Signature(key, {id, timestamp, {}, body});
  }
  return header;
}

Status VerifySignature(std::span<const std::string> keys, const SignedMessage& message,
                       Instant now) {
  std::int64_t at = 0;
  const char* end = message.timestamp.data() + message.timestamp.size();
  const auto [stop, error] = std::from_chars(message.timestamp.data(), end, at);
  if (error != std::errc{} || stop != end) {
    return Error{ErrorCode::kForbidden, "webhook-timestamp is no number"};
  }
  const std::int64_t now_s =
      std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count();
  if (at < now_s - kToleranceS || at > now_s + kToleranceS) {
    return Error{ErrorCode::kForbidden, "the message is not of the last five minutes"};
  }
  bool fits = false;
  for (std::string_view rest = message.signature; !rest.empty();) {
    const std::string_view one = rest.substr(0, rest.find(' '));
    rest.remove_prefix(std::min(one.size() + 1, rest.size()));
    for (const std::string& key : keys) fits |= SameBytes(one, Signature(key, message));
  }
  if (!fits) return Error{ErrorCode::kForbidden, "no signature fits"};
  return Ok();
}

}  // namespace nightmill
