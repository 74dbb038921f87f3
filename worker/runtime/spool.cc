#include "worker/runtime/spool.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/error.hpp>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <limits>
#include <utility>

#include "core/base/check.h"
#include "core/base/hash.h"
#include "core/base/json.h"
#include "worker/protocol/codec.h"

namespace nightmill {
namespace {

using nlohmann::json;

constexpr std::size_t kRecordHeaderBytes = 8;
constexpr std::size_t kMaxRecordBytes = 16u << 20;
// Results acked within this time cost no fdatasync.
constexpr std::chrono::milliseconds kSyncDelay{20};

[[noreturn]] void Dead(std::string_view what) {
  Fatal(ExitCode::kIoError, fmt::format("spool: {}: {}", what, strerror(errno)));
}

void PutLittleEndian(std::uint32_t value, std::string& out) {
  for (int shift = 0; shift < 32; shift += 8) out += static_cast<char>(value >> shift & 0xFF);
}

std::uint32_t GetLittleEndian(std::string_view bytes) {
  std::uint32_t value = 0;
  for (int i = 3; i >= 0; --i) {
    value = value << 8 | static_cast<std::uint8_t>(bytes[static_cast<std::size_t>(i)]);
  }
  return value;
}

std::string Dump(const json& record) {
  return record.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string StartRecord(const SpoolEntry& entry) {
  json targets = json::array();
  for (const AttemptTarget& target : entry.targets) {
    targets.push_back({target.run.value, target.task_id, target.map_index});
  }
  return Dump({{"record", "start"},
               {"attempt", entry.attempt.value},
               {"epoch", entry.epoch.value},
               {"incarnation", entry.incarnation},
               {"boot_id", entry.boot_id},
               {"targets", std::move(targets)}});
}

std::string ProcessRecord(const SpoolEntry& entry) {
  return Dump({{"record", "process"},
               {"attempt", entry.attempt.value},
               {"pid", entry.pid},
               {"ticks", {entry.ticks_from, entry.ticks_to}}});
}

// The report goes in as text: its reader is the protocol's.
std::string ResultRecord(const AttemptReport& report) {
  return Dump({{"record", "result"}, {"report", wire::ReportToJson(report)}});
}

std::string LostRecord(const SpoolEntry& entry) {
  return Dump({{"record", "lost"}, {"attempt", entry.attempt.value}, {"proof", entry.lost_proof}});
}

std::string AckRecord(AttemptId attempt) {
  return fmt::format(R"({{"record":"ack","attempt":{}}})", attempt.value);
}

// Members of a record with a right checksum; throws json::exception if they are not what we write.
SpoolEntry ReadStart(const json& record) {
  SpoolEntry entry;
  entry.attempt = AttemptId{record.at("attempt").get<std::int64_t>()};
  entry.epoch = Epoch{record.at("epoch").get<std::int64_t>()};
  entry.incarnation = record.at("incarnation").get<std::uint64_t>();
  entry.boot_id = record.at("boot_id").get<std::string>();
  for (const json& target : record.at("targets")) {
    entry.targets.push_back({RunKey{target.at(0).get<std::int64_t>()},
                             target.at(1).get<std::string>(), target.at(2).get<int>()});
  }
  return entry;
}

struct SegmentName {
  std::int64_t number = 0;
  Incarnation incarnation = 0;
  std::string path;
};

std::optional<SegmentName> ParseSegmentName(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  if (!name.starts_with("seg-")) return std::nullopt;
  SegmentName segment;
  segment.path = path.string();
  const char* const end = name.data() + name.size();
  const auto number = std::from_chars(name.data() + 4, end, segment.number);
  if (number.ec != std::errc{} || number.ptr == end || *number.ptr != '-') return std::nullopt;
  const auto incarnation = std::from_chars(number.ptr + 1, end, segment.incarnation, 16);
  if (incarnation.ec != std::errc{} || incarnation.ptr != end) return std::nullopt;
  return segment;
}

std::vector<SegmentName> ListSegments(const std::string& directory) {
  std::vector<SegmentName> segments;
  std::error_code error;
  for (const auto& file : std::filesystem::directory_iterator(directory, error)) {
    if (auto segment = ParseSegmentName(file.path())) segments.push_back(std::move(*segment));
  }
  std::sort(segments.begin(), segments.end(),
            [](const SegmentName& a, const SegmentName& b) { return a.number < b.number; });
  return segments;
}

std::string ReadFileBytes(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) Dead("open " + path);
  std::string bytes;
  char block[65536];
  while (true) {
    const ssize_t n = ::read(fd.get(), block, sizeof block);
    if (n < 0) Dead("read " + path);
    if (n == 0) return bytes;
    bytes.append(block, static_cast<std::size_t>(n));
  }
}

}  // namespace

Spool::Spool(SpoolOptions options, boost::asio::io_context& context)
    : options_(std::move(options)), sync_timer_(context), sync_(options_.directory) {}

Result<std::unique_ptr<Spool>> Spool::Open(SpoolOptions options, boost::asio::io_context& context) {
  std::error_code error;
  std::filesystem::create_directories(options.directory, error);
  if (error) {
    return Unavailable(fmt::format("spool {}: {}", options.directory, error.message()));
  }
  std::unique_ptr<Spool> spool(new Spool(std::move(options), context));  // NOLINT: private
  NM_RETURN_IF_ERROR(spool->Lock());
  spool->ReadSegments();
  spool->Rotate();
  return spool;
}

Status Spool::Lock() {
  const std::string path = options_.directory + "/lock";
  lock_.reset(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock_.valid()) return Unavailable(fmt::format("{}: {}", path, strerror(errno)));
  if (::flock(lock_.get(), LOCK_EX | LOCK_NB) == 0) {
    // A daemon that starts meanwhile watches this process.
    const std::string pid = fmt::format("{}\n", ::getpid());
    if (::ftruncate(lock_.get(), 0) == 0 && ::pwrite(lock_.get(), pid.data(), pid.size(), 0) > 0) {
      return Ok();
    }
    return Unavailable(fmt::format("{}: {}", path, strerror(errno)));
  }
  if (errno != EWOULDBLOCK) return Unavailable(fmt::format("{}: {}", path, strerror(errno)));
  return Conflict(fmt::format("another worker uses the spool {}", options_.directory));
}

void Spool::ReadSegments() {
  for (const SegmentName& segment : ListSegments(options_.directory)) {
    ReadSegment(segment.path);
    segment_number_ = segment.number;
    old_segments_.push_back(segment.path);
    earlier_.insert(segment.incarnation);
  }
  for (const auto& [attempt, entry] : entries_) earlier_.insert(entry.incarnation);
  earlier_.erase(options_.incarnation);
}

void Spool::ReadSegment(const std::string& path) {
  const std::string bytes = ReadFileBytes(path);
  std::string_view rest = bytes;
  while (rest.size() >= kRecordHeaderBytes) {
    const std::uint32_t length = GetLittleEndian(rest);
    if (length == 0 || length > kMaxRecordBytes || length > rest.size() - kRecordHeaderBytes)
      return;
    const std::string_view payload = rest.substr(kRecordHeaderBytes, length);
    if (Crc32c(payload) != GetLittleEndian(rest.substr(4)) || !Apply(payload)) return;
    rest.remove_prefix(kRecordHeaderBytes + length);
  }
}

bool Spool::Apply(std::string_view payload) {
  try {
    const json record = json::parse(payload);
    const std::string kind = record.at("record").get<std::string>();
    if (kind == "start") {
      SpoolEntry entry = ReadStart(record);
      entries_.insert_or_assign(entry.attempt, std::move(entry));
      return true;
    }
    if (kind == "result") {
      const auto report = wire::ReportFromJson(record.at("report").get<std::string>());
      if (!report.ok()) return false;
      SpoolEntry& entry = entries_[report->id];
      entry.attempt = report->id;
      entry.epoch = report->epoch;
      entry.incarnation = report->incarnation;
      entry.targets = report->targets;
      entry.report = *report;
      return true;
    }
    const auto it = entries_.find(AttemptId{record.at("attempt").get<std::int64_t>()});
    if (it == entries_.end()) return true;
    if (kind == "process") {
      it->second.pid = record.at("pid").get<std::int64_t>();
      it->second.ticks_from = record.at("ticks").at(0).get<std::int64_t>();
      it->second.ticks_to = record.at("ticks").at(1).get<std::int64_t>();
    } else if (kind == "lost") {
      it->second.lost_proof = record.at("proof").get<std::string>();
    } else if (kind == "ack") {
      entries_.erase(it);
    }
    return true;
  } catch (const json::exception&) {
    return false;
  }
}

void Spool::RecordStart(const AttemptSpec& spec) {
  SpoolEntry entry;
  entry.attempt = spec.id;
  entry.epoch = spec.epoch;
  entry.incarnation = spec.incarnation;
  entry.targets = spec.targets;
  entry.boot_id = options_.boot_id;
  Append(StartRecord(entry));
  entries_.insert_or_assign(spec.id, std::move(entry));
  Flush();
}

void Spool::RecordProcess(AttemptId attempt, std::int64_t pid, std::int64_t ticks_from,
                          std::int64_t ticks_to) {
  const auto it = entries_.find(attempt);
  if (it == entries_.end()) return;
  it->second.pid = pid;
  it->second.ticks_from = ticks_from;
  it->second.ticks_to = ticks_to;
  Append(ProcessRecord(it->second));
}

void Spool::RecordResult(const AttemptReport& report) {
  SpoolEntry& entry = entries_[report.id];
  entry.attempt = report.id;
  entry.epoch = report.epoch;
  entry.incarnation = report.incarnation;
  entry.targets = report.targets;
  entry.report = report;
  Append(ResultRecord(report));
  SyncSoon();
}

void Spool::RecordLost(AttemptId attempt, std::string_view proof) {
  const auto it = entries_.find(attempt);
  if (it == entries_.end()) return;
  it->second.lost_proof = proof;
  Append(LostRecord(it->second));
}

void Spool::Ack(AttemptId attempt) {
  if (entries_.erase(attempt) != 0) Append(AckRecord(attempt));
}

void Spool::Append(std::string_view payload) {
  CHECK_MSG(payload.size() <= kMaxRecordBytes, "spool record too large");
  PutLittleEndian(static_cast<std::uint32_t>(payload.size()), pending_);
  PutLittleEndian(Crc32c(payload), pending_);
  pending_ += payload;
}

void Spool::AppendEntry(const SpoolEntry& entry) {
  if (entry.report) {
    Append(ResultRecord(*entry.report));
    return;
  }
  Append(StartRecord(entry));
  if (entry.pid != 0) Append(ProcessRecord(entry));
  if (!entry.lost_proof.empty()) Append(LostRecord(entry));
}

void Spool::Flush() {
  std::string_view rest = pending_;
  while (!rest.empty()) {
    const ssize_t n =
        ::pwrite(segment_->get(), rest.data(), rest.size(), static_cast<off_t>(offset_));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) Dead("write");
    offset_ += static_cast<std::size_t>(n);
    rest.remove_prefix(static_cast<std::size_t>(n));
  }
  pending_.clear();
  if (offset_ >= rotate_at_) Rotate();
}

