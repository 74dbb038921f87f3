// From the parsed value to Dag and Task members: schema level and field level. What is wrong with
// one field never hides what is wrong with another.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <utility>

#include "core/base/check.h"
#include "core/base/hash.h"
#include "core/base/json.h"
#include "core/base/limits.h"
#include "core/dagfile/canonical_json.h"
#include "core/dagfile/dag_fields.h"
#include "core/dagfile/dag_schema.h"
#include "core/dagfile/draft.h"
#include "core/dagfile/suggest.h"
#include "core/dagfile/task_fields.h"
#include "core/template/template.h"

namespace nightmill::dagfile {
namespace {

using Json = nlohmann::json;

std::shared_ptr<const JsonSchema> Prepare(const Json& schema) {
  auto compiled = JsonSchema::Compile(schema);
  CHECK_MSG(compiled.ok(), compiled.ok() ? "" : compiled.error().message);
  return *compiled;
}

const JsonSchema& PreparedRoot() {
  static const std::shared_ptr<const JsonSchema> root = Prepare(RootSchema());
  return *root;
}

void EraseOwnKeys(Json& object) {
  auto& members = object.get_ref<Json::object_t&>();
  for (auto it = members.lower_bound("x-"); it != members.end() && it->first.starts_with("x-");) {
    it = members.erase(it);
  }
}

// The members of `catchup` written beside it.
void WordCatchup(SchemaFault& fault) {
  if (fault.code != "NM201" || !fault.pointer.starts_with("/schedule/")) return;
  const std::string key = fault.pointer.substr(std::string_view("/schedule/").size());
  if (key != "limit" && key != "window" && key != "order" && key != "rate") return;
  fault.code = "NM210";
  fault.message = fmt::format("\"{}\" beside `catchup` is not supported yet", key);
  fault.hint = key == "rate" ? "remove it: this release would not carry it out"
                             : fmt::format(
                                   "put it inside: \"catchup\": {{\"mode\": \"all\", "
                                   "\"{}\": ...}}",
                                   key);
}

void Report(Draft& draft, const std::string& prefix, const SchemaFault& fault) {
  if (fault.at_key) {
    draft.out.KeyError(fault.code, prefix + fault.pointer, fault.message, fault.hint);
  } else {
    draft.out.Error(fault.code, prefix + fault.pointer, fault.message, fault.hint);
  }
}

// Why a task of this kind does not have the common field that another kind has.
std::string KindHint(const TaskField& field) {
  std::vector<std::string_view> kinds;
  for (const TaskKind kind : {TaskKind::kProcess, TaskKind::kNative, TaskKind::kSensor,
                              TaskKind::kBranch, TaskKind::kShortCircuit, TaskKind::kNoop}) {
    if ((field.kinds & KindBit(kind)) != 0) kinds.push_back(ToString(kind));
  }
  return fmt::format("it is for tasks of kind {}", fmt::join(kinds, ", "));
}

// The value at a pointer of one or more levels below `object`, or null.
const Json* Below(const Json& object, const std::string& pointer) {
  const Json::json_pointer path(pointer);
  return object.contains(path) ? &object.at(path) : nullptr;
}

// True if what the schema refused is fine after all: a template stands for a value that only the
// run knows, a whole-value template for one of any type; the operator checks what it renders to.
bool IsTypedTemplate(const Json& task, const SchemaFault& fault) {
  constexpr std::array<std::string_view, 5> kOfValues{"NM203", "NM204", "NM205", "NM206", "NM208"};
  if (std::find(kOfValues.begin(), kOfValues.end(), fault.code) == kOfValues.end()) return false;
  const std::string field = fault.pointer.substr(0, fault.pointer.find('/', 1));
  if (field.empty() || FindTaskField(std::string_view(field).substr(1)) != nullptr) return false;
  const Json* value = Below(task, fault.pointer);
  return value != nullptr && value->is_string() && IsTemplate(value->get_ref<const std::string&>());
}

// What must not be told twice: one complaint about a value, however worded, and one for each member
// that is missing.
std::string ToldKey(std::string_view code, const std::string& pointer, const std::string& message) {
  return code == "NM202" ? fmt::format("{}\x01{}", pointer, message) : pointer;
}

// Reports what the schema of the type refuses; `told` gets the keys, relative to the task.
void ReportTask(Draft& draft, std::size_t index, const TaskType& type,
                std::set<std::string>& told) {
  const Json& task = draft.doc["tasks"][index];
  const std::string prefix = fmt::format("/tasks/{}", index);
  for (SchemaFault& fault : type.schema->Explain(task)) {
    if (IsTypedTemplate(task, fault)) continue;
    const std::string_view key =
        std::string_view(fault.pointer).substr(fault.pointer.empty() ? 0 : 1);
    const TaskField* field = FindTaskField(key);
    if (fault.code == "NM201" && field != nullptr) {
      fault.code = field->not_yet ? "NM210" : "NM209";
      fault.message = field->not_yet
                          ? fmt::format("\"{}\" is not supported yet", key)
                          : fmt::format("\"{}\" is no field of {}", key, type.entry->type);
      fault.hint = field->not_yet ? "" : KindHint(*field);
    }
    if (fault.pointer == "/engine" && task["engine"] == "spark") {
      fault = {"NM210", fault.pointer, false, "engine \"spark\" is not supported yet", ""};
    }
    told.insert(ToldKey(fault.code, fault.pointer, fault.message));
    Report(draft, prefix, fault);
  }
}

constexpr std::size_t kManyTasks = 1'000;
constexpr std::size_t kMaxCutSchemas = 64;

// Whether the task fits its type. Absent keys fit every property, so a schema cut to the keys of
// the task gives the same verdict; tasks of a large file have few different sets of keys.
bool Fits(TaskType& type, const Json& task, bool many) {
  if (!many) return type.schema->Accepts(task);
  std::string keys;
  for (const auto& [key, value] : task.items()) keys += key + '\x01';
  const auto it = type.cut.find(keys);
  if (it != type.cut.end()) return it->second->Accepts(task);
  if (type.cut.size() >= kMaxCutSchemas) return type.schema->Accepts(task);
  Json schema = TaskSchema(*type.entry);
  auto& properties = schema["properties"].get_ref<Json::object_t&>();
  std::erase_if(properties, [&](const auto& property) { return !task.contains(property.first); });
  return type.cut.emplace(keys, Prepare(schema)).first->second->Accepts(task);
}

TaskType* FindType(Draft& draft, const std::string& name, const Place& place) {
  if (const auto it = draft.types.find(name); it != draft.types.end()) return &it->second;
  const OperatorEntry* entry = draft.catalog.Find(name);
  if (entry == nullptr) {
    std::vector<std::string_view> names;
    for (const OperatorEntry* known : draft.catalog.All()) names.push_back(known->type);
    std::string hint = DidYouMean(name, names);
    const std::string list = fmt::format("known: {}", fmt::join(names, ", "));
    draft.out.Error("NM207", place.At("type"), fmt::format("no operator \"{}\"", name),
                    hint.empty() ? list : hint + " " + list);
    return nullptr;
  }
  TaskType type{entry, Prepare(TaskSchema(*entry)), {}, {}};
  const Json own = OwnSchema(*entry);
  for (const auto& [key, property] : own["properties"].items()) {
    if (property.is_object() && property.contains("default")) {
      type.defaults.emplace_back(key, property["default"]);
    }
  }
  return &draft.types.emplace(name, std::move(type)).first->second;
}

// One source of common fields: the task itself, its template, the defaults; weaker ones give what
// stronger ones do not set.
struct Bundle {
  const Json* fields = nullptr;
  Place place;
};

// `pools` and its short form `pool`, `pool_slots` replace each other.
bool Overridden(const std::string& key, const Json& stronger) {
  if (stronger.contains(key)) return true;
  if (key == "pools") return stronger.contains("pool") || stronger.contains("pool_slots");
  return (key == "pool" || key == "pool_slots") && stronger.contains("pools");
}

class TaskBuilder {
 public:
  TaskBuilder(Draft& draft, std::size_t index, const Json& json, const Place& place)
      : draft_(draft), index_(index), json_(json), place_(place) {}

