// One file per code in tests/golden/dag_errors, each with its exact output beside it. Run with
// --accept to write the outputs anew.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "core/base/limits.h"
#include "core/dagfile/dag_json.h"
#include "tests/unit/dagfile/catalog.h"

namespace nightmill {
namespace {

namespace fs = std::filesystem;

const fs::path kFolder = fs::path(NM_SOURCE_DIR) / "tests/golden/dag_errors";

std::string ReadFile(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::vector<fs::path> Files() {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(kFolder)) {
    if (entry.path().extension() == ".json") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

// A first line "// pools: a, b=4" names the pools that the server knows, with their slots; one
// "// notifiers: a, b" its notifiers.
DagFileOptions OptionsOf(const fs::path& path, const std::string& text) {
  DagFileOptions options;
  options.file = path.filename().string();
  constexpr std::string_view kMark = "// pools: ";
  constexpr std::string_view kNotifiers = "// notifiers: ";
  if (text.starts_with(kNotifiers)) {
    options.notifiers.emplace();
    std::istringstream names(text.substr(kNotifiers.size(), text.find('\n') - kNotifiers.size()));
    for (std::string name; std::getline(names >> std::ws, name, ',');) {
      options.notifiers->insert(name);
    }
  }
  if (text.starts_with(kMark)) {
    options.pools.emplace();
    std::istringstream names(text.substr(kMark.size(), text.find('\n') - kMark.size()));
    for (std::string name; std::getline(names >> std::ws, name, ',');) {
      const std::size_t equals = name.find('=');
      const int slots = equals == std::string::npos ? -1 : std::stoi(name.substr(equals + 1));
      options.pools->emplace(name.substr(0, equals), slots);
    }
  }
  return options;
}

std::string Output(const fs::path& path, DagFileResult& result) {
  const std::string text = ReadFile(path);
  result = LoadDag(text, TestCatalog(), OptionsOf(path, text));
  std::string out;
  for (const Diagnostic& diagnostic : result.diagnostics)
    out += FormatDiagnostic(diagnostic) + "\n";
  return out;
}

TEST(DagErrorsTest, OutputsAreAsAccepted) {
  const auto arguments = testing::internal::GetArgvs();
  const bool accept = std::find(arguments.begin(), arguments.end(), "--accept") != arguments.end();
  for (const fs::path& path : Files()) {
    DagFileResult result;
    const std::string output = Output(path, result);
    fs::path golden = path;
    golden.replace_extension(".txt");
    if (accept) std::ofstream(golden, std::ios::binary) << output;
    EXPECT_EQ(output, ReadFile(golden)) << path;
  }
}

// The file of a code reports that code; only warnings leave a DAG.
TEST(DagErrorsTest, EachFileShowsItsCode) {
  for (const fs::path& path : Files()) {
    DagFileResult result;
    Output(path, result);
    const std::string code = path.stem().string();
    const bool errors =
        std::any_of(result.diagnostics.begin(), result.diagnostics.end(),
                    [](const Diagnostic& d) { return d.severity == DiagnosticLevel::kError; });
    EXPECT_EQ(result.ok(), !errors) << path;
    if (!code.starts_with("NM")) continue;
    EXPECT_TRUE(std::any_of(result.diagnostics.begin(), result.diagnostics.end(),
                            [&](const Diagnostic& d) { return d.code == code; }))
        << path;
  }
}

TEST(DagErrorsTest, EveryCodeHasAPageAndAFile) {
  const std::set<std::string> made_here = {"NM104", "NM105"};  // too large to keep
  std::set<std::string> with_file = made_here;
  for (const fs::path& path : Files()) with_file.insert(path.stem().string());
  int pages = 0;
  for (int n = 100; n < 400; ++n) {
    const std::string code = fmt::format("NM{}", n);
    const auto page = ExplainCode(code);
    if (!page) {
      EXPECT_FALSE(with_file.contains(code)) << code;
      continue;
    }
    ++pages;
    EXPECT_TRUE(page->starts_with(code + ": ")) << *page;
    EXPECT_TRUE(with_file.contains(code)) << code;
  }
  EXPECT_GT(pages, 40);
  EXPECT_EQ(ExplainCode("NM999"), std::nullopt);
  EXPECT_EQ(ExplainCode(""), std::nullopt);
}

std::vector<std::string> Codes(const std::string& text) {
  const DagFileResult result = LoadDag(text, TestCatalog(), {});
  std::vector<std::string> codes;
  for (const Diagnostic& d : result.diagnostics) codes.push_back(d.code);
  return codes;
}

TEST(DagErrorsTest, SizesAtAndAboveTheLimit) {
  const std::string head = R"({"dag_id": "a", "tasks": [], "x-pad": ")";
  const auto padded = [&](std::size_t size) { return head + std::string(size, 'x') + "\"}"; };
  EXPECT_EQ(Codes(padded(limits::kMaxJsonString)), std::vector<std::string>{});
  EXPECT_EQ(Codes(padded(limits::kMaxJsonString + 1)), std::vector<std::string>{"NM105"});
  const std::string file = R"({"dag_id": "a", "tasks": []})";
  EXPECT_EQ(Codes(file + std::string(limits::kMaxJsonBytes - file.size(), ' ')),
            std::vector<std::string>{});
  EXPECT_EQ(Codes(file + std::string(limits::kMaxJsonBytes - file.size() + 1, ' ')),
            std::vector<std::string>{"NM104"});
}

TEST(DagErrorsTest, DepthAtAndAboveTheLimit) {
  const auto nested = [](int depth) {
    const auto n = static_cast<std::size_t>(depth - 1);  // the DAG itself is one level
    return R"({"dag_id": "a", "tasks": [], "x-deep": )" + std::string(n, '[') +
           std::string(n, ']') + "}";
  };
  EXPECT_EQ(Codes(nested(limits::kMaxJsonDepth)), std::vector<std::string>{});
  EXPECT_EQ(Codes(nested(limits::kMaxJsonDepth + 1)), std::vector<std::string>{"NM103"});
}

TEST(DagErrorsTest, TheFirstHundredInTheOrderOfTheFile) {
  std::string text = "{\"dag_id\": \"a\",\n\"tasks\": [\n";
  for (int i = 0; i < 500; ++i) {
    text += fmt::format("{}{{\"id\": \"t{}\", \"type\": \"noop\", \"retris\": 1}}",
                        i > 0 ? ",\n" : "", i);
  }
  text += "], \"owner\": 1}";
  const DagFileResult result = LoadDag(text, TestCatalog(), {});
  ASSERT_EQ(result.diagnostics.size(), 100u);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(result.diagnostics[static_cast<std::size_t>(i)].line, i + 3);
  }
}

// Thousands of wrong tasks are refused about as fast as right ones are taken.
TEST(DagErrorsTest, ManyErrorsStayCheap) {
  std::string text = "{\"dag_id\": \"a\", \"tasks\": [";
  for (int i = 0; i < 5'000; ++i) {
    text += fmt::format("{}{{\"id\": \"t\", \"type\": \"exec\", \"depends_on\": [\"u{}\"]}}",
                        i > 0 ? "," : "", i);
  }
  text += "]}";
  const DagFileResult result = LoadDag(text, TestCatalog(), {});
  EXPECT_EQ(result.diagnostics.size(), 100u);
}

// Warnings, however many, never stand in for an error behind them.
TEST(DagErrorsTest, WarningsDoNotHideErrors) {
  std::string text = R"({"dag_id": "a", "schedule": {"cron": "@daily", "timezone": "Asia/Tokyo"},
    "tasks": [)";
  for (int i = 0; i < 3'000; ++i) {
    text += fmt::format(R"({{"id": "t{}", "type": "exec", "argv": ["{{{{ ds }}}}"]}},)", i);
  }
  text += R"({"id": "last", "type": "exec", "argv": ["x"], "retris": 1}]})";
  const DagFileResult result = LoadDag(text, TestCatalog(), {});
  EXPECT_FALSE(result.ok());
  ASSERT_EQ(result.diagnostics.size(), 100u);
  EXPECT_EQ(result.diagnostics.front().severity, DiagnosticLevel::kWarning);
  EXPECT_EQ(result.diagnostics.back().code, "NM201");
}

TEST(DagErrorsTest, JsonFormHasTheFieldsOfTheProduct) {
  const DagFileResult result =
      LoadDag("{\n \"dag_id\": \"a\", \"tassk\": []\n}", TestCatalog(), {.file = "x.json"});
  ASSERT_EQ(result.diagnostics.size(), 2u);
  EXPECT_EQ(DiagnosticsToJson({result.diagnostics[1]}), R"([
  {
    "code": "NM201",
    "severity": "error",
    "pointer": "/tassk",
    "file": "x.json",
    "line": 2,
    "col": 17,
    "message": "unknown key \"tassk\"",
    "hint": "did you mean \"tasks\"?"
  }
])");
  EXPECT_EQ(DiagnosticsToJson({}), "[]");
}

}  // namespace
}  // namespace nightmill
