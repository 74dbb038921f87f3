// Waiting for runs and backfills from the command line: progress on stderr, exit codes of
// product.md 3 (0 ended well, 5 ended badly, 6 time out).
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "cli/cli.h"
#include "cli/rest_client.h"

namespace nightmill {

struct FollowOptions {
  std::optional<Duration> timeout;
  bool quiet = false;
  bool logs = false;    // print each task's log as it ends
  bool strict = false;  // hidden failures count as failure
};

// Of a --wait or --timeout text, "" for none.
Result<FollowOptions> FollowOf(const std::string& wait, bool quiet);

// While one lives, Ctrl-C ends waiting instead of the program: FollowRun and FollowBackfill then
// say how to come back and how to cancel, and return 130. Main thread.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;
  static bool Interrupted();
};

// Waits a moment that grows from 10 ms to 250 ms, between two looks at the server.
class Pause {
 public:
  void Wait();
  void Reset() { ms_ = 10; }

 private:
  int ms_ = 10;
};

// While one lives, requests outlast a restart of the server: it is tried again for up to a minute
// (less if the time-out of `options` comes first, or Ctrl-C), which is said once per outage.
class Patience {
 public:
  Patience(RestClient& server, FollowOptions options);
  ~Patience();
  Patience(const Patience&) = delete;
  Patience& operator=(const Patience&) = delete;

 private:
  bool Again(int failures);

  RestClient& server_;
  FollowOptions options_;
  RestClient::Again before_;
  std::int64_t since_;
  std::int64_t until_ = 0;
  Pause pause_;
};

// Follows a run until it ends; the exit code. Prints a line per finished task.
int FollowRun(RestClient& server, const std::string& dag_id, const std::string& run_id,
              const FollowOptions& options);
// Follows a backfill with a progress bar (on a terminal) or a line per change.
int FollowBackfill(RestClient& server, std::int64_t id, const FollowOptions& options);

// A list's answer with `limit` of its rows (0: all of them) from `offset`, in as many requests as
// that takes; `member` is the list in it.
Result<nlohmann::json> FetchList(RestClient& server, const std::string& path, const char* member,
                                 int limit, int offset = 0);

// Log of one try as text, "" if there is none.
std::string LogText(RestClient& server, const std::string& task_path, const std::string& try_word,
                    const std::string& map_query);
// All task instances of a run, page by page.
Result<nlohmann::json> AllTasks(RestClient& server, const std::string& dag_id,
                                const std::string& run_id);
// The same, in the order of the DAG file as it is now.
Result<nlohmann::json> TasksInOrder(RestClient& server, const std::string& dag_id,
                                    const std::string& run_id);
// Waits until a server that is stopping is gone: it answers no more and, if it was found by its
// state directory, has given the directory back, so that the next one can start. False after
// `timeout`.
bool WaitUntilGone(const Cli& cli, RestClient& server, Duration timeout);
// Milliseconds since some point, for time-outs and durations.
std::int64_t SteadyMs();

}  // namespace nightmill
