#include "api/encoding.h"

#include <zlib.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <string>

namespace nightmill {
namespace {

constexpr std::size_t kMinBytes = 1'000;
constexpr std::string_view kMark = "-gzip\"";

std::string_view Trimmed(std::string_view text) {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
  return text;
}

// "q=0", "q=0.00".
bool IsZeroWeight(std::string_view parameter) {
  parameter = Trimmed(parameter);
  if (!parameter.starts_with("q=0") && !parameter.starts_with("Q=0")) return false;
  return parameter.substr(3).find_first_not_of(".0") == std::string_view::npos;
}

// Nothing if it does not become shorter.
std::optional<std::string> Gzip(std::string_view text) {
  if (text.size() > std::numeric_limits<uInt>::max()) return std::nullopt;
  z_stream stream{};
  constexpr int kGzipWrapper = 16;
  constexpr int kMemoryLevel = 8;
  const int begun = deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, kGzipWrapper + MAX_WBITS,
                                 kMemoryLevel, Z_DEFAULT_STRATEGY);
  if (begun != Z_OK) return std::nullopt;
  std::string packed(text.size(), '\0');
  // zlib reads only; its interface is older than const.
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  const int ended = deflate(&stream, Z_FINISH);
  packed.resize(packed.size() - stream.avail_out);
  deflateEnd(&stream);
  if (ended != Z_STREAM_END) return std::nullopt;
  return packed;
}

bool IsStrong(std::string_view tag) { return tag.size() > 2 && tag.starts_with('"'); }

void MarkTag(HttpResponse& response) {
  for (auto& [name, value] : response.headers) {
    if (name == "ETag" && IsStrong(value)) value.replace(value.size() - 1, 1, kMark);
  }
}

}  // namespace

bool AcceptsGzip(std::string_view header) {
  while (!header.empty()) {
    const std::size_t end = std::min(header.find(','), header.size());
    const std::string_view one = header.substr(0, end);
    header.remove_prefix(std::min(end + 1, header.size()));
    const std::size_t semicolon = std::min(one.find(';'), one.size());
    if (Trimmed(one.substr(0, semicolon)) != "gzip") continue;
    return semicolon == one.size() || !IsZeroWeight(one.substr(semicolon + 1));
  }
  return false;
}

bool UnmarkTags(HttpRequest& request) {
  bool marked = false;
  for (auto& [name, value] : request.headers) {
    const bool known = name == "if-none-match";
    if (!known && name != "if-match") continue;
    for (std::size_t at = 0; (at = value.find(kMark, at)) != std::string::npos;) {
      value.replace(at, kMark.size(), "\"");
      marked = marked || known;
    }
  }
  return marked;
}

void Encode(const HttpRequest& request, bool knows_gzip, HttpResponse& response) {
  response.headers.emplace_back("Vary", "Accept-Encoding");
  if (response.status == 304 && knows_gzip) return MarkTag(response);
  if (response.body.size() < kMinBytes || !AcceptsGzip(request.Header("accept-encoding"))) return;
  std::optional<std::string> packed = Gzip(response.body);
  if (!packed) return;
  response.body = *std::move(packed);
  response.headers.emplace_back("Content-Encoding", "gzip");
  MarkTag(response);
}

}  // namespace nightmill
