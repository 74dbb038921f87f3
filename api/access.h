// Who may call what: tokens (256 bit, stored as SHA-256 only), roles, Host and Origin checks, and
// the path rules that come before any route (reliability.md S1-S6). Pure but for the token look-up.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/http.h"
#include "api/routes.h"
#include "store/queries.h"

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

// Fills principal, role and expiry of the request from its bearer token or session cookie, if that
// may use the route: kUnauthenticated without a valid one, kForbidden if its role is too low, and
// for a change by cookie without the header X-Nightmill, which no other site can send.
Status Authorize(ApiContext& context, const Route& route, HttpRequest& request);

inline constexpr std::string_view kSessionCookie = "nm_session";
// The secret text of the session cookie, or "".
std::string_view CookieToken(const HttpRequest& request);
// The row of a token that is valid now; kUnauthenticated for any other.
Result<TokenRow> ValidToken(ApiContext& context, std::string_view token);

}  // namespace nightmill
