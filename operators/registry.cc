#include "operators/registry.h"

#include <array>

namespace nightmill {
namespace {

struct Row {
  std::string_view type;
  const Operator& (*get)();
};

constexpr std::array kOperators{
    Row{"aggregate", Aggregate}, Row{"compact", Compact}, Row{"convert", Convert},
    Row{"expect", Expect},       Row{"publish", Publish},
};

}  // namespace

const Operator* FindOperator(std::string_view type) {
  for (const Row& row : kOperators) {
    if (row.type == type) return &row.get();
  }
  return nullptr;
}

}  // namespace nightmill
