#include <fmt/format.h>

#include <array>
#include <charconv>
#include <utility>

#include "core/base/time.h"
#include "operators/expr/ast.h"
#include "operators/expr/lexer.h"

namespace nightmill::expr {
namespace {

struct OpName {
  Op op;
  std::string_view word;
};
constexpr std::array<OpName, 29> kOpNames{{
    {Op::kLiteral, "literal"},
    {Op::kColumn, "column"},
    {Op::kAdd, "+"},
    {Op::kSubtract, "-"},
    {Op::kMultiply, "*"},
    {Op::kDivide, "/"},
    {Op::kModulo, "%"},
    {Op::kNegate, "-"},
    {Op::kEqual, "="},
    {Op::kNotEqual, "!="},
    {Op::kLess, "<"},
    {Op::kLessEqual, "<="},
    {Op::kGreater, ">"},
    {Op::kGreaterEqual, ">="},
    {Op::kAnd, "and"},
    {Op::kOr, "or"},
    {Op::kNot, "not"},
    {Op::kIn, "in"},
    {Op::kIsNull, "is null"},
    {Op::kIf, "if"},
    {Op::kCoalesce, "coalesce"},
    {Op::kCast, "cast"},
    {Op::kDateDiff, "date_diff"},
    {Op::kDivOr, "div"},
    {Op::kAbs, "abs"},
    {Op::kLeast, "least"},
    {Op::kGreatest, "greatest"},
    {Op::kLower, "lower"},
    {Op::kBetween, "between"},
}};

struct Function {
  std::string_view name;
  Op op;
  std::size_t min_args;
  std::size_t max_args;
};
constexpr std::size_t kMany = 1000;
constexpr std::array<Function, 9> kFunctions{{
    {"if", Op::kIf, 3, 3},
    {"coalesce", Op::kCoalesce, 1, kMany},
    {"date", Op::kCast, 1, 1},
    {"date_diff", Op::kDateDiff, 2, 2},
    {"div", Op::kDivOr, 3, 3},
    {"abs", Op::kAbs, 1, 1},
    {"least", Op::kLeast, 1, kMany},
    {"greatest", Op::kGreatest, 1, kMany},
    {"lower", Op::kLower, 1, 1},
}};

constexpr std::array<std::string_view, 11> kReserved{
    "and", "or", "not", "in", "between", "is", "null", "true", "false", "cast", "as"};

Node Make(Op op, int column, std::vector<Node> children) {
  Node node;
  node.op = op;
  node.column = column;
  node.children = std::move(children);
  return node;
}

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  Result<Node> Run() {
    NM_ASSIGN_OR_RETURN(Node node, Or());
    if (Here().kind != TokenKind::kEnd) return Unexpected("an operator or the end");
    return node;
  }

 private:
  const Token& Here() const { return tokens_[at_]; }
  bool IsSymbol(std::string_view text) const {
    return Here().kind == TokenKind::kSymbol && Here().text == text;
  }
  bool IsWord(std::string_view word) const {
    return Here().kind == TokenKind::kName && Here().lower == word;
  }
  bool TakeSymbol(std::string_view text) { return IsSymbol(text) && (++at_, true); }
  bool TakeWord(std::string_view word) { return IsWord(word) && (++at_, true); }

  Error Unexpected(std::string_view wanted) const {
    const Token& token = Here();
    const std::string found =
        token.kind == TokenKind::kEnd ? "the end" : fmt::format("'{}'", token.text);
    return Invalid(fmt::format("column {}: expected {}, found {}", token.column, wanted, found));
  }
  Status Expect(std::string_view symbol) {
    if (!TakeSymbol(symbol)) return Unexpected(fmt::format("'{}'", symbol));
    return Ok();
  }

  Result<Node> Or() {
    if (++depth_ > kMaxExpressionDepth) {
      return Invalid(fmt::format("column {}: nested deeper than {} levels", Here().column,
                                 kMaxExpressionDepth));
    }
    NM_ASSIGN_OR_RETURN(Node left, And());
    while (IsWord("or")) {
      const int column = Here().column;
      ++at_;
      NM_ASSIGN_OR_RETURN(Node right, And());
      left = Make(Op::kOr, column, {std::move(left), std::move(right)});
    }
    --depth_;
    return left;
  }

  Result<Node> And() {
    NM_ASSIGN_OR_RETURN(Node left, Not());
    while (IsWord("and")) {
      const int column = Here().column;
      ++at_;
      NM_ASSIGN_OR_RETURN(Node right, Not());
      left = Make(Op::kAnd, column, {std::move(left), std::move(right)});
    }
    return left;
  }

  Result<Node> Not() {
    int count = 0;
    const int column = Here().column;
    while (TakeWord("not")) ++count;
    NM_ASSIGN_OR_RETURN(Node node, Comparison());
    if (count == 0) return node;
    Node inner = Make(Op::kNot, column, {std::move(node)});
    return count % 2 == 1 ? std::move(inner) : Make(Op::kNot, column, {std::move(inner)});
  }

