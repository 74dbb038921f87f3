// Typing and evaluation of expressions. Bind turns a syntax tree into a typed one over known
// columns; Evaluate runs it over a batch. Three-valued logic; errors are raised only for rows that
// are reached: `if`, `coalesce`, `and` and `or` guard their later operands (compute.md 2.8, ANSI).
// Rules: int64 and double mix as double, `/` is always double, integer overflow and division by
// zero are errors, `%` has the sign of its left side; comparisons order NaN last and -0.0 = 0.0; a
// text literal next to a date or timestamp is read as one; zone-less and zoned times do not mix
// without a cast; least and greatest skip nulls; lower is ASCII. Thread rule: a Bound is immutable;
// Evaluate may run on many threads.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "core/base/result.h"
#include "operators/expr/ast.h"
#include "operators/expr/local_time.h"
#include "operators/expr/value.h"

namespace nightmill::expr {

struct Field {
  std::string name;
  DataType type = DataType::kNull;
};

struct BindContext {
  std::span<const Field> fields = {};                        // a column is its position here
  std::map<std::string, Value, std::less<>> constants = {};  // as_of, ...; shadowed by fields
  std::shared_ptr<const LocalTimeMap> zone = {};             // null: UTC
};

// The literals of an `in`, looked up by bits or text.
struct InSet {
  bool has_null = false;
  std::unordered_set<std::uint64_t> bits = {};  // int64, or the bits of a canonical double
  std::unordered_set<std::string> texts = {};
};

struct Bound {
  Op op = Op::kLiteral;
  DataType type = DataType::kNull;
  int position = 1;                               // in the text
  Value literal = {};                             // kLiteral
  int field = -1;                                 // kColumn
  std::shared_ptr<const InSet> set = {};          // kIn
  std::shared_ptr<const LocalTimeMap> zone = {};  // kCast between dates and instants
  std::vector<Bound> children = {};
};

// kInvalid, "column N: ...", for unknown columns and unfit types.
Result<Bound> Bind(const Node& node, const BindContext& context);
// As Bind; the result must be a bool (or null, which is false).
Result<Bound> BindPredicate(const Node& node, const BindContext& context);

// Positions of the fields that the expression reads, ascending.
std::vector<int> FieldsOf(const Bound& bound);

// One value per row. Only rows with active[row] != 0 are computed (nullptr: all); others are null.
// Views in the result live as long as the batch. kInvalid for a row that cannot be computed.
Result<Vector> Evaluate(const Bound& bound, const Batch& batch,
                        const std::uint8_t* active = nullptr);
// passed[row] = 1 where the predicate is true, 0 where it is false, null or not active.
Status EvaluatePredicate(const Bound& bound, const Batch& batch, std::uint8_t* passed,
                         const std::uint8_t* active = nullptr);

// Text that begins or ends with white space, or has a tail, does not convert.
Result<Value> ConvertText(std::string_view text, DataType type);

}  // namespace nightmill::expr
