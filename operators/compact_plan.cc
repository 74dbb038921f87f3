#include "operators/compact_plan.h"

#include <algorithm>

namespace nightmill {
namespace {

constexpr std::int64_t kSmallGroupRows = 64 << 10;
constexpr std::int64_t kSmallGroupBytes = 16'000'000;

bool HasSmallRowGroups(const DataFile& file) {
  return file.row_groups > 1 && file.rows / file.row_groups < kSmallGroupRows &&
         file.bytes / file.row_groups < kSmallGroupBytes;
}

// A file above the target of a single row group cannot be made smaller.
bool IsCandidate(const DataFile& file, std::int64_t target) {
  const bool small = file.bytes < target / 4 * 3;
  const bool large = file.bytes > target / 5 * 9 && file.row_groups > 1;
  return small || large || HasSmallRowGroups(file);
}

}  // namespace

std::vector<std::size_t> PlanCompaction(std::span<const DataFile> files,
                                        const CompactRules& rules) {
  std::vector<std::size_t> chosen;
  std::int64_t bytes = 0;
  bool all_settled = true;
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (!IsCandidate(files[i], rules.target_bytes)) continue;
    chosen.push_back(i);
    bytes += files[i].bytes;
    all_settled = all_settled && std::find(rules.settled.begin(), rules.settled.end(),
                                           files[i].path) != rules.settled.end();
  }
  if (chosen.empty() || all_settled) return {};
  if (chosen.size() == 1) {
    const DataFile& only = files[chosen[0]];
    const bool worth_it = only.bytes > rules.target_bytes / 5 * 9 || HasSmallRowGroups(only);
    return worth_it ? chosen : std::vector<std::size_t>();
  }
  const auto count = static_cast<std::int64_t>(chosen.size());
  if (count < rules.min_inputs && bytes < rules.target_bytes) return {};
  return chosen;
}

}  // namespace nightmill
