#include "operators/aggregate_spec.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>
#include <set>

#include "core/base/time.h"
#include "core/schedule/time_zone.h"

namespace nightmill {
namespace {

using Json = nlohmann::json;

constexpr std::array<std::string_view, 6> kOwnFields{"window",   "keys",    "null_key",
                                                     "features", "derived", "checks"};
constexpr std::size_t kMaxFeatures = 1000;
constexpr int kMaxWindowDays = 3660;

const Json* Member(const Json& object, std::string_view name) {
  const auto it = object.find(name);
  return it == object.end() || it->is_null() ? nullptr : &*it;
}

OpStatus OnlyFields(const Json& object, std::string_view pointer,
                    std::initializer_list<std::string_view> names) {
  if (!object.is_object()) return SpecError(pointer, "must be an object");
  for (const auto& [key, value] : object.items()) {
    if (std::find(names.begin(), names.end(), key) != names.end() || key.starts_with("x-"))
      continue;
    return SpecError(fmt::format("{}/{}", pointer, key), "unknown field");
  }
  return OpOk();
}

OpResult<std::string> Text(const Json& object, std::string_view pointer, std::string_view name,
                           bool required) {
  const Json* value = Member(object, name);
  if (value == nullptr) {
    if (!required) return std::string();
    return SpecError(pointer, fmt::format("needs \"{}\"", name));
  }
  if (!value->is_string() || value->get_ref<const std::string&>().empty()) {
    return SpecError(fmt::format("{}/{}", pointer, name), "must be a text, not empty");
  }
  return value->get<std::string>();
}

OpResult<expr::Node> Expression(const std::string& text, const std::string& pointer) {
  auto node = expr::Parse(text);
  if (!node.ok()) return SpecError(pointer, node.error().message, node.error().hint);
  return std::move(*node);
}

OpResult<std::optional<expr::Value>> Otherwise(const Json& object, const std::string& pointer) {
  const Json* value = Member(object, "otherwise");
  if (value == nullptr) return std::optional<expr::Value>();
  if (value->is_number_integer()) {
    return std::optional(expr::Value::Int(value->get<std::int64_t>()));
  }
  if (value->is_number_float()) return std::optional(expr::Value::Double(value->get<double>()));
  return SpecError(pointer + "/otherwise", "must be a number");
}

OpResult<FeatureSpec> ParseFeature(const Json& json, std::string pointer) {
  NM_RETURN_IF_ERROR(
      OnlyFields(json, pointer, {"name", "fn", "col", "where", "otherwise", "order_by", "ddof"}));
  FeatureSpec feature;
  feature.pointer = pointer;
  NM_ASSIGN_OR_RETURN(feature.name, Text(json, pointer, "name", true));
  NM_ASSIGN_OR_RETURN(const std::string word, Text(json, pointer, "fn", true));
  const AggregateFnRow* row = nullptr;
  std::string words;
  for (const AggregateFnRow& r : AggregateFunctions()) {
    if (r.word == word) row = &r;
    if (!words.empty()) words += ' ';
    words += r.word;
  }
  if (row == nullptr) {
    return SpecError(pointer + "/fn", fmt::format("unknown function '{}'", word),
                     "functions: " + words);
  }
  feature.fn = row->fn;
  NM_ASSIGN_OR_RETURN(feature.column, Text(json, pointer, "col", row->needs_col));
  NM_ASSIGN_OR_RETURN(feature.where, Text(json, pointer, "where", word == "count_if"));
  if (!feature.where.empty()) {
    NM_ASSIGN_OR_RETURN(feature.condition, Expression(feature.where, pointer + "/where"));
  }
  NM_ASSIGN_OR_RETURN(feature.otherwise, Otherwise(json, pointer));
  if (feature.otherwise && (!row->takes_otherwise || feature.where.empty())) {
    return SpecError(pointer + "/otherwise", "goes with a `where` and sum, avg, min or max");
  }
  const bool ordered = feature.fn == AggregateFn::kFirst || feature.fn == AggregateFn::kLast;
  NM_ASSIGN_OR_RETURN(feature.order_by, Text(json, pointer, "order_by", ordered));
  if (!ordered && !feature.order_by.empty()) {
    return SpecError(pointer + "/order_by", "goes with first and last only");
  }
  if (const Json* ddof = Member(json, "ddof")) {
    const bool moments = feature.fn == AggregateFn::kVariance || feature.fn == AggregateFn::kStddev;
    if (!moments || !ddof->is_number_integer() || (*ddof != 0 && *ddof != 1)) {
      return SpecError(pointer + "/ddof", "must be 0 or 1, with variance or stddev");
    }
    feature.ddof = ddof->get<int>();
  }
  return feature;
}

OpStatus ParseWindow(const Json& spec, AggregateSpec& out) {
  out.zone = out.common.timezone;
  const Json* window = Member(spec, "window");
  if (window == nullptr) return OpOk();
  NM_RETURN_IF_ERROR(OnlyFields(*window, "/window", {"days", "by", "timezone"}));
  const Json* days = Member(*window, "days");
  if (days == nullptr || !days->is_number_integer() || *days < 1 || *days > kMaxWindowDays) {
    return SpecError("/window/days", fmt::format("must be 1 to {}", kMaxWindowDays));
  }
  out.window_days = days->get<int>();
  NM_ASSIGN_OR_RETURN(out.window_by, Text(*window, "/window", "by", true));
  NM_ASSIGN_OR_RETURN(const std::string zone, Text(*window, "/window", "timezone", false));
  if (!zone.empty()) out.zone = zone;
  const auto found = TimeZone::Find(out.zone);
  if (!found.ok()) {
    return SpecError("/window/timezone", found.error().message, found.error().hint);
  }
  if (!out.common.as_of) {
    return SpecError("/as_of", "is needed by the window", "\"as_of\": \"{{ ds }}\"");
  }
  return OpOk();
}

// "events_30d" next to a window of 31 days is more likely a slip than a wish.
void LintName(const std::string& name, AggregateSpec& out) {
  if (out.window_days == 0 || name.empty() || name.back() != 'd') return;
  const std::size_t at = name.rfind('_');
  if (at == std::string::npos) return;
  int days = 0;
  const char* end = name.data() + name.size() - 1;
  const auto [stop, error] = std::from_chars(name.data() + at + 1, end, days);
  if (error != std::errc{} || stop != end || days == out.window_days) return;
  out.warnings.push_back(
      fmt::format("feature '{}' says {} days, the window has {}", name, days, out.window_days));
}

OpStatus ParseKeys(const Json& spec, AggregateSpec& out) {
  const Json* keys = Member(spec, "keys");
  if (keys == nullptr || !keys->is_array() || keys->empty()) {
    return SpecError("/keys", "must be a list of columns, not empty");
  }
  for (const Json& key : *keys) {
    if (!key.is_string()) return SpecError("/keys", "must be a list of columns");
    out.keys.push_back(key.get<std::string>());
  }
  const Json* null_key = Member(spec, "null_key");
  if (null_key == nullptr || *null_key == "keep") return OpOk();
  if (*null_key != "drop" && *null_key != "fail") {
    return SpecError("/null_key", "must be keep, drop or fail");
  }
  out.null_key = *null_key == "drop" ? NullKey::kDrop : NullKey::kFail;
  return OpOk();
}

OpStatus ParseDerived(const Json& spec, AggregateSpec& out) {
  const Json* list = Member(spec, "derived");
  if (list == nullptr) return OpOk();
  if (!list->is_array() || list->size() > kMaxFeatures)
    return SpecError("/derived", "must be a list");
  for (std::size_t i = 0; i < list->size(); ++i) {
    const std::string pointer = fmt::format("/derived/{}", i);
    NM_RETURN_IF_ERROR(OnlyFields((*list)[i], pointer, {"name", "expr"}));
    DerivedSpec derived;
    derived.pointer = pointer + "/expr";
    NM_ASSIGN_OR_RETURN(derived.name, Text((*list)[i], pointer, "name", true));
    NM_ASSIGN_OR_RETURN(const std::string text, Text((*list)[i], pointer, "expr", true));
    NM_ASSIGN_OR_RETURN(derived.expression, Expression(text, derived.pointer));
    out.derived.push_back(std::move(derived));
  }
  return OpOk();
}

OpStatus ParseFeatures(const Json& spec, AggregateSpec& out) {
  const Json* features = Member(spec, "features");
  if (features == nullptr || !features->is_array() || features->empty() ||
      features->size() > kMaxFeatures) {
    return SpecError("/features", fmt::format("must be a list of 1 to {} features", kMaxFeatures));
  }
  for (std::size_t i = 0; i < features->size(); ++i) {
    NM_ASSIGN_OR_RETURN(FeatureSpec feature,
                        ParseFeature((*features)[i], fmt::format("/features/{}", i)));
    LintName(feature.name, out);
    out.features.push_back(std::move(feature));
  }
  return OpOk();
}

OpStatus UniqueNames(const AggregateSpec& spec) {
  std::set<std::string_view> names;
  const auto add = [&](const std::string& name, std::string_view pointer) -> OpStatus {
    if (names.insert(name).second) return OpOk();
    return SpecError(pointer, fmt::format("the output column '{}' exists twice", name));
  };
  for (const std::string& key : spec.keys) NM_RETURN_IF_ERROR(add(key, "/keys"));
  for (const FeatureSpec& f : spec.features) NM_RETURN_IF_ERROR(add(f.name, f.pointer + "/name"));
  for (const DerivedSpec& d : spec.derived) NM_RETURN_IF_ERROR(add(d.name, d.pointer));
  return OpOk();
}

OpStatus ParseChecks(const Json& spec, AggregateSpec& out) {
  const Json* checks = Member(spec, "checks");
  if (checks == nullptr) return OpOk();
  NM_RETURN_IF_ERROR(OnlyFields(*checks, "/checks", {"input", "output"}));
  if (const Json* input = Member(*checks, "input")) {
    NM_ASSIGN_OR_RETURN(out.input_checks, CheckSuite::Parse(*input, "/checks/input"));
  }
  if (const Json* output = Member(*checks, "output")) {
    NM_ASSIGN_OR_RETURN(out.output_checks, CheckSuite::Parse(*output, "/checks/output"));
  }
  return OpOk();
}

OpStatus ParseConstants(const Json& spec, AggregateSpec& out) {
  if (out.common.as_of) out.constants.emplace("as_of", expr::Value::Date(*out.common.as_of));
  for (const char* name : {"data_interval_start", "data_interval_end"}) {
    const Json* value = Member(spec, name);
    if (value == nullptr) continue;
    const auto instant = value->is_string() ? ParseInstant(value->get<std::string>())
                                            : Result<Instant>(Invalid("must be an instant"));
    if (!instant.ok()) return SpecError(fmt::format("/{}", name), instant.error().message);
    out.constants.emplace(name, expr::Value::Timestamp(ToMicros(*instant)));
  }
  return OpOk();
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

OpResult<AggregateSpec> ParseAggregateSpec(const Json& spec) {
  AggregateSpec out;
  NM_ASSIGN_OR_RETURN(out.common, ParseCommon(spec, {kOwnFields}));
  if (!out.common.in) return SpecError("/in", "is needed");
  if (!out.common.out) return SpecError("/out", "is needed");
  if (out.common.in->format && *out.common.in->format != InputFormat::kParquet) {
    return SpecError("/in/format", "aggregate reads parquet", "make it with `convert` first");
  }
  if (!out.common.out->sort.empty()) {
    return SpecError("/out/sort", "is not supported by aggregate",
                     "rows come in the order of the key's hash");
  }
  NM_RETURN_IF_ERROR(ParseConstants(spec, out));
  NM_RETURN_IF_ERROR(ParseWindow(spec, out));
  NM_RETURN_IF_ERROR(ParseKeys(spec, out));
  if (!out.common.in->filter.empty()) {
    NM_ASSIGN_OR_RETURN(out.filter, Expression(out.common.in->filter, "/in/filter"));
  }
  NM_RETURN_IF_ERROR(ParseFeatures(spec, out));
  NM_RETURN_IF_ERROR(ParseDerived(spec, out));
  NM_RETURN_IF_ERROR(UniqueNames(out));
  NM_RETURN_IF_ERROR(ParseChecks(spec, out));
  return out;
}

}  // namespace nightmill
