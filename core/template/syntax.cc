#include "core/template/syntax.h"

#include <fmt/format.h>

#include "core/template/names.h"

namespace nightmill::tmpl {
namespace {

// Where a Jinja or Airflow user will look for a method that we do not have.
std::string MethodHint(const Node& callee) {
  const std::string& name = callee.name;
  if (name == "xcom_pull" || name == "xcom_push") return "write outputs.<task>";
  if (name == "get") return "write x.key | default(...)";
  if (FindFilter(name)) return fmt::format("use the filter: | {}", name);
  return DidYouMean(name, MethodNames());
}

}  // namespace

Callee ClassifyCallee(const Node& callee) {
  if (callee.kind == NodeKind::kName) {
    return {callee.name == "secret" ? CalleeKind::kSecret : CalleeKind::kOther, callee.name};
  }
  if (callee.kind != NodeKind::kMember) return {};
  const Node& owner = *callee.kids[0];
  if (owner.kind == NodeKind::kName && owner.name == "macros") {
    return {CalleeKind::kMacro, callee.name};
  }
  // Airflow's macros.uuid is Python's module.
  const bool uuid_module = owner.kind == NodeKind::kMember && owner.name == "uuid" &&
                           owner.kids[0]->kind == NodeKind::kName &&
                           owner.kids[0]->name == "macros";
  if (uuid_module && callee.name == "uuid4") return {CalleeKind::kMacro, owner.name};
  return {CalleeKind::kMethod, callee.name};
}

Status CheckCallee(const Node& callee, const Callee& what) {
  switch (what.kind) {
    case CalleeKind::kSecret:
      return Ok();
    case CalleeKind::kMacro: {
      if (FindMacro(what.name)) return Ok();
      const auto names = MembersOf("macros");
      std::string hint = DidYouMean(what.name, names);
      if (hint.empty()) hint = fmt::format("the macros are: {}", fmt::join(names, ", "));
      return Invalid(fmt::format("there is no macro \"{}\"", what.name), std::move(hint));
    }
    case CalleeKind::kMethod:
      if (FindMethod(what.name)) return Ok();
      return Invalid(fmt::format("there is no method \"{}\"", what.name), MethodHint(callee));
    case CalleeKind::kOther:
      break;
  }
  std::string hint = "macros are called as macros.<name>(...)";
  if (FindMacro(what.name)) hint = fmt::format("write macros.{}(...)", what.name);
  if (what.name.empty()) return Invalid("only macros and methods can be called", std::move(hint));
  return Invalid(fmt::format("\"{}\" cannot be called", what.name), std::move(hint));
}

Result<const FilterRow*> CheckFilter(std::string_view name) {
  if (const FilterRow* filter = FindFilter(name)) return filter;
  const auto names = FilterNames();
  std::string hint = DidYouMean(name, names);
  if (hint.empty()) hint = fmt::format("the filters are: {}", fmt::join(names, ", "));
  return Invalid(fmt::format("there is no filter \"{}\"", name), std::move(hint));
}

std::string NamespaceOf(const Node& node) {
  if (node.kind == NodeKind::kName) {
    const RootName* root = FindRoot(node.name);
    const bool is_namespace = root && root->kind == RootKind::kNamespace;
    return is_namespace ? std::string(CanonicalNamespace(node.name)) : std::string();
  }
  const std::string* member = FixedMember(node);
  if (member && NamespaceOf(*node.kids[0]) == "var" && (*member == "value" || *member == "json")) {
    return "var." + *member;
  }
  return {};
}

const std::string* FixedMember(const Node& node) {
  if (node.kind == NodeKind::kMember) return &node.name;
  if (node.kind != NodeKind::kIndex || node.kids[1]->kind != NodeKind::kConst) return nullptr;
  return node.kids[1]->value.As<std::string>();
}

}  // namespace nightmill::tmpl
