#include "scheduler/daemon/clock_watch.h"

#include <gtest/gtest.h>

namespace nightmill {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Instant kWall = InstantFromMicros(1'767'571'200'000'000);

ClockReading At(microseconds wall, microseconds boot) { return {kWall + wall, hours{5} + boot}; }

TEST(ClockWatch, TheFirstLookOnlyRemembers) {
  ClockWatch watch("boot-1", std::nullopt);
  EXPECT_EQ(watch.Look(At(seconds{0}, seconds{0})), microseconds{0});
  EXPECT_EQ(watch.TakeRow(), (ClockRow{"boot-1", kWall - hours{5}}));
  EXPECT_EQ(watch.TakeRow(), std::nullopt);
}

TEST(ClockWatch, PassingTimeAndSlackAreNoStep) {
  ClockWatch watch("boot-1", std::nullopt);
  watch.Look(At(seconds{0}, seconds{0}));
  watch.TakeRow();
  EXPECT_EQ(watch.Look(At(seconds{60}, seconds{60})), microseconds{0});
  EXPECT_EQ(watch.Look(At(seconds{90}, seconds{90} - milliseconds{249})), microseconds{0});
  EXPECT_EQ(watch.TakeRow(), std::nullopt);
}

TEST(ClockWatch, AStepIsToldOnceWithItsRow) {
  for (const hours step : {hours{2}, hours{-2}}) {
    ClockWatch watch("boot-1", std::nullopt);
    watch.Look(At(seconds{0}, seconds{0}));
    watch.TakeRow();
    EXPECT_EQ(watch.Look(At(step + seconds{7}, seconds{7})), step);
    EXPECT_EQ(watch.TakeRow(), (ClockRow{"boot-1", kWall - hours{5} + step}));
    EXPECT_EQ(watch.Look(At(step + seconds{9}, seconds{9})), microseconds{0});
    EXPECT_EQ(watch.TakeRow(), std::nullopt);
  }
}

TEST(ClockWatch, AStepWhileTheDaemonWasDownIsSeenInTheSameBootOnly) {
  const ClockRow stored{"boot-1", kWall - hours{5} - seconds{100}};
  ClockWatch same("boot-1", stored);
  EXPECT_EQ(same.Look(At(seconds{0}, seconds{0})), seconds{100});
  EXPECT_TRUE(same.TakeRow().has_value());
  ClockWatch other("boot-2", stored);
  EXPECT_EQ(other.Look(At(seconds{0}, seconds{0})), microseconds{0});
  EXPECT_EQ(other.TakeRow(), (ClockRow{"boot-2", kWall - hours{5}}));
}

}  // namespace
}  // namespace nightmill
