// Macros (Airflow's and ours), methods of texts and dates, and the binding of arguments.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "core/template/calls.h"
#include "core/template/case_map.h"
#include "core/template/dates.h"
#include "core/template/names.h"
#include "core/template/operators.h"

namespace nightmill::tmpl {
namespace {

Result<std::string> TextArg(const Value& value, std::string_view what) {
  if (const auto* text = value.As<std::string>()) return *text;
  return Invalid(fmt::format("{} must be a text, not {}", what, TypeName(value)));
}

Result<std::int64_t> IntArg(const Value& value, std::string_view what) {
  Number n;
  if (ToNumber(value, &n) && !n.is_float) return n.i;
  return Invalid(fmt::format("{} must be an integer, not {}", what, TypeName(value)));
}

// A day given as "2026-03-16", a date or a datetime.
Result<Date> DayArg(const Value& value) {
  if (const auto* d = value.As<Date>()) return *d;
  if (const auto* t = value.As<DateTime>()) {
    return Date{static_cast<std::int32_t>(
        std::chrono::floor<std::chrono::days>(t->at).time_since_epoch().count())};
  }
  NM_ASSIGN_OR_RETURN(const std::string text, TextArg(value, "a date"));
  NM_ASSIGN_OR_RETURN(const std::int32_t days, ParseDate(text));
  return Date{days};
}

Result<Value> DsAdd(const Args& args, Rng*) {
  NM_ASSIGN_OR_RETURN(const Date day, DayArg(*args[0]));
  NM_ASSIGN_OR_RETURN(const std::int64_t days, IntArg(*args[1], "days"));
  NM_ASSIGN_OR_RETURN(const Date sum, AddTo(day, days));
  return Value(DateText(sum));
}

// Like Airflow's: a date without a zone in, a text out.
Result<Value> DsFormat(const Args& args, Rng*) {
  NM_ASSIGN_OR_RETURN(const std::string text, ToText(*args[0]));
  NM_ASSIGN_OR_RETURN(const std::string from, TextArg(*args[1], "input_format"));
  NM_ASSIGN_OR_RETURN(const std::string to, TextArg(*args[2], "output_format"));
  NM_ASSIGN_OR_RETURN(const DateTime t, Strptime(text, from));
  NM_ASSIGN_OR_RETURN(std::string out, Strftime(to, Civil(t), /*has_zone=*/false));
  return Value(std::move(out));
}

// The days from date + from to date + to, both included, as texts.
Result<Value> DsRange(const Args& args, Rng*) {
  NM_ASSIGN_OR_RETURN(const Date day, DayArg(*args[0]));
  NM_ASSIGN_OR_RETURN(const std::int64_t from, IntArg(*args[1], "from"));
  NM_ASSIGN_OR_RETURN(const std::int64_t to, IntArg(*args[2], "to"));
  NM_ASSIGN_OR_RETURN(const Date first, AddTo(day, from));
  NM_ASSIGN_OR_RETURN(const Date last, AddTo(day, to));
  List out;
  if (last.days >= first.days) {
    NM_RETURN_IF_ERROR(CheckListSize(static_cast<std::size_t>(last.days - first.days) + 1));
  }
  for (std::int32_t d = first.days; d <= last.days; ++d) out.emplace_back(DateText(Date{d}));
  return Value(std::move(out));
}

// Airflow defaults `since` to now; a template that reads a clock would render differently on a
// retry.
Result<Value> DiffForHumans(const Args& args, Rng*) {
  if (!args[1] || args[1]->is_none()) {
    return Invalid("datetime_diff_for_humans needs `since`: a template has no clock",
                   "macros.datetime_diff_for_humans(data_interval_end, data_interval_start)");
  }
  const auto* t = args[0]->As<DateTime>();
  const auto* since = args[1]->As<DateTime>();
  if (!t || !since) return Invalid("datetime_diff_for_humans compares two datetimes");
  return Value(DifferenceForHumans(*t, *since));
}

// The parameters in Python's order; fractions are rounded to microseconds.
Result<Value> MakeTimeDelta(const Args& args, Rng*) {
  static constexpr std::array<std::int64_t, 7> kMicros = {
      86'400'000'000, 1'000'000, 1, 1'000, 60'000'000, 3'600'000'000, 604'800'000'000};
  long double us = 0;
  for (std::size_t i = 0; i < kMicros.size(); ++i) {
    if (!args[i]) continue;
    Number n;
    if (!ToNumber(*args[i], &n)) {
      return Invalid(fmt::format("timedelta takes numbers, not {}", TypeName(*args[i])));
    }
    us += (n.is_float ? static_cast<long double>(n.d) : static_cast<long double>(n.i)) *
          static_cast<long double>(kMicros[i]);
  }
  if (!(std::fabs(us) < 9.2e18L)) return Invalid("the timedelta is too long");
  return Value(TimeDelta{std::llrint(us)});
}

// 53 bits, as Python's random.random().
Result<Value> Random(const Args&, Rng* rng) {
  return Value(static_cast<double>(rng->Next() >> 11) / 9007199254740992.0);  // 2^53
}

// Version 4 by its bits; the bits come from the seed of the try.
Result<Value> Uuid(const Args&, Rng* rng) {
  const std::uint64_t high = (rng->Next() & ~std::uint64_t{0xf000}) | 0x4000;
  const std::uint64_t low = (rng->Next() & ~(std::uint64_t{3} << 62)) | (std::uint64_t{2} << 62);
  return Value(fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", high >> 32, (high >> 16) & 0xffff,
                           high & 0xffff, low >> 48, low & 0xffffffffffff));
}

constexpr std::array<std::string_view, 2> kDsAddArgs = {"ds", "days"};
constexpr std::array<std::string_view, 3> kDsFormatArgs = {"ds", "input_format", "output_format"};
constexpr std::array<std::string_view, 3> kDsRangeArgs = {"date", "from", "to"};
constexpr std::array<std::string_view, 2> kDiffArgs = {"dt", "since"};
constexpr std::array<std::string_view, 7> kTimeDeltaArgs = {
    "days", "seconds", "microseconds", "milliseconds", "minutes", "hours", "weeks"};

constexpr MacroRow kMacros[] = {
    {{"ds_add", kDsAddArgs, 2}, DsAdd},
    {{"ds_format", kDsFormatArgs, 3}, DsFormat},
    {{"ds_range", kDsRangeArgs, 3}, DsRange},
    {{"datetime_diff_for_humans", kDiffArgs, 1}, DiffForHumans},
    {{"timedelta", kTimeDeltaArgs}, MakeTimeDelta},
    {{"random", {}}, Random},
    {{"uuid", {}}, Uuid},
};

// The method exists for another type.
Error NoMethod(const Value& self, std::string_view name) {
  return Invalid(fmt::format("a {} has no method \"{}\"", TypeName(self), name));
}

Result<Value> DateMethod(const Value& self, const Args&) {
  if (!self.As<DateTime>()) return NoMethod(self, "date");
  NM_ASSIGN_OR_RETURN(const Date day, DayArg(self));
  return Value(day);
}

std::optional<CivilTime> CivilOf(const Value& self) {
  if (const auto* t = self.As<DateTime>()) return Civil(*t);
  if (const auto* d = self.As<Date>()) return Civil(*d);
  return std::nullopt;
}

Result<Value> WeekdayMethod(const Value& self, const Args&) {
  const auto civil = CivilOf(self);
  if (!civil) return NoMethod(self, "weekday");
  return Value(civil->weekday);
}

Result<Value> IsoFormatMethod(const Value& self, const Args&) {
  if (const auto* t = self.As<DateTime>()) return Value(DateTimeText(*t, 'T'));
  if (const auto* d = self.As<Date>()) return Value(DateText(*d));
  return NoMethod(self, "isoformat");
}

Result<Value> StrftimeMethod(const Value& self, const Args& args) {
  const auto civil = CivilOf(self);
  if (!civil) return NoMethod(self, "strftime");
  NM_ASSIGN_OR_RETURN(const std::string format, TextArg(*args[0], "the format"));
  NM_ASSIGN_OR_RETURN(std::string text,
                      Strftime(format, *civil, /*has_zone=*/self.As<DateTime>() != nullptr));
  return Value(std::move(text));
}

Result<Value> TimestampMethod(const Value& self, const Args&) {
  const auto* t = self.As<DateTime>();
  if (!t) return NoMethod(self, "timestamp");
  return Value(static_cast<double>(ToMicros(t->at)) / 1e6);
}

Result<Value> TotalSecondsMethod(const Value& self, const Args&) {
  const auto* delta = self.As<TimeDelta>();
  if (!delta) return NoMethod(self, "total_seconds");
  return Value(static_cast<double>(delta->us) / 1e6);
}

// Words between runs of white space; with a limit the rest stays as it is.
List SplitSpaces(std::string_view text, std::int64_t limit) {
  constexpr std::string_view kSpaces = " \t\n\r\f\v";
  List out;
  std::size_t at = text.find_first_not_of(kSpaces);
  while (at != std::string_view::npos) {
    if (limit >= 0 && static_cast<std::int64_t>(out.size()) == limit) {
      out.emplace_back(text.substr(at, text.find_last_not_of(kSpaces) - at + 1));
      break;
    }
    const std::size_t end = std::min(text.find_first_of(kSpaces, at), text.size());
    out.emplace_back(text.substr(at, end - at));
    at = text.find_first_not_of(kSpaces, end);
  }
  return out;
}

Result<Value> SplitMethod(const Value& self, const Args& args) {
  const auto* text = self.As<std::string>();
  if (!text) return NoMethod(self, "split");
  std::int64_t limit = -1;
  if (args[1]) {
    NM_ASSIGN_OR_RETURN(limit, IntArg(*args[1], "maxsplit"));
  }
  if (!args[0] || args[0]->is_none()) return Value(SplitSpaces(*text, limit));
  NM_ASSIGN_OR_RETURN(const std::string separator, TextArg(*args[0], "the separator"));
  if (separator.empty()) return Invalid("the separator is empty");
  List out;
  std::size_t at = 0;
  for (std::size_t found = text->find(separator);
       found != std::string::npos && (limit < 0 || static_cast<std::int64_t>(out.size()) < limit);
       found = text->find(separator, at)) {
    out.emplace_back(text->substr(at, found - at));
    at = found + separator.size();
  }
  out.emplace_back(text->substr(at));
  NM_RETURN_IF_ERROR(CheckListSize(out.size()));
  return Value(std::move(out));
}

Result<Value> StripMethod(const Value& self, const Args& args) {
  const auto* text = self.As<std::string>();
  if (!text) return NoMethod(self, "strip");
  if (!args[0] || args[0]->is_none()) return Value(StripCharacters(*text, " \t\n\r\f\v"));
  NM_ASSIGN_OR_RETURN(const std::string characters, TextArg(*args[0], "chars"));
  return Value(StripCharacters(*text, characters));
}

Result<Value> StartsWithMethod(const Value& self, const Args& args) {
  const auto* text = self.As<std::string>();
  if (!text) return NoMethod(self, "startswith");
  NM_ASSIGN_OR_RETURN(const std::string prefix, TextArg(*args[0], "the prefix"));
  return Value(text->starts_with(prefix));
}

Result<Value> EndsWithMethod(const Value& self, const Args& args) {
  const auto* text = self.As<std::string>();
  if (!text) return NoMethod(self, "endswith");
  NM_ASSIGN_OR_RETURN(const std::string suffix, TextArg(*args[0], "the suffix"));
  return Value(text->ends_with(suffix));
}

constexpr std::array<std::string_view, 1> kFormatArgs = {"format"};
constexpr std::array<std::string_view, 2> kSplitArgs = {"sep", "maxsplit"};
constexpr std::array<std::string_view, 1> kCharsArgs = {"chars"};
constexpr std::array<std::string_view, 1> kPrefixArgs = {"prefix"};

constexpr MethodRow kMethods[] = {
    {{"date", {}}, DateMethod},
    {{"weekday", {}}, WeekdayMethod},
    {{"isoformat", {}}, IsoFormatMethod},
    {{"strftime", kFormatArgs, 1}, StrftimeMethod},
    {{"timestamp", {}}, TimestampMethod},
    {{"total_seconds", {}}, TotalSecondsMethod},
    {{"split", kSplitArgs}, SplitMethod},
    {{"strip", kCharsArgs}, StripMethod},
    {{"startswith", kPrefixArgs, 1}, StartsWithMethod},
    {{"endswith", kPrefixArgs, 1}, EndsWithMethod},
};

}  // namespace

