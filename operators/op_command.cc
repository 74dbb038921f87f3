#include "operators/op_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <filesystem>
#include <ostream>
#include <sstream>
#include <thread>

#include "core/base/check.h"
#include "core/base/json.h"
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

// Where a command writes. What it prints for programs is JSON or lines; lines hold no errors.
struct Console {
  std::ostream& out;
  std::ostream& err;
  bool as_json = false;

  int Fail(const OperatorError& error) const {
    err << "error: " << ToLine(error) << '\n';
    if (as_json) out << "{\"error\":" << ToJson(error) << "}\n";
    return ExitOf(error);
  }
  // A command line that is wrong, and how it is written.
  int Usage(std::string_view wrong, std::string_view text) const {
    err << "error: " << wrong << "\nusage: " << text << '\n';
    return static_cast<int>(ExitCode::kUsage);
  }
};

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

// Every option takes a value, as "--name value" or "--name=value". The error says what is wrong.
Result<Words> Split(const std::vector<std::string>& args,
                    std::initializer_list<std::string_view> known) {
  Words words;
  for (std::size_t i = 0; i < args.size(); ++i) {
    if (args[i].size() < 2 || args[i][0] != '-') {
      words.plain.push_back(args[i]);
      continue;
    }
    const std::size_t equals = args[i].find('=');
    const std::string name = args[i].substr(0, equals);
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      return Invalid(fmt::format("unknown option {}", name));
    }
    if (equals != std::string::npos) {
      words.options.emplace_back(name, args[i].substr(equals + 1));
    } else if (++i < args.size()) {
      words.options.emplace_back(name, args[i]);
    } else {
      return Invalid(fmt::format("{} needs a value", name));
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
  NM_RETURN_IF_ERROR(CheckNoTemplates(value));
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

int PrintFiles(const TableQuery& query, const Console& console) {
  const auto files = TableFiles(LocalFileSystem(), query);
  if (!files.ok()) return console.Fail(files.error());
  if (console.as_json) {
    console.out << nlohmann::json(*files).dump() << '\n';
  } else {
    for (const std::string& file : *files) console.out << file << '\n';
  }
  return 0;
}

std::vector<std::string> SplitNames(const std::string& list) {
  std::vector<std::string> names;
  std::istringstream words(list);
  for (std::string name; std::getline(words, name, ',');) names.push_back(name);
  return names;
}

// `columns`: all if empty.
int PrintHead(const TableQuery& query, std::int64_t rows, const std::vector<std::string>& columns,
              const Console& console) {
  auto head = ReadTableHead(LocalFileSystem(), query, rows);
  if (!head.ok()) return console.Fail(head.error());
  if (!columns.empty()) {
    const OpStatus kept = KeepColumns(columns, *head);
    if (!kept.ok()) return console.Fail(kept.error());
  }
  console.out << (console.as_json ? HeadToJson(*head) : HeadToText(*head)) << '\n';
  return 0;
}

// Sets threads and memory as the command line has them.
Status ReadLimits(const Words& words, OperatorContext& context) {
  context.threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  if (const auto text = words.Last("--threads")) {
    const auto threads = Number(*text);
    if (!threads || *threads < 1 || *threads > 1024) {
      return Invalid(fmt::format("--threads {}: a whole number from 1 to 1024", *text));
    }
    context.threads = static_cast<int>(*threads);
  }
  const auto text = words.Last("--memory");
  if (!text) return Ok();
  context.memory_cap = SizeOf(*text);
  if (!context.memory_cap) {
    return Invalid(
        fmt::format("--memory {}: not a size, which is bytes, or like 512MB or 1GiB", *text));
  }
  if (*context.memory_cap < kLeastMemoryBytes) {
    return Invalid(fmt::format("--memory {}: the least budget is 16MiB", *text));
  }
  context.memory_bytes = *context.memory_cap;
  return Ok();
}

}  // namespace

int RunOpCommand(const std::vector<std::string>& args, std::ostream& out, std::ostream& err) {
  constexpr std::string_view kUsage =
      "op run SPEC.json [--data-root DIR] [--threads N] [--memory SIZE]";
  const Console console{out, err, true};
  const auto words = Split(args, {"--data-root", "--threads", "--memory"});
  if (!words.ok()) return console.Usage(words.error().message, kUsage);
  if (words->plain.size() != 1) return console.Usage("one SPEC is needed", kUsage);
  const std::string here = std::filesystem::current_path().string();

  std::atomic<bool> cancelled{false};
  OperatorProgress progress;
  OperatorContext context;
  context.data_root = ResolvePath(here, words->Last("--data-root").value_or("."));
  context.attempt_name = "op";
  context.cancelled = &cancelled;
  context.progress = &progress;
  context.leave_to_publish = [] { return Ok(); };
  context.log = [&err](std::string_view line) { err << line << '\n'; };
  if (const Status limits = ReadLimits(*words, context); !limits.ok()) {
    return console.Usage(limits.error().message, kUsage);
  }

  const std::string path = ResolvePath(here, words->plain[0]);
  const auto spec =
      LocalFileSystem().ReadAll(path, static_cast<std::int64_t>(limits::kMaxJsonBytes));
  if (!spec.ok()) return console.Fail(spec.error());
  const OperatorResult result = RunSpec(*spec, context);
  if (const auto* error = std::get_if<OperatorError>(&result)) {
    OperatorError told = *error;
    if (told.reason == "json") told.file = path;
    return console.Fail(told);
  }
  out << std::get<std::string>(result) << '\n';
  return 0;
}

int RunTableCommand(const std::vector<std::string>& args, std::ostream& out, std::ostream& err) {
  constexpr std::string_view kUsage =
      "table files|head PATH [--partition K=V]... [--version N] [-n ROWS] "
      "[--columns A,B] [-o table|json]";
  const auto words = Split(args, {"--partition", "--version", "-n", "--columns", "-o"});
  const std::string format = words.ok() ? words->Last("-o").value_or("table") : "table";
  const Console console{out, err, format == "json"};
  if (!words.ok()) return console.Usage(words.error().message, kUsage);
  if (words->plain.size() != 2) return console.Usage("a verb and one PATH are needed", kUsage);
  if (format != "table" && format != "json") {
    return console.Usage(fmt::format("-o {}: table or json", format), kUsage);
  }
  const std::string count = words->Last("-n").value_or("10");
  const auto rows = Number(count);
  if (!rows || *rows < 0) {
    return console.Usage(fmt::format("-n {}: a number of rows, 0 or more", count), kUsage);
  }
  const auto query = ParseQuery(*words);
  if (!query.ok()) return console.Fail(query.error());
  const std::string& verb = words->plain[0];
  if (verb == "files") return PrintFiles(*query, console);
  if (verb == "head") {
    return PrintHead(*query, *rows, SplitNames(words->Last("--columns").value_or("")), console);
  }
  return console.Usage(fmt::format("table has no verb {}", verb), kUsage);
}

}  // namespace nightmill
