#include "worker/runtime/task_output.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "core/base/json.h"
#include "core/base/limits.h"
#include "core/dagfile/json_text.h"
#include "worker/protocol/json_fields.h"
#include "worker/runtime/unique_fd.h"

namespace nightmill {
namespace {

using nlohmann::json;

std::string_view Trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

// ": line 2, column 5: expected a value, found 'x'", found by the reader of DAG files.
std::string WhatIsWrong(std::string_view text) {
  json ignored;
  std::vector<dagfile::TextFault> faults;
  const bool whole = dagfile::ReadJson(text, false, ignored, faults);
  // The last fault ended the reading; a comma too many does not.
  const auto found =
      whole ? std::find_if(faults.begin(), faults.end(),
                           [](const dagfile::TextFault& fault) { return fault.code == "NM107"; })
            : faults.end() - 1;
  if (found == faults.end()) return {};
  const dagfile::TextFault& fault = *found;
  const std::string_view before = text.substr(0, fault.span.begin);
  const std::size_t line_start = before.rfind('\n') + 1;  // npos + 1 = 0
  const auto continues = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; };
  const auto column = std::count_if(before.begin() + static_cast<std::ptrdiff_t>(line_start),
                                    before.end(), [&](char c) { return !continues(c); });
  return fmt::format(": line {}, column {}: {}", 1 + std::count(before.begin(), before.end(), '\n'),
                     1 + column, fault.message);
}

Result<std::string> JsonOutput(std::string_view text) {
  const std::string_view value = Trimmed(text);
  if (value.empty()) return std::string("null");
  if (!wire::DepthWithin(value, limits::kMaxJsonDepth)) {
    return Invalid(fmt::format("NIGHTMILL_OUTPUT nests deeper than {}", limits::kMaxJsonDepth),
                   "write flatter JSON, or set \"output\" to text");
  }
  // The text itself is kept: parsing and writing again would change large numbers.
  if (json::accept(value)) return std::string(value);
  return Invalid("NIGHTMILL_OUTPUT is not JSON" + WhatIsWrong(text),
                 "write JSON, or set \"output\" to lines, text or none");
}

json Lines(std::string_view text) {
  json lines = json::array();
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.push_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

}  // namespace

Result<std::string> OutputToJson(std::string_view text, OutputMode mode) {
  switch (mode) {
    case OutputMode::kJson:
      return JsonOutput(text);
    case OutputMode::kLines:
      return wire::DumpRepaired(Lines(text));
    case OutputMode::kText:
      // As $(command) in a shell: line ends at the end of the text are not part of it.
      while (text.ends_with('\n') || text.ends_with('\r')) text.remove_suffix(1);
      return wire::DumpRepaired(json(text));
    case OutputMode::kNone:
      break;
  }
  return std::string("null");
}

TaskOutput::TaskOutput(std::string directory, SpareFolders& spares)
    : directory_(std::move(directory)), spares_(spares) {
  if (!directory_.empty()) file_ = directory_ + ".out";
}

Status TaskOutput::Prepare() const {
  if (directory_.empty()) return Ok();
  Status taken = spares_.Take(directory_);
  if (taken.ok() || taken.error().code != ErrorCode::kConflict) return taken;
  Discard(directory_);
  return spares_.Take(directory_);
}

Result<std::string> TaskOutput::Take(OutputMode mode) const {
  if (file_.empty()) return std::string("null");
  const UniqueFd fd(::open(file_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd.valid()) {
    if (errno == ENOENT) return std::string("null");
    return Invalid(fmt::format("cannot read NIGHTMILL_OUTPUT: {}", strerror(errno)));
  }
  ::unlink(file_.c_str());
  if (mode == OutputMode::kNone) return std::string("null");
  std::string text;
  char block[16384];
  while (text.size() <= limits::kMaxOutputBytes) {
    const ssize_t n = ::read(fd.get(), block, sizeof block);
    if (n < 0) return Invalid(fmt::format("cannot read NIGHTMILL_OUTPUT: {}", strerror(errno)));
    if (n == 0) break;
    text.append(block, static_cast<std::size_t>(n));
  }
  if (text.size() > limits::kMaxOutputBytes) {
    return Invalid(fmt::format("NIGHTMILL_OUTPUT exceeds {} bytes", limits::kMaxOutputBytes),
                   "write large data to NIGHTMILL_OUTPUT_DIR");
  }
  return OutputToJson(text, mode);
}

std::string TaskOutput::KeepArtifact() const {
  return directory_.empty() || spares_.Return(directory_) ? std::string() : directory_;
}

bool TaskOutput::DiscardEmpty() const {
  if (directory_.empty()) return true;
  ::unlink(file_.c_str());
  return spares_.Return(directory_);
}

void TaskOutput::Discard(const std::string& directory) {
  std::error_code ignored;
  std::filesystem::remove_all(directory, ignored);
}

}  // namespace nightmill
