// Texts, truth, equality and order of values, and their two JSON forms.
#include "core/template/value.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "core/base/json.h"
#include "core/template/dates.h"

namespace nightmill::tmpl {
namespace {

using Json = nlohmann::ordered_json;

// Every use of an undefined value but `is defined` and `default` ends here.
Error UseOfUndefined(const Undefined& u) { return Invalid(u.what, u.hint); }

Error UseOfNamespace(const Namespace& n) {
  return Invalid(fmt::format("{} is not a value; name one of its members", n.name));
}

// Whether Python's repr would escape it: control characters, soft hyphen, line separators.
bool IsUnprintable(std::uint32_t c) {
  return c < 0x20 || (c >= 0x7f && c <= 0xa0) || c == 0xad || (c >= 0x2000 && c <= 0x200f) ||
         (c >= 0x2028 && c <= 0x202f) || (c >= 0xd800 && c <= 0xf8ff) || c == 0x3000 || c == 0xfeff;
}

// One character of a repr.
void AppendReprEscape(std::string_view point, char quote, std::string* out) {
  const std::uint32_t c = DecodeUtf8(point);
  if (c == static_cast<unsigned char>(quote) || c == '\\') {
    *out += '\\';
    *out += static_cast<char>(c);
  } else if (c == '\n') {
    *out += "\\n";
  } else if (c == '\r') {
    *out += "\\r";
  } else if (c == '\t') {
    *out += "\\t";
  } else if (!IsUnprintable(c)) {
    *out += point;
  } else if (c < 0x100) {
    *out += fmt::format("\\x{:02x}", c);
  } else {
    *out += fmt::format("\\u{:04x}", c);
  }
}

// Single quotes, unless the text has one and no double quote.
std::string TextRepr(std::string_view text) {
  const bool single = text.find('\'') != std::string_view::npos;
  const bool both = single && text.find('"') != std::string_view::npos;
  const char quote = single && !both ? '"' : '\'';
  std::string out(1, quote);
  for (std::string_view point : CodePoints(text)) AppendReprEscape(point, quote, &out);
  return out + quote;
}

Result<std::string> ListRepr(const List& list) {
  std::string out = "[";
  for (std::size_t i = 0; i < list.size(); ++i) {
    NM_ASSIGN_OR_RETURN(const std::string item, Repr(list[i]));
    out += (i > 0 ? ", " : "") + item;
  }
  return out + "]";
}

Result<std::string> ObjectRepr(const Object& object) {
  std::string out = "{";
  for (std::size_t i = 0; i < object.size(); ++i) {
    NM_ASSIGN_OR_RETURN(const std::string item, Repr(object[i].second));
    out += (i > 0 ? ", " : "") + TextRepr(object[i].first) + ": " + item;
  }
  return out + "}";
}

Result<bool> EqualLists(const List& a, const List& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    NM_ASSIGN_OR_RETURN(const bool same, Equal(a[i], b[i]));
    if (!same) return false;
  }
  return true;
}

// The order of members does not matter.
Result<bool> EqualObjects(const Object& a, const Object& b) {
  if (a.size() != b.size()) return false;
  for (const auto& [key, value] : a) {
    const Value* other = Find(b, key);
    if (!other) return false;
    NM_ASSIGN_OR_RETURN(const bool same, Equal(value, *other));
    if (!same) return false;
  }
  return true;
}

// Long doubles hold every 64-bit integer on the platforms we build for, so that 2^53 + 1 and
// 2^53 stay different when one of them is a float.
int OrderNumbers(const Number& a, const Number& b) {
  if (!a.is_float && !b.is_float) return a.i < b.i ? -1 : a.i > b.i ? 1 : 0;
  const auto wide = [](const Number& n) {
    return n.is_float ? static_cast<long double>(n.d) : static_cast<long double>(n.i);
  };
  return wide(a) < wide(b) ? -1 : wide(a) > wide(b) ? 1 : 0;
}

template <class T>
int Sign(const T& a, const T& b) {
  return a < b ? -1 : b < a ? 1 : 0;
}

// The first unequal pair decides, else the length.
Result<int> OrderLists(const List& a, const List& b) {
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    NM_ASSIGN_OR_RETURN(const bool same, Equal(a[i], b[i]));
    if (!same) return Order(a[i], b[i]);
  }
  return Sign(a.size(), b.size());
}