  Result<Node> Comparison() {
    NM_ASSIGN_OR_RETURN(Node left, Sum());
    const int column = Here().column;
    static constexpr std::array<std::pair<std::string_view, Op>, 8> kComparisons{
        {{"=", Op::kEqual},
         {"==", Op::kEqual},
         {"!=", Op::kNotEqual},
         {"<>", Op::kNotEqual},
         {"<", Op::kLess},
         {"<=", Op::kLessEqual},
         {">", Op::kGreater},
         {">=", Op::kGreaterEqual}}};
    for (const auto& [symbol, op] : kComparisons) {
      if (!TakeSymbol(symbol)) continue;
      NM_ASSIGN_OR_RETURN(Node right, Sum());
      return Make(op, column, {std::move(left), std::move(right)});
    }
    if (TakeWord("is")) {
      const bool negated = TakeWord("not");
      if (!TakeWord("null")) return Unexpected("null");
      return Negated(negated, Make(Op::kIsNull, column, {std::move(left)}));
    }
    const bool negated = TakeWord("not");
    if (TakeWord("in")) return In(std::move(left), column, negated);
    if (TakeWord("between")) {
      NM_ASSIGN_OR_RETURN(Node low, Sum());
      if (!TakeWord("and")) return Unexpected("and");
      NM_ASSIGN_OR_RETURN(Node high, Sum());
      return Negated(
          negated, Make(Op::kBetween, column, {std::move(left), std::move(low), std::move(high)}));
    }
    if (negated) return Unexpected("in or between");
    return left;
  }

  static Node Negated(bool negated, Node node) {
    const int column = node.column;
    return negated ? Make(Op::kNot, column, {std::move(node)}) : std::move(node);
  }

  Result<Node> In(Node left, int column, bool negated) {
    NM_RETURN_IF_ERROR(Expect("("));
    Node node = Make(Op::kIn, column, {std::move(left)});
    do {
      const bool minus = TakeSymbol("-");
      NM_ASSIGN_OR_RETURN(Node item, Primary());
      if (item.op != Op::kLiteral || (minus && !IsNumeric(item.literal.type))) {
        return Invalid(fmt::format("column {}: the list of `in` holds literals only", item.column));
      }
      if (minus) item.literal.i = -item.literal.i, item.literal.d = -item.literal.d;
      node.items.push_back(std::move(item.literal));
    } while (TakeSymbol(","));
    NM_RETURN_IF_ERROR(Expect(")"));
    return Negated(negated, std::move(node));
  }

  Result<Node> Sum() {
    NM_ASSIGN_OR_RETURN(Node left, Product());
    while (IsSymbol("+") || IsSymbol("-")) {
      const Op op = IsSymbol("+") ? Op::kAdd : Op::kSubtract;
      const int column = Here().column;
      ++at_;
      NM_ASSIGN_OR_RETURN(Node right, Product());
      left = Make(op, column, {std::move(left), std::move(right)});
    }
    return left;
  }

  Result<Node> Product() {
    NM_ASSIGN_OR_RETURN(Node left, Unary());
    while (IsSymbol("*") || IsSymbol("/") || IsSymbol("%")) {
      const Op op = IsSymbol("*") ? Op::kMultiply : IsSymbol("/") ? Op::kDivide : Op::kModulo;
      const int column = Here().column;
      ++at_;
      NM_ASSIGN_OR_RETURN(Node right, Unary());
      left = Make(op, column, {std::move(left), std::move(right)});
    }
    return left;
  }

  Result<Node> Unary() {
    const int column = Here().column;
    int count = 0;
    while (TakeSymbol("-")) ++count;
    NM_ASSIGN_OR_RETURN(Node node, Primary());
    for (; count > 0; --count) {
      if (node.op == Op::kLiteral && IsNumeric(node.literal.type)) {
        node.literal.i = -node.literal.i;
        node.literal.d = -node.literal.d;
      } else {
        node = Make(Op::kNegate, column, {std::move(node)});
      }
    }
    return node;
  }

  Result<Node> Primary() {
    Node node;
    node.column = Here().column;
    switch (Here().kind) {
      case TokenKind::kInteger:
      case TokenKind::kNumber:
        return Number();
      case TokenKind::kString:
        node.literal = Value::String(Here().text);
        ++at_;
        return node;
      case TokenKind::kQuotedName:
        node.op = Op::kColumn;
        node.name = Here().text;
        ++at_;
        return node;
      case TokenKind::kName:
        return Name();
      default:
        break;
    }
    if (!TakeSymbol("(")) return Unexpected("a value");
    NM_ASSIGN_OR_RETURN(Node inner, Or());
    NM_RETURN_IF_ERROR(Expect(")"));
    return inner;
  }

