#include "core/schedule/ticks.h"

#include <algorithm>
#include <utility>

#include "core/base/limits.h"
#include "core/schedule/cron_fields.h"

namespace nightmill {
namespace {

using std::chrono::microseconds;

constexpr microseconds kMicro{1};
constexpr Instant kEpoch{};
constexpr Instant kEnd{std::chrono::sys_days{std::chrono::year{limits::kLastCronYear + 1} / 1 / 1}};

class CronTicks final : public Ticks {
 public:
  explicit CronTicks(std::vector<ZonedCron> crons) : crons_(std::move(crons)) {}

  std::optional<Instant> After(Instant t) const override {
    std::optional<Instant> best;
    for (const ZonedCron& entry : crons_) {
      const std::optional<Instant> next = entry.cron.Next(t, *entry.zone);
      if (next && (!best || *next < *best)) best = next;
    }
    return best;
  }

  std::optional<Instant> Before(Instant t) const override {
    std::optional<Instant> best;
    for (const ZonedCron& entry : crons_) {
      const std::optional<Instant> prev = entry.cron.Prev(t, *entry.zone);
      if (prev && (!best || *prev > *best)) best = prev;
    }
    return best;
  }

  int IndexAt(Instant tick) const override {
    for (std::size_t i = 0; i < crons_.size(); ++i) {
      if (crons_[i].cron.FiresAt(tick, *crons_[i].zone)) return static_cast<int>(i);
    }
    return 0;
  }

  std::string NoteAt(Instant tick) const override {
    const ZonedCron& entry = crons_[static_cast<std::size_t>(IndexAt(tick))];
    return entry.cron.NoteAt(tick, *entry.zone);
  }

 private:
  std::vector<ZonedCron> crons_;
};

class PeriodTicks final : public Ticks {
 public:
  PeriodTicks(Instant anchor, Duration period) : anchor_(anchor), period_(period) {}

  std::optional<Instant> After(Instant t) const override {
    t = std::max(t, kEpoch - kMicro);
    const Instant next = FloorTick(t) + period_;
    return next < kEnd ? std::optional(next) : std::nullopt;
  }

  std::optional<Instant> Before(Instant t) const override {
    t = std::min(t, kEnd);
    const Instant prev = FloorTick(t - kMicro);
    return prev >= kEpoch ? std::optional(prev) : std::nullopt;
  }

 private:
  // Last tick at or before t.
  Instant FloorTick(Instant t) const {
    const microseconds since = t - anchor_;
    microseconds rest = since % period_;
    if (rest < microseconds{0}) rest += period_;
    return t - rest;
  }

  Instant anchor_;
  microseconds period_;
};

class ListTicks final : public Ticks {
 public:
  explicit ListTicks(std::vector<Instant> instants) : instants_(std::move(instants)) {
    std::sort(instants_.begin(), instants_.end());
    instants_.erase(std::unique(instants_.begin(), instants_.end()), instants_.end());
  }

  std::optional<Instant> After(Instant t) const override {
    const auto it = std::upper_bound(instants_.begin(), instants_.end(), t);
    return it == instants_.end() ? std::nullopt : std::optional(*it);
  }

  std::optional<Instant> Before(Instant t) const override {
    const auto it = std::lower_bound(instants_.begin(), instants_.end(), t);
    return it == instants_.begin() ? std::nullopt : std::optional(*std::prev(it));
  }

 private:
  std::vector<Instant> instants_;
};

class ExcludedTicks final : public Ticks {
 public:
  ExcludedTicks(std::unique_ptr<const Ticks> inner, Exclusions exclusions)
      : inner_(std::move(inner)), exclusions_(std::move(exclusions)) {}

  std::optional<Instant> After(Instant t) const override {
    for (int skipped = 0; skipped < kMaxSkips; ++skipped) {
      const std::optional<Instant> tick = inner_->After(t);
      if (!tick) return std::nullopt;
      const std::int32_t day = DayOf(*tick);
      if (DayExcluded(day)) {
        t = std::max(*tick, exclusions_.zone->StartOfDay(day + 1) - kMicro);
      } else if (TickExcluded(*tick)) {
        t = *tick;
      } else {
        return tick;
      }
    }
    return std::nullopt;
  }

  std::optional<Instant> Before(Instant t) const override {
    for (int skipped = 0; skipped < kMaxSkips; ++skipped) {
      const std::optional<Instant> tick = inner_->Before(t);
      if (!tick) return std::nullopt;
      const std::int32_t day = DayOf(*tick);
      if (DayExcluded(day)) {
        t = std::min(*tick, exclusions_.zone->StartOfDay(day));
      } else if (TickExcluded(*tick)) {
        t = *tick;
      } else {
        return tick;
      }
    }
    return std::nullopt;
  }

  int IndexAt(Instant tick) const override { return inner_->IndexAt(tick); }
  std::string NoteAt(Instant tick) const override { return inner_->NoteAt(tick); }

 private:
  static constexpr int kMaxSkips = 100'000;

  std::int32_t DayOf(Instant t) const {
    const auto day = std::chrono::floor<std::chrono::days>(exclusions_.zone->ToLocal(t));
    return static_cast<std::int32_t>(day.time_since_epoch().count());
  }

  // Separate from single ticks so that a search leaps over a whole day at once.
  bool DayExcluded(std::int32_t day) const {
    if (std::binary_search(exclusions_.days.begin(), exclusions_.days.end(), day)) return true;
    for (std::size_t i = 0; i < exclusions_.crons.size(); ++i) {
      const CronExpr::Fields& fields = exclusions_.crons[i].fields();
      if (!fields.MatchesDay(day)) continue;
      if (fields.CoversWholeDays() || (exclusions_.covers[i] && PlainDay(day))) return true;
    }
    return false;
  }

  // No clock change within the day or at its start, which moves ticks and repeats them.
  bool PlainDay(std::int32_t day) const {
    const Instant start = exclusions_.zone->StartOfDay(day);
    const TimeZone::Segment segment = exclusions_.zone->SegmentAt(start);
    return segment.begin < start && exclusions_.zone->StartOfDay(day + 1) <= segment.end;
  }

  bool TickExcluded(Instant tick) const {
    return std::any_of(exclusions_.crons.begin(), exclusions_.crons.end(),
                       [&](const auto& cron) { return cron.FiresAt(tick, *exclusions_.zone); });
  }

  std::unique_ptr<const Ticks> inner_;
  Exclusions exclusions_;
};

}  // namespace

std::unique_ptr<const Ticks> MakeCronTicks(std::vector<ZonedCron> crons) {
  return std::make_unique<CronTicks>(std::move(crons));
}

std::unique_ptr<const Ticks> MakePeriodTicks(Instant anchor, Duration period) {
  return std::make_unique<PeriodTicks>(anchor, period);
}

std::unique_ptr<const Ticks> MakeListTicks(std::vector<Instant> instants) {
  return std::make_unique<ListTicks>(std::move(instants));
}

std::unique_ptr<const Ticks> MakeExcludedTicks(std::unique_ptr<const Ticks> inner,
                                               Exclusions exclusions) {
  return std::make_unique<ExcludedTicks>(std::move(inner), std::move(exclusions));
}

}  // namespace nightmill
