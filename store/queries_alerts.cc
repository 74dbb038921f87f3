// The read side of alerts: lists for people, and the outbox for the sender.
#include <algorithm>

#include "store/queries.h"
#include "store/query_support.h"
#include "store/row_codec.h"
#include "store/sqlite.h"

namespace nightmill {
namespace {

#define NM_DELIVERY_VIEW_SELECT \
  "SELECT " NM_ALERT_COLUMNS("a.") ", " NM_DELIVERY_COLUMNS("d.") ", ifnull(r.run_id, '')" \
                                   " FROM delivery d CROSS JOIN alert a ON a.alert = d.alert" \
                                   " LEFT JOIN dag_run r ON r.run = a.run"

#define NM_DELIVERY_FILTERS                                                  \
  " WHERE (?1 IS NULL OR a.dag_id = ?1) AND (?2 IS NULL OR d.notifier = ?2)" \
  " AND (?3 IS NULL OR d.state IN (?3, ?4, ?5, ?6, ?7))"                     \
  " AND (?8 IS NULL OR a.type IN"                                            \
  " (?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21))"

std::optional<Instant> InstantAt(const Row& row, int column) {
  if (row.IsNull(column)) return std::nullopt;
  return InstantFromMicros(row.Integer(column));
}

#define NM_SLA_MISS_TABLES                                                                  \
  " FROM sla_miss m CROSS JOIN sla s ON s.dag_id = m.dag_id AND s.name = m.name"            \
  " AND s.slot = m.slot AND s.map_index = m.map_index LEFT JOIN dag_run r ON r.run = s.run" \
  " WHERE (?1 IS NULL OR m.dag_id = ?1) AND (?2 IS NULL OR s.run = ?2)"                     \
  " AND (?3 IS NULL OR CASE s.state WHEN 'not_applicable' THEN 'warned' ELSE s.state END"   \
  " IN (?3, ?4, ?5, ?6, ?7, ?8))"

}  // namespace

// Not in the namespace above: ReadAll finds them by their arguments.
static Status Read(const Row& from, int& column, DeliveryView& view) {
  NM_RETURN_IF_ERROR(Read(from, column, view.alert));
  NM_RETURN_IF_ERROR(Read(from, column, view.delivery));
  view.run_id = from.Text(column++);
  return Ok();
}

static Status Read(const Row& from, int& column, SlaMissView& view) {
  NM_RETURN_IF_ERROR(Read(from, column, view.miss));
  NM_RETURN_IF_ERROR(Read(from, column, view.sla));
  if (view.sla.state == SlaState::kNotApplicable) view.sla.state = SlaState::kWarned;
  view.run_id = from.Text(column++);
  view.logical_date = InstantAt(from, column++);
  return Ok();
}

static Status Read(const Row& from, int& column, OutboxLine& line) {
  line.notifier = from.Text(column++);
  line.next_at = InstantFromMicros(from.Integer(column++));
  return Ok();
}

Result<Listing<DeliveryView>> Queries::Deliveries(const DeliveryFilter& filter) {
  static_assert(kDeliveryStateCount == 5 && kAlertTypeCount == 14, "as many as the filter binds");
  static constexpr std::string_view kRows = NM_DELIVERY_VIEW_SELECT NM_DELIVERY_FILTERS
      " AND (?22 IS NULL OR (d.alert, d.notifier) < (?22, ?23))"
      " ORDER BY d.alert DESC, d.notifier DESC LIMIT ?24 OFFSET ?25";
  static constexpr std::string_view kTotal =
      "SELECT count(*) FROM delivery d CROSS JOIN alert a ON a.alert = d.alert" NM_DELIVERY_FILTERS;
  const auto bind = [&](Statement& statement) {
    statement.Bind(filter.dag_id, filter.notifier);
    BindWords(statement, filter.states, kDeliveryStateCount);
    BindWords(statement, filter.types, kAlertTypeCount);
  };
  const auto bind_rows = [&](Statement& statement) {
    bind(statement);
    if (filter.beyond) {
      statement.Bind(filter.beyond->alert, filter.beyond->notifier);
    } else {
      statement.Bind(std::nullopt, std::nullopt);
    }
  };
  NM_ASSIGN_OR_RETURN(Transaction snapshot, Begin());
  Listing<DeliveryView> listing;
  NM_ASSIGN_OR_RETURN(listing.total, ReadTotal(*db_, kTotal, bind));
  NM_ASSIGN_OR_RETURN(listing.rows, ReadPage<DeliveryView>(*db_, kRows, filter.page, bind_rows));
  return listing;
}

Result<std::vector<DeliveryView>> Queries::DeliveriesOf(AlertId alert) {
  static constexpr std::string_view kSql =
      NM_DELIVERY_VIEW_SELECT " WHERE d.alert = ? ORDER BY d.notifier";
  Statement statement = Ask(kSql);
  statement.Bind(alert);
  return ReadAll<DeliveryView>(statement);
}

Result<std::vector<OutboxLine>> Queries::Outbox() {
  static constexpr std::string_view kSql =
      "SELECT notifier, min(next_at) FROM delivery WHERE state = 'pending'"
      " GROUP BY notifier ORDER BY notifier";
  Statement statement = Ask(kSql);
  return ReadAll<OutboxLine>(statement);
}

Result<std::vector<DeliveryView>> Queries::DueDeliveries(std::string_view notifier, Instant by,
                                                         int limit) {
  static constexpr std::string_view kSql = NM_DELIVERY_VIEW_SELECT
      " WHERE d.state = 'pending' AND d.notifier = ? AND d.next_at <= ?"
      " ORDER BY d.next_at, d.alert LIMIT ?";
  Statement statement = Ask(kSql);
  statement.Bind(notifier, by, LimitOf(limit));
  return ReadAll<DeliveryView>(statement);
}

Result<std::vector<DeliveryView>> Queries::EarlierDeliveries(std::string_view notifier,
                                                             const AlertRow& alert) {
  // From the alerts of the key, which are few, to their deliveries.
  static constexpr std::string_view kSql =
      "SELECT " NM_ALERT_COLUMNS("a.") ", " NM_DELIVERY_COLUMNS("d.") ", ''"
      " FROM alert a CROSS JOIN delivery d ON d.alert = a.alert AND d.notifier = ?1"
      " WHERE a.dedup_key = ?2 AND a.dedup_key <> '' AND a.alert < ?3 ORDER BY a.alert";
  Statement statement = Ask(kSql);
  statement.Bind(notifier, alert.dedup_key, alert.alert);
  return ReadAll<DeliveryView>(statement);
}

Result<NotifierRecord> Queries::RecordOf(std::string_view notifier) {
  // SQLite takes last_error from the row that has the maximum.
  static constexpr std::string_view kCounts =
      "SELECT (SELECT count(*) FROM delivery WHERE state = 'pending' AND notifier = ?1),"
      " (SELECT count(*) FROM delivery WHERE state = 'dead' AND notifier = ?1),"
      " (SELECT max(ended_at) FROM delivery WHERE state = 'delivered' AND notifier = ?1)";
  static constexpr std::string_view kRefusal =
      "SELECT max(last_at), last_error FROM delivery WHERE last_error <> '' AND notifier = ?1";
  NM_ASSIGN_OR_RETURN(Transaction snapshot, Begin());
  NotifierRecord record;
  {
    Statement counts = db_->Prepare(kCounts);
    counts.Bind(notifier);
    NM_ASSIGN_OR_RETURN(const bool found, counts.Step());
    CHECK(found);
    record.pending = counts.row().Integer(0);
    record.dead = counts.row().Integer(1);
    record.delivered_at = InstantAt(counts.row(), 2);
  }
  Statement refusal = db_->Prepare(kRefusal);
  refusal.Bind(notifier);
  NM_ASSIGN_OR_RETURN(const bool found, refusal.Step());
  CHECK(found);
  record.refused_at = InstantAt(refusal.row(), 0);
  record.last_error = refusal.row().Text(1);
  return record;
}

Result<std::optional<AlertRow>> Queries::LastAlert(std::string_view dedup_key) {
  static constexpr std::string_view kSql =
      "SELECT " NM_ALERT_COLUMNS("") " FROM alert WHERE dedup_key = ? AND dedup_key <> ''"
      " ORDER BY alert DESC LIMIT 1";
  Statement statement = Ask(kSql);
  statement.Bind(dedup_key);
  return ReadOne<AlertRow>(statement);
}

Result<std::optional<SlaRow>> Queries::LastSla(std::string_view dag_id, std::string_view name) {
  static constexpr std::string_view kSql =
      "SELECT " NM_SLA_COLUMNS("") " FROM sla WHERE dag_id = ? AND name = ?"
      " ORDER BY slot DESC, map_index DESC LIMIT 1";
  Statement statement = Ask(kSql);
  statement.Bind(dag_id, name);
  return ReadOne<SlaRow>(statement);
}

Result<Listing<SlaMissView>> Queries::SlaMisses(const SlaMissFilter& filter) {
  constexpr int kStates = static_cast<int>(SlaState::kNotApplicable) + 1;
  static_assert(kStates == 6, "as many as the filter binds");
  static constexpr std::string_view kRows = "SELECT " NM_SLA_MISS_COLUMNS("m.") ", " NM_SLA_COLUMNS(
      "s.") ", ifnull(r.run_id, ''), r.logical_date" NM_SLA_MISS_TABLES
            " AND (?9 IS NULL OR m.miss < ?9) ORDER BY m.miss DESC LIMIT ?10 OFFSET ?11";
  static constexpr std::string_view kTotal = "SELECT count(*)" NM_SLA_MISS_TABLES;
  const auto bind = [&](Statement& statement) {
    statement.Bind(filter.dag_id, filter.run);
    BindWords(statement, filter.states, kStates);
  };
  const auto bind_rows = [&](Statement& statement) {
    bind(statement);
    statement.Bind(filter.before.valid() ? std::optional(filter.before) : std::nullopt);
  };
  NM_ASSIGN_OR_RETURN(Transaction snapshot, Begin());
  Listing<SlaMissView> listing;
  NM_ASSIGN_OR_RETURN(listing.total, ReadTotal(*db_, kTotal, bind));
  NM_ASSIGN_OR_RETURN(listing.rows, ReadPage<SlaMissView>(*db_, kRows, filter.page, bind_rows));
  return listing;
}

}  // namespace nightmill
