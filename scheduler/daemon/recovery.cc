#include "scheduler/daemon/recovery.h"

#include <cstdint>

#include <fmt/format.h>

#include "core/dagfile/dag_json.h"

namespace nightmill {
namespace {

std::string FilelocOf(const Snapshot& snapshot, const std::string& dag_id) {
  for (const DagRow& dag : snapshot.dags) {
    if (dag.dag_id == dag_id) return dag.fileloc;
  }
  return {};
}

// Logical dates that a slot still to be decided could fall on (Snapshot::taken_dates).
Status LoadTakenDates(Store& store, Recovered& recovered) {
  for (const DagRow& row : recovered.snapshot.dags) {
    const auto dag = recovered.library.find({row.dag_id, row.version});
    if (dag == recovered.library.end() || dag->second->timetable == nullptr) continue;
    const Instant from = row.last_tick ? *row.last_tick - dag->second->schedule->fixed_interval
                                       : InstantFromMicros(INT64_MIN);
    NM_ASSIGN_OR_RETURN(const std::vector<DagRunRow> runs,
                        store.RunsBetween(row.dag_id, from, InstantFromMicros(INT64_MAX)));
    for (const DagRunRow& run : runs) {
      if (run.logical_date) {
        recovered.snapshot.taken_dates.emplace_back(row.dag_id, *run.logical_date);
      }
    }
  }
  return Ok();
}

// What forecasts of SLA entries begin with.
Status LoadTimes(Store& store, Recovered& recovered) {
  for (const DagRow& row : recovered.snapshot.dags) {
    const auto dag = recovered.library.find({row.dag_id, row.version});
    if (dag == recovered.library.end() || SlaEntries(*dag->second).empty()) continue;
    NM_ASSIGN_OR_RETURN(std::vector<RunTimes> times,
                        store.RecentTimes(row.dag_id, limits::kSlaHistoryRuns));
    for (RunTimes& run : times) recovered.snapshot.times.push_back(std::move(run));
  }
  return Ok();
}

}  // namespace

Result<Recovered> Recover(Store& store, const OperatorCatalog& catalog) {
  Recovered recovered;
  NM_ASSIGN_OR_RETURN(recovered.snapshot, store.LoadActive());
  for (const DagVersionRow& version : recovered.snapshot.versions) {
    DagFileOptions options;
    options.file = fmt::format("{} version {}", version.dag_id, version.version);
    options.fileloc = FilelocOf(recovered.snapshot, version.dag_id);
    DagFileResult loaded = LoadDag(version.source, catalog, options);
    if (loaded.ok()) {
      recovered.library[{version.dag_id, version.version}] = std::move(loaded.dag);
      continue;
    }
    std::string problem = fmt::format("{} no longer loads", options.file);
    if (!loaded.diagnostics.empty()) problem += ": " + FormatDiagnostic(loaded.diagnostics.front());
    recovered.problems.push_back(std::move(problem));
  }
  for (const DagRunRow& run : recovered.snapshot.runs) {
    const bool pinned = run.state == RunState::kRunning;
    if (pinned && !recovered.library.contains({run.dag_id, run.version})) {
      return Internal(
          fmt::format("run {} of {} is running on version {}, which this release cannot "
                      "load",
                      run.run_id, run.dag_id, run.version),
          "start the release that began the run, let it end, then upgrade");
    }
  }
  NM_RETURN_IF_ERROR(LoadTakenDates(store, recovered));
  NM_RETURN_IF_ERROR(LoadTimes(store, recovered));
  return recovered;
}

}  // namespace nightmill
