// Which files of a partition `compact` rewrites (compute.md 4.1). Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "operators/columnar/table_writer.h"

namespace nightmill {

struct CompactRules {
  std::int64_t target_bytes = 128'000'000;
  std::int64_t min_inputs = 5;
  // Paths that an earlier compaction under the same rules wrote: rewriting them changes nothing.
  std::vector<std::string> settled = {};
};

// Indices of the files to rewrite together, ascending; empty: nothing to gain. Candidates are files
// below 75 % or above 180 % of the target, and files of several row groups that average under 64k
// rows and 16 MB. There must be min_inputs of them, or a target's worth of bytes; one small file
// alone is never rewritten.
std::vector<std::size_t> PlanCompaction(std::span<const DataFile> files, const CompactRules& rules);

// Files grow to this when compacting: 110 % of the target.
inline std::int64_t CompactFileLimit(std::int64_t target_bytes) {
  return target_bytes + target_bytes / 10;
}

}  // namespace nightmill
