// Result<T> and Status of the operators room: like those of core/base, with the closed code and the
// place (file, row group, column, row, line) of an OperatorError. NM_RETURN_IF_ERROR and
// NM_ASSIGN_OR_RETURN work on them. Thread rule: values, no shared state.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "core/base/check.h"
#include "core/base/result.h"
#include "operators/operator.h"

namespace nightmill {

// Either a T or an OperatorError. value() and operator* CHECK that there is a value.
template <class T>
class [[nodiscard]] OpResult {
 public:
  OpResult(T value) : state_(std::in_place_index<0>, std::move(value)) {}              // NOLINT
  OpResult(OperatorError error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT

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

  const OperatorError& error() const& {
    CHECK(!ok());
    return std::get<1>(state_);
  }
  OperatorError&& error() && {
    CHECK(!ok());
    return std::get<1>(std::move(state_));
  }

 private:
  std::variant<T, OperatorError> state_;
};

// Success, or an OperatorError.
class [[nodiscard]] OpStatus {
 public:
  OpStatus() = default;
  OpStatus(OperatorError error) : error_(std::move(error)) {}  // NOLINT: implicit

  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  const OperatorError& error() const {
    CHECK(error_.has_value());
    return *error_;
  }

 private:
  std::optional<OperatorError> error_;
};

inline OpStatus OpOk() { return {}; }

inline OperatorError MakeOpError(OperatorErrorCode code, std::string message,
                                 std::string reason = {}, std::string hint = {}) {
  OperatorError error;
  error.code = code;
  error.message = std::move(message);
  error.reason = std::move(reason);
  error.hint = std::move(hint);
  return error;
}
inline OperatorError BadSpec(std::string message, std::string reason = {}, std::string hint = {}) {
  return MakeOpError(OperatorErrorCode::kBadSpec, std::move(message), std::move(reason),
                     std::move(hint));
}
inline OperatorError BadInput(std::string message, std::string reason = {}, std::string hint = {}) {
  return MakeOpError(OperatorErrorCode::kBadInput, std::move(message), std::move(reason),
                     std::move(hint));
}
inline OperatorError Cancelled() {
  return MakeOpError(OperatorErrorCode::kCancelled, "asked to stop");
}
// An error of core/base under one of our codes; message and hint are kept.
inline OperatorError FromCore(OperatorErrorCode code, const Error& error) {
  return MakeOpError(code, error.message, {}, error.hint);
}

}  // namespace nightmill
