// IANA time zones from the system's zone files (TZif, RFC 8536), read whole: the listed changes
// and, after the last of them, the POSIX footer. Libraries that stop at the listed ones are wrong
// from 2038 on, with the "slim" files that zic writes by default even earlier. Immutable, shared,
// cached by name; every function may be called from any thread.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "core/base/result.h"
#include "core/base/time.h"

namespace nightmill {

using LocalTime = std::chrono::local_time<std::chrono::microseconds>;

class TimeZone {
 public:
  // "Europe/Madrid", "UTC"; kInvalid with a did-you-mean hint for an unknown name.
  static Result<std::shared_ptr<const TimeZone>> Find(std::string_view name);
  static const TimeZone& Utc();

  virtual ~TimeZone() = default;

  virtual const std::string& name() const = 0;

  // A stretch of time [begin, end) with one offset; neighbours have different offsets. The first
  // one begins at Instant::min(), the last one, if any, ends at Instant::max().
  struct Segment {
    Instant begin;
    Instant end;
    std::chrono::seconds offset;  // local time - UTC
  };
  virtual Segment SegmentAt(Instant t) const = 0;

  struct Mapping {
    enum class Kind { kUnique, kGap, kOverlap } kind = Kind::kUnique;
    Instant first;  // kUnique: the instant; kOverlap: the earlier one; kGap: first instant after it
    Instant second;  // kOverlap: the later one; else = first
  };
  Mapping Map(LocalTime local) const;

  std::chrono::seconds OffsetAt(Instant t) const { return SegmentAt(t).offset; }
  LocalTime ToLocal(Instant t) const { return LocalTime{t.time_since_epoch() + OffsetAt(t)}; }
  // First instant of a local day (days since 1970-01-01); for a day that the zone skipped, the
  // first one after it.
  Instant StartOfDay(std::int32_t day) const;
  // "2026-03-29T03:00:00+02:00".
  std::string Format(Instant t) const;
};

}  // namespace nightmill
