// Deadlines (semantics.md 9): their present standing, which is what the engine has armed, else how
// the last slot ended; and what was warned of and missed.
#include <algorithm>
#include <tuple>
#include <utility>

#include "api/handlers/handlers.h"
#include "api/handlers/support.h"
#include "api/json_view.h"
#include "core/base/json.h"
#include "core/model/sla.h"
#include "scheduler/engine/engine.h"

namespace nightmill {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxTaskList = 1'000;
constexpr std::string_view kStandings[] = {
    "idle", "armed", "warned", "met", "missed", "resolved", "not_applicable", "suppressed"};

std::optional<std::string> ParseStanding(std::string_view word) {
  const auto it = std::find(std::begin(kStandings), std::end(kStandings), word);
  if (it == std::end(kStandings)) return std::nullopt;
  return std::string(word);
}

double Seconds(Duration span) { return std::chrono::duration<double>(span).count(); }

json ToJson(const BlockingTask& task) {
  return {{"task_id", TextOrNull(task.task_id)},
          {"map_index", task.map_index},
          {"state", task.state ? json(ToString(*task.state)) : json()},
          {"since", JsonOf(task.since)},
          {"reason", task.reason},
          {"p50_seconds", task.p50 ? json(Seconds(*task.p50)) : json()},
          {"slack_seconds", task.slack ? json(Seconds(*task.slack)) : json()}};
}

bool ArmedBySlot(const SlaSpec& spec) {
  return spec.kind == SlaKind::kDeadline ||
         (spec.kind == SlaKind::kWithin &&
          (spec.from == SlaFrom::kLogical || spec.from == SlaFrom::kIntervalEnd));
}

// The members that the row of a slot fills in; without a row they are null.
Result<json> SlotToJson(ApiContext& context, const SlaSpec& spec,
                        const std::optional<SlaRow>& row) {
  json out = {{"dag_run_id", nullptr}, {"logical_date", nullptr}, {"reference", nullptr},
              {"warn_time", nullptr},  {"deadline", nullptr},     {"landed_at", nullptr}};
  if (!row) return out;
  if (ArmedBySlot(spec)) out["logical_date"] = FormatInstant(row->slot);
  if (row->run.valid()) {
    NM_ASSIGN_OR_RETURN(const std::optional<DagRunRow> run, context.queries.FindRun(row->run));
    if (run) {
      out["dag_run_id"] = run->run_id;
      out["logical_date"] = JsonOf(run->logical_date);
    }
  }
  out["reference"] = FormatInstant(row->reference);
  out["warn_time"] = JsonOf(row->warn_at);
  out["deadline"] = JsonOf(row->due_at);
  out["landed_at"] = JsonOf(row->landed_at);
  return out;
}

Result<json> ToJson(ApiContext& context, const SlaStanding& standing, const SlaSpec& spec,
                    const std::string& display_name) {
  std::optional<SlaRow> row = standing.row;
  if (!row) {
    NM_ASSIGN_OR_RETURN(row, context.queries.LastSla(standing.dag_id, spec.name));
  }
  std::string state = row ? std::string(ToString(row->state)) : "idle";
  if (standing.suppressed) state = "suppressed";
  std::vector<std::string> tasks = standing.task_list;
  tasks.resize(std::min(tasks.size(), kMaxTaskList));
  json blocking = json::array();
  for (const BlockingTask& task : standing.blocking) blocking.push_back(ToJson(task));
  NM_ASSIGN_OR_RETURN(json out, SlotToJson(context, spec, row));
  out.update({{"dag_id", standing.dag_id},
              {"dag_display_name", display_name},
              {"task_id", TextOrNull(spec.task)},
              {"sla", spec.name},
              {"kind", ToString(spec.kind)},
              {"rule", RuleText(spec)},
              {"severity", ToString(spec.severity)},
              {"warn_at", spec.warn_at},
              {"notify", spec.notify},
              {"state", state},
              {"predicted_finish", JsonOf(standing.predicted_end)},
              {"task_list", std::move(tasks)},
              {"blocking_task_list", std::move(blocking)},
              {"blocking_task_count", standing.blocking_count}});
  return out;
}

// The outcomes that a miss can have.
std::optional<SlaState> ParseOutcome(std::string_view word) {
  const std::optional<SlaState> state = ParseSlaState(word);
  const bool outcome =
      state == SlaState::kWarned || state == SlaState::kMissed || state == SlaState::kResolved;
  return outcome ? state : std::nullopt;
}

// Of a slot without a run the row has the logical date, unless it stands for no slot at all.
json LogicalDateOf(const SlaMissView& view) {
  if (view.sla.run.valid()) return JsonOf(view.logical_date);
  if (view.miss.kind == ToString(SlaKind::kStaleAfter)) return nullptr;
  return FormatInstant(view.sla.slot);
}

json ToJson(const SlaMissView& view, const std::string& display_name) {
  const SlaRow& sla = view.sla;
  const bool resolved = sla.state == SlaState::kResolved;
  const json holdup = json::parse(view.miss.holdup, nullptr, false);
  json late;
  if (resolved && sla.landed_at) {
    late = std::chrono::duration<double>(*sla.landed_at - *sla.due_at).count();
  }
  return {{"sla_miss_id", view.miss.miss.value},
          {"dag_id", sla.dag_id},
          {"dag_display_name", display_name},
          {"task_id", TextOrNull(sla.task_id)},
          {"sla", sla.name},
          {"kind", view.miss.kind},
          {"severity", ToString(sla.severity)},
          {"dag_run_id", TextOrNull(view.run_id)},
          {"logical_date", LogicalDateOf(view)},
          {"deadline", JsonOf(sla.due_at)},
          {"state", ToString(sla.state)},
          // Without a warning it was the due time itself that came.
          {"cause", sla.cause.empty() ? "time" : sla.cause},
          {"warned_at", JsonOf(sla.warned_at)},
          {"missed_at", JsonOf(sla.missed_at)},
          {"resolved_at", JsonOf(resolved ? sla.landed_at : std::nullopt)},
          {"late_by_seconds", std::move(late)},
          {"predicted_finish", JsonOf(view.miss.predicted_end)},
          {"task_list", holdup.at("task_list")},
          {"blocking_task_list", holdup.at("blocking_task_list")},
          {"blocking_task_count", holdup.at("blocking_task_count")}};
}

// Null deadlines last.
bool IsSooner(const json& a, const json& b) {
  const auto key = [](const json& row) {
    const json& due = row.at("deadline");
    return std::tuple(due.is_null(), due.is_null() ? "" : due.get<std::string>());
  };
  return key(a) < key(b);
}

}  // namespace

