#include "operators/slot_vector.h"

#include <type_traits>

namespace nightmill {
namespace {

// 10^scale, exact up to 10^22.
double PowerOfTen(int scale) {
  double power = 1;
  for (int i = 0; i < scale; ++i) power *= 10;
  return power;
}

}  // namespace

expr::DataType ExpressionType(const ColumnType& type) {
  switch (type.kind) {
    case TypeKind::kBool:
      return expr::DataType::kBool;
    case TypeKind::kInt32:
    case TypeKind::kInt64:
      return expr::DataType::kInt64;
    case TypeKind::kFloat32:
    case TypeKind::kFloat64:
    case TypeKind::kDecimal:
      return expr::DataType::kDouble;
    case TypeKind::kString:
    case TypeKind::kBinary:
      return expr::DataType::kString;
    case TypeKind::kDate:
      return expr::DataType::kDate;
    case TypeKind::kTimestamp:
      return type.utc ? expr::DataType::kTimestamp : expr::DataType::kLocalTimestamp;
    case TypeKind::kUnsupported:
      break;
  }
  return expr::DataType::kNull;
}

ColumnType ColumnTypeOf(expr::DataType type) {
  switch (type) {
    case expr::DataType::kBool:
      return {.kind = TypeKind::kBool};
    case expr::DataType::kInt64:
      return {.kind = TypeKind::kInt64};
    case expr::DataType::kDouble:
      return {.kind = TypeKind::kFloat64};
    case expr::DataType::kString:
      return {.kind = TypeKind::kString};
    case expr::DataType::kDate:
      return {.kind = TypeKind::kDate};
    case expr::DataType::kTimestamp:
      return {.kind = TypeKind::kTimestamp};
    case expr::DataType::kLocalTimestamp:
      return {.kind = TypeKind::kTimestamp, .utc = false};
    case expr::DataType::kNull:
      break;
  }
  return {};
}

// Fills ints_, doubles_ or strings_ from slots of another width, or through codes.
template <class T>
void SlotVector::Widen(const SlotColumn& column, const T* slots) {
  const auto n = static_cast<std::size_t>(column.rows);
  const auto each = [&](auto& out) {
    using Out = typename std::remove_reference_t<decltype(out)>::value_type;
    out.resize(n);
    if (column.codes == nullptr) {
      for (std::size_t i = 0; i < n; ++i) out[i] = static_cast<Out>(slots[i]);
      return;
    }
    for (std::size_t i = 0; i < n; ++i) {
      const std::int32_t code = column.codes[i];
      out[i] = code < column.dictionary_size ? static_cast<Out>(slots[code]) : Out{};
    }
  };
  if constexpr (std::is_same_v<T, std::string_view>) {
    each(strings_);
  } else if constexpr (std::is_floating_point_v<T>) {
    each(doubles_);
  } else {
    each(ints_);
  }
}

void SlotVector::Decimals(const SlotColumn& column) {
  const auto* slots = static_cast<const Int128*>(column.values);
  const double power = PowerOfTen(column.type.scale);
  doubles_.resize(static_cast<std::size_t>(column.rows));
  for (std::size_t i = 0; i < doubles_.size(); ++i) {
    const std::int32_t code =
        column.codes == nullptr ? static_cast<std::int32_t>(i) : column.codes[i];
    const bool null = column.codes != nullptr && code >= column.dictionary_size;
    doubles_[i] = null ? 0 : static_cast<double>(slots[code]) / power;
  }
}

expr::Vector SlotVector::Load(const SlotColumn& column) {
  expr::Vector v;
  v.type = ExpressionType(column.type);
  v.size = column.rows;
  const auto n = static_cast<std::size_t>(column.rows);
  if (column.codes != nullptr || column.valid != nullptr) {
    valid_.resize(n);
    for (std::size_t i = 0; i < n; ++i) {
      valid_[i] = column.codes != nullptr ? column.codes[i] < column.dictionary_size
                                          : BitIsSet(column.valid, i);
    }
    v.valid = valid_.data();
  }
  const bool direct = column.codes == nullptr;
  switch (column.type.kind) {
    case TypeKind::kBool:
      Widen(column, static_cast<const std::uint8_t*>(column.values));
      break;
    case TypeKind::kInt32:
    case TypeKind::kDate:
      Widen(column, static_cast<const std::int32_t*>(column.values));
      break;
    case TypeKind::kInt64:
    case TypeKind::kTimestamp:
      v.ints = static_cast<const std::int64_t*>(column.values);
      if (direct) return v;
      Widen(column, v.ints);
      break;
    case TypeKind::kFloat32:
      Widen(column, static_cast<const float*>(column.values));
      break;
    case TypeKind::kFloat64:
      v.doubles = static_cast<const double*>(column.values);
      if (direct) return v;
      Widen(column, v.doubles);
      break;
    case TypeKind::kDecimal:
      Decimals(column);
      break;
    case TypeKind::kString:
    case TypeKind::kBinary:
      v.strings = static_cast<const std::string_view*>(column.values);
      if (direct) return v;
      Widen(column, v.strings);
      break;
    case TypeKind::kUnsupported:
      break;
  }
  v.ints = ints_.data();
  v.doubles = doubles_.data();
  v.strings = strings_.data();
  return v;
}

expr::Vector SlotVector::LoadDictionary(const SlotColumn& column) {
  std::vector<std::int32_t> codes(static_cast<std::size_t>(column.dictionary_size) + 1);
  for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<std::int32_t>(i);
  SlotColumn entries = column;
  entries.rows = static_cast<std::int64_t>(codes.size());
  entries.valid = nullptr;
  entries.codes = codes.data();
  return Load(entries);
}

}  // namespace nightmill
