#include "cli/cli.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "core/base/json.h"
#include "core/schedule/cron.h"

namespace nightmill {
namespace {

using nlohmann::json;

std::string EnvOr(const Cli& cli, const std::string& name, std::string fallback) {
  const auto it = cli.env.find(name);
  return it == cli.env.end() || it->second.empty() ? std::move(fallback) : it->second;
}

std::string ContextFile(const Cli& cli) {
  const std::string home = EnvOr(cli, "HOME", "/root");
  return EnvOr(cli, "XDG_CONFIG_HOME", home + "/.config") + "/nightmill/config.json";
}

// state_dir of the chosen context, "" without one.
std::string ContextStateDir(const Cli& cli) {
  const Result<std::string> text = ReadFile(ContextFile(cli));
  if (!text.ok()) return {};
  const json config = json::parse(*text, nullptr, false, true);
  if (!config.is_object()) return {};
  const std::string chosen = EnvOr(cli, "NIGHTMILL_CONTEXT", config.value("current", ""));
  const json contexts = config.value("contexts", json::object());
  const auto context = contexts.find(chosen);
  return context == contexts.end() ? "" : context->value("state_dir", "");
}

std::string DefaultStateDir(const Cli& cli) {
  if (geteuid() == 0) return "/var/lib/nightmill";
  return EnvOr(cli, "HOME", "/tmp") + "/.local/state/nightmill";
}

}  // namespace

std::string AbsolutePath(const std::string& path) {
  std::error_code ignored;
  const auto absolute = std::filesystem::absolute(path, ignored).lexically_normal();
  std::string text = absolute.string();
  if (text.size() > 1 && text.ends_with('/')) text.pop_back();
  return text;
}

Status ResolveCli(Cli& cli) {
  if (cli.url.empty()) cli.url = EnvOr(cli, "NIGHTMILL_URL", "");
  if (cli.token_file.empty()) cli.token_file = EnvOr(cli, "NIGHTMILL_TOKEN_FILE", "");
  if (cli.state_dir.empty()) cli.state_dir = EnvOr(cli, "NIGHTMILL_STATE_DIR", "");
  if (cli.state_dir.empty()) cli.state_dir = ContextStateDir(cli);
  if (cli.state_dir.empty()) cli.state_dir = DefaultStateDir(cli);
  cli.state_dir = AbsolutePath(cli.state_dir);
  return Ok();
}

Result<std::string> ReadFile(const std::string& path) {
  if (path == "-") {
    std::ostringstream all;
    all << std::cin.rdbuf();
    return std::move(all).str();
  }
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    return Invalid(fmt::format("{} is a folder", path));
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) return NotFound(fmt::format("cannot read {}: {}", path, std::strerror(errno)));
  std::ostringstream all;
  all << file.rdbuf();
  return std::move(all).str();
}

Status WriteFile(const std::string& path, std::string_view content, int mode) {
  const std::string temporary = path + ".new";
  const int fd =
      open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, static_cast<mode_t>(mode));
  bool written = fd >= 0;
  if (written) {
    written = write(fd, content.data(), content.size()) == static_cast<ssize_t>(content.size());
    close(fd);
  }
  if (written && rename(temporary.c_str(), path.c_str()) == 0) return Ok();
  return Invalid(fmt::format("cannot write {}: {}", path, std::strerror(errno)));
}

void Say(std::string_view line) { std::cerr << line << '\n'; }

int Fail(const Error& error) {
  std::cerr << "nightmill: " << error.message << '\n';
  if (!error.hint.empty()) std::cerr << "  next: " << error.hint << '\n';
  return ExitCodeOf(error.code);
}

void Table::Print() const {
  std::vector<std::size_t> widths(rows_[0].size(), 0);
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const auto& row : rows_) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] - row[i].size() + 2, ' ');
    }
    std::cout << line << '\n';
  }
}

void PrintJson(const json& value) {
  std::cout << value.dump(2, ' ', false, json::error_handler_t::replace) << '\n';
}

std::string Text(const json& object, std::string_view member) {
  const auto it = object.find(member);
  if (it == object.end() || it->is_null()) return {};
  return it->is_string() ? it->get<std::string>() : it->dump();
}

std::string ShortTime(const std::string& rfc3339) {
  std::string text = rfc3339.substr(0, 19);
  if (text.size() > 10) text[10] = ' ';
  return text;
}

void PrintRest(const json& answer, std::size_t shown, int offset, std::string_view noun) {
  const std::size_t total = answer.value("total_entries", std::size_t{0});
  const std::size_t end = static_cast<std::size_t>(offset) + shown;
  if (end >= total) return;
  std::string grouped = std::to_string(total);
  for (std::size_t i = grouped.size(); i > 3; i -= 3) grouped.insert(i - 3, ",");
  std::cout << fmt::format("{} of {} {}; --limit 0 or --offset {} for more\n", shown, grouped, noun,
                           end);
}

Result<std::string> UtcInstant(std::string_view flag, const std::string& text) {
  if (text.size() > 10 && ParseInstant(text).ok()) return text;
  // The forms without a zone are those that become whole by it.
  for (const char* rest : {"Z", ":00Z", "T00:00:00Z"}) {
    const Result<Instant> instant = ParseInstant(text + rest);
    if (!instant.ok()) continue;
    const std::string utc = FormatInstant(*instant);
    Say(fmt::format("{} {} has no zone, taken as UTC: {}", flag, text, utc));
    return utc;
  }
  Error error = ParseInstant(text).error();
  error.message = fmt::format("{}: {}", flag, error.message);
  error.hint += "; without a zone it is UTC";
  return error;
}

Status CheckCount(int n) {
  if (n >= 1 && n <= kMaxFirings) return Ok();
  return Invalid(fmt::format("-n {} is not from 1 to {}", n, kMaxFirings),
                 "say how many coming times to show, as in -n 5");
}

Result<TaskName> ParseTaskName(const std::string& text) {
  const std::size_t at = text.find_first_of(":[");
  TaskName name{text.substr(0, at)};
  if (at == std::string::npos) return name;
  const bool bracket = text[at] == '[';
  const char* end = text.data() + text.size() - (bracket ? 1 : 0);
  const auto [stop, error] = std::from_chars(text.data() + at + 1, end, name.map_index);
  const bool closed = !bracket || text.back() == ']';
  if (error == std::errc{} && stop == end && closed && name.map_index >= 0) return name;
  return Invalid(fmt::format("\"{}\" names no task instance", text),
                 fmt::format("write {0}, {0}:0 or {0}[0]", name.task_id));
}

}  // namespace nightmill
