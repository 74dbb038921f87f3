// Names of a run as values; nothing is computed or parsed before a template asks for it.
#include "core/template/scope.h"

#include <fmt/format.h>

#include <vector>

#include "core/base/hash.h"
#include "core/template/dates.h"
#include "core/template/names.h"

namespace nightmill::tmpl {
namespace {

// Undefined is no error yet: `default` and `is defined` may follow.
Value Missing(std::string what, std::string hint = {}) {
  return Value(Undefined{.what = std::move(what), .hint = std::move(hint)});
}

Value UnknownMember(std::string_view owner, std::string_view name) {
  const auto members = MembersOf(owner);
  std::string hint = DidYouMean(name, members);
  if (hint.empty()) hint = fmt::format("{} has: {}", owner, fmt::join(members, ", "));
  return Missing(fmt::format("{} has no member \"{}\"", owner, name), std::move(hint));
}

Value NoInterval(std::string_view name) {
  return Missing(fmt::format("\"{}\" is not defined: this run has no data interval", name),
                 "runs by asset or with a null logical date have none");
}

std::string Compact(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c != '-' && c != ':') out += c;
  }
  return out;
}

}  // namespace

// Parsed once per rendering, and only if a template names it.
Result<Value> Scope::Json(std::string_view key, std::string_view text) {
  if (const auto found = parsed_.find(key); found != parsed_.end()) return found->second;
  Result<Value> value = ParseJsonValue(text);
  if (!value.ok()) {
    return Invalid(fmt::format("{}: {}", key, value.error().message));
  }
  return parsed_.emplace(std::string(key), *std::move(value)).first->second;
}

// ds and kin: forms of the logical date.
Value Scope::LogicalDate(std::string_view name, std::string_view filter) {
  if (!context_.logical_date) {
    return Missing(fmt::format("\"{}\" is not defined: this run has no logical date", name),
                   "use data_date, data_interval_start or run_id");
  }
  const DateTime t{*context_.logical_date};
  const std::string ts = DateTimeText(t, 'T');
  if (filter.empty()) return Value(t);
  if (filter == "ds") return Value(ts.substr(0, 10));
  if (filter == "ds_nodash") return Value(Compact(ts.substr(0, 10)));
  if (filter == "ts") return Value(ts);
  if (filter == "ts_nodash") return Value(Compact(ts.substr(0, 19)));
  return Value(Compact(ts));
}

// The old names, by what Airflow 2 made of them.
Result<Value> Scope::OldRoot(std::string_view name) {
  if (name == "execution_date") return LogicalDate(name, {});
  if (name.starts_with("next_")) {
    if (!context_.interval) return NoInterval(name);
    const DateTime end{context_.interval->end};
    const std::string ds = DateTimeText(end, 'T').substr(0, 10);
    if (name == "next_execution_date") return Value(end);
    return Value(name == "next_ds" ? ds : Compact(ds));
  }
  // yesterday_ds, tomorrow_ds, and both with _nodash.
  const Value today = LogicalDate(name, {});
  const auto* t = today.As<DateTime>();
  if (!t) return today;
  constexpr std::int64_t kDay = 86'400'000'000;
  NM_ASSIGN_OR_RETURN(const DateTime other, AddTo(*t, name.starts_with("yest") ? -kDay : kDay));
  const std::string ds = DateTimeText(other, 'T').substr(0, 10);
  return Value(name.ends_with("_nodash") ? Compact(ds) : ds);
}

