#include "core/dagfile/sla_field.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "core/base/json.h"
#include "core/base/limits.h"
#include "core/dagfile/draft.h"
#include "core/dagfile/suggest.h"
#include "core/rules/deadline.h"

namespace nightmill::dagfile {
namespace {

using Json = nlohmann::json;

constexpr std::array kKinds{SlaKind::kDeadline, SlaKind::kWithin, SlaKind::kDuration,
                            SlaKind::kStaleAfter};
constexpr DurationRange kLengths{Duration{1}, limits::kMaxTimeout};

using List = std::vector<std::string> Callbacks::*;
constexpr std::array<std::pair<const char*, List>, 6> kLists{{
    {"success", &Callbacks::success},
    {"failure", &Callbacks::failure},
    {"retry", &Callbacks::retry},
    {"skipped", &Callbacks::skipped},
    {"sla_warn", &Callbacks::sla_warn},
    {"sla_miss", &Callbacks::sla_miss},
}};

const SlaSpec& Standard() {
  static const SlaSpec spec;
  return spec;
}

Json AverageSchema() {
  Json object = ObjectSchema(
      {{"average_of",
        IntSchema(1, limits::kSlaHistoryRuns, "The mean of so many last successes.")},
       {"factor",
        {{"type", "number"},
         {"exclusiveMinimum", 0},
         {"maximum", 1000},
         {"default", AverageOf{}.factor},
         {"description", "So many times the mean."}}},
       {"min_runs", WithDefault(IntSchema(1, limits::kSlaHistoryRuns,
                                          "With fewer successes nothing is due."),
                                limits::kSlaForecastRuns)}},
      "A duration learned from the past.");
  object["required"] = Json::array({"average_of"});
  return object;
}

Json EntrySchema(bool of_task) {
  Json properties = {
      {"name", TextSchema("Identity of the entry within the DAG.")},
      {"deadline", WithExamples(TextSchema("The next such time after the data interval: a time of "
                                           "day, of the hour, of the week, or a cron."),
                                {"08:00", ":45", "MON 06:00", "0 8 1 * *"})},
      {"timezone", TextSchema("IANA zone of `deadline`; the schedule's if absent.")},
      {"within", DurationSchema("So long after `from`.")},
      {"from", EnumSchema({"logical", "interval_end", "queued", "start"},
                          "What `within` counts from.")},
      {"duration",
       {{"anyOf", Json::array({DurationSchema("So long."), AverageSchema()})},
        {"description", "So long after the start."}}},
      {"warn_at",
       {{"type", "number"},
        {"minimum", 0},
        {"maximum", 1},
        {"default", limits::kDefaultSlaWarnAt},
        {"description", "Part of the time after which it warns."}}},
      {"severity",
       WithDefault(EnumSchema({"info", "warning", "error", "critical"}, "How bad a miss is."),
                   "error")},
      {"notify", ListSchema({{"type", "string"}, {"minLength", 1}},
                            "Notifiers to call, beside those that ask for the events.")},
      {"while_paused", BoolSchema(false, "Also while the DAG is paused.")},
      {"backfill", BoolSchema(false, "Also for runs of backfills.")}};
  if (!of_task) {
    properties["task"] = TextSchema("The task it is for; the whole run if absent.");
    properties["stale_after"] =
        DurationSchema("So long after the last success, with or without a run.");
  }
  Json entry = ObjectSchema(std::move(properties), "A time to be kept.");
  entry["required"] = Json::array({"name"});
  return entry;
}

Json SlaSchema(bool of_task) {
  Json list = WithDefault(
      ListSchema(EntrySchema(of_task), "Times to be kept: a warning before, an alert after."),
      Json::array());
  list["maxItems"] = limits::kMaxSlaEntries;
  return list;
}

// One entry; each part is judged by itself, so that all faults come out at once.
class EntryReader {
 public:
  EntryReader(const Json& entry, const Site& site) : entry_(entry), site_(site) {}

