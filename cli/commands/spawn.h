// Programs that a verb starts beside itself (demo).
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace nightmill {

// Starts a program with the environment of this one; the pid, or 0. stdout and stderr go to `log`
// unless it is empty; `own_session`: a Ctrl-C at the terminal does not reach it.
pid_t Spawn(std::vector<std::string> args, const std::string& log, bool own_session);

}  // namespace nightmill
