// Good files: what becomes of every field, the canonical form and its hash, params.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/base/json.h"
#include "core/dagfile/dag_fields.h"
#include "core/dagfile/dag_json.h"
#include "core/dagfile/task_fields.h"
#include "tests/unit/dagfile/catalog.h"

namespace nightmill {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::json;

DagFileResult Load(const std::string& text) {
  DagFileOptions options;
  options.pools = {{"compute", 1}, {"a", -1}, {"b", 1}};
  return LoadDag(text, TestCatalog(), options);
}

std::shared_ptr<const Dag> Good(const std::string& text) {
  const DagFileResult result = Load(text);
  for (const Diagnostic& d : result.diagnostics) ADD_FAILURE() << FormatDiagnostic(d);
  if (!result.ok()) throw std::runtime_error("the file was refused");
  return result.dag;
}

// A DAG of these tasks.
std::string File(const std::string& tasks, const std::string& more = "") {
  return fmt::format(R"({{"dag_id": "d", {} "tasks": [{}]}})", more, tasks);
}

const Task& TaskOf(const std::shared_ptr<const Dag>& dag, std::string_view id) {
  return dag->tasks.at(static_cast<std::size_t>(dag->Find(id)));
}

constexpr const char* kFull = R"({
  // Comments of both kinds /* even here */ are allowed.
  "$schema": "../dag.schema.json", "format": 1, "x-team": {"anything": [1]},
  "dag_id": "full", "display_name": "Full", "description": "All fields", "doc_md": "# Hi",
  "owners": ["ml"], "tags": ["a", "b"],
  "schedule": {"cron": "0 6 * * *", "timezone": "Europe/Madrid", "start_date": "2026-01-01",
    "catchup": {"mode": "all", "limit": 5, "window": "30d", "order": "newest_first"},
    "overlap": "skip", "jitter": "60s"},
  "max_active_runs": 3, "max_active_tasks": 9, "max_active_tasks_per_dag": 20,
  "run_timeout": "2h", "queue_expiry": 600, "fail_if_any_failed": true, "paused_upon_creation": false,
  "params": {"n": {"type": "integer", "default": 3}},
  "defaults": {"retries": 2, "retry_delay": "1m", "pool": "compute", "timeout": "1h"},
  "sla": [
    {"name": "by8", "deadline": "08:00", "warn_at": 0.5, "severity": "critical", "notify": ["pager"]},
    {"name": "weekly", "deadline": "MON 06:00", "timezone": "UTC", "while_paused": true},
    {"name": "work_1h", "task": "work", "within": "1h", "from": "start", "backfill": true},
    {"name": "usual", "duration": {"average_of": 10, "factor": 2, "min_runs": 3}},
    {"name": "fresh", "stale_after": "26h"}],
  "on": {"failure": [{"notify": "chat"}, {"notify": "pager"}], "sla_miss": [{"notify": "chat"}]},
  "task_templates": {"heavy": {"pools": [{"name": "a", "slots": 2}, {"name": "b"}], "retries": 5}},
  "tasks": [
    {"id": "wait", "type": "sensor.file", "path": "in/{{ data_date }}.csv", "min_bytes": 10,
     "settle": "5s", "poke_interval": "30s", "max_poke_interval": "5m", "poke_backoff": 2,
     "sensor_timeout": "2h", "soft_fail": true,
     "sla": [{"name": "waited", "duration": "1h"}], "on": {"retry": [{"notify": "chat"}]}},
    {"id": "work", "type": "exec", "template": "heavy", "depends_on": ["wait", "wait"], "x-note": 1,
     "argv": ["/bin/work", "{{ params.n }}", "{{ map.item }}"], "cwd": "lib", "output": "lines",
     "env": {"DAY": "{{ data_date }}"}, "limits": {"memory": "1GB", "cpus": 1.5, "pids": 100,
       "file_size": "1MiB", "log": 1000}, "skip_exit_code": 77, "no_retry_exit_code": 78,
     "map": {"over": {"z": [1, 2], "a": "{{ outputs.wait }}"}, "max_items": 64, "max_parallel": 2,
       "max_failures": 3, "on_empty": "fail", "label": "{{ map.index }}"},
     "retry_backoff": 2.5, "max_retry_delay": "2h", "retry_jitter": {"plus_minus": 0.25},
     "retry_on": ["exit:75", "oom"], "no_retry_on": [], "total_timeout": "3h", "queue_timeout": "1h",
     "kill_grace": "30s", "priority_weight": 7, "weight_rule": "absolute",
     "max_active_tis_per_dag": 4, "max_active_tis_per_dagrun": 2, "when": "{{ params.n > 0 }}",
     "display_name": "Work", "doc_md": "does", "inlets": [{"asset": "in"}], "depends_on_past": false},
    {"id": "native", "type": "odd", "depends_on": ["work"], "in": {"path": "{{ outputs.work }}"},
     "threads": 3, "memory": "64MB", "trigger_rule": "all_done"},
    {"id": "pick", "type": "branch", "depends_on": ["native"],
     "cases": [{"if": "{{ params.n == 1 }}", "then": ["left"]}], "else": ["right"]},
    {"id": "left", "type": "noop", "depends_on": ["pick"]},
    {"id": "right", "type": "short_circuit", "condition": "{{ true }}", "depends_on": ["pick"],
     "ignore_downstream_trigger_rules": false},
    {"id": "end", "type": "shell", "run": "echo \"$DAY\" {{ params.n | q }}", "depends_on": ["left", "right"],
     "trigger_rule": "none_failed_min_one_success"}]
})";

