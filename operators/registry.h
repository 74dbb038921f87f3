// The native operators, one function each; FindOperator (operator.h) looks them up by type.
#pragma once

#include <string>
#include <utility>

#include "operators/op_result.h"
#include "operators/operator.h"

namespace nightmill {

const Operator& Aggregate();
const Operator& Compact();
const Operator& Convert();
const Operator& Expect();
const Operator& Publish();

inline OperatorResult ToOperatorResult(OpResult<std::string> result) {
  if (result.ok()) return std::move(result).value();
  return std::move(result).error();
}

}  // namespace nightmill
