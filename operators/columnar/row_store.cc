#include "operators/columnar/row_store.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

namespace nightmill {
namespace {

constexpr std::size_t kWriteRows = 8192;

bool IsText(TypeKind kind) { return kind == TypeKind::kString || kind == TypeKind::kBinary; }

template <class T>
int CompareValues(const T& a, const T& b) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(a) || std::isnan(b)) {
      return static_cast<int>(std::isnan(a)) - static_cast<int>(std::isnan(b));
    }
  }
  return a < b ? -1 : static_cast<int>(b < a);
}

template <class T>
T Load(const std::vector<char>& slots, std::uint32_t row) {
  T value;
  std::memcpy(&value, slots.data() + std::size_t{row} * sizeof(T), sizeof(T));
  return value;
}

}  // namespace

RowStore::RowStore(Schema schema, MemoryBudget& budget)
    : schema_(std::move(schema)), hold_(budget), columns_(schema_.fields.size()) {}

OpStatus RowStore::Append(std::span<const ColumnData> columns, std::int64_t rows) {
  const auto first = static_cast<std::size_t>(rows_);
  const auto n = static_cast<std::size_t>(rows);
  std::size_t added = n / 2;  // bitmaps, with room for their growth
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    const TypeKind kind = schema_.fields[c].type.kind;
    added += n * SlotBytes(kind);
    if (!IsText(kind)) continue;
    const auto* views = static_cast<const std::string_view*>(columns[c].values);
    for (std::size_t i = 0; i < n; ++i) added += views[i].size();
  }
  if (first + n > std::numeric_limits<std::uint32_t>::max()) {
    return MakeOpError(OperatorErrorCode::kOomBudget, "more than 2^32 rows cannot be sorted",
                       "memory", "leave \"sort\" out");
  }
  NM_RETURN_IF_ERROR(
      hold_.Resize(hold_.held() + static_cast<std::int64_t>(added), "sorting the rows"));
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    const TypeKind kind = schema_.fields[c].type.kind;
    Column& column = columns_[c];
    const std::size_t width = SlotBytes(kind);
    column.slots.resize((first + n) * width);
    char* to = column.slots.data() + first * width;
    std::memcpy(to, columns[c].values, n * width);
    column.valid.resize((first + n + 63) / 64);
    for (std::size_t i = 0; i < n; ++i) {
      const std::uint64_t bit = BitIsSet(columns[c].valid, i) ? 1 : 0;
      column.valid[(first + i) >> 6] |= bit << ((first + i) & 63);
    }
    if (!IsText(kind)) continue;
    auto* views = reinterpret_cast<std::string_view*>(to);
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < n; ++i) bytes += views[i].size();
    arena_.push_back(std::make_unique<char[]>(bytes));
    char* at = arena_.back().get();
    for (std::size_t i = 0; i < n; ++i) {
      if (!views[i].empty()) std::memcpy(at, views[i].data(), views[i].size());
      views[i] = {at, views[i].size()};
      at += views[i].size();
    }
  }
  rows_ += rows;
  return OpOk();
}

template <class T>
int RowStore::Compare(const Column& column, std::uint32_t a, std::uint32_t b) const {
  return CompareValues(Load<T>(column.slots, a), Load<T>(column.slots, b));
}

int RowStore::CompareRows(int index, std::uint32_t a, std::uint32_t b) const {
  const Column& column = columns_[static_cast<std::size_t>(index)];
  const bool has_a = BitIsSet(column.valid.data(), a);
  const bool has_b = BitIsSet(column.valid.data(), b);
  if (!has_a || !has_b) return static_cast<int>(has_a) - static_cast<int>(has_b);
  switch (schema_.fields[static_cast<std::size_t>(index)].type.kind) {
    case TypeKind::kBool:
      return Compare<std::uint8_t>(column, a, b);
    case TypeKind::kInt32:
    case TypeKind::kDate:
      return Compare<std::int32_t>(column, a, b);
    case TypeKind::kInt64:
    case TypeKind::kTimestamp:
      return Compare<std::int64_t>(column, a, b);
    case TypeKind::kFloat32:
      return Compare<float>(column, a, b);
    case TypeKind::kFloat64:
      return Compare<double>(column, a, b);
    case TypeKind::kDecimal:
      return Compare<Int128>(column, a, b);
    default:
      return Compare<std::string_view>(column, a, b);
  }
}

std::vector<std::uint32_t> RowStore::Order(std::span<const int> columns) const {
  std::vector<std::uint32_t> order(static_cast<std::size_t>(rows_));
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    for (const int column : columns) {
      const int by = CompareRows(column, a, b);
      if (by != 0) return by < 0;
    }
    return a < b;
  });
  return order;
}

OpStatus RowStore::WriteTo(TableWriter& writer, std::span<const std::uint32_t> order) const {
  std::vector<std::vector<Int128>> slots(columns_.size());
  std::vector<std::vector<std::uint64_t>> valid(columns_.size());
  std::vector<ColumnData> data(columns_.size());
  for (std::size_t first = 0; first < order.size(); first += kWriteRows) {
    const auto rows = order.subspan(first, std::min(kWriteRows, order.size() - first));
    for (std::size_t c = 0; c < columns_.size(); ++c) {
      const std::size_t width = SlotBytes(schema_.fields[c].type.kind);
      slots[c].resize(kWriteRows * width / sizeof(Int128) + 1);
      valid[c].assign(kWriteRows / 64, 0);
      char* to = reinterpret_cast<char*>(slots[c].data());
      for (std::size_t i = 0; i < rows.size(); ++i) {
        std::memcpy(to + i * width, columns_[c].slots.data() + rows[i] * width, width);
        const std::uint64_t bit = BitIsSet(columns_[c].valid.data(), rows[i]) ? 1 : 0;
        valid[c][i >> 6] |= bit << (i & 63);
      }
      data[c] = {slots[c].data(), valid[c].data()};
    }
    NM_RETURN_IF_ERROR(writer.Append(data, static_cast<std::int64_t>(rows.size())));
  }
  return OpOk();
}

}  // namespace nightmill
