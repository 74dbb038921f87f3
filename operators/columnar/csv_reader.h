// Records of CSV text as RFC 4180 has it: quoted cells may hold delimiters, doubled quotes and line
// ends; lines end in LF or CRLF; empty lines are passed over. Every record knows the line it began
// on, which is what an error names. One thread.
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

// A record longer than this is refused: more likely a quote that is never closed.
inline constexpr std::size_t kMaxRecordBytes = 16 << 20;

struct CsvCell {
  std::string_view text;  // unquoted, doubled quotes undone
  bool quoted = false;
};

class CsvReader {
 public:
  CsvReader(std::unique_ptr<TextSource> source, char delimiter);

  // The next record; empty at the end of the file. Cells die at the next call. Errors carry the
  // line, not the file.
  OpResult<std::span<const CsvCell>> Next();
  // Of the record that Next returned last, from 1.
  std::int64_t line() const { return record_line_; }

 private:
  struct RawCell {
    std::size_t begin;
    std::size_t end;
    bool quoted;
    bool doubled;  // has doubled quotes
  };
  enum class Scan : std::uint8_t { kRecord, kNeedMore };

  OpResult<Scan> ScanRecord();
  OpResult<Scan> ScanQuoted(std::size_t& at, RawCell& cell);
  OpStatus Refill();
  void Unescape();
  OperatorError LineError(std::string message, std::string reason) const;

  std::unique_ptr<TextSource> source_;
  const char delimiter_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0;  // of the record being read
  std::size_t end_ = 0;    // of the bytes in buffer_
  std::size_t next_ = 0;   // after the record that was scanned
  bool eof_ = false;
  std::int64_t line_ = 1;  // at begin_
  std::int64_t record_line_ = 0;
  std::int64_t lines_in_record_ = 0;
  std::vector<RawCell> raw_;
  std::vector<CsvCell> cells_;
};

}  // namespace nightmill