TEST(LoadDagTest, FieldsOfTheDag) {
  const auto dag = Good(kFull);
  EXPECT_EQ(dag->dag_id, "full");
  EXPECT_EQ(dag->display_name, "Full");
  EXPECT_EQ(dag->doc_md, "# Hi");
  EXPECT_EQ(dag->owners, std::vector<std::string>{"ml"});
  EXPECT_EQ(dag->tags, (std::vector<std::string>{"a", "b"}));
  ASSERT_TRUE(dag->schedule && dag->timetable);
  EXPECT_EQ(dag->schedule->text, "0 6 * * *");
  EXPECT_EQ(dag->schedule->timezone, "Europe/Madrid");
  EXPECT_EQ(dag->schedule->catchup, Catchup::kAll);
  EXPECT_EQ(dag->schedule->catchup_limit, 5);
  EXPECT_EQ(dag->schedule->catchup_window, Duration(30 * 24h));
  EXPECT_TRUE(dag->schedule->newest_first);
  EXPECT_EQ(dag->schedule->overlap, Overlap::kSkip);
  EXPECT_EQ(dag->schedule->jitter, Duration(60s));
  EXPECT_EQ(dag->max_active_runs, 3);
  EXPECT_EQ(dag->max_active_tasks, 9);
  EXPECT_EQ(dag->max_active_tasks_per_dag, 20);
  EXPECT_EQ(dag->run_timeout, Duration(2h));
  EXPECT_EQ(dag->queue_expiry, Duration(10min));
  EXPECT_TRUE(dag->fail_if_any_failed);
  EXPECT_EQ(dag->paused_upon_creation, false);
  EXPECT_EQ(dag->params_schema, R"({"n":{"default":3,"type":"integer"}})");
  EXPECT_EQ(dag->source, kFull);
}

