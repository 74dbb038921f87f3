// The spec of `aggregate` (compute.md 2), read without knowing any table: what the catalog's schema
// cannot say is checked here, expressions and the names of output columns included. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "operators/checks.h"
#include "operators/common_spec.h"
#include "operators/expr/ast.h"
#include "operators/spec_reader.h"

namespace nightmill {

enum class AggregateFn : std::uint8_t {
  kCount,
  kSum,
  kAvg,
  kMin,
  kMax,
  kFirst,
  kLast,
  kCountDistinct,
  kActiveDays,
  kVariance,
  kStddev,
};

// One row of the table of functions: parser, schema and docs walk it.
struct AggregateFnRow {
  AggregateFn fn;
  std::string_view word;
  bool needs_col;
  bool takes_otherwise;
  std::string_view doc;
};
// Words may repeat a function (aliases).
const std::vector<AggregateFnRow>& AggregateFunctions();

struct FeatureSpec {
  std::string pointer;  // "/features/3"
  std::string name;
  AggregateFn fn = AggregateFn::kCount;
  std::string column;                    // "" for count of rows
  std::string order_by;                  // first, last
  std::string where;                     // as written; "" for all rows
  std::optional<expr::Node> condition;   // of `where`
  std::optional<expr::Value> otherwise;  // for rows that `where` leaves out
  int ddof = 1;                          // variance, stddev
};

struct DerivedSpec {
  std::string pointer;
  std::string name;
  expr::Node expression;
};

enum class NullKey : std::uint8_t { kKeep, kDrop, kFail };

struct AggregateSpec {
  CommonSpec common;
  std::vector<std::string> keys;
  NullKey null_key = NullKey::kKeep;
  int window_days = 0;    // 0: no window
  std::string window_by;  // a partition column or a column of the table
  std::string zone;       // of the window and of dates
  std::optional<expr::Node> filter;
  std::vector<FeatureSpec> features;
  std::vector<DerivedSpec> derived;
  CheckSuite input_checks, output_checks;
  // as_of, data_interval_start, data_interval_end, where the spec has them.
  std::map<std::string, expr::Value, std::less<>> constants;
  std::vector<std::string> warnings;  // lint

  // First and last day of the window, days since 1970. Only with a window.
  std::int32_t first_day() const { return *common.as_of - window_days + 1; }
  std::int32_t last_day() const { return *common.as_of; }
};

// Serves the worker and `dag validate`, as all that is read from specs (spec_reader.h).
AggregateSpec ReadAggregate(SpecReader& spec);

}  // namespace nightmill
