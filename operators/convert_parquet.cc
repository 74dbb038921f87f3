// `convert` from Parquet: the same types, wider ones, or text of foreign writers turned into types.
#include <fmt/format.h>

#include <algorithm>

#include "operators/columnar/column_builder.h"
#include "operators/columnar/column_scan.h"
#include "operators/convert_source.h"

namespace nightmill {
namespace {

// One column of the output over the files of the job.
struct ColumnPlan {
  ColumnType read_as;
  bool from_text = false;  // stored as text, converted value by value
};

OpResult<ColumnPlan> PlanColumn(const SourceFile& source, int column, const Field& field) {
  const ColumnType& stored = source.schema().fields[static_cast<std::size_t>(column)].type;
  if (CanWiden(stored, field.type)) return ColumnPlan{field.type, false};
  const bool narrows = stored.kind == TypeKind::kInt64 && field.type.kind == TypeKind::kInt32;
  if (stored.kind == TypeKind::kString || narrows) return ColumnPlan{stored, true};
  OperatorError error = BadInput(
      fmt::format("it is {}, which does not convert to {}", ToString(stored), ToString(field.type)),
      "type", "change the schema");
  error.file = source.info().path;
  error.column = field.name;
  return error;
}

// Reads one row group block by block into the writer.
class GroupConverter {
 public:
  GroupConverter(ConvertJob& job, const SourceFile& source, TableWriter& writer)
      : job_(job), source_(source), writer_(writer) {}

  OpStatus Bind() {
    for (const Field& field : job_.schema.fields) {
      NM_ASSIGN_OR_RETURN(const int column, BindColumn(source_, field.name));
      NM_ASSIGN_OR_RETURN(const ColumnPlan plan, PlanColumn(source_, column, field));
      wants_.push_back({column, plan.read_as, false});
      builders_.emplace_back(field.type, Zone());
      plans_.push_back(plan);
    }
    return OpOk();
  }

  OpStatus Convert(int row_group) {
    NM_ASSIGN_OR_RETURN(const std::unique_ptr<RowGroupScan> scan,
                        OpenRowGroup(source_, row_group, wants_, job_.attempt.budget()));
    std::int64_t row = 0;
    while (row < scan->rows()) {
      NM_RETURN_IF_ERROR(job_.attempt.CheckCancelled());
      std::vector<ColumnData> data(wants_.size());
      std::int32_t rows = 0;
      for (std::size_t i = 0; i < wants_.size(); ++i) {
        NM_ASSIGN_OR_RETURN(const Block block, scan->column(i).Next());
        rows = block.rows;
        data[i] = {block.values, block.valid};
        if (plans_[i].from_text) {
          NM_RETURN_IF_ERROR(FromStored(i, block, row_group, row));
          data[i] = builders_[i].Data();
        }
      }
      NM_RETURN_IF_ERROR(writer_.Append(data, rows));
      job_.attempt.context().progress->rows_in += rows;
      row += rows;
    }
    truncated_ += scan->truncated_timestamps();
    return OpOk();
  }

  std::int64_t truncated() const { return truncated_; }

 private:
  const TimeZone& Zone() const { return job_.zone->name() == "UTC" ? TimeZone::Utc() : *job_.zone; }

  OpStatus FromStored(std::size_t i, const Block& block, int row_group, std::int64_t first_row) {
    ColumnBuilder& builder = builders_[i];
    builder.Clear();
    for (std::int32_t r = 0; r < block.rows; ++r) {
      const auto at = static_cast<std::size_t>(r);
      if (!BitIsSet(block.valid, at)) {
        builder.AppendNull();
        continue;
      }
      const bool text = plans_[i].read_as.kind == TypeKind::kString;
      const char* wrong = text ? builder.AppendText(block.As<std::string_view>()[r])
                               : builder.AppendInteger(block.As<std::int64_t>()[r]);
      if (wrong == nullptr) continue;
      const Value value = SlotValue(plans_[i].read_as, block.values, at);
      OperatorError error =
          BadInput(fmt::format("{} {} ({})", ValueToJson(value, plans_[i].read_as).substr(0, 60),
                               wrong, ToString(builder.type())),
                   "value", "mend the value or widen the type of the column");
      error.file = source_.info().path;
      error.row_group = row_group;
      error.row = first_row + r;
      error.column = job_.schema.fields[i].name;
      return error;
    }
    return OpOk();
  }

  ConvertJob& job_;
  const SourceFile& source_;
  TableWriter& writer_;
  std::vector<ColumnWant> wants_;
  std::vector<ColumnPlan> plans_;
  std::vector<ColumnBuilder> builders_;
  std::int64_t truncated_ = 0;
};

}  // namespace

OpResult<Schema> InferParquetSchema(ConvertJob& job) {
  Schema schema;
  for (const InputEntry& entry : job.attempt.inputs().files) {
    NM_ASSIGN_OR_RETURN(const std::shared_ptr<const SourceFile> source,
                        OpenSource(job.attempt.fs(), entry.file.path, job.attempt.budget()));
    for (const Field& field : source->schema().fields) {
      NM_RETURN_IF_ERROR(BindColumn(*source, field.name));
    }
    auto merged = UnionSchemas(schema, source->schema());
    if (!merged.ok()) {
      OperatorError error = merged.error();
      error.file = entry.file.path;
      return error;
    }
    schema = std::move(*merged);
  }
  return schema;
}

OpResult<WrittenTable> ConvertParquet(ConvertJob& job) {
  NM_ASSIGN_OR_RETURN(const std::unique_ptr<TableWriter> writer,
                      job.attempt.OpenWriter(job.schema));
  std::int64_t truncated = 0;
  for (const InputEntry& entry : job.attempt.inputs().files) {
    NM_ASSIGN_OR_RETURN(const std::shared_ptr<const SourceFile> source,
                        OpenSource(job.attempt.fs(), entry.file.path, job.attempt.budget()));
    GroupConverter converter(job, *source, *writer);
    NM_RETURN_IF_ERROR(converter.Bind());
    std::vector<std::string> names;
    for (const Field& field : source->schema().fields) names.push_back(field.name);
    WarnLeftOut(job, entry.name, names);
    for (int g = 0; g < source->row_groups(); ++g) NM_RETURN_IF_ERROR(converter.Convert(g));
    truncated += converter.truncated();
    job.attempt.context().progress->bytes_read += entry.file.size;
  }
  if (truncated > 0) {
    job.warnings.push_back(
        fmt::format("{} timestamps had more than microseconds and were cut", truncated));
  }
  return writer->Finish();
}

}  // namespace nightmill
