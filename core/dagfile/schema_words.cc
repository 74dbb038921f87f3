#include "core/dagfile/schema_words.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <limits>
#include <map>
#include <optional>
#include <regex>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "core/base/json.h"
#include "core/base/limits.h"
#include "core/dagfile/canonical_json.h"
#include "core/dagfile/json_text.h"
#include "core/dagfile/suggest.h"

namespace nightmill::dagfile {
namespace {

using Json = nlohmann::json;

bool IsType(const Json& value, std::string_view type) {
  if (type == "integer") {
    return value.is_number_integer() ||
           (value.is_number_float() && std::trunc(value.get<double>()) == value.get<double>());
  }
  if (type == "number") return value.is_number();
  return TypeName(value).ends_with(type);
}

std::size_t CodePoints(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

// A value as a message quotes it: short.
std::string Quote(const Json& value) {
  std::string text = CanonicalJson(value);
  constexpr std::size_t kMax = 60;
  if (text.size() <= kMax) return text;
  std::size_t cut = kMax;
  while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xC0) == 0x80) --cut;
  return text.substr(0, cut) + "...";
}

const Json* Member(const Json& object, const char* key) {
  const auto it = object.find(key);
  return it == object.end() ? nullptr : &*it;
}

std::vector<std::string> Types(const Json& schema) {
  const Json* type = Member(schema, "type");
  if (type == nullptr) return {};
  if (type->is_string()) return {type->get<std::string>()};
  std::vector<std::string> types;
  for (const Json& item : *type) {
    if (item.is_string()) types.push_back(item.get<std::string>());
  }
  return types;
}

// What `const` and `enum` allow; nullopt if the schema has neither.
std::optional<std::vector<Json>> Allowed(const Json& schema) {
  if (const Json* only = Member(schema, "const")) return std::vector<Json>{*only};
  if (const Json* list = Member(schema, "enum"))
    return std::vector<Json>(list->begin(), list->end());
  return std::nullopt;
}

std::string Article(std::string_view type) {
  const bool vowel = std::string_view("aeiou").find(type.front()) != std::string_view::npos;
  return fmt::format("{} {}", vowel ? "an" : "a", type);
}

class Walk {
 public:
  std::vector<SchemaFault> faults;

  void Check(const Json& schema, const Json& value) {
    if (schema.is_boolean()) {
      if (!schema.get<bool>()) Add("NM208", "nothing is allowed here");
      return;
    }
    if (!schema.is_object()) return;
    const std::vector<std::string> types = Types(schema);
    if (!types.empty() && std::none_of(types.begin(), types.end(), [&](const std::string& type) {
          return IsType(value, type);
        })) {
      WrongType({types.begin(), types.end()}, value);
      return;
    }
    if (const auto allowed = Allowed(schema)) {
      if (std::find(allowed->begin(), allowed->end(), value) == allowed->end()) {
        const Json* comment = Member(schema, "$comment");
        if (comment != nullptr && *comment == kNotYetComment) {
          NotYet();
        } else {
          NotAllowed(*allowed, value);
        }
        return;
      }
    }
    if (value.is_string()) CheckString(schema, value.get_ref<const std::string&>());
    if (value.is_number()) CheckNumber(schema, value);
    if (value.is_array()) CheckArray(schema, value);
    if (value.is_object()) CheckObject(schema, value);
    CheckCombined(schema, value);
  }

 private:
  void Add(std::string_view code, std::string message, std::string hint = {}) {
    faults.push_back({code, pointer_, false, std::move(message), std::move(hint)});
  }

  void WrongType(const std::set<std::string>& types, const Json& value) {
    std::vector<std::string> names;
    for (const std::string& type : types) {
      names.push_back(type == "null" ? "null" : Article(type));
    }
    Add("NM203", fmt::format("expected {}, found {}", fmt::join(names, " or "), TypeName(value)));
  }

  void NotYet() {
    const std::string name = pointer_.substr(pointer_.rfind('/') + 1);
    faults.push_back({"NM210", pointer_, true, fmt::format("\"{}\" is not supported yet", name),
                      "remove it: this release would not carry it out"});
  }

  void NotAllowed(const std::vector<Json>& allowed, const Json& value) {
    std::vector<std::string_view> words;
    std::vector<std::string> quoted;
    for (const Json& item : allowed) {
      if (item.is_string()) words.push_back(item.get_ref<const std::string&>());
      quoted.push_back(Quote(item));
    }
    const std::string hint =
        value.is_string() ? DidYouMean(value.get_ref<const std::string&>(), words) : "";
    Add("NM204", fmt::format("{} is not one of {}", Quote(value), fmt::join(quoted, ", ")), hint);
  }

