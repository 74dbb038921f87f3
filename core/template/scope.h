// The names that one rendering sees, made from a TemplateContext when first used. Used by one
// thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "core/base/result.h"
#include "core/base/rng.h"
#include "core/template/template.h"
#include "core/template/value.h"

namespace nightmill::tmpl {

class Scope {
 public:
  // Keeps a reference: the context outlives the scope.
  explicit Scope(const TemplateContext& context) : context_(context), rng_(context.seed) {}

  // The value of a root name. A name that this run does not have is Undefined and says why. Errors:
  // malformed JSON in the context.
  Result<Value> Root(std::string_view name);
  // dag_run.conf, outputs.load, var.value.x; `owner` is a namespace's canonical name.
  Result<Value> MemberOf(std::string_view owner, std::string_view name);
  // Starts the random numbers of one string, so that its text does not depend on which strings were
  // rendered before it.
  void SeedRandom(std::string_view place, std::string_view text);
  Rng* rng() { return &rng_; }

 private:
  Result<Value> Json(std::string_view key, std::string_view text);
  Result<Value> DagRunMember(std::string_view name);
  Result<Value> Output(std::string_view task_id);
  Result<Value> Variable(std::string_view name, bool as_json);
  Result<Value> OldRoot(std::string_view name);
  Value LogicalDate(std::string_view name, std::string_view filter);

  const TemplateContext& context_;
  Rng rng_;
  std::map<std::string, Value, std::less<>>
      parsed_;  // JSON members by name, outputs as "outputs.x"
};

}  // namespace nightmill::tmpl
