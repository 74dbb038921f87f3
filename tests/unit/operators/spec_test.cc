// The two that judge a spec, the schema that editors see and the reader that worker and `dag
// validate` share, are held together: the reader takes nothing that the schema refuses, nothing
// that depends on a template is refused by either, and every fault is told at once.
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "core/base/json.h"
#include "core/dagfile/dag_json.h"
#include "core/dagfile/json_schema.h"
#include "operators/catalog.h"
#include "operators/specs.h"

namespace nightmill {
namespace {

using Json = nlohmann::json;
using Pointer = Json::json_pointer;

const OperatorCatalog& Catalog() {
  static const OperatorCatalog catalog = [] {
    OperatorCatalog types;
    AddNativeOperators(types);
    return types;
  }();
  return catalog;
}

std::string Replaced(std::string text, const std::string& mark, const std::string& by) {
  for (std::size_t at = 0; (at = text.find(mark, at)) != std::string::npos;) {
    text.replace(at, mark.size(), by);
  }
  return text;
}

// A spec with what specs share in the place of @IN, @OUT, @RUN and @SUITE.
Json Fill(std::string text) {
  text = Replaced(text, "@IN", R"({"path": "lake/x", "format": "parquet", "partition_by": ["day"],
    "partition": {"day": "2026-01-01", "n": 3, "b": true}, "delimiter": ",", "header": true,
    "null": ""})");
  text = Replaced(text, "@OUT", R"({"path": "out", "layout": "manifest", "partition": {"p": "1"},
    "codec": "zstd", "target_mb": 64, "max_rows_per_file": 1000})");
  text = Replaced(text, "@RUN", R"("as_of": "2026-01-31", "timezone": "Europe/Madrid",
    "memory": "1.5GB", "threads": 4, "engine": "auto", "identity": "content")");
  text = Replaced(text, "@SUITE", R"([
    {"type": "row_count_between", "min": 1, "max": 9, "severity": "warn"},
    {"type": "not_null", "col": "k", "mostly": 0.5},
    {"type": "between", "col": "n", "min": 0.5, "max": "x"},
    {"type": "in_set", "col": "k", "values": ["a", 1, 2.5, true]},
    {"type": "contains", "col": "k", "values": ["a"]}, {"type": "unique", "col": "k"},
    {"type": "type", "col": "k", "is": "int64"},
    {"type": "schema", "columns": {"k": "string"}}])");
  return Json::parse(text);
}

