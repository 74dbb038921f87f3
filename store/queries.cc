// The read side of everything but runs and their tasks (queries_runs.cc).
#include "store/queries.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "store/query_support.h"
#include "store/row_codec.h"
#include "store/sqlite.h"

namespace nightmill {
namespace {

constexpr const char* kSettings = "PRAGMA cache_size = -2048;";  // KiB
constexpr int kBackfillStates = 4;

#define NM_DAG_FILTERS \
  " WHERE d.deleted = ?1 AND (?2 IS NULL OR d.paused = ?2) AND (?3 IS NULL OR d.dag_id LIKE ?3)"
#define NM_DAGS_SELECT(source, order)                                                           \
  "SELECT " NM_DAG_COLUMNS("d.") ", v.dag_id, v.version, v.hash, " source                       \
                                 ", v.created_at"                                               \
                                 " FROM dag d CROSS JOIN dag_version v ON v.dag_id = d.dag_id " \
                                 "AND v.version = d.version" NM_DAG_FILTERS " ORDER BY " order  \
                                 " LIMIT ?4 OFFSET ?5"
#define NM_DAGS_BY(source)                                                                    \
  {                                                                                           \
    Ordered{NM_DAGS_SELECT(source, "d.dag_id ASC"), NM_DAGS_SELECT(source, "d.dag_id DESC")}, \
        Ordered {                                                                             \
      NM_DAGS_SELECT(source, "d.first_accepted_at ASC, d.dag_id ASC"),                        \
          NM_DAGS_SELECT(source, "d.first_accepted_at DESC, d.dag_id DESC")                   \
    }                                                                                         \
  }

// Index: DagOrder.
constexpr Ordered kDags[] = NM_DAGS_BY("''");
constexpr Ordered kDagsWithSource[] = NM_DAGS_BY("v.source");

#define NM_BACKFILL_FILTERS \
  " WHERE (?1 IS NULL OR dag_id = ?1) AND (?2 IS NULL OR state IN (?2, ?3, ?4, ?5))"
#define NM_BACKFILLS_SELECT(way)                                                                   \
  "SELECT " NM_BACKFILL_COLUMNS("") " FROM backfill" NM_BACKFILL_FILTERS " ORDER BY backfill " way \
                                    " LIMIT ?6 OFFSET ?7"

#define NM_EVENT_FILTERS                                              \
  " AND (?2 IS NULL OR e.id < ?2)"                                    \
  " AND (?3 IS NULL OR e.dag_id = ?3) AND (?4 IS NULL OR e.run = ?4)" \
  " AND (?5 IS NULL OR e.task_id = ?5) AND (?6 IS NULL OR e.kind = ?6)"
#define NM_EVENT_VIEW \
  "SELECT " NM_EVENT_COLUMNS("e.") ", ifnull(r.run_id, ''), ifnull(r.backfill, 0)" \
                                   " FROM event e LEFT JOIN dag_run r ON r.run = e.run"
#define NM_EVENTS_SELECT(way, page) \
  NM_EVENT_VIEW " WHERE e.id > ?1" NM_EVENT_FILTERS " ORDER BY e.id " way " LIMIT ?7" page

void BindEvents(Statement& statement, EventId after, const EventFilter& filter) {
  statement.Bind(after.value, filter.before, filter.dag_id, filter.run, filter.task_id,
                 filter.kind);
}

}  // namespace

struct Queries::Deadline {
  MonotonicNow now;
  Duration budget;
  Duration until{};

