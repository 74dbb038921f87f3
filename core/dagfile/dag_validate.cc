// What only the whole DAG tells: ids, edges, cycles, branches, pools, and rules that cannot hold.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "core/base/json.h"
#include "core/base/limits.h"
#include "core/dagfile/draft.h"
#include "core/dagfile/sla_field.h"
#include "core/dagfile/suggest.h"

namespace nightmill::dagfile {
namespace {

using Json = nlohmann::json;
using Ids = std::vector<std::string>;

bool Contains(const Ids& list, std::string_view id) {
  return std::find(list.begin(), list.end(), id) != list.end();
}

class Validator {
 public:
  explicit Validator(Draft& draft) : draft_(draft), tasks_(draft.dag.tasks) {}

  void Run() {
    const bool ids_sound = CheckIds();
    const bool edges_sound = CheckEdges();
    CheckCycle(ids_sound && edges_sound);
    CollectBranches();
    CheckParams();
    for (std::size_t i = 0; i < tasks_.size() && !draft_.out.full(); ++i) {
      CheckPools(i);
      CheckRules(i);
      if (tasks_[i].kind == TaskKind::kBranch) CheckBranch(i);
      if (tasks_[i].trigger_rule == TriggerRule::kAllSuccess) CheckJoin(i);
    }
  }

 private:
  const Json& JsonOf(std::size_t task) const { return draft_.doc["tasks"][task]; }
  int Find(std::string_view id) const {
    const auto it = position_.find(id);
    return it == position_.end() ? -1 : static_cast<int>(it->second);
  }
  static std::string At(std::size_t task, std::string_view field) {
    return fmt::format("/tasks/{}/{}", task, field);
  }

  bool CheckIds() {
    bool sound = true;
    position_.reserve(tasks_.size());
    for (std::size_t i = 0; i < tasks_.size(); ++i) {
      sound = sound && !tasks_[i].id.empty();
      if (tasks_[i].id.empty()) continue;
      const auto [it, fresh] = position_.emplace(tasks_[i].id, i);
      if (fresh) continue;
      sound = false;
      draft_.out.Error("NM301", At(i, "id"),
                       fmt::format("task \"{}\" is there twice", tasks_[i].id),
                       fmt::format("the first is /tasks/{}", it->second));
    }
    return sound;
  }

  // A few hints are enough: each one compares the word with every id.
  std::string Nearest(std::string_view id) {
    if (hints_++ >= limits::kMaxReportedErrors) return "";
    if (names_.empty()) {
      for (const Task& task : tasks_) names_.push_back(task.id);
    }
    return DidYouMean(id, names_);
  }

  bool CheckEdges() {
    bool sound = true;
    std::size_t edges = 0;
    for (std::size_t i = 0; i < tasks_.size(); ++i) {
      edges += tasks_[i].depends_on.size();
      if (tasks_[i].depends_on.empty()) continue;
      const Json& list = JsonOf(i)["depends_on"];
      for (std::size_t n = 0; n < list.size(); ++n) {
        if (!list[n].is_string() || Find(list[n].get_ref<const std::string&>()) >= 0) continue;
        sound = false;
        const auto& id = list[n].get_ref<const std::string&>();
        draft_.out.Error("NM302", fmt::format("/tasks/{}/depends_on/{}", i, n),
                         fmt::format("no task \"{}\"", id), Nearest(id));
      }
    }
    if (edges > static_cast<std::size_t>(limits::kMaxEdges)) {
      draft_.out.Error("NM314", "/tasks",
                       fmt::format("{} edges, the limit is {}", edges, limits::kMaxEdges));
    }
    for (const OutputUse& use : draft_.outputs) {
      if (use.in_map && tasks_[use.task].trigger_rule == TriggerRule::kAlways) {
        draft_.out.Error(
            "NM305", use.pointer,
            fmt::format("trigger_rule always does not wait for the output of \"{}\"", use.name),
            "use all_done");
      }
      const bool self = use.name == tasks_[use.task].id;
      if (!self && Find(use.name) >= 0) continue;
      sound = false;
      draft_.out.Error("NM312", use.pointer,
                       self ? fmt::format("task \"{}\" uses its own output", use.name)
                            : fmt::format("no task \"{}\" to take outputs from", use.name),
                       self ? "" : Nearest(use.name));
    }
    return sound;
  }

  // Pointer of the item of `depends_on` that names `id`.
  std::string DependsOn(std::size_t task, std::string_view id) const {
    const Json& list = JsonOf(task)["depends_on"];
    for (std::size_t n = 0; n < list.size(); ++n) {
      if (list[n] == id) return fmt::format("/tasks/{}/depends_on/{}", task, n);
    }
    return fmt::format("/tasks/{}", task);
  }

