// `convert` (compute.md 6.8): CSV, JSON Lines and Parquet to typed Parquet in one partition of a
// table. The schema is written in the spec, or inferred once from all rows of the first run and
// then pinned by the table. Every bad value is an error with file, line and column; nothing is
// narrowed silently.
#include <fmt/format.h>

#include "operators/convert_source.h"
#include "operators/operator.h"
#include "operators/registry.h"
#include "operators/specs.h"
#include "operators/table/attempt.h"

namespace nightmill {
namespace {

constexpr int kSemantics = 1;

// The format that all inputs share.
OpResult<InputFormat> CommonFormat(const InputList& inputs) {
  const InputFormat format = inputs.files.front().format;
  for (const InputEntry& entry : inputs.files) {
    if (entry.format == format) continue;
    OperatorError error = BadSpec("the input mixes formats", "spec", "set \"format\" of the input");
    error.file = entry.file.path;
    return error;
  }
  return format;
}

OpResult<std::string> RunConvert(const ConvertSpec& spec, const OperatorContext& context) {
  AttemptOptions options;
  options.semantics_version = kSemantics;
  NM_ASSIGN_OR_RETURN(const std::unique_ptr<Attempt> attempt,
                      Attempt::Begin(context, spec.common, std::move(options)));
  if (auto report = attempt->unchanged()) return std::move(*report);
  NM_ASSIGN_OR_RETURN(const InputFormat format, CommonFormat(attempt->inputs()));

  ConvertJob job{*attempt, *spec.common.in, nullptr, spec.schema, spec.given, spec.ordered, {}};
  NM_ASSIGN_OR_RETURN(job.zone, FindZone(spec.common.timezone));
  attempt->BeginPhase("convert");
  // Pinned: the types of an earlier run hold, whatever the new rows look like.
  if (!spec.given) {
    job.schema = attempt->base().schema;
    if (job.schema.fields.empty()) {
      NM_ASSIGN_OR_RETURN(job.schema, InferSchema(format, job));
    }
  }
  NM_ASSIGN_OR_RETURN(WrittenTable table, ConvertFiles(format, job));
  AttemptOutcome outcome;
  outcome.data = std::move(table);
  outcome.warnings = std::move(job.warnings);
  return attempt->Publish(std::move(outcome));
}

class ConvertOperator final : public Operator {
 public:
  OperatorResult Run(std::string_view text, const OperatorContext& context) const override {
    const OpResult<ConvertSpec> spec = ParseSpec(text, ReadConvert);
    if (!spec.ok()) return spec.error();
    return ToOperatorResult(RunRounds(context, [&] { return RunConvert(*spec, context); }));
  }
};

}  // namespace

const Operator& Convert() {
  static const ConvertOperator op;
  return op;
}

}  // namespace nightmill
