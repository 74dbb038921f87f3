#include "operators/expr/value.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <limits>

#include "core/base/time.h"

namespace nightmill::expr {
namespace {

struct TypeName {
  std::string_view word;
  DataType type;
};
// The first word of a type is its canonical one.
constexpr std::array<TypeName, 15> kTypeNames{{
    {"null", DataType::kNull},
    {"bool", DataType::kBool},
    {"int64", DataType::kInt64},
    {"double", DataType::kDouble},
    {"string", DataType::kString},
    {"date", DataType::kDate},
    {"timestamp", DataType::kTimestamp},
    {"local_timestamp", DataType::kLocalTimestamp},
    {"bigint", DataType::kInt64},
    {"int", DataType::kInt64},
    {"int32", DataType::kInt64},
    {"float", DataType::kDouble},
    {"float32", DataType::kDouble},
    {"float64", DataType::kDouble},
    {"text", DataType::kString},
}};

struct OneValue {
  std::uint8_t valid;
  std::int64_t i;
  double d;
  std::string text;
  std::string_view view;
};

}  // namespace

std::string_view ToString(DataType type) {
  for (const TypeName& name : kTypeNames) {
    if (name.type == type) return name.word;
  }
  return "?";
}

std::optional<DataType> ParseDataType(std::string_view word) {
  for (const TypeName& name : kTypeNames) {
    if (name.word == word && name.type != DataType::kNull) return name.type;
  }
  return std::nullopt;
}

std::string ToText(const Value& value) {
  switch (value.type) {
    case DataType::kNull:
      return "null";
    case DataType::kBool:
      return value.i != 0 ? "true" : "false";
    case DataType::kInt64:
      return fmt::format("{}", value.i);
    case DataType::kDouble:
      return fmt::format("{}", value.d);
    case DataType::kString:
      return fmt::format("'{}'", value.s);
    case DataType::kDate:
      return FormatDays(static_cast<std::int32_t>(value.i));
    case DataType::kTimestamp:
      return FormatInstant(InstantFromMicros(value.i));
    case DataType::kLocalTimestamp: {
      std::string text = FormatInstant(InstantFromMicros(value.i));
      if (!text.empty() && text.back() == 'Z') text.pop_back();
      return text;
    }
  }
  return {};
}

Vector ConstantVector(const Value& value, std::int64_t rows) {
  auto stored = std::make_shared<OneValue>();
  stored->valid = value.type == DataType::kNull ? 0 : 1;
  stored->i = value.i;
  stored->d = value.d;
  stored->text = value.s;
  stored->view = stored->text;
  Vector v;
  v.type = value.type;
  v.size = rows;
  v.constant = true;
  v.valid = &stored->valid;
  v.ints = &stored->i;
  v.doubles = &stored->d;
  v.strings = &stored->view;
  v.owner = std::move(stored);
  return v;
}

Value ValueAt(const Vector& vector, std::int64_t row) {
  if (!vector.IsValid(row)) return {};
  const std::size_t at = vector.At(row);
  Value value;
  value.type = vector.type;
  if (vector.type == DataType::kDouble) {
    value.d = vector.doubles[at];
  } else if (vector.type == DataType::kString) {
    value.s = std::string(vector.strings[at]);
  } else {
    value.i = vector.ints[at];
  }
  return value;
}

int CompareDoubles(double a, double b) {
  if (a < b) return -1;
  if (a > b) return 1;
  if (a == b) return 0;
  return static_cast<int>(std::isnan(a)) - static_cast<int>(std::isnan(b));
}

double CanonicalDouble(double v) {
  if (v == 0) return 0.0;
  return std::isnan(v) ? std::numeric_limits<double>::quiet_NaN() : v;
}

}  // namespace nightmill::expr
