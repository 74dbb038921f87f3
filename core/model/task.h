// A task as written in a DAG file, with every default filled in: what the engine needs typed, what
// an operator needs (`params`) as canonical JSON text with templates not yet rendered.
// Immutable after core/dagfile built it; shared between threads as part of a const Dag.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/limits.h"
#include "core/base/time.h"
#include "core/model/sla.h"
#include "core/rules/retry.h"
#include "core/rules/trigger_rule.h"

namespace nightmill {

// How the engine treats a task type; the operator catalog says which type is which.
enum class TaskKind : std::uint8_t {
  kProcess,       // exec, shell: a child process of the worker
  kNative,        // convert, expect, aggregate, compact, publish: an operator host
  kSensor,        // sensor.*: deferred, poked, holds no slot
  kBranch,        // decided by the engine from `cases`
  kShortCircuit,  // decided by the engine from `condition`
  kNoop,          // succeeds by itself
};

struct PoolRequest {
  std::string name = "default_pool";
  int slots = 1;

  bool operator==(const PoolRequest&) const = default;
};

enum class WeightRule : std::uint8_t { kDownstream, kUpstream, kAbsolute };
enum class MapMode : std::uint8_t { kCross, kZip, kConcat };
enum class OnEmptyMap : std::uint8_t { kSkip, kSuccess, kFail };
enum class OutputMode : std::uint8_t { kJson, kLines, kText, kNone };

struct MapSpec {
  // One entry with an empty name for a plain `over`, else the named lists in the order of the file.
  // Values are JSON text: an array or object, or a string that is a template.
  std::vector<std::pair<std::string, std::string>> over;
  MapMode mode = MapMode::kCross;
  int max_items = limits::kDefaultMaxItems;
  std::optional<int> max_parallel;
  std::optional<int> max_failures;
  OnEmptyMap on_empty = OnEmptyMap::kSkip;
  std::string label;
};

struct BranchCase {
  std::string condition;  // template
  std::vector<std::string> then;
};

struct TaskLimits {
  std::optional<std::int64_t> memory_bytes;
  std::optional<std::int64_t> file_size_bytes;
  std::optional<std::int64_t> pids;
  std::optional<double> cpus;
  std::int64_t log_bytes = static_cast<std::int64_t>(limits::kMaxTaskLogBytes);
};

struct Task {
  std::string id;
  std::string type;
  TaskKind kind = TaskKind::kNoop;
  std::string display_name;
  std::string doc_md;
  std::vector<std::string> depends_on;     // as written, without duplicates
  std::vector<std::string> data_upstream;  // tasks whose `outputs.x` a template names

  TriggerRule trigger_rule = TriggerRule::kAllSuccess;
  std::string when;  // template; empty: always
  RetryPolicy retry;

  std::optional<Duration> timeout;
  std::optional<Duration> total_timeout;
  std::optional<Duration> queue_timeout;
  Duration kill_grace = limits::kDefaultKillGrace;

  std::vector<PoolRequest> pools = {PoolRequest{}};
  int priority_weight = 1;
  WeightRule weight_rule = WeightRule::kDownstream;
  std::optional<int> max_active_tis_per_dag;
  std::optional<int> max_active_tis_per_dagrun;
  bool depends_on_past = false;
  bool wait_for_downstream = false;

  std::optional<MapSpec> map;
  std::vector<SlaSpec> sla;
  std::shared_ptr<const Callbacks> on;  // null: none

  std::vector<std::pair<std::string, std::string>> env;  // values are templates
  std::string cwd;                                       // template; empty: the DAG file's folder
  TaskLimits limits;
  OutputMode output = OutputMode::kJson;
  int threads = 1;  // worker places a native attempt takes; 1 for processes

  // Sensors.
  Duration poke_interval = limits::kDefaultPokeInterval;
  Duration max_poke_interval = limits::kMaxPokeInterval;
  double poke_backoff = 1.0;
  Duration sensor_timeout = limits::kDefaultSensorTimeout;
  bool soft_fail = false;

  // Branch and short circuit.
  std::vector<BranchCase> cases;
  std::vector<std::string> otherwise;  // `else`
  std::string condition;               // short_circuit
  bool ignore_downstream_trigger_rules = true;

  // The operator's own fields (argv, run, in, out, features, ...) as canonical JSON text: an
  // object, templates unrendered.
  std::string params = "{}";
};

std::string_view ToString(TaskKind kind);
std::string_view ToString(MapMode mode);
std::string_view ToString(OnEmptyMap mode);
std::string_view ToString(OutputMode mode);
std::string_view ToString(WeightRule rule);
std::optional<MapMode> ParseMapMode(std::string_view word);
std::optional<OnEmptyMap> ParseOnEmptyMap(std::string_view word);
std::optional<OutputMode> ParseOutputMode(std::string_view word);
std::optional<WeightRule> ParseWeightRule(std::string_view word);

}  // namespace nightmill
