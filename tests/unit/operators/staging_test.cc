// What killed attempts leave, and what a full disk leaves: staging folders go once their owner is
// dead and never before, and a write that fails at any point changes nothing that readers see.
#include "operators/table/staging.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <set>

#include "operators/table/manifest.h"
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

// The local file system with room for a number of writing steps.
class FullFs final : public FileSystem {
 public:
  explicit FullFs(int room) : room_(room) {}

  OpResult<std::vector<FileInfo>> List(const std::string& dir) const override {
    return local_.List(dir);
  }
  OpResult<std::vector<std::string>> Names(const std::string& dir) const override {
    return local_.Names(dir);
  }
  OpResult<FileInfo> Stat(const std::string& path) const override { return local_.Stat(path); }
  bool Exists(const std::string& path) const override { return local_.Exists(path); }
  OpResult<std::shared_ptr<const InputFile>> Open(const std::string& path) const override {
    return local_.Open(path);
  }
  OpResult<std::string> ReadAll(const std::string& path, std::int64_t limit) const override {
    return local_.ReadAll(path, limit);
  }
  OpStatus MakeDirs(const std::string& dir) const override {
    NM_RETURN_IF_ERROR(Use(dir, "make the folder"));
    return local_.MakeDirs(dir);
  }
  OpResult<std::unique_ptr<OutputFile>> Create(const std::string& dir) const override {
    NM_RETURN_IF_ERROR(Use(dir, "create a file there"));
    NM_ASSIGN_OR_RETURN(std::unique_ptr<OutputFile> file, local_.Create(dir));
    return std::unique_ptr<OutputFile>(std::make_unique<Output>(*this, dir, std::move(file)));
  }
  OpResult<PutOutcome> PutIfAbsent(const std::string& path, std::string_view bytes) const override {
    NM_RETURN_IF_ERROR(Use(path, "write"));
    return local_.PutIfAbsent(path, bytes);
  }
  OpStatus Rename(const std::string& from, const std::string& to) const override {
    NM_RETURN_IF_ERROR(Use(to, "put it into place"));
    return local_.Rename(from, to);
  }
  OpStatus Exchange(const std::string& from, const std::string& to) const override {
    NM_RETURN_IF_ERROR(Use(to, "exchange"));
    return local_.Exchange(from, to);
  }
  OpResult<std::unique_ptr<FileLock>> Lock(const std::string& path) const override {
    return local_.Lock(path);
  }
  OpResult<std::unique_ptr<FileLock>> TryLock(const std::string& path) const override {
    return local_.TryLock(path);
  }
  OpStatus Remove(const std::string& path) const override { return local_.Remove(path); }
  OpStatus SyncDir(const std::string& dir) const override { return local_.SyncDir(dir); }

 private:
  class Output final : public OutputFile {
   public:
    Output(const FullFs& disk, std::string dir, std::unique_ptr<OutputFile> file)
        : disk_(disk), dir_(std::move(dir)), file_(std::move(file)) {}
    OpStatus Append(std::string_view bytes) override {
      NM_RETURN_IF_ERROR(disk_.Use(dir_, "write"));
      return file_->Append(bytes);
    }
    std::int64_t bytes_written() const override { return file_->bytes_written(); }
    OpStatus Commit(const std::string& path) override {
      NM_RETURN_IF_ERROR(disk_.Use(path, "fsync"));
      return file_->Commit(path);
    }

   private:
    const FullFs& disk_;
    const std::string dir_;
    const std::unique_ptr<OutputFile> file_;
  };

  OpStatus Use(const std::string& path, std::string_view action) const {
    if (room_-- > 0) return OpOk();
    return IoError(path, action, ENOSPC);
  }

  const FileSystem& local_ = LocalFileSystem();
  mutable int room_;  // one thread
};

// Publishes one column of numbers as partition day=1.
OpResult<CommitResult> PublishNumbers(const FileSystem& disk, const std::string& table,
                                      Layout layout, const std::vector<std::int64_t>& numbers) {
  NM_ASSIGN_OR_RETURN(const auto staging, StagingArea::Make(disk, table, kRun, "try"));
  MemoryBudget budget(64 << 20);
  Schema schema;
  schema.fields.push_back({"n", {TypeKind::kInt64}});
  WriteOptions options;
  options.max_rows_per_file = 2;
  NM_ASSIGN_OR_RETURN(const auto writer,
                      OpenTableWriter(disk, staging->path(), schema, options, budget));
  const ColumnData column{numbers.data(), nullptr};
  NM_RETURN_IF_ERROR(writer->Append({&column, 1}, static_cast<std::int64_t>(numbers.size())));
  CommitRequest request;
  request.table = table;
  request.layout = layout;
  NM_ASSIGN_OR_RETURN(request.base, LatestVersion(disk, table));
  request.run_key = kRun;
  request.operator_type = "test";
  request.schema = schema;
  NM_ASSIGN_OR_RETURN(WrittenTable written, writer->Finish());
  request.changes.push_back({"day=1", std::to_string(numbers[0]), std::move(written), "", ""});
  request.leave = [] { return OpOk(); };
  return Commit(disk, request);
}

std::set<std::string> Garbage(const ScratchDir& dir) {
  std::set<std::string> found;
  for (const auto& [name, bytes] : dir.Files("table")) {
    if (name.find(".tmp-") != std::string::npos || name.find("_staging") != std::string::npos) {
      found.insert(name);
    }
  }
  return found;
}

TEST(FullDisk, AtAnyStepNothingChangesThatReadersSee) {
  for (const Layout layout : {Layout::kManifest, Layout::kDirectory}) {
    const ScratchDir dir;
    const std::string table = dir.At("table");
    ASSERT_TRUE(PublishNumbers(LocalFileSystem(), table, layout, {1, 2, 3}).ok());
    const auto rows = [&table] {
      const auto head = ReadTableHead(LocalFileSystem(), {table, {}, {}}, 100);
      return head.ok() ? HeadToJson(*head) : ToLine(head.error());
    };
    const std::string before = rows();
    int steps = 0;
    for (; true; ++steps) {
      const auto result = PublishNumbers(FullFs(steps), table, layout, {7, 8, 9, 10});
      if (result.ok()) break;
      EXPECT_EQ(result.error().code, OperatorErrorCode::kIo) << steps;
      EXPECT_EQ(result.error().reason, "no_space") << steps;
      EXPECT_TRUE(result.error().file.starts_with(dir.path())) << result.error().file;
      EXPECT_NE(result.error().hint.find("bytes are free"), std::string::npos);
      ASSERT_EQ(rows(), before) << steps;
      ASSERT_EQ(Garbage(dir), std::set<std::string>{}) << steps;
    }
    EXPECT_GT(steps, 8);
    EXPECT_NE(rows(), before);
  }
}

}  // namespace
}  // namespace nightmill
