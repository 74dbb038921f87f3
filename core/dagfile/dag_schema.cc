#include "core/dagfile/dag_schema.h"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "core/base/check.h"
#include "core/base/json.h"
#include "core/dagfile/dag_fields.h"
#include "core/dagfile/dag_json.h"
#include "core/dagfile/task_fields.h"

namespace nightmill {
namespace dagfile {
namespace {

using Json = nlohmann::json;

constexpr int kMaxThreads = 1'024;

Json IdSchema() {
  return {{"type", "string"}, {"description", "Identity of the task within the DAG."}};
}

Json Ref(const std::string& name) { return {{"$ref", "#/definitions/" + name}}; }

// Keys of the user's own, at the places where they are free.
void AllowOwnKeys(Json& schema) { schema["patternProperties"]["^x-"] = Json::object(); }

// A starting point for a task of this type: id, type and the required fields.
Json Snippet(const OperatorEntry& entry) {
  Json body = {{"id", "${1:id}"}, {"type", entry.type}};
  const Json own = OwnSchema(entry);
  int stop = 2;
  for (const Json& name : own["required"]) {
    const auto& key = name.get_ref<const std::string&>();
    const Json& property = own["properties"][key];
    if (property.contains("examples") && !property["examples"].empty()) {
      body[key] = property["examples"].front();
    } else if (property.contains("type") && property["type"] == "object") {
      body[key] = Json::object();
    } else if (property.contains("type") && property["type"] == "array") {
      body[key] = Json::array();
    } else {
      body[key] = fmt::format("${{{}}}", stop++);
    }
  }
  return {{"label", entry.type}, {"description", entry.summary}, {"body", std::move(body)}};
}

}  // namespace

Json OwnSchema(const OperatorEntry& entry) {
  Json own = Json::parse(entry.schema, nullptr, false);
  CHECK_MSG(own.is_object(), "an operator's schema is a JSON object");
  if (!own.contains("properties")) own["properties"] = Json::object();
  if (!own.contains("required")) own["required"] = Json::array();
  if (entry.kind == TaskKind::kNative) {
    const auto add = [&](const char* name, Json schema) {
      if (!own["properties"].contains(name)) own["properties"][name] = std::move(schema);
    };
    add("engine", WithDefault(EnumSchema({"auto", "native"}, "What computes it."), "auto"));
    add("memory", WithDefault(SizeSchema("Budget of the operator."), "512MB"));
    add("threads", WithDefault(IntSchema(1, kMaxThreads, "Threads and worker places taken."), 1));
  }
  return own;
}

Json TaskSchema(const OperatorEntry& entry) {
  Json own = OwnSchema(entry);
  Json properties = std::move(own["properties"]);
  for (const TaskField& field : TaskFields()) {
    if ((field.kinds & KindBit(entry.kind)) == 0) continue;
    properties[std::string(field.name)] = field.schema();
  }
  properties["id"] = IdSchema();
  properties["type"] = {{"type", "string"}};
  Json schema = ObjectSchema(std::move(properties), entry.summary);
  schema["required"] = std::move(own["required"]);
  schema["required"].push_back("id");
  schema["required"].push_back("type");
  return schema;
}

Json RootSchema() {
  Json properties = Json::object();
  Json required = Json::array();
  for (const DagField& field : DagFields()) {
    properties[std::string(field.name)] = field.schema();
    if (field.required) required.push_back(field.name);
  }
  Json schema = ObjectSchema(std::move(properties), "A DAG of Nightmill.");
  schema["required"] = std::move(required);
  return schema;
}

namespace {

Json TaskDefinition(const OperatorEntry& entry) {
  Json schema = TaskSchema(entry);
  for (const TaskField& field : TaskFields()) {
    const std::string name(field.name);
    if (schema["properties"].contains(name)) schema["properties"][name] = Ref("task_field_" + name);
  }
  schema["properties"]["id"] = Ref("task_id");
  schema["properties"]["type"] = {{"const", entry.type}, {"description", entry.summary}};
  AllowOwnKeys(schema);
  return schema;
}

}  // namespace
}  // namespace dagfile

std::string DagSchema(const OperatorCatalog& catalog) {
  using namespace dagfile;
  Json definitions = Json::object();
  for (const TaskField& field : TaskFields()) {
    definitions["task_field_" + std::string(field.name)] = field.schema();
  }
  const Json root_fields = RootSchema();
  definitions["task_id"] = root_fields["properties"]["dag_id"];
  definitions["task_id"]["description"] = "Identity of the task within the DAG.";

  Json types = Json::array();
  Json branches = Json::array();
  Json snippets = Json::array();
  for (const OperatorEntry* entry : catalog.All()) {
    types.push_back(entry->type);
    definitions["task_" + entry->type] = TaskDefinition(*entry);
    branches.push_back({{"if",
                         {{"properties", {{"type", {{"const", entry->type}}}}},
                          {"required", Json::array({"type"})}}},
                        {"then", Ref("task_" + entry->type)}});
    snippets.push_back(Snippet(*entry));
  }
  Json schema = root_fields;
  AllowOwnKeys(schema);
  schema["$schema"] = "http://json-schema.org/draft-07/schema#";
  schema["title"] = "Nightmill DAG";
  schema["properties"]["params"]["additionalProperties"] =
      Json{{"$ref", "http://json-schema.org/draft-07/schema#"}};
  schema["properties"]["tasks"]["items"] = {
      {"type", "object"},
      {"required", Json::array({"id", "type"})},
      {"properties",
       {{"type", {{"enum", std::move(types)}, {"description", "What the task does."}}}}},
      {"allOf", std::move(branches)},
      {"defaultSnippets", std::move(snippets)}};
  // Bundles repeat the task fields: refer to them.
  for (Json* bundle : {&schema["properties"]["defaults"],
                       &schema["properties"]["task_templates"]["additionalProperties"]}) {
    for (auto& [name, field] : (*bundle)["properties"].items()) field = Ref("task_field_" + name);
  }
  schema["definitions"] = std::move(definitions);
  return schema.dump(2) + "\n";
}

}  // namespace nightmill
