#include "operators/aggregate_spec.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <set>

#include "core/base/json.h"
#include "core/base/time.h"
#include "core/dagfile/suggest.h"

namespace nightmill {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxFeatures = 1000;
constexpr int kMaxWindowDays = 3660;
constexpr std::array<std::pair<std::string_view, NullKey>, 3> kNullKeys{
    {{"keep", NullKey::kKeep}, {"drop", NullKey::kDrop}, {"fail", NullKey::kFail}}};

std::optional<expr::Node> Expression(SpecReader& spec, const std::string& pointer,
                                     const std::string& text) {
  auto node = expr::Parse(text);
  if (node.ok()) return std::move(*node);
  spec.FailAt(spec_code::kExpression, pointer, node.error().message, node.error().hint);
  return std::nullopt;
}

std::optional<expr::Value> ReadOtherwise(SpecReader& spec) {
  const Json* value = spec.Find("otherwise");
  if (value == nullptr) return std::nullopt;
  if (value->is_number_unsigned() && value->get<std::uint64_t>() > INT64_MAX) {
    return expr::Value::Double(value->get<double>());
  }
  if (value->is_number_integer()) return expr::Value::Int(value->get<std::int64_t>());
  if (value->is_number_float()) return expr::Value::Double(value->get<double>());
  spec.Fail(spec_code::kType, "otherwise", "expected a number");
  return std::nullopt;
}

const AggregateFnRow* ReadFunction(SpecReader& spec) {
  std::vector<std::string_view> words;
  for (const AggregateFnRow& row : AggregateFunctions()) words.push_back(row.word);
  const auto at = spec.Word("fn", words);
  return at ? &AggregateFunctions()[*at] : nullptr;
}

// Fields that this function needs or cannot have.
void CheckFields(SpecReader& spec, const AggregateFnRow& row) {
  const auto need = [&](std::string_view field) {
    if (spec.Has(field)) return;
    spec.Fail(spec_code::kMissing, "", fmt::format("\"{}\" is missing", field),
              fmt::format("{} needs it", row.word));
  };
  const auto refuse = [&](std::string_view field, std::string message) {
    if (spec.Has(field)) spec.Fail(spec_code::kMismatch, field, std::move(message));
  };
  if (row.needs_col) need("col");
  if (row.word == "count_if") need("where");
  if (!row.takes_otherwise || !spec.Has("where")) {
    refuse("otherwise", "`otherwise` goes with a `where` and sum, avg, min or max");
  }
  if (row.fn == AggregateFn::kFirst || row.fn == AggregateFn::kLast) {
    need("order_by");
  } else {
    refuse("order_by", "`order_by` goes with first and last only");
  }
  if (row.fn != AggregateFn::kVariance && row.fn != AggregateFn::kStddev) {
    refuse("ddof", "`ddof` goes with variance and stddev only");
  }
}

FeatureSpec ReadFeature(SpecReader& spec) {
  FeatureSpec feature;
  feature.pointer = spec.pointer();
  spec.Require("name");
  spec.Text("name", feature.name);
  spec.Require("fn");
  const AggregateFnRow* row = ReadFunction(spec);
  if (row != nullptr) feature.fn = row->fn;
  spec.Text("col", feature.column);
  if (spec.Text("where", feature.where)) {
    feature.condition = Expression(spec, spec.At("where"), feature.where);
  }
  feature.otherwise = ReadOtherwise(spec);
  spec.Text("order_by", feature.order_by);
  std::int64_t ddof = feature.ddof;
  if (spec.Integer("ddof", 0, 1, ddof)) feature.ddof = static_cast<int>(ddof);
  if (row != nullptr) CheckFields(spec, *row);
  return feature;
}

void ReadWindow(SpecReader& spec, AggregateSpec& out) {
  out.zone = out.common.timezone;
  if (!spec.Has("window")) return;
  spec.Object("window", [&out](SpecReader& window) {
    window.Require("days");
    window.Require("by");
    std::int64_t days = 0;
    if (window.Integer("days", 1, kMaxWindowDays, days)) out.window_days = static_cast<int>(days);
    window.Text("by", out.window_by);
    ReadZone(window, "timezone", out.zone);
  });
  // A text that renders to nothing counts as none.
  if (!spec.Has("as_of") || (spec.rendered() && !out.common.as_of)) {
    spec.Fail(spec_code::kMissing, "", "\"as_of\" is missing",
              "the window ends with it: \"as_of\": \"{{ data_date }}\"");
  }
}

// "events_30d" next to a window of 31 days is more likely a slip than a wish.
void LintName(SpecReader& spec, const std::string& name, AggregateSpec& out) {
  if (out.window_days == 0 || name.empty() || name.back() != 'd') return;
  const std::size_t at = name.rfind('_');
  if (at == std::string::npos) return;
  int days = 0;
  const char* end = name.data() + name.size() - 1;
  const auto [stop, error] = std::from_chars(name.data() + at + 1, end, days);
  if (error != std::errc{} || stop != end || days == out.window_days) return;
  out.warnings.push_back(
      fmt::format("feature '{}' says {} days, the window has {}", name, days, out.window_days));
  spec.Warn(spec_code::kWindowName, "name", out.warnings.back());
}

// The columns of the result, in their order; what later ones may refer to.
class OutputColumns {
 public:
  explicit OutputColumns(const std::optional<OutSpec>& out) : out_(out) {}

