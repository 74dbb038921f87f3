#include "core/schedule/time_zone.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "core/base/rng.h"
#include "core/schedule/zone_file.h"

namespace nightmill {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using Kind = TimeZone::Mapping::Kind;

Instant At(std::string_view text) { return *ParseInstant(text); }

std::shared_ptr<const TimeZone> Zone(std::string_view name) {
  auto zone = TimeZone::Find(name);
  EXPECT_TRUE(zone.ok()) << name;
  return *zone;
}

// A local time written as if it were UTC.
LocalTime Local(std::string_view text) { return LocalTime{At(text).time_since_epoch()}; }

TEST(TimeZoneTest, FormatsWithOffset) {
  EXPECT_EQ(Zone("Europe/Madrid")->Format(At("2026-03-29T01:00:00Z")), "2026-03-29T03:00:00+02:00");
  EXPECT_EQ(Zone("America/St_Johns")->Format(At("2026-01-01T00:00:00Z")),
            "2025-12-31T20:30:00-03:30");
  EXPECT_EQ(TimeZone::Utc().Format(At("2026-01-01T00:00:00.5Z")),
            "2026-01-01T00:00:00.500000+00:00");
  EXPECT_EQ(Zone("Africa/Monrovia")->Format(At("1971-01-01T00:00:00Z")),
            "1970-12-31T23:15:30-00:44:30");
}

TEST(TimeZoneTest, MapsUniqueGapAndOverlap) {
  const auto madrid = Zone("Europe/Madrid");
  const TimeZone::Mapping plain = madrid->Map(Local("2026-03-29T01:59:59Z"));
  EXPECT_EQ(plain.kind, Kind::kUnique);
  EXPECT_EQ(plain.first, At("2026-03-29T00:59:59Z"));
  for (const char* text : {"2026-03-29T02:00:00Z", "2026-03-29T02:59:59Z"}) {
    const TimeZone::Mapping gap = madrid->Map(Local(text));
    EXPECT_EQ(gap.kind, Kind::kGap);
    EXPECT_EQ(gap.first, At("2026-03-29T01:00:00Z"));
    EXPECT_EQ(gap.second, gap.first);
  }
  EXPECT_EQ(madrid->Map(Local("2026-03-29T03:00:00Z")).first, At("2026-03-29T01:00:00Z"));
  const TimeZone::Mapping overlap = madrid->Map(Local("2026-10-25T02:30:00Z"));
  EXPECT_EQ(overlap.kind, Kind::kOverlap);
  EXPECT_EQ(overlap.first, At("2026-10-25T00:30:00Z"));
  EXPECT_EQ(overlap.second, At("2026-10-25T01:30:00Z"));
  EXPECT_EQ(madrid->Map(Local("2026-10-25T03:00:00Z")).kind, Kind::kUnique);
}

TEST(TimeZoneTest, KnowsDaysThatDidNotHappen) {
  const auto apia = Zone("Pacific/Apia");
  const TimeZone::Mapping gap = apia->Map(Local("2011-12-30T12:00:00Z"));
  EXPECT_EQ(gap.kind, Kind::kGap);
  EXPECT_EQ(gap.first, At("2011-12-30T10:00:00Z"));
  EXPECT_EQ(apia->StartOfDay(*ParseDate("2011-12-30")), apia->StartOfDay(*ParseDate("2011-12-31")));
  EXPECT_EQ(apia->StartOfDay(*ParseDate("2012-01-01")) - apia->StartOfDay(*ParseDate("2011-12-31")),
            hours{24});
}

TEST(TimeZoneTest, StartsDaysAtTheFirstOfTwoMidnights) {
  // Havana: 01:00 becomes 00:00, so midnight comes twice; in spring there is none.
  const auto havana = Zone("America/Havana");
  EXPECT_EQ(havana->Format(havana->StartOfDay(*ParseDate("2024-11-03"))),
            "2024-11-03T00:00:00-04:00");
  EXPECT_EQ(havana->Format(havana->StartOfDay(*ParseDate("2024-03-10"))),
            "2024-03-10T01:00:00-04:00");
}

// Every local minute around every change of some zones, 1970 to 2100: Map agrees with ToLocal.
TEST(TimeZoneTest, MapInvertsToLocal) {
  for (const char* name : {"Europe/Madrid", "Pacific/Apia", "Australia/Lord_Howe", "Asia/Tehran",
                           "Africa/Casablanca", "Pacific/Kwajalein", "America/Caracas"}) {
    const auto zone = Zone(name);
    Instant change = zone->SegmentAt(Instant{}).end;
    for (; change < At("2100-01-01"); change = zone->SegmentAt(change).end) {
      for (Instant t = change - hours{3}; t < change + hours{3}; t += minutes{15}) {
        const TimeZone::Mapping mapping = zone->Map(zone->ToLocal(t));
        ASSERT_NE(mapping.kind, Kind::kGap) << name << FormatInstant(t);
        ASSERT_TRUE(mapping.first == t || mapping.second == t) << name << FormatInstant(t);
        ASSERT_LE(mapping.first, mapping.second);
        ASSERT_EQ(zone->ToLocal(mapping.first), zone->ToLocal(mapping.second));
      }
    }
  }
}

TEST(TimeZoneTest, SegmentsTileTheTimeLine) {
  const std::vector<std::string> names = ListZoneNames();
  for (std::size_t i = 0; i < names.size(); i += 7) {
    const std::string& name = names[i];
    const auto zone = Zone(name);
    Instant t = Instant::min();
    std::optional<seconds> last;
    int count = 0;
    while (t < At("2650-01-01") && ++count < 10'000) {
      const TimeZone::Segment segment = zone->SegmentAt(t);
      ASSERT_EQ(segment.begin, t) << name;
      ASSERT_GT(segment.end, segment.begin) << name;
      ASSERT_NE(last, segment.offset) << name << " " << FormatInstant(t);
      if (segment.end == Instant::max()) break;
      last = segment.offset;
      t = segment.end;
    }
    ASSERT_LT(count, 10'000) << name;
  }
}

TEST(TimeZoneTest, RepeatsAfterFourCenturies) {
  const auto zone = Zone("Europe/Madrid");
  constexpr std::chrono::days kCycle{146'097};
  for (Instant t = At("2300-01-01"); t < At("2310-01-01"); t += hours{7}) {
    ASSERT_EQ(zone->OffsetAt(t), zone->OffsetAt(t + kCycle));
    ASSERT_EQ(zone->SegmentAt(t).end + kCycle, zone->SegmentAt(t + kCycle).end);
    ASSERT_EQ(zone->OffsetAt(t), zone->OffsetAt(t + 15 * kCycle));
  }
}

TEST(TimeZoneTest, RefusesUnknownNames) {
  const std::vector<std::pair<const char*, const char*>> rows = {
      {"Europe/Madird", "did you mean \"Europe/Madrid\"?"},
      {"europe/madrid", "did you mean \"Europe/Madrid\"?"},
      {"Madrid", "did you mean \"Europe/Madrid\"?"},
      {"New York", "did you mean \"America/New_York\"?"},
      {"Spain/Madrid", "did you mean \"Europe/Madrid\"?"},
      {"Amerca/New_Yrok", "did you mean \"America/New_York\"?"},
      {"Nowhere", "use an IANA name such as Europe/Madrid, or UTC"},
      {"Mars/Olympus_Mons", "use an IANA name such as Europe/Madrid, or UTC"},
      {"", "use an IANA name such as Europe/Madrid, or UTC"},
  };
  for (const auto& [name, hint] : rows) {
    const auto zone = TimeZone::Find(name);
    ASSERT_FALSE(zone.ok()) << name;
    EXPECT_EQ(zone.error().code, ErrorCode::kInvalid);
    EXPECT_EQ(zone.error().hint, hint) << name;
    EXPECT_NE(zone.error().message.find(name), std::string::npos);
  }
  for (const char* name : {"../../../etc/passwd", "/etc/localtime", "Europe", "Europe/", "zone.tab",
                           "right/Europe/Madrid", "posix/UTC", "Europe/../UTC", "UTC\n", "."}) {
    EXPECT_FALSE(TimeZone::Find(name).ok()) << name;
  }
  EXPECT_FALSE(TimeZone::Find(std::string(5000, 'A')).ok());
}

TEST(TimeZoneTest, IsShared) {
  EXPECT_EQ(Zone("Asia/Tokyo").get(), Zone("Asia/Tokyo").get());
  EXPECT_EQ(Zone("UTC")->OffsetAt(Instant{}), seconds{0});
}

std::string Describe(std::string_view rule, std::size_t count) {
  ZoneTable table;
  const Status status = ExtendByPosixRule(rule, table);
  if (!status.ok()) return status.error().message;
  std::string text;
  for (std::size_t i = 0; i < std::min(count, table.changes.size()); ++i) {
    const ZoneTable::Change& change = table.changes[i];
    text += fmt::format("{} {:+}; ", FormatInstant(Instant{seconds{change.at_s}}),
                        change.offset_s / 60);
  }
  return text;
}

TEST(PosixRuleTest, WritesOutItsChanges) {
  EXPECT_EQ(Describe("CET-1CEST,M3.5.0,M10.5.0/3", 2),
            "1970-03-29T01:00:00Z +120; 1970-10-25T01:00:00Z +60; ");
  EXPECT_EQ(Describe("EST5EDT,M3.2.0,M11.1.0", 2),
            "1970-03-08T07:00:00Z -240; 1970-11-01T06:00:00Z -300; ");
  // Southern summer, negative saving, half an hour, times before midnight and after 24 h.
  EXPECT_EQ(Describe("<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", 2),
            "1970-04-04T15:00:00Z +630; 1970-10-03T15:30:00Z +660; ");
  EXPECT_EQ(Describe("IST-1GMT0,M10.5.0,M3.5.0/1", 2),
            "1970-03-29T01:00:00Z +60; 1970-10-25T01:00:00Z +0; ");
  EXPECT_EQ(Describe("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", 2),
            "1970-03-29T01:00:00Z -60; 1970-10-25T01:00:00Z -120; ");
  EXPECT_EQ(Describe("IST-2IDT,M3.4.4/26,M10.5.0", 1), "1970-03-27T00:00:00Z +180; ");
  // Days of the year: J60 is always March 1, 59 is February 29 in leap years.
  EXPECT_EQ(Describe("AAA0BBB,J60/0,J300/0", 3),
            "1970-03-01T00:00:00Z +60; 1970-10-26T23:00:00Z +0; 1971-03-01T00:00:00Z +60; ");
  EXPECT_EQ(Describe("AAA0BBB,59/0,299/0", 5),
            "1970-03-01T00:00:00Z +60; 1970-10-26T23:00:00Z +0; 1971-03-01T00:00:00Z +60; "
            "1971-10-26T23:00:00Z +0; 1972-02-29T00:00:00Z +60; ");
  // Daylight saving all the year round begins once; without a rule nothing changes.
  EXPECT_EQ(Describe("EST5EDT,0/0,J365/25", 5), "1970-01-01T05:00:00Z -240; ");
  EXPECT_EQ(Describe("UTC0", 5), "");
  EXPECT_EQ(Describe("", 5), "");
}

TEST(PosixRuleTest, RefusesWhatItCannotRead) {
  for (const char* rule :
       {"CET", "-1", "CET-1CEST", "CET-1CEST,M3.5.0", "CET-1CEST,M3.5.0,M10.5.0/3x",
        "CET-1CEST,M13.5.0,M10.5.0", "CET-1CEST,M3.6.0,M10.5.0", "CET-1CEST,M3.5.7,M10.5.0",
        "CET-99CEST,M3.5.0,M10.5.0", "<CET-1", "CET-1CEST,J0,J300", "CET-1CEST,366,1", "CET-1:60",
        "CET-1CEST,M3.5.0/168,M10.5.0", ",", "<>"}) {
    ZoneTable table;
    EXPECT_FALSE(ExtendByPosixRule(rule, table).ok()) << rule;
    EXPECT_TRUE(table.changes.empty());
  }
}

// A zone file of version 2 with two changes, written by hand.
std::string SmallZoneFile(std::string_view footer) {
  const auto big_endian = [](std::int64_t value, int bytes) {
    std::string text;
    for (int i = bytes - 1; i >= 0; --i) text += static_cast<char>(value >> (8 * i) & 0xFF);
    return text;
  };
  const auto header = [&](int times, int types, int chars) {
    std::string text = "TZif2" + std::string(15, '\0');
    for (const int count : {0, 0, 0, times, types, chars}) text += big_endian(count, 4);
    return text;
  };
  std::string file = header(0, 1, 1) + std::string(7, '\0');
  file += header(2, 2, 4) + big_endian(1000, 8) + big_endian(2000, 8);
  file += std::string("\1\0", 2);
  file += big_endian(-3600, 4) + std::string("\0\0", 2);
  file += big_endian(7200, 4) + std::string("\1\0", 2);
  file += std::string("ABC\0", 4);
  return file + "\n" + std::string(footer) + "\n";
}

TEST(ZoneFileTest, ReadsChangesAndFooter) {
  const Result<ZoneTable> table = ParseZoneFile(SmallZoneFile("ABC1"));
  ASSERT_TRUE(table.ok()) << table.error().message;
  EXPECT_EQ(table->first_offset_s, -3600);
  ASSERT_EQ(table->changes.size(), 2u);
  EXPECT_EQ(table->changes[0].at_s, 1000);
  EXPECT_EQ(table->changes[0].offset_s, 7200);
  EXPECT_EQ(table->changes[1].at_s, 2000);
  EXPECT_EQ(table->changes[1].offset_s, -3600);
}

TEST(ZoneFileTest, RefusesBrokenFiles) {
  const std::string good = SmallZoneFile("ABC1");
  ASSERT_TRUE(ParseZoneFile(good).ok());
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(ParseZoneFile(std::string_view(good).substr(0, size)).ok()) << size;
  }
  EXPECT_FALSE(ParseZoneFile(SmallZoneFile("nonsense,,")).ok());
  std::string version1 = good;
  version1[4] = '\0';
  EXPECT_FALSE(ParseZoneFile(version1).ok());
}

TEST(ZoneFileTest, SurvivesAnyBytes) {
  const std::string good = SmallZoneFile("CET-1CEST,M3.5.0,M10.5.0/3");
  Rng rng(3);
  for (int round = 0; round < 3'000; ++round) {
    std::string bytes = good;
    for (int i = 0; i < 3; ++i) {
      bytes[rng.Below(bytes.size())] = static_cast<char>(rng.Below(256));
    }
    const Result<ZoneTable> table = ParseZoneFile(bytes);
    if (!table.ok()) continue;
    for (const ZoneTable::Change& change : table->changes) {
      ASSERT_LT(change.offset_s, 26 * 3600);
      ASSERT_GT(change.offset_s, -26 * 3600);
    }
  }
}

TEST(ZoneFileTest, ReadsEveryZoneOfTheSystem) {
  const std::vector<std::string> names = ListZoneNames();
  EXPECT_GT(names.size(), 300u);
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).count("Europe/Madrid"), 1u);
  for (const std::string& name : names) {
    const Result<ZoneTable> table = ReadZoneFile(name);
    EXPECT_TRUE(table.ok()) << name << ": " << (table.ok() ? "" : table.error().message);
  }
}

}  // namespace
}  // namespace nightmill
