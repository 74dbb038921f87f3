#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <map>

#include "cli/commands/commands.h"
#include "cli/commands/follow.h"
#include "cli/rest_client.h"
#include "core/base/json.h"
#include "core/dagfile/dag_json.h"
#include "scheduler/daemon/clock.h"

namespace nightmill {
namespace {

using nlohmann::json;

constexpr std::string_view kHello = R"({ "$schema": "./.nightmill/dag-1.schema.json",
  "dag_id": "hello",
  "tasks": [
    { "id": "greet", "type": "shell", "run": "echo \"hello from $NIGHTMILL_RUN_ID\"" } ]
}
)";
constexpr std::string_view kVsCode = R"({
  "files.associations": { "*.json": "jsonc" },
  "json.schemas": [
    { "fileMatch": ["/*.json"], "url": "./.nightmill/dag-1.schema.json" } ]
}
)";

Status WriteNew(const std::string& path, std::string_view content) {
  if (std::filesystem::exists(path)) {
    Say(fmt::format("kept     {}", path));
    return Ok();
  }
  constexpr const char* kHint = "name a folder that you may write to: nightmill init FOLDER";
  const std::string folder = std::filesystem::path(path).parent_path().string();
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return Invalid(fmt::format("cannot make {}: {}", folder, error.message()), kHint);
  Status written = WriteFile(path, content, 0644);
  if (!written.ok()) {
    Error failed = written.error();
    failed.hint = kHint;
    return failed;
  }
  Say(fmt::format("written  {}", path));
  return Ok();
}

int Init(Cli& cli, const std::string& folder) {
  for (const auto& [name, content] :
       {std::pair<std::string, std::string>{"hello.json", std::string(kHello)},
        {".nightmill/dag-1.schema.json", DagSchema(cli.catalog)},
        {".vscode/settings.json", std::string(kVsCode)}}) {
    const Status written = WriteNew(fmt::format("{}/{}", folder, name), content);
    if (!written.ok()) return Fail(written.error());
  }
  Say(fmt::format(
      "next     nightmill dag apply {}/hello.json && nightmill run trigger hello --wait", folder));
  return 0;
}

struct FileOptions {
  std::vector<std::string> paths;
  bool strict = false;
  int n = 5;
};

// A folder stands for its *.json files, hidden ones and subfolders left out.
Result<std::vector<std::string>> Expand(const std::vector<std::string>& paths) {
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    std::error_code error;
    if (!std::filesystem::is_directory(path, error)) {
      files.push_back(path);
      continue;
    }
    std::vector<std::string> inside;
    for (const auto& entry : std::filesystem::directory_iterator(path, error)) {
      const std::string name = entry.path().filename().string();
      if (name.ends_with(".json") && !name.starts_with('.') && !name.ends_with(".schema.json")) {
        inside.push_back(entry.path().string());
      }
    }
    if (inside.empty()) return NotFound(fmt::format("no *.json in {}", path));
    std::sort(inside.begin(), inside.end());
    files.insert(files.end(), inside.begin(), inside.end());
  }
  return files;
}

Result<DagFileResult> Load(const Cli& cli, const std::string& path) {
  NM_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  DagFileOptions options;
  options.file = path;
  options.fileloc = path == "-" ? "" : AbsolutePath(path);
  return LoadDag(text, cli.catalog, options);
}

