#include "core/model/dag.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <queue>
#include <unordered_map>
#include <utility>

#include "core/model/priority.h"

namespace nightmill {
namespace {

using Edges = std::vector<std::vector<int>>;

std::size_t At(int index) { return static_cast<std::size_t>(index); }

// Parents of every task by position in `tasks`, ascending, without duplicates.
Result<Edges> ResolveParents(const std::vector<Task>& tasks) {
  std::unordered_map<std::string_view, int> position;
  position.reserve(tasks.size());
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    if (!position.emplace(tasks[i].id, static_cast<int>(i)).second) {
      return Error{ErrorCode::kInvalid, fmt::format("task \"{}\" is there twice", tasks[i].id), "",
                   fmt::format("/tasks/{}/id", i)};
    }
  }
  Edges parents(tasks.size());
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    for (const auto* names : {&tasks[i].depends_on, &tasks[i].data_upstream}) {
      for (std::size_t n = 0; n < names->size(); ++n) {
        const std::string& name = (*names)[n];
        const auto it = position.find(name);
        if (it == position.end() || it->second == static_cast<int>(i)) {
          return Error{ErrorCode::kInvalid,
                       it == position.end() ? fmt::format("no task \"{}\"", name)
                                            : fmt::format("task \"{}\" depends on itself", name),
                       "",
                       names == &tasks[i].depends_on ? fmt::format("/tasks/{}/depends_on/{}", i, n)
                                                     : fmt::format("/tasks/{}", i)};
        }
        parents[i].push_back(it->second);
      }
    }
    std::sort(parents[i].begin(), parents[i].end());
    parents[i].erase(std::unique(parents[i].begin(), parents[i].end()), parents[i].end());
  }
  return parents;
}

Edges Reversed(const Edges& edges) {
  Edges reversed(edges.size());
  for (std::size_t i = 0; i < edges.size(); ++i) {
    for (const int other : edges[i]) reversed[At(other)].push_back(static_cast<int>(i));
  }
  return reversed;
}

// One cycle among the tasks that could not be ordered: each of them has a parent that could not be
// ordered either, so walking to such parents must come back to a task seen before.
Error CycleError(const std::vector<Task>& tasks, const Edges& parents,
                 const std::vector<char>& ordered) {
  int node = static_cast<int>(std::find(ordered.begin(), ordered.end(), 0) - ordered.begin());
  std::vector<int> path;
  std::vector<int> seen_at(tasks.size(), -1);
  while (seen_at[At(node)] < 0) {
    seen_at[At(node)] = static_cast<int>(path.size());
    path.push_back(node);
    node = *std::find_if(parents[At(node)].begin(), parents[At(node)].end(),
                         [&](int parent) { return ordered[At(parent)] == 0; });
  }
  path.erase(path.begin(), path.begin() + seen_at[At(node)]);
  std::reverse(path.begin(), path.end());  // from parent to child
  std::rotate(path.begin(), std::min_element(path.begin(), path.end()), path.end());

  std::string text;
  constexpr std::size_t kShown = 20;
  for (std::size_t i = 0; i < std::min(path.size(), kShown); ++i) {
    text += tasks[At(path[i])].id + " -> ";
  }
  if (path.size() > kShown) text += fmt::format("... ({} tasks) -> ", path.size());
  const Task& first = tasks[At(path.front())];
  text += first.id;
  // The edge that closes the path: the first task's dependence on the last one.
  const std::string& last = tasks[At(path.back())].id;
  const auto it = std::find(first.depends_on.begin(), first.depends_on.end(), last);
  std::string pointer = fmt::format("/tasks/{}", path.front());
  if (it != first.depends_on.end()) {
    pointer += fmt::format("/depends_on/{}", it - first.depends_on.begin());
  }
  return {ErrorCode::kInvalid, "cycle: " + text, "", std::move(pointer)};
}

// The topological order that is smallest by position in the file: a file that is already in order
// keeps its order.
Result<std::vector<int>> TopologicalOrder(const std::vector<Task>& tasks, const Edges& parents,
                                          const Edges& children) {
  std::vector<std::size_t> open(tasks.size());
  std::priority_queue<int, std::vector<int>, std::greater<>> ready;
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    open[i] = parents[i].size();
    if (open[i] == 0) ready.push(static_cast<int>(i));
  }
  std::vector<int> order;
  order.reserve(tasks.size());
  std::vector<char> ordered(tasks.size(), 0);
  while (!ready.empty()) {
    const int node = ready.top();
    ready.pop();
    order.push_back(node);
    ordered[At(node)] = 1;
    for (const int child : children[At(node)]) {
      if (--open[At(child)] == 0) ready.push(child);
    }
  }
  if (order.size() < tasks.size()) return CycleError(tasks, parents, ordered);
  return order;
}

