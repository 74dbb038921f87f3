// kill -9 of a writing process at many moments: the file then holds exactly a prefix of the
// commits, and every commit the process had spoken of.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "core/base/rng.h"
#include "store/store.h"
#include "tests/unit/store/support.h"

namespace nightmill {
namespace {

// A writer child; its stdout is read here.
class Writer {
 public:
  explicit Writer(std::string path) {
    int ends[2];
    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    std::string program = NM_CRASH_WRITER;
    char* argv[] = {program.data(), path.data(), nullptr};
    CHECK(posix_spawn(&pid_, program.c_str(), &actions, nullptr, argv, environ) == 0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    output_ = fdopen(ends[0], "r");
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  ~Writer() { fclose(output_); }

  // The next group the child says is durable; 0 when it is gone.
  std::int64_t Next() {
    char line[32];
    return fgets(line, sizeof line, output_) == nullptr ? 0 : std::atoll(line);
  }
  void Kill() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }

 private:
  pid_t pid_ = 0;
  FILE* output_ = nullptr;
};

// The number of the group whose rows the file holds, all of them.
std::int64_t GroupIn(const std::string& path) {
  Store store = OpenStore(path);
  const Snapshot snapshot = ValueOf(store.LoadActive());
  const std::int64_t group = snapshot.last_event.value / 20;
  EXPECT_EQ(snapshot.last_event.value % 20, 0);
  if (group == 0) {
    EXPECT_TRUE(snapshot.runs.empty());
    return 0;
  }
  EXPECT_EQ(snapshot.runs.size(), 1u);
  for (const DagRunRow& run : snapshot.runs) EXPECT_EQ(run.clear_number, group);
  EXPECT_EQ(snapshot.tasks.size(), 19u);
  for (const TaskInstanceRow& task : snapshot.tasks) EXPECT_EQ(task.try_number, group);
  Queries queries = OpenQueries(path);
  EXPECT_EQ(ValueOf(queries.Events({}, true, {1, 0})).total, group * 20);
  return group;
}

TEST(StoreCrash, KillNineLeavesAPrefixOfTheCommits) {
  TempFolder folder;
  const std::string path = folder.File("nightmill.db");
  Rng rng(7);
  std::int64_t before = 0;
  for (int round = 0; round < 12; ++round) {
    Writer writer(path);
    // From right at the start to behind several checkpoints.
    const std::int64_t stop = static_cast<std::int64_t>(rng.Below(round % 3 == 0 ? 3 : 250));
    std::int64_t durable = before;
    for (std::int64_t i = 0; i < stop; ++i) {
      const std::int64_t said = writer.Next();
      ASSERT_GT(said, durable);
      durable = said;
    }
    writer.Kill();
    while (const std::int64_t said = writer.Next()) durable = said;
    const std::int64_t group = GroupIn(path);
    EXPECT_GE(group, durable);
    EXPECT_LE(group, durable + 1);  // one commit may be durable but not yet spoken of
    before = group;
  }
  EXPECT_GT(before, 100);
}

}  // namespace
}  // namespace nightmill
