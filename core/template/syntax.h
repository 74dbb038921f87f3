// What a call, filter or namespace path in a syntax tree refers to: shared by evaluation and by
// InspectTemplate, so that both give the same verdict and the same words.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/result.h"
#include "core/template/ast.h"
#include "core/template/calls.h"

namespace nightmill::tmpl {

enum class CalleeKind : std::uint8_t { kMacro, kMethod, kSecret, kOther };
struct Callee {
  CalleeKind kind = CalleeKind::kOther;
  std::string_view name;  // of the macro or method
};
Callee ClassifyCallee(const Node& callee);
// kInvalid with a hint for an unknown macro or method and for what cannot be called.
Status CheckCallee(const Node& callee, const Callee& what);

// kInvalid with a hint for an unknown filter. The parser asks, so that every kFilter node has one.
Result<const FilterRow*> CheckFilter(std::string_view name);

// "ti" for task_instance, "var.value" for var.value, "" for what is no namespace.
std::string NamespaceOf(const Node& node);
// The fixed member that a kMember or kIndex node names, or null for a computed one.
const std::string* FixedMember(const Node& node);

}  // namespace nightmill::tmpl
