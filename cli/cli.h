// What all verbs share: global options, where the server is, how to print, how to fail. Thread
// rule: main thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/command_line.h"
#include "core/base/result.h"
#include "core/base/time.h"
#include "core/model/operator_catalog.h"

namespace nightmill {

// Options of every verb and the environment (read once, here: getenv is banned elsewhere).
struct Cli {
  std::string output = "table";  // or "json"
  std::string url;               // "" = from server.json of the state directory
  std::string token_file;
  std::string state_dir;  // absolute
  bool quiet = false;
  std::map<std::string, std::string> env;
  std::string self;  // absolute path of this executable
  OperatorCatalog catalog;

  bool json() const { return output == "json"; }
};

// flag > NIGHTMILL_* > chosen context > default; makes paths absolute.
Status ResolveCli(Cli& cli);
std::string AbsolutePath(const std::string& path);
Result<std::string> ReadFile(const std::string& path);
Status WriteFile(const std::string& path, std::string_view content, int mode);

// Talk goes to stderr, data to stdout.
void Say(std::string_view line);
// "nightmill: message\n  next: hint"; the exit code that goes with the error.
int Fail(const Error& error);

// Columns aligned by spaces, no borders.
class Table {
 public:
  explicit Table(std::vector<std::string> header) { rows_.push_back(std::move(header)); }
  void Add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  void Print() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};
void PrintJson(const nlohmann::json& value);
// A member as text: "" for null, bare strings, JSON for the rest.
std::string Text(const nlohmann::json& object, std::string_view member);
// An instant for tables whose head says UTC: "2026-03-16 06:00:00".
std::string ShortTime(const std::string& rfc3339);
// "50 of 1,234 runs; --limit 0 or --offset 50 for more", the last line of a table that shows
// `shown` rows of a list from `offset` and not its end.
void PrintRest(const nlohmann::json& answer, std::size_t shown, int offset, std::string_view noun);

// An instant as a user types it for `flag`, in RFC 3339. Without a zone it is UTC, also
// "2026-01-01", "2026-01-01T06:00" and "2026-01-01 06:00:00", and that is said on stderr.
Result<std::string> UtcInstant(std::string_view flag, const std::string& text);

// "-n" of the verbs that show coming times.
Status CheckCount(int n);

// "load", "load:3" or "load[3]": a task and an index of its map, -1 without one.
struct TaskName {
  std::string task_id;
  int map_index = -1;
};
Result<TaskName> ParseTaskName(const std::string& text);

}  // namespace nightmill
