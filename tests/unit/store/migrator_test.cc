// Schema changes on real files: forward, whole, and only from a schema this program knows.
#include "store/migrator.h"

#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "store/sqlite.h"
#include "tests/unit/store/support.h"

namespace nightmill {
namespace {

constexpr std::string_view kFirst =
    "CREATE TABLE a (x INTEGER) STRICT; PRAGMA application_id = 0x4E4D494C;"
    "PRAGMA user_version = 1;";
constexpr std::string_view kSecond = "CREATE TABLE b (y INTEGER) STRICT; PRAGMA user_version = 2;";
constexpr std::string_view kBroken =
    "CREATE TABLE b (y INTEGER) STRICT; CREATE TABLE b (y INTEGER) STRICT;"
    "PRAGMA user_version = 2;";

const Migration kOne = {1, "0001_a.sql", kFirst};
const Migration kTwo = {2, "0002_b.sql", kSecond};

class MigratorTest : public testing::Test {
 protected:
  std::unique_ptr<Connection> Open() {
    std::ofstream(path_, std::ios::app);
    return ValueOf(Connection::Open(path_, Connection::Mode::kReadWrite));
  }
  Status Run(const std::vector<Migration>& migrations, std::string_view release = "1.0") {
    return Migrate(*Open(), migrations, release);
  }
  std::int64_t Number(const char* sql) {
    const auto db = Open();
    Statement statement = db->Prepare(sql);
    EXPECT_TRUE(statement.Step().ok());
    return statement.row().Integer(0);
  }

  TempFolder folder_;
  const std::string path_ = folder_.File("m.db");
};

TEST_F(MigratorTest, FromEmptyToNewestAndAgain) {
  for (int round = 0; round < 2; ++round) {
    ASSERT_OK(Run({kOne, kTwo}));
    EXPECT_EQ(Number("PRAGMA user_version"), 2);
    EXPECT_EQ(Number("PRAGMA application_id"), 0x4E4D494C);
    EXPECT_EQ(Number("SELECT count(*) FROM schema_migration"), 2);
  }
}

TEST_F(MigratorTest, FromEachOlderSchema) {
  ASSERT_OK(Run({kOne}, "1.0"));
  ASSERT_OK(Run({kOne, kTwo}, "2.0"));
  EXPECT_EQ(Number("SELECT count(*) FROM b"), 0);
  EXPECT_EQ(Number("SELECT release = '1.0' FROM schema_migration WHERE version = 1"), 1);
  EXPECT_EQ(Number("SELECT release = '2.0' FROM schema_migration WHERE version = 2"), 1);
}

TEST_F(MigratorTest, AFailedMigrationLeavesTheOldSchemaWhole) {
  ASSERT_OK(Run({kOne}));
  EXPECT_FALSE(Run({kOne, {2, "0002_b.sql", kBroken}}).ok());
  EXPECT_EQ(Number("PRAGMA user_version"), 1);
  EXPECT_EQ(Number("SELECT count(*) FROM sqlite_schema WHERE name = 'b'"), 0);
  ASSERT_OK(Run({kOne, kTwo}));
}

TEST_F(MigratorTest, ANewerDatabaseIsRefusedWithTheReleaseItNeeds) {
  ASSERT_OK(Run({kOne, kTwo}, "9.9"));
  const Status status = Run({kOne});
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::kNotSupported);
  EXPECT_NE(status.error().hint.find("9.9"), std::string::npos) << status.error().hint;
}

TEST_F(MigratorTest, AChangedMigrationIsRefused) {
  ASSERT_OK(Run({kOne, kTwo}));
  const std::string changed = std::string(kFirst) + " ";
  for (const Migration& other :
       {Migration{1, "0001_a.sql", changed}, Migration{1, "0001_c.sql", kFirst}}) {
    const Status status = Run({other, kTwo});
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, ErrorCode::kNotSupported);
    EXPECT_NE(status.error().message.find("0001_a.sql"), std::string::npos);
  }
}

TEST_F(MigratorTest, ATamperedListIsRefused) {
  const char* tamperings[] = {
      "UPDATE schema_migration SET checksum = 'x' WHERE version = 2",
      "DELETE FROM schema_migration WHERE version = 1",
      "DELETE FROM schema_migration WHERE version = 2",
      "PRAGMA user_version = 1",
  };
  for (const char* tampering : tamperings) {
    std::filesystem::remove(path_);
    ASSERT_OK(Run({kOne, kTwo}));
    ASSERT_OK(Open()->Execute(tampering));
    const Status status = Run({kOne, kTwo});
    ASSERT_FALSE(status.ok()) << tampering;
    EXPECT_EQ(status.error().code, ErrorCode::kNotSupported) << tampering;
  }
}

TEST_F(MigratorTest, FilesOfOthersAreRefusedUntouched) {
  ASSERT_OK(Open()->Execute("CREATE TABLE theirs (x)"));
  EXPECT_EQ(Run({kOne}).error().code, ErrorCode::kNotSupported);
  EXPECT_EQ(Number("SELECT count(*) FROM sqlite_schema"), 1);

  std::ofstream(path_, std::ios::trunc) << std::string(4'096, 'x');
  EXPECT_EQ(Run({kOne}).error().code, ErrorCode::kNotSupported);
}

TEST_F(MigratorTest, TheEmbeddedMigrationsAreTheFilesOfTheTree) {
  const std::vector<Migration> migrations = EmbeddedMigrations();
  ASSERT_FALSE(migrations.empty());
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(NM_SOURCE_DIR "/migrations")) {
    files += entry.path().extension() == ".sql" ? 1u : 0u;
  }
  EXPECT_EQ(migrations.size(), files);
  for (const Migration& migration : migrations) {
    std::ifstream file(NM_SOURCE_DIR "/migrations/" + std::string(migration.name),
                       std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    EXPECT_EQ(text, migration.sql) << migration.name;
  }
}

}  // namespace
}  // namespace nightmill
