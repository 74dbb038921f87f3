#include "api/session.h"

#include <gtest/gtest.h>

namespace nightmill {
namespace {

Instant At(std::int64_t ms) { return Instant{} + Duration{ms}; }

TEST(LoginCodesTest, OpenOnceWithinTenMinutes) {
  LoginCodes codes;
  const std::string code = codes.Mint("cli-1", At(0)).value();
  EXPECT_GE(code.size(), 20u);
  EXPECT_NE(codes.Mint("cli-1", At(0)).value(), code);
  EXPECT_FALSE(codes.Redeem("other", At(1)).has_value());
  EXPECT_EQ(codes.Redeem(code, At(599'999)), "cli-1");
  EXPECT_FALSE(codes.Redeem(code, At(599'999)).has_value()) << "used";
  const std::string late = codes.Mint("cli-1", At(0)).value();
  EXPECT_FALSE(codes.Redeem(late, At(600'000)).has_value());
}

TEST(RateLimitTest, BurstThenRate) {
  RateLimit limit(10, 3);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(limit.Take("a", At(0)));
  EXPECT_FALSE(limit.Take("a", At(0)));
  EXPECT_TRUE(limit.IsEmpty("a", At(99)));
  EXPECT_TRUE(limit.Take("b", At(0))) << "each name has its own";
  EXPECT_TRUE(limit.Take("a", At(100)));
  EXPECT_FALSE(limit.Take("a", At(100)));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(limit.Take("a", At(1'000'000)));
  EXPECT_FALSE(limit.Take("a", At(0))) << "a clock set back gives nothing";
  EXPECT_TRUE(limit.Take("a", At(100))) << "and takes nothing either";
}

TEST(RateLimitTest, ZeroIsNoLimit) {
  RateLimit limit(0, 0);
  for (int i = 0; i < 1'000; ++i) EXPECT_TRUE(limit.Take("a", At(0)));
  EXPECT_FALSE(limit.IsEmpty("a", At(0)));
}

}  // namespace
}  // namespace nightmill
