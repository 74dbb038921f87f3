#include "operators/op_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <ostream>
#include <sstream>
#include <thread>

#include "core/base/check.h"
#include "core/base/limits.h"
#include "operators/columnar/file_system.h"
#include "operators/common_spec.h"
#include "operators/operator.h"
#include "operators/table/table_cli.h"

namespace nightmill {
namespace {

int ExitOf(const OperatorError& error) {
  switch (error.code) {
    case OperatorErrorCode::kBadSpec:
      return static_cast<int>(ExitCode::kUsage);
    case OperatorErrorCode::kConflict:
      return static_cast<int>(ExitCode::kConflict);
    case OperatorErrorCode::kIo:
      return static_cast<int>(error.reason == "not_found" ? ExitCode::kNotFound
                                                          : ExitCode::kFailed);
    case OperatorErrorCode::kCancelled:
      return static_cast<int>(ExitCode::kInterrupted);
    default:
      return static_cast<int>(ExitCode::kFailed);
  }
}

int Fail(const OperatorError& error, std::ostream& out, std::ostream& err) {
  err << "error: " << ToLine(error) << '\n';
  out << "{\"error\":" << ToJson(error) << "}\n";
  return ExitOf(error);
}

int Usage(std::string_view text, std::ostream& err) {
  err << "usage: " << text << '\n';
  return static_cast<int>(ExitCode::kUsage);
}

// Words of a command line: options with a value, and the rest in order.
struct Words {
  std::vector<std::string> plain;
  std::vector<std::pair<std::string, std::string>> options;

