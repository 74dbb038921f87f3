// Evaluation of one expression tree. Pure but for the scope's caches.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "core/base/result.h"
#include "core/template/ast.h"
#include "core/template/calls.h"
#include "core/template/scope.h"
#include "core/template/value.h"

namespace nightmill::tmpl {

class Evaluator {
 public:
  // Both outlive the evaluator.
  Evaluator(const Template& source, Scope* scope) : source_(source), scope_(scope) {}

  // The value, which may be Undefined. Errors are located in the template.
  Result<Value> Evaluate(const Node& root);
  // The defined value's str().
  Result<std::string> EvaluateToText(const Node& root);
  // The defined value.
  Result<Value> EvaluateDefined(const Node& root);

 private:
  Result<Value> Eval(const Node& node);
  Result<Value> EvalKind(const Node& node);
  Result<Value> EvalDefined(const Node& node);
  Result<Value> EvalName(const Node& node);
  Result<Value> EvalList(const Node& node);
  Result<Value> EvalDict(const Node& node);
  Result<Value> EvalMember(const Node& node);
  Result<Value> EvalIndex(const Node& node);
  Result<Value> EvalSlice(const Node& node);
  Result<Value> EvalCall(const Node& node);
  Result<Value> EvalFilter(const Node& node);
  Result<Value> EvalTest(const Node& node);
  Result<Value> EvalBinary(const Node& node);
  Result<Value> EvalCompare(const Node& node);
  Result<Value> EvalLogic(const Node& node);
  Result<Value> EvalConcat(const Node& node);
  Result<Value> EvalCond(const Node& node);

  struct Bound {
    std::vector<Value> values;
    Args args;
  };
  // Arguments kids[1..] of a call or filter, bound to the signature's parameters.
  Result<Bound> Bind(const Node& node, const Signature& signature, bool allow_undefined);

  std::string_view TextOf(const Node& node) const;
  Value Placed(Value value, const Node& node) const;
  Result<Value> Defined(Value value);
  Error At(const Node& node, Error error);

  const Template& source_;
  Scope* scope_;
  std::optional<std::size_t> error_at_;  // byte of the innermost failing expression
};

}  // namespace nightmill::tmpl
