// The check suites of `expect` and of the fused `checks` of other operators (compute.md 6.1), with
// results in the shape of Great Expectations. A suite is parsed offline, bound to a schema, fed
// with columns by any number of states, which are merged; the result does not depend on how the
// rows were cut or ordered.
// Kinds: row_count_between, not_null, between, in_set, contains (every value occurs), unique, type,
// schema. Nulls are missing, not unexpected (but for not_null). `mostly` is the share of the other
// rows that must pass; on no rows it passes, row_count_between decides.
// Thread rule: suites are immutable; a CheckState belongs to one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "operators/columnar/budget.h"
#include "operators/columnar/types.h"
#include "operators/op_result.h"
#include "operators/slot_vector.h"
#include "operators/spec_reader.h"

namespace nightmill {

enum class CheckKind : std::uint8_t {
  kRowCountBetween,
  kNotNull,
  kBetween,
  kInSet,
  kContains,
  kUnique,
  kType,
  kSchema,
};
std::string_view ToString(CheckKind kind);
// One line for docs and schema: what the check demands.
std::string_view CheckDoc(CheckKind kind);

struct CheckSpec;   // one parsed entry of a suite
struct BoundCheck;  // one entry over a known column

class CheckSuite {
 public:
  // The member `name`, a list of `least` checks or more; empty if absent.
  static CheckSuite Read(SpecReader& spec, std::string_view name, std::size_t least = 0);
  CheckSuite() = default;

  bool empty() const { return specs_.empty(); }
  // Columns whose values are read, each once, in order of first use.
  std::vector<std::string> Columns() const;
  // (place in the spec, column) of every check of a column.
  std::vector<std::pair<std::string, std::string>> Uses() const;
  const std::vector<std::shared_ptr<const CheckSpec>>& specs() const { return specs_; }

 private:
  std::vector<std::shared_ptr<const CheckSpec>> specs_;
};

// A suite over a schema. Immutable; outlives its states.
class BoundChecks {
 public:
  // kBadSpec for a missing column or a literal that does not fit its type: a check that cannot be
  // evaluated never passes.
  static OpResult<std::shared_ptr<const BoundChecks>> Bind(const CheckSuite& suite,
                                                           const Schema& schema);

  bool empty() const { return checks_.empty(); }
  const Schema& schema() const { return schema_; }
  // Indices into the schema of the columns that Add wants, ascending.
  const std::vector<int>& columns() const { return columns_; }
  const std::vector<std::shared_ptr<const BoundCheck>>& checks() const { return checks_; }

 private:
  Schema schema_;
  std::vector<int> columns_;
  std::vector<std::shared_ptr<const BoundCheck>> checks_;
};

struct CheckReport {
  std::string json;                 // {"success", "results": [...], "statistics": {...}}
  bool stop = false;                // a check with severity stop failed
  std::vector<std::string> failed;  // one line per failed check, stop before warn
  std::int64_t checks = 0;
};

// What one thread has seen.
class CheckState {
 public:
  // Hashes for `unique` are reserved from `budget`.
  CheckState(std::shared_ptr<const BoundChecks> checks, MemoryBudget& budget);
  ~CheckState();
  CheckState(CheckState&&) noexcept;

  // Rows of the next block; the columns of one block follow, all with this many rows.
  void AddRows(std::int64_t rows) { rows_ += rows; }
  // `column` is an index into the schema. `selected` (nullptr: all) says which rows count; AddRows
  // was told their number. `chunk` names the dictionary of a column with codes: within one chunk
  // number it does not change.
  OpStatus AddColumn(int column, const SlotColumn& data, const std::uint8_t* selected,
                     std::int64_t chunk);
  OpStatus Merge(CheckState&& other);
  // Ends the state.
  CheckReport Finish();

 private:
  struct Tally;
  OpStatus AddTo(Tally& tally, const SlotColumn& data, const std::uint8_t* selected,
                 std::int64_t chunk);

  std::shared_ptr<const BoundChecks> checks_;
  std::vector<std::unique_ptr<Tally>> tallies_;
  std::int64_t rows_ = 0;
  BudgetHold hold_;
};

// The error of a failed suite: code check, the report in OperatorError::report. `file`: what was
// checked.
OperatorError CheckError(const CheckReport& report, std::string_view what, std::string file);

}  // namespace nightmill
