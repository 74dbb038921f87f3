// Collects the diagnostics of one file: by JSON Pointer while validating, put into the order of the
// file and given line, column and excerpt at the end, by one more pass over the text.
// Thread rule: one file, one thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "core/base/result.h"
#include "core/dagfile/dag_json.h"
#include "core/dagfile/json_text.h"

namespace nightmill::dagfile {

// A JSON Pointer that is only spelled out when something is wrong there: a link per level, on the
// stack of whoever walks the value.
struct Place {
  const Place* up = nullptr;
  std::string_view key;  // null data: `index` counts, or the root if there is no `up`
  std::size_t index = 0;

  Place At(std::string_view k) const { return {this, k, 0}; }
  Place At(std::size_t i) const { return {this, {}, i}; }
  std::string Pointer() const;
};

class Diagnostics {
 public:
  Diagnostics(std::string_view text, const DagFileOptions& options)
      : text_(text), file_(options.file) {}

  void Add(const TextFault& fault);
  // `hint` may be empty. The same complaint about the same place is kept once.
  void Error(std::string_view code, const Place& place, std::string message, std::string hint = {});
  void Error(std::string_view code, std::string pointer, std::string message,
             std::string hint = {});
  void KeyError(std::string_view code, std::string pointer, std::string message, std::string hint);
  void Warning(std::string_view code, const Place& place, std::string message,
               std::string hint = {});
  void Warning(std::string_view code, std::string pointer, std::string message,
               std::string hint = {});

  bool has_errors() const { return errors_ > 0; }
  // So many errors that a look at further tasks would add nothing to the first 100.
  bool full() const { return errors_ >= kEnough; }
  // Whether an error was reported at this pointer or below.
  bool HasErrorUnder(std::string_view pointer) const;

  // Located, ordered by place, cut to limits::kMaxReportedErrors. Errors are never cut in favour of
  // warnings.
  std::vector<Diagnostic> Finish();

 private:
  static constexpr std::size_t kEnough = 2'000;

  struct Item {
    Diagnostic diagnostic;
    bool at_key = false;
    bool located = false;
    Span span;
  };

  void Push(Item item);
  void LocateItems();
  void FillPosition(Diagnostic& diagnostic, Span span) const;

  std::string_view text_;
  std::string file_;
  std::vector<Item> items_;
  std::unordered_set<std::string> seen_;
  std::size_t errors_ = 0;
};

}  // namespace nightmill::dagfile
