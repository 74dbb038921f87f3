// Data of the home page and its timeline: what needs a look, and today's runs of all DAGs.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "api/handlers/handlers.h"
#include "api/handlers/support.h"
#include "api/json_view.h"
#include "core/base/json.h"
#include "scheduler/daemon/alerts/desk.h"
#include "scheduler/engine/engine.h"

namespace nightmill {
namespace {

using nlohmann::json;

constexpr int kMaxAttention = 100;
constexpr int kMaxDead = 20;
constexpr int kMaxRunsOfLane = 200;
constexpr int kMaxRunsOfTimeline = 20'000;
constexpr Duration kLateAfter{10 * 60 * 1'000};
constexpr std::chrono::hours kMaxRange{31 * 24};

json Chip(const char* name, const char* status, std::string text) {
  return {{"name", name}, {"status", status}, {"text", std::move(text)}};
}

// What the engine tells of itself, between two steps.
struct Pulse {
  bool answers = false;
  std::size_t runs = 0;
  std::size_t attempts = 0;
  std::vector<Engine::WorkerUse> workers;
  std::vector<SlaStanding> slas;
};
Pulse PulseOf(ApiContext& context) {
  Pulse pulse;
  const Status looked = context.mailbox.Look([&pulse](const Engine& engine, Instant now) {
    pulse.runs = engine.live_runs();
    pulse.attempts = engine.open_attempts();
    pulse.workers = engine.Workers();
    pulse.slas = engine.Slas("", now);
  });
  pulse.answers = looked.ok();
  return pulse;
}

json HealthOf(const Pulse& pulse, std::int64_t pending, std::int64_t dead) {
  json chips = json::array();
  chips.push_back(Chip("scheduler", pulse.answers ? "ok" : "failed",
                       fmt::format("{} runs live, {} attempts open", pulse.runs, pulse.attempts)));
  chips.push_back(Chip("database", "ok", "answers"));
  std::size_t connected = 0;
  int slots = 0;
  for (const Engine::WorkerUse& worker : pulse.workers) {
    connected += worker.connected ? 1 : 0;
    slots += worker.connected ? worker.places : 0;
  }
  const bool all = connected == pulse.workers.size() && connected > 0;
  chips.push_back(
      Chip("workers",
           all             ? "ok"
           : connected > 0 ? "warning"
                           : "failed",
           fmt::format("{} of {} connected, {} slots", connected, pulse.workers.size(), slots)));
  chips.push_back(Chip("outbox", dead > 0 ? "warning" : "ok",
                       fmt::format("{} pending, {} dead", pending, dead)));
  return chips;
}

json Item(const char* kind, const DagRunRow& run, Instant since, std::string message) {
  return {{"kind", kind},
          {"dag_id", run.dag_id},
          {"dag_run_id", run.run_id},
          {"task_id", nullptr},
          {"map_index", nullptr},
          {"name", nullptr},
          {"since", FormatInstant(since)},
          {"until", nullptr},
          {"message", std::move(message)}};
}

enum class Standing { kMet, kAtRisk, kMissed };
Standing Judge(const SlaStanding& sla) {
  const bool counts = sla.row.has_value() && !sla.suppressed;
  if (counts && sla.row->state == SlaState::kWarned) return Standing::kAtRisk;
  return counts && sla.row->state == SlaState::kMissed ? Standing::kMissed : Standing::kMet;
}

void AddSlas(const std::vector<SlaStanding>& slas, json& items) {
  for (const SlaStanding& sla : slas) {
    const Standing standing = Judge(sla);
    if (standing == Standing::kMet) continue;
    const SlaRow& row = *sla.row;
    const bool missed = standing == Standing::kMissed;
    const std::optional<Instant>& since = missed ? row.missed_at : row.warned_at;
    items.push_back({{"kind", missed ? "sla_missed" : "sla_at_risk"},
                     {"dag_id", row.dag_id},
                     {"dag_run_id", TextOrNull(sla.run_id)},
                     {"task_id", TextOrNull(row.task_id)},
                     {"map_index", nullptr},
                     {"name", row.name},
                     {"since", FormatInstant(since.value_or(*row.due_at))},
                     {"until", missed ? json() : JsonOf(row.due_at)},
                     {"message", fmt::format("{} of {} {} {}", row.name, row.dag_id,
                                             missed ? "was due" : "is due",
                                             FormatInstant(*row.due_at))}});
  }
}

json AlertItem(const char* kind, const std::string& name, Instant since, std::string message) {
  return {{"kind", kind},
          {"dag_id", nullptr},
          {"dag_run_id", nullptr},
          {"task_id", nullptr},
          {"map_index", nullptr},
          {"name", name},
          {"since", FormatInstant(since)},
          {"until", nullptr},
          {"message", std::move(message)}};
}

// The next step with a delivery that was given up.
std::string NextStep(const std::vector<NotifierView>& notifiers, const DeliveryView& view) {
  const std::string& name = view.delivery.notifier;
  const auto it = std::find_if(notifiers.begin(), notifiers.end(),
                               [&name](const NotifierView& one) { return one.rule.name == name; });
  const std::string redeliver =
      fmt::format("nightmill alert redeliver {} sends it again", DeliveryId(view.alert, name));
  if (it == notifiers.end()) return "put that notifier back first, then " + redeliver;
  if (!it->disabled_reason.empty()) return "turn that notifier on first, then " + redeliver;
  return redeliver;
}

// Notifiers that are off, then messages that were given up, the newest first. Returns how many
// there are, also beyond those listed.
Result<std::int64_t> AddAlerts(ApiContext& context, json& items) {
  const std::vector<NotifierView> notifiers = context.alerts->Notifiers();
  std::int64_t total = 0;
  for (const NotifierView& notifier : notifiers) {
    if (notifier.disabled_reason.empty()) continue;
    const std::string& name = notifier.rule.name;
    NM_ASSIGN_OR_RETURN(const std::optional<AlertRow> off,
                        context.queries.LastAlert(DisabledKey(name)));
    total += 1;
    items.push_back(
        AlertItem("notifier_disabled", name, off ? off->at : context.now(),
                  fmt::format("{} is off: {}; nightmill alert test {} turns it on again", name,
                              notifier.disabled_reason, name)));
  }
  DeliveryFilter filter;
  filter.states = {DeliveryState::kDead};
  filter.page.limit = kMaxDead;
  NM_ASSIGN_OR_RETURN(const Listing<DeliveryView> dead, context.queries.Deliveries(filter));
  for (const DeliveryView& view : dead.rows) {
    const DeliveryRow& row = view.delivery;
    json item = AlertItem("delivery_dead", DeliveryId(view.alert, row.notifier),
                          row.ended_at.value_or(view.alert.at),
                          fmt::format("{} did not reach {}: {}; {}", ToString(view.alert.type),
                                      row.notifier, row.last_error, NextStep(notifiers, view)));
    item["dag_id"] = TextOrNull(view.alert.dag_id);
    item["dag_run_id"] = TextOrNull(view.run_id);
    item["task_id"] = TextOrNull(view.alert.task_id);
    items.push_back(std::move(item));
  }
  return total + dead.total;
}

json CountSlas(const std::vector<SlaStanding>& slas) {
  const auto count = [&slas](Standing standing) {
    return std::count_if(slas.begin(), slas.end(),
                         [standing](const SlaStanding& sla) { return Judge(sla) == standing; });
  };
  return {{"met", count(Standing::kMet)},
          {"at_risk", count(Standing::kAtRisk)},
          {"missed", count(Standing::kMissed)}};
}

// DAGs whose newest run failed, runs that wait long after their time, deadlines in danger.
Result<json> AttentionOf(ApiContext& context, const std::vector<DagRunCounts>& counts,
                         const std::vector<SlaStanding>& slas) {
  json items = json::array();
  for (const DagRunCounts& one : counts) {
    if (one.counts[static_cast<std::size_t>(RunState::kFailed)] == 0) continue;
    NM_ASSIGN_OR_RETURN(const std::optional<DagRunRow> run, context.queries.NewestRun(one.dag_id));
    if (!run || run->state != RunState::kFailed) continue;
    const std::string why(ToString(run->reason));
    items.push_back(Item("run_failed", *run, run->ended_at.value_or(run->queued_at),
                         fmt::format("the newest run of {} failed: {}", one.dag_id, why)));
  }
  RunFilter waiting;
  waiting.states = {RunState::kQueued};
  waiting.run_after.to = context.now() - kLateAfter;
  waiting.order = RunOrder::kRunAfter;
  waiting.descending = false;
  waiting.page.limit = kMaxAttention;
  NM_ASSIGN_OR_RETURN(const Listing<DagRunRow> late, context.queries.Runs(waiting));
  for (const DagRunRow& run : late.rows) {
    if (run.backfill.valid()) continue;
    items.push_back(Item("run_late", run, run.run_after,
                         fmt::format("a run of {} has not started", run.dag_id)));
  }
  AddSlas(slas, items);
  return items;
}

std::int64_t At(const RunCounts& counts, RunState state) {
  return counts[static_cast<std::size_t>(state)];
}

Result<json> CountsOf(ApiContext& context, const std::vector<DagRunCounts>& runs,
                      std::int64_t pending, std::int64_t dead) {
  DagFilter all;
  all.page.limit = 1;
  DagFilter paused = all;
  paused.paused = true;
  NM_ASSIGN_OR_RETURN(const Listing<DagView> dags, context.queries.Dags(all));
  NM_ASSIGN_OR_RETURN(const Listing<DagView> held, context.queries.Dags(paused));
  NM_ASSIGN_OR_RETURN(const std::int64_t broken, CountImportErrors(context));
  json by_run = json::object();
  for (const RunState state :
       {RunState::kQueued, RunState::kRunning, RunState::kSuccess, RunState::kFailed}) {
    std::int64_t total = 0;
    for (const DagRunCounts& one : runs) total += At(one.counts, state);
    by_run[std::string(ToString(state))] = total;
  }
  json by_task = {{"scheduled", 0},  {"queued", 0},       {"running", 0},
                  {"restarting", 0}, {"up_for_retry", 0}, {"deferred", 0}};
  NM_ASSIGN_OR_RETURN(const std::vector<LiveTaskCount> live, context.queries.LiveTaskCounts());
  for (const LiveTaskCount& one : live) {
    json& count = by_task[std::string(ToString(one.state))];
    count = (count.is_number() ? count.get<std::int64_t>() : 0) + one.count;
  }
  json backfills = json::object();
  for (const BackfillState state : {BackfillState::kActive, BackfillState::kPaused}) {
    BackfillFilter filter;
    filter.states = {state};
    filter.page.limit = 1;
    NM_ASSIGN_OR_RETURN(const Listing<BackfillRow> some, context.queries.Backfills(filter));
    backfills[std::string(ToString(state))] = some.total;
  }
  return json{{"dags", {{"total", dags.total}, {"paused", held.total}, {"import_errors", broken}}},
              {"runs", std::move(by_run)},
              {"task_instances", std::move(by_task)},
              {"deliveries", {{"pending", pending}, {"dead", dead}}},
              {"backfills", std::move(backfills)}};
}

Result<std::int64_t> DeliveriesIn(ApiContext& context, DeliveryState state) {
  DeliveryFilter filter;
  filter.states = {state};
  filter.page.limit = 1;
  NM_ASSIGN_OR_RETURN(const Listing<DeliveryView> some, context.queries.Deliveries(filter));
  return some.total;
}

struct Range {
  Instant from;
  Instant to;
};
Result<Range> RangeOf(const ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(const std::optional<Instant> from, InstantQuery(request, "from"));
  NM_ASSIGN_OR_RETURN(const std::optional<Instant> to, InstantQuery(request, "to"));
  Range range;
  range.from = from.value_or(std::chrono::floor<std::chrono::days>(context.now()));
  range.to = to.value_or(range.from + std::chrono::hours(24));
  if (range.to <= range.from || range.to - range.from > kMaxRange) {
    return Invalid("to is not after from, or more than 31 days after it");
  }
  return range;
}

json BarOf(const DagRunRow& run, const std::optional<Duration>& usual) {
  std::optional<Instant> expected;
  if (usual && !IsFinished(run.state)) expected = run.started_at.value_or(run.run_after) + *usual;
  return {{"dag_run_id", run.run_id},
          {"state", ToString(run.state)},
          {"run_type", ToString(run.type)},
          {"logical_date", JsonOf(run.logical_date)},
          {"run_after", FormatInstant(run.run_after)},
          {"start_date", JsonOf(run.started_at)},
          {"end_date", JsonOf(run.ended_at)},
          {"expected_end", JsonOf(expected)}};
}

// Slots of the schedule within the range that have no run yet.
void AddExpected(const DagView& view, const Dag& dag, const Range& range,
                 const std::optional<Duration>& usual, json& bars) {
  if (view.dag.paused || dag.timetable == nullptr) return;
  Instant after = view.dag.last_tick.value_or(view.dag.first_accepted_at);
  while (static_cast<int>(bars.size()) < kMaxRunsOfLane) {
    const std::optional<Slot> slot = dag.timetable->NextSlot(after);
    if (!slot || slot->run_after >= range.to) return;
    after = slot->tick;
    if (slot->run_after < range.from) continue;
    std::optional<Instant> end;
    if (usual) end = slot->run_after + *usual;
    bars.push_back({{"dag_run_id", nullptr},
                    {"state", "expected"},
                    {"run_type", "scheduled"},
                    {"logical_date", FormatInstant(slot->logical_date())},
                    {"run_after", FormatInstant(slot->run_after)},
                    {"start_date", nullptr},
                    {"end_date", nullptr},
                    {"expected_end", JsonOf(end)}});
  }
}

Result<std::map<std::string, std::vector<DagRunRow>>> RunsWithin(ApiContext& context,
                                                                 const Range& range) {
  std::map<std::string, std::vector<DagRunRow>> by_dag;
  RunFilter filter;
  filter.run_after = {range.from, range.to};
  filter.order = RunOrder::kRunAfter;
  filter.descending = false;
  filter.page.limit = limits::kMaxPageLimit;
  for (; filter.page.offset < kMaxRunsOfTimeline; filter.page.offset += limits::kMaxPageLimit) {
    NM_ASSIGN_OR_RETURN(Listing<DagRunRow> runs, context.queries.Runs(filter));
    for (DagRunRow& run : runs.rows) by_dag[run.dag_id].push_back(std::move(run));
    if (static_cast<int>(runs.rows.size()) < limits::kMaxPageLimit) break;
  }
  return by_dag;
}

Result<std::optional<Duration>> UsualOf(ApiContext& context, const std::string& dag_id) {
  NM_ASSIGN_OR_RETURN(std::vector<Duration> last, context.queries.RecentRunDurations(dag_id));
  if (last.size() < 3) return std::optional<Duration>{};
  const auto middle = last.begin() + static_cast<std::ptrdiff_t>(last.size() / 2);
  std::nth_element(last.begin(), middle, last.end());
  return std::optional<Duration>{*middle};
}

}  // namespace

Result<HttpResponse> GetHome(ApiContext& context, const HttpRequest&) {
  NM_ASSIGN_OR_RETURN(const EventId last, context.queries.LastEvent());
  NM_ASSIGN_OR_RETURN(const std::vector<DagRunCounts> runs, context.queries.RunCountsByDag());
  NM_ASSIGN_OR_RETURN(const std::int64_t pending, DeliveriesIn(context, DeliveryState::kPending));
  NM_ASSIGN_OR_RETURN(const std::int64_t dead, DeliveriesIn(context, DeliveryState::kDead));
  const Pulse pulse = PulseOf(context);
  NM_ASSIGN_OR_RETURN(json attention, AttentionOf(context, runs, pulse.slas));
  NM_ASSIGN_OR_RETURN(json counts, CountsOf(context, runs, pending, dead));
  counts["slas"] = CountSlas(pulse.slas);
  const auto others = static_cast<std::int64_t>(attention.size());
  NM_ASSIGN_OR_RETURN(const std::int64_t alerts, AddAlerts(context, attention));
  while (attention.size() > kMaxAttention) attention.erase(attention.size() - 1);
  return JsonResponse({{"time", FormatInstant(context.now())},
                       {"last_event_id", last.value},
                       {"health", HealthOf(pulse, pending, dead)},
                       {"counts", std::move(counts)},
                       {"attention", std::move(attention)},
                       {"attention_total", others + alerts}});
}

Result<HttpResponse> GetTimeline(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(const Page page, PageOf(request));
  NM_ASSIGN_OR_RETURN(const Range range, RangeOf(context, request));
  NM_ASSIGN_OR_RETURN(const EventId last, context.queries.LastEvent());
  NM_ASSIGN_OR_RETURN(const auto runs, RunsWithin(context, range));
  json lanes = json::array();
  std::int64_t total = 0;
  DagFilter filter;
  filter.page.limit = limits::kMaxPageLimit;
  while (true) {
    NM_ASSIGN_OR_RETURN(const Listing<DagView> dags, context.queries.Dags(filter));
    for (const DagView& view : dags.rows) {
      const std::string& dag_id = view.dag.dag_id;
      const auto known = VersionOf(context, dag_id, view.dag.version);
      NM_ASSIGN_OR_RETURN(const std::optional<Duration> usual, UsualOf(context, dag_id));
      json bars = json::array();
      std::size_t more = 0;
      if (const auto it = runs.find(dag_id); it != runs.end()) {
        const std::size_t shown = std::min<std::size_t>(it->second.size(), kMaxRunsOfLane);
        more = it->second.size() - shown;
        for (std::size_t i = 0; i < shown; ++i) bars.push_back(BarOf(it->second[i], usual));
      }
      if (known->dag != nullptr) AddExpected(view, *known->dag, range, usual, bars);
      if (bars.empty()) continue;
      total += 1;
      if (total <= page.offset || static_cast<int>(lanes.size()) >= page.limit) continue;
      lanes.push_back({{"dag_id", dag_id},
                       {"dag_display_name", known->display_name},
                       {"is_paused", view.dag.paused},
                       {"runs", std::move(bars)},
                       {"more", more}});
    }
    filter.page.offset += limits::kMaxPageLimit;
    if (static_cast<int>(dags.rows.size()) < limits::kMaxPageLimit) break;
  }
  return JsonResponse({{"time", FormatInstant(context.now())},
                       {"last_event_id", last.value},
                       {"from", FormatInstant(range.from)},
                       {"to", FormatInstant(range.to)},
                       {"lanes", std::move(lanes)},
                       {"total_entries", total}});
}

}  // namespace nightmill
