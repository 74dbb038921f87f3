// What the two halves of the read side share: pages, filters by words, and lists with their totals.
// Private to store/.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/limits.h"
#include "core/base/result.h"
#include "store/row_codec.h"
#include "store/sqlite.h"
#include "store/views.h"

namespace nightmill {

// A list statement in both directions; statement text is constant, so an order is a choice of one.
struct Ordered {
  std::string_view ascending;
  std::string_view descending;

  constexpr std::string_view In(bool descending_order) const {
    return descending_order ? descending : ascending;
  }
};

// The two statements of a list: its rows, ending in "LIMIT ? OFFSET ?", and their number.
struct ListSql {
  std::string_view rows;
  std::string_view total;
};

// Views from the columns of their rows, one row after the other.
inline Status Read(const Row& from, int& column, DagView& view) {
  NM_RETURN_IF_ERROR(Read(from, column, view.dag));
  return Read(from, column, view.newest);
}

// A row of task_instance, then dag_id, run_id, logical_date, run_after and version of its run.
inline Status Read(const Row& from, int& column, TaskView& view) {
  NM_RETURN_IF_ERROR(Read(from, column, view.task));
  view.dag_id = from.Text(column++);
  view.run_id = from.Text(column++);
  if (!from.IsNull(column)) view.logical_date = InstantFromMicros(from.Integer(column));
  ++column;
  view.run_after = InstantFromMicros(from.Integer(column++));
  view.version = static_cast<int>(from.Integer(column++));
  return Ok();
}

inline Status Read(const Row& from, int& column, BackfillSlotCount& count) {
  count.state = from.Text(column++);
  count.run_state = from.Text(column++);
  count.count = from.Integer(column++);
  return Ok();
}

inline Status Read(const Row& from, int& column, BackfillSlotView& view) {
  NM_RETURN_IF_ERROR(Read(from, column, view.slot));
  view.run_id = from.Text(column++);
  view.run_state = from.Text(column++);
  return Ok();
}

inline Status Read(const Row& from, int& column, EventView& view) {
  NM_RETURN_IF_ERROR(Read(from, column, view.event));
  view.run_id = from.Text(column++);
  view.backfill = BackfillId(from.Integer(column++));
  return Ok();
}

inline Status Read(const Row& from, int& column, TaskCell& cell) {
  cell.run = RunKey(from.Integer(column++));
  cell.task_id = from.Text(column++);
  const std::string_view word = from.Text(column++);
  const std::optional<TaskState> state = ParseTaskState(word);
  if (!state) return Internal("database: unknown state \"" + std::string(word) + "\"");
  cell.state = *state;
  cell.count = from.Integer(column++);
  return Ok();
}

inline Status Read(const Row& from, int& column, LostAttempts& lost) {
  lost.run = RunKey(from.Integer(column++));
  lost.task_id = from.Text(column++);
  lost.map_index = static_cast<int>(from.Integer(column++));
  lost.count = from.Integer(column++);
  lost.failure = from.Text(column++);
  return Ok();
}

// Binds `slots` parameters for "?a IS NULL OR column IN (?a, ..)": the words of `values`, then
// NULLs. `slots` = how many enumerators there are, so duplicates in `values` always fit.
template <class Enum>
void BindWords(Statement& statement, const std::vector<Enum>& values, int slots) {
  int bound = 0;
  for (int i = 0; i < slots; ++i) {
    const Enum value = static_cast<Enum>(i);
    if (std::find(values.begin(), values.end(), value) == values.end()) continue;
    statement.Bind(ToString(value));
    ++bound;
  }
  for (; bound < slots; ++bound) statement.Bind(std::nullopt);
}

inline void BindRange(Statement& statement, const InstantRange& range) {
  statement.Bind(range.from, range.to);
}

inline int LimitOf(int limit) { return std::clamp(limit, 0, limits::kMaxPageLimit); }

inline void BindPage(Statement& statement, const Page& page) {
  statement.Bind(LimitOf(page.limit), std::max(page.offset, 0));
}

// The single number of a count statement.
template <class BindFilter>
Result<std::int64_t> ReadTotal(Connection& db, std::string_view sql, BindFilter bind) {
  Statement statement = db.Prepare(sql);
  bind(statement);
  NM_ASSIGN_OR_RETURN(const bool found, statement.Step());
  CHECK(found);
  return statement.row().Integer(0);
}

template <class T, class BindFilter>
Result<std::vector<T>> ReadPage(Connection& db, std::string_view sql, const Page& page,
                                BindFilter bind) {
  Statement statement = db.Prepare(sql);
  bind(statement);
  BindPage(statement, page);
  return ReadAll<T>(statement);
}

// Runs both statements with the parameters that `bind(statement)` binds, the page after them. To be
// called inside a read transaction.
template <class T, class BindFilter>
Result<Listing<T>> ReadListing(Connection& db, const ListSql& sql, const Page& page,
                               BindFilter bind) {
  Listing<T> listing;
  NM_ASSIGN_OR_RETURN(listing.total, ReadTotal(db, sql.total, bind));
  NM_ASSIGN_OR_RETURN(listing.rows, ReadPage<T>(db, sql.rows, page, bind));
  return listing;
}

}  // namespace nightmill
