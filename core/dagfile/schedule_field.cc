// The DAG field `schedule` (semantics.md 2.1, 2.4): from its many spellings to one ScheduleSpec,
// and back to one canonical object.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "core/base/json.h"
#include "core/base/limits.h"
#include "core/dagfile/dag_fields.h"
#include "core/dagfile/suggest.h"
#include "core/schedule/cron.h"
#include "core/schedule/time_zone.h"

namespace nightmill::dagfile {
namespace {

using Json = nlohmann::json;

// AFdoc:authoring-and-scheduling/cron.rst.
constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kPresets{{
    {"@hourly", "0 * * * *"},
    {"@daily", "0 0 * * *"},
    {"@midnight", "0 0 * * *"},
    {"@weekly", "0 0 * * 0"},
    {"@monthly", "0 0 1 * *"},
    {"@quarterly", "0 0 1 */3 *"},
    {"@yearly", "0 0 1 1 *"},
    {"@annually", "0 0 1 1 *"},
}};
constexpr std::array<std::pair<std::string_view, Overlap>, 4> kOverlaps{{
    {"queue", Overlap::kQueue},
    {"skip", Overlap::kSkip},
    {"buffer_one", Overlap::kBufferOne},
    {"cancel_other", Overlap::kCancelOther},
}};
constexpr std::array<std::pair<std::string_view, Catchup>, 3> kCatchups{{
    {"none", Catchup::kNone},
    {"latest", Catchup::kLatest},
    {"all", Catchup::kAll},
}};

template <class Table, class Value>
void SetWord(const Table& table, const Json& word, Value& target) {
  for (const auto& [name, value] : table) {
    if (word == name) target = value;
  }
}
template <class Table, class Value>
std::string_view WordOf(const Table& table, Value value) {
  for (const auto& [name, candidate] : table) {
    if (candidate == value) return name;
  }
  return table.front().first;
}
template <class Table>
std::vector<std::string_view> WordsOf(const Table& table) {
  std::vector<std::string_view> words;
  for (const auto& entry : table) words.push_back(entry.first);
  return words;
}

const Json* Member(const Json& object, const char* key) {
  const auto it = object.find(key);
  return it == object.end() ? nullptr : &*it;
}

// Fills a ScheduleSpec from the object form; reports what is wrong with each part by itself, so
// that all faults of a schedule come out at once.
class ScheduleReader {
 public:
  ScheduleReader(ScheduleSpec& spec, const Site& site) : spec_(spec), site_(site) {}

  // One expression or preset; `zone` is empty for the schedule's own.
  void Cron(std::string_view text, std::string zone, const Place& place) {
    if (text == "@once") {
      spec_.once = true;
      return;
    }
    if (text == "@continuous") {
      site_.In(place).Error("NM210", "\"@continuous\" is not supported yet",
                            "use `every`, e.g. {\"every\": \"1m\"}");
      return;
    }
    if (text.starts_with("@")) {
      const auto preset = std::find_if(kPresets.begin(), kPresets.end(),
                                       [&](const auto& entry) { return entry.first == text; });
      if (preset == kPresets.end()) {
        auto words = WordsOf(kPresets);
        words.push_back("@once");
        site_.In(place).Error("NM306", fmt::format("no preset \"{}\"", text),
                              DidYouMean(text, words));
        return;
      }
      text = preset->second;
    }
    const auto parsed = CronExpr::Parse(text, spec_.day_or);
    if (!parsed.ok()) {
      const Error& error = parsed.error();
      const bool never = error.message.starts_with("never fires");
      site_.In(place).Error(never ? "NM307" : "NM306", error.message, error.hint);
      return;
    }
    spec_.crons.emplace_back(text);
    spec_.cron_timezones.push_back(std::move(zone));
  }

  void Zone(const Json& value, const Place& place, std::string& target) {
    if (!value.is_string()) return;
    target = value.get<std::string>();
    const auto zone = TimeZone::Find(target);
    if (!zone.ok()) site_.In(place).Error("NM308", zone.error().message, zone.error().hint);
  }

