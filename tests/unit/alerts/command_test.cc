// Programs that take an alert: their input, their end, and that nothing of them stays.
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "scheduler/daemon/alerts/command_post.h"
#include "scheduler/daemon/clock.h"

namespace nightmill {
namespace {

class CommandTest : public testing::Test {
 protected:
  CommandEnd Run(const std::string& script, Duration budget = Duration{20'000},
                 std::string input = "{\"a\":1}\n") {
    Watchdog::Flight flight(dog_, budget);
    return RunCommand({{"/bin/sh", "-c", script, "sh", out_}, {{"PATH", "/usr/bin:/bin"}}, input},
                      flight);
  }
  std::string Out() const {
    std::ifstream file(out_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  Watchdog dog_{BootNow};
  const std::string out_ = testing::TempDir() + "nm_command_" + std::to_string(getpid());
};

TEST_F(CommandTest, GetsTheAlertOnItsInput) {
  const CommandEnd end = Run("cat > $1");
  EXPECT_TRUE(end.exited);
  EXPECT_EQ(end.code, 0);
  EXPECT_EQ(end.error, "");
  EXPECT_EQ(Out(), "{\"a\":1}\n");
}

TEST_F(CommandTest, SeesNothingOfTheDaemon) {
  EXPECT_EQ(Run("env | grep -v -e ^PATH= -e ^PWD= -e ^_= -e ^SHLVL= -e ^OLDPWD= > $1; ls "
                "/proc/self/fd >> $1")
                .code,
            0);
  // 0, 1 (the file), 2 and the folder that ls reads.
  EXPECT_EQ(Out(), "0\n1\n2\n3\n");
}

TEST_F(CommandTest, FailsWithTheLastLineItSaid) {
  const CommandEnd end = Run("echo first >&2; echo 'no mail server' >&2; exit 3");
  EXPECT_EQ(end.code, 3);
  EXPECT_EQ(end.error, "exit code 3: no mail server");
  EXPECT_EQ(Run("kill -9 $$").error, "killed by signal 9");
  EXPECT_EQ(Run("exit 7").error, "exit code 7");
}

TEST_F(CommandTest, ReadsNothingOrSaysTooMuch) {
  EXPECT_EQ(Run("exit 0", Duration{20'000}, std::string(20'000, 'x')).error, "");
  EXPECT_EQ(Run("head -c 3000000 /dev/zero >&2; exit 0").error, "");
}

TEST_F(CommandTest, IsKilledAtItsTimeoutWithAllItStarted) {
  const CommandEnd end = Run("sleep 100 & echo $! > $1; sleep 100", Duration{300});
  EXPECT_FALSE(end.exited);
  EXPECT_EQ(end.error, "no whole answer within 300ms");
  const int child = std::stoi(Out());
  // Killed with its session; gone as soon as whoever adopted it has reaped it.
  for (int i = 0; i < 1'000'000 && kill(child, 0) == 0; ++i) {
    std::ifstream stat("/proc/" + std::to_string(child) + "/stat");
    std::string text(std::istreambuf_iterator<char>(stat), {});
    if (text.find(") Z ") != std::string::npos) break;
  }
  std::ifstream stat("/proc/" + std::to_string(child) + "/stat");
  const std::string text(std::istreambuf_iterator<char>(stat), {});
  EXPECT_TRUE(text.empty() || text.find(") Z ") != std::string::npos) << text;
}

TEST_F(CommandTest, CannotBeStarted) {
  Watchdog::Flight flight(dog_, Duration{1'000});
  const CommandEnd end = RunCommand({{"/nonexistent/program"}, {}, ""}, flight);
  EXPECT_FALSE(end.exited);
  EXPECT_EQ(end.error, "/nonexistent/program cannot be started: No such file or directory");
}

TEST_F(CommandTest, AStoppingDaemonEndsIt) {
  dog_.AbortAll();
  EXPECT_EQ(Run("sleep 100").error, "the daemon is stopping");
}

}  // namespace
}  // namespace nightmill
