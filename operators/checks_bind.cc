// A check suite over a known schema: literals get the types of their columns.
#include <fmt/format.h>

#include <bit>
#include <set>

#include "core/base/json.h"
#include "operators/checks_internal.h"

namespace nightmill {
namespace {

using Json = nlohmann::json;

expr::Node LiteralNode(const expr::Value& value) {
  expr::Node node;
  node.literal = value;
  return node;
}

expr::Node Operation(expr::Op op, expr::Node a, expr::Node b) {
  expr::Node node;
  node.op = op;
  node.children.push_back(std::move(a));
  node.children.push_back(std::move(b));
  return node;
}

// The condition that expected values meet.
expr::Node Condition(const CheckSpec& spec) {
  expr::Node column;
  column.op = expr::Op::kColumn;
  column.name = spec.column;
  if (spec.kind == CheckKind::kInSet) {
    expr::Node node;
    node.op = expr::Op::kIn;
    node.items = spec.values;
    node.children.push_back(std::move(column));
    return node;
  }
  std::optional<expr::Node> low, high;
  if (spec.min) low = Operation(expr::Op::kGreaterEqual, column, LiteralNode(*spec.min));
  if (spec.max) high = Operation(expr::Op::kLessEqual, std::move(column), LiteralNode(*spec.max));
  if (low && high) return Operation(expr::Op::kAnd, std::move(*low), std::move(*high));
  return low ? std::move(*low) : std::move(*high);
}

OpStatus BindValues(const Field& field, BoundCheck& check) {
  const expr::DataType type = ExpressionType(field.type);
  for (std::size_t i = 0; i < check.spec->values.size(); ++i) {
    expr::Value value = check.spec->values[i];
    if (type == expr::DataType::kDouble && value.type == expr::DataType::kInt64) {
      value = expr::Value::Double(static_cast<double>(value.i));
    } else if (value.type == expr::DataType::kString && type != value.type) {
      const auto converted = expr::ConvertText(value.s, type);
      if (converted.ok()) value = *converted;
    }
    if (value.type != type) {
      return SpecError(check.spec->pointer + "/values",
                       fmt::format("column '{}' is {}, {} does not fit", field.name,
                                   ToString(field.type), expr::ToText(value)));
    }
    if (type == expr::DataType::kString) {
      check.texts.emplace(value.s, i);
    } else {
      check.bits.emplace(ValueBits(expr::ConstantVector(value, 1), 0), i);
    }
  }
  return OpOk();
}

void BindSchema(const Schema& schema, BoundCheck& check) {
  Json observed = Json::object();
  for (const Field& field : schema.fields) observed[field.name] = ToString(field.type);
  check.observed = observed.dump();
  check.passed = schema.fields.size() == check.spec->columns.size();
  for (const auto& [name, type] : check.spec->columns) {
    const int at = schema.Find(name);
    check.passed = check.passed && at >= 0 &&
                   schema.fields[static_cast<std::size_t>(at)].type == *ParseColumnType(type);
  }
}

OpResult<BoundCheck> BindOne(std::shared_ptr<const CheckSpec> spec, const Schema& schema) {
  BoundCheck check;
  check.spec = std::move(spec);
  if (check.spec->kind == CheckKind::kSchema) BindSchema(schema, check);
  if (check.spec->column.empty()) return check;
  check.column = schema.Find(check.spec->column);
  if (check.column < 0) {
    OperatorError error =
        SpecError(check.spec->pointer + "/col", fmt::format("no column '{}'", check.spec->column));
    error.reason = "missing_column";
    error.column = check.spec->column;
    for (const Field& field : schema.fields) {
      error.hint += (error.hint.empty() ? "columns: " : ", ") + field.name;
    }
    return error;
  }
  const Field& field = schema.fields[static_cast<std::size_t>(check.column)];
  if (check.spec->kind == CheckKind::kType) {
    check.observed = Json(ToString(field.type)).dump();
    check.passed = field.type == *ParseColumnType(check.spec->type);
    return check;
  }
  if (check.spec->kind == CheckKind::kContains) NM_RETURN_IF_ERROR(BindValues(field, check));
  if (check.spec->kind == CheckKind::kBetween || check.spec->kind == CheckKind::kInSet) {
    const expr::Field one{field.name, ExpressionType(field.type)};
    expr::BindContext context;
    context.fields = {&one, 1};
    auto bound = expr::BindPredicate(Condition(*check.spec), context);
    if (!bound.ok()) return SpecError(check.spec->pointer, bound.error().message);
    check.predicate = std::move(*bound);
  }
  return check;
}

}  // namespace

std::uint64_t ValueBits(const expr::Vector& vector, std::int64_t row) {
  const std::size_t at = vector.At(row);
  if (vector.type != expr::DataType::kDouble) return static_cast<std::uint64_t>(vector.ints[at]);
  return std::bit_cast<std::uint64_t>(expr::CanonicalDouble(vector.doubles[at]));
}

OpResult<std::shared_ptr<const BoundChecks>> BoundChecks::Bind(const CheckSuite& suite,
                                                               const Schema& schema) {
  auto bound = std::make_shared<BoundChecks>();
  bound->schema_ = schema;
  std::set<int> columns;
  for (const auto& spec : suite.specs()) {
    NM_ASSIGN_OR_RETURN(BoundCheck check, BindOne(spec, schema));
    if (check.column >= 0 && spec->kind != CheckKind::kType) columns.insert(check.column);
    bound->checks_.push_back(std::make_shared<const BoundCheck>(std::move(check)));
  }
  bound->columns_.assign(columns.begin(), columns.end());
  return std::shared_ptr<const BoundChecks>(std::move(bound));
}

}  // namespace nightmill