  void Start() { until = now() + budget; }
  static bool Passed(void* self) {
    const auto* deadline = static_cast<const Deadline*>(self);
    return deadline->now() >= deadline->until;
  }
};

Queries::Queries(std::unique_ptr<Deadline> deadline, std::unique_ptr<Connection> db)
    : deadline_(std::move(deadline)), db_(std::move(db)) {}
Queries::Queries(Queries&&) noexcept = default;
Queries& Queries::operator=(Queries&& other) noexcept {
  // The connection goes before the deadline that its handler looks at.
  db_ = std::move(other.db_);
  deadline_ = std::move(other.deadline_);
  return *this;
}
Queries::~Queries() = default;

Result<Queries> Queries::Open(const std::string& path, MonotonicNow now, Duration deadline) {
  auto limit = std::make_unique<Deadline>(Deadline{std::move(now), deadline});
  limit->Start();
  NM_ASSIGN_OR_RETURN(auto db, Connection::Open(path, Connection::Mode::kReadOnly));
  NM_RETURN_IF_ERROR(db->Execute(kSettings));
  db->SetInterrupt(&Deadline::Passed, limit.get());
  return Queries(std::move(limit), std::move(db));
}

Statement Queries::Ask(std::string_view sql) {
  deadline_->Start();
  return db_->Prepare(sql);
}

Result<Transaction> Queries::Begin() {
  deadline_->Start();
  return Transaction::Begin(*db_, Transaction::Mode::kRead);
}

Result<Listing<DagView>> Queries::Dags(const DagFilter& filter) {
  static constexpr std::string_view kTotal = "SELECT count(*) FROM dag d" NM_DAG_FILTERS;
  NM_ASSIGN_OR_RETURN(Transaction snapshot, Begin());
  const auto order = static_cast<std::size_t>(filter.order);
  const Ordered& rows = filter.with_source ? kDagsWithSource[order] : kDags[order];
  return ReadListing<DagView>(*db_, {rows.In(filter.descending), kTotal}, filter.page,
                              [&](Statement& statement) {
                                statement.Bind(filter.deleted, filter.paused, filter.id_pattern);
                              });
}

Result<std::optional<DagView>> Queries::FindDag(std::string_view dag_id) {
  static constexpr std::string_view kSql =
      "SELECT " NM_DAG_COLUMNS("d.") ", " NM_DAG_VERSION_COLUMNS("v.")
      " FROM dag d JOIN dag_version v ON v.dag_id = d.dag_id AND v.version = d.version"
      " WHERE d.dag_id = ?";
  Statement statement = Ask(kSql);
  statement.Bind(dag_id);
  return ReadOne<DagView>(statement);
}

Result<Listing<DagVersionRow>> Queries::DagVersions(std::string_view dag_id, Page page) {
  static constexpr std::string_view kRows =
      "SELECT dag_id, version, hash, '', created_at FROM dag_version WHERE dag_id = ?"
      " ORDER BY version DESC LIMIT ? OFFSET ?";
  static constexpr std::string_view kTotal = "SELECT count(*) FROM dag_version WHERE dag_id = ?";
  NM_ASSIGN_OR_RETURN(Transaction snapshot, Begin());
  return ReadListing<DagVersionRow>(*db_, {kRows, kTotal}, page,
                                    [&](Statement& statement) { statement.Bind(dag_id); });
}

Result<std::optional<DagVersionRow>> Queries::FindVersion(std::string_view dag_id, int version) {
  static constexpr std::string_view kSql =
      "SELECT " NM_DAG_VERSION_COLUMNS("") " FROM dag_version WHERE dag_id = ? AND version = ?";
  Statement statement = Ask(kSql);
  statement.Bind(dag_id, version);
  return ReadOne<DagVersionRow>(statement);
}

Result<std::vector<PoolRow>> Queries::Pools() {
  static constexpr std::string_view kSql = "SELECT " NM_POOL_COLUMNS("") " FROM pool ORDER BY name";
  Statement statement = Ask(kSql);
  return ReadAll<PoolRow>(statement);
}

Result<std::optional<PoolRow>> Queries::FindPool(std::string_view name) {
  static constexpr std::string_view kSql =
      "SELECT " NM_POOL_COLUMNS("") " FROM pool WHERE name = ?";
  Statement statement = Ask(kSql);
  statement.Bind(name);
  return ReadOne<PoolRow>(statement);
}

Result<Listing<BackfillRow>> Queries::Backfills(const BackfillFilter& filter) {
  static constexpr Ordered kRows = {NM_BACKFILLS_SELECT("ASC"), NM_BACKFILLS_SELECT("DESC")};
  static constexpr std::string_view kTotal = "SELECT count(*) FROM backfill" NM_BACKFILL_FILTERS;
  NM_ASSIGN_OR_RETURN(Transaction snapshot, Begin());
  return ReadListing<BackfillRow>(*db_, {kRows.In(filter.descending), kTotal}, filter.page,
                                  [&](Statement& statement) {
                                    statement.Bind(filter.dag_id);
                                    BindWords(statement, filter.states, kBackfillStates);
                                  });
}

Result<std::optional<BackfillRow>> Queries::FindBackfill(BackfillId backfill) {
  static constexpr std::string_view kSql =
      "SELECT " NM_BACKFILL_COLUMNS("") " FROM backfill WHERE backfill = ?";
  Statement statement = Ask(kSql);
  statement.Bind(backfill);
  return ReadOne<BackfillRow>(statement);
}

// A slot whose run is made has that run's state as it is now; the row has it once it is done.
#define NM_SLOT_RUN_STATE \
  "CASE s.state WHEN 'created' THEN ifnull(r.state, '') ELSE s.run_state END"
#define NM_SLOTS_WITH_RUNS " FROM backfill_slot s LEFT JOIN dag_run r ON r.run = s.run"

Result<Listing<BackfillSlotView>> Queries::BackfillSlots(BackfillId backfill, int first,
                                                         Page page) {
  static constexpr std::string_view kRows = "SELECT " NM_BACKFILL_SLOT_COLUMNS(
      "s.") ", ifnull(r.run_id, ''), " NM_SLOT_RUN_STATE NM_SLOTS_WITH_RUNS
            " WHERE s.backfill = ? AND s.seq >= ? ORDER BY s.seq LIMIT ? OFFSET ?";
  static constexpr std::string_view kTotal =
      "SELECT count(*) FROM backfill_slot WHERE backfill = ?";
  NM_ASSIGN_OR_RETURN(Transaction snapshot, Begin());
  Listing<BackfillSlotView> listing;
  NM_ASSIGN_OR_RETURN(listing.total, ReadTotal(*db_, kTotal, [&](Statement& statement) {
                        statement.Bind(backfill);
                      }));
  NM_ASSIGN_OR_RETURN(listing.rows,
                      ReadPage<BackfillSlotView>(*db_, kRows, page, [&](Statement& statement) {
                        statement.Bind(backfill, first);
                      }));
  return listing;
}

Result<std::vector<BackfillSlotCount>> Queries::BackfillSlotCounts(BackfillId backfill) {
  static constexpr std::string_view kSql =
      "SELECT s.state, " NM_SLOT_RUN_STATE " AS run_state, count(*)" NM_SLOTS_WITH_RUNS
      " WHERE s.backfill = ? GROUP BY 1, 2 ORDER BY 1, 2";
  Statement statement = Ask(kSql);
  statement.Bind(backfill);
  return ReadAll<BackfillSlotCount>(statement);
}

Result<std::vector<SlotRow>> Queries::Slots(std::string_view dag_id, const InstantRange& ticks,
                                            int limit) {
  static constexpr std::string_view kSql =
      "SELECT " NM_SLOT_COLUMNS("") " FROM slot WHERE dag_id = ?1"
      " AND (?2 IS NULL OR tick >= ?2) AND (?3 IS NULL OR tick <= ?3)"
      " ORDER BY tick DESC LIMIT ?4";
  Statement statement = Ask(kSql);
  statement.Bind(dag_id, ticks.from, ticks.to, LimitOf(limit));
  return ReadAll<SlotRow>(statement);
}

Result<std::vector<EventView>> Queries::EventsAfter(EventId after, const EventFilter& filter,
                                                    int limit) {
  static constexpr std::string_view kSql = NM_EVENTS_SELECT("ASC", "");
  Statement statement = Ask(kSql);
  BindEvents(statement, after, filter);
  statement.Bind(LimitOf(limit));
  return ReadAll<EventView>(statement);
}

Result<Listing<EventView>> Queries::Events(const EventFilter& filter, bool descending, Page page) {
  static constexpr Ordered kRows = {NM_EVENTS_SELECT("ASC", " OFFSET ?8"),
                                    NM_EVENTS_SELECT("DESC", " OFFSET ?8")};
  static constexpr std::string_view kTotal =
      "SELECT count(*) FROM event e WHERE e.id > ?1" NM_EVENT_FILTERS;
  NM_ASSIGN_OR_RETURN(Transaction snapshot, Begin());
  Listing<EventView> listing;
  // The cursor is a place in the list, no filter of it.
  EventFilter all = filter;
  all.before = {};
  NM_ASSIGN_OR_RETURN(listing.total, ReadTotal(*db_, kTotal, [&](Statement& statement) {
                        BindEvents(statement, EventId(), all);
                      }));
  NM_ASSIGN_OR_RETURN(listing.rows, ReadPage<EventView>(*db_, kRows.In(descending), page,
                                                        [&](Statement& statement) {
                                                          BindEvents(statement, EventId(), filter);
                                                        }));
  return listing;
}

Result<std::optional<EventView>> Queries::FindEvent(EventId event) {
  static constexpr std::string_view kSql = NM_EVENT_VIEW " WHERE e.id = ?";
  Statement statement = Ask(kSql);
  statement.Bind(event);
  return ReadOne<EventView>(statement);
}

Result<EventId> Queries::LastEvent() {
  static constexpr std::string_view kSql = "SELECT coalesce(max(id), 0) FROM event";
  Statement statement = Ask(kSql);
  NM_ASSIGN_OR_RETURN(const bool found, statement.Step());
  CHECK(found);
  return EventId(statement.row().Integer(0));
}

Result<std::optional<TokenRow>> Queries::FindTokenByHash(std::string_view hash) {
  static constexpr std::string_view kSql =
      "SELECT " NM_TOKEN_COLUMNS("") " FROM token WHERE hash = ?";
  Statement statement = Ask(kSql);
  statement.Bind(hash);
  return ReadOne<TokenRow>(statement);
}

Result<std::vector<TokenRow>> Queries::Tokens() {
  static constexpr std::string_view kSql = "SELECT " NM_TOKEN_COLUMNS("") " FROM token ORDER BY id";
  Statement statement = Ask(kSql);
  return ReadAll<TokenRow>(statement);
}

Result<std::optional<IdempotencyRow>> Queries::FindIdempotency(std::string_view principal,
                                                               std::string_view key) {
  static constexpr std::string_view kSql =
      "SELECT " NM_IDEMPOTENCY_COLUMNS("") " FROM idempotency WHERE principal = ? AND key = ?";
  Statement statement = Ask(kSql);
  statement.Bind(principal, key);
  return ReadOne<IdempotencyRow>(statement);
}

Result<std::vector<AuditRow>> Queries::AuditAfter(AuditId after, int limit) {
  static constexpr std::string_view kSql =
      "SELECT " NM_AUDIT_COLUMNS("") " FROM audit WHERE id > ? ORDER BY id LIMIT ?";
  Statement statement = Ask(kSql);
  statement.Bind(after.value, LimitOf(limit));
  return ReadAll<AuditRow>(statement);
}

Result<std::optional<AuditRow>> Queries::LastAudit(std::string_view action,
                                                   std::string_view target) {
  static constexpr std::string_view kSql =
      "SELECT " NM_AUDIT_COLUMNS("") " FROM audit WHERE action = ? AND target = ?"
      " AND result = 'ok' ORDER BY id DESC LIMIT 1";
  Statement statement = Ask(kSql);
  statement.Bind(action, target);
  return ReadOne<AuditRow>(statement);
}

}  // namespace nightmill
