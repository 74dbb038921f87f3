#include "core/schedule/time_zone.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <mutex>
#include <numeric>
#include <utility>
#include <vector>

#include "core/schedule/zone_file.h"

namespace nightmill {
namespace {

using std::chrono::seconds;

// The Gregorian calendar, weekdays included, repeats after 400 years.
constexpr seconds kCycle{std::int64_t{146'097} * 86'400};
// Every zone follows its rule by then, and the table goes on for a full cycle.
constexpr int kFoldYear = 2200;
static_assert(kLastTabulatedYear > kFoldYear + 400);
constexpr Instant kFold{std::chrono::sys_days{std::chrono::year{kFoldYear} / 1 / 1}};
// No two offsets of one zone differ by more, so local and UTC order agree beyond this distance.
constexpr std::chrono::hours kMaxShift{26};

class TableZone final : public TimeZone {
 public:
  TableZone(std::string name, ZoneTable table) : name_(std::move(name)), table_(std::move(table)) {}

  const std::string& name() const override { return name_; }

  Segment SegmentAt(Instant t) const override {
    if (t < kFold || Lookup(kFold).end == Instant::max()) return Lookup(t);
    const seconds folded = (t - kFold) / kCycle * kCycle;
    Segment segment = Lookup(t - folded);
    segment.begin += folded;
    if (segment.end != Instant::max()) segment.end += folded;
    return segment;
  }

 private:
  Segment Lookup(Instant t) const {
    const std::vector<ZoneTable::Change>& changes = table_.changes;
    const auto at = std::chrono::floor<seconds>(t).time_since_epoch().count();
    const auto next = std::upper_bound(changes.begin(), changes.end(), at,
                                       [](std::int64_t v, const auto& c) { return v < c.at_s; });
    const auto instant = [](const ZoneTable::Change& change) {
      return Instant{seconds{change.at_s}};
    };
    Segment segment{Instant::min(), Instant::max(), seconds{table_.first_offset_s}};
    if (next != changes.end()) segment.end = instant(*next);
    if (next != changes.begin()) {
      segment.begin = instant(*std::prev(next));
      segment.offset = seconds{std::prev(next)->offset_s};
    }
    return segment;
  }

  std::string name_;
  ZoneTable table_;
};

std::size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t change = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({change, row[j] + 1, diagonal + 1});
    }
  }
  return row[b.size()];
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) {
    return c == ' ' ? '_' : static_cast<char>(std::tolower(c));
  });
  return lower;
}

// "madrid" of "europe/madrid".
std::string LastPart(const std::string& name) { return name.substr(name.rfind('/') + 1); }

// The nearest known name, by whole name or by its last part ("Madrid", "Spain/Madrid"), or the
// general advice: one wrong letter in three is a misspelling, more is another word.
std::string HintFor(std::string_view name) {
  constexpr std::size_t kMaxDistance = 3;
  constexpr std::size_t kMaxLength = 100;
  const std::string wanted = Lower(name.substr(0, kMaxLength));
  const std::string wanted_last = LastPart(wanted);
  std::string best;
  std::size_t best_distance = kMaxDistance + 1;
  const auto offer = [&](std::size_t distance, std::size_t length, const std::string& candidate) {
    if (distance >= best_distance || distance * 3 > length) return;
    best_distance = distance;
    best = candidate;
  };
  for (const std::string& candidate : ListZoneNames()) {
    const std::string lower = Lower(candidate);
    const std::string last = LastPart(lower);
    offer(EditDistance(wanted, lower), wanted.size(), candidate);
    offer(EditDistance(wanted, last), wanted.size(), candidate);
    // The place is right, the part before it is not.
    if (wanted_last == last) offer(kMaxDistance, kMaxDistance * 3, candidate);
  }
  if (!best.empty()) return fmt::format("did you mean \"{}\"?", best);
  return "use an IANA name such as Europe/Madrid, or UTC";
}

}  // namespace

Result<std::shared_ptr<const TimeZone>> TimeZone::Find(std::string_view name) {
  // Zones never change while the process lives, so the cache needs no eviction; the number of
  // names that exist bounds it.
  static std::mutex mutex;
  static std::map<std::string, std::shared_ptr<const TimeZone>, std::less<>> cache;
  const std::lock_guard lock(mutex);
  if (const auto found = cache.find(name); found != cache.end()) return found->second;

  ZoneTable table;
  if (name != "UTC") {  // works without zone files
    Result<ZoneTable> read = ReadZoneFile(name);
    if (!read.ok()) {
      Error error = std::move(read).error();
      if (error.code == ErrorCode::kNotFound) error.hint = HintFor(name);
      error.code = ErrorCode::kInvalid;
      return error;
    }
    table = *std::move(read);
  }
  std::shared_ptr<const TimeZone> zone =
      std::make_shared<TableZone>(std::string(name), std::move(table));
  cache.emplace(name, zone);
  return zone;
}

const TimeZone& TimeZone::Utc() {
  static const TableZone utc("UTC", ZoneTable{});
  return utc;
}

TimeZone::Mapping TimeZone::Map(LocalTime local) const {
  // Every segment that could hold this local time, in order.
  const Instant around{local.time_since_epoch()};
  Segment segment = SegmentAt(around - kMaxShift);
  Mapping mapping{Mapping::Kind::kGap, Instant::min(), Instant::min()};
  bool found = false;
  bool gap_found = false;
  for (;;) {
    const Instant t{local.time_since_epoch() - segment.offset};
    if (segment.begin <= t && t < segment.end) {
      if (found) return {Mapping::Kind::kOverlap, mapping.first, t};
      found = true;
      mapping = {Mapping::Kind::kUnique, t, t};
    }
    if (segment.end > around + kMaxShift) break;
    const Segment next = SegmentAt(segment.end);
    const bool skipped = t >= segment.end && segment.end + next.offset > around;
    if (!found && !gap_found && skipped) {
      gap_found = true;
      mapping.first = mapping.second = segment.end;
    }
    segment = next;
  }
  CHECK(found || gap_found);
  return mapping;
}

Instant TimeZone::StartOfDay(std::int32_t day) const {
  return Map(LocalTime{std::chrono::days{day}}).first;
}

std::string TimeZone::Format(Instant t) const {
  const std::int64_t offset = OffsetAt(t).count();
  const std::int64_t size = offset < 0 ? -offset : offset;
  std::string text = FormatInstant(t + seconds{offset});
  text.back() = offset < 0 ? '-' : '+';  // in place of the "Z"
  text += fmt::format("{:02}:{:02}", size / 3600, size / 60 % 60);
  if (size % 60 != 0) text += fmt::format(":{:02}", size % 60);
  return text;
}

}  // namespace nightmill
