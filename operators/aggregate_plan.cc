#include "operators/aggregate_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <map>
#include <tuple>
#include <utility>

namespace nightmill {
namespace {

constexpr int kMaxDecimalDigits = 18;  // fits int64
constexpr int kMaxHasBits = 64;
constexpr int kMaxFlagBits = 64;
constexpr std::int32_t kZoneMargin = 400;  // days looked up around the window at once
// A slot needed by fewer rows than this travels beside the records.
constexpr double kSparseShare = 0.15;
// Beside its record a value takes twice the room, so half of them may be left out at least.
constexpr double kOnceShare = 0.4;

expr::Node ColumnNode(const std::string& name) {
  expr::Node node;
  node.op = expr::Op::kColumn;
  node.name = name;
  return node;
}

expr::Node NotNull(const std::string& column) {
  expr::Node is_null;
  is_null.op = expr::Op::kIsNull;
  is_null.children.push_back(ColumnNode(column));
  expr::Node node;
  node.op = expr::Op::kNot;
  node.children.push_back(std::move(is_null));
  return node;
}

expr::Node And(expr::Node a, expr::Node b) {
  expr::Node node;
  node.op = expr::Op::kAnd;
  node.children.push_back(std::move(a));
  node.children.push_back(std::move(b));
  return node;
}

class PlanBuilder {
 public:
  PlanBuilder(const AggregateSpec& spec, AggregatePlan& plan) : spec_(spec), plan_(plan) {}

  OpStatus Run() {
    for (const PlanInput& input : plan_.inputs) {
      plan_.fields.push_back({input.name, ExpressionType(input.type)});
    }
    plan_.null_key = spec_.null_key;
    plan_.program.zone = ZoneOf(spec_);
    NM_RETURN_IF_ERROR(Window());
    NM_RETURN_IF_ERROR(Filter());
    NM_RETURN_IF_ERROR(Keys());
    for (const FeatureSpec& feature : spec_.features) NM_RETURN_IF_ERROR(Feature(feature));
    if (plan_.program.flag_bits > kMaxFlagBits) {
      return SpecError("/features", "more than 60 different conditions and columns");
    }
    return Derived();
  }

 private:
  int InputOf(std::string_view name) const {
    for (std::size_t i = 0; i < plan_.inputs.size(); ++i) {
      if (plan_.inputs[i].name == name) return static_cast<int>(i);
    }
    return -1;
  }
  const PlanInput& Input(int i) const { return plan_.inputs[static_cast<std::size_t>(i)]; }

  OpResult<expr::Bound> Predicate(const expr::Node& node, const std::string& pointer) {
    expr::BindContext context{plan_.fields, spec_.constants, plan_.program.zone};
    auto bound = expr::BindPredicate(node, context);
    if (!bound.ok()) return SpecError(pointer, bound.error().message, bound.error().hint);
    return std::move(*bound);
  }

  OpStatus Window() {
    if (spec_.window_days == 0) return OpOk();
    const int input = InputOf(spec_.window_by);
    if (Input(input).partition) return OpOk();  // whole partitions were dropped already
    const ColumnType& type = Input(input).type;
    plan_.window_input = input;
    const std::int32_t from = spec_.first_day(), to = spec_.last_day() + 1;
    if (type.kind == TypeKind::kDate) {
      plan_.window_from = from;
      plan_.window_to = to;
      return OpOk();
    }
    if (type.kind != TypeKind::kTimestamp) {
      return SpecError("/window/by", fmt::format("'{}' is {}, not a date or timestamp",
                                                 spec_.window_by, ToString(type)));
    }
    const expr::LocalTimeMap wall;
    const expr::LocalTimeMap& zone = type.utc ? *plan_.program.zone : wall;
    plan_.window_from = zone.StartOfDay(from);
    plan_.window_to = zone.StartOfDay(to);
    return OpOk();
  }

  OpStatus Filter() {
    if (!spec_.filter) return OpOk();
    NM_ASSIGN_OR_RETURN(plan_.filter, Predicate(*spec_.filter, "/in/filter"));
    plan_.filter_inputs = expr::FieldsOf(*plan_.filter);
    return OpOk();
  }

  OpStatus Unfit(std::string_view pointer, const PlanInput& input, std::string_view what) const {
    OperatorError error = SpecError(
        pointer, fmt::format("column '{}' is {}: {}", input.name, ToString(input.type), what));
    error.column = input.name;
    return error;
  }

