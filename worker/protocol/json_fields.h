// Reading the members of a JSON object that a peer sent: every accessor checks presence, type and
// range; the first complaint is kept and the rest return zero values, so that a message reads like
// its struct and is judged once at the end. Internal to worker/protocol.
#pragma once

#include <cstdint>
#include <limits>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

namespace nightmill::wire {

class JsonFields {
 public:
  // Both outlive this object; `complaint` is shared by the fields of nested objects.
  JsonFields(const nlohmann::json& object, std::string& complaint);

  std::int64_t Int(const char* key, std::int64_t min = std::numeric_limits<std::int64_t>::min(),
                   std::int64_t max = std::numeric_limits<std::int64_t>::max());
  int Int32(const char* key);
  // null or absent gives nullopt.
  std::optional<std::int64_t> OptionalInt(const char* key);
  std::optional<double> OptionalNumber(const char* key);
  double Number(const char* key);
  bool Bool(const char* key);
  std::string Text(const char* key);
  std::vector<std::string> Texts(const char* key);
  // 16 hex digits.
  std::uint64_t Hex(const char* key);
  // The elements of an array member, the value of an object member; an empty one after a complaint.
  const nlohmann::json& Array(const char* key);
  const nlohmann::json& Object(const char* key);

  void Complain(std::string_view key, std::string_view what);
  std::string& complaint() { return complaint_; }

 private:
  const nlohmann::json* Find(const char* key) const;  // null values count as absent

  const nlohmann::json& object_;
  std::string& complaint_;
};

// A JSON object of bounded depth, or kInvalid.
Result<nlohmann::json> ParseObject(std::string_view text);
// Whether brackets nest no deeper than `max`; strings are skipped. A linear scan before any tree is
// built, because nlohmann/json recurses on the way down.
bool DepthWithin(std::string_view text, int max);
// Compact text; bytes that are not UTF-8 become U+FFFD.
std::string DumpRepaired(const nlohmann::json& value);
// Compact text; kInvalid if any string is not UTF-8.
Result<std::string> DumpStrict(const nlohmann::json& value);

}  // namespace nightmill::wire