TEST(LoadDagTest, FieldsOfTasks) {
  const auto dag = Good(kFull);
  const Task& wait = TaskOf(dag, "wait");
  EXPECT_EQ(wait.kind, TaskKind::kSensor);
  EXPECT_EQ(wait.poke_interval, Duration(30s));
  EXPECT_EQ(wait.max_poke_interval, Duration(5min));
  EXPECT_EQ(wait.poke_backoff, 2.0);
  EXPECT_EQ(wait.sensor_timeout, Duration(2h));
  EXPECT_TRUE(wait.soft_fail);
  EXPECT_EQ(wait.params, R"({"min_bytes":10,"path":"in/{{ data_date }}.csv","settle":"5s"})");
  EXPECT_EQ(wait.pools, (std::vector<PoolRequest>{{"compute", 1}}));
  EXPECT_EQ(wait.retry.retries, 2);
  EXPECT_EQ(wait.timeout, Duration(1h));

  const Task& work = TaskOf(dag, "work");
  EXPECT_EQ(work.kind, TaskKind::kProcess);
  EXPECT_EQ(work.depends_on, std::vector<std::string>{"wait"});
  EXPECT_EQ(work.data_upstream, std::vector<std::string>{"wait"});
  EXPECT_EQ(work.pools, (std::vector<PoolRequest>{{"a", 2}, {"b", 1}}));
  EXPECT_EQ(work.retry.retries, 5);             // of the template
  EXPECT_EQ(work.retry.delay, Duration(1min));  // of the defaults
  EXPECT_EQ(work.retry.backoff, 2.5);
  EXPECT_EQ(work.retry.max_delay, Duration(2h));
  EXPECT_EQ(work.retry.plus_minus_thousandths, 250);
  EXPECT_EQ(work.retry.retry_on, (std::vector<std::string>{"exit:75", "oom"}));
  EXPECT_TRUE(work.retry.no_retry_on.empty());
  EXPECT_EQ(work.retry.skip_exit_code, 77);
  EXPECT_EQ(work.retry.no_retry_exit_code, 78);
  EXPECT_EQ(work.total_timeout, Duration(3h));
  EXPECT_EQ(work.queue_timeout, Duration(1h));
  EXPECT_EQ(work.kill_grace, Duration(30s));
  EXPECT_EQ(work.priority_weight, 7);
  EXPECT_EQ(work.weight_rule, WeightRule::kAbsolute);
  EXPECT_EQ(work.max_active_tis_per_dag, 4);
  EXPECT_EQ(work.max_active_tis_per_dagrun, 2);
  EXPECT_EQ(work.when, "{{ params.n > 0 }}");
  EXPECT_EQ(work.cwd, "lib");
  EXPECT_EQ(work.output, OutputMode::kLines);
  EXPECT_EQ(work.env,
            (std::vector<std::pair<std::string, std::string>>{{"DAY", "{{ data_date }}"}}));
  EXPECT_EQ(work.limits.memory_bytes, 1'000'000'000);
  EXPECT_EQ(work.limits.file_size_bytes, 1 << 20);
  EXPECT_EQ(work.limits.pids, 100);
  EXPECT_EQ(work.limits.cpus, 1.5);
  EXPECT_EQ(work.limits.log_bytes, 1000);
  ASSERT_TRUE(work.map);
  EXPECT_EQ(work.map->over, (std::vector<std::pair<std::string, std::string>>{
                                {"z", "[1,2]"}, {"a", "\"{{ outputs.wait }}\""}}));  // file order
  EXPECT_EQ(work.map->max_items, 64);
  EXPECT_EQ(work.map->max_parallel, 2);
  EXPECT_EQ(work.map->max_failures, 3);
  EXPECT_EQ(work.map->on_empty, OnEmptyMap::kFail);
  EXPECT_EQ(work.params, R"({"argv":["/bin/work","{{ params.n }}","{{ map.item }}"]})");
}

TEST(LoadDagTest, TimesToBeKept) {
  const auto dag = Good(kFull);
  ASSERT_EQ(dag->sla.size(), 5u);
  const SlaSpec& by8 = dag->sla[0];
  EXPECT_EQ(by8.kind, SlaKind::kDeadline);
  EXPECT_EQ(by8.zone->name(), "Europe/Madrid");  // the schedule's
  EXPECT_EQ(by8.warn_at, 0.5);
  EXPECT_EQ(by8.severity, Severity::kCritical);
  EXPECT_EQ(by8.notify, std::vector<std::string>{"pager"});
  EXPECT_EQ(RuleText(by8), "08:00 Europe/Madrid");
  EXPECT_EQ(dag->sla[1].zone->name(), "UTC");
  EXPECT_TRUE(dag->sla[1].while_paused);
  const SlaSpec& work = dag->sla[2];
  EXPECT_EQ(work.task, "work");
  EXPECT_EQ(work.kind, SlaKind::kWithin);
  EXPECT_EQ(work.from, SlaFrom::kStart);
  EXPECT_EQ(work.length, Duration(1h));
  EXPECT_TRUE(work.backfill);
  EXPECT_EQ(work.severity, Severity::kError);
  EXPECT_EQ(RuleText(work), "1h from start");
  ASSERT_TRUE(dag->sla[3].average);
  EXPECT_EQ(dag->sla[3].average->runs, 10);
  EXPECT_EQ(dag->sla[3].average->min_runs, 3);
  EXPECT_EQ(dag->sla[4].kind, SlaKind::kStaleAfter);
  EXPECT_EQ(dag->on.failure, (std::vector<std::string>{"chat", "pager"}));
  EXPECT_EQ(dag->on.sla_miss, std::vector<std::string>{"chat"});
  const Task& wait = TaskOf(dag, "wait");
  ASSERT_EQ(wait.sla.size(), 1u);
  EXPECT_EQ(wait.sla[0].task, "wait");
  ASSERT_TRUE(wait.on);
  EXPECT_EQ(wait.on->retry, std::vector<std::string>{"chat"});
  EXPECT_EQ(TaskOf(dag, "work").on, nullptr);
  EXPECT_EQ(SlaEntries(*dag).size(), 6u);
}

TEST(LoadDagTest, AHundredTimesToBeKept) {
  std::string entries;
  for (int i = 0; i < limits::kMaxSlaEntries; ++i) {
    entries += fmt::format(R"({}{{"name": "n{}", "duration": "1h"}})", i > 0 ? "," : "", i);
  }
  const std::string one = R"({"id": "a", "type": "noop", "sla": [{"name": "x", "duration": 1}]})";
  EXPECT_EQ(Good(File("", "\"sla\": [" + entries + "],"))->sla.size(), 100u);
  const DagFileResult more = Load(File(one, "\"sla\": [" + entries + "],"));
  ASSERT_EQ(more.diagnostics.size(), 1u);
  EXPECT_EQ(more.diagnostics[0].code, "NM314");
}

TEST(LoadDagTest, KindsOfTasks) {
  const auto dag = Good(kFull);
  const Task& native = TaskOf(dag, "native");
  EXPECT_EQ(native.threads, 3);
  EXPECT_EQ(native.trigger_rule, TriggerRule::kAllDone);
  EXPECT_EQ(native.data_upstream, std::vector<std::string>{"work"});
  EXPECT_EQ(native.params, R"({"engine":"auto","in":{"path":"{{ outputs.work }}"},"limit":7,)"
                           R"("memory":"64MB","threads":3})");
  const Task& pick = TaskOf(dag, "pick");
  ASSERT_EQ(pick.cases.size(), 1u);
  EXPECT_EQ(pick.cases[0].condition, "{{ params.n == 1 }}");
  EXPECT_EQ(pick.cases[0].then, std::vector<std::string>{"left"});
  EXPECT_EQ(pick.otherwise, std::vector<std::string>{"right"});
  const Task& gate = TaskOf(dag, "right");
  EXPECT_EQ(gate.condition, "{{ true }}");
  EXPECT_FALSE(gate.ignore_downstream_trigger_rules);
  EXPECT_EQ(TaskOf(dag, "left").kind, TaskKind::kNoop);
}

TEST(LoadDagTest, MinimalFile) {
  const auto dag = Good(R"({ "$schema": "./.nightmill/dag-1.schema.json",
    "dag_id": "hello",
    "tasks": [
      { "id": "greet", "type": "shell", "run": "echo \"hello from $NIGHTMILL_RUN_ID\"" } ]
  })");
  EXPECT_FALSE(dag->schedule);
  EXPECT_EQ(dag->timetable, nullptr);
  EXPECT_EQ(dag->max_active_runs, limits::kDefaultMaxActiveRuns);
  EXPECT_EQ(TaskOf(dag, "greet").pools, std::vector<PoolRequest>{PoolRequest{}});
}