  OpStatus Keys() {
    for (const std::string& name : spec_.keys) {
      const int input = InputOf(name);
      if (CarrierOf(Input(input).type) == Carrier::kNone) {
        return Unfit("/keys", Input(input), "cannot be a key");
      }
      PlanOutput output;
      output.name = name;
      output.type = Input(input).type;
      output.key = static_cast<int>(plan_.keys.size());
      plan_.keys.push_back(input);
      plan_.outputs.push_back(std::move(output));
    }
    plan_.program.text_key =
        plan_.keys.size() > 1 || CarrierOf(Input(plan_.keys[0]).type) == Carrier::kText;
    return OpOk();
  }

  // The flag bit of a condition; equal ones share it. `text` names it.
  OpResult<int> Bit(const expr::Node& node, const std::string& text, const std::string& pointer) {
    const auto found = bits_.find(text);
    if (found != bits_.end()) return found->second;
    PlanPredicate predicate;
    NM_ASSIGN_OR_RETURN(predicate.bound, Predicate(node, pointer));
    predicate.inputs = expr::FieldsOf(predicate.bound);
    predicate.bit = plan_.program.flag_bits++;
    bits_.emplace(text, predicate.bit);
    plan_.predicates.push_back(std::move(predicate));
    return plan_.predicates.back().bit;
  }

  int Counter(int bit) {
    auto& counters = plan_.program.counters;
    const auto found = std::find(counters.begin(), counters.end(), bit);
    if (found != counters.end()) return static_cast<int>(found - counters.begin());
    counters.push_back(bit);
    return static_cast<int>(counters.size()) - 1;
  }

  int SlotFor(SlotForm form, int input, int order_input, std::uint64_t where) {
    const auto key = std::make_tuple(form, input, order_input);
    auto found = slots_.find(key);
    if (found == slots_.end()) {
      Slot slot;
      slot.form = form;
      slot.present = 1ull << plan_.program.flag_bits++;
      plan_.program.slots.push_back(slot);
      PlanSlot& planned = plan_.slots.emplace_back();
      planned.input = input;
      planned.order_input = order_input;
      found = slots_.emplace(key, static_cast<int>(plan_.slots.size()) - 1).first;
    }
    plan_.slots[static_cast<std::size_t>(found->second)].wheres.push_back(where);
    return found->second;
  }

  OpResult<int> Op(StateOp op, std::uint64_t where) {
    const Slot& slot = plan_.program.slots[static_cast<std::size_t>(op.slot)];
    op.need = slot.present | where;
    auto& ops = plan_.program.ops;
    for (std::size_t i = 0; i < ops.size(); ++i) {
      if (ops[i].kind == op.kind && ops[i].slot == op.slot && ops[i].need == op.need) {
        return static_cast<int>(i);
      }
    }
    const bool marked = op.kind == StateKind::kMinMax || op.kind == StateKind::kFirst ||
                        op.kind == StateKind::kLast;
    if (marked) {
      if (has_bits_ == kMaxHasBits) {
        return SpecError("/features", "more than 64 different min, max, first and last");
      }
      op.has = 1ull << has_bits_++;
    }
    op.number = static_cast<std::uint32_t>(ops.size());
    ops.push_back(op);
    return static_cast<int>(ops.size()) - 1;
  }

  OpStatus Feature(const FeatureSpec& feature) {
    PlanOutput output;
    output.name = feature.name;
    output.type = {.kind = TypeKind::kInt64};
    output.fn = feature.fn;
    output.ddof = feature.ddof;
    int where_bit = 0;
    if (feature.condition) {
      NM_ASSIGN_OR_RETURN(where_bit,
                          Bit(*feature.condition, feature.where, feature.pointer + "/where"));
    }
    const std::uint64_t where = feature.condition ? 1ull << where_bit : 0;
    if (feature.fn == AggregateFn::kCount) {
      NM_ASSIGN_OR_RETURN(const int bit, CountBit(feature, where_bit));
      output.counter = Counter(bit);
      plan_.outputs.push_back(std::move(output));
      return OpOk();
    }
    if (feature.otherwise) {
      output.otherwise = feature.otherwise;
      output.matched_counter = Counter(where_bit);
      output.row_counter = Counter(0);
    }
    NM_RETURN_IF_ERROR(State(feature, where, output));
    plan_.outputs.push_back(std::move(output));
    return OpOk();
  }

