// The templates of a task: syntax and names, what a script may not hold, and which tasks and params
// they use.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <string>
#include <utility>
#include <vector>

#include "core/base/json.h"
#include "core/dagfile/draft.h"
#include "core/dagfile/suggest.h"
#include "core/template/template.h"

namespace nightmill::dagfile {
namespace {

using Json = nlohmann::json;

// How to hand `name` to a script: the variable the worker sets, or an env entry.
std::string RawHint(const std::string& name) {
  if (name == "map.item" || name == "map.index") {
    return fmt::format("use \"$NIGHTMILL_MAP_{}\" or {{{{ {} | q }}}}",
                       name == "map.item" ? "ITEM" : "INDEX", name);
  }
  std::string variable = name.substr(name.rfind('.') + 1);
  for (char& c : variable) {
    c = static_cast<char>(std::isalnum(static_cast<unsigned char>(c)) != 0
                              ? std::toupper(static_cast<unsigned char>(c))
                              : '_');
  }
  if (variable.empty()) variable = "VALUE";
  return fmt::format(
      "set \"env\": {{\"{0}\": \"{{{{ {1} }}}}\"}} and write \"${0}\", or use {{{{ {1} | q "
      "}}}}",
      variable, name);
}

bool ZoneIsUtc(const Dag& dag) {
  return !dag.schedule || dag.schedule->timezone == "UTC" || dag.schedule->timezone == "Etc/UTC";
}

void UseOutputs(Draft& draft, const TemplateFacts& facts, const Place& place,
                const TemplateSite& site) {
  Task& task = draft.dag.tasks[site.task];
  for (const std::string& name : facts.outputs) {
    draft.outputs.push_back({site.task, name, place.Pointer(), site.in_map});
    if (std::find(task.data_upstream.begin(), task.data_upstream.end(), name) ==
        task.data_upstream.end()) {
      task.data_upstream.push_back(name);
    }
  }
}

void UseParams(Draft& draft, const TemplateFacts& facts, const Place& place) {
  const auto params = draft.doc.find("params");
  for (const std::string& name : facts.params) {
    if (params != draft.doc.end() && params->is_object() && params->contains(name)) continue;
    std::vector<std::string_view> names;
    if (params != draft.doc.end() && params->is_object()) {
      for (const auto& [known, schema] : params->get_ref<const Json::object_t&>()) {
        names.push_back(known);
      }
    }
    std::string hint = DidYouMean(name, names);
    if (hint.empty()) hint = "declare it in `params`; other conf members are dag_run.conf.x";
    draft.out.Error("NM322", place, fmt::format("no param \"{}\"", name), std::move(hint));
  }
}

void WarnOfDates(Draft& draft, const TemplateFacts& facts, const Place& place,
                 const TemplateSite& site) {
  for (const std::string& warning : facts.warnings) draft.out.Warning("NM320", place, warning);
  for (const char* name : {"ds", "ds_nodash"}) {
    if (!facts.roots.contains(name)) continue;
    if (!ZoneIsUtc(draft.dag)) {
      draft.out.Warning("NM319", place,
                        fmt::format("`{}` is the UTC date, the schedule's zone is {}", name,
                                    draft.dag.schedule->timezone),
                        "data_date is the local date of the data");
    } else if (site.dated) {
      draft.out.Warning("NM319", place,
                        fmt::format("`{}` of a manual run is the day of the click", name),
                        "data_date is the date of the data");
    }
  }
}

// Names that the template language has and this release has nothing behind.
void RefuseUnserved(Draft& draft, const TemplateFacts& facts, const Place& place) {
  struct Row {
    const char* root;
    const char* what;
    const char* hint;
  };
  static constexpr Row kRows[] = {
      {"var", "var", "use a param with a default, or dag_run.conf"},
      {"secret", "secret()", "let the task read it, from a file that its `env` names"},
      {"run", "run.outcome", "use a task with a trigger_rule such as one_failed"}};
  for (const Row& row : kRows) {
    if (!facts.roots.contains(row.root)) continue;
    draft.out.Error("NM210", place, fmt::format("`{}` is not supported yet", row.what), row.hint);
  }
}

void CheckText(Draft& draft, const std::string& text, const Place& place,
               const TemplateSite& site) {
  if (!IsTemplate(text)) return;
  std::vector<Error> faults;
  const TemplateFacts facts = InspectTemplate(text, &faults);
  for (const Error& fault : faults) draft.out.Error("NM310", place, fault.message, fault.hint);
  if (site.raw_refused && facts.raw) {
    const std::string name = facts.raw_name.empty() ? "x" : facts.raw_name;
    draft.out.Error("NM311", place, fmt::format("raw template {{{{ {} }}}} in a script", name),
                    RawHint(name));
  }
  if (facts.roots.contains("map") && !site.in_map && !draft.dag.tasks[site.task].map) {
    draft.out.Error("NM325", place, "`map` is used, but the task has no `map`");
  }
  RefuseUnserved(draft, facts, place);
  UseOutputs(draft, facts, place, site);
  UseParams(draft, facts, place);
  WarnOfDates(draft, facts, place, site);
}

}  // namespace

void CheckTemplates(Draft& draft, const Json& value, const Place& place, TemplateSite site) {
  if (value.is_string()) {
    CheckText(draft, value.get_ref<const std::string&>(), place, site);
  } else if (value.is_array()) {
    for (std::size_t i = 0; i < value.size(); ++i) {
      CheckTemplates(draft, value[i], place.At(i), site);
    }
  } else if (value.is_object()) {
    for (const auto& [key, item] : value.items()) {
      TemplateSite inner = site;
      inner.dated = site.dated || key == "path" || key == "as_of" || key == "partition";
      CheckTemplates(draft, item, place.At(key), inner);
    }
  }
}

}  // namespace nightmill::dagfile
