#include "operators/expr/bind.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <optional>
#include <set>

#include "core/base/time.h"

namespace nightmill::expr {
namespace {

constexpr std::size_t kNamesInHint = 20;

Error At(const Node& node, std::string message) {
  return Invalid(fmt::format("column {}: {}", node.column, message));
}

Bound Literal(Value value, int position) {
  Bound bound;
  bound.type = value.type;
  bound.position = position;
  bound.literal = std::move(value);
  return bound;
}

// The type in which two sides are compared or merged; nullopt if there is none.
std::optional<DataType> Unify(DataType a, DataType b) {
  if (a == b || b == DataType::kNull) return a;
  if (a == DataType::kNull) return b;
  if (IsNumeric(a) && IsNumeric(b)) return DataType::kDouble;
  if (a == DataType::kDate && IsTimestamp(b)) return b;
  if (b == DataType::kDate && IsTimestamp(a)) return a;
  return std::nullopt;
}

class Binder {
 public:
  explicit Binder(const BindContext& context) : context_(context) {}

  Result<Bound> Run(const Node& node) {
    NM_ASSIGN_OR_RETURN(Bound bound, BindNode(node));
    return Fold(std::move(bound));
  }

 private:
  // An expression over literals becomes one, unless it fails: then it fails where it is reached.
  static Bound Fold(Bound bound) {
    if (bound.op == Op::kLiteral || bound.op == Op::kColumn) return bound;
    for (const Bound& child : bound.children) {
      if (child.op != Op::kLiteral) return bound;
    }
    const auto value = Evaluate(bound, Batch{1, {}});
    if (!value.ok()) return bound;
    Bound literal = Literal(ValueAt(*value, 0), bound.position);
    if (literal.type == DataType::kNull) literal.type = bound.type;
    return literal;
  }

  Result<Bound> BindNode(const Node& node) {
    if (node.op == Op::kLiteral) return Literal(node.literal, node.column);
    if (node.op == Op::kColumn) return Column(node);
    Bound bound;
    bound.op = node.op;
    bound.position = node.column;
    for (const Node& child : node.children) {
      NM_ASSIGN_OR_RETURN(Bound part, BindNode(child));
      bound.children.push_back(Fold(std::move(part)));
    }
    NM_RETURN_IF_ERROR(Type(node, bound));
    return bound;
  }

  Result<Bound> Column(const Node& node) {
    for (std::size_t i = 0; i < context_.fields.size(); ++i) {
      if (context_.fields[i].name != node.name) continue;
      Bound bound;
      bound.op = Op::kColumn;
      bound.type = context_.fields[i].type;
      bound.position = node.column;
      bound.field = static_cast<int>(i);
      return bound;
    }
    const auto constant = context_.constants.find(node.name);
    if (constant != context_.constants.end()) return Literal(constant->second, node.column);
    Error error = At(node, fmt::format("unknown column '{}'", node.name));
    for (std::size_t i = 0; i < std::min(kNamesInHint, context_.fields.size()); ++i) {
      error.hint += (i == 0 ? "columns: " : ", ") + context_.fields[i].name;
    }
    return error;
  }

  Status Type(const Node& node, Bound& bound) {
    switch (node.op) {
      case Op::kLiteral:
      case Op::kColumn:
        return Ok();
      case Op::kAdd:
      case Op::kSubtract:
      case Op::kMultiply:
      case Op::kDivide:
      case Op::kModulo:
        return Arithmetic(node, bound);
      case Op::kNegate:
      case Op::kAbs:
        return Number(node, bound, 0, &bound.type);
      case Op::kEqual:
      case Op::kNotEqual:
      case Op::kLess:
      case Op::kLessEqual:
      case Op::kGreater:
      case Op::kGreaterEqual:
      case Op::kBetween:
        bound.type = DataType::kBool;
        return Merge(node, bound, 0, nullptr);
      case Op::kAnd:
      case Op::kOr:
      case Op::kNot:
        bound.type = DataType::kBool;
        for (Bound& child : bound.children)
          NM_RETURN_IF_ERROR(Coerce(node, child, DataType::kBool));
        return Ok();
      case Op::kIn:
        return In(node, bound);
      case Op::kIsNull:
        bound.type = DataType::kBool;
        return Ok();
      case Op::kIf:
        NM_RETURN_IF_ERROR(Coerce(node, bound.children[0], DataType::kBool));
        return Merge(node, bound, 1, &bound.type);
      case Op::kCoalesce:
      case Op::kLeast:
      case Op::kGreatest:
        return Merge(node, bound, 0, &bound.type);
      case Op::kCast:
        return CastTo(node, bound);
      case Op::kDateDiff:
        for (Bound& child : bound.children) NM_RETURN_IF_ERROR(ToDate(node, child));
        bound.type = DataType::kInt64;
        return Ok();
      case Op::kDivOr:
        bound.type = DataType::kDouble;
        for (Bound& child : bound.children) {
          NM_RETURN_IF_ERROR(Coerce(node, child, DataType::kDouble));
        }
        return Ok();
      case Op::kLower:
        bound.type = DataType::kString;
        return Coerce(node, bound.children[0], DataType::kString);
    }
    return At(node, "unknown operation");
  }

