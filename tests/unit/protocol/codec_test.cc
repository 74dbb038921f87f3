// The wire is frozen by golden files (tests/golden/protocol): one payload per message, written and
// read back. `protocol_test --accept` rewrites them after an intended change.
#include "worker/protocol/codec.h"

#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/hash.h"
#include "core/base/limits.h"
#include "core/base/rng.h"

namespace nightmill::wire {
namespace {

bool g_accept = false;

AttemptSpec ProcessSpec() {
  AttemptSpec spec;
  spec.id = AttemptId{101};
  spec.epoch = Epoch{7};
  spec.incarnation = 0x0123456789abcdefULL;
  spec.targets = {{RunKey{5}, "publish", -1}, {RunKey{6}, "publish", 3}};
  spec.dag_id = "user_features";
  spec.run_id = "scheduled__2026-03-16T06:00:00+00:00";
  spec.task_key = "user_features/scheduled__2026-03-16T06:00:00+00:00/publish/-1";
  spec.try_number = 2;
  spec.argv = {"/bin/sh", "-euc", "echo \"gr\xC3\xBC\xC3\x9F dich\"\n"};
  spec.env = {{"PATH", "/usr/bin:/bin"}, {"NIGHTMILL_DAG_ID", "user_features"}, {"EMPTY", ""}};
  spec.cwd = "/srv/dags";
  spec.output = OutputMode::kLines;
  spec.timeout = Duration{90'000};
  spec.kill_grace = Duration{2'500};
  spec.limits.memory_bytes = 1'000'000'000;
  spec.limits.cpus = 1.5;
  spec.limits.log_bytes = 4096;
  spec.data_root = "/srv/data";
  spec.log_path = "/state/logs/101.log";
  spec.output_dir = "/state/out/101";
  return spec;
}

AttemptSpec NativeSpec() {
  AttemptSpec spec = ProcessSpec();
  spec.kind = AttemptKind::kNative;
  spec.argv.clear();
  spec.env.clear();
  spec.cwd.clear();
  spec.output = OutputMode::kJson;
  spec.timeout.reset();
  spec.operator_type = "aggregate";
  spec.operator_spec = R"({"in":{"path":"lake/events/"},"window":{"days":31}})";
  spec.places = 2;
  return spec;
}

AttemptReport Report(AttemptOutcome outcome) {
  AttemptReport report;
  report.id = AttemptId{101};
  report.epoch = Epoch{7};
  report.incarnation = 0xffffffffffffffffULL;
  report.targets = {{RunKey{5}, "publish", -1}};
  report.outcome = std::move(outcome);
  report.output = R"({"rows": 12345678901234567890})";
  report.artifact = "/state/out/101";
  report.usage = {1.25, 1 << 20, 4096, 8192};
  report.started_at = InstantFromMicros(1'773'640'800'000'001);
  report.ended_at = InstantFromMicros(1'773'640'801'500'000);
  return report;
}

struct Golden {
  std::string name;
  std::function<Status(std::string&)> append;
  // Payload -> frame again; proves that reading loses nothing.
  std::function<Result<std::string>(std::string_view)> again;
};

template <class Variant, class Message>
Golden Make(std::string name, Message message, Result<Variant> (*parse)(std::string_view)) {
  return {std::move(name),
          [message](std::string& out) { return AppendFrame(Variant(message), out); },
          [parse](std::string_view payload) -> Result<std::string> {
            NM_ASSIGN_OR_RETURN(const Variant read, parse(payload));
            if (!std::holds_alternative<Message>(read))
              return Internal("another message came back");
            std::string frame;
            NM_RETURN_IF_ERROR(AppendFrame(read, frame));
            return frame;
          }};
}

Hello SampleHello() {
  Hello hello;
  hello.name = "local-1";
  hello.incarnation = 0xabcULL;
  hello.pid = 4711;
  hello.slots = 4;
  hello.token = "t0k3n";
  hello.highest_epoch = Epoch{6};
  hello.held = {{AttemptId{90}, Epoch{6}, 0xabcULL, HeldState::kStarting},
                {AttemptId{91}, Epoch{6}, 0xabcULL, HeldState::kRunning},
                {AttemptId{92}, Epoch{5}, 0xdefULL, HeldState::kKilling},
                {AttemptId{93}, Epoch{6}, 0xabcULL, HeldState::kEnded}};
  hello.results = {Report(outcome::Skipped{}), Report(outcome::Lost{"start refused"})};
  hello.lost = {{AttemptId{80}, Epoch{4}, 0xdefULL, "worker died", "no_process"}};
  return hello;
}

Hello FirstHello() {
  Hello hello;
  hello.name = "local-1";
  hello.incarnation = 1;
  return hello;
}

std::vector<Golden> ToDaemonGoldens() {
  const auto make = [](std::string name, auto message) {
    return Make<ToDaemon>(std::move(name), message, ParseToDaemon);
  };
  return {
      make("hello", SampleHello()),
      make("hello_first", FirstHello()),
      make("started", Started{AttemptId{101}, Epoch{7}, 0xabcULL, 4712, InstantFromMicros(5)}),
      make("finished_succeeded", Finished{Report(outcome::Succeeded{})}),
      make("finished_failed", Finished{Report(outcome::Failed{"exit", "exit code 3", 3, 0})}),
      make("finished_signal", Finished{Report(outcome::Failed{"signal", "SIGSEGV", -1, 11})}),
      make("finished_timed_out", Finished{Report(outcome::TimedOut{})}),
      make("finished_killed", Finished{Report(outcome::Killed{})}),
      make("finished_lost", Finished{Report(outcome::Lost{"worker died"})}),
      make("heartbeat", Heartbeat{3, 2, 1, {{AttemptId{101}, 1, 2, 3, 4, 5}}}),
      make("poke_result", PokeResult{12, true, "", R"({"files":2})"}),
      make("publish_leave", PublishLeave{AttemptId{101}, Epoch{7}, 0xabcULL}),
  };
}

std::vector<Golden> ToWorkerGoldens() {
  const auto make = [](std::string name, auto message) {
    return Make<ToWorker>(std::move(name), message, ParseToWorker);
  };
  Welcome welcome;
  welcome.epoch = Epoch{7};
  welcome.next_token = "n3xt";
  welcome.verdicts = {{AttemptId{90}, Verdict::kKeep, ""},
                      {AttemptId{91}, Verdict::kKill, "cancel"},
                      {AttemptId{80}, Verdict::kAck, ""}};
  return {
      make("welcome", welcome),
      make("refused", Refused{"unknown token", true}),
      make("start_process", StartAttempt{ProcessSpec()}),
      make("start_native", StartAttempt{NativeSpec()}),
      make("kill", KillAttempt{AttemptId{101}, "run_timeout"}),
      make("ack", Ack{{AttemptId{80}, AttemptId{101}}}),
      make("poke", Poke{12, "sensor.file", R"({"path":"in/*.csv"})", "/srv/data", Duration{5000}}),
      make("cancel_poke", CancelPoke{12}),
      make("publish_answer", PublishAnswer{AttemptId{101}, false, "fenced"}),
      make("shutdown", Shutdown{true}),
  };
}

std::vector<Golden> HostGoldens() {
  const auto to = [](std::string name, auto message) {
    return Make<ToHost>(std::move(name), message, ParseToHost);
  };
  const auto from = [](std::string name, auto message) {
    return Make<FromHost>(std::move(name), message, ParseFromHost);
  };
  return {
      to("host_run", HostRun{NativeSpec()}),
      to("host_cancel", HostCancel{}),
      to("host_leave", HostLeave{true, ""}),
      from("host_started", HostStarted{}),
      from("host_progress", HostProgress{{AttemptId{101}, 1, 2, 3, 4, 5}}),
      from("host_asks_leave", HostAsksLeave{}),
      from("host_done", HostDone{false, "check", "row_count is 3", "{}", {2.5, 1, 2, 3}, 1 << 24}),
  };
}

std::vector<Golden> AllGoldens() {
  std::vector<Golden> all = ToDaemonGoldens();
  for (auto more : {ToWorkerGoldens(), HostGoldens()}) {
    all.insert(all.end(), more.begin(), more.end());
  }
  return all;
}

std::string FrameOf(const Golden& golden) {
  std::string frame;
  const Status status = golden.append(frame);
  EXPECT_TRUE(status.ok()) << golden.name;
  return frame;
}

TEST(Codec, GoldenPayloads) {
  for (const Golden& golden : AllGoldens()) {
    SCOPED_TRACE(golden.name);
    const std::string frame = FrameOf(golden);
    const std::string payload = frame.substr(kFrameHeaderBytes) + "\n";
    const std::string path =
        std::string(NM_SOURCE_DIR "/tests/golden/protocol/") + golden.name + ".json";
    if (g_accept) std::ofstream(path, std::ios::binary) << payload;
    std::ifstream file(path, std::ios::binary);
    const std::string expected(std::istreambuf_iterator<char>(file), {});
    EXPECT_EQ(payload, expected);
    const Result<std::string> again = golden.again(expected);
    ASSERT_TRUE(again.ok()) << again.error().message;
    EXPECT_EQ(*again, frame);
  }
}

TEST(Codec, FrameHeaderIsFrozen) {
  std::string frame;
  ASSERT_TRUE(AppendFrame(ToHost(HostCancel{}), frame).ok());
  const std::string payload = R"({"type":"cancel"})";
  ASSERT_EQ(frame.size(), kFrameHeaderBytes + payload.size());
  EXPECT_EQ(frame.substr(0, 4), "NMW1");
  EXPECT_EQ(frame.substr(4, 4), std::string("\x11\0\0\0", 4));
  const std::uint32_t crc = Crc32c(payload);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(static_cast<std::uint8_t>(frame[8 + i]), crc >> (8 * i) & 0xFF);
  }
  EXPECT_EQ(frame.substr(kFrameHeaderBytes), payload);
}

TEST(Codec, EveryFrameSplitAtEveryByte) {
  for (const Golden& golden : AllGoldens()) {
    const std::string frame = FrameOf(golden);
    const std::string two = frame + frame;
    for (std::size_t cut = 0; cut <= two.size(); ++cut) {
      FrameReader reader;
      std::size_t seen = 0;
      for (const std::string& part : {two.substr(0, cut), two.substr(cut)}) {
        reader.Append(part);
        while (true) {
          const auto next = reader.Next();
          ASSERT_TRUE(next.ok()) << golden.name << " cut at " << cut;
          if (!*next) break;
          ASSERT_EQ(**next, frame.substr(kFrameHeaderBytes));
          ++seen;
        }
      }
      ASSERT_EQ(seen, 2u) << golden.name << " cut at " << cut;
    }
  }
}

TEST(Codec, ByteByByte) {
  FrameReader reader;
  std::size_t seen = 0;
  for (const Golden& golden : AllGoldens()) {
    for (const char c : FrameOf(golden)) {
      reader.Append(std::string_view(&c, 1));
      const auto next = reader.Next();
      ASSERT_TRUE(next.ok());
      if (*next) ++seen;
    }
  }
  EXPECT_EQ(seen, AllGoldens().size());
}

TEST(Codec, EveryFlippedByteIsRefused) {
  const std::string frame = FrameOf(ToDaemonGoldens().front());
  for (std::size_t i = 0; i < frame.size(); ++i) {
    std::string bad = frame;
    bad[i] = static_cast<char>(bad[i] ^ 0x20);
    FrameReader reader;
    reader.Append(bad);
    const auto next = reader.Next();
    // A changed length may also leave the frame unfinished.
    EXPECT_TRUE(!next.ok() || !*next) << "byte " << i;
  }
}

TEST(Codec, GarbageIsRefusedAtItsFirstByte) {
  for (const std::string_view text : {"GET / HTTP/1.1\r\n", "N", "NM", "NMW2", "NMW"}) {
    FrameReader reader;
    reader.Append(text);
    const bool prefix = std::string_view("NMW1").substr(0, text.size()) == text;
    EXPECT_EQ(reader.Next().ok(), prefix) << text;
  }
}

TEST(Codec, LengthAboveTheLimitIsRefusedBeforeItsBytesCome) {
  std::string header = "NMW1";
  const auto length = static_cast<std::uint32_t>(limits::kMaxFrameBytes + 1);
  for (int shift = 0; shift < 32; shift += 8) header += static_cast<char>(length >> shift & 0xFF);
  header.append(4, '\0');
  FrameReader reader;
  reader.Append(header);
  EXPECT_FALSE(reader.Next().ok());
}

TEST(Codec, MessageAboveTheLimitIsRefusedAndNothingAppended) {
  AttemptSpec spec = ProcessSpec();
  std::string frame = "before";
  spec.argv.push_back(std::string(limits::kMaxFrameBytes, 'x'));
  EXPECT_FALSE(AppendFrame(ToWorker(StartAttempt{spec}), frame).ok());
  EXPECT_EQ(frame, "before");
  spec.argv.back().resize(limits::kMaxFrameBytes - 4096);
  EXPECT_TRUE(AppendFrame(ToWorker(StartAttempt{spec}), frame).ok());
}

TEST(Codec, BytesThatAreNotUtf8) {
  AttemptSpec spec = ProcessSpec();
  spec.argv.push_back("\xFF");
  std::string frame;
  EXPECT_FALSE(AppendFrame(ToWorker(StartAttempt{spec}), frame).ok());
  AttemptReport report = Report(outcome::Failed{"exit", "bad \xFF byte", 1, 0});
  const auto again = ReportFromJson(ReportToJson(report));
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(std::get<outcome::Failed>(again->outcome).message, "bad \xEF\xBF\xBD byte");
}

TEST(Codec, MalformedPayloadsAreErrors) {
  const std::vector<std::string> bad = {
      "",
      "{",
      "null",
      "[]",
      "\"hello\"",
      R"({})",
      R"({"type":1})",
      R"({"type":"nonsense"})",
      R"({"type":"ack"})",
      R"({"type":"ack","attempts":["x"]})",
      R"({"type":"ack","attempts":{}})",
      R"({"type":"kill","attempt":0,"reason":""})",
      R"({"type":"kill","attempt":1.0,"reason":""})",
      R"({"type":"kill","attempt":18446744073709551615,"reason":""})",
      R"({"type":"welcome","protocol":1,"epoch":0,"next_token":"","verdicts":[]})",
      R"({"type":"welcome","protocol":99999999999,"epoch":1,"next_token":"","verdicts":[]})",
      R"({"type":"welcome","protocol":1,"epoch":1,"next_token":"","verdicts":[3]})",
      R"({"type":"start","spec":{}})",
      R"({"type":"start","spec":null})",
      R"({"type":"finished","report":{"attempt":1}})",
      std::string(100'000, '['),
      std::string(100'000, '{'),
      R"({"type":"ack","attempts":)" + std::string(50'000, '[') + std::string(50'000, ']') + "}"};
  for (const std::string& text : bad) {
    const std::string shown = text.substr(0, 80);
    EXPECT_FALSE(ParseToWorker(text).ok()) << shown;
    EXPECT_FALSE(ParseToDaemon(text).ok()) << shown;
    EXPECT_FALSE(ParseToHost(text).ok()) << shown;
    EXPECT_FALSE(ParseFromHost(text).ok()) << shown;
  }
}

TEST(Codec, UnknownMembersAreIgnored) {
  EXPECT_TRUE(ParseToWorker(R"({"type":"shutdown","cancel":true,"later":[{"x":1}]})").ok());
}

// Bytes changed at random never crash a reader, and what parses can be written again.
TEST(Codec, MutatedPayloads) {
  Rng rng(20260316);
  std::vector<std::string> payloads;
  for (const Golden& golden : AllGoldens()) {
    payloads.push_back(FrameOf(golden).substr(kFrameHeaderBytes));
  }
  static constexpr std::string_view kBytes = "{}[]\",:0123456789-eE.ntf\\u \xFF\xC3";
  for (int i = 0; i < 5'000; ++i) {
    std::string text = payloads[rng.Below(payloads.size())];
    for (std::uint64_t n = 1 + rng.Below(4); n > 0; --n) {
      text[rng.Below(text.size())] = kBytes[rng.Below(kBytes.size())];
    }
    if (const auto m = ParseToWorker(text); m.ok()) {
      std::string frame;
      EXPECT_TRUE(AppendFrame(*m, frame).ok());
    }
    if (const auto m = ParseToDaemon(text); m.ok()) {
      std::string frame;
      EXPECT_TRUE(AppendFrame(*m, frame).ok());
    }
    if (const auto m = ParseFromHost(text); m.ok()) {
      std::string frame;
      EXPECT_TRUE(AppendFrame(*m, frame).ok());
    }
  }
}

TEST(Codec, SpecAndReportAlone) {
  const auto spec = SpecToJson(NativeSpec());
  ASSERT_TRUE(spec.ok());
  const auto read = SpecFromJson(*spec);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->operator_spec, NativeSpec().operator_spec);
  EXPECT_EQ(*SpecToJson(*read), *spec);
  EXPECT_FALSE(SpecFromJson("{}").ok());
  EXPECT_FALSE(ReportFromJson("[1]").ok());
}

TEST(Codec, IncarnationsAreSixteenDigits) {
  EXPECT_EQ(IncarnationHex(0), "0000000000000000");
  EXPECT_EQ(IncarnationHex(0xABCULL), "0000000000000abc");
}

}  // namespace
}  // namespace nightmill::wire

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  nightmill::wire::g_accept = argc > 1 && std::string_view(argv[1]) == "--accept";
  return RUN_ALL_TESTS();
}