void Spool::Rotate() {
  std::string path = fmt::format("{}/seg-{}-{}", options_.directory, ++segment_number_,
                                 wire::IncarnationHex(options_.incarnation));
  segment_ = std::make_shared<UniqueFd>(
      ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!segment_->valid()) Dead("create " + path);
  // A full disk then shows here and not in the middle of a segment; file systems without the call
  // just lose that courtesy.
  if (::fallocate(segment_->get(), 0, 0, static_cast<off_t>(options_.segment_bytes)) != 0 &&
      errno != EOPNOTSUPP) {
    Dead("allocate " + path);
  }
  offset_ = 0;
  rotate_at_ = std::numeric_limits<std::size_t>::max();
  for (const auto& [attempt, entry] : entries_) AppendEntry(entry);
  Flush();
  rotate_at_ = std::max(options_.segment_bytes, 2 * offset_);
  sync_.RequestRotation(segment_, std::exchange(old_segments_, {std::move(path)}));
}

void Spool::SyncSoon() {
  if (sync_timer_armed_) return;
  sync_timer_armed_ = true;
  sync_timer_.expires_after(kSyncDelay);
  sync_timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    sync_timer_armed_ = false;
    Flush();
    const bool wanted = std::any_of(entries_.begin(), entries_.end(),
                                    [](const auto& entry) { return entry.second.report; });
    if (wanted) sync_.Request(segment_);
  });
}

}  // namespace nightmill
