// Names, schemas and docs of the native operators, as data: free of Arrow, so that the CLI and the
// daemon validate specs of operators that only the worker can run.
#pragma once

#include <string>
#include <string_view>

#include "core/model/operator_catalog.h"

namespace nightmill {

// aggregate, compact, convert, expect, publish.
void AddNativeOperators(OperatorCatalog& catalog);

// One entry each; aggregate_entry.cc and expect_entry.cc hold the long ones.
OperatorEntry AggregateEntry();
OperatorEntry ExpectEntry();
OperatorEntry ConvertEntry();
OperatorEntry PublishEntry();
OperatorEntry CompactEntry();

// The draft-07 property texts shared by all entries: {"in": .., "out": .., "as_of": .., ..} without
// the outer braces, to be joined with an entry's own properties.
std::string CommonProperties();
// The schema of a list of checks (operators/checks.h).
std::string CheckSuiteSchema(std::string_view description);

}  // namespace nightmill