Result<HttpResponse> GetSlas(ApiContext& context, const HttpRequest& request) {
  static constexpr std::string_view kOrders[] = {"dag_id", "sla", "deadline", "state"};
  NM_ASSIGN_OR_RETURN(const std::vector<std::string> wanted,
                      WordsQuery(request, "state", ParseStanding));
  // Shared: a look that was not awaited to its end still writes there.
  const auto standings = std::make_shared<std::vector<SlaStanding>>();
  const std::string dag_id = request.Query("dag_id").value_or("");
  NM_RETURN_IF_ERROR(context.mailbox.Look([standings, dag_id](const Engine& engine, Instant now) {
    *standings = engine.Slas(dag_id, now);
  }));
  json rows = json::array();
  for (const SlaStanding& standing : *standings) {
    const std::shared_ptr<const KnownVersion> known = NewestOf(context, standing.dag_id);
    if (known->dag == nullptr) continue;
    const std::vector<const SlaSpec*> entries = SlaEntries(*known->dag);
    const auto at = static_cast<std::size_t>(standing.entry);
    // Another version may have come since the look.
    const bool same = at < entries.size() &&
                      (!standing.row || standing.row->name == entries[at]->name);
    if (!same) continue;
    NM_ASSIGN_OR_RETURN(json row,
                        ToJson(context, standing, *entries[at], known->display_name));
    const std::string state = row.at("state").get<std::string>();
    const bool chosen = wanted.empty() ||
                        std::find(wanted.begin(), wanted.end(), state) != wanted.end();
    if (chosen) rows.push_back(std::move(row));
  }
  std::stable_sort(rows.begin(), rows.end(), IsSooner);
  return PagedResponse(request, "slas", std::move(rows), kOrders);
}

Result<HttpResponse> GetSlaMisses(ApiContext& context, const HttpRequest& request) {
  SlaMissFilter filter;
  NM_ASSIGN_OR_RETURN(filter.page, PageOf(request));
  NM_ASSIGN_OR_RETURN(const std::optional<Cursor> cursor, CursorOf(request, filter.page));
  if (cursor) filter.before = EventId(cursor->number);
  filter.dag_id = request.Query("dag_id");
  NM_ASSIGN_OR_RETURN(filter.states, WordsQuery(request, "state", ParseOutcome));
  if (const auto run_id = request.Query("dag_run_id")) {
    if (!filter.dag_id) {
      return Invalid("dag_run_id goes with dag_id", "name the DAG of the run too");
    }
    NM_ASSIGN_OR_RETURN(const DagRunRow run, RequireRun(context, *filter.dag_id, *run_id));
    filter.run = run.run;
  }
  NM_ASSIGN_OR_RETURN(const Listing<SlaMissView> listing, context.queries.SlaMisses(filter));
  json rows = json::array();
  for (const SlaMissView& view : listing.rows) {
    rows.push_back(ToJson(view, NewestOf(context, view.sla.dag_id)->display_name));
  }
  json body = {{"sla_misses", std::move(rows)}, {"total_entries", listing.total}};
  if (IsFull(listing.rows, filter.page)) {
    body["next_cursor"] = TextOf(Cursor{listing.rows.back().miss.miss.value, ""});
  }
  return JsonResponse(body);
}

}  // namespace nightmill