// Specs that have every field of their operators; the second of a type has other forms of them.
const std::vector<std::pair<std::string, Json>>& Specs() {
  static const std::vector<std::pair<std::string, Json>> specs = [] {
    return std::vector<std::pair<std::string, Json>>{
        {"convert", Fill(R"j({"in": @IN, "out": @OUT, @RUN, "schema": {"a": "decimal(9,2)"}})j")},
        {"convert", Fill(R"j({"in": ["a", "b"], "out": "out", @RUN,
          "schema": [{"name": "a", "type": "date"}, {"name": "b", "type": "string"}]})j")},
        {"publish", Fill(R"j({"from": @IN, "to": @OUT, @RUN, "suite": @SUITE, "retain": 3})j")},
        {"expect", Fill(R"j({"in": @IN, @RUN, "suite": @SUITE, "on_fail": "warn"})j")},
        {"compact", Fill(R"j({"in": @IN, @RUN, "target_mb": 64, "min_inputs": 2, "mode": "auto",
          "sort": ["a"], "schema": "union"})j")},
        {"aggregate", Fill(R"j({"in": @IN, "out": @OUT, @RUN, "keys": ["k", "d"],
          "null_key": "drop", "window": {"days": 7, "by": "day", "timezone": "UTC"},
          "features": [
            {"name": "n", "fn": "count"},
            {"name": "s", "fn": "sum", "col": "v", "where": "v > 0", "otherwise": 0},
            {"name": "f", "fn": "first", "col": "v", "order_by": "t"},
            {"name": "x", "fn": "stddev", "col": "v", "ddof": 0}],
          "derived": [{"name": "r", "expr": "if(n > 0, s / n, 0.0)"},
                      {"name": "age", "expr": "date_diff(as_of, date(data_interval_end)) + r"}],
          "checks": {"input": @SUITE, "output": @SUITE}})j")}};
  }();
  return specs;
}

// Pointers of all values below the root, containers before what they hold.
std::vector<std::string> Places(const Json& value) {
  std::vector<std::string> places;
  const Json flat = [&value] {
    Json all = Json::object();
    const auto walk = [&all](const auto& self, const Json& at, const std::string& pointer) -> void {
      if (!pointer.empty()) all[pointer] = 0;
      if (at.is_object()) {
        for (const auto& [key, item] : at.items()) self(self, item, pointer + "/" + key);
      } else if (at.is_array()) {
        for (std::size_t i = 0; i < at.size(); ++i) {
          self(self, at[i], pointer + "/" + std::to_string(i));
        }
      }
    };
    walk(walk, value, "");
    return all;
  }();
  for (const auto& [pointer, unused] : flat.items()) places.push_back(pointer);
  return places;
}

std::vector<SpecFault> Errors(const std::string& type, const Json& spec) {
  std::vector<SpecFault> faults = Catalog().Find(type)->check(spec);
  std::erase_if(faults, [](const SpecFault& fault) { return fault.warning; });
  return faults;
}

std::string Told(const std::vector<SpecFault>& faults) {
  std::string text;
  for (const SpecFault& f : faults) {
    text += std::string(f.code) + " " + f.pointer + ": " + f.message + "\n";
  }
  return text;
}

class Schemas {
 public:
  bool Accepts(const std::string& type, const Json& spec) {
    auto& schema = known_[type];
    if (!schema) {
      Json own = Json::parse(Catalog().Find(type)->schema);
      own["type"] = "object";
      own["additionalProperties"] = false;
      schema = *dagfile::JsonSchema::Compile(own);
    }
    return schema->Accepts(spec);
  }

 private:
  std::map<std::string, std::shared_ptr<const dagfile::JsonSchema>> known_;
};

TEST(SpecTest, GoodSpecsPassAndHaveEveryField) {
  Schemas schemas;
  std::map<std::string, Json> seen;
  for (const auto& [type, spec] : Specs()) {
    EXPECT_TRUE(schemas.Accepts(type, spec)) << spec;
    EXPECT_EQ(Told(Errors(type, spec)), "") << spec;
    seen[type].update(spec);
  }
  for (const OperatorEntry* entry : Catalog().All()) {
    ASSERT_NE(entry->check, nullptr) << entry->type;
    const Json schema = Json::parse(entry->schema);
    for (const auto& [name, property] : schema["properties"].items()) {
      EXPECT_TRUE(seen[entry->type].contains(name)) << entry->type << " " << name;
    }
  }
}

// Every value in turn becomes something else, goes, or gets a neighbour that nobody knows.
TEST(SpecTest, TheReaderRefusesWhatTheSchemaRefuses) {
  Schemas schemas;
  const std::vector<Json> others = {
      true, 3, -1, 2.5, "zz", "", Json::array(), Json::object(), Json::array({1}), Json{{"zz", 1}}};
  int refused = 0;
  const auto test = [&](const std::string& type, const Json& spec, const std::string& what) {
    if (schemas.Accepts(type, spec)) return;
    ++refused;
    EXPECT_FALSE(Errors(type, spec).empty()) << type << " " << what << " of " << spec;
  };
  for (const auto& [type, good] : Specs()) {
    for (const std::string& place : Places(good)) {
      const Pointer pointer(place);
      for (const Json& other : others) {
        Json spec = good;
        spec[pointer] = other;
        test(type, spec, place + " = " + other.dump());
      }
      Json without = good;
      if (without[pointer.parent_pointer()].is_object()) {
        without[pointer.parent_pointer()].erase(pointer.back());
        test(type, without, "no " + place);
      }
      Json with = good;
      if (with[pointer].is_object()) {
        with[pointer]["zz"] = "zz";
        test(type, with, place + "/zz");
      }
    }
  }
  EXPECT_GT(refused, 1000);
}

// Whatever comes from a template is right until it is known, for the schema level too.
TEST(SpecTest, TemplatesAreNoFaults) {
  Json tasks = Json::array();
  for (const auto& [type, good] : Specs()) {
    for (const std::string& place : Places(good)) {
      Json spec = good;
      spec[Pointer(place)] = "{{ params.x }}";
      EXPECT_EQ(Told(Errors(type, spec)), "") << place << " of " << spec;
      spec["id"] = "t" + std::to_string(tasks.size());
      spec["type"] = type;
      tasks.push_back(std::move(spec));
    }
  }
  const Json dag = {
      {"dag_id", "d"}, {"params", {{"x", {{"default", 1}}}}}, {"tasks", std::move(tasks)}};
  std::string told;
  for (const Diagnostic& d : LoadDag(dag.dump(1), Catalog(), {}).diagnostics) {
    if (d.severity == DiagnosticLevel::kError) told += FormatDiagnostic(d) + "\n";
  }
  EXPECT_EQ(told, "");
}

// The same text is no template any more once the spec is rendered.
TEST(SpecTest, ARenderedSpecIsTakenAsItReads) {
  const std::string text = R"({"type": "expect", "in": "{{ x }}", "suite": [
    {"type": "in_set", "col": "a", "values": ["{{ x }}"]},
    {"type": "not_null", "col": "a", "mostly": "{{ x }}"}, {"type": "{{ x }}"}]})";
  const auto spec = ParseSpec(text, ReadExpect);
  ASSERT_FALSE(spec.ok());
  EXPECT_EQ(spec.error().code, OperatorErrorCode::kBadSpec);
  EXPECT_EQ(spec.error().message, "/suite/1/mostly: expected a number from 0 to 1");
  const Json report = Json::parse(spec.error().report);
  ASSERT_EQ(report["faults"].size(), 2u) << report;
  EXPECT_EQ(report["faults"][1]["pointer"], "/suite/2/type");
}