  SlaSpec Read() {
    Text("name", spec_.name);
    Text("task", spec_.task);
    if (!spec_.name.empty() && !IsId(spec_.name)) {
      At("name", [](const Json&, const Site& here) {
        here.Error("NM206", "not an id", "1 to 200 of A-Z a-z 0-9 _ . - , without \"..\"");
      });
    }
    Kind();
    Options();
    return std::move(spec_);
  }

 private:
  template <class Use>
  void At(const char* key, Use use) {
    const auto it = entry_.find(key);
    if (it == entry_.end()) return;
    const Place place = site_.place.At(key);
    use(*it, site_.In(place));
  }
  void Text(const char* key, std::string& target) {
    const auto it = entry_.find(key);
    if (it != entry_.end() && it->is_string()) target = it->get<std::string>();
  }
  void Flag(const char* key, bool& target) {
    const auto it = entry_.find(key);
    if (it != entry_.end() && it->is_boolean()) target = it->get<bool>();
  }
  void Length(const char* key) {
    At(key, [&](const Json& value, const Site& here) {
      if (const auto length = ParseDurationField(value, kLengths, here)) spec_.length = *length;
    });
  }

  void Kind() {
    int kinds = 0;
    for (const SlaKind kind : kKinds) {
      if (!entry_.contains(ToString(kind))) continue;
      kinds += 1;
      spec_.kind = kind;
    }
    if (kinds != 1) {
      site_.Error("NM333", kinds == 0 ? "an entry says what is due" : "an entry has one kind",
                  "one of `deadline`, `within`, `duration`, `stale_after`");
    }
    Deadline();
    Within();
    Length("stale_after");
    At("duration", [&](const Json& value, const Site&) {
      if (value.is_object()) {
        Average(value);
      } else {
        Length("duration");
      }
    });
    if (spec_.kind == SlaKind::kStaleAfter && !spec_.task.empty()) {
      At("task", [](const Json&, const Site& here) {
        here.Error("NM333", "`stale_after` is of the whole DAG", "leave `task` out");
      });
    }
  }

  void Deadline() {
    Text("deadline", spec_.deadline);
    At("deadline", [&](const Json& value, const Site& here) {
      if (!value.is_string()) return;
      Result<CronExpr> parsed = ParseDeadline(spec_.deadline);
      if (parsed.ok()) {
        spec_.cron = *std::move(parsed);
        return;
      }
      const bool never = parsed.error().message.starts_with("never fires");
      here.Error(never ? "NM307" : "NM333", parsed.error().message, parsed.error().hint);
    });
    Text("timezone", spec_.timezone);
    At("timezone", [&](const Json& value, const Site& here) {
      if (!value.is_string()) return;
      const auto zone = TimeZone::Find(spec_.timezone);
      if (!zone.ok()) return here.Error("NM308", zone.error().message, zone.error().hint);
      spec_.zone = *zone;
      if (entry_.contains("deadline")) return;
      here.Error("NM333", "`timezone` belongs to `deadline`");
    });
  }

  void Within() {
    Length("within");
    if (entry_.contains("within") && !entry_.contains("from")) {
      site_.Error("NM333", "`within` needs `from`", "logical, interval_end, queued or start");
    }
    At("from", [&](const Json& value, const Site& here) {
      if (!value.is_string()) return;
      if (const auto from = ParseSlaFrom(value.get_ref<const std::string&>())) spec_.from = *from;
      if (!entry_.contains("within")) here.Error("NM333", "`from` belongs to `within`");
    });
  }

  void Average(const Json& value) {
    AverageOf average;
    const auto integer = [&](const char* key, int& target) {
      const auto it = value.find(key);
      if (it != value.end() && it->is_number_integer()) target = it->get<int>();
    };
    integer("average_of", average.runs);
    average.min_runs = std::min(average.min_runs, average.runs);
    integer("min_runs", average.min_runs);
    if (const auto it = value.find("factor"); it != value.end() && it->is_number()) {
      average.factor = it->get<double>();
    }
    if (average.min_runs > average.runs) {
      At("duration", [](const Json&, const Site& here) {
        const Place place = here.place.At("min_runs");
        here.In(place).Error("NM333", "`min_runs` is above `average_of`");
      });
    }
    spec_.average = average;
  }

