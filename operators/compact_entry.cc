// The catalog's entry of `compact`, and how its spec is read.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <string>

#include "core/base/hash.h"
#include "operators/catalog.h"
#include "operators/specs.h"

namespace nightmill {
namespace {

constexpr const char* kDoc =
    R"(Rewrites the small files of each partition of a table into few, in place. Candidates are
files below 75 % or above 180 % of `target_mb`, and files of many small row groups; a partition is
rewritten when it has `min_inputs` of them or a target's worth of bytes. With `sort` the rewritten
rows are ordered, in memory. What was read and what is written must have the same content_sum
before the commit, which keeps the fingerprints: nothing downstream runs again. A second run finds
nothing to do. The report has `files_before` and `files_after`.)";

constexpr std::array<std::string_view, 2> kModes{"auto", "reencode"};
constexpr std::array<std::string_view, 1> kSchemas{"union"};

}  // namespace

CompactSpec ReadCompact(SpecReader& spec) {
  CompactSpec out;
  out.common = ReadCommon(spec, {"in", ""});
  spec.Require("in", "name the table");
  if (out.common.in && out.common.in->filtered) {
    spec.FailAt(spec_code::kMismatch, "/in/filter", "compact takes no filter", "all rows are kept");
  }
  if (out.common.in && out.common.in->paths.size() > 1) {
    spec.FailAt(spec_code::kMismatch, "/in", "compact works on one table at a time");
  }
  std::int64_t target_mb = 0;
  if (spec.Integer("target_mb", 1, 100'000, target_mb)) {
    out.rules.target_bytes = target_mb * 1'000'000;
  }
  spec.Integer("min_inputs", 1, 1'000'000, out.rules.min_inputs);
  (void)spec.Word("mode", kModes);
  (void)spec.Word("schema", kSchemas);
  spec.Texts("sort", SpecReader::Form::kList, out.sort);
  out.rules_hash = Sha256Hex(fmt::format("{}\x1f{}\x1f{}", out.rules.target_bytes,
                                         out.rules.min_inputs, fmt::join(out.sort, "\x1e")));
  return out;
}

OperatorEntry CompactEntry() {
  std::string schema = "{\"properties\": {" + InputProperties() + R"(,
  "target_mb": {"type": "integer", "minimum": 1, "maximum": 100000, "default": 128,
    "description": "Size that files should have."},
  "min_inputs": {"type": "integer", "minimum": 1, "default": 5,
    "description": "Fewest files worth a rewrite, if they are less than a target together."},
  "mode": {"enum": ["auto", "reencode"], "default": "auto",
    "description": "How bytes move; both encode rows again."},
  "sort": {"type": ["array", "null"], "items": {"type": "string", "minLength": 1}, "default": null,
    "description": "Columns the rewritten rows are ordered by."},
  "schema": {"enum": ["union"], "default": "union",
    "description": "Columns that some files lack are null there."}},
  "required": ["in"]})";
  return {"compact",
          TaskKind::kNative,
          "Makes few files out of many, in place.",
          kDoc,
          std::move(schema),
          {},
          FaultsOf<ReadCompact>};
}

}  // namespace nightmill
