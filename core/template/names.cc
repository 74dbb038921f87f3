// The tables of names and the search for the nearest one.
#include "core/template/names.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace nightmill::tmpl {
namespace {

using K = RootKind;

constexpr std::string_view kUseDates = "use data_interval_start and data_interval_end";
constexpr std::string_view kLater = "not available in this release";

// product.md 2.6, then the old names of Airflow 1 and 2, then what this release does not give.
constexpr std::array kRoots = {
    RootName{"data_interval_start", K::kValue, true},
    RootName{"data_interval_end", K::kValue, true},
    RootName{"logical_date", K::kValue, true},
    RootName{"ds", K::kValue, true},
    RootName{"ds_nodash", K::kValue, true},
    RootName{"ts", K::kValue, true},
    RootName{"ts_nodash", K::kValue, true},
    RootName{"ts_nodash_with_tz", K::kValue, true},
    RootName{"data_date", K::kValue, true},
    RootName{"run_id", K::kValue, true},
    RootName{"start_date", K::kValue, true},
    RootName{"task_instance_key_str", K::kValue, true},
    RootName{"test_mode", K::kValue, true},
    RootName{"params", K::kValue, false},
    RootName{"dag_run", K::kNamespace, false},
    RootName{"dag", K::kNamespace, false},
    RootName{"task", K::kNamespace, false},
    RootName{"ti", K::kNamespace, false},
    RootName{"task_instance", K::kNamespace, false},
    RootName{"var", K::kNamespace, false},
    RootName{"map", K::kNamespace, false},
    RootName{"run", K::kNamespace, false},
    RootName{"outputs", K::kNamespace, false},
    RootName{"macros", K::kNamespace, false},
    RootName{"secret", K::kFunction, false},
    RootName{"execution_date", K::kOld, true, "logical_date"},
    RootName{"next_execution_date", K::kOld, true, "data_interval_end"},
    RootName{"next_ds", K::kOld, true, "data_interval_end | ds"},
    RootName{"next_ds_nodash", K::kOld, true, "data_interval_end | ds_nodash"},
    RootName{"yesterday_ds", K::kOld, true, "macros.ds_add(ds, -1)"},
    RootName{"yesterday_ds_nodash", K::kOld, true, "macros.ds_add(ds, -1) | replace('-', '')"},
    RootName{"tomorrow_ds", K::kOld, true, "macros.ds_add(ds, 1)"},
    RootName{"tomorrow_ds_nodash", K::kOld, true, "macros.ds_add(ds, 1) | replace('-', '')"},
    RootName{"prev_ds", K::kUnavailable, false, kUseDates},
    RootName{"prev_ds_nodash", K::kUnavailable, false, kUseDates},
    RootName{"prev_execution_date", K::kUnavailable, false, kUseDates},
    RootName{"prev_execution_date_success", K::kUnavailable, false, kUseDates},
    RootName{"prev_start_date_success", K::kUnavailable, false, kLater},
    RootName{"prev_end_date_success", K::kUnavailable, false, kLater},
    RootName{"prev_data_interval_start_success", K::kUnavailable, false, kLater},
    RootName{"prev_data_interval_end_success", K::kUnavailable, false, kLater},
    RootName{"conn", K::kUnavailable, false, "pass the connection by `env`"},
    RootName{"inlets", K::kUnavailable, false, kLater},
    RootName{"outlets", K::kUnavailable, false, kLater},
    RootName{"inlet_events", K::kUnavailable, false, kLater},
    RootName{"outlet_events", K::kUnavailable, false, kLater},
    RootName{"triggering_asset_events", K::kUnavailable, false, kLater},
    RootName{"asset", K::kUnavailable, false, kLater},
    RootName{"task_reschedule_count", K::kUnavailable, false, kLater},
    RootName{"expanded_ti_count", K::kUnavailable, false, kLater},
    RootName{"map_index_template", K::kUnavailable, false, "use map.label in the DAG file"},
    RootName{"exception", K::kUnavailable, false, kLater},
};

// The members of the namespaces with a closed list.
constexpr std::array kMembers = {
    MemberName{"dag", "dag_id", true},
    MemberName{"task", "task_id", true},
    MemberName{"ti", "dag_id", true},
    MemberName{"ti", "task_id", true},
    MemberName{"ti", "run_id", true},
    MemberName{"ti", "map_index", true},
    MemberName{"ti", "try_number", true},
    MemberName{"dag_run", "dag_id", true},
    MemberName{"dag_run", "run_id", true},
    MemberName{"dag_run", "run_type", true},
    MemberName{"dag_run", "logical_date", true},
    MemberName{"dag_run", "data_interval_start", true},
    MemberName{"dag_run", "data_interval_end", true},
    MemberName{"dag_run", "start_date", true},
    MemberName{"dag_run", "conf", false},
    MemberName{"map", "index", true},
    MemberName{"map", "item", false},
    MemberName{"run", "outcome", true},
    MemberName{"var", "value", false},
    MemberName{"var", "json", false},
    MemberName{"macros", "ds_add", true},
    MemberName{"macros", "ds_format", true},
    MemberName{"macros", "ds_range", true},
    MemberName{"macros", "datetime_diff_for_humans", true},
    MemberName{"macros", "timedelta", true},
    MemberName{"macros", "random", true},
    MemberName{"macros", "uuid", true},
};

constexpr std::size_t kMaxDistance = 2;

// Edits (insert, remove, replace, swap of neighbours) from a to b.
std::size_t Distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before;
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    before = last;
    last = row;
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replace = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, replace});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
  }
  return row[b.size()];
}

}  // namespace

const RootName* FindRoot(std::string_view name) {
  const auto* row = std::find_if(kRoots.begin(), kRoots.end(),
                                 [name](const RootName& root) { return root.name == name; });
  return row == kRoots.end() ? nullptr : row;
}

std::vector<std::string_view> KnownRoots() {
  std::vector<std::string_view> names;
  for (const RootName& root : kRoots) {
    if (root.kind != K::kUnavailable && root.kind != K::kOld) names.push_back(root.name);
  }
  return names;
}

const MemberName* FindMember(std::string_view owner, std::string_view name) {
  for (const MemberName& member : kMembers) {
    if (member.owner == owner && member.name == name) return &member;
  }
  return nullptr;
}

std::vector<std::string_view> MembersOf(std::string_view owner) {
  std::vector<std::string_view> names;
  for (const MemberName& member : kMembers) {
    if (member.owner == owner) names.push_back(member.name);
  }
  return names;
}

bool HasClosedMembers(std::string_view owner) { return !MembersOf(owner).empty(); }

std::string_view CanonicalNamespace(std::string_view name) {
  return name == "task_instance" ? std::string_view("ti") : name;
}

std::string DidYouMean(std::string_view word, std::span<const std::string_view> candidates) {
  std::string_view best;
  std::size_t best_distance = kMaxDistance + 1;
  for (std::string_view candidate : candidates) {
    const std::size_t longer = std::max(candidate.size(), word.size());
    const std::size_t shorter = std::min(candidate.size(), word.size());
    if (longer - shorter > kMaxDistance) continue;
    const std::size_t distance = Distance(word, candidate);
    // A word of two letters is near to everything.
    if (distance < best_distance && distance < longer) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best.empty() ? std::string() : fmt::format("did you mean \"{}\"?", best);
}

}  // namespace nightmill::tmpl
