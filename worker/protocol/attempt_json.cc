#include "worker/protocol/attempt_json.h"

#include <fmt/format.h>

#include <utility>

#include "core/base/json.h"
#include "worker/protocol/codec.h"
#include "worker/protocol/json_fields.h"

namespace nightmill::wire {

using nlohmann::json;

namespace {

template <class T>
json OrNull(const std::optional<T>& value) {
  return value ? json(*value) : json();
}

json ToJson(const std::vector<AttemptTarget>& targets) {
  json list = json::array();
  for (const AttemptTarget& target : targets) {
    list.push_back(
        {{"run", target.run.value}, {"task_id", target.task_id}, {"map_index", target.map_index}});
  }
  return list;
}

std::vector<AttemptTarget> ReadTargets(const json& list, std::string& complaint) {
  std::vector<AttemptTarget> targets;
  for (const json& element : list) {
    JsonFields fields(element, complaint);
    AttemptTarget target;
    target.run = RunKey{fields.Int("run")};
    target.task_id = fields.Text("task_id");
    target.map_index = fields.Int32("map_index");
    targets.push_back(std::move(target));
  }
  return targets;
}

json ToJson(const TaskLimits& limits) {
  return {{"memory_bytes", OrNull(limits.memory_bytes)},
          {"file_size_bytes", OrNull(limits.file_size_bytes)},
          {"pids", OrNull(limits.pids)},
          {"cpus", OrNull(limits.cpus)},
          {"log_bytes", limits.log_bytes}};
}

TaskLimits ReadLimits(const json& object, std::string& complaint) {
  JsonFields fields(object, complaint);
  TaskLimits limits;
  limits.memory_bytes = fields.OptionalInt("memory_bytes");
  limits.file_size_bytes = fields.OptionalInt("file_size_bytes");
  limits.pids = fields.OptionalInt("pids");
  limits.cpus = fields.OptionalNumber("cpus");
  limits.log_bytes = fields.Int("log_bytes", 0);
  return limits;
}

json EnvToJson(const std::vector<std::pair<std::string, std::string>>& env) {
  json list = json::array();
  for (const auto& [name, value] : env) list.push_back({name, value});
  return list;
}

std::vector<std::pair<std::string, std::string>> ReadEnv(JsonFields& fields) {
  std::vector<std::pair<std::string, std::string>> env;
  for (const json& element : fields.Array("env")) {
    if (!element.is_array() || element.size() != 2 || !element[0].is_string() ||
        !element[1].is_string()) {
      fields.Complain("env", "holds something that is not a pair of strings");
      return env;
    }
    env.emplace_back(element[0].get<std::string>(), element[1].get<std::string>());
  }
  return env;
}

constexpr std::int64_t kMaxDurationMs = std::int64_t{1} << 50;  // no overflow in microseconds

void AddOutcome(const AttemptOutcome& outcome, json& object) {
  object["outcome"] = OutcomeWord(outcome);
  if (const auto* failed = std::get_if<outcome::Failed>(&outcome)) {
    object["failure"] = {{"kind", failed->kind},
                         {"message", failed->message},
                         {"exit_code", failed->exit_code},
                         {"signal", failed->signal}};
  } else if (const auto* lost = std::get_if<outcome::Lost>(&outcome)) {
    object["cause"] = lost->cause;
  }
}

AttemptOutcome ReadOutcome(JsonFields& fields) {
  const std::string word = fields.Text("outcome");
  if (word == "succeeded") return outcome::Succeeded{};
  if (word == "skipped") return outcome::Skipped{};
  if (word == "timed_out") return outcome::TimedOut{};
  if (word == "killed") return outcome::Killed{};
  if (word == "lost") return outcome::Lost{fields.Text("cause")};
  if (word != "failed") {
    fields.Complain("outcome", "is not a known word");
    return outcome::Killed{};
  }
  JsonFields failure(fields.Object("failure"), fields.complaint());
  outcome::Failed failed;
  failed.kind = failure.Text("kind");
  failed.message = failure.Text("message");
  failed.exit_code = failure.Int32("exit_code");
  failed.signal = failure.Int32("signal");
  return failed;
}

}  // namespace

json ToJson(const ResourceUsage& usage) {
  return {{"cpu_seconds", usage.cpu_seconds},
          {"max_rss_bytes", usage.max_rss_bytes},
          {"bytes_read", usage.bytes_read},
          {"bytes_written", usage.bytes_written}};
}

ResourceUsage ReadUsage(const json& object, std::string& complaint) {
  JsonFields fields(object, complaint);
  ResourceUsage usage;
  usage.cpu_seconds = fields.Number("cpu_seconds");
  usage.max_rss_bytes = fields.Int("max_rss_bytes");
  usage.bytes_read = fields.Int("bytes_read");
  usage.bytes_written = fields.Int("bytes_written");
  return usage;
}

json ToJson(const AttemptSpec& spec) {
  json object = {{"attempt", spec.id.value},
                 {"epoch", spec.epoch.value},
                 {"incarnation", IncarnationHex(spec.incarnation)},
                 {"targets", ToJson(spec.targets)},
                 {"kind", spec.kind == AttemptKind::kNative ? "native" : "process"},
                 {"dag_id", spec.dag_id},
                 {"run_id", spec.run_id},
                 {"task_key", spec.task_key},
                 {"try_number", spec.try_number},
                 {"timeout_ms", spec.timeout ? json(spec.timeout->count()) : json()},
                 {"kill_grace_ms", spec.kill_grace.count()},
                 {"limits", ToJson(spec.limits)},
                 {"places", spec.places},
                 {"log_path", spec.log_path},
                 {"output_dir", spec.output_dir},
                 {"data_root", spec.data_root}};
  if (spec.kind == AttemptKind::kNative) {
    object["operator"] = spec.operator_type;
    object["operator_spec"] = spec.operator_spec;
    return object;
  }
  object["argv"] = spec.argv;
  object["env"] = EnvToJson(spec.env);
  object["cwd"] = spec.cwd;
  object["output"] = ToString(spec.output);
  object["skip_exit_code"] = spec.skip_exit_code;
  object["no_retry_exit_code"] = spec.no_retry_exit_code;
  return object;
}

AttemptSpec ReadSpec(const json& object, std::string& complaint) {
  JsonFields fields(object, complaint);
  AttemptSpec spec;
  spec.id = AttemptId{fields.Int("attempt", 1)};
  spec.epoch = Epoch{fields.Int("epoch")};
  spec.incarnation = fields.Hex("incarnation");
  spec.targets = ReadTargets(fields.Array("targets"), complaint);
  spec.dag_id = fields.Text("dag_id");
  spec.run_id = fields.Text("run_id");
  spec.task_key = fields.Text("task_key");
  spec.try_number = fields.Int32("try_number");
  if (fields.OptionalInt("timeout_ms")) {
    spec.timeout = Duration{fields.Int("timeout_ms", 0, kMaxDurationMs)};
  }
  spec.kill_grace = Duration{fields.Int("kill_grace_ms", 0, kMaxDurationMs)};
  spec.limits = ReadLimits(fields.Object("limits"), complaint);
  spec.places = fields.Int32("places");
  spec.log_path = fields.Text("log_path");
  spec.output_dir = fields.Text("output_dir");
  spec.data_root = fields.Text("data_root");
  const std::string kind = fields.Text("kind");
  if (kind == "native") {
    spec.kind = AttemptKind::kNative;
    spec.operator_type = fields.Text("operator");
    spec.operator_spec = fields.Text("operator_spec");
    return spec;
  }
  if (kind != "process") fields.Complain("kind", "is not a known word");
  spec.argv = fields.Texts("argv");
  spec.env = ReadEnv(fields);
  spec.cwd = fields.Text("cwd");
  const std::optional<OutputMode> output = ParseOutputMode(fields.Text("output"));
  if (!output) fields.Complain("output", "is not a known word");
  spec.output = output.value_or(OutputMode::kNone);
  spec.skip_exit_code = fields.Int32("skip_exit_code");
  spec.no_retry_exit_code = fields.Int32("no_retry_exit_code");
  return spec;
}

json ToJson(const AttemptReport& report) {
  json object = {{"attempt", report.id.value},
                 {"epoch", report.epoch.value},
                 {"incarnation", IncarnationHex(report.incarnation)},
                 {"targets", ToJson(report.targets)},
                 {"output", report.output},
                 {"artifact", report.artifact},
                 {"usage", ToJson(report.usage)},
                 {"started_us", report.started_at ? json(ToMicros(*report.started_at)) : json()},
                 {"ended_us", ToMicros(report.ended_at)}};
  AddOutcome(report.outcome, object);
  return object;
}

AttemptReport ReadReport(const json& object, std::string& complaint) {
  JsonFields fields(object, complaint);
  AttemptReport report;
  report.id = AttemptId{fields.Int("attempt", 1)};
  report.epoch = Epoch{fields.Int("epoch")};
  report.incarnation = fields.Hex("incarnation");
  report.targets = ReadTargets(fields.Array("targets"), complaint);
  report.outcome = ReadOutcome(fields);
  report.output = fields.Text("output");
  report.artifact = fields.Text("artifact");
  report.usage = ReadUsage(fields.Object("usage"), complaint);
  if (const auto started = fields.OptionalInt("started_us")) {
    report.started_at = InstantFromMicros(*started);
  }
  report.ended_at = InstantFromMicros(fields.Int("ended_us"));
  return report;
}

std::string IncarnationHex(Incarnation incarnation) { return fmt::format("{:016x}", incarnation); }

Result<std::string> SpecToJson(const AttemptSpec& spec) { return DumpStrict(ToJson(spec)); }

Result<AttemptSpec> SpecFromJson(std::string_view text) {
  NM_ASSIGN_OR_RETURN(const json object, ParseObject(text));
  std::string complaint;
  AttemptSpec spec = ReadSpec(object, complaint);
  if (!complaint.empty()) return Invalid("attempt spec: " + complaint);
  return spec;
}

std::string ReportToJson(const AttemptReport& report) { return DumpRepaired(ToJson(report)); }

Result<AttemptReport> ReportFromJson(std::string_view text) {
  NM_ASSIGN_OR_RETURN(const json object, ParseObject(text));
  std::string complaint;
  AttemptReport report = ReadReport(object, complaint);
  if (!complaint.empty()) return Invalid("attempt report: " + complaint);
  return report;
}

}  // namespace nightmill::wire
