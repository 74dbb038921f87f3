#include <fmt/format.h>

#include <iostream>

#include "cli/commands/commands.h"
#include "cli/commands/follow.h"
#include "core/base/json.h"
#include "core/base/limits.h"
#include "core/dagfile/dag_json.h"

namespace nightmill {
namespace {

using nlohmann::json;

struct TriggerOptions {
  std::string dag_id;
  std::string logical_date;
  std::vector<std::string> interval;
  std::string run_id;
  std::string conf;
  std::string note;
  std::optional<std::string> wait;
  bool unpause = false;
  bool strict = false;
};

// JSON text, or @FILE.
Result<json> ConfOf(const std::string& text) {
  std::string source = text;
  if (text.starts_with('@')) {
    NM_ASSIGN_OR_RETURN(source, ReadFile(text.substr(1)));
  }
  const Result<std::string> canonical = ParseStrictJson(source, true);
  if (!canonical.ok()) {
    return Invalid(fmt::format("--conf: {}", canonical.error().message), canonical.error().hint);
  }
  json conf = json::parse(*canonical);
  if (!conf.is_object()) return Invalid("--conf must be a JSON object", "--conf '{\"x\": 1}'");
  return conf;
}

Result<json> TriggerBody(const TriggerOptions& options) {
  json body = json::object();
  if (options.logical_date == "null") {
    body["logical_date"] = nullptr;
  } else if (!options.logical_date.empty()) {
    NM_ASSIGN_OR_RETURN(body["logical_date"], UtcInstant("--logical-date", options.logical_date));
  }
  if (!options.interval.empty()) {
    NM_ASSIGN_OR_RETURN(body["data_interval_start"], UtcInstant("--interval", options.interval[0]));
    NM_ASSIGN_OR_RETURN(body["data_interval_end"], UtcInstant("--interval", options.interval[1]));
  }
  if (!options.run_id.empty()) body["dag_run_id"] = options.run_id;
  if (!options.note.empty()) body["note"] = options.note;
  if (!options.conf.empty()) {
    NM_ASSIGN_OR_RETURN(body["conf"], ConfOf(options.conf));
  }
  if (options.unpause) body["unpause"] = true;
  return body;
}

// The run as it is after following it; `code` is what that came to.
int PrintRun(RestClient& server, const std::string& dag_id, const std::string& run_id, int code) {
  const Result<json> run =
      server.Get(fmt::format("/api/v2/dags/{}/dagRuns/{}", Segment(dag_id), Segment(run_id)));
  if (!run.ok()) return Fail(run.error());
  PrintJson(*run);
  return code;
}

int Trigger(Cli& cli, const TriggerOptions& options) {
  Result<RestClient> server = ServerOf(cli);
  if (!server.ok()) return Fail(server.error());
  const Result<json> body = TriggerBody(options);
  if (!body.ok()) return Fail(body.error());
  Result<FollowOptions> follow = FollowOf(options.wait.value_or(""), cli.quiet || cli.json());
  if (!follow.ok()) return Fail(follow.error());
  follow->logs = !cli.json();
  follow->strict = options.strict;
  std::optional<Patience> patience;
  if (options.wait) patience.emplace(*server, *follow);
  const Result<json> run =
      server->Post(fmt::format("/api/v2/dags/{}/dagRuns", Segment(options.dag_id)), *body);
  if (!run.ok()) return Fail(run.error());
  if (!options.wait) {
    if (cli.json()) {
      PrintJson(*run);
    } else {
      std::cout << Text(*run, "dag_run_id") << '\n';
    }
    return 0;
  }
  const Result<json> dag = server->Get("/api/v2/dags/" + Segment(options.dag_id));
  if (dag.ok() && dag->value("is_paused", false)) {
    Say(fmt::format("{0} is paused: the run waits until somebody calls nightmill dag resume {0}",
                    options.dag_id));
  }
  const std::string run_id = Text(*run, "dag_run_id");
  const int code = FollowRun(*server, options.dag_id, run_id, *follow);
  return cli.json() ? PrintRun(*server, options.dag_id, run_id, code) : code;
}

struct ListOptions {
  std::string dag_id;
  std::string state;
  int limit = limits::kDefaultPageLimit;
  int offset = 0;
};

int List(Cli& cli, const ListOptions& options) {
  Result<RestClient> server = ServerOf(cli);
  if (!server.ok()) return Fail(server.error());
  std::string path = fmt::format("/api/v2/dags/{}/dagRuns",
                                 options.dag_id.empty() ? "~" : Segment(options.dag_id));
  if (!options.state.empty()) path += "?state=" + Segment(options.state);
  const Result<json> runs = FetchList(*server, path, "dag_runs", options.limit, options.offset);
  if (!runs.ok()) return Fail(runs.error());
  if (cli.json()) {
    PrintJson(*runs);
    return 0;
  }
  bool any_lost = false;
  for (const json& run : runs->at("dag_runs")) any_lost |= run.value("lost_attempts", 0) > 0;
  std::vector<std::string> head = {"DAG",         "RUN",    "STATE", "TYPE", "LOGICAL DATE (UTC)",
                                   "START (UTC)", "SECONDS"};
  if (any_lost) head.push_back("LOST ATTEMPTS");
  Table table(std::move(head));
  for (const json& run : runs->at("dag_runs")) {
    std::string state = Text(run, "state");
    const std::string reason = Text(run, "state_reason");
    if (!reason.empty()) state += fmt::format(" ({})", reason);
    const json duration = run.value("duration", json());
    std::vector<std::string> row = {
        Text(run, "dag_id"),
        Text(run, "dag_run_id"),
        state,
        Text(run, "run_type"),
        ShortTime(Text(run, "logical_date")),
        ShortTime(Text(run, "start_date")),
        duration.is_number() ? fmt::format("{:.2f}", duration.get<double>()) : ""};
    if (any_lost) row.push_back(Text(run, "lost_attempts"));
    table.Add(std::move(row));
  }
  table.Print();
  PrintRest(*runs, runs->at("dag_runs").size(), options.offset, "runs");
  return 0;
}

struct OneRun {
  std::string dag_id;
  std::string run_id = "~latest";
  std::string task;
  std::string timeout;
};

// The run id that "~latest" stands for now.
Result<std::string> NameOf(RestClient& server, const OneRun& one) {
  NM_ASSIGN_OR_RETURN(const json run,
                      server.Get(fmt::format("/api/v2/dags/{}/dagRuns/{}", Segment(one.dag_id),
                                             Segment(one.run_id))));
  return Text(run, "dag_run_id");
}

int Watch(Cli& cli, const OneRun& one) {
  Result<RestClient> server = ServerOf(cli);
  if (!server.ok()) return Fail(server.error());
  const Result<FollowOptions> follow = FollowOf(one.timeout, cli.quiet || cli.json());
  if (!follow.ok()) return Fail(follow.error());
  const Patience patience(*server, *follow);
  const Result<std::string> run_id = NameOf(*server, one);
  if (!run_id.ok()) return Fail(run_id.error());
  const int code = FollowRun(*server, one.dag_id, *run_id, *follow);
  return cli.json() ? PrintRun(*server, one.dag_id, *run_id, code) : code;
}

int Logs(Cli& cli, const OneRun& one) {
  const Result<TaskName> wanted = ParseTaskName(one.task);
  if (!wanted.ok()) return Fail(wanted.error());
  Result<RestClient> server = ServerOf(cli);
  if (!server.ok()) return Fail(server.error());
  const Result<std::string> run_id = NameOf(*server, one);
  if (!run_id.ok()) return Fail(run_id.error());
  const Result<json> tasks = TasksInOrder(*server, one.dag_id, *run_id);
  if (!tasks.ok()) return Fail(tasks.error());
  bool found = false;
  json all = json::array();
  for (const json& task : *tasks) {
    const int index = task.value("map_index", -1);
    if (!one.task.empty() && Text(task, "task_id") != wanted->task_id) continue;
    if (wanted->map_index >= 0 && index != wanted->map_index) continue;
    found = true;
    const std::string path =
        fmt::format("/api/v2/dags/{}/dagRuns/{}/taskInstances/{}", Segment(one.dag_id),
                    Segment(*run_id), Segment(Text(task, "task_id")));
    const std::string name =
        index < 0 ? Text(task, "task_id") : fmt::format("{}[{}]", Text(task, "task_id"), index);
    for (int number = 1; number <= task.value("try_number", 0); ++number) {
      const std::string log =
          LogText(*server, path, std::to_string(number), fmt::format("map_index={}", index));
      if (cli.json()) {
        all.push_back({{"task_id", Text(task, "task_id")},
                       {"map_index", index},
                       {"try_number", number},
                       {"content", log}});
      }
      if (log.empty() || cli.json()) continue;
      std::cout << fmt::format("==> {} try {} <==\n", name, number) << log;
    }
  }
  if (!found && !one.task.empty()) {
    return Fail(NotFound(fmt::format("run {} has no task \"{}\"", *run_id, one.task),
                         fmt::format("nightmill task list {} shows them", one.dag_id)));
  }
  if (cli.json()) PrintJson({{"logs", all}});
  return 0;
}

int Cancel(Cli& cli, const OneRun& one) {
  Result<RestClient> server = ServerOf(cli);
  if (!server.ok()) return Fail(server.error());
  const Result<json> run = server->Post(
      fmt::format("/api/v2/dags/{}/dagRuns/{}/cancel", Segment(one.dag_id), Segment(one.run_id)),
      json::object());
  if (!run.ok()) return Fail(run.error());
  if (cli.json()) PrintJson(*run);
  Say(fmt::format("run {} is being cancelled", Text(*run, "dag_run_id")));
  return 0;
}

}  // namespace

void AddRunVerbs(CommandLine& line, Cli& cli) {
  auto trigger = std::make_shared<TriggerOptions>();
  line.Add("run trigger", "start a run of a DAG")
      .Arg("DAG", trigger->dag_id, "dag_id")
      .Option("--logical-date,--exec-date", trigger->logical_date,
              "instant (UTC if it names no zone), or null")
      .Pair("--interval", trigger->interval, "START END of the data interval, instants as above")
      .Option("--run-id", trigger->run_id, "id of the run")
      .Option("--conf,-c", trigger->conf, "JSON object or @FILE")
      .Option("--note", trigger->note, "free text")
      .OptionalValue("--wait", trigger->wait, "follow the run: exit 0 or 5; --wait=30m: 6")
      .Flag("--unpause", trigger->unpause, "unpause the DAG first")
      .Flag("--strict", trigger->strict, "hidden failures count as failure")
      .Do([&cli, trigger] { return Trigger(cli, *trigger); });
  auto list = std::make_shared<ListOptions>();
  line.Add("run list", "list runs, newest first")
      .OptionalArg("DAG", list->dag_id, "dag_id; all without it")
      .Option("--state", list->state, "queued, running, success or failed")
      .Option("--limit", list->limit, "rows; 0 = all")
      .Option("--offset", list->offset, "rows to leave out first")
      .Do([&cli, list] { return List(cli, *list); });
  auto watch = std::make_shared<OneRun>();
  line.Add("run watch", "follow a run until it ends")
      .Arg("DAG", watch->dag_id, "dag_id")
      .OptionalArg("RUN", watch->run_id, "run id; the newest without it")
      .Option("--timeout", watch->timeout, "give up after, e.g. 30m (exit 6)")
      .Do([&cli, watch] { return Watch(cli, *watch); });
  auto logs = std::make_shared<OneRun>();
  line.Add("run logs", "print the logs of a run's tasks")
      .Arg("DAG", logs->dag_id, "dag_id")
      .OptionalArg("RUN", logs->run_id, "run id; the newest without it")
      .Option("--task", logs->task, "only this task: NAME, NAME:INDEX or NAME[INDEX]")
      .Do([&cli, logs] { return Logs(cli, *logs); });
  auto cancel = std::make_shared<OneRun>();
  line.Add("run cancel", "stop a run")
      .Arg("DAG", cancel->dag_id, "dag_id")
      .OptionalArg("RUN", cancel->run_id, "run id; the newest without it")
      .Do([&cli, cancel] { return Cancel(cli, *cancel); });
}

}  // namespace nightmill
