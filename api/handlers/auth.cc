// Tokens that expire and sessions of the page (product.md 4.3; reliability.md S3, S7).
#include <fmt/format.h>

#include "api/access.h"
#include "api/handlers/handlers.h"
#include "api/handlers/support.h"
#include "api/session.h"
#include "core/base/json.h"

namespace nightmill {
namespace {

using nlohmann::json;

constexpr Duration kTokenLife{24 * 60 * 60 * 1'000};

// Stores a new token with the role of `of`, and its audit row.
struct Issued {
  std::string secret;
  TokenRow row;
};
Result<Issued> Issue(ApiContext& context, const HttpRequest& request, const TokenRow& of,
                     std::string_view prefix, std::string_view action) {
  Issued issued;
  NM_ASSIGN_OR_RETURN(issued.secret, NewToken());
  TokenRow& row = issued.row;
  row.hash = TokenHash(issued.secret);
  row.id = fmt::format("{}-{}", prefix, row.hash.substr(0, 8));
  row.role = of.role;
  row.created_at = context.now();
  row.expires_at = row.created_at + kTokenLife;
  if (of.expires_at && *of.expires_at < *row.expires_at) row.expires_at = of.expires_at;
  AuditRow audit;
  audit.at = context.now();
  audit.principal = of.id;
  audit.source = request.peer;
  audit.action = action;
  audit.target = row.id;
  audit.result = "ok";
  audit.request_id = request.id;
  NM_RETURN_IF_ERROR(context.mailbox.Write({row, audit}, kCallTimeout));
  return issued;
}

json SessionOf(const ApiContext& context, const std::string& principal, const std::string& role,
               const std::optional<Instant>& expires_at) {
  return {{"principal", principal},
          {"role", role},
          {"expires_at", expires_at ? json(FormatInstant(*expires_at)) : json(nullptr)},
          {"version", context.version},
          {"durability", context.durability},
          {"shares_root", context.shares_root}};
}

std::string CookieOf(std::string_view secret, std::string_view rest) {
  return fmt::format("{}={}; HttpOnly; SameSite=Strict; Path=/{}", kSessionCookie, secret, rest);
}

Result<TokenRow> TokenOfCode(ApiContext& context, const std::string& code) {
  const Error refused{ErrorCode::kUnauthenticated, "the login code is not good any more",
                      "it opens the page once, within 10 minutes; nightmill prints a new one with "
                      "each start, or log in with a token"};
  const std::optional<std::string> principal =
      context.login_codes == nullptr ? std::nullopt
                                     : context.login_codes->Redeem(code, context.now());
  if (!principal) return refused;
  NM_ASSIGN_OR_RETURN(const std::vector<TokenRow> tokens, context.queries.Tokens());
  for (const TokenRow& row : tokens) {
    if (row.id == *principal && !row.revoked_at) return row;
  }
  return refused;
}

}  // namespace

Result<HttpResponse> PostToken(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(const json body, ObjectBody(request, {"username", "password"}));
  NM_ASSIGN_OR_RETURN(const std::optional<std::string> name, StringMember(body, "username"));
  NM_ASSIGN_OR_RETURN(const std::optional<std::string> secret, StringMember(body, "password"));
  if (!name || !secret) return Invalid("username and password are needed");
  NM_ASSIGN_OR_RETURN(const TokenRow row, ValidToken(context, *secret));
  // "cli" stands for "cli-1a2b3c4d".
  if (row.id != *name && !row.id.starts_with(*name + "-")) {
    return Error{ErrorCode::kUnauthenticated, "a valid token is required",
                 "username is the name of a token, password its secret text"};
  }
  NM_ASSIGN_OR_RETURN(const Issued issued, Issue(context, request, row, *name, "token.create"));
  return JsonResponse({{"access_token", issued.secret}}, 201);
}

Result<HttpResponse> PostLogin(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(const json body, ObjectBody(request, {"code", "token"}));
  NM_ASSIGN_OR_RETURN(const std::optional<std::string> code, StringMember(body, "code"));
  NM_ASSIGN_OR_RETURN(const std::optional<std::string> token, StringMember(body, "token"));
  if (code.has_value() == token.has_value()) return Invalid("send exactly one of code and token");
  Result<TokenRow> row = code ? TokenOfCode(context, *code) : ValidToken(context, *token);
  if (!row.ok()) return std::move(row).error();
  NM_ASSIGN_OR_RETURN(const Issued issued, Issue(context, request, *row, "page", "session.open"));
  HttpResponse response =
      JsonResponse(SessionOf(context, issued.row.id, issued.row.role, issued.row.expires_at));
  response.headers.emplace_back("Set-Cookie", CookieOf(issued.secret, "; Max-Age=86400"));
  return response;
}

// Ends the session, if it is one: a bearer token is not a session and stays.
Result<HttpResponse> PostLogout(ApiContext& context, const HttpRequest& request) {
  if (request.by_cookie) {
    NM_ASSIGN_OR_RETURN(TokenRow row, ValidToken(context, CookieToken(request)));
    row.revoked_at = context.now();
    AuditRow audit;
    audit.at = context.now();
    audit.principal = row.id;
    audit.source = request.peer;
    audit.action = "session.close";
    audit.target = row.id;
    audit.result = "ok";
    audit.request_id = request.id;
    NM_RETURN_IF_ERROR(context.mailbox.Write({row, audit}, kCallTimeout));
  }
  HttpResponse response;
  response.status = 204;
  response.content_type.clear();
  response.headers.emplace_back("Set-Cookie", CookieOf("", "; Max-Age=0"));
  return response;
}

Result<HttpResponse> GetSession(ApiContext& context, const HttpRequest& request) {
  return JsonResponse(SessionOf(context, request.principal, request.role, request.expires_at));
}

}  // namespace nightmill
