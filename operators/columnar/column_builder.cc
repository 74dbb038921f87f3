#include "operators/columnar/column_builder.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>

namespace nightmill {
namespace {

constexpr std::int64_t kMicrosPerSecond = 1'000'000;
constexpr std::int64_t kMicrosPerDay = 86'400 * kMicrosPerSecond;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// The number of the n digits at p, or -1.
int Digits(const char* p, int n) {
  int value = 0;
  for (int i = 0; i < n; ++i) {
    if (!IsDigit(p[i])) return -1;
    value = value * 10 + (p[i] - '0');
  }
  return value;
}

bool EqualsLower(std::string_view text, std::string_view lower) {
  return text.size() == lower.size() &&
         std::equal(text.begin(), text.end(), lower.begin(), [](char a, char b) {
           return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
         });
}

// Days since 1970 of a proleptic Gregorian date, or false if there is no such day.
bool DaysOf(int year, int month, int day, std::int32_t& out) {
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (year < 1 || month < 1 || day < 1 || !date.ok()) return false;
  out = static_cast<std::int32_t>(std::chrono::sys_days(date).time_since_epoch().count());
  return true;
}

// "Z", "+hh", "+hhmm", "+hh:mm" or nothing.
bool ParseOffset(std::string_view text, std::int64_t& seconds, bool& has_offset) {
  has_offset = !text.empty();
  seconds = 0;
  if (text.empty() || text == "Z" || text == "z") return true;
  if (text[0] != '+' && text[0] != '-') return false;
  int hours = -1;
  int minutes = 0;
  if (text.size() >= 3) hours = Digits(text.data() + 1, 2);
  if (text.size() == 5) minutes = Digits(text.data() + 3, 2);
  if (text.size() == 6) minutes = text[3] == ':' ? Digits(text.data() + 4, 2) : -1;
  if (text.size() != 3 && text.size() != 5 && text.size() != 6) return false;
  if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return false;
  seconds = (text[0] == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
  return true;
}

// The fraction after the point as microseconds; takes its digits off `rest`.
const char* ParseFraction(std::string_view& rest, std::int64_t& us) {
  std::size_t n = 0;
  us = 0;
  while (n < rest.size() && IsDigit(rest[n])) {
    if (n < 6) us = us * 10 + (rest[n] - '0');
    if (n >= 6 && rest[n] != '0') return "has more than microseconds";
    ++n;
  }
  if (n == 0) return "is not a timestamp";
  for (std::size_t i = n; i < 6; ++i) us *= 10;
  rest.remove_prefix(n);
  return nullptr;
}

}  // namespace

const char* ParseBoolText(std::string_view text, bool& out) {
  if (text == "1" || EqualsLower(text, "true")) {
    out = true;
    return nullptr;
  }
  if (text == "0" || EqualsLower(text, "false")) {
    out = false;
    return nullptr;
  }
  return "is neither true nor false";
}

const char* ParseInt64Text(std::string_view text, std::int64_t& out) {
  if (text.starts_with('+')) {
    text.remove_prefix(1);
    if (text.starts_with('-')) return "is not a whole number";
  }
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, out);
  if (error == std::errc::result_out_of_range) return "is out of range";
  if (error != std::errc() || at != end) return "is not a whole number";
  return nullptr;
}

const char* ParseDoubleText(std::string_view text, double& out) {
  if (text.starts_with('+')) {
    text.remove_prefix(1);
    if (text.starts_with('-')) return "is not a number";
  }
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, out);
  if (error == std::errc::result_out_of_range) return "is out of range";
  if (error != std::errc() || at != end) return "is not a number";
  return nullptr;
}

const char* ParseDateText(std::string_view text, std::int32_t& days) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-' ||
      !DaysOf(Digits(text.data(), 4), Digits(text.data() + 5, 2), Digits(text.data() + 8, 2),
              days)) {
    return "is not a date like 2026-01-31";
  }
  return nullptr;
}

