#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "api/handlers/handlers.h"
#include "api/handlers/support.h"
#include "api/json_view.h"
#include "core/base/json.h"
#include "scheduler/engine/engine.h"

namespace nightmill {
namespace {

using nlohmann::json;

constexpr std::size_t kRunTextSize = 1'024;  // usual; only to reserve memory

// Words of order_by and what they mean, at the same index.
constexpr std::string_view kOrderWords[] = {"id",        "dag_id",     "run_id",       "dag_run_id",
                                            "state",     "run_type",   "logical_date", "run_after",
                                            "queued_at", "start_date", "end_date"};
constexpr RunOrder kOrders[] = {RunOrder::kRun,         RunOrder::kDagId,    RunOrder::kRunId,
                                RunOrder::kRunId,       RunOrder::kState,    RunOrder::kType,
                                RunOrder::kLogicalDate, RunOrder::kRunAfter, RunOrder::kQueuedAt,
                                RunOrder::kStartedAt,   RunOrder::kEndedAt};
static_assert(std::size(kOrderWords) == std::size(kOrders));

Status ReadOrder(const HttpRequest& request, RunFilter& filter) {
  NM_ASSIGN_OR_RETURN(const std::optional<OrderBy> order, OrderOf(request, kOrderWords));
  if (order) {
    filter.order = kOrders[order->word];
    filter.descending = order->descending;
  }
  NM_ASSIGN_OR_RETURN(const std::optional<Cursor> cursor, CursorOf(request, filter.page));
  if (!cursor) return Ok();
  if (filter.order != RunOrder::kRun) {
    return Invalid("a cursor goes with the order by id only", "leave out order_by");
  }
  filter.beyond = RunKey(cursor->number);
  return Ok();
}

Result<RunFilter> ReadFilter(const HttpRequest& request) {
  RunFilter filter;
  NM_ASSIGN_OR_RETURN(filter.page, PageOf(request));
  NM_RETURN_IF_ERROR(ReadOrder(request, filter));
  if (request.Param("dag_id") != "~") filter.dag_id = request.Param("dag_id");
  NM_ASSIGN_OR_RETURN(filter.states, WordsQuery(request, "state", ParseRunState));
  NM_ASSIGN_OR_RETURN(filter.types, WordsQuery(request, "run_type", ParseRunType));
  filter.run_id_pattern = request.Query("run_id_pattern");
  NM_ASSIGN_OR_RETURN(filter.logical_date, RangeQuery(request, "logical_date"));
  NM_ASSIGN_OR_RETURN(filter.run_after, RangeQuery(request, "run_after"));
  NM_ASSIGN_OR_RETURN(filter.started_at, RangeQuery(request, "start_date"));
  NM_ASSIGN_OR_RETURN(filter.ended_at, RangeQuery(request, "end_date"));
  return filter;
}

// Who asks: the page by its cookie, our command line by its name, else whoever has a token.
std::string_view CallerOf(const HttpRequest& request) {
  if (request.by_cookie) return "ui";
  return request.Header("user-agent").starts_with("nightmill") ? "cli" : "rest_api";
}

Result<event::TriggerRun> ReadTrigger(const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(
      const json body,
      ObjectBody(request, {"dag_run_id", "logical_date", "data_interval_start", "data_interval_end",
                           "run_after", "conf", "note", "partition_key", "unpause"}));
  if (body.contains("partition_key") && !body["partition_key"].is_null()) {
    return Invalid("partitioned runs are not supported", "leave out partition_key");
  }
  event::TriggerRun event;
  event.dag_id = request.Param("dag_id");
  event.triggered_by = CallerOf(request);
  NM_ASSIGN_OR_RETURN(event.run_after, InstantMember(body, "run_after"));
  NM_ASSIGN_OR_RETURN(event.run_id, StringMember(body, "dag_run_id"));
  NM_ASSIGN_OR_RETURN(event.logical_date, InstantMember(body, "logical_date"));
  event.null_logical_date = body.contains("logical_date") && body["logical_date"].is_null();
  NM_ASSIGN_OR_RETURN(const std::optional<Instant> start,
                      InstantMember(body, "data_interval_start"));
  NM_ASSIGN_OR_RETURN(const std::optional<Instant> end, InstantMember(body, "data_interval_end"));
  if (start.has_value() != end.has_value()) {
    return Invalid("data_interval_start and data_interval_end come together");
  }
  if (start) {
    if (*start > *end) return Invalid("data_interval_start is after data_interval_end");
    event.interval = DataInterval{*start, *end};
  }
  NM_ASSIGN_OR_RETURN(const std::optional<std::string> note, StringMember(body, "note"));
  event.note = note.value_or("");
  NM_RETURN_IF_ERROR(CheckNote(event.note));
  if (const auto conf = body.find("conf"); conf != body.end() && !conf->is_null()) {
    if (!conf->is_object()) return Invalid("conf must be a JSON object");
    event.conf = conf->dump();
    if (event.conf.size() > limits::kMaxConfBytes) {
      return Invalid(fmt::format("conf has {} bytes, the limit is {}", event.conf.size(),
                                 limits::kMaxConfBytes));
    }
  }
  NM_ASSIGN_OR_RETURN(const std::optional<bool> unpause, BoolMember(body, "unpause"));
  event.unpause = unpause.value_or(false);
  return event;
}

}  // namespace

// How many attempts each of `runs` has lost, at the same index.
Result<std::vector<std::int64_t>> LossesOf(ApiContext& context, std::span<const DagRunRow> runs) {
  std::vector<std::int64_t> counts(runs.size(), 0);
  if (runs.empty()) return counts;
  const auto [first, last] =
      std::minmax_element(runs.begin(), runs.end(),
                          [](const DagRunRow& a, const DagRunRow& b) { return a.run < b.run; });
  NM_ASSIGN_OR_RETURN(const std::vector<LostAttempts> losses,
                      context.queries.LostOfRuns(first->run, last->run));
  for (std::size_t i = 0; i < runs.size() && !losses.empty(); ++i) {
    for (const LostAttempts& lost : losses) {
      if (lost.run == runs[i].run) counts[i] = lost.count;
    }
  }
  return counts;
}

Status CheckNote(std::string_view note) {
  constexpr std::size_t kMaxNote = 1'000;
  if (note.size() <= kMaxNote) return Ok();
  return Invalid(fmt::format("note has {} bytes, the limit is {}", note.size(), kMaxNote));
}

Result<std::string> RunText(ApiContext& context, const DagRunRow& run) {
  NM_ASSIGN_OR_RETURN(const std::vector<std::int64_t> losses, LossesOf(context, {&run, 1}));
  std::string text;
  AppendRun(text, run, *VersionOf(context, run.dag_id, run.version), losses[0]);
  return text;
}

// A run that has lost nothing yet: it was just created, or is told of with its own decision.
Render RenderRun(ApiContext& context, const std::string& dag_id, int version) {
  const auto known = VersionOf(context, dag_id, version);
  return [known](const command::ReplyBody& reply) {
    const auto& run = std::get<DagRunRow>(reply);
    std::string body;
    AppendRun(body, run, *known, 0);
    return JsonTextResponse(std::move(body));
  };
}

Result<HttpResponse> GetDagRuns(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(const RunFilter filter, ReadFilter(request));
  NM_ASSIGN_OR_RETURN(const Listing<DagRunRow> runs, context.queries.Runs(filter));
  // A DAG that has runs is there; without any, it may be that nobody knows it.
  if (filter.dag_id && runs.total == 0) NM_RETURN_IF_ERROR(RequireDag(context, *filter.dag_id));
  NM_ASSIGN_OR_RETURN(const std::vector<std::int64_t> losses, LossesOf(context, runs.rows));
  std::string body = "{\"dag_runs\":[";
  body.reserve(runs.rows.size() * kRunTextSize);
  for (std::size_t i = 0; i < runs.rows.size(); ++i) {
    if (i > 0) body += ',';
    const DagRunRow& run = runs.rows[i];
    AppendRun(body, run, *VersionOf(context, run.dag_id, run.version), losses[i]);
  }
  body += fmt::format("],\"total_entries\":{}", runs.total);
  if (filter.order == RunOrder::kRun && IsFull(runs.rows, filter.page)) {
    const Cursor end{runs.rows.back().run.value, ""};
    body += fmt::format(",\"next_cursor\":\"{}\"", TextOf(end));
  }
  body += '}';
  return JsonTextResponse(std::move(body));
}

Result<HttpResponse> PostDagRun(ApiContext& context, const HttpRequest& request) {
  const auto make_event = [&request]() -> Result<Event> {
    NM_ASSIGN_OR_RETURN(event::TriggerRun event, ReadTrigger(request));
    return Event(std::move(event));
  };
  return CallOnce(context, request, make_event, {"run.trigger", request.Param("dag_id")},
                  RenderRun(context, request.Param("dag_id")));
}

Result<HttpResponse> GetDagRun(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(const DagRunRow run,
                      RequireRun(context, request.Param("dag_id"), request.Param("dag_run_id")));
  NM_ASSIGN_OR_RETURN(std::string text, RunText(context, run));
  return JsonTextResponse(std::move(text));
}

Result<HttpResponse> GetRunExplain(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(const DagRunRow run,
                      RequireRun(context, request.Param("dag_id"), request.Param("dag_run_id")));
  Result<RunExplanation> explained = NotFound("not asked");
  NM_RETURN_IF_ERROR(context.mailbox.Look([&](const Engine& engine, Instant now) {
    explained = engine.ExplainRun(run.dag_id, run.run_id, now);
  }));
  json reasons = json::array();
  if (explained.ok()) {
    for (const Reason& reason : explained->reasons) reasons.push_back(ToJson(reason));
  } else {
    reasons.push_back(ToJson(Reason{"finished", std::string(ToString(run.state)), {}}));
  }
  return JsonResponse({{"dag_run_id", run.run_id},
                       {"state", ToString(run.state)},
                       {"reasons", std::move(reasons)}});
}

}  // namespace nightmill
