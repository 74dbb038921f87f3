#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "api/handlers/handlers.h"
#include "api/handlers/support.h"
#include "api/json_view.h"
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

}  // namespace

Result<HttpResponse> GetPools(ApiContext& context, const HttpRequest& request) {
  static constexpr std::string_view kOrders[] = {"name", "slots"};
  json list = json::array();
  NM_RETURN_IF_ERROR(context.mailbox.Look([&list](const Engine& engine, Instant) {
    for (const Engine::PoolUse& use : engine.Pools()) list.push_back(ToJson(use.pool, use));
  }));
  return PagedResponse(request, "pools", std::move(list), kOrders);
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
  NM_ASSIGN_OR_RETURN(const json body, ObjectBody(request, {"name", "pool", "slots", "description",
                                                            "include_deferred"}));
  const std::string& name = request.Param("pool_name");
  NM_ASSIGN_OR_RETURN(std::optional<PoolRow> existing, context.queries.FindPool(name));
  if (!existing) return NotFound(fmt::format("no pool \"{}\"", name));
  NM_RETURN_IF_ERROR(ReadPool(body, *existing));
  event::PutPool event;
  event.pool = *std::move(existing);
  NM_ASSIGN_OR_RETURN(const command::ReplyBody reply,
                      CallWithAudit(context, request, event, {"pool.put", name}));
  Engine::PoolUse use;
  NM_RETURN_IF_ERROR(context.mailbox.Look([&](const Engine& engine, Instant) {
    for (const Engine::PoolUse& one : engine.Pools()) {
      if (one.pool.name == name) use = one;
    }
  }));
  return JsonResponse(ToJson(std::get<PoolRow>(reply), use));
}

}  // namespace nightmill
