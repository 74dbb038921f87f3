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

struct CreateOptions {
  std::string dag_id;
  std::string from;
  std::string to;
  std::string dag_flag;  // Airflow's spelling of the three
  std::string from_flag;
  std::string to_flag;
  std::string reprocess = "none";
  std::string conf;
  int max_active_runs = 10;
  bool backwards = false;
  bool dry_run = false;
  std::optional<std::string> wait;
};

void PrintPreview(const json& rows) {
  Table table({"LOGICAL DATE (UTC)", "DATA INTERVAL (UTC)", "VERDICT", "REASON", "EXISTING RUN"});
  for (const json& row : rows) {
    table.Add({ShortTime(Text(row, "logical_date")),
               fmt::format("{} .. {}", ShortTime(Text(row, "data_interval_start")),
                           ShortTime(Text(row, "data_interval_end"))),
               Text(row, "verdict"), Text(row, "reason"), Text(row, "existing_run_id")});
  }
  table.Print();
}

// A bare date stays one: it is a whole day of the schedule's zone, which the server knows.
Result<std::string> DateOf(std::string_view name, const std::string& text) {
  return text.size() <= 10 ? text : UtcInstant(name, text);
}

Result<json> BodyOf(const CreateOptions& options) {
  NM_ASSIGN_OR_RETURN(const std::string from,
                      DateOf("FROM", options.from.empty() ? options.from_flag : options.from));
  NM_ASSIGN_OR_RETURN(const std::string to,
                      DateOf("TO", options.to.empty() ? options.to_flag : options.to));
  json body = {{"dag_id", options.dag_id.empty() ? options.dag_flag : options.dag_id},
               {"from_date", from},
               {"to_date", to},
               {"reprocess_behavior", options.reprocess},
               {"max_active_runs", options.max_active_runs},
               {"run_backwards", options.backwards}};
  for (const char* member : {"dag_id", "from_date", "to_date"}) {
    if (body[member].get<std::string>().empty()) {
      return Invalid("a backfill needs a DAG, a first and a last date",
                     "nightmill backfill create DAG 2026-01-01 2026-01-31");
    }
  }
  if (!options.conf.empty()) {
    std::string text = options.conf;
    if (text.starts_with('@')) {
      NM_ASSIGN_OR_RETURN(text, ReadFile(text.substr(1)));
    }
    const Result<std::string> canonical = ParseStrictJson(text, true);
    if (!canonical.ok()) return Invalid(fmt::format("--conf: {}", canonical.error().message));
    body["dag_run_conf"] = json::parse(*canonical);
  }
  return body;
}

// Follows to the end; then, as JSON, the backfill as it is.
int Follow(const Cli& cli, RestClient& server, std::int64_t id, const FollowOptions& follow) {
  const Patience patience(server, follow);
  const int code = FollowBackfill(server, id, follow);
  if (!cli.json()) return code;
  const Result<json> backfill = server.Get(fmt::format("/api/v2/backfills/{}", id));
  if (!backfill.ok()) return Fail(backfill.error());
  PrintJson(*backfill);
  return code;
}

int Create(Cli& cli, const CreateOptions& options) {
  Result<RestClient> server = ServerOf(cli);
  if (!server.ok()) return Fail(server.error());
  const Result<json> body = BodyOf(options);
  if (!body.ok()) return Fail(body.error());
  const Result<FollowOptions> follow = FollowOf(options.wait.value_or(""), cli.quiet || cli.json());
  if (!follow.ok()) return Fail(follow.error());
  std::optional<Patience> patience;
  if (options.wait) patience.emplace(*server, *follow);
  const Result<json> answer =
      server->Post(options.dry_run ? "/api/v2/backfills/dry_run" : "/api/v2/backfills", *body);
  if (!answer.ok()) return Fail(answer.error());
  if (options.dry_run) {
    if (cli.json()) {
      PrintJson(*answer);
    } else {
      PrintPreview(answer->at("backfills"));
    }
    return 0;
  }
  if (cli.json() && !options.wait) PrintJson(*answer);
  const auto planned = answer->at("counts").at("planned").get<std::int64_t>();
  const auto skipped = answer->at("counts").at("skipped").get<std::int64_t>();
  const auto id = answer->at("id").get<std::int64_t>();
  if (!cli.json()) {
    std::cout << fmt::format("backfill {} of {}, {} .. {} UTC: {} of {} slots to run\n", id,
                             Text(*answer, "dag_id"), ShortTime(Text(*answer, "from_date")),
                             ShortTime(Text(*answer, "to_date")), planned, planned + skipped)
              << std::flush;
  }
  if (!options.wait) return 0;
  return Follow(cli, *server, id, *follow);
}

