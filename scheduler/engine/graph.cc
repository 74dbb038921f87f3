#include "scheduler/engine/graph.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/json.h"
#include "core/template/template.h"

namespace nightmill {
namespace {

std::vector<int> Descendants(const Dag& dag, int task) {
  std::vector<int> found;
  std::vector<bool> seen(dag.tasks.size(), false);
  std::vector<int> stack = {task};
  while (!stack.empty()) {
    const int at = stack.back();
    stack.pop_back();
    for (const int child : dag.downstream[static_cast<std::size_t>(at)]) {
      if (seen[static_cast<std::size_t>(child)]) continue;
      seen[static_cast<std::size_t>(child)] = true;
      found.push_back(child);
      stack.push_back(child);
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

int InternBucket(EngineState& state, const std::vector<PoolRequest>& pools) {
  std::string key;
  for (const PoolRequest& request : pools)
    key += fmt::format("{}:{}|", request.name, request.slots);
  const auto [it, inserted] =
      state.bucket_index.emplace(key, static_cast<int>(state.buckets.size()));
  if (inserted) state.buckets.push_back({pools, {}});
  return it->second;
}

// Tasks whose outputs the templates inside `value` name.
void AddProducers(const Dag& dag, const nlohmann::json& value, std::vector<int>& producers) {
  if (value.is_structured()) {
    for (const nlohmann::json& inner : value) AddProducers(dag, inner, producers);
  }
  if (!value.is_string()) return;
  const Result<TemplateFacts> facts = InspectTemplate(value.get_ref<const std::string&>());
  if (!facts.ok()) return;  // validation has reported it; rendering will fail the task
  for (const std::string& id : facts->outputs) {
    const int index = dag.Find(id);
    if (index >= 0) producers.push_back(index);
  }
}

std::vector<int> MapProducers(const Dag& dag, const Task& task) {
  std::vector<int> producers;
  if (!task.map) return producers;
  for (const auto& [name, over] : task.map->over) {
    AddProducers(dag, nlohmann::json::parse(over), producers);
  }
  std::sort(producers.begin(), producers.end());
  producers.erase(std::unique(producers.begin(), producers.end()), producers.end());
  return producers;
}

}  // namespace

std::shared_ptr<const DagGraph> BuildGraph(EngineState& state, std::shared_ptr<const Dag> dag,
                                           int version) {
  auto graph = std::make_shared<DagGraph>();
  const std::size_t n = dag->tasks.size();
  graph->version = version;
  graph->gates.assign(n, 0);
  graph->gate_targets.resize(n);
  graph->map_producers.resize(n);
  graph->bucket.resize(n);
  for (std::size_t i = 0; i < n; ++i) {
    const Task& task = dag->tasks[i];
    if (task.kind == TaskKind::kBranch ||
        (task.kind == TaskKind::kShortCircuit && !task.ignore_downstream_trigger_rules)) {
      graph->gate_targets[i] = dag->downstream[i];
    } else if (task.kind == TaskKind::kShortCircuit) {
      graph->gate_targets[i] = Descendants(*dag, static_cast<int>(i));
    }
    for (const int gated : graph->gate_targets[i]) graph->gates[static_cast<std::size_t>(gated)]++;
    graph->map_producers[i] = MapProducers(*dag, task);
    graph->bucket[i] = InternBucket(state, task.pools);
  }
  for (const SlaSpec* spec : SlaEntries(*dag)) {
    graph->slas.push_back({spec, spec->task.empty() ? -1 : dag->Find(spec->task)});
  }
  graph->dag = std::move(dag);
  return graph;
}

void InstantiateNodes(LiveRun& run) {
  const Dag& dag = *run.graph->dag;
  run.nodes.clear();
  run.nodes.resize(dag.tasks.size());
  run.instances = dag.tasks.size();
  run.unfinished = static_cast<int>(dag.tasks.size());
  run.held = 0;
  for (std::size_t i = 0; i < dag.tasks.size(); ++i) {
    TaskNode& node = run.nodes[i];
    node.counts.total = static_cast<int>(dag.upstream[i].size());
    node.gates_pending = run.graph->gates[i];
    node.unstarted = 1;
    node.instances.resize(1);
    TaskInstanceRow& row = node.instances[0].row;
    row.run = run.row.run;
    row.task_id = dag.tasks[i].id;
    row.try_number = PastTries(run, row.task_id, -1);
    row.max_tries = row.try_number + 1 + dag.tasks[i].retry.retries;
  }
}

}  // namespace nightmill
