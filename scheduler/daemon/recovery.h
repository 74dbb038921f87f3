// What a start reads back: live rows and the parsed DAGs they need. Pure but for the store it is
// given. Thread rule: scheduler thread.
#pragma once

#include <string>
#include <vector>

#include "core/model/operator_catalog.h"
#include "core/model/snapshot.h"
#include "scheduler/engine/engine.h"
#include "store/store.h"

namespace nightmill {

struct Recovered {
  Snapshot snapshot;
  DagLibrary library;
  std::vector<std::string> problems;  // stored DAG versions that do not load any more, for the log
};

// kInternal if a live run's pinned version does not load with this release.
Result<Recovered> Recover(Store& store, const OperatorCatalog& catalog);

}  // namespace nightmill
