// What the outside is told of (product.md 7): alerts, written in the commit of their cause, and one
// delivery of an alert for each notifier that wants it (the outbox). The engine makes the rows; the
// daemon's sender delivers and from then on owns the delivery rows. Values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/strong_id.h"
#include "core/base/time.h"

namespace nightmill {

using AlertId = StrongId<struct AlertTag>;  // row id in the append-only alert table

enum class AlertType : std::uint8_t {
  kRunFailed,
  kRunRecovered,  // in place of success: the first one after a failure
  kRunSuccess,
  kTaskFailed,
  kTaskRetry,
  kTaskSuccess,
  kTaskSkipped,
  kSlaWarning,
  kSlaMissed,
  kSlaResolved,
  kBackfillCompleted,
  kWorkerLost,
  kNotifierDisabled,
  kTest,  // a sample that somebody asked for
};
inline constexpr int kAlertTypeCount = 14;
std::string_view ToString(AlertType type);  // "run.failed"
std::optional<AlertType> ParseAlertType(std::string_view word);

// Ascending; PagerDuty's words.
enum class Severity : std::uint8_t { kInfo, kWarning, kError, kCritical };
std::string_view ToString(Severity severity);
std::optional<Severity> ParseSeverity(std::string_view word);

// What the engine must know of a notifier to decide whether it gets an alert.
struct NotifierRule {
  std::string name;
  std::vector<std::string> events;  // "run.failed", "sla.*", "*"; empty: only where named
  Severity min_severity = Severity::kInfo;
};
// Whether one of the patterns covers the type: a whole word, "<group>.*" or "*".
bool Covers(const std::vector<std::string>& patterns, AlertType type);

struct AlertRow {  // key: alert; append-only, ids without gaps
  AlertId alert;
  Instant at;
  AlertType type = AlertType::kRunFailed;
  Severity severity = Severity::kInfo;
  std::string dag_id;
  RunKey run;  // 0: of no run (an SLA whose run never was, a worker)
  std::string task_id;
  int map_index = -1;
  // "run:<dag>:<run>", "sla:<dag>:<name>:<slot>": a later alert of the same key raises or resolves
  // the earlier one. "" if nothing can follow.
  std::string dedup_key;
  std::string data = "{}";  // JSON: `data` of the webhook's body
};

enum class DeliveryState : std::uint8_t {
  kPending,    // to be sent at next_at
  kDelivered,  // the receiver took it
  kDead,       // given up; may be sent again by hand
  kDropped,    // not needed any more: a resolve whose trigger never left
  kSilenced,   // a silence of the configuration covers it
};
inline constexpr int kDeliveryStateCount = 5;
std::string_view ToString(DeliveryState state);
std::optional<DeliveryState> ParseDeliveryState(std::string_view word);

struct DeliveryRow {  // key: (alert, notifier)
  AlertId alert;
  std::string notifier;
  DeliveryState state = DeliveryState::kPending;
  int tries = 0;
  Instant next_at;                  // of the next try while pending
  std::optional<Instant> ended_at;  // once not pending
  std::optional<Instant> last_at;   // of the last try
  int last_status = 0;              // HTTP status of the last answer; 0: none came
  std::string last_error;           // one sentence, "" after a success
};

// One SLA entry of a DAG on one slot (or run, or cycle of a task), as semantics.md 9 arms it.
enum class SlaState : std::uint8_t {
  kArmed,
  kWarned,
  kMissed,
  kMet,            // landed before anything was sent
  kResolved,       // landed after a warning or a miss
  kNotApplicable,  // due was past already when it was to be armed
};
std::string_view ToString(SlaState state);
std::optional<SlaState> ParseSlaState(std::string_view word);

struct SlaRow {  // key: (dag_id, name, slot, map_index)
  std::string dag_id;
  std::string name;
  // Logical date of the slot or run; of a run without one its queueing, of a later cycle its
  // beginning (both and up to 1 ms more, to tell runs of one instant apart); of stale_after the
  // reference.
  Instant slot;
  std::string task_id;  // "": the whole run
  int map_index = -1;
  RunKey run;  // 0 until there is one
  SlaState state = SlaState::kArmed;
  Severity severity = Severity::kError;
  Instant reference;
  std::optional<Instant> warn_at;  // absent while the due instant is not known
  std::optional<Instant> due_at;
  std::optional<Instant> warned_at;
  std::optional<Instant> missed_at;
  std::optional<Instant> landed_at;
  std::string cause;  // of the warning: time, forecast, failed; "" before
};

// What was known when an SLA was warned of, or missed without a warning. What became of it is in
// its SlaRow.
struct SlaMissRow {  // key: miss
  EventId miss;      // the event that tells of it
  std::string dag_id;
  std::string name;
  Instant slot;
  int map_index = -1;
  std::string kind;  // word of the SlaKind it had then
  std::optional<Instant> predicted_end;
  // JSON: {task_list, task_count, blocking_task_list, blocking_task_count}, the lists cut.
  std::string holdup = "{}";
};

}  // namespace nightmill
