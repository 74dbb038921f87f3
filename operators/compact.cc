// `compact` (compute.md 4): many small files of each partition of a table become few. Rows are read
// and encoded again, sorted if asked for; content_sum and null counts of what was read and of what
// was written must agree before the commit. The commit says data_change: false and carries the
// fingerprints over, so nothing downstream runs again.
#include <fmt/format.h>

#include <algorithm>

#include "core/base/hash.h"
#include "core/base/json.h"
#include "operators/columnar/row_store.h"
#include "operators/parallel.h"
#include "operators/registry.h"
#include "operators/specs.h"
#include "operators/table/attempt.h"
#include "operators/table/file_summary.h"
#include "operators/table/staging.h"

namespace nightmill {
namespace {

using nlohmann::json;

// One partition that has something to gain.
struct PartitionJob {
  std::string key;
  PartitionManifest manifest;
  std::vector<std::size_t> chosen;  // of manifest.files
  PartitionChange change;           // filled by Rewrite
};

// The files an earlier run under the same rules wrote, kept in the partition's manifest.
std::vector<std::string> SettledFiles(const PartitionManifest& manifest,
                                      const std::string& rules_hash) {
  std::vector<std::string> files;
  const json result = json::parse(manifest.result, nullptr, false);
  if (!result.is_object() || !result.contains("compacted")) return files;
  const json& mark = result["compacted"];
  if (!mark.is_object() || mark.value("rules", "") != rules_hash || !mark.contains("files")) {
    return files;
  }
  for (const json& file : mark["files"]) {
    if (file.is_string()) files.push_back(file.get<std::string>());
  }
  return files;
}

std::string MarkedResult(const PartitionManifest& manifest, const std::string& rules_hash,
                         const std::vector<std::string>& paths) {
  json result = json::parse(manifest.result, nullptr, false);
  if (!result.is_object()) result = json::object();
  result["compacted"] = {{"rules", rules_hash}, {"files", paths}};
  return result.dump(-1, ' ', false, json::error_handler_t::replace);
}

class Compaction {
 public:
  Compaction(const CompactSpec& spec, const OperatorContext& context)
      : spec_(spec),
        context_(context),
        fs_(LocalFileSystem()),
        budget_(EffectiveMemory(spec.common, context)),
        threads_(EffectiveThreads(spec.common, context)) {}

  OpResult<std::string> Run() {
    NM_RETURN_IF_ERROR(Plan());
    if (jobs_.empty()) return Report(base_.version, "unchanged", 0);
    NM_ASSIGN_OR_RETURN(const std::unique_ptr<StagingArea> staging,
                        StagingArea::Make(fs_, table_, Sha256Hex(spec_.rules_hash + table_),
                                          context_.attempt_name));
    context_.progress->units_total += static_cast<std::int64_t>(jobs_.size());
    const double before = timer_.seconds();
    NM_RETURN_IF_ERROR(ParallelFor(jobs_.size(), threads_, [&](std::size_t i, int) {
      return Rewrite(jobs_[i], fmt::format("{}/{}", staging->path(), i));
    }));
    phases_.emplace_back("rewrite", timer_.seconds() - before);
    return CommitJobs();
  }

 private:
  OpStatus Plan() {
    if (spec_.common.in->paths.size() != 1) return SpecError("/in/path", "must name one table");
    NM_ASSIGN_OR_RETURN(const FileInfo found,
                        FindWritten(fs_, context_.data_root, spec_.common.in->paths[0]));
    table_ = found.path;
    NM_ASSIGN_OR_RETURN(const bool is_table, IsTable(fs_, table_));
    if (!is_table) {
      OperatorError error = BadSpec("it is not a published table", "not_a_table",
                                    "files without a manifest cannot be replaced at once; publish "
                                    "or convert them first");
      error.file = table_;
      return error;
    }
    NM_ASSIGN_OR_RETURN(base_, LatestVersion(fs_, table_));
    // A wrong name is one whether there is something to do today or not.
    NM_RETURN_IF_ERROR(SortColumns(base_.schema));
    for (const auto& [key, entry] : base_.partitions) {
      NM_ASSIGN_OR_RETURN(const bool wanted, IsWanted(key));
      if (!wanted) continue;
      PartitionJob job;
      job.key = key;
      NM_ASSIGN_OR_RETURN(job.manifest, LoadPartition(fs_, table_, base_, key));
      files_before_ += static_cast<std::int64_t>(job.manifest.files.size());
      ++partitions_seen_;
      CompactRules rules = spec_.rules;
      rules.settled = SettledFiles(job.manifest, spec_.rules_hash);
      job.chosen = PlanCompaction(job.manifest.files, rules);
      // A folder that is replaced as a whole is written as a whole.
      if (!job.chosen.empty() && base_.layout == Layout::kDirectory) {
        job.chosen.resize(job.manifest.files.size());
        for (std::size_t i = 0; i < job.chosen.size(); ++i) job.chosen[i] = i;
      }
      if (!job.chosen.empty()) jobs_.push_back(std::move(job));
    }
    phases_.emplace_back("plan", timer_.seconds());
    return OpOk();
  }