  void CheckString(const Json& schema, const std::string& text) {
    const Json* pattern = Member(schema, "pattern");
    if (pattern != nullptr && text.size() > limits::kMaxPatternInput) {
      Add("NM205",
          fmt::format("a string of {} bytes, at most {} are allowed where a pattern is given",
                      text.size(), limits::kMaxPatternInput));
      return;
    }
    const auto length = static_cast<double>(CodePoints(text));
    Bound(schema, "minLength", length, "characters");
    Bound(schema, "maxLength", length, "characters");
    if (pattern == nullptr || !pattern->is_string()) return;
    try {
      const std::regex expression(pattern->get<std::string>(), std::regex::ECMAScript);
      if (!std::regex_search(text, expression)) {
        Add("NM206", fmt::format("{} does not match the pattern {}", Quote(text),
                                 pattern->get<std::string>()));
      }
    } catch (const std::exception&) {  // valijson has its own opinion of such a pattern
    }
  }

  void Bound(const Json& schema, const char* keyword, double value, std::string_view unit) {
    const Json* bound = Member(schema, keyword);
    if (bound == nullptr || !bound->is_number()) return;
    const bool minimum = std::string_view(keyword).starts_with("min");
    if (minimum ? value >= bound->get<double>() : value <= bound->get<double>()) return;
    Add("NM205", fmt::format("{} {}, at {} {} {} allowed", value, unit, minimum ? "least" : "most",
                             CanonicalJson(*bound), *bound == 1 ? "is" : "are"));
  }

  void CheckNumber(const Json& schema, const Json& value) {
    const auto number = value.get<double>();
    const auto refuse = [&](const char* keyword, std::string_view words, auto&& fits) {
      const Json* bound = Member(schema, keyword);
      if (bound == nullptr || !bound->is_number() || fits(bound->get<double>())) return;
      Add("NM205", fmt::format("{} is {} {}", Quote(value), words, CanonicalJson(*bound)));
    };
    refuse("minimum", "less than the minimum", [&](double b) { return number >= b; });
    refuse("maximum", "more than the maximum", [&](double b) { return number <= b; });
    refuse("exclusiveMinimum", "not more than", [&](double b) { return number > b; });
    refuse("exclusiveMaximum", "not less than", [&](double b) { return number < b; });
  }

  void CheckArray(const Json& schema, const Json& value) {
    const auto size = static_cast<double>(value.size());
    Bound(schema, "minItems", size, value.size() == 1 ? "item" : "items");
    Bound(schema, "maxItems", size, value.size() == 1 ? "item" : "items");
    const Json* unique = Member(schema, "uniqueItems");
    if (unique != nullptr && *unique == true) {
      std::set<std::string> seen;
      for (std::size_t i = 0; i < value.size(); ++i) {
        if (seen.insert(CanonicalJson(value[i])).second) continue;
        In(std::to_string(i),
           [&] { Add("NM205", fmt::format("{} is there twice", Quote(value[i]))); });
      }
    }
    const Json* items = Member(schema, "items");
    if (items == nullptr) return;
    for (std::size_t i = 0; i < value.size(); ++i) {
      if (items->is_array() && i >= items->size()) break;
      In(std::to_string(i), [&] { Check(items->is_array() ? (*items)[i] : *items, value[i]); });
    }
  }

  void CheckObject(const Json& schema, const Json& value) {
    static const Json kNone = Json::object();
    const Json* properties = Member(schema, "properties");
    if (properties == nullptr) properties = &kNone;
    if (const Json* required = Member(schema, "required")) {
      for (const Json& name : *required) {
        if (name.is_string() && !value.contains(name)) {
          Add("NM202", fmt::format("\"{}\" is missing", name.get<std::string>()));
        }
      }
    }
    const auto size = static_cast<double>(value.size());
    Bound(schema, "minProperties", size, value.size() == 1 ? "member" : "members");
    Bound(schema, "maxProperties", size, value.size() == 1 ? "member" : "members");
    const Json* rest = Member(schema, "additionalProperties");
    for (const auto& [key, item] : value.items()) {
      const Json* known = Member(*properties, key.c_str());
      if (known != nullptr) {
        In(key, [&] { Check(*known, item); });
      } else if (rest != nullptr && rest->is_object()) {
        In(key, [&] { Check(*rest, item); });
      } else if (rest != nullptr && *rest == false && !schema.contains("patternProperties")) {
        UnknownKey(*properties, key);
      }
    }
  }

  void UnknownKey(const Json& properties, const std::string& key) {
    std::vector<std::string_view> names;
    for (const auto& [name, schema] : properties.get_ref<const Json::object_t&>()) {
      names.push_back(name);
    }
    std::string hint = DidYouMean(key, names);
    if (hint.empty() && names.size() <= 12) hint = fmt::format("known: {}", fmt::join(names, ", "));
    In(key, [&] {
      faults.push_back(
          {"NM201", pointer_, true, fmt::format("unknown key {}", Quote(key)), std::move(hint)});
    });
  }

