#include "operators/aggregate_emit.h"

#include <cstring>
#include <utility>

#include "operators/parallel.h"
#include "operators/slot_vector.h"

namespace nightmill {
namespace {

// Columns of one row group, contiguous.
class Rows {
 public:
  explicit Rows(std::int64_t rows) : rows_(rows) {}

  // An uninitialised column; returns its slots.
  std::uint8_t* Add(const ColumnType& type) {
    const std::size_t bytes = static_cast<std::size_t>(rows_) * SlotBytes(type.kind);
    types_.push_back(type);
    slots_.push_back(std::make_unique_for_overwrite<std::uint8_t[]>(bytes));
    valid_.emplace_back();
    return slots_.back().get();
  }
  void SetNull(std::int64_t row) {
    std::vector<std::uint64_t>& bits = valid_.back();
    if (bits.empty()) bits.assign(static_cast<std::size_t>(rows_ + 63) / 64, ~0ull);
    bits[static_cast<std::size_t>(row) / 64] &= ~(1ull << (row % 64));
  }
  void Keep(std::shared_ptr<const void> owner) { owners_.push_back(std::move(owner)); }

  ColumnData data(std::size_t c) const {
    return {slots_[c].get(), valid_[c].empty() ? nullptr : valid_[c].data()};
  }
  SlotColumn column(std::size_t c) const {
    SlotColumn column;
    column.type = types_[c];
    column.rows = rows_;
    column.values = data(c).values;
    column.valid = data(c).valid;
    return column;
  }
  std::size_t columns() const { return types_.size(); }
  std::int64_t rows() const { return rows_; }

