// A small receiver of webhooks on this machine, to see alerts arrive and to try a configuration
// (product.md 7). The only HTTP server of the command line. Thread rule: main thread.
#pragma once

#include <string>

#include "cli/cli.h"

namespace nightmill {

// A new secret of a webhook: "whsec_<base64>".
Result<std::string> NewSecret();

struct ListenOptions {
  int port = 9000;          // 0: a free one
  std::string secret_file;  // "": a new secret is made and shown
  int count = 0;            // ends after so many verified messages; 0: never
};

// Prints one line for each message: verified ones on stdout (`-o json`: with the whole body),
// others on stderr, which are answered 401. Ends by SIGINT or after `count`.
int Listen(Cli& cli, const ListenOptions& options);

}  // namespace nightmill