  void Build() {
    const auto name = json_.find("type");
    TaskType* type = name != json_.end() && name->is_string()
                         ? FindType(draft_, name->get_ref<const std::string&>(), place_)
                         : nullptr;
    CheckId();
    if (name == json_.end() || !name->is_string()) {
      draft_.out.Error(name == json_.end() ? "NM202" : "NM203", place_,
                       name == json_.end() ? "\"type\" is missing" : "\"type\" is not a string");
    }
    if (type == nullptr) {
      // The edges are still worth a look.
      Apply("depends_on", place_);
      return;
    }
    task().type = type->entry->type;
    task().kind = type->entry->kind;
    const bool many = draft_.dag.tasks.size() > kManyTasks;
    if (!draft_.out.full() && !Fits(*type, json_, many)) {
      ReportTask(draft_, index_, *type, told_);
    }
    Common();
    Own(*type);
  }

 private:
  Task& task() { return draft_.dag.tasks[index_]; }

  void CheckId() {
    const auto id = json_.find("id");
    if (id == json_.end() || !id->is_string()) {
      // A task of a known type gets the complaint from its schema.
      if (id == json_.end() && !json_.contains("type")) {
        draft_.out.Error("NM202", place_, "\"id\" is missing");
      }
      return;
    }
    task().id = id->get<std::string>();
    if (IsId(task().id)) return;
    draft_.out.Error("NM206", place_.At("id"), "not an id",
                     "1 to 200 of A-Z a-z 0-9 _ . - , not beginning with . or -, without \"..\"");
  }

