// The functions of the template language: filters, macros, methods. Each is a row of a table with
// its parameters, so that validation checks names and arguments without rendering.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/result.h"
#include "core/base/rng.h"
#include "core/template/value.h"

namespace nightmill::tmpl {

// Arguments in the order of the row's parameters; null where none was given.
using Args = std::vector<const Value*>;

struct Signature {
  std::string_view name;
  std::span<const std::string_view> parameters;
  std::size_t required = 0;
};

struct FilterRow {
  Signature signature;
  Result<Value> (*call)(const Value& input, const Args& args);
  bool takes_undefined = false;  // default: decides itself what an undefined input means
};
const FilterRow* FindFilter(std::string_view name);
std::vector<std::string_view> FilterNames();

struct MethodRow {
  Signature signature;
  Result<Value> (*call)(const Value& self, const Args& args);
};
const MethodRow* FindMethod(std::string_view name);
std::vector<std::string_view> MethodNames();

struct MacroRow {
  Signature signature;
  Result<Value> (*call)(const Args& args, Rng* rng);
};
const MacroRow* FindMacro(std::string_view name);

// Checks the count and the keywords of a call ("" = positional) and gives for each argument the
// index of its parameter. kInvalid names what is wrong.
Result<std::vector<std::size_t>> BindArguments(const Signature& signature,
                                               std::span<const std::string> keywords);

// shlex.quote of Python: one word of a POSIX shell.
std::string ShellQuote(std::string_view text);

}  // namespace nightmill::tmpl
