// IANA time zones over Howard Hinnant's date library with the system's zone files, right also after
// 2037, where that library ignores the files' POSIX footer (toolchain.md): later instants follow
// the footer. Immutable, shared, cached by name.
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
  virtual std::chrono::seconds OffsetAt(Instant t) const = 0;

  struct Mapping {
    enum class Kind { kUnique, kGap, kOverlap } kind = Kind::kUnique;
    Instant first;   // kUnique: the instant; kOverlap: the earlier one; kGap: first instant after it
    Instant second;  // kOverlap: the later one; else = first
  };
  virtual Mapping Map(LocalTime local) const = 0;

  LocalTime ToLocal(Instant t) const {
    return LocalTime{t.time_since_epoch() + OffsetAt(t)};
  }
  // "2026-03-29T03:00:00+02:00".
  std::string Format(Instant t) const;
};

}  // namespace nightmill
