// What the read side (store/queries.h) is asked and answers besides the rows of core/model/change.h
// and store/rows.h: filters with their orders, and rows joined with what a reader needs.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/limits.h"
#include "core/model/change.h"
#include "store/views_rows.h"

namespace nightmill {

// A page of a list. `limit` is capped to limits::kMaxPageLimit, negative values count as 0.
struct Page {
  int limit = limits::kDefaultPageLimit;
  int offset = 0;
};

// One page of the matching rows and how many match in all, from one snapshot of the database.
template <class T>
struct Listing {
  std::vector<T> rows;
  std::int64_t total = 0;
};

// Both ends included; a missing end is open. A row without the instant is outside any range with
// an end.
struct InstantRange {
  std::optional<Instant> from = {};
  std::optional<Instant> to = {};
};

enum class DagOrder : std::uint8_t { kDagId, kAcceptedAt };

struct DagFilter {
  std::optional<bool> paused = {};
  bool deleted = false;                        // true: the deleted ones instead
  std::optional<std::string> id_pattern = {};  // SQL LIKE
  bool with_source = false;                    // fill DagView::newest.source
  DagOrder order = DagOrder::kDagId;
  bool descending = false;
  Page page = {};
};

struct DagView {
  DagRow dag;
  DagVersionRow newest;  // version dag.version; `source` only where asked for
};

// Orders of run lists; equal keys are ordered by run id in the same direction. Absent instants come
// first ascending, last descending.
enum class RunOrder : std::uint8_t {
  kRun,
  kDagId,
  kRunId,
  kState,
  kType,
  kLogicalDate,
  kRunAfter,
  kQueuedAt,
  kStartedAt,
  kEndedAt,
};

struct RunFilter {
  std::optional<std::string> dag_id = {};
  std::optional<std::string> run_id_pattern = {};  // SQL LIKE
  std::vector<RunState> states = {};               // empty: any
  std::vector<RunType> types = {};                 // empty: any
  BackfillId backfill = {};                        // 0: any
  InstantRange logical_date = {};
  InstantRange run_after = {};
  InstantRange started_at = {};
  InstantRange ended_at = {};
  RunOrder order = RunOrder::kRun;
  bool descending = true;
  RunKey beyond = {};  // only rows after this one in the order kRun; 0: from the first
  Page page = {};
};

// By state, index = static_cast<int>(state).
using RunCounts = std::array<std::int64_t, 4>;
using TaskCounts = std::array<std::int64_t, kTaskStateCount>;

struct DagRunCounts {
  std::string dag_id;
  RunCounts counts{};
};

// kTask: (run, task_id, map_index), the order on disk.
enum class TaskOrder : std::uint8_t { kTask, kState, kQueuedAt, kStartedAt, kEndedAt };

struct TaskFilter {
  std::optional<RunKey> run = {};  // absent: all runs
  std::optional<std::string> dag_id = {};
  std::optional<std::string> task_id = {};
  std::vector<int> map_indexes = {};   // empty: any
  std::vector<TaskState> states = {};  // empty: any
  InstantRange started_at = {};
  InstantRange ended_at = {};
  TaskOrder order = TaskOrder::kTask;
  bool descending = false;
  // Only rows after this place of one run, upwards in the order kTask.
  struct Place {
    std::string task_id;
    int map_index = -1;
  };
  std::optional<Place> beyond = {};
  Page page = {};
};

struct TaskView {
  TaskInstanceRow task;
  std::string dag_id;
  std::string run_id;
  std::optional<Instant> logical_date;
  Instant run_after;
  int version = 0;  // pinned dag version of the run; 0 while it is queued
};

// Attempts of a run or of a task instance whose end nobody knows (outcome "lost").
struct LostAttempts {
  RunKey run;
  std::string task_id;  // "" if counted by run
  int map_index = -1;
  std::int64_t count = 0;
  std::string failure;  // of the last one; "" if counted by run
};

struct BackfillFilter {
  std::optional<std::string> dag_id = {};
  std::vector<BackfillState> states = {};  // empty: any
  bool descending = true;                  // by id
  Page page = {};
};

// Newest alert first; `beyond`: only rows after this one in that order.
struct DeliveryFilter {
  std::optional<std::string> dag_id = {};
  std::optional<std::string> notifier = {};
  std::vector<DeliveryState> states = {};  // empty: any
  std::vector<AlertType> types = {};       // empty: any
  struct Place {
    AlertId alert;
    std::string notifier;
  };
  std::optional<Place> beyond = {};
  Page page = {};
};

struct DeliveryView {
  AlertRow alert;
  DeliveryRow delivery;
  std::string run_id;  // "" if the alert is of no run
};

// A notifier that has something pending, and when the first of it is due.
struct OutboxLine {
  std::string notifier;
  Instant next_at;
};

// What became of a notifier's deliveries.
struct NotifierRecord {
  std::int64_t pending = 0;
  std::int64_t dead = 0;
  std::optional<Instant> delivered_at;  // the last one
  std::optional<Instant> refused_at;
  std::string last_error;  // of that refusal
};

// Newest first.
struct SlaMissFilter {
  EventId before = {};  // only lower ids; 0: any
  std::optional<std::string> dag_id = {};
  std::optional<RunKey> run = {};
  std::vector<SlaState> states = {};  // of kWarned, kMissed, kResolved; empty: any
  Page page = {};
};

struct EventFilter {
  EventId before = {};  // only lower ids; 0: any
  std::optional<std::string> dag_id = {};
  std::optional<RunKey> run = {};
  std::optional<std::string> task_id = {};
  std::optional<std::string> kind = {};
};

}  // namespace nightmill
