#include "core/dagfile/diagnostics.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base/json.h"
#include "core/base/limits.h"

namespace nightmill {
namespace dagfile {
namespace {

// Lines longer than this are shown by the part around the column (see CutLine).
constexpr std::size_t kLongLine = 160;
constexpr std::size_t kBefore = 60;
constexpr std::size_t kAfter = 80;
constexpr std::string_view kCut = "... ";

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

std::size_t CodePoints(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return !IsContinuation(c); }));
}

// Code points [from, to) of `line`, as a terminal may show them: tabs and escape codes would move
// or paint the caret line, broken UTF-8 may not leave the program.
std::string Slice(std::string_view line, std::size_t from, std::size_t to) {
  std::string out;
  std::size_t index = 0;
  for (std::size_t i = 0; i < line.size();) {
    const std::size_t length = SequenceLength(line, i);
    if (i > 0 && !IsContinuation(line[i])) ++index;
    if (index >= to) break;
    if (index >= from) {
      if (length == 0) {
        out += "\uFFFD";
      } else if (static_cast<unsigned char>(line[i]) < 0x20) {
        out += ' ';
      } else {
        out += line.substr(i, length);
      }
    }
    i += std::max<std::size_t>(length, 1);
  }
  return out;
}

// The source line, or of a long one what lies around the column; a cut front is marked "... ".
std::string CutLine(std::string_view line, std::size_t column) {
  const std::size_t length = CodePoints(line);
  if (length <= kLongLine) return Slice(line, 0, length);
  const std::size_t from = column > kBefore + 1 ? column - 1 - kBefore : 0;
  const std::size_t to = std::min(length, std::max(column + kAfter, kLongLine));
  return (from > 0 ? std::string(kCut) : "") + Slice(line, from, to) + (to < length ? " ..." : "");
}

// Column of the caret within the excerpt, from 0.
std::size_t CaretOffset(const Diagnostic& diagnostic) {
  const auto column = static_cast<std::size_t>(std::max(1, diagnostic.col)) - 1;
  if (column > kBefore && diagnostic.excerpt.starts_with(kCut)) return kCut.size() + kBefore;
  return column;
}

}  // namespace

std::string Place::Pointer() const {
  if (up == nullptr) return "";
  std::string pointer = up->Pointer();
  if (key.data() == nullptr) {
    pointer += '/';
    pointer += std::to_string(index);
  } else {
    AppendToken(pointer, key);
  }
  return pointer;
}

void Diagnostics::Push(Item item) {
  const Diagnostic& d = item.diagnostic;
  if (!seen_.insert(fmt::format("{}\x01{}\x01{}", d.code, d.pointer, d.message)).second) return;
  if (d.severity == DiagnosticLevel::kError) ++errors_;
  items_.push_back(std::move(item));
}

void Diagnostics::Add(const TextFault& fault) {
  Item item{{std::string(fault.code), DiagnosticLevel::kError, fault.pointer, file_, 0, 0,
             fault.message, fault.hint, "", 1},
            false,
            true,
            fault.span};
  Push(std::move(item));
}

void Diagnostics::Error(std::string_view code, const Place& place, std::string message,
                        std::string hint) {
  Error(code, place.Pointer(), std::move(message), std::move(hint));
}

void Diagnostics::Error(std::string_view code, std::string pointer, std::string message,
                        std::string hint) {
  Push({{std::string(code), DiagnosticLevel::kError, std::move(pointer), file_, 0, 0,
         std::move(message), std::move(hint), "", 1},
        false,
        false,
        {}});
}

void Diagnostics::KeyError(std::string_view code, std::string pointer, std::string message,
                           std::string hint) {
  Push({{std::string(code), DiagnosticLevel::kError, std::move(pointer), file_, 0, 0,
         std::move(message), std::move(hint), "", 1},
        true,
        false,
        {}});
}

void Diagnostics::Warning(std::string_view code, const Place& place, std::string message,
                          std::string hint) {
  Warning(code, place.Pointer(), std::move(message), std::move(hint));
}

void Diagnostics::Warning(std::string_view code, std::string pointer, std::string message,
                          std::string hint) {
  Push({{std::string(code), DiagnosticLevel::kWarning, std::move(pointer), file_, 0, 0,
         std::move(message), std::move(hint), "", 1},
        false,
        false,
        {}});
}