TEST(LoadDagTest, SpellingsOfASchedule) {
  struct Case {
    std::string schedule;
    std::vector<std::string> crons;
    std::string text;
  };
  const std::vector<Case> cases = {
      {R"("@daily")", {"0 0 * * *"}, "@daily"},
      {R"("5 4 * * *")", {"5 4 * * *"}, "5 4 * * *"},
      {R"({"cron": ["0 1 * * *", {"cron": "@hourly", "timezone": "Asia/Tokyo"}]})",
       {"0 1 * * *", "0 * * * *"},
       "0 1 * * *; @hourly"},
      {R"({"every": "90m", "anchor": "2026-01-01T00:00:00Z"})", {}, "every 90m"},
      {R"({"every": 60})", {}, "every 60s"},
      {R"({"at": ["2026-02-01T00:00:00Z", "2026-01-01T00:00:00Z"]})", {}, "at 2 instants"},
  };
  for (const Case& c : cases) {
    const auto dag = Good(File("", "\"schedule\": " + c.schedule + ","));
    ASSERT_TRUE(dag->schedule && dag->timetable) << c.schedule;
    EXPECT_EQ(dag->schedule->crons, c.crons) << c.schedule;
    EXPECT_EQ(dag->schedule->text, c.text);
  }
  EXPECT_FALSE(Good(File("", "\"schedule\": null,"))->schedule);
  const auto zones = Good(File("", "\"schedule\": " + cases[2].schedule + ","));
  EXPECT_EQ(zones->schedule->cron_timezones, (std::vector<std::string>{"", "Asia/Tokyo"}));
}

