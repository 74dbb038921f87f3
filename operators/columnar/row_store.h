// Rows held in memory and handed out again in another order: the in-memory sort of `compact`.
// Memory grows with the rows, within the budget. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "operators/columnar/budget.h"
#include "operators/columnar/table_writer.h"
#include "operators/columnar/types.h"

namespace nightmill {

class RowStore {
 public:
  RowStore(Schema schema, MemoryBudget& budget);

  // Copies the rows; kOomBudget if they do not fit.
  OpStatus Append(std::span<const ColumnData> columns, std::int64_t rows);
  std::int64_t rows() const { return rows_; }

  // Row numbers ordered by the columns with these indices: nulls first, NaN last, text as bytes,
  // rows that are equal in all of them in the order they came.
  std::vector<std::uint32_t> Order(std::span<const int> columns) const;
  // Writes the rows in this order.
  OpStatus WriteTo(TableWriter& writer, std::span<const std::uint32_t> order) const;

 private:
  struct Column {
    std::vector<char> slots;
    std::vector<std::uint64_t> valid;
  };

  template <class T>
  int Compare(const Column& column, std::uint32_t a, std::uint32_t b) const;
  int CompareRows(int column, std::uint32_t a, std::uint32_t b) const;

  Schema schema_;
  BudgetHold hold_;
  std::vector<Column> columns_;
  std::vector<std::unique_ptr<char[]>> arena_;
  std::int64_t rows_ = 0;
};

}  // namespace nightmill