  void Object(const Json& value) {
    if (const Json* day_or = Member(value, "day_or"); day_or != nullptr && day_or->is_boolean()) {
      spec_.day_or = day_or->get<bool>();
    }
    Ticks(value);
    for (const auto& [key, item] : value.items()) {
      const Place place = site_.place.At(key);
      if (key == "timezone") Zone(item, place, spec_.timezone);
      if (key == "start_date" && item.is_string()) spec_.start_date = item.get<std::string>();
      if (key == "end_date" && item.is_string()) spec_.end_date = item.get<std::string>();
      if (key == "interval") Interval(item, place);
      if (key == "catchup") CatchupRule(item, place);
      if (key == "overlap") SetWord(kOverlaps, item, spec_.overlap);
      if (key == "jitter") {
        const DurationRange range{Duration{0}, limits::kMaxJitter};
        if (const auto jitter = ParseDurationField(item, range, site_.In(place))) {
          spec_.jitter = *jitter;
        }
      }
      if (key == "jitter_mode") spec_.jitter_per_tick = item == "per_tick";
      if (key == "exclude") spec_.exclude = ParseTexts(item);
      if (key == "run_immediately") spec_.run_immediately = item == true;
    }
  }

 private:
  void Ticks(const Json& value) {
    int forms = 0;
    for (const char* key : {"cron", "every", "at"}) forms += value.contains(key) ? 1 : 0;
    if (forms != 1) {
      site_.Error("NM309", forms == 0 ? "a schedule needs `cron`, `every` or `at`"
                                      : "only one of `cron`, `every` and `at`");
    }
    if (const Json* cron = Member(value, "cron")) Crons(*cron);
    if (const Json* every = Member(value, "every")) {
      const Place place = site_.place.At("every");
      const DurationRange range{limits::kMinEvery, limits::kMaxEvery};
      spec_.every = ParseDurationField(*every, range, site_.In(place));
    }
    if (const Json* anchor = Member(value, "anchor")) {
      if (const auto instant = Moment(*anchor, site_.place.At("anchor"))) spec_.anchor = *instant;
    }
    if (const Json* at = Member(value, "at"); at != nullptr && at->is_array()) {
      const Place place = site_.place.At("at");
      for (std::size_t i = 0; i < at->size(); ++i) {
        if (const auto instant = Moment((*at)[i], place.At(i))) spec_.at.push_back(*instant);
      }
      std::sort(spec_.at.begin(), spec_.at.end());
    }
  }

  void Crons(const Json& cron) {
    const Place place = site_.place.At("cron");
    if (cron.is_string()) Cron(cron.get_ref<const std::string&>(), "", place);
    if (!cron.is_array()) return;
    for (std::size_t i = 0; i < cron.size(); ++i) {
      const Place item = place.At(i);
      if (cron[i].is_string()) Cron(cron[i].get_ref<const std::string&>(), "", item);
      if (!cron[i].is_object()) continue;
      std::string zone;
      if (const Json* name = Member(cron[i], "timezone")) Zone(*name, item.At("timezone"), zone);
      const Json* text = Member(cron[i], "cron");
      if (text != nullptr && text->is_string()) {
        Cron(text->get_ref<const std::string&>(), zone, item.At("cron"));
      }
    }
    if (spec_.once && cron.size() > 1) {
      site_.In(place).Error("NM309", "@once stands alone");
    }
  }

  std::optional<Instant> Moment(const Json& value, const Place& place) {
    if (!value.is_string()) return std::nullopt;
    const auto instant = ParseInstant(value.get_ref<const std::string&>());
    if (instant.ok()) return *instant;
    site_.In(place).Error("NM309", instant.error().message, instant.error().hint);
    return std::nullopt;
  }

  void Interval(const Json& value, const Place& place) {
    if (value == "period") return;
    if (value == "none") {
      spec_.interval = IntervalKind::kNone;
      return;
    }
    const DurationRange range{limits::kMinEvery, limits::kMaxEvery};
    if (const auto length = ParseDurationField(value, range, site_.In(place))) {
      spec_.interval = IntervalKind::kFixed;
      spec_.fixed_interval = *length;
    }
  }

  void CatchupRule(const Json& value, const Place& place) {
    if (value.is_boolean()) spec_.catchup = value.get<bool>() ? Catchup::kAll : Catchup::kLatest;
    SetWord(kCatchups, value, spec_.catchup);
    if (!value.is_object()) return;
    if (const Json* mode = Member(value, "mode")) SetWord(kCatchups, *mode, spec_.catchup);
    if (const Json* limit = Member(value, "limit");
        limit != nullptr && limit->is_number_integer()) {
      spec_.catchup_limit = limit->get<int>();
    }
    if (const Json* window = Member(value, "window")) {
      const Place inner = place.At("window");
      const DurationRange range{Duration{1}, 100 * limits::kMaxEvery};
      spec_.catchup_window = ParseDurationField(*window, range, site_.In(inner));
    }
    if (const Json* order = Member(value, "order")) spec_.newest_first = *order == "newest_first";
  }

