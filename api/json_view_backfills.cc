// Backfills and pools.
#include <fmt/format.h>

#include <algorithm>

#include "api/json_view.h"
#include "core/base/json.h"

namespace nightmill {

using nlohmann::json;

// A slot is counted by what became of it; one whose run is made, by the state of the run.
json CountsToJson(const std::vector<BackfillSlotCount>& counts) {
  json totals = {{"planned", 0}, {"queued", 0},  {"running", 0},  {"success", 0},
                 {"failed", 0},  {"skipped", 0}, {"cancelled", 0}};
  for (const BackfillSlotCount& count : counts) {
    const bool made = count.state == "created" || count.state == "done";
    const std::string& word = made && !count.run_state.empty() ? count.run_state : count.state;
    const auto it = totals.find(word == "created" ? "queued" : word);
    if (it != totals.end()) *it = it->get<std::int64_t>() + count.count;
  }
  return totals;
}

json RunsPerHour(const BackfillProgress& progress) {
  if (progress.ends.size() < 2) return nullptr;
  const auto span = progress.now - progress.ends.back();
  if (span.count() <= 0) return nullptr;
  const double hours = static_cast<double>(span.count()) / 3.6e9;
  return static_cast<double>(progress.ends.size() - 1) / hours;
}

json EtaToJson(const BackfillRow& backfill, const BackfillProgress& progress) {
  const json rate = RunsPerHour(progress);
  if (backfill.state != BackfillState::kActive || rate.is_null()) return nullptr;
  const json counts = CountsToJson(progress.counts);
  double left = 0;
  for (const char* word : {"planned", "queued", "running"}) left += counts.at(word).get<double>();
  const auto wait = static_cast<std::int64_t>(left / rate.get<double>() * 3.6e9);
  return FormatInstant(progress.now + std::chrono::microseconds(wait));
}

json ToJson(const BackfillRow& backfill, const std::string& display_name,
            const BackfillProgress& progress) {
  const bool ended = backfill.state == BackfillState::kCompleted;
  Instant updated = backfill.ended_at.value_or(backfill.created_at);
  if (!backfill.ended_at && !progress.ends.empty()) updated = progress.ends.front();
  return {{"id", backfill.backfill.value},
          {"dag_id", backfill.dag_id},
          {"dag_display_name", display_name},
          {"from_date", FormatInstant(backfill.from)},
          {"to_date", FormatInstant(backfill.to)},
          {"dag_run_conf", JsonOrNull(backfill.conf)},
          {"is_paused", backfill.state == BackfillState::kPaused},
          {"reprocess_behavior", ToString(backfill.reprocess)},
          {"max_active_runs", backfill.max_active_runs},
          {"run_backwards", backfill.run_backwards},
          {"created_at", FormatInstant(backfill.created_at)},
          {"completed_at", JsonOf(backfill.ended_at)},
          {"updated_at", FormatInstant(updated)},
          {"state", ToString(backfill.state)},
          {"outcome", ended ? TextOrNull(backfill.outcome) : json(nullptr)},
          {"counts", CountsToJson(progress.counts)},
          {"eta", EtaToJson(backfill, progress)}};
}

json ToJson(const BackfillPreviewRow& row) {
  return {{"logical_date", FormatInstant(row.logical_date)},
          {"data_interval_start", FormatInstant(row.interval.start)},
          {"data_interval_end", FormatInstant(row.interval.end)},
          {"verdict", row.verdict},
          {"reason", TextOrNull(row.reason)},
          {"existing_run_id", TextOrNull(row.existing_run_id)}};
}

json ToJson(const BackfillSlotView& view) {
  const BackfillSlotRow& slot = view.slot;
  const bool made = slot.state == "created" || slot.state == "done";
  return {{"seq", slot.seq},
          {"logical_date", FormatInstant(slot.logical_date)},
          {"data_interval_start", FormatInstant(slot.interval.start)},
          {"data_interval_end", FormatInstant(slot.interval.end)},
          {"verdict", slot.verdict},
          {"reason", TextOrNull(slot.reason)},
          {"state", slot.state},
          {"dag_run_id", TextOrNull(view.run_id)},
          {"run_state", made ? TextOrNull(view.run_state) : json(nullptr)}};
}

json ToJson(const PoolRow& pool, const Engine::PoolUse& use) {
  const int occupied =
      use.running_slots + use.queued_slots + (pool.include_deferred ? use.deferred_slots : 0);
  return {{"name", pool.name},
          {"slots", pool.slots},
          {"description", pool.description.empty() ? json(nullptr) : json(pool.description)},
          {"include_deferred", pool.include_deferred},
          {"occupied_slots", occupied},
          {"running_slots", use.running_slots},
          {"queued_slots", use.queued_slots},
          {"scheduled_slots", use.scheduled_slots},
          {"deferred_slots", use.deferred_slots},
          {"open_slots", pool.slots < 0 ? -1 : pool.slots - occupied}};
}

}  // namespace nightmill