int Validate(Cli& cli, const FileOptions& options) {
  const Status resolved = ResolveCli(cli);
  if (!resolved.ok()) return Fail(resolved.error());
  const Result<std::vector<std::string>> files = Expand(options.paths);
  if (!files.ok()) return Fail(files.error());
  std::vector<Diagnostic> all;
  std::map<std::string, std::string> file_of;  // by DAG id
  int bad = 0;
  int code = 0;
  const auto fail = [&](const Error& error) {
    bad += 1;
    const int one = Fail(error);
    if (code == 0) code = one;
  };
  for (const std::string& path : *files) {
    const Result<DagFileResult> loaded = Load(cli, path);
    if (!loaded.ok()) {
      fail(loaded.error());
      continue;
    }
    if (loaded->ok()) {
      const std::string& id = loaded->dag->dag_id;
      const auto [other, is_new] = file_of.emplace(id, path);
      if (!is_new && other->second != path) {
        fail(Conflict(fmt::format("{} and {} define the same DAG \"{}\"", other->second, path, id),
                      "give one of them another dag_id"));
        continue;
      }
    }
    const bool clean = loaded->ok() && (!options.strict || loaded->diagnostics.empty());
    if (!clean) bad += 1;
    all.insert(all.end(), loaded->diagnostics.begin(), loaded->diagnostics.end());
    if (!cli.json() && clean) {
      std::cout << fmt::format("{}: ok, DAG {} with {} tasks\n", path, loaded->dag->dag_id,
                               loaded->dag->tasks.size());
    }
  }
  if (cli.json()) {
    std::cout << DiagnosticsToJson(all) << '\n';
  } else {
    for (const Diagnostic& diagnostic : all) std::cout << FormatDiagnostic(diagnostic) << '\n';
    std::cout << std::flush;
    if (bad > 0) Say(fmt::format("files with errors: {} of {}", bad, files->size()));
  }
  if (code != 0) return code;
  return bad == 0 ? 0 : static_cast<int>(ExitCode::kUsage);
}

// Sends one file; the exit code.
int ApplyOne(Cli& cli, RestClient& server, const std::string& path, json& applied) {
  const Result<DagFileResult> loaded = Load(cli, path);
  if (!loaded.ok()) return Fail(loaded.error());
  if (!loaded->ok()) {
    for (const Diagnostic& d : loaded->diagnostics) std::cerr << FormatDiagnostic(d) << '\n';
    return static_cast<int>(ExitCode::kUsage);
  }
  const std::string query =
      fmt::format("?file={}&fileloc={}", Segment(path), Segment(loaded->dag->fileloc));
  int status = 0;
  const Result<json> answer =
      server.StoreDag(loaded->dag->dag_id, query, loaded->dag->source, status);
  if (!answer.ok()) return Fail(answer.error());
  if (status != 200) {
    const ErrorCode code =
        ParseErrorCode(answer->value("code", "internal")).value_or(ErrorCode::kInternal);
    return Fail(Error{code, answer->value("detail", "the server refused the DAG"),
                      answer->value("hint", "")});
  }
  applied.push_back(*answer);
  for (const Diagnostic& d : loaded->diagnostics) {
    // Which pools there are was the server's to check.
    if (d.code != "NM315") std::cerr << FormatDiagnostic(d) << '\n';
  }
  if (!cli.json()) {
    const char* what = answer->value("created", false)   ? "created"
                       : answer->value("changed", false) ? "changed"
                                                         : "unchanged";
    std::cout << fmt::format("{}: {} {}, version {}{}\n", path, Text(*answer, "dag_id"), what,
                             Text(*answer, "version_number"),
                             answer->value("is_paused", false) ? ", paused" : "");
  }
  return 0;
}

int Apply(Cli& cli, const FileOptions& options) {
  Result<RestClient> server = ServerOf(cli);
  if (!server.ok()) return Fail(server.error());
  const Result<std::vector<std::string>> files = Expand(options.paths);
  if (!files.ok()) return Fail(files.error());
  json applied = json::array();
  int code = 0;
  for (const std::string& path : *files) {
    const int one = ApplyOne(cli, *server, path, applied);
    if (code == 0) code = one;
  }
  if (cli.json()) PrintJson(applied);
  return code;
}

int List(Cli& cli) {
  Result<RestClient> server = ServerOf(cli);
  if (!server.ok()) return Fail(server.error());
  const Result<json> dags = FetchList(*server, "/api/v2/dags", "dags", 0);
  if (!dags.ok()) return Fail(dags.error());
  if (cli.json()) {
    PrintJson(*dags);
    return 0;
  }
  Table table({"DAG", "PAUSED", "SCHEDULE", "VERSION", "NEXT RUN AFTER (UTC)"});
  for (const json& dag : dags->at("dags")) {
    table.Add({Text(dag, "dag_id"), dag.value("is_paused", false) ? "yes" : "no",
               Text(dag, "timetable_summary"), Text(dag, "version_number"),
               ShortTime(Text(dag, "next_dagrun_run_after"))});
  }
  table.Print();
  return 0;
}

