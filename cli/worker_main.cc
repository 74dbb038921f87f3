// nightmill-worker: composition root of the worker. The daemon starts it; with --operator-host it
// is one of its own operator hosts; `op` and `table` run one operator without a daemon.
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/check.h"
#include "core/base/time.h"
#include "operators/operator.h"
#include "worker/runtime/host_main.h"
#include "worker/runtime/worker_loop.h"

#ifdef NIGHTMILL_WITH_OPERATORS
#include "operators/op_command.h"
#else
// A worker built without Arrow runs process tasks only.
const nightmill::Operator* nightmill::FindOperator(std::string_view) { return nullptr; }
#endif

namespace nightmill {
namespace {

// Inherited by every task: no core dumps of their secrets, no way to gain rights, private files.
void Harden() {
  const rlimit none = {0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  ::umask(077);
}

int RunTool(const std::string& verb, const std::vector<std::string>& args) {
#ifdef NIGHTMILL_WITH_OPERATORS
  return verb == "op" ? RunOpCommand(args, std::cout, std::cerr)
                      : RunTableCommand(args, std::cout, std::cerr);
#else
  std::cerr << "nightmill-worker " << verb << ": built without native operators (" << args.size()
            << " arguments ignored)\n";
  return static_cast<int>(ExitCode::kUsage);
#endif
}

int Main(int argc, char** argv) {
  const std::string first = argc > 1 ? argv[1] : "";
  if (first == "--operator-host") return RunOperatorHost();
  if (first == "op" || first == "table") {
    // The daemon's verbs are `op run SPEC` and `table ...`.
    const int skip = first == "op" && argc > 2 && std::string_view(argv[2]) == "run" ? 3 : 2;
    return RunTool(first, std::vector<std::string>(argv + skip, argv + argc));
  }
  CLI::App app("Runs task attempts for a Nightmill daemon", "nightmill-worker");
  WorkerOptions options;
  std::string alone_limit;
  app.set_version_flag("--version", NIGHTMILL_VERSION);
  app.add_option("--state-dir", options.state_dir, "state directory of the daemon")->required();
  app.add_option("--name", options.name, "name of this worker; one process per name");
  app.add_option("--slots", options.slots, "places it offers")->check(CLI::Range(1, 4096));
  app.add_option("--socket", options.socket, "default: <state-dir>/worker.sock");
  app.add_option("--alone-limit", alone_limit,
                 "ends after so long without a daemon and without attempts (default 10m)");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : static_cast<int>(ExitCode::kUsage);
  }
  if (!alone_limit.empty()) {
    const Result<Duration> limit = ParseDuration(alone_limit);
    if (!limit.ok()) {
      std::cerr << "--alone-limit: " << limit.error().message << '\n';
      return static_cast<int>(ExitCode::kUsage);
    }
    options.alone_limit = *limit;
  }
  Harden();
  return static_cast<int>(RunWorker(std::move(options)));
}

}  // namespace
}  // namespace nightmill

int main(int argc, char** argv) { return nightmill::Main(argc, argv); }
