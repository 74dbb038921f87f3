// op and table: what needs Arrow is done by nightmill-worker, which takes this process over.
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

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
  std::string columns;
};

struct OpOptions {
  std::string spec;
  std::string data_root;
  std::string threads;
  std::string memory;
};

int RunOp(Cli& cli, const OpOptions& options) {
  std::vector<std::string> args = {"op", "run", options.spec};
  if (!options.data_root.empty()) args.insert(args.end(), {"--data-root", options.data_root});
  if (!options.threads.empty()) args.insert(args.end(), {"--threads", options.threads});
  if (!options.memory.empty()) args.insert(args.end(), {"--memory", options.memory});
  return Exec(cli, std::move(args));
}

int RunTable(Cli& cli, const std::string& verb, const TableOptions& options) {
  const Status resolved = ResolveCli(cli);
  if (!resolved.ok()) return Fail(resolved.error());
  std::vector<std::string> args = {"table", verb, options.path};
  for (const std::string& partition : options.partition) {
    args.insert(args.end(), {"--partition", partition});
  }
  if (!options.version.empty()) args.insert(args.end(), {"--version", options.version});
  if (verb == "head") args.insert(args.end(), {"-n", options.rows});
  if (!options.columns.empty()) args.insert(args.end(), {"--columns", options.columns});
  if (cli.json()) args.insert(args.end(), {"-o", "json"});
  return Exec(cli, std::move(args));
}

}  // namespace

void AddWorkerVerbs(CommandLine& line, Cli& cli) {
  auto op = std::make_shared<OpOptions>();
  line.Add("op run", "run one native operator without a server and print its report")
      .Arg("SPEC", op->spec, "JSON file of the task, templates resolved")
      .Option("--data-root", op->data_root, "where relative paths begin; here without it")
      .Option("--threads", op->threads, "threads; all cores without it")
      .Option("--memory", op->memory, "budget, e.g. 512MB")
      .Do([&cli, op] { return RunOp(cli, *op); });
  for (const std::string verb : {"files", "head"}) {
    auto options = std::make_shared<TableOptions>();
    Verb& added =
        line.Add("table " + verb, verb == "files" ? "current files of a table, one path a line"
                                                  : "first rows of a table");
    added.Arg("PATH", options->path, "folder of the table")
        .Option("--partition", options->partition, "K=V, only this partition")
        .Option("--version", options->version, "an older version")
        .Do([&cli, verb, options] { return RunTable(cli, verb, *options); });
    if (verb == "head") {
      added.Option("-n", options->rows, "rows")
          .Option("--columns", options->columns, "A,B: only these");
    }
  }
}

}  // namespace nightmill