TEST(SpecTest, AllFaultsAtOnceInTheOrderOfReading) {
  const Json spec = Json::parse(R"({"in": {"path": "a", "filter": "b >"}, "out": "c", "keys": ["k"],
    "features": [{"name": "k", "fn": "sum", "a~/b": 1}], "derived": [{"name": "d", "expr": "q"}],
    "window": {"days": 7, "by": "day"}})");
  EXPECT_EQ(Told(Errors("aggregate", spec)),
            "NM327 /in/filter: column 4: expected a value, found the end\n"
            "NM202 : \"as_of\" is missing\n"
            "NM202 /features/0: \"col\" is missing\n"
            "NM329 /features/0/name: the output column 'k' exists twice\n"
            "NM201 /features/0/a~0~1b: unknown key \"a~/b\"\n"
            "NM331 /derived/0/expr: no output column 'q'\n");
}

TEST(SpecTest, AnOutputColumnIsNoPartitionColumn) {
  EXPECT_EQ(Told(Errors("convert", Json::parse(R"({"in": "a", "schema": {"day": "date"},
              "out": {"path": "t", "partition": {"day": "{{ data_date }}"}}})"))),
            "NM329 /schema/day: the output column 'day' is a partition column of `out` too\n");
  const std::string aggregate = R"({"in": "a", "keys": ["k"],
    "features": [{"name": "n", "fn": "count"}], "derived": [{"name": "d", "expr": "n + 1"}],
    "out": {"path": "t", "partition": {"@": "1"}}})";
  for (const auto& [column, place] : std::vector<std::pair<std::string, std::string>>{
           {"k", "/keys/0"}, {"n", "/features/0/name"}, {"d", "/derived/0/name"}}) {
    EXPECT_EQ(Told(Errors("aggregate", Json::parse(Replaced(aggregate, "@", column)))),
              "NM329 " + place + ": the output column '" + column +
                  "' is a partition column of `out` too\n");
  }
  EXPECT_EQ(Told(Errors("aggregate", Json::parse(Replaced(aggregate, "@", "day")))), "");
}

}  // namespace
}  // namespace nightmill
