// Child of crash_test: commits group after group and says on stdout which one is durable, until it
// is killed. Group n is 20 events and the rewriting of one run and of 19 task instances.
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "store/store.h"
#include "tests/unit/store/support.h"

int main(int argc, char** argv) {
  using namespace nightmill;
  if (argc != 2) return 2;
  Store store = OpenStore(argv[1], Durability::kFull);
  const Result<Snapshot> snapshot = store.LoadActive();
  if (!snapshot.ok()) return 70;
  for (std::int64_t group = snapshot->last_event.value / 20 + 1;; ++group) {
    std::vector<Change> changes;
    DagRunRow run = FullRun(1, "d", RunState::kRunning);
    run.clear_number = static_cast<int>(group);
    changes.push_back(run);
    for (int i = 0; i < 19; ++i) {
      TaskInstanceRow task = FullTask(1, "t", i, TaskState::kRunning);
      task.try_number = static_cast<int>(group);
      task.output = std::string(static_cast<std::size_t>(group * 37 % 3'000), 'x');
      changes.push_back(task);
    }
    for (std::int64_t i = 1; i <= 20; ++i) changes.push_back(FullEvent((group - 1) * 20 + i));
    if (!store.Commit(changes).ok() || !store.MaybeCheckpoint().ok()) return 70;
    std::printf("%lld\n", static_cast<long long>(group));
    std::fflush(stdout);
  }
}
