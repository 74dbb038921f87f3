#include "core/model/priority.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>

namespace nightmill {
namespace {

// Edge visits that plain walks may spend before the bit sets take over.
constexpr std::int64_t kWalkBudgetPerEdge = 16;
constexpr std::int64_t kWalkBudgetMin = 4'000'000;

// Walks the nodes reachable from `root`, each once; `seen` holds the root that saw a node last.
// Returns the number of edges looked at.
std::int64_t Walk(const std::vector<std::vector<int>>& next, const std::vector<int>& weights,
                  int root, std::vector<int>& seen, std::int64_t& sum) {
  std::vector<int> stack = {root};
  seen[static_cast<std::size_t>(root)] = root;
  std::int64_t edges = 0;
  sum = 0;
  while (!stack.empty()) {
    const auto node = static_cast<std::size_t>(stack.back());
    stack.pop_back();
    sum += weights[node];
    edges += static_cast<std::int64_t>(next[node].size());
    for (const int child : next[node]) {
      int& mark = seen[static_cast<std::size_t>(child)];
      if (mark == root) continue;
      mark = root;
      stack.push_back(child);
    }
  }
  return edges;
}

// A node with at most one child adds its own weight to that child's sum; only nodes where paths
// part need a walk. False if the walks would cost too much (`sums` is then useless).
bool SumByWalks(const std::vector<std::vector<int>>& next, const std::vector<int>& weights,
                std::vector<std::int64_t>& sums) {
  std::int64_t edges = 0;
  for (const auto& children : next) edges += static_cast<std::int64_t>(children.size());
  std::int64_t budget = std::max(kWalkBudgetMin, kWalkBudgetPerEdge * edges);
  std::vector<int> seen(next.size(), -1);
  for (std::size_t i = next.size(); i-- > 0;) {
    if (next[i].size() <= 1) {
      sums[i] = weights[i];
      if (!next[i].empty()) sums[i] += sums[static_cast<std::size_t>(next[i].front())];
      continue;
    }
    budget -= Walk(next, weights, static_cast<int>(i), seen, sums[i]);
    if (budget < 0) return false;
  }
  return true;
}

constexpr std::size_t kWords = 4;
constexpr std::size_t kBlock = 64 * kWords;
using Bits = std::array<std::uint64_t, kWords>;

// The weights of up to 256 nodes cut into bit planes, so that the weight of a set is a sum of
// popcounts. Plane 31 is the sign of two's complement.
struct Planes {
  struct Plane {
    std::int64_t factor;
    Bits bits;
  };
  std::vector<Plane> planes;  // only those that are not empty: one, if every weight is 1

  Planes(const std::vector<int>& weights, std::size_t begin, std::size_t end) {
    for (unsigned bit = 0; bit < 32; ++bit) {
      Plane plane{bit == 31 ? -(std::int64_t{1} << 31) : std::int64_t{1} << bit, {}};
      bool any = false;
      for (std::size_t i = begin; i < end; ++i) {
        const auto weight = static_cast<std::uint32_t>(weights[i]);
        if ((weight >> bit & 1u) == 0) continue;
        plane.bits[(i - begin) / 64] |= std::uint64_t{1} << ((i - begin) % 64);
        any = true;
      }
      if (any) planes.push_back(plane);
    }
  }

  std::int64_t WeightOf(const Bits& set) const {
    std::int64_t sum = 0;
    for (const Plane& plane : planes) {
      int count = 0;
      for (std::size_t w = 0; w < kWords; ++w) count += std::popcount(set[w] & plane.bits[w]);
      sum += plane.factor * count;
    }
    return sum;
  }
};

// Reachability of 256 target nodes at a time, one pass over the edges for each such block.
void SumByBlocks(const std::vector<std::vector<int>>& next, const std::vector<int>& weights,
                 std::vector<std::int64_t>& sums) {
  std::fill(sums.begin(), sums.end(), 0);
  std::vector<Bits> reach(next.size());
  for (std::size_t begin = 0; begin < next.size(); begin += kBlock) {
    const std::size_t end = std::min(next.size(), begin + kBlock);
    const Planes planes(weights, begin, end);
    // Edges lead upwards, so nodes from `end` on cannot reach the block.
    for (std::size_t i = end; i-- > 0;) {
      Bits set{};
      if (i >= begin) set[(i - begin) / 64] |= std::uint64_t{1} << ((i - begin) % 64);
      for (const int child : next[i]) {
        if (static_cast<std::size_t>(child) >= end) continue;
        const Bits& other = reach[static_cast<std::size_t>(child)];
        for (std::size_t w = 0; w < kWords; ++w) set[w] |= other[w];
      }
      reach[i] = set;
      sums[i] += planes.WeightOf(set);
    }
  }
}

}  // namespace

std::vector<std::int64_t> SumReachable(const std::vector<std::vector<int>>& next,
                                       const std::vector<int>& weights) {
  std::vector<std::int64_t> sums(next.size());
  if (!SumByWalks(next, weights, sums)) SumByBlocks(next, weights, sums);
  return sums;
}

}  // namespace nightmill
