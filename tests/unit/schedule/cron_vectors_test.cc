// AnswerScheduleLine: the shared vectors, the table of clock changes, and what it refuses.
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "core/base/json.h"
#include "core/schedule/cron.h"

namespace nightmill {
namespace {

using nlohmann::json;

std::vector<std::string> Fires(const std::string& expr, const std::string& tz,
                               const std::string& start, int n) {
  const json answer = json::parse(
      AnswerScheduleLine(json{{"expr", expr}, {"tz", tz}, {"start", start}, {"n", n}}.dump()));
  if (answer.contains("next")) return answer["next"];
  ADD_FAILURE() << expr << ": " << answer.dump();
  return {};
}

// Python and the vectors write an offset where FormatInstant would write Z.
TEST(ScheduleLineTest, GivesTheSharedVectors) {
  std::ifstream in(NM_SOURCE_DIR "/tests/data/cron/vectors.jsonl");
  std::string line;
  int count = 0;
  while (std::getline(in, line)) {
    ++count;
    const json vector = json::parse(line);
    const json answer = json::parse(AnswerScheduleLine(line));
    if (vector.value("never", false)) {
      EXPECT_EQ(answer["error"]["code"], "never_fires") << line;
      continue;
    }
    EXPECT_EQ(answer["next"], vector["expected"]) << line;
  }
  EXPECT_EQ(count, 40);
}

TEST(ScheduleLineTest, FollowsTheTableOfClockChanges) {
  struct Row {
    const char* expr;
    std::vector<std::string> spring;  // from 2026-03-29T00:00+01:00
    std::vector<std::string> autumn;  // from 2026-10-25T00:00+02:00
  };
  const std::vector<Row> rows = {
      {"30 2 * * *", {"29T03:00:00+02:00"}, {"25T02:30:00+02:00", "26T02:30:00+01:00"}},
      {"0 1-3 * * *",
       {"29T01:00:00+01:00", "29T03:00:00+02:00", "30T01:00:00+02:00"},
       {"25T01:00:00+02:00", "25T02:00:00+02:00", "25T03:00:00+01:00", "26T01:00:00+01:00"}},
      {"0 */2 * * *",
       {"29T00:00:00+01:00", "29T04:00:00+02:00", "29T06:00:00+02:00"},
       {"25T00:00:00+02:00", "25T02:00:00+02:00", "25T02:00:00+01:00", "25T04:00:00+01:00"}},
      {"*/30 2 * * *",
       {"30T02:00:00+02:00", "30T02:30:00+02:00"},
       {"25T02:00:00+02:00", "25T02:30:00+02:00", "25T02:00:00+01:00", "25T02:30:00+01:00",
        "26T02:00:00+01:00"}},
      {"0 0 * * *",
       {"29T00:00:00+01:00", "30T00:00:00+02:00"},
       {"25T00:00:00+02:00", "26T00:00:00+01:00"}},
  };
  for (const Row& row : rows) {
    std::vector<std::string> spring = row.spring;
    for (std::string& text : spring) text.insert(0, "2026-03-");
    EXPECT_EQ(Fires(row.expr, "Europe/Madrid", "2026-03-28T23:59:59+01:00",
                    static_cast<int>(spring.size())),
              spring)
        << row.expr;
    std::vector<std::string> autumn = row.autumn;
    for (std::string& text : autumn) text.insert(0, "2026-10-");
    EXPECT_EQ(Fires(row.expr, "Europe/Madrid", "2026-10-24T23:59:59+02:00",
                    static_cast<int>(autumn.size())),
              autumn)
        << row.expr;
  }
}

TEST(ScheduleLineTest, HandlesADayThatAZoneSkipped) {
  // Apia went from 2011-12-29 to 2011-12-31.
  EXPECT_EQ(Fires("0 6 * * *", "Pacific/Apia", "2011-12-29T10:00:00-10:00", 3),
            (std::vector<std::string>{"2011-12-31T00:00:00+14:00", "2011-12-31T06:00:00+14:00",
                                      "2012-01-01T06:00:00+14:00"}));
  EXPECT_EQ(Fires("0 */6 * * *", "Pacific/Apia", "2011-12-29T13:00:00-10:00", 3),
            (std::vector<std::string>{"2011-12-29T18:00:00-10:00", "2011-12-31T00:00:00+14:00",
                                      "2011-12-31T06:00:00+14:00"}));
  EXPECT_EQ(Fires("0 0 30 12 *", "Pacific/Apia", "2011-01-01T00:00:00Z", 2),
            (std::vector<std::string>{"2011-12-31T00:00:00+14:00", "2012-12-30T00:00:00+14:00"}));
}

TEST(ScheduleLineTest, KeepsTheRulesOfZonesAfter2037) {
  EXPECT_EQ(Fires("0 12 1 1,7 *", "Europe/Madrid", "2099-02-01T00:00:00Z", 2),
            (std::vector<std::string>{"2099-07-01T12:00:00+02:00", "2100-01-01T12:00:00+01:00"}));
  EXPECT_EQ(Fires("30 2 * * *", "America/New_York", "2050-03-12T12:00:00Z", 2),
            (std::vector<std::string>{"2050-03-13T03:00:00-04:00", "2050-03-14T02:30:00-04:00"}));
}

TEST(ScheduleLineTest, EndsWithTheYear2200) {
  EXPECT_EQ(Fires("0 0 29 2 *", "UTC", "2190-01-01T00:00:00Z", 10),
            (std::vector<std::string>{"2192-02-29T00:00:00+00:00", "2196-02-29T00:00:00+00:00"}));
  EXPECT_TRUE(Fires("* * * * *", "UTC", "2201-01-01T00:00:00Z", 1).empty());
  EXPECT_TRUE(Fires("* * * * *", "UTC", "9999-12-31T23:59:59Z", 1).empty());
  EXPECT_EQ(Fires("0 0 * * *", "UTC", "1970-01-01T00:00:00Z", 1),
            std::vector<std::string>{"1970-01-02T00:00:00+00:00"});
}

TEST(ScheduleLineTest, HasDefaultsAndLimits) {
  EXPECT_EQ(AnswerScheduleLine(R"({"expr": "@daily", "start": "2026-01-01"})"),
            R"({"next":["2026-01-02T00:00:00+00:00"]})");
  EXPECT_EQ(Fires("* * * * *", "UTC", "2026-01-01T00:00:00Z", 10'000).size(), 10'000u);
}

TEST(ScheduleLineTest, RefusesWithAnErrorObject) {
  struct Row {
    const char* line;
    const char* code;
    const char* in_message;
  };
  const std::vector<Row> rows = {
      {"", "invalid", "not JSON"},
      {"{", "invalid", "not JSON"},
      {"[]", "invalid", "not a JSON object"},
      {"\xff", "invalid", "not JSON"},
      {R"({"start": "2026-01-01"})", "invalid", "\"expr\" is missing"},
      {R"({"expr": "@daily"})", "invalid", "\"start\" is missing"},
      {R"({"expr": 5, "start": "2026-01-01"})", "invalid", "\"expr\" is not a string"},
      {R"({"expr": "@daily", "start": "tomorrow"})", "invalid", "\"tomorrow\""},
      {R"({"expr": "@daily", "start": "2026-01-01", "n": 0})", "invalid", "\"n\""},
      {R"({"expr": "@daily", "start": "2026-01-01", "n": 10001})", "invalid", "\"n\""},
      {R"({"expr": "@daily", "start": "2026-01-01", "n": 1.5})", "invalid", "\"n\""},
      {R"({"expr": "@daily", "start": "2026-01-01", "n": "1"})", "invalid", "\"n\""},
      {R"({"expr": "@daily", "start": "2026-01-01", "n": 18446744073709551615})", "invalid", "n"},
      {R"({"expr": "@daily", "start": "2026-01-01", "tz": "Europe/Madird"})", "invalid",
       "unknown time zone"},
      {R"({"expr": "@daily", "start": "2026-01-01", "timezone": "Asia/Tokyo"})", "invalid",
       "unknown member \"timezone\""},
      {R"({"expr": "@daily", "start": "2026-01-01", "count": 3})", "invalid",
       "unknown member \"count\""},
      {R"({"expr": "@daily", "start": "0001-01-01"})", "invalid", "0001-01-01 is before 1970"},
      {R"({"expr": "@daily", "start": "1969-12-31T23:59:59Z"})", "invalid", "before 1970"},
      {R"({"expr": "@daily", "start": "2026-01-01T06:00:00"})", "invalid",
       "2026-01-01T06:00:00 names no zone"},
      {R"({"expr": "@daily", "start": "2026-01-01T06:00"})", "invalid", "names no zone"},
      {R"({"expr": "0 25 * * *", "start": "2026-01-01"})", "invalid", "25 is not in 0-23"},
      {R"({"expr": "0 0 30 2 *", "start": "2026-01-01"})", "never_fires", "never fires"},
  };
  for (const Row& row : rows) {
    const json answer = json::parse(AnswerScheduleLine(row.line));
    ASSERT_TRUE(answer.contains("error")) << row.line;
    EXPECT_EQ(answer["error"]["code"], row.code) << row.line;
    const std::string message = answer["error"]["message"];
    EXPECT_NE(message.find(row.in_message), std::string::npos) << message;
    EXPECT_TRUE(answer["error"].contains("hint"));
  }
  EXPECT_EQ(
      json::parse(AnswerScheduleLine(
          R"({"expr": "@daily", "start": "2026-01-01", "tz": "Europe/Madird"})"))["error"]["hint"],
      "did you mean \"Europe/Madrid\"?");
  EXPECT_TRUE(json::parse(AnswerScheduleLine(std::string(100'000, '['))).contains("error"));
}

}  // namespace
}  // namespace nightmill