  OpResult<int> CountBit(const FeatureSpec& feature, int where_bit) {
    if (feature.column.empty()) return where_bit;  // bit 0 is set in every record
    expr::Node node = NotNull(feature.column);
    if (feature.condition) node = And(*feature.condition, std::move(node));
    // The 0x1F keeps the name apart from conditions as written.
    return Bit(node, feature.where + '\x1F' + feature.column, feature.pointer + "/col");
  }

  OpStatus State(const FeatureSpec& feature, std::uint64_t where, PlanOutput& output) {
    const int at = InputOf(feature.column);
    const PlanInput& input = Input(at);
    const Carrier carrier = CarrierOf(input.type);
    const std::string pointer = feature.pointer + "/col";
    if (carrier == Carrier::kNone) return Unfit(pointer, input, "cannot be aggregated");
    StateOp op;
    op.floating = carrier == Carrier::kDouble;
    op.text = carrier == Carrier::kText;
    output.type = input.type;
    switch (feature.fn) {
      case AggregateFn::kCount:
        return OpOk();
      case AggregateFn::kSum:
      case AggregateFn::kAvg:
      case AggregateFn::kVariance:
      case AggregateFn::kStddev:
        NM_RETURN_IF_ERROR(Sum(feature, input, op, output));
        break;
      case AggregateFn::kMin:
      case AggregateFn::kMax:
        op.kind = !op.text                          ? StateKind::kMinMax
                  : feature.fn == AggregateFn::kMin ? StateKind::kMinText
                                                    : StateKind::kMaxText;
        if (feature.otherwise && !IsSummable(input.type)) {
          return Unfit(feature.pointer + "/otherwise", input, "takes no number");
        }
        break;
      case AggregateFn::kFirst:
      case AggregateFn::kLast:
        return Ordered(feature, at, where, output);
      case AggregateFn::kCountDistinct:
        output.type = {.kind = TypeKind::kInt64};
        op.kind = StateKind::kDistinct;
        break;
      case AggregateFn::kActiveDays:
        output.type = {.kind = TypeKind::kInt64};
        op.kind = StateKind::kDays;
        if (input.type.kind != TypeKind::kDate && input.type.kind != TypeKind::kTimestamp) {
          return Unfit(pointer, input, "has no dates");
        }
        op.days = input.type.kind == TypeKind::kDate ? DayForm::kDate
                  : input.type.utc                   ? DayForm::kInstant
                                                     : DayForm::kWallTime;
        break;
    }
    const bool distinct_text = op.kind == StateKind::kDistinct && op.text;
    op.slot = SlotFor(distinct_text ? SlotForm::kPacked
                      : op.text     ? SlotForm::kText
                                    : SlotForm::kInt64,
                      at, -1, where);
    NM_ASSIGN_OR_RETURN(output.op, Op(op, where));
    return OpOk();
  }

  static bool IsSummable(const ColumnType& type) {
    return type.kind == TypeKind::kInt32 || type.kind == TypeKind::kInt64 ||
           type.kind == TypeKind::kDecimal || CarrierOf(type) == Carrier::kDouble;
  }

  OpStatus Sum(const FeatureSpec& feature, const PlanInput& input, StateOp& op,
               PlanOutput& output) {
    if (!IsSummable(input.type)) return Unfit(feature.pointer + "/col", input, "is no number");
    const bool moments = feature.fn == AggregateFn::kVariance || feature.fn == AggregateFn::kStddev;
    if (moments && input.type.kind == TypeKind::kDecimal) {
      return Unfit(feature.pointer + "/col", input, "variance of decimals is not supported");
    }
    const bool whole = !op.floating;
    if (feature.otherwise && whole &&
        (feature.otherwise->type != expr::DataType::kInt64 ||
         input.type.kind == TypeKind::kDecimal)) {
      return Unfit(feature.pointer + "/otherwise", input, "takes whole numbers only");
    }
    op.kind = moments ? StateKind::kMoments : whole ? StateKind::kSumInt : StateKind::kSumDouble;
    output.type = {.kind = TypeKind::kFloat64};
    if (feature.fn == AggregateFn::kSum && whole) {
      output.type = input.type.kind == TypeKind::kDecimal
                        ? ColumnType{TypeKind::kDecimal, 38, input.type.scale}
                        : ColumnType{.kind = TypeKind::kInt64};
    }
    return OpOk();
  }

