// Native attempts in operator hosts: the test worker's operators are good, fail, crash or are deaf.
#include <sys/prctl.h>
#include <sys/wait.h>

#include <boost/asio/io_context.hpp>
#include <csignal>
#include <filesystem>

#include "core/base/json.h"
#include "tests/unit/worker/harness.h"
#include "worker/runtime/operator_hosts.h"

namespace nightmill {
namespace {

using nlohmann::json;

class HostTest : public WorkerTest {
 protected:
  HostTest() { Connect(); }
  // Runs `good` and returns the pid of its host.
  pid_t HostPid() {
    const AttemptReport report = Run(Native("good"));
    return json::parse(report.output).at("pid").get<pid_t>();
  }
  // Starts an operator that announces itself in a file.
  AttemptSpec StartAnnounced(const std::string& type, Duration timeout = Duration{0}) {
    AttemptSpec spec = Native(type);
    spec.operator_spec = Path("announced" + std::to_string(spec.id.value));
    if (timeout.count() > 0) spec.timeout = timeout;
    Start(spec);
    Eventually([&] { return ReadText(spec.operator_spec) == "running"; }, "it does not run");
    return spec;
  }
};

TEST_F(HostTest, GoodOperator) {
  AttemptSpec spec = Native("good", R"({"x":1})");
  spec.places = 3;
  Start(spec);
  const auto started = daemon.Expect<wire::Started>();
  EXPECT_EQ(started.attempt, spec.id);
  const AttemptReport report = daemon.ExpectReport();
  ASSERT_TRUE(Is<outcome::Succeeded>(report));
  const json output = json::parse(report.output);
  EXPECT_EQ(output.at("pid"), started.pid);
  EXPECT_EQ(output.at("threads"), 3);
  EXPECT_EQ(output.at("spec"), json({{"x", 1}}));
  EXPECT_EQ(report.usage.bytes_read, 11);
  EXPECT_GT(report.usage.max_rss_bytes, 0);
  EXPECT_TRUE(report.started_at.has_value());
  EXPECT_EQ(ReadText(spec.log_path), "good was here\n");
}

TEST_F(HostTest, TheMemoryLimitCapsTheBudget) {
  const auto run = [&](std::optional<std::int64_t> limit) {
    AttemptSpec spec = Native("good");
    spec.limits.memory_bytes = limit;
    return Run(spec);
  };
  const AttemptReport capped = run(64 << 20);
  ASSERT_TRUE(Is<outcome::Succeeded>(capped));
  EXPECT_EQ(json::parse(capped.output).at("memory_cap"), 64 << 20);
  // Of this attempt only, not of the host.
  EXPECT_EQ(json::parse(run(std::nullopt).output).at("memory_cap"), nullptr);
  EXPECT_TRUE(Is<outcome::Succeeded>(run(16 << 20)));
  const AttemptReport small = run((16 << 20) - 1);
  EXPECT_EQ(Failure(small).kind, "bad_spec");
  EXPECT_NE(Failure(small).message.find("16MiB at least"), std::string::npos);
}

TEST_F(HostTest, AHostIsReused) {
  const pid_t first = HostPid();
  EXPECT_EQ(HostPid(), first);
  Run(Native("fails"));
  Run(Native("throws"));
  EXPECT_EQ(HostPid(), first);
}

TEST_F(HostTest, FailuresHaveTheOperatorsWord) {
  const AttemptSpec spec = Native("fails");
  const AttemptReport report = Run(spec);
  EXPECT_EQ(Failure(report).kind, "check");
  EXPECT_NE(Failure(report).message.find("row_count is 3"), std::string::npos);
  EXPECT_EQ(json::parse(report.output).at("code"), "check");
  EXPECT_NE(ReadText(spec.log_path).find("row_count is 3"), std::string::npos);
  EXPECT_EQ(Failure(Run(Native("throws"))).kind, "internal");
  EXPECT_EQ(Failure(Run(Native("unheard_of"))).kind, "bad_spec");
}

TEST_F(HostTest, CrashesFailTheAttemptAndNothingElse) {
  const AttemptSpec sibling = StartAnnounced("obedient");
  struct Row {
    std::string type;
    std::string kind;
    int signal;
  };
  for (const Row& row : std::vector<Row>{
           {"segv", "signal", SIGSEGV}, {"abort", "signal", SIGABRT}, {"exit", "internal", 0}}) {
    const AttemptReport report = Run(Native(row.type));
    EXPECT_EQ(Failure(report).kind, row.kind) << row.type;
    EXPECT_EQ(Failure(report).signal, row.signal) << row.type;
    EXPECT_TRUE(Is<outcome::Succeeded>(Run(Native("good"))));
  }
  daemon.Send(wire::KillAttempt{sibling.id, ""});
  EXPECT_EQ(daemon.ExpectReport().id, sibling.id);
}

TEST_F(HostTest, AKilledHostIsALoss) {
  const AttemptSpec spec = StartAnnounced("obedient");
  kill(static_cast<pid_t>(daemon.Expect<wire::Started>().pid), SIGKILL);
  const AttemptReport report = daemon.ExpectReport();
  EXPECT_EQ(report.id, spec.id);
  EXPECT_TRUE(Is<outcome::Lost>(report));
}

TEST_F(HostTest, CancelIsObeyedOrForced) {
  for (const std::string type : {"obedient", "deaf"}) {
    const pid_t before = HostPid();
    const AttemptSpec spec = StartAnnounced(type);
    daemon.Send(wire::KillAttempt{spec.id, "cancel"});
    EXPECT_TRUE(Is<outcome::Killed>(daemon.ExpectReport())) << type;
    // Its host is gone, not reused.
    EXPECT_NE(kill(before, 0), 0);
    EXPECT_NE(HostPid(), before);
  }
}

TEST_F(HostTest, Timeout) {
  StartAnnounced("deaf", Duration{100});
  EXPECT_TRUE(Is<outcome::TimedOut>(daemon.ExpectReport()));
  AttemptSpec quick = Native("good");
  quick.timeout = Duration{60'000};
  EXPECT_TRUE(Is<outcome::Succeeded>(Run(quick)));
}

TEST_F(HostTest, LeaveToPublish) {
  for (const bool granted : {true, false}) {
    const AttemptSpec spec = Native("publishes");
    Start(spec);
    const auto question = daemon.Expect<wire::PublishLeave>();
    EXPECT_EQ(question.attempt, spec.id);
    EXPECT_EQ(question.epoch, spec.epoch);
    EXPECT_EQ(question.incarnation, incarnation);
    daemon.Send(wire::PublishAnswer{spec.id, granted, granted ? "" : "fenced"});
    const AttemptReport report = daemon.ExpectReport();
    EXPECT_EQ(OutcomeWord(report.outcome), granted ? "succeeded" : "lost");
  }
}

TEST_F(HostTest, LeaveIsAskedAgainAfterTheDaemonsDeath) {
  const AttemptSpec spec = Native("publishes");
  Start(spec);
  daemon.Expect<wire::PublishLeave>();
  daemon.Disconnect();
  daemon.Accept();
  daemon.Welcome();
  EXPECT_EQ(daemon.Expect<wire::PublishLeave>().attempt, spec.id);
  daemon.Send(wire::PublishAnswer{spec.id, true, ""});
  EXPECT_TRUE(Is<outcome::Succeeded>(daemon.ExpectReport()));
}

TEST_F(HostTest, AnAttemptBeingKilledMayNotPublish) {
  const AttemptSpec spec = Native("publishes");
  Start(spec);
  daemon.Expect<wire::PublishLeave>();
  daemon.Send(wire::KillAttempt{spec.id, "cancel"});
  daemon.Send(wire::PublishAnswer{spec.id, true, ""});
  EXPECT_TRUE(Is<outcome::Killed>(daemon.ExpectReport()));
}

TEST_F(HostTest, MoreAttemptsThanHostsWait) {
  std::vector<AttemptSpec> specs;
  for (int i = 0; i < 4; ++i) specs.push_back(StartAnnounced("obedient"));
  const AttemptSpec fifth = Native("good");
  Start(fifth);
  daemon.Fence();
  daemon.Send(wire::KillAttempt{specs[0].id, ""});
  EXPECT_TRUE(Is<outcome::Killed>(daemon.ExpectReport()));
  const AttemptReport report = daemon.ExpectReport();
  EXPECT_EQ(report.id, fifth.id);
  EXPECT_TRUE(Is<outcome::Succeeded>(report));
  // One that waits is ended without a host.
  const AttemptSpec again = StartAnnounced("obedient");
  const AttemptSpec waits = Native("good");
  Start(waits);
  daemon.Send(wire::KillAttempt{waits.id, ""});
  EXPECT_EQ(daemon.ExpectReport().id, waits.id);
}

TEST_F(HostTest, HostsDieWithTheirWorker) {
  const AttemptSpec spec = StartAnnounced("deaf");
  const auto host = static_cast<pid_t>(daemon.Expect<wire::Started>().pid);
  Signal(SIGKILL);
  WaitForExit();
  Eventually([&] { return kill(host, 0) != 0; }, "the host lives on");
  StartWorker();
  const wire::Hello hello = daemon.Accept();
  ASSERT_EQ(hello.lost.size(), 1u);
  EXPECT_EQ(hello.lost[0].attempt, spec.id);
}

TEST_F(HostTest, HeartbeatShowsProgress) {
  const AttemptSpec spec = StartAnnounced("deaf");
  while (true) {
    const auto beat = daemon.Expect<wire::Heartbeat>();
    if (beat.progress.empty()) continue;
    EXPECT_EQ(beat.progress[0].attempt, spec.id);
    EXPECT_EQ(beat.held, 1);
    EXPECT_EQ(beat.places_used, 1);
    break;
  }
}

// Recycling and the idle limit, with small numbers and the loop in this process.
TEST(OperatorHosts, RecycledAndEndedWhenIdle) {
  BecomeSubreaper();
  boost::asio::io_context io;
  Offspring offspring;
  std::vector<pid_t> pids;
  std::vector<AttemptReport> reports;
  OperatorHosts hosts(
      io, offspring,
      {.host = {TestWorkerProgram(), 5, {}},
       .slots = 1,
       .idle_limit = Duration{50},
       .max_attempts = 2},
      {{[&](const AttemptSpec&, pid_t pid, const SpawnedProcess*) { pids.push_back(pid); },
        [&](AttemptReport report) { reports.push_back(std::move(report)); }},
       [](const AttemptSpec&) {}});
  const std::string log = testing::TempDir() + "/recycled.log";
  for (std::int64_t id = 1; id <= 3; ++id) {
    AttemptSpec spec;
    spec.id = AttemptId{id};
    spec.kind = AttemptKind::kNative;
    spec.operator_type = "good";
    spec.operator_spec = "{}";
    spec.log_path = log;
    hosts.Start(spec);
  }
  io.run();  // returns when the last host is gone
  ASSERT_EQ(reports.size(), 3u);
  for (const AttemptReport& report : reports) EXPECT_TRUE(Is<outcome::Succeeded>(report));
  ASSERT_EQ(pids.size(), 3u);
  EXPECT_EQ(pids[0], pids[1]);
  EXPECT_NE(pids[1], pids[2]);
  EXPECT_EQ(hosts.hosts(), 0u);
  std::filesystem::remove(log);
}

}  // namespace
}  // namespace nightmill