  Result<Node> Number() {
    Node node;
    node.column = Here().column;
    const std::string& text = Here().text;
    const char* end = text.data() + text.size();
    if (Here().kind == TokenKind::kInteger) {
      node.literal.type = DataType::kInt64;
      if (std::from_chars(text.data(), end, node.literal.i).ec != std::errc{}) {
        return Invalid(fmt::format("column {}: {} does not fit int64", node.column, text));
      }
    } else {
      node.literal.type = DataType::kDouble;
      if (std::from_chars(text.data(), end, node.literal.d).ec != std::errc{}) {
        return Invalid(fmt::format("column {}: {} does not fit double", node.column, text));
      }
    }
    ++at_;
    return node;
  }

  Result<Node> Name() {
    Node node;
    const Token token = Here();
    node.column = token.column;
    ++at_;
    if (token.lower == "true" || token.lower == "false") {
      node.literal = Value::Bool(token.lower == "true");
      return node;
    }
    if (token.lower == "null") return node;
    if (Here().kind == TokenKind::kString &&
        (token.lower == "date" || token.lower == "timestamp")) {
      return TimeLiteral(token.lower == "date");
    }
    if (token.lower == "cast") return Cast(token.column);
    for (const std::string_view word : kReserved) {
      if (word != token.lower) continue;
      --at_;
      return Unexpected("a value");
    }
    if (IsSymbol("(")) return Call(token);
    node.op = Op::kColumn;
    node.name = token.text;
    return node;
  }

  Result<Node> TimeLiteral(bool date) {
    Node node;
    node.column = Here().column;
    const std::string text = Here().text;
    ++at_;
    if (date) {
      const auto days = ParseDate(text);
      if (!days.ok())
        return Invalid(fmt::format("column {}: {}", node.column, days.error().message));
      node.literal = Value::Date(*days);
    } else {
      const auto instant = ParseInstant(text);
      if (!instant.ok()) {
        return Invalid(fmt::format("column {}: {}", node.column, instant.error().message));
      }
      node.literal = Value::Timestamp(ToMicros(*instant));
    }
    return node;
  }

  Result<Node> Cast(int column) {
    NM_RETURN_IF_ERROR(Expect("("));
    NM_ASSIGN_OR_RETURN(Node inner, Or());
    if (!TakeWord("as")) return Unexpected("as");
    const auto type = ParseDataType(Here().lower);
    if (Here().kind != TokenKind::kName || !type) return Unexpected("a type");
    ++at_;
    NM_RETURN_IF_ERROR(Expect(")"));
    Node node = Make(Op::kCast, column, {std::move(inner)});
    node.target = *type;
    return node;
  }

  Result<Node> Call(const Token& name) {
    const Function* found = nullptr;
    for (const Function& f : kFunctions) {
      if (f.name == name.lower) found = &f;
    }
    if (found == nullptr) {
      Error error =
          Invalid(fmt::format("column {}: unknown function '{}'", name.column, name.text));
      error.hint = "functions: if coalesce cast date date_diff div abs least greatest lower";
      return error;
    }
    Node node = Make(found->op, name.column, {});
    NM_RETURN_IF_ERROR(Expect("("));
    if (!TakeSymbol(")")) {
      do {
        NM_ASSIGN_OR_RETURN(Node argument, Or());
        node.children.push_back(std::move(argument));
      } while (TakeSymbol(","));
      NM_RETURN_IF_ERROR(Expect(")"));
    }
    const std::size_t count = node.children.size();
    if (count < found->min_args || count > found->max_args) {
      return Invalid(fmt::format("column {}: '{}' takes {} argument{}, not {}", name.column,
                                 found->name, found->min_args, found->min_args == 1 ? "" : "s",
                                 count));
    }
    if (found->op == Op::kCast) node.target = DataType::kDate;
    return node;
  }

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

void Collect(const Node& node, std::set<std::string, std::less<>>& names) {
  if (node.op == Op::kColumn) names.insert(node.name);
  for (const Node& child : node.children) Collect(child, names);
}

}  // namespace

std::string_view ToString(Op op) {
  for (const OpName& name : kOpNames) {
    if (name.op == op) return name.word;
  }
  return "?";
}

Result<Node> Parse(std::string_view text) {
  if (text.size() > kMaxExpressionBytes) {
    return Invalid(fmt::format("column 1: longer than {} bytes", kMaxExpressionBytes));
  }
  NM_ASSIGN_OR_RETURN(std::vector<Token> tokens, Tokenize(text));
  if (tokens.size() > kMaxExpressionTokens) {
    return Invalid(fmt::format("column 1: more than {} tokens", kMaxExpressionTokens));
  }
  return Parser(std::move(tokens)).Run();
}

std::set<std::string, std::less<>> ColumnsOf(const Node& node) {
  std::set<std::string, std::less<>> names;
  Collect(node, names);
  return names;
}

std::vector<Node> Conjuncts(Node node) {
  if (node.op != Op::kAnd) {
    std::vector<Node> one;
    one.push_back(std::move(node));
    return one;
  }
  std::vector<Node> all;
  for (Node& child : node.children) {
    for (Node& part : Conjuncts(std::move(child))) all.push_back(std::move(part));
  }
  return all;
}

}  // namespace nightmill::expr
