// From a spec and the columns there are to what runs: which columns are read, which predicates
// become flag bits, which slots travel in records, which states make which output column. Built
// once per attempt (BindAggregate), then fitted to a sample of the data (FitToSample), which
// changes speed and memory, never results. Immutable while scanning.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "operators/aggregate_spec.h"
#include "operators/columnar/partitioned_aggregate.h"
#include "operators/columnar/types.h"
#include "operators/expr/bind.h"
#include "operators/input_table.h"

namespace nightmill {

using PlanInput = TableColumn;

// How values of a type are carried: as int64, as a double's bits, as text.
enum class Carrier : std::uint8_t { kNumber, kDouble, kText, kNone };
Carrier CarrierOf(const ColumnType& type);

struct PlanPredicate {
  expr::Bound bound;        // over inputs
  std::vector<int> inputs;  // that it reads
  int bit = 0;
};

struct PlanSlot {
  int input = 0;
  int order_input = -1;                      // kPair
  std::vector<std::uint64_t> wheres;         // the where bit of each user; 0: a user without
  std::shared_ptr<SmallDomain> domain = {};  // kSmall
};

struct PlanOutput {
  std::string name;
  ColumnType type;
  int key = -1;  // >= 0: this key
  AggregateFn fn = AggregateFn::kCount;
  int counter = -1;  // kCount
  int op = -1;       // the state of all others
  int ddof = 1;
  std::optional<expr::Value> otherwise = {};
  int matched_counter = -1, row_counter = -1;  // with otherwise
};

struct PlanDerived {
  std::string name;
  expr::Bound expression;  // over outputs, then earlier derived columns
};

struct AggregatePlan {
  Program program;
  std::vector<PlanInput> inputs;
  std::vector<expr::Field> fields;  // of inputs, for expressions
  std::vector<int> keys;            // inputs
  NullKey null_key = NullKey::kKeep;
  int window_input = -1;  // tested row by row: window_from <= slot < window_to
  std::int64_t window_from = 0, window_to = 0;
  std::optional<expr::Bound> filter;
  std::vector<int> filter_inputs;
  std::vector<PlanPredicate> predicates;
  std::vector<PlanSlot> slots;  // parallel to program.slots
  std::vector<PlanOutput> outputs;
  std::vector<PlanDerived> derived;
  Schema schema;                                                   // outputs, then derived
  std::shared_ptr<const BoundChecks> input_checks, output_checks;  // over inputs; over schema
  std::vector<int> check_inputs;                                   // inputs that input_checks read
};

// Names of the columns that the spec reads, partition columns included.
std::vector<std::string> InputColumns(const AggregateSpec& spec);
// The zone of the spec over the days that matter.
std::shared_ptr<const expr::LocalTimeMap> ZoneOf(const AggregateSpec& spec);

// `inputs` are the columns of InputColumns, in that order.
OpResult<AggregatePlan> BindAggregate(const AggregateSpec& spec, std::vector<PlanInput> inputs);

// What a block of rows showed of one slot.
struct SlotSample {
  bool seen = false;               // a value at all
  std::int64_t number = 0;         // the first one
  PackedKind kind = kPackedShort;  // of the first text
  bool small = false;              // few distinct texts
  double carried = 1.0;            // share of rows whose value is needed
  double fresh = 1.0;              // of those, the share whose key and value are a new pair
};
void FitToSample(const std::vector<SlotSample>& samples, bool has_window, AggregatePlan& plan);

}  // namespace nightmill
