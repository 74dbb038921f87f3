// The operator commands of nightmill-worker: what worker_main calls for `op run SPEC.json` and
// `table files|head PATH`. They print to the streams given and return an exit code of product.md 3.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace nightmill {

// args: SPEC.json [--data-root DIR] [--threads N] [--memory SIZE]. Prints the report JSON on `out`,
// an error as one line on `err` and as JSON on `out`. Paths start at the current directory.
int RunOpCommand(const std::vector<std::string>& args, std::ostream& out, std::ostream& err);

// args: files|head PATH [--partition K=V]... [--version N] [-n ROWS] [--columns A,B]
// [-o table|json]. An error is a line on `err`, and with `-o json` JSON on `out` too.
int RunTableCommand(const std::vector<std::string>& args, std::ostream& out, std::ostream& err);

}  // namespace nightmill
