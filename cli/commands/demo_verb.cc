// `nightmill demo`: the main job on the sample data, printed step by step (product.md 1). Uses what
// users use: starts a server of its own, then only REST and the verbs of this program.
#include <fmt/format.h>
#include <sys/wait.h>

#include <filesystem>
#include <iostream>
#include <thread>

#include "cli/commands/commands.h"
#include "cli/commands/demo_alerts.h"
#include "cli/commands/follow.h"
#include "cli/commands/spawn.h"
#include "cli/rest_client.h"
#include "core/base/json.h"

namespace nightmill {
namespace {

using nlohmann::json;

struct DemoOptions {
  std::string source = ".";  // root of the clone: dags/demo, dags/sample
  bool once = false;
};

constexpr const char* kFirstDate = "2011-05-07";
constexpr const char* kLastDate = "2011-05-29";

void Print(std::string_view word, const std::string& text) {
  std::cout << fmt::format("{:<10} {}\n", word, text) << std::flush;
}

class Demo {
 public:
  Demo(Cli& cli, DemoOptions options) : cli_(cli), options_(std::move(options)) {}

  int Run() {
    const InterruptGuard guard;  // Ctrl-C ends the demo as if it were done
    const Status prepared = Prepare();
    if (!prepared.ok()) return Fail(prepared.error());
    const Status started = StartServer();
    if (!started.ok()) return Fail(started.error());
    const Result<int> worked = Work();
    int code = worked.ok() ? *worked : Fail(worked.error());
    if (options_.once && !was_running_) {
      const Result<json> stopped = server_->Post("/api/v2/shutdown", {{"cancel", true}});
      if (stopped.ok()) WaitUntilGone(cli_, *server_, Duration{30'000});
      Print("next", "make demo    the same again in seconds; leaves the server running");
      return code;
    }
    Print("running", fmt::format("{}   state {}   stop it with make demo-stop", server_->url(),
                                 cli_.state_dir));
    Print("open", Page());
    Print("next", fmt::format("export PATH=\"{}:$PATH\" NIGHTMILL_STATE_DIR=\"{}\"; nightmill init "
                              "my_dags && nightmill dag apply my_dags/hello.json && nightmill run "
                              "trigger hello --wait",
                              Folder(cli_.self), cli_.state_dir));
    return code;
  }

 private:
  // The page: by the link of a server that has just begun, else by its token.
  std::string Page() const {
    const Result<std::string> known = ReadFile(cli_.state_dir + "/server.json");
    const json words = known.ok() ? json::parse(*known, nullptr, false) : json();
    const std::string code = words.is_object() ? words.value("login", "") : "";
    if (was_running_ || code.empty()) {
      return fmt::format("{}/   log in with the text of {}/cli.token", server_->url(),
                         cli_.state_dir);
    }
    return fmt::format("{}/#login={}   opens once, within 10 minutes", server_->url(), code);
  }

  static std::string Folder(const std::string& path) { return path.substr(0, path.rfind('/')); }

  Status Prepare() {
    if (cli_.state_dir.empty()) cli_.state_dir = options_.source + "/.demo";
    NM_RETURN_IF_ERROR(ResolveCli(cli_));
    options_.source = AbsolutePath(options_.source);
    const auto it = cli_.env.find("NIGHTMILL_DEMO_DATA");
    sample_ = it == cli_.env.end() ? options_.source + "/dags/sample" : AbsolutePath(it->second);
    for (const std::string& needed :
         {options_.source + "/dags/demo/user_features.json", sample_ + "/2011-05-30.csv.gz"}) {
      if (std::filesystem::exists(needed)) continue;
      return NotFound(fmt::format("{} is missing", needed),
                      "run the demo in a clone, or name it with --source");
    }
    return Ok();
  }

  bool Answers() {
    Result<RestClient> server = RestClient::Connect(cli_);
    if (!server.ok() || !server->Get("/health").ok()) return false;
    server_.emplace(*std::move(server));
    return true;
  }

  Status StartServer() {
    const std::int64_t since = SteadyMs();
    was_running_ = Answers();
    pid_t pid = 0;
    std::error_code error;
    std::filesystem::create_directories(cli_.state_dir, error);
    std::filesystem::permissions(cli_.state_dir, std::filesystem::perms::owner_all, error);
    NM_RETURN_IF_ERROR(alerts_.Start(was_running_));
    if (!was_running_) {
      // The sleepers of hourly_fanout hold two places; the work gets as many as ever.
      const unsigned slots = std::max(1u, std::thread::hardware_concurrency()) + 2;
      pid = Spawn({cli_.self, "server", "--dev", "--state-dir", cli_.state_dir, "--next-free-port",
                   "--config", alerts_.config(), "--pool", "compute=2", "--pool", "fanout=2",
                   "--worker-slots", std::to_string(slots)},
                  cli_.state_dir + "/server.log", true);
    }
    if (!was_running_ && pid == 0) return Internal(fmt::format("cannot start {}", cli_.self));
    Pause pause;
    while (!server_ && !Answers()) {
      if (waitpid(pid, nullptr, WNOHANG) == pid || SteadyMs() - since > 20'000) {
        return Unavailable("the demo's server did not start",
                           fmt::format("read {}/server.log", cli_.state_dir));
      }
      pause.Wait();
    }
    NM_ASSIGN_OR_RETURN(const json workers, WaitForWorker());
    NM_ASSIGN_OR_RETURN(const json health, server_->Get("/health"));
    Print("nightmill",
          fmt::format("{}   state {}   {} worker, {} slots   durability {}   {}", server_->url(),
                      cli_.state_dir, workers.at("total_entries").dump(),
                      Text(workers.at("workers").at(0), "slots"), Text(health, "durability"),
                      was_running_ ? "was running" : Took(since)));
    return Ok();
  }

  Result<json> WaitForWorker() {
    const std::int64_t until = SteadyMs() + 20'000;
    Pause pause;
    while (SteadyMs() < until) {
      NM_ASSIGN_OR_RETURN(json workers, server_->Get("/api/v2/workers"));
      for (const json& worker : workers.at("workers")) {
        if (Text(worker, "state") == "connected") return workers;
      }
      pause.Wait();
    }
    return Unavailable("no worker came up",
                       fmt::format("read {}/logs/worker-local-1.log", cli_.state_dir));
  }

  static std::string Took(std::int64_t since) {
    return fmt::format("{:.2f} s", static_cast<double>(SteadyMs() - since) / 1000);
  }

  Result<int> Work() {
    NM_RETURN_IF_ERROR(ApplyDags());
    NM_ASSIGN_OR_RETURN(const int job, MainJob());
    if (job != 0) return job;
    NM_ASSIGN_OR_RETURN(const int filled, Backfill());
    if (filled != 0) return filled;
    NM_RETURN_IF_ERROR(FlakyExport());
    return filled;
  }

  Status ApplyDags() {
    int loaded = 0;
    std::string names;
    for (const char* name : {"user_features", "flaky_export", "hourly_fanout"}) {
      const std::string path = fmt::format("{}/dags/demo/{}.json", options_.source, name);
      NM_ASSIGN_OR_RETURN(const std::string source, ReadFile(path));
      int status = 0;
      NM_ASSIGN_OR_RETURN(
          const json answer,
          server_->StoreDag(name, fmt::format("?file={}&fileloc={}", Segment(path), Segment(path)),
                            source, status));
      if (status != 200) return Invalid(answer.value("detail", "a DAG was refused"));
      loaded += 1;
      names += fmt::format("  {}", name);
    }
    Print("dags", fmt::format("{} loaded, 0 errors:{}", loaded, names));
    return Ok();
  }

  json SourceConf() const { return {{"source", sample_}}; }

  // Folds the instances of a run into "load[7/7]  gate  ..."; the instances of a task are
  // neighbours.
  static std::string Summary(const json& tasks) {
    std::string text;
    for (std::size_t i = 0; i < tasks.size();) {
      const std::string id = Text(tasks[i], "task_id");
      const std::string state = Text(tasks[i], "state");
      std::size_t end = i;
      int good = 0;
      for (; end < tasks.size() && Text(tasks[end], "task_id") == id; ++end) {
        good += Text(tasks[end], "state") == "success" ? 1 : 0;
      }
      if (!text.empty()) text += "  ";
      text += id;
      if (end - i > 1) {
        text += fmt::format("[{}/{}]", good, end - i);
      } else if (good == 0) {
        text += " " + state;
      }
      i = end;
    }
    return text;
  }

  // A run that waits, e.g. for a file that never comes, would hold up the demo: one runs at a time.
  Status CancelRunsInTheWay() {
    NM_ASSIGN_OR_RETURN(
        const json runs,
        server_->Get("/api/v2/dags/user_features/dagRuns?state=running&state=queued&limit=100"));
    for (const json& run : runs.at("dag_runs")) {
      const std::string run_id = Text(run, "dag_run_id");
      Print("cancel", fmt::format("run {} of user_features is in the way", run_id));
      NM_RETURN_IF_ERROR(server_->Post(
          fmt::format("/api/v2/dags/user_features/dagRuns/{}/cancel", Segment(run_id)),
          json::object()));
    }
    return Ok();
  }

  Result<int> MainJob() {
    NM_RETURN_IF_ERROR(CancelRunsInTheWay());
    const std::int64_t since = SteadyMs();
    NM_ASSIGN_OR_RETURN(const json run, server_->Post("/api/v2/dags/user_features/dagRuns",
                                                      {{"conf", SourceConf()}}));
    const std::string run_id = Text(run, "dag_run_id");
    Print("run", fmt::format("user_features   data interval {} .. {} UTC",
                             ShortTime(Text(run, "data_interval_start")).substr(0, 16),
                             ShortTime(Text(run, "data_interval_end")).substr(0, 16)));
    FollowOptions follow;
    follow.quiet = true;
    const int code = FollowRun(*server_, "user_features", run_id, follow);
    NM_ASSIGN_OR_RETURN(const json tasks, TasksInOrder(*server_, "user_features", run_id));
    Print(code == 0 ? "  ok" : "  FAILED", fmt::format("{}   {}", Summary(tasks), Took(since)));
    PrintTimes(tasks);
    if (code != 0) {
      PrintFailures(tasks);
      return code;
    }
    NM_RETURN_IF_ERROR(PrintResults(run_id, tasks, Text(run, "data_interval_start").substr(0, 10)));
    return code;
  }

  static void PrintTimes(const json& tasks) {
    std::string text;
    for (const json& task : tasks) {
      const json duration = task.value("duration", json());
      if (!duration.is_number() || task.value("map_index", -1) > 0) continue;
      const int index = task.value("map_index", -1);
      text += fmt::format("{}{}{} {:.2f} s", text.empty() ? "" : ", ", Text(task, "task_id"),
                          index < 0 ? "" : "[0]", duration.get<double>());
    }
    Print("  times", text);
  }

  static void PrintFailures(const json& tasks) {
    for (const json& task : tasks) {
      const json failure = task.value("failure", json());
      if (!failure.is_object()) continue;
      Print("  failed", fmt::format("{}: {}", Text(task, "task_id"), Text(failure, "message")));
    }
  }

  // What each task that writes a table says in its report.
  static void PrintReport(const json& task) {
    const std::string id = Text(task, "task_id");
    const json report = task.value("output", json());
    if (!report.is_object() || !report.contains("version")) return;
    std::string text;
    if (id == "compact") {
      text = fmt::format("lake/events: {} files became {}", Text(report, "files_before"),
                         Text(report, "files_after"));
    } else if (id == "features" || id == "publish") {
      std::int64_t rows = 0;
      for (const json& partition : report.value("partitions", json::array())) {
        rows += partition.value("rows", std::int64_t{0});
      }
      text = fmt::format("{} users", rows);
    } else {
      return;
    }
    Print("  " + id, fmt::format("{}, version {}, {}", text, Text(report, "version"),
                                 Text(report, "outcome")));
  }

  Status PrintResults(const std::string& run_id, const json& tasks, const std::string& date) {
    for (const json& task : tasks) PrintReport(task);
    const std::string path =
        fmt::format("/api/v2/dags/user_features/dagRuns/{}/taskInstances/report", Segment(run_id));
    const std::string log = LogText(*server_, path, "latest", "map_index=-1");
    if (!log.empty()) Print("  report", log.substr(0, log.find('\n')));
    PrintHead(date);
    return Ok();
  }

  // The head of the published table, by the verb that a user would type.
  void PrintHead(const std::string& date) {
    const std::vector<std::string> words = {
        "table",
        "head",
        cli_.state_dir + "/data/public/user_features",
        "--partition",
        "as_of=" + date,
        "--columns",
        "user_id,events_7d,sessions_7d,active_days_7d,finish_rate,days_since_last_event",
        "-n",
        "5"};
    Print("head", fmt::format("nightmill {}", fmt::join(words, " ")));
    std::vector<std::string> args = words;
    args.insert(args.begin(), cli_.self);
    const pid_t pid = Spawn(std::move(args), "", false);
    if (pid > 0) waitpid(pid, nullptr, 0);
  }

  Result<int> Backfill() {
    const std::int64_t since = SteadyMs();
    const json body = {{"dag_id", "user_features"},    {"from_date", kFirstDate},
                       {"to_date", kLastDate},         {"max_active_runs", 4},
                       {"dag_run_conf", SourceConf()}, {"reprocess_behavior", "failed"}};
    Result<json> created = server_->Post("/api/v2/backfills", body);
    if (!created.ok() && created.error().code == ErrorCode::kConflict) {
      Print("backfill", fmt::format("user_features {} .. {}: every date is there already",
                                    kFirstDate, kLastDate));
      return 0;
    }
    if (!created.ok()) return created.error();
    const auto planned = created->at("counts").at("planned").get<std::int64_t>();
    const auto id = created->at("id").get<std::int64_t>();
    Print("backfill", fmt::format("#{} user_features {} .. {}: {} to create", id, kFirstDate,
                                  kLastDate, planned));
    FollowOptions follow;
    follow.quiet = cli_.quiet;
    const int code = FollowBackfill(*server_, id, follow);
    Print(code == 0 ? "  ok" : "  FAILED", fmt::format("{} runs   {}", planned, Took(since)));
    return code;
  }

  Status FlakyExport() {
    // Without its marker the first run is red, the second one green; the same in every demo.
    const std::string marker = cli_.state_dir + "/flaky_export.seen";
    std::error_code absent;
    std::filesystem::remove(marker, absent);
    const json conf = {{"conf", {{"marker", marker}}}};
    std::vector<DemoAlerts::Event> events;
    for (int i = 0; i < 2; ++i) {
      const std::int64_t since = SteadyMs();
      NM_ASSIGN_OR_RETURN(const json run, server_->Post("/api/v2/dags/flaky_export/dagRuns", conf));
      const std::string run_id = Text(run, "dag_run_id");
      events.push_back({i == 0 ? "run.failed" : "run.recovered", run_id});
      FollowOptions follow;
      follow.quiet = true;
      const int code = FollowRun(*server_, "flaky_export", run_id, follow);
      if (InterruptGuard::Interrupted()) return Ok();
      NM_ASSIGN_OR_RETURN(const json tasks, AllTasks(*server_, "flaky_export", run_id));
      std::string text;
      for (const json& task : tasks) {
        text += fmt::format("  {} {} after {} tries", Text(task, "task_id"), Text(task, "state"),
                            Text(task, "try_number"));
      }
      Print("run", fmt::format("flaky_export {}:{}   {}", code == 0 ? "success" : "failed (meant)",
                               text, Took(since)));
    }
    const Status arrived = alerts_.Await(events);
    if (InterruptGuard::Interrupted()) return Ok();
    NM_RETURN_IF_ERROR(arrived);
    Print("alert", fmt::format("run.failed and run.recovered of flaky_export delivered to {}, "
                               "signatures verified",
                               alerts_.address()));
    return Ok();
  }

  Cli& cli_;
  DemoOptions options_;
  DemoAlerts alerts_{cli_};
  std::string sample_;
  bool was_running_ = false;  // the server is not ours to stop
  std::optional<RestClient> server_;
};

}  // namespace

void AddDemoVerb(CommandLine& line, Cli& cli) {
  auto options = std::make_shared<DemoOptions>();
  line.Add("demo", "the main job on the sample data of a clone, then a live backfill")
      .Option("--source", options->source, "root of the clone")
      .Flag("--once", options->once, "stop the server at the end: exit 0 or 5")
      .Do([&cli, options] { return Demo(cli, *options).Run(); });
}

}  // namespace nightmill
