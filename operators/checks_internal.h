// The entries of a check suite, parsed and bound: shared by checks_parse.cc and checks.cc only.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "operators/checks.h"
#include "operators/expr/bind.h"

namespace nightmill {

struct CheckSpec {
  CheckKind kind = CheckKind::kNotNull;
  std::string pointer;  // place in the spec
  std::string column;   // "" for kinds over the table
  double mostly = 1.0;
  bool stop = true;
  std::optional<expr::Value> min, max;  // row_count_between: int64; between: as written
  std::vector<expr::Value> values;      // in_set, contains
  std::vector<std::pair<std::string, std::string>> columns;  // schema: name, type
  std::string type;                                          // type
  std::string kwargs;  // JSON object of the entry as written, for the result
};

struct BoundCheck {
  std::shared_ptr<const CheckSpec> spec;
  int column = -1;  // in the schema; -1 for kinds over the table
  // between, in_set: is the value as expected? Over one field, the column.
  std::optional<expr::Bound> predicate = {};
  // contains: the place in spec->values of a text, or of the bits of another value.
  std::map<std::string, std::size_t, std::less<>> texts = {};
  std::map<std::uint64_t, std::size_t> bits = {};
  // type, schema: decided when bound.
  bool passed = false;
  std::string observed = {};  // JSON
};

// The bits that equal values share.
std::uint64_t ValueBits(const expr::Vector& vector, std::int64_t row);

}  // namespace nightmill