// Integers beyond 64 bits are refused: a float would change them silently.
Result<Value> FromJson(const Json& json) {
  switch (json.type()) {
    case Json::value_t::null:
      return Value();
    case Json::value_t::boolean:
      return Value(json.get<bool>());
    case Json::value_t::number_integer:
      return Value(json.get<std::int64_t>());
    case Json::value_t::number_unsigned: {
      const auto u = json.get<std::uint64_t>();
      if (u > static_cast<std::uint64_t>(INT64_MAX)) {
        return Invalid(fmt::format("the integer {} is beyond 64 bits", u));
      }
      return Value(static_cast<std::int64_t>(u));
    }
    case Json::value_t::number_float:
      return Value(json.get<double>());
    case Json::value_t::string:
      return Value(json.get_ref<const std::string&>());
    case Json::value_t::array: {
      List list;
      list.reserve(json.size());
      for (const Json& item : json) {
        NM_ASSIGN_OR_RETURN(Value value, FromJson(item));
        list.push_back(std::move(value));
      }
      return Value(std::move(list));
    }
    case Json::value_t::object: {
      Object object;
      object.reserve(json.size());
      for (const auto& [key, item] : json.items()) {
        NM_ASSIGN_OR_RETURN(Value value, FromJson(item));
        object.emplace_back(key, std::move(value));
      }
      return Value(std::move(object));
    }
    default:
      return Invalid("not a JSON value");
  }
}

// Dates take their str() form, as they have in the middle of a text.
Result<Json> ToJson(const Value& value) {
  if (value.is_none()) return Json(nullptr);
  if (const auto* b = value.As<bool>()) return Json(*b);
  if (const auto* i = value.As<std::int64_t>()) return Json(*i);
  if (const auto* d = value.As<double>()) {
    if (!std::isfinite(*d)) return Invalid(FloatText(*d) + " has no JSON form");
    return Json(*d);
  }
  if (const List* list = value.list()) {
    Json out = Json::array();
    for (const Value& item : *list) {
      NM_ASSIGN_OR_RETURN(Json json, ToJson(item));
      out.push_back(std::move(json));
    }
    return out;
  }
  if (const Object* object = value.object()) {
    Json out = Json::object();
    for (const auto& [key, item] : *object) {
      NM_ASSIGN_OR_RETURN(Json json, ToJson(item));
      out[key] = std::move(json);
    }
    return out;
  }
  NM_ASSIGN_OR_RETURN(std::string text, ToText(value));
  return Json(std::move(text));
}

// json.dumps of Python with ensure_ascii, then Jinja's escapes of & < > and '.
std::string PythonJsonString(std::string_view text) {
  std::string out = "\"";
  for (std::string_view point : CodePoints(text)) {
    const std::uint32_t c = DecodeUtf8(point);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\b') {
      out += "\\b";
    } else if (c == '\f') {
      out += "\\f";
    } else if (c >= 0x10000) {
      out += fmt::format("\\u{:04x}\\u{:04x}", 0xd800 + ((c - 0x10000) >> 10),
                         0xdc00 + ((c - 0x10000) & 0x3ff));
    } else if (c < 0x20 || c > 0x7e || c == '&' || c == '<' || c == '>' || c == '\'') {
      out += fmt::format("\\u{:04x}", c);
    } else {
      out += point;
    }
  }
  return out + '"';
}

// json.dumps(sort_keys=True), with Python's spaces after "," and ":".
class PythonJsonWriter {
 public:
  explicit PythonJsonWriter(int indent) : indent_(indent) {}

  Status Write(const Value& value, int level) {
    if (value.is_none()) {
      out_ += "null";
    } else if (const auto* b = value.As<bool>()) {
      out_ += *b ? "true" : "false";
    } else if (const auto* i = value.As<std::int64_t>()) {
      out_ += std::to_string(*i);
    } else if (const auto* d = value.As<double>()) {
      out_ += std::isfinite(*d) ? FloatText(*d)
                                : (std::isnan(*d) ? "NaN"
                                   : *d > 0       ? "Infinity"
                                                  : "-Infinity");
    } else if (const auto* s = value.As<std::string>()) {
      out_ += PythonJsonString(*s);
    } else if (const List* list = value.list()) {
      return WriteList(*list, level);
    } else if (const Object* object = value.object()) {
      return WriteObject(*object, level);
    } else if (const auto* u = value.As<Undefined>()) {
      return UseOfUndefined(*u);
    } else {
      return Invalid(fmt::format("a {} has no JSON form", TypeName(value)),
                     "make it a text first, e.g. with | ts or .isoformat()");
    }
    return Ok();
  }
  std::string Take() { return std::move(out_); }

