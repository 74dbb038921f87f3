#include <fmt/format.h>

#include <iostream>

#include "cli/commands/commands.h"
#include "cli/commands/follow.h"
#include "core/base/json.h"
#include "core/model/names.h"

namespace nightmill {
namespace {

using nlohmann::json;

struct TaskOptions {
  std::string dag_id;
  std::string run_id = "~latest";
  std::string task;
};

int List(Cli& cli, const TaskOptions& options) {
  Result<RestClient> server = ServerOf(cli);
  if (!server.ok()) return Fail(server.error());
  const Result<json> tasks = TasksInOrder(*server, options.dag_id, options.run_id);
  if (!tasks.ok()) return Fail(tasks.error());
  if (cli.json()) {
    PrintJson({{"task_instances", *tasks}, {"total_entries", tasks->size()}});
    return 0;
  }
  Table table({"TASK", "INDEX", "STATE", "TRY", "START (UTC)", "SECONDS", "NOTE"});
  for (const json& task : *tasks) {
    const int index = task.value("map_index", -1);
    const json duration = task.value("duration", json());
    const json failure = task.value("failure", json());
    std::string note = Text(task, "skip_reason");
    if (failure.is_object() && Text(task, "state") != "success") note = Text(failure, "message");
    if (const int lost = task.value("lost_attempts", 0); lost > 0) {
      note += fmt::format("{}{} {} lost, the last time: {}", note.empty() ? "" : "; ", lost,
                          lost == 1 ? "attempt" : "attempts", Text(task, "lost_reason"));
    }
    table.Add({Text(task, "task_id"), index < 0 ? "" : std::to_string(index),
               Text(task, "state").empty() ? "none" : Text(task, "state"), Text(task, "try_number"),
               ShortTime(Text(task, "start_date")),
               duration.is_number() ? fmt::format("{:.2f}", duration.get<double>()) : "", note});
  }
  table.Print();
  return 0;
}

int Explain(Cli& cli, const TaskOptions& options) {
  const Result<TaskName> name = ParseTaskName(options.task);
  if (!name.ok()) return Fail(name.error());
  Result<RestClient> server = ServerOf(cli);
  if (!server.ok()) return Fail(server.error());
  const Result<json> answer = server->Get(fmt::format(
      "/api/v2/dags/{}/dagRuns/{}/taskInstances/{}/explain?map_index={}", Segment(options.dag_id),
      Segment(options.run_id), Segment(name->task_id), name->map_index));
  if (!answer.ok()) return Fail(answer.error());
  if (cli.json()) {
    PrintJson(*answer);
    return 0;
  }
  const std::string state = Text(*answer, "state");
  std::cout << fmt::format("{} is {}\n", options.task, state.empty() ? "not started" : state);
  for (const json& reason : answer->at("reasons")) {
    std::cout << fmt::format("  {}: {}", Text(reason, "code"), Text(reason, "message"));
    if (!Text(reason, "until").empty()) std::cout << "; until " << Text(reason, "until");
    std::cout << '\n';
  }
  return 0;
}

int Pools(Cli& cli) {
  Result<RestClient> server = ServerOf(cli);
  if (!server.ok()) return Fail(server.error());
  const Result<json> pools = server->Get("/api/v2/pools");
  if (!pools.ok()) return Fail(pools.error());
  if (cli.json()) {
    PrintJson(*pools);
    return 0;
  }
  Table table({"POOL", "SLOTS", "RUNNING", "QUEUED", "SCHEDULED", "OPEN"});
  for (const json& pool : pools->at("pools")) {
    table.Add({Text(pool, "name"), Text(pool, "slots"), Text(pool, "running_slots"),
               Text(pool, "queued_slots"), Text(pool, "scheduled_slots"),
               Text(pool, "open_slots")});
  }
  table.Print();
  return 0;
}

struct PoolOptions {
  std::string name;
  int slots = 0;
  std::string slots_text;
  std::string description;
};

int SetPool(Cli& cli, const PoolOptions& options) {
  // Some wrong names cannot even be asked for: they break the path of the request.
  const Status named = CheckPoolName(options.name);
  if (!named.ok()) return Fail(named.error());
  Result<RestClient> server = ServerOf(cli);
  if (!server.ok()) return Fail(server.error());
  json body = {{"slots", options.slots}};
  if (!options.description.empty()) body["description"] = options.description;
  Result<json> pool = server->Patch("/api/v2/pools/" + Segment(options.name), body);
  if (!pool.ok() && pool.error().code == ErrorCode::kNotFound) {
    body["name"] = options.name;
    pool = server->Post("/api/v2/pools", body);
  }
  if (!pool.ok()) return Fail(pool.error());
  if (cli.json()) PrintJson(*pool);
  return 0;
}

}  // namespace

void AddTaskVerbs(CommandLine& line, Cli& cli) {
  auto list = std::make_shared<TaskOptions>();
  line.Add("task list", "task instances of a run")
      .Arg("DAG", list->dag_id, "dag_id")
      .OptionalArg("RUN", list->run_id, "run id; the newest without it")
      .Do([&cli, list] { return List(cli, *list); });
  auto explain = std::make_shared<TaskOptions>();
  line.Add("task explain", "why a task instance does not run, or ended as it did")
      .Arg("DAG", explain->dag_id, "dag_id")
      .Arg("RUN", explain->run_id, "run id, or ~latest")
      .Arg("TASK", explain->task, "task id; TASK:INDEX or TASK[INDEX] of a mapped one")
      .Do([&cli, explain] { return Explain(cli, *explain); });
  line.Add("pool list", "pools with what holds their slots").Do([&cli] { return Pools(cli); });
  auto pool = std::make_shared<PoolOptions>();
  line.Add("pool set", "create a pool or change its slots")
      .Arg("NAME", pool->name, "name")
      .Arg("SLOTS", pool->slots_text, "slots; -1 unlimited, 0 closed")
      .Option("--description", pool->description, "free text")
      .Do([&cli, pool] {
        try {
          pool->slots = std::stoi(pool->slots_text);
        } catch (const std::exception&) {
          return Fail(Invalid(fmt::format("\"{}\" is no number of slots", pool->slots_text)));
        }
        return SetPool(cli, *pool);
      });
}

}  // namespace nightmill
