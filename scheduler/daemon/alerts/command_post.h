// Hands an alert to a program of the administrator on its standard input (product.md 7). The
// program runs in a session of its own with a small environment; at the timeout the session is
// killed. Thread rule: any thread that may block; safe in parallel.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/base/time.h"
#include "scheduler/daemon/alerts/watchdog.h"

namespace nightmill {

struct CommandRun {
  std::vector<std::string> argv;  // argv[0]: absolute path
  std::vector<std::pair<std::string, std::string>> env;
  std::string input;  // any length; the program may read it or not
};

struct CommandEnd {
  bool exited = false;
  int code = 0;       // if exited
  std::string error;  // "exit code 3: last line of stderr", "" for code 0
};

// Returns when the program has ended or the flight is over.
CommandEnd RunCommand(const CommandRun& run, const Watchdog::Flight& flight);

}  // namespace nightmill