// The canonical text is itself a DAG file of the same meaning and the same hash.
TEST(CanonicalTest, IsAFixedPoint) {
  for (const std::string& text :
       {std::string(kFull), File(""),
        File(R"({"id": "a", "type": "noop", "retry_jitter": "none"})"),
        File("", R"("schedule": {"every": "1h", "interval": "2h", "exclude": ["2026-01-01"]},)"),
        File("", R"("schedule": {"cron": "@once", "start_date": "2026-01-01"},)")}) {
    const auto dag = Good(text);
    const auto again = Good(dag->canonical);
    EXPECT_EQ(again->canonical, dag->canonical);
    EXPECT_EQ(again->version_hash, dag->version_hash);
    ASSERT_EQ(again->tasks.size(), dag->tasks.size());
    for (std::size_t i = 0; i < dag->tasks.size(); ++i) {
      EXPECT_EQ(again->tasks[i].id, dag->tasks[i].id);
      EXPECT_EQ(again->tasks[i].params, dag->tasks[i].params);
      EXPECT_EQ(again->tasks[i].pools, dag->tasks[i].pools);
      EXPECT_EQ(again->tasks[i].map ? again->tasks[i].map->over.size() : 0,
                dag->tasks[i].map ? dag->tasks[i].map->over.size() : 0);
    }
    EXPECT_EQ(again->priority, dag->priority);
  }
  const auto dag = Good(kFull);
  EXPECT_EQ(TaskOf(Good(dag->canonical), "work").map->over.front().first, "z");
}

std::string Hash(const std::string& text) { return Good(text)->version_hash; }

// What is written differently but means the same has the same identity.
TEST(CanonicalTest, SpellingDoesNotMatter) {
  const std::string base =
      Hash(File(R"({"id": "a", "type": "exec", "argv": ["x"], "timeout": "1h", "retries": 0})"));
  for (const char* same :
       {R"({"type": "exec", "id": "a", "timeout": "60m", "argv": ["x"]})",
        R"({"id": "a", "type": "exec", /* c */ "argv": ["x"], "timeout": 3600, "x-a": 1})",
        R"({"id": "a", "type": "exec", "argv": ["x"], "timeout": "PT1H", "pool": "default_pool"})",
        R"({"id": "a", "type": "exec", "argv": ["x"], "timeout": 3600.0, "pools":
               [{"name": "default_pool", "slots": 1.0}], "depends_on": [], "output": "json",
               "depends_on_past": false, "inlets": []})"}) {
    EXPECT_EQ(Hash(File(same)), base) << same;
  }
  EXPECT_EQ(
      Hash(File(R"({"id": "a", "type": "exec", "argv": ["x"]})",
                R"("defaults": {"timeout": "1h"}, "$schema": "x", "format": 1, "tags": [],)")),
      base);
  EXPECT_EQ(Hash(File("", R"("schedule": "@daily",)")),
            Hash(File("", R"("schedule": {"cron": ["0 0 * * *"], "timezone": "UTC"},)")));
}

