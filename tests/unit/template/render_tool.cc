// Reads JSON lines {"template", "context"} and answers each with {"text"} or {"error"}: our side of
// the comparison with Jinja (compare_jinja.py). With --json the text is the typed JSON result.
#include <cstdio>
#include <iostream>
#include <string>
#include <string_view>

#include "core/base/json.h"
#include "core/template/template.h"

namespace {

using Json = nlohmann::ordered_json;
using nightmill::Instant;
using nightmill::Result;
using nightmill::TemplateContext;

Instant At(const Json& context, const char* key) {
  return *nightmill::ParseInstant(context.at(key).get<std::string>());
}

TemplateContext MakeContext(const Json& json) {
  TemplateContext context;
  context.dag_id = json.value("dag_id", "demo");
  context.run_id = json.value("run_id", "manual__x");
  context.task_id = json.value("task_id", "t");
  context.map_index = json.value("map_index", -1);
  context.try_number = json.value("try_number", 1);
  context.data_date = json.value("data_date", "");
  if (json.contains("logical_date")) context.logical_date = At(json, "logical_date");
  if (json.contains("data_interval_start")) {
    context.interval = {At(json, "data_interval_start"), At(json, "data_interval_end")};
  }
  if (json.contains("params")) context.params = json.at("params").dump();
  if (json.contains("conf")) context.conf = json.at("conf").dump();
  if (json.contains("map_item")) context.map_item = json.at("map_item").dump();
  const Json outputs = json.value("outputs", Json::object());
  context.output = [outputs](std::string_view task) -> std::optional<std::string> {
    const auto found = outputs.find(std::string(task));
    if (found == outputs.end()) return std::nullopt;
    return found->dump();
  };
  return context;
}

}  // namespace

int main(int argc, char** argv) {
  const bool typed = argc > 1 && std::string_view(argv[1]) == "--json";
  for (std::string line; std::getline(std::cin, line);) {
    const Json request = Json::parse(line);
    const auto text = request.at("template").get<std::string>();
    const TemplateContext context = MakeContext(request.at("context"));
    const Result<std::string> result =
        typed ? nightmill::RenderToJson(text, context) : nightmill::RenderToText(text, context);
    Json reply;
    if (result.ok()) {
      reply["text"] = *result;
    } else {
      reply["error"] = result.error().message;
    }
    std::puts(reply.dump().c_str());
  }
  return 0;
}
