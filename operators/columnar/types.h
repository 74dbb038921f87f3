// Column types, schemas and single values of the native operators: the flat types of
// compute.md 6.8. Free of Arrow. A *slot* is the in-memory form of one value, the same wherever
// columns are handed over (Block, ColumnData, dictionaries):
//   bool uint8_t (0, 1) | int32, date (days since 1970) int32_t | int64, timestamp (us since 1970)
//   int64_t | float32 float | float64 double | decimal Int128 (unscaled) | string, binary
//   std::string_view
// Validity is a bitmap of 64-bit words, lowest bit first, set = not null; a null pointer means that
// there is no null. Slots of nulls are readable but have no meaning.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "operators/op_result.h"

namespace nightmill {

__extension__ typedef __int128 Int128;
__extension__ typedef unsigned __int128 UInt128;

enum class TypeKind : std::uint8_t {
  kBool,
  kInt32,
  kInt64,
  kFloat32,
  kFloat64,
  kDecimal,
  kString,
  kBinary,
  kDate,
  kTimestamp,
  kUnsupported,  // a list, map, time, ...: may be present in a file, cannot be read
};

struct ColumnType {
  TypeKind kind = TypeKind::kUnsupported;
  int precision = 0;  // decimal only: 1..38
  int scale = 0;      // decimal only: 0..precision
  bool utc = true;    // timestamp only: false = zone-less wall time

  bool operator==(const ColumnType&) const = default;
};

// "int64", "decimal(10,2)", "timestamp", "timestamp(local)": the words of specs and manifests.
std::string ToString(const ColumnType& type);
// The words, for hints.
inline constexpr std::string_view kColumnTypes =
    "types: bool, int32, int64, float32, float64, decimal(p,s), string, binary, date, timestamp, "
    "timestamp(local)";
// nullopt for an unknown word.
std::optional<ColumnType> ParseColumnType(std::string_view word);
// Bytes of a slot; 0 for kUnsupported.
std::size_t SlotBytes(TypeKind kind);
// True if a column stored as `from` can be read as `to` without loss: equal, int32 -> int64,
// float32 -> float64, a decimal with at least as many digits on both sides of the point.
bool CanWiden(const ColumnType& from, const ColumnType& to);
// The smallest type both can be read as; nullopt if there is none.
std::optional<ColumnType> CommonType(const ColumnType& a, const ColumnType& b);

struct Field {
  std::string name;  // dotted path for a leaf inside a struct
  ColumnType type;

  bool operator==(const Field&) const = default;
};

struct Schema {
  std::vector<Field> fields;

  bool operator==(const Schema&) const = default;
  // -1 if there is none.
  int Find(std::string_view name) const;
};

// All columns of `a`, then those only `b` has, each with the type that both can be read as;
// kBadInput with reason "type" and the column if there is none.
OpResult<Schema> UnionSchemas(const Schema& a, const Schema& b);

// [{"name","type"}, ..] as JSON text, and back.
std::string SchemaToJson(const Schema& schema);
OpResult<Schema> SchemaFromJson(std::string_view json);

// One value outside of columns: statistics, checks, reports. monostate is null; date and timestamp
// are int64_t in the unit of their slot; strings and binary own their bytes.
using Value = std::variant<std::monostate, bool, std::int64_t, double, Int128, std::string>;

// JSON text of the value: dates "2011-05-01", timestamps RFC 3339, decimals as JSON text "12.50",
// NaN and infinities as text, binary as hex.
std::string ValueToJson(const Value& value, const ColumnType& type);
// Back from that text; null for what does not fit the type.
Value ValueFromJson(std::string_view json, const ColumnType& type);
// The value in slot `index` of an array of slots of this type.
Value SlotValue(const ColumnType& type, const void* slots, std::size_t index);
// Decimal text of an Int128.
std::string Int128ToString(Int128 value);
std::optional<Int128> ParseInt128(std::string_view text);

inline bool BitIsSet(const std::uint64_t* bits, std::size_t i) {
  return bits == nullptr || ((bits[i >> 6] >> (i & 63)) & 1) != 0;
}

// What is known of a column, or of a part of it. min and max order text as bytes, leave NaN out (as
// Parquet does) and are null if there is no value or they are not known. `nulls` is -1 where a
// footer does not tell.
struct ColumnStats {
  std::int64_t rows = 0;
  std::int64_t nulls = 0;
  Value min;
  Value max;
};
// Widens `into` by `other`; both of one type.
void MergeStats(ColumnStats& into, const ColumnStats& other);

}  // namespace nightmill
