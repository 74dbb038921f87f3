// Statistics of slots: rows, nulls, min and max of what a scan delivers, independent of footers.
#pragma once

#include <cstdint>

#include "operators/columnar/types.h"

namespace nightmill {

// Adds `rows` slots of a column of this type. Pure.
void AddSlotStats(const ColumnType& type, const void* slots, const std::uint64_t* valid,
                  std::int64_t rows, ColumnStats& stats);

}  // namespace nightmill
