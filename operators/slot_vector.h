// Columns of slots (columnar/types.h) as vectors of the expression language, without copying where
// the two forms agree. Decimals become the nearest doubles.
// Thread rule: a SlotVector belongs to one thread; the vectors it gives die at its next Load.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "operators/columnar/types.h"
#include "operators/expr/value.h"

namespace nightmill {

// kNull for a type that expressions cannot read.
expr::DataType ExpressionType(const ColumnType& type);
// The column type of an expression's result.
ColumnType ColumnTypeOf(expr::DataType type);

// One column of `rows` slots, or of codes into a dictionary of slots: code = dictionary size is
// null.
struct SlotColumn {
  ColumnType type;
  std::int64_t rows = 0;
  const void* values = nullptr;          // slots; with codes: those of the dictionary
  const std::uint64_t* valid = nullptr;  // bitmap; nullptr: no nulls
  const std::int32_t* codes = nullptr;
  std::int32_t dictionary_size = 0;
};

class SlotVector {
 public:
  // The rows of the column.
  expr::Vector Load(const SlotColumn& column);
  // The entries of the dictionary of a column with codes, and one null after them.
  expr::Vector LoadDictionary(const SlotColumn& column);

 private:
  template <class T>
  void Widen(const SlotColumn& column, const T* slots);
  void Decimals(const SlotColumn& column);

  std::vector<std::uint8_t> valid_;
  std::vector<std::int64_t> ints_;
  std::vector<double> doubles_;
  std::vector<std::string_view> strings_;
};

}  // namespace nightmill
