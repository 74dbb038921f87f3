// Recursive descent over Jinja's expression grammar, level by level as its own parser has it: `~`
// binds closer than `+`, `**` is left-associative, a unary minus binds closer than `**` and filters
// bind closer than any operator.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "core/base/limits.h"
#include "core/template/ast.h"
#include "core/template/lexer.h"
#include "core/template/syntax.h"

namespace nightmill::tmpl {
namespace {

// Bounds the recursion of parser, evaluator and destructor.
constexpr int kMaxDepth = 100;

class Parser {
 public:
  Parser(const TokenList& list, SyntaxError* error) : tokens_(list.tokens), error_(error) {}

  // Null after an error.
  NodePtr Run() {
    if (Peek().kind == TokenKind::kEnd) return Fail("the expression is empty");
    NodePtr node = Condition();
    if (node && Peek().kind != TokenKind::kEnd) {
      return Fail(fmt::format("unexpected \"{}\"", Peek().text));
    }
    return node;
  }

 private:
  using Level = NodePtr (Parser::*)();

  const Token& Peek(std::size_t ahead = 0) const {
    return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
  }
  bool IsOp(std::string_view op) const {
    return Peek().kind == TokenKind::kOperator && Peek().text == op;
  }
  bool IsName(std::string_view name, std::size_t ahead = 0) const {
    return Peek(ahead).kind == TokenKind::kName && Peek(ahead).text == name;
  }
  bool SkipOp(std::string_view op) {
    if (!IsOp(op)) return false;
    ++at_;
    return true;
  }
  bool SkipName(std::string_view name) {
    if (!IsName(name)) return false;
    ++at_;
    return true;
  }
  std::size_t LastEnd() const { return at_ > 0 ? tokens_[at_ - 1].end : Peek().begin; }

  NodePtr Fail(std::string message, std::string hint = {}) {
    return FailAt(Peek().begin, std::move(message), std::move(hint));
  }
  NodePtr FailAt(std::size_t offset, std::string message, std::string hint = {}) {
    if (error_->message.empty()) *error_ = {std::move(message), std::move(hint), offset};
    return nullptr;
  }
  NodePtr Expected(std::string_view what) {
    const bool end = Peek().kind == TokenKind::kEnd;
    return Fail(fmt::format("{} expected{}", what,
                            end ? " before the end" : fmt::format(" before \"{}\"", Peek().text)));
  }

  // Takes the kids; null if one of them is (its error is already set).
  NodePtr Make(NodeKind kind, std::size_t begin, std::vector<NodePtr> kids) {
    auto node = std::make_unique<Node>();
    node->kind = kind;
    node->begin = begin;
    node->end = LastEnd();
    for (const NodePtr& kid : kids) {
      if (!kid) return nullptr;
      node->depth = std::max(node->depth, kid->depth + 1);
    }
    node->kids = std::move(kids);
    if (node->depth > kMaxDepth) return FailAt(begin, "the expression is nested too deeply");
    return node;
  }
  template <class... Kids>
  NodePtr MakeOf(NodeKind kind, std::size_t begin, Kids... kids) {
    std::vector<NodePtr> list;
    (list.push_back(std::move(kids)), ...);
    return Make(kind, begin, std::move(list));
  }
  NodePtr MakeConst(std::size_t begin, Value value) {
    NodePtr node = Make(NodeKind::kConst, begin, {});
    node->value = std::move(value);
    return node;
  }

  // Entered by every construct that can contain itself.
  struct Nesting {
    explicit Nesting(int* level) : level_(level) { ++*level_; }
    ~Nesting() { --*level_; }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;
    int* level_;
  };

  NodePtr Condition() {
    const Nesting nesting(&level_);
    if (level_ > kMaxDepth) return Fail("the expression is nested too deeply");
    const std::size_t begin = Peek().begin;
    NodePtr value = Or();
    while (value && SkipName("if")) {
      NodePtr test = Or();
      if (!test) return nullptr;
      if (SkipName("else")) {
        NodePtr otherwise = Condition();
        value =
            MakeOf(NodeKind::kCond, begin, std::move(value), std::move(test), std::move(otherwise));
      } else {
        value = MakeOf(NodeKind::kCond, begin, std::move(value), std::move(test));
      }
    }
    return value;
  }