  OpStatus Ordered(const FeatureSpec& feature, int at, std::uint64_t where, PlanOutput& output) {
    const int order = InputOf(feature.order_by);
    const Carrier carrier = CarrierOf(Input(order).type);
    if (carrier != Carrier::kNumber && carrier != Carrier::kDouble) {
      return Unfit(feature.pointer + "/order_by", Input(order), "cannot order");
    }
    StateOp op;
    op.kind = feature.fn == AggregateFn::kFirst ? StateKind::kFirst : StateKind::kLast;
    op.floating = CarrierOf(Input(at).type) == Carrier::kDouble;
    op.text = CarrierOf(Input(at).type) == Carrier::kText;
    op.slot = SlotFor(SlotForm::kPair, at, order, where);
    NM_ASSIGN_OR_RETURN(output.op, Op(op, where));
    return OpOk();
  }

  OpStatus Derived() {
    std::vector<expr::Field> fields;
    for (const PlanOutput& output : plan_.outputs) {
      fields.push_back({output.name, ExpressionType(output.type)});
      plan_.schema.fields.push_back({output.name, output.type});
    }
    for (const DerivedSpec& derived : spec_.derived) {
      expr::BindContext context{fields, spec_.constants, plan_.program.zone};
      auto bound = expr::Bind(derived.expression, context);
      if (!bound.ok()) return SpecError(derived.pointer, bound.error().message, bound.error().hint);
      if (bound->type == expr::DataType::kNull) {
        return SpecError(derived.pointer, "has no type", "cast(null as double)");
      }
      fields.push_back({derived.name, bound->type});
      plan_.schema.fields.push_back({derived.name, ColumnTypeOf(bound->type)});
      plan_.derived.push_back({derived.name, std::move(*bound)});
    }
    return OpOk();
  }

