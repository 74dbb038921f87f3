// The task field `map`: dynamic mapping (semantics.md 5).
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base/json.h"
#include "core/base/limits.h"
#include "core/dagfile/canonical_json.h"
#include "core/dagfile/task_fields.h"
#include "core/template/template.h"

namespace nightmill::dagfile {
namespace {

using Json = nlohmann::json;

// Items that a literal gives; nullopt for a template, whose length only a run knows.
std::optional<std::size_t> LiteralSize(const Json& over) {
  if (over.is_array()) return over.size();
  return std::nullopt;
}

// What literals alone say about the number of items.
void CheckLiterals(const Json& over, const MapSpec& map, const Site& site) {
  std::vector<std::size_t> sizes;
  if (const auto size = LiteralSize(over)) sizes.push_back(*size);
  bool all = over.is_array();
  if (over.is_object()) {
    for (const auto& [name, list] : over.items()) {
      if (const auto size = LiteralSize(list)) sizes.push_back(*size);
    }
    all = sizes.size() == over.size();
  }
  if (sizes.empty() || (!all && map.mode != MapMode::kConcat)) return;
  std::size_t items = map.mode == MapMode::kConcat ? 0 : 1;
  for (const std::size_t size : sizes) {
    if (map.mode == MapMode::kConcat) {
      items += size;
    } else if (map.mode == MapMode::kZip) {
      if (size != sizes.front()) {
        site.Error("NM313",
                   fmt::format("lists of {} and {} items cannot be zipped", sizes.front(), size));
        return;
      }
      items = size;
    } else {
      items = std::min<std::size_t>(items * size, std::size_t{1} << 40);
    }
  }
  if (items > static_cast<std::size_t>(map.max_items)) {
    site.Error("NM313", fmt::format("the map has {} items, max_items is {}", items, map.max_items),
               fmt::format("max_items may be raised up to {}", limits::kMaxMaxItems));
  }
}

// False unless `order` is a permutation of the names.
bool Reorder(MapSpec& map, const std::vector<std::string>& order) {
  std::vector<std::pair<std::string, std::string>> sorted;
  for (const std::string& name : order) {
    const auto it = std::find_if(map.over.begin(), map.over.end(),
                                 [&](const auto& entry) { return entry.first == name; });
    if (it == map.over.end() || it->first.empty()) return false;
    sorted.push_back(std::move(*it));
    map.over.erase(it);
  }
  if (!map.over.empty()) return false;
  map.over = std::move(sorted);
  return true;
}

std::string OverText(const Json& value, const Site& site) {
  if (value.is_string() && !IsTemplate(value.get_ref<const std::string&>())) {
    site.Error("NM310", "a text that is no template gives no list",
               "write a list, or a template such as \"{{ outputs.x }}\"");
  }
  return CanonicalJson(value);
}

}  // namespace

Json MapSchema() {
  const Json list = {{"type", {"array", "string"}}};
  Json schema = ObjectSchema(
      {{"over",
        {{"type", {"array", "string", "object"}},
         {"additionalProperties", list},
         {"minProperties", 1},
         {"description",
          "One instance per item: a list, a template that gives one, or named lists."},
         {"examples", {"{{ outputs.shards }}", {"a", "b"}}}}},
       {"mode",
        WithDefault(EnumSchema({"cross", "zip", "concat"}, "How named lists combine."), "cross")},
       {"max_items",
        WithDefault(IntSchema(1, limits::kMaxMaxItems, "More items than this fail the task."),
                    limits::kDefaultMaxItems)},
       {"max_parallel", IntSchema(1, limits::kMaxMaxItems, "Instances in flight at a time.")},
       {"max_failures",
        IntSchema(1, limits::kMaxMaxItems, "After so many failures the rest is skipped.")},
       {"on_empty",
        WithDefault(EnumSchema({"skip", "success", "fail"}, "What becomes of no items at all."),
                    "skip")},
       {"label", TextSchema("Template for the name of an instance.")},
       {"order", ListSchema({{"type", "string"}},
                            "Names of `over`, slowest first; without it the order of the file.")}},
      "One instance of the task per item; the item is map.item, its position map.index.");
  schema["required"] = {"over"};
  return schema;
}

void ApplyMap(const Json& value, Task& task, const Site& site) {
  if (!value.is_object() || !value.contains("over")) return;
  MapSpec map;
  const auto integer = [&](const char* key, auto& target) {
    if (value.contains(key) && value[key].is_number_integer()) target = value[key].get<int>();
  };
  const auto text = [&](const char* key) {
    return value.contains(key) && value[key].is_string() ? value[key].get<std::string>() : "";
  };
  map.mode = ParseMapMode(text("mode")).value_or(MapMode::kCross);
  map.on_empty = ParseOnEmptyMap(text("on_empty")).value_or(OnEmptyMap::kSkip);
  map.label = text("label");
  integer("max_items", map.max_items);
  integer("max_parallel", map.max_parallel);
  integer("max_failures", map.max_failures);

  const Json& over = value["over"];
  const Place place = site.place.At("over");
  if (over.is_object()) {
    for (const auto& [name, list] : over.items()) {
      const Place inner = place.At(name);
      map.over.emplace_back(name, OverText(list, site.In(inner)));
    }
  } else {
    map.over.emplace_back("", OverText(over, site.In(place)));
  }
  if (value.contains("order")) {
    const std::vector<std::string> order = ParseTexts(value["order"]);
    if (!Reorder(map, order)) {
      const Place inner = site.place.At("order");
      site.In(inner).Error("NM313", "`order` does not name each list of `over` once");
    }
  }
  CheckLiterals(over, map, site.In(place));
  task.map = std::move(map);
}

void EmitMap(const Task& task, Json& out) {
  if (!task.map) return;
  const MapSpec& map = *task.map;
  const MapSpec standard;
  Json json = Json::object();
  if (map.over.size() == 1 && map.over.front().first.empty()) {
    json["over"] = Json::parse(map.over.front().second);
  } else {
    for (const auto& [name, list] : map.over) json["over"][name] = Json::parse(list);
  }
  // Keys of a canonical object are sorted, but the order of the lists has a meaning.
  std::vector<std::string> names;
  for (const auto& [name, list] : map.over) names.push_back(name);
  if (!std::is_sorted(names.begin(), names.end())) json["order"] = names;
  if (map.mode != standard.mode) json["mode"] = ToString(map.mode);
  if (map.on_empty != standard.on_empty) json["on_empty"] = ToString(map.on_empty);
  if (map.max_items != standard.max_items) json["max_items"] = map.max_items;
  if (map.max_parallel) json["max_parallel"] = *map.max_parallel;
  if (map.max_failures) json["max_failures"] = *map.max_failures;
  if (!map.label.empty()) json["label"] = map.label;
  out["map"] = std::move(json);
}

}  // namespace nightmill::dagfile
