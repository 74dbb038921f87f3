// dags/dag.schema.json is what the field tables and the catalog generate; run with --accept to
// write it anew. The example DAGs load with the real catalog.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "core/base/json.h"
#include "core/dagfile/dag_json.h"
#include "operators/catalog.h"

namespace nightmill {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

const fs::path kDags = fs::path(NM_SOURCE_DIR) / "dags";

const OperatorCatalog& FullCatalog() {
  static const OperatorCatalog catalog = [] {
    OperatorCatalog types;
    AddBuiltinTypes(types);
    AddNativeOperators(types);
    return types;
  }();
  return catalog;
}

std::string ReadFile(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

TEST(DagSchemaTest, TheFileForEditorsIsUpToDate) {
  const auto arguments = testing::internal::GetArgvs();
  const bool accept = std::find(arguments.begin(), arguments.end(), "--accept") != arguments.end();
  const std::string schema = DagSchema(FullCatalog());
  if (accept) std::ofstream(kDags / "dag.schema.json", std::ios::binary) << schema;
  EXPECT_EQ(ReadFile(kDags / "dag.schema.json"), schema)
      << "run this program with --accept and look at the difference";
}

// What makes the file worth having in an editor.
TEST(DagSchemaTest, EveryTypeIsKnownAndEveryPropertyDescribed) {
  const json schema = json::parse(DagSchema(FullCatalog()));
  EXPECT_EQ(schema.at("$schema"), "http://json-schema.org/draft-07/schema#");
  const std::string text = schema.dump();
  for (const OperatorEntry* entry : FullCatalog().All()) {
    EXPECT_NE(text.find("\"" + entry->type + "\""), std::string::npos) << entry->type;
  }
  for (const auto& [name, property] : schema.at("properties").items()) {
    EXPECT_TRUE(property.contains("description") || property.contains("$ref")) << name;
  }
}

TEST(DagSchemaTest, TheExamplesLoadWithoutAWarning) {
  int files = 0;
  for (const auto& entry : fs::directory_iterator(kDags / "demo")) {
    if (entry.path().extension() != ".json" || entry.path().stem() == "nightmill") continue;
    DagFileOptions options;
    options.file = entry.path().filename().string();
    options.pools = {{"default_pool", 128}, {"compute", 4}, {"fanout", 2}};
    const DagFileResult result = LoadDag(ReadFile(entry.path()), FullCatalog(), options);
    EXPECT_TRUE(result.ok()) << entry.path();
    for (const Diagnostic& d : result.diagnostics) ADD_FAILURE() << FormatDiagnostic(d);
    files += 1;
  }
  EXPECT_GE(files, 3);
}

}  // namespace
}  // namespace nightmill