  // Links the DAG itself if nothing stands in the way (the usual case, done once); else a copy of
  // its sound edges, so that a cycle is reported beside the other faults.
  void CheckCycle(bool sound) {
    if (sound && !draft_.out.has_errors()) return;  // Finish links and reports
    Dag graph;
    graph.tasks.resize(tasks_.size());
    for (std::size_t i = 0; i < tasks_.size(); ++i) {
      const bool own = Find(tasks_[i].id) == static_cast<int>(i);
      graph.tasks[i].id = own ? tasks_[i].id : fmt::format("\x01{}", i);
      graph.tasks[i].weight_rule = WeightRule::kAbsolute;
      for (const auto* ids : {&tasks_[i].depends_on, &tasks_[i].data_upstream}) {
        const bool data = ids == &tasks_[i].data_upstream;
        for (const std::string& id : *ids) {
          if (Find(id) < 0 || (data && id == tasks_[i].id)) continue;
          (data ? graph.tasks[i].data_upstream : graph.tasks[i].depends_on).push_back(id);
        }
      }
    }
    ReportCycle(Link(graph), graph);
  }

 public:
  // Puts an error of Link at the item of `depends_on` that closes the cycle. `graph` has its tasks
  // in the order of the file: Link has not touched them.
  void ReportCycle(const Status& linked, const Dag& graph) {
    if (linked.ok()) return;
    const Error& error = linked.error();
    std::string place = error.pointer;
    std::size_t task = 0;
    std::size_t item = 0;
    if (std::sscanf(place.c_str(), "/tasks/%zu/depends_on/%zu", &task, &item) == 2) {
      place = DependsOn(task, graph.tasks[task].depends_on[item]);
    }
    draft_.out.Error("NM303", place, error.message);
  }

 private:
  void CheckPools(std::size_t i) {
    std::set<std::string_view> seen;
    const bool list = JsonOf(i).contains("pools");
    for (std::size_t n = 0; n < tasks_[i].pools.size(); ++n) {
      const std::string& name = tasks_[i].pools[n].name;
      const std::string place = list ? fmt::format("/tasks/{}/pools/{}/name", i, n) : At(i, "pool");
      if (!seen.insert(name).second) {
        draft_.out.Error("NM315", place, fmt::format("pool \"{}\" is there twice", name));
      }
      CheckPool(tasks_[i].pools[n], place,
                list ? fmt::format("/tasks/{}/pools/{}/slots", i, n) : At(i, "pool_slots"));
    }
  }

  void CheckPool(const PoolRequest& request, const std::string& place,
                 const std::string& slots_place) {
    const std::string& name = request.name;
    const auto& pools = draft_.options.pools;
    if (!pools) {
      if (name == "default_pool" || !absent_pools_.insert(name).second) return;
      draft_.out.Warning(
          "NM315", place,
          fmt::format("pool \"{}\" must exist on the server when the DAG is applied", name),
          fmt::format("nightmill pool set {} SLOTS creates it", name));
      return;
    }
    if (const auto it = pools->find(name); it != pools->end()) {
      // A closed pool (0) is meant to open again: its tasks wait.
      if (it->second <= 0 || request.slots <= it->second) return;
      draft_.out.Error(
          "NM315", slots_place,
          fmt::format("pool \"{}\" has {} slots, the task takes {} and could never run", name,
                      it->second, request.slots));
      return;
    }
    if (name == "default_pool") return;
    std::vector<std::string_view> names;
    for (const auto& [known, slots] : *pools) names.push_back(known);
    const std::string hint = DidYouMean(name, names);
    draft_.out.Error(
        "NM315", place, fmt::format("no pool \"{}\"", name),
        hint.empty() ? fmt::format("nightmill pool set {} SLOTS creates it", name) : hint);
  }

  // The scheduler has no one to ask for a value.
  void CheckParams() {
    const auto params = draft_.doc.find("params");
    const auto schedule = draft_.doc.find("schedule");
    if (params == draft_.doc.end() || !params->is_object() || schedule == draft_.doc.end() ||
        schedule->is_null()) {
      return;
    }
    for (const auto& [name, schema] : params->items()) {
      if (!schema.is_object() || schema.contains("default")) continue;
      const Place root;
      const Place all = root.At("params");
      draft_.out.Error(
          "NM322", all.At(name),
          fmt::format("param \"{}\" has no default, so no scheduled run could start", name),
          "give it a default, or remove the schedule");
    }
  }

  void CheckRules(std::size_t i) {
    if (draft_.dag.fail_fast && tasks_[i].trigger_rule != TriggerRule::kAllSuccess) {
      draft_.out.Error(
          "NM324",
          JsonOf(i).contains("trigger_rule") ? At(i, "trigger_rule") : fmt::format("/tasks/{}", i),
          "fail_fast needs trigger_rule all_success in every task");
    }
  }

