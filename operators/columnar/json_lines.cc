#include "operators/columnar/json_lines.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <set>

#include "core/base/json.h"
#include "core/base/limits.h"

namespace nightmill {
namespace {

constexpr std::size_t kFirstBuffer = 1 << 20;
constexpr std::size_t kMaxLineBytes = 16 << 20;

// SAX events of one line into a list of members. Returning false ends the parse.
class RowHandler final : public nlohmann::json_sax<nlohmann::json> {
 public:
  RowHandler(std::vector<JsonMember>& members, std::size_t& used)
      : members_(members), used_(used) {}

  const std::string& problem() const { return problem_; }

  bool null() override { return Value(JsonMember::Kind::kNull) != nullptr || problem_.empty(); }
  bool boolean(bool value) override {
    if (JsonMember* member = Value(JsonMember::Kind::kBool)) member->boolean = value;
    return problem_.empty();
  }
  bool number_integer(number_integer_t value) override {
    if (JsonMember* member = Value(JsonMember::Kind::kInteger)) {
      member->integer = value;
      member->text = std::to_string(value);
    }
    return problem_.empty();
  }
  bool number_unsigned(number_unsigned_t value) override {
    if (value <= static_cast<number_unsigned_t>(std::numeric_limits<std::int64_t>::max())) {
      return number_integer(static_cast<number_integer_t>(value));
    }
    if (JsonMember* member = Value(JsonMember::Kind::kNumber)) {
      member->number = static_cast<double>(value);
      member->text = std::to_string(value);
    }
    return problem_.empty();
  }
  bool number_float(number_float_t value, const string_t& text) override {
    if (JsonMember* member = Value(JsonMember::Kind::kNumber)) {
      member->number = value;
      member->text = text;
    }
    return problem_.empty();
  }
  bool string(string_t& value) override {
    if (JsonMember* member = Value(JsonMember::Kind::kText)) member->text.swap(value);
    return problem_.empty();
  }
  bool binary(binary_t&) override { return Fail("it holds binary data"); }

  bool start_object(std::size_t) override {
    if (depth_ == 0) {
      used_ = 0;
    } else {
      Value(JsonMember::Kind::kNested);
    }
    return Enter();
  }
  bool end_object() override { return Leave(); }
  bool start_array(std::size_t) override {
    if (depth_ == 0) {
      return Fail("it is an array: a file of JSON Lines has one object a line");
    }
    Value(JsonMember::Kind::kNested);
    return Enter();
  }
  bool end_array() override { return Leave(); }
  bool key(string_t& name) override {
    if (!keys_[depth_ - 1].insert(name).second)
      return Fail("it has the key \"" + name + "\" twice");
    if (depth_ == 1) {
      if (used_ == members_.size()) members_.emplace_back();
      members_[used_++].name.swap(name);
    }
    return true;
  }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::json::exception&) override {
    return Fail("it is not valid JSON near column " + std::to_string(position));
  }

 private:
  bool Fail(std::string problem) {
    if (problem_.empty()) problem_ = std::move(problem);
    return false;
  }
  // The member whose value has come, or null inside nested values.
  JsonMember* Value(JsonMember::Kind kind) {
    if (depth_ == 0) {
      Fail("it is not an object");
      return nullptr;
    }
    if (depth_ > 1) return nullptr;
    JsonMember& member = members_[used_ - 1];
    member.kind = kind;
    member.text.clear();
    return &member;
  }
  bool Enter() {
    if (++depth_ > static_cast<std::size_t>(limits::kMaxJsonDepth)) {
      return Fail("it is nested deeper than 64");
    }
    keys_.emplace_back();
    return true;
  }
  bool Leave() {
    keys_.pop_back();
    --depth_;
    return true;
  }

  std::vector<JsonMember>& members_;
  std::size_t& used_;
  std::size_t depth_ = 0;
  std::vector<std::set<std::string>> keys_;
  std::string problem_;
};

}  // namespace

JsonLinesReader::JsonLinesReader(std::unique_ptr<TextSource> source)
    : source_(std::move(source)), buffer_(kFirstBuffer) {}

OpResult<std::span<const JsonMember>> JsonLinesReader::Next(bool& end) {
  end = false;
  while (true) {
    std::string_view line;
    NM_ASSIGN_OR_RETURN(const bool found, NextLine(line));
    if (!found) {
      end = true;
      return std::span<const JsonMember>();
    }
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    NM_RETURN_IF_ERROR(ParseLine(line));
    return std::span<const JsonMember>(members_.data(), used_);
  }
}

OpStatus JsonLinesReader::ParseLine(std::string_view line) {
  used_ = 0;
  RowHandler handler(members_, used_);
  const bool parsed = nlohmann::json::sax_parse(line.begin(), line.end(), &handler);
  if (parsed && handler.problem().empty()) return OpOk();
  OperatorError error = BadInput(handler.problem(), "corrupt", "mend the line");
  error.line = line_;
  return error;
}

OpResult<bool> JsonLinesReader::NextLine(std::string_view& line) {
  std::size_t searched = 0;
  while (true) {
    const char* from = buffer_.data() + begin_;
    const std::size_t have = end_ - begin_;
    const void* newline = std::memchr(from + searched, '\n', have - searched);
    if (newline != nullptr || (eof_ && have > 0)) {
      const std::size_t size =
          newline != nullptr ? static_cast<std::size_t>(static_cast<const char*>(newline) - from)
                             : have;
      line = {from, size};
      begin_ += std::min(have, size + 1);
      ++line_;
      return true;
    }
    if (eof_) return false;
    searched = have;
    NM_RETURN_IF_ERROR(Refill());
  }
}

OpStatus JsonLinesReader::Refill() {
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (end_ == buffer_.size()) {
    if (end_ >= kMaxLineBytes) {
      OperatorError error = BadInput("a line is longer than 16 MiB", "too_large");
      error.line = line_ + 1;
      return error;
    }
    buffer_.resize(std::min(buffer_.size() * 2, kMaxLineBytes));
  }
  NM_ASSIGN_OR_RETURN(const std::size_t got,
                      source_->Read(buffer_.data() + end_, buffer_.size() - end_));
  end_ += got;
  eof_ = got == 0;
  return OpOk();
}

}  // namespace nightmill
