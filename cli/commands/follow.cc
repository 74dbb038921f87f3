#include "cli/commands/follow.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <iostream>
#include <map>
#include <set>

#include "core/base/json.h"
#include "core/base/limits.h"
#include "scheduler/daemon/clock.h"
#include "scheduler/daemon/state_dir.h"

namespace nightmill {
namespace {

using nlohmann::json;

int guards = 0;
struct sigaction before_guards;
volatile std::sig_atomic_t interrupted = 0;

// How long a server may be away while something of it is followed.
constexpr std::int64_t kOutageMs = 60'000;

bool Over(const FollowOptions& options, std::int64_t since) {
  return options.timeout && SteadyMs() - since >= options.timeout->count();
}

std::string RunPath(const std::string& dag_id, const std::string& run_id) {
  return fmt::format("/api/v2/dags/{}/dagRuns/{}", Segment(dag_id), Segment(run_id));
}

std::string Seconds(const json& task) {
  const auto it = task.find("duration");
  if (it == task.end() || !it->is_number()) return "";
  return fmt::format(" {:.2f} s", it->get<double>());
}

// Lines for tasks that ended since the last look.
class TaskPrinter {
 public:
  TaskPrinter(RestClient& server, std::string run_path, const FollowOptions& options)
      : server_(server), run_path_(std::move(run_path)), options_(options) {}

  void Print(const json& tasks) {
    for (const json& task : tasks) {
      const std::string state = Text(task, "state");
      const bool ended = state == "success" || state == "failed" || state == "skipped" ||
                         state == "upstream_failed" || state == "up_for_retry";
      const int index = task.value("map_index", -1);
      const std::string name =
          index < 0 ? Text(task, "task_id") : fmt::format("{}[{}]", Text(task, "task_id"), index);
      const std::string key = fmt::format("{} {} {}", name, task.value("try_number", 0), state);
      if (!ended || !seen_.insert(key).second) continue;
      if (options_.logs) PrintLog(task, index);
      std::string line = fmt::format("  {:<16} {}{}", state, name, Seconds(task));
      const json failure = task.value("failure", json());
      if (failure.is_object() && state != "success") {
        line += fmt::format("  {}", failure.value("message", ""));
      }
      if (state == "skipped") line += fmt::format("  ({})", Text(task, "skip_reason"));
      Say(line);
    }
  }

 private:
  void PrintLog(const json& task, int index) {
    const std::string path =
        fmt::format("{}/taskInstances/{}", run_path_, Segment(Text(task, "task_id")));
    const std::string log = LogText(server_, path, std::to_string(task.value("try_number", 0)),
                                    fmt::format("map_index={}", index));
    std::cout << log << std::flush;
  }

  RestClient& server_;
  std::string run_path_;
  const FollowOptions& options_;
  std::set<std::string> seen_;
};

int EndOf(const json& run, const FollowOptions& options) {
  const bool failed =
      Text(run, "state") == "failed" || (options.strict && run.value("hidden_failures", 0) > 0);
  return static_cast<int>(failed ? ExitCode::kEndedBadly : ExitCode::kOk);
}

struct Progress {
  std::int64_t total = 0;
  std::int64_t done = 0;
  std::int64_t failed = 0;
  std::int64_t running = 0;
  std::int64_t cancelled = 0;
};

Progress ProgressOf(const json& backfill) {
  Progress progress;
  for (const auto& [state, count] : backfill.at("counts").items()) {
    const std::int64_t n = count.get<std::int64_t>();
    progress.total += n;
    if (state == "success" || state == "failed" || state == "skipped") progress.done += n;
    if (state == "cancelled") progress.cancelled += n;
    if (state == "failed") progress.failed += n;
    if (state == "queued" || state == "running") progress.running += n;
  }
  return progress;
}

std::string BarLine(const Progress& progress, std::int64_t elapsed_ms) {
  constexpr std::int64_t kWidth = 30;
  const std::int64_t filled = progress.total == 0 ? 0 : kWidth * progress.done / progress.total;
  std::string bar(static_cast<std::size_t>(filled), '#');
  bar.append(static_cast<std::size_t>(kWidth - filled), '.');
  std::string eta = "-";
  if (progress.done > 0) {
    const std::int64_t left = elapsed_ms * (progress.total - progress.done) / progress.done;
    eta = FormatDuration(Duration{left / 1000 * 1000});
  }
  if (progress.cancelled > 0) {
    return fmt::format("[{}] {}/{}  run {}  fail {}  cancelled {}", bar, progress.done,
                       progress.total, progress.running, progress.failed, progress.cancelled);
  }
  return fmt::format("[{}] {}/{}  run {}  fail {}  left {}  eta {}", bar, progress.done,
                     progress.total, progress.running, progress.failed,
                     progress.total - progress.done, eta);
}

// One line on a terminal, elsewhere a line per change.
class BackfillPrinter {
 public:
  BackfillPrinter(const FollowOptions& options, std::int64_t since)
      : quiet_(options.quiet), terminal_(isatty(STDERR_FILENO) != 0), since_(since) {}

