// JSON Lines: one object a line. Strict: duplicate keys, depth over 64 and lines over 16 MiB are
// refused, text must be UTF-8. Nested values are passed over unless asked for. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "operators/columnar/text_source.h"
#include "operators/op_result.h"

namespace nightmill {

struct JsonMember {
  enum class Kind : std::uint8_t { kNull, kBool, kInteger, kNumber, kText, kNested };

  std::string name;
  Kind kind = Kind::kNull;
  bool boolean = false;
  std::int64_t integer = 0;
  double number = 0;
  std::string text;  // kText: the value; kInteger, kNumber: as it was written
};

class JsonLinesReader {
 public:
  explicit JsonLinesReader(std::unique_ptr<TextSource> source);

  // The members of the next object in the order of the line; `end` is set at the end of the file.
  // They die at the next call. Blank lines are passed over. Errors carry the line, not the file.
  OpResult<std::span<const JsonMember>> Next(bool& end);
  // Of the object that Next returned last, from 1.
  std::int64_t line() const { return line_; }

 private:
  OpResult<bool> NextLine(std::string_view& line);
  OpStatus Refill();
  OpStatus ParseLine(std::string_view line);

  std::unique_ptr<TextSource> source_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  bool eof_ = false;
  std::int64_t line_ = 0;
  std::vector<JsonMember> members_;
  std::size_t used_ = 0;  // of members_, whose texts are kept for reuse
};

}  // namespace nightmill
