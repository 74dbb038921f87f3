// Requests that change something: their audit row and, for a POST with an Idempotency-Key, their
// answer go into the commit of the effect.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <set>
#include <utility>

#include "api/handlers/support.h"
#include "core/base/hash.h"

namespace nightmill {
namespace {

constexpr std::size_t kMaxKeyLength = 255;

// Keys whose request is on its way: another one must neither take effect nor wait for it.
class Claims {
 public:
  bool Take(const std::string& key) {
    const std::lock_guard lock(mutex_);
    return keys_.insert(key).second;
  }
  void Give(const std::string& key) {
    const std::lock_guard lock(mutex_);
    keys_.erase(key);
  }

 private:
  std::mutex mutex_;
  std::set<std::string> keys_;
};

Claims& AllClaims() {
  static Claims claims;
  return claims;
}

// A key taken, until it is given back or the last holder is gone.
class Claim {
 public:
  explicit Claim(std::string key) : key_(std::move(key)) {}
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;
  ~Claim() { Give(); }
  void Give() {
    if (!std::exchange(given_, true)) AllClaims().Give(key_);
  }

 private:
  std::string key_;
  bool given_ = false;
};

AuditRow AuditOf(const ApiContext& context, const HttpRequest& request, Deed deed) {
  AuditRow audit;
  audit.at = context.now();
  audit.principal = request.principal;
  audit.source = "127.0.0.1";
  audit.action = std::move(deed.action);
  audit.target = std::move(deed.target);
  audit.request_id = request.id;
  return audit;
}

AuditRow WithResult(AuditRow audit, const Result<command::ReplyBody>& reply) {
  audit.result = reply.ok() ? "ok" : std::string(ToString(reply.error().code));
  return audit;
}

// What is known of a keyed request before it has an answer.
Result<IdempotencyRow> RowOf(const ApiContext& context, const HttpRequest& request) {
  IdempotencyRow row;
  row.principal = request.principal;
  row.key = request.Header("idempotency-key");
  const bool printable =
      std::all_of(row.key.begin(), row.key.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
  if (row.key.size() > kMaxKeyLength || !printable) {
    return Invalid(
        fmt::format("Idempotency-Key is not 1 to {} printable characters", kMaxKeyLength));
  }
  row.route = request.method;
  for (const std::string& segment : request.segments) row.route += "/" + segment;
  row.body_hash = Sha256Hex(request.body);
  row.created_at = context.now();
  return row;
}

HttpResponse Replay(const HttpRequest& request, const IdempotencyRow& asked,
                    const IdempotencyRow& known) {
  if (asked.route != known.route || asked.body_hash != known.body_hash) {
    const Error error = Conflict("this Idempotency-Key was used for another request",
                                 "send a new key with a new request");
    return ProblemWithStatus(422, error, request);
  }
  HttpResponse response;
  response.status = known.status;
  response.body = known.answer;
  response.headers.emplace_back("Idempotency-Replayed", "true");
  return response;
}

RunKey RunOf(const command::ReplyBody& reply) {
  const auto* run = std::get_if<DagRunRow>(&reply);
  return run == nullptr ? RunKey() : run->run;
}

}  // namespace

Result<command::ReplyBody> CallWithAudit(ApiContext& context, const HttpRequest& request,
                                         Event event, Deed deed) {
  Request call;
  call.event = std::move(event);
  call.rows = [audit = AuditOf(context, request, std::move(deed))](
                  const Result<command::ReplyBody>& reply) {
    return std::vector<StoreRow>{WithResult(audit, reply)};
  };
  return context.mailbox.Call(std::move(call), kCallTimeout);
}

Result<HttpResponse> CallOnce(ApiContext& context, const HttpRequest& request,
                              const MakeEvent& make_event, Deed deed, Render render) {
  if (request.Header("idempotency-key").empty()) {
    NM_ASSIGN_OR_RETURN(Event event, make_event());
    NM_ASSIGN_OR_RETURN(const command::ReplyBody reply,
                        CallWithAudit(context, request, std::move(event), std::move(deed)));
    return render(reply);
  }
  NM_ASSIGN_OR_RETURN(IdempotencyRow asked, RowOf(context, request));
  const std::string name = fmt::format("{}\n{}", asked.principal, asked.key);
  if (!AllClaims().Take(name)) {
    return Conflict("a request with this Idempotency-Key is on its way", "try again in a moment");
  }
  const auto claim = std::make_shared<Claim>(name);
  NM_ASSIGN_OR_RETURN(const std::optional<IdempotencyRow> known,
                      context.queries.FindIdempotency(asked.principal, asked.key));
  if (known) return Replay(request, asked, *known);
  Request call;
  NM_ASSIGN_OR_RETURN(call.event, make_event());
  // Holds the claim too: an effect may come after this thread has stopped waiting for it.
  call.rows = [audit = AuditOf(context, request, std::move(deed)), asked, render,
               claim](const Result<command::ReplyBody>& reply) {
    std::vector<StoreRow> rows{WithResult(audit, reply)};
    if (!reply.ok()) return rows;
    HttpResponse answer = render(*reply);
    IdempotencyRow row = asked;
    row.status = answer.status;
    row.answer = std::move(answer.body);
    row.run = RunOf(*reply);
    rows.emplace_back(std::move(row));
    return rows;
  };
  Result<command::ReplyBody> reply = context.mailbox.Call(std::move(call), kCallTimeout);
  const bool decided = reply.ok() || reply.error().code != ErrorCode::kUnavailable;
  if (decided) claim->Give();
  if (!reply.ok()) return std::move(reply).error();
  return render(*reply);
}

}  // namespace nightmill