  const AggregateSpec& spec_;
  AggregatePlan& plan_;
  std::map<std::string, int> bits_;
  std::map<std::tuple<SlotForm, int, int>, int> slots_;
  int has_bits_ = 0;
};

void AddName(std::vector<std::string>& names, const std::string& name) {
  if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
}

}  // namespace

Carrier CarrierOf(const ColumnType& type) {
  switch (type.kind) {
    case TypeKind::kBool:
    case TypeKind::kInt32:
    case TypeKind::kInt64:
    case TypeKind::kDate:
    case TypeKind::kTimestamp:
      return Carrier::kNumber;
    case TypeKind::kDecimal:
      return type.precision <= kMaxDecimalDigits ? Carrier::kNumber : Carrier::kNone;
    case TypeKind::kFloat32:
    case TypeKind::kFloat64:
      return Carrier::kDouble;
    case TypeKind::kString:
    case TypeKind::kBinary:
      return Carrier::kText;
    case TypeKind::kUnsupported:
      break;
  }
  return Carrier::kNone;
}

std::vector<std::string> InputColumns(const AggregateSpec& spec) {
  std::vector<std::string> names;
  const auto add_node = [&](const std::optional<expr::Node>& node) {
    if (!node) return;
    for (const std::string& name : expr::ColumnsOf(*node)) {
      if (!spec.constants.contains(name)) AddName(names, name);
    }
  };
  for (const std::string& key : spec.keys) AddName(names, key);
  for (const FeatureSpec& feature : spec.features) {
    if (!feature.column.empty()) AddName(names, feature.column);
    if (!feature.order_by.empty()) AddName(names, feature.order_by);
    add_node(feature.condition);
  }
  add_node(spec.filter);
  if (spec.window_days > 0) AddName(names, spec.window_by);
  for (const std::string& name : spec.input_checks.Columns()) AddName(names, name);
  return names;
}

std::shared_ptr<const expr::LocalTimeMap> ZoneOf(const AggregateSpec& spec) {
  const auto zone = TimeZone::Find(spec.zone);
  if (!zone.ok()) return std::make_shared<const expr::LocalTimeMap>();
  std::int32_t first = 10'957, last = 25'567;  // 2000 to 2039
  if (spec.window_days > 0) {
    first = spec.first_day() - kZoneMargin;
    last = spec.last_day() + kZoneMargin;
  }
  return std::make_shared<const expr::LocalTimeMap>(*zone, first, last);
}

OpResult<AggregatePlan> BindAggregate(const AggregateSpec& spec, std::vector<PlanInput> inputs) {
  AggregatePlan plan;
  plan.inputs = std::move(inputs);
  NM_RETURN_IF_ERROR(PlanBuilder(spec, plan).Run());
  Schema schema;
  for (const PlanInput& input : plan.inputs) schema.fields.push_back({input.name, input.type});
  NM_ASSIGN_OR_RETURN(plan.input_checks, BoundChecks::Bind(spec.input_checks, schema));
  NM_ASSIGN_OR_RETURN(plan.output_checks, BoundChecks::Bind(spec.output_checks, plan.schema));
  plan.check_inputs = plan.input_checks->columns();
  plan.program.first_day = spec.window_days > 0 ? spec.first_day() - 1 : 0;
  return plan;
}

namespace {

// Whether all that use a slot count distinct values.
bool CountsOnly(const Program& program, int slot) {
  return std::all_of(program.ops.begin(), program.ops.end(), [slot](const StateOp& op) {
    return op.slot != slot || op.kind == StateKind::kDistinct;
  });
}

// Takes one bit out of all masks and numbers of flags.
void RemoveFlag(int gone, AggregatePlan& plan) {
  const std::uint64_t below = (1ull << gone) - 1;
  const auto mask = [&](std::uint64_t& bits) { bits = (bits & below) | ((bits >> 1) & ~below); };
  const auto number = [&](int& bit) { bit -= bit > gone ? 1 : 0; };
  for (Slot& slot : plan.program.slots) mask(slot.present);
  for (StateOp& op : plan.program.ops) mask(op.need);
  for (int& bit : plan.program.counters) number(bit);
  for (PlanPredicate& predicate : plan.predicates) number(predicate.bit);
  for (PlanSlot& slot : plan.slots) {
    for (std::uint64_t& where : slot.wheres) mask(where);
  }
  --plan.program.flag_bits;
}

// Slots that need no flag give theirs back: with few enough, records have one byte of them.
void FreeFlags(AggregatePlan& plan) {
  Program& program = plan.program;
  for (std::size_t s = 0; s < program.slots.size(); ++s) {
    Slot& slot = program.slots[s];
    if (!slot.sparse && slot.form != SlotForm::kSmall) continue;
    for (StateOp& op : program.ops) {
      if (op.slot == static_cast<int>(s)) op.need = (op.need & ~slot.present) | kRowBit;
    }
    RemoveFlag(std::countr_zero(std::exchange(slot.present, kRowBit)), plan);
  }
}

}  // namespace

void FitToSample(const std::vector<SlotSample>& samples, bool has_window, AggregatePlan& plan) {
  Program& program = plan.program;
  for (std::size_t s = 0; s < program.slots.size(); ++s) {
    Slot& slot = program.slots[s];
    PlanSlot& planned = plan.slots[s];
    const SlotSample& sample = samples[s];
    const PlanInput& input = plan.inputs[static_cast<std::size_t>(planned.input)];
    const bool always =
        std::find(planned.wheres.begin(), planned.wheres.end(), 0) != planned.wheres.end();
    if (slot.form == SlotForm::kInt64 && input.type.kind == TypeKind::kTimestamp && sample.seen) {
      slot.form = SlotForm::kInt48;  // 8.9 years around the first value
      slot.base = sample.number - (std::int64_t{1} << 47);
    }
    if (slot.form == SlotForm::kPacked) {
      slot.kind = sample.kind;
      if (sample.small) {
        slot.form = SlotForm::kSmall;
        planned.domain = std::make_shared<SmallDomain>();
      } else if (sample.kind == kPackedHex + 16) {
        slot.form = SlotForm::kHex64;
      }
    }
    slot.once = sample.fresh < kOnceShare && CountsOnly(program, static_cast<int>(s)) &&
                slot.form != SlotForm::kSmall;
    slot.sparse =
        slot.once || (!always && slot.form != SlotForm::kSmall && sample.carried < kSparseShare);
    for (StateOp& op : program.ops) {
      if (op.slot != static_cast<int>(s)) continue;
      if (op.kind == StateKind::kDistinct && slot.form == SlotForm::kSmall) {
        op.kind = StateKind::kSmallDistinct;
      }
      if (op.kind == StateKind::kDays && !has_window && sample.seen) {
        const bool date = op.days == DayForm::kDate;
        program.first_day = (date ? sample.number : expr::FloorDays(sample.number)) - 31;
      }
    }
  }
  FreeFlags(plan);
  program.Layout();
  for (const StateOp& op : program.ops) {
    if (op.kind != StateKind::kMinMax) continue;
    program.initial[op.offset / 8] = static_cast<std::uint64_t>(INT64_MAX);
    program.initial[op.offset / 8 + 1] = static_cast<std::uint64_t>(INT64_MIN);
  }
}

}  // namespace nightmill
