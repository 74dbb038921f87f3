// The filters, with the behaviour of Jinja 3.1 and, for dates, of Airflow.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>

#include "core/template/calls.h"
#include "core/template/case_map.h"
#include "core/template/dates.h"
#include "core/template/operators.h"

namespace nightmill::tmpl {
namespace {

constexpr std::string_view kSpaces = " \t\n\r\f\v";

std::string_view StripSpaces(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kSpaces);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpaces) - begin + 1);
}

// An optional argument that is false by default.
Result<bool> Flag(const Value* arg) { return arg ? Truth(*arg) : Result<bool>(false); }

// What iteration over the value gives: items, characters or keys.
Result<List> Items(const Value& value) {
  if (const List* list = value.list()) return *list;
  List items;
  if (const auto* text = value.As<std::string>()) {
    for (std::string_view point : CodePoints(*text)) items.emplace_back(point);
  } else if (const Object* object = value.object()) {
    for (const auto& [key, member] : *object) items.emplace_back(key);
  } else {
    return Invalid(fmt::format("a list, text or object is needed, not {}", TypeName(value)));
  }
  return items;
}

// "a.b.0" of each item, as Jinja's `attribute`; the item itself without one.
Result<List> Attributes(const List& items, const Value* attribute) {
  if (!attribute || attribute->is_none()) return items;
  NM_ASSIGN_OR_RETURN(const std::string path, ToText(*attribute));
  List out;
  for (const Value& item : items) {
    Value current = item;
    for (std::size_t begin = 0; begin <= path.size();) {
      const std::size_t end = std::min(path.find('.', begin), path.size());
      const std::string part = path.substr(begin, end - begin);
      const bool number =
          !part.empty() && part.find_first_not_of("0123456789") == std::string::npos;
      const Value key = number && part.size() < 10 ? Value(std::atoi(part.c_str())) : Value(part);
      NM_ASSIGN_OR_RETURN(current, Index(current, key, path));
      if (const auto* undefined = current.As<Undefined>()) {
        return Invalid(undefined->what, undefined->hint);
      }
      begin = end + 1;
    }
    out.push_back(std::move(current));
  }
  return out;
}

// The key of sort and unique: texts without case, unless asked.
Value Folded(const Value& value, bool case_sensitive) {
  const auto* text = value.As<std::string>();
  return text && !case_sensitive ? Value(ToLower(*text)) : value;
}

// default(value, true) replaces everything false, too.
Result<Value> Default(const Value& input, const Args& args) {
  const Value fallback = args[0] ? *args[0] : Value("");
  if (input.is_undefined()) return fallback;
  NM_ASSIGN_OR_RETURN(const bool falsy_too, Flag(args[1]));
  if (!falsy_too) return input;
  NM_ASSIGN_OR_RETURN(const bool truth, Truth(input));
  return truth ? input : fallback;
}

Result<Value> Upper(const Value& input, const Args&) {
  NM_ASSIGN_OR_RETURN(const std::string text, ToText(input));
  return Value(ToUpper(text));
}

Result<Value> Lower(const Value& input, const Args&) {
  NM_ASSIGN_OR_RETURN(const std::string text, ToText(input));
  return Value(ToLower(text));
}

// str.replace: an empty `from` goes between all characters.
Result<Value> Replace(const Value& input, const Args& args) {
  NM_ASSIGN_OR_RETURN(const std::string text, ToText(input));
  NM_ASSIGN_OR_RETURN(const std::string from, ToText(*args[0]));
  NM_ASSIGN_OR_RETURN(const std::string to, ToText(*args[1]));
  std::int64_t left = INT64_MAX;
  if (args[2] && !args[2]->is_none()) {
    const auto* count = args[2]->As<std::int64_t>();
    if (!count) return Invalid("replace counts with an integer");
    if (*count >= 0) left = *count;
  }
  std::string out;
  std::size_t at = 0;
  while (left > 0 && at <= text.size()) {
    const std::size_t found = text.find(from, at);
    if (found == std::string::npos) break;
    out.append(text, at, found - at);
    out += to;
    NM_RETURN_IF_ERROR(CheckTextSize(out.size()));
    at = found + from.size();
    if (from.empty()) {
      if (at >= text.size()) return Value(std::move(out));
      const std::size_t next = CodePoints(std::string_view(text).substr(at, 4)).front().size();
      out.append(text, at, next);
      at += next;
    }
    --left;
  }
  if (at < text.size()) out.append(text, at);
  NM_RETURN_IF_ERROR(CheckTextSize(out.size()));
  return Value(std::move(out));
}