  void CheckTargets(std::size_t branch, const std::string& field, const Ids& targets) {
    for (std::size_t n = 0; n < targets.size(); ++n) {
      const int target = Find(targets[n]);
      const std::string place = fmt::format("/tasks/{}/{}/{}", branch, field, n);
      if (target < 0) {
        draft_.out.Error("NM302", place, fmt::format("no task \"{}\"", targets[n]),
                         Nearest(targets[n]));
        continue;
      }
      const Task& task = tasks_[static_cast<std::size_t>(target)];
      if (Contains(task.depends_on, tasks_[branch].id) ||
          Contains(task.data_upstream, tasks_[branch].id)) {
        continue;
      }
      draft_.out.Error("NM304", place,
                       fmt::format("\"{}\" is not a direct child of the branch", targets[n]),
                       fmt::format("add \"{}\" to its depends_on", tasks_[branch].id));
    }
  }

  void CheckBranch(std::size_t i) {
    for (std::size_t c = 0; c < tasks_[i].cases.size(); ++c) {
      CheckTargets(i, fmt::format("cases/{}/then", c), tasks_[i].cases[c].then);
    }
    CheckTargets(i, "else", tasks_[i].otherwise);
  }

  // The targets of one branch: each case by itself, and all together.
  struct Targets {
    std::vector<std::unordered_set<std::string_view>> lists;
    std::unordered_set<std::string_view> all;
  };

  void CollectBranches() {
    for (std::size_t i = 0; i < tasks_.size(); ++i) {
      if (tasks_[i].kind != TaskKind::kBranch) continue;
      Targets& targets = branches_[i];
      targets.lists.emplace_back(tasks_[i].otherwise.begin(), tasks_[i].otherwise.end());
      for (const BranchCase& branch_case : tasks_[i].cases) {
        targets.lists.emplace_back(branch_case.then.begin(), branch_case.then.end());
      }
      for (const auto& list : targets.lists) targets.all.insert(list.begin(), list.end());
      for (const std::string_view id : targets.all) chosen_by_[id].push_back(i);
    }
  }

  // A task that needs the success of children of a branch that no case chooses together. Children
  // that a chosen one leads to do run, so a path between them clears the suspicion.
  void CheckJoin(std::size_t i) {
    std::map<std::size_t, Ids> needed;  // by branch
    for (const std::string& parent : tasks_[i].depends_on) {
      const auto it = chosen_by_.find(parent);
      if (it == chosen_by_.end() || Find(parent) < 0) continue;
      for (const std::size_t branch : it->second) needed[branch].push_back(parent);
    }
    for (const auto& [branch, parents] : needed) {
      const Targets& targets = branches_[branch];
      const auto covers = [&parents = parents](const auto& list) {
        return std::all_of(parents.begin(), parents.end(),
                           [&](const std::string& parent) { return list.contains(parent); });
      };
      if (parents.size() < 2 || std::any_of(targets.lists.begin(), targets.lists.end(), covers) ||
          LeadsBetween(parents, targets)) {
        continue;
      }
      draft_.out.Error(
          "NM326", At(i, "depends_on"),
          fmt::format("branch \"{}\" never chooses all of its parents together", tasks_[branch].id),
          "use trigger_rule none_failed_min_one_success");
    }
  }

  // Whether some target of the branch is an ancestor of one of `needed`.
  bool LeadsBetween(const Ids& needed, const Targets& targets) const {
    std::unordered_set<int> seen;
    std::vector<int> open;
    const auto push_parents = [&](int task) {
      const Task& t = tasks_[static_cast<std::size_t>(task)];
      for (const auto* ids : {&t.depends_on, &t.data_upstream}) {
        for (const std::string& id : *ids) {
          if (const int p = Find(id); p >= 0 && seen.insert(p).second) open.push_back(p);
        }
      }
    };
    for (const std::string& id : needed) push_parents(Find(id));
    while (!open.empty()) {
      const int task = open.back();
      open.pop_back();
      if (targets.all.contains(tasks_[static_cast<std::size_t>(task)].id)) return true;
      push_parents(task);
    }
    return false;
  }

  Draft& draft_;
  std::vector<Task>& tasks_;
  std::unordered_map<std::string_view, std::size_t> position_;
  std::map<std::size_t, Targets> branches_;
  std::unordered_map<std::string_view, std::vector<std::size_t>> chosen_by_;  // target -> branches
  std::vector<std::string_view> names_;
  std::set<std::string_view> absent_pools_;  // warned of, once each
  int hints_ = 0;
};

}  // namespace

void CheckMeaning(Draft& draft) {
  Validator validator(draft);
  validator.Run();
  FinishSla(draft);
  if (draft.out.has_errors()) return;
  FillCanonical(draft);
  validator.ReportCycle(Link(draft.dag), draft.dag);
}

}  // namespace nightmill::dagfile