 private:
  void NewLine(int level) {
    if (indent_ >= 0) out_ += '\n' + std::string(static_cast<std::size_t>(indent_ * level), ' ');
  }
  void Comma() { out_ += indent_ >= 0 ? "," : ", "; }

  Status WriteList(const List& list, int level) {
    out_ += '[';
    for (std::size_t i = 0; i < list.size(); ++i) {
      if (i > 0) Comma();
      NewLine(level + 1);
      NM_RETURN_IF_ERROR(Write(list[i], level + 1));
    }
    if (!list.empty()) NewLine(level);
    out_ += ']';
    return Ok();
  }

  Status WriteObject(const Object& object, int level) {
    std::vector<const std::pair<std::string, Value>*> members;
    for (const auto& member : object) members.push_back(&member);
    std::sort(members.begin(), members.end(),
              [](const auto* a, const auto* b) { return a->first < b->first; });
    out_ += '{';
    for (std::size_t i = 0; i < members.size(); ++i) {
      if (i > 0) Comma();
      NewLine(level + 1);
      out_ += PythonJsonString(members[i]->first) + ": ";
      NM_RETURN_IF_ERROR(Write(members[i]->second, level + 1));
    }
    if (!members.empty()) NewLine(level);
    out_ += '}';
    return Ok();
  }

  int indent_;
  std::string out_;
};

}  // namespace

std::string_view TypeName(const Value& value) {
  static constexpr std::array<std::string_view, 12> kNames = {
      "none",   "bool",     "int",  "float",     "text",      "list",
      "object", "datetime", "date", "timedelta", "namespace", "undefined"};
  static_assert(std::variant_size_v<Value::Variant> == kNames.size());
  return kNames[value.kind()];
}

const Value* Find(const Object& object, std::string_view key) {
  for (const auto& [name, value] : object) {
    if (name == key) return &value;
  }
  return nullptr;
}

bool ToNumber(const Value& value, Number* out) {
  if (const auto* b = value.As<bool>()) {
    *out = Number::Int(*b ? 1 : 0);
  } else if (const auto* i = value.As<std::int64_t>()) {
    *out = Number::Int(*i);
  } else if (const auto* d = value.As<double>()) {
    *out = {true, 0, *d};
  } else {
    return false;
  }
  return true;
}

std::string FloatText(double value) {
  // fmt and Python both print the shortest text that reads back, but fmt leaves ".0" out.
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".en") == std::string::npos) text += ".0";
  return text;
}

Result<std::string> ToText(const Value& value) {
  if (const auto* s = value.As<std::string>()) return *s;
  if (const auto* t = value.As<DateTime>()) return DateTimeText(*t, ' ');
  if (const auto* d = value.As<Date>()) return DateText(*d);
  if (const auto* d = value.As<TimeDelta>()) return TimeDeltaText(*d);
  return Repr(value);
}

Result<std::string> Repr(const Value& value) {
  if (value.is_none()) return std::string("None");
  if (const auto* b = value.As<bool>()) return std::string(*b ? "True" : "False");
  if (const auto* i = value.As<std::int64_t>()) return std::to_string(*i);
  if (const auto* d = value.As<double>()) return FloatText(*d);
  if (const auto* s = value.As<std::string>()) return TextRepr(*s);
  if (const List* list = value.list()) return ListRepr(*list);
  if (const Object* object = value.object()) return ObjectRepr(*object);
  if (const auto* u = value.As<Undefined>()) return UseOfUndefined(*u);
  if (const auto* n = value.As<Namespace>()) return UseOfNamespace(*n);
  return DateRepr(value);
}

Result<bool> Truth(const Value& value) {
  if (value.is_none()) return false;
  Number n;
  if (ToNumber(value, &n)) return n.is_float ? n.d != 0.0 : n.i != 0;
  if (const auto* s = value.As<std::string>()) return !s->empty();
  if (const List* list = value.list()) return !list->empty();
  if (const Object* object = value.object()) return !object->empty();
  if (const auto* d = value.As<TimeDelta>()) return d->us != 0;
  if (const auto* u = value.As<Undefined>()) return UseOfUndefined(*u);
  if (const auto* ns = value.As<Namespace>()) return UseOfNamespace(*ns);
  return true;
}