Result<Value> Trim(const Value& input, const Args& args) {
  NM_ASSIGN_OR_RETURN(const std::string text, ToText(input));
  if (!args[0] || args[0]->is_none()) return Value(StripSpaces(text));
  const auto* chars = args[0]->As<std::string>();
  if (!chars) return Invalid("trim removes the characters of a text");
  return Value(StripCharacters(text, *chars));
}

Result<Value> Join(const Value& input, const Args& args) {
  NM_ASSIGN_OR_RETURN(const List all, Items(input));
  NM_ASSIGN_OR_RETURN(const List items, Attributes(all, args[1]));
  std::string separator;
  if (args[0]) {
    NM_ASSIGN_OR_RETURN(separator, ToText(*args[0]));
  }
  std::string out;
  for (std::size_t i = 0; i < items.size(); ++i) {
    NM_ASSIGN_OR_RETURN(const std::string text, ToText(items[i]));
    if (i > 0) out += separator;
    out += text;
    NM_RETURN_IF_ERROR(CheckTextSize(out.size()));
  }
  return Value(std::move(out));
}

// Of a text: code points.
Result<Value> Length(const Value& input, const Args&) {
  std::size_t size = 0;
  if (const List* list = input.list()) {
    size = list->size();
  } else if (const Object* object = input.object()) {
    size = object->size();
  } else if (const auto* text = input.As<std::string>()) {
    size = CodePoints(*text).size();
  } else {
    return Invalid(fmt::format("{} has no length", TypeName(input)));
  }
  return Value(static_cast<std::int64_t>(size));
}

Result<Value> ToJsonFilter(const Value& input, const Args& args) {
  int indent = -1;
  if (args[0] && !args[0]->is_none()) {
    const auto* n = args[0]->As<std::int64_t>();
    if (!n || *n < 0 || *n > 64) return Invalid("indent is an integer from 0 to 64");
    indent = static_cast<int>(*n);
  }
  NM_ASSIGN_OR_RETURN(std::string text, ToPythonJson(input, indent));
  return Value(std::move(text));
}

// int(text, base) of Python: signs, underscores between digits, spaces around. Nothing for what is
// no integer, kInvalid for one beyond 64 bits.
Result<std::optional<std::int64_t>> ParseInt(std::string_view text, int base) {
  const std::optional<std::int64_t> none;
  text = StripSpaces(text);
  std::string digits;
  std::size_t i = 0;
  if (i < text.size() && (text[i] == '+' || text[i] == '-')) {
    if (text[i] == '-') digits = "-";
    ++i;
  }
  const std::size_t first = i;
  for (; i < text.size(); ++i) {
    const bool separator = text[i] == '_' && i > first && i + 1 < text.size() &&
                           text[i - 1] != '_' && text[i + 1] != '_';
    if (!separator) digits += text[i];
  }
  if (first >= text.size() || text[first] == '-' || text[first] == '+') return none;
  std::int64_t value = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (end != digits.data() + digits.size() || error == std::errc::invalid_argument) return none;
  if (error != std::errc()) return Invalid(fmt::format("the integer {} is beyond 64 bits", digits));
  return std::optional(value);
}