  ScheduleSpec& spec_;
  const Site& site_;
};

// The schedule for people: as short as its writer could have written it.
std::string TextOf(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (const Json* cron = Member(value, "cron")) {
    if (cron->is_string()) return cron->get<std::string>();
    std::string text;
    for (const Json& item : *cron) {
      const Json* inner = item.is_object() ? Member(item, "cron") : &item;
      if (inner == nullptr || !inner->is_string()) continue;
      text += (text.empty() ? "" : "; ") + inner->get<std::string>();
    }
    return text;
  }
  if (const Json* every = Member(value, "every")) {
    return "every " + (every->is_string() ? every->get<std::string>() : every->dump() + "s");
  }
  return value.contains("at") ? fmt::format("at {} instants", value["at"].size()) : "";
}

Json CatchupSchema() {
  Json object = ObjectSchema(
      {{"mode", EnumSchema(WordsOf(kCatchups), "Which missed slots run.")},
       {"limit", WithDefault(IntSchema(1, limits::kMaxCatchupLimit, "At most so many, the newest."),
                             limits::kDefaultCatchupLimit)},
       {"window", DurationSchema("None older than this.")},
       {"order", EnumSchema({"oldest_first", "newest_first"}, "Which runs first.")},
       {"rate", NotYetSchema(nullptr, "At most so many per time.")}},
      "Catchup with limits.");
  object["required"] = Json::array({"mode"});
  return {{"anyOf", Json::array({{{"type", "boolean"}},
                                 {{"type", "string"}, {"enum", WordsOf(kCatchups)}},
                                 std::move(object)})},
          {"default", "latest"},
          {"description", "Missed slots that run: none, the latest, or all. true: all."}};
}

Json CronSchema() {
  Json entry = ObjectSchema({{"cron", TextSchema("Five fields, or a preset.")},
                             {"timezone", TextSchema("Zone of this expression.")}},
                            "An expression with its own zone.");
  entry["required"] = Json::array({"cron"});
  Json list = {{"type", "array"},
               {"minItems", 1},
               {"maxItems", limits::kMaxCrons},
               {"items", {{"anyOf", Json::array({{{"type", "string"}}, std::move(entry)})}}}};
  return {{"anyOf", Json::array({{{"type", "string"}}, std::move(list)})},
          {"description", "Cron expression of five fields, preset, or a list of them."},
          {"examples", Json::array({"0 6 * * *", "@daily"})}};
}

}  // namespace

Json ScheduleSchema() {
  Json list = ListSchema({{"type", "string"}}, "Local dates or crons whose ticks are dropped.");
  list["maxItems"] = limits::kMaxExcludes;
  Json at = ListSchema({{"type", "string"}}, "The instants of the runs.");
  at["maxItems"] = limits::kMaxAtEntries;
  Json object = ObjectSchema(
      {{"cron", CronSchema()},
       {"every", DurationSchema("Elapsed time from run to run.")},
       {"anchor", TextSchema("Instant that `every` counts from.")},
       {"at", std::move(at)},
       {"day_or", BoolSchema(true, "Both day fields given: either matches (true) or both must.")},
       {"timezone", WithDefault(TextSchema("IANA time zone."), "UTC")},
       {"start_date", TextSchema("First interval start: instant, or local date.")},
       {"end_date", TextSchema("Last interval start: instant, or local date.")},
       {"interval",
        {{"type", Json::array({"string", "number"})},
         {"default", "period"},
         {"description", "Data interval: period (tick to tick), none, or a duration."}}},
       {"catchup", CatchupSchema()},
       {"overlap",
        WithDefault(EnumSchema(WordsOf(kOverlaps), "When max_active_runs is full."), "queue")},
       {"jitter", DurationSchema("Runs start up to so much later, always the same for a DAG.")},
       {"jitter_mode",
        WithDefault(EnumSchema({"fixed", "per_tick"}, "Same delay at every tick?"), "fixed")},
       {"exclude", std::move(list)},
       {"run_immediately", BoolSchema(false, "Run the last complete interval at once.")},
       {"assets", NotYetSchema(nullptr, "Run on asset events.")},
       {"mode", NotYetSchema(nullptr, "How time and assets combine.")},
       {"gate_timeout", NotYetSchema(nullptr, "Wait for assets.")}},
      "When runs are due.");
  return {{"anyOf", Json::array({{{"type", "null"}}, {{"type", "string"}}, std::move(object)})},
          {"default", nullptr},
          {"description", "When runs are due: object, cron string, preset, or null."},
          {"examples", Json::array({"@daily", "0 6 * * *"})}};
}

void ApplySchedule(const Json& value, Dag& dag, const Site& site) {
  if (!value.is_object() && !value.is_string()) return;
  ScheduleSpec spec;
  ScheduleReader reader(spec, site);
  const std::string here = site.place.Pointer();
  if (value.is_string()) reader.Cron(value.get_ref<const std::string&>(), "", site.place);
  if (value.is_object()) reader.Object(value);
  spec.text = TextOf(value);
  if (std::all_of(spec.cron_timezones.begin(), spec.cron_timezones.end(),
                  [](const std::string& zone) { return zone.empty(); })) {
    spec.cron_timezones.clear();
  }
  std::vector<Error> faults;
  const auto timetable = Timetable::Make(spec, dag.dag_id, &faults);
  const bool refused = site.out.HasErrorUnder(here);
  // The spec lacks what was refused before: no word about that part again, nor about the whole.
  if (refused) {
    std::erase_if(faults, [&](const Error& fault) {
      return site.out.HasErrorUnder(here + fault.pointer.substr(0, fault.pointer.find('/', 1)));
    });
  }
  for (const Error& fault : faults) {
    site.out.Error(fault.message.starts_with("never fires") ? "NM307" : "NM309",
                   here + (value.is_object() ? fault.pointer : ""), fault.message, fault.hint);
  }
  if (refused || !timetable.ok()) return;
  dag.timetable = *timetable;
  dag.schedule = std::move(spec);
}

void EmitSchedule(const Dag& dag, Json& out) {
  if (!dag.schedule) return;
  const ScheduleSpec& spec = *dag.schedule;
  const ScheduleSpec standard;
  Json json = Json::object();
  if (spec.once) json["cron"] = "@once";
  for (std::size_t i = 0; i < spec.crons.size(); ++i) {
    const bool own = i < spec.cron_timezones.size() && !spec.cron_timezones[i].empty();
    if (own) {
      json["cron"].push_back({{"cron", spec.crons[i]}, {"timezone", spec.cron_timezones[i]}});
    } else {
      json["cron"].push_back(spec.crons[i]);
    }
  }
  if (spec.every) json["every"] = FormatDuration(*spec.every);
  if (spec.anchor) json["anchor"] = FormatInstant(*spec.anchor);
  for (const Instant at : spec.at) json["at"].push_back(FormatInstant(at));
  json["timezone"] = spec.timezone;
  if (!spec.start_date.empty()) json["start_date"] = spec.start_date;
  if (!spec.end_date.empty()) json["end_date"] = spec.end_date;
  json["interval"] = spec.interval == IntervalKind::kPeriod ? "period"
                     : spec.interval == IntervalKind::kNone ? "none"
                                                            : FormatDuration(spec.fixed_interval);
  if (!spec.day_or) json["day_or"] = false;
  json["catchup"] = {{"mode", WordOf(kCatchups, spec.catchup)}};
  if (spec.catchup_limit != standard.catchup_limit) json["catchup"]["limit"] = spec.catchup_limit;
  if (spec.catchup_window) json["catchup"]["window"] = FormatDuration(*spec.catchup_window);
  if (spec.newest_first) json["catchup"]["order"] = "newest_first";
  json["overlap"] = WordOf(kOverlaps, spec.overlap);
  if (spec.jitter != standard.jitter) json["jitter"] = FormatDuration(spec.jitter);
  if (spec.jitter_per_tick) json["jitter_mode"] = "per_tick";
  if (!spec.exclude.empty()) json["exclude"] = spec.exclude;
  if (spec.run_immediately) json["run_immediately"] = true;
  out["schedule"] = std::move(json);
}

}  // namespace nightmill::dagfile
