#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "api/handlers/handlers.h"
#include "api/handlers/support.h"
#include "api/json_view.h"
#include "core/base/json.h"

namespace nightmill {
namespace {

using nlohmann::json;

Result<BackfillId> IdOf(const HttpRequest& request) {
  const std::string& text = request.Param("backfill_id");
  std::int64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc{} || end != text.data() + text.size() || id <= 0) {
    return NotFound(fmt::format("no backfill \"{}\"", text));
  }
  return BackfillId{id};
}

Result<BackfillRow> RequireBackfill(ApiContext& context, BackfillId id) {
  NM_ASSIGN_OR_RETURN(const std::optional<BackfillRow> row, context.queries.FindBackfill(id));
  if (row) return *row;
  return NotFound(fmt::format("no backfill {}", id.value), "nightmill backfill list shows them");
}

Result<json> RenderRow(ApiContext& context, const BackfillRow& row) {
  BackfillProgress progress;
  progress.now = context.now();
  NM_ASSIGN_OR_RETURN(progress.counts, context.queries.BackfillSlotCounts(row.backfill));
  NM_ASSIGN_OR_RETURN(progress.ends, context.queries.RecentEnds(row.backfill));
  return ToJson(row, NewestOf(context, row.dag_id)->display_name, progress);
}

Result<event::CreateBackfill> ReadBackfill(const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(const json body,
                      ObjectBody(request, {"dag_id", "from_date", "to_date", "reprocess_behavior",
                                           "max_active_runs", "run_backwards", "dag_run_conf",
                                           "run_on_latest_version"}));
  NM_ASSIGN_OR_RETURN(const std::optional<bool> latest, BoolMember(body, "run_on_latest_version"));
  if (latest && !*latest) {
    return Invalid("run_on_latest_version: false is not supported",
                   "backfilled runs take the newest version; leave it out");
  }
  event::CreateBackfill event;
  for (const auto& [name, target] :
       {std::pair{"dag_id", &event.dag_id}, std::pair{"from_date", &event.from},
        std::pair{"to_date", &event.to}}) {
    NM_ASSIGN_OR_RETURN(std::optional<std::string> text, StringMember(body, name));
    if (!text) return Invalid(fmt::format("{} is missing", name));
    *target = *std::move(text);
  }
  NM_ASSIGN_OR_RETURN(const std::optional<std::string> reprocess,
                      StringMember(body, "reprocess_behavior"));
  if (reprocess) {
    const std::optional<ReprocessBehavior> parsed = ParseReprocessBehavior(*reprocess);
    if (!parsed) {
      return Invalid(fmt::format("reprocess_behavior \"{}\" is unknown", *reprocess),
                     "it is none, failed or completed");
    }
    event.reprocess = *parsed;
  }
  NM_ASSIGN_OR_RETURN(const std::optional<int> active, IntMember(body, "max_active_runs"));
  event.max_active_runs = active.value_or(limits::kDefaultBackfillActiveRuns);
  NM_ASSIGN_OR_RETURN(const std::optional<bool> backwards, BoolMember(body, "run_backwards"));
  event.run_backwards = backwards.value_or(false);
  if (const auto conf = body.find("dag_run_conf"); conf != body.end() && !conf->is_null()) {
    if (!conf->is_object()) return Invalid("dag_run_conf must be a JSON object");
    event.conf = conf->dump();
  }
  return event;
}

// The letter of a date in the heat strip.
char LetterOf(std::string_view word) {
  static constexpr std::pair<std::string_view, char> kLetters[] = {
      {"planned", 'P'}, {"queued", 'Q'},  {"running", 'R'},  {"success", 'S'},
      {"failed", 'F'},  {"skipped", 'K'}, {"cancelled", 'C'}};
  for (const auto& [name, letter] : kLetters) {
    if (name == word) return letter;
  }
  return 'Q';
}

// A row of the preview with what the engine does not know. `before` is the row of the date before.
json PreviewRow(const BackfillPreviewRow& row, const BackfillPreviewRow* before, bool run_before,
                const json& seconds) {
  json out = ToJson(row);
  out["estimate_seconds"] = seconds;
  out["bytes"] = nullptr;
  const bool made =
      before != nullptr && (before->verdict != "skip" || !before->existing_run_id.empty());
  out["first_in_chain"] = before != nullptr ? !made : !run_before;
  return out;
}

Result<json> EstimateOf(ApiContext& context, const std::string& dag_id) {
  NM_ASSIGN_OR_RETURN(std::vector<Duration> last, context.queries.RecentRunDurations(dag_id));
  if (last.size() < 3) return json(nullptr);
  std::nth_element(last.begin(), last.begin() + static_cast<std::ptrdiff_t>(last.size() / 2),
                   last.end());
  return json(static_cast<double>(last[last.size() / 2].count()) / 1000);
}

// Whether the date before the first one of a preview has a run.
Result<bool> HasRunBefore(ApiContext& context, const std::string& dag_id, Instant first) {
  RunFilter filter;
  filter.dag_id = dag_id;
  filter.logical_date.to = first - std::chrono::microseconds(1);
  filter.order = RunOrder::kLogicalDate;
  filter.page.limit = 1;
  NM_ASSIGN_OR_RETURN(const Listing<DagRunRow> runs, context.queries.Runs(filter));
  const auto known = NewestOf(context, dag_id);
  if (runs.rows.empty() || known->dag == nullptr || known->dag->timetable == nullptr) return false;
  const std::optional<Slot> slot = known->dag->timetable->SlotAt(first);
  if (!slot) return false;
  return runs.rows[0].interval && runs.rows[0].interval->end == slot->interval.start;
}

Result<HttpResponse> Control(ApiContext& context, const HttpRequest& request,
                             event::BackfillAction action, const char* word) {
  NM_RETURN_IF_ERROR(NoBody(request));
  NM_ASSIGN_OR_RETURN(const BackfillId id, IdOf(request));
  NM_RETURN_IF_ERROR(RequireBackfill(context, id));
  event::ControlBackfill event;
  event.backfill = id;
  event.action = action;
  NM_ASSIGN_OR_RETURN(const command::ReplyBody reply,
                      CallWithAudit(context, request, event, {word, std::to_string(id.value)}));
  NM_ASSIGN_OR_RETURN(const json body, RenderRow(context, std::get<BackfillReply>(reply).backfill));
  return JsonResponse(body);
}

}  // namespace