  void Apply(const std::string& key, const Place& place) {
    const auto it = json_.find(key);
    if (it != json_.end()) ApplyField(*FindTaskField(key), *it, place.At(key));
  }

  void ApplyField(const TaskField& field, const Json& value, const Place& place) {
    draft_.set[index_].set(static_cast<std::size_t>(&field - TaskFields().data()));
    if (field.apply != nullptr) field.apply(value, task(), Site{draft_.out, place});
  }

  void Common() {
    const Place root;
    const Place templates = root.At("task_templates");
    std::vector<Bundle> bundles = {{&json_, place_}};
    if (const Json* bundle = Template()) {
      bundles.push_back({bundle, templates.At(json_["template"].get_ref<const std::string&>())});
    }
    if (const auto it = draft_.doc.find("defaults"); it != draft_.doc.end() && it->is_object()) {
      bundles.push_back({&*it, root.At("defaults")});
    }
    // `map` first: other fields may name map.item.
    if (json_.contains("map") && (FindTaskField("map")->kinds & KindBit(task().kind)) != 0) {
      Apply("map", place_);
    }
    for (std::size_t b = 0; b < bundles.size(); ++b) {
      for (const auto& [key, value] : bundles[b].fields->items()) {
        const TaskField* field = FindTaskField(key);
        if (field == nullptr || (field->kinds & KindBit(task().kind)) == 0) continue;
        if (b > 0 && !field->in_defaults) continue;
        bool overridden = false;
        for (std::size_t s = 0; s < b; ++s) {
          overridden = overridden || Overridden(key, *bundles[s].fields);
        }
        if (overridden) continue;
        const Place here = bundles[b].place.At(key);
        if (key != "map") ApplyField(*field, value, here);
        if (!field->templated) continue;
        TemplateSite site;
        site.task = index_;
        site.in_map = key == "map";
        CheckTemplates(draft_, value, here, site);
      }
    }
    if (json_.contains("pools") && (json_.contains("pool") || json_.contains("pool_slots"))) {
      draft_.out.Error("NM323", place_.At("pools"), "`pools` and `pool` exclude each other");
    }
  }

