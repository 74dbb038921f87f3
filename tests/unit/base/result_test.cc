#include "core/base/result.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>

namespace nightmill {
namespace {

constexpr std::array<ErrorCode, 11> kAll = {
    ErrorCode::kInvalid,     ErrorCode::kUnauthenticated, ErrorCode::kForbidden,
    ErrorCode::kNotFound,    ErrorCode::kConflict,        ErrorCode::kPreconditionFailed,
    ErrorCode::kRateLimited, ErrorCode::kNotSupported,    ErrorCode::kUnavailable,
    ErrorCode::kNoSpace,     ErrorCode::kInternal};

TEST(ErrorCodeTest, WordsAreUniqueAndParseBack) {
  std::set<std::string_view> words;
  for (const ErrorCode code : kAll) {
    EXPECT_TRUE(words.insert(ToString(code)).second);
    EXPECT_EQ(ParseErrorCode(ToString(code)), code);
  }
  EXPECT_EQ(ParseErrorCode("nonsense"), std::nullopt);
}

TEST(ErrorCodeTest, MapsToHttpAndExitCodes) {
  const std::array<std::pair<int, int>, 11> expected = {{{400, 2},
                                                         {401, 4},
                                                         {403, 4},
                                                         {404, 3},
                                                         {409, 7},
                                                         {412, 7},
                                                         {429, 1},
                                                         {501, 1},
                                                         {503, 8},
                                                         {507, 1},
                                                         {500, 1}}};
  for (std::size_t i = 0; i < kAll.size(); ++i) {
    EXPECT_EQ(HttpStatus(kAll[i]), expected[i].first) << ToString(kAll[i]);
    EXPECT_EQ(ExitCodeOf(kAll[i]), expected[i].second) << ToString(kAll[i]);
  }
}

Result<int> Half(int n) {
  if (n % 2 != 0) return Invalid("odd", "give an even number");
  return n / 2;
}

Result<int> Quarter(int n) {
  NM_ASSIGN_OR_RETURN(const int half, Half(n));
  return Half(half);
}

Status CheckQuarter(int n) {
  NM_RETURN_IF_ERROR(Quarter(n));
  return Ok();
}

TEST(ResultTest, CarriesValuesAndErrors) {
  EXPECT_EQ(*Quarter(12), 3);
  EXPECT_EQ(Quarter(6).error().hint, "give an even number");
  EXPECT_TRUE(CheckQuarter(8).ok());
  EXPECT_EQ(CheckQuarter(7).error(), Invalid("odd", "give an even number"));
}

TEST(ResultTest, MovesWhatCannotBeCopied) {
  Result<std::unique_ptr<int>> result(std::make_unique<int>(7));
  const std::unique_ptr<int> taken = *std::move(result);
  EXPECT_EQ(*taken, 7);
}

TEST(ResultDeathTest, ReadingTheWrongSideIsABug) {
  EXPECT_DEATH((void)Half(1).value(), "CHECK failed");
  EXPECT_DEATH((void)Half(2).error(), "CHECK failed");
  EXPECT_DEATH((void)Ok().error(), "CHECK failed");
}

}  // namespace
}  // namespace nightmill
