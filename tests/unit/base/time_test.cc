#include "core/base/time.h"

#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <string>
#include <vector>

#include "core/base/rng.h"

namespace nightmill {
namespace {

using std::chrono::milliseconds;

TEST(InstantTest, FormatsInUtc) {
  EXPECT_EQ(FormatInstant(Instant{}), "1970-01-01T00:00:00Z");
  EXPECT_EQ(FormatInstant(InstantFromMicros(1'773'640'800'000'000)), "2026-03-16T06:00:00Z");
  EXPECT_EQ(FormatInstant(InstantFromMicros(1'773'640'800'000'001)), "2026-03-16T06:00:00.000001Z");
  EXPECT_EQ(FormatInstant(InstantFromMicros(-1)), "1969-12-31T23:59:59.999999Z");
  EXPECT_EQ(FormatInstantOffset(InstantFromMicros(1'773'640'800'500'000)),
            "2026-03-16T06:00:00.500000+00:00");
  EXPECT_EQ(FormatDate(InstantFromMicros(-1)), "1969-12-31");
}

TEST(InstantTest, ParsesTheSameInstantInManyForms) {
  const Instant expected = InstantFromMicros(1'773'640'800'000'000);
  for (const char* text :
       {"2026-03-16T06:00:00Z", "2026-03-16t06:00:00z", "2026-03-16 06:00:00Z",
        "2026-03-16T06:00:00+00:00", "2026-03-16T06:00:00-00:00", "2026-03-16T08:30:00+02:30",
        "2026-03-15T23:00:00-07:00", "2026-03-16T06:00:00.0Z", "2026-03-16T06:00:00.000000999Z"}) {
    const Result<Instant> parsed = ParseInstant(text);
    ASSERT_TRUE(parsed.ok()) << text;
    EXPECT_EQ(*parsed, expected) << text;
  }
  EXPECT_EQ(*ParseInstant("2026-03-16T06:00:00.25Z"), expected + milliseconds{250});
  EXPECT_EQ(*ParseInstant("2026-03-16"), expected - std::chrono::hours{6});
}

TEST(InstantTest, RefusesWhatIsNoInstant) {
  for (const char* text : {"",
                           "2026",
                           "2026-03",
                           "2026-3-16",
                           "2026-02-29",
                           "2026-13-01",
                           "2026-00-10",
                           "2026-01-00",
                           "0000-01-01",
                           "26-03-16",
                           "2026-03-16T",
                           "2026-03-16T06:00Z",
                           "2026-03-16T06:00:00",
                           "2026-03-16T24:00:00Z",
                           "2026-03-16T06:60:00Z",
                           "2026-03-16T06:00:60Z",
                           "2026-03-16T06:00:00.Z",
                           "2026-03-16T06:00:00+0200",
                           "2026-03-16T06:00:00+24:00",
                           "2026-03-16T06:00:00+02:60",
                           "2026-03-16T06:00:00ZZ",
                           " 2026-03-16",
                           "2026-03-16 ",
                           "2026-03-16T06:00:00 +02:00",
                           "-026-03-16",
                           "2026-03-16X06:00:00Z"}) {
    const Result<Instant> parsed = ParseInstant(text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_EQ(parsed.error().code, ErrorCode::kInvalid);
    EXPECT_NE(parsed.error().message.find(std::string("\"") + text + "\""), std::string::npos);
    EXPECT_FALSE(parsed.error().hint.empty());
  }
}

TEST(InstantTest, RoundTripsOverTheWholeRange) {
  const std::int64_t first = ToMicros(*ParseInstant("0001-01-01T00:00:00Z"));
  const std::int64_t last = ToMicros(*ParseInstant("9999-12-31T23:59:59.999999Z"));
  Rng rng(1);
  for (int i = 0; i < 20'000; ++i) {
    std::int64_t us =
        first + static_cast<std::int64_t>(rng.Below(static_cast<std::uint64_t>(last - first) + 1));
    if (rng.Chance(1, 2)) us -= us % 1'000'000;
    const Instant t = InstantFromMicros(us);
    ASSERT_EQ(*ParseInstant(FormatInstant(t)), t);
    ASSERT_EQ(*ParseInstant(FormatInstantOffset(t)), t);
  }
}

TEST(DateTest, RoundTripsEveryDayOfFourCenturies) {
  const std::int32_t first = *ParseDate("1899-12-31");
  const std::int32_t last = *ParseDate("2300-01-01");
  for (std::int32_t day = first; day <= last; ++day) ASSERT_EQ(*ParseDate(FormatDays(day)), day);
  EXPECT_EQ(FormatDays(0), "1970-01-01");
  EXPECT_EQ(FormatDays(-1), "1969-12-31");
  for (const char* text : {"", "2026-02-29", "2026-1-1", "2026-01-01T00:00:00Z", "yesterday"}) {
    EXPECT_FALSE(ParseDate(text).ok()) << text;
  }
}

struct DurationCase {
  const char* text;
  std::int64_t ms;
};

TEST(DurationTest, Parses) {
  constexpr std::int64_t kHour = 3'600'000;
  const std::vector<DurationCase> cases = {{"0", 0},
                                           {"90", 90'000},
                                           {"1.5", 1'500},
                                           {"0.001", 1},
                                           {"1.500000", 1'500},
                                           {"90s", 90'000},
                                           {"1h30m", 5'400'000},
                                           {"250ms", 250},
                                           {"1m250ms", 60'250},
                                           {"1s250ms", 1'250},
                                           {"1m1s1ms", 61'001},
                                           {"2d", 48 * kHour},
                                           {"1w", 168 * kHour},
                                           {"1w2d3h4m5s6ms", 219 * kHour + 245'006},
                                           {"PT1H30M", 5'400'000},
                                           {"P1DT2H", 26 * kHour},
                                           {"P2W", 336 * kHour},
                                           {"PT1.5S", 1'500},
                                           {"PT0,25S", 250},
                                           {"PT0S", 0},
                                           {"PT15M", 900'000},
                                           {"999999999999", 999'999'999'999'000}};
  for (const DurationCase& c : cases) {
    const Result<Duration> parsed = ParseDuration(c.text);
    ASSERT_TRUE(parsed.ok()) << c.text << ": " << parsed.error().message;
    EXPECT_EQ(parsed->count(), c.ms) << c.text;
  }
}

TEST(DurationTest, Refuses) {
  for (const char* text : {"",
                           "-1",
                           "-5m",
                           "m",
                           "1x",
                           "1h30",
                           "30m1h",
                           "1m1m",
                           "1.5h",
                           "1,5",
                           "1.",
                           ".5",
                           "0.0001",
                           "1 h",
                           " 1h",
                           "1H",
                           "P",
                           "PT",
                           "P1DT",
                           "P1M",
                           "P1Y",
                           "P1Y2M",
                           "PT1M1H",
                           "PT1D",
                           "P1H",
                           "PT1.5M",
                           "PT1.0001S",
                           "P-1D",
                           "PT1S1S",
                           "1e3",
                           "0x10",
                           "inf",
                           "9999999999999999",
                           "999999999999999w",
                           "1ms1m",
                           "P1W1W"}) {
    const Result<Duration> parsed = ParseDuration(text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_EQ(parsed.error().code, ErrorCode::kInvalid);
    EXPECT_FALSE(parsed.error().hint.empty());
  }
  EXPECT_NE(ParseDuration("P1M").error().message.find("no fixed length"), std::string::npos);
}

TEST(DurationTest, FormatsAndParsesBack) {
  const std::vector<DurationCase> cases = {
      {"0s", 0},           {"1h30m", 5'400'000}, {"250ms", 250},     {"1d", 86'400'000},
      {"7d", 604'800'000}, {"1m30s", 90'000},    {"1s500ms", 1'500}, {"1d1ms", 86'400'001}};
  for (const DurationCase& c : cases) EXPECT_EQ(FormatDuration(Duration{c.ms}), c.text);
  EXPECT_EQ(FormatDuration(Duration{-1500}), "-1s500ms");
  EXPECT_EQ(FormatDuration(Duration::min()).front(), '-');
  Rng rng(2);
  for (int i = 0; i < 10'000; ++i) {
    const Duration d{static_cast<std::int64_t>(rng.Below(1ull << rng.Below(49)))};
    ASSERT_EQ(*ParseDuration(FormatDuration(d)), d);
  }
}

}  // namespace
}  // namespace nightmill
