// What the engine remembers of the SLA entries of a DAG (semantics.md 9). Only DAGs that have
// entries have this. SlaRows are the truth; the rest is derived. Private to scheduler/engine.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/model/alert.h"
#include "core/model/sla.h"

namespace nightmill {

// An entry of the newest version, of the DAG or of a task.
struct SlaEntry {
  const SlaSpec* spec = nullptr;
  int task = -1;  // index in that version; -1: the whole run
};

struct SlaKey {
  std::string name;
  Instant slot;
  auto operator<=>(const SlaKey&) const = default;
};

// A row that may still change: armed, warned, or missed and not landed.
struct LiveSla {
  SlaRow row;
  std::string run_id;                // of row.run, if that is known
  std::string reason;                // why the slot got no run, if that is known
  std::optional<Instant> outlook;    // from when on the forecast is after due, if nothing happens
  std::optional<Instant> looked_at;  // its place in DagSlas::due
  bool dirty = false;
  bool gone = false;  // leaves memory as it is: its entry is no more
};

// A run that succeeded, for forecasts and averages.
struct PastRun {
  Duration total{0};
  Instant ended_at;
  std::vector<std::int32_t> task_ms;  // by task of the newest version; -1: no success
};

struct TaskTimes {
  std::optional<Duration> p50;  // of its successes, if there are enough
  Duration expected{0};         // p50 of a task that usually runs, else 0
};

struct DagSlas {
  std::map<SlaKey, LiveSla> rows;
  std::set<std::pair<Instant, SlaKey>> due;    // when a row must be looked at next
  std::map<RunKey, std::set<SlaKey>> by_run;   // rows of live and of failed runs
  std::map<RunKey, PastRun> history;           // the newest successes, limits::kSlaHistoryRuns
  std::vector<TaskTimes> times;                // of `history`, by task of the newest version
  std::optional<Instant> timer;                // the earliest kSla timer that has not fired
  std::optional<Instant> landed;               // last success of the DAG, as far as it is known
  std::set<RunKey> stirred;                    // runs whose forecast may have become worse
  std::vector<SlaKey> dirty;
};

}  // namespace nightmill