  NodePtr Or() {
    const std::size_t begin = Peek().begin;
    NodePtr left = And();
    while (left && SkipName("or")) left = MakeOf(NodeKind::kOr, begin, std::move(left), And());
    return left;
  }

  NodePtr And() {
    const std::size_t begin = Peek().begin;
    NodePtr left = Not();
    while (left && SkipName("and")) left = MakeOf(NodeKind::kAnd, begin, std::move(left), Not());
    return left;
  }

  NodePtr Not() {
    const Nesting nesting(&level_);
    if (level_ > kMaxDepth) return Fail("the expression is nested too deeply");
    const std::size_t begin = Peek().begin;
    if (SkipName("not")) return MakeOf(NodeKind::kNot, begin, Not());
    return Compare();
  }

  bool CompareOperator(Op* op) {
    static constexpr std::pair<std::string_view, Op> kOps[] = {{"==", Op::kEq}, {"!=", Op::kNe},
                                                               {"<=", Op::kLe}, {">=", Op::kGe},
                                                               {"<", Op::kLt},  {">", Op::kGt}};
    for (const auto& [text, value] : kOps) {
      if (SkipOp(text)) {
        *op = value;
        return true;
      }
    }
    if (SkipName("in")) {
      *op = Op::kIn;
      return true;
    }
    if (IsName("not") && IsName("in", 1)) {
      at_ += 2;
      *op = Op::kNotIn;
      return true;
    }
    return false;
  }

  NodePtr Compare() {
    const std::size_t begin = Peek().begin;
    std::vector<NodePtr> operands;
    std::vector<Op> ops;
    operands.push_back(Sum());
    for (Op op{}; operands.back() && CompareOperator(&op);) {
      ops.push_back(op);
      operands.push_back(Sum());
    }
    if (!operands.back() || ops.empty()) return std::move(operands.back());
    NodePtr node = Make(NodeKind::kCompare, begin, std::move(operands));
    if (node) node->ops = std::move(ops);
    return node;
  }

  NodePtr Binary(Level next, std::initializer_list<std::pair<std::string_view, Op>> table) {
    const std::size_t begin = Peek().begin;
    NodePtr left = (this->*next)();
    while (left) {
      const auto row = std::find_if(table.begin(), table.end(),
                                    [this](const auto& entry) { return IsOp(entry.first); });
      if (row == table.end()) break;
      ++at_;
      left = MakeOf(NodeKind::kBinary, begin, std::move(left), (this->*next)());
      if (left) left->ops = {row->second};
    }
    return left;
  }

  NodePtr Sum() { return Binary(&Parser::Concat, {{"+", Op::kAdd}, {"-", Op::kSub}}); }

  NodePtr Concat() {
    const std::size_t begin = Peek().begin;
    std::vector<NodePtr> parts;
    parts.push_back(Product());
    while (parts.back() && SkipOp("~")) parts.push_back(Product());
    if (!parts.back() || parts.size() == 1) return std::move(parts.back());
    return Make(NodeKind::kConcat, begin, std::move(parts));
  }

  NodePtr Product() {
    return Binary(&Parser::Power,
                  {{"*", Op::kMul}, {"/", Op::kDiv}, {"//", Op::kFloorDiv}, {"%", Op::kMod}});
  }

  NodePtr Power() { return Binary(&Parser::FilteredUnary, {{"**", Op::kPow}}); }

  NodePtr FilteredUnary() { return Unary(/*with_filter=*/true); }

  NodePtr Unary(bool with_filter) {
    const Nesting nesting(&level_);
    if (level_ > kMaxDepth) return Fail("the expression is nested too deeply");
    const std::size_t begin = Peek().begin;
    NodePtr node;
    if (IsOp("-") || IsOp("+")) {
      const Op op = IsOp("-") ? Op::kNeg : Op::kPos;
      ++at_;
      node = MakeOf(NodeKind::kUnary, begin, Unary(/*with_filter=*/false));
      if (node) node->ops = {op};
    } else {
      node = Primary();
    }
    node = Postfix(std::move(node), begin);
    if (with_filter) node = Filters(std::move(node), begin);
    return node;
  }