// float(text) of Python.
std::optional<double> ParseFloat(std::string_view text) {
  std::string trimmed(StripSpaces(text));
  if (trimmed.empty() || trimmed.find_first_of("xXpP(") != std::string::npos) return std::nullopt;
  for (std::size_t i = trimmed.find('_'); i != std::string::npos; i = trimmed.find('_', i)) {
    const auto digit = [&](std::size_t at) {
      return at < trimmed.size() && trimmed[at] >= '0' && trimmed[at] <= '9';
    };
    if (i == 0 || !digit(i - 1) || !digit(i + 1)) return std::nullopt;
    trimmed.erase(i, 1);
  }
  char* end = nullptr;
  const double value = std::strtod(trimmed.c_str(), &end);
  if (end != trimmed.c_str() + trimmed.size()) return std::nullopt;
  return value;
}

// Towards zero; nothing beyond 64 bits.
std::optional<std::int64_t> Truncate(double value) {
  if (!(std::fabs(value) < 9.2e18)) return std::nullopt;
  return static_cast<std::int64_t>(value);
}

Result<Value> Int(const Value& input, const Args& args) {
  const Value fallback = args[0] ? *args[0] : Value(0);
  int base = 10;
  if (args[1]) {
    const auto* n = args[1]->As<std::int64_t>();
    if (!n || *n < 2 || *n > 36) return Invalid("the base is an integer from 2 to 36");
    base = static_cast<int>(*n);
  }
  std::optional<std::int64_t> value;
  Number n;
  if (const auto* text = input.As<std::string>()) {
    NM_ASSIGN_OR_RETURN(value, ParseInt(*text, base));
    if (value) return Value(*value);
    const auto number = ParseFloat(*text);  // "42.23" gives 42
    if (!number || !std::isfinite(*number)) return fallback;
    n = {true, 0, *number};
  } else if (!ToNumber(input, &n)) {
    return fallback;
  }
  value = n.is_float ? Truncate(n.d) : std::optional(n.i);
  if (!value) return Invalid(FloatText(n.d) + " is beyond 64 bits");
  return Value(*value);
}

// A text that is no number gives the default, silently: Jinja's rule.
Result<Value> Float(const Value& input, const Args& args) {
  const Value fallback = args[0] ? *args[0] : Value(0.0);
  Number n;
  if (ToNumber(input, &n)) return Value(n.d);
  if (const auto* text = input.As<std::string>()) {
    if (const auto value = ParseFloat(*text)) return Value(*value);
  }
  return fallback;
}

// round() of Python: halves to even, judged on the exact binary value.
double RoundFloat(double value, int digits) {
  if (!std::isfinite(value)) return value;
  if (digits >= 0) return std::strtod(fmt::format("{:.{}f}", value, digits).c_str(), nullptr);
  const double unit = std::pow(10.0, -digits);
  return std::nearbyint(value / unit) * unit;
}

Result<Value> RoundInt(std::int64_t value, int digits) {
  if (digits >= 0) return Value(value);
  if (digits < -18) return Value(0);
  std::int64_t unit = 1;
  for (int i = 0; i > digits; --i) unit *= 10;
  const std::int64_t rest = ((value % unit) + unit) % unit;
  const std::int64_t down = value - rest;
  const bool up = rest > unit - rest || (rest == unit - rest && (down / unit) % 2 != 0);
  std::int64_t out = down;
  if (up && __builtin_add_overflow(down, unit, &out))
    return Invalid("the result is beyond 64 bits");
  return Value(out);
}

