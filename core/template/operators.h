// Operators of the expression language with Python's meaning. Errors are kInvalid and name the
// types.
#pragma once

#include <cstddef>
#include <string_view>

#include "core/base/result.h"
#include "core/template/ast.h"
#include "core/template/value.h"

namespace nightmill::tmpl {

// What one expression may build: a text or list beyond it is an error, not a full memory.
inline constexpr std::size_t kMaxTextBytes = std::size_t{1} << 20;
inline constexpr std::size_t kMaxListItems = 100'000;

Status CheckTextSize(std::size_t bytes);
Status CheckListSize(std::size_t items);

// + - * / // % **. Integers are 64 bits: beyond is an error.
Result<Value> Arithmetic(Op op, const Value& a, const Value& b);
// Unary - and +.
Result<Value> Sign(Op op, const Value& value);
// == != < <= > >= in, not in.
Result<bool> Compare(Op op, const Value& a, const Value& b);
// value[index], with indexes from the end; an absent member is Undefined, as in Jinja.
Result<Value> Index(const Value& value, const Value& index, std::string_view text);
// value[begin:end:step] of texts and lists; each part an int or none.
struct SliceParts {
  const Value* begin;
  const Value* end;
  const Value* step;
};
Result<Value> Slice(const Value& value, const SliceParts& parts);
// value.name of objects and dates, else Undefined. `text` is the expression, for its message.
Value Member(const Value& value, std::string_view name, std::string_view text);

}  // namespace nightmill::tmpl
