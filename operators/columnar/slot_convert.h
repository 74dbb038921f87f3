// From the physical values of libparquet to slots (types.h). Included by .cc files of
// operators/columnar only. Pure.
#pragma once

#include <parquet/statistics.h>
#include <parquet/types.h>

#include <cstdint>
#include <cstring>
#include <limits>
#include <string_view>
#include <type_traits>

#include "operators/columnar/parquet_file.h"

namespace nightmill {

// Everything a conversion depends on, fixed per column.
struct ConvertPlan {
  Convert convert = Convert::kPlain;
  ColumnType to;
  Int128 factor = 1;                  // kDecimal: 10^(scale asked for - scale stored)
  int type_length = 0;                // FIXED_LEN_BYTE_ARRAY
  std::int64_t* truncated = nullptr;  // counts ns timestamps that lost digits; may be null
};
ConvertPlan PlanConversion(const ParquetLeaf& leaf, const ColumnType& to);

// True if slots have the bytes of the physical value, so that decoders may write slots directly.
template <class DType>
bool IsIdentity(const ConvertPlan& plan) {
  if (plan.convert != Convert::kPlain) return false;
  const TypeKind kind = plan.to.kind;
  switch (DType::type_num) {
    case parquet::Type::BOOLEAN:
      return kind == TypeKind::kBool;
    case parquet::Type::INT32:
      return kind == TypeKind::kInt32 || kind == TypeKind::kDate;
    case parquet::Type::INT64:
      return kind == TypeKind::kInt64 || kind == TypeKind::kTimestamp;
    case parquet::Type::FLOAT:
      return kind == TypeKind::kFloat32;
    case parquet::Type::DOUBLE:
      return kind == TypeKind::kFloat64;
    default:
      return false;
  }
}

// Converts n physical values into slots of plan.to. Throws parquet::ParquetException for a value
// that does not fit. Byte arrays become views of the same bytes.
template <class DType>
void ConvertSlots(const ConvertPlan& plan, const typename DType::c_type* in, std::int64_t n,
                  void* out);

// Fills min and max of `stats` from the footer's claim; leaves them null where it is unusable.
void ConvertMinMax(const parquet::Statistics& claimed, const ParquetLeaf& leaf, ColumnStats& stats);

}  // namespace nightmill
