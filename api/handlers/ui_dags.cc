// Data of the pages of DAGs: cards, grid, graph.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>

#include "api/handlers/handlers.h"
#include "api/handlers/support.h"
#include "api/json_view.h"
#include "core/base/json.h"

namespace nightmill {
namespace {

using nlohmann::json;

constexpr int kBars = 14;
constexpr int kNow = 3;
constexpr int kDefaultRuns = 100;

// Letters of cells, the first of which that one of its instances has stands for a mapped task.
constexpr std::pair<TaskState, char> kLetters[] = {
    {TaskState::kFailed, 'F'},     {TaskState::kUpstreamFailed, 'U'}, {TaskState::kUpForRetry, 'Y'},
    {TaskState::kRestarting, 'T'}, {TaskState::kRunning, 'R'},        {TaskState::kQueued, 'Q'},
    {TaskState::kScheduled, 'C'},  {TaskState::kDeferred, 'D'},       {TaskState::kNone, 'N'},
    {TaskState::kSuccess, 'S'},    {TaskState::kSkipped, 'K'},        {TaskState::kRemoved, 'X'}};

std::size_t RankOf(TaskState state) {
  for (std::size_t i = 0; i < std::size(kLetters); ++i) {
    if (kLetters[i].first == state) return i;
  }
  return std::size(kLetters) - 1;
}

std::optional<Instant> NextRun(const DagView& view, const Dag* dag) {
  if (dag == nullptr || dag->timetable == nullptr || view.dag.paused) return std::nullopt;
  const std::optional<Slot> slot =
      dag->timetable->NextSlot(view.dag.last_tick.value_or(view.dag.first_accepted_at));
  return slot ? std::optional<Instant>(slot->run_after) : std::nullopt;
}

Result<json> BarsOf(ApiContext& context, const std::string& dag_id) {
  RunFilter filter;
  filter.dag_id = dag_id;
  filter.page.limit = kBars;
  NM_ASSIGN_OR_RETURN(const Listing<DagRunRow> runs, context.queries.Runs(filter));
  json bars = json::array();
  for (auto run = runs.rows.rbegin(); run != runs.rows.rend(); ++run) {
    bars.push_back({{"dag_run_id", run->run_id},
                    {"state", ToString(run->state)},
                    {"run_type", ToString(run->type)},
                    {"run_after", FormatInstant(run->run_after)},
                    {"start_date", JsonOf(run->started_at)},
                    {"duration", SecondsBetween(run->started_at, run->ended_at)}});
  }
  return bars;
}

Result<json> NowOf(ApiContext& context, const std::string& dag_id) {
  TaskFilter filter;
  filter.dag_id = dag_id;
  filter.states = {TaskState::kRunning};
  filter.order = TaskOrder::kStartedAt;
  filter.page.limit = kNow;
  NM_ASSIGN_OR_RETURN(const Listing<TaskView> tasks, context.queries.Tasks(filter));
  json now = json::array();
  for (const TaskView& view : tasks.rows) {
    now.push_back({{"dag_run_id", view.run_id},
                   {"task_id", view.task.task_id},
                   {"map_index", view.task.map_index},
                   {"start_date", JsonOf(view.task.started_at)}});
  }
  return now;
}

// All DAGs that the filters of the request choose, by name.
Result<std::vector<DagView>> EveryDag(ApiContext& context, const HttpRequest& request) {
  HttpRequest all = request;
  std::erase_if(all.query, [](const auto& one) {
    return one.first == "limit" || one.first == "offset" || one.first == "order_by";
  });
  all.query.emplace_back("limit", std::to_string(limits::kMaxPageLimit));
  all.query.emplace_back("offset", "0");
  std::vector<DagView> dags;
  while (true) {
    all.query.back().second = std::to_string(dags.size());
    NM_ASSIGN_OR_RETURN(Listing<DagView> some, SelectDags(context, all));
    std::move(some.rows.begin(), some.rows.end(), std::back_inserter(dags));
    if (static_cast<int>(some.rows.size()) < limits::kMaxPageLimit) return dags;
  }
}

Result<json> CardOf(ApiContext& context, const DagView& view) {
  const std::string& dag_id = view.dag.dag_id;
  const auto known = VersionOf(context, dag_id, view.dag.version);
  const Dag* dag = known->dag.get();
  NM_ASSIGN_OR_RETURN(const RunCounts counts, context.queries.RunCountsOf(dag_id));
  const std::int64_t active = counts[static_cast<std::size_t>(RunState::kQueued)] +
                              counts[static_cast<std::size_t>(RunState::kRunning)];
  NM_ASSIGN_OR_RETURN(json bars, BarsOf(context, dag_id));
  json now = json::array();
  if (active > 0) {
    NM_ASSIGN_OR_RETURN(now, NowOf(context, dag_id));
  }
  const bool scheduled = dag != nullptr && dag->schedule.has_value();
  return json{{"dag_id", dag_id},
              {"dag_display_name", known->display_name},
              {"is_paused", view.dag.paused},
              {"has_import_errors", dag == nullptr},
              {"schedule", scheduled ? json(dag->schedule->text) : json(nullptr)},
              {"timezone", scheduled ? json(dag->schedule->timezone) : json(nullptr)},
              {"owners", dag == nullptr ? json::array() : json(dag->owners)},
              {"tags", dag == nullptr ? json::array() : json(dag->tags)},
              {"next_run_after", JsonOf(NextRun(view, dag))},
              {"active_runs", active},
              {"bars", std::move(bars)},
              {"now", std::move(now)},
              {"worst_sla", nullptr}};
}

json GridTasks(const Dag& dag) {
  json tasks = json::array();
  for (const Task& task : dag.tasks) {
    tasks.push_back({{"task_id", task.id},
                     {"task_display_name", task.display_name.empty() ? task.id : task.display_name},
                     {"type", task.type},
                     {"group_id", nullptr},
                     {"is_mapped", task.map.has_value()}});
  }
  return tasks;
}

json GridRun(const DagRunRow& run) {
  const auto edge = [&run](Instant DataInterval::*end) {
    return run.interval ? json(FormatInstant((*run.interval).*end)) : json(nullptr);
  };
  return {{"dag_run_id", run.run_id},
          {"state", ToString(run.state)},
          {"run_type", ToString(run.type)},
          {"logical_date", JsonOf(run.logical_date)},
          {"data_interval_start", edge(&DataInterval::start)},
          {"data_interval_end", edge(&DataInterval::end)},
          {"run_after", FormatInstant(run.run_after)},
          {"start_date", JsonOf(run.started_at)},
          {"end_date", JsonOf(run.ended_at)},
          {"version_number", run.version > 0 ? json(run.version) : json(nullptr)},
          {"has_note", !run.note.empty()}};
}

// A text per run with a letter per task.
Result<json> CellsOf(ApiContext& context, const Dag& dag, const std::vector<DagRunRow>& runs) {
  json cells = json::array();
  if (runs.empty()) return cells;
  const auto [first, last] =
      std::minmax_element(runs.begin(), runs.end(),
                          [](const DagRunRow& a, const DagRunRow& b) { return a.run < b.run; });
  NM_ASSIGN_OR_RETURN(const std::vector<TaskCell> found,
                      context.queries.TaskCells(dag.dag_id, first->run, last->run));
  constexpr std::size_t kAbsent = std::size(kLetters);
  std::map<RunKey, std::vector<std::size_t>> ranks;
  for (const TaskCell& cell : found) {
    const int task = dag.Find(cell.task_id);
    if (task < 0) continue;
    auto& row = ranks[cell.run];
    row.resize(dag.tasks.size(), kAbsent);
    std::size_t& rank = row[static_cast<std::size_t>(task)];
    rank = std::min(rank, RankOf(cell.state));
  }
  for (const DagRunRow& run : runs) {
    std::string text(dag.tasks.size(), run.version == 0 ? 'N' : '.');
    if (const auto it = ranks.find(run.run); it != ranks.end()) {
      for (std::size_t i = 0; i < text.size(); ++i) {
        if (it->second[i] < kAbsent) text[i] = kLetters[it->second[i]].second;
      }
    }
    cells.push_back(std::move(text));
  }
  return cells;
}

// What a graph tells of each task in one run.
struct NodeState {
  std::size_t rank = std::size(kLetters);
  std::map<std::string, std::int64_t> counts;
  std::optional<Instant> started_at;
  std::optional<Instant> ended_at;
  bool unfinished = false;
};

Result<std::map<std::string, NodeState>> StatesOf(ApiContext& context, const DagRunRow& run) {
  std::map<std::string, NodeState> states;
  TaskFilter filter;
  filter.run = run.run;
  filter.page.limit = limits::kMaxPageLimit;
  while (true) {
    NM_ASSIGN_OR_RETURN(const Listing<TaskView> tasks, context.queries.Tasks(filter));
    for (const TaskView& view : tasks.rows) {
      const TaskInstanceRow& row = view.task;
      NodeState& node = states[row.task_id];
      node.rank = std::min(node.rank, RankOf(row.state));
      if (row.state != TaskState::kRemoved) node.counts[std::string(ToString(row.state))] += 1;
      if (row.started_at && (!node.started_at || *row.started_at < *node.started_at)) {
        node.started_at = row.started_at;
      }
      if (row.ended_at && (!node.ended_at || *row.ended_at > *node.ended_at)) {
        node.ended_at = row.ended_at;
      }
      node.unfinished = node.unfinished || !IsFinished(row.state);
    }
    if (static_cast<int>(tasks.rows.size()) < filter.page.limit) return states;
    const TaskInstanceRow& last = tasks.rows.back().task;
    filter.beyond = TaskFilter::Place{last.task_id, last.map_index};
  }
}

json NodeOf(const Task& task, const NodeState* at) {
  json node = {{"task_id", task.id},
               {"task_display_name", task.display_name.empty() ? task.id : task.display_name},
               {"type", task.type},
               {"group_id", nullptr},
               {"trigger_rule", ToString(task.trigger_rule)},
               {"is_mapped", task.map.has_value()},
               {"state", nullptr},
               {"counts", nullptr},
               {"start_date", nullptr},
               {"end_date", nullptr}};
  if (at == nullptr) return node;
  if (at->rank < std::size(kLetters) && kLetters[at->rank].first != TaskState::kNone) {
    node["state"] = ToString(kLetters[at->rank].first);
  }
  if (task.map) node["counts"] = at->counts;
  node["start_date"] = JsonOf(at->started_at);
  if (!at->unfinished) node["end_date"] = JsonOf(at->ended_at);
  return node;
}

json EdgesOf(const Dag& dag) {
  json edges = json::array();
  for (std::size_t i = 0; i < dag.tasks.size(); ++i) {
    const Task& task = dag.tasks[i];
    for (const int parent : dag.upstream[i]) {
      const std::string& from = dag.tasks[static_cast<std::size_t>(parent)].id;
      const bool written =
          std::find(task.depends_on.begin(), task.depends_on.end(), from) != task.depends_on.end();
      edges.push_back({{"from", from}, {"to", task.id}, {"kind", written ? "depends" : "output"}});
    }
  }
  return edges;
}

}  // namespace

Result<HttpResponse> GetDagCards(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(const EventId last, context.queries.LastEvent());
  static constexpr std::string_view kOrders[] = {"dag_id", "next_run_after"};
  NM_ASSIGN_OR_RETURN(const std::optional<OrderBy> order, OrderOf(request, kOrders));
  NM_ASSIGN_OR_RETURN(const Page page, PageOf(request));
  std::optional<RunState> newest;
  if (const auto word = request.Query("last_dag_run_state")) {
    newest = ParseRunState(*word);
    if (!newest) return UnknownWord("last_dag_run_state", *word);
  }
  // The page's own order and state are not known to the database: all that fit, then a page.
  NM_ASSIGN_OR_RETURN(std::vector<DagView> dags, EveryDag(context, request));
  if (newest) {
    std::vector<DagView> kept;
    for (DagView& view : dags) {
      NM_ASSIGN_OR_RETURN(const std::optional<DagRunRow> run,
                          context.queries.NewestRun(view.dag.dag_id));
      if (run && run->state == *newest) kept.push_back(std::move(view));
    }
    dags = std::move(kept);
  }
  if (order && order->word == 1) {
    const auto key = [&context](const DagView& view) {
      const auto known = VersionOf(context, view.dag.dag_id, view.dag.version);
      return NextRun(view, known->dag.get()).value_or(Instant::max());
    };
    std::stable_sort(dags.begin(), dags.end(),
                     [&key](const DagView& a, const DagView& b) { return key(a) < key(b); });
  }
  if (order && order->descending) std::reverse(dags.begin(), dags.end());
  json cards = json::array();
  for (std::size_t i = static_cast<std::size_t>(page.offset);
       i < dags.size() && static_cast<int>(cards.size()) < page.limit; ++i) {
    NM_ASSIGN_OR_RETURN(json card, CardOf(context, dags[i]));
    cards.push_back(std::move(card));
  }
  return JsonResponse({{"dags", std::move(cards)},
                       {"total_entries", dags.size()},
                       {"last_event_id", last.value}});
}

Result<HttpResponse> GetGrid(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(const EventId last, context.queries.LastEvent());
  NM_ASSIGN_OR_RETURN(const DagView view, RequireDag(context, request.Param("dag_id")));
  const auto known = VersionOf(context, view.dag.dag_id, view.dag.version);
  RunFilter filter;
  filter.dag_id = view.dag.dag_id;
  NM_ASSIGN_OR_RETURN(const std::optional<int> limit,
                      NumberQuery(request, "limit", 1, limits::kMaxPageLimit));
  filter.page.limit = limit.value_or(kDefaultRuns);
  NM_ASSIGN_OR_RETURN(filter.states, WordsQuery(request, "state", ParseRunState));
  NM_ASSIGN_OR_RETURN(filter.types, WordsQuery(request, "run_type", ParseRunType));
  NM_ASSIGN_OR_RETURN(const std::optional<Cursor> cursor, CursorOf(request, filter.page));
  if (cursor) filter.beyond = RunKey(cursor->number);
  NM_ASSIGN_OR_RETURN(const Listing<DagRunRow> runs, context.queries.Runs(filter));
  json columns = json::array();
  for (const DagRunRow& run : runs.rows) columns.push_back(GridRun(run));
  json cells = json::array();
  if (known->dag != nullptr) {
    NM_ASSIGN_OR_RETURN(cells, CellsOf(context, *known->dag, runs.rows));
  } else {
    for (std::size_t i = 0; i < runs.rows.size(); ++i) cells.push_back("");
  }
  json next = nullptr;
  if (IsFull(runs.rows, filter.page)) next = TextOf(Cursor{runs.rows.back().run.value, ""});
  return JsonResponse({{"dag_id", view.dag.dag_id},
                       {"version_number", view.dag.version},
                       {"last_event_id", last.value},
                       {"tasks", known->dag == nullptr ? json::array() : GridTasks(*known->dag)},
                       {"groups", json::array()},
                       {"runs", std::move(columns)},
                       {"cells", std::move(cells)},
                       {"next_cursor", std::move(next)}});
}

Result<HttpResponse> GetGraph(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(const EventId last, context.queries.LastEvent());
  NM_ASSIGN_OR_RETURN(const DagView view, RequireDag(context, request.Param("dag_id")));
  NM_ASSIGN_OR_RETURN(const std::optional<int> wanted,
                      NumberQuery(request, "version_number", 1, 1'000'000'000));
  const std::optional<std::string> run_id = request.Query("dag_run_id");
  if (wanted && run_id) return Invalid("dag_run_id and version_number exclude each other");
  int version = wanted.value_or(view.dag.version);
  if (wanted) NM_RETURN_IF_ERROR(RequireVersion(context, view.dag.dag_id, version));
  std::map<std::string, NodeState> states;
  json shown = nullptr;
  if (run_id) {
    NM_ASSIGN_OR_RETURN(const DagRunRow run, RequireRun(context, view.dag.dag_id, *run_id));
    if (run.version > 0) version = run.version;
    shown = run.run_id;
    NM_ASSIGN_OR_RETURN(states, StatesOf(context, run));
  }
  const auto known = VersionOf(context, view.dag.dag_id, version);
  json nodes = json::array();
  if (known->dag != nullptr) {
    for (const Task& task : known->dag->tasks) {
      const auto it = states.find(task.id);
      nodes.push_back(NodeOf(task, it == states.end() ? nullptr : &it->second));
    }
  }
  return JsonResponse({{"dag_id", view.dag.dag_id},
                       {"version_number", version},
                       {"dag_run_id", std::move(shown)},
                       {"last_event_id", last.value},
                       {"nodes", std::move(nodes)},
                       {"edges", known->dag == nullptr ? json::array() : EdgesOf(*known->dag)},
                       {"groups", json::array()}});
}

}  // namespace nightmill
