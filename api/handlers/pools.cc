#include <fmt/format.h>

#include "api/handlers/handlers.h"
#include "api/handlers/support.h"
#include "api/json_view.h"
#include "core/base/json.h"
#include "scheduler/engine/engine.h"

namespace nightmill {
namespace {

using nlohmann::json;

// Fills the given pool from the members of the body that are there.
Status ReadPool(const json& body, PoolRow& pool) {
  NM_ASSIGN_OR_RETURN(const std::optional<std::string> description,
                      StringMember(body, "description"));
  if (description) pool.description = *description;
  NM_ASSIGN_OR_RETURN(const std::optional<bool> deferred, BoolMember(body, "include_deferred"));
  if (deferred) pool.include_deferred = *deferred;
  NM_ASSIGN_OR_RETURN(const std::optional<int> slots, IntMember(body, "slots"));
  if (slots) pool.slots = *slots;
  if (pool.slots < -1) return Invalid("slots must be -1 (unlimited), 0 (closed) or more");
  return Ok();
}

// A pool with its use.
Result<json> PoolNow(ApiContext& context, const std::string& name) {
  json found;
  NM_RETURN_IF_ERROR(context.mailbox.Look([&](const Engine& engine, Instant) {
    for (const Engine::PoolUse& use : engine.Pools()) {
      if (use.pool.name == name) found = ToJson(use.pool, use);
    }
  }));
  if (found.is_null()) return NotFound(fmt::format("no pool \"{}\"", name));
  return found;
}

}  // namespace

Result<HttpResponse> GetPools(ApiContext& context, const HttpRequest& request) {
  static constexpr std::string_view kOrders[] = {"name", "slots"};
  const std::optional<std::string> pattern = request.Query("pool_name_pattern");
  json list = json::array();
  NM_RETURN_IF_ERROR(context.mailbox.Look([&](const Engine& engine, Instant) {
    for (const Engine::PoolUse& use : engine.Pools()) {
      if (!pattern || IsLike(use.pool.name, *pattern)) list.push_back(ToJson(use.pool, use));
    }
  }));
  return PagedResponse(request, "pools", std::move(list), kOrders, limits::kDefaultPageLimit);
}

Result<HttpResponse> GetPool(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(const json pool, PoolNow(context, request.Param("pool_name")));
  return JsonResponse(pool);
}

Result<HttpResponse> PostPool(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(const json body,
                      ObjectBody(request, {"name", "slots", "description", "include_deferred"}));
  NM_ASSIGN_OR_RETURN(const std::optional<std::string> name, StringMember(body, "name"));
  if (!name || name->empty()) return Invalid("name is missing");
  if (!body.contains("slots")) return Invalid("slots is missing");
  PoolRow pool;
  pool.name = *name;
  NM_RETURN_IF_ERROR(ReadPool(body, pool));
  const auto make_event = [&]() -> Result<Event> {
    NM_ASSIGN_OR_RETURN(const std::optional<PoolRow> existing, context.queries.FindPool(*name));
    if (existing) return Conflict(fmt::format("pool {} already exists", *name));
    event::PutPool event;
    event.pool = pool;
    return Event(std::move(event));
  };
  const auto render = [](const command::ReplyBody& reply) {
    return JsonResponse(ToJson(std::get<PoolRow>(reply), {}), 201);  // nothing is in it yet
  };
  return CallOnce(context, request, make_event, {"pool.put", *name}, render);
}

Result<HttpResponse> PatchPool(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(
      json body, ObjectBody(request, {"name", "pool", "slots", "description", "include_deferred"}));
  NM_RETURN_IF_ERROR(ApplyMask(request, body));
  const std::string& name = request.Param("pool_name");
  for (const char* member : {"name", "pool"}) {
    NM_ASSIGN_OR_RETURN(const std::optional<std::string> given, StringMember(body, member));
    if (given && *given != name) {
      return Invalid("a pool cannot be renamed", "create another, and name that in the DAGs");
    }
  }
  NM_ASSIGN_OR_RETURN(std::optional<PoolRow> existing, context.queries.FindPool(name));
  if (!existing) return NotFound(fmt::format("no pool \"{}\"", name));
  NM_ASSIGN_OR_RETURN(const json before, PoolNow(context, name));
  NM_RETURN_IF_ERROR(CheckIfMatch(request, JsonResponse(before).body));
  NM_RETURN_IF_ERROR(ReadPool(body, *existing));
  event::PutPool event;
  event.pool = *std::move(existing);
  NM_RETURN_IF_ERROR(CallWithAudit(context, request, event, {"pool.put", name}));
  NM_ASSIGN_OR_RETURN(const json after, PoolNow(context, name));
  return JsonResponse(after);
}

Result<HttpResponse> DeletePool(ApiContext& context, const HttpRequest& request) {
  const std::string& name = request.Param("pool_name");
  if (!request.Header("if-match").empty()) {
    NM_ASSIGN_OR_RETURN(const json before, PoolNow(context, name));
    NM_RETURN_IF_ERROR(CheckIfMatch(request, JsonResponse(before).body));
  }
  event::DeletePool event;
  event.name = name;
  NM_RETURN_IF_ERROR(CallWithAudit(context, request, event, {"pool.delete", name}));
  HttpResponse response;
  response.status = 204;
  response.content_type.clear();
  return response;
}

}  // namespace nightmill