Result<Value> Round(const Value& input, const Args& args) {
  Number n;
  if (!ToNumber(input, &n)) return Invalid(fmt::format("a {} cannot be rounded", TypeName(input)));
  std::int64_t digits = 0;
  if (args[0]) {
    const auto* given = args[0]->As<std::int64_t>();
    if (!given || std::abs(*given) > 300) return Invalid("round takes a number of digits");
    digits = *given;
  }
  std::string method = "common";
  if (args[1]) {
    NM_ASSIGN_OR_RETURN(method, ToText(*args[1]));
  }
  const int places = static_cast<int>(digits);
  if (method == "common") {
    return n.is_float ? Result<Value>(Value(RoundFloat(n.d, places))) : RoundInt(n.i, places);
  }
  if (method != "ceil" && method != "floor") {
    return Invalid("the method of round is common, ceil or floor");
  }
  const double scale = std::pow(10.0, places);
  const double scaled = n.d * scale;
  return Value((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale);
}

Result<Value> First(const Value& input, const Args&) {
  NM_ASSIGN_OR_RETURN(const List items, Items(input));
  if (items.empty()) return Value(Undefined{.what = "there is no first item: the list is empty"});
  return items.front();
}

Result<Value> Last(const Value& input, const Args&) {
  NM_ASSIGN_OR_RETURN(const List items, Items(input));
  if (items.empty()) return Value(Undefined{.what = "there is no last item: the list is empty"});
  return items.back();
}

// Stable; texts without case unless asked, as in Jinja.
Result<Value> Sort(const Value& input, const Args& args) {
  NM_ASSIGN_OR_RETURN(const List items, Items(input));
  NM_ASSIGN_OR_RETURN(const bool reverse, Flag(args[0]));
  NM_ASSIGN_OR_RETURN(const bool case_sensitive, Flag(args[1]));
  NM_ASSIGN_OR_RETURN(const List keys, Attributes(items, args[2]));
  std::vector<std::pair<Value, std::size_t>> order;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    order.emplace_back(Folded(keys[i], case_sensitive), i);
  }
  std::optional<Error> failure;
  std::stable_sort(order.begin(), order.end(), [&](const auto& a, const auto& b) {
    if (failure) return false;
    const Result<int> o = reverse ? Order(b.first, a.first) : Order(a.first, b.first);
    if (!o.ok()) failure = o.error();
    return o.ok() && *o < 0;
  });
  if (failure) return *failure;
  List out;
  for (const auto& [key, i] : order) out.push_back(items[i]);
  return Value(std::move(out));
}

// Text that two values share exactly if they are equal; nothing for lists and objects.
std::optional<std::string> Identity(const Value& value) {
  Number n;
  if (ToNumber(value, &n)) {
    const auto whole = n.is_float ? Truncate(n.d) : std::optional(n.i);
    const bool integral = whole && (!n.is_float || static_cast<double>(*whole) == n.d);
    return "n" + (integral ? std::to_string(*whole) : FloatText(n.d));
  }
  if (value.list() || value.object()) return std::nullopt;
  Result<std::string> text = Repr(value);
  if (!text.ok()) return std::nullopt;
  return std::string(TypeName(value)) + *text;
}

// The first of equal items stays. A list, where Jinja gives a generator.
Result<Value> Unique(const Value& input, const Args& args) {
  NM_ASSIGN_OR_RETURN(const List items, Items(input));
  NM_ASSIGN_OR_RETURN(const bool case_sensitive, Flag(args[0]));
  NM_ASSIGN_OR_RETURN(const List keys, Attributes(items, args[1]));
  std::set<std::string> seen;
  List out;
  for (std::size_t i = 0; i < items.size(); ++i) {
    auto identity = Identity(Folded(keys[i], case_sensitive));
    if (!identity) {
      return Invalid(fmt::format("unique cannot compare a {}", TypeName(keys[i])),
                     "name what makes an item unique: unique(attribute='id')");
    }
    if (seen.insert(std::move(*identity)).second) out.push_back(items[i]);
  }
  return Value(std::move(out));
}

// Lists are refused: quoting their repr would hand one odd word to the command.
Result<Value> Quote(const Value& input, const Args&) {
  if (input.list() || input.object()) {
    return Invalid(fmt::format("q quotes one word, not a {}", TypeName(input)),
                   "use | tojson | q, or name an item");
  }
  NM_ASSIGN_OR_RETURN(const std::string text, ToText(input));
  if (text.find('\0') != std::string::npos) return Invalid("a shell word cannot hold a NUL byte");
  return Value(ShellQuote(text));
}

// Airflow's date filters: none stays none.
Result<Value> FormatDate(const Value& input, std::string_view format) {
  if (input.is_none()) return Value();
  const auto* t = input.As<DateTime>();
  const auto* d = input.As<Date>();
  if (!t && !d) {
    return Invalid(fmt::format("a date is needed, not {}", TypeName(input)),
                   "the filter works on data_interval_start and the like; ds is a text already");
  }
  NM_ASSIGN_OR_RETURN(std::string text,
                      Strftime(format, t ? Civil(*t) : Civil(*d), /*has_zone=*/t != nullptr));
  return Value(std::move(text));
}

