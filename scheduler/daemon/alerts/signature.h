// Signatures of the Standard Webhooks specification: HMAC-SHA256 over "id.timestamp.body", one for
// each secret while two are rotated, so that a receiver with either takes the message (product.md
// 7, reliability.md S16). By libcrypto. Pure, thread-safe.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "core/base/result.h"
#include "core/base/time.h"

namespace nightmill {

// The key of "whsec_<base64>": 24 to 64 bytes. kInvalid never quotes the secret.
Result<std::string> DecodeSecret(std::string_view text);

// Value of the header webhook-signature: "v1,<base64>", space-separated.
std::string SignatureOf(std::span<const std::string> keys, std::string_view id,
                        std::string_view timestamp, std::string_view body);

struct SignedMessage {
  std::string_view id;         // header webhook-id
  std::string_view timestamp;  // header webhook-timestamp, seconds since 1970
  std::string_view signature;  // header webhook-signature
  std::string_view body;
};
// For receivers: kForbidden if no signature fits any key, or the message was not made within five
// minutes of `now`.
Status VerifySignature(std::span<const std::string> keys, const SignedMessage& message,
                       Instant now);

}  // namespace nightmill
