#include "core/schedule/zone_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>

namespace nightmill {
namespace {

namespace fs = std::filesystem;

constexpr std::array<const char*, 3> kZoneFolders = {"/usr/share/zoneinfo", "/usr/lib/zoneinfo",
                                                     "/usr/share/lib/zoneinfo"};
constexpr std::size_t kHeaderBytes = 44;
constexpr std::size_t kMaxFileBytes = 1u << 20;  // real ones have at most some kilobytes
constexpr std::uint32_t kMaxCount = 100'000;
constexpr std::int32_t kMaxOffset = 26 * 3600;  // RFC 8536: less than 26 hours to each side
constexpr std::int64_t kYearOne = -62'135'596'800;

struct Header {
  char version = 0;
  std::uint32_t utc_flags = 0, standard_flags = 0, leaps = 0, times = 0, types = 0, chars = 0;

  std::size_t BodyBytes(std::size_t time_bytes) const {
    return times * (time_bytes + 1) + types * 6 + chars + leaps * (time_bytes + 4) +
           standard_flags + utc_flags;
  }
};

std::int64_t BigEndian(std::string_view bytes) {
  // Sign extension by starting from all ones for a negative number.
  std::uint64_t value = (static_cast<std::uint8_t>(bytes.front()) & 0x80) != 0 ? ~0ull : 0ull;
  for (const char c : bytes) value = value << 8 | static_cast<std::uint8_t>(c);
  return static_cast<std::int64_t>(value);
}

std::optional<Header> ReadHeader(std::string_view bytes) {
  if (bytes.size() < kHeaderBytes || !bytes.starts_with("TZif")) return std::nullopt;
  Header h;
  h.version = bytes[4];
  std::size_t at = 20;
  for (std::uint32_t* count :
       {&h.utc_flags, &h.standard_flags, &h.leaps, &h.times, &h.types, &h.chars}) {
    *count = static_cast<std::uint32_t>(BigEndian(bytes.substr(at, 4)));
    if (*count > kMaxCount) return std::nullopt;
    at += 4;
  }
  return h;
}

// The 64-bit block that follows `header`.
Result<ZoneTable> ReadBody(const Header& header, std::string_view body) {
  if (header.types == 0) return Invalid("no local time type");
  if (header.leaps != 0) return Invalid("the zone counts leap seconds");
  const std::string_view times = body.substr(0, header.times * 8);
  const std::string_view indices = body.substr(times.size(), header.times);
  const std::string_view types = body.substr(times.size() + indices.size(), header.types * 6);
  std::vector<std::int32_t> offsets;
  for (std::size_t i = 0; i < header.types; ++i) {
    const std::int64_t offset = BigEndian(types.substr(i * 6, 4));
    if (offset <= -kMaxOffset || offset >= kMaxOffset) return Invalid("offset out of range");
    offsets.push_back(static_cast<std::int32_t>(offset));
  }
  ZoneTable table;
  table.first_offset_s = offsets.front();
  std::int32_t current = table.first_offset_s;
  std::optional<std::int64_t> last;
  for (std::size_t i = 0; i < header.times; ++i) {
    const std::int64_t at = BigEndian(times.substr(i * 8, 8));
    const auto type = static_cast<std::uint8_t>(indices[i]);
    if (last && at <= *last) return Invalid("changes out of order");
    if (type >= offsets.size()) return Invalid("unknown local time type");
    last = at;
    // A change of the name or of the daylight flag alone is none for us.
    if (offsets[type] == current) continue;
    current = offsets[type];
    table.changes.push_back({at, current});
  }
  return table;
}

// Some files begin with a change at the big bang (-2^59); no arithmetic of ours reaches that far.
void DropBeforeCalendar(ZoneTable& table) {
  const auto keep = std::find_if(table.changes.begin(), table.changes.end(),
                                 [](const auto& change) { return change.at_s >= kYearOne; });
  if (keep == table.changes.begin()) return;
  table.first_offset_s = std::prev(keep)->offset_s;
  table.changes.erase(table.changes.begin(), keep);
}

const char* ZoneFolder() {
  for (const char* folder : kZoneFolders) {
    std::error_code ignored;
    if (fs::is_directory(folder, ignored)) return folder;
  }
  return nullptr;
}

// Names that stay inside the folder. "posix/" and "right/" hold second copies of all zones, the
// latter with leap seconds, which Unix time does not have.
bool IsZoneName(std::string_view name) {
  if (name.empty() || name.size() > 100 || name.front() == '/' || name.back() == '/') return false;
  if (name.starts_with("posix/") || name.starts_with("right/")) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' ||
           c == '_' || c == '-' || c == '+';
  });
}