  // True if anything has changed since the last time.
  bool Print(const json& backfill) {
    const Progress progress = ProgressOf(backfill);
    const std::string line = BarLine(progress, SteadyMs() - since_);
    std::string change = fmt::format("{} {}", progress.done, Text(backfill, "state"));
    const bool changed = change != last_;
    if (!quiet_ && terminal_) {
      std::cerr << "\r\x1b[K" << line << std::flush;
    } else if (!quiet_ && changed) {
      Say(line);
    }
    last_ = std::move(change);
    return changed;
  }
  void End() const {
    if (!quiet_ && terminal_) std::cerr << '\n';
  }

 private:
  bool quiet_;
  bool terminal_;
  std::int64_t since_;
  std::string last_;
};

// Says once why nothing moves, and when it does again.
class PauseTeller {
 public:
  PauseTeller(const FollowOptions& options, std::int64_t id) : quiet_(options.quiet), id_(id) {}

  void Tell(bool paused, const BackfillPrinter& printer) {
    if (paused == paused_) return;
    paused_ = paused;
    if (quiet_) return;
    printer.End();
    Say(paused ? fmt::format("backfill {0} is paused, no further run starts; go on: nightmill "
                             "backfill resume {0}",
                             id_)
               : fmt::format("backfill {} goes on", id_));
  }