Result<Value> Scope::Root(std::string_view name) {
  const RootName* root = FindRoot(name);
  if (!root) {
    return Missing(fmt::format("\"{}\" is not defined", name), DidYouMean(name, KnownRoots()));
  }
  switch (root->kind) {
    case RootKind::kNamespace:
      return Value(Namespace{std::string(CanonicalNamespace(name))});
    case RootKind::kFunction:
      return Value(Namespace{std::string(name)});
    case RootKind::kUnavailable:
      return Missing(fmt::format("\"{}\" is not defined", name), std::string(root->note));
    case RootKind::kOld:
      return OldRoot(name);
    case RootKind::kValue:
      break;
  }
  if (name == "params") return Json(name, context_.params);
  if (name == "run_id") return Value(context_.run_id);
  if (name == "test_mode") return Value(false);
  if (name == "logical_date") return LogicalDate(name, {});
  if (name == "data_interval_start" || name == "data_interval_end") {
    if (!context_.interval) return NoInterval(name);
    const bool start = name == "data_interval_start";
    return Value(DateTime{start ? context_.interval->start : context_.interval->end});
  }
  if (name == "data_date") {
    return context_.data_date.empty() ? NoInterval(name) : Value(context_.data_date);
  }
  if (name == "start_date") {
    if (!context_.start_date) return Missing("\"start_date\" is not defined: not started");
    return Value(DateTime{*context_.start_date});
  }
  if (name == "task_instance_key_str") {
    const Value day = LogicalDate(name, "ds_nodash");
    if (day.is_undefined()) return day;
    return Value(
        fmt::format("{}__{}__{}", context_.dag_id, context_.task_id, *day.As<std::string>()));
  }
  return LogicalDate(name, name);
}

Result<Value> Scope::DagRunMember(std::string_view name) {
  if (name == "conf") return Json("dag_run.conf", context_.conf);
  if (name == "run_type") return Value(context_.run_type);
  if (name == "dag_id") return Value(context_.dag_id);
  return Root(name);  // run_id and the dates
}

Result<Value> Scope::Output(std::string_view task_id) {
  const std::string key = fmt::format("outputs.{}", task_id);
  if (const auto found = parsed_.find(key); found != parsed_.end()) return found->second;
  const auto text = context_.output ? context_.output(task_id) : std::nullopt;
  if (!text) {
    return Missing(fmt::format("\"{}\" is not defined", key),
                   "the task is unknown, was skipped or gave no output");
  }
  return Json(key, *text);
}

// Airflow keeps variables as texts: var.json parses the text, var.value gives it.
Result<Value> Scope::Variable(std::string_view name, bool as_json) {
  NM_ASSIGN_OR_RETURN(const Value all, Json("var", context_.variables));
  const Object* object = all.object();
  const Value* found = object ? Find(*object, name) : nullptr;
  if (!found) {
    std::vector<std::string_view> names;
    if (object) {
      for (const auto& [key, value] : *object) names.push_back(key);
    }
    return Missing(fmt::format("there is no variable \"{}\"", name), DidYouMean(name, names));
  }
  const auto* text = found->As<std::string>();
  if (!as_json) {
    if (text) return *found;
    NM_ASSIGN_OR_RETURN(std::string json, ToJsonText(*found));
    return Value(std::move(json));
  }
  if (!text) return *found;
  return Json(fmt::format("var.json.{}", name), *text);
}

Result<Value> Scope::MemberOf(std::string_view owner, std::string_view name) {
  if (owner == "outputs") return Output(name);
  if (owner == "var.value") return Variable(name, /*as_json=*/false);
  if (owner == "var.json") return Variable(name, /*as_json=*/true);
  if (!FindMember(owner, name)) return UnknownMember(owner, name);
  if (owner == "var") return Value(Namespace{fmt::format("var.{}", name)});
  if (owner == "macros") return Value(Namespace{fmt::format("macros.{}", name)});
  if (owner == "dag_run") return DagRunMember(name);
  if (owner == "run") {
    if (!context_.run_outcome.empty()) return Value(context_.run_outcome);
    return Missing("\"run.outcome\" is not defined", "only finally tasks see it");
  }
  if (owner == "map") {
    const bool mapped = name == "item" ? !context_.map_item.empty() : context_.map_index >= 0;
    if (!mapped)
      return Missing(fmt::format("\"map.{}\" is not defined", name), "the task has no `map`");
    if (name == "index") return Value(context_.map_index);
    return Json("map.item", context_.map_item);
  }
  if (name == "dag_id") return Value(context_.dag_id);
  if (name == "task_id") return Value(context_.task_id);
  if (name == "run_id") return Value(context_.run_id);
  if (name == "map_index") return Value(context_.map_index);
  return Value(context_.try_number);
}

void Scope::SeedRandom(std::string_view place, std::string_view text) {
  rng_ = Rng(KeyedHash({"template/1", std::to_string(context_.seed), place, text}));
}

}  // namespace nightmill::tmpl
