// The read side of runs, task instances and attempts.
#include <algorithm>
#include <array>
#include <cstddef>
#include <string>

#include "core/base/check.h"
#include "store/queries.h"
#include "store/query_support.h"
#include "store/row_codec.h"
#include "store/sqlite.h"

namespace nightmill {

#define NM_TASK_VIEW_COLUMNS \
  NM_TASK_INSTANCE_COLUMNS("t.") ", r.dag_id, r.run_id, r.logical_date, r.run_after, r.version"

#define NM_LIVE_TASK_STATES \
  "('scheduled', 'queued', 'running', 'restarting', 'deferred', 'up_for_retry')"

namespace {

constexpr int kRunStates = 4;
constexpr int kRunTypes = 4;

// Run lists. A scope decides which index leads; the other filters are checked row by row.
#define NM_RUNS_ALL "?1 IS NULL"
#define NM_RUNS_OF_DAG "dag_id = ?1"
#define NM_RUNS_LIVE "state IN ('queued', 'running') AND (?1 IS NULL OR dag_id = ?1)"
#define NM_RUN_FILTERS                                                                 \
  " AND (?2 IS NULL OR state IN (?2, ?3, ?4, ?5))"                                     \
  " AND (?6 IS NULL OR run_type IN (?6, ?7, ?8, ?9))"                                  \
  " AND (?10 IS NULL OR run_id LIKE ?10) AND (?11 IS NULL OR backfill = ?11)"          \
  " AND (?12 IS NULL OR logical_date >= ?12) AND (?13 IS NULL OR logical_date <= ?13)" \
  " AND (?14 IS NULL OR run_after >= ?14) AND (?15 IS NULL OR run_after <= ?15)"       \
  " AND (?16 IS NULL OR started_at >= ?16) AND (?17 IS NULL OR started_at <= ?17)"     \
  " AND (?18 IS NULL OR ended_at >= ?18) AND (?19 IS NULL OR ended_at <= ?19)"
// Where a cursor begins; without one the bounds hold for all rows, and an index is used either way.
#define NM_RUNS_BEYOND " AND run < ifnull(?20, 9223372036854775807) AND run > ifnull(?21, 0)"
#define NM_RUNS_SELECT(scope, order)                                                          \
  "SELECT " NM_DAG_RUN_COLUMNS("") " FROM dag_run WHERE " scope NM_RUN_FILTERS NM_RUNS_BEYOND \
                                   " ORDER BY " order " LIMIT ?22 OFFSET ?23"
#define NM_RUNS_BY(scope, column)                                                                  \
  Ordered {                                                                                        \
    NM_RUNS_SELECT(scope, column " ASC, run ASC"), NM_RUNS_SELECT(scope, column " DESC, run DESC") \
  }
#define NM_RUN_LIST(scope)                                                                \
  {{Ordered{NM_RUNS_SELECT(scope, "run ASC"), NM_RUNS_SELECT(scope, "run DESC")},         \
    NM_RUNS_BY(scope, "dag_id"), NM_RUNS_BY(scope, "run_id"), NM_RUNS_BY(scope, "state"), \
    NM_RUNS_BY(scope, "run_type"), NM_RUNS_BY(scope, "logical_date"),                     \
    NM_RUNS_BY(scope, "run_after"), NM_RUNS_BY(scope, "queued_at"),                       \
    NM_RUNS_BY(scope, "started_at"), NM_RUNS_BY(scope, "ended_at")}},                     \
      "SELECT count(*) FROM dag_run WHERE " scope NM_RUN_FILTERS

struct RunListSql {
  std::array<Ordered, 10> by;  // index: RunOrder
  std::string_view total;
};
constexpr RunListSql kAllRuns = {NM_RUN_LIST(NM_RUNS_ALL)};
constexpr RunListSql kRunsOfDag = {NM_RUN_LIST(NM_RUNS_OF_DAG)};
constexpr RunListSql kLiveRuns = {NM_RUN_LIST(NM_RUNS_LIVE)};
static_assert(kAllRuns.by.size() == static_cast<std::size_t>(RunOrder::kEndedAt) + 1);

// The usual question, by state alone, is counted in an index without touching a row.
constexpr std::string_view kPlainTotal =
    "SELECT count(*) FROM dag_run WHERE ?1 IS NULL"
    " AND (?2 IS NULL OR state IN (?2, ?3, ?4, ?5))";
constexpr std::string_view kPlainTotalOfDag =
    "SELECT count(*) FROM dag_run WHERE dag_id = ?1"
    " AND (?2 IS NULL OR state IN (?2, ?3, ?4, ?5))";

bool IsOpen(const InstantRange& range) { return !range.from && !range.to; }

bool IsPlain(const RunFilter& filter) {
  return !filter.run_id_pattern && filter.types.empty() && !filter.backfill.valid() &&
         IsOpen(filter.logical_date) && IsOpen(filter.run_after) && IsOpen(filter.started_at) &&
         IsOpen(filter.ended_at);
}

template <class State>
bool OnlyLive(const std::vector<State>& states, bool (*live)(State)) {
  return !states.empty() && std::all_of(states.begin(), states.end(), live);
}

bool IsLive(RunState state) { return !IsFinished(state); }

// The states of the partial index task_instance_live.
bool IsLiveTask(TaskState state) { return state != TaskState::kNone && !IsFinished(state); }

// Task lists, likewise. The first order is the one on disk.
#define NM_TASKS_BY_RUN " FROM dag_run r CROSS JOIN task_instance t ON t.run = r.run WHERE "
#define NM_TASKS_BY_STATE " FROM task_instance t CROSS JOIN dag_run r ON r.run = t.run WHERE "
#define NM_TASKS_ALL NM_TASKS_BY_RUN "?1 IS NULL"
#define NM_TASKS_OF_RUN NM_TASKS_BY_RUN "r.run = ?1"
#define NM_TASKS_OF_TASK NM_TASKS_BY_RUN "r.run = ?1 AND t.task_id = ?3"
#define NM_TASKS_LIVE \
  NM_TASKS_BY_STATE "t.state IN " NM_LIVE_TASK_STATES " AND (?1 IS NULL OR t.run = ?1)"
#define NM_TASK_FILTERS                                                                \
  " AND (?2 IS NULL OR r.dag_id = ?2) AND (?3 IS NULL OR t.task_id = ?3)"              \
  " AND (?4 IS NULL OR t.map_index IN (SELECT value FROM json_each(?4)))"              \
  " AND (?5 IS NULL OR t.state IN"                                                     \
  " (?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16))"                          \
  " AND (?17 IS NULL OR t.started_at >= ?17) AND (?18 IS NULL OR t.started_at <= ?18)" \
  " AND (?19 IS NULL OR t.ended_at >= ?19) AND (?20 IS NULL OR t.ended_at <= ?20)"
#define NM_TASKS_BEYOND " AND (t.task_id, t.map_index) > (ifnull(?21, ''), ifnull(?22, -2))"
#define NM_TASKS_SELECT(scope, first, way)                                                \
  "SELECT " NM_TASK_VIEW_COLUMNS scope NM_TASK_FILTERS NM_TASKS_BEYOND " ORDER BY " first \
  " r.run " way ", t.task_id " way ", t.map_index " way " LIMIT ?23 OFFSET ?24"
#define NM_TASKS_BY(scope, column)                                                                 \
  Ordered {                                                                                        \
    NM_TASKS_SELECT(scope, column " ASC,", "ASC"), NM_TASKS_SELECT(scope, column " DESC,", "DESC") \
  }
#define NM_TASK_LIST(scope)                                                         \
  {{Ordered{NM_TASKS_SELECT(scope, "", "ASC"), NM_TASKS_SELECT(scope, "", "DESC")}, \
    NM_TASKS_BY(scope, "t.state"), NM_TASKS_BY(scope, "t.queued_at"),               \
    NM_TASKS_BY(scope, "t.started_at"), NM_TASKS_BY(scope, "t.ended_at")}},         \
      "SELECT count(*)" scope NM_TASK_FILTERS

struct TaskListSql {
  std::array<Ordered, 5> by;  // index: TaskOrder
  std::string_view total;
};
constexpr TaskListSql kAllTasks = {NM_TASK_LIST(NM_TASKS_ALL)};
constexpr TaskListSql kTasksOfRun = {NM_TASK_LIST(NM_TASKS_OF_RUN)};
constexpr TaskListSql kTasksOfTask = {NM_TASK_LIST(NM_TASKS_OF_TASK)};
constexpr TaskListSql kLiveTasks = {NM_TASK_LIST(NM_TASKS_LIVE)};
static_assert(kAllTasks.by.size() == static_cast<std::size_t>(TaskOrder::kEndedAt) + 1);

const TaskListSql& TaskListFor(const TaskFilter& filter) {
  if (filter.run && filter.task_id) return kTasksOfTask;
  if (filter.run) return kTasksOfRun;
  return OnlyLive(filter.states, IsLiveTask) ? kLiveTasks : kAllTasks;
}

// For json_each, where a list has no bound of its own; absent if it is empty.
std::optional<std::string> JsonListOf(const std::vector<int>& numbers) {
  if (numbers.empty()) return std::nullopt;
  std::string text;
  for (const int number : numbers) {
    text += text.empty() ? '[' : ',';
    text += std::to_string(number);
  }
  return text + ']';
}

template <class Counts, class ParseState>
Status ReadCount(const Row& row, int column, ParseState parse, Counts& counts) {
  const auto state = parse(row.Text(column));
  if (!state) return Internal("database: unknown state \"" + std::string(row.Text(column)) + "\"");
  counts[static_cast<std::size_t>(*state)] = row.Integer(column + 1);
  return Ok();
}

}  // namespace

Result<Listing<DagRunRow>> Queries::Runs(const RunFilter& filter) {
  NM_ASSIGN_OR_RETURN(Transaction snapshot, Begin());
  const RunListSql& list = filter.dag_id                     ? kRunsOfDag
                           : OnlyLive(filter.states, IsLive) ? kLiveRuns
                                                             : kAllRuns;
  const auto bind_state = [&](Statement& statement) {
    statement.Bind(filter.dag_id);
    BindWords(statement, filter.states, kRunStates);
  };
  const auto bind = [&](Statement& statement) {
    bind_state(statement);
    BindWords(statement, filter.types, kRunTypes);
    statement.Bind(filter.run_id_pattern, filter.backfill);
    BindRange(statement, filter.logical_date);
    BindRange(statement, filter.run_after);
    BindRange(statement, filter.started_at);
    BindRange(statement, filter.ended_at);
  };
  const std::string_view rows =
      list.by[static_cast<std::size_t>(filter.order)].In(filter.descending);
  Listing<DagRunRow> listing;
  if (IsPlain(filter)) {
    const std::string_view total = filter.dag_id ? kPlainTotalOfDag : kPlainTotal;
    NM_ASSIGN_OR_RETURN(listing.total, ReadTotal(*db_, total, bind_state));
  } else {
    NM_ASSIGN_OR_RETURN(listing.total, ReadTotal(*db_, list.total, bind));
  }
  const auto bind_rows = [&](Statement& statement) {
    bind(statement);
    const RunKey none;
    statement.Bind(filter.descending ? filter.beyond : none,
                   filter.descending ? none : filter.beyond);
  };
  NM_ASSIGN_OR_RETURN(listing.rows, ReadPage<DagRunRow>(*db_, rows, filter.page, bind_rows));
  return listing;
}

Result<std::optional<DagRunRow>> Queries::FindRun(std::string_view dag_id,
                                                  std::string_view run_id) {
  static constexpr std::string_view kSql =
      "SELECT " NM_DAG_RUN_COLUMNS("") " FROM dag_run WHERE dag_id = ? AND run_id = ?";
  Statement statement = Ask(kSql);
  statement.Bind(dag_id, run_id);
  return ReadOne<DagRunRow>(statement);
}

Result<std::optional<DagRunRow>> Queries::FindRun(RunKey run) {
  static constexpr std::string_view kSql =
      "SELECT " NM_DAG_RUN_COLUMNS("") " FROM dag_run WHERE run = ?";
  Statement statement = Ask(kSql);
  statement.Bind(run);
  return ReadOne<DagRunRow>(statement);
}

Result<std::optional<DagRunRow>> Queries::NewestRun(std::string_view dag_id) {
  static constexpr std::string_view kSql =
      "SELECT " NM_DAG_RUN_COLUMNS("") " FROM dag_run WHERE dag_id = ? ORDER BY run DESC LIMIT 1";
  Statement statement = Ask(kSql);
  statement.Bind(dag_id);
  return ReadOne<DagRunRow>(statement);
}

Result<std::vector<Duration>> Queries::RecentRunDurations(std::string_view dag_id, int limit) {
  static constexpr std::string_view kSql =
      "SELECT (ended_at - started_at) / 1000 FROM dag_run WHERE dag_id = ? AND state = 'success'"
      " AND started_at IS NOT NULL AND ended_at IS NOT NULL ORDER BY run DESC LIMIT ?";
  std::vector<Duration> durations;
  Statement statement = Ask(kSql);
  statement.Bind(dag_id, LimitOf(limit));
  while (true) {
    NM_ASSIGN_OR_RETURN(const bool more, statement.Step());
    if (!more) return durations;
    durations.emplace_back(statement.row().Integer(0));
  }
}

Result<std::vector<Instant>> Queries::RecentEnds(BackfillId backfill, int limit) {
  static constexpr std::string_view kSql =
      "SELECT r.ended_at FROM backfill_slot s CROSS JOIN dag_run r ON r.run = s.run"
      " WHERE s.backfill = ? AND s.state = 'done' AND r.ended_at IS NOT NULL"
      " ORDER BY r.ended_at DESC LIMIT ?";
  std::vector<Instant> ends;
  Statement statement = Ask(kSql);
  statement.Bind(backfill, LimitOf(limit));
  while (true) {
    NM_ASSIGN_OR_RETURN(const bool more, statement.Step());
    if (!more) return ends;
    ends.push_back(InstantFromMicros(statement.row().Integer(0)));
  }
}

Result<std::vector<DagRunCounts>> Queries::RunCountsByDag() {
  static constexpr std::string_view kSql =
      "SELECT dag_id, state, count(*) FROM dag_run GROUP BY dag_id, state ORDER BY dag_id";
  std::vector<DagRunCounts> all;
  Statement statement = Ask(kSql);
  while (true) {
    NM_ASSIGN_OR_RETURN(const bool more, statement.Step());
    if (!more) return all;
    const Row row = statement.row();
    if (all.empty() || all.back().dag_id != row.Text(0)) {
      all.emplace_back().dag_id = row.Text(0);
    }
    NM_RETURN_IF_ERROR(ReadCount(row, 1, ParseRunState, all.back().counts));
  }
}

Result<RunCounts> Queries::RunCountsOf(std::string_view dag_id) {
  static constexpr std::string_view kSql =
      "SELECT state, count(*) FROM dag_run WHERE dag_id = ? GROUP BY state";
  RunCounts counts{};
  Statement statement = Ask(kSql);
  statement.Bind(dag_id);
  while (true) {
    NM_ASSIGN_OR_RETURN(const bool more, statement.Step());
    if (!more) return counts;
    NM_RETURN_IF_ERROR(ReadCount(statement.row(), 0, ParseRunState, counts));
  }
}

Result<Listing<TaskView>> Queries::Tasks(const TaskFilter& filter) {
  NM_ASSIGN_OR_RETURN(Transaction snapshot, Begin());
  const TaskListSql& list = TaskListFor(filter);
  const std::string_view rows =
      list.by[static_cast<std::size_t>(filter.order)].In(filter.descending);
  const std::optional<std::string> indexes = JsonListOf(filter.map_indexes);
  const auto bind = [&](Statement& statement) {
    statement.Bind(filter.run, filter.dag_id, filter.task_id, indexes);
    BindWords(statement, filter.states, kTaskStateCount);
    BindRange(statement, filter.started_at);
    BindRange(statement, filter.ended_at);
  };
  const auto bind_rows = [&](Statement& statement) {
    bind(statement);
    if (filter.beyond) {
      statement.Bind(filter.beyond->task_id, filter.beyond->map_index);
    } else {
      statement.Bind(std::nullopt, std::nullopt);
    }
  };
  Listing<TaskView> listing;
  NM_ASSIGN_OR_RETURN(listing.total, ReadTotal(*db_, list.total, bind));
  NM_ASSIGN_OR_RETURN(listing.rows, ReadPage<TaskView>(*db_, rows, filter.page, bind_rows));
  return listing;
}

Result<std::optional<TaskView>> Queries::FindTask(RunKey run, std::string_view task_id,
                                                  int map_index) {
  static constexpr std::string_view kSql = "SELECT " NM_TASK_VIEW_COLUMNS
                                           " FROM task_instance t JOIN dag_run r ON r.run = t.run"
                                           " WHERE t.run = ? AND t.task_id = ? AND t.map_index = ?";
  Statement statement = Ask(kSql);
  statement.Bind(run, task_id, map_index);
  return ReadOne<TaskView>(statement);
}

Result<TaskCounts> Queries::TaskCountsOf(RunKey run) {
  static constexpr std::string_view kSql =
      "SELECT state, count(*) FROM task_instance WHERE run = ? GROUP BY state";
  TaskCounts counts{};
  Statement statement = Ask(kSql);
  statement.Bind(run);
  while (true) {
    NM_ASSIGN_OR_RETURN(const bool more, statement.Step());
    if (!more) return counts;
    NM_RETURN_IF_ERROR(ReadCount(statement.row(), 0, ParseTaskState, counts));
  }
}

Result<std::vector<TaskCell>> Queries::TaskCells(std::string_view dag_id, RunKey first,
                                                 RunKey last) {
  static constexpr std::string_view kSql =
      "SELECT t.run, t.task_id, t.state, count(*)"
      " FROM dag_run r CROSS JOIN task_instance t ON t.run = r.run"
      " WHERE r.dag_id = ? AND r.run BETWEEN ? AND ?"
      " GROUP BY t.run, t.task_id, t.state ORDER BY t.run, t.task_id";
  Statement statement = Ask(kSql);
  statement.Bind(dag_id, first, last);
  return ReadAll<TaskCell>(statement);
}

Result<std::vector<LiveTaskCount>> Queries::LiveTaskCounts() {
  static constexpr std::string_view kSql =
      "SELECT r.dag_id, r.version, t.task_id, t.state, count(*)"
      " FROM task_instance t CROSS JOIN dag_run r ON r.run = t.run"
      " WHERE t.state IN " NM_LIVE_TASK_STATES
      " GROUP BY r.dag_id, r.version, t.task_id, t.state"
      " ORDER BY r.dag_id, r.version, t.task_id, t.state";
  std::vector<LiveTaskCount> counts;
  Statement statement = Ask(kSql);
  while (true) {
    NM_ASSIGN_OR_RETURN(const bool more, statement.Step());
    if (!more) return counts;
    const Row row = statement.row();
    const auto state = ParseTaskState(row.Text(3));
    if (!state) return Internal("database: unknown state \"" + std::string(row.Text(3)) + "\"");
    counts.push_back({std::string(row.Text(0)), static_cast<int>(row.Integer(1)),
                      std::string(row.Text(2)), *state, row.Integer(4)});
  }
}

Result<std::vector<Duration>> Queries::RecentDurations(std::string_view dag_id,
                                                       std::string_view task_id, int limit) {
  static constexpr std::string_view kSql =
      "SELECT (t.ended_at - t.started_at) / 1000"
      " FROM dag_run r CROSS JOIN task_instance t ON t.run = r.run AND t.task_id = ?2"
      " WHERE r.dag_id = ?1 AND t.state = 'success'"
      " AND t.started_at IS NOT NULL AND t.ended_at IS NOT NULL"
      " ORDER BY r.run DESC, t.map_index DESC LIMIT ?3";
  std::vector<Duration> durations;
  Statement statement = Ask(kSql);
  statement.Bind(dag_id, task_id, LimitOf(limit));
  while (true) {
    NM_ASSIGN_OR_RETURN(const bool more, statement.Step());
    if (!more) return durations;
    durations.emplace_back(statement.row().Integer(0));
  }
}

#define NM_ATTEMPTS_OF_TARGET \
  "SELECT " NM_TASK_ATTEMPT_COLUMNS("a.")                                          \
  " FROM attempt_target t CROSS JOIN task_attempt a ON a.attempt = t.attempt"      \
  " WHERE t.run = ? AND t.task_id = ? AND t.map_index = ?"

Result<std::vector<TaskAttemptRow>> Queries::Attempts(const AttemptTarget& target) {
  static constexpr std::string_view kSql = NM_ATTEMPTS_OF_TARGET " ORDER BY t.attempt";
  Statement statement = Ask(kSql);
  statement.Bind(target.run, target.task_id, target.map_index);
  return ReadAll<TaskAttemptRow>(statement);
}

Result<std::optional<TaskAttemptRow>> Queries::FindTry(const AttemptTarget& target,
                                                       int try_number) {
  static constexpr std::string_view kSql =
      NM_ATTEMPTS_OF_TARGET " AND a.try_number = ? ORDER BY t.attempt DESC LIMIT 1";
  Statement statement = Ask(kSql);
  statement.Bind(target.run, target.task_id, target.map_index, try_number);
  return ReadOne<TaskAttemptRow>(statement);
}

Result<std::optional<TaskAttemptRow>> Queries::FindAttempt(AttemptId attempt) {
  static constexpr std::string_view kSql =
      "SELECT " NM_TASK_ATTEMPT_COLUMNS("") " FROM task_attempt WHERE attempt = ?";
  Statement statement = Ask(kSql);
  statement.Bind(attempt);
  return ReadOne<TaskAttemptRow>(statement);
}

Result<std::vector<AttemptTarget>> Queries::Targets(AttemptId attempt) {
  static constexpr std::string_view kSql =
      "SELECT " NM_ATTEMPT_TARGET_COLUMNS("") " FROM attempt_target WHERE attempt = ?"
      " ORDER BY run, task_id, map_index";
  Statement statement = Ask(kSql);
  statement.Bind(attempt);
  NM_ASSIGN_OR_RETURN(std::vector<AttemptTargetRow> rows, ReadAll<AttemptTargetRow>(statement));
  std::vector<AttemptTarget> targets;
  targets.reserve(rows.size());
  for (AttemptTargetRow& row : rows) targets.push_back(std::move(row.target));
  return targets;
}

Result<std::vector<LostAttempts>> Queries::LostOfRuns(RunKey first, RunKey last) {
  static constexpr std::string_view kSql =
      "SELECT run, '', -1, count(*), '' FROM task_attempt"
      " WHERE outcome = 'lost' AND run BETWEEN ? AND ? GROUP BY run ORDER BY run";
  Statement statement = Ask(kSql);
  statement.Bind(first, last);
  return ReadAll<LostAttempts>(statement);
}

Result<std::vector<LostAttempts>> Queries::LostOfTasks(RunKey run) {
  // SQLite takes `failure` from the row that has the maximum.
  static constexpr std::string_view kSql =
      "SELECT a.run, t.task_id, t.map_index, count(*), a.failure, max(a.attempt)"
      " FROM task_attempt a CROSS JOIN attempt_target t ON t.attempt = a.attempt AND t.run = a.run"
      " WHERE a.outcome = 'lost' AND a.run = ? GROUP BY t.task_id, t.map_index"
      " ORDER BY t.task_id, t.map_index";
  Statement statement = Ask(kSql);
  statement.Bind(run);
  return ReadAll<LostAttempts>(statement);
}

Result<std::int64_t> Queries::LostTotal() {
  static constexpr std::string_view kSql =
      "SELECT count(*) FROM task_attempt WHERE outcome = 'lost'";
  NM_ASSIGN_OR_RETURN(Transaction snapshot, Begin());
  return ReadTotal(*db_, kSql, [](Statement&) {});
}

}  // namespace nightmill
