// The built page inside the program: what a browser may ask for, compressed and ready to be sent.
//
// The bytes are constants of the program and live as long as it does; any thread may read them.
// Without the page (NIGHTMILL_WEB=OFF) the span is empty.
#pragma once

#include <span>
#include <string_view>

namespace nightmill {

struct WebAsset {
  std::string_view path;          // "/index.html", "/assets/index-BKx1s3.js"; sorted
  std::string_view content_type;  // with charset where it is text
  std::string_view gzip;          // the body; every client of ours takes Content-Encoding: gzip
  std::string_view etag;          // strong, with its quotes, of the uncompressed bytes
  bool immutable;                 // the name has a hash of the content: may be cached for ever
};

std::span<const WebAsset> WebAssets();

}  // namespace nightmill
