// Sums over everything reachable in a graph: what `weight_rule` downstream and upstream mean
// (Airflow's: own weight plus the weights of all distinct descendants or ancestors).
#pragma once

#include <cstdint>
#include <vector>

namespace nightmill {

// sums[i] = weights[i] + the weights of all distinct nodes reachable from i, exact. Every edge of
// `next` leads from a lower to a higher index. Chains and trees cost O(nodes + edges); a graph
// whose paths join again and again costs at most nodes * edges / 64 word operations (about half a
// second for 100,000 tasks with 1,000,000 edges), never a walk per task over all that follows it.
std::vector<std::int64_t> SumReachable(const std::vector<std::vector<int>>& next,
                                       const std::vector<int>& weights);

}  // namespace nightmill