  Status Arithmetic(const Node& node, Bound& bound) {
    Bound& a = bound.children[0];
    Bound& b = bound.children[1];
    const bool days = node.op == Op::kAdd || node.op == Op::kSubtract;
    if (days && a.type == DataType::kDate && b.type == DataType::kInt64) {
      bound.type = DataType::kDate;
      return Ok();
    }
    if (node.op == Op::kSubtract && a.type == DataType::kDate && b.type == DataType::kDate) {
      bound.type = DataType::kInt64;
      return Ok();
    }
    DataType left, right;
    NM_RETURN_IF_ERROR(Number(node, bound, 0, &left));
    NM_RETURN_IF_ERROR(Number(node, bound, 1, &right));
    bound.type = left == DataType::kInt64 && right == DataType::kInt64 && node.op != Op::kDivide
                     ? DataType::kInt64
                     : DataType::kDouble;
    NM_RETURN_IF_ERROR(Coerce(node, a, bound.type));
    return Coerce(node, b, bound.type);
  }

  Status Number(const Node& node, Bound& bound, std::size_t child, DataType* type) {
    *type = bound.children[child].type;
    if (*type == DataType::kNull) *type = DataType::kInt64;
    if (IsNumeric(*type)) return Ok();
    return At(node, fmt::format("'{}' needs numbers, not {}", ToString(node.op), ToString(*type)));
  }

  // Brings the children from `first` on to one type, which goes to `type` if asked for.
  Status Merge(const Node& node, Bound& bound, std::size_t first, DataType* type) {
    DataType common = DataType::kNull;
    for (std::size_t i = first; i < bound.children.size(); ++i) {
      const Bound& child = bound.children[i];
      if (IsText(child)) continue;
      const auto unified = Unify(common, child.type);
      if (!unified) return Mixed(node, common, child.type);
      common = *unified;
    }
    // Text literals follow the other sides: '2026-01-31' beside a date is a date.
    const bool times = common == DataType::kDate || IsTimestamp(common);
    for (std::size_t i = first; i < bound.children.size(); ++i) {
      if (!IsText(bound.children[i]) || times) continue;
      const auto unified = Unify(common, DataType::kString);
      if (!unified) return Mixed(node, common, DataType::kString);
      common = *unified;
    }
    for (std::size_t i = first; i < bound.children.size(); ++i) {
      NM_RETURN_IF_ERROR(Coerce(node, bound.children[i], common));
    }
    if (type != nullptr) *type = common;
    return Ok();
  }
  static bool IsText(const Bound& bound) {
    return bound.op == Op::kLiteral && bound.literal.type == DataType::kString;
  }
  static Error Mixed(const Node& node, DataType a, DataType b) {
    Error error =
        At(node, fmt::format("'{}' mixes {} and {}", ToString(node.op), ToString(a), ToString(b)));
    error.hint = "convert one side with cast(... as ...)";
    return error;
  }

  // Makes `child` a `type`, by conversions that cannot fail on a row.
  Status Coerce(const Node& node, Bound& child, DataType type) {
    if (child.type == type || type == DataType::kNull) return Ok();
    if (child.op == Op::kLiteral && child.literal.type == DataType::kNull) {
      child.type = type;
      return Ok();
    }
    if (IsText(child) && (type == DataType::kDate || IsTimestamp(type))) {
      const auto value = ConvertText(child.literal.s, type);
      if (!value.ok()) return At(node, value.error().message);
      child.literal = *value;
      child.type = type;
      return Ok();
    }
    const bool widening = child.type == DataType::kInt64 && type == DataType::kDouble;
    const bool midnight = child.type == DataType::kDate && IsTimestamp(type);
    if (!widening && !midnight) return Mixed(node, child.type, type);
    child = Fold(Cast(std::move(child), type));
    return Ok();
  }

  Bound Cast(Bound child, DataType type) const {
    Bound cast;
    cast.op = Op::kCast;
    cast.type = type;
    cast.position = child.position;
    cast.zone = context_.zone;
    cast.children.push_back(std::move(child));
    return cast;
  }