Result<HttpResponse> GetBackfills(ApiContext& context, const HttpRequest& request) {
  BackfillFilter filter;
  NM_ASSIGN_OR_RETURN(filter.page, PageOf(request));
  filter.dag_id = request.Query("dag_id");
  NM_ASSIGN_OR_RETURN(filter.states, WordsQuery(request, "state", ParseBackfillState));
  static constexpr std::string_view kOrders[] = {"id"};
  NM_ASSIGN_OR_RETURN(const std::optional<OrderBy> order, OrderOf(request, kOrders));
  if (order) filter.descending = order->descending;
  NM_ASSIGN_OR_RETURN(const Listing<BackfillRow> rows, context.queries.Backfills(filter));
  json list = json::array();
  for (const BackfillRow& row : rows.rows) {
    NM_ASSIGN_OR_RETURN(json rendered, RenderRow(context, row));
    list.push_back(std::move(rendered));
  }
  return JsonResponse({{"backfills", std::move(list)}, {"total_entries", rows.total}});
}

Result<HttpResponse> PostBackfill(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(const event::CreateBackfill event, ReadBackfill(request));
  const std::string name = NewestOf(context, event.dag_id)->display_name;
  const Instant now = context.now();
  const auto render = [name, now](const command::ReplyBody& reply) {
    const auto& created = std::get<BackfillReply>(reply);
    std::int64_t planned = 0;
    for (const BackfillPreviewRow& row : created.rows) planned += row.verdict == "skip" ? 0 : 1;
    const auto skipped = static_cast<std::int64_t>(created.rows.size()) - planned;
    return JsonResponse(
        ToJson(created.backfill, name,
               BackfillProgress{{{"planned", "", planned}, {"skipped", "", skipped}}, {}, now}));
  };
  return CallOnce(
      context, request, [&event]() -> Result<Event> { return Event(event); },
      {"backfill.create", event.dag_id}, render);
}

Result<HttpResponse> PostBackfillDryRun(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(event::CreateBackfill event, ReadBackfill(request));
  NM_ASSIGN_OR_RETURN(Page page, PageOf(request, limits::kMaxBackfillSlots));
  if (!request.Query("limit")) page.limit = limits::kMaxPageLimit;
  const std::string dag_id = event.dag_id;
  const bool backwards = event.run_backwards;
  event.dry_run = true;
  NM_ASSIGN_OR_RETURN(const command::ReplyBody reply,
                      context.mailbox.Call({std::move(event)}, kCallTimeout));
  const std::vector<BackfillPreviewRow>& rows = std::get<BackfillReply>(reply).rows;
  NM_ASSIGN_OR_RETURN(const json seconds, EstimateOf(context, dag_id));
  bool run_before = false;
  if (!rows.empty()) {
    const Instant first = (backwards ? rows.back() : rows.front()).logical_date;
    NM_ASSIGN_OR_RETURN(run_before, HasRunBefore(context, dag_id, first));
  }
  json counts = {{"create", 0}, {"rerun", 0}, {"skip", 0}};
  json shown = json::array();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    json& count = counts[rows[i].verdict];
    count = count.get<std::int64_t>() + 1;
    if (i < static_cast<std::size_t>(page.offset)) continue;
    if (static_cast<int>(shown.size()) >= page.limit) continue;
    const bool end = backwards ? i + 1 == rows.size() : i == 0;
    const BackfillPreviewRow* before = end ? nullptr : &rows[backwards ? i + 1 : i - 1];
    shown.push_back(PreviewRow(rows[i], before, run_before, seconds));
  }
  return JsonResponse({{"backfills", std::move(shown)},
                       {"total_entries", rows.size()},
                       {"counts", std::move(counts)}});
}

