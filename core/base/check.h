// CHECK guards our own assumptions and stays on in release builds: a failed CHECK is a bug of ours,
// never the answer to what a user, a peer or a disk did. Fatal ends a process whose environment is
// dead (a failed fsync, a database of a newer release); its exit codes are part of the product.
#pragma once

#include <string_view>

namespace nightmill {

enum class ExitCode : int {
  kOk = 0,
  kFailed = 1,
  kUsage = 2,
  kNotFound = 3,
  kNotAllowed = 4,
  kEndedBadly = 5,
  kWaitTimedOut = 6,
  kConflict = 7,
  kUnreachable = 8,
  kIoError = 70,
  kStateOwned = 75,
  kBadConfig = 78,
  kInterrupted = 130,
};

[[noreturn]] void CheckFailed(const char* condition, const char* file, int line,
                              std::string_view detail);

// Writes the message to stderr and leaves at once by _exit: no destructor may touch a disk that
// has just failed us.
[[noreturn]] void Fatal(ExitCode code, std::string_view message);

}  // namespace nightmill

#define CHECK(condition) \
  ((condition) ? void(0) : ::nightmill::CheckFailed(#condition, __FILE__, __LINE__, {}))
#define CHECK_MSG(condition, detail) \
  ((condition) ? void(0) : ::nightmill::CheckFailed(#condition, __FILE__, __LINE__, (detail)))
