// The report of an attempt (compute.md 1.1 step 8).
#include <algorithm>
#include <cmath>

#include "core/base/json.h"
#include "core/base/limits.h"
#include "operators/table/attempt.h"

namespace nightmill {
namespace {

using nlohmann::json;

std::string Dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

json ProfileOf(const ReportParts& parts) {
  json columns = json::object();
  std::int64_t rows = 0;
  for (std::size_t i = 0; i < parts.columns.size(); ++i) {
    const ColumnType& type = parts.schema.fields[i].type;
    const ColumnStats& stats = parts.columns[i];
    rows = stats.rows;
    columns[parts.schema.fields[i].name] = {
        {"type", ToString(type)},
        {"nulls", stats.nulls},
        {"min", json::parse(ValueToJson(stats.min, type), nullptr, false)},
        {"max", json::parse(ValueToJson(stats.max, type), nullptr, false)}};
  }
  return {{"rows", rows}, {"columns", columns}};
}

json PartitionsOf(const ReportParts& parts) {
  json list = json::array();
  for (const auto& [key, entry] : parts.partitions) {
    list.push_back({{"key", key},
                    {"fingerprint", entry.fingerprint},
                    {"rows", entry.rows},
                    {"bytes", entry.bytes},
                    {"files", entry.files},
                    {"content_sum", ToString(entry.content_sum)}});
  }
  return list;
}

}  // namespace

std::string BuildReport(const ReportParts& parts) {
  json report = json::object();
  if (!parts.extra.empty()) {
    json extra = json::parse(parts.extra, nullptr, false);
    if (extra.is_object()) report = std::move(extra);
  }
  report.erase("compacted");  // a note of compact to itself
  report["outcome"] = parts.outcome;
  if (!parts.table.empty()) {
    report["table"] = parts.table;
    report["version"] = parts.version;
  }
  report["partitions"] = PartitionsOf(parts);
  std::int64_t rows = 0;
  std::int64_t files = 0;
  for (const auto& [key, entry] : parts.partitions) {
    rows += entry.rows;
    files += entry.files;
  }
  report["rows"] = rows;
  report["files"] = files;
  if (!parts.checks.empty()) report["checks"] = json::parse(parts.checks, nullptr, false);
  if (!parts.columns.empty()) report["profile"] = ProfileOf(parts);
  report["warnings"] = parts.warnings;
  json phases = json::object();
  for (const auto& [name, seconds] : parts.phases) {
    phases[name] = std::round(seconds * 1e6) / 1e6;
  }
  report["phase_seconds"] = phases;

  std::string text = Dump(report);
  // What is longer than a report may be is cut by whole parts, the most bulky and least needed
  // first.
  for (const char* part : {"profile", "checks", "partitions", "warnings"}) {
    if (text.size() <= limits::kMaxReportBytes) break;
    if (report.erase(part) == 0) continue;
    report["truncated"].push_back(part);
    text = Dump(report);
  }
  return text;
}

}  // namespace nightmill