  NodePtr Primary() {
    const Token& token = Peek();
    const std::size_t begin = token.begin;
    switch (token.kind) {
      case TokenKind::kName:
        return Name();
      case TokenKind::kText: {
        std::string text;  // adjacent texts are one
        while (Peek().kind == TokenKind::kText) text += tokens_[at_++].text;
        return MakeConst(begin, Value(std::move(text)));
      }
      case TokenKind::kInt:
      case TokenKind::kFloat:
        ++at_;
        return MakeConst(begin, token.value);
      case TokenKind::kOperator:
        if (SkipOp("(")) return Parenthesis(begin);
        if (SkipOp("[")) return ListLiteral(begin);
        if (SkipOp("{")) return DictLiteral(begin);
        break;
      case TokenKind::kEnd:
        break;
    }
    return Expected("a value");
  }

  NodePtr Name() {
    const Token& token = tokens_[at_++];
    const std::string& name = token.text;
    if (name == "true" || name == "True") return MakeConst(token.begin, Value(true));
    if (name == "false" || name == "False") return MakeConst(token.begin, Value(false));
    if (name == "none" || name == "None") return MakeConst(token.begin, Value());
    for (std::string_view word : {"if", "else", "and", "or", "not", "in", "is"}) {
      if (name == word) {
        --at_;
        return Expected("a value");
      }
    }
    NodePtr node = Make(NodeKind::kName, token.begin, {});
    node->name = name;
    return node;
  }

  NodePtr Parenthesis(std::size_t begin) {
    NodePtr inner = Condition();
    if (!inner) return nullptr;
    if (IsOp(",")) return Fail("tuples are not supported", "write a list: [a, b]");
    if (!SkipOp(")")) return Expected("\")\"");
    inner->begin = begin;
    inner->end = LastEnd();
    return inner;
  }

  NodePtr ListLiteral(std::size_t begin) {
    std::vector<NodePtr> items;
    while (!SkipOp("]")) {
      if (!items.empty() && !SkipOp(",")) return Expected("\",\" or \"]\"");
      if (SkipOp("]")) break;
      items.push_back(Condition());
      if (!items.back()) return nullptr;
    }
    return Make(NodeKind::kList, begin, std::move(items));
  }

  NodePtr DictLiteral(std::size_t begin) {
    std::vector<NodePtr> items;
    while (!SkipOp("}")) {
      if (!items.empty() && !SkipOp(",")) return Expected("\",\" or \"}\"");
      if (SkipOp("}")) break;
      items.push_back(Condition());
      if (!items.back()) return nullptr;
      if (!SkipOp(":")) return Expected("\":\"");
      items.push_back(Condition());
      if (!items.back()) return nullptr;
    }
    return Make(NodeKind::kDict, begin, std::move(items));
  }

  NodePtr Postfix(NodePtr node, std::size_t begin) {
    while (node) {
      if (SkipOp(".")) {
        node = Member(std::move(node), begin);
      } else if (SkipOp("[")) {
        node = Subscript(std::move(node), begin);
      } else if (SkipOp("(")) {
        node = Arguments(NodeKind::kCall, std::move(node), begin);
      } else {
        break;
      }
    }
    return node;
  }

  NodePtr Member(NodePtr object, std::size_t begin) {
    const Token& token = Peek();
    if (token.kind == TokenKind::kInt) {
      ++at_;
      NodePtr index = MakeConst(token.begin, token.value);
      return MakeOf(NodeKind::kIndex, begin, std::move(object), std::move(index));
    }
    if (token.kind != TokenKind::kName) return Expected("a name");
    ++at_;
    NodePtr node = MakeOf(NodeKind::kMember, begin, std::move(object));
    if (node) node->name = token.text;
    return node;
  }

  NodePtr Subscript(NodePtr object, std::size_t begin) {
    std::vector<NodePtr> kids;
    kids.push_back(std::move(object));
    bool slice = false;
    for (int part = 0; part < 3; ++part) {
      const bool absent = IsOp(":") || IsOp("]");
      kids.push_back(absent ? MakeConst(Peek().begin, Value()) : Condition());
      if (!kids.back()) return nullptr;
      if (part == 0 && absent && IsOp("]")) return Expected("an index");
      if (part == 2 || !SkipOp(":")) break;
      slice = true;
    }
    if (!SkipOp("]")) return Expected("\"]\"");
    while (slice && kids.size() < 4) kids.push_back(MakeConst(LastEnd(), Value()));
    return Make(slice ? NodeKind::kSlice : NodeKind::kIndex, begin, std::move(kids));
  }

