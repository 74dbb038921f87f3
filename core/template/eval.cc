// Evaluation walks the tree; its depth is bounded by the parser. Each step gives a value or an
// error and remembers the place of the innermost failure.
#include "core/template/eval.h"

#include <fmt/format.h>

#include <utility>

#include "core/template/names.h"
#include "core/template/operators.h"
#include "core/template/syntax.h"

namespace nightmill::tmpl {

std::string_view Evaluator::TextOf(const Node& node) const {
  return std::string_view(source_.source).substr(node.begin, node.end - node.begin);
}

// An undefined value remembers which expression gave it.
Value Evaluator::Placed(Value value, const Node& node) const {
  const auto* undefined = value.As<Undefined>();
  if (!undefined) return value;
  Undefined placed = *undefined;
  placed.offset = node.begin;
  return Value(std::move(placed));
}

Error Evaluator::At(const Node& node, Error error) {
  // The innermost expression fails first and keeps its place while the error passes outwards.
  if (!error_at_) error_at_ = node.begin;
  return error;
}

Result<Value> Evaluator::Defined(Value value) {
  if (const auto* undefined = value.As<Undefined>()) {
    if (!error_at_) error_at_ = undefined->offset;
    return Invalid(undefined->what, undefined->hint);
  }
  if (const auto* owner = value.As<Namespace>()) {
    const auto members = MembersOf(owner->name);
    return Invalid(fmt::format("{} is not a value", owner->name),
                   members.empty() ? "name one of its members"
                                   : fmt::format("it has: {}", fmt::join(members, ", ")));
  }
  return value;
}

Result<Value> Evaluator::Evaluate(const Node& root) {
  error_at_.reset();
  Result<Value> value = Eval(root);
  if (!value.ok()) return source_.Located(value.error(), error_at_.value_or(root.begin));
  return value;
}

Result<Value> Evaluator::EvaluateDefined(const Node& root) {
  NM_ASSIGN_OR_RETURN(Value value, Evaluate(root));
  Result<Value> defined = Defined(std::move(value));
  if (!defined.ok()) return source_.Located(defined.error(), error_at_.value_or(root.begin));
  return defined;
}

Result<std::string> Evaluator::EvaluateToText(const Node& root) {
  NM_ASSIGN_OR_RETURN(const Value value, EvaluateDefined(root));
  Result<std::string> text = ToText(value);
  if (!text.ok()) return source_.Located(text.error(), root.begin);
  return text;
}

Result<Value> Evaluator::Eval(const Node& node) {
  Result<Value> value = EvalKind(node);
  if (!value.ok()) return At(node, std::move(value).error());
  return value;
}

Result<Value> Evaluator::EvalDefined(const Node& node) {
  NM_ASSIGN_OR_RETURN(Value value, Eval(node));
  Result<Value> defined = Defined(std::move(value));
  if (!defined.ok()) return At(node, std::move(defined).error());
  return defined;
}

Result<Value> Evaluator::EvalKind(const Node& node) {
  switch (node.kind) {
    case NodeKind::kConst:
      return node.value;
    case NodeKind::kName:
      return EvalName(node);
    case NodeKind::kList:
      return EvalList(node);
    case NodeKind::kDict:
      return EvalDict(node);
    case NodeKind::kMember:
      return EvalMember(node);
    case NodeKind::kIndex:
      return EvalIndex(node);
    case NodeKind::kSlice:
      return EvalSlice(node);
    case NodeKind::kCall:
      return EvalCall(node);
    case NodeKind::kFilter:
      return EvalFilter(node);
    case NodeKind::kTest:
      return EvalTest(node);
    case NodeKind::kUnary: {
      NM_ASSIGN_OR_RETURN(const Value value, EvalDefined(*node.kids[0]));
      return Sign(node.ops[0], value);
    }
    case NodeKind::kBinary:
      return EvalBinary(node);
    case NodeKind::kCompare:
      return EvalCompare(node);
    case NodeKind::kAnd:
    case NodeKind::kOr:
    case NodeKind::kNot:
      return EvalLogic(node);
    case NodeKind::kConcat:
      return EvalConcat(node);
    case NodeKind::kCond:
      return EvalCond(node);
  }
  CHECK(false);
  return Value();
}

Result<Value> Evaluator::EvalName(const Node& node) {
  NM_ASSIGN_OR_RETURN(Value value, scope_->Root(node.name));
  return Placed(std::move(value), node);
}

// Jinja keeps an undefined item until it is used; here it fails at once, where it is written.
Result<Value> Evaluator::EvalList(const Node& node) {
  List items;
  for (const NodePtr& kid : node.kids) {
    NM_ASSIGN_OR_RETURN(Value item, EvalDefined(*kid));
    items.push_back(std::move(item));
  }
  return Value(std::move(items));
}

// A key that comes twice keeps its place and takes the later value, as in Python.
Result<Value> Evaluator::EvalDict(const Node& node) {
  Object object;
  for (std::size_t i = 0; i < node.kids.size(); i += 2) {
    NM_ASSIGN_OR_RETURN(const Value key, EvalDefined(*node.kids[i]));
    NM_ASSIGN_OR_RETURN(Value value, EvalDefined(*node.kids[i + 1]));
    const auto* name = key.As<std::string>();
    if (!name) {
      return At(*node.kids[i], Invalid(fmt::format("a key must be a text, not {}", TypeName(key))));
    }
    bool replaced = false;
    for (auto& [existing, old] : object) {
      if (existing != *name) continue;
      old = value;
      replaced = true;
    }
    if (!replaced) object.emplace_back(*name, std::move(value));
  }
  return Value(std::move(object));
}

// A member of something undefined is an error even under `default`: Jinja's strict rule.
Result<Value> Evaluator::EvalMember(const Node& node) {
  NM_ASSIGN_OR_RETURN(Value object, Eval(*node.kids[0]));
  if (const auto* owner = object.As<Namespace>()) {
    NM_ASSIGN_OR_RETURN(Value value, scope_->MemberOf(owner->name, node.name));
    return Placed(std::move(value), node);
  }
  NM_ASSIGN_OR_RETURN(const Value defined, Defined(std::move(object)));
  return Placed(Member(defined, node.name, TextOf(node)), node);
}

Result<Value> Evaluator::EvalIndex(const Node& node) {
  NM_ASSIGN_OR_RETURN(Value object, Eval(*node.kids[0]));
  NM_ASSIGN_OR_RETURN(const Value index, EvalDefined(*node.kids[1]));
  if (const auto* owner = object.As<Namespace>()) {
    const auto* name = index.As<std::string>();
    if (!name) return Invalid(fmt::format("{} has no member {}", owner->name, TypeName(index)));
    NM_ASSIGN_OR_RETURN(Value value, scope_->MemberOf(owner->name, *name));
    return Placed(std::move(value), node);
  }
  NM_ASSIGN_OR_RETURN(const Value defined, Defined(std::move(object)));
  NM_ASSIGN_OR_RETURN(Value value, Index(defined, index, TextOf(node)));
  return Placed(std::move(value), node);
}

Result<Value> Evaluator::EvalSlice(const Node& node) {
  NM_ASSIGN_OR_RETURN(const Value object, EvalDefined(*node.kids[0]));
  NM_ASSIGN_OR_RETURN(const Value begin, EvalDefined(*node.kids[1]));
  NM_ASSIGN_OR_RETURN(const Value end, EvalDefined(*node.kids[2]));
  NM_ASSIGN_OR_RETURN(const Value step, EvalDefined(*node.kids[3]));
  return Slice(object, {&begin, &end, &step});
}

Result<Evaluator::Bound> Evaluator::Bind(const Node& node, const Signature& signature,
                                         bool allow_undefined) {
  NM_ASSIGN_OR_RETURN(const auto places, BindArguments(signature, node.keywords));
  Bound bound;
  bound.values.reserve(places.size());  // `args` points into it
  bound.args.resize(signature.parameters.size(), nullptr);
  for (std::size_t i = 0; i < places.size(); ++i) {
    const Node& kid = *node.kids[i + 1];
    NM_ASSIGN_OR_RETURN(Value value, allow_undefined ? Eval(kid) : EvalDefined(kid));
    bound.values.push_back(std::move(value));
    bound.args[places[i]] = &bound.values.back();
  }
  return bound;
}

Result<Value> Evaluator::EvalCall(const Node& node) {
  const Node& callee = *node.kids[0];
  const Callee what = ClassifyCallee(callee);
  NM_RETURN_IF_ERROR(CheckCallee(callee, what));
  if (what.kind == CalleeKind::kSecret) {
    return Invalid("secret() is only given to a process by its `env`",
                   "write it as the whole value of an entry of `env`");
  }
  if (what.kind == CalleeKind::kMacro) {
    const MacroRow* macro = FindMacro(what.name);
    NM_ASSIGN_OR_RETURN(const Bound bound, Bind(node, macro->signature, false));
    return macro->call(bound.args, scope_->rng());
  }
  NM_ASSIGN_OR_RETURN(const Value self, EvalDefined(*callee.kids[0]));
  const MethodRow* method = FindMethod(what.name);
  NM_ASSIGN_OR_RETURN(const Bound bound, Bind(node, method->signature, false));
  return method->call(self, bound.args);
}

// Only `default` may see an undefined input; what it gives may be undefined again.
Result<Value> Evaluator::EvalFilter(const Node& node) {
  const FilterRow* filter = FindFilter(node.name);
  NM_ASSIGN_OR_RETURN(const Value input,
                      filter->takes_undefined ? Eval(*node.kids[0]) : EvalDefined(*node.kids[0]));
  NM_ASSIGN_OR_RETURN(const Bound bound, Bind(node, filter->signature, filter->takes_undefined));
  NM_ASSIGN_OR_RETURN(Value value, filter->call(input, bound.args));
  return Placed(std::move(value), node);
}

Result<Value> Evaluator::EvalTest(const Node& node) {
  NM_ASSIGN_OR_RETURN(const Value value, Eval(*node.kids[0]));
  if (node.name == "none") return Value(value.is_none() != node.negated);
  const bool holds = value.is_undefined() == (node.name == "undefined");
  return Value(holds != node.negated);
}

Result<Value> Evaluator::EvalBinary(const Node& node) {
  NM_ASSIGN_OR_RETURN(const Value a, EvalDefined(*node.kids[0]));
  NM_ASSIGN_OR_RETURN(const Value b, EvalDefined(*node.kids[1]));
  return Arithmetic(node.ops[0], a, b);
}

// a < b < c is a < b and b < c, each evaluated once.
Result<Value> Evaluator::EvalCompare(const Node& node) {
  NM_ASSIGN_OR_RETURN(Value left, EvalDefined(*node.kids[0]));
  for (std::size_t i = 0; i < node.ops.size(); ++i) {
    NM_ASSIGN_OR_RETURN(Value right, EvalDefined(*node.kids[i + 1]));
    NM_ASSIGN_OR_RETURN(const bool holds, Compare(node.ops[i], left, right));
    if (!holds) return Value(false);
    left = std::move(right);
  }
  return Value(true);
}

// `and` and `or` give an operand, as in Python: x or 'default'.
Result<Value> Evaluator::EvalLogic(const Node& node) {
  NM_ASSIGN_OR_RETURN(Value left, EvalDefined(*node.kids[0]));
  NM_ASSIGN_OR_RETURN(const bool truth, Truth(left));
  if (node.kind == NodeKind::kNot) return Value(!truth);
  if (truth == (node.kind == NodeKind::kOr)) return left;
  return Eval(*node.kids[1]);
}

Result<Value> Evaluator::EvalConcat(const Node& node) {
  std::string text;
  for (const NodePtr& kid : node.kids) {
    NM_ASSIGN_OR_RETURN(const Value value, EvalDefined(*kid));
    NM_ASSIGN_OR_RETURN(const std::string part, ToText(value));
    text += part;
    NM_RETURN_IF_ERROR(CheckTextSize(text.size()));
  }
  return Value(std::move(text));
}

// Only the branch taken is evaluated.
Result<Value> Evaluator::EvalCond(const Node& node) {
  NM_ASSIGN_OR_RETURN(const Value condition, EvalDefined(*node.kids[1]));
  NM_ASSIGN_OR_RETURN(const bool truth, Truth(condition));
  if (truth) return Eval(*node.kids[0]);
  if (node.kids.size() > 2) return Eval(*node.kids[2]);
  return Placed(Value(Undefined{.what = "the condition is false and there is no `else`"}), node);
}

}  // namespace nightmill::tmpl
