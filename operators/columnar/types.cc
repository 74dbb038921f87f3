#include "operators/columnar/types.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>

#include "core/base/json.h"
#include "core/base/time.h"

namespace nightmill {
namespace {

using nlohmann::json;

struct KindRow {
  TypeKind kind;
  std::string_view word;
  std::size_t slot_bytes;
};

constexpr std::array<KindRow, 11> kKinds{{
    {TypeKind::kBool, "bool", sizeof(std::uint8_t)},
    {TypeKind::kInt32, "int32", sizeof(std::int32_t)},
    {TypeKind::kInt64, "int64", sizeof(std::int64_t)},
    {TypeKind::kFloat32, "float32", sizeof(float)},
    {TypeKind::kFloat64, "float64", sizeof(double)},
    {TypeKind::kDecimal, "decimal", sizeof(Int128)},
    {TypeKind::kString, "string", sizeof(std::string_view)},
    {TypeKind::kBinary, "binary", sizeof(std::string_view)},
    {TypeKind::kDate, "date", sizeof(std::int32_t)},
    {TypeKind::kTimestamp, "timestamp", sizeof(std::int64_t)},
    {TypeKind::kUnsupported, "unsupported", 0},
}};

const KindRow& RowOf(TypeKind kind) {
  for (const KindRow& row : kKinds) {
    if (row.kind == kind) return row;
  }
  CheckFailed("every TypeKind has a row", __FILE__, __LINE__, {});
}

constexpr std::string_view kLocalTimestampWord = "timestamp(local)";

// "decimal(10,2)" after "decimal(" has been seen.
std::optional<ColumnType> ParseDecimalType(std::string_view rest) {
  if (rest.empty() || rest.back() != ')') return std::nullopt;
  rest.remove_suffix(1);
  const std::size_t comma = rest.find(',');
  if (comma == std::string_view::npos) return std::nullopt;
  std::string_view scale_text = rest.substr(comma + 1);
  while (!scale_text.empty() && scale_text.front() == ' ') scale_text.remove_prefix(1);
  const auto number = [](std::string_view text, int& out) {
    const char* end = text.data() + text.size();
    return !text.empty() && std::from_chars(text.data(), end, out).ptr == end;
  };
  ColumnType type;
  type.kind = TypeKind::kDecimal;
  if (!number(rest.substr(0, comma), type.precision) || !number(scale_text, type.scale)) {
    return std::nullopt;
  }
  if (type.precision < 1 || type.precision > 38) return std::nullopt;
  if (type.scale < 0 || type.scale > type.precision) return std::nullopt;
  return type;
}

std::string JsonText(const std::string& text) {
  return json(text).dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string HexText(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : bytes) {
    const auto b = static_cast<unsigned char>(c);
    out += kDigits[b >> 4];
    out += kDigits[b & 15];
  }
  return out + '"';
}

std::string DoubleText(double value) {
  if (std::isnan(value)) return "\"NaN\"";
  if (std::isinf(value)) return value > 0 ? "\"Infinity\"" : "\"-Infinity\"";
  return json(value).dump();
}

std::string TimestampText(std::int64_t us, bool utc) {
  constexpr std::int64_t kYear1 = -62'135'596'800'000'000;
  constexpr std::int64_t kYear10000 = 253'402'300'800'000'000;
  if (us < kYear1 || us >= kYear10000) return std::to_string(us);
  std::string text = FormatInstant(InstantFromMicros(us));
  if (!utc && text.ends_with('Z')) text.pop_back();
  return '"' + text + '"';
}

std::string DecimalText(Int128 value, int scale) {
  std::string digits = Int128ToString(value < 0 ? -value : value);
  const auto places = static_cast<std::size_t>(scale);
  if (digits.size() <= places) digits.insert(0, places + 1 - digits.size(), '0');
  if (places > 0) digits.insert(digits.size() - places, 1, '.');
  if (value < 0) digits.insert(0, 1, '-');
  return '"' + digits + '"';
}

std::optional<std::string> FromHex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    int byte = 0;
    const char* end = text.data() + i + 2;
    if (std::from_chars(text.data() + i, end, byte, 16).ptr != end) return std::nullopt;
    out += static_cast<char>(byte);
  }
  return out;
}

// "12.50" with the scale of the column.
std::optional<Int128> FromDecimalText(std::string text, int scale) {
  const std::size_t point = text.find('.');
  if (scale > 0) {
    if (point == std::string::npos || text.size() - point - 1 != static_cast<std::size_t>(scale)) {
      return std::nullopt;
    }
    text.erase(point, 1);
  }
  return ParseInt128(text);
}

