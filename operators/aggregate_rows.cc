// Groups of one partition to rows in order: the last step that knows states.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "operators/aggregate_emit.h"
#include "operators/aggregate_slots.h"

namespace nightmill {
namespace {

template <class T>
T LoadAs(const std::uint8_t* p) {
  T v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

struct OrderedGroup {
  std::uint64_t hash;
  std::uint32_t group;
};

class RowEmitter {
 public:
  RowEmitter(const AggregatePlan& plan, const PartitionState& state) : plan_(plan), state_(state) {}

  OpStatus Run(OutputChunk& chunk) {
    Order();
    chunk.rows = static_cast<std::int64_t>(order_.size());
    chunk.columns.resize(plan_.outputs.size());
    for (std::size_t c = 0; c < chunk.columns.size(); ++c) {
      const PlanOutput& output = plan_.outputs[c];
      column_ = &chunk.columns[c];
      kind_ = output.type.kind;
      column_->slots.resize(order_.size() * SlotBytes(kind_));
      if (output.key >= 0) {
        EmitKey(output);
        continue;
      }
      OpStatus emitted = EmitFeature(output);
      if (emitted.ok()) continue;
      OperatorError error = emitted.error();
      error.column = output.name;
      return error;
    }
    return OpOk();
  }

 private:
  void Order() {
    const GroupTable& groups = state_.groups();
    order_.reserve(groups.size());
    for (std::uint32_t g = 0; g < groups.size(); ++g) order_.push_back({state_.KeyHash(g), g});
    std::sort(order_.begin(), order_.end(), [&](const OrderedGroup& a, const OrderedGroup& b) {
      return a.hash != b.hash ? a.hash < b.hash : KeyLess(a.group, b.group);
    });
  }
  // Of two keys with one hash; numbers are a bijection, so only the null can be there twice.
  bool KeyLess(std::uint32_t a, std::uint32_t b) const {
    if (!plan_.program.text_key) return a == state_.null_group() && b != state_.null_group();
    return KeyText(a) < KeyText(b);
  }
  std::string_view KeyText(std::uint32_t group) const {
    return TextOf(LoadAs<TextStore::Found>(state_.groups().row(group)).text);
  }

  // Calls f(k, row) for all groups in order.
  template <class F>
  void Each(F f) {
    for (std::size_t k = 0; k < order_.size(); ++k) f(k, state_.groups().row(order_[k].group));
  }
  template <class T>
  void Put(std::size_t k, T v) {
    std::memcpy(column_->slots.data() + k * sizeof(T), &v, sizeof v);
  }
  void SetNull(std::size_t k) {
    if (column_->valid.empty()) column_->valid.assign(order_.size(), 1);
    column_->valid[k] = 0;
  }
  // A carried number in the slot of the column's type.
  void PutNumber(std::size_t k, std::int64_t v) {
    switch (kind_) {
      case TypeKind::kBool:
        Put(k, static_cast<std::uint8_t>(v));
        break;
      case TypeKind::kInt32:
      case TypeKind::kDate:
        Put(k, static_cast<std::int32_t>(v));
        break;
      case TypeKind::kDecimal:
        Put(k, static_cast<Int128>(v));
        break;
      case TypeKind::kFloat32:
        Put(k, static_cast<float>(std::bit_cast<double>(v)));
        break;
      default:
        Put(k, v);
        break;
    }
  }

  void EmitKey(const PlanOutput& output) {
    if (plan_.program.text_key) return EmitKeyPart(output);
    Each([&](std::size_t k, const std::uint8_t* row) {
      if (order_[k].group == state_.null_group()) {
        PutNumber(k, 0);
        SetNull(k);
      } else {
        PutNumber(k, LoadAs<std::int64_t>(row));
      }
    });
  }

  // Walks the parts of composite keys (aggregate_scan.cc, ComposeKeys).
  void EmitKeyPart(const PlanOutput& output) {
    std::vector<bool> is_text;
    for (const int key : plan_.keys) {
      const ColumnType& type = plan_.inputs[static_cast<std::size_t>(key)].type;
      is_text.push_back(CarrierOf(type) == Carrier::kText);
    }
    const auto part = static_cast<std::size_t>(output.key);
    for (std::size_t k = 0; k < order_.size(); ++k) {
      const char* at = KeyText(order_[k].group).data();
      for (std::size_t p = 0;; ++p) {
        const bool null = *at++ == '\0';
        std::uint32_t size = 8;
        if (!null && is_text[p]) {
          std::memcpy(&size, at, sizeof size);
          at += sizeof size;
        }
        if (p == part) {
          PutKeyPart(k, null, is_text[p], {at, null ? 0 : size});
          break;
        }
        if (!null) at += size;
      }
    }
  }
  void PutKeyPart(std::size_t k, bool null, bool text, std::string_view bytes) {
    if (null) SetNull(k);
    if (text) {
      Put(k, null ? std::string_view() : bytes);
      return;
    }
    std::int64_t number = 0;
    if (!null) std::memcpy(&number, bytes.data(), sizeof number);
    PutNumber(k, number);
  }

  OpStatus EmitFeature(const PlanOutput& output) {
    if (output.fn == AggregateFn::kCount) {
      const std::size_t offset = Counter(output.counter);
      Each([&](std::size_t k, const std::uint8_t* row) {
        Put(k, LoadAs<std::int64_t>(row + offset));
      });
      return OpOk();
    }
    const StateOp& op = plan_.program.ops[static_cast<std::size_t>(output.op)];
    switch (op.kind) {
      case StateKind::kSumInt:
        return EmitIntSum(output, op);
      case StateKind::kSumDouble:
        EmitDoubleSum(output, op);
        break;
      case StateKind::kMoments:
        EmitVariance(output, op);
        break;
      case StateKind::kMinMax:
        EmitMinMax(output, op);
        break;
      case StateKind::kMinText:
      case StateKind::kMaxText:
        Each([&](std::size_t k, const std::uint8_t* row) {
          PutText(k, LoadAs<StoredText>(row + op.offset));
        });
        break;
      case StateKind::kFirst:
      case StateKind::kLast:
        EmitOrdered(op);
        break;
      case StateKind::kDistinct:
        Each([&](std::size_t k, const std::uint8_t* row) {
          Put(k, LoadAs<std::int64_t>(row + op.offset));
        });
        break;
      case StateKind::kSmallDistinct:
      case StateKind::kDays:
        Each([&](std::size_t k, const std::uint8_t* row) {
          const int bits = std::popcount(LoadAs<std::uint64_t>(row + op.offset));
          Put(k, bits + LoadAs<std::int64_t>(row + op.offset + 8));
        });
        break;
    }
    return OpOk();
  }

  std::size_t Counter(int counter) const {
    return plan_.program.counter_offset + static_cast<std::size_t>(counter) * 8;
  }
  // Rows that `where` left out and `otherwise` speaks for.
  std::uint64_t Unmatched(const PlanOutput& output, const std::uint8_t* row) const {
    if (!output.otherwise) return 0;
    return LoadAs<std::uint64_t>(row + Counter(output.row_counter)) -
           LoadAs<std::uint64_t>(row + Counter(output.matched_counter));
  }
  static double AsDouble(const expr::Value& value) {
    return value.type == expr::DataType::kDouble ? value.d : static_cast<double>(value.i);
  }
  void PutText(std::size_t k, StoredText text) {
    if (text == nullptr) SetNull(k);
    Put(k, text == nullptr ? std::string_view() : TextOf(text));
  }

  OpStatus EmitIntSum(const PlanOutput& output, const StateOp& op) {
    bool overflow = false;
    const int scale =
        plan_.inputs[static_cast<std::size_t>(plan_.slots[static_cast<std::size_t>(op.slot)].input)]
            .type.scale;
    const double power = std::pow(10.0, scale);
    Each([&](std::size_t k, const std::uint8_t* row) {
      const auto state = LoadAs<IntSum>(row + op.offset);
      const std::uint64_t unmatched = Unmatched(output, row);
      auto total = static_cast<Int128>(
          (static_cast<UInt128>(static_cast<std::uint64_t>(state.high)) << 64) | state.low);
      if (unmatched > 0) total += static_cast<Int128>(unmatched) * output.otherwise->i;
      const std::uint64_t count = state.count + unmatched;
      if (count == 0) SetNull(k);
      if (output.fn == AggregateFn::kAvg) {
        const double mean = static_cast<double>(total) / power / static_cast<double>(count);
        Put(k, count == 0 ? 0.0 : mean);
      } else if (kind_ == TypeKind::kDecimal) {
        Put(k, total);
      } else {
        overflow = overflow || total != static_cast<std::int64_t>(total);
        Put(k, static_cast<std::int64_t>(total));
      }
    });
    if (!overflow) return OpOk();
    return BadInput("a sum does not fit int64", "overflow", "sum a cast to double instead");
  }

  void EmitDoubleSum(const PlanOutput& output, const StateOp& op) {
    Each([&](std::size_t k, const std::uint8_t* row) {
      auto state = LoadAs<SumState>(row + op.offset);
      const std::uint64_t unmatched = Unmatched(output, row);
      // Another column may share the state, so what is added here goes to a copy.
      WideStore own;
      const bool add = unmatched > 0 && AsDouble(*output.otherwise) != 0;
      if (add) {
        if (state.wide != 0) {
          own.sums.push_back(std::make_unique<WideSum>(*state_.wide().sums[state.wide - 1]));
          state.wide = 1;
        }
        AddRepeated(state, AsDouble(*output.otherwise), unmatched, own);
      } else {
        state.count += unmatched;
      }
      if (state.count == 0) {
        Put(k, 0.0);
        return SetNull(k);
      }
      const double sum = RoundSum(state, add ? own : state_.wide());
      Put(k, output.fn == AggregateFn::kAvg ? sum / static_cast<double>(state.count) : sum);
    });
  }

  void EmitVariance(const PlanOutput& output, const StateOp& op) {
    Each([&](std::size_t k, const std::uint8_t* row) {
      const auto state = LoadAs<MomentState>(row + op.offset);
      if (state.sum.count <= static_cast<std::uint64_t>(output.ddof)) {
        Put(k, 0.0);
        return SetNull(k);
      }
      const double variance = RoundVariance(state, output.ddof, state_.wide());
      Put(k, output.fn == AggregateFn::kStddev ? std::sqrt(variance) : variance);
    });
  }

  void EmitMinMax(const PlanOutput& output, const StateOp& op) {
    const bool min = output.fn == AggregateFn::kMin;
    std::int64_t other = 0;
    if (output.otherwise) {
      other = op.floating ? OrderedDouble(AsDouble(*output.otherwise)) : output.otherwise->i;
    }
    Each([&](std::size_t k, const std::uint8_t* row) {
      bool has = (LoadAs<std::uint64_t>(row + plan_.program.has_offset) & op.has) != 0;
      auto v = LoadAs<std::int64_t>(row + op.offset + (min ? 0 : 8));
      if (Unmatched(output, row) > 0) {
        v = !has ? other : min ? std::min(v, other) : std::max(v, other);
        has = true;
      }
      if (!has) SetNull(k);
      if (!has) v = 0;
      PutNumber(k, op.floating ? std::bit_cast<std::int64_t>(FromOrderedDouble(v)) : v);
    });
  }

  void EmitOrdered(const StateOp& op) {
    Each([&](std::size_t k, const std::uint8_t* row) {
      const bool has = (LoadAs<std::uint64_t>(row + plan_.program.has_offset) & op.has) != 0;
      const auto value = LoadAs<OrderedValue>(row + op.offset).value;
      if (op.text) return PutText(k, has ? std::bit_cast<StoredText>(value) : nullptr);
      if (!has) SetNull(k);
      PutNumber(k, has ? value : 0);
    });
  }

  const AggregatePlan& plan_;
  const PartitionState& state_;
  std::vector<OrderedGroup> order_;
  OutputColumn* column_ = nullptr;
  TypeKind kind_ = TypeKind::kInt64;
};

}  // namespace

OpResult<std::unique_ptr<OutputChunk>> EmitPartition(const AggregatePlan& plan,
                                                     const PartitionState& state,
                                                     MemoryBudget& budget) {
  auto chunk = std::make_unique<OutputChunk>();
  std::size_t row_bytes = 0;
  for (const PlanOutput& output : plan.outputs) row_bytes += SlotBytes(output.type.kind) + 1;
  chunk->hold.emplace(budget);
  const auto bytes = static_cast<std::int64_t>(state.groups().size() * row_bytes);
  NM_RETURN_IF_ERROR(chunk->hold->Resize(bytes, "rows waiting to be written"));
  NM_RETURN_IF_ERROR(RowEmitter(plan, state).Run(*chunk));
  return chunk;
}

}  // namespace nightmill
