// Names that users give to runs and pools.
#include "core/model/names.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/base/limits.h"

namespace nightmill {
namespace {

TEST(NamesTest, RunIds) {
  for (const std::string& good : std::vector<std::string>{
           "r1", "manual__2026-01-01T00:00:00+00:00", "a~b", ".x", "my_scheduled__x", "scheduled_",
           std::string(limits::kMaxRunIdLength, 'x')}) {
    EXPECT_TRUE(CheckRunId(good).ok()) << good;
  }
  for (const std::string& bad : std::vector<std::string>{
           "", "a b", "a/b", "a\\b", "a..b", "~", "~latest", "a%b", "a?b", "a#b", "a\nb",
           "\xC3\xA9", std::string("a\0b", 3), std::string(limits::kMaxRunIdLength + 1, 'x')}) {
    const Status status = CheckRunId(bad);
    ASSERT_FALSE(status.ok()) << bad;
    EXPECT_NE(status.error().hint.find("A-Z a-z 0-9 _ . ~ : + -"), std::string::npos);
  }
  for (const std::string prefix : {"scheduled__", "backfill__", "asset_triggered__"}) {
    const Status status = CheckRunId(prefix + "2026-01-01T00:00:00+00:00");
    ASSERT_FALSE(status.ok());
    EXPECT_NE(status.error().hint.find(prefix), std::string::npos);
  }
}

TEST(NamesTest, PoolNames) {
  for (const std::string& good : std::vector<std::string>{"p", "default_pool", "_x", "0", "a.b-c",
                                                          std::string(limits::kMaxIdLength, 'x')}) {
    EXPECT_TRUE(CheckPoolName(good).ok()) << good;
  }
  for (const std::string& bad :
       std::vector<std::string>{"", "a b", "a/b", "a:b", ".a", "-a", "a..b", "~", "\xC3\xA9", " ",
                                std::string(limits::kMaxIdLength + 1, 'x')}) {
    const Status status = CheckPoolName(bad);
    ASSERT_FALSE(status.ok()) << bad;
    EXPECT_NE(status.error().hint.find("A-Z a-z 0-9"), std::string::npos);
  }
}

}  // namespace
}  // namespace nightmill