Value FromJsonText(const std::string& text, const ColumnType& type) {
  switch (type.kind) {
    case TypeKind::kString:
      return text;
    case TypeKind::kBinary:
      if (auto bytes = FromHex(text)) return std::move(*bytes);
      return std::monostate{};
    case TypeKind::kDecimal:
      if (const auto decimal = FromDecimalText(text, type.scale)) return *decimal;
      return std::monostate{};
    case TypeKind::kDate:
      if (const auto days = ParseDate(text); days.ok()) return std::int64_t{*days};
      return std::monostate{};
    case TypeKind::kTimestamp:
      if (const auto t = ParseInstant(type.utc ? text : text + "Z"); t.ok()) return ToMicros(*t);
      return std::monostate{};
    default:
      return std::monostate{};
  }
}

// Orders values of one column type; NaN is greatest.
bool Less(const Value& a, const Value& b) {
  if (std::holds_alternative<double>(a) && std::holds_alternative<double>(b)) {
    const double x = std::get<double>(a);
    const double y = std::get<double>(b);
    return std::isnan(x) ? false : (std::isnan(y) || x < y);
  }
  if (std::holds_alternative<std::string>(a) && std::holds_alternative<std::string>(b)) {
    return std::get<std::string>(a).compare(std::get<std::string>(b)) < 0;
  }
  if (a.index() != b.index()) return false;
  return std::visit(
      [&b](const auto& x) {
        using T = std::decay_t<decltype(x)>;
        return x < std::get<T>(b);
      },
      a);
}

bool IsNull(const Value& value) { return std::holds_alternative<std::monostate>(value); }

}  // namespace

std::string ToString(const ColumnType& type) {
  if (type.kind == TypeKind::kDecimal) {
    return "decimal(" + std::to_string(type.precision) + "," + std::to_string(type.scale) + ")";
  }
  if (type.kind == TypeKind::kTimestamp && !type.utc) return std::string(kLocalTimestampWord);
  return std::string(RowOf(type.kind).word);
}

std::optional<ColumnType> ParseColumnType(std::string_view word) {
  constexpr std::string_view kDecimalPrefix = "decimal(";
  if (word.starts_with(kDecimalPrefix)) return ParseDecimalType(word.substr(kDecimalPrefix.size()));
  ColumnType type;
  if (word == kLocalTimestampWord) {
    type.kind = TypeKind::kTimestamp;
    type.utc = false;
    return type;
  }
  for (const KindRow& row : kKinds) {
    if (row.word != word) continue;
    if (row.kind == TypeKind::kDecimal || row.kind == TypeKind::kUnsupported) return std::nullopt;
    type.kind = row.kind;
    return type;
  }
  return std::nullopt;
}

std::size_t SlotBytes(TypeKind kind) { return RowOf(kind).slot_bytes; }

bool CanWiden(const ColumnType& from, const ColumnType& to) {
  if (from.kind == TypeKind::kUnsupported) return false;
  if (from == to) return true;
  if (from.kind == TypeKind::kInt32) return to.kind == TypeKind::kInt64;
  if (from.kind == TypeKind::kFloat32) return to.kind == TypeKind::kFloat64;
  if (from.kind == TypeKind::kDecimal && to.kind == TypeKind::kDecimal) {
    return to.scale >= from.scale && to.precision - to.scale >= from.precision - from.scale;
  }
  return false;
}

std::optional<ColumnType> CommonType(const ColumnType& a, const ColumnType& b) {
  if (CanWiden(a, b)) return b;
  if (CanWiden(b, a)) return a;
  if (a.kind == TypeKind::kDecimal && b.kind == TypeKind::kDecimal) {
    ColumnType wide = a;
    wide.scale = std::max(a.scale, b.scale);
    wide.precision = wide.scale + std::max(a.precision - a.scale, b.precision - b.scale);
    if (wide.precision <= 38) return wide;
  }
  return std::nullopt;
}

int Schema::Find(std::string_view name) const {
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (fields[i].name == name) return static_cast<int>(i);
  }
  return -1;
}

OpResult<Schema> UnionSchemas(const Schema& a, const Schema& b) {
  Schema out = a;
  for (const Field& field : b.fields) {
    const int at = out.Find(field.name);
    if (at < 0) {
      out.fields.push_back(field);
      continue;
    }
    Field& known = out.fields[static_cast<std::size_t>(at)];
    const auto common = CommonType(known.type, field.type);
    if (!common) {
      OperatorError error =
          BadInput("column \"" + field.name + "\" is " + ToString(known.type) +
                       " in one place and " + ToString(field.type) + " in another",
                   "type", "convert one of them first");
      error.column = field.name;
      return error;
    }
    known.type = *common;
  }
  return out;
}

std::string SchemaToJson(const Schema& schema) {
  json list = json::array();
  for (const Field& field : schema.fields) {
    list.push_back({{"name", field.name}, {"type", ToString(field.type)}});
  }
  return list.dump(-1, ' ', false, json::error_handler_t::replace);
}