  // After "(": arguments up to ")". Keywords come last, as in Python.
  NodePtr Arguments(NodeKind kind, NodePtr callee, std::size_t begin) {
    std::vector<NodePtr> kids;
    std::vector<std::string> keywords;
    kids.push_back(std::move(callee));
    while (!SkipOp(")")) {
      if (kids.size() > 1 && !SkipOp(",")) return Expected("\",\" or \")\"");
      if (SkipOp(")")) break;
      std::string keyword;
      if (Peek().kind == TokenKind::kName && Peek(1).kind == TokenKind::kOperator &&
          Peek(1).text == "=") {
        keyword = Peek().text;
        at_ += 2;
      } else if (!keywords.empty() && !keywords.back().empty()) {
        return Fail("a positional argument after a named one");
      }
      kids.push_back(Condition());
      keywords.push_back(std::move(keyword));
    }
    NodePtr node = Make(kind, begin, std::move(kids));
    if (node) node->keywords = std::move(keywords);
    return node;
  }

  NodePtr Filters(NodePtr node, std::size_t begin) {
    while (node) {
      if (SkipOp("|")) {
        if (Peek().kind != TokenKind::kName) return Expected("the name of a filter");
        const std::size_t name_at = Peek().begin;
        const std::string name = tokens_[at_++].text;
        if (const auto known = CheckFilter(name); !known.ok()) {
          return FailAt(name_at, known.error().message, known.error().hint);
        }
        node = SkipOp("(") ? Arguments(NodeKind::kFilter, std::move(node), begin)
                           : MakeOf(NodeKind::kFilter, begin, std::move(node));
        if (node) node->name = name;
      } else if (SkipName("is")) {
        node = Test(std::move(node), begin);
      } else {
        break;
      }
    }
    return node;
  }

  NodePtr Test(NodePtr subject, std::size_t begin) {
    const bool negated = SkipName("not");
    if (Peek().kind != TokenKind::kName) return Expected("the name of a test");
    std::string name = Peek().text;
    if (name == "None") name = "none";
    if (name != "defined" && name != "undefined" && name != "none") {
      return Fail(fmt::format("there is no test \"{}\"", name),
                  "the tests are: defined, undefined, none");
    }
    ++at_;
    NodePtr node = MakeOf(NodeKind::kTest, begin, std::move(subject));
    if (!node) return nullptr;
    node->name = std::move(name);
    node->negated = negated;
    return node;
  }

  const std::vector<Token>& tokens_;
  SyntaxError* error_;
  std::size_t at_ = 0;
  int level_ = 0;
};

bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// Splits a string into literal texts and expressions.
class Splitter {
 public:
  explicit Splitter(std::string_view text) { template_.source = std::string(text); }

  // Goes on behind a fault, so that `faults` has one for each faulty expression, of the first ones.
  Template Run(std::vector<Fault>* faults) {
    while (at_ < source().size() && faults->size() < limits::kMaxReportedErrors) {
      const std::size_t open = NextOpening();
      AddText(open);
      if (open == std::string::npos) break;
      const char kind = source()[open + 1];
      const bool done = kind == '{' ? Expression(open) : kind == '#' ? Comment(open) : Block(open);
      if (done) continue;
      Error error = Invalid(std::move(error_.message), std::move(error_.hint));
      faults->push_back({error_.offset, template_.Located(std::move(error), error_.offset)});
      error_ = {};
    }
    return std::move(template_);
  }

 private:
  const std::string& source() const { return template_.source; }

  std::size_t NextOpening() const {
    for (std::size_t i = at_; i + 1 < source().size(); ++i) {
      const char next = source()[i + 1];
      if (source()[i] != '{') continue;
      if (next == '{' || next == '#') return i;
      // A lone "{%" is ordinary text: printf '{%s}'.
      if (next == '%' && source().find("%}", i + 2) != std::string::npos) return i;
    }
    return std::string::npos;
  }

