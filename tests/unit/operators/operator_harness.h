// What the tests of operators share: a folder that goes away, a context, and running a spec.
#pragma once

#include <stdlib.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "core/base/json.h"
#include "operators/columnar/file_system.h"
#include "operators/operator.h"
#include "operators/table/table_cli.h"

namespace nightmill {

class ScratchDir {
 public:
  ScratchDir() {
    std::string name = (std::filesystem::temp_directory_path() / "nm-ops-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~ScratchDir() { std::filesystem::remove_all(path_); }
  std::string At(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

  void Write(const std::string& name, const std::string& bytes) const {
    std::filesystem::create_directories(std::filesystem::path(At(name)).parent_path());
    std::ofstream(At(name), std::ios::binary) << bytes;
  }
  // Content of every file below, by relative path.
  std::map<std::string, std::string> Files(const std::string& below) const {
    std::map<std::string, std::string> out;
    if (!std::filesystem::exists(At(below))) return out;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(At(below))) {
      if (!entry.is_regular_file()) continue;
      std::ifstream in(entry.path(), std::ios::binary);
      out[entry.path().lexically_relative(At(below)).string()] =
          std::string(std::istreambuf_iterator<char>(in), {});
    }
    return out;
  }

 private:
  std::string path_;
};

// Runs specs in a scratch folder.
class OperatorHarness {
 public:
  OperatorHarness() {
    context.data_root = dir.path();
    context.attempt_name = "test";
    context.memory_bytes = 256'000'000;
    context.cancelled = &cancelled;
    context.progress = &progress;
    context.leave_to_publish = [] { return Ok(); };
    context.log = [](std::string_view) {};
  }

  OperatorResult Run(const nlohmann::json& spec) {
    const Operator* op = FindOperator(spec.at("type").get<std::string>());
    return op->Run(spec.dump(), context);
  }
  // The report, or {"error": ...}.
  nlohmann::json Report(const nlohmann::json& spec) {
    const OperatorResult result = Run(spec);
    if (const auto* error = std::get_if<OperatorError>(&result)) {
      return {{"error", nlohmann::json::parse(ToJson(*error))}};
    }
    return nlohmann::json::parse(std::get<std::string>(result));
  }

  // Publishes the text of a CSV file with these columns as a partition of a table, or reports why
  // not.
  nlohmann::json Load(const std::string& table, const nlohmann::json& schema,
                      const std::string& csv, const nlohmann::json& out = {}) {
    dir.Write("load.csv", csv);
    nlohmann::json target = {{"path", table}};
    if (out.is_object()) target.update(out);
    return Report(
        {{"type", "convert"}, {"in", {{"path", "load.csv"}}}, {"schema", schema}, {"out", target}});
  }
  // Rows of a table as JSON objects, in their order.
  nlohmann::json Rows(const std::string& table) {
    const auto head = ReadTableHead(LocalFileSystem(), {dir.At(table), {}, {}}, 1'000'000'000);
    if (!head.ok()) return {{"error", nlohmann::json::parse(ToJson(head.error()))}};
    return nlohmann::json::parse(HeadToJson(*head)).at("rows");
  }

  ScratchDir dir;
  std::atomic<bool> cancelled{false};
  OperatorProgress progress;
  OperatorContext context;
};

}  // namespace nightmill
