#include "operators/columnar/slot_convert.h"

#include <array>
#include <cmath>

namespace nightmill {
namespace {

[[noreturn]] void OutOfRange(const char* what) { throw parquet::ParquetException(what); }

std::int64_t FloorDiv1000(std::int64_t v, const ConvertPlan& plan) {
  std::int64_t q = v / 1000;
  const std::int64_t r = v % 1000;
  if (r != 0) {
    if (r < 0) --q;
    if (plan.truncated != nullptr) ++*plan.truncated;
  }
  return q;
}

std::int64_t FromInt64(std::int64_t v, const ConvertPlan& plan) {
  switch (plan.convert) {
    case Convert::kMillis: {
      std::int64_t us = 0;
      if (__builtin_mul_overflow(v, std::int64_t{1000}, &us)) {
        OutOfRange("a timestamp in milliseconds is out of range");
      }
      return us;
    }
    case Convert::kNanos:
      return FloorDiv1000(v, plan);
    default:
      return v;
  }
}

std::int64_t FromInt96(const parquet::Int96& v, const ConvertPlan& plan) {
  constexpr std::int64_t kUnixEpochJulianDay = 2'440'588;
  constexpr std::int64_t kMicrosPerDay = 86'400'000'000;
  std::int64_t nanos = 0;
  std::memcpy(&nanos, &v, sizeof nanos);  // the first 8 of its 12 bytes
  const std::int64_t day = std::int64_t{v.value[2]} - kUnixEpochJulianDay;
  std::int64_t us = 0;
  if (__builtin_mul_overflow(day, kMicrosPerDay, &us) ||
      __builtin_add_overflow(us, FloorDiv1000(nanos, plan), &us)) {
    OutOfRange("an INT96 timestamp is out of range");
  }
  return us;
}

Int128 Scale(Int128 v, const ConvertPlan& plan) {
  Int128 out = 0;
  if (__builtin_mul_overflow(v, plan.factor, &out)) OutOfRange("a decimal is out of range");
  return out;
}

// Big-endian two's complement of any length.
Int128 FromBigEndian(const std::uint8_t* p, std::int64_t n) {
  if (n == 0) return 0;
  const bool negative = (p[0] & 0x80) != 0;
  for (; n > 16; ++p, --n) {
    if (*p != (negative ? 0xFF : 0x00)) OutOfRange("a decimal has more than 128 bits");
  }
  UInt128 v = negative ? ~UInt128{0} : UInt128{0};
  for (std::int64_t i = 0; i < n; ++i) v = (v << 8) | p[i];
  return static_cast<Int128>(v);
}

template <class Slot, class T, class F>
void Loop(const T* in, std::int64_t n, void* out, const F& f) {
  Slot* slots = static_cast<Slot*>(out);
  for (std::int64_t i = 0; i < n; ++i) slots[i] = f(in[i]);
}

std::string_view View(const std::uint8_t* p, std::size_t n) {
  return {reinterpret_cast<const char*>(p), n};
}

template <class DType>
void SetMinMax(const parquet::Statistics& claimed, const ParquetLeaf& leaf, ColumnStats& stats) {
  const auto& typed = static_cast<const parquet::TypedStatistics<DType>&>(claimed);
  const ConvertPlan plan = PlanConversion(leaf, leaf.field.type);
  const typename DType::c_type raw[2] = {typed.min(), typed.max()};
  alignas(16) std::array<char, 32> slots;
  ConvertSlots<DType>(plan, raw, 2, slots.data());
  Value min = SlotValue(leaf.field.type, slots.data(), 0);
  Value max = SlotValue(leaf.field.type, slots.data(), 1);
  for (Value* value : {&min, &max}) {
    double* d = std::get_if<double>(value);
    if (d == nullptr) continue;
    if (std::isnan(*d)) return;
    *d += 0.0;  // Parquet widens zero bounds to -0.0 and +0.0, which are one value
  }
  stats.min = std::move(min);
  stats.max = std::move(max);
}

}  // namespace

ConvertPlan PlanConversion(const ParquetLeaf& leaf, const ColumnType& to) {
  ConvertPlan plan;
  plan.convert = leaf.convert;
  plan.to = to;
  plan.type_length = leaf.descriptor->type_length();
  if (to.kind == TypeKind::kDecimal) {
    for (int i = leaf.field.type.scale; i < to.scale; ++i) plan.factor *= 10;
  }
  return plan;
}

template <>
void ConvertSlots<parquet::BooleanType>(const ConvertPlan&, const bool* in, std::int64_t n,
                                        void* out) {
  Loop<std::uint8_t>(in, n, out, [](bool v) { return static_cast<std::uint8_t>(v); });
}

template <>
void ConvertSlots<parquet::Int32Type>(const ConvertPlan& plan, const std::int32_t* in,
                                      std::int64_t n, void* out) {
  if (plan.to.kind == TypeKind::kDecimal) {
    Loop<Int128>(in, n, out, [&](std::int32_t v) { return Scale(v, plan); });
  } else if (plan.convert == Convert::kUnsigned32) {
    Loop<std::int64_t>(in, n, out, [](std::int32_t v) {
      return static_cast<std::int64_t>(static_cast<std::uint32_t>(v));
    });
  } else if (plan.to.kind == TypeKind::kInt64) {
    Loop<std::int64_t>(in, n, out, [](std::int32_t v) { return std::int64_t{v}; });
  } else {
    Loop<std::int32_t>(in, n, out, [](std::int32_t v) { return v; });
  }
}

template <>
void ConvertSlots<parquet::Int64Type>(const ConvertPlan& plan, const std::int64_t* in,
                                      std::int64_t n, void* out) {
  if (plan.convert == Convert::kUnsigned64) {
    Loop<Int128>(in, n, out, [&](std::int64_t v) {
      return Scale(static_cast<Int128>(static_cast<std::uint64_t>(v)), plan);
    });
  } else if (plan.to.kind == TypeKind::kDecimal) {
    Loop<Int128>(in, n, out, [&](std::int64_t v) { return Scale(v, plan); });
  } else {
    Loop<std::int64_t>(in, n, out, [&](std::int64_t v) { return FromInt64(v, plan); });
  }
}

template <>
void ConvertSlots<parquet::Int96Type>(const ConvertPlan& plan, const parquet::Int96* in,
                                      std::int64_t n, void* out) {
  Loop<std::int64_t>(in, n, out, [&](const parquet::Int96& v) { return FromInt96(v, plan); });
}

template <>
void ConvertSlots<parquet::FloatType>(const ConvertPlan& plan, const float* in, std::int64_t n,
                                      void* out) {
  if (plan.to.kind == TypeKind::kFloat64) {
    Loop<double>(in, n, out, [](float v) { return double{v}; });
  } else {
    Loop<float>(in, n, out, [](float v) { return v; });
  }
}

template <>
void ConvertSlots<parquet::DoubleType>(const ConvertPlan&, const double* in, std::int64_t n,
                                       void* out) {
  Loop<double>(in, n, out, [](double v) { return v; });
}

template <>
void ConvertSlots<parquet::ByteArrayType>(const ConvertPlan& plan, const parquet::ByteArray* in,
                                          std::int64_t n, void* out) {
  if (plan.to.kind == TypeKind::kDecimal) {
    Loop<Int128>(in, n, out, [&](const parquet::ByteArray& v) {
      return Scale(FromBigEndian(v.ptr, v.len), plan);
    });
  } else {
    Loop<std::string_view>(in, n, out,
                           [](const parquet::ByteArray& v) { return View(v.ptr, v.len); });
  }
}

template <>
void ConvertSlots<parquet::FLBAType>(const ConvertPlan& plan, const parquet::FixedLenByteArray* in,
                                     std::int64_t n, void* out) {
  if (plan.to.kind == TypeKind::kDecimal) {
    Loop<Int128>(in, n, out, [&](const parquet::FixedLenByteArray& v) {
      return Scale(FromBigEndian(v.ptr, plan.type_length), plan);
    });
  } else {
    const auto length = static_cast<std::size_t>(plan.type_length);
    Loop<std::string_view>(
        in, n, out, [length](const parquet::FixedLenByteArray& v) { return View(v.ptr, length); });
  }
}

void ConvertMinMax(const parquet::Statistics& claimed, const ParquetLeaf& leaf,
                   ColumnStats& stats) {
  switch (leaf.descriptor->physical_type()) {
    case parquet::Type::BOOLEAN:
      return SetMinMax<parquet::BooleanType>(claimed, leaf, stats);
    case parquet::Type::INT32:
      return SetMinMax<parquet::Int32Type>(claimed, leaf, stats);
    case parquet::Type::INT64:
      return SetMinMax<parquet::Int64Type>(claimed, leaf, stats);
    case parquet::Type::FLOAT:
      return SetMinMax<parquet::FloatType>(claimed, leaf, stats);
    case parquet::Type::DOUBLE:
      return SetMinMax<parquet::DoubleType>(claimed, leaf, stats);
    case parquet::Type::BYTE_ARRAY:
      return SetMinMax<parquet::ByteArrayType>(claimed, leaf, stats);
    case parquet::Type::FIXED_LEN_BYTE_ARRAY:
      return SetMinMax<parquet::FLBAType>(claimed, leaf, stats);
    default:
      return;  // INT96 has no order
  }
}

}  // namespace nightmill
