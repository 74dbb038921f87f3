// Check suites as specs write them (checks_bind.cc gives them columns).
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/base/json.h"
#include "operators/checks_internal.h"

namespace nightmill {
namespace {

using Json = nlohmann::json;

struct KindRow {
  CheckKind kind;
  std::string_view word;
  std::string_view fields;  // own fields, beside type, severity
  std::string_view doc;
};
constexpr std::size_t kMaxChecks = 1000;
constexpr std::array<std::pair<std::string_view, bool>, 2> kSeverities{
    {{"stop", true}, {"warn", false}}};
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

// Reads one check; kinds differ in the fields they have.
class CheckReader {
 public:
  explicit CheckReader(SpecReader& spec) : in_(spec) {}

  // Null if its kind is not known.
  std::shared_ptr<const CheckSpec> Run() {
    const KindRow* row = Kind();
    if (row == nullptr) {
      in_.AllowAll();
      return nullptr;
    }
    spec_.kind = row->kind;
    spec_.pointer = in_.pointer();
    in_.Word("severity", kSeverities, spec_.stop);
    if (HasField(*row, "col")) Column();
    if (HasField(*row, "mostly")) Mostly();
    if (HasField(*row, "min")) Bounds();
    if (HasField(*row, "values")) Values();
    if (HasField(*row, "is")) Type();
    if (HasField(*row, "columns")) Columns();
    Json kwargs = in_.json();
    kwargs.erase("type");
    kwargs.erase("severity");
    spec_.kwargs = kwargs.dump(-1, ' ', false, Json::error_handler_t::replace);
    return std::make_shared<const CheckSpec>(std::move(spec_));
  }

 private:
  const KindRow* Kind() {
    std::array<std::string_view, kKinds.size()> words;
    for (std::size_t i = 0; i < kKinds.size(); ++i) words[i] = kKinds[i].word;
    in_.Require("type");
    const auto at = in_.Word("type", words);
    return at ? &kKinds[*at] : nullptr;
  }

  void Column() {
    in_.Require("col");
    in_.Text("col", spec_.column);
  }

  void Mostly() {
    const Json* value = in_.Find("mostly");
    if (value == nullptr) return;
    if (!value->is_number()) {
      in_.Fail(spec_code::kType, "mostly", "expected a number from 0 to 1");
    } else if (*value < 0 || *value > 1) {
      in_.Fail(spec_code::kRange, "mostly", "a share is 0 to 1");
    } else {
      spec_.mostly = value->get<double>();
    }
  }

  std::optional<expr::Value> Bound(std::string_view name) {
    const Json* value = in_.Find(name);
    if (value == nullptr) return std::nullopt;
    auto scalar = Scalar(*value);
    const bool rows = spec_.kind == CheckKind::kRowCountBetween;
    const bool fits = rows ? scalar && scalar->type == expr::DataType::kInt64
                           : scalar && scalar->type != expr::DataType::kBool;
    if (fits) return scalar;
    in_.Fail(spec_code::kType, name,
             rows ? "expected a whole number" : "expected a number or a text");
    return std::nullopt;
  }

  void Bounds() {
    spec_.min = Bound("min");
    spec_.max = Bound("max");
    if (!in_.Has("min") && !in_.Has("max")) {
      in_.Fail(spec_code::kMissing, "", "\"min\" and \"max\" are missing", "give one or both");
    }
    if (!spec_.min || !spec_.max) return;
    const auto low = AsNumber(*spec_.min);
    const auto high = AsNumber(*spec_.max);
    if (low && high && *low > *high) {
      in_.Fail(spec_code::kRange, "min", "min is above max: nothing can pass");
    }
  }

  static std::optional<double> AsNumber(const expr::Value& value) {
    if (value.type == expr::DataType::kInt64) return static_cast<double>(value.i);
    if (value.type == expr::DataType::kDouble) return value.d;
    return std::nullopt;
  }

  void Values() {
    in_.Require("values");
    const Json* values = in_.Find("values");
    if (values == nullptr) return;
    if (!values->is_array()) return in_.Fail(spec_code::kType, "values", "expected a list");
    if (values->empty()) return in_.Fail(spec_code::kRange, "values", "no value is named");
    for (const Json& item : *values) {
      auto scalar = Scalar(item);
      if (!scalar) {
        return in_.Fail(spec_code::kType, "values", "values are numbers, texts and bools");
      }
      spec_.values.push_back(std::move(*scalar));
    }
  }

  void Type() {
    in_.Require("is");
    if (!in_.AnyText("is", spec_.type) || ParseColumnType(spec_.type)) return;
    in_.Fail(spec_code::kColumnType, "is", fmt::format("unknown column type '{}'", spec_.type),
             std::string(kColumnTypes));
  }

  void Columns() {
    in_.Require("columns");
    in_.Object("columns", [this](SpecReader& columns) {
      columns.AllowAll();
      for (const auto& [name, value] : columns.json().items()) {
        std::string type;
        if (!columns.AnyText(name, type)) continue;
        if (!ParseColumnType(type)) {
          columns.Fail(spec_code::kColumnType, name, fmt::format("unknown column type '{}'", type),
                       std::string(kColumnTypes));
        }
        spec_.columns.emplace_back(name, std::move(type));
      }
      if (columns.json().empty()) {
        columns.Fail(spec_code::kRange, "", "no column is named", "write {column: type}");
      }
    });
  }

  SpecReader& in_;
  CheckSpec spec_;
};

}  // namespace

std::string_view ToString(CheckKind kind) { return RowOf(kind).word; }
std::string_view CheckDoc(CheckKind kind) { return RowOf(kind).doc; }

CheckSuite CheckSuite::Read(SpecReader& spec, std::string_view name, std::size_t least) {
  CheckSuite suite;
  spec.Objects(name, least, kMaxChecks, [&suite](SpecReader& item) {
    if (auto check = CheckReader(item).Run()) suite.specs_.push_back(std::move(check));
  });
  return suite;
}

std::vector<std::pair<std::string, std::string>> CheckSuite::Uses() const {
  std::vector<std::pair<std::string, std::string>> uses;
  for (const auto& spec : specs_) {
    if (!spec->column.empty()) uses.emplace_back(spec->pointer + "/col", spec->column);
  }
  return uses;
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

}  // namespace nightmill
