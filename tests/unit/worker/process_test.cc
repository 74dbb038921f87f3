// Process attempts, with a real worker and real processes.
#include <sys/stat.h>
#include <sys/wait.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "tests/unit/worker/harness.h"

namespace nightmill {
namespace {

class ProcessTest : public WorkerTest {
 protected:
  ProcessTest() { Connect(); }
  // Waits until the task wrote this file.
  void AwaitFile(const std::string& name) {
    Eventually([&] { return std::filesystem::exists(Path(name)); }, "the task wrote nothing");
  }
};

TEST_F(ProcessTest, TrueSucceeds) {
  const AttemptSpec spec = Process({"/bin/true"});
  Start(spec);
  const auto started = daemon.Expect<wire::Started>();
  EXPECT_EQ(started.attempt, spec.id);
  EXPECT_EQ(started.incarnation, incarnation);
  EXPECT_GT(started.pid, 0);
  const AttemptReport report = daemon.ExpectReport();
  EXPECT_TRUE(Is<outcome::Succeeded>(report));
  EXPECT_EQ(report.id, spec.id);
  EXPECT_EQ(report.epoch, spec.epoch);
  EXPECT_EQ(report.incarnation, incarnation);
  EXPECT_EQ(report.targets, spec.targets);
  EXPECT_EQ(report.output, "null");
  EXPECT_EQ(report.artifact, "");
  EXPECT_TRUE(report.started_at.has_value());
  EXPECT_GE(report.ended_at, *report.started_at);
  EXPECT_GT(report.usage.max_rss_bytes, 0);
  EXPECT_FALSE(std::filesystem::exists(spec.output_dir));
}

TEST_F(ProcessTest, ExitCodesHaveMeanings) {
  struct Row {
    int code;
    std::string word;
    std::string kind;
  };
  for (const Row& row : std::vector<Row>{{0, "succeeded", ""},
                                         {1, "failed", "exit"},
                                         {2, "failed", "exit"},
                                         {98, "failed", "no_retry"},
                                         {99, "skipped", ""},
                                         {255, "failed", "exit"}}) {
    const AttemptReport report = Run(Shell("exit " + std::to_string(row.code)));
    EXPECT_EQ(OutcomeWord(report.outcome), row.word) << row.code;
    if (row.word == "failed") {
      EXPECT_EQ(Failure(report).kind, row.kind);
      EXPECT_EQ(Failure(report).exit_code, row.code);
    }
  }
  AttemptSpec spec = Shell("exit 7");
  spec.skip_exit_code = 7;
  EXPECT_TRUE(Is<outcome::Skipped>(Run(spec)));
}

TEST_F(ProcessTest, Signals) {
  for (const int signal : {SIGKILL, SIGSEGV, SIGTERM}) {
    const AttemptReport report = Run(Shell("kill -" + std::to_string(signal) + " $$; sleep 9"));
    EXPECT_EQ(Failure(report).kind, "signal");
    EXPECT_EQ(Failure(report).signal, signal);
  }
}

TEST_F(ProcessTest, LaunchFailures) {
  std::ofstream(Path("not_executable")) << "#!/bin/sh\n";
  const AttemptSpec missing = Process({"/no/such/program"});
  EXPECT_EQ(Failure(Run(missing)).kind, "launch");
  EXPECT_NE(ReadText(missing.log_path).find("/no/such/program"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(missing.output_dir));
  const outcome::Failed in_path = Failure(Run(Process({"no-such-program"})));
  EXPECT_EQ(in_path.kind, "launch");
  EXPECT_NE(in_path.message.find("PATH"), std::string::npos);
  EXPECT_EQ(Failure(Run(Process({Path("not_executable")}))).kind, "launch");
  EXPECT_EQ(Failure(Run(Process({}))).kind, "launch");
  EXPECT_EQ(Failure(Run(Process({std::string("/bin/true\0x", 11)}))).kind, "launch");
  AttemptSpec elsewhere = Process({"/bin/true"});
  elsewhere.cwd = "/no/such/directory";
  const outcome::Failed no_directory = Failure(Run(elsewhere));
  EXPECT_EQ(no_directory.kind, "launch");
  EXPECT_NE(no_directory.message.find("/no/such/directory"), std::string::npos);
}

TEST_F(ProcessTest, EnvironmentCwdAndLog) {
  AttemptSpec spec = Shell(
      "pwd; env | sort; echo err >&2; readlink /proc/self/fd/0; ls /proc/self/fd | tr '\\n' ' '");
  spec.cwd = dir_;
  spec.env.emplace_back("GREETING", "hello  world");
  EXPECT_TRUE(Is<outcome::Succeeded>(Run(spec)));
  const std::string log = ReadText(spec.log_path);
  for (const std::string& expected :
       {dir_ + "\n", std::string("GREETING=hello  world\n"), std::string("err\n"),
        "NIGHTMILL_ATTEMPT=" + std::to_string(spec.id.value) + "\n",
        "NIGHTMILL_OUTPUT_DIR=" + spec.output_dir + "\n",
        "NIGHTMILL_OUTPUT=" + spec.output_dir + ".out\n", std::string("/dev/null\n"),
        std::string("0 1 2 3 ")}) {  // 3 is ls's own
    EXPECT_NE(log.find(expected), std::string::npos) << expected << "in\n" << log;
  }
  // Nothing of the worker's own environment leaks.
  EXPECT_EQ(log.find("HOME="), std::string::npos);
}

TEST_F(ProcessTest, LongValuesOfTheDaemonComeAsFiles) {
  const std::string params(limits::kMaxEnvInline + 1, 'p');
  const std::string item(3'000'000, 'i');
  AttemptSpec spec = Shell(
      "wc -c < $NIGHTMILL_PARAMS_FILE; wc -c < $NIGHTMILL_MAP_ITEM_FILE; tail -c 2 "
      "$NIGHTMILL_PARAMS_FILE; echo; stat -c %a $NIGHTMILL_PARAMS_FILE; echo ${#NIGHTMILL_DS}; "
      "[ -z \"${NIGHTMILL_PARAMS+x}\" ]; [ -z \"${NIGHTMILL_DS_FILE+x}\" ]; "
      "[ -z \"$(ls -A $NIGHTMILL_OUTPUT_DIR)\" ]");
  spec.env.emplace_back("NIGHTMILL_PARAMS", params);
  spec.env.emplace_back("NIGHTMILL_MAP_ITEM", item);
  spec.env.emplace_back("NIGHTMILL_DS", std::string(limits::kMaxEnvInline, 'd'));
  const AttemptReport report = Run(spec);
  EXPECT_TRUE(Is<outcome::Succeeded>(report)) << Failure(report).message;
  EXPECT_EQ(ReadText(spec.log_path), "65537\n3000000\npp\n600\n65536\n");
  for (const char* name : {".PARAMS", ".MAP_ITEM"}) {
    EXPECT_FALSE(std::filesystem::exists(spec.output_dir + name)) << name;
  }
}

TEST_F(ProcessTest, MoreThanTheKernelTakesIsExplained) {
  AttemptSpec variable = Shell("true");
  variable.env.emplace_back("MINE", std::string(limits::kMaxExecString, 'x'));
  EXPECT_NE(Failure(Run(variable)).message.find("variable MINE has 131077 bytes"),
            std::string::npos);
  const AttemptSpec argument = Process({"/bin/true", std::string(limits::kMaxExecString, 'x')});
  const outcome::Failed failed = Failure(Run(argument));
  EXPECT_EQ(failed.kind, "launch");
  EXPECT_NE(failed.message.find("argument 1 has 131072 bytes"), std::string::npos)
      << failed.message;
  EXPECT_NE(failed.message.find("pass its name"), std::string::npos) << failed.message;
  AttemptSpec many = Shell("true");
  for (int i = 0; i < 31; ++i) {
    many.env.emplace_back("V" + std::to_string(i), std::string(120'000, 'x'));
  }
  const outcome::Failed total = Failure(Run(many));
  EXPECT_NE(total.message.find("together"), std::string::npos) << total.message;
}

TEST_F(ProcessTest, ProgramsAreFoundInTheTasksPath) {
  std::filesystem::create_directory(Path("bin"));
  std::ofstream(Path("bin/mytool")) << "#!/bin/sh\necho tool $1\n";
  chmod(Path("bin/mytool").c_str(), 0755);
  AttemptSpec spec = Process({"mytool", "x"});
  spec.env = {{"PATH", "/usr/bin:" + Path("bin")}};
  EXPECT_TRUE(Is<outcome::Succeeded>(Run(spec)));
  EXPECT_EQ(ReadText(spec.log_path), "tool x\n");
}

TEST_F(ProcessTest, OutputModes) {
  struct Row {
    OutputMode mode;
    std::string printf;
    std::string output;  // "!" fails
  };
  for (const Row& row : std::vector<Row>{
           {OutputMode::kJson, R"( {"a": [1, 12345678901234567890]}\n)",
            R"({"a": [1, 12345678901234567890]})"},
           {OutputMode::kJson, "", "null"},
           {OutputMode::kJson, "{oops", "!"},
           {OutputMode::kLines, R"(one\r\ntwo\n\nthree)", R"(["one","two","","three"])"},
           {OutputMode::kText, R"(a "b"\n\n)", R"("a \"b\"")"},
           {OutputMode::kNone, "{oops", "null"}}) {
    AttemptSpec spec = Shell("printf '" + row.printf + "' > \"$NIGHTMILL_OUTPUT\"");
    spec.output = row.mode;
    const AttemptReport report = Run(spec);
    if (row.output == "!") {
      EXPECT_EQ(Failure(report).kind, "output");
    } else {
      EXPECT_TRUE(Is<outcome::Succeeded>(report)) << row.printf << Failure(report).message;
      EXPECT_EQ(report.output, row.output);
    }
    EXPECT_FALSE(std::filesystem::exists(spec.output_dir + ".out"));
  }
}

TEST_F(ProcessTest, OutputHasALimit) {
  const std::string fill = "head -c 1048576 /dev/zero | tr '\\0' 1 > $NIGHTMILL_OUTPUT";
  AttemptSpec full = Shell(fill);
  full.output = OutputMode::kText;
  EXPECT_EQ(Run(full).output.size(), limits::kMaxOutputBytes + 2);
  AttemptSpec over = Shell(fill + "; printf 1 >> $NIGHTMILL_OUTPUT");
  over.output = OutputMode::kText;
  EXPECT_EQ(Failure(Run(over)).kind, "output");
}

TEST_F(ProcessTest, OutputFolderIsKeptOnSuccessOnly) {
  const std::string write = "mkdir $NIGHTMILL_OUTPUT_DIR/d; echo x > $NIGHTMILL_OUTPUT_DIR/d/f";
  const AttemptSpec kept = Shell(write);
  EXPECT_EQ(Run(kept).artifact, kept.output_dir);
  EXPECT_EQ(ReadText(kept.output_dir + "/d/f"), "x\n");
  for (const std::string end : {"; exit 1", "; exit 99"}) {
    const AttemptSpec spec = Shell(write + end);
    EXPECT_EQ(Run(spec).artifact, "");
    Eventually([&] { return !std::filesystem::exists(spec.output_dir); }, "the folder stays");
  }
}

TEST_F(ProcessTest, UsageIsMeasured) {
  const AttemptReport report =
      Run(Shell("i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; (head -c 30000000 /dev/zero | "
                "tail -c 20000000 > /dev/null)"));
  EXPECT_GT(report.usage.cpu_seconds, 0.02);
  EXPECT_GT(report.usage.max_rss_bytes, 10'000'000);
}

// The whole tree of a deaf task: TERM ignored, a grandchild in a session of its own with another
// environment, one that was orphaned.
const char kDeafTree[] =
    "trap '' TERM; (setsid sh -c 'trap \"\" TERM; sleep 300 & wait' &) ; "
    "(env -i setsid /bin/sleep 301 &) ; (sleep 302 &) ; echo > $NIGHTMILL_OUTPUT_DIR/ready; "
    "while :; do sleep 1; done";

TEST_F(ProcessTest, TimeoutEndsTheWholeTree) {
  AttemptSpec spec = Shell(kDeafTree);
  spec.timeout = Duration{500};
  Start(spec);
  const AttemptReport report = daemon.ExpectReport();
  EXPECT_TRUE(Is<outcome::TimedOut>(report));
  EXPECT_EQ(Marked(spec), 0u);
  EXPECT_GE(report.ended_at - *report.started_at, Duration{690});
  Eventually([&] { return !std::filesystem::exists(spec.output_dir + "/ready"); },
             "the folder stays");
  EXPECT_NE(ReadText(spec.log_path).find("timeout"), std::string::npos);
}

TEST_F(ProcessTest, TimeoutLeavesTimeForTermination) {
  AttemptSpec spec = Shell("trap 'echo bye; exit 0' TERM; while :; do sleep 0.01; done");
  spec.timeout = Duration{100};
  spec.kill_grace = Duration{10'000};
  EXPECT_TRUE(Is<outcome::TimedOut>(Run(spec)));
  EXPECT_NE(ReadText(spec.log_path).find("bye"), std::string::npos);
}

TEST_F(ProcessTest, KillByTheDaemon) {
  const AttemptSpec spec = Shell(kDeafTree);
  Start(spec);
  AwaitFile("out/1/ready");
  daemon.Send(wire::KillAttempt{spec.id, "cancel"});
  daemon.Send(wire::KillAttempt{spec.id, "cancel"});
  EXPECT_TRUE(Is<outcome::Killed>(daemon.ExpectReport()));
  EXPECT_EQ(Marked(spec), 0u);
  daemon.Send(wire::KillAttempt{spec.id, "cancel"});
  daemon.Send(wire::KillAttempt{AttemptId{4711}, "never heard of"});
  EXPECT_FALSE(daemon.Has<wire::Finished>());
}

TEST_F(ProcessTest, LeftoversOfAFinishedTaskAreEnded) {
  const AttemptSpec spec = Shell("setsid sleep 300 & sleep 301 & exit 3");
  const AttemptReport report = Run(spec);
  EXPECT_EQ(Failure(report).exit_code, 3);
  EXPECT_EQ(Marked(spec), 0u);
}

TEST_F(ProcessTest, LeftoversMayFinishWhatTheyDo) {
  const AttemptSpec spec = Shell("(sleep 0.1; echo late) & exit 0");
  EXPECT_TRUE(Is<outcome::Succeeded>(Run(spec)));
  EXPECT_EQ(ReadText(spec.log_path), "late\n");
}

TEST_F(ProcessTest, LeftoversOfOneTaskDoNotDisturbAnother) {
  const AttemptSpec other = Shell("sleep 300 & echo > $NIGHTMILL_OUTPUT_DIR/ready; wait");
  Start(other);
  AwaitFile("out/1/ready");
  const AttemptSpec leaves = Shell("setsid sleep 300 & exit 0");
  EXPECT_EQ(Run(leaves).id, leaves.id);
  EXPECT_EQ(Marked(leaves), 0u);
  EXPECT_EQ(Marked(other), 2u);
}

TEST_F(ProcessTest, FloodOfLogIsCut) {
  AttemptSpec spec = Shell("head -c 20000000 /dev/zero; echo; echo end");
  spec.limits.log_bytes = 10'000;
  EXPECT_TRUE(Is<outcome::Succeeded>(Run(spec)));
  EXPECT_EQ(std::filesystem::file_size(spec.log_path), 10'000u);
  EXPECT_NE(ReadText(spec.log_path).find("log cut"), std::string::npos);
}

TEST_F(ProcessTest, FloodIsCutWhileItGoesOn) {
  AttemptSpec spec = Process({"/usr/bin/yes"});
  spec.limits.log_bytes = 10'000;
  Start(spec);
  Eventually([&] { return ReadText(spec.log_path).find("log cut") != std::string::npos; },
             "the log is not cut");
  daemon.Send(wire::KillAttempt{spec.id, ""});
  EXPECT_TRUE(Is<outcome::Killed>(daemon.ExpectReport()));
  EXPECT_EQ(std::filesystem::file_size(spec.log_path), 10'000u);
}

TEST_F(ProcessTest, FileSizeLimit) {
  AttemptSpec spec = Shell("head -c 100000 /dev/zero > $NIGHTMILL_OUTPUT_DIR/big");
  spec.limits.file_size_bytes = 50'000;
  EXPECT_TRUE(Is<outcome::Failed>(Run(spec)));
}

// Also what a shell starts in its first moment has them.
TEST_F(ProcessTest, LimitsHoldFromTheFirstInstruction) {
  std::string script;
  for (int i = 0; i < 20; ++i) script += "(ulimit -d; ulimit -f) & ";
  AttemptSpec spec = Shell(script + "wait");
  spec.limits.memory_bytes = 64 << 20;
  spec.limits.file_size_bytes = 1 << 20;
  EXPECT_TRUE(Is<outcome::Succeeded>(Run(spec)));
  std::istringstream lines(ReadText(spec.log_path));
  std::map<std::string, int> seen;
  for (std::string line; std::getline(lines, line);) seen[line] += 1;
  // KiB and blocks of 512 bytes.
  EXPECT_EQ(seen, (std::map<std::string, int>{{"65536", 20}, {"2048", 20}}));
}

TEST_F(ProcessTest, AProgramThatIsNotThereIsNamedWithLimitsToo) {
  AttemptSpec spec = Process({"no-such-program"});
  spec.limits.memory_bytes = 64 << 20;
  const AttemptReport report = Run(spec);
  ASSERT_TRUE(Is<outcome::Failed>(report));
  EXPECT_NE(std::get<outcome::Failed>(report.outcome).message.find("no-such-program"),
            std::string::npos);
}

TEST_F(ProcessTest, ARepeatedStartRunsOnce) {
  const std::string gate = Path("gate");
  const AttemptSpec spec = Shell("echo once; until test -e " + gate + "; do sleep 0.01; done");
  Start(spec);
  Start(spec);  // runs already: nothing happens
  std::ofstream(gate).close();
  EXPECT_TRUE(Is<outcome::Succeeded>(daemon.ExpectReport()));
  Start(spec);  // not acked yet: the result comes again, nothing runs
  EXPECT_EQ(daemon.ExpectReport().id, spec.id);
  daemon.Send(wire::Ack{{spec.id}});
  Start(spec);
  EXPECT_FALSE(daemon.Has<wire::Finished>());
  EXPECT_EQ(ReadText(spec.log_path), "once\n");
}

TEST_F(ProcessTest, AStartForAnotherIncarnationIsRefused) {
  AttemptSpec spec = Shell("echo never");
  spec.incarnation ^= 1;
  Start(spec);
  const AttemptReport report = daemon.ExpectReport();
  EXPECT_TRUE(Is<outcome::Lost>(report));
  EXPECT_EQ(report.incarnation, spec.incarnation);
  EXPECT_EQ(ReadText(spec.log_path), "");
}

TEST_F(ProcessTest, ManyAtOnce) {
  constexpr int kTasks = 200;
  for (int i = 0; i < kTasks; ++i) Start(Process({"/bin/true"}));
  for (int i = 0; i < kTasks; ++i) {
    const AttemptReport report = daemon.ExpectReport();
    ASSERT_TRUE(Is<outcome::Succeeded>(report));
    daemon.Send(wire::Ack{{report.id}});
  }
}

TEST_F(ProcessTest, PokesAreAnswered) {
  std::ofstream(Path("in.csv")) << "12345";
  daemon.Send(wire::Poke{1, "sensor.file", R"({"path":"*.csv"})", dir_, Duration{5000}});
  auto result = daemon.Expect<wire::PokeResult>();
  EXPECT_EQ(result.poke, 1);
  EXPECT_TRUE(result.met);
  EXPECT_EQ(result.detail, R"({"bytes":5,"files":1})");
  daemon.Send(wire::Poke{2, "sensor.http", "{}", dir_, Duration{5000}});
  result = daemon.Expect<wire::PokeResult>();
  EXPECT_EQ(result.poke, 2);
  EXPECT_NE(result.error, "");
  daemon.Send(wire::CancelPoke{3});
  daemon.Fence();
}

}  // namespace
}  // namespace nightmill
