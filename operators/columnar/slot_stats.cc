#include "operators/columnar/slot_stats.h"

#include <cmath>
#include <optional>
#include <string_view>

namespace nightmill {
namespace {

template <class T>
bool IsNan(const T& value) {
  if constexpr (std::is_floating_point_v<T>) return std::isnan(value);
  return false;
}

// Positions of the least and the greatest value; NaN is left out.
template <class T>
void FindBounds(const ColumnType& type, const void* slots, const std::uint64_t* valid,
                std::int64_t rows, ColumnStats& part) {
  const T* values = static_cast<const T*>(slots);
  std::optional<std::size_t> low;
  std::size_t high = 0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(rows); ++i) {
    if (!BitIsSet(valid, i)) {
      ++part.nulls;
      continue;
    }
    if (IsNan(values[i])) continue;
    if (!low) {
      low = high = i;
    } else if (values[i] < values[*low]) {
      low = i;
    } else if (values[high] < values[i]) {
      high = i;
    }
  }
  if (!low) return;
  part.min = SlotValue(type, slots, *low);
  part.max = SlotValue(type, slots, high);
}

}  // namespace

void AddSlotStats(const ColumnType& type, const void* slots, const std::uint64_t* valid,
                  std::int64_t rows, ColumnStats& stats) {
  ColumnStats part;
  part.rows = rows;
  switch (type.kind) {
    case TypeKind::kBool:
      FindBounds<std::uint8_t>(type, slots, valid, rows, part);
      break;
    case TypeKind::kInt32:
    case TypeKind::kDate:
      FindBounds<std::int32_t>(type, slots, valid, rows, part);
      break;
    case TypeKind::kInt64:
    case TypeKind::kTimestamp:
      FindBounds<std::int64_t>(type, slots, valid, rows, part);
      break;
    case TypeKind::kFloat32:
      FindBounds<float>(type, slots, valid, rows, part);
      break;
    case TypeKind::kFloat64:
      FindBounds<double>(type, slots, valid, rows, part);
      break;
    case TypeKind::kDecimal:
      FindBounds<Int128>(type, slots, valid, rows, part);
      break;
    case TypeKind::kString:
    case TypeKind::kBinary:
      FindBounds<std::string_view>(type, slots, valid, rows, part);
      break;
    case TypeKind::kUnsupported:
      break;
  }
  MergeStats(stats, part);
}

}  // namespace nightmill
