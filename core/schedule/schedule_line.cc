// `nightmill schedule next --jsonl`: one question and one answer per line.
#include <fmt/format.h>

#include <array>

#include "core/base/json.h"
#include "core/schedule/cron.h"

namespace nightmill {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr std::size_t kMaxLineBytes = 64u << 10;
constexpr std::string_view kForm =
    R"(write {"expr": "0 6 * * *", "tz": "Asia/Tokyo", "start": "2026-03-28T00:00:00Z", "n": 5})";

struct Question {
  std::string expr;
  std::string zone = "UTC";
  Instant start;
  int n = 1;
};

Error BadMember(std::string_view name, std::string_view wanted) {
  return Invalid(std::string("\"").append(name).append("\" is not ").append(wanted),
                 std::string(kForm));
}

Status ReadString(const json& line, const char* name, bool required, std::string* out) {
  const auto member = line.find(name);
  if (member == line.end()) {
    return required
               ? Status(Invalid(std::string("\"") + name + "\" is missing", std::string(kForm)))
               : Ok();
  }
  if (!member->is_string()) return BadMember(name, "a string");
  *out = member->get<std::string>();
  return Ok();
}

// Other members are a line's own affair (a test vector carries its id and what it expects), but not
// another word for one of ours, which would be answered as if it were not there.
Status CheckMembers(const json& line) {
  struct Row {
    std::string_view word, meant;
  };
  static constexpr std::array<Row, 9> kRows = {{{"timezone", "tz"},
                                                {"time_zone", "tz"},
                                                {"zone", "tz"},
                                                {"TZ", "tz"},
                                                {"count", "n"},
                                                {"limit", "n"},
                                                {"N", "n"},
                                                {"cron", "expr"},
                                                {"from", "start"}}};
  for (const Row& row : kRows) {
    if (!line.contains(row.word) || line.contains(row.meant)) continue;
    return Invalid(fmt::format("unknown member \"{}\"", row.word),
                   fmt::format("it is called \"{}\"", row.meant));
  }
  return Ok();
}

// The zone of the question is that of the expression, not of `start`: a time names its own.
Result<Instant> ReadStart(const std::string& text) {
  Result<Instant> start = ParseInstant(text);
  if (!start.ok()) {
    const bool zone_missing = ParseInstant(text + "Z").ok() || ParseInstant(text + ":00Z").ok();
    if (!zone_missing) return start;
    return Invalid(fmt::format("\"start\" {} names no zone", text),
                   "add Z or an offset, as in 2026-03-28T00:00:00+09:00");
  }
  if (*start < Instant{}) {
    return Invalid(fmt::format("\"start\" {} is before 1970", text),
                   "firings are known from 1970 to 2200");
  }
  return start;
}

Result<Question> ReadQuestion(std::string_view text) {
  if (text.size() > kMaxLineBytes) return Invalid("the line is longer than 64 KiB");
  const json line = json::parse(text, nullptr, false);
  if (line.is_discarded()) return Invalid("the line is not JSON", std::string(kForm));
  if (!line.is_object()) return Invalid("the line is not a JSON object", std::string(kForm));
  Question question;
  NM_RETURN_IF_ERROR(ReadString(line, "expr", true, &question.expr));
  NM_RETURN_IF_ERROR(ReadString(line, "tz", false, &question.zone));
  std::string start;
  NM_RETURN_IF_ERROR(ReadString(line, "start", true, &start));
  if (const auto n = line.find("n"); n != line.end()) {
    const bool fits = n->is_number_integer() && *n >= 1 && *n <= kMaxFirings;
    if (!fits) return BadMember("n", "a whole number from 1 to 10000");
    question.n = n->get<int>();
  }
  NM_RETURN_IF_ERROR(CheckMembers(line));
  NM_ASSIGN_OR_RETURN(question.start, ReadStart(start));
  return question;
}

Result<std::vector<std::string>> Answer(std::string_view text) {
  NM_ASSIGN_OR_RETURN(const Question question, ReadQuestion(text));
  NM_ASSIGN_OR_RETURN(const auto zone, TimeZone::Find(question.zone));
  NM_ASSIGN_OR_RETURN(const CronExpr cron, CronExpr::Parse(question.expr));
  Instant at = question.start;
  std::vector<std::string> firings;
  for (int i = 0; i < question.n; ++i) {
    const std::optional<Instant> next = cron.Next(at, *zone);
    if (!next) break;
    at = *next;
    firings.push_back(zone->Format(at));
  }
  return firings;
}

}  // namespace

std::string AnswerScheduleLine(std::string_view json_line) {
  const Result<std::vector<std::string>> answer = Answer(json_line);
  ordered_json out;
  if (answer.ok()) {
    out["next"] = *answer;
  } else {
    const Error& error = answer.error();
    const bool never = error.message.starts_with("never fires");
    out["error"] = {{"code", never ? "never_fires" : ToString(error.code)},
                    {"message", error.message},
                    {"hint", error.hint}};
  }
  return out.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

}  // namespace nightmill
