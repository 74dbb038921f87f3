// The daemon's shell around the engine: owns the state directory (lock, database, worker socket),
// the one writer thread with its event loop, the gateway to workers, and the worker processes it
// started. Contains no scheduling decisions. See docs/architecture.md for one attempt's way through
// it. Thread rule: Start and Run are called by the main thread; the mailbox by anybody.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/base/result.h"
#include "core/model/operator_catalog.h"
#include "scheduler/daemon/alerts/config.h"
#include "scheduler/daemon/alerts/desk.h"
#include "scheduler/daemon/mailbox.h"
#include "store/store.h"

namespace nightmill {

struct DaemonOptions {
  std::string state_dir;  // absolute; created with mode 0700
  std::string data_root;  // absolute; created if missing
  Durability durability = Durability::kFull;
  std::string worker_binary;  // absolute path of nightmill-worker; "" starts no worker
  int workers = 1;
  int worker_slots = 0;  // 0: cores
  int parallelism = limits::kDefaultParallelism;
  int sensor_parallelism = limits::kDefaultSensorParallelism;
  std::vector<std::pair<std::string, int>> pools;             // created at start if absent
  std::vector<std::pair<std::string, std::string>> task_env;  // PATH HOME LANG TZ USER TMPDIR
  AlertConfig alerts;
  std::string page;  // where its page is, for links in alerts; "" if it has none
  // Rows for the first commit of this start (the token of a first start); called under the lock.
  std::function<Result<std::vector<StoreRow>>()> make_first_rows;
  const OperatorCatalog* catalog = nullptr;
};

class Daemon {
 public:
  // Takes the lock (kConflict if another daemon owns the state: exit 75), opens the store, recovers
  // the live state and listens for workers. Workers are started, and anything dispatched, by Run.
  static Result<std::unique_ptr<Daemon>> Start(DaemonOptions options);
  virtual ~Daemon() = default;

  virtual Mailbox& mailbox() = 0;
  // Path of the database, for Queries.
  virtual const std::string& database() const = 0;
  // Monotonic time since boot, for Queries and HTTP deadlines.
  virtual Duration Monotonic() const = 0;
  virtual Instant Now() const = 0;
  virtual const OperatorCatalog& catalog() const = 0;
  virtual AlertDesk& alerts() = 0;

  // Runs the event loop until Mailbox::Stop or SIGTERM/SIGINT; `on_ready` is called once, on the
  // loop, when work is being dispatched. Returns when everything is committed: no new dispatch,
  // exit within a second; workers with attempts go on without us.
  virtual Status Run(std::function<void()> on_ready) = 0;
};

}  // namespace nightmill
