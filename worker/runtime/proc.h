// What the kernel tells about processes (/proc). Everything here is a snapshot: a process may be
// gone when the answer is read, and then it is simply not in the answer.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "worker/runtime/unique_fd.h"

namespace nightmill {

// First variable in the environment of everything a worker starts: "<incarnation>.<attempt>" or
// "<incarnation>.host". Random per worker start, so that two daemons on one machine never take each
// other's processes for their own (NIGHTMILL_ATTEMPT, the attempt's number, would allow that).
inline constexpr std::string_view kMarkVariable = "NIGHTMILL_MARK";

struct ProcStat {
  pid_t pid = 0;
  char state = '?';  // 'Z': zombie
  pid_t parent = 0;
  pid_t session = 0;
  std::int64_t start_ticks = 0;  // since boot (clock.h)
};
std::optional<ProcStat> ReadProcStat(pid_t pid);

// The value of kMarkVariable as it was at exec; nullopt if there is none or it may not be read.
std::optional<std::string> ReadMark(pid_t pid);

std::vector<pid_t> AllPids();
// All processes below `pid`, not itself.
std::vector<pid_t> Descendants(pid_t pid);

// /proc/sys/kernel/random/boot_id; "" if unreadable.
std::string BootId();
// The kernel's count of OOM kills since boot; 0 if unknown.
std::int64_t OomKills();
// Resident set of this process in bytes.
std::int64_t ResidentBytes();

// The direct children of the thread that made this object; orphans below a subreaper become
// children of its main thread, so there this is complete. Only that thread reaps, hence nothing
// vanishes while the list is read. One system call per Read where the kernel has
// CONFIG_PROC_CHILDREN, else a scan.
class ChildList {
 public:
  ChildList();
  std::vector<pid_t> Read() const;

 private:
  UniqueFd file_;
};

}  // namespace nightmill
