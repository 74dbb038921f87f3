// The small parts of the runtime, each alone.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "core/base/limits.h"
#include "worker/runtime/clock.h"
#include "worker/runtime/leftovers.h"
#include "worker/runtime/log_sink.h"
#include "worker/runtime/pokes.h"
#include "worker/runtime/proc.h"
#include "worker/runtime/spare_folders.h"
#include "worker/runtime/task_output.h"

namespace nightmill {
namespace {

namespace fs = std::filesystem;

class PartsTest : public testing::Test {
 protected:
  PartsTest() {
    std::string path = testing::TempDir() + "/nmparts.XXXXXX";
    if (mkdtemp(path.data()) == nullptr) ADD_FAILURE();
    dir_ = path;
  }
  ~PartsTest() override { fs::remove_all(dir_); }

  std::string Write(const std::string& name, std::string_view text) const {
    const std::string path = dir_ + "/" + name;
    fs::create_directories(fs::path(path).parent_path());
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  wire::PokeResult Check(const std::string& spec, Instant now = WallTime()) const {
    return CheckFile(spec, dir_, now);
  }

  std::string dir_;
};

TEST_F(PartsTest, FileSensorTable) {
  Write("a/one.csv", "123");
  Write("a/two.csv", "12345");
  Write("a/empty.csv", "");
  Write("b/x.csv", "1");
  struct Row {
    std::string spec;
    bool met;
    std::string detail;
  };
  for (const Row& row : std::vector<Row>{
           {R"({"path":"a/one.csv"})", true, R"({"bytes":3,"files":1})"},
           {R"({"path":"a/t*.csv"})", true, R"({"bytes":5,"files":1})"},
           {R"({"path":"*/o*.csv"})", true, R"({"bytes":3,"files":1})"},
           {R"({"path":"a/*.csv"})", false, R"({"bytes":8,"files":3})"},  // one is empty
           {R"({"path":"a/*.csv","min_bytes":0})", true, R"({"bytes":8,"files":3})"},
           {R"({"path":"a/[ot]*.csv","min_bytes":4})", false, R"({"bytes":8,"files":2})"},
           {R"({"path":"a/none.csv"})", false, R"({"bytes":0,"files":0})"},
           {R"({"path":"nowhere/*.csv"})", false, R"({"bytes":0,"files":0})"},
           {R"({"path":"a","min_bytes":0})", false, ""},  // a folder is no file
           {R"({"path":"a/one.csv","settle":"1h"})", false, ""},
           {R"({"path":"a/one.csv","settle":0})", true, ""}}) {
    const wire::PokeResult result = Check(row.spec);
    EXPECT_EQ(result.error, "") << row.spec;
    EXPECT_EQ(result.met, row.met) << row.spec;
    if (!row.detail.empty()) {
      EXPECT_EQ(result.detail, row.detail) << row.spec;
    }
  }
  EXPECT_TRUE(Check(R"({"path":")" + dir_ + R"(/b/x.csv"})").met);
}

TEST_F(PartsTest, FileSensorSettles) {
  Write("f", "1");
  const Instant now = WallTime();
  EXPECT_FALSE(Check(R"({"path":"f","settle":"90s"})", now + std::chrono::seconds(80)).met);
  EXPECT_TRUE(Check(R"({"path":"f","settle":"90s"})", now + std::chrono::seconds(91)).met);
}

TEST_F(PartsTest, FileSensorErrors) {
  for (const std::string spec :
       {"", "[]", "{}", R"({"path":3})", R"({"path":"x","min_bytes":"many"})",
        R"({"path":"x","settle":"soon"})"}) {
    EXPECT_NE(Check(spec).error, "") << spec;
    EXPECT_FALSE(Check(spec).met);
  }
}

TEST_F(PartsTest, OutputsAsJson) {
  struct Row {
    OutputMode mode;
    std::string text;
    std::string json;  // "" fails
  };
  for (const Row& row :
       std::vector<Row>{{OutputMode::kJson, " [1, 2.50]\n", "[1, 2.50]"},
                        {OutputMode::kJson, " \n", "null"},
                        {OutputMode::kJson, "1 2", ""},
                        {OutputMode::kJson, "\"\xFF\"", ""},
                        {OutputMode::kJson, std::string(64, '[') + std::string(64, ']'),
                         std::string(64, '[') + std::string(64, ']')},
                        {OutputMode::kJson, std::string(65, '[') + std::string(65, ']'), ""},
                        {OutputMode::kJson, std::string(100'000, '['), ""},
                        {OutputMode::kLines, "", "[]"},
                        {OutputMode::kLines, "\n", R"([""])"},
                        {OutputMode::kLines, "a\n\"b\"", R"(["a","\"b\""])"},
                        {OutputMode::kText, "", R"("")"},
                        {OutputMode::kText, "a\xFF\r\n\n", "\"a\xEF\xBF\xBD\""},
                        {OutputMode::kNone, "anything", "null"}}) {
    const Result<std::string> output = OutputToJson(row.text, row.mode);
    EXPECT_EQ(output.ok(), !row.json.empty()) << row.text.substr(0, 70);
    if (output.ok()) {
      EXPECT_EQ(*output, row.json);
    }
  }
}

TEST_F(PartsTest, OutputsThatAreNoJsonAreExplained) {
  struct Row {
    std::string text;
    std::string what;
  };
  for (const Row& row :
       std::vector<Row>{{"{oops", "line 1, column 2: expected a key"},
                        {"\n {\"a\": \"\xC3\xA9\", b}", "line 2, column 13: expected a key"},
                        {"[1,\n]", "line 1, column 3: a comma before the closing ']'"},
                        {"1 2", "line 1, column 3: expected the end of the file, found '2'"},
                        {"[1", "line 1, column 3: expected"},
                        {"NaN", "line 1, column 1: "},
                        {"\"\xFF\"", "line 1, column 2: byte 0xFF is not valid UTF-8"},
                        {"hello\n", "line 1, column 1: "}}) {
    const Result<std::string> output = OutputToJson(row.text, OutputMode::kJson);
    ASSERT_FALSE(output.ok()) << row.text;
    const std::string& message = output.error().message;
    EXPECT_TRUE(message.starts_with("NIGHTMILL_OUTPUT is not JSON: ")) << message;
    EXPECT_NE(message.find(row.what), std::string::npos) << message;
    EXPECT_EQ(message.find("exception"), std::string::npos) << message;
    EXPECT_NE(output.error().hint.find("lines, text or none"), std::string::npos);
  }
}

TEST_F(PartsTest, OutputFolderIsEmptyAtEachStart) {
  SpareFolders spares(dir_ + "/spare");
  const TaskOutput output(dir_ + "/deep/er/out", spares);
  ASSERT_TRUE(output.Prepare().ok());
  std::ofstream(output.directory() + "/left") << "x";
  ASSERT_TRUE(output.Prepare().ok());
  EXPECT_TRUE(fs::is_empty(output.directory()));
  EXPECT_EQ(output.KeepArtifact(), "");
  EXPECT_FALSE(fs::exists(output.directory()));
  Write("file", "");
  EXPECT_FALSE(TaskOutput(dir_ + "/file/out", spares).Prepare().ok());
  const TaskOutput none("", spares);
  EXPECT_TRUE(none.Prepare().ok());
  EXPECT_EQ(*none.Take(OutputMode::kJson), "null");
  EXPECT_EQ(none.KeepArtifact(), "");
  EXPECT_TRUE(none.DiscardEmpty());
}

TEST_F(PartsTest, OutputMustBeAPlainFile) {
  SpareFolders spares(dir_ + "/spare");
  const TaskOutput output(dir_ + "/out", spares);
  ASSERT_TRUE(output.Prepare().ok());
  fs::create_directory(output.file());
  EXPECT_FALSE(output.Take(OutputMode::kJson).ok());
  fs::remove(output.file());
  fs::create_symlink(Write("secret", "1"), output.file());
  EXPECT_FALSE(output.Take(OutputMode::kJson).ok());
}

TEST_F(PartsTest, SpareFoldersGoRound) {
  const auto inode = [](const std::string& path) {
    struct stat info {};
    return stat(path.c_str(), &info) == 0 ? info.st_ino : 0;
  };
  const std::string a = dir_ + "/a";
  const std::string b = dir_ + "/x/y/b";
  ino_t first = 0;
  {
    SpareFolders spares(dir_ + "/spare");
    ASSERT_TRUE(spares.Take(a).ok());
    first = inode(a);
    EXPECT_TRUE(spares.Return(a));
    EXPECT_FALSE(fs::exists(a));
    ASSERT_TRUE(spares.Take(b).ok());
    EXPECT_EQ(inode(b), first);
    // What is not as we made it is not used again.
    chmod(b.c_str(), 0777);
    EXPECT_TRUE(spares.Return(b));
    EXPECT_TRUE(fs::is_empty(dir_ + "/spare"));
    ASSERT_TRUE(spares.Take(a).ok());
    first = inode(a);
    EXPECT_TRUE(spares.Return(a));
  }
  SpareFolders later(dir_ + "/spare");
  ASSERT_TRUE(later.Take(a).ok());
  EXPECT_EQ(inode(a), first);
  Write("a/file", "x");
  EXPECT_FALSE(later.Return(a));
  EXPECT_FALSE(later.Take(a).ok());
  EXPECT_TRUE(later.Return(dir_ + "/never was"));
}

TEST_F(PartsTest, LogsAppendAndAreCut) {
  const std::string path = dir_ + "/logs/x/1.log";
  {
    Result<LogSink> log = LogSink::Open(path, 200);
    ASSERT_TRUE(log.ok());
    log->Note("first");
    EXPECT_EQ(log->Trim(), 18);
    EXPECT_FALSE(log->flooding());
  }
  Result<LogSink> log = LogSink::Open(path, 200);
  ASSERT_TRUE(log.ok());
  const std::string line(300, 'x');
  ASSERT_EQ(write(log->fd(), line.data(), line.size()), 300);
  EXPECT_EQ(log->Trim(), 318);
  EXPECT_TRUE(log->flooding());
  EXPECT_EQ(log->Trim(), 200);
  std::ifstream file(path);
  const std::string text(std::istreambuf_iterator<char>(file), {});
  EXPECT_TRUE(text.starts_with("[nightmill] first\nxxx"));
  EXPECT_TRUE(text.ends_with("log cut: over 200 bytes\n"));
  EXPECT_FALSE(LogSink::Open(path + "/below", 200).ok());
}

TEST_F(PartsTest, ProcTellsAboutOurselves) {
  const std::optional<ProcStat> stat = ReadProcStat(getpid());
  ASSERT_TRUE(stat.has_value());
  EXPECT_EQ(stat->parent, getppid());
  EXPECT_EQ(stat->session, getsid(0));
  EXPECT_LE(stat->start_ticks, BootTicks());
  EXPECT_GT(stat->start_ticks, 0);
  EXPECT_FALSE(ReadProcStat(0).has_value());
  EXPECT_EQ(BootId().size(), 36u);
  EXPECT_GT(ResidentBytes(), 100'000);
  EXPECT_FALSE(AllPids().empty());
  EXPECT_TRUE(ChildList().Read().empty());
}

TEST_F(PartsTest, MarksNameIncarnationAndAttempt) {
  EXPECT_EQ(AttemptMark(0xAB, AttemptId{7}), "00000000000000ab.7");
  EXPECT_EQ(HostMark(0xAB), "00000000000000ab.host");
  EXPECT_TRUE(Remains({}, {}).Sweep());
  Remains nothing_left({0xAB}, {});
  EXPECT_FALSE(nothing_left.Sweep());
  EXPECT_TRUE(nothing_left.Sweep());
}

}  // namespace
}  // namespace nightmill