  OpResult<bool> IsWanted(const std::string& path) const {
    NM_ASSIGN_OR_RETURN(const PartitionKey key, ParsePartitionPath(path));
    const InSpec& in = *spec_.common.in;
    for (const std::string& column : in.partition_by) {
      const bool has = std::any_of(key.begin(), key.end(),
                                   [&column](const auto& part) { return part.first == column; });
      if (!has) {
        return SpecError("/in/partition_by", fmt::format("the table has no column {}", column),
                         fmt::format("its partitions are like {}", path));
      }
    }
    return std::all_of(in.partition.begin(), in.partition.end(), [&key](const auto& part) {
      return std::find(key.begin(), key.end(), part) != key.end();
    });
  }

  OpResult<std::vector<int>> SortColumns(const Schema& schema) const {
    std::vector<int> columns;
    for (const std::string& name : spec_.sort) {
      const int column = schema.Find(name);
      if (column < 0) {
        OperatorError error = BadSpec(fmt::format("there is no column \"{}\"", name),
                                      "missing_column", "sort by columns of the table");
        error.file = table_;
        error.column = name;
        return error;
      }
      columns.push_back(column);
    }
    return columns;
  }

  OpStatus Rewrite(PartitionJob& job, const std::string& staging) {
    std::vector<std::shared_ptr<const SourceFile>> sources;
    Schema schema;
    for (const std::size_t i : job.chosen) {
      NM_ASSIGN_OR_RETURN(std::shared_ptr<const SourceFile> source,
                          OpenSource(fs_, DataPath(table_, job.manifest.files[i]), budget_));
      auto merged = UnionSchemas(schema, source->schema());
      if (!merged.ok()) {
        OperatorError error = merged.error();
        error.file = source->info().path;
        return error;
      }
      schema = std::move(*merged);
      sources.push_back(std::move(source));
    }
    WriteOptions options;
    options.target_bytes = CompactFileLimit(spec_.rules.target_bytes);
    options.threads = std::max(1, threads_ / static_cast<int>(jobs_.size()));
    NM_ASSIGN_OR_RETURN(const std::unique_ptr<TableWriter> writer,
                        OpenTableWriter(fs_, staging, schema, options, budget_));
    NM_ASSIGN_OR_RETURN(const ReadProof read, Move(sources, schema, *writer));
    NM_ASSIGN_OR_RETURN(WrittenTable written, writer->Finish());
    NM_RETURN_IF_ERROR(Prove(job.key, read, written));

    context_.progress->units_done += 1;
    context_.progress->bytes_written += written.bytes;
    job.change.key = job.key;
    job.change.fingerprint = base_.partitions.at(job.key).fingerprint;
    job.change.checks = job.manifest.checks;
    std::vector<std::string> paths;
    for (const DataFile& file : written.files) {
      paths.push_back(PublishedPath(base_.layout, job.key, file.path));
    }
    job.change.result = MarkedResult(job.manifest, spec_.rules_hash, paths);
    if (base_.layout == Layout::kManifest) {
      job.change.replaces.emplace();
      for (const std::size_t i : job.chosen) {
        job.change.replaces->push_back(job.manifest.files[i].path);
      }
    }
    job.change.data = std::move(written);
    return OpOk();
  }

  // What was read, to be held against what was written.
  struct ReadProof {
    ContentSum sum;
    std::vector<std::int64_t> nulls;
  };