  Status ToDate(const Node& node, Bound& child) {
    if (IsTimestamp(child.type)) {
      child = Fold(Cast(std::move(child), DataType::kDate));
      return Ok();
    }
    return Coerce(node, child, DataType::kDate);
  }

  Status CastTo(const Node& node, Bound& bound) {
    const DataType from = bound.children[0].type;
    const DataType to = node.target;
    bound.type = to;
    bound.zone = context_.zone;
    const bool from_time = from == DataType::kDate || IsTimestamp(from);
    const bool to_time = to == DataType::kDate || IsTimestamp(to);
    const bool text = from == DataType::kString || to == DataType::kString;
    if (text || from == to || from == DataType::kNull || from_time == to_time) return Ok();
    return At(node, fmt::format("cannot cast {} to {}", ToString(from), ToString(to)));
  }

  Status In(const Node& node, Bound& bound) {
    bound.type = DataType::kBool;
    Bound& subject = bound.children[0];
    DataType type = subject.type;
    for (const Value& item : node.items) {
      if (item.type == DataType::kDouble && type == DataType::kInt64) type = DataType::kDouble;
    }
    NM_RETURN_IF_ERROR(Coerce(node, subject, type));
    auto set = std::make_shared<InSet>();
    for (const Value& item : node.items) {
      Bound literal = Literal(item, node.column);
      NM_RETURN_IF_ERROR(Coerce(node, literal, type));
      if (literal.literal.type == DataType::kNull) {
        set->has_null = true;
      } else if (type == DataType::kString) {
        set->texts.insert(literal.literal.s);
      } else if (type == DataType::kDouble) {
        set->bits.insert(std::bit_cast<std::uint64_t>(CanonicalDouble(literal.literal.d)));
      } else {
        set->bits.insert(static_cast<std::uint64_t>(literal.literal.i));
      }
    }
    bound.set = std::move(set);
    return Ok();
  }

  const BindContext& context_;
};

void CollectFields(const Bound& bound, std::set<int>& fields) {
  if (bound.op == Op::kColumn) fields.insert(bound.field);
  for (const Bound& child : bound.children) CollectFields(child, fields);
}

template <class T>
Result<T> ParseNumber(std::string_view text, DataType type) {
  T value{};
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc{} || end != text.data() + text.size()) {
    return Invalid(fmt::format("'{}' is no {}", text, ToString(type)));
  }
  return value;
}

}  // namespace

Result<Bound> Bind(const Node& node, const BindContext& context) {
  return Binder(context).Run(node);
}

Result<Bound> BindPredicate(const Node& node, const BindContext& context) {
  NM_ASSIGN_OR_RETURN(Bound bound, Bind(node, context));
  if (bound.type != DataType::kBool && bound.type != DataType::kNull) {
    return At(node, fmt::format("a condition is needed, this is a {}", ToString(bound.type)));
  }
  return bound;
}

std::vector<int> FieldsOf(const Bound& bound) {
  std::set<int> fields;
  CollectFields(bound, fields);
  return {fields.begin(), fields.end()};
}

Result<Value> ConvertText(std::string_view text, DataType type) {
  switch (type) {
    case DataType::kNull:
      return Value{};
    case DataType::kString:
      return Value::String(std::string(text));
    case DataType::kBool:
      if (text == "true" || text == "false") return Value::Bool(text == "true");
      return Invalid(fmt::format("'{}' is no bool", text));
    case DataType::kInt64: {
      NM_ASSIGN_OR_RETURN(const std::int64_t v, ParseNumber<std::int64_t>(text, type));
      return Value::Int(v);
    }
    case DataType::kDouble: {
      NM_ASSIGN_OR_RETURN(const double v, ParseNumber<double>(text, type));
      return Value::Double(v);
    }
    case DataType::kDate: {
      NM_ASSIGN_OR_RETURN(const std::int32_t days, ParseDate(text));
      return Value::Date(days);
    }
    case DataType::kTimestamp: {
      NM_ASSIGN_OR_RETURN(const Instant instant, ParseInstant(text));
      return Value::Timestamp(ToMicros(instant));
    }
    case DataType::kLocalTimestamp: {
      const std::string zoned = text.size() > 10 ? std::string(text) + "Z" : std::string(text);
      NM_ASSIGN_OR_RETURN(const Instant instant, ParseInstant(zoned));
      return Value{DataType::kLocalTimestamp, ToMicros(instant)};
    }
  }
  return Invalid("unknown type");
}

}  // namespace nightmill::expr
