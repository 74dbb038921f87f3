// Expected failures as values. A function that can fail for a reason outside the program returns
// Result<T> or Status; our own bugs are CHECKs (check.h); a dead environment is Fatal (check.h).
// ErrorCode is closed and mapped once: to an HTTP status (HttpStatus) and an exit code
// (ExitCodeOf). Thread rule: values, no shared state.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "core/base/check.h"

namespace nightmill {

enum class ErrorCode : std::uint8_t {
  kInvalid,
  kUnauthenticated,
  kForbidden,
  kNotFound,
  kConflict,
  kPreconditionFailed,
  kRateLimited,
  kNotSupported,
  kUnavailable,
  kNoSpace,
  kInternal,
};

// The word used in problem+json and logs, e.g. "not_found".
std::string_view ToString(ErrorCode code);
std::optional<ErrorCode> ParseErrorCode(std::string_view word);
// 400, 401, 403, 404, 409, 412, 429, 501, 503, 507, 500.
int HttpStatus(ErrorCode code);
// Exit code of a command line verb that ends with this error (product.md 3).
int ExitCodeOf(ErrorCode code);

// What went wrong, where, and what to do next. `message` names the offending thing; `hint` is the
// next step and may be empty; `pointer` is a JSON Pointer into the input, where there is one.
struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;
  std::string hint = {};
  std::string pointer = {};

  bool operator==(const Error&) const = default;
};

inline Error Invalid(std::string message, std::string hint = {}) {
  return {ErrorCode::kInvalid, std::move(message), std::move(hint)};
}
inline Error NotFound(std::string message, std::string hint = {}) {
  return {ErrorCode::kNotFound, std::move(message), std::move(hint)};
}
inline Error Conflict(std::string message, std::string hint = {}) {
  return {ErrorCode::kConflict, std::move(message), std::move(hint)};
}
inline Error Unavailable(std::string message, std::string hint = {}) {
  return {ErrorCode::kUnavailable, std::move(message), std::move(hint)};
}
inline Error Internal(std::string message, std::string hint = {}) {
  return {ErrorCode::kInternal, std::move(message), std::move(hint)};
}

// Either a T or an Error. value() and operator* CHECK that there is a value.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  const T& value() const& {
    CHECK(ok());
    return std::get<0>(state_);
  }
  T& value() & {
    CHECK(ok());
    return std::get<0>(state_);
  }
  T&& value() && {
    CHECK(ok());
    return std::get<0>(std::move(state_));
  }
  const T& operator*() const& { return value(); }
  T& operator*() & { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  const T* operator->() const { return &value(); }
  T* operator->() { return &value(); }

  const Error& error() const& {
    CHECK(!ok());
    return std::get<1>(state_);
  }
  Error&& error() && {
    CHECK(!ok());
    return std::get<1>(std::move(state_));
  }

 private:
  std::variant<T, Error> state_;
};

// Success, or an Error.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Error error) : error_(std::move(error)) {}  // NOLINT: implicit

  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  const Error& error() const {
    CHECK(error_.has_value());
    return *error_;
  }

 private:
  std::optional<Error> error_;
};

inline Status Ok() { return {}; }

}  // namespace nightmill

#define NM_CONCAT_INNER_(a, b) a##b
#define NM_CONCAT_(a, b) NM_CONCAT_INNER_(a, b)

// Returns the error of a Status or Result expression to the caller, if it has one.
#define NM_RETURN_IF_ERROR(expr)                                \
  do {                                                          \
    auto&& nm_status_ = (expr);                                 \
    if (!nm_status_.ok()) return std::move(nm_status_).error(); \
  } while (false)

// NM_ASSIGN_OR_RETURN(auto x, F()); declares x from the value of F(), or returns its error.
#define NM_ASSIGN_OR_RETURN(decl, expr) \
  NM_ASSIGN_OR_RETURN_IMPL_(NM_CONCAT_(nm_result_, __LINE__), decl, expr)
#define NM_ASSIGN_OR_RETURN_IMPL_(tmp, decl, expr) \
  auto tmp = (expr);                               \
  if (!tmp.ok()) return std::move(tmp).error();    \
  decl = std::move(tmp).value()
