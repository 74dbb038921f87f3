// What killed attempts leave: staging folders go once their owner is dead, and never before.
#include "operators/table/staging.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/operators/operator_harness.h"

namespace nightmill {
namespace {

namespace fs = std::filesystem;

const std::string kRun = std::string(64, 'a');

std::unique_ptr<StagingArea> Make(const std::string& table, const std::string& run = kRun,
                                  const std::string& attempt = "try") {
  auto area = StagingArea::Make(LocalFileSystem(), table, run, attempt);
  EXPECT_TRUE(area.ok()) << (area.ok() ? "" : area.error().message);
  return area.ok() ? std::move(*area) : nullptr;
}

void SetAge(const std::string& path, std::int64_t hours) {
  struct stat now;
  ASSERT_EQ(::stat(path.c_str(), &now), 0) << path;
  now.st_mtim.tv_sec -= hours * 3600;
  const timespec times[2] = {now.st_mtim, now.st_mtim};
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0) << path;
}

TEST(StagingArea, NothingIsLeftOfAnAttemptThatEnds) {
  const ScratchDir dir;
  const std::string table = dir.At("table");
  std::string path;
  {
    const auto area = Make(table);
    path = area->path();
    EXPECT_TRUE(path.starts_with(table + "/_staging/aaaaaaaaaaaaaaaa/try-")) << path;
    dir.Write(fs::path(path).lexically_relative(dir.path()).string() + "/x", "half");
    EXPECT_TRUE(fs::exists(path + ".lock"));
  }
  EXPECT_FALSE(fs::exists(table));
}

// The names and ages of all that may lie there; only what is surely dead goes.
TEST(StagingArea, OnlyTheDeadAreCleared) {
  const ScratchDir dir;
  const std::string table = dir.At("table");
  const std::string run = "table/_staging/bbbbbbbbbbbbbbbb/";
  const auto alive = Make(table, std::string(64, 'b'), "alive");
  dir.Write(fs::path(alive->path()).lexically_relative(dir.path()).string() + "/x", "half");
  const std::string host = alive->path().substr(alive->path().rfind('@'));
  struct Left {
    std::string name;
    bool lock;
    std::int64_t hours;
    bool goes;
  };
  const std::vector<Left> all = {
      {"killed-1" + host, true, 0, true},  {"killed-2" + host, true, 48, true},
      {"far-1@elsewhere", true, 0, false}, {"far-2@elsewhere", true, 23, false},
      {"far-3@elsewhere", true, 25, true}, {"older-1", false, 0, false},
      {"older-2", false, 23, false},       {"older-3", false, 25, true},
  };
  for (const Left& left : all) {
    dir.Write(run + left.name + "/0/part.parquet", "half");
    if (left.lock) dir.Write(run + left.name + ".lock", "");
    for (const char* at : {"/0/part.parquet", "/0", ""}) {
      SetAge(dir.At(run + left.name + at), left.hours);
    }
    if (left.lock) SetAge(dir.At(run + left.name + ".lock"), left.hours);
  }
  // Old folders of a live attempt, and one in which somebody still writes.
  SetAge(alive->path() + "/x", 100);
  SetAge(alive->path(), 100);
  SetAge(alive->path() + ".lock", 100);
  dir.Write(run + "writes@elsewhere/x", "half");
  SetAge(dir.At(run + "writes@elsewhere"), 100);

  const auto next = Make(table);
  for (const Left& left : all) {
    EXPECT_EQ(fs::exists(dir.At(run + left.name)), !left.goes) << left.name;
    EXPECT_EQ(fs::exists(dir.At(run + left.name + ".lock")), left.lock && !left.goes) << left.name;
  }
  EXPECT_TRUE(fs::exists(alive->path() + "/x"));
  EXPECT_TRUE(fs::exists(alive->path() + ".lock"));
  EXPECT_TRUE(fs::exists(dir.At(run + "writes@elsewhere/x")));
}

TEST(StagingArea, OneNameTwiceGivesTwoFolders) {
  const ScratchDir dir;
  const auto first = Make(dir.At("table"));
  dir.Write(fs::path(first->path()).lexically_relative(dir.path()).string() + "/x", "half");
  const auto second = Make(dir.At("table"));
  EXPECT_NE(first->path(), second->path());
  EXPECT_TRUE(fs::exists(first->path() + "/x"));
}

TEST(TryLock, IsHeldUntilItIsGivenBack) {
  const ScratchDir dir;
  const FileSystem& local = LocalFileSystem();
  auto first = local.TryLock(dir.At("lock"));
  ASSERT_TRUE(first.ok() && *first != nullptr);
  auto second = local.TryLock(dir.At("lock"));
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(*second, nullptr);
  // A removed name is a new lock.
  fs::remove(dir.At("lock"));
  auto third = local.TryLock(dir.At("lock"));
  ASSERT_TRUE(third.ok());
  EXPECT_NE(*third, nullptr);
  EXPECT_EQ(local.TryLock(dir.At("nowhere/lock")).error().reason, "not_found");
}

}  // namespace
}  // namespace nightmill
