// `expect` (compute.md 6.1): a suite of checks over one scan of a table. It writes nothing; a
// failed check of severity stop is the circuit breaker of a DAG.
#include <fmt/format.h>

#include "core/base/json.h"
#include "operators/checks.h"
#include "operators/clock.h"
#include "operators/input_table.h"
#include "operators/parallel.h"
#include "operators/registry.h"
#include "operators/slot_vector.h"
#include "operators/specs.h"
#include "operators/table/attempt.h"

namespace nightmill {
namespace {

using Json = nlohmann::json;

class ExpectRun {
 public:
  ExpectRun(ExpectSpec spec, const OperatorContext& context)
      : spec_(std::move(spec)),
        context_(context),
        budget_(EffectiveMemory(spec_.common, context)),
        threads_(EffectiveThreads(spec_.common, context)) {}

  OpResult<std::string> Run() {
    const PhaseTimer timer;
    ResolveOptions resolve;
    resolve.data_root = context_.data_root;
    NM_ASSIGN_OR_RETURN(list_, ResolveInputs(LocalFileSystem(), *spec_.common.in, resolve));
    NM_ASSIGN_OR_RETURN(table_, InputTable::Open(LocalFileSystem(), list_, budget_, threads_));
    NM_ASSIGN_OR_RETURN(Schema schema, table_.FullSchema());
    auto bound = BoundChecks::Bind(spec_.suite, schema);
    if (!bound.ok()) {
      OperatorError error = bound.error();
      error.file = list_.path;
      return error;
    }
    checks_ = std::move(*bound);
    std::vector<std::string> names;
    for (const int column : checks_->columns()) {
      names.push_back(schema.fields[static_cast<std::size_t>(column)].name);
    }
    NM_ASSIGN_OR_RETURN(columns_, table_.Bind(names, ""));
    NM_ASSIGN_OR_RETURN(const CheckReport report, Scan());
    NM_RETURN_IF_ERROR(CheckInputsUnchanged(LocalFileSystem(), list_));
    if (report.stop && !spec_.warn_only) {
      OperatorError error = CheckError(report, "check failed", list_.path);
      error.hint = "the report has all checks";
      return error;
    }
    ReportParts parts;
    parts.outcome = "checked";
    parts.table = list_.table;
    parts.version = list_.version;
    parts.checks = report.json;
    parts.extra = Json{{"rows_in", table_.rows()}}.dump();
    for (const std::string& line : report.failed) parts.warnings.push_back("check " + line);
    parts.phases.emplace_back("check", timer.seconds());
    return BuildReport(parts);
  }

 private:
  OpResult<CheckReport> Scan() {
    const std::vector<TableUnit> units = UnitsOf(table_);
    std::vector<CheckState> states;
    for (int t = 0; t < threads_; ++t) states.emplace_back(checks_, budget_);
    context_.progress->units_total += static_cast<std::int64_t>(units.size());
    NM_RETURN_IF_ERROR(ParallelFor(units.size(), threads_, [&](std::size_t i, int thread) {
      return ScanUnit(units[i], static_cast<std::int64_t>(i),
                      states[static_cast<std::size_t>(thread)]);
    }));
    for (std::size_t t = 1; t < states.size(); ++t) {
      NM_RETURN_IF_ERROR(states[0].Merge(std::move(states[t])));
    }
    return states[0].Finish();
  }

  OpStatus ScanUnit(const TableUnit& unit, std::int64_t number, CheckState& state) {
    const SourceFile& source = *table_.sources()[unit.file];
    std::vector<ColumnWant> wants;
    for (std::size_t c = 0; c < columns_.columns.size(); ++c) {
      if (columns_.columns[c].partition) continue;
      const ColumnType& type = columns_.columns[c].type;
      const bool text = type.kind == TypeKind::kString || type.kind == TypeKind::kBinary;
      wants.push_back({columns_.in_file[unit.file][c], type, text});
    }
    NM_ASSIGN_OR_RETURN(const auto scan, OpenRowGroup(source, unit.row_group, wants, budget_));
    for (std::int64_t row = 0; row < scan->rows(); row += kBlockRows) {
      if (context_.cancelled->load(std::memory_order_relaxed)) return Cancelled();
      const auto rows = std::min<std::int64_t>(kBlockRows, scan->rows() - row);
      state.AddRows(rows);
      NM_RETURN_IF_ERROR(AddBlock(unit, number, rows, *scan, state));
    }
    context_.progress->units_done += 1;
    context_.progress->rows_in += unit.rows;
    return OpOk();
  }

  OpStatus AddBlock(const TableUnit& unit, std::int64_t number, std::int64_t rows,
                    RowGroupScan& scan, CheckState& state) {
    std::size_t next = 0;
    for (std::size_t c = 0; c < columns_.columns.size(); ++c) {
      const int column = checks_->columns()[c];
      if (columns_.columns[c].partition) {
        NM_RETURN_IF_ERROR(AddPartition(unit, number, rows, c, state));
        continue;
      }
      NM_ASSIGN_OR_RETURN(const Block block, scan.column(next++).Next());
      SlotColumn data{columns_.columns[c].type, block.rows, block.values, block.valid, nullptr, 0};
      if (block.form == Form::kCodes) {
        data.values = block.dict.values;
        data.valid = nullptr;
        data.codes = block.codes;
        data.dictionary_size = block.dict.size;
      }
      OpStatus added = state.AddColumn(column, data, nullptr, number);
      if (added.ok()) continue;
      OperatorError error = added.error();
      error.file = table_.list().files[unit.file].file.path;
      error.row_group = unit.row_group;
      return error;
    }
    return OpOk();
  }

  // The value in the path, for all rows of the block.
  OpStatus AddPartition(const TableUnit& unit, std::int64_t number, std::int64_t rows,
                        std::size_t c, CheckState& state) {
    std::string_view value;
    for (const auto& [name, text] : table_.list().files[unit.file].partition) {
      if (name == columns_.columns[c].name) value = text;
    }
    const std::vector<std::int32_t> codes(static_cast<std::size_t>(rows), 0);
    const SlotColumn data{columns_.columns[c].type, rows, &value, nullptr, codes.data(), 1};
    return state.AddColumn(checks_->columns()[c], data, nullptr, number);
  }

  const ExpectSpec spec_;
  const OperatorContext& context_;
  MemoryBudget budget_;
  const int threads_;
  InputList list_;
  InputTable table_;
  BoundColumns columns_;
  std::shared_ptr<const BoundChecks> checks_;
};

class ExpectOperator final : public Operator {
 public:
  OperatorResult Run(std::string_view text, const OperatorContext& context) const override {
    const OpResult<ExpectSpec> spec = ParseSpec(text, ReadExpect);
    if (!spec.ok()) return spec.error();
    return ToOperatorResult(RunRounds(context, [&] { return ExpectRun(*spec, context).Run(); }));
  }
};

}  // namespace

const Operator& Expect() {
  static const ExpectOperator kExpect;
  return kExpect;
}

}  // namespace nightmill
