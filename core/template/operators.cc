// Operators by Python's rules: floor division, bool as int, exact order of ints and floats.
#include "core/template/operators.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>

#include "core/template/dates.h"
#include "core/template/names.h"

namespace nightmill::tmpl {
namespace {

constexpr std::int64_t kDayMicros = 86'400'000'000;

// `1 + 'a'`: names both types, since the values may be secret or long.
Error BadOperands(Op op, const Value& a, const Value& b) {
  std::string hint;
  if (op == Op::kAdd && (a.As<std::string>() || b.As<std::string>())) {
    hint = "join texts with ~";
  }
  return Invalid(
      fmt::format("\"{}\" does not work on {} and {}", ToString(op), TypeName(a), TypeName(b)),
      std::move(hint));
}

Error Overflow() { return Invalid("the result is beyond 64 bits"); }
Error ZeroDivision() { return Invalid("division by zero"); }

// The sign of the divisor, as in Python.
std::int64_t FloorMod(std::int64_t a, std::int64_t b) {
  if (b == -1) return 0;
  const std::int64_t r = a % b;
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

double FloorModFloat(double a, double b) {
  double r = std::fmod(a, b);
  if (r != 0.0) {
    if ((b < 0) != (r < 0)) r += b;
  } else {
    r = std::copysign(0.0, b);
  }
  return r;
}

// Python's float_divmod, so that -1.5 // 0.1 gives the very same float.
double FloorDivFloat(double a, double b) {
  double r = std::fmod(a, b);
  double q = (a - r) / b;
  if (r != 0.0 && (b < 0) != (r < 0)) q -= 1.0;
  if (q == 0.0) return std::copysign(0.0, a / b);
  const double whole = std::floor(q);
  return q - whole > 0.5 ? whole + 1.0 : whole;
}

// A negative exponent gives a float, as in Python.
Result<Value> IntPower(std::int64_t base, std::int64_t exponent) {
  if (exponent < 0) {
    if (base == 0) return ZeroDivision();
    return Value(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  }
  std::int64_t result = 1;
  if (base == 0 || base == 1 || base == -1) {
    if (exponent == 0) return Value(1);
    return Value(base == -1 && exponent % 2 == 0 ? std::int64_t{1} : base);
  }
  for (std::int64_t i = 0; i < exponent; ++i) {
    if (__builtin_mul_overflow(result, base, &result)) return Overflow();
  }
  return Value(result);
}

// Python's integers have no end; ours end with an error, never by wrapping.
Result<Value> IntArithmetic(Op op, std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  switch (op) {
    case Op::kAdd:
      if (__builtin_add_overflow(a, b, &result)) return Overflow();
      return Value(result);
    case Op::kSub:
      if (__builtin_sub_overflow(a, b, &result)) return Overflow();
      return Value(result);
    case Op::kMul:
      if (__builtin_mul_overflow(a, b, &result)) return Overflow();
      return Value(result);
    case Op::kDiv:
      if (b == 0) return ZeroDivision();
      return Value(static_cast<double>(static_cast<long double>(a) / static_cast<long double>(b)));
    case Op::kFloorDiv:
      if (b == 0) return ZeroDivision();
      if (b == -1) return IntArithmetic(Op::kSub, 0, a);
      return Value((a - FloorMod(a, b)) / b);
    case Op::kMod:
      if (b == 0) return ZeroDivision();
      return Value(FloorMod(a, b));
    default:
      return IntPower(a, b);
  }
}

// Where C++ gives infinity or nan, Python raises; so do we.
Result<Value> FloatArithmetic(Op op, double a, double b) {
  switch (op) {
    case Op::kAdd:
      return Value(a + b);
    case Op::kSub:
      return Value(a - b);
    case Op::kMul:
      return Value(a * b);
    case Op::kDiv:
      if (b == 0.0) return ZeroDivision();
      return Value(a / b);
    case Op::kFloorDiv:
      if (b == 0.0) return ZeroDivision();
      return Value(FloorDivFloat(a, b));
    case Op::kMod:
      if (b == 0.0) return ZeroDivision();
      return Value(FloorModFloat(a, b));
    default:
      break;
  }
  if (a == 0.0 && b < 0) return ZeroDivision();
  const double power = std::pow(a, b);
  if (std::isnan(power) && !std::isnan(a) && !std::isnan(b)) {
    return Invalid("a negative number has no fractional power");
  }
  if (std::isinf(power) && !std::isinf(a) && !std::isinf(b)) {
    return Invalid("the result is too large for a float");
  }
  return Value(power);
}

// 'ab' * 3 and [1] * 3; a negative count gives nothing. The size is checked before it is built.
Result<Value> Repeat(const Value& value, std::int64_t times) {
  const auto count = static_cast<std::size_t>(std::max<std::int64_t>(times, 0));
  if (const auto* text = value.As<std::string>()) {
    if (!text->empty())
      NM_RETURN_IF_ERROR(CheckTextSize(count > kMaxTextBytes ? count : count * text->size()));
    std::string out;
    for (std::size_t i = 0; i < count && !text->empty(); ++i) out += *text;
    return Value(std::move(out));
  }
  const List& list = *value.list();
  if (!list.empty())
    NM_RETURN_IF_ERROR(CheckListSize(count > kMaxListItems ? count : count * list.size()));
  List out;
  for (std::size_t i = 0; i < count && !list.empty(); ++i) {
    out.insert(out.end(), list.begin(), list.end());
  }
  return Value(std::move(out));
}

// Whole microseconds of a float number of them, halves to even; nothing beyond 64 bits.
std::optional<std::int64_t> RoundMicros(long double us) {
  if (!(std::fabs(us) < 9.2e18L)) return std::nullopt;
  return static_cast<std::int64_t>(std::llrint(us));
}

// timedelta * n, / n, // n.
Result<Value> ScaleDelta(Op op, const Value& a, const Value& b, TimeDelta delta, Number factor) {
  const auto us = static_cast<long double>(delta.us);
  if (op == Op::kMul) {
    if (!factor.is_float) {
      std::int64_t product = 0;
      if (__builtin_mul_overflow(delta.us, factor.i, &product)) return Overflow();
      return Value(TimeDelta{product});
    }
    const auto scaled = RoundMicros(us * static_cast<long double>(factor.d));
    return scaled ? Result<Value>(Value(TimeDelta{*scaled})) : Overflow();
  }
  if (op == Op::kFloorDiv && !factor.is_float) {
    NM_ASSIGN_OR_RETURN(const Value quotient, IntArithmetic(op, delta.us, factor.i));
    return Value(TimeDelta{*quotient.As<std::int64_t>()});
  }
  if (op != Op::kDiv) return BadOperands(op, a, b);
  if (factor.d == 0.0) return ZeroDivision();
  const auto scaled = RoundMicros(us / static_cast<long double>(factor.d));
  return scaled ? Result<Value>(Value(TimeDelta{*scaled})) : Overflow();
}

// Between two timedeltas: + - % give a timedelta, / a float, // an int.
Result<Value> DeltaArithmetic(Op op, std::int64_t a, std::int64_t b) {
  switch (op) {
    case Op::kDiv:
      if (b == 0) return ZeroDivision();
      return Value(static_cast<double>(static_cast<long double>(a) / static_cast<long double>(b)));
    case Op::kFloorDiv:
      return IntArithmetic(op, a, b);
    default: {
      NM_ASSIGN_OR_RETURN(const Value us, IntArithmetic(op, a, b));
      return Value(TimeDelta{*us.As<std::int64_t>()});
    }
  }
}

template <class T>
Result<Value> Wrap(Result<T> result) {
  if (!result.ok()) return std::move(result).error();
  return Value(std::move(result).value());
}

// One side at least is a date, datetime or timedelta.
Result<Value> DateArithmetic(Op op, const Value& a, const Value& b) {
  const auto* delta_a = a.As<TimeDelta>();
  const auto* delta_b = b.As<TimeDelta>();
  Number number;
  if (delta_a && delta_b && op != Op::kMul && op != Op::kPow) {
    return DeltaArithmetic(op, delta_a->us, delta_b->us);
  }
  if (delta_a && ToNumber(b, &number)) return ScaleDelta(op, a, b, *delta_a, number);
  if (delta_b && ToNumber(a, &number) && op == Op::kMul) {
    return ScaleDelta(op, a, b, *delta_b, number);
  }
  if (op == Op::kAdd && delta_a && !delta_b) return DateArithmetic(op, b, a);
  const bool add_or_sub = op == Op::kAdd || op == Op::kSub;
  if (delta_b && add_or_sub) {
    const std::int64_t us = op == Op::kAdd ? delta_b->us : -delta_b->us;
    if (const auto* t = a.As<DateTime>()) return Wrap(AddTo(*t, us));
    if (const auto* d = a.As<Date>()) {
      // A date takes the days of the delta, which Python keeps rounded down.
      const std::int64_t days = (delta_b->us - FloorMod(delta_b->us, kDayMicros)) / kDayMicros;
      return Wrap(AddTo(*d, op == Op::kAdd ? days : -days));
    }
  }
  if (op == Op::kSub) {
    if (a.As<DateTime>() && b.As<DateTime>()) {
      return Value(TimeDelta{(a.As<DateTime>()->at - b.As<DateTime>()->at).count()});
    }
    if (a.As<Date>() && b.As<Date>()) {
      return Value(TimeDelta{(std::int64_t{a.As<Date>()->days} - b.As<Date>()->days) * kDayMicros});
    }
  }
  return BadOperands(op, a, b);
}

bool IsDateLike(const Value& v) { return v.As<DateTime>() || v.As<Date>() || v.As<TimeDelta>(); }

// text + text, list + list.
Result<Value> Join(const Value& a, const Value& b) {
  if (a.As<std::string>()) {
    NM_RETURN_IF_ERROR(CheckTextSize(a.As<std::string>()->size() + b.As<std::string>()->size()));
    return Value(*a.As<std::string>() + *b.As<std::string>());
  }
  NM_RETURN_IF_ERROR(CheckListSize(a.list()->size() + b.list()->size()));
  List out = *a.list();
  out.insert(out.end(), b.list()->begin(), b.list()->end());
  return Value(std::move(out));
}

// `in`: part of a text, item of a list, key of an object.
Result<bool> Contains(const Value& needle, const Value& haystack) {
  if (const auto* text = haystack.As<std::string>()) {
    const auto* part = needle.As<std::string>();
    if (part) return text->find(*part) != std::string::npos;
    return Invalid(fmt::format("a text contains texts, not {}", TypeName(needle)));
  }
  if (const List* list = haystack.list()) {
    for (const Value& item : *list) {
      NM_ASSIGN_OR_RETURN(const bool same, Equal(needle, item));
      if (same) return true;
    }
    return false;
  }
  if (const Object* object = haystack.object()) {
    const auto* key = needle.As<std::string>();
    return key != nullptr && Find(*object, *key) != nullptr;
  }
  return Invalid(
      fmt::format("\"in\" needs a list, an object or a text, not {}", TypeName(haystack)));
}

// Names the near key, or all keys if they are few.
Undefined NoMember(const Value& value, std::string_view name, std::string_view text) {
  Undefined undefined;
  undefined.what = fmt::format("\"{}\" is not defined", text);
  if (const Object* object = value.object()) {
    std::vector<std::string_view> keys;
    for (const auto& [key, member] : *object) keys.push_back(key);
    undefined.hint = DidYouMean(name, keys);
    if (undefined.hint.empty() && !keys.empty() && keys.size() <= 10) {
      undefined.hint = fmt::format("there are: {}", fmt::join(keys, ", "));
    }
  }
  return undefined;
}

// Python's slice.indices: clamps and gives (begin, end) for `step`.
std::pair<std::int64_t, std::int64_t> SliceBounds(std::int64_t size, std::optional<std::int64_t> b,
                                                  std::optional<std::int64_t> e,
                                                  std::int64_t step) {
  const std::int64_t low = step < 0 ? -1 : 0;
  const std::int64_t high = step < 0 ? size - 1 : size;
  const auto clamp = [&](std::optional<std::int64_t> v, std::int64_t absent) {
    if (!v) return absent;
    const std::int64_t from_start = *v < 0 ? *v + size : *v;
    return std::clamp(from_start, low, high);
  };
  return {clamp(b, step < 0 ? high : low), clamp(e, step < 0 ? low : high)};
}

Result<std::optional<std::int64_t>> SlicePart(const Value& value) {
  if (value.is_none()) return std::optional<std::int64_t>();
  Number n;
  if (!ToNumber(value, &n) || n.is_float) {
    return Invalid(fmt::format("a slice needs integers, not {}", TypeName(value)));
  }
  return std::optional<std::int64_t>(n.i);
}

}  // namespace

Status CheckTextSize(std::size_t bytes) {
  if (bytes <= kMaxTextBytes) return Ok();
  return Invalid(fmt::format("the text is longer than {} bytes", kMaxTextBytes));
}

Status CheckListSize(std::size_t items) {
  if (items <= kMaxListItems) return Ok();
  return Invalid(fmt::format("the list has more than {} items", kMaxListItems));
}

Result<Value> Arithmetic(Op op, const Value& a, const Value& b) {
  Number x;
  Number y;
  const bool number_a = ToNumber(a, &x);
  const bool number_b = ToNumber(b, &y);
  if (number_a && number_b) {
    return x.is_float || y.is_float ? FloatArithmetic(op, x.d, y.d) : IntArithmetic(op, x.i, y.i);
  }
  const bool texts = a.As<std::string>() && b.As<std::string>();
  if (op == Op::kAdd && (texts || (a.list() && b.list()))) return Join(a, b);
  const auto repeatable = [](const Value& v) { return v.As<std::string>() || v.list(); };
  if (op == Op::kMul && repeatable(a) && number_b && !y.is_float) return Repeat(a, y.i);
  if (op == Op::kMul && repeatable(b) && number_a && !x.is_float) return Repeat(b, x.i);
  if (IsDateLike(a) || IsDateLike(b)) return DateArithmetic(op, a, b);
  if (op == Op::kMod && a.As<std::string>()) {
    return Invalid("\"%\" does not format texts", "join texts with ~");
  }
  return BadOperands(op, a, b);
}

Result<Value> Sign(Op op, const Value& value) {
  Number n;
  if (ToNumber(value, &n)) {
    if (n.is_float) return Value(op == Op::kNeg ? -n.d : n.d);
    return op == Op::kNeg ? IntArithmetic(Op::kSub, 0, n.i) : Result<Value>(Value(n.i));
  }
  if (const auto* delta = value.As<TimeDelta>()) {
    return Value(TimeDelta{op == Op::kNeg ? -delta->us : delta->us});
  }
  return Invalid(fmt::format("\"{}\" does not work on {}", ToString(op), TypeName(value)));
}

Result<bool> Compare(Op op, const Value& a, const Value& b) {
  if (op == Op::kIn || op == Op::kNotIn) {
    NM_ASSIGN_OR_RETURN(const bool contained, Contains(a, b));
    return contained == (op == Op::kIn);
  }
  if (op == Op::kEq || op == Op::kNe) {
    NM_ASSIGN_OR_RETURN(const bool same, Equal(a, b));
    return same == (op == Op::kEq);
  }
  Number x;
  Number y;
  if (ToNumber(a, &x) && ToNumber(b, &y) && (std::isnan(x.d) || std::isnan(y.d))) return false;
  NM_ASSIGN_OR_RETURN(const int order, Order(a, b));
  switch (op) {
    case Op::kLt:
      return order < 0;
    case Op::kLe:
      return order <= 0;
    case Op::kGt:
      return order > 0;
    default:
      return order >= 0;
  }
}

Value Member(const Value& value, std::string_view name, std::string_view text) {
  if (const Object* object = value.object()) {
    if (const Value* member = Find(*object, name)) return *member;
  }
  if (value.As<DateTime>() || value.As<Date>()) {
    const CivilTime c = value.As<Date>() ? Civil(*value.As<Date>()) : Civil(*value.As<DateTime>());
    if (name == "year") return Value(c.year);
    if (name == "month") return Value(c.month);
    if (name == "day") return Value(c.day);
    if (value.As<DateTime>()) {
      if (name == "hour") return Value(c.hour);
      if (name == "minute") return Value(c.minute);
      if (name == "second") return Value(c.second);
      if (name == "microsecond") return Value(c.micro);
    }
  }
  if (const auto* delta = value.As<TimeDelta>()) {
    const std::int64_t rest = FloorMod(delta->us, kDayMicros);
    if (name == "days") return Value((delta->us - rest) / kDayMicros);
    if (name == "seconds") return Value(rest / 1'000'000);
    if (name == "microseconds") return Value(rest % 1'000'000);
  }
  return NoMember(value, name, text);
}

Result<Value> Index(const Value& value, const Value& index, std::string_view text) {
  if (const auto* key = index.As<std::string>()) return Member(value, *key, text);
  Number n;
  const bool integer = ToNumber(index, &n) && !n.is_float;
  // Indexes count from the end if negative; beyond either end is undefined, not an error.
  const auto pick = [&](const auto& items) -> Value {
    const auto size = static_cast<std::int64_t>(items.size());
    const std::int64_t i = n.i < 0 ? n.i + size : n.i;
    if (integer && i >= 0 && i < size) return Value(items[static_cast<std::size_t>(i)]);
    return NoMember(value, {}, text);
  };
  if (const List* list = value.list()) return pick(*list);
  if (const auto* chars = value.As<std::string>()) return pick(CodePoints(*chars));
  return Value(NoMember(value, {}, text));
}

Result<Value> Slice(const Value& value, const SliceParts& parts) {
  NM_ASSIGN_OR_RETURN(const auto begin, SlicePart(*parts.begin));
  NM_ASSIGN_OR_RETURN(const auto end, SlicePart(*parts.end));
  NM_ASSIGN_OR_RETURN(const auto stride, SlicePart(*parts.step));
  const std::int64_t step = stride.value_or(1);
  if (step == 0) return Invalid("a slice cannot step by 0");
  const auto* text = value.As<std::string>();
  const List* list = value.list();
  if (!text && !list) return Invalid(fmt::format("a {} has no slices", TypeName(value)));
  const std::vector<std::string_view> points =
      text ? CodePoints(*text) : std::vector<std::string_view>();
  const auto size = static_cast<std::int64_t>(text ? points.size() : list->size());
  const auto [from, to] = SliceBounds(size, begin, end, step);
  std::string out_text;
  List out_list;
  for (std::int64_t i = from; step > 0 ? i < to : i > to;) {
    const auto at = static_cast<std::size_t>(i);
    if (text) {
      out_text += points[at];
    } else {
      out_list.push_back((*list)[at]);
    }
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return text ? Value(std::move(out_text)) : Value(std::move(out_list));
}

}  // namespace nightmill::tmpl
