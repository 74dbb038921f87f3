#include "core/base/result.h"

#include <array>

namespace nightmill {
namespace {

struct CodeRow {
  ErrorCode code;
  std::string_view word;
  int http;
  ExitCode exit;
};

constexpr std::array<CodeRow, 11> kCodes{{
    {ErrorCode::kInvalid, "invalid", 400, ExitCode::kUsage},
    {ErrorCode::kUnauthenticated, "unauthenticated", 401, ExitCode::kNotAllowed},
    {ErrorCode::kForbidden, "forbidden", 403, ExitCode::kNotAllowed},
    {ErrorCode::kNotFound, "not_found", 404, ExitCode::kNotFound},
    {ErrorCode::kConflict, "conflict", 409, ExitCode::kConflict},
    {ErrorCode::kPreconditionFailed, "precondition_failed", 412, ExitCode::kConflict},
    {ErrorCode::kRateLimited, "rate_limited", 429, ExitCode::kFailed},
    {ErrorCode::kNotSupported, "not_supported", 501, ExitCode::kFailed},
    {ErrorCode::kUnavailable, "unavailable", 503, ExitCode::kUnreachable},
    {ErrorCode::kNoSpace, "no_space", 507, ExitCode::kFailed},
    {ErrorCode::kInternal, "internal", 500, ExitCode::kFailed},
}};

const CodeRow& RowOf(ErrorCode code) {
  for (const CodeRow& row : kCodes) {
    if (row.code == code) return row;
  }
  CheckFailed("every ErrorCode has a row", __FILE__, __LINE__, {});
}

}  // namespace

std::string_view ToString(ErrorCode code) { return RowOf(code).word; }

std::optional<ErrorCode> ParseErrorCode(std::string_view word) {
  for (const CodeRow& row : kCodes) {
    if (row.word == word) return row.code;
  }
  return std::nullopt;
}

int HttpStatus(ErrorCode code) { return RowOf(code).http; }

int ExitCodeOf(ErrorCode code) { return static_cast<int>(RowOf(code).exit); }

}  // namespace nightmill
