// What handlers share: query parameters as typed values, JSON bodies, lookups with their 404, and
// the parsed form of stored DAGs. Thread rule: API threads; the cache guards itself.
#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/json_view.h"
#include "api/routes.h"
#include "core/model/dag.h"

namespace nightmill {

Error UnknownWord(std::string_view name, std::string_view word);
// A whole number from `low` to `high`; kInvalid naming the parameter and both.
Result<int> NumberOf(std::string_view name, const std::string& text, int low, int high);
Result<std::optional<int>> NumberQuery(const HttpRequest& request, std::string_view name, int low,
                                       int high);
// The words of a repeated parameter, read by `parse`; kInvalid for one that it does not know.
template <class Parse>
auto WordsQuery(const HttpRequest& request, std::string_view name, Parse parse)
    -> Result<std::vector<typename decltype(parse(std::string_view{}))::value_type>> {
  std::vector<typename decltype(parse(std::string_view{}))::value_type> values;
  for (const std::string& word : request.QueryAll(name)) {
    const auto value = parse(word);
    if (!value) return UnknownWord(name, word);
    values.push_back(*value);
  }
  return values;
}
// limit and offset; kInvalid for what is no number or out of range, naming the limit.
Result<Page> PageOf(const HttpRequest& request, int max_offset = limits::kMaxPageOffset);

// "order_by=-state": which of the allowed words, and whether downwards. Nothing without the
// parameter; kInvalid, naming what is allowed, for another word or a second one.
struct OrderBy {
  std::size_t word = 0;
  bool descending = false;
};
Result<std::optional<OrderBy>> OrderOf(const HttpRequest& request,
                                       std::span<const std::string_view> allowed);

// Where the page before ended: the key of its last row, opaque to callers. Answers have it as
// "next_cursor" when the page was full.
struct Cursor {
  std::int64_t number = 0;
  std::string text;
};
// For lists that have one: kInvalid for a text that is not ours, a cursor beside an offset, and an
// offset above limits::kMaxPageOffset.
Result<std::optional<Cursor>> CursorOf(const HttpRequest& request, const Page& page);
std::string TextOf(const Cursor& cursor);
template <class Row>
bool IsFull(const std::vector<Row>& rows, const Page& page) {
  return !rows.empty() && static_cast<int>(rows.size()) >= page.limit;
}

// A list that is whole in memory, sorted by a member if order_by asks for one of `allowed`, and cut
// to a page if limit or offset ask for one: {name: [...], total_entries}.
Result<HttpResponse> PagedResponse(const HttpRequest& request, const std::string& name,
                                   nlohmann::json rows, std::span<const std::string_view> allowed,
                                   int default_limit = limits::kMaxPageLimit);
Result<std::optional<Instant>> InstantQuery(const HttpRequest& request, std::string_view name);
// From NAME_gte, NAME_gt, NAME_lte and NAME_lt.
Result<InstantRange> RangeQuery(const HttpRequest& request, std::string_view name);
// Whether a text is like an SQL LIKE pattern: % any text, _ any character; ASCII case is ignored.
bool IsLike(std::string_view text, std::string_view pattern);
// True for "true", "1"; kInvalid for anything that is not a boolean.
Result<std::optional<bool>> BoolQuery(const HttpRequest& request, std::string_view name);

// The body as a JSON object; unknown members are refused by name (S4). An empty body is {}.
Result<nlohmann::json> ObjectBody(const HttpRequest& request,
                                  std::initializer_list<std::string_view> known);
// An EmptyBody: nothing, or {}.
Status NoBody(const HttpRequest& request);
// Leaves only the members that update_mask names, if it is given; kInvalid for one that the body
// has not.
Status ApplyMask(const HttpRequest& request, nlohmann::json& body);
// kPreconditionFailed if there is an If-Match that does not name the ETag of `entry`, which is the
// answer of a GET as it is now.
Status CheckIfMatch(const HttpRequest& request, std::string_view entry);
// Members of a body with their type checked: kInvalid naming member and type.
Result<std::optional<std::string>> StringMember(const nlohmann::json& body, std::string_view name);
Result<std::optional<bool>> BoolMember(const nlohmann::json& body, std::string_view name);
// Whether it is a whole number that an int holds; what does not fit is refused, never cut.
bool IsInt(const nlohmann::json& value);
Result<std::optional<int>> IntMember(const nlohmann::json& body, std::string_view name);
Result<std::optional<Instant>> InstantMember(const nlohmann::json& body, std::string_view name);

// 404 with the next step if there is none.
Result<DagView> RequireDag(ApiContext& context, std::string_view dag_id);
// The DAGs that the parameters of a list choose (dag_facts.cc).
Result<Listing<DagView>> SelectDags(ApiContext& context, const HttpRequest& request);
// DAGs whose newest version this release cannot load (dag_facts.cc).
Result<std::int64_t> CountImportErrors(ApiContext& context);
Result<DagVersionRow> RequireVersion(ApiContext& context, const std::string& dag_id, int version);
// dag_run_id "~latest" names the newest run.
Result<DagRunRow> RequireRun(ApiContext& context, std::string_view dag_id, std::string_view run_id);
Result<TaskView> RequireTask(ApiContext& context, const DagRunRow& run, std::string_view task_id,
                             int map_index);
// A version as shown, from a cache; of version 0 (a queued run) the newest stands for the names.
std::shared_ptr<const KnownVersion> VersionOf(ApiContext& context, std::string_view dag_id,
                                              int version);
// Names and tasks of the newest version.
std::shared_ptr<const KnownVersion> NewestOf(ApiContext& context, std::string_view dag_id);

HttpResponse JsonResponse(const nlohmann::json& body, int status = 200);
HttpResponse JsonTextResponse(std::string body, int status = 200);

// Time a request may wait for the scheduler thread.
inline constexpr Duration kCallTimeout{10'000};
// What a request does, for its audit row: "run.trigger" of "dag".
struct Deed {
  std::string action;
  std::string target;
};
// Sends a request event with its audit row in the commit of the effect.
Result<command::ReplyBody> CallWithAudit(ApiContext& context, const HttpRequest& request,
                                         Event event, Deed deed);

// The same for a POST, which takes effect once per Idempotency-Key: the answer is kept in the
// commit of the effect, and the same request again gets it again; 422 for another body or path, 409
// while the first is on its way. `make_event` may refuse and is not asked for a repetition;
// `render` must be pure: it is called on the scheduler thread too.
using MakeEvent = std::function<Result<Event>()>;
using Render = std::function<HttpResponse(const command::ReplyBody&)>;
Result<HttpResponse> CallOnce(ApiContext& context, const HttpRequest& request,
                              const MakeEvent& make_event, Deed deed, Render render);

// Runs as answers (runs.cc). A note has 1,000 bytes at most.
Status CheckNote(std::string_view note);
Result<std::string> RunText(ApiContext& context, const DagRunRow& run);
// `version` as in VersionOf.
Render RenderRun(ApiContext& context, const std::string& dag_id, int version = 0);
// 0 if the DAG is not known.
int NewestVersion(ApiContext& context, const std::string& dag_id);

}  // namespace nightmill
