#include "scheduler/daemon/recovery.h"

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
  return recovered;
}

}  // namespace nightmill
