// Syntax tree of the expression language and its parser. Parsing checks grammar, function names and
// argument counts, so that a DAG file is validated without knowing any table's schema.
// Grammar, weakest first: or; and; not; = == != <> < <= > >= [not] in, [not] between, is [not]
// null;
// + -; * / %; unary -; literals (1, 2.5, 'it''s', true, false, null, date '2026-01-31',
// timestamp '2026-01-31T06:00:00Z'), columns (name or "any name"), f(args), cast(x as type),
// parentheses. Keywords and function names are case-insensitive, column names are not.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "operators/expr/value.h"

namespace nightmill::expr {

enum class Op : std::uint8_t {
  kLiteral,
  kColumn,
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kModulo,
  kNegate,
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kAnd,
  kOr,
  kNot,
  kIn,
  kBetween,
  kIsNull,
  kIf,
  kCoalesce,
  kCast,
  kDateDiff,
  kDivOr,
  kAbs,
  kLeast,
  kGreatest,
  kLower,
};
// "+", "and", "if", ...: as written by users.
std::string_view ToString(Op op);

struct Node {
  Op op = Op::kLiteral;
  int column = 1;                     // 1-based position in the text, for messages
  Value literal = {};                 // kLiteral
  std::string name = {};              // kColumn
  DataType target = DataType::kNull;  // kCast
  std::vector<Value> items = {};      // kIn; nulls keep their meaning
  std::vector<Node> children = {};
};

inline constexpr std::size_t kMaxExpressionBytes = 64u << 10;
inline constexpr std::size_t kMaxExpressionTokens = 4096;  // bounds the depth of chains
inline constexpr int kMaxExpressionDepth = 64;             // of parentheses and calls

// Errors are kInvalid and begin with "column N: ".
Result<Node> Parse(std::string_view text);

// Every name the tree refers to, constants such as as_of included.
std::set<std::string, std::less<>> ColumnsOf(const Node& node);

// The operands of the top-level `and`s: a row passes if it passes all of them.
std::vector<Node> Conjuncts(Node node);

}  // namespace nightmill::expr
