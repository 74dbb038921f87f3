// Everything the engine needs to go on after a start: live rows only. History stays in the store
// and costs the loop nothing. Filled by Store::LoadActive, consumed by Engine::Load.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/model/change.h"

namespace nightmill {

// What a run took that succeeded: of the newest ones of a DAG, limits::kSlaHistoryRuns at most.
struct RunTimes {
  std::string dag_id;
  RunKey run;
  Duration total{0};  // from its start to its end
  Instant ended_at;
  // Of its tasks that succeeded, from the first start of the cycle to the end; of a mapped task
  // all instances together.
  std::vector<std::pair<std::string, Duration>> tasks;
};

struct Snapshot {
  Epoch epoch;                          // of this start, already committed
  std::vector<DagRow> dags;             // not deleted
  std::vector<DagVersionRow> versions;  // the newest of each dag and those pinned by live runs
  std::vector<DagRunRow> runs;          // queued and running
  std::vector<TaskInstanceRow> tasks;   // every instance of those runs, ordered by (run, task, map)
  std::vector<TaskAttemptRow> attempts;   // open ones (state <> ended)
  std::vector<AttemptTargetRow> targets;  // of those attempts
  std::vector<PoolRow> pools;
  std::vector<BackfillRow> backfills;           // active and paused
  std::vector<BackfillSlotRow> backfill_slots;  // of those backfills
  std::vector<SlaRow> slas;                     // armed, warned and missed
  std::vector<RunTimes> times;                  // of DAGs with SLA entries, filled by the shell
  // Filled by the shell: logical dates of runs of any state from the slot cursor of their DAG on: a
  // slot that falls on one of them gets no second run.
  std::vector<std::pair<std::string, Instant>> taken_dates;
  RunKey last_run;  // highest ids given so far
  AttemptId last_attempt;
  BackfillId last_backfill;
  EventId last_event;
  AlertId last_alert;
};

}  // namespace nightmill