struct ListOptions {
  std::string dag_id;
  int limit = limits::kDefaultPageLimit;
  int offset = 0;
};

int List(Cli& cli, const ListOptions& options) {
  Result<RestClient> server = ServerOf(cli);
  if (!server.ok()) return Fail(server.error());
  std::string path = "/api/v2/backfills";
  if (!options.dag_id.empty()) path += "?dag_id=" + Segment(options.dag_id);
  const Result<json> answer = FetchList(*server, path, "backfills", options.limit, options.offset);
  if (!answer.ok()) return Fail(answer.error());
  if (cli.json()) {
    PrintJson(*answer);
    return 0;
  }
  Table table({"ID", "DAG", "STATE", "FROM (UTC)", "TO (UTC)", "COUNTS"});
  for (const json& backfill : answer->at("backfills")) {
    std::string counts;
    for (const auto& [state, count] : backfill.at("counts").items()) {
      if (count == 0) continue;
      counts += fmt::format("{}{} {}", counts.empty() ? "" : ", ", count.dump(), state);
    }
    table.Add({Text(backfill, "id"), Text(backfill, "dag_id"), Text(backfill, "state"),
               ShortTime(Text(backfill, "from_date")), ShortTime(Text(backfill, "to_date")),
               counts});
  }
  table.Print();
  PrintRest(*answer, answer->at("backfills").size(), options.offset, "backfills");
  return 0;
}

int Control(Cli& cli, const std::string& id, const char* action) {
  Result<RestClient> server = ServerOf(cli);
  if (!server.ok()) return Fail(server.error());
  const Result<json> answer =
      server->Put(fmt::format("/api/v2/backfills/{}/{}", Segment(id), action), json::object());
  if (!answer.ok()) return Fail(answer.error());
  if (cli.json()) PrintJson(*answer);
  Say(fmt::format("backfill {} is {}", id, Text(*answer, "state")));
  return 0;
}

int Watch(Cli& cli, const std::string& id) {
  Result<RestClient> server = ServerOf(cli);
  if (!server.ok()) return Fail(server.error());
  const Result<json> answer = server->Get("/api/v2/backfills/" + Segment(id));
  if (!answer.ok()) return Fail(answer.error());
  FollowOptions follow;
  follow.quiet = cli.quiet || cli.json();
  return Follow(cli, *server, answer->at("id").get<std::int64_t>(), follow);
}

}  // namespace

void AddBackfillVerbs(CommandLine& line, Cli& cli) {
  auto create = std::make_shared<CreateOptions>();
  line.Add("backfill create", "run the slots of a schedule between two dates, both included")
      .OptionalArg("DAG", create->dag_id, "dag_id")
      .OptionalArg("FROM", create->from,
                   "first logical date: instant, or day in the schedule's zone")
      .OptionalArg("TO", create->to, "last logical date")
      .Option("--dag-id", create->dag_flag, "same as DAG")
      .Option("--from-date", create->from_flag, "same as FROM")
      .Option("--to-date", create->to_flag, "same as TO")
      .Option("--max-active-runs", create->max_active_runs, "runs at a time")
      .Option("--reprocess-behavior", create->reprocess, "none, failed or completed")
      .Option("--dag-run-conf,--conf", create->conf, "JSON object or @FILE")
      .Flag("--run-backwards", create->backwards, "newest first")
      .Flag("--dry-run", create->dry_run, "only show the verdict per date")
      .OptionalValue("--wait", create->wait, "follow it: exit 0 or 5; --wait=30m: 6")
      .Do([&cli, create] { return Create(cli, *create); });
  auto list = std::make_shared<ListOptions>();
  line.Add("backfill list", "backfills, newest first")
      .OptionalArg("DAG", list->dag_id, "dag_id; all without it")
      .Option("--limit", list->limit, "rows; 0 = all")
      .Option("--offset", list->offset, "rows to leave out first")
      .Do([&cli, list] { return List(cli, *list); });
  auto watch = std::make_shared<std::string>();
  line.Add("backfill watch", "follow a backfill until it ends")
      .Arg("ID", *watch, "id")
      .Do([&cli, watch] { return Watch(cli, *watch); });
  struct Action {
    const char* verb;
    const char* path;
    const char* help;
  };
  for (const Action& action : {Action{"backfill pause", "pause", "start no further runs"},
                               Action{"backfill resume", "unpause", "go on"},
                               Action{"backfill unpause", "unpause", "go on"},
                               Action{"backfill cancel", "cancel", "drop what has not started"}}) {
    auto id = std::make_shared<std::string>();
    line.Add(action.verb, action.help).Arg("ID", *id, "id").Do([&cli, id, path = action.path] {
      return Control(cli, *id, path);
    });
  }
}

}  // namespace nightmill