const MacroRow* FindMacro(std::string_view name) {
  for (const MacroRow& row : kMacros) {
    if (row.signature.name == name) return &row;
  }
  return nullptr;
}

const MethodRow* FindMethod(std::string_view name) {
  for (const MethodRow& row : kMethods) {
    if (row.signature.name == name) return &row;
  }
  return nullptr;
}

std::vector<std::string_view> MethodNames() {
  std::vector<std::string_view> names;
  for (const MethodRow& row : kMethods) names.push_back(row.signature.name);
  return names;
}

Result<std::vector<std::size_t>> BindArguments(const Signature& signature,
                                               std::span<const std::string> keywords) {
  const auto& parameters = signature.parameters;
  std::vector<bool> given(parameters.size(), false);
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < keywords.size(); ++i) {
    std::size_t place = i;
    if (!keywords[i].empty()) {
      const auto found = std::find(parameters.begin(), parameters.end(), keywords[i]);
      if (found == parameters.end()) {
        return Invalid(fmt::format("{} has no argument \"{}\"", signature.name, keywords[i]),
                       DidYouMean(keywords[i], parameters));
      }
      place = static_cast<std::size_t>(found - parameters.begin());
    }
    if (place >= parameters.size()) {
      return Invalid(fmt::format("{} takes at most {} argument{}", signature.name,
                                 parameters.size(), parameters.size() == 1 ? "" : "s"));
    }
    if (given[place]) {
      return Invalid(fmt::format("{} gets \"{}\" twice", signature.name, parameters[place]));
    }
    given[place] = true;
    places.push_back(place);
  }
  for (std::size_t i = 0; i < signature.required; ++i) {
    if (!given[i]) return Invalid(fmt::format("{} needs \"{}\"", signature.name, parameters[i]));
  }
  return places;
}

}  // namespace nightmill::tmpl
