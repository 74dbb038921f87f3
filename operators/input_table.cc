#include "operators/input_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "operators/parallel.h"

namespace nightmill {

OpResult<InputTable> InputTable::Open(const FileSystem& fs, const InputList& list,
                                      MemoryBudget& budget, int threads) {
  InputTable table;
  table.list_ = &list;
  table.sources_.resize(list.files.size());
  for (const InputEntry& entry : list.files) {
    if (entry.format == InputFormat::kParquet) continue;
    OperatorError error = BadInput("is not Parquet", "unsupported", "make it with `convert` first");
    error.file = entry.file.path;
    return error;
  }
  NM_RETURN_IF_ERROR(ParallelFor(list.files.size(), threads, [&](std::size_t i, int) -> OpStatus {
    NM_ASSIGN_OR_RETURN(table.sources_[i], OpenSource(fs, list.files[i].file.path, budget));
    return OpOk();
  }));
  for (const auto& source : table.sources_) table.rows_ += source->rows();
  return table;
}

bool InputTable::IsPartition(std::string_view name) const {
  if (list_->files.empty()) return false;
  const PartitionKey& key = list_->files.front().partition;
  return std::any_of(key.begin(), key.end(), [&](const auto& part) { return part.first == name; });
}

// The common type of a column over all files.
OpResult<ColumnType> InputTable::TypeOf(const std::string& name, bool* found) const {
  std::optional<ColumnType> type;
  for (const auto& source : sources_) {
    const int at = source->schema().Find(name);
    if (at < 0) continue;
    const ColumnType& here = source->schema().fields[static_cast<std::size_t>(at)].type;
    const std::optional<ColumnType> common = type ? CommonType(*type, here) : here;
    if (common) {
      type = common;
      continue;
    }
    OperatorError error = BadInput(
        fmt::format("column is {} here and {} in other files", ToString(here), ToString(*type)),
        "type_conflict", "convert the files to one schema");
    error.file = source->info().path;
    error.column = name;
    return error;
  }
  *found = type.has_value();
  return type.value_or(ColumnType{});
}

OperatorError InputTable::Missing(const std::string& name) const {
  OperatorError error =
      BadSpec(fmt::format("no input file has a column '{}'", name), "missing_column");
  error.file = list_->path;
  error.column = name;
  if (sources_.empty()) return error;
  for (const Field& field : sources_.front()->schema().fields) {
    error.hint += (error.hint.empty() ? "columns: " : ", ") + field.name;
  }
  for (const auto& [key, value] : list_->files.front().partition) error.hint += ", " + key;
  return error;
}

OpResult<BoundColumns> InputTable::Bind(std::span<const std::string> names,
                                        std::string_view day_partition) const {
  BoundColumns bound;
  for (const std::string& name : names) {
    TableColumn column;
    column.name = name;
    column.partition = IsPartition(name);
    if (column.partition) {
      column.type.kind = name == day_partition ? TypeKind::kDate : TypeKind::kString;
    } else {
      bool found = false;
      NM_ASSIGN_OR_RETURN(column.type, TypeOf(name, &found));
      if (!found) return Missing(name);
    }
    bound.columns.push_back(std::move(column));
  }
  for (const auto& source : sources_) {
    std::vector<int>& places = bound.in_file.emplace_back();
    for (const TableColumn& column : bound.columns) {
      places.push_back(column.partition ? -1 : source->schema().Find(column.name));
    }
  }
  return bound;
}

OpResult<Schema> InputTable::FullSchema() const {
  Schema schema;
  for (const auto& source : sources_) {
    for (const Field& field : source->schema().fields) {
      if (schema.Find(field.name) >= 0 || IsPartition(field.name)) continue;
      bool found = false;
      NM_ASSIGN_OR_RETURN(const ColumnType type, TypeOf(field.name, &found));
      schema.fields.push_back({field.name, type});
    }
  }
  if (list_->files.empty()) return schema;
  for (const auto& [name, value] : list_->files.front().partition) {
    schema.fields.push_back({name, {.kind = TypeKind::kString}});
  }
  return schema;
}

std::vector<TableUnit> UnitsOf(const InputTable& table) {
  std::vector<TableUnit> units;
  for (std::size_t f = 0; f < table.sources().size(); ++f) {
    const SourceFile& source = *table.sources()[f];
    for (int g = 0; g < source.row_groups(); ++g) {
      if (source.row_group_rows(g) > 0) units.push_back({f, g, source.row_group_rows(g)});
    }
  }
  std::stable_sort(units.begin(), units.end(),
                   [](const TableUnit& a, const TableUnit& b) { return a.rows > b.rows; });
  return units;
}

}  // namespace nightmill
