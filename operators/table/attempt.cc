#include "operators/table/attempt.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/hash.h"
#include "core/base/time.h"

namespace nightmill {
namespace {

constexpr int kMaxRounds = 5;

// Fields joined by a byte that none of them holds.
std::string HashOf(std::initializer_list<std::string_view> fields) {
  std::string all;
  for (const std::string_view field : fields) {
    all += field;
    all += '\x1f';
  }
  return Sha256Hex(all);
}

std::string FingerprintOf(const CommonSpec& spec, const AttemptOptions& options,
                          const InputList& inputs) {
  std::string partitions;
  for (const InputPartition& partition : inputs.partitions) {
    partitions += fmt::format("{}\x1d{}\x1e", PartitionPath(partition.key), partition.fingerprint);
  }
  return HashOf({spec.type, std::to_string(options.semantics_version), spec.spec_hash,
                 options.extra_fingerprint, partitions});
}

}  // namespace

int EffectiveThreads(const CommonSpec& spec, const OperatorContext& context) {
  return std::max(1, std::min(spec.threads.value_or(context.threads), context.threads));
}

std::int64_t EffectiveMemory(const CommonSpec& spec, const OperatorContext& context) {
  const std::int64_t wanted = spec.memory_bytes.value_or(context.memory_bytes);
  return std::min(wanted, context.memory_cap.value_or(wanted));
}

OpResult<std::string> RunRounds(const OperatorContext& context,
                                const std::function<OpResult<std::string>()>& round) {
  for (int i = 1; true; ++i) {
    OpResult<std::string> result = round();
    if (result.ok() || result.error().code != OperatorErrorCode::kConflict) return result;
    if (context.cancelled->load(std::memory_order_relaxed)) return Cancelled();
    if (i == kMaxRounds) {
      OperatorError error = std::move(result).error();
      error.message += fmt::format(", {} times in a row", kMaxRounds);
      return error;
    }
    context.log(fmt::format("{}; starts anew", ToLine(result.error())));
  }
}

Attempt::Attempt(const OperatorContext& context, const CommonSpec& spec)
    : context_(context),
      fs_(LocalFileSystem()),
      spec_(spec),
      budget_(EffectiveMemory(spec, context)),
      threads_(EffectiveThreads(spec, context)) {}

OpResult<std::unique_ptr<Attempt>> Attempt::Begin(const OperatorContext& context,
                                                  const CommonSpec& spec, AttemptOptions options) {
  if (!spec.in) return SpecError("/in", "is missing", "name what to read");
  if (!spec.out) return SpecError("/out", "is missing", "name the table to publish");
  const std::string out = ResolvePath(context.data_root, spec.out->path);
  for (const std::string& path : spec.in->paths) {
    if (ResolvePath(context.data_root, path) != out) continue;
    return SpecError("/out/path", "is the input itself, which the result would replace",
                     "publish to another folder");
  }
  std::unique_ptr<Attempt> attempt(new Attempt(context, spec));
  attempt->BeginPhase("resolve");
  ResolveOptions resolve;
  resolve.data_root = context.data_root;
  resolve.identity_by_content = spec.identity_by_content;
  resolve.keep = std::move(options.keep);
  NM_ASSIGN_OR_RETURN(attempt->inputs_, ResolveInputs(attempt->fs_, *spec.in, resolve));

  attempt->table_ = ResolvePath(context.data_root, spec.out->path);
  attempt->key_ = PartitionPath(spec.out->partition);
  NM_ASSIGN_OR_RETURN(attempt->base_, LatestVersion(attempt->fs_, attempt->table_));
  if (attempt->base_.version > 0 && attempt->base_.layout != spec.out->layout) {
    return SpecError("/out/layout", "is not the layout of the table",
                     "publish to another folder to change the layout");
  }
  NM_RETURN_IF_ERROR(CheckPartitioning(attempt->table_, attempt->base_, attempt->key_));
  attempt->fingerprint_ = FingerprintOf(spec, options, attempt->inputs_);
  attempt->run_key_ = HashOf({spec.type, spec.out->path, attempt->key_, spec.spec_hash});
  if (attempt->unchanged()) return attempt;

  NM_ASSIGN_OR_RETURN(
      attempt->staging_,
      StagingArea::Make(attempt->fs_, attempt->table_, attempt->run_key_, context.attempt_name));
  return attempt;
}

Attempt::~Attempt() = default;

std::optional<std::string> Attempt::unchanged() const {
  const auto it = base_.partitions.find(key_);
  if (it == base_.partitions.end() || it->second.fingerprint != fingerprint_) return std::nullopt;
  ReportParts parts;
  parts.outcome = "unchanged";
  parts.table = table_;
  parts.version = base_.version;
  parts.partitions.emplace(key_, it->second);
  parts.phases = phases_;
  if (const auto manifest = LoadPartition(fs_, table_, base_, key_); manifest.ok()) {
    parts.schema = manifest->schema;
    parts.columns = manifest->columns;
    parts.checks = manifest->checks;
    parts.extra = manifest->result;
    return BuildReport(parts);
  }
  return std::nullopt;  // a lost partition manifest is written again
}

OpStatus Attempt::CheckCancelled() const {
  if (context_.cancelled->load(std::memory_order_relaxed)) return Cancelled();
  return OpOk();
}

void Attempt::BeginPhase(std::string_view name) {
  if (!phases_.empty()) phases_.back().second = phase_timer_.seconds();
  phases_.emplace_back(name, 0.0);
  phase_timer_ = PhaseTimer();
}

OpStatus Attempt::CheckColumns(const Schema& schema) const {
  for (const Field& field : schema.fields) {
    if (!HasColumn(spec_.out->partition, field.name)) continue;
    OperatorError error = BadSpec(
        "the data has a column that is a partition column of the output too", "duplicate_column",
        "readers take it from the path: give the partition column another name, or leave "
        "the column out");
    error.file = table_;
    error.column = field.name;
    return error;
  }
  return OpOk();
}

OpResult<std::unique_ptr<TableWriter>> Attempt::OpenWriter(const Schema& schema) {
  NM_RETURN_IF_ERROR(CheckColumns(schema));
  WriteOptions options = spec_.out->write;
  options.threads = threads_;
  return OpenTableWriter(fs_, staging(), schema, options, budget_);
}

OpResult<std::string> Attempt::Publish(AttemptOutcome outcome) {
  BeginPhase("publish");
  NM_RETURN_IF_ERROR(CheckInputsUnchanged(fs_, inputs_));
  NM_RETURN_IF_ERROR(CheckCancelled());
  CommitRequest request;
  request.table = table_;
  request.layout = spec_.out->layout;
  request.base = base_;
  request.run_key = run_key_;
  request.operator_type = spec_.type;
  request.attempt = context_.attempt_name;
  if (spec_.as_of) request.as_of = FormatDays(*spec_.as_of);
  request.schema = outcome.data.schema;
  request.leave = [this]() -> OpStatus {
    const Status leave = context_.leave_to_publish();
    if (leave.ok()) return OpOk();
    return FromCore(OperatorErrorCode::kCancelled, leave.error());
  };
  ReportParts parts;
  parts.schema = outcome.data.schema;
  parts.columns = outcome.data.columns;
  parts.checks = outcome.checks;
  parts.extra = outcome.extra;
  parts.warnings = std::move(outcome.warnings);
  context_.progress->bytes_written += outcome.data.bytes;
  request.changes.push_back({key_, fingerprint_, std::move(outcome.data), std::move(outcome.checks),
                             std::move(outcome.extra)});
  NM_ASSIGN_OR_RETURN(const CommitResult committed, Commit(fs_, request));
  BeginPhase("report");
  phases_.pop_back();
  parts.outcome = committed.already_published ? "unchanged" : "published";
  parts.table = table_;
  parts.version = committed.version;
  parts.partitions = committed.partitions;
  parts.phases = phases_;
  return BuildReport(parts);
}

}  // namespace nightmill