  OpResult<ReadProof> Move(std::span<const std::shared_ptr<const SourceFile>> sources,
                           const Schema& schema, TableWriter& writer) {
    NM_ASSIGN_OR_RETURN(const std::vector<int> sort, SortColumns(schema));
    std::unique_ptr<RowStore> store;
    if (!sort.empty()) store = std::make_unique<RowStore>(schema, budget_);
    SummaryRequest request{sources,
                           schema,
                           1,  // rows keep their order
                           budget_,
                           [this] { return CheckCancelled(); },
                           [&](const RowBlock& block) {
                             context_.progress->rows_in += block.rows;
                             return store ? store->Append(block.columns, block.rows)
                                          : writer.Append(block.columns, block.rows);
                           }};
    NM_ASSIGN_OR_RETURN(const std::vector<DataFile> files, SummarizeFiles(request));
    ReadProof proof;
    proof.nulls.resize(schema.fields.size());
    for (const DataFile& file : files) {
      proof.sum.Add(file.content_sum);
      for (std::size_t c = 0; c < proof.nulls.size(); ++c) proof.nulls[c] += file.columns[c].nulls;
    }
    if (store) NM_RETURN_IF_ERROR(store->WriteTo(writer, store->Order(sort)));
    return proof;
  }

  OpStatus Prove(const std::string& key, const ReadProof& read, const WrittenTable& written) const {
    bool equal = read.sum == written.content_sum;
    for (std::size_t c = 0; c < read.nulls.size(); ++c) {
      equal = equal && read.nulls[c] == written.columns[c].nulls;
    }
    if (equal) return OpOk();
    OperatorError error = MakeOpError(
        OperatorErrorCode::kInternal,
        fmt::format("partition \"{}\": the rows written are not the rows read ({} and {})", key,
                    ToString(written.content_sum), ToString(read.sum)),
        "content_sum", "nothing was published; please report this");
    error.file = table_;
    return error;
  }

  OpStatus CheckCancelled() const {
    if (context_.cancelled->load(std::memory_order_relaxed)) return Cancelled();
    return OpOk();
  }

  OpResult<std::string> CommitJobs() {
    const double before = timer_.seconds();
    CommitRequest request;
    request.table = table_;
    request.layout = base_.layout;
    request.base = base_;
    request.run_key = Sha256Hex(spec_.rules_hash + table_);
    request.operator_type = "compact";
    request.attempt = context_.attempt_name;
    request.data_change = false;
    request.leave = [this]() -> OpStatus {
      const Status leave = context_.leave_to_publish();
      if (leave.ok()) return OpOk();
      return FromCore(OperatorErrorCode::kCancelled, leave.error());
    };
    std::int64_t saved = 0;
    for (PartitionJob& job : jobs_) {
      NM_ASSIGN_OR_RETURN(request.schema, UnionSchemas(request.schema, job.change.data.schema));
      saved += static_cast<std::int64_t>(job.chosen.size()) -
               static_cast<std::int64_t>(job.change.data.files.size());
      request.changes.push_back(std::move(job.change));
    }
    NM_ASSIGN_OR_RETURN(const CommitResult committed, Commit(fs_, request));
    published_ = committed.partitions;
    phases_.emplace_back("publish", timer_.seconds() - before);
    return Report(committed.version, "published", saved);
  }

  std::string Report(std::int64_t version, std::string outcome, std::int64_t saved) const {
    ReportParts parts;
    parts.outcome = std::move(outcome);
    parts.table = table_;
    parts.version = version;
    parts.partitions = published_;
    parts.phases = phases_;
    parts.extra = json{{"files_before", files_before_},
                       {"files_after", files_before_ - saved},
                       {"partitions_seen", partitions_seen_},
                       {"partitions_compacted", jobs_.size()}}
                      .dump();
    return BuildReport(parts);
  }

  const CompactSpec& spec_;
  const OperatorContext& context_;
  const FileSystem& fs_;
  MemoryBudget budget_;
  const int threads_;
  std::string table_;
  TableVersion base_;
  std::vector<PartitionJob> jobs_;
  std::map<std::string, PartitionEntry> published_;
  std::int64_t files_before_ = 0;
  std::int64_t partitions_seen_ = 0;
  std::vector<std::pair<std::string, double>> phases_;
  PhaseTimer timer_;
};

class CompactOperator final : public Operator {
 public:
  OperatorResult Run(std::string_view text, const OperatorContext& context) const override {
    const OpResult<CompactSpec> spec = ParseSpec(text, ReadCompact);
    if (!spec.ok()) return spec.error();
    return ToOperatorResult(RunRounds(context, [&] { return Compaction(*spec, context).Run(); }));
  }
};

}  // namespace

const Operator& Compact() {
  static const CompactOperator op;
  return op;
}

}  // namespace nightmill