// Every field that means something is part of the identity.
TEST(CanonicalTest, EveryFieldCounts) {
  const Json full = Json::parse(kFull, nullptr, true, true);
  const std::string base = Hash(kFull);
  for (const auto& [key, value] : full.items()) {
    if (key == "$schema" || key == "format" || key.starts_with("x-") || key == "dag_id") continue;
    if (key == "tasks" || key == "params") continue;
    Json changed = full;
    changed.erase(key);
    if (key == "task_templates") changed["tasks"][1].erase("template");
    EXPECT_NE(Hash(changed.dump()), base) << key;
  }
  for (std::size_t i = 0; i < full["tasks"].size(); ++i) {
    for (const auto& [key, value] : full["tasks"][i].items()) {
      if (key == "id" || key == "type" || key == "depends_on_past" || key.starts_with("x-"))
        continue;
      Json changed = full;
      changed["tasks"][i].erase(key);
      const DagFileResult result = Load(changed.dump());
      if (!result.ok()) continue;
      EXPECT_NE(result.dag->version_hash, base) << "task " << i << " " << key;
    }
  }
}

TEST(LoadDagTest, TypedTemplatesPassTheSchemaOfAnOperator) {
  const auto dag =
      Good(File(R"({"id": "a", "type": "odd", "in": {"path": "x", "rows": "{{ 1 + 1 }}"},
                                "limit": "{{ params.n }}"})",
                R"("params": {"n": {"type": "integer", "default": 3}},)"));
  EXPECT_NE(TaskOf(dag, "a").params.find("\"limit\":\"{{ params.n }}\""), std::string::npos);
  EXPECT_FALSE(Load(File(R"({"id": "a", "type": "odd", "limit": "seven"})")).ok());
}

TEST(LoadDagTest, AlternativesAreToldByTheirWord) {
  const auto message = [](const std::string& check) {
    const DagFileResult result =
        Load(File(R"({"id": "a", "type": "odd", "suite": [)" + check + "]}"));
    std::string text;
    for (const Diagnostic& d : result.diagnostics) text += d.pointer + ": " + d.message + "\n";
    return text;
  };
  EXPECT_EQ(message(R"({"type": "row_count", "min": 1}, {"type": "not_null", "col": "x"})"), "");
  EXPECT_EQ(message(R"({"type": "row_count"})"), "/tasks/0/suite/0: \"min\" is missing\n");
  EXPECT_EQ(message(R"({"type": "not_null", "col": 3, "x": 1})"),
            "/tasks/0/suite/0/col: expected a string, found an integer\n"
            "/tasks/0/suite/0/x: unknown key \"x\"\n");
  EXPECT_EQ(message(R"({"type": "not_nul", "col": "x"})"),
            "/tasks/0/suite/0/type: \"not_nul\" is not one of \"row_count\", \"not_null\"\n");
  EXPECT_EQ(message("7"), "/tasks/0/suite/0: expected an object, found an integer\n");
}

