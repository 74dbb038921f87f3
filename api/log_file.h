// Reads logs of attempts: files named by numeric row id below the state directory, never by request
// text. Any thread.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace nightmill {

struct LogChunk {
  std::string text;
  std::int64_t next = 0;  // offset after it
  bool more = false;      // the file goes on
};
// At most `most` bytes from `offset` on; empty where there is no file or nothing yet.
LogChunk ReadLog(const std::string& path, std::int64_t offset, std::int64_t most);
// As above, but only whole lines, unless a line is longer than `most`.
LogChunk ReadLogLines(const std::string& path, std::int64_t offset, std::int64_t most);

// [{"event": line, "timestamp": null}, ...]
nlohmann::json LinesOf(const std::string& text);

}  // namespace nightmill
