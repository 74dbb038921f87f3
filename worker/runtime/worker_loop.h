// The worker: one thread that holds attempts for a daemon which may come and go (architecture.md 4,
// reliability.md 2). It owns the connection, the spool, the runners; it has no states of its own
// but what it holds. What it promises:
//  - a start is in the spool before the process exists, a result before it is sent, and both until
//    the daemon acked;
//  - an attempt already held, or ended and not yet acked, is never started again;
//  - it obeys no daemon with a lower epoch than the highest it has seen;
//  - a new incarnation takes new work only for itself, but kills what the one before left and tells
//    the daemon which attempts are proved dead.
#pragma once

#include <memory>
#include <string>

#include "core/base/check.h"
#include "core/base/result.h"
#include "core/base/time.h"

namespace nightmill {

struct WorkerOptions {
  std::string state_dir;
  std::string name = "local-1";
  int slots = 1;
  std::string socket;   // "": <state_dir>/worker.sock
  std::string program;  // started with --operator-host; "": this executable
  // Without a daemon for so long and without attempts, the worker ends.
  Duration alone_limit = std::chrono::minutes(10);
};

// Runs until told to stop (SIGTERM, SIGINT, Shutdown) or alone for too long. kStateOwned if another
// worker of this name holds the spool; an I/O error of the spool leaves by Fatal(kIoError).
ExitCode RunWorker(WorkerOptions options);

}  // namespace nightmill
