// Frames: 4 bytes magic "NMW1", 4 bytes payload length, 4 bytes CRC-32C of the payload (both little
// endian), then the payload: one JSON object whose "type" names the message. The magic's last
// character is the framing version; the JSON may gain fields, readers ignore what they do not know.
//
// Everything a peer sends is validated: garbage, a wrong checksum, a frame above kMaxFrameBytes or
// a malformed message give kInvalid, upon which the connection is dropped. Pure; no shared state.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/result.h"
#include "worker/protocol/host_messages.h"
#include "worker/protocol/messages.h"

namespace nightmill::wire {

inline constexpr std::size_t kFrameHeaderBytes = 12;

// Append one frame to `out`, so that many frames leave in one write. kInvalid, and `out` unchanged,
// if the message exceeds kMaxFrameBytes or holds text that is not UTF-8 where bytes matter (argv,
// env, paths, operator spec); free text is repaired instead.
Status AppendFrame(const ToWorker& message, std::string& out);
Status AppendFrame(const ToDaemon& message, std::string& out);
Status AppendFrame(const ToHost& message, std::string& out);
Status AppendFrame(const FromHost& message, std::string& out);

// The payloads alone.
Result<ToWorker> ParseToWorker(std::string_view payload);
Result<ToDaemon> ParseToDaemon(std::string_view payload);
Result<ToHost> ParseToHost(std::string_view payload);
Result<FromHost> ParseFromHost(std::string_view payload);

// The two structs that cross every room, as JSON objects; the spool keeps reports in this form.
Result<std::string> SpecToJson(const AttemptSpec& spec);
Result<AttemptSpec> SpecFromJson(std::string_view text);
std::string ReportToJson(const AttemptReport& report);
Result<AttemptReport> ReportFromJson(std::string_view text);

// 16 lower-case hex digits, the form of an incarnation on the wire and in marks.
std::string IncarnationHex(Incarnation incarnation);

// Cuts a byte stream into payloads.
class FrameReader {
 public:
  void Append(std::string_view bytes) { buffer_.append(bytes); }
  // The next whole payload, valid until the next call of a member; nullopt: more bytes are needed.
  // After an error the stream is unusable.
  Result<std::optional<std::string_view>> Next();

 private:
  std::string buffer_;
  std::size_t begin_ = 0;  // of the bytes not yet returned
};

}  // namespace nightmill::wire