  template <class Function>
  void In(std::string_view token, Function&& function) {
    const std::size_t length = pointer_.size();
    AppendToken(pointer_, token);
    function();
    pointer_.resize(length);
  }

  void CheckCombined(const Json& schema, const Json& value) {
    if (const Json* all = Member(schema, "allOf")) {
      for (const Json& part : *all) Check(part, value);
    }
    if (const Json* condition = Member(schema, "if")) {
      const Json* then = Member(schema, Fits(*condition, value) ? "then" : "else");
      if (then != nullptr) Check(*then, value);
    }
    for (const char* keyword : {"anyOf", "oneOf"}) {
      if (const Json* branches = Member(schema, keyword)) CheckBranches(*branches, value);
    }
  }

  static bool Fits(const Json& schema, const Json& value) {
    Walk walk;
    walk.Check(schema, value);
    return walk.faults.empty();
  }

  // Nothing if a branch fits. Else: one complaint about the type if no branch takes it, one about
  // the word if every branch wants another word at the same place (a discriminator), else the
  // complaints of the branch that is nearest.
  void CheckBranches(const Json& branches, const Json& value) {
    struct Tried {
      std::vector<SchemaFault> faults;
      std::tuple<std::size_t, std::size_t, std::size_t> rank;
    };
    std::vector<Tried> tried;
    std::set<std::string> types;
    for (const Json& branch : branches) {
      Walk walk;
      walk.pointer_ = pointer_;
      walk.Check(branch, value);
      if (walk.faults.empty()) return;
      std::size_t wrong_type = 0;
      std::size_t wrong_word = 0;
      for (const SchemaFault& fault : walk.faults) {
        wrong_type += fault.code == "NM203" && fault.pointer == pointer_ ? 1u : 0u;
        wrong_word += fault.code == "NM204" ? 1u : 0u;
      }
      if (wrong_type != 0) {
        for (const std::string& type : Types(branch)) types.insert(type);
      }
      tried.push_back({walk.faults, {wrong_type, wrong_word, walk.faults.size()}});
    }
    if (tried.empty()) return;
    const auto best = std::min_element(
        tried.begin(), tried.end(), [](const Tried& a, const Tried& b) { return a.rank < b.rank; });
    if (std::get<0>(best->rank) != 0) return WrongType(types, value);
    const auto word = std::find_if(best->faults.begin(), best->faults.end(),
                                   [](const SchemaFault& fault) { return fault.code == "NM204"; });
    if (word != best->faults.end() && WrongWordEverywhere(branches, value, word->pointer)) return;
    faults.insert(faults.end(), best->faults.begin(), best->faults.end());
  }

  // If every branch that takes this type wants another word at `pointer` (the value itself or one
  // of its members), reports the words of all branches together.
  bool WrongWordEverywhere(const Json& branches, const Json& value, const std::string& pointer) {
    const std::string key =
        pointer.size() > pointer_.size() ? pointer.substr(pointer_.size() + 1) : "";
    if (key.find('/') != std::string::npos) return false;
    const Json* wrong = key.empty() ? &value : Member(value, key.c_str());
    if (wrong == nullptr) return false;
    std::vector<Json> words;
    for (const Json& branch : branches) {
      const std::vector<std::string> types = Types(branch);
      if (!types.empty() && std::none_of(types.begin(), types.end(), [&](const std::string& type) {
            return IsType(value, type);
          })) {
        continue;
      }
      const Json* place = &branch;
      if (!key.empty()) {
        place = Member(branch, "properties");
        if (place != nullptr) place = Member(*place, key.c_str());
      }
      const auto allowed = place == nullptr ? std::nullopt : Allowed(*place);
      if (!allowed || std::find(allowed->begin(), allowed->end(), *wrong) != allowed->end()) {
        return false;
      }
      words.insert(words.end(), allowed->begin(), allowed->end());
    }
    if (key.empty()) {
      NotAllowed(words, *wrong);
    } else {
      In(key, [&] { NotAllowed(words, *wrong); });
    }
    return true;
  }

  std::string pointer_;
};

}  // namespace

std::string_view TypeName(const Json& value) {
  switch (value.type()) {
    case Json::value_t::object:
      return "an object";
    case Json::value_t::array:
      return "an array";
    case Json::value_t::string:
      return "a string";
    case Json::value_t::boolean:
      return "a boolean";
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned:
      return "an integer";
    case Json::value_t::number_float:
      return "a number";
    default:
      return "null";
  }
}

std::vector<SchemaFault> WordFaults(const Json& schema, const Json& value) {
  Walk walk;
  walk.Check(schema, value);
  return walk.faults;
}

}  // namespace nightmill::dagfile