  // The bundle that `template` names.
  const Json* Template() {
    const auto name = json_.find("template");
    if (name == json_.end() || !name->is_string()) return nullptr;
    const auto all = draft_.doc.find("task_templates");
    std::vector<std::string_view> names;
    if (all != draft_.doc.end() && all->is_object()) {
      const auto it = all->find(name->get_ref<const std::string&>());
      if (it != all->end()) return it->is_object() ? &*it : nullptr;
      for (const auto& [known, bundle] : all->get_ref<const Json::object_t&>()) {
        names.push_back(known);
      }
    }
    draft_.out.Error("NM321", place_.At("template"),
                     fmt::format("no task template \"{}\"", name->get<std::string>()),
                     DidYouMean(name->get_ref<const std::string&>(), names));
    return nullptr;
  }

  void Own(const TaskType& type) {
    Json& own = draft_.own[index_];
    own = Json::object();
    const auto& raw = type.entry->no_raw_template;
    for (const auto& [key, value] : json_.items()) {
      if (key == "id" || key == "type" || FindTaskField(key) != nullptr) continue;
      own[key] = value;
      TemplateSite site;
      site.task = index_;
      site.raw_refused = std::find(raw.begin(), raw.end(), key) != raw.end();
      site.dated = key == "path" || key == "as_of" || key == "partition";
      CheckTemplates(draft_, value, place_.At(key), site);
    }
    for (const auto& [key, value] : type.defaults) {
      if (!own.contains(key)) own[key] = value;
    }
    switch (task().kind) {
      case TaskKind::kNative:
        Native(type, own);
        break;
      case TaskKind::kSensor:
        Settle(own);
        break;
      case TaskKind::kBranch:
        Branch(own);
        break;
      case TaskKind::kShortCircuit:
        ShortCircuit(own);
        break;
      case TaskKind::kProcess:
      case TaskKind::kNoop:
        break;
    }
    task().params = CanonicalJson(own);
  }

