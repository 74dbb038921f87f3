// Every word parses back to its value, and the built-in types are there with usable schemas.
#include <gtest/gtest.h>

#include "core/base/json.h"
#include "core/model/change.h"
#include "core/model/operator_catalog.h"
#include "core/model/task.h"
#include "core/model/task_attempt.h"

namespace nightmill {
namespace {

template <class Enum, class Parse>
void ExpectRoundTrip(int count, Parse parse) {
  for (int i = 0; i < count; ++i) {
    const auto value = static_cast<Enum>(i);
    EXPECT_EQ(parse(ToString(value)), value) << ToString(value);
  }
  EXPECT_EQ(parse(""), std::nullopt);
  EXPECT_EQ(parse("Success"), std::nullopt);
}

TEST(WordsTest, RoundTrip) {
  ExpectRoundTrip<MapMode>(3, ParseMapMode);
  ExpectRoundTrip<OnEmptyMap>(3, ParseOnEmptyMap);
  ExpectRoundTrip<OutputMode>(4, ParseOutputMode);
  ExpectRoundTrip<WeightRule>(3, ParseWeightRule);
  ExpectRoundTrip<AttemptState>(4, ParseAttemptState);
  ExpectRoundTrip<BackfillState>(4, ParseBackfillState);
  ExpectRoundTrip<ReprocessBehavior>(3, ParseReprocessBehavior);
  EXPECT_EQ(ToString(TaskKind::kShortCircuit), "short_circuit");
}

TEST(WordsTest, OutcomeWords) {
  EXPECT_EQ(OutcomeWord(outcome::Succeeded{}), "succeeded");
  EXPECT_EQ(OutcomeWord(outcome::Skipped{}), "skipped");
  EXPECT_EQ(OutcomeWord(outcome::Failed{}), "failed");
  EXPECT_EQ(OutcomeWord(outcome::TimedOut{}), "timed_out");
  EXPECT_EQ(OutcomeWord(outcome::Killed{}), "killed");
  EXPECT_EQ(OutcomeWord(outcome::Lost{}), "lost");
}

TEST(CatalogTest, BuiltinTypesHaveDescribedSchemas) {
  OperatorCatalog catalog;
  AddBuiltinTypes(catalog);
  std::vector<std::string> types;
  for (const OperatorEntry* entry : catalog.All()) {
    types.push_back(entry->type);
    EXPECT_FALSE(entry->summary.empty());
    EXPECT_FALSE(entry->doc_md.empty());
    const auto schema = nlohmann::json::parse(entry->schema);
    for (const auto& [name, property] : schema.at("properties").items()) {
      EXPECT_TRUE(property.contains("description")) << entry->type << "." << name;
    }
    for (const auto& name : schema.at("required")) {
      EXPECT_TRUE(schema["properties"].contains(name)) << entry->type;
    }
  }
  EXPECT_EQ(types, (std::vector<std::string>{"branch", "exec", "noop", "sensor.file", "shell",
                                             "short_circuit"}));
  EXPECT_EQ(catalog.Find("shell")->no_raw_template, std::vector<std::string>{"run"});
  EXPECT_EQ(catalog.Find("spark"), nullptr);
}

}  // namespace
}  // namespace nightmill
