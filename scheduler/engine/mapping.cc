#include "scheduler/engine/mapping.h"

#include <fmt/format.h>

#include "core/base/json.h"

namespace nightmill {
namespace {

using nlohmann::json;

Error TooMany(const MapSpec& map, std::size_t count) {
  return Invalid(fmt::format("map.over gives {} items, max_items is {}", count, map.max_items),
                 "raise max_items of this task or map over fewer items");
}

Result<std::vector<json>> ItemsOf(const std::string& name, const std::string& over,
                                  const TemplateContext& context) {
  const std::string what = name.empty() ? "map.over" : fmt::format("map.over.{}", name);
  NM_ASSIGN_OR_RETURN(const std::string text, RenderJson(over, context));
  json value = json::parse(text);
  std::vector<json> items;
  if (value.is_array()) {
    for (json& item : value) items.push_back(std::move(item));
  } else if (value.is_object()) {
    for (auto& [key, item] : value.items()) items.push_back({{"key", key}, {"value", item}});
  } else {
    return Invalid(fmt::format("{} is {}, not a list or an object", what, value.type_name()),
                   "let the upstream task write a JSON list to $NIGHTMILL_OUTPUT");
  }
  return items;
}

Result<std::vector<json>> Cross(
    const MapSpec& map, const std::vector<std::pair<std::string, std::vector<json>>>& lists) {
  std::size_t count = 1;
  for (const auto& [name, items] : lists) {
    count *= items.size();
    if (count > static_cast<std::size_t>(map.max_items)) return TooMany(map, count);
  }
  std::vector<json> result;
  result.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    json item = json::object();
    std::size_t rest = i;
    // The first name varies slowest, so the last one takes the lowest digit.
    for (auto it = lists.rbegin(); it != lists.rend(); ++it) {
      item[it->first] = it->second[rest % it->second.size()];
      rest /= it->second.size();
    }
    result.push_back(std::move(item));
  }
  return result;
}

Result<std::vector<json>> Zip(const std::vector<std::pair<std::string, std::vector<json>>>& lists) {
  std::vector<json> result;
  for (std::size_t i = 0; i < lists[0].second.size(); ++i) {
    json item = json::object();
    for (const auto& [name, items] : lists) {
      if (items.size() != lists[0].second.size()) {
        return Invalid(fmt::format("zip of unequal lengths: {} has {} items, {} has {}",
                                   lists[0].first, lists[0].second.size(), name, items.size()));
      }
      item[name] = items[i];
    }
    result.push_back(std::move(item));
  }
  return result;
}

}  // namespace

Result<std::vector<std::string>> MapItems(const MapSpec& map, const TemplateContext& context) {
  std::vector<std::pair<std::string, std::vector<json>>> lists;
  for (const auto& [name, over] : map.over) {
    NM_ASSIGN_OR_RETURN(std::vector<json> items, ItemsOf(name, over, context));
    lists.emplace_back(name, std::move(items));
  }
  std::vector<json> combined;
  if (lists.size() == 1 && lists[0].first.empty()) {
    combined = std::move(lists[0].second);
  } else if (map.mode == MapMode::kConcat) {
    for (auto& [name, items] : lists) {
      for (json& item : items) combined.push_back(std::move(item));
    }
  } else if (map.mode == MapMode::kZip) {
    NM_ASSIGN_OR_RETURN(combined, Zip(lists));
  } else {
    NM_ASSIGN_OR_RETURN(combined, Cross(map, lists));
  }
  if (combined.size() > static_cast<std::size_t>(map.max_items)) {
    return TooMany(map, combined.size());
  }
  std::vector<std::string> texts;
  texts.reserve(combined.size());
  for (const json& item : combined) texts.push_back(item.dump());
  return texts;
}

}  // namespace nightmill