  std::optional<std::string> Last(std::string_view name) const {
    std::optional<std::string> value;
    for (const auto& [option, text] : options) {
      if (option == name) value = text;
    }
    return value;
  }
};

// Every option takes a value, as "--name value" or "--name=value".
std::optional<Words> Split(const std::vector<std::string>& args,
                           std::initializer_list<std::string_view> known) {
  Words words;
  for (std::size_t i = 0; i < args.size(); ++i) {
    if (args[i].size() < 2 || args[i][0] != '-') {
      words.plain.push_back(args[i]);
      continue;
    }
    const std::size_t equals = args[i].find('=');
    const std::string name = args[i].substr(0, equals);
    if (std::find(known.begin(), known.end(), name) == known.end()) return std::nullopt;
    if (equals != std::string::npos) {
      words.options.emplace_back(name, args[i].substr(equals + 1));
    } else if (++i < args.size()) {
      words.options.emplace_back(name, args[i]);
    } else {
      return std::nullopt;
    }
  }
  return words;
}

std::optional<std::int64_t> Number(const std::string& text) {
  std::int64_t value = 0;
  const char* end = text.data() + text.size();
  if (std::from_chars(text.data(), end, value).ptr != end || text.empty()) return std::nullopt;
  return value;
}

OpResult<std::string> TypeOf(const std::string& spec) {
  NM_ASSIGN_OR_RETURN(const nlohmann::json value, ParseSpecText(spec));
  const auto type = value.find("type");
  if (type == value.end() || !type->is_string()) {
    return SpecError("/type", "is missing", "name the operator: convert, aggregate, ...");
  }
  return type->get<std::string>();
}

// The bytes of --memory. nullopt for a text that is no size.
std::optional<std::int64_t> SizeOf(const std::string& text) {
  const auto number = Number(text);
  const auto bytes = ParseByteSize(number ? nlohmann::json(*number) : nlohmann::json(text));
  return bytes && *bytes > 0 ? bytes : std::nullopt;
}

OperatorResult RunSpec(const std::string& spec, const OperatorContext& context) {
  const OpResult<std::string> type = TypeOf(spec);
  if (!type.ok()) return type.error();
  const Operator* op = FindOperator(*type);
  if (op == nullptr) {
    return BadSpec(fmt::format("there is no operator \"{}\"", *type), "unknown_operator",
                   "one of aggregate, compact, convert, expect, publish");
  }
  return op->Run(spec, context);
}

OpResult<TableQuery> ParseQuery(const Words& words) {
  TableQuery query;
  query.table = ResolvePath(std::filesystem::current_path().string(), words.plain[1]);
  for (const auto& [option, text] : words.options) {
    if (option == "--partition") {
      NM_ASSIGN_OR_RETURN(const PartitionKey key, ParsePartitionPath(text));
      query.partition.insert(query.partition.end(), key.begin(), key.end());
    }
    if (option == "--version") {
      query.version = Number(text);
      if (!query.version || *query.version < 1) {
        return BadSpec("--version must be a positive number", "usage");
      }
    }
  }
  return query;
}

int PrintFiles(const TableQuery& query, bool as_json, std::ostream& out, std::ostream& err) {
  const auto files = TableFiles(LocalFileSystem(), query);
  if (!files.ok()) return Fail(files.error(), out, err);
  if (as_json) {
    out << nlohmann::json(*files).dump() << '\n';
  } else {
    for (const std::string& file : *files) out << file << '\n';
  }
  return 0;
}

struct HeadOptions {
  std::int64_t rows = 0;
  std::vector<std::string> columns;  // all if empty
  bool as_json = false;
};

std::vector<std::string> SplitNames(const std::string& list) {
  std::vector<std::string> names;
  std::istringstream words(list);
  for (std::string name; std::getline(words, name, ',');) names.push_back(name);
  return names;
}

int PrintHead(const TableQuery& query, const HeadOptions& options, std::ostream& out,
              std::ostream& err) {
  auto head = ReadTableHead(LocalFileSystem(), query, options.rows);
  if (!head.ok()) return Fail(head.error(), out, err);
  if (!options.columns.empty()) {
    const OpStatus kept = KeepColumns(options.columns, *head);
    if (!kept.ok()) return Fail(kept.error(), out, err);
  }
  out << (options.as_json ? HeadToJson(*head) : HeadToText(*head)) << '\n';
  return 0;
}

}  // namespace

int RunOpCommand(const std::vector<std::string>& args, std::ostream& out, std::ostream& err) {
  constexpr std::string_view kUsage =
      "op run SPEC.json [--data-root DIR] [--threads N] [--memory SIZE]";
  const auto words = Split(args, {"--data-root", "--threads", "--memory"});
  if (!words || words->plain.size() != 1) return Usage(kUsage, err);
  const std::string here = std::filesystem::current_path().string();

  std::atomic<bool> cancelled{false};
  OperatorProgress progress;
  OperatorContext context;
  context.data_root = ResolvePath(here, words->Last("--data-root").value_or("."));
  context.attempt_name = "op";
  context.threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  if (const auto text = words->Last("--threads")) {
    const auto threads = Number(*text);
    if (!threads || *threads < 1 || *threads > 1024) return Usage(kUsage, err);
    context.threads = static_cast<int>(*threads);
  }
  context.cancelled = &cancelled;
  context.progress = &progress;
  context.leave_to_publish = [] { return Ok(); };
  context.log = [&err](std::string_view line) { err << line << '\n'; };

  const std::string path = ResolvePath(here, words->plain[0]);
  const auto spec =
      LocalFileSystem().ReadAll(path, static_cast<std::int64_t>(limits::kMaxJsonBytes));
  if (!spec.ok()) return Fail(spec.error(), out, err);
  if (const auto asked = words->Last("--memory")) {
    context.memory_cap = SizeOf(*asked);
    if (!context.memory_cap) return Usage(kUsage, err);
    context.memory_bytes = *context.memory_cap;
  }
  const OperatorResult result = RunSpec(*spec, context);
  if (const auto* error = std::get_if<OperatorError>(&result)) {
    OperatorError told = *error;
    if (told.reason == "json") told.file = path;
    return Fail(told, out, err);
  }
  out << std::get<std::string>(result) << '\n';
  return 0;
}

int RunTableCommand(const std::vector<std::string>& args, std::ostream& out, std::ostream& err) {
  constexpr std::string_view kUsage =
      "table files|head PATH [--partition K=V]... [--version N] [-n ROWS] "
      "[--columns A,B] [-o table|json]";
  const auto words = Split(args, {"--partition", "--version", "-n", "--columns", "-o"});
  if (!words || words->plain.size() != 2) return Usage(kUsage, err);
  const std::string format = words->Last("-o").value_or("table");
  const auto rows = Number(words->Last("-n").value_or("10"));
  if ((format != "table" && format != "json") || !rows || *rows < 0) return Usage(kUsage, err);
  const auto query = ParseQuery(*words);
  if (!query.ok()) return Fail(query.error(), out, err);
  if (words->plain[0] == "files") return PrintFiles(*query, format == "json", out, err);
  if (words->plain[0] == "head") {
    const auto columns = SplitNames(words->Last("--columns").value_or(""));
    return PrintHead(*query, {*rows, columns, format == "json"}, out, err);
  }
  return Usage(kUsage, err);
}

}  // namespace nightmill
