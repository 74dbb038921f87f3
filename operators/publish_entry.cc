// The catalog's entry of `publish`, and how its spec is read.
#include <string>

#include "operators/catalog.h"
#include "operators/specs.h"

namespace nightmill {
namespace {

constexpr const char* kDoc =
    R"(Publishes Parquet files that a process wrote, or a partition of a table, as one partition of
another table: every row is read once for `suite`, profile and content_sum, the files are copied
as they are, and one commit makes them visible. If a check of severity `stop` fails, nothing is
published (code `check`). All files must have the same columns.

`to.layout` is `manifest` (versions with history; `nightmill table files` lists the current files)
or `directory` (plain folders for any reader, swapped as a whole).)";

}  // namespace

PublishSpec ReadPublish(SpecReader& spec) {
  PublishSpec out;
  out.common = ReadCommon(spec, {"from", "to"});
  spec.Require("from", "name a folder or a table partition");
  spec.Require("to", "name the table to publish");
  out.suite = CheckSuite::Read(spec, "suite");
  if (out.common.in && out.common.in->filtered) {
    spec.FailAt(spec_code::kMismatch, "/from/filter", "publish takes no filter",
                "files are published whole");
  }
  if (out.common.out && !out.common.out->sort.empty()) {
    spec.FailAt(spec_code::kMismatch, "/to/sort", "publish does not sort",
                "files are published as they are");
  }
  return out;
}

OperatorEntry PublishEntry() {
  std::string schema = "{\"properties\": {\"from\": " + InSchema() + ",\n  \"to\": " + OutSchema() +
                       "," + RunProperties() + ",\n  \"suite\": " +
                       CheckSuiteSchema("Checks on the rows before they are published.") + R"(,
  "retain": {"type": "integer", "minimum": 1, "default": 30,
    "description": "Versions of the table to keep when it is cleaned up."}},
  "required": ["from", "to"]})";
  return {"publish",
          TaskKind::kNative,
          "Checks Parquet files and publishes them at once.",
          kDoc,
          std::move(schema),
          {},
          FaultsOf<ReadPublish>};
}

}  // namespace nightmill
