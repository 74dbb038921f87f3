// The spool against torn tails, damage, rotation and two owners.
#include "worker/runtime/spool.h"

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace nightmill {
namespace {

namespace fs = std::filesystem;

class SpoolTest : public testing::Test {
 protected:
  SpoolTest() {
    // Thousands of spools are opened here: in memory where possible.
    std::string path = fs::exists("/dev/shm") ? "/dev/shm" : testing::TempDir();
    path += "/nmspool.XXXXXX";
    if (mkdtemp(path.data()) == nullptr) ADD_FAILURE();
    dir_ = path;
  }
  ~SpoolTest() override { fs::remove_all(dir_); }

  std::unique_ptr<Spool> Open(Incarnation incarnation, std::size_t segment_bytes = 16 * 1024) {
    auto spool = Spool::Open({dir_, incarnation, "boot", segment_bytes}, io_);
    if (!spool.ok()) throw std::runtime_error(spool.error().message);
    return std::move(spool).value();
  }

  static AttemptSpec Spec(std::int64_t id, Incarnation incarnation) {
    AttemptSpec spec;
    spec.id = AttemptId{id};
    spec.epoch = Epoch{3};
    spec.incarnation = incarnation;
    spec.targets = {{RunKey{8}, "task", 2}};
    return spec;
  }

  static AttemptReport Report(const AttemptSpec& spec, std::string output = "null") {
    AttemptReport report;
    report.id = spec.id;
    report.epoch = spec.epoch;
    report.incarnation = spec.incarnation;
    report.targets = spec.targets;
    report.output = std::move(output);
    return report;
  }

  std::vector<fs::path> Segments() const {
    std::vector<fs::path> segments;
    for (const auto& file : fs::directory_iterator(dir_)) {
      if (file.path().filename().string().starts_with("seg-")) segments.push_back(file.path());
    }
    return segments;
  }

  std::string dir_;
  boost::asio::io_context io_;
};

TEST_F(SpoolTest, RemembersStartsProcessesAndResults) {
  {
    const auto spool = Open(1);
    EXPECT_TRUE(spool->entries().empty());
    EXPECT_TRUE(spool->earlier_incarnations().empty());
    for (std::int64_t id = 1; id <= 4; ++id) spool->RecordStart(Spec(id, 1));
    spool->RecordProcess(AttemptId{2}, 4711, 100, 102);
    spool->RecordResult(Report(Spec(3, 1), R"({"a":1})"));
    spool->RecordResult(Report(Spec(4, 1)));
    spool->Ack(AttemptId{4});
    spool->Ack(AttemptId{99});
    spool->Flush();
  }
  const auto spool = Open(2);
  EXPECT_EQ(spool->earlier_incarnations(), std::set<Incarnation>{1});
  const auto& entries = spool->entries();
  ASSERT_EQ(entries.size(), 3u);
  const SpoolEntry& first = entries.at(AttemptId{1});
  EXPECT_TRUE(first.open());
  EXPECT_EQ(first.incarnation, 1u);
  EXPECT_EQ(first.epoch, Epoch{3});
  EXPECT_EQ(first.targets, Spec(1, 1).targets);
  EXPECT_EQ(first.boot_id, "boot");
  EXPECT_EQ(first.pid, 0);
  EXPECT_EQ(entries.at(AttemptId{2}).pid, 4711);
  EXPECT_EQ(entries.at(AttemptId{2}).ticks_to, 102);
  ASSERT_TRUE(entries.at(AttemptId{3}).report.has_value());
  EXPECT_EQ(entries.at(AttemptId{3}).report->output, R"({"a":1})");
}

TEST_F(SpoolTest, LossesAreRememberedUntilAcked) {
  Open(1)->RecordStart(Spec(1, 1));
  {
    const auto spool = Open(2);
    spool->RecordLost(AttemptId{1}, "no_process");
    spool->Flush();
  }
  {
    const auto spool = Open(3);
    EXPECT_EQ(spool->entries().at(AttemptId{1}).lost_proof, "no_process");
    EXPECT_EQ(spool->entries().at(AttemptId{1}).incarnation, 1u);
    spool->Ack(AttemptId{1});
    spool->Flush();
  }
  EXPECT_TRUE(Open(4)->entries().empty());
}

// A start is on file when RecordStart returns, without a Flush by the caller.
TEST_F(SpoolTest, StartsAreWrittenAtOnce) {
  const auto spool = Open(1);
  spool->RecordStart(Spec(1, 1));
  fs::path copy = dir_ + ".copy";
  fs::copy(dir_, copy);
  fs::remove(copy / "lock");
  auto after = Spool::Open({copy.string(), 2, "boot", 16 * 1024}, io_);
  ASSERT_TRUE(after.ok());
  EXPECT_EQ((*after)->entries().size(), 1u);
  after->reset();
  fs::remove_all(copy);
}

TEST_F(SpoolTest, ATornTailLosesOnlyWhatFollows) {
  {
    const auto spool = Open(1);
    for (std::int64_t id = 1; id <= 3; ++id) spool->RecordStart(Spec(id, 1));
  }
  ASSERT_EQ(Segments().size(), 1u);
  const fs::path segment = Segments()[0];
  std::ifstream file(segment, std::ios::binary);
  std::string bytes(std::istreambuf_iterator<char>(file), {});
  bytes.resize(bytes.find_last_not_of('\0') + 1);
  std::size_t most = 0;
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    for (const char fill : {'\0', '\x7f'}) {
      for (const fs::path& old : Segments()) fs::remove(old);
      std::ofstream(segment, std::ios::binary) << bytes.substr(0, cut) << std::string(64, fill);
      const std::size_t entries = Open(2)->entries().size();
      EXPECT_GE(entries, most) << cut;
      EXPECT_LE(entries, most + 1) << cut;
      most = std::max(most, entries);
    }
  }
  EXPECT_EQ(most, 3u);
}

TEST_F(SpoolTest, AFlippedByteIsNeverBelieved) {
  {
    const auto spool = Open(1);
    for (std::int64_t id = 1; id <= 2; ++id) spool->RecordStart(Spec(id, 1));
  }
  const fs::path segment = Segments()[0];
  std::ifstream file(segment, std::ios::binary);
  std::string bytes(std::istreambuf_iterator<char>(file), {});
  bytes.resize(bytes.find_last_not_of('\0') + 1);
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    std::string bad = bytes;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    for (const fs::path& old : Segments()) fs::remove(old);
    std::ofstream(segment, std::ios::binary) << bad;
    const auto spool = Open(2);
    EXPECT_LT(spool->entries().size(), 2u) << at;
    // What ran is still found by the incarnation in the file's name.
    EXPECT_TRUE(spool->earlier_incarnations().contains(1));
    for (const auto& [id, entry] : spool->entries()) EXPECT_EQ(entry.targets, Spec(1, 1).targets);
  }
}

