// What survives whom: death of the daemon, of the worker, of both; stopping.
#include <sys/stat.h>
#include <sys/wait.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "tests/unit/worker/harness.h"
#include "worker/runtime/spool.h"

namespace nightmill {
namespace {

class RestartTest : public WorkerTest {
 protected:
  // A task that runs until the test creates the file "go".
  AttemptSpec Waits() {
    return Shell("echo begun; while [ ! -e " + Path("go") + " ]; do sleep 0.01; done");
  }
  void Go() { std::ofstream(Path("go")) << ""; }
  void StartAndAwait(const AttemptSpec& spec) {
    Start(spec);
    EXPECT_EQ(daemon.Expect<wire::Started>().attempt, spec.id);
    Eventually([&] { return ReadText(spec.log_path) == "begun\n"; }, "the task does not begin");
  }
};

TEST_F(RestartTest, TasksSurviveTheDaemon) {
  Connect();
  const AttemptSpec spec = Waits();
  StartAndAwait(spec);
  daemon.Disconnect();
  daemon.epoch = 2;
  const wire::Hello hello = daemon.Accept();
  EXPECT_EQ(hello.incarnation, incarnation);
  EXPECT_EQ(hello.highest_epoch, Epoch{1});
  ASSERT_EQ(hello.held.size(), 1u);
  EXPECT_EQ(hello.held[0].attempt, spec.id);
  EXPECT_EQ(hello.held[0].epoch, spec.epoch);
  EXPECT_EQ(hello.held[0].state, wire::HeldState::kRunning);
  EXPECT_TRUE(hello.results.empty());
  EXPECT_TRUE(hello.lost.empty());
  daemon.Welcome({{spec.id, wire::Verdict::kKeep, ""}});
  EXPECT_EQ(daemon.Expect<wire::Started>().attempt, spec.id);
  Go();
  const AttemptReport report = daemon.ExpectReport();
  EXPECT_TRUE(Is<outcome::Succeeded>(report));
  EXPECT_EQ(report.epoch, Epoch{1});
}

TEST_F(RestartTest, AnUnwantedTaskIsKilledAtHello) {
  Connect();
  const AttemptSpec spec = Waits();
  StartAndAwait(spec);
  daemon.Disconnect();
  daemon.epoch = 2;
  daemon.Accept();
  daemon.Welcome({{spec.id, wire::Verdict::kKill, "run cancelled"}});
  EXPECT_TRUE(Is<outcome::Killed>(daemon.ExpectReport()));
}

TEST_F(RestartTest, ResultsWaitForTheDaemon) {
  Connect();
  const AttemptSpec first = Waits();
  const AttemptSpec second = Shell("exit 4");
  StartAndAwait(first);
  EXPECT_EQ(Failure((Start(second), daemon.ExpectReport())).exit_code, 4);  // not acked
  daemon.Disconnect();
  Go();
  Eventually([&] { return Marked(first) == 0; }, "the task goes on");
  // It may dial before the report is made; then the report follows Welcome.
  for (int round = 0; round < 2; ++round) {
    daemon.epoch = 2 + round;
    const wire::Hello hello = daemon.Accept();
    std::size_t results = hello.results.size();
    daemon.Welcome();
    for (; results < 2; ++results) daemon.ExpectReport();
    daemon.Disconnect();
  }
  daemon.epoch = 9;
  const wire::Hello hello = daemon.Accept();
  ASSERT_EQ(hello.results.size(), 2u);
  EXPECT_EQ(hello.results[0].id, first.id);
  daemon.Welcome({{first.id, wire::Verdict::kAck, ""}});
  daemon.Send(wire::Ack{{second.id, second.id, AttemptId{4711}}});
  daemon.Fence();
  daemon.Disconnect();
  EXPECT_TRUE(daemon.Accept().results.empty());
}

TEST_F(RestartTest, ALowerEpochIsRefused) {
  daemon.epoch = 5;
  Connect();
  daemon.Fence();
  daemon.Disconnect();
  daemon.Accept();
  daemon.epoch = 4;
  daemon.Welcome();
  EXPECT_TRUE(daemon.SeesEnd());
  EXPECT_EQ(daemon.Accept().highest_epoch, Epoch{5});
  daemon.epoch = 5;
  daemon.Welcome();
  daemon.Fence();
}

TEST_F(RestartTest, GarbageEndsTheConnectionNotTheWorker) {
  Connect();
  const AttemptSpec spec = Waits();
  StartAndAwait(spec);
  daemon.SendBytes("GET / HTTP/1.1\r\n\r\n");
  EXPECT_TRUE(daemon.SeesEnd());
  EXPECT_EQ(daemon.Accept().held.size(), 1u);
  // Nothing has a meaning before Welcome.
  daemon.Send(wire::StartAttempt{Shell("echo never")});
  EXPECT_TRUE(daemon.SeesEnd());
  EXPECT_EQ(daemon.Accept().held.size(), 1u);
}

TEST_F(RestartTest, WhatAKilledWorkerLeftIsEndedAndReported) {
  Connect();
  const AttemptSpec deaf =
      Shell("trap '' TERM; (setsid sleep 300 &); sleep 301 & echo begun; wait; wait; sleep 302");
  const AttemptSpec ended = Shell("echo '[1]' > $NIGHTMILL_OUTPUT");
  StartAndAwait(deaf);
  Start(ended);
  EXPECT_EQ(daemon.ExpectReport().output, "[1]");
  const Incarnation before = incarnation;
  Signal(SIGKILL);
  WaitForExit();
  EXPECT_GE(Marked(deaf), 2u);

  StartWorker();
  wire::Hello hello = daemon.Accept();
  EXPECT_EQ(Marked(deaf), 0u);
  EXPECT_NE(hello.incarnation, before);
  EXPECT_TRUE(hello.held.empty());
  ASSERT_EQ(hello.lost.size(), 1u);
  EXPECT_EQ(hello.lost[0].attempt, deaf.id);
  EXPECT_EQ(hello.lost[0].incarnation, before);
  EXPECT_EQ(hello.lost[0].epoch, deaf.epoch);
  EXPECT_EQ(hello.lost[0].proof, "no_process");
  ASSERT_EQ(hello.results.size(), 1u);
  EXPECT_EQ(hello.results[0].id, ended.id);
  EXPECT_EQ(hello.results[0].incarnation, before);
  EXPECT_EQ(hello.results[0].output, "[1]");

  // Both are said again by every later incarnation until acked.
  Signal(SIGKILL);
  WaitForExit();
  StartWorker();
  hello = daemon.Accept();
  EXPECT_EQ(hello.lost.size(), 1u);
  EXPECT_EQ(hello.results.size(), 1u);
  daemon.Welcome();
  daemon.Send(wire::Ack{{deaf.id, ended.id}});
  daemon.Fence();
  Signal(SIGKILL);
  WaitForExit();
  StartWorker();
  hello = daemon.Accept();
  EXPECT_TRUE(hello.lost.empty());
  EXPECT_TRUE(hello.results.empty());
}

TEST_F(RestartTest, AnotherBootIsProofEnough) {
  {
    boost::asio::io_context io;
    auto spool = Spool::Open(
        {.directory = Path("spool/local-1"), .incarnation = 77, .boot_id = "yesterday"}, io);
    ASSERT_TRUE(spool.ok());
    AttemptSpec spec = Process({"/bin/true"});
    spec.incarnation = 77;
    (*spool)->RecordStart(spec);
    (*spool)->RecordProcess(spec.id, 1, 0, 1'000'000);  // pid 1: not to be touched
    (*spool)->Flush();
  }
  StartWorker();
  const wire::Hello hello = daemon.Accept();
  ASSERT_EQ(hello.lost.size(), 1u);
  EXPECT_EQ(hello.lost[0].proof, "other_boot");
  EXPECT_EQ(hello.lost[0].cause, "host rebooted");
}

TEST_F(RestartTest, OneWorkerPerName) {
  Connect();
  const pid_t first = worker;
  StartWorker();
  const int status = WaitForExit();
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 75);
  worker = first;
  daemon.Fence();
}

TEST_F(RestartTest, TermEndsAttemptsThenTheWorker) {
  Connect();
  const AttemptSpec spec = Shell("trap '' TERM; echo begun; while :; do sleep 1; done");
  StartAndAwait(spec);
  Signal(SIGTERM);
  const AttemptReport report = daemon.ExpectReport();
  EXPECT_TRUE(Is<outcome::Lost>(report));
  daemon.Send(wire::Ack{{spec.id}});
  const int status = WaitForExit();
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_EQ(Marked(spec), 0u);
}

TEST_F(RestartTest, ShutdownEndsAnIdleWorkerAtOnce) {
  Connect();
  daemon.Send(wire::Shutdown{false});
  const int status = WaitForExit();
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

TEST_F(RestartTest, ShutdownWithCancelEndsAttempts) {
  Connect();
  const AttemptSpec spec = Waits();
  StartAndAwait(spec);
  daemon.Send(wire::Shutdown{true});
  const AttemptReport report = daemon.ExpectReport();
  ASSERT_TRUE(Is<outcome::Lost>(report));
  EXPECT_EQ(std::get<outcome::Lost>(report.outcome).cause, "the server was stopped with --cancel");
  daemon.Disconnect();
  EXPECT_TRUE(WIFEXITED(WaitForExit()));
}

TEST_F(RestartTest, AWorkerWithAttemptsOutlivesAShutdown) {
  Connect();
  const AttemptSpec spec = Waits();
  StartAndAwait(spec);
  daemon.Send(wire::Shutdown{false});
  daemon.Disconnect();
  const wire::Hello hello = daemon.Accept();
  ASSERT_EQ(hello.held.size(), 1u);
  daemon.Welcome();
  Go();
  EXPECT_TRUE(Is<outcome::Succeeded>(daemon.ExpectReport()));
}

TEST_F(RestartTest, AloneForTooLongItEndsAndKeepsItsSpool) {
  StartWorker({"300"});
  incarnation = daemon.Accept().incarnation;
  daemon.Welcome();
  const AttemptSpec spec = Shell("exit 0");
  Start(spec);
  daemon.ExpectReport();
  daemon = FakeDaemon(Path("elsewhere.sock"));
  EXPECT_TRUE(WIFEXITED(WaitForExit()));
  daemon = FakeDaemon(Path("worker.sock"));
  StartWorker();
  EXPECT_EQ(daemon.Accept().results.size(), 1u);
}

TEST_F(RestartTest, AFinalRefusalEndsTheWorker) {
  StartWorker();
  daemon.Accept();
  daemon.Send(wire::Refused{"protocol 1 is too old", true});
  EXPECT_TRUE(WIFEXITED(WaitForExit()));
}

// A frozen worker: the daemon kills it, as LocalExecutor::Fence does; the next one cleans up.
TEST_F(RestartTest, AStoppedWorkerIsReplaced) {
  Connect();
  const AttemptSpec spec = Waits();
  StartAndAwait(spec);
  Signal(SIGSTOP);
  Signal(SIGKILL);
  WaitForExit();
  StartWorker();
  EXPECT_EQ(daemon.Accept().lost.size(), 1u);
  EXPECT_EQ(Marked(spec), 0u);
}

}  // namespace
}  // namespace nightmill
