// `convert` (compute.md 6.8): CSV, JSON Lines and Parquet to typed Parquet in one partition of a
// table. The schema is written in the spec, or inferred once from all rows of the first run and
// then pinned by the table. Every bad value is an error with file, line and column; nothing is
// narrowed silently.
#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>

#include "operators/convert_source.h"
#include "operators/operator.h"
#include "operators/registry.h"
#include "operators/table/attempt.h"

namespace nightmill {
namespace {

using nlohmann::json;

constexpr int kSemantics = 1;
constexpr std::array<std::string_view, 1> kOwnFields{"schema"};

// The schema as written: an object of name: type (any order), or a list that also fixes the order.
struct WrittenSchema {
  Schema schema;
  bool given = false;
  bool ordered = false;
};

OpStatus AddField(const std::string& name, const json& type, WrittenSchema& out) {
  const auto parsed =
      type.is_string() ? ParseColumnType(type.get<std::string>()) : std::optional<ColumnType>();
  if (!parsed) {
    return SpecError("/schema/" + name, "has an unknown type",
                     "one of bool, int32, int64, float32, float64, decimal(p,s), string, binary, "
                     "date, timestamp, timestamp(local)");
  }
  if (name.empty() || out.schema.Find(name) >= 0) {
    return SpecError("/schema", fmt::format("has the column \"{}\" twice or without name", name));
  }
  out.schema.fields.push_back({name, *parsed});
  return OpOk();
}

OpResult<WrittenSchema> ParseSchema(const json& spec) {
  WrittenSchema out;
  const auto it = spec.find("schema");
  if (it == spec.end() || *it == "infer_once") return out;
  out.given = true;
  if (it->is_object()) {
    for (const auto& [name, type] : it->items()) NM_RETURN_IF_ERROR(AddField(name, type, out));
  } else if (it->is_array()) {
    out.ordered = true;
    for (const json& item : *it) {
      if (!item.is_object() || !item.contains("name") || !item["name"].is_string() ||
          !item.contains("type")) {
        return SpecError("/schema", "has an entry without name or type");
      }
      NM_RETURN_IF_ERROR(AddField(item["name"].get<std::string>(), item["type"], out));
    }
  } else {
    return SpecError("/schema", "must be \"infer_once\", an object or a list");
  }
  if (out.schema.fields.empty()) return SpecError("/schema", "has no column");
  return out;
}

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

OpResult<std::string> RunConvert(std::string_view text, const OperatorContext& context) {
  NM_ASSIGN_OR_RETURN(const json spec, ParseSpecText(text));
  NM_ASSIGN_OR_RETURN(const CommonSpec common, ParseCommon(spec, {kOwnFields, "in", "out"}));
  NM_ASSIGN_OR_RETURN(const WrittenSchema written, ParseSchema(spec));
  if (common.in && !common.in->filter.empty()) {
    return SpecError("/in/filter", "is not supported by convert", "filter where the table is read");
  }
  if (common.out && !common.out->sort.empty()) {
    return SpecError("/out/sort", "is not supported by convert", "let compact sort the table");
  }
  AttemptOptions options;
  options.semantics_version = kSemantics;
  NM_ASSIGN_OR_RETURN(const std::unique_ptr<Attempt> attempt,
                      Attempt::Begin(context, common, std::move(options)));
  if (auto report = attempt->unchanged()) return std::move(*report);
  NM_ASSIGN_OR_RETURN(const InputFormat format, CommonFormat(attempt->inputs()));

  ConvertJob job{*attempt, *common.in, nullptr, written.schema, written.ordered, {}};
  NM_ASSIGN_OR_RETURN(job.zone, FindZone(common.timezone));
  attempt->BeginPhase("convert");
  // Pinned: the types of an earlier run hold, whatever the new rows look like.
  if (!written.given) {
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
  OperatorResult Run(std::string_view spec, const OperatorContext& context) const override {
    return ToOperatorResult(RunConvert(spec, context));
  }
};

}  // namespace

const Operator& Convert() {
  static const ConvertOperator op;
  return op;
}

}  // namespace nightmill