  void AddText(std::size_t open) {
    std::size_t begin = at_;
    std::size_t end = std::min(open, source().size());
    if (strip_next_) {
      while (begin < end && IsSpace(source()[begin])) ++begin;
    }
    strip_next_ = false;
    if (open != std::string::npos && open + 2 < source().size() && source()[open + 2] == '-') {
      while (end > begin && IsSpace(source()[end - 1])) --end;
    }
    if (end > begin) {
      Segment segment;
      segment.text = source().substr(begin, end - begin);
      segment.begin = begin;
      segment.end = end;
      template_.segments.push_back(std::move(segment));
    }
  }

  std::size_t Inside(std::size_t open) const {
    const bool sign =
        open + 2 < source().size() && (source()[open + 2] == '-' || source()[open + 2] == '+');
    return open + (sign ? 3 : 2);
  }

  // Continues after the next `mark`, or at the end.
  void LeapOver(std::string_view mark, std::size_t from) {
    const std::size_t found = source().find(mark, from);
    at_ = found == std::string::npos ? source().size() : found + mark.size();
  }

  bool Expression(std::size_t open) {
    TokenList list;
    if (!Tokenize(source(), Inside(open), &list, &error_)) {
      LeapOver("}}", open);
      return false;
    }
    at_ = list.end;
    strip_next_ = list.strip_after;
    Segment segment;
    segment.expression = Parser(list, &error_).Run();
    if (!segment.expression) return false;
    segment.begin = open;
    segment.end = list.end;
    template_.segments.push_back(std::move(segment));
    return true;
  }

  bool Comment(std::size_t open) {
    const std::size_t close = source().find("#}", Inside(open));
    if (close == std::string::npos) {
      error_ = {"the comment has no closing \"#}\"",
                "to print \"{#\" as it is (shell: ${#x}) write {{ '{#' }}", open};
      at_ = source().size();
      return false;
    }
    strip_next_ = source()[close - 1] == '-';
    at_ = close + 2;
    return true;
  }

  bool Block(std::size_t open) {
    error_ = {"blocks ({% %}) are not part of the template language",
              "use {{ a if condition else b }}; lists come from map.over", open};
    LeapOver("%}", open);
    return false;
  }

  Template template_;
  SyntaxError error_;
  std::size_t at_ = 0;
  bool strip_next_ = false;
};

}  // namespace

std::string_view ToString(Op op) {
  static constexpr std::string_view kTexts[] = {"+",  "-", "*",  "/",  "//",    "%",
                                                "**", "-", "+",  "==", "!=",    "<",
                                                "<=", ">", ">=", "in", "not in"};
  static_assert(std::size(kTexts) == static_cast<std::size_t>(Op::kNotIn) + 1);
  return kTexts[static_cast<std::size_t>(op)];
}

bool Template::IsOneExpression() const {
  return segments.size() == 1 && segments[0].expression && segments[0].begin == 0 &&
         segments[0].end == source.size();
}

Error Template::Located(Error error, std::size_t offset) const {
  constexpr std::size_t kQuoted = 120;
  offset = std::min(offset, source.size());
  const auto end_of_prefix = source.begin() + static_cast<std::ptrdiff_t>(offset);
  const auto column = 1 + std::count_if(source.begin(), end_of_prefix, [](char c) {
                        return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
                      });
  // Quote the expression alone, not a whole script around it.
  std::size_t begin = source.rfind("{{", offset);
  if (begin == std::string::npos) begin = source.rfind('{', offset);
  if (begin == std::string::npos) begin = 0;
  const std::size_t close = source.find("}}", offset);
  std::size_t end = close == std::string::npos ? source.size() : close + 2;
  end = std::min(end, begin + 2 * kQuoted);  // no more than shows that it is cut
  std::string quoted;
  for (std::string_view point : CodePoints(std::string_view(source).substr(begin, end - begin))) {
    if (quoted.size() + point.size() > kQuoted) {
      quoted += "...";
      break;
    }
    quoted += point;
  }
  error.message = fmt::format("{} (column {} of {})", error.message, column, quoted);
  return error;
}

Result<Template> ParseTemplate(std::string_view text) {
  std::vector<Fault> faults;
  Template parsed = ParseTemplate(text, &faults);
  if (!faults.empty()) return std::move(faults.front().error);
  return parsed;
}

Template ParseTemplate(std::string_view text, std::vector<Fault>* faults) {
  return Splitter(text).Run(faults);
}

}  // namespace nightmill::tmpl