 private:
  bool quiet_;
  std::int64_t id_;
  bool paused_ = false;
};

// What is followed: "run", and its words on the command line.
struct Subject {
  std::string kind;
  std::string words;
};

int Detach(const Subject& subject, const FollowOptions& options) {
  if (!options.quiet) {
    Say(
        fmt::format("detached; the {0} goes on. Come back: nightmill {0} watch {1}; stop it: "
                    "nightmill {0} cancel {1}",
                    subject.kind, subject.words));
  }
  return static_cast<int>(ExitCode::kInterrupted);
}

}  // namespace

Patience::Patience(RestClient& server, FollowOptions options)
    : server_(server), options_(options), since_(SteadyMs()) {
  before_ = server.RepeatWhile([this](int failures) { return Again(failures); });
}

Patience::~Patience() { server_.RepeatWhile(std::move(before_)); }

bool Patience::Again(int failures) {
  const std::int64_t now = SteadyMs();
  if (failures == 1) {
    until_ = now + kOutageMs;
    pause_.Reset();
    if (!options_.quiet) {
      Say(fmt::format("{} does not answer, trying again for up to {}", server_.url(),
                      FormatDuration(Duration{kOutageMs})));
    }
  }
  if (InterruptGuard::Interrupted() || now > until_ || Over(options_, since_)) return false;
  pause_.Wait();
  return true;
}

bool WaitUntilGone(const Cli& cli, RestClient& server, Duration timeout) {
  const std::int64_t until = SteadyMs() + timeout.count();
  const std::string lock = cli.state_dir + "/lock";
  Pause pause;
  while (server.Get("/health").ok() || (cli.url.empty() && LockHolder(lock))) {
    if (SteadyMs() > until) return false;
    pause.Wait();
  }
  return true;
}

InterruptGuard::InterruptGuard() {
  if (guards++ > 0) return;
  interrupted = 0;
  struct sigaction action = {};
  action.sa_handler = [](int) { interrupted = 1; };
  sigaction(SIGINT, &action, &before_guards);
}

InterruptGuard::~InterruptGuard() {
  if (--guards == 0) sigaction(SIGINT, &before_guards, nullptr);
}

Result<FollowOptions> FollowOf(const std::string& wait, bool quiet) {
  FollowOptions follow;
  follow.quiet = quiet;
  if (!wait.empty()) {
    NM_ASSIGN_OR_RETURN(follow.timeout, ParseDuration(wait));
  }
  return follow;
}

bool InterruptGuard::Interrupted() { return interrupted != 0; }

std::int64_t SteadyMs() { return BootNow().count(); }

void Pause::Wait() {
  poll(nullptr, 0, ms_);
  ms_ = std::min(ms_ * 3 / 2, 250);
}

std::string LogText(RestClient& server, const std::string& task_path, const std::string& try_word,
                    const std::string& map_query) {
  std::string text;
  std::string token;
  while (true) {
    std::string path = fmt::format("{}/logs/{}?{}", task_path, try_word, map_query);
    if (!token.empty()) path += "&token=" + token;
    const Result<json> chunk = server.Get(path);
    if (!chunk.ok()) return text;
    for (const json& line : chunk->at("content")) text += Text(line, "event") + "\n";
    const std::string next = Text(*chunk, "continuation_token");
    if (next.empty() || chunk->at("content").empty()) return text;
    token = next;
  }
}

Result<json> FetchList(RestClient& server, const std::string& path, const char* member, int limit,
                       int offset) {
  const char* joint = path.find('?') == std::string::npos ? "?" : "&";
  json all;
  std::string cursor;
  while (true) {
    const int have = all.is_null() ? 0 : static_cast<int>(all.at(member).size());
    const int wanted = limit == 0 ? limits::kMaxPageLimit : limit - have;
    std::string query = fmt::format("{}limit={}", joint, std::min(wanted, limits::kMaxPageLimit));
    if (!cursor.empty()) {
      query += "&cursor=" + Segment(cursor);
    } else if (offset + have > 0) {
      query += fmt::format("&offset={}", offset + have);
    }
    NM_ASSIGN_OR_RETURN(json page, server.Get(path + query));
    const std::size_t got = page.at(member).size();
    cursor = Text(page, "next_cursor");
    if (all.is_null()) {
      all = std::move(page);
    } else {
      for (json& row : page.at(member)) all.at(member).push_back(std::move(row));
    }
    const std::size_t size = all.at(member).size();
    const std::size_t left = all.value("total_entries", std::size_t{0});
    const bool enough = limit > 0 && size >= static_cast<std::size_t>(limit);
    if (got == 0 || enough || static_cast<std::size_t>(offset) + size >= left) return all;
  }
}

Result<json> AllTasks(RestClient& server, const std::string& dag_id, const std::string& run_id) {
  NM_ASSIGN_OR_RETURN(
      json all, FetchList(server, RunPath(dag_id, run_id) + "/taskInstances", "task_instances", 0));
  return std::move(all.at("task_instances"));
}

Result<json> TasksInOrder(RestClient& server, const std::string& dag_id,
                          const std::string& run_id) {
  NM_ASSIGN_OR_RETURN(json tasks, AllTasks(server, dag_id, run_id));
  const Result<json> dag = server.Get(fmt::format("/api/v2/dags/{}/tasks", Segment(dag_id)));
  if (!dag.ok()) return tasks;  // of a DAG that is gone: by name
  std::map<std::string, std::size_t> places;
  for (const json& task : dag->at("tasks")) places.emplace(Text(task, "task_id"), places.size());
  const auto place = [&places](const json& task) {
    const auto it = places.find(Text(task, "task_id"));
    return it == places.end() ? places.size() : it->second;
  };
  std::stable_sort(tasks.begin(), tasks.end(),
                   [&place](const json& a, const json& b) { return place(a) < place(b); });
  return tasks;
}

int FollowRun(RestClient& server, const std::string& dag_id, const std::string& run_id,
              const FollowOptions& options) {
  const std::int64_t since = SteadyMs();
  const InterruptGuard guard;
  const Patience patience(server, options);
  const Subject subject{"run", fmt::format("{} {}", dag_id, run_id)};
  TaskPrinter printer(server, RunPath(dag_id, run_id), options);
  std::string state = "not answered for";
  Pause pause;
  while (true) {
    const Result<json> run = server.Get(RunPath(dag_id, run_id));
    if (run.ok()) {
      state = Text(*run, "state");
      const bool ended = state == "success" || state == "failed";
      if (!options.quiet) {
        const Result<json> tasks = AllTasks(server, dag_id, run_id);
        if (tasks.ok()) printer.Print(*tasks);
      }
      if (ended) {
        if (!options.quiet) {
          const std::string reason = Text(*run, "state_reason");
          Say(fmt::format("run {} {}{}{}", run_id, state, reason.empty() ? "" : ": " + reason,
                          Seconds(*run)));
        }
        return EndOf(*run, options);
      }
    }
    if (InterruptGuard::Interrupted()) return Detach(subject, options);
    if (Over(options, since)) {
      Say(fmt::format("still {} after {}; the run goes on: nightmill run watch {} {}", state,
                      FormatDuration(*options.timeout), dag_id, run_id));
      return static_cast<int>(ExitCode::kWaitTimedOut);
    }
    if (!run.ok()) return Fail(run.error());
    pause.Wait();
  }
}

int FollowBackfill(RestClient& server, std::int64_t id, const FollowOptions& options) {
  const std::int64_t since = SteadyMs();
  const InterruptGuard guard;
  const Patience patience(server, options);
  BackfillPrinter printer(options, since);
  PauseTeller teller(options, id);
  Pause pause;
  while (true) {
    const Result<json> backfill = server.Get(fmt::format("/api/v2/backfills/{}", id));
    if (backfill.ok()) {
      if (printer.Print(*backfill)) pause.Reset();
      const std::string state = Text(*backfill, "state");
      if (state == "completed" || state == "cancelled") {
        printer.End();
        const bool good = state == "completed" && Text(*backfill, "outcome") == "success";
        return static_cast<int>(good ? ExitCode::kOk : ExitCode::kEndedBadly);
      }
      teller.Tell(state == "paused", printer);
    }
    if (InterruptGuard::Interrupted()) return Detach({"backfill", std::to_string(id)}, options);
    if (Over(options, since)) return static_cast<int>(ExitCode::kWaitTimedOut);
    if (!backfill.ok()) return Fail(backfill.error());
    pause.Wait();
  }
}

}  // namespace nightmill