  // A name that is not known makes any reference possible.
  void Add(SpecReader& spec, const std::string& pointer, const std::string& name) {
    if (name.empty() || spec.IsUnknown(Json(name))) {
      complete_ = false;
      return;
    }
    CheckOutputColumn(spec, pointer, name, out_);
    if (!names_.insert(name).second) {
      spec.FailAt(spec_code::kTwice, pointer,
                  fmt::format("the output column '{}' exists twice", name));
    }
  }
  void AddUnknown() { complete_ = false; }
  void AddConstant(std::string_view name) { constants_.emplace(name); }

  void CheckUse(SpecReader& spec, const std::string& pointer, const std::string& name) const {
    if (!complete_ || names_.contains(name) || constants_.contains(name)) return;
    std::string hint = dagfile::DidYouMean(name, {names_.begin(), names_.end()});
    if (hint.empty()) hint = "columns are the keys, features and derived columns above it";
    spec.FailAt(spec_code::kNoColumn, pointer, fmt::format("no output column '{}'", name),
                std::move(hint));
  }

  void CheckSuiteUse(SpecReader& spec, const CheckSuite& suite) const {
    for (const auto& [pointer, column] : suite.Uses()) CheckUse(spec, pointer, column);
  }

 private:
  const std::optional<OutSpec>& out_;
  std::set<std::string, std::less<>> names_;
  std::set<std::string, std::less<>> constants_;
  bool complete_ = true;
};

// False if a list, or an item of it, is not known yet or wrong.
bool AllObjects(SpecReader& spec, std::string_view name) {
  if (!spec.Has(name)) return true;
  const Json* list = spec.Find(name);
  return list != nullptr && list->is_array() &&
         std::all_of(list->begin(), list->end(), [](const Json& item) { return item.is_object(); });
}

void ReadKeys(SpecReader& spec, AggregateSpec& out, OutputColumns& columns) {
  spec.Require("keys");
  if (spec.Texts("keys", SpecReader::Form::kList, out.keys) && out.keys.empty()) {
    spec.Fail(spec_code::kRange, "keys", "no key is named", "name the columns of the group key");
  }
  for (std::size_t i = 0; i < out.keys.size(); ++i) {
    columns.Add(spec, fmt::format("/keys/{}", i), out.keys[i]);
  }
  if (out.keys.empty()) columns.AddUnknown();
  spec.Word("null_key", kNullKeys, out.null_key);
}

void ReadFeatures(SpecReader& spec, AggregateSpec& out, OutputColumns& columns) {
  spec.Require("features");
  if (!AllObjects(spec, "features")) columns.AddUnknown();
  spec.Objects("features", 1, kMaxFeatures, [&](SpecReader& item) {
    FeatureSpec feature = ReadFeature(item);
    columns.Add(item, item.At("name"), feature.name);
    LintName(item, feature.name, out);
    out.features.push_back(std::move(feature));
  });
}

void ReadDerived(SpecReader& spec, AggregateSpec& out, OutputColumns& columns) {
  if (!AllObjects(spec, "derived")) columns.AddUnknown();
  spec.Objects("derived", 0, kMaxFeatures, [&](SpecReader& item) {
    DerivedSpec derived;
    derived.pointer = item.At("expr");
    item.Require("name");
    item.Text("name", derived.name);
    item.Require("expr");
    std::string text;
    if (item.Text("expr", text)) {
      if (auto node = Expression(item, derived.pointer, text)) {
        for (const std::string& name : expr::ColumnsOf(*node)) {
          columns.CheckUse(item, derived.pointer, name);
        }
        derived.expression = std::move(*node);
      }
    }
    columns.Add(item, item.At("name"), derived.name);
    out.derived.push_back(std::move(derived));
  });
}

void ReadConstants(SpecReader& spec, AggregateSpec& out, OutputColumns& columns) {
  if (spec.Has("as_of")) columns.AddConstant("as_of");
  if (out.common.as_of) out.constants.emplace("as_of", expr::Value::Date(*out.common.as_of));
  for (const char* name : {"data_interval_start", "data_interval_end"}) {
    // The daemon writes them into the rendered spec.
    if (!spec.rendered()) columns.AddConstant(name);
    std::string text;
    if (!spec.AnyText(name, text)) continue;
    const auto instant = ParseInstant(text);
    if (!instant.ok()) {
      spec.Fail(spec_code::kForm, name, instant.error().message);
      continue;
    }
    columns.AddConstant(name);
    out.constants.emplace(name, expr::Value::Timestamp(ToMicros(*instant)));
  }
}

void ReadPlaces(SpecReader& spec, AggregateSpec& out) {
  out.common = ReadCommon(spec);
  spec.Require("in");
  spec.Require("out");
  if (!out.common.in || !out.common.out) return;
  const InSpec& in = *out.common.in;
  if (in.format && *in.format != InputFormat::kParquet) {
    spec.FailAt(spec_code::kMismatch, "/in/format", "aggregate reads parquet",
                "make it with `convert` first");
  }
  if (!out.common.out->sort.empty()) {
    spec.FailAt(spec_code::kMismatch, "/out/sort", "aggregate does not sort",
                "rows come in the order of the key's hash");
  }
  if (!in.filter.empty()) out.filter = Expression(spec, "/in/filter", in.filter);
}

}  // namespace

