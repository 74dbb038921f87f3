#include "operators/columnar/parquet_footer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

#include "operators/columnar/content_sum.h"

namespace nightmill {
namespace {

constexpr std::int64_t kTailBytes = 8;  // footer length, magic
constexpr std::int64_t kFirstRead = 64 << 10;

OperatorError Broken(const InputFile& file, std::string message, std::string reason,
                     std::string hint) {
  OperatorError error = BadInput(std::move(message), std::move(reason), std::move(hint));
  error.file = file.info().path;
  return error;
}

OperatorError Truncated(const InputFile& file, std::string message) {
  return Broken(file, std::move(message), "truncated", "write the file again");
}

OpResult<bool> StartsWithMagic(const InputFile& file) {
  char head[4];
  NM_RETURN_IF_ERROR(file.ReadAt(0, 4, head));
  return std::string_view(head, 4) == "PAR1";
}

}  // namespace

OpResult<std::string> ReadParquetFooter(const InputFile& file) {
  const std::int64_t size = file.info().size;
  if (size == 0) return Truncated(file, "the file is empty");
  if (size < 4 + kTailBytes) {
    return Truncated(file, fmt::format("{} bytes are no Parquet file", size));
  }
  std::string tail(static_cast<std::size_t>(std::min(size, kFirstRead)), '\0');
  const auto tail_size = static_cast<std::int64_t>(tail.size());
  NM_RETURN_IF_ERROR(file.ReadAt(size - tail_size, tail_size, tail.data()));

  const std::string_view magic = std::string_view(tail).substr(tail.size() - 4);
  if (magic == "PARE") {
    return Broken(file, "its footer is encrypted", "unsupported", "decrypt the file first");
  }
  if (magic != "PAR1") {
    NM_ASSIGN_OR_RETURN(const bool parquet_head, StartsWithMagic(file));
    if (parquet_head) return Truncated(file, "the file ends without a Parquet footer");
    return Broken(file, "it is not a Parquet file", "not_parquet", "check \"format\" of the input");
  }
  std::uint32_t length = 0;
  for (int i = 3; i >= 0; --i) {
    const std::size_t at = tail.size() - 8 + static_cast<std::size_t>(i);
    length = (length << 8) | static_cast<unsigned char>(tail[at]);
  }
  const std::int64_t footer = length;
  if (footer == 0 || footer > size - 4 - kTailBytes) {
    return Truncated(file, fmt::format("its footer claims {} bytes of {}", footer, size));
  }
  if (footer > kMaxFooterBytes) {
    return Broken(file,
                  fmt::format("its footer has {} bytes, the limit is {}", footer, kMaxFooterBytes),
                  "unsupported", "split the file");
  }
  if (footer + kTailBytes <= tail_size) {
    return tail.substr(tail.size() - static_cast<std::size_t>(footer + kTailBytes),
                       static_cast<std::size_t>(footer));
  }
  std::string bytes(static_cast<std::size_t>(footer), '\0');
  NM_RETURN_IF_ERROR(file.ReadAt(size - kTailBytes - footer, footer, bytes.data()));
  return bytes;
}

std::string QuickHash(std::string_view bytes) {
  return fmt::format("{:016x}{:016x}", SparkHashBytes(bytes, 0), SparkHashBytes(bytes, 1));
}

}  // namespace nightmill
