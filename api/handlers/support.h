// What handlers share: query parameters as typed values, JSON bodies, lookups with their 404, and
// the parsed form of stored DAGs. Thread rule: API threads; the cache guards itself.
#pragma once

#include <initializer_list>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "api/routes.h"
#include "core/model/dag.h"

namespace nightmill {

// limit and offset; kInvalid for what is no number or out of range, naming the limit.
Result<Page> PageOf(const HttpRequest& request);
Result<std::optional<Instant>> InstantQuery(const HttpRequest& request, std::string_view name);
// True for "true", "1"; kInvalid for anything that is not a boolean.
Result<std::optional<bool>> BoolQuery(const HttpRequest& request, std::string_view name);

// The body as a JSON object; unknown members are refused by name (S4). An empty body is {}.
Result<nlohmann::json> ObjectBody(const HttpRequest& request,
                                  std::initializer_list<std::string_view> known);
// Members of a body with their type checked: kInvalid naming member and type.
Result<std::optional<std::string>> StringMember(const nlohmann::json& body, std::string_view name);
Result<std::optional<bool>> BoolMember(const nlohmann::json& body, std::string_view name);
Result<std::optional<int>> IntMember(const nlohmann::json& body, std::string_view name);
Result<std::optional<Instant>> InstantMember(const nlohmann::json& body, std::string_view name);

// 404 with the next step if there is none.
Result<DagView> RequireDag(ApiContext& context, std::string_view dag_id);
// dag_run_id "~latest" names the newest run.
Result<DagRunRow> RequireRun(ApiContext& context, std::string_view dag_id, std::string_view run_id);
Result<TaskView> RequireTask(ApiContext& context, const DagRunRow& run, std::string_view task_id,
                             int map_index);
// The parsed version, from a small cache; null if it does not load with this release.
std::shared_ptr<const Dag> ParsedDag(ApiContext& context, std::string_view dag_id, int version);

HttpResponse JsonResponse(const nlohmann::json& body, int status = 200);

// Time a request may wait for the scheduler thread.
inline constexpr Duration kCallTimeout{10'000};
// Sends a request event with its audit row in the commit of the effect.
Result<command::ReplyBody> CallWithAudit(ApiContext& context, const HttpRequest& request,
                                         Event event, std::string action, std::string target);

}  // namespace nightmill
