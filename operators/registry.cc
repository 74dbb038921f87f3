#include "operators/registry.h"

namespace nightmill {
namespace {

struct Row {
  std::string_view type;
  const Operator& (*get)();
};

// A line each, so that an operator is one line more.
// clang-format off
constexpr Row kOperators[] = {
    {"aggregate", Aggregate},
    {"compact", Compact},
    {"convert", Convert},
    {"expect", Expect},
    {"publish", Publish},
};
// clang-format on

}  // namespace

const Operator* FindOperator(std::string_view type) {
  for (const Row& row : kOperators) {
    if (row.type == type) return &row.get();
  }
  return nullptr;
}

}  // namespace nightmill
