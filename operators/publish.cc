// `publish` (compute.md 5): Parquet files that a process wrote, or a partition of a table, become a
// partition of another table: every row is read once (checks, profile, content_sum), the files are
// copied as they are, and one commit makes them visible.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "operators/checks.h"
#include "operators/columnar/parquet_footer.h"
#include "operators/registry.h"
#include "operators/specs.h"
#include "operators/table/attempt.h"
#include "operators/table/file_summary.h"

namespace nightmill {
namespace {

constexpr int kSemantics = 1;
constexpr std::int64_t kCopyBlock = 1 << 20;

struct Sources {
  std::vector<std::shared_ptr<const SourceFile>> files;
  Schema schema;
};

// Opens all files; they must agree in every column, since their bytes are published as they are.
OpResult<Sources> OpenSources(Attempt& attempt) {
  Sources out;
  for (const InputEntry& entry : attempt.inputs().files) {
    if (entry.format != InputFormat::kParquet) {
      OperatorError error = BadSpec("it is not Parquet", "unsupported", "run convert on it first");
      error.file = entry.file.path;
      return error;
    }
    NM_ASSIGN_OR_RETURN(std::shared_ptr<const SourceFile> source,
                        OpenSource(attempt.fs(), entry.file.path, attempt.budget()));
    for (const Field& field : source->schema().fields) {
      NM_RETURN_IF_ERROR(BindColumn(*source, field.name));
    }
    if (out.files.empty()) out.schema = source->schema();
    if (source->schema() != out.schema) {
      OperatorError error =
          BadInput(fmt::format("its columns differ from those of {}", out.files[0]->info().path),
                   "type", "run convert on the files first");
      error.file = entry.file.path;
      return error;
    }
    out.files.push_back(std::move(source));
  }
  return out;
}

// Copies a file into staging under the name of its content.
OpResult<std::string> CopyFile(Attempt& attempt, const std::string& path,
                               std::set<std::string>& names) {
  NM_ASSIGN_OR_RETURN(const std::shared_ptr<const InputFile> from, attempt.fs().Open(path));
  NM_ASSIGN_OR_RETURN(const std::unique_ptr<OutputFile> to, attempt.fs().Create(attempt.staging()));
  std::string block;
  std::string hashes;
  for (std::int64_t at = 0; at < from->info().size; at += kCopyBlock) {
    NM_RETURN_IF_ERROR(attempt.CheckCancelled());
    const std::int64_t n = std::min(kCopyBlock, from->info().size - at);
    block.resize(static_cast<std::size_t>(n));
    NM_RETURN_IF_ERROR(from->ReadAt(at, n, block.data()));
    NM_RETURN_IF_ERROR(to->Append(block));
    hashes += QuickHash(block);
  }
  const std::string hash = QuickHash(hashes);
  std::string name = hash;
  for (int i = 2; !names.insert(name).second; ++i) name = fmt::format("{}-{}", hash, i);
  std::string target = fmt::format("{}/{}.parquet", attempt.staging(), name);
  NM_RETURN_IF_ERROR(to->Commit(target));
  return target;
}

// One check state per thread, merged at the end: results do not depend on how rows were cut.
class FusedChecks {
 public:
  static OpResult<std::unique_ptr<FusedChecks>> Make(const CheckSuite& suite, const Schema& schema,
                                                     Attempt& attempt) {
    auto out = std::make_unique<FusedChecks>();
    NM_ASSIGN_OR_RETURN(out->checks_, BoundChecks::Bind(suite, schema));
    for (int i = 0; i < attempt.threads(); ++i) {
      out->states_.emplace_back(out->checks_, attempt.budget());
    }
    return out;
  }

  OpStatus Add(const RowBlock& block) {
    CheckState& state = states_[static_cast<std::size_t>(block.thread)];
    state.AddRows(block.rows);
    for (const int column : checks_->columns()) {
      const auto at = static_cast<std::size_t>(column);
      SlotColumn data;
      data.type = checks_->schema().fields[at].type;
      data.rows = block.rows;
      data.values = block.columns[at].values;
      data.valid = block.columns[at].valid;
      NM_RETURN_IF_ERROR(
          state.AddColumn(column, data, nullptr, static_cast<std::int64_t>(block.unit)));
    }
    return OpOk();
  }

  OpResult<CheckReport> Finish() {
    for (std::size_t i = 1; i < states_.size(); ++i) {
      NM_RETURN_IF_ERROR(states_[0].Merge(std::move(states_[i])));
    }
    return states_[0].Finish();
  }

 private:
  std::shared_ptr<const BoundChecks> checks_;
  std::vector<CheckState> states_;
};

OpResult<WrittenTable> StageFiles(Attempt& attempt, const Sources& sources,
                                  std::vector<DataFile> files) {
  WrittenTable table;
  table.schema = sources.schema;
  table.columns.resize(sources.schema.fields.size());
  std::set<std::string> names;
  for (DataFile& file : files) {
    NM_ASSIGN_OR_RETURN(file.path, CopyFile(attempt, file.path, names));
    table.rows += file.rows;
    table.bytes += file.bytes;
    table.content_sum.Add(file.content_sum);
    for (std::size_t c = 0; c < file.columns.size(); ++c) {
      MergeStats(table.columns[c], file.columns[c]);
    }
    table.files.push_back(std::move(file));
  }
  return table;
}

OpResult<std::string> RunPublish(const PublishSpec& spec, const OperatorContext& context) {
  AttemptOptions options;
  options.semantics_version = kSemantics;
  NM_ASSIGN_OR_RETURN(const std::unique_ptr<Attempt> attempt,
                      Attempt::Begin(context, spec.common, std::move(options)));
  if (auto report = attempt->unchanged()) return std::move(*report);

  attempt->BeginPhase("check");
  NM_ASSIGN_OR_RETURN(const Sources sources, OpenSources(*attempt));
  NM_RETURN_IF_ERROR(attempt->CheckColumns(sources.schema));
  NM_ASSIGN_OR_RETURN(const std::unique_ptr<FusedChecks> checks,
                      FusedChecks::Make(spec.suite, sources.schema, *attempt));
  SummaryRequest request{sources.files,
                         sources.schema,
                         attempt->threads(),
                         attempt->budget(),
                         [&attempt] { return attempt->CheckCancelled(); },
                         [&](const RowBlock& block) {
                           context.progress->rows_in += block.rows;
                           return checks->Add(block);
                         }};
  NM_ASSIGN_OR_RETURN(std::vector<DataFile> files, SummarizeFiles(request));
  AttemptOutcome outcome;
  if (!spec.suite.empty()) {
    NM_ASSIGN_OR_RETURN(const CheckReport report, checks->Finish());
    if (report.stop) return CheckError(report, "check failed", attempt->inputs().path);
    outcome.checks = report.json;
    outcome.warnings = report.failed;
  }
  attempt->BeginPhase("copy");
  NM_ASSIGN_OR_RETURN(outcome.data, StageFiles(*attempt, sources, std::move(files)));
  return attempt->Publish(std::move(outcome));
}

class PublishOperator final : public Operator {
 public:
  OperatorResult Run(std::string_view text, const OperatorContext& context) const override {
    const OpResult<PublishSpec> spec = ParseSpec(text, ReadPublish);
    if (!spec.ok()) return spec.error();
    return ToOperatorResult(RunRounds(context, [&] { return RunPublish(*spec, context); }));
  }
};

}  // namespace

const Operator& Publish() {
  static const PublishOperator op;
  return op;
}

}  // namespace nightmill
