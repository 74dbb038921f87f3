#include "operators/columnar/csv_reader.h"

#include <algorithm>
#include <cstring>

namespace nightmill {
namespace {

constexpr std::size_t kFirstBuffer = 1 << 20;

}  // namespace

CsvReader::CsvReader(std::unique_ptr<TextSource> source, char delimiter)
    : source_(std::move(source)), delimiter_(delimiter), buffer_(kFirstBuffer) {}

OpResult<std::span<const CsvCell>> CsvReader::Next() {
  while (true) {
    begin_ = std::max(begin_, next_);
    line_ += lines_in_record_;
    lines_in_record_ = 0;
    if (begin_ == end_) {
      if (eof_) return std::span<const CsvCell>();
      NM_RETURN_IF_ERROR(Refill());
      continue;
    }
    NM_ASSIGN_OR_RETURN(const Scan scan, ScanRecord());
    if (scan == Scan::kNeedMore) {
      lines_in_record_ = 0;
      NM_RETURN_IF_ERROR(Refill());
      continue;
    }
    record_line_ = line_;
    const bool empty_line = raw_.size() == 1 && !raw_[0].quoted && raw_[0].begin == raw_[0].end;
    if (empty_line) continue;
    Unescape();
    return std::span<const CsvCell>(cells_);
  }
}

// Finds the cells of the record at begin_ without changing a byte, so that it can start again with
// more of the file.
OpResult<CsvReader::Scan> CsvReader::ScanRecord() {
  raw_.clear();
  std::size_t at = begin_;
  while (true) {
    RawCell cell{at, at, false, false};
    if (at < end_ && buffer_[at] == '"') {
      NM_ASSIGN_OR_RETURN(const Scan scan, ScanQuoted(at, cell));
      if (scan == Scan::kNeedMore) return scan;
    } else {
      while (at < end_ && buffer_[at] != delimiter_ && buffer_[at] != '\n') ++at;
      cell.end = at;
    }
    if (at == end_ && !eof_) return Scan::kNeedMore;
    const bool ends_record = at == end_ || buffer_[at] == '\n';
    if (ends_record && !cell.quoted && cell.end > cell.begin && buffer_[cell.end - 1] == '\r') {
      --cell.end;
    }
    raw_.push_back(cell);
    if (!ends_record) {
      ++at;
      continue;
    }
    if (at < end_) {
      ++at;
      ++lines_in_record_;
    }
    next_ = at;
    return Scan::kRecord;
  }
}

// Leaves `at` on the delimiter or line end after the closing quote.
OpResult<CsvReader::Scan> CsvReader::ScanQuoted(std::size_t& at, RawCell& cell) {
  cell.quoted = true;
  cell.begin = ++at;
  while (true) {
    while (at < end_ && buffer_[at] != '"') {
      if (buffer_[at] == '\n') ++lines_in_record_;
      ++at;
    }
    if (at == end_) {
      if (!eof_) return Scan::kNeedMore;
      lines_in_record_ = 0;
      return LineError("a quoted cell is never closed", "corrupt");
    }
    if (at + 1 == end_ && !eof_) return Scan::kNeedMore;
    if (at + 1 < end_ && buffer_[at + 1] == '"') {
      cell.doubled = true;
      at += 2;
      continue;
    }
    break;
  }
  cell.end = at++;
  if (at < end_ && buffer_[at] == '\r') {
    if (at + 1 == end_ && !eof_) return Scan::kNeedMore;
    if (at + 1 == end_ || buffer_[at + 1] == '\n') ++at;
  }
  if (at < end_ && buffer_[at] != delimiter_ && buffer_[at] != '\n') {
    return LineError("there is text after a closing quote", "corrupt");
  }
  return Scan::kRecord;
}

OpStatus CsvReader::Refill() {
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    next_ = 0;
  }
  if (end_ == buffer_.size()) {
    if (end_ >= kMaxRecordBytes) {
      return LineError("a record is longer than 16 MiB; is a quote missing?", "too_large");
    }
    buffer_.resize(std::min(buffer_.size() * 2, kMaxRecordBytes));
  }
  NM_ASSIGN_OR_RETURN(const std::size_t got,
                      source_->Read(buffer_.data() + end_, buffer_.size() - end_));
  end_ += got;
  eof_ = got == 0;
  return OpOk();
}

void CsvReader::Unescape() {
  cells_.clear();
  for (const RawCell& raw : raw_) {
    char* text = buffer_.data() + raw.begin;
    std::size_t size = raw.end - raw.begin;
    if (raw.doubled) {
      std::size_t out = 0;
      for (std::size_t i = 0; i < size; ++i) {
        text[out++] = text[i];
        if (text[i] == '"') ++i;
      }
      size = out;
    }
    cells_.push_back({{text, size}, raw.quoted});
  }
}

OperatorError CsvReader::LineError(std::string message, std::string reason) const {
  OperatorError error = BadInput(std::move(message), std::move(reason), "mend the line");
  error.line = line_;
  return error;
}

}  // namespace nightmill
