// Who may call what: tokens (256 bit, stored as SHA-256 only), roles, Host and Origin checks, and
// the path rules that come before any route (reliability.md S1-S6). Pure but for the token look-up.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/http.h"
#include "api/routes.h"

namespace nightmill {

// "nm_" + 43 characters base64url of 32 random bytes. kInternal if the system gives no randomness.
Result<std::string> NewToken();
std::string TokenHash(std::string_view token);

// Decodes a request target into segments and query: kInvalid for %2f, %00, '\', ';', "//", dot
// segments, bad escapes, an absolute target.
Status ParseTarget(std::string_view target, HttpRequest& request);

// kForbidden for a Host that is not ours (DNS rebinding) and for a foreign Origin on a mutation.
Status CheckHostAndOrigin(const HttpRequest& request,
                          const std::vector<std::string>& allowed_hosts);

// The principal of the request's bearer token if it may use the route: kUnauthenticated without a
// valid token, kForbidden if its role is too low. "" for public routes.
Result<std::string> Authorize(ApiContext& context, const Route& route, const HttpRequest& request);

}  // namespace nightmill
