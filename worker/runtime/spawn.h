// Starting a child: posix_spawn in a session of its own, signals at their defaults, descriptors
// 0 (/dev/null), 1 and 2 and at most one more (as 3), nothing else inherited (reliability.md R8).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "worker/runtime/unique_fd.h"

namespace nightmill {

using Environment = std::vector<std::pair<std::string, std::string>>;

struct SpawnRequest {
  // argv[0] without a slash is looked up in PATH of `env`.
  std::vector<std::string> argv;
  // Words before the program of argv: what starts first and then becomes it. Empty: none.
  std::vector<std::string> launcher;
  const Environment* first_env = nullptr;  // these come first in the environment
  const Environment* env = nullptr;        // names already in first_env are left out
  std::string cwd;                         // "": the parent's
  int out_fd = -1;                         // stdout and stderr of the child
  int extra_fd = -1;                       // becomes descriptor 3
};

struct SpawnedProcess {
  pid_t pid = 0;
  UniqueFd pidfd;
  // The child's start_ticks (proc.h) lie in this range; with the pid they name it for all time.
  std::int64_t ticks_from = 0;
  std::int64_t ticks_to = 0;
};

enum class SpawnFailure : std::uint8_t {
  kRefused,  // wrong for good: no such program, no permission, no such directory
  kBusy,     // out of processes, memory or descriptors: nothing was started, try again later
  kBroken,   // it started, could not be watched, and was killed at once
};
struct SpawnError {
  SpawnFailure failure = SpawnFailure::kRefused;
  std::string message;
};

std::variant<SpawnedProcess, SpawnError> Spawn(const SpawnRequest& request);

}  // namespace nightmill