const std::vector<AggregateFnRow>& AggregateFunctions() {
  static const std::vector<AggregateFnRow> kRows{
      {AggregateFn::kCount, "count", false, false, "rows, or values of `col`"},
      {AggregateFn::kCount, "count_if", false, false, "rows for which `where` holds"},
      {AggregateFn::kSum, "sum", true, true, "exact sum, rounded once"},
      {AggregateFn::kAvg, "avg", true, true, "sum divided by the number of values"},
      {AggregateFn::kMin, "min", true, true, "smallest value; NaN is greatest, texts by bytes"},
      {AggregateFn::kMax, "max", true, true, "greatest value"},
      {AggregateFn::kFirst, "first", true, false,
       "value of the smallest `order_by`, ties: smallest"},
      {AggregateFn::kLast, "last", true, false, "value of the greatest `order_by`, ties: greatest"},
      {AggregateFn::kCountDistinct, "count_distinct", true, false,
       "exact number of distinct values"},
      {AggregateFn::kCountDistinct, "distinct", true, false, "the same as count_distinct"},
      {AggregateFn::kActiveDays, "active_days", true, false, "distinct local dates of `col`"},
      {AggregateFn::kVariance, "variance", true, false, "sample variance (`ddof` 1), rounded once"},
      {AggregateFn::kStddev, "stddev", true, false, "square root of the variance"},
  };
  return kRows;
}

AggregateSpec ReadAggregate(SpecReader& spec) {
  AggregateSpec out;
  ReadPlaces(spec, out);
  OutputColumns columns(out.common.out);
  ReadConstants(spec, out, columns);
  ReadWindow(spec, out);
  ReadKeys(spec, out, columns);
  ReadFeatures(spec, out, columns);
  ReadDerived(spec, out, columns);
  spec.Object("checks", [&](SpecReader& checks) {
    out.input_checks = CheckSuite::Read(checks, "input");
    out.output_checks = CheckSuite::Read(checks, "output");
    columns.CheckSuiteUse(checks, out.output_checks);
  });
  return out;
}

}  // namespace nightmill