Result<bool> Equal(const Value& a, const Value& b) {
  for (const Value* v : {&a, &b}) {
    if (const auto* u = v->As<Undefined>()) return UseOfUndefined(*u);
    if (const auto* n = v->As<Namespace>()) return UseOfNamespace(*n);
  }
  Number x;
  Number y;
  if (ToNumber(a, &x) && ToNumber(b, &y)) {
    const bool nan = std::isnan(x.d) || std::isnan(y.d);
    return !nan && OrderNumbers(x, y) == 0;
  }
  if (a.is_none() && b.is_none()) return true;
  if (a.list() && b.list()) return EqualLists(*a.list(), *b.list());
  if (a.object() && b.object()) return EqualObjects(*a.object(), *b.object());
  if (TypeName(a) != TypeName(b)) return false;
  NM_ASSIGN_OR_RETURN(const int order, Order(a, b));
  return order == 0;
}

Result<int> Order(const Value& a, const Value& b) {
  Number x;
  Number y;
  if (ToNumber(a, &x) && ToNumber(b, &y)) return OrderNumbers(x, y);
  if (a.As<std::string>() && b.As<std::string>()) {
    return Sign(*a.As<std::string>(), *b.As<std::string>());
  }
  if (a.list() && b.list()) return OrderLists(*a.list(), *b.list());
  if (a.As<DateTime>() && b.As<DateTime>()) return Sign(a.As<DateTime>()->at, b.As<DateTime>()->at);
  if (a.As<Date>() && b.As<Date>()) return Sign(a.As<Date>()->days, b.As<Date>()->days);
  if (a.As<TimeDelta>() && b.As<TimeDelta>()) {
    return Sign(a.As<TimeDelta>()->us, b.As<TimeDelta>()->us);
  }
  for (const Value* v : {&a, &b}) {
    if (const auto* u = v->As<Undefined>()) return UseOfUndefined(*u);
  }
  return Invalid(fmt::format("{} and {} have no order", TypeName(a), TypeName(b)));
}

Result<Value> ParseJsonValue(std::string_view json) {
  const Json parsed = Json::parse(json.begin(), json.end(), nullptr, /*allow_exceptions=*/false);
  if (parsed.is_discarded()) return Invalid("not a JSON text");
  return FromJson(parsed);
}

Result<std::string> ToJsonText(const Value& value) {
  NM_ASSIGN_OR_RETURN(const Json json, ToJson(value));
  return json.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

Result<std::string> ToPythonJson(const Value& value, int indent) {
  PythonJsonWriter writer(indent);
  NM_RETURN_IF_ERROR(writer.Write(value, 0));
  return writer.Take();
}

std::vector<std::string_view> CodePoints(std::string_view text) {
  std::vector<std::string_view> points;
  points.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    std::size_t end = i + 1;
    while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) ++end;
    points.push_back(text.substr(i, end - i));
    i = end;
  }
  return points;
}

void AppendUtf8(std::uint32_t code, std::string* out) {
  const auto add = [out](std::uint32_t byte) { *out += static_cast<char>(byte); };
  if (code < 0x80) {
    add(code);
  } else if (code < 0x800) {
    add(0xc0 | (code >> 6));
    add(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    add(0xe0 | (code >> 12));
    add(0x80 | ((code >> 6) & 0x3f));
    add(0x80 | (code & 0x3f));
  } else {
    add(0xf0 | (code >> 18));
    add(0x80 | ((code >> 12) & 0x3f));
    add(0x80 | ((code >> 6) & 0x3f));
    add(0x80 | (code & 0x3f));
  }
}

std::uint32_t DecodeUtf8(std::string_view p) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(p[i]); };
  if (p.size() == 2) return ((byte(0) & 0x1fu) << 6) | (byte(1) & 0x3fu);
  if (p.size() == 3) {
    return ((byte(0) & 0x0fu) << 12) | ((byte(1) & 0x3fu) << 6) | (byte(2) & 0x3fu);
  }
  if (p.size() == 4) {
    return ((byte(0) & 0x07u) << 18) | ((byte(1) & 0x3fu) << 12) | ((byte(2) & 0x3fu) << 6) |
           (byte(3) & 0x3fu);
  }
  return byte(0);
}

}  // namespace nightmill::tmpl