 private:
  std::int64_t rows_;
  std::vector<ColumnType> types_;
  std::vector<std::unique_ptr<std::uint8_t[]>> slots_;
  std::vector<std::vector<std::uint64_t>> valid_;
  std::vector<std::shared_ptr<const void>> owners_;
};

template <class T>
void Narrow(const expr::Vector& v, std::uint8_t* to) {
  for (std::int64_t i = 0; i < v.size; ++i) {
    T value{};
    if (v.IsValid(i)) {
      if constexpr (std::is_same_v<T, double>) {
        value = v.doubles[v.At(i)];
      } else if constexpr (std::is_same_v<T, std::string_view>) {
        value = v.strings[v.At(i)];
      } else {
        value = static_cast<T>(v.ints[v.At(i)]);
      }
    }
    std::memcpy(to + static_cast<std::size_t>(i) * sizeof(T), &value, sizeof value);
  }
}

void AddVector(const expr::Vector& v, Rows& rows) {
  const ColumnType type = ColumnTypeOf(v.type);
  std::uint8_t* const to = rows.Add(type);
  switch (type.kind) {
    case TypeKind::kBool:
      Narrow<std::uint8_t>(v, to);
      break;
    case TypeKind::kDate:
      Narrow<std::int32_t>(v, to);
      break;
    case TypeKind::kFloat64:
      Narrow<double>(v, to);
      break;
    case TypeKind::kString:
      Narrow<std::string_view>(v, to);
      break;
    default:
      Narrow<std::int64_t>(v, to);
      break;
  }
  for (std::int64_t i = 0; i < v.size; ++i) {
    if (!v.IsValid(i)) rows.SetNull(i);
  }
  rows.Keep(v.owner);
}

OpStatus AddDerived(const AggregatePlan& plan, Rows& rows) {
  std::vector<SlotVector> holders(rows.columns() + plan.derived.size());
  std::vector<expr::Vector> vectors(holders.size());
  for (std::size_t d = 0; d < plan.derived.size(); ++d) {
    const PlanDerived& derived = plan.derived[d];
    for (const int field : expr::FieldsOf(derived.expression)) {
      const auto c = static_cast<std::size_t>(field);
      if (vectors[c].size == 0) vectors[c] = holders[c].Load(rows.column(c));
    }
    const auto v = expr::Evaluate(derived.expression, {rows.rows(), vectors});
    if (!v.ok()) {
      OperatorError error = FromCore(OperatorErrorCode::kBadInput, v.error());
      error.column = derived.name;
      return error;
    }
    expr::Vector typed = *v;
    if (typed.type == expr::DataType::kNull) typed.type = derived.expression.type;
    AddVector(typed, rows);
  }
  return OpOk();
}

}  // namespace

OutputPipeline::OutputPipeline(const AggregatePlan& plan, const WriteOptions& options,
                               TableWriter& writer, MemoryBudget& budget)
    : plan_(plan), options_(options), writer_(writer), budget_(budget) {}

OpStatus OutputPipeline::Run(std::size_t partitions, std::vector<CheckState>& check,
                             const Produce& produce) {
  return ParallelFor(check.size(), static_cast<int>(check.size()),
                     [&](std::size_t unit, int) -> OpStatus {
                       OpStatus done = Work(partitions, check[unit], produce);
                       if (done.ok()) return done;
                       const std::lock_guard lock(mutex_);
                       failed_ = true;
                       changed_.notify_all();
                       return done;
                     });
}

// Rows that are ready go first: that bounds what waits in memory.
OpStatus OutputPipeline::Work(std::size_t partitions, CheckState& check, const Produce& produce) {
  std::unique_lock lock(mutex_);
  while (!failed_) {
    if (!ready_.empty()) {
      RowGroup group = std::move(ready_.front());
      ready_.pop_front();
      lock.unlock();
      NM_RETURN_IF_ERROR(Encode(std::move(group), check));
      lock.lock();
    } else if (next_partition_ < partitions) {
      const std::size_t partition = next_partition_++;
      lock.unlock();
      NM_ASSIGN_OR_RETURN(auto chunk, produce(partition));
      lock.lock();
      Deposit(partition, std::move(chunk), partitions);
      changed_.notify_all();
    } else if (deposited_ < partitions) {
      changed_.wait(lock);
    } else {
      break;
    }
  }
  return OpOk();
}

void OutputPipeline::Deposit(std::size_t partition, std::unique_ptr<OutputChunk> chunk,
                             std::size_t partitions) {
  waiting_.emplace(partition, std::move(chunk));
  for (auto next = waiting_.find(deposited_); next != waiting_.end();
       next = waiting_.find(deposited_)) {
    const std::int64_t rows = next->second->rows;
    total_rows_ += rows;
    if (rows > 0) Cut({std::move(next->second), 0, rows});
    waiting_.erase(next);
    ++deposited_;
  }
  if (deposited_ == partitions && open_.rows > 0) ready_.push_back(std::exchange(open_, {}));
}

void OutputPipeline::Cut(Piece piece) {
  while (piece.rows > 0) {
    const std::int64_t take = std::min(piece.rows, kRowGroupRows - open_.rows);
    open_.pieces.push_back({piece.chunk, piece.first, take});
    open_.rows += take;
    piece.first += take;
    piece.rows -= take;
    if (open_.rows < kRowGroupRows) continue;
    const std::size_t number = open_.number;
    ready_.push_back(std::exchange(open_, {}));
    open_.number = number + 1;
  }
}

OpStatus OutputPipeline::Encode(RowGroup group, CheckState& check) {
  Rows rows(group.rows);
  for (std::size_t c = 0; c < plan_.outputs.size(); ++c) {
    const std::size_t width = SlotBytes(plan_.outputs[c].type.kind);
    std::uint8_t* to = rows.Add(plan_.outputs[c].type);
    std::int64_t base = 0;
    for (const Piece& piece : group.pieces) {
      const OutputColumn& from = piece.chunk->columns[c];
      const std::size_t bytes = static_cast<std::size_t>(piece.rows) * width;
      std::memcpy(to, from.slots.data() + static_cast<std::size_t>(piece.first) * width, bytes);
      to += bytes;
      for (std::int64_t i = 0; i < piece.rows && !from.valid.empty(); ++i) {
        if (from.valid[static_cast<std::size_t>(piece.first + i)] == 0) rows.SetNull(base + i);
      }
      base += piece.rows;
    }
  }
  NM_RETURN_IF_ERROR(AddDerived(plan_, rows));
  check.AddRows(group.rows);
  for (const int column : plan_.output_checks->columns()) {
    NM_RETURN_IF_ERROR(
        check.AddColumn(column, rows.column(static_cast<std::size_t>(column)), nullptr, -1));
  }
  std::vector<ColumnData> data;
  for (std::size_t c = 0; c < rows.columns(); ++c) data.push_back(rows.data(c));
  group.pieces.clear();
  NM_ASSIGN_OR_RETURN(auto fragment,
                      EncodeFragment(plan_.schema, options_, data, group.rows, budget_));
  return Write(group.number, std::move(fragment));
}

OpStatus OutputPipeline::Write(std::size_t number, std::unique_ptr<Fragment> fragment) {
  const std::lock_guard lock(writer_mutex_);
  fragments_.emplace(number, std::move(fragment));
  for (auto next = fragments_.find(next_fragment_); next != fragments_.end();
       next = fragments_.find(next_fragment_)) {
    NM_RETURN_IF_ERROR(writer_.AppendFragment(std::move(next->second)));
    fragments_.erase(next);
    ++next_fragment_;
  }
  return OpOk();
}

}  // namespace nightmill
