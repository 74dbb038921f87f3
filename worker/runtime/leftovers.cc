#include "worker/runtime/leftovers.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <utility>

#include "core/base/check.h"
#include "worker/protocol/codec.h"

namespace nightmill {

void BecomeSubreaper() { CHECK(::prctl(PR_SET_CHILD_SUBREAPER, 1) == 0); }

std::string AttemptMark(Incarnation incarnation, AttemptId attempt) {
  return fmt::format("{}.{}", wire::IncarnationHex(incarnation), attempt.value);
}

std::string HostMark(Incarnation incarnation) {
  return wire::IncarnationHex(incarnation) + ".host";
}

std::vector<Offspring::Orphan> Offspring::Orphans() const {
  std::vector<Orphan> orphans;
  for (const pid_t pid : children_.Read()) {
    if (known_.contains(pid)) continue;
    if (::waitpid(pid, nullptr, WNOHANG) != 0) continue;
    Orphan orphan;
    orphan.pid = pid;
    if (const std::optional<ProcStat> stat = ReadProcStat(pid)) orphan.session = stat->session;
    orphan.mark = ReadMark(pid).value_or("");
    orphans.push_back(std::move(orphan));
  }
  return orphans;
}

Remains::Remains(const std::set<Incarnation>& incarnations, std::vector<Leader> leaders)
    : leaders_(std::move(leaders)) {
  for (const Incarnation incarnation : incarnations) {
    mark_prefixes_.insert(wire::IncarnationHex(incarnation) + ".");
  }
}

bool Remains::Belongs(const ProcStat& stat) const {
  if (const std::optional<std::string> mark = ReadMark(stat.pid)) {
    const std::size_t dot = mark->find('.');
    return dot != std::string::npos && mark_prefixes_.contains(mark->substr(0, dot + 1));
  }
  // Without a mark (it cleaned its environment) only a session whose leader is provably ours
  // counts: a bare session number may have been given to somebody else since.
  for (const Leader& leader : leaders_) {
    if (leader.pid != stat.session) continue;
    const std::optional<ProcStat> now = ReadProcStat(leader.pid);
    if (now && now->start_ticks >= leader.ticks_from && now->start_ticks <= leader.ticks_to) {
      return true;
    }
  }
  return false;
}

bool Remains::Sweep() {
  if (mark_prefixes_.empty() && leaders_.empty()) return true;
  bool found = false;
  std::vector<pid_t> doomed;
  const pid_t self = ::getpid();
  for (const pid_t pid : AllPids()) {
    if (pid == self) continue;
    const std::optional<ProcStat> stat = ReadProcStat(pid);
    if (!stat || stat->state == 'Z' || stat->state == 'X' || !Belongs(*stat)) continue;
    found = true;
    doomed.push_back(pid);
    // Children that hide from the scan are found while their parent still lives.
    const std::vector<pid_t> below = Descendants(pid);
    doomed.insert(doomed.end(), below.begin(), below.end());
  }
  for (const pid_t pid : doomed) ::kill(pid, SIGKILL);
  empty_scans_ = found ? 0 : empty_scans_ + 1;
  return empty_scans_ >= 2;
}

}  // namespace nightmill
