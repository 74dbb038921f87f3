// The run that the template tests render for: 30 May 2011, 06:00 UTC, one day.
#pragma once

#include <map>
#include <string>

#include "core/template/template.h"

namespace nightmill::testing {

inline TemplateContext ExampleContext() {
  TemplateContext c;
  c.dag_id = "user_features";
  c.run_id = "scheduled__2011-05-30T06:00:00+00:00";
  c.run_type = "scheduled";
  c.task_id = "load";
  c.map_index = 3;
  c.try_number = 2;
  c.logical_date = *ParseInstant("2011-05-30T06:00:00Z");
  c.interval = DataInterval{*c.logical_date, *ParseInstant("2011-05-31T06:00:00Z")};
  c.data_date = "2011-05-30";
  c.start_date = *ParseInstant("2011-05-31T06:00:01.5Z");
  c.params = R"({"table": "events", "n": 7, "x": 2.5, "flag": true, "off": false, "nothing": null,
                 "evil": "a'; rm -rf /", "list": [3, 1, 2], "empty": "", "deep": {"a": {"b": 1}}})";
  c.conf = R"({"mode": "full"})";
  c.map_item = R"({"name": "shard-3", "lo": 30})";
  c.variables = R"({"region": "eu", "limits": "{\"rows\": 5}", "bad": "{", "typed": {"k": 1}})";
  c.output = [](std::string_view task) -> std::optional<std::string> {
    static const std::map<std::string, std::string, std::less<>> kOutputs = {
        {"list", R"(["a.csv", "b.csv"])"},
        {"report", R"({"rows": 1000, "artifact": "/data/x"})"},
        {"broken", "{"}};
    const auto found = kOutputs.find(task);
    if (found == kOutputs.end()) return std::nullopt;
    return found->second;
  };
  c.seed = 42;
  return c;
}

// The text, or "error: <message>[ (hint)]".
inline std::string Rendered(std::string_view text,
                            const TemplateContext& context = ExampleContext()) {
  const Result<std::string> result = RenderToText(text, context);
  if (result.ok()) return *result;
  const Error& e = result.error();
  return "error: " + e.message + (e.hint.empty() ? "" : " [" + e.hint + "]");
}

}  // namespace nightmill::testing