bool Diagnostics::HasErrorUnder(std::string_view pointer) const {
  return std::any_of(items_.begin(), items_.end(), [&](const Item& item) {
    const std::string& at = item.diagnostic.pointer;
    return item.diagnostic.severity == DiagnosticLevel::kError && at.starts_with(pointer) &&
           (at.size() == pointer.size() || at[pointer.size()] == '/');
  });
}

// Asks the text for every pointer and its parents at once: a place that the text does not have (a
// missing key, a value inside a string) is shown at the nearest thing that is there.
void Diagnostics::LocateItems() {
  Places places;
  const auto parent = [](std::string& pointer) { pointer.resize(pointer.rfind('/')); };
  for (const Item& item : items_) {
    if (item.located) continue;
    std::string pointer = item.diagnostic.pointer;
    if (item.at_key) places.emplace(kKeyMark + pointer, Span{});
    places.emplace(pointer, Span{});
    while (!pointer.empty()) {
      parent(pointer);
      places.emplace(pointer, Span{});
    }
  }
  if (places.empty()) return;
  Locate(text_, places);
  for (Item& item : items_) {
    if (item.located) continue;
    std::string pointer = item.diagnostic.pointer;
    if (item.at_key) item.span = places[kKeyMark + pointer];
    if (item.span.end == 0) item.span = places[pointer];
    while (item.span.end == 0 && !pointer.empty()) {
      parent(pointer);
      item.span = places[pointer];
    }
  }
}

void Diagnostics::FillPosition(Diagnostic& diagnostic, Span span) const {
  const std::size_t at = std::min(span.begin, text_.size());
  const std::size_t line_break = at == 0 ? std::string_view::npos : text_.rfind('\n', at - 1);
  const std::size_t begin = line_break == std::string_view::npos ? 0 : line_break + 1;
  std::size_t end = std::min(text_.find('\n', at), text_.size());
  diagnostic.line =
      1 + static_cast<int>(
              std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(begin), '\n'));
  diagnostic.col = 1 + static_cast<int>(CodePoints(text_.substr(begin, at - begin)));
  const std::size_t stop = std::min(std::max(span.end, at), end);
  diagnostic.length = std::max(1, static_cast<int>(CodePoints(text_.substr(at, stop - at))));
  if (end > begin && text_[end - 1] == '\r') --end;
  diagnostic.excerpt =
      CutLine(text_.substr(begin, end - begin), static_cast<std::size_t>(diagnostic.col));
}

std::vector<Diagnostic> Diagnostics::Finish() {
  LocateItems();
  const auto by_place = [](const Item& a, const Item& b) { return a.span.begin < b.span.begin; };
  std::stable_sort(items_.begin(), items_.end(), by_place);
  constexpr auto kMax = static_cast<std::size_t>(limits::kMaxReportedErrors);
  if (items_.size() > kMax) {
    std::stable_partition(items_.begin(), items_.end(), [](const Item& item) {
      return item.diagnostic.severity == DiagnosticLevel::kError;
    });
    items_.resize(kMax);
    std::stable_sort(items_.begin(), items_.end(), by_place);
  }
  std::vector<Diagnostic> all;
  for (Item& item : items_) {
    FillPosition(item.diagnostic, item.span);
    all.push_back(std::move(item.diagnostic));
  }
  return all;
}

}  // namespace dagfile

std::string FormatDiagnostic(const Diagnostic& d) {
  std::string out =
      fmt::format("{}:{}:{}: {} {}: {}", d.file, d.line, d.col,
                  d.severity == DiagnosticLevel::kError ? "error" : "warning", d.code, d.message);
  if (!d.pointer.empty()) out += "   at " + d.pointer;
  const std::size_t offset = dagfile::CaretOffset(d);
  const std::size_t carets = static_cast<std::size_t>(std::clamp(d.length, 1, 80));
  out += fmt::format("\n{:>5} | {}\n      | {}{}", d.line, d.excerpt, std::string(offset, ' '),
                     std::string(carets, '^'));
  if (!d.hint.empty()) out += " " + d.hint;
  return out;
}

std::string DiagnosticsToJson(const std::vector<Diagnostic>& diagnostics) {
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const Diagnostic& d : diagnostics) {
    all.push_back({{"code", d.code},
                   {"severity", d.severity == DiagnosticLevel::kError ? "error" : "warning"},
                   {"pointer", d.pointer},
                   {"file", d.file},
                   {"line", d.line},
                   {"col", d.col},
                   {"message", d.message},
                   {"hint", d.hint}});
  }
  // Text may quote a file that is not UTF-8.
  return all.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace nightmill
