#include "core/model/names.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/limits.h"

namespace nightmill {
namespace {

bool IsOneOf(char c, std::string_view more) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
         more.find(c) != std::string_view::npos;
}

bool HasOnly(std::string_view name, std::string_view more) {
  return std::all_of(name.begin(), name.end(), [more](char c) { return IsOneOf(c, more); });
}

bool HasDots(std::string_view name) { return name.find("..") != std::string_view::npos; }

}  // namespace

Status CheckRunId(std::string_view run_id) {
  // ~ alone or in front means "any" and "newest" where an id is expected.
  if (run_id.empty() || run_id.size() > limits::kMaxRunIdLength || !HasOnly(run_id, "_.~:+-") ||
      HasDots(run_id) || run_id.front() == '~') {
    return Invalid(fmt::format("\"{}\" is no run id", run_id),
                   fmt::format("a run id has 1 to {} of A-Z a-z 0-9 _ . ~ : + -, does not begin "
                               "with ~ and holds no \"..\"",
                               limits::kMaxRunIdLength));
  }
  for (const std::string_view prefix : {"scheduled__", "backfill__", "asset_triggered__"}) {
    if (run_id.starts_with(prefix)) {
      return Invalid(fmt::format("\"{}\" is no id for a run of yours", run_id),
                     fmt::format("ids that begin with {} are given by the scheduler", prefix));
    }
  }
  return Ok();
}

Status CheckPoolName(std::string_view name) {
  if (name.empty() || name.size() > limits::kMaxIdLength || !HasOnly(name, "_.-") ||
      HasDots(name) || !IsOneOf(name.front(), "_")) {
    return Invalid(fmt::format("\"{}\" is no name of a pool", name),
                   fmt::format("a name has 1 to {} of A-Z a-z 0-9 _ . -, begins with a letter, "
                               "digit or _ and holds no \"..\"",
                               limits::kMaxIdLength));
  }
  return Ok();
}

}  // namespace nightmill
