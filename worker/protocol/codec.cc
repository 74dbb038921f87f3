#include "worker/protocol/codec.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "core/base/hash.h"
#include "core/base/json.h"
#include "core/base/limits.h"
#include "worker/protocol/attempt_json.h"
#include "worker/protocol/json_fields.h"

namespace nightmill::wire {

using nlohmann::json;

namespace {

constexpr std::string_view kMagic = "NMW1";

template <class E, std::size_t N>
using Words = std::array<std::pair<E, std::string_view>, N>;

constexpr Words<HeldState, 4> kHeldWords = {{{HeldState::kStarting, "starting"},
                                             {HeldState::kRunning, "running"},
                                             {HeldState::kKilling, "killing"},
                                             {HeldState::kEnded, "ended"}}};
constexpr Words<Verdict, 3> kVerdictWords = {
    {{Verdict::kKeep, "keep"}, {Verdict::kKill, "kill"}, {Verdict::kAck, "ack"}}};

template <class E, std::size_t N>
std::string_view Word(const Words<E, N>& words, E value) {
  for (const auto& [e, word] : words) {
    if (e == value) return word;
  }
  return {};
}

template <class E, std::size_t N>
E ReadWord(const Words<E, N>& words, JsonFields& fields, const char* key) {
  const std::string text = fields.Text(key);
  for (const auto& [e, word] : words) {
    if (word == text) return e;
  }
  fields.Complain(key, "is not a known word");
  return words[0].first;
}

template <class Message>
json Triple(std::string_view type, const Message& m) {
  return {{"type", type},
          {"attempt", m.attempt.value},
          {"epoch", m.epoch.value},
          {"incarnation", IncarnationHex(m.incarnation)}};
}

template <class Message>
void ReadTriple(JsonFields& fields, Message& m) {
  m.attempt = AttemptId{fields.Int("attempt", 1)};
  m.epoch = Epoch{fields.Int("epoch")};
  m.incarnation = fields.Hex("incarnation");
}

json ProgressToJson(const AttemptProgress& p) {
  return {{"attempt", p.attempt.value}, {"rows_in", p.rows_in},
          {"bytes_read", p.bytes_read}, {"bytes_written", p.bytes_written},
          {"units_done", p.units_done}, {"units_total", p.units_total}};
}

AttemptProgress ReadProgress(const json& object, std::string& complaint) {
  JsonFields fields(object, complaint);
  AttemptProgress p;
  p.attempt = AttemptId{fields.Int("attempt")};
  p.rows_in = fields.Int("rows_in");
  p.bytes_read = fields.Int("bytes_read");
  p.bytes_written = fields.Int("bytes_written");
  p.units_done = fields.Int("units_done");
  p.units_total = fields.Int("units_total");
  return p;
}

// ---- worker -> daemon

json Write(const Hello& m) {
  json held = json::array();
  for (const HeldAttempt& attempt : m.held) {
    json element = Triple("held", attempt);
    element.erase("type");
    element["state"] = Word(kHeldWords, attempt.state);
    held.push_back(std::move(element));
  }
  json results = json::array();
  for (const AttemptReport& report : m.results) results.push_back(ToJson(report));
  json lost = json::array();
  for (const LostAttempt& attempt : m.lost) {
    json element = Triple("lost", attempt);
    element.erase("type");
    element["cause"] = attempt.cause;
    element["proof"] = attempt.proof;
    lost.push_back(std::move(element));
  }
  return {{"type", "hello"},
          {"protocol", m.protocol},
          {"name", m.name},
          {"incarnation", IncarnationHex(m.incarnation)},
          {"pid", m.pid},
          {"slots", m.slots},
          {"token", m.token},
          {"highest_epoch", m.highest_epoch.value},
          {"held", std::move(held)},
          {"results", std::move(results)},
          {"lost", std::move(lost)}};
}

Hello ReadHello(JsonFields& fields) {
  Hello m;
  m.protocol = fields.Int32("protocol");
  m.name = fields.Text("name");
  m.incarnation = fields.Hex("incarnation");
  m.pid = fields.Int("pid");
  m.slots = fields.Int32("slots");
  m.token = fields.Text("token");
  m.highest_epoch = Epoch{fields.Int("highest_epoch", 0)};
  for (const json& element : fields.Array("held")) {
    JsonFields member(element, fields.complaint());
    HeldAttempt attempt;
    ReadTriple(member, attempt);
    attempt.state = ReadWord(kHeldWords, member, "state");
    m.held.push_back(attempt);
  }
  for (const json& element : fields.Array("results")) {
    m.results.push_back(ReadReport(element, fields.complaint()));
  }
  for (const json& element : fields.Array("lost")) {
    JsonFields member(element, fields.complaint());
    LostAttempt attempt;
    ReadTriple(member, attempt);
    attempt.cause = member.Text("cause");
    attempt.proof = member.Text("proof");
    m.lost.push_back(std::move(attempt));
  }
  return m;
}

json Write(const Started& m) {
  json object = Triple("started", m);
  object["pid"] = m.pid;
  object["at_us"] = ToMicros(m.at);
  return object;
}

json Write(const Finished& m) { return {{"type", "finished"}, {"report", ToJson(m.report)}}; }

json Write(const Heartbeat& m) {
  json progress = json::array();
  for (const AttemptProgress& p : m.progress) progress.push_back(ProgressToJson(p));
  return {{"type", "heartbeat"},
          {"places_used", m.places_used},
          {"held", m.held},
          {"unacked", m.unacked},
          {"progress", std::move(progress)}};
}

json Write(const PokeResult& m) {
  return {{"type", "poke_result"},
          {"poke", m.poke},
          {"met", m.met},
          {"error", m.error},
          {"detail", m.detail}};
}

json Write(const PublishLeave& m) { return Triple("publish_leave", m); }

ToDaemon ReadToDaemon(std::string_view type, JsonFields& fields) {
  if (type == "hello") return ReadHello(fields);
  if (type == "started") {
    Started m;
    ReadTriple(fields, m);
    m.pid = fields.Int("pid");
    m.at = InstantFromMicros(fields.Int("at_us"));
    return m;
  }
  if (type == "finished") {
    return Finished{ReadReport(fields.Object("report"), fields.complaint())};
  }
  if (type == "heartbeat") {
    Heartbeat m;
    m.places_used = fields.Int32("places_used");
    m.held = fields.Int("held");
    m.unacked = fields.Int("unacked");
    for (const json& element : fields.Array("progress")) {
      m.progress.push_back(ReadProgress(element, fields.complaint()));
    }
    return m;
  }
  if (type == "poke_result") {
    PokeResult m;
    m.poke = fields.Int("poke");
    m.met = fields.Bool("met");
    m.error = fields.Text("error");
    m.detail = fields.Text("detail");
    return m;
  }
  PublishLeave m;
  if (type != "publish_leave") fields.Complain("type", "is not a known word");
  ReadTriple(fields, m);
  return m;
}

// ---- daemon -> worker

json Write(const Welcome& m) {
  json verdicts = json::array();
  for (const AttemptVerdict& v : m.verdicts) {
    verdicts.push_back({{"attempt", v.attempt.value},
                        {"verdict", Word(kVerdictWords, v.verdict)},
                        {"reason", v.reason}});
  }
  return {{"type", "welcome"},
          {"protocol", m.protocol},
          {"epoch", m.epoch.value},
          {"next_token", m.next_token},
          {"verdicts", std::move(verdicts)}};
}

Welcome ReadWelcome(JsonFields& fields) {
  Welcome m;
  m.protocol = fields.Int32("protocol");
  m.epoch = Epoch{fields.Int("epoch", 1)};
  m.next_token = fields.Text("next_token");
  for (const json& element : fields.Array("verdicts")) {
    JsonFields member(element, fields.complaint());
    AttemptVerdict v;
    v.attempt = AttemptId{member.Int("attempt", 1)};
    v.verdict = ReadWord(kVerdictWords, member, "verdict");
    v.reason = member.Text("reason");
    m.verdicts.push_back(std::move(v));
  }
  return m;
}

json Write(const Refused& m) {
  return {{"type", "refused"}, {"reason", m.reason}, {"final", m.final}};
}

json Write(const StartAttempt& m) { return {{"type", "start"}, {"spec", ToJson(m.spec)}}; }

json Write(const KillAttempt& m) {
  return {{"type", "kill"}, {"attempt", m.attempt.value}, {"reason", m.reason}};
}

json Write(const Ack& m) {
  json ids = json::array();
  for (const AttemptId id : m.attempts) ids.push_back(id.value);
  return {{"type", "ack"}, {"attempts", std::move(ids)}};
}

Ack ReadAck(JsonFields& fields) {
  Ack m;
  for (const json& element : fields.Array("attempts")) {
    if (!element.is_number_integer()) {
      fields.Complain("attempts", "holds something that is not an integer");
      return m;
    }
    m.attempts.push_back(AttemptId{element.get<std::int64_t>()});
  }
  return m;
}

json Write(const Poke& m) {
  return {{"type", "poke"}, {"poke", m.poke},           {"sensor", m.type},
          {"spec", m.spec}, {"data_root", m.data_root}, {"timeout_ms", m.timeout.count()}};
}

json Write(const CancelPoke& m) { return {{"type", "cancel_poke"}, {"poke", m.poke}}; }

json Write(const PublishAnswer& m) {
  return {{"type", "publish_answer"},
          {"attempt", m.attempt.value},
          {"granted", m.granted},
          {"reason", m.reason}};
}

json Write(const Shutdown& m) { return {{"type", "shutdown"}, {"cancel", m.cancel}}; }

ToWorker ReadToWorker(std::string_view type, JsonFields& fields) {
  if (type == "welcome") return ReadWelcome(fields);
  if (type == "refused") return Refused{fields.Text("reason"), fields.Bool("final")};
  if (type == "start") return StartAttempt{ReadSpec(fields.Object("spec"), fields.complaint())};
  if (type == "kill")
    return KillAttempt{AttemptId{fields.Int("attempt", 1)}, fields.Text("reason")};
  if (type == "ack") return ReadAck(fields);
  if (type == "poke") {
    Poke m;
    m.poke = fields.Int("poke");
    m.type = fields.Text("sensor");
    m.spec = fields.Text("spec");
    m.data_root = fields.Text("data_root");
    m.timeout = Duration{fields.Int("timeout_ms", 0, std::int64_t{1} << 50)};
    return m;
  }
  if (type == "cancel_poke") return CancelPoke{fields.Int("poke")};
  if (type == "publish_answer") {
    return PublishAnswer{AttemptId{fields.Int("attempt", 1)}, fields.Bool("granted"),
                         fields.Text("reason")};
  }
  if (type != "shutdown") fields.Complain("type", "is not a known word");
  return Shutdown{fields.Bool("cancel")};
}

// ---- worker <-> host

json Write(const HostRun& m) { return {{"type", "run"}, {"spec", ToJson(m.spec)}}; }
json Write(const HostCancel&) { return {{"type", "cancel"}}; }
json Write(const HostLeave& m) {
  return {{"type", "leave"}, {"granted", m.granted}, {"reason", m.reason}};
}

ToHost ReadToHost(std::string_view type, JsonFields& fields) {
  if (type == "run") return HostRun{ReadSpec(fields.Object("spec"), fields.complaint())};
  if (type == "leave") return HostLeave{fields.Bool("granted"), fields.Text("reason")};
  if (type != "cancel") fields.Complain("type", "is not a known word");
  return HostCancel{};
}

json Write(const HostStarted&) { return {{"type", "started"}}; }
json Write(const HostProgress& m) {
  return {{"type", "progress"}, {"progress", ProgressToJson(m.progress)}};
}
json Write(const HostAsksLeave&) { return {{"type", "asks_leave"}}; }
json Write(const HostDone& m) {
  return {{"type", "done"},          {"ok", m.ok},         {"kind", m.kind},
          {"message", m.message},    {"output", m.output}, {"usage", ToJson(m.usage)},
          {"rss_bytes", m.rss_bytes}};
}

FromHost ReadFromHost(std::string_view type, JsonFields& fields) {
  if (type == "started") return HostStarted{};
  if (type == "progress") {
    return HostProgress{ReadProgress(fields.Object("progress"), fields.complaint())};
  }
  if (type == "asks_leave") return HostAsksLeave{};
  if (type != "done") fields.Complain("type", "is not a known word");
  HostDone m;
  m.ok = fields.Bool("ok");
  m.kind = fields.Text("kind");
  m.message = fields.Text("message");
  m.output = fields.Text("output");
  m.usage = ReadUsage(fields.Object("usage"), fields.complaint());
  m.rss_bytes = fields.Int("rss_bytes");
  return m;
}

// ---- frames

void PutLittleEndian(std::uint32_t value, std::string& out) {
  for (int shift = 0; shift < 32; shift += 8) out += static_cast<char>(value >> shift & 0xFF);
}

std::uint32_t GetLittleEndian(const char* p) {
  std::uint32_t value = 0;
  for (int i = 3; i >= 0; --i) value = value << 8 | static_cast<std::uint8_t>(p[i]);
  return value;
}

template <class Message>
constexpr bool kCarriesSpec =
    std::is_same_v<Message, StartAttempt> || std::is_same_v<Message, HostRun>;

template <class Variant>
Status AppendAny(const Variant& message, std::string& out) {
  return std::visit(
      [&out](const auto& m) -> Status {
        // A spec must arrive byte for byte; a report's free text may be repaired.
        std::string payload;
        if constexpr (kCarriesSpec<std::decay_t<decltype(m)>>) {
          NM_ASSIGN_OR_RETURN(payload, DumpStrict(Write(m)));
        } else {
          payload = DumpRepaired(Write(m));
        }
        if (payload.size() > limits::kMaxFrameBytes) {
          return Invalid(fmt::format("message of {} bytes exceeds the frame limit of {}",
                                     payload.size(), limits::kMaxFrameBytes));
        }
        out += kMagic;
        PutLittleEndian(static_cast<std::uint32_t>(payload.size()), out);
        PutLittleEndian(Crc32c(payload), out);
        out += payload;
        return Ok();
      },
      message);
}

template <class Variant>
Result<Variant> ParseAny(std::string_view payload,
                         Variant (*read)(std::string_view type, JsonFields& fields)) {
  NM_ASSIGN_OR_RETURN(const json object, ParseObject(payload));
  std::string complaint;
  JsonFields fields(object, complaint);
  const std::string type = fields.Text("type");
  // A Result from the start: GCC 12 takes the members of a variant moved into one for
  // uninitialised.
  Result<Variant> message = read(type, fields);
  if (!complaint.empty()) return Invalid(fmt::format("message {}: {}", type, complaint));
  return message;
}

}  // namespace

Status AppendFrame(const ToWorker& message, std::string& out) { return AppendAny(message, out); }
Status AppendFrame(const ToDaemon& message, std::string& out) { return AppendAny(message, out); }
Status AppendFrame(const ToHost& message, std::string& out) { return AppendAny(message, out); }
Status AppendFrame(const FromHost& message, std::string& out) { return AppendAny(message, out); }

Result<ToWorker> ParseToWorker(std::string_view payload) { return ParseAny(payload, ReadToWorker); }
Result<ToDaemon> ParseToDaemon(std::string_view payload) { return ParseAny(payload, ReadToDaemon); }
Result<ToHost> ParseToHost(std::string_view payload) { return ParseAny(payload, ReadToHost); }
Result<FromHost> ParseFromHost(std::string_view payload) { return ParseAny(payload, ReadFromHost); }

Result<std::optional<std::string_view>> FrameReader::Next() {
  const std::string_view rest = std::string_view(buffer_).substr(begin_);
  // Checked byte by byte, so that garbage is refused before twelve bytes of it have come.
  if (rest.substr(0, kMagic.size()) != kMagic.substr(0, rest.size())) {
    return Invalid("the peer does not speak Nightmill's worker protocol");
  }
  std::size_t whole = kFrameHeaderBytes;
  if (rest.size() >= whole) {
    const std::uint32_t length = GetLittleEndian(rest.data() + 4);
    if (length > limits::kMaxFrameBytes) return Invalid("frame exceeds the limit");
    whole += length;
  }
  if (rest.size() < whole || rest.size() < kFrameHeaderBytes) {
    buffer_.erase(0, begin_);
    begin_ = 0;
    return std::optional<std::string_view>();
  }
  const std::string_view payload = rest.substr(kFrameHeaderBytes, whole - kFrameHeaderBytes);
  if (Crc32c(payload) != GetLittleEndian(rest.data() + 8))
    return Invalid("frame checksum is wrong");
  begin_ += whole;
  return std::optional<std::string_view>(payload);
}

}  // namespace nightmill::wire