std::string ReadAll(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored) || fs::file_size(path, ignored) > kMaxFileBytes) {
    return {};
  }
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

}  // namespace

Result<ZoneTable> ParseZoneFile(std::string_view bytes) {
  const std::optional<Header> old_header = ReadHeader(bytes);
  if (!old_header) return Invalid("not a time zone file");
  if (old_header->version < '2') return Invalid("a zone file of version 1 has no 64-bit times");
  // The first block, of 32-bit times, is for old readers only.
  const std::size_t skip = kHeaderBytes + old_header->BodyBytes(4);
  if (skip > bytes.size()) return Invalid("the zone file is cut off");
  bytes.remove_prefix(skip);
  const std::optional<Header> header = ReadHeader(bytes);
  if (!header) return Invalid("the second header is broken");
  bytes.remove_prefix(kHeaderBytes);
  const std::size_t body_bytes = header->BodyBytes(8);
  if (body_bytes > bytes.size()) return Invalid("the zone file is cut off");
  NM_ASSIGN_OR_RETURN(ZoneTable table, ReadBody(*header, bytes.substr(0, body_bytes)));
  DropBeforeCalendar(table);

  std::string_view footer = bytes.substr(body_bytes);
  if (!footer.starts_with('\n')) return Invalid("the footer is missing");
  footer.remove_prefix(1);
  const std::size_t end = footer.find('\n');
  if (end == std::string_view::npos) return Invalid("the footer is cut off");
  NM_RETURN_IF_ERROR(ExtendByPosixRule(footer.substr(0, end), table));
  return table;
}

Result<ZoneTable> ReadZoneFile(std::string_view name) {
  const auto unknown = [&] { return NotFound(fmt::format("unknown time zone \"{}\"", name)); };
  if (!IsZoneName(name)) return unknown();
  const char* folder = ZoneFolder();
  if (folder == nullptr) {
    return Unavailable(fmt::format("time zone \"{}\": this system has no zone files", name),
                       "install the package tzdata");
  }
  const std::string bytes = ReadAll(fs::path(folder) / fs::path(name));
  if (!std::string_view(bytes).starts_with("TZif")) return unknown();
  Result<ZoneTable> table = ParseZoneFile(bytes);
  if (!table.ok()) {
    return Invalid(fmt::format("time zone \"{}\": {}", name, table.error().message),
                   "reinstall the package tzdata");
  }
  return table;
}

std::vector<std::string> ListZoneNames() {
  std::vector<std::string> names;
  const char* folder = ZoneFolder();
  if (folder == nullptr) return names;
  std::error_code error;
  fs::recursive_directory_iterator it(folder, fs::directory_options::skip_permission_denied, error);
  for (; !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
    const std::string name = it->path().lexically_relative(folder).string();
    if (name == "posix" || name == "right") {
      it.disable_recursion_pending();
      continue;
    }
    // Lists such as zone.tab and lower-case odds and ends are not zones.
    std::error_code ignored;
    if (IsZoneName(name) && name.front() >= 'A' && name.front() <= 'Z' &&
        it->is_regular_file(ignored)) {
      names.push_back(name);
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace nightmill
