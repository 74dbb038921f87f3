// Composition root of `nightmill`: the daemon and every verb of the command line.
#include <unistd.h>

#include <cstdlib>
#include <iostream>

#include "cli/cli.h"
#include "cli/commands/commands.h"
#include "operators/catalog.h"

extern char** environ;

namespace {

using nightmill::Cli;

constexpr const char* kExamples =
    "Examples:\n"
    "  nightmill server --dev                      start a server for this machine\n"
    "  nightmill init my_dags                      write a first DAG to edit\n"
    "  nightmill dag apply my_dags/hello.json      hand it to the server\n"
    "  nightmill run trigger hello --wait          run it and follow it\n"
    "  nightmill task explain hello ~latest greet  why is it not running?\n";

std::map<std::string, std::string> Environment() {
  std::map<std::string, std::string> env;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const std::size_t equals = text.find('=');
    if (equals != std::string::npos) env.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return env;
}

std::string Self() {
  char path[4096];
  const ssize_t n = readlink("/proc/self/exe", path, sizeof path);
  return n > 0 ? std::string(path, static_cast<std::size_t>(n)) : "nightmill";
}

}  // namespace

int main(int argc, char** argv) {
  std::ios::sync_with_stdio(false);
  Cli cli;
  cli.env = Environment();
  cli.self = Self();
  nightmill::AddBuiltinTypes(cli.catalog);
  nightmill::AddNativeOperators(cli.catalog);

  nightmill::CommandLine line("nightmill", "Workflow orchestrator for batch ML data.", kExamples);
  line.GlobalChoice("-o,--output", cli.output, {"table", "json"});
  line.Version(std::string("nightmill ") + NIGHTMILL_VERSION);
  line.GlobalOption("--url", cli.url, "server to talk to, e.g. http://127.0.0.1:7420");
  line.GlobalOption("--token-file", cli.token_file, "file that holds the API token");
  line.GlobalOption("--state-dir", cli.state_dir, "state directory of the server");
  line.GlobalFlag("-q,--quiet", cli.quiet, "less talk");
  nightmill::AddServerVerbs(line, cli);
  nightmill::AddDagVerbs(line, cli);
  nightmill::AddDagTestVerb(line, cli);
  nightmill::AddRunVerbs(line, cli);
  nightmill::AddTaskVerbs(line, cli);
  nightmill::AddBackfillVerbs(line, cli);
  nightmill::AddAlertVerbs(line, cli);
  nightmill::AddDemoVerb(line, cli);
  nightmill::AddWorkerVerbs(line, cli);
  nightmill::AddScheduleVerbs(line, cli);
  line.Group("dag", "DAG files: check, hand over, list, pause, try", "dags");
  line.Group("run", "runs of a DAG: start, list, follow, logs, cancel", "runs");
  line.Group("task", "tasks of a run: list, explain why one does not run", "tasks");
  line.Group("backfill", "runs over a range of dates", "backfills");
  line.Group("alert", "who is told, what was sent, and a receiver that shows it", "alerts");
  line.Group("sla", "deadlines and how they stand", "slas");
  line.Group("op", "native operators without a daemon");
  line.Group("table", "published tables: their files, their first rows");
  line.Group("schedule", "when a schedule fires");
  line.Group("schema", "JSON schemas for editors");
  line.Group("pool", "limits on what runs at once", "pools");
  const int code = line.Run(argc, argv);
  std::cout.flush();
  return code;
}