int Saturate(std::int64_t value) {
  constexpr std::int64_t kMin = std::numeric_limits<std::int32_t>::min();
  constexpr std::int64_t kMax = std::numeric_limits<std::int32_t>::max();
  return static_cast<int>(std::clamp(value, kMin, kMax));
}

// Graph seen from its end: edge i -> j becomes n-1-i -> n-1-j of the upstream lists, so that edges
// lead upwards again.
Edges Mirrored(const Edges& upstream) {
  const int last = static_cast<int>(upstream.size()) - 1;
  Edges mirrored(upstream.size());
  for (int i = 0; i <= last; ++i) {
    for (const int parent : upstream[At(i)]) mirrored[At(last - i)].push_back(last - parent);
  }
  return mirrored;
}

std::vector<int> Priorities(const Dag& dag) {
  std::vector<int> weights;
  weights.reserve(dag.tasks.size());
  bool any_down = false;
  bool any_up = false;
  for (const Task& task : dag.tasks) {
    weights.push_back(task.priority_weight);
    any_down = any_down || task.weight_rule == WeightRule::kDownstream;
    any_up = any_up || task.weight_rule == WeightRule::kUpstream;
  }
  std::vector<std::int64_t> down;
  std::vector<std::int64_t> up;
  if (any_down) down = SumReachable(dag.downstream, weights);
  if (any_up) {
    up = SumReachable(Mirrored(dag.upstream), {weights.rbegin(), weights.rend()});
    std::reverse(up.begin(), up.end());
  }
  std::vector<int> priority(weights.size());
  for (std::size_t i = 0; i < weights.size(); ++i) {
    switch (dag.tasks[i].weight_rule) {
      case WeightRule::kDownstream:
        priority[i] = Saturate(down[i]);
        break;
      case WeightRule::kUpstream:
        priority[i] = Saturate(up[i]);
        break;
      case WeightRule::kAbsolute:
        priority[i] = weights[i];
        break;
    }
  }
  return priority;
}

}  // namespace

int Dag::Find(std::string_view task_id) const {
  const auto it = std::lower_bound(
      index.begin(), index.end(), task_id,
      [](const auto& entry, std::string_view id) { return std::string_view(entry.first) < id; });
  return it != index.end() && it->first == task_id ? it->second : -1;
}

Status Link(Dag& dag) {
  NM_ASSIGN_OR_RETURN(const Edges parents, ResolveParents(dag.tasks));
  NM_ASSIGN_OR_RETURN(const std::vector<int> order,
                      TopologicalOrder(dag.tasks, parents, Reversed(parents)));
  const std::size_t n = order.size();
  std::vector<int> rank(n);  // position in the file -> task index
  std::vector<Task> tasks;
  tasks.reserve(n);
  for (std::size_t i = 0; i < n; ++i) {
    rank[At(order[i])] = static_cast<int>(i);
    tasks.push_back(std::move(dag.tasks[At(order[i])]));
  }
  dag.tasks = std::move(tasks);
  dag.upstream.assign(n, {});
  dag.index.clear();
  dag.index.reserve(n);
  for (std::size_t i = 0; i < n; ++i) {
    for (const int parent : parents[At(order[i])]) dag.upstream[i].push_back(rank[At(parent)]);
    std::sort(dag.upstream[i].begin(), dag.upstream[i].end());
    dag.index.emplace_back(dag.tasks[i].id, static_cast<int>(i));
  }
  std::sort(dag.index.begin(), dag.index.end());
  dag.downstream = Reversed(dag.upstream);
  dag.priority = Priorities(dag);
  return Ok();
}

std::vector<const SlaSpec*> SlaEntries(const Dag& dag) {
  std::vector<const SlaSpec*> entries;
  for (const SlaSpec& spec : dag.sla) entries.push_back(&spec);
  for (const Task& task : dag.tasks) {
    for (const SlaSpec& spec : task.sla) entries.push_back(&spec);
  }
  return entries;
}

}  // namespace nightmill
