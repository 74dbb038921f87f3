// What a template may name, as tables: roots, members of namespaces, Airflow's old names.
// Validation, evaluation and hints walk the same rows.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace nightmill::tmpl {

enum class RootKind : std::uint8_t {
  kValue,        // has a value of its own
  kNamespace,    // has members: kMembers, or any (outputs)
  kFunction,     // only called: secret
  kOld,          // works; `note` is what to write today
  kUnavailable,  // known to Airflow, not given by this release; `note` is what to use instead
};

struct RootName {
  std::string_view name;
  RootKind kind;
  bool engine_made;  // a date or id made by the engine: safe in a shell line without quotes
  std::string_view note = {};
};
const RootName* FindRoot(std::string_view name);
// Every name that may be used today, for hints.
std::vector<std::string_view> KnownRoots();

// Members of dag, dag_run, ti, map, macros, ... `owner` of ti and task_instance is "ti".
struct MemberName {
  std::string_view owner;
  std::string_view name;
  bool engine_made;
};
const MemberName* FindMember(std::string_view owner, std::string_view name);
std::vector<std::string_view> MembersOf(std::string_view owner);
// Whether the members of a namespace are listed here (not so for outputs and var.value).
bool HasClosedMembers(std::string_view owner);
// "task_instance" -> "ti".
std::string_view CanonicalNamespace(std::string_view name);

// `did you mean "x"?` for the nearest candidate at edit distance <= 2, else "".
std::string DidYouMean(std::string_view word, std::span<const std::string_view> candidates);

}  // namespace nightmill::tmpl