OpResult<Schema> SchemaFromJson(std::string_view text) {
  const json list = json::parse(text, nullptr, false);
  if (!list.is_array()) return BadInput("a schema is not a JSON array", "manifest");
  Schema schema;
  for (const json& item : list) {
    if (!item.is_object() || !item.contains("name") || !item["name"].is_string() ||
        !item.contains("type") || !item["type"].is_string()) {
      return BadInput("a schema has an entry without name or type", "manifest");
    }
    const auto type = ParseColumnType(item["type"].get<std::string>());
    if (!type) {
      return BadInput("unknown column type \"" + item["type"].get<std::string>() + "\"",
                      "manifest");
    }
    schema.fields.push_back({item["name"].get<std::string>(), *type});
  }
  return schema;
}

std::string ValueToJson(const Value& value, const ColumnType& type) {
  if (IsNull(value)) return "null";
  if (const bool* b = std::get_if<bool>(&value)) return *b ? "true" : "false";
  if (const double* d = std::get_if<double>(&value)) return DoubleText(*d);
  if (const Int128* i = std::get_if<Int128>(&value)) return DecimalText(*i, type.scale);
  if (const std::string* s = std::get_if<std::string>(&value)) {
    return type.kind == TypeKind::kBinary ? HexText(*s) : JsonText(*s);
  }
  const std::int64_t i = std::get<std::int64_t>(value);
  if (type.kind == TypeKind::kDate) return '"' + FormatDays(static_cast<std::int32_t>(i)) + '"';
  if (type.kind == TypeKind::kTimestamp) return TimestampText(i, type.utc);
  return std::to_string(i);
}

Value ValueFromJson(std::string_view text, const ColumnType& type) {
  const json value = json::parse(text, nullptr, false);
  if (value.is_string()) return FromJsonText(value.get<std::string>(), type);
  if (value.is_boolean() && type.kind == TypeKind::kBool) return value.get<bool>();
  if (type.kind == TypeKind::kFloat32 || type.kind == TypeKind::kFloat64) {
    if (value.is_number()) return value.get<double>();
  } else if (value.is_number_integer()) {
    return value.get<std::int64_t>();
  }
  return std::monostate{};
}

Value SlotValue(const ColumnType& type, const void* slots, std::size_t index) {
  switch (type.kind) {
    case TypeKind::kBool:
      return static_cast<const std::uint8_t*>(slots)[index] != 0;
    case TypeKind::kInt32:
    case TypeKind::kDate:
      return std::int64_t{static_cast<const std::int32_t*>(slots)[index]};
    case TypeKind::kInt64:
    case TypeKind::kTimestamp:
      return static_cast<const std::int64_t*>(slots)[index];
    case TypeKind::kFloat32:
      return double{static_cast<const float*>(slots)[index]};
    case TypeKind::kFloat64:
      return static_cast<const double*>(slots)[index];
    case TypeKind::kDecimal: {
      Int128 value;
      std::memcpy(&value, static_cast<const char*>(slots) + index * sizeof(Int128), sizeof value);
      return value;
    }
    case TypeKind::kString:
    case TypeKind::kBinary:
      return std::string(static_cast<const std::string_view*>(slots)[index]);
    case TypeKind::kUnsupported:
      break;
  }
  return std::monostate{};
}

std::string Int128ToString(Int128 value) {
  if (value == 0) return "0";
  const bool negative = value < 0;
  UInt128 rest = negative ? UInt128{0} - static_cast<UInt128>(value) : static_cast<UInt128>(value);
  std::string out;
  while (rest != 0) {
    out += static_cast<char>('0' + static_cast<int>(rest % 10));
    rest /= 10;
  }
  if (negative) out += '-';
  std::reverse(out.begin(), out.end());
  return out;
}

std::optional<Int128> ParseInt128(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  if (text.empty() || text.size() > 39) return std::nullopt;
  UInt128 value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    const auto digit = static_cast<UInt128>(c - '0');
    if (value > (~UInt128{0} - digit) / 10) return std::nullopt;
    value = value * 10 + digit;
  }
  const UInt128 limit = UInt128{1} << 127;
  if (value > limit || (value == limit && !negative)) return std::nullopt;
  return static_cast<Int128>(negative ? UInt128{0} - value : value);
}

void MergeStats(ColumnStats& into, const ColumnStats& other) {
  // A part with values but without known bounds makes the bounds of the whole unknown.
  const bool into_has_values = into.rows > into.nulls;
  const bool other_has_values = other.rows > other.nulls;
  if (other_has_values) {
    if (!into_has_values) {
      into.min = other.min;
      into.max = other.max;
    } else if (IsNull(other.min) || IsNull(into.min)) {
      into.min = into.max = std::monostate{};
    } else {
      if (Less(other.min, into.min)) into.min = other.min;
      if (Less(into.max, other.max)) into.max = other.max;
    }
  }
  into.rows += other.rows;
  into.nulls += other.nulls;
}

}  // namespace nightmill
