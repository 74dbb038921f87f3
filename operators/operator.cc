#include "operators/operator.h"

#include <array>

#include "core/base/check.h"
#include "core/base/json.h"

namespace nightmill {
namespace {

struct CodeRow {
  OperatorErrorCode code;
  std::string_view word;
};

constexpr std::array<CodeRow, 8> kCodes{{
    {OperatorErrorCode::kBadSpec, "bad_spec"},
    {OperatorErrorCode::kBadInput, "bad_input"},
    {OperatorErrorCode::kCheck, "check"},
    {OperatorErrorCode::kIo, "io"},
    {OperatorErrorCode::kOomBudget, "oom_budget"},
    {OperatorErrorCode::kConflict, "conflict"},
    {OperatorErrorCode::kCancelled, "cancelled"},
    {OperatorErrorCode::kInternal, "internal"},
}};

}  // namespace

std::string_view ToString(OperatorErrorCode code) {
  for (const CodeRow& row : kCodes) {
    if (row.code == code) return row.word;
  }
  CheckFailed("every OperatorErrorCode has a row", __FILE__, __LINE__, {});
}

std::string ToJson(const OperatorError& error) {
  nlohmann::json out = {{"code", ToString(error.code)}, {"message", error.message}};
  const auto text = [&out](const char* name, const std::string& value) {
    if (!value.empty()) out[name] = value;
  };
  const auto number = [&out](const char* name, std::int64_t value) {
    if (value >= 0) out[name] = value;
  };
  text("reason", error.reason);
  text("hint", error.hint);
  text("file", error.file);
  number("row_group", error.row_group);
  text("column", error.column);
  number("page", error.page);
  number("row", error.row);
  number("line", error.line);
  if (!error.report.empty()) {
    nlohmann::json detail = nlohmann::json::parse(error.report, nullptr, false);
    out["detail"] = detail.is_discarded() ? nlohmann::json(error.report) : std::move(detail);
  }
  // Messages may quote bytes of a broken input.
  return out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string ToLine(const OperatorError& error) {
  std::string place = error.file;
  const auto add = [&place](std::string_view name, const std::string& value) {
    if (!place.empty()) place += ", ";
    place += name;
    place += value;
  };
  if (error.row_group >= 0) add("row group ", std::to_string(error.row_group));
  if (!error.column.empty()) add("column ", error.column);
  if (error.page >= 0) add("page ", std::to_string(error.page));
  if (error.row >= 0) add("row ", std::to_string(error.row));
  if (error.line >= 0) add("line ", std::to_string(error.line));
  std::string out(ToString(error.code));
  out += ": ";
  if (!place.empty()) out += place + ": ";
  out += error.message;
  if (!error.hint.empty()) out += " (" + error.hint + ")";
  return out;
}

}  // namespace nightmill