  void Native(const TaskType& type, const Json& own) {
    if (const auto it = own.find("threads"); it != own.end() && it->is_number_integer()) {
      task().threads =
          static_cast<int>(std::clamp<std::int64_t>(it->get<std::int64_t>(), 1, 1'024));
    }
    if (type.entry->check == nullptr || draft_.out.full()) return;
    const std::string prefix = fmt::format("/tasks/{}", index_);
    for (const SpecFault& fault : type.entry->check(own)) {
      if (told_.contains(ToldKey(fault.code, fault.pointer, fault.message))) continue;
      if (fault.warning) {
        draft_.out.Warning(fault.code, prefix + fault.pointer, fault.message, fault.hint);
      } else {
        Report(draft_, prefix,
               {fault.code, fault.pointer, fault.at_key, fault.message, fault.hint});
      }
    }
  }

  void Settle(const Json& own) {
    const auto settle = own.find("settle");
    if (settle == own.end()) return;
    if (settle->is_string() && IsTemplate(settle->get_ref<const std::string&>())) return;
    const Place place = place_.At("settle");
    (void)ParseDurationField(*settle, {Duration{0}, limits::kMaxTimeout}, Site{draft_.out, place});
  }

  void Branch(const Json& own) {
    if (const auto cases = own.find("cases"); cases != own.end() && cases->is_array()) {
      for (const Json& item : *cases) {
        BranchCase branch;
        if (item.is_object() && item.contains("if") && item["if"].is_string()) {
          branch.condition = item["if"].get<std::string>();
        }
        if (item.is_object() && item.contains("then")) branch.then = ParseTexts(item["then"]);
        task().cases.push_back(std::move(branch));
      }
    }
    if (const auto it = own.find("else"); it != own.end()) task().otherwise = ParseTexts(*it);
  }

  void ShortCircuit(const Json& own) {
    if (const auto it = own.find("condition"); it != own.end() && it->is_string()) {
      task().condition = it->get<std::string>();
    }
    const auto it = own.find("ignore_downstream_trigger_rules");
    if (it != own.end() && it->is_boolean()) {
      task().ignore_downstream_trigger_rules = it->get<bool>();
    }
  }

  Draft& draft_;
  std::size_t index_;
  const Json& json_;
  const Place& place_;
  std::set<std::string> told_;  // ToldKey of what the schema refused
};

// Objects of nlohmann::json forget the order of their keys, but the first of several named lists of
// a map varies slowest: the order is read from the text again.
void OrderNamedLists(Draft& draft) {
  Places places;
  const auto key = [](std::size_t task, const std::string& name) {
    std::string pointer = kKeyMark + fmt::format("/tasks/{}/map/over", task);
    AppendToken(pointer, name);
    return pointer;
  };
  std::vector<std::size_t> tasks;
  for (std::size_t i = 0; i < draft.dag.tasks.size(); ++i) {
    const auto& map = draft.dag.tasks[i].map;
    if (!map || map->over.size() < 2 || draft.doc["tasks"][i]["map"].contains("order")) continue;
    tasks.push_back(i);
    for (const auto& [name, list] : map->over) places.emplace(key(i, name), Span{});
  }
  if (tasks.empty()) return;
  Locate(draft.text, places);
  for (const std::size_t i : tasks) {
    auto& over = draft.dag.tasks[i].map->over;
    std::sort(over.begin(), over.end(), [&](const auto& a, const auto& b) {
      return places[key(i, a.first)].begin < places[key(i, b.first)].begin;
    });
  }
}

}  // namespace

void BuildDagFields(Draft& draft) {
  EraseOwnKeys(draft.doc);
  if (!PreparedRoot().Accepts(draft.doc)) {
    for (SchemaFault& fault : PreparedRoot().Explain(draft.doc)) {
      WordCatchup(fault);
      // Ids have a message of their own.
      if (fault.code == "NM206" && fault.pointer == "/dag_id") continue;
      Report(draft, "", fault);
    }
  }
  const Place root;
  // In the order of the table: dag_id comes before schedule, whose jitter depends on it.
  for (const DagField& field : DagFields()) {
    const auto it = draft.doc.find(field.name);
    if (it == draft.doc.end() || field.apply == nullptr) continue;
    const Place place = root.At(field.name);
    field.apply(*it, draft.dag, Site{draft.out, place});
  }
}

void BuildTasks(Draft& draft) {
  const auto tasks = draft.doc.find("tasks");
  if (tasks == draft.doc.end() || !tasks->is_array()) return;
  draft.dag.tasks.resize(tasks->size());
  draft.own.resize(tasks->size());
  draft.set.resize(tasks->size());
  const Place root;
  const Place list = root.At("tasks");
  for (std::size_t i = 0; i < tasks->size(); ++i) {
    Json& json = (*tasks)[i];
    const Place place = list.At(i);
    if (!json.is_object()) {
      draft.out.Error("NM203", place, "a task is an object");
      continue;
    }
    EraseOwnKeys(json);
    TaskBuilder(draft, i, json, place).Build();
  }
  OrderNamedLists(draft);
}

void FillCanonical(Draft& draft) {
  Json root = Json::object();
  for (const DagField& field : DagFields()) {
    if (field.emit != nullptr) field.emit(draft.dag, root);
  }
  CHECK(root.back() == root["tags"]);  // "tasks" sorts behind every other key
  std::string text = CanonicalJson(root);
  text.back() = ',';
  text += "\"tasks\":[";
  for (std::size_t i = 0; i < draft.dag.tasks.size(); ++i) {
    const Task& task = draft.dag.tasks[i];
    Json json = std::move(draft.own[i]);
    json["id"] = task.id;
    json["type"] = task.type;
    // A common field that has its default is left out, whether it was written or not: a hundred
    // thousand tasks would repeat forty defaults each, and the identity is the same.
    for (std::size_t f = 0; f < TaskFields().size(); ++f) {
      const TaskField& field = TaskFields()[f];
      if (draft.set[i].test(f) && field.emit != nullptr) field.emit(task, json);
    }
    const Json& source = draft.doc["tasks"][i];
    for (const char* metadata : {"inlets", "outlets"}) {
      const auto it = source.find(metadata);
      if (it != source.end() && !it->empty()) json[metadata] = *it;
    }
    if (i > 0) text += ',';
    text += CanonicalJson(json);
  }
  text += "]}";
  draft.dag.canonical = std::move(text);
  draft.dag.version_hash = Sha256Hex(draft.dag.canonical);
}

}  // namespace nightmill::dagfile
