// The footer of a Parquet file as bytes: enough to tell whether a file changed, without Arrow.
#pragma once

#include <string>
#include <string_view>

#include "operators/columnar/file_system.h"

namespace nightmill {

inline constexpr std::int64_t kMaxFooterBytes = 256 << 20;

// The serialized metadata between the last page and the 8 bytes of length and magic. kBadInput with
// reason "not_parquet", "truncated" or "unsupported" (encrypted footer).
OpResult<std::string> ReadParquetFooter(const InputFile& file);

// 32 hex digits: two XXH64 of different seeds. For telling contents apart, not for security.
std::string QuickHash(std::string_view bytes);

}  // namespace nightmill
