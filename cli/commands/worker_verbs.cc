// op and table: what needs Arrow is done by nightmill-worker, which takes this process over.
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "cli/commands/commands.h"
#include "core/dagfile/dag_json.h"

namespace nightmill {
namespace {

std::string WorkerBinary(const Cli& cli) {
  const std::size_t slash = cli.self.rfind('/');
  return cli.self.substr(0, slash + 1) + "nightmill-worker";
}

int Exec(const Cli& cli, std::vector<std::string> args) {
  const std::string binary = WorkerBinary(cli);
  args.insert(args.begin(), binary);
  std::vector<char*> argv;
  for (std::string& arg : args) argv.push_back(arg.data());
  argv.push_back(nullptr);
  execv(binary.c_str(), argv.data());
  return Fail(NotFound(fmt::format("cannot start {}: {}", binary, std::strerror(errno)),
                       "install nightmill-worker beside nightmill"));
}

struct TableOptions {
  std::string path;
  std::vector<std::string> partition;
  std::string version;
  std::string rows = "10";
};

int RunTable(Cli& cli, const std::string& verb, const TableOptions& options) {
  const Status resolved = ResolveCli(cli);
  if (!resolved.ok()) return Fail(resolved.error());
  std::vector<std::string> args = {"table", verb, options.path};
  for (const std::string& partition : options.partition) {
    args.insert(args.end(), {"--partition", partition});
  }
  if (!options.version.empty()) args.insert(args.end(), {"--version", options.version});
  if (verb == "head") args.insert(args.end(), {"-n", options.rows});
  if (cli.json()) args.insert(args.end(), {"-o", "json"});
  return Exec(cli, std::move(args));
}

}  // namespace

void AddWorkerVerbs(CommandLine& line, Cli& cli) {
  auto spec = std::make_shared<std::string>();
  line.Add("op run", "run one native operator without a server and print its report")
      .Arg("SPEC", *spec, "JSON file of the task, templates resolved; - for stdin")
      .Do([&cli, spec] { return Exec(cli, {"op", "run", *spec}); });
  for (const std::string verb : {"files", "head"}) {
    auto options = std::make_shared<TableOptions>();
    Verb& added = line.Add("table " + verb, verb == "files"
                                                ? "current files of a table, one path a line"
                                                : "first rows of a table");
    added.Arg("PATH", options->path, "folder of the table")
        .Option("--partition", options->partition, "K=V, only this partition")
        .Option("--version", options->version, "an older version")
        .Do([&cli, verb, options] { return RunTable(cli, verb, *options); });
    if (verb == "head") added.Option("-n", options->rows, "rows");
  }
}

}  // namespace nightmill
