// alert: who is told, what became of the messages, and a receiver that shows them. sla: standing of
// deadlines, and what was missed.
#include <fmt/format.h>

#include <iostream>

#include "cli/commands/alert_listen.h"
#include "cli/commands/commands.h"
#include "cli/rest_client.h"
#include "core/base/json.h"

namespace nightmill {
namespace {

using nlohmann::json;

struct ListOptions {
  std::string notifier;
  std::vector<std::string> states;
  std::string dag_id;
  std::string run_id;
  int limit = 50;
  int offset = 0;
};

std::string QueryOf(const ListOptions& options) {
  std::string query = fmt::format("?limit={}&offset={}", options.limit, options.offset);
  if (!options.notifier.empty()) query += "&notifier=" + Segment(options.notifier);
  if (!options.dag_id.empty()) query += "&dag_id=" + Segment(options.dag_id);
  if (!options.run_id.empty()) query += "&dag_run_id=" + Segment(options.run_id);
  for (const std::string& state : options.states) query += "&state=" + Segment(state);
  return query;
}

std::string Joined(const json& list) {
  std::string text;
  if (!list.is_array()) return text;
  for (const json& item : list) {
    text += (text.empty() ? "" : " ") + (item.is_string() ? item.get<std::string>() : item.dump());
  }
  return text;
}

// Asks for a list and prints it: as JSON, or each row of `name` by `add` below `header`.
int PrintList(Cli& cli, const std::string& path, const std::string& name, Table table,
              const std::function<void(Table&, const json&)>& add, int offset) {
  Result<RestClient> server = ServerOf(cli);
  if (!server.ok()) return Fail(server.error());
  const Result<json> answer = server->Get(path);
  if (!answer.ok()) return Fail(answer.error());
  if (cli.json()) {
    PrintJson(*answer);
    return 0;
  }
  const json rows = answer->value(name, json::array());
  for (const json& row : rows) add(table, row);
  table.Print();
  PrintRest(*answer, rows.size(), offset, "entries");
  return 0;
}

int ListNotifiers(Cli& cli) {
  Table table({"NAME", "TYPE", "TARGET", "EVENTS", "PENDING", "DEAD", "LAST (UTC)", "NOTE"});
  const auto add = [](Table& rows, const json& row) {
    std::string note = Text(row, "disabled_reason");
    if (!note.empty()) note = "off: " + note;
    if (note.empty()) note = Text(row, "last_error");
    rows.Add({Text(row, "name"), Text(row, "type"), Text(row, "target"),
              Joined(row.value("events", json())), Text(row, "pending"), Text(row, "dead"),
              ShortTime(Text(row, "last_delivered_at")), note});
  };
  return PrintList(cli, "/api/v2/notifiers", "notifiers", std::move(table), add, 0);
}

int ListDeliveries(Cli& cli, const ListOptions& options) {
  Table table({"DELIVERY", "EVENT", "NOTIFIER", "DAG", "STATE", "TRIES", "NEXT (UTC)", "NOTE"});
  const auto add = [](Table& rows, const json& row) {
    rows.Add({Text(row, "delivery_id"), Text(row, "event"), Text(row, "notifier"),
              Text(row, "dag_id"), Text(row, "state"), Text(row, "tries"),
              ShortTime(Text(row, "next_try_at")), Text(row, "last_error")});
  };
  return PrintList(cli, "/api/v2/deliveries" + QueryOf(options), "deliveries", std::move(table),
                   add, options.offset);
}

int PrintDelivery(Cli& cli, const Result<json>& answer) {
  if (!answer.ok()) return Fail(answer.error());
  if (cli.json()) {
    PrintJson(*answer);
  } else {
    std::cout << fmt::format("{}  {} to {}\n", Text(*answer, "delivery_id"), Text(*answer, "event"),
                             Text(*answer, "notifier"));
    if (!cli.quiet) Say("next: nightmill alert deliveries shows what became of it");
  }
  return 0;
}

int Test(Cli& cli, const std::string& name) {
  Result<RestClient> server = ServerOf(cli);
  if (!server.ok()) return Fail(server.error());
  return PrintDelivery(
      cli, server->Post(fmt::format("/api/v2/notifiers/{}/test", Segment(name)), json::object()));
}

int Redeliver(Cli& cli, const std::string& id) {
  Result<RestClient> server = ServerOf(cli);
  if (!server.ok()) return Fail(server.error());
  return PrintDelivery(
      cli,
      server->Post(fmt::format("/api/v2/deliveries/{}/redeliver", Segment(id)), json::object()));
}

int ListSlas(Cli& cli, const ListOptions& options) {
  Table table(
      {"DAG", "TASK", "SLA", "RULE", "STATE", "DEADLINE (UTC)", "FORECAST (UTC)", "BLOCKED BY"});
  const auto add = [](Table& rows, const json& row) {
    const json blocking = row.value("blocking_task_list", json::array());
    const std::string first = blocking.empty() ? "" : Text(blocking[0], "task_id");
    rows.Add({Text(row, "dag_id"), Text(row, "task_id"), Text(row, "sla"), Text(row, "rule"),
              Text(row, "state"), ShortTime(Text(row, "deadline")),
              ShortTime(Text(row, "predicted_finish")), first});
  };
  return PrintList(cli, "/api/v2/slas" + QueryOf(options), "slas", std::move(table), add,
                   options.offset);
}

int ListMisses(Cli& cli, const ListOptions& options) {
  Table table({"ID", "DAG", "TASK", "SLA", "RUN", "DEADLINE (UTC)", "OUTCOME", "LATE (S)", "CAUSE",
               "BLOCKED BY"});
  const auto add = [](Table& rows, const json& row) {
    const json blocking = row.value("blocking_task_list", json::array());
    const std::string first = blocking.empty() ? "" : Text(blocking[0], "task_id");
    rows.Add({Text(row, "sla_miss_id"), Text(row, "dag_id"), Text(row, "task_id"), Text(row, "sla"),
              Text(row, "dag_run_id"), ShortTime(Text(row, "deadline")), Text(row, "state"),
              Text(row, "late_by_seconds"), Text(row, "cause"), first});
  };
  return PrintList(cli, "/api/v2/slaMisses" + QueryOf(options), "sla_misses", std::move(table), add,
                   options.offset);
}

void AddSlaVerbs(CommandLine& line, Cli& cli) {
  auto options = std::make_shared<ListOptions>();
  line.Add("sla list", "deadlines with their present standing")
      .Option("--dag", options->dag_id, "only of this DAG")
      .Option("--state", options->states, "only with this standing (repeatable)")
      .Option("--limit", options->limit, "rows")
      .Option("--offset", options->offset, "rows to skip")
      .Do([&cli, options] { return ListSlas(cli, *options); });
  line.Add("sla misses", "what was warned of and missed, newest first")
      .Option("--dag", options->dag_id, "only of this DAG")
      .Option("--run", options->run_id, "only of this run; goes with --dag")
      .Option("--state", options->states, "only warned, missed or resolved (repeatable)")
      .Option("--limit", options->limit, "rows")
      .Option("--offset", options->offset, "rows to skip")
      .Do([&cli, options] { return ListMisses(cli, *options); });
}

}  // namespace

void AddAlertVerbs(CommandLine& line, Cli& cli) {
  line.Add("alert list", "notifiers of the server").Do([&cli] { return ListNotifiers(cli); });
  auto name = std::make_shared<std::string>();
  line.Add("alert test", "send a marked sample; a receiver that takes it turns a notifier on again")
      .Arg("NAME", *name, "notifier")
      .Do([&cli, name] { return Test(cli, *name); });
  auto options = std::make_shared<ListOptions>();
  line.Add("alert deliveries", "messages and what became of them, newest first")
      .Option("--notifier", options->notifier, "only to this one")
      .Option("--dag", options->dag_id, "only of this DAG")
      .Option("--state", options->states,
              "pending, delivered, dead, dropped or silenced (repeatable)")
      .Option("--limit", options->limit, "rows")
      .Option("--offset", options->offset, "rows to skip")
      .Do([&cli, options] { return ListDeliveries(cli, *options); });
  auto id = std::make_shared<std::string>();
  line.Add("alert redeliver", "send a message again that was given up, dropped or delivered")
      .Arg("DELIVERY", *id, "id, as alert deliveries shows it")
      .Do([&cli, id] { return Redeliver(cli, *id); });
  auto listen = std::make_shared<ListenOptions>();
  line.Add("alert listen", "a receiver on this machine: verifies webhooks and prints them")
      .Option("--port", listen->port, "port; 0 takes a free one")
      .Option("--secret", listen->secret_file,
              "file of the whsec_ secret; without it one is made and shown")
      .Option("--count", listen->count, "end after so many verified messages; 0: never")
      .Do([&cli, listen] { return Listen(cli, *listen); });
  AddSlaVerbs(line, cli);
}

}  // namespace nightmill
