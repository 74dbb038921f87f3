#include "operators/spec_reader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "core/base/json.h"
#include "core/base/limits.h"
#include "core/dagfile/dag_json.h"
#include "core/dagfile/json_text.h"
#include "core/dagfile/schema_words.h"
#include "core/dagfile/suggest.h"
#include "core/template/template.h"

namespace nightmill {
namespace {

using Json = nlohmann::json;

// Longer lists of names say more than anybody reads.
constexpr std::size_t kMaxNamed = 16;

std::string WithToken(std::string pointer, std::string_view token) {
  dagfile::AppendToken(pointer, token);
  return pointer;
}

// All faults, for programs; the message has the first.
std::string FaultsJson(const std::vector<SpecFault>& faults) {
  Json list = Json::array();
  for (const SpecFault& fault : faults) {
    if (fault.warning) continue;
    list.push_back({{"code", fault.code}, {"pointer", fault.pointer}, {"message", fault.message}});
    if (!fault.hint.empty()) list.back()["hint"] = fault.hint;
  }
  return Json{{"faults", std::move(list)}}.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

SpecReader::SpecReader(const Json& object, SpecStage stage, std::vector<SpecFault>& faults)
    : object_(&object), stage_(stage), faults_(&faults) {
  CHECK(object.is_object());
}

SpecReader::SpecReader(const SpecReader& parent, const Json& object, std::string pointer)
    : SpecReader(object, parent.stage_, *parent.faults_) {
  pointer_ = std::move(pointer);
}

std::string SpecReader::At(std::string_view name) const { return WithToken(pointer_, name); }

bool SpecReader::Has(std::string_view name) {
  Allow(name);
  const auto it = object_->find(name);
  return it != object_->end() && !it->is_null();
}

const Json* SpecReader::Find(std::string_view name) {
  if (!Has(name)) return nullptr;
  const Json& value = *object_->find(name);
  return IsUnknown(value) ? nullptr : &value;
}

bool SpecReader::IsUnknown(const Json& value) const {
  return !rendered() && value.is_string() && IsTemplate(value.get_ref<const std::string&>());
}

void SpecReader::Require(std::string_view name, std::string hint) {
  if (!Has(name)) Fail(spec_code::kMissing, "", fmt::format("\"{}\" is missing", name), hint);
}

bool SpecReader::Text(std::string_view name, std::string& out) {
  std::string text;
  if (!AnyText(name, text)) return false;
  if (text.empty()) {
    Fail(spec_code::kRange, name, "the text is empty");
    return false;
  }
  out = std::move(text);
  return true;
}

bool SpecReader::AnyText(std::string_view name, std::string& out) {
  const Json* value = Find(name);
  if (value == nullptr) return false;
  if (!value->is_string()) {
    WrongType(name, "a string", *value);
    return false;
  }
  out = value->get<std::string>();
  return true;
}

bool SpecReader::Bool(std::string_view name, bool& out) {
  const Json* value = Find(name);
  if (value == nullptr) return false;
  if (!value->is_boolean()) {
    WrongType(name, "a boolean", *value);
    return false;
  }
  out = value->get<bool>();
  return true;
}

bool SpecReader::Integer(std::string_view name, std::int64_t low, std::int64_t high,
                         std::int64_t& out) {
  const Json* value = Find(name);
  if (value == nullptr) return false;
  if (!value->is_number_integer()) {
    WrongType(name, "an integer", *value);
    return false;
  }
  const bool huge = value->is_number_unsigned() && value->get<std::uint64_t>() > INT64_MAX;
  if (huge || value->get<std::int64_t>() < low || value->get<std::int64_t>() > high) {
    Fail(spec_code::kRange, name, fmt::format("expected a whole number from {} to {}", low, high));
    return false;
  }
  out = value->get<std::int64_t>();
  return true;
}

bool SpecReader::Texts(std::string_view name, Form form, std::vector<std::string>& out) {
  if (!Has(name)) return false;
  const Json& value = *object_->find(name);
  const bool alone = value.is_string() && (form == Form::kTextOrList || IsUnknown(value));
  if (!value.is_array() && !alone) {
    WrongType(name, form == Form::kList ? "an array" : "a string or an array", value);
    return false;
  }
  std::vector<std::string> texts;
  bool right = true;
  const auto add = [&](const Json& item, std::string pointer) {
    if (item.is_string() && !item.get_ref<const std::string&>().empty()) {
      texts.push_back(item.get<std::string>());
      return;
    }
    right = false;
    if (item.is_string()) {
      FailAt(spec_code::kRange, std::move(pointer), "the text is empty");
    } else {
      FailAt(spec_code::kType, std::move(pointer),
             fmt::format("expected a string, found {}", dagfile::TypeName(item)));
    }
  };
  if (alone) {
    add(value, At(name));
  } else {
    for (std::size_t i = 0; i < value.size(); ++i) {
      add(value[i], WithToken(At(name), std::to_string(i)));
    }
  }
  if (right) out = std::move(texts);
  return right;
}

std::optional<std::size_t> SpecReader::Word(std::string_view name,
                                            std::span<const std::string_view> words) {
  const Json* value = Find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) {
    WrongType(name, "a string", *value);
    return std::nullopt;
  }
  const auto& text = value->get_ref<const std::string&>();
  const auto it = std::find(words.begin(), words.end(), text);
  if (it != words.end()) return static_cast<std::size_t>(it - words.begin());
  Fail(spec_code::kWord, name, fmt::format("\"{}\" is not one of {}", text, fmt::join(words, ", ")),
       dagfile::DidYouMean(text, {words.begin(), words.end()}));
  return std::nullopt;
}

void SpecReader::Object(std::string_view name, const std::function<void(SpecReader&)>& read) {
  const Json* value = Find(name);
  if (value == nullptr) return;
  if (!value->is_object()) return WrongType(name, "an object", *value);
  SpecReader inner(*this, *value, At(name));
  read(inner);
  inner.Done();
}

void SpecReader::Objects(std::string_view name, std::size_t least, std::size_t most,
                         const std::function<void(SpecReader&)>& read) {
  const Json* value = Find(name);
  if (value == nullptr) return;
  if (!value->is_array()) return WrongType(name, "an array", *value);
  if (value->size() < least || value->size() > most) {
    Fail(spec_code::kRange, name,
         fmt::format("{} items, {} to {} are allowed", value->size(), least, most));
  }
  for (std::size_t i = 0; i < std::min(value->size(), most); ++i) {
    const Json& item = (*value)[i];
    std::string pointer = WithToken(At(name), std::to_string(i));
    if (IsUnknown(item)) continue;
    if (!item.is_object()) {
      FailAt(spec_code::kType, std::move(pointer),
             fmt::format("expected an object, found {}", dagfile::TypeName(item)));
      continue;
    }
    SpecReader inner(*this, item, std::move(pointer));
    read(inner);
    inner.Done();
  }
}

void SpecReader::Fail(std::string_view code, std::string_view name, std::string message,
                      std::string hint) {
  FailAt(code, name.empty() ? pointer_ : At(name), std::move(message), std::move(hint));
}

void SpecReader::FailAt(std::string_view code, std::string pointer, std::string message,
                        std::string hint) {
  faults_->push_back({code, std::move(pointer), false, false, std::move(message), std::move(hint)});
}

void SpecReader::Warn(std::string_view code, std::string_view name, std::string message) {
  faults_->push_back({code, At(name), false, true, std::move(message), {}});
}

void SpecReader::WrongType(std::string_view name, std::string_view wanted, const Json& value) {
  Fail(spec_code::kType, name,
       fmt::format("expected {}, found {}", wanted, dagfile::TypeName(value)));
}

void SpecReader::Done() {
  if (!closed_) return;
  for (const auto& [name, value] : object_->items()) {
    if (known_.contains(name) || name.starts_with("x-")) continue;
    std::string hint = dagfile::DidYouMean(name, {known_.begin(), known_.end()});
    if (hint.empty() && known_.size() <= kMaxNamed) {
      hint = fmt::format("known: {}", fmt::join(known_, ", "));
    }
    faults_->push_back({spec_code::kUnknownField, At(name), true, false,
                        fmt::format("unknown key \"{}\"", name), std::move(hint)});
  }
}

OperatorError SpecError(std::string_view pointer, std::string_view what, std::string hint) {
  return BadSpec(pointer.empty() ? std::string(what) : fmt::format("{}: {}", pointer, what), "spec",
                 std::move(hint));
}

OpResult<Json> ParseSpecText(std::string_view text) {
  if (text.size() > limits::kMaxJsonBytes) return BadSpec("the spec is too long", "spec");
  const Result<std::string> strict = ParseStrictJson(text, true);
  if (!strict.ok()) return BadSpec(strict.error().message, "json", strict.error().hint);
  Json spec = Json::parse(*strict);
  if (!spec.is_object()) return BadSpec("the spec is not a JSON object", "spec");
  return spec;
}

OpStatus ReadSpecText(std::string_view text, const std::function<void(SpecReader&)>& read) {
  NM_ASSIGN_OR_RETURN(const Json spec, ParseSpecText(text));
  std::vector<SpecFault> faults;
  SpecReader reader(spec, SpecStage::kRendered, faults);
  read(reader);
  reader.Done();
  const auto first = std::find_if(faults.begin(), faults.end(),
                                  [](const SpecFault& fault) { return !fault.warning; });
  if (first == faults.end()) return OpOk();
  OperatorError error = SpecError(first->pointer, first->message, first->hint);
  error.report = FaultsJson(faults);
  return error;
}

std::vector<SpecFault> CheckSpecAsWritten(const Json& spec,
                                          const std::function<void(SpecReader&)>& read) {
  std::vector<SpecFault> faults;
  if (!spec.is_object()) return faults;
  SpecReader reader(spec, SpecStage::kWritten, faults);
  read(reader);
  reader.Done();
  return faults;
}

}  // namespace nightmill