TEST_F(SpoolTest, RotationKeepsWhatIsOpenAndDeletesTheRest) {
  {
    const auto spool = Open(1, 64 * 1024);
    spool->RecordStart(Spec(1, 1));
    spool->RecordProcess(AttemptId{1}, 4711, 5, 6);
    for (std::int64_t id = 2; id < 2'000; ++id) {
      spool->RecordStart(Spec(id, 1));
      spool->RecordResult(Report(Spec(id, 1), std::string(200, '1')));
      if (id != 500) spool->Ack(AttemptId{id});
      spool->Flush();
    }
  }
  EXPECT_LE(Segments().size(), 2u);
  const auto spool = Open(2);
  ASSERT_EQ(spool->entries().size(), 2u);
  EXPECT_EQ(spool->entries().at(AttemptId{1}).pid, 4711);
  EXPECT_EQ(spool->entries().at(AttemptId{1}).incarnation, 1u);
  EXPECT_TRUE(spool->entries().at(AttemptId{500}).report.has_value());
}

TEST_F(SpoolTest, ManyUnackedResultsDoNotRotateForEver) {
  const auto spool = Open(1, 16 * 1024);
  for (std::int64_t id = 1; id <= 300; ++id) {
    spool->RecordStart(Spec(id, 1));
    spool->RecordResult(Report(Spec(id, 1), std::string(1'000, '1')));
    spool->Flush();
  }
  EXPECT_EQ(spool->entries().size(), 300u);
}

TEST_F(SpoolTest, OneOwner) {
  const auto spool = Open(1);
  const auto second = Spool::Open({dir_, 2, "boot"}, io_);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, ErrorCode::kConflict);
}

TEST_F(SpoolTest, AnUnusableDirectoryIsAnError) {
  std::ofstream(dir_ + "/file") << "";
  EXPECT_FALSE(Spool::Open({dir_ + "/file/spool", 1, "boot"}, io_).ok());
}

// An I/O error ends the process with 70: what is on disk is then unknown (reliability.md R4).
TEST_F(SpoolTest, AnIoErrorEndsTheProcess) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        const auto spool = Open(1);
        fs::remove_all(dir_);
        for (std::int64_t id = 1;; ++id) spool->RecordStart(Spec(id, 1));
      },
      testing::ExitedWithCode(70), "spool");
}

}  // namespace
}  // namespace nightmill
