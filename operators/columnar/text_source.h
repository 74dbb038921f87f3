// The bytes of a text file in order, gzip taken off by its magic number, a UTF-8 byte order mark
// skipped. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "operators/columnar/file_system.h"
#include "operators/op_result.h"

namespace nightmill {

class TextSource {
 public:
  virtual ~TextSource() = default;
  // Up to `n` bytes; 0 only at the end. kBadInput for a broken or cut gzip stream ("corrupt",
  // "truncated") and for other compressions and UTF-16 ("unsupported").
  virtual OpResult<std::size_t> Read(char* out, std::size_t n) = 0;
};

OpResult<std::unique_ptr<TextSource>> OpenText(const FileSystem& fs, const std::string& path);

}  // namespace nightmill
