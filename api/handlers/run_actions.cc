// What changes runs that are there: cancel, mark, clear; and the wait for their end.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>

#include "api/handlers/handlers.h"
#include "api/handlers/support.h"
#include "api/json_view.h"
#include "core/base/json.h"

namespace nightmill {
namespace {

using nlohmann::json;

constexpr int kMaxRunsOfClear = 1'000;

// A version that a reply's run is of, for pure renderers on the scheduler thread.
using Versions = std::map<int, std::shared_ptr<const KnownVersion>>;

const KnownVersion& In(const Versions& versions, int version) {
  static const KnownVersion kNone;
  const auto it = versions.find(version);
  return it == versions.end() ? kNone : *it->second;
}

void AddVersion(ApiContext& context, const std::string& dag_id, int version, Versions& versions) {
  if (!versions.contains(version)) versions[version] = VersionOf(context, dag_id, version);
}

json TasksOf(const ClearReply& reply, const Versions& versions) {
  json list = json::array();
  for (const TaskInstanceRow& task : reply.tasks) {
    const auto run = std::find_if(reply.runs.begin(), reply.runs.end(),
                                  [&](const DagRunRow& row) { return row.run == task.run; });
    if (run == reply.runs.end()) continue;
    const TaskView view{task,           run->dag_id, run->run_id, run->logical_date,
                        run->run_after, run->version};
    list.push_back(ToJson(view, In(versions, run->version)));
  }
  return list;
}

// What both ways of clearing have in common: the versions of the runs, for engine and answer.
struct ClearCall {
  event::ClearTasks event;
  Versions versions;
};

void AddRun(ApiContext& context, const DagRunRow& run, ClearCall& call) {
  call.event.runs.push_back(run.run);
  AddVersion(context, run.dag_id, run.version, call.versions);
  if (run.version > 0) call.event.versions[run.version] = call.versions[run.version]->dag;
  AddVersion(context, run.dag_id, 0, call.versions);
}

Result<HttpResponse> Perform(ApiContext& context, const HttpRequest& request, ClearCall call,
                             const Render& render) {
  if (call.event.dry_run) {
    NM_ASSIGN_OR_RETURN(const command::ReplyBody reply,
                        context.mailbox.Call({std::move(call.event)}, kCallTimeout));
    return render(reply);
  }
  const std::string target = call.event.dag_id;
  return CallOnce(
      context, request, [&call]() -> Result<Event> { return Event(call.event); },
      {"run.clear", target}, render);
}

Result<std::vector<event::ClearTasks::Pick>> PicksOf(const json& list) {
  std::vector<event::ClearTasks::Pick> picks;
  for (const json& item : list) {
    event::ClearTasks::Pick pick;
    const bool pair = item.is_array() && item.size() == 2 && item[0].is_string() && IsInt(item[1]);
    if (pair) {
      pick.map_index = item[1].get<int>();
    } else if (!item.is_string()) {
      return Invalid("task_ids holds ids, or pairs of id and map index");
    }
    pick.task_id = pair ? item[0].get<std::string>() : item.get<std::string>();
    picks.push_back(std::move(pick));
  }
  return picks;
}

// The runs that a clear of a DAG is for.
Result<std::vector<DagRunRow>> RunsToClear(ApiContext& context, const std::string& dag_id,
                                           const json& body) {
  NM_ASSIGN_OR_RETURN(const std::optional<std::string> run_id, StringMember(body, "dag_run_id"));
  RunFilter filter;
  filter.dag_id = dag_id;
  filter.page.limit = kMaxRunsOfClear;
  filter.order = RunOrder::kLogicalDate;
  filter.descending = false;
  NM_ASSIGN_OR_RETURN(filter.logical_date.from, InstantMember(body, "start_date"));
  NM_ASSIGN_OR_RETURN(filter.logical_date.to, InstantMember(body, "end_date"));
  std::optional<DagRunRow> one;
  if (run_id) {
    NM_ASSIGN_OR_RETURN(one, RequireRun(context, dag_id, *run_id));
    NM_ASSIGN_OR_RETURN(const std::optional<bool> past, BoolMember(body, "include_past"));
    NM_ASSIGN_OR_RETURN(const std::optional<bool> future, BoolMember(body, "include_future"));
    const bool alone = !past.value_or(false) && !future.value_or(false);
    if (alone || !one->logical_date) return std::vector<DagRunRow>{*one};
    if (!past.value_or(false)) filter.logical_date.from = one->logical_date;
    if (!future.value_or(false)) filter.logical_date.to = one->logical_date;
  }
  NM_ASSIGN_OR_RETURN(Listing<DagRunRow> runs, context.queries.Runs(filter));
  if (runs.total > kMaxRunsOfClear) {
    return Invalid(
        fmt::format("this is about {} runs, {} are the limit", runs.total, kMaxRunsOfClear),
        "name a run or a shorter range");
  }
  return std::move(runs.rows);
}

// Flags of a clear by the name of their member.
Status ReadFlags(const json& body, event::ClearTasks& event) {
  const std::pair<const char*, bool*> flags[] = {{"dry_run", &event.dry_run},
                                                 {"include_upstream", &event.upstream},
                                                 {"include_downstream", &event.downstream},
                                                 {"only_failed", &event.only_failed},
                                                 {"only_running", &event.only_running},
                                                 {"only_new", &event.only_new},
                                                 {"reset_dag_runs", &event.reset_runs},
                                                 {"run_on_latest_version", &event.latest_version},
                                                 {"prevent_running_task", &event.prevent_running}};
  for (const auto& [name, flag] : flags) {
    NM_ASSIGN_OR_RETURN(const std::optional<bool> value, BoolMember(body, name));
    if (value) *flag = *value;
  }
  NM_ASSIGN_OR_RETURN(event.note, StringMember(body, "note"));
  if (event.note) NM_RETURN_IF_ERROR(CheckNote(*event.note));
  return Ok();
}

Result<HttpResponse> ClearRun(ApiContext& context, const HttpRequest& request, const DagRunRow& run,
                              event::ClearTasks event) {
  ClearCall call;
  call.event = std::move(event);
  call.event.dag_id = run.dag_id;
  AddRun(context, run, call);
  AddVersion(context, run.dag_id, NewestVersion(context, run.dag_id), call.versions);
  const bool preview = call.event.dry_run;
  const Render render = [preview, versions = call.versions](const command::ReplyBody& reply) {
    const auto& cleared = std::get<ClearReply>(reply);
    if (cleared.runs.empty()) return JsonTextResponse("{}");
    const DagRunRow& row = cleared.runs.front();
    std::string text;
    AppendRun(text, row, In(versions, row.version), 0);
    if (!preview) return JsonTextResponse(std::move(text));
    json body = json::parse(text);
    body["task_instances"] = TasksOf(cleared, versions);
    body["total_entries"] = body["task_instances"].size();
    return JsonResponse(body);
  };
  return Perform(context, request, std::move(call), render);
}

}  // namespace

int NewestVersion(ApiContext& context, const std::string& dag_id) {
  const Result<std::optional<DagView>> dag = context.queries.FindDag(dag_id);
  return dag.ok() && dag->has_value() ? (*dag)->dag.version : 0;
}

Result<HttpResponse> PostCancelRun(ApiContext& context, const HttpRequest& request) {
  NM_RETURN_IF_ERROR(NoBody(request));
  NM_ASSIGN_OR_RETURN(const DagRunRow run,
                      RequireRun(context, request.Param("dag_id"), request.Param("dag_run_id")));
  event::CancelRun event;
  event.dag_id = run.dag_id;
  event.run_id = run.run_id;
  return CallOnce(
      context, request, [&event]() -> Result<Event> { return Event(event); },
      {"run.cancel", fmt::format("{}/{}", run.dag_id, run.run_id)},
      RenderRun(context, run.dag_id, run.version));
}

Result<HttpResponse> PatchDagRun(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(json body, ObjectBody(request, {"state", "note"}));
  NM_RETURN_IF_ERROR(ApplyMask(request, body));
  NM_ASSIGN_OR_RETURN(const DagRunRow run,
                      RequireRun(context, request.Param("dag_id"), request.Param("dag_run_id")));
  NM_ASSIGN_OR_RETURN(const std::string before, RunText(context, run));
  NM_RETURN_IF_ERROR(CheckIfMatch(request, before));
  event::MarkRun event;
  event.dag_id = run.dag_id;
  event.run_id = run.run_id;
  NM_ASSIGN_OR_RETURN(event.note, StringMember(body, "note"));
  if (body.contains("note") && body["note"].is_null()) event.note = "";
  if (event.note) NM_RETURN_IF_ERROR(CheckNote(*event.note));
  NM_ASSIGN_OR_RETURN(const std::optional<std::string> state, StringMember(body, "state"));
  if (state && *state == "queued") {
    event::ClearTasks clear;
    clear.dry_run = false;
    clear.note = event.note;
    NM_RETURN_IF_ERROR(ClearRun(context, request, run, std::move(clear)));
  } else {
    if (state) {
      event.state = ParseRunState(*state);
      const bool known = event.state && IsFinished(*event.state);
      if (!known)
        return Invalid(fmt::format("\"{}\" is no state to mark", *state),
                       "it is queued, success or failed");
    }
    NM_RETURN_IF_ERROR(CallWithAudit(context, request, event,
                                     {"run.mark", fmt::format("{}/{}", run.dag_id, run.run_id)}));
  }
  NM_ASSIGN_OR_RETURN(const DagRunRow after, RequireRun(context, run.dag_id, run.run_id));
  NM_ASSIGN_OR_RETURN(std::string text, RunText(context, after));
  return JsonTextResponse(std::move(text));
}

Result<HttpResponse> PostClearRun(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(const json body, ObjectBody(request, {"dry_run", "only_failed", "only_new",
                                                            "run_on_latest_version", "note"}));
  event::ClearTasks event;
  NM_RETURN_IF_ERROR(ReadFlags(body, event));
  event.latest_version = event.latest_version || event.only_new;
  NM_ASSIGN_OR_RETURN(const DagRunRow run,
                      RequireRun(context, request.Param("dag_id"), request.Param("dag_run_id")));
  return ClearRun(context, request, run, std::move(event));
}

Result<HttpResponse> PostClearTasks(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(
      const json body,
      ObjectBody(request, {"dry_run", "task_ids", "dag_run_id", "start_date", "end_date",
                           "include_upstream", "include_downstream", "include_past",
                           "include_future", "only_failed", "only_running", "reset_dag_runs",
                           "run_on_latest_version", "prevent_running_task", "note"}));
  ClearCall call;
  call.event.only_failed = !body.contains("only_running") || !body["only_running"].is_boolean() ||
                           !body["only_running"].get<bool>();
  NM_RETURN_IF_ERROR(ReadFlags(body, call.event));
  if (call.event.only_failed && call.event.only_running) {
    return Invalid("only_failed and only_running exclude each other");
  }
  const std::string& dag_id = request.Param("dag_id");
  NM_ASSIGN_OR_RETURN(const DagView dag, RequireDag(context, dag_id));
  call.event.dag_id = dag_id;
  if (const auto ids = body.find("task_ids"); ids != body.end() && !ids->is_null()) {
    if (!ids->is_array() || ids->size() > 10'000) {
      return Invalid("task_ids must be a list of at most 10000 entries");
    }
    NM_ASSIGN_OR_RETURN(call.event.tasks, PicksOf(*ids));
  }
  NM_ASSIGN_OR_RETURN(const std::vector<DagRunRow> runs, RunsToClear(context, dag_id, body));
  for (const DagRunRow& run : runs) AddRun(context, run, call);
  AddVersion(context, dag_id, dag.dag.version, call.versions);
  const Render render = [versions = call.versions](const command::ReplyBody& reply) {
    json list = TasksOf(std::get<ClearReply>(reply), versions);
    const std::size_t total = list.size();
    return JsonResponse({{"task_instances", std::move(list)}, {"total_entries", total}});
  };
  return Perform(context, request, std::move(call), render);
}

Result<HttpResponse> GetWait(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(const std::optional<int> timeout, NumberQuery(request, "timeout", 1, 1'800));
  const std::string interval = request.Query("interval").value_or("1");
  double seconds = 0;
  const auto [end, error] =
      std::from_chars(interval.data(), interval.data() + interval.size(), seconds);
  if (error != std::errc{} || end != interval.data() + interval.size() || !(seconds > 0) ||
      seconds > 3'600) {
    return Invalid(fmt::format("interval={} is no number above 0, up to 3600", interval));
  }
  const std::string_view accept = request.Header("accept");
  const bool lines = AcceptsOnly(accept, "application/x-ndjson");
  if (!lines && !Accepts(accept, "application/json")) {
    return ProblemWithStatus(406,
                             Error{ErrorCode::kNotSupported,
                                   "this can be sent as application/json or application/x-ndjson"},
                             request);
  }
  NM_ASSIGN_OR_RETURN(const DagRunRow run,
                      RequireRun(context, request.Param("dag_id"), request.Param("dag_run_id")));
  if (!IsFinished(run.state) &&
      context.now() < request.begun + std::chrono::seconds(timeout.value_or(1'800))) {
    HttpResponse not_yet;
    not_yet.pending = true;
    return not_yet;
  }
  json body = {{"state", ToString(run.state)}};
  const std::vector<std::string> results = request.QueryAll("result");
  if (IsFinished(run.state) && !results.empty()) {
    body["results"] = json::object();
    for (const std::string& task : results) {
      NM_ASSIGN_OR_RETURN(const std::optional<TaskView> view,
                          context.queries.FindTask(run.run, task, -1));
      if (view) body["results"][task] = JsonOrNull(view->task.output);
    }
  }
  HttpResponse response = JsonResponse(body);
  if (lines) {
    response.body += "\n";
    response.content_type = "application/x-ndjson";
  }
  return response;
}

}  // namespace nightmill