Result<HttpResponse> GetBackfill(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(const BackfillId id, IdOf(request));
  NM_ASSIGN_OR_RETURN(const BackfillRow row, RequireBackfill(context, id));
  NM_ASSIGN_OR_RETURN(const json body, RenderRow(context, row));
  return JsonResponse(body);
}

Result<HttpResponse> GetBackfillSlots(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(const BackfillId id, IdOf(request));
  NM_ASSIGN_OR_RETURN(const Page page, PageOf(request));
  NM_ASSIGN_OR_RETURN(const std::optional<int> from,
                      NumberQuery(request, "seq_gte", 0, limits::kMaxBackfillSlots));
  NM_ASSIGN_OR_RETURN(const std::optional<Cursor> cursor, CursorOf(request, page));
  if (cursor && (cursor->number < 0 || cursor->number >= limits::kMaxBackfillSlots)) {
    return Invalid("cursor is not one of ours");
  }
  NM_RETURN_IF_ERROR(RequireBackfill(context, id));
  const int first = cursor ? static_cast<int>(cursor->number) + 1 : from.value_or(0);
  NM_ASSIGN_OR_RETURN(const Listing<BackfillSlotView> slots,
                      context.queries.BackfillSlots(id, first, page));
  json list = json::array();
  for (const BackfillSlotView& slot : slots.rows) list.push_back(ToJson(slot));
  json body = {{"backfill_dag_runs", std::move(list)}, {"total_entries", slots.total}};
  if (IsFull(slots.rows, page)) {
    body["next_cursor"] = TextOf(Cursor{slots.rows.back().slot.seq, ""});
  }
  return JsonResponse(body);
}

Result<HttpResponse> GetBackfillStrip(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(const BackfillId id, IdOf(request));
  NM_ASSIGN_OR_RETURN(const EventId last, context.queries.LastEvent());
  NM_ASSIGN_OR_RETURN(const BackfillRow row, RequireBackfill(context, id));
  BackfillProgress progress;
  progress.now = context.now();
  NM_ASSIGN_OR_RETURN(progress.ends, context.queries.RecentEnds(id));
  std::string cells;
  std::map<std::pair<std::string, std::string>, std::int64_t> counts;
  for (Page page{limits::kMaxPageLimit, 0};; page.offset += page.limit) {
    NM_ASSIGN_OR_RETURN(const Listing<BackfillSlotView> slots,
                        context.queries.BackfillSlots(id, page.offset, {page.limit, 0}));
    for (const BackfillSlotView& view : slots.rows) {
      const bool made = view.slot.state == "created" || view.slot.state == "done";
      cells += LetterOf(made ? view.run_state : view.slot.state);
      counts[{view.slot.state, made ? view.run_state : ""}] += 1;
    }
    if (static_cast<int>(slots.rows.size()) < page.limit) break;
  }
  for (const auto& [key, count] : counts) {
    progress.counts.push_back({key.first, key.second, count});
  }
  return JsonResponse({{"backfill_id", id.value},
                       {"dag_id", row.dag_id},
                       {"state", ToString(row.state)},
                       {"last_event_id", last.value},
                       {"cells", cells},
                       {"counts", CountsToJson(progress.counts)},
                       {"runs_per_hour", RunsPerHour(progress)},
                       {"eta", EtaToJson(row, progress)}});
}

Result<HttpResponse> PutBackfillPause(ApiContext& context, const HttpRequest& request) {
  return Control(context, request, event::BackfillAction::kPause, "backfill.pause");
}
Result<HttpResponse> PutBackfillUnpause(ApiContext& context, const HttpRequest& request) {
  return Control(context, request, event::BackfillAction::kUnpause, "backfill.unpause");
}
Result<HttpResponse> PutBackfillCancel(ApiContext& context, const HttpRequest& request) {
  return Control(context, request, event::BackfillAction::kCancel, "backfill.cancel");
}

}  // namespace nightmill