Result<Value> DsFilter(const Value& input, const Args&) { return FormatDate(input, "%Y-%m-%d"); }
Result<Value> DsNoDash(const Value& input, const Args&) { return FormatDate(input, "%Y%m%d"); }
Result<Value> TsNoDash(const Value& input, const Args&) {
  return FormatDate(input, "%Y%m%dT%H%M%S");
}
Result<Value> TsFilter(const Value& input, const Args&) {
  if (const auto* t = input.As<DateTime>()) return Value(DateTimeText(*t, 'T'));
  return FormatDate(input, "%Y-%m-%d");
}
Result<Value> TsNoDashWithTz(const Value& input, const Args& args) {
  NM_ASSIGN_OR_RETURN(const Value text, TsFilter(input, args));
  if (text.is_none()) return text;
  std::string out;
  for (char c : *text.As<std::string>()) {
    if (c != '-' && c != ':') out += c;
  }
  return Value(std::move(out));
}

constexpr std::array<std::string_view, 2> kDefaultArgs = {"default_value", "boolean"};
constexpr std::array<std::string_view, 3> kReplaceArgs = {"old", "new", "count"};
constexpr std::array<std::string_view, 1> kTrimArgs = {"chars"};
constexpr std::array<std::string_view, 2> kJoinArgs = {"d", "attribute"};
constexpr std::array<std::string_view, 1> kToJsonArgs = {"indent"};
constexpr std::array<std::string_view, 2> kIntArgs = {"default", "base"};
constexpr std::array<std::string_view, 1> kFloatArgs = {"default"};
constexpr std::array<std::string_view, 2> kRoundArgs = {"precision", "method"};
constexpr std::array<std::string_view, 3> kSortArgs = {"reverse", "case_sensitive", "attribute"};
constexpr std::array<std::string_view, 2> kUniqueArgs = {"case_sensitive", "attribute"};

constexpr FilterRow kFilters[] = {
    {{"ds", {}}, DsFilter},
    {{"ds_nodash", {}}, DsNoDash},
    {{"ts", {}}, TsFilter},
    {{"ts_nodash", {}}, TsNoDash},
    {{"ts_nodash_with_tz", {}}, TsNoDashWithTz},
    {{"default", kDefaultArgs}, Default, /*takes_undefined=*/true},
    {{"upper", {}}, Upper},
    {{"lower", {}}, Lower},
    {{"replace", kReplaceArgs, 2}, Replace},
    {{"trim", kTrimArgs}, Trim},
    {{"join", kJoinArgs}, Join},
    {{"length", {}}, Length},
    {{"tojson", kToJsonArgs}, ToJsonFilter},
    {{"int", kIntArgs}, Int},
    {{"float", kFloatArgs}, Float},
    {{"round", kRoundArgs}, Round},
    {{"first", {}}, First},
    {{"last", {}}, Last},
    {{"sort", kSortArgs}, Sort},
    {{"unique", kUniqueArgs}, Unique},
    {{"q", {}}, Quote},
};

}  // namespace

const FilterRow* FindFilter(std::string_view name) {
  for (const FilterRow& row : kFilters) {
    if (row.signature.name == name) return &row;
  }
  return nullptr;
}

std::vector<std::string_view> FilterNames() {
  std::vector<std::string_view> names;
  for (const FilterRow& row : kFilters) names.push_back(row.signature.name);
  return names;
}

std::string ShellQuote(std::string_view text) {
  const auto safe = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("@%+=:,./_-").find(c) != std::string_view::npos;
  };
  if (!text.empty() && std::all_of(text.begin(), text.end(), safe)) return std::string(text);
  std::string out = "'";
  for (char c : text) {
    if (c == '\'') {
      out += "'\"'\"'";
    } else {
      out += c;
    }
  }
  return out + "'";
}

}  // namespace nightmill::tmpl