  void Options() {
    At("warn_at", [&](const Json& value, const Site&) {
      if (value.is_number()) spec_.warn_at = std::clamp(value.get<double>(), 0.0, 1.0);
    });
    At("severity", [&](const Json& value, const Site&) {
      if (!value.is_string()) return;
      const auto severity = ParseSeverity(value.get_ref<const std::string&>());
      if (severity) spec_.severity = *severity;
    });
    At("notify", [&](const Json& value, const Site&) { spec_.notify = ParseTexts(value); });
    Flag("while_paused", spec_.while_paused);
    Flag("backfill", spec_.backfill);
  }

  const Json& entry_;
  const Site& site_;
  SlaSpec spec_;
};

void EmitKind(const SlaSpec& spec, Json& out) {
  const std::string kind(ToString(spec.kind));
  if (spec.kind == SlaKind::kDeadline) {
    out[kind] = spec.deadline;
    if (!spec.timezone.empty()) out["timezone"] = spec.timezone;
    return;
  }
  if (spec.average) {
    out[kind] = {{"average_of", spec.average->runs},
                 {"factor", spec.average->factor},
                 {"min_runs", spec.average->min_runs}};
    return;
  }
  out[kind] = FormatDuration(spec.length);
  if (spec.kind == SlaKind::kWithin) out["from"] = ToString(spec.from);
}

Json CallbacksSchema(const std::vector<std::string_view>& words) {
  Json item = ObjectSchema(
      {{"notify", {{"type", "string"}, {"minLength", 1}, {"description", "Name of a notifier."}}}},
      "A notifier to call.");
  item["required"] = Json::array({"notify"});
  Json properties = Json::object();
  for (const std::string_view word : words) {
    properties[std::string(word)] = ListSchema(item, fmt::format("Called on {}.", word));
  }
  return WithDefault(ObjectSchema(std::move(properties), "Notifiers to call, by what happens."),
                     Json::object());
}

// Walks every entry of the DAG and its tasks, with its place.
template <class Use>
void ForEachEntry(Draft& draft, Use use) {
  for (std::size_t i = 0; i < draft.dag.sla.size(); ++i) {
    use(draft.dag.sla[i], fmt::format("/sla/{}", i));
  }
  for (std::size_t t = 0; t < draft.dag.tasks.size(); ++t) {
    std::vector<SlaSpec>& entries = draft.dag.tasks[t].sla;
    for (std::size_t i = 0; i < entries.size(); ++i) {
      use(entries[i], fmt::format("/tasks/{}/sla/{}", t, i));
    }
  }
}

class Finisher {
 public:
  explicit Finisher(Draft& draft) : draft_(draft) {}

  void Run() {
    const auto& schedule = draft_.dag.schedule;
    const auto zone = TimeZone::Find(schedule ? schedule->timezone : "UTC");
    int entries = 0;
    ForEachEntry(draft_, [&](SlaSpec& spec, const std::string& place) {
      if (++entries == limits::kMaxSlaEntries + 1) {
        draft_.out.Error("NM314", place,
                         fmt::format("more than {} SLA entries", limits::kMaxSlaEntries));
      }
      if (spec.zone == nullptr && zone.ok()) spec.zone = *zone;
      CheckName(spec, place);
      CheckTask(spec, place);
      for (std::size_t n = 0; n < spec.notify.size(); ++n) {
        CheckNotifier(spec.notify[n], fmt::format("{}/notify/{}", place, n));
      }
    });
    for (Task& task : draft_.dag.tasks) {
      for (SlaSpec& spec : task.sla) spec.task = task.id;
    }
    CheckCallbacks(draft_.dag.on, "/on");
    for (std::size_t t = 0; t < draft_.dag.tasks.size(); ++t) {
      const auto& on = draft_.dag.tasks[t].on;
      // Those of `defaults` and templates are told of at the first task that takes them.
      if (on != nullptr) CheckCallbacks(*on, fmt::format("/tasks/{}/on", t));
    }
  }

 private:
  void CheckName(const SlaSpec& spec, const std::string& place) {
    if (spec.name.empty()) return;
    const auto [it, fresh] = names_.emplace(spec.name, place);
    if (fresh) return;
    draft_.out.Error("NM333", place + "/name", fmt::format("\"{}\" is there twice", spec.name),
                     fmt::format("the first is {}", it->second));
  }

