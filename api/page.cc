#include "api/page.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "api/encoding.h"
#include "core/base/check.h"
#include "web/assets.h"

namespace nightmill {
namespace {

// First segments of paths that are never the page's, though no route has them.
constexpr std::array<std::string_view, 3> kNotOurs = {"api", "auth", "ui"};

constexpr std::pair<std::string_view, std::string_view> kHeaders[] = {
    {"Content-Security-Policy",
     "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
     "connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; "
     "frame-ancestors 'none'"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
};

const WebAsset* Find(std::string_view path) {
  for (const WebAsset& asset : WebAssets()) {
    if (asset.path == path) return &asset;
  }
  return nullptr;
}

// For the rare client that does not take gzip.
std::string Inflate(std::string_view gzip) {
  z_stream stream{};
  CHECK(inflateInit2(&stream, 16 + MAX_WBITS) == Z_OK);
  // zlib reads only; its interface is older than const.
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(gzip.data()));
  stream.avail_in = static_cast<uInt>(gzip.size());
  std::string text;
  std::array<char, 16 << 10> piece;
  int code = Z_OK;
  while (code == Z_OK) {
    stream.next_out = reinterpret_cast<Bytef*>(piece.data());
    stream.avail_out = static_cast<uInt>(piece.size());
    code = inflate(&stream, Z_NO_FLUSH);
    text.append(piece.data(), piece.size() - stream.avail_out);
  }
  inflateEnd(&stream);
  CHECK(code == Z_STREAM_END);
  return text;
}

HttpResponse Serve(const WebAsset& asset, const HttpRequest& request) {
  HttpResponse response;
  response.content_type = std::string(asset.content_type);
  for (const auto& [name, value] : kHeaders) response.headers.emplace_back(name, value);
  response.headers.emplace_back("ETag", asset.etag);
  response.headers.emplace_back("Vary", "Accept-Encoding");
  response.headers.emplace_back(
      "Cache-Control", asset.immutable ? "public, max-age=31536000, immutable" : "no-cache");
  if (NamesTag(request.Header("if-none-match"), asset.etag)) {
    response.status = 304;
    response.content_type.clear();
    return response;
  }
  if (!AcceptsGzip(request.Header("accept-encoding"))) {
    response.body = Inflate(asset.gzip);
    return response;
  }
  response.body = std::string(asset.gzip);
  response.headers.emplace_back("Content-Encoding", "gzip");
  return response;
}

}  // namespace

std::optional<HttpResponse> PageResponse(const HttpRequest& request) {
  if (request.method != "GET" && request.method != "HEAD") return std::nullopt;
  if (WebAssets().empty()) return std::nullopt;
  const std::string first = request.segments.empty() ? "" : request.segments[0];
  if (std::find(kNotOurs.begin(), kNotOurs.end(), first) != kNotOurs.end()) return std::nullopt;
  if (const WebAsset* asset = Find(request.path)) return Serve(*asset, request);
  if (first == "assets") return Problem(NotFound("there is no such file"), request);
  const WebAsset* index = Find("/index.html");
  CHECK(index != nullptr);
  return Serve(*index, request);
}

}  // namespace nightmill