const char* ParseTimestampText(std::string_view text, std::int64_t& us, bool& has_offset) {
  constexpr const char* kWrong = "is not a timestamp like 2026-01-31T06:00:00Z";
  std::int32_t days = 0;
  if (text.size() < 16 || ParseDateText(text.substr(0, 10), days) != nullptr) return kWrong;
  if ((text[10] != 'T' && text[10] != ' ' && text[10] != 't') || text[13] != ':') return kWrong;
  const int hour = Digits(text.data() + 11, 2);
  const int minute = Digits(text.data() + 14, 2);
  int second = 0;
  std::string_view rest = text.substr(16);
  std::int64_t fraction = 0;
  if (rest.starts_with(':')) {
    if (rest.size() < 3) return kWrong;
    second = Digits(rest.data() + 1, 2);
    rest.remove_prefix(3);
    if (rest.starts_with('.') || rest.starts_with(',')) {
      rest.remove_prefix(1);
      if (const char* wrong = ParseFraction(rest, fraction)) return wrong;
    }
  }
  std::int64_t offset = 0;
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59 ||
      !ParseOffset(rest, offset, has_offset)) {
    return kWrong;
  }
  us = std::int64_t{days} * kMicrosPerDay +
       (hour * 3600 + minute * 60 + second - offset) * kMicrosPerSecond + fraction;
  return nullptr;
}

bool IsUtf8(std::string_view text) {
  const auto* p = reinterpret_cast<const unsigned char*>(text.data());
  const auto* end = p + text.size();
  while (p < end) {
    while (end - p >= 8) {  // plain ASCII, eight at a time
      std::uint64_t word;
      std::memcpy(&word, p, sizeof word);
      if ((word & 0x8080808080808080ULL) != 0) break;
      p += 8;
    }
    if (p == end) return true;
    const unsigned char c = *p++;
    if (c < 0x80) continue;
    // Table 3-7 of the Unicode standard: the second byte has its own range after some first bytes.
    unsigned char low = 0x80;
    unsigned char high = 0xBF;
    int more = 0;
    if (c >= 0xC2 && c <= 0xDF) {
      more = 1;
    } else if (c >= 0xE0 && c <= 0xEF) {
      more = 2;
      if (c == 0xE0) low = 0xA0;
      if (c == 0xED) high = 0x9F;
    } else if (c >= 0xF0 && c <= 0xF4) {
      more = 3;
      if (c == 0xF0) low = 0x90;
      if (c == 0xF4) high = 0x8F;
    } else {
      return false;
    }
    for (; more > 0; --more, ++p) {
      if (p == end || *p < low || *p > high) return false;
      low = 0x80;
      high = 0xBF;
    }
  }
  return true;
}

template <class T>
void ColumnBuilder::Push(T value) {
  const auto at = static_cast<std::size_t>(rows_);
  slots_.resize((at + 1) * sizeof(T));
  std::memcpy(slots_.data() + at * sizeof(T), &value, sizeof(T));
  if ((at & 63) == 0) valid_.push_back(0);
  valid_[at >> 6] |= std::uint64_t{1} << (at & 63);
  ++rows_;
}

const char* ColumnBuilder::PushText(std::string_view text) {
  const auto at = static_cast<std::size_t>(rows_);
  text_ += text;
  text_ends_.push_back(text_.size());
  if ((at & 63) == 0) valid_.push_back(0);
  valid_[at >> 6] |= std::uint64_t{1} << (at & 63);
  ++rows_;
  return nullptr;
}

void ColumnBuilder::AppendNull() {
  const auto at = static_cast<std::size_t>(rows_);
  nulls_ = true;
  if ((at & 63) == 0) valid_.push_back(0);
  if (type_.kind == TypeKind::kString || type_.kind == TypeKind::kBinary) {
    text_ends_.push_back(text_.size());
  } else {
    slots_.resize((at + 1) * SlotBytes(type_.kind));
  }
  ++rows_;
}

const char* ColumnBuilder::PushDecimal(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  UInt128 value = 0;
  int digits = 0;  // significant ones
  int places = -1;
  bool any = false;
  for (const char c : text) {
    if (c == '.' && places < 0) {
      places = 0;
      continue;
    }
    if (!IsDigit(c)) return "is not a decimal number";
    any = true;
    if (places >= type_.scale) {
      if (c != '0') return "has more decimal places than its type";
      continue;
    }
    if (places >= 0) ++places;
    value = value * 10 + static_cast<UInt128>(c - '0');
    if (value != 0 && ++digits > type_.precision) return "is out of range";
  }
  if (!any) return "is not a decimal number";
  for (int i = std::max(places, 0); i < type_.scale; ++i) {
    value *= 10;
    if (value != 0 && ++digits > type_.precision) return "is out of range";
  }
  const auto magnitude = static_cast<Int128>(value);
  Push<Int128>(negative ? -magnitude : magnitude);
  return nullptr;
}

