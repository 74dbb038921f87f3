#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <nlohmann/json.hpp>
#include <set>

#include "operators/checks_internal.h"
#include "operators/common_spec.h"

namespace nightmill {
namespace {

using Json = nlohmann::json;

struct KindRow {
  CheckKind kind;
  std::string_view word;
  std::string_view fields;  // own fields, beside type, severity
  std::string_view doc;
};
constexpr std::array<KindRow, 8> kKinds{{
    {CheckKind::kRowCountBetween, "row_count_between", "min max", "min <= rows <= max"},
    {CheckKind::kNotNull, "not_null", "col mostly", "the column has no nulls"},
    {CheckKind::kBetween, "between", "col min max mostly", "min <= value <= max"},
    {CheckKind::kInSet, "in_set", "col values mostly", "every value is one of `values`"},
    {CheckKind::kContains, "contains", "col values", "each of `values` occurs"},
    {CheckKind::kUnique, "unique", "col mostly", "no value occurs twice"},
    {CheckKind::kType, "type", "col is", "the column has type `is`"},
    {CheckKind::kSchema, "schema", "columns", "these columns, in any order, with these types"},
}};

const KindRow& RowOf(CheckKind kind) { return kKinds[static_cast<std::size_t>(kind)]; }

bool HasField(const KindRow& row, std::string_view field) {
  std::size_t at = 0;
  while (at <= row.fields.size()) {
    const std::size_t end = std::min(row.fields.find(' ', at), row.fields.size());
    if (row.fields.substr(at, end - at) == field) return true;
    at = end + 1;
  }
  return false;
}

std::optional<expr::Value> Scalar(const Json& json) {
  if (json.is_boolean()) return expr::Value::Bool(json.get<bool>());
  if (json.is_number_unsigned() && json.get<std::uint64_t>() > INT64_MAX) return std::nullopt;
  if (json.is_number_integer()) return expr::Value::Int(json.get<std::int64_t>());
  if (json.is_number_float()) return expr::Value::Double(json.get<double>());
  if (json.is_string()) return expr::Value::String(json.get<std::string>());
  return std::nullopt;
}

class SpecParser {
 public:
  SpecParser(const Json& json, std::string pointer) : json_(json), pointer_(std::move(pointer)) {}

  OpResult<std::shared_ptr<const CheckSpec>> Run() {
    if (!json_.is_object()) return SpecError(pointer_, "must be an object");
    const auto type = json_.find("type");
    if (type == json_.end() || !type->is_string()) return SpecError(pointer_, "needs a \"type\"");
    const auto word = type->get<std::string>();
    const KindRow* row = nullptr;
    for (const KindRow& r : kKinds) {
      if (r.word == word) row = &r;
    }
    if (row == nullptr) return UnknownKind(word);
    spec_.kind = row->kind;
    spec_.pointer = pointer_;
    for (const auto& [key, value] : json_.items()) {
      if (key == "type") continue;
      if (key != "severity" && !HasField(*row, key)) {
        return SpecError(pointer_ + "/" + key, fmt::format("unknown field of check '{}'", word),
                         fmt::format("fields: type severity {}", row->fields));
      }
      NM_RETURN_IF_ERROR(Field(key, value));
    }
    NM_RETURN_IF_ERROR(Complete(*row));
    Json kwargs = json_;
    kwargs.erase("type");
    kwargs.erase("severity");
    spec_.kwargs = kwargs.dump();
    return std::make_shared<const CheckSpec>(std::move(spec_));
  }

 private:
  OperatorError UnknownKind(std::string_view word) const {
    std::string names;
    for (const KindRow& r : kKinds) {
      if (!names.empty()) names += ' ';
      names += r.word;
    }
    return SpecError(pointer_ + "/type", fmt::format("unknown check '{}'", word),
                     "checks: " + names);
  }

