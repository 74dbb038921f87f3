#include <fmt/format.h>

#include <iostream>

#include "cli/commands/commands.h"
#include "core/base/json.h"
#include "core/dagfile/dag_json.h"
#include "core/schedule/cron.h"
#include "scheduler/daemon/clock.h"

namespace nightmill {
namespace {

using nlohmann::json;

struct NextOptions {
  std::string expr;
  std::string tz = "UTC";
  std::string start;
  int n = 5;
  bool jsonl = false;
};

// The strict reader refuses what the lenient one lets through, a key given twice above all.
std::string AnswerLine(const std::string& line) {
  if (line.empty()) return AnswerScheduleLine(line);  // its own words for a line, not for a file
  const Result<std::string> strict = ParseStrictJson(line, false);
  if (strict.ok()) return AnswerScheduleLine(*strict);
  const Error& error = strict.error();
  nlohmann::ordered_json answer;
  answer["error"] = {
      {"code", ToString(error.code)}, {"message", error.message}, {"hint", error.hint}};
  return answer.dump(-1, ' ', false, json::error_handler_t::replace);
}

// Every line gets its answer, an empty one too: who asks counts lines.
int AnswerLines() {
  std::string line;
  while (std::getline(std::cin, line)) std::cout << AnswerLine(line) << '\n' << std::flush;
  return 0;
}

int Next(Cli& cli, const NextOptions& options) {
  const Status resolved = ResolveCli(cli);
  if (!resolved.ok()) return Fail(resolved.error());
  if (options.jsonl) return AnswerLines();
  if (options.expr.empty()) {
    return Fail(Invalid("a cron expression is missing",
                        "nightmill schedule next '0 6 * * *' --tz Europe/Madrid"));
  }
  const Status count = CheckCount(options.n);
  if (!count.ok()) return Fail(count.error());
  std::string start = FormatInstant(WallNow());
  if (!options.start.empty()) {
    Result<std::string> given = UtcInstant("--start", options.start);
    if (!given.ok()) return Fail(given.error());
    start = *std::move(given);
  }
  const json line = {
      {"expr", options.expr}, {"tz", options.tz}, {"start", start}, {"n", options.n}};
  const json answer = json::parse(AnswerScheduleLine(line.dump()));
  if (cli.json()) PrintJson(answer);
  if (answer.contains("error")) {
    const json& error = answer["error"];
    return Fail(Invalid(error.value("message", ""), error.value("hint", "")));
  }
  if (!cli.json()) {
    for (const json& t : answer["next"]) std::cout << t.get<std::string>() << '\n';
  }
  return 0;
}

}  // namespace

void AddScheduleVerbs(CommandLine& line, Cli& cli) {
  auto next = std::make_shared<NextOptions>();
  line.Add("schedule next", "coming firings of a cron expression")
      .OptionalArg("EXPR", next->expr, "five fields or a preset")
      .Option("--tz", next->tz, "IANA time zone")
      .Option("--start", next->start, "strictly after this instant (UTC if it names no zone); now")
      .Option("-n", next->n, "how many")
      .Flag("--jsonl", next->jsonl, "answer lines {\"expr\",\"tz\",\"start\",\"n\"} of stdin")
      .Do([&cli, next] { return Next(cli, *next); });
  auto code = std::make_shared<std::string>();
  Verb& explain = line.Add("explain", "what a diagnostic code means");
  explain.Arg("CODE", *code, "e.g. NM302").Do([&cli, code] {
    const std::optional<std::string> page = ExplainCode(*code);
    if (!page) return Fail(NotFound(fmt::format("there is no code \"{}\"", *code)));
    if (cli.json()) {
      PrintJson({{"code", *code}, {"page", *page}});
    } else {
      std::cout << *page << '\n';
    }
    return 0;
  });
  line.Add("schema dag", "JSON Schema of DAG files").Do([&cli] {
    std::cout << DagSchema(cli.catalog);
    return 0;
  });
}

}  // namespace nightmill
