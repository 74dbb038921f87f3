// JSON Schema draft-07. valijson decides whether a value fits; what it refuses is then put into
// words by a walk of ours over the same schema, since valijson names one unknown key at a time,
// repeats every complaint for each parent and does not say what would have been allowed. Where the
// walk knows no better (keywords it does not word), valijson's own leaves are kept.
// Immutable after Compile, thread-safe.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

namespace nightmill::dagfile {

struct SchemaFault {
  std::string_view code;  // NM2xx
  std::string pointer;    // relative to the value checked
  bool at_key = false;    // the key is at fault, not its value
  std::string message;
  std::string hint;
};

class JsonSchema {
 public:
  // kInvalid if `schema` is not a usable draft-07 schema.
  static Result<std::shared_ptr<const JsonSchema>> Compile(const nlohmann::json& schema);

  virtual ~JsonSchema() = default;

  virtual bool Accepts(const nlohmann::json& value) const = 0;
  // Every fault; empty iff Accepts.
  virtual std::vector<SchemaFault> Explain(const nlohmann::json& value) const = 0;
};

}  // namespace nightmill::dagfile
