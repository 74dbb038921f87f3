#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "api/handlers/handlers.h"
#include "api/handlers/support.h"
#include "api/json_view.h"
#include "core/base/json.h"
#include "core/dagfile/dag_json.h"
#include "scheduler/engine/engine.h"

namespace nightmill {
namespace {

using nlohmann::json;

Result<std::map<std::string, int>> PoolSlots(ApiContext& context) {
  NM_ASSIGN_OR_RETURN(const std::vector<PoolRow> pools, context.queries.Pools());
  std::map<std::string, int> slots;
  for (const PoolRow& pool : pools) slots.emplace(pool.name, pool.slots);
  return slots;
}

// True if the DAG came from a file that is there no more: then another file may define it.
Result<bool> FileIsGone(ApiContext& context, const std::string& dag_id) {
  NM_ASSIGN_OR_RETURN(const std::optional<DagView> known, context.queries.FindDag(dag_id));
  std::error_code ignored;
  return known && !known->dag.fileloc.empty() &&
         !std::filesystem::exists(known->dag.fileloc, ignored);
}

Result<DagFileResult> LoadFromRequest(ApiContext& context, const HttpRequest& request) {
  DagFileOptions options;
  options.file = request.Query("file").value_or("dag.json");
  options.fileloc = request.Query("fileloc").value_or("");
  NM_ASSIGN_OR_RETURN(options.pools, PoolSlots(context));
  options.notifiers.emplace();
  for (const NotifierView& view : context.alerts->Notifiers()) {
    options.notifiers->insert(view.rule.name);
  }
  return LoadDag(request.body, context.catalog, options);
}

json DagToJson(ApiContext& context, const DagView& view) {
  return ToJson(view.dag, view.newest, *VersionOf(context, view.dag.dag_id, view.dag.version));
}

// The ETag of a source: of its text as JSON and as it is, with the version that it is of.
std::string SourceTag(const DagVersionRow& version, std::string_view form) {
  return fmt::format("\"v{}-{}{}\"", version.version, version.hash.substr(0, 16), form);
}

// Which version the caller has seen: by If-Match, or none by If-None-Match: *.
Result<int> ExpectedVersion(ApiContext& context, const HttpRequest& request) {
  const std::string_view match = request.Header("if-match");
  if (match.empty() && request.Header("if-none-match") == "*") return 0;
  if (match.empty()) return -1;
  NM_ASSIGN_OR_RETURN(const std::optional<DagView> dag,
                      context.queries.FindDag(request.Param("dag_id")));
  if (!dag) return NotFound(fmt::format("no DAG \"{}\"", request.Param("dag_id")));
  for (const std::string_view form : {"", "-text"}) {
    if (match.find(SourceTag(dag->newest, form)) != std::string_view::npos || match == "*") {
      return dag->dag.version;
    }
  }
  return Error{ErrorCode::kPreconditionFailed,
               fmt::format("{} has version {} by now", dag->dag.dag_id, dag->dag.version),
               "read its source again and send that ETag as If-Match"};
}

HttpResponse RefuseDag(const HttpRequest& request, const DagFileResult& loaded) {
  const std::string first = loaded.diagnostics.empty()
                                ? "the DAG is not valid"
                                : FormatDiagnostic(loaded.diagnostics.front());
  HttpResponse response = Problem(Invalid(first), request);
  json body = json::parse(response.body);
  body["diagnostics"] = json::parse(DiagnosticsToJson(loaded.diagnostics));
  response.body = JsonResponse(body).body;
  return response;
}

json DiagnosticsBody(const DagFileResult& loaded) {
  return {{"valid", loaded.ok()},
          {"dag_id", loaded.ok() ? json(loaded.dag->dag_id) : json(nullptr)},
          {"diagnostics", json::parse(DiagnosticsToJson(loaded.diagnostics))}};
}

}  // namespace

Result<HttpResponse> GetDags(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(const Listing<DagView> dags, SelectDags(context, request));
  json list = json::array();
  for (const DagView& view : dags.rows) {
    const auto known = VersionOf(context, view.dag.dag_id, view.dag.version);
    list.push_back(ToJson(view.dag, view.newest, *known));
  }
  return JsonResponse({{"dags", std::move(list)}, {"total_entries", dags.total}});
}

Result<HttpResponse> GetDag(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(const DagView view, RequireDag(context, request.Param("dag_id")));
  return JsonResponse(DagToJson(context, view));
}

Result<HttpResponse> GetDagDetails(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(const DagView view, RequireDag(context, request.Param("dag_id")));
  NM_ASSIGN_OR_RETURN(const RunCounts counts, context.queries.RunCountsOf(view.dag.dag_id));
  const auto known = VersionOf(context, view.dag.dag_id, view.dag.version);
  json body = ToJson(view.dag, view.newest, *known);
  const std::int64_t active = counts[static_cast<std::size_t>(RunState::kQueued)] +
                              counts[static_cast<std::size_t>(RunState::kRunning)];
  AddDetails(view, *known, active, body);
  return JsonResponse(body);
}

Result<HttpResponse> GetDagTasks(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(const DagView view, RequireDag(context, request.Param("dag_id")));
  const auto known = VersionOf(context, view.dag.dag_id, view.dag.version);
  json list = json::array();
  const std::size_t n = known->dag == nullptr ? 0 : known->dag->tasks.size();
  for (std::size_t i = 0; i < n; ++i) {
    list.push_back(TaskToJson(*known->dag, static_cast<int>(i)));
  }
  static constexpr std::string_view kOrders[] = {"task_id", "operator_name"};
  return PagedResponse(request, "tasks", std::move(list), kOrders);
}

Result<HttpResponse> GetDagTask(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(const DagView view, RequireDag(context, request.Param("dag_id")));
  const auto known = VersionOf(context, view.dag.dag_id, view.dag.version);
  const std::string& task_id = request.Param("task_id");
  const int task = known->dag == nullptr ? -1 : known->dag->Find(task_id);
  if (task < 0) {
    return NotFound(fmt::format("DAG \"{}\" has no task \"{}\"", view.dag.dag_id, task_id));
  }
  return JsonResponse(TaskToJson(*known->dag, task));
}

Result<HttpResponse> PatchDag(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(json body, ObjectBody(request, {"is_paused"}));
  NM_RETURN_IF_ERROR(ApplyMask(request, body));
  NM_ASSIGN_OR_RETURN(const std::optional<bool> paused, BoolMember(body, "is_paused"));
  if (!paused) return Invalid("is_paused is missing", "send {\"is_paused\": true} or false");
  NM_ASSIGN_OR_RETURN(const DagView view, RequireDag(context, request.Param("dag_id")));
  NM_RETURN_IF_ERROR(CheckIfMatch(request, JsonResponse(DagToJson(context, view)).body));
  event::SetDagPaused event;
  event.dag_id = request.Param("dag_id");
  event.paused = *paused;
  NM_RETURN_IF_ERROR(CallWithAudit(context, request, event, {"dag.pause", event.dag_id}));
  NM_ASSIGN_OR_RETURN(const DagView after, RequireDag(context, request.Param("dag_id")));
  return JsonResponse(DagToJson(context, after));
}

Result<HttpResponse> PostValidate(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(const DagFileResult loaded, LoadFromRequest(context, request));
  return JsonResponse(DiagnosticsBody(loaded));
}

// With the PUT: what was read must still be there (product.md 4.3).
Result<HttpResponse> PutDagSource(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(const int expected, ExpectedVersion(context, request));
  if (expected < 0) {
    return ProblemWithStatus(
        428,
        Error{ErrorCode::kPreconditionFailed, "If-Match or If-None-Match is missing",
              "send If-Match with the ETag of GET /api/v2/dagSources/{dag_id}, or "
              "If-None-Match: * for a new DAG"},
        request);
  }
  NM_ASSIGN_OR_RETURN(DagFileResult loaded, LoadFromRequest(context, request));
  if (!loaded.ok()) return RefuseDag(request, loaded);
  if (loaded.dag->dag_id != request.Param("dag_id")) {
    return Invalid(fmt::format("the file says dag_id \"{}\", the path says \"{}\"",
                               loaded.dag->dag_id, request.Param("dag_id")));
  }
  event::ApplyDag event;
  event.dag = loaded.dag;
  event.expected_version = expected;
  event.paused_upon_creation = context.paused_upon_creation;
  NM_ASSIGN_OR_RETURN(event.moved, FileIsGone(context, loaded.dag->dag_id));
  NM_ASSIGN_OR_RETURN(const command::ReplyBody reply,
                      CallWithAudit(context, request, event, {"dag.apply", loaded.dag->dag_id}));
  const auto& applied = std::get<DagReply>(reply);
  NM_ASSIGN_OR_RETURN(const DagView after, RequireDag(context, applied.dag.dag_id));
  json body = DagToJson(context, after);
  body["created"] = applied.created;
  body["changed"] = applied.changed;
  body["diagnostics"] = json::parse(DiagnosticsToJson(loaded.diagnostics));
  HttpResponse response = JsonResponse(body);
  response.headers.emplace_back("ETag", SourceTag(after.newest, ""));
  return response;
}

Result<HttpResponse> GetDagSource(ApiContext& context, const HttpRequest& request) {
  const std::string_view accept = request.Header("accept");
  const bool as_text = AcceptsOnly(accept, "text/plain");
  if (!as_text && !Accepts(accept, "application/json")) {
    return ProblemWithStatus(
        406, Error{ErrorCode::kNotSupported, "this can be sent as application/json or text/plain"},
        request);
  }
  NM_ASSIGN_OR_RETURN(const DagView view, RequireDag(context, request.Param("dag_id")));
  NM_ASSIGN_OR_RETURN(const std::optional<int> number,
                      NumberQuery(request, "version_number", 1, 1'000'000'000));
  DagVersionRow version = view.newest;
  if (number && *number != view.dag.version) {
    NM_ASSIGN_OR_RETURN(version, RequireVersion(context, view.dag.dag_id, *number));
  }
  HttpResponse response;
  if (as_text) {
    response.body = version.source;
    response.content_type = "text/plain; charset=utf-8";
  } else {
    const auto known = VersionOf(context, version.dag_id, version.version);
    response = JsonResponse({{"dag_id", version.dag_id},
                             {"version_number", version.version},
                             {"content", version.source},
                             {"dag_display_name", known->display_name}});
  }
  response.headers.emplace_back("ETag", SourceTag(version, as_text ? "-text" : ""));
  return response;
}

Result<HttpResponse> GetDagNext(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(const std::optional<int> wanted, NumberQuery(request, "n", 1, 1'000));
  NM_ASSIGN_OR_RETURN(const DagView view, RequireDag(context, request.Param("dag_id")));
  const auto known = VersionOf(context, view.dag.dag_id, view.dag.version);
  const Dag* parsed = known->dag.get();
  json list = json::array();
  if (parsed != nullptr && parsed->timetable != nullptr) {
    Instant after = view.dag.last_tick.value_or(view.dag.first_accepted_at);
    for (int i = 0; i < wanted.value_or(5); ++i) {
      const std::optional<Slot> slot = parsed->timetable->NextSlot(after);
      if (!slot) break;
      after = slot->tick;
      list.push_back({{"logical_date", FormatInstant(slot->logical_date())},
                      {"data_interval_start", FormatInstant(slot->interval.start)},
                      {"data_interval_end", FormatInstant(slot->interval.end)},
                      {"run_after", FormatInstant(slot->run_after)},
                      {"local", parsed->timetable->LocalText(slot->run_after)},
                      {"note", parsed->timetable->Note(*slot)}});
    }
  }
  return JsonResponse({{"dag_id", view.dag.dag_id}, {"next", std::move(list)}});
}

}  // namespace nightmill
