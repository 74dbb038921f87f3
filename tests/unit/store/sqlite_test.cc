// The four types around SQLite: statements are reused clean, transactions end whole, errors come
// out with the right code.
#include "store/sqlite.h"

#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <string>

#include "tests/unit/store/support.h"

namespace nightmill {
namespace {

constexpr std::string_view kInsert = "INSERT INTO t (id, a, b) VALUES (?, ?, ?)";
constexpr std::string_view kSelect = "SELECT a, b FROM t WHERE id = ?";
constexpr std::string_view kCount = "SELECT count(*) FROM t";

class SqliteTest : public testing::Test {
 protected:
  void SetUp() override {
    std::ofstream(path_, std::ios::app);
    db_ = ValueOf(Connection::Open(path_, Connection::Mode::kReadWrite));
    ASSERT_OK(
        db_->Execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;"
                     "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b REAL) STRICT"));
  }
  std::int64_t Count() {
    Statement statement = db_->Prepare(kCount);
    EXPECT_TRUE(statement.Step().ok());
    return statement.row().Integer(0);
  }

  TempFolder folder_;
  const std::string path_ = folder_.File("t.db");
  std::unique_ptr<Connection> db_;
};

TEST_F(SqliteTest, ValuesOfEveryKindComeBack) {
  const std::string binary("x\0y\xFF", 4);
  ASSERT_OK(db_->Prepare(kInsert).Bind(1, binary, 0.1).Run());
  ASSERT_OK(db_->Prepare(kInsert).Bind(2, std::string_view(), std::nullopt).Run());
  {
    Statement statement = db_->Prepare(kSelect);
    ASSERT_TRUE(ValueOf(statement.Bind(1).Step()));
    EXPECT_EQ(statement.row().Text(0), binary);
    EXPECT_EQ(statement.row().Real(1), 0.1);
    EXPECT_FALSE(ValueOf(statement.Step()));
  }
  Statement statement = db_->Prepare(kSelect);
  ASSERT_TRUE(ValueOf(statement.Bind(2).Step()));
  EXPECT_FALSE(statement.row().IsNull(0));
  EXPECT_EQ(statement.row().Text(0), "");
  EXPECT_TRUE(statement.row().IsNull(1));
}

TEST_F(SqliteTest, AStatementIsReusedWithoutItsOldBindings) {
  ASSERT_OK(db_->Prepare(kInsert).Bind(1, "a", 1.0).Run());
  ASSERT_OK(db_->Prepare(kInsert).Bind(2).Run());
  Statement statement = db_->Prepare(kSelect);
  ASSERT_TRUE(ValueOf(statement.Bind(2).Step()));
  EXPECT_TRUE(statement.row().IsNull(0));
}

TEST_F(SqliteTest, AStatementWorksAfterItFailed) {
  ASSERT_OK(db_->Prepare(kInsert).Bind(1, "a", 1.0).Run());
  const Status clash = db_->Prepare(kInsert).Bind(1, "b", 1.0).Run();
  ASSERT_FALSE(clash.ok());
  EXPECT_EQ(clash.error().code, ErrorCode::kConflict);
  ASSERT_OK(db_->Prepare(kInsert).Bind(2, "b", 1.0).Run());
}

TEST_F(SqliteTest, WrongUseIsAnErrorOfTheStep) {
  EXPECT_EQ(db_->Prepare("SELECT nonsense FROM t").Step().error().code, ErrorCode::kInternal);
  EXPECT_EQ(db_->Prepare(kCount).Bind(1).Step().error().code, ErrorCode::kInternal);
  // STRICT tables refuse a text where a number belongs.
  EXPECT_EQ(db_->Prepare(kInsert).Bind(1, "a", "b").Run().error().code, ErrorCode::kInternal);
}

TEST_F(SqliteTest, TransactionsRollBackUnlessCommitted) {
  {
    Result<Transaction> transaction = Transaction::Begin(*db_, Transaction::Mode::kWrite);
    ASSERT_TRUE(transaction.ok());
    ASSERT_OK(db_->Prepare(kInsert).Bind(1, "a", 1.0).Run());
  }
  EXPECT_EQ(Count(), 0);
  {
    Result<Transaction> transaction = Transaction::Begin(*db_, Transaction::Mode::kWrite);
    ASSERT_TRUE(transaction.ok());
    ASSERT_OK(db_->Prepare(kInsert).Bind(1, "a", 1.0).Run());
    ASSERT_OK(transaction->Commit());
  }
  EXPECT_EQ(Count(), 1);
}

TEST_F(SqliteTest, AReaderCannotWrite) {
  const auto reader = ValueOf(Connection::Open(path_, Connection::Mode::kReadOnly));
  EXPECT_FALSE(reader->Execute("DELETE FROM t").ok());
  EXPECT_FALSE(reader->Execute("PRAGMA user_version = 3").ok());
}

TEST_F(SqliteTest, AnInterruptEndsAStatementAndOnlyIt) {
  static constexpr std::string_view kEndless =
      "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
  int calls = 0;
  db_->SetInterrupt([](void* count) { return ++*static_cast<int*>(count) >= 3; }, &calls);
  const Result<bool> step = db_->Prepare(kEndless).Step();
  ASSERT_FALSE(step.ok());
  EXPECT_EQ(step.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(Count(), 0);
}

TEST_F(SqliteTest, AFullDiskIsNoSpaceAndLeavesTheFileUsable) {
  ASSERT_OK(db_->Prepare(kInsert).Bind(1, "a", 1.0).Run());
  ASSERT_OK(db_->Execute("PRAGMA max_page_count = 8"));
  const std::string big(100'000, 'x');
  const Status full = db_->Prepare(kInsert).Bind(2, big, 1.0).Run();
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.error().code, ErrorCode::kNoSpace);
  ASSERT_OK(db_->Prepare(kInsert).Bind(3, "c", 1.0).Run());
  EXPECT_EQ(Count(), 2);
}

TEST_F(SqliteTest, AFileThatIsNotThereIsNotMade) {
  const auto missing = Connection::Open(folder_.File("none.db"), Connection::Mode::kReadWrite);
  EXPECT_FALSE(missing.ok());
  EXPECT_FALSE(std::filesystem::exists(folder_.File("none.db")));
}

}  // namespace
}  // namespace nightmill
