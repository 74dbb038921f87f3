// Types and vectors of the expression language (compute.md, `operators/expr/`). Free of Arrow: the
// catalog validates expressions offline with it, the columnar room feeds it blocks.
// All types but double and string are carried as int64: bool 0/1, date in days and timestamps in
// microseconds since 1970-01-01. kTimestamp is an instant (UTC); kLocalTimestamp is zone-less.
// Thread rule: values; a Vector is immutable once built and may be shared.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace nightmill::expr {

enum class DataType : std::uint8_t {
  kNull,
  kBool,
  kInt64,
  kDouble,
  kString,
  kDate,
  kTimestamp,
  kLocalTimestamp,
};
// "null", "bool", "int64", "double", "string", "date", "timestamp", "local_timestamp".
std::string_view ToString(DataType type);
// The names `cast` accepts: those above and bigint, int, int32, float, float32, float64, text.
std::optional<DataType> ParseDataType(std::string_view word);

inline bool IsNumeric(DataType t) { return t == DataType::kInt64 || t == DataType::kDouble; }
inline bool IsTimestamp(DataType t) {
  return t == DataType::kTimestamp || t == DataType::kLocalTimestamp;
}

// One value; null if `type` is kNull.
struct Value {
  DataType type = DataType::kNull;
  std::int64_t i = 0;
  double d = 0;
  std::string s = {};

  static Value Bool(bool v) { return {DataType::kBool, v ? 1 : 0}; }
  static Value Int(std::int64_t v) { return {DataType::kInt64, v}; }
  static Value Double(double v) { return {DataType::kDouble, 0, v}; }
  static Value String(std::string v) { return {DataType::kString, 0, 0, std::move(v)}; }
  static Value Date(std::int64_t days) { return {DataType::kDate, days}; }
  static Value Timestamp(std::int64_t us) { return {DataType::kTimestamp, us}; }
};
// As a user would write it in a message: 3, 2.5, 'text', 2026-03-16, null.
std::string ToText(const Value& value);

// `size` values of one type; a constant has one stored value for all rows. Unused pointers are
// null.
struct Vector {
  DataType type = DataType::kNull;
  std::int64_t size = 0;
  bool constant = false;
  const std::uint8_t* valid = nullptr;  // one byte a value, 0 = null; nullptr: no nulls
  const std::int64_t* ints = nullptr;
  const double* doubles = nullptr;
  const std::string_view* strings = nullptr;
  std::shared_ptr<const void> owner = {};  // keeps computed values alive; empty for views

  std::size_t At(std::int64_t row) const { return constant ? 0 : static_cast<std::size_t>(row); }
  bool IsValid(std::int64_t row) const {
    return type != DataType::kNull && (valid == nullptr || valid[At(row)] != 0);
  }
};

Vector ConstantVector(const Value& value, std::int64_t rows);
Value ValueAt(const Vector& vector, std::int64_t row);

// The rows an expression is evaluated over: columns by the positions the binder was given.
struct Batch {
  std::int64_t rows = 0;
  std::span<const Vector> columns = {};
};

// Total order of doubles: -0.0 equals 0.0, all NaNs are one value, greatest (compute.md 2.8).
int CompareDoubles(double a, double b);
// -0.0 becomes 0.0, every NaN the one quiet NaN: equal doubles get equal bits.
double CanonicalDouble(double v);

}  // namespace nightmill::expr
