// The contract between an operator host and a native operator (compute.md 1). An Operator is
// immutable and keeps nothing between runs: all state of one run lives in Run. Free of Arrow, so
// that the worker's runtime can include it. Thread rule: Run is called by one thread at a time per
// context; it may start threads of its own (context.threads) and joins them before it returns.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "core/base/result.h"

namespace nightmill {

// The closed list of compute.md 1.2; the word is what `retry_on` may name.
enum class OperatorErrorCode : std::uint8_t {
  kBadSpec,
  kBadInput,
  kCheck,
  kIo,
  kOomBudget,
  kConflict,
  kCancelled,
  kInternal,
};
std::string_view ToString(OperatorErrorCode code);

// What failed and what is known of the place; unknown parts are empty or -1.
struct OperatorError {
  OperatorErrorCode code = OperatorErrorCode::kInternal;
  std::string message;  // one sentence, says what
  std::string reason;   // machine word: "unsupported", "missing_column", ...
  std::string hint;     // next step
  std::string file;
  std::int64_t row_group = -1;
  std::string column;
  std::int64_t page = -1;
  std::int64_t row = -1;
  std::int64_t line = -1;
  std::string report = {};  // JSON detail, e.g. the failed checks; "" if none
};
// {"code","message","reason","hint","file","row_group","column","page","row","line","detail"}, only
// what is known.
std::string ToJson(const OperatorError& error);
// "bad_input: lake/x.parquet, row group 3, column user_id: message (hint)".
std::string ToLine(const OperatorError& error);

// Below this no operator can work: what names a smaller budget is refused.
inline constexpr std::int64_t kLeastMemoryBytes = 16 << 20;

// Counters that the host sends as progress; operators add to them, anybody may read.
struct OperatorProgress {
  std::atomic<std::int64_t> rows_in{0};
  std::atomic<std::int64_t> bytes_read{0};
  std::atomic<std::int64_t> bytes_written{0};
  std::atomic<std::int64_t> units_done{0};
  std::atomic<std::int64_t> units_total{0};
};

struct OperatorContext {
  std::string data_root;     // absolute; base of relative paths in the spec
  std::string attempt_name;  // unique per attempt: names the staging folder; "op" offline
  int threads = 1;
  std::int64_t memory_bytes = 512'000'000;      // budget of a spec that names none
  std::optional<std::int64_t> memory_cap = {};  // no spec gets more; kLeastMemoryBytes at least
  std::atomic<bool>* cancelled = nullptr;       // tested per block; never null in Run
  OperatorProgress* progress = nullptr;         // never null in Run
  // Asks the supervisor for leave to publish right before the commit of a table; an error means
  // that this attempt is fenced and must stop with kCancelled. Never empty in Run.
  std::function<Status()> leave_to_publish;
  // One line for the attempt's log. Never empty in Run.
  std::function<void(std::string_view)> log;
};

// JSON of compute.md 1.1 step 8, <= 64 KiB:
// {outcome, table, version, partitions: [...], checks, profile, warnings, phase_seconds}.
using OperatorResult = std::variant<std::string, OperatorError>;

class Operator {
 public:
  virtual ~Operator() = default;
  // `spec` is the resolved spec: a JSON object, templates rendered.
  virtual OperatorResult Run(std::string_view spec, const OperatorContext& context) const = 0;
};

// The native operator of this type, or null. Linked into the worker only (registry.cc).
const Operator* FindOperator(std::string_view type);

}  // namespace nightmill
