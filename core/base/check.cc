#include "core/base/check.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace nightmill {

void CheckFailed(const char* condition, const char* file, int line, std::string_view detail) {
  const std::string text =
      fmt::format("CHECK failed at {}:{}: {} {}\n", file, line, condition, detail);
  std::fputs(text.c_str(), stderr);
  std::abort();
}

void Fatal(ExitCode code, std::string_view message) {
  const std::string text = fmt::format("nightmill: fatal: {}\n", message);
  std::fputs(text.c_str(), stderr);
  std::fflush(stderr);
  std::_Exit(static_cast<int>(code));
}

}  // namespace nightmill