const char* ColumnBuilder::AppendText(std::string_view text) {
  switch (type_.kind) {
    case TypeKind::kBool: {
      bool value = false;
      if (const char* wrong = ParseBoolText(text, value)) return wrong;
      Push<std::uint8_t>(value ? 1 : 0);
      return nullptr;
    }
    case TypeKind::kInt32:
    case TypeKind::kInt64: {
      std::int64_t value = 0;
      if (const char* wrong = ParseInt64Text(text, value)) return wrong;
      return AppendInteger(value);
    }
    case TypeKind::kFloat32:
    case TypeKind::kFloat64: {
      double value = 0;
      if (const char* wrong = ParseDoubleText(text, value)) return wrong;
      return AppendNumber(value, text);
    }
    case TypeKind::kDecimal:
      return PushDecimal(text);
    case TypeKind::kString:
      if (!IsUtf8(text)) return "is not UTF-8 text";
      return PushText(text);
    case TypeKind::kBinary:
      return PushText(text);
    case TypeKind::kDate: {
      std::int32_t days = 0;
      if (const char* wrong = ParseDateText(text, days)) return wrong;
      Push<std::int32_t>(days);
      return nullptr;
    }
    case TypeKind::kTimestamp: {
      std::int64_t us = 0;
      bool has_offset = false;
      if (const char* wrong = ParseTimestampText(text, us, has_offset)) return wrong;
      if (!type_.utc && has_offset) return "has a time zone, its column has none";
      if (type_.utc && !has_offset && zone_ != &TimeZone::Utc()) {
        us = ToMicros(zone_->Map(LocalTime{std::chrono::microseconds{us}}).first);
      }
      Push<std::int64_t>(us);
      return nullptr;
    }
    case TypeKind::kUnsupported:
      break;
  }
  return "has a type that cannot be written";
}

const char* ColumnBuilder::AppendBool(bool value) {
  if (type_.kind != TypeKind::kBool) return "is true or false where its column has another type";
  Push<std::uint8_t>(value ? 1 : 0);
  return nullptr;
}

const char* ColumnBuilder::AppendInteger(std::int64_t value) {
  switch (type_.kind) {
    case TypeKind::kInt32:
      if (value < std::numeric_limits<std::int32_t>::min() ||
          value > std::numeric_limits<std::int32_t>::max()) {
        return "is out of range";
      }
      Push<std::int32_t>(static_cast<std::int32_t>(value));
      return nullptr;
    case TypeKind::kInt64:
      Push<std::int64_t>(value);
      return nullptr;
    case TypeKind::kFloat32:
    case TypeKind::kFloat64:
      return AppendNumber(static_cast<double>(value), {});
    case TypeKind::kDecimal:
      return PushDecimal(std::to_string(value));
    default:
      return "is a number where its column has another type";
  }
}

const char* ColumnBuilder::AppendNumber(double value, std::string_view text) {
  switch (type_.kind) {
    case TypeKind::kFloat32: {
      const auto narrow = static_cast<float>(value);
      if (std::isfinite(value) && !std::isfinite(narrow)) return "is out of range";
      Push<float>(narrow);
      return nullptr;
    }
    case TypeKind::kFloat64:
      Push<double>(value);
      return nullptr;
    case TypeKind::kDecimal:
      return PushDecimal(text);
    case TypeKind::kInt32:
    case TypeKind::kInt64:
      return "is not a whole number";
    default:
      return "is a number where its column has another type";
  }
}

ColumnData ColumnBuilder::Data() {
  ColumnData data;
  data.valid = nulls_ ? valid_.data() : nullptr;
  data.values = slots_.data();
  if (type_.kind == TypeKind::kString || type_.kind == TypeKind::kBinary) {
    views_.clear();
    std::size_t begin = 0;
    for (const std::size_t end : text_ends_) {
      views_.emplace_back(text_.data() + begin, end - begin);
      begin = end;
    }
    data.values = views_.data();
  }
  return data;
}

void ColumnBuilder::Clear() {
  rows_ = 0;
  nulls_ = false;
  valid_.clear();
  slots_.clear();
  text_.clear();
  text_ends_.clear();
}

}  // namespace nightmill
