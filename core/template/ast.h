// The syntax tree of one template: literal texts and expressions. Made by the parser, walked by the
// evaluator and by InspectTemplate. Immutable after parsing.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/template/value.h"

namespace nightmill::tmpl {

enum class NodeKind : std::uint8_t {
  kConst,    // value
  kName,     // name
  kList,     // kids
  kDict,     // kids: key, value, key, value, ...
  kMember,   // kids[0].name
  kIndex,    // kids[0][kids[1]]
  kSlice,    // kids[0][kids[1]:kids[2]:kids[3]]; an absent part is the constant none
  kCall,     // kids[0](kids[1..])
  kFilter,   // kids[0] | name(kids[1..])
  kTest,     // kids[0] is name; `negated`
  kUnary,    // ops[0]
  kBinary,   // ops[0]
  kCompare,  // kids[0] ops[0] kids[1] ops[1] kids[2] ...
  kAnd,
  kOr,
  kNot,
  kConcat,  // kids joined by ~
  kCond,    // kids[0] if kids[1] else kids[2] (which may be absent)
};

enum class Op : std::uint8_t {
  kAdd,
  kSub,
  kMul,
  kDiv,
  kFloorDiv,
  kMod,
  kPow,
  kNeg,
  kPos,
  kEq,
  kNe,
  kLt,
  kLe,
  kGt,
  kGe,
  kIn,
  kNotIn,
};
std::string_view ToString(Op op);

struct Node;
using NodePtr = std::unique_ptr<Node>;

struct Node {
  NodeKind kind = NodeKind::kConst;
  std::string name;
  Value value;
  std::vector<Op> ops;
  std::vector<NodePtr> kids;
  // kCall, kFilter: the keyword of each argument kids[1..], "" for a positional one.
  std::vector<std::string> keywords;
  bool negated = false;
  std::size_t begin = 0;  // byte range in the template
  std::size_t end = 0;
  int depth = 1;  // of the tree below; bounded, since the walkers recurse
};

struct Segment {
  std::string text;  // literal text, if `expression` is null
  NodePtr expression;
  std::size_t begin = 0;  // byte range in the template, braces included
  std::size_t end = 0;
};

struct Template {
  std::string source;
  std::vector<Segment> segments;  // comments and empty texts left out

  // Whether the whole source is one expression, which then keeps its JSON type.
  bool IsOneExpression() const;
  // `error` with the expression around byte `offset` quoted and its column named.
  Error Located(Error error, std::size_t offset) const;
};

// An error and the byte it is at; errors are kInvalid with their column.
struct Fault {
  std::size_t offset = 0;
  Error error;
};

Result<Template> ParseTemplate(std::string_view text);
// The parts without a fault; `faults` receives one for each other part.
Template ParseTemplate(std::string_view text, std::vector<Fault>* faults);

}  // namespace nightmill::tmpl
