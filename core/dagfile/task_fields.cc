#include "core/dagfile/task_fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <unordered_set>
#include <utility>

#include "core/base/json.h"
#include "core/base/limits.h"
#include "core/dagfile/sla_field.h"

namespace nightmill::dagfile {
namespace {

using Json = nlohmann::json;

constexpr unsigned kProcess = KindBit(TaskKind::kProcess);
constexpr unsigned kSensor = KindBit(TaskKind::kSensor);
constexpr unsigned kMappable =
    kProcess | kSensor | KindBit(TaskKind::kNative) | KindBit(TaskKind::kNoop);
constexpr int kIntMax = std::numeric_limits<int>::max();
constexpr DurationRange kUpToTimeout{Duration{1}, limits::kMaxTimeout};

const Task& Standard() {
  static const Task task;
  return task;
}

// Setters: of a value of another type they make nothing (the schema level has complained).
template <class T>
void SetInt(const Json& value, T& target) {
  if (value.is_number_integer()) target = value.get<int>();
}
void SetBool(const Json& value, bool& target) {
  if (value.is_boolean()) target = value.get<bool>();
}
void SetText(const Json& value, std::string& target) {
  if (value.is_string()) target = value.get<std::string>();
}
template <class T>
void SetDuration(const Json& value, DurationRange range, const Site& site, T& target) {
  if (const auto duration = ParseDurationField(value, range, site)) target = *duration;
}
template <class T, class Parse>
void SetWord(const Json& value, Parse parse, T& target) {
  if (!value.is_string()) return;
  if (const auto parsed = parse(value.get_ref<const std::string&>())) target = *parsed;
}

// Emitters: a member only where it differs from the default.
template <class T>
void Put(Json& out, const char* name, const T& value, const T& standard) {
  if (value != standard) out[name] = value;
}
void PutDuration(Json& out, const char* name, std::optional<Duration> value,
                 std::optional<Duration> standard = std::nullopt) {
  if (value && value != standard) out[name] = FormatDuration(*value);
}
template <class T>
void PutOptional(Json& out, const char* name, const std::optional<T>& value) {
  if (value) out[name] = *value;
}

Json TriggerRuleSchema() {
  Json schema = {{"type", "string"}, {"default", "all_success"}};
  std::string doc = "When the task runs, by the states of its direct parents.";
  for (const TriggerRuleRow& row : TriggerRules()) {
    if (!row.user_settable) continue;
    schema["enum"].push_back(row.word);
    doc += fmt::format(" {}: {}", row.word, row.doc);
  }
  schema["description"] = doc;
  return schema;
}

void ApplyTriggerRule(const Json& value, Task& task, const Site&) {
  SetWord(value, ParseTriggerRule, task.trigger_rule);
}

void ApplyDependsOn(const Json& value, Task& task, const Site&) {
  std::unordered_set<std::string> seen;
  for (std::string& id : ParseTexts(value)) {
    if (seen.insert(id).second) task.depends_on.push_back(std::move(id));
  }
}

Json RetryItemsSchema(std::string_view description) {
  return WithExamples(ListSchema({{"type", "string"}}, description),
                      Json::array({Json::array({"failed", "exit:75", "oom"})}));
}

void ApplyRetryItems(const Json& value, std::vector<std::string>& target, const Site& site) {
  if (!value.is_array()) return;
  target = ParseTexts(value);
  for (std::size_t i = 0; i < target.size(); ++i) {
    if (IsRetryItem(target[i])) continue;
    const Place place = site.place.At(i);
    site.In(place).Error("NM318", fmt::format("\"{}\" is no retry item", target[i]),
                         "failed, timed_out, exit:75, exit:100-110, signal:9, oom, launch, check, "
                         "or an operator's error code");
  }
}

Json RetryJitterSchema() {
  return {{"anyOf",
           {{{"type", "string"}, {"enum", {"none", "full", "equal"}}},
            {{"type", "object"},
             {"properties", {{"plus_minus", {{"type", "number"}, {"minimum", 0}, {"maximum", 1}}}}},
             {"required", {"plus_minus"}},
             {"additionalProperties", false}}}},
          {"default", {{"plus_minus", 0.1}}},
          {"description", "How retry delays spread; the same task and try give the same delay."}};
}

void ApplyRetryJitter(const Json& value, Task& task, const Site&) {
  if (value.is_object() && value.contains("plus_minus") && value["plus_minus"].is_number()) {
    task.retry.jitter = RetryJitter::kPlusMinus;
    const double share = std::clamp(value["plus_minus"].get<double>(), 0.0, 1.0);
    task.retry.plus_minus_thousandths = static_cast<int>(std::lround(share * 1000));
  }
  if (value == "none") task.retry.jitter = RetryJitter::kNone;
  if (value == "full") task.retry.jitter = RetryJitter::kFull;
  if (value == "equal") task.retry.jitter = RetryJitter::kEqual;
}

void EmitRetryJitter(const Task& task, Json& out) {
  switch (task.retry.jitter) {
    case RetryJitter::kNone:
      out["retry_jitter"] = "none";
      break;
    case RetryJitter::kFull:
      out["retry_jitter"] = "full";
      break;
    case RetryJitter::kEqual:
      out["retry_jitter"] = "equal";
      break;
    case RetryJitter::kPlusMinus:
      if (task.retry.plus_minus_thousandths != Standard().retry.plus_minus_thousandths) {
        out["retry_jitter"]["plus_minus"] = task.retry.plus_minus_thousandths / 1000.0;
      }
  }
}

Json PoolsSchema() {
  Json item = ObjectSchema(
      {{"name", TextSchema("Name of the pool.")},
       {"slots", WithDefault(IntSchema(1, kIntMax, "Slots that each instance takes."), 1)}},
      "One pool and the slots taken from it.");
  item["required"] = {"name"};
  Json schema = ListSchema(std::move(item), "Slots of several pools, taken all at once or not.");
  schema["minItems"] = 1;
  schema["maxItems"] = limits::kMaxPoolsPerTask;
  return schema;
}

void ApplyPools(const Json& value, Task& task, const Site&) {
  if (!value.is_array() || value.empty()) return;
  task.pools.clear();
  for (const Json& item : value) {
    PoolRequest pool;
    if (item.is_object() && item.contains("name")) SetText(item["name"], pool.name);
    if (item.is_object() && item.contains("slots")) SetInt(item["slots"], pool.slots);
    task.pools.push_back(std::move(pool));
  }
}

void EmitPools(const Task& task, Json& out) {
  if (task.pools == Standard().pools) return;
  out["pools"] = Json::array();
  for (const PoolRequest& pool : task.pools) {
    out["pools"].push_back({{"name", pool.name}, {"slots", pool.slots}});
  }
}

Json EnvSchema() {
  return {{"type", "object"},
          {"additionalProperties", {{"type", "string"}}},
          {"description", "Environment variables beside PATH HOME LANG TZ USER TMPDIR."},
          {"examples", {{{"SHARD", "{{ map.item.name }}"}}}}};
}

void ApplyEnv(const Json& value, Task& task, const Site& site) {
  if (!value.is_object()) return;
  task.env.clear();
  for (const auto& [name, text] : value.items()) {
    const Place place = site.place.At(name);
    if (name.empty() || name.find('=') != std::string::npos) {
      site.out.KeyError("NM206", place.Pointer(),
                        fmt::format("\"{}\" is no name of a variable", name), "");
    } else if (name.starts_with("NIGHTMILL_")) {
      site.out.KeyError("NM206", place.Pointer(),
                        "names that begin with NIGHTMILL_ are set by the worker", "");
    }
    if (text.is_string()) task.env.emplace_back(name, text.get<std::string>());
  }
}

Json LimitsSchema() {
  return ObjectSchema({{"memory", SizeSchema("Memory of the process and its children.")},
                       {"cpus",
                        {{"type", "number"},
                         {"exclusiveMinimum", 0},
                         {"maximum", 4096},
                         {"description", "Processor time per second."}}},
                       {"pids", IntSchema(1, 4'000'000, "Processes and threads.")},
                       {"file_size", SizeSchema("Size of a file that the process writes.")},
                       {"log", SizeSchema("Size of the attempt's log; more is cut off.")}},
                      "Limits of a process task.");
}

void ApplyLimits(const Json& value, Task& task, const Site& site) {
  if (!value.is_object()) return;
  const auto size = [&](const char* key, auto& target) {
    if (!value.contains(key)) return;
    const Place place = site.place.At(key);
    if (const auto bytes = ParseSizeField(value[key], site.In(place))) target = *bytes;
  };
  size("memory", task.limits.memory_bytes);
  size("file_size", task.limits.file_size_bytes);
  size("log", task.limits.log_bytes);
  if (value.contains("pids") && value["pids"].is_number_integer()) {
    task.limits.pids = value["pids"].get<std::int64_t>();
  }
  if (value.contains("cpus") && value["cpus"].is_number()) {
    task.limits.cpus = value["cpus"].get<double>();
  }
}

void EmitLimits(const Task& task, Json& out) {
  Json json = Json::object();
  PutOptional(json, "memory", task.limits.memory_bytes);
  PutOptional(json, "file_size", task.limits.file_size_bytes);
  PutOptional(json, "pids", task.limits.pids);
  PutOptional(json, "cpus", task.limits.cpus);
  Put(json, "log", task.limits.log_bytes, Standard().limits.log_bytes);
  if (!json.empty()) out["limits"] = std::move(json);
}

Json AssetsSchema(std::string_view description) {
  Json item = ObjectSchema({{"asset", TextSchema("Name of the asset.")}}, "An asset.");
  item["required"] = {"asset"};
  return ListSchema(std::move(item), description);
}

// The rows that are nothing but a member of Task.
#define NM_DURATION_FIELD(name, member, standard, range, text)                           \
  [] { return DurationSchema(text); },                                                   \
      [](const Json& v, Task& t, const Site& s) { SetDuration(v, range, s, t.member); }, \
      [](const Task& t, Json& out) { PutDuration(out, name, t.member, standard); }
#define NM_INT_FIELD(name, member, min, max, text)                      \
  [] { return IntSchema(min, max, text); },                             \
      [](const Json& v, Task& t, const Site&) { SetInt(v, t.member); }, \
      [](const Task& t, Json& out) { Put(out, name, t.member, Standard().member); }
#define NM_TEXT_FIELD(name, member, text)                                \
  [] { return TextSchema(text); },                                       \
      [](const Json& v, Task& t, const Site&) { SetText(v, t.member); }, \
      [](const Task& t, Json& out) { Put(out, name, t.member, std::string()); }
#define NM_NOT_YET(off, text) [] { return NotYetSchema(off, text); }, nullptr, nullptr

const std::array kFields{
    TaskField{"api_token", kProcess, true, false, true,
              NM_NOT_YET(nullptr, "A token for the task's own run.")},
    TaskField{
        "cwd", kProcess, true, true, false,
        NM_TEXT_FIELD("cwd", cwd, "Working directory; the folder of the DAG file if absent.")},
    TaskField{"depends_on", kAllKinds, false, false, false,
              [] {
                return WithDefault(ListSchema({{"type", "string"}}, "Ids of the tasks before."),
                                   Json::array());
              },
              ApplyDependsOn,
              [](const Task& t, Json& out) {
                if (!t.depends_on.empty()) out["depends_on"] = t.depends_on;
              }},
    TaskField{"depends_on_past", kAllKinds, true, false, true,
              NM_NOT_YET(false, "Wait for the task in the run before.")},
    TaskField{"display_name", kAllKinds, false, false, false,
              NM_TEXT_FIELD("display_name", display_name, "Name shown to people.")},
    TaskField{"doc_md", kAllKinds, false, false, false,
              NM_TEXT_FIELD("doc_md", doc_md, "Documentation in Markdown.")},
    TaskField{"env", kProcess, true, true, false, EnvSchema, ApplyEnv,
              [](const Task& t, Json& out) {
                for (const auto& [name, value] : t.env) out["env"][name] = value;
              }},
    TaskField{"executor", kProcess, true, false, true,
              NM_NOT_YET("local", "Where the process runs: local or slurm.")},
    TaskField{"finally", kAllKinds, false, false, true,
              NM_NOT_YET(false, "Run after all other tasks, whatever happened.")},
    TaskField{"inlets", kAllKinds, false, false, false,
              [] { return AssetsSchema("Assets read (lineage)."); }, nullptr, nullptr},
    TaskField{"kill_grace", kAllKinds, true, false, false,
              NM_DURATION_FIELD("kill_grace", kill_grace, limits::kDefaultKillGrace,
                                (DurationRange{Duration{0}, limits::kMaxKillGrace}),
                                "Time between TERM and KILL; 10s if absent.")},
    TaskField{"limits", kProcess, true, false, false, LimitsSchema, ApplyLimits, EmitLimits},
    TaskField{"map", kMappable, false, true, false, MapSchema, ApplyMap, EmitMap},
    TaskField{
        "max_active_tis_per_dag", kAllKinds, true, false, false,
        [] { return IntSchema(1, limits::kMaxMaxActiveTasks, "Live instances over all runs."); },
        [](const Json& v, Task& t, const Site&) { SetInt(v, t.max_active_tis_per_dag); },
        [](const Task& t, Json& out) {
          PutOptional(out, "max_active_tis_per_dag", t.max_active_tis_per_dag);
        }},
    TaskField{"max_active_tis_per_dagrun", kAllKinds, true, false, false,
              [] { return IntSchema(1, limits::kMaxMaxActiveTasks, "Live instances in one run."); },
              [](const Json& v, Task& t, const Site&) { SetInt(v, t.max_active_tis_per_dagrun); },
              [](const Task& t, Json& out) {
                PutOptional(out, "max_active_tis_per_dagrun", t.max_active_tis_per_dagrun);
              }},
    TaskField{"max_poke_interval", kSensor, true, false, false,
              NM_DURATION_FIELD("max_poke_interval", max_poke_interval, limits::kMaxPokeInterval,
                                (DurationRange{limits::kMinPokeInterval, limits::kMaxPokeInterval}),
                                "Longest time between looks; 1d if absent.")},
    TaskField{"max_retry_delay", kAllKinds, true, false, false,
              NM_DURATION_FIELD("max_retry_delay", retry.max_delay, limits::kDefaultMaxRetryDelay,
                                (DurationRange{Duration{0}, limits::kMaxMaxRetryDelay}),
                                "Hard maximum of a retry delay; 24h if absent.")},
    TaskField{"no_retry_exit_code", kProcess, true, false, false,
              NM_INT_FIELD("no_retry_exit_code", retry.no_retry_exit_code, 1, 255,
                           "Exit code that means: failed, do not retry. 98 if absent.")},
    TaskField{
        "no_retry_on", kAllKinds, true, false, false,
        [] { return RetryItemsSchema("Failures that are never retried."); },
        [](const Json& v, Task& t, const Site& s) { ApplyRetryItems(v, t.retry.no_retry_on, s); },
        [](const Task& t, Json& out) {
          Put(out, "no_retry_on", t.retry.no_retry_on, Standard().retry.no_retry_on);
        }},
    TaskField{"on", kAllKinds, true, false, false, TaskCallbacksSchema,
              [](const Json& v, Task& t, const Site&) {
                Callbacks on = ParseCallbacks(v);
                if (on != Callbacks{}) t.on = std::make_shared<const Callbacks>(std::move(on));
              },
              [](const Task& t, Json& out) {
                if (t.on != nullptr) EmitCallbacks(*t.on, out);
              }},
    TaskField{"outlets", kAllKinds, false, false, false,
              [] { return AssetsSchema("Assets written (lineage)."); }, nullptr, nullptr},
    TaskField{"output", kProcess, true, false, false,
              [] {
                return WithDefault(EnumSchema({"json", "lines", "text", "none"},
                                              "How $NIGHTMILL_OUTPUT is read into outputs.<id>."),
                                   "json");
              },
              [](const Json& v, Task& t, const Site&) { SetWord(v, ParseOutputMode, t.output); },
              [](const Task& t, Json& out) {
                if (t.output != Standard().output) out["output"] = ToString(t.output);
              }},
    TaskField{"poke_backoff", kSensor, true, false, false,
              [] {
                return Json{{"type", "number"},
                            {"minimum", 1},
                            {"maximum", 100},
                            {"default", 1},
                            {"description", "Factor between one wait and the next."}};
              },
              [](const Json& v, Task& t, const Site&) {
                if (v.is_number()) t.poke_backoff = v.get<double>();
              },
              [](const Task& t, Json& out) {
                Put(out, "poke_backoff", t.poke_backoff, Standard().poke_backoff);
              }},
    TaskField{"poke_interval", kSensor, true, false, false,
              NM_DURATION_FIELD("poke_interval", poke_interval, limits::kDefaultPokeInterval,
                                (DurationRange{limits::kMinPokeInterval, limits::kMaxPokeInterval}),
                                "Time between looks; 60s if absent.")},
    TaskField{"pool", kAllKinds, true, false, false,
              [] { return WithDefault(TextSchema("Pool to take slots from."), "default_pool"); },
              [](const Json& v, Task& t, const Site&) { SetText(v, t.pools.front().name); },
              EmitPools},
    TaskField{"pool_slots", kAllKinds, true, false, false,
              [] { return WithDefault(IntSchema(1, kIntMax, "Slots taken from `pool`."), 1); },
              [](const Json& v, Task& t, const Site&) { SetInt(v, t.pools.front().slots); },
              EmitPools},
    TaskField{"pools", kAllKinds, true, false, false, PoolsSchema, ApplyPools, EmitPools},
    TaskField{"preemptible", kAllKinds, true, false, true,
              NM_NOT_YET(false, "Live work may stop an attempt of a backfill.")},
    TaskField{"priority_weight", kAllKinds, true, false, false,
              NM_INT_FIELD("priority_weight", priority_weight, std::numeric_limits<int>::min(),
                           kIntMax, "Weight when slots are short; 1 if absent.")},
    TaskField{"queue_timeout", kAllKinds, true, false, false,
              NM_DURATION_FIELD("queue_timeout", queue_timeout, std::nullopt, kUpToTimeout,
                                "Longest wait for slots and a worker; none if absent.")},
    TaskField{"retries", kAllKinds, true, false, false,
              NM_INT_FIELD("retries", retry.retries, 0, limits::kMaxRetries,
                           "Tries after the first; 0 if absent.")},
    TaskField{"retry_backoff", kAllKinds, true, false, false,
              [] {
                return Json{{"type", "number"},
                            {"minimum", 0},
                            {"maximum", 1000},
                            {"default", 1},
                            {"description", "Factor from one delay to the next; 0 and 1: none."}};
              },
              [](const Json& v, Task& t, const Site&) {
                if (v.is_number()) t.retry.backoff = v.get<double>();
              },
              [](const Task& t, Json& out) {
                Put(out, "retry_backoff", t.retry.backoff, Standard().retry.backoff);
              }},
    TaskField{"retry_delay", kAllKinds, true, false, false,
              NM_DURATION_FIELD("retry_delay", retry.delay, limits::kDefaultRetryDelay,
                                (DurationRange{Duration{0}, limits::kMaxRetryDelaySetting}),
                                "Delay before the second try; 5m if absent.")},
    TaskField{"retry_jitter", kAllKinds, true, false, false, RetryJitterSchema, ApplyRetryJitter,
              EmitRetryJitter},
    TaskField{
        "retry_on", kAllKinds, true, false, false,
        [] { return RetryItemsSchema("Failures that are retried."); },
        [](const Json& v, Task& t, const Site& s) { ApplyRetryItems(v, t.retry.retry_on, s); },
        [](const Task& t, Json& out) {
          Put(out, "retry_on", t.retry.retry_on, Standard().retry.retry_on);
        }},
    TaskField{"sensor_timeout", kSensor, true, false, false,
              NM_DURATION_FIELD("sensor_timeout", sensor_timeout, limits::kDefaultSensorTimeout,
                                kUpToTimeout, "From the first look to giving up; 7d if absent.")},
    TaskField{"skip_exit_code", kProcess, true, false, false,
              NM_INT_FIELD("skip_exit_code", retry.skip_exit_code, 1, 255,
                           "Exit code that means: skipped. 99 if absent.")},
    TaskField{"sla", kAllKinds, false, false, false, TaskSlaSchema,
              [](const Json& v, Task& t, const Site& s) { t.sla = ParseSla(v, s); },
              [](const Task& t, Json& out) { EmitSla(t.sla, out); }},
    TaskField{"soft_fail", kSensor, true, false, false,
              [] { return BoolSchema(false, "A sensor that timed out is skipped, not failed."); },
              [](const Json& v, Task& t, const Site&) { SetBool(v, t.soft_fail); },
              [](const Task& t, Json& out) { Put(out, "soft_fail", t.soft_fail, false); }},
    TaskField{"teardown_of", kAllKinds, false, false, true,
              NM_NOT_YET(Json::array(), "Setup tasks that this task cleans up after.")},
    TaskField{"template", kAllKinds, false, false, false,
              [] { return TextSchema("Name of an entry of `task_templates`."); }, nullptr, nullptr},
    TaskField{"timeout", kAllKinds, true, false, false,
              NM_DURATION_FIELD("timeout", timeout, std::nullopt, kUpToTimeout,
                                "Longest time of one attempt; none if absent.")},
    TaskField{"total_timeout", kAllKinds, true, false, false,
              NM_DURATION_FIELD("total_timeout", total_timeout, std::nullopt, kUpToTimeout,
                                "Longest time with waits and retries; none if absent.")},
    TaskField{"trigger_rule", kAllKinds, true, false, false, TriggerRuleSchema, ApplyTriggerRule,
              [](const Task& t, Json& out) {
                if (t.trigger_rule != Standard().trigger_rule) {
                  out["trigger_rule"] = ToString(t.trigger_rule);
                }
              }},
    TaskField{"wait_for_downstream", kAllKinds, true, false, true,
              NM_NOT_YET(false, "Wait for the task's children in the run before.")},
    TaskField{
        "weight_rule", kAllKinds, true, false, false,
        [] {
          return WithDefault(EnumSchema({"downstream", "upstream", "absolute"},
                                        "Whose weights add to the task's own."),
                             "downstream");
        },
        [](const Json& v, Task& t, const Site&) { SetWord(v, ParseWeightRule, t.weight_rule); },
        [](const Task& t, Json& out) {
          if (t.weight_rule != Standard().weight_rule) {
            out["weight_rule"] = ToString(t.weight_rule);
          }
        }},
    TaskField{"when", kAllKinds, true, true, false,
              NM_TEXT_FIELD("when", when, "Template; false skips the task.")},
};

static_assert(kFields.size() <= 64, "FieldSet in draft.h has a bit per field");

}  // namespace

std::span<const TaskField> TaskFields() { return kFields; }

const TaskField* FindTaskField(std::string_view name) {
  const auto it = std::lower_bound(
      kFields.begin(), kFields.end(), name,
      [](const TaskField& field, std::string_view wanted) { return field.name < wanted; });
  return it != kFields.end() && it->name == name ? &*it : nullptr;
}

}  // namespace nightmill::dagfile
