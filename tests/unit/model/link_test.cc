// Link: order, edges, priorities and faults of the graph, on all small graphs and on large ones.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/base/rng.h"
#include "core/model/dag.h"
#include "core/model/priority.h"

namespace nightmill {
namespace {

// "a b<a c<a,b": tasks in the order of the file with what they depend on.
Dag Graph(const std::string& text) {
  Dag dag;
  std::size_t pos = 0;
  while (pos < text.size()) {
    const std::size_t end = std::min(text.find(' ', pos), text.size());
    std::string word = text.substr(pos, end - pos);
    pos = end + 1;
    Task task;
    const std::size_t arrow = word.find('<');
    task.id = word.substr(0, arrow);
    while (arrow != std::string::npos && word.size() > arrow + 1) {
      const std::size_t comma = word.find_last_of("<,");
      task.depends_on.insert(task.depends_on.begin(), word.substr(comma + 1));
      word.resize(comma > arrow ? comma : arrow + 1);
    }
    dag.tasks.push_back(std::move(task));
  }
  return dag;
}

std::string Order(const Dag& dag) {
  std::string order;
  for (const Task& task : dag.tasks) order += (order.empty() ? "" : " ") + task.id;
  return order;
}

TEST(LinkTest, OrdersTopologicallyWithTiesInFileOrder) {
  const std::map<std::string, std::string> cases = {
      {"a b c", "a b c"},     {"c b a", "c b a"},
      {"a<b b", "b a"},       {"a<c b c", "b c a"},
      {"z<y y<x x", "x y z"}, {"join<l,r l<root r<root root", "root l r join"},
  };
  for (const auto& [text, expected] : cases) {
    Dag dag = Graph(text);
    ASSERT_TRUE(Link(dag).ok()) << text;
    EXPECT_EQ(Order(dag), expected) << text;
  }
}

TEST(LinkTest, FillsEdgesAndIndex) {
  Dag dag = Graph("join<l,r l<root r<root root");
  dag.tasks[0].data_upstream = {"l", "root"};  // a data edge may repeat an edge
  ASSERT_TRUE(Link(dag).ok());
  EXPECT_EQ(dag.Find("root"), 0);
  EXPECT_EQ(dag.Find("join"), 3);
  EXPECT_EQ(dag.Find("joi"), -1);
  EXPECT_EQ(dag.Find(""), -1);
  EXPECT_EQ(dag.upstream, (std::vector<std::vector<int>>{{}, {0}, {0}, {0, 1, 2}}));
  EXPECT_EQ(dag.downstream, (std::vector<std::vector<int>>{{1, 2, 3}, {3}, {3}, {}}));
}

TEST(LinkTest, NamesTheFault) {
  struct Case {
    std::string text, message, pointer;
  };
  const std::vector<Case> cases = {
      {"a a", "task \"a\" is there twice", "/tasks/1/id"},
      {"a b<a,x", "no task \"x\"", "/tasks/1/depends_on/1"},
      {"a<a", "task \"a\" depends on itself", "/tasks/0/depends_on/0"},
      {"a<b b<a", "cycle: a -> b -> a", "/tasks/0/depends_on/0"},
      {"x a<x,c b<a c<b d<c", "cycle: a -> b -> c -> a", "/tasks/1/depends_on/1"},
      {"d<c c<b b<c", "cycle: c -> b -> c", "/tasks/1/depends_on/0"},
  };
  for (const Case& c : cases) {
    Dag dag = Graph(c.text);
    const Status status = Link(dag);
    ASSERT_FALSE(status.ok()) << c.text;
    EXPECT_EQ(status.error().code, ErrorCode::kInvalid);
    EXPECT_EQ(status.error().message, c.message) << c.text;
    EXPECT_EQ(status.error().pointer, c.pointer) << c.text;
  }
}

TEST(LinkTest, CycleThroughADataEdgePointsAtTheTask) {
  Dag dag = Graph("a b<a");
  dag.tasks[0].data_upstream = {"b"};
  const Status status = Link(dag);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().message, "cycle: a -> b -> a");
  EXPECT_EQ(status.error().pointer, "/tasks/0");
}

// Every graph of up to four nodes (edges in both directions and self-edges included) is either
// ordered so that parents come first, or named cyclic by a path that really is a cycle.
TEST(LinkTest, AllGraphsOfUpToFourTasks) {
  for (int n = 1; n <= 4; ++n) {
    for (std::uint32_t mask = 0; mask < (1u << (n * n)); ++mask) {
      Dag dag;
      std::set<std::pair<std::string, std::string>> edges;
      for (int i = 0; i < n; ++i) {
        Task task;
        task.id = std::string(1, static_cast<char>('a' + i));
        for (int j = 0; j < n; ++j) {
          if ((mask >> (i * n + j) & 1u) == 0) continue;
          task.depends_on.push_back(std::string(1, static_cast<char>('a' + j)));
          edges.emplace(task.depends_on.back(), task.id);
        }
        dag.tasks.push_back(std::move(task));
      }
      const Status status = Link(dag);
      if (status.ok()) {
        for (const auto& [from, to] : edges) ASSERT_LT(dag.Find(from), dag.Find(to));
        continue;
      }
      const std::string& message = status.error().message;
      if (message.find("itself") != std::string::npos) continue;
      ASSERT_EQ(message.rfind("cycle: ", 0), 0u) << message;
      const std::string path = message.substr(7);
      ASSERT_EQ(path.front(), path.back());
      ASSERT_GT(path.size(), 1u);
      for (std::size_t k = 0; k + 5 < path.size(); k += 5) {
        ASSERT_TRUE(edges.contains({path.substr(k, 1), path.substr(k + 5, 1)})) << message;
      }
    }
  }
}

TEST(PriorityTest, FollowsTheWeightRule) {
  // Airflow's diamond: distinct descendants count once.
  Dag dag = Graph("root l<root r<root join<l,r");
  for (Task& task : dag.tasks) task.priority_weight = 10;
  dag.tasks[1].weight_rule = WeightRule::kUpstream;
  dag.tasks[2].weight_rule = WeightRule::kAbsolute;
  ASSERT_TRUE(Link(dag).ok());
  EXPECT_EQ(dag.priority, (std::vector<int>{40, 20, 10, 10}));
}

TEST(PriorityTest, SaturatesToInt32) {
  Dag dag = Graph("a b<a");
  dag.tasks[0].priority_weight = std::numeric_limits<int>::max();
  dag.tasks[1].priority_weight = 5;
  ASSERT_TRUE(Link(dag).ok());
  EXPECT_EQ(dag.priority[0], std::numeric_limits<int>::max());
  Dag low = Graph("a b<a");
  low.tasks[0].priority_weight = std::numeric_limits<int>::min();
  low.tasks[1].priority_weight = -5;
  ASSERT_TRUE(Link(low).ok());
  EXPECT_EQ(low.priority[0], std::numeric_limits<int>::min());
}

// Walks and bit sets agree with a plain closure, on random graphs, negative weights too.
TEST(PriorityTest, SumsEqualThePlainClosure) {
  Rng rng(20260316);
  for (int round = 0; round < 60; ++round) {
    const auto n = static_cast<std::size_t>(1 + rng.Below(round < 50 ? 40 : 600));
    std::vector<std::vector<int>> next(n);
    std::vector<int> weights(n);
    std::vector<std::set<std::size_t>> reach(n);
    for (std::size_t i = n; i-- > 0;) {
      weights[i] = static_cast<int>(rng.Below(2000)) - 1000;
      reach[i].insert(i);
      for (std::size_t j = i + 1; j < n; ++j) {
        if (!rng.Chance(3, n)) continue;
        next[i].push_back(static_cast<int>(j));
        reach[i].insert(reach[j].begin(), reach[j].end());
      }
    }
    const std::vector<std::int64_t> sums = SumReachable(next, weights);
    for (std::size_t i = 0; i < n; ++i) {
      std::int64_t expected = 0;
      for (const std::size_t j : reach[i]) expected += weights[j];
      ASSERT_EQ(sums[i], expected) << "round " << round << " node " << i;
    }
  }
}

// 64 layers of 32, each task after all of the layer before: the walks' budget is spent at once and
// the bit sets must give the closed form.
TEST(PriorityTest, LayeredGraphTakesTheBitSets) {
  constexpr int kWidth = 32;
  constexpr int kLayers = 128;
  std::vector<std::vector<int>> next(kWidth * kLayers);
  std::vector<int> weights(next.size(), -3);
  for (int layer = 0; layer + 1 < kLayers; ++layer) {
    for (int i = 0; i < kWidth; ++i) {
      for (int j = 0; j < kWidth; ++j) {
        next[static_cast<std::size_t>(layer * kWidth + i)].push_back((layer + 1) * kWidth + j);
      }
    }
  }
  const std::vector<std::int64_t> sums = SumReachable(next, weights);
  for (int layer = 0; layer < kLayers; ++layer) {
    for (int i = 0; i < kWidth; ++i) {
      ASSERT_EQ(sums[static_cast<std::size_t>(layer * kWidth + i)],
                -3LL * (1 + (kLayers - 1 - layer) * kWidth));
    }
  }
}

Task Numbered(int i) {
  Task task;
  task.id = fmt::format("t{}", i);
  return task;
}

TEST(LinkTest, LargeChainBackwardsInTheFile) {
  constexpr int kTasks = 100'000;
  Dag dag;
  for (int i = 0; i < kTasks; ++i) {
    dag.tasks.push_back(Numbered(i));
    if (i + 1 < kTasks) dag.tasks.back().depends_on = {fmt::format("t{}", i + 1)};
  }
  ASSERT_TRUE(Link(dag).ok());
  EXPECT_EQ(dag.tasks.front().id, "t99999");
  EXPECT_EQ(dag.priority.front(), kTasks);
  EXPECT_EQ(dag.priority.back(), 1);
}

TEST(LinkTest, LargeCycleIsNamedWithoutItsLength) {
  constexpr int kTasks = 100'000;
  Dag dag;
  for (int i = 0; i < kTasks; ++i) {
    dag.tasks.push_back(Numbered(i));
    dag.tasks.back().depends_on = {fmt::format("t{}", (i + kTasks - 1) % kTasks)};
  }
  const Status status = Link(dag);
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message.find("t19 -> ... (100000 tasks) -> t0"), std::string::npos);
}

TEST(LinkTest, LargeStarAndBipartite) {
  Dag star;
  star.tasks.push_back(Numbered(0));
  for (int i = 1; i < 100'000; ++i) {
    star.tasks.push_back(Numbered(i));
    star.tasks.back().depends_on = {"t0"};
  }
  ASSERT_TRUE(Link(star).ok());
  EXPECT_EQ(star.priority.front(), 100'000);
  EXPECT_EQ(star.downstream.front().size(), 99'999u);

  constexpr int kSide = 700;
  Dag bipartite;
  for (int i = 0; i < 2 * kSide; ++i) bipartite.tasks.push_back(Numbered(i));
  for (int i = kSide; i < 2 * kSide; ++i) {
    for (int j = 0; j < kSide; ++j) {
      bipartite.tasks[static_cast<std::size_t>(i)].depends_on.push_back(fmt::format("t{}", j));
    }
  }
  ASSERT_TRUE(Link(bipartite).ok());
  EXPECT_EQ(bipartite.priority.front(), 1 + kSide);
  EXPECT_EQ(bipartite.upstream.back().size(), static_cast<std::size_t>(kSide));
}

}  // namespace
}  // namespace nightmill