TEST(LoadDagTest, BranchesThatLeadToEachOtherMayJoin) {
  EXPECT_TRUE(Load(File(R"(
    {"id": "w", "type": "branch", "cases": [{"if": "{{ true }}", "then": ["x"]}], "else": ["z"]},
    {"id": "x", "type": "noop", "depends_on": ["w"]},
    {"id": "y", "type": "noop", "depends_on": ["x"]},
    {"id": "z", "type": "noop", "depends_on": ["w", "y"]},
    {"id": "join", "type": "noop", "depends_on": ["x", "z"]})"))
                  .ok());
}

TEST(TablesTest, AreSortedAndDocumented) {
  std::string_view last;
  for (const dagfile::TaskField& field : dagfile::TaskFields()) {
    EXPECT_LT(last, field.name);
    last = field.name;
    EXPECT_TRUE(field.schema().contains("description")) << field.name;
    EXPECT_EQ(dagfile::FindTaskField(field.name), &field);
  }
  last = {};
  for (const dagfile::DagField& field : dagfile::DagFields()) {
    EXPECT_LT(last, field.name);
    last = field.name;
    EXPECT_TRUE(field.schema().contains("description")) << field.name;
    EXPECT_EQ(dagfile::FindDagField(field.name), &field);
  }
  EXPECT_EQ(dagfile::FindTaskField("nothing"), nullptr);
}

TEST(ParamsTest, DefaultsAreMergedAndConfIsChecked) {
  const std::string schema = R"({"n": {"type": "integer", "minimum": 1, "default": 3},
    "s": {"type": "string"}, "o": {"type": ["object", "null"], "default": null}})";
  const auto resolved = ResolveParams(schema, R"({"s": "x", "free": [1.0], "n": 4})");
  ASSERT_TRUE(resolved.ok()) << resolved.error().message;
  EXPECT_EQ(*resolved, R"({"conf":{"free":[1],"n":4,"s":"x"},"params":{"n":4,"o":null,"s":"x"}})");
  EXPECT_EQ(*ResolveParams("{}", "{}"), R"({"conf":{},"params":{}})");

  const auto bad = ResolveParams(schema, R"({"n": 0})");
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(bad.error().code, ErrorCode::kInvalid);
  EXPECT_EQ(bad.error().message,
            "param \"n\": 0 is less than the minimum 1; "
            "param \"s\" is required and has no default");
  EXPECT_EQ(bad.error().pointer, "/n");
  EXPECT_EQ(ResolveParams(schema, "[]").error().message, "conf is not a JSON object");
  EXPECT_EQ(ResolveParams(schema, R"({"s": 1, "s": 2})").error().message,
            "line 1, column 10: key \"s\" is there twice");
}

// std::regex recurses once per character: long strings are refused before they reach it.
TEST(ParamsTest, LongStringsAndPatterns) {
  const std::string schema =
      R"({"s": {"type": "string", "pattern": "^a*$"}, "t": {"type": "string"}})";
  const std::string fits(limits::kMaxPatternInput, 'a');
  EXPECT_TRUE(ResolveParams(schema, R"({"t": "", "s": ")" + fits + "\"}").ok());
  EXPECT_FALSE(ResolveParams(schema, R"({"t": "", "s": ")" + fits + "a\"}").ok());
  EXPECT_TRUE(
      ResolveParams(schema, R"({"s": "", "t": ")" + std::string(100'000, 'a') + "\"}").ok());
}

// The limit itself, but where a sanitizer would make it half a minute.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kManyTasks = 10'000;
#else
constexpr int kManyTasks = 100'000;
#endif

TEST(LargeTest, AsManyTasksAsAreAllowed) {
  std::string tasks;
  for (int i = 0; i < kManyTasks; ++i) {
    tasks += fmt::format(R"({}{{"id": "t{}", "type": "noop", "depends_on": [{}]}})",
                         i > 0 ? "," : "", i, i > 0 ? fmt::format("\"t{}\"", i - 1) : "");
  }
  const auto dag = Good(File(tasks));
  EXPECT_EQ(dag->tasks.size(), static_cast<std::size_t>(kManyTasks));
  EXPECT_EQ(dag->priority.front(), kManyTasks);
}

TEST(LargeTest, AWideJoin) {
  std::string tasks = R"({"id": "join", "type": "noop", "depends_on": ["t0")";
  for (int i = 1; i < 5'000; ++i) tasks += fmt::format(R"(, "t{}")", i);
  tasks += "]}";
  for (int i = 0; i < 5'000; ++i) tasks += fmt::format(R"(,{{"id": "t{}", "type": "noop"}})", i);
  const auto dag = Good(File(tasks));
  EXPECT_EQ(dag->upstream.back().size(), 5'000u);
}

}  // namespace
}  // namespace nightmill