  OpStatus Field(const std::string& key, const Json& value) {
    const std::string at = pointer_ + "/" + key;
    if (key == "col" || key == "is") {
      if (!value.is_string()) return SpecError(at, "must be a text");
      (key == "col" ? spec_.column : spec_.type) = value.get<std::string>();
    } else if (key == "severity") {
      if (value != "stop" && value != "warn") return SpecError(at, "must be stop or warn");
      spec_.stop = value == "stop";
    } else if (key == "mostly") {
      if (!value.is_number() || value < 0 || value > 1) return SpecError(at, "must be 0 to 1");
      spec_.mostly = value.get<double>();
    } else if (key == "min" || key == "max") {
      auto scalar = Scalar(value);
      const bool rows = spec_.kind == CheckKind::kRowCountBetween;
      if (!scalar || (rows && scalar->type != expr::DataType::kInt64)) {
        return SpecError(at, rows ? "must be a whole number" : "must be a number, text or bool");
      }
      (key == "min" ? spec_.min : spec_.max) = std::move(scalar);
    } else if (key == "values") {
      return Values(at, value);
    } else if (key == "columns") {
      return Columns(at, value);
    }
    return OpOk();
  }

  OpStatus Values(const std::string& at, const Json& value) {
    if (!value.is_array() || value.empty()) return SpecError(at, "must be a list, not empty");
    for (const Json& item : value) {
      auto scalar = Scalar(item);
      if (!scalar) return SpecError(at, "holds numbers, texts and bools only");
      spec_.values.push_back(std::move(*scalar));
    }
    return OpOk();
  }

  OpStatus Columns(const std::string& at, const Json& value) {
    if (!value.is_object() || value.empty()) return SpecError(at, "must be {column: type, ..}");
    for (const auto& [name, type] : value.items()) {
      if (!type.is_string() || !ParseColumnType(type.get<std::string>())) {
        return SpecError(at + "/" + name, "unknown column type");
      }
      spec_.columns.emplace_back(name, type.get<std::string>());
    }
    return OpOk();
  }

  OpStatus Complete(const KindRow& row) {
    if (HasField(row, "col") && spec_.column.empty()) return SpecError(pointer_, "needs \"col\"");
    if (HasField(row, "values") && spec_.values.empty()) {
      return SpecError(pointer_, "needs \"values\"");
    }
    if (HasField(row, "min") && !spec_.min && !spec_.max) {
      return SpecError(pointer_, "needs \"min\" or \"max\"");
    }
    if (HasField(row, "columns") && spec_.columns.empty()) {
      return SpecError(pointer_, "needs \"columns\"");
    }
    if (HasField(row, "is") && !ParseColumnType(spec_.type)) {
      return SpecError(pointer_ + "/is", fmt::format("unknown column type '{}'", spec_.type));
    }
    return OpOk();
  }

  const Json& json_;
  std::string pointer_;
  CheckSpec spec_;
};

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

std::string_view ToString(CheckKind kind) { return RowOf(kind).word; }
std::string_view CheckDoc(CheckKind kind) { return RowOf(kind).doc; }

std::uint64_t ValueBits(const expr::Vector& vector, std::int64_t row) {
  const std::size_t at = vector.At(row);
  if (vector.type != expr::DataType::kDouble) return static_cast<std::uint64_t>(vector.ints[at]);
  return std::bit_cast<std::uint64_t>(expr::CanonicalDouble(vector.doubles[at]));
}

OpResult<CheckSuite> CheckSuite::Parse(const Json& list, std::string_view pointer) {
  if (!list.is_array()) return SpecError(pointer, "must be a list of checks");
  CheckSuite suite;
  for (std::size_t i = 0; i < list.size(); ++i) {
    NM_ASSIGN_OR_RETURN(auto spec, SpecParser(list[i], fmt::format("{}/{}", pointer, i)).Run());
    suite.specs_.push_back(std::move(spec));
  }
  return suite;
}

std::vector<std::string> CheckSuite::Columns() const {
  std::vector<std::string> names;
  for (const auto& spec : specs_) {
    const bool reads = !spec->column.empty() && spec->kind != CheckKind::kType;
    if (reads && std::find(names.begin(), names.end(), spec->column) == names.end()) {
      names.push_back(spec->column);
    }
  }
  return names;
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