int Next(Cli& cli, const FileOptions& options) {
  const Status resolved = ResolveCli(cli);
  if (!resolved.ok()) return Fail(resolved.error());
  const Status count = CheckCount(options.n);
  if (!count.ok()) return Fail(count.error());
  const Result<DagFileResult> loaded = Load(cli, options.paths[0]);
  if (!loaded.ok()) return Fail(loaded.error());
  if (!loaded->ok()) {
    for (const Diagnostic& d : loaded->diagnostics) std::cerr << FormatDiagnostic(d) << '\n';
    return static_cast<int>(ExitCode::kUsage);
  }
  const auto& timetable = loaded->dag->timetable;
  if (timetable == nullptr) {
    return Fail(Invalid(fmt::format("{} has no schedule", loaded->dag->dag_id)));
  }
  json rows = json::array();
  Table table({"PLANNED START (UTC)", "DATA INTERVAL (UTC)", "LOCAL", "NOTE"});
  Instant after = WallNow();
  for (int i = 0; i < options.n; ++i) {
    const std::optional<Slot> slot = timetable->NextSlot(after);
    if (!slot) break;
    after = slot->tick;
    const std::string start = FormatInstant(slot->interval.start);
    const std::string end = FormatInstant(slot->interval.end);
    rows.push_back({{"run_after", FormatInstant(slot->run_after)},
                    {"logical_date", start},
                    {"data_interval_start", start},
                    {"data_interval_end", end},
                    {"note", timetable->Note(*slot)}});
    table.Add({ShortTime(FormatInstant(slot->run_after)),
               fmt::format("{} .. {}", ShortTime(start), ShortTime(end)),
               timetable->LocalText(slot->run_after), timetable->Note(*slot)});
  }
  if (cli.json()) {
    PrintJson({{"dag_id", loaded->dag->dag_id}, {"next", rows}});
  } else {
    table.Print();
    if (rows.empty()) Say("no run is due any more");
  }
  return 0;
}

int SetPaused(Cli& cli, const std::string& dag_id, bool paused) {
  Result<RestClient> server = ServerOf(cli);
  if (!server.ok()) return Fail(server.error());
  const Result<json> dag =
      server->Patch("/api/v2/dags/" + Segment(dag_id), {{"is_paused", paused}});
  if (!dag.ok()) return Fail(dag.error());
  if (cli.json()) PrintJson(*dag);
  Say(fmt::format("{} is {}", dag_id, paused ? "paused: nothing new starts" : "not paused"));
  return 0;
}

}  // namespace

void AddDagVerbs(CommandLine& line, Cli& cli) {
  auto folder = std::make_shared<std::string>();
  line.Add("init", "write a first DAG with its editor schema into a folder")
      .Arg("FOLDER", *folder, "made if absent")
      .Do([&cli, folder] { return Init(cli, *folder); });
  auto validate = std::make_shared<FileOptions>();
  line.Add("dag validate", "check DAG files, all errors at once, without a server")
      .Args("PATH", validate->paths, "files or folders; - for stdin")
      .Flag("--strict", validate->strict, "warnings fail too")
      .Do([&cli, validate] { return Validate(cli, *validate); });
  auto apply = std::make_shared<FileOptions>();
  line.Add("dag apply", "hand DAG files to the server")
      .Args("PATH", apply->paths, "files or folders")
      .Do([&cli, apply] { return Apply(cli, *apply); });
  line.Add("dag list", "DAGs of the server").Do([&cli] { return List(cli); });
  auto next = std::make_shared<FileOptions>();
  next->paths.resize(1);
  line.Add("dag next", "coming runs of a DAG file")
      .Arg("FILE", next->paths[0], "DAG file")
      .Option("-n", next->n, "how many")
      .Do([&cli, next] { return Next(cli, *next); });
  for (const bool paused : {true, false}) {
    auto dag_id = std::make_shared<std::string>();
    line.Add(paused ? "dag pause" : "dag resume", paused ? "start nothing new" : "go on")
        .Arg("DAG", *dag_id, "dag_id")
        .Do([&cli, dag_id, paused] { return SetPaused(cli, *dag_id, paused); });
  }
}

}  // namespace nightmill
