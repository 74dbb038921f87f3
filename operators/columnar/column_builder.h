// Typed columns made value by value, from text (CSV cells, JSON strings) or from JSON numbers: the
// converters of compute.md 6.8. Nothing is narrowed silently: what does not fit its type exactly is
// refused with the reason. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/schedule/time_zone.h"
#include "operators/columnar/table_writer.h"
#include "operators/columnar/types.h"

namespace nightmill {

class ColumnBuilder {
 public:
  // `zone` gives texts without offset their instant; it outlives the builder.
  ColumnBuilder(const ColumnType& type, const TimeZone& zone) : type_(type), zone_(&zone) {}

  const ColumnType& type() const { return type_; }
  std::int64_t rows() const { return rows_; }
  std::size_t text_bytes() const { return text_.size(); }

  void AppendNull();
  // nullptr, or what is wrong with the text ("is not a whole number"); then nothing was appended.
  const char* AppendText(std::string_view text);
  // JSON values. `text` is the number as it was written.
  const char* AppendBool(bool value);
  const char* AppendInteger(std::int64_t value);
  const char* AppendNumber(double value, std::string_view text);

  // The rows so far; dies at the next Append or Clear.
  ColumnData Data();
  void Clear();

 private:
  template <class T>
  void Push(T value);
  const char* PushDecimal(std::string_view text);
  const char* PushText(std::string_view text);

  ColumnType type_;
  const TimeZone* zone_;
  std::int64_t rows_ = 0;
  bool nulls_ = false;
  std::vector<std::uint64_t> valid_;
  std::vector<char> slots_;  // of all types but text
  std::string text_;         // bytes of text values, one after the other
  std::vector<std::size_t> text_ends_;
  std::vector<std::string_view> views_;
};

// Strict parsers, also used to infer types. nullptr on success, else what is wrong.
const char* ParseBoolText(std::string_view text, bool& out);
const char* ParseInt64Text(std::string_view text, std::int64_t& out);
const char* ParseDoubleText(std::string_view text, double& out);
const char* ParseDateText(std::string_view text, std::int32_t& days);
// "2011-05-01T23:00:04.046276Z"; T or a space; seconds and a fraction of up to 6 digits (more if
// they are 0) may be missing; Z, +hh:mm, +hhmm or +hh, or no zone. `has_offset` tells which.
const char* ParseTimestampText(std::string_view text, std::int64_t& us, bool& has_offset);

bool IsUtf8(std::string_view text);

}  // namespace nightmill
