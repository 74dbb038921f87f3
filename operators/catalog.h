// Names, schemas, docs and checks of the native operators, as data: free of Arrow, so that the CLI
// and the daemon validate specs of operators that only the worker can run. A schema says the shape
// (editors complete by it), the check of spec_reader.h the rest; spec_test holds them together.
#pragma once

#include <string>
#include <string_view>

#include "core/model/operator_catalog.h"

namespace nightmill {

// aggregate, compact, convert, expect, publish.
void AddNativeOperators(OperatorCatalog& catalog);

// One entry each, in <operator>_entry.cc.
OperatorEntry AggregateEntry();
OperatorEntry ExpectEntry();
OperatorEntry ConvertEntry();
OperatorEntry PublishEntry();
OperatorEntry CompactEntry();

// Draft-07 property texts shared by entries, to be joined with an entry's own properties:
// "in": .., "out": .., "as_of": .., .. without the outer braces; without "out"; without both.
std::string CommonProperties();
std::string InputProperties();
std::string RunProperties();
// The schemas of `in` and `out`, for operators that have them under other names.
std::string InSchema();
std::string OutSchema();
// The schema of a list of `least` checks or more (operators/checks.h).
std::string CheckSuiteSchema(std::string_view description, int least = 0);

}  // namespace nightmill
