#include "api/log_file.h"

#include <algorithm>
#include <fstream>

#include "core/base/json.h"

namespace nightmill {

using nlohmann::json;

LogChunk ReadLog(const std::string& path, std::int64_t offset, std::int64_t most) {
  LogChunk chunk;
  chunk.next = offset;
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return chunk;
  const std::int64_t size = file.tellg();
  if (offset >= size) return chunk;
  const std::int64_t n = std::min(size - offset, most);
  chunk.text.resize(static_cast<std::size_t>(n));
  file.seekg(offset);
  file.read(chunk.text.data(), n);
  chunk.text.resize(static_cast<std::size_t>(file.gcount()));
  chunk.next = offset + file.gcount();
  chunk.more = chunk.next < size;
  return chunk;
}

LogChunk ReadLogLines(const std::string& path, std::int64_t offset, std::int64_t most) {
  LogChunk chunk = ReadLog(path, offset, most);
  const std::size_t end = chunk.text.rfind('\n');
  if (end == std::string::npos) {
    if (chunk.more) return chunk;
    return LogChunk{"", offset, false};
  }
  chunk.next -= static_cast<std::int64_t>(chunk.text.size() - end - 1);
  chunk.text.resize(end + 1);
  return chunk;
}

json LinesOf(const std::string& text) {
  json lines = json::array();
  std::size_t from = 0;
  while (from < text.size()) {
    const std::size_t end = std::min(text.find('\n', from), text.size());
    lines.push_back({{"event", text.substr(from, end - from)}, {"timestamp", nullptr}});
    from = end + 1;
  }
  return lines;
}

}  // namespace nightmill
