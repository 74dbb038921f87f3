// alert: a receiver that shows them.
#include <memory>

#include "cli/commands/alert_listen.h"
#include "cli/commands/commands.h"

namespace nightmill {

void AddAlertVerbs(CommandLine& line, Cli& cli) {
  auto listen = std::make_shared<ListenOptions>();
  line.Add("alert listen", "a receiver on this machine: verifies webhooks and prints them")
      .Option("--port", listen->port, "port; 0 takes a free one")
      .Option("--secret", listen->secret_file,
              "file of the whsec_ secret; without it one is made and shown")
      .Option("--count", listen->count, "end after so many verified messages; 0: never")
      .Do([&cli, listen] { return Listen(cli, *listen); });
}

}  // namespace nightmill
