// Which slots become runs (semantics.md 2.4).
#include <algorithm>

#include "core/schedule/timetable.h"

namespace nightmill {
namespace {

constexpr std::chrono::microseconds kMicro{1};
// Skipped slots beyond this many are counted, not listed: a schedule that was off for years must
// not write a row per missed minute.
constexpr std::size_t kMaxListed = limits::kDefaultCatchupLimit;
// The count stops here too, so that one decision stays a matter of milliseconds.
constexpr std::int64_t kMaxCounted = limits::kMaxCatchupLimit;

// Nothing at or before this tick is open.
Instant FirstOpen(const Timetable& timetable, const SlotCursor& cursor) {
  if (cursor.last_tick) return *cursor.last_tick;
  if (timetable.start()) return Instant::min();
  // Without start_date the interval in progress at the first acceptance is the first one, unless
  // the DAG asks for the one that was just complete.
  if (timetable.spec().run_immediately) {
    const std::optional<Slot> complete = timetable.PrevSlot(cursor.first_accepted);
    if (complete) return complete->tick - kMicro;
  }
  return cursor.first_accepted;
}

bool AskedForAtOnce(const Timetable& timetable, const SlotCursor& cursor, const Slot& slot) {
  return timetable.spec().run_immediately && !cursor.last_tick && !timetable.start() &&
         slot.tick <= cursor.first_accepted;
}

// @once without a date: due when the DAG was first accepted, which no timetable knows.
SlotPlan DecideUndatedOnce(const Timetable& timetable, const SlotCursor& cursor) {
  SlotPlan plan;
  plan.last_tick = cursor.last_tick;
  if (cursor.last_tick) return plan;
  const Instant tick = cursor.first_accepted;
  plan.decisions.push_back({{tick, tick, timetable.ManualInterval(std::nullopt, tick)}, true, {}});
  plan.last_tick = tick;
  return plan;
}

// The due slots after `open`, newest first, at most `max`; of the rest at most `max_more` counted.
struct DueSlots {
  std::vector<Slot> slots;
  std::int64_t more = 0;
};
DueSlots CollectDue(const Timetable& timetable, Instant open, Instant now, std::size_t max,
                    std::int64_t max_more) {
  DueSlots due;
  std::optional<Slot> slot = timetable.PrevSlot(now);
  // Jitter never reaches the next tick, so only the newest slot can still be waiting for it.
  if (slot && slot->run_after > now) slot = timetable.PrevSlot(slot->tick - kMicro);
  for (; slot && slot->tick > open; slot = timetable.PrevSlot(slot->tick - kMicro)) {
    if (due.slots.size() < max) {
      due.slots.push_back(*slot);
    } else if (due.more++ >= max_more) {
      due.more = max_more;
      break;
    }
  }
  return due;
}

// `newer_missed`: missed slots between this missed slot and now.
SlotDecision DecideMissed(const Slot& slot, const ScheduleSpec& spec, std::size_t newer_missed,
                          Instant now) {
  switch (spec.catchup) {
    case Catchup::kNone:
      return {slot, false, "catchup_none"};
    case Catchup::kLatest:
      if (newer_missed > 0) return {slot, false, "catchup_latest"};
      return {slot, true, {}};
    case Catchup::kAll:
      break;
  }
  const bool beyond_limit = newer_missed >= static_cast<std::size_t>(spec.catchup_limit);
  const bool beyond_window = spec.catchup_window && slot.tick < now - *spec.catchup_window;
  if (beyond_limit || beyond_window) return {slot, false, "catchup_limit"};
  return {slot, true, {}};
}

}  // namespace

SlotPlan DecideSlots(const Timetable& timetable, const SlotCursor& cursor, Instant enabled_at,
                     Instant now) {
  const ScheduleSpec& spec = timetable.spec();
  if (spec.once && !timetable.start()) return DecideUndatedOnce(timetable, cursor);

  const Instant open = FirstOpen(timetable, cursor);
  // Only `all` says how much it left out.
  const bool all = spec.catchup == Catchup::kAll;
  const std::size_t wanted = all ? static_cast<std::size_t>(spec.catchup_limit) + 1 : 0;
  const DueSlots due =
      CollectDue(timetable, open, now, std::max(kMaxListed, wanted), all ? kMaxCounted : 0);

  SlotPlan plan;
  plan.truncated = due.more;
  plan.last_tick = cursor.last_tick;
  std::size_t missed_count = 0;
  for (const Slot& slot : due.slots) {
    const bool missed = slot.run_after < enabled_at || now - slot.run_after > limits::kMisfireGrace;
    if (!missed || AskedForAtOnce(timetable, cursor, slot)) {
      plan.decisions.push_back({slot, true, {}});
      continue;
    }
    plan.decisions.push_back(DecideMissed(slot, spec, missed_count++, now));
    if (plan.decisions.back().reason == "catchup_limit") ++plan.truncated;
  }
  std::reverse(plan.decisions.begin(), plan.decisions.end());
  if (!plan.decisions.empty()) plan.last_tick = plan.decisions.back().slot.tick;
  const std::optional<Slot> next = timetable.NextSlot(plan.last_tick.value_or(open));
  if (next) plan.wake_at = next->run_after;
  return plan;
}

}  // namespace nightmill
