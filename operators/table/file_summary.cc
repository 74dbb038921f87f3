#include "operators/table/file_summary.h"

#include <fmt/format.h>

#include "operators/columnar/slot_stats.h"
#include "operators/parallel.h"

namespace nightmill {
namespace {

struct Unit {
  std::size_t file = 0;
  int row_group = 0;
  ContentSum sum;
  std::vector<ColumnStats> columns;
};

OpStatus RunUnit(const SummaryRequest& request, Unit& unit, std::size_t number, int thread) {
  const SourceFile& source = *request.files[unit.file];
  const std::size_t width = request.schema.fields.size();
  NM_ASSIGN_OR_RETURN(const std::vector<ColumnWant> wants, WantsOf(source, request.schema));
  NM_ASSIGN_OR_RETURN(const std::unique_ptr<RowGroupScan> scan,
                      OpenRowGroup(source, unit.row_group, wants, request.budget));
  unit.columns.resize(width);
  std::vector<ColumnData> columns(width);
  std::vector<std::uint64_t> scratch;
  for (std::int64_t read = 0; read < scan->rows();) {
    NM_RETURN_IF_ERROR(request.check_cancelled());
    std::int64_t rows = 0;
    for (std::size_t c = 0; c < width; ++c) {
      NM_ASSIGN_OR_RETURN(const Block block, scan->column(c).Next());
      rows = block.rows;
      columns[c] = {block.values, block.valid};
      AddSlotStats(request.schema.fields[c].type, block.values, block.valid, rows, unit.columns[c]);
    }
    unit.sum.Add(SumOfBlock(request.schema, columns, rows, scratch));
    if (request.visit) {
      NM_RETURN_IF_ERROR(request.visit({rows, columns, thread, number}));
    }
    read += rows;
  }
  return OpOk();
}

}  // namespace

OpResult<std::vector<ColumnWant>> WantsOf(const SourceFile& source, const Schema& schema) {
  std::vector<ColumnWant> wants;
  for (const Field& field : schema.fields) {
    const int column = source.schema().Find(field.name);
    if (column >= 0) NM_RETURN_IF_ERROR(BindColumn(source, field.name));
    wants.push_back({column, field.type, false});
  }
  return wants;
}

ContentSum SumOfBlock(const Schema& schema, std::span<const ColumnData> columns, std::int64_t rows,
                      std::vector<std::uint64_t>& scratch) {
  scratch.assign(static_cast<std::size_t>(rows), 0);
  for (std::size_t c = 0; c < columns.size(); ++c) {
    AddColumnHashes(schema.fields[c].type, static_cast<int>(c) + 1, columns[c].values,
                    columns[c].valid, scratch);
  }
  return SumRowHashes(scratch);
}

OpResult<std::vector<DataFile>> SummarizeFiles(const SummaryRequest& request) {
  std::vector<Unit> units;
  std::vector<DataFile> files;
  for (std::size_t i = 0; i < request.files.size(); ++i) {
    const SourceFile& source = *request.files[i];
    DataFile file;
    file.path = source.info().path;
    file.bytes = source.info().size;
    file.rows = source.rows();
    file.row_groups = source.row_groups();
    file.columns.resize(request.schema.fields.size());
    files.push_back(std::move(file));
    for (int g = 0; g < source.row_groups(); ++g) units.push_back({i, g, {}, {}});
  }
  NM_RETURN_IF_ERROR(ParallelFor(units.size(), request.threads, [&](std::size_t i, int thread) {
    return RunUnit(request, units[i], i, thread);
  }));
  for (const Unit& unit : units) {
    DataFile& file = files[unit.file];
    file.content_sum.Add(unit.sum);
    for (std::size_t c = 0; c < unit.columns.size(); ++c) {
      MergeStats(file.columns[c], unit.columns[c]);
    }
  }
  return files;
}

}  // namespace nightmill
