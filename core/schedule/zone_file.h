// The content of one TZif file (RFC 8536) as a table of offset changes. This is the only place of
// core that reads a disk; it reads the system's zone files and nothing else.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

namespace nightmill {

// Changes up to the end of this year are written out; the calendar repeats every 400 years.
inline constexpr int kLastTabulatedYear = 2601;

struct ZoneTable {
  struct Change {
    std::int64_t at_s = 0;      // UTC seconds since 1970
    std::int32_t offset_s = 0;  // from then on
  };
  std::int32_t first_offset_s = 0;  // before the first change
  std::vector<Change> changes;      // ascending; each really changes the offset
};

// Parses the bytes of a TZif file of version 2 or later. kInvalid says what is wrong with it.
Result<ZoneTable> ParseZoneFile(std::string_view bytes);

// Adds the changes that a POSIX TZ string ("CET-1CEST,M3.5.0,M10.5.0/3") makes after the last
// change in `table` and up to kLastTabulatedYear. An empty string adds none.
Status ExtendByPosixRule(std::string_view rule, ZoneTable& table);

// Reads the zone file of an IANA name; kNotFound if the system has none of that name, kUnavailable
// if it has no zone files at all.
Result<ZoneTable> ReadZoneFile(std::string_view name);

// All zone names of the system, sorted; empty if it has no zone files.
std::vector<std::string> ListZoneNames();

}  // namespace nightmill
