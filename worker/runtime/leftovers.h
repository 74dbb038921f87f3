// Finding and ending process trees without cgroups: reliability.md, proof of death (c), in two
// forms.
//
// Within one worker life the worker is a child subreaper, so whatever outlives its parent below it
// becomes its own child: an attempt is proved dead when its leader is reaped and none of the
// worker's other children belongs to it. That costs one system call per attempt and cannot be
// evaded by setsid, double forks or a cleaned environment (a process that did both at once while
// its leader still ran has no owner known to us; it is reaped when it ends).
//
// For what a dead worker left, /proc is scanned for its marks and sessions, until two scans in a
// row are empty.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <set>
#include <string>
#include <unordered_set>
#include <vector>

#include "core/base/strong_id.h"
#include "core/model/task_attempt.h"
#include "worker/runtime/proc.h"

namespace nightmill {

// Makes orphans below this process its children. Once, before the first spawn.
void BecomeSubreaper();

// "<incarnation>.<attempt>".
std::string AttemptMark(Incarnation incarnation, AttemptId attempt);
std::string HostMark(Incarnation incarnation);

// The children of this worker; one object, used by the loop's thread only.
class Offspring {
 public:
  // Processes that somebody waits for: leaders of attempts, hosts.
  void Adopt(pid_t pid) { known_.insert(pid); }
  void Forget(pid_t pid) { known_.erase(pid); }

  struct Orphan {
    pid_t pid = 0;
    pid_t session = 0;
    std::string mark;
  };
  // Live children nobody waits for; dead ones among them are reaped.
  std::vector<Orphan> Orphans() const;

 private:
  ChildList children_;
  std::unordered_set<pid_t> known_;
};

// What an earlier incarnation may have left running.
class Remains {
 public:
  struct Leader {
    pid_t pid = 0;
    std::int64_t ticks_from = 0;
    std::int64_t ticks_to = 0;
  };
  Remains(const std::set<Incarnation>& incarnations, std::vector<Leader> leaders);

  // One scan: SIGKILLs what it finds. True once two scans in a row found nothing.
  bool Sweep();

 private:
  bool Belongs(const ProcStat& stat) const;

  std::set<std::string> mark_prefixes_;
  std::vector<Leader> leaders_;
  int empty_scans_ = 0;
};

}  // namespace nightmill