  void CheckTask(const SlaSpec& spec, const std::string& place) {
    if (spec.task.empty()) return;
    if (ids_.empty()) {
      for (const Task& task : draft_.dag.tasks) ids_.insert(task.id);
    }
    if (ids_.contains(spec.task)) return;
    const std::vector<std::string_view> ids(ids_.begin(), ids_.end());
    draft_.out.Error("NM302", place + "/task", fmt::format("no task \"{}\"", spec.task),
                     DidYouMean(spec.task, ids));
  }

  void CheckNotifier(const std::string& name, const std::string& place) {
    const auto& known = draft_.options.notifiers;
    if (!known || known->contains(name) || !unknown_.insert(name).second) return;
    const std::vector<std::string_view> names(known->begin(), known->end());
    draft_.out.Warning("NM334", place, fmt::format("no notifier \"{}\"", name),
                       DidYouMean(name, names));
  }

  void CheckCallbacks(const Callbacks& on, const std::string& place) {
    for (const auto& [word, list] : kLists) {
      const std::vector<std::string>& names = on.*list;
      for (std::size_t n = 0; n < names.size(); ++n) {
        CheckNotifier(names[n], fmt::format("{}/{}/{}/notify", place, word, n));
      }
    }
  }

  Draft& draft_;
  std::map<std::string, std::string> names_;  // name -> place of the first
  std::set<std::string_view> ids_;
  std::set<std::string> unknown_;  // warned of, once each
};

}  // namespace

Json DagSlaSchema() { return SlaSchema(false); }

Json TaskSlaSchema() { return SlaSchema(true); }

std::vector<SlaSpec> ParseSla(const Json& value, const Site& site) {
  std::vector<SlaSpec> entries;
  if (!value.is_array()) return entries;
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (!value[i].is_object()) continue;
    const Place place = site.place.At(i);
    const Site here = site.In(place);
    entries.push_back(EntryReader(value[i], here).Read());
  }
  return entries;
}

void EmitSla(const std::vector<SlaSpec>& entries, Json& out) {
  if (entries.empty()) return;
  Json& list = out["sla"] = Json::array();
  for (const SlaSpec& spec : entries) {
    Json entry = {{"name", spec.name}};
    EmitKind(spec, entry);
    // A task has its own entries: its id is not repeated there.
    if (!spec.task.empty() && spec.task != out.value("id", "")) entry["task"] = spec.task;
    if (spec.warn_at != Standard().warn_at) entry["warn_at"] = spec.warn_at;
    if (spec.severity != Standard().severity) entry["severity"] = ToString(spec.severity);
    if (!spec.notify.empty()) entry["notify"] = spec.notify;
    if (spec.while_paused) entry["while_paused"] = true;
    if (spec.backfill) entry["backfill"] = true;
    list.push_back(std::move(entry));
  }
}

Json DagCallbacksSchema() {
  return CallbacksSchema({"success", "failure", "sla_warn", "sla_miss"});
}

Json TaskCallbacksSchema() {
  return CallbacksSchema({"success", "failure", "retry", "skipped", "sla_warn", "sla_miss"});
}

Callbacks ParseCallbacks(const Json& value) {
  Callbacks on;
  if (!value.is_object()) return on;
  for (const auto& [word, list] : kLists) {
    const auto it = value.find(word);
    if (it == value.end() || !it->is_array()) continue;
    for (const Json& item : *it) {
      const auto name = item.is_object() ? item.find("notify") : item.end();
      if (item.is_object() && name != item.end() && name->is_string()) {
        (on.*list).push_back(name->get<std::string>());
      }
    }
  }
  return on;
}

void EmitCallbacks(const Callbacks& on, Json& out) {
  for (const auto& [word, list] : kLists) {
    for (const std::string& name : on.*list) out["on"][word].push_back({{"notify", name}});
  }
}

void FinishSla(Draft& draft) { Finisher(draft).Run(); }

}  // namespace nightmill::dagfile
